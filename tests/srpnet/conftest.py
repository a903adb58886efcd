"""What the tests of `srpnet` share: noise, tiny networks, episodes of squares, weights without a download."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from episodes.data.source import Array
from episodes.fewshot.episode import Episode, EpisodeSpec
from episodes.fewshot.geometry import Geometry
from episodes.fewshot.scenes.augmentation import Augmentation
from episodes.fewshot.scenes.loading import Loader
from episodes.fewshot.settings import DataSettings
from srpnet.fewshot.network import SRPNet
from srpnet.fewshot.settings import NetworkSettings
from srpnet.fewshot.training.settings import FewShotLoopSettings, FewShotTrainSettings
from srpnet.fewshot.training.train import run_training
from srpnet.fewshot.training.trainable import TrainableSRPNet
from srpnet.nn import weights as weights_module
from srpnet.training.run import TrainingRun
from tests.backbones import TinyWeights
from tests.episodes.fakes import voc_folder
from tests.srpnet.runs import FP32, QUICK, Begin

Noise = Callable[..., Tensor]
TinySettings = Callable[..., NetworkSettings]


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Tensors this small only wait for threads, all the more on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def noise() -> Noise:
    """`noise(2, 3, seed=1)`: normal numbers by the seed alone, float64."""

    def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
        return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)

    return draw


@pytest.fixture
def tiny() -> TinySettings:
    """`tiny(width=16)`: settings of a network that is built and run in milliseconds."""

    def settings(**options: Any) -> NetworkSettings:
        small = NetworkSettings(layers=(1, 1, 1, 1), base_width=8, width=8, stages=(2, 3))
        return replace(small, **options)

    return settings


@pytest.fixture
def network(tiny: TinySettings) -> SRPNet:
    return SRPNet(tiny()).eval()


@pytest.fixture
def global_state() -> Iterator[None]:
    """Fails a test that moves one of the global random states."""
    before = torch.get_rng_state()
    numpy_before = np.random.get_state()[1].tolist()  # noqa: NPY002
    yield
    assert torch.equal(torch.get_rng_state(), before)
    assert np.random.get_state()[1].tolist() == numpy_before  # noqa: NPY002


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch) -> TinyWeights:
    """Networks take their backbone weights from here."""
    cache = TinyWeights()
    monkeypatch.setattr(weights_module, "get_weights", cache)
    return cache


class Squares:
    """A source of 64 x 48 photographs: the id `2-5` is number 5 of class 2, a square of its colour on noise."""

    name = "squares"
    classes = ("red", "green", "blue")

    def load(self, id: str) -> tuple[Array, Array]:
        label, number = map(int, id.split("-"))
        random = np.random.default_rng(1000 * label + number)
        photograph = random.integers(0, 60, (48, 64, 3), dtype=np.uint8)
        labels = np.zeros((48, 64), dtype=np.uint8)
        top, left = random.integers(1, 17), random.integers(1, 33)
        labels[top - 1 : top + 31, left - 1 : left + 31] = 255
        labels[top : top + 30, left : left + 30] = label
        photograph[labels == label, label - 1] += 180
        return photograph, labels


@dataclass(frozen=True)
class SquareEpisodes:
    """Endless episodes of `Squares` by index."""

    geometry: Geometry = Geometry(64)
    way: int = 1
    shot: int = 1
    augmentation: Augmentation | None = None
    query_count: int = 1

    def __getitem__(self, index: int) -> Episode:
        classes = tuple((index + way) % 3 + 1 for way in range(self.way))
        supports = tuple(tuple(f"{label}-{index * 10 + shot}" for shot in range(self.shot)) for label in classes)
        shown = (classes[-1 - query % self.way] for query in range(self.query_count))
        queries = tuple(f"{label}-{index * 10 + 9 - query}" for query, label in enumerate(shown))
        spec = EpisodeSpec(index, classes, supports, queries)
        loader: Any = Loader(Squares(), self.geometry, self.augmentation)  # type: ignore[arg-type]
        return loader.build(spec)


@pytest.fixture
def squares() -> Callable[..., SquareEpisodes]:
    """`squares(way=2)[5]`: episode 5 of coloured squares."""
    return SquareEpisodes


@pytest.fixture
def begin(tiny: Callable[..., Any], tmp_path: Path) -> Begin:
    """`begin("a", steps=3)`: a run in the folder `a`, of a fresh tiny network."""

    def run(name: str = "run", resume: bool = False, trained: str = "all", **options: Any) -> TrainingRun:
        own = {key: options.pop(key) for key in ("schedule_steps", "identity") if key in options}
        network = SRPNet(tiny(trained=trained, **options.pop("network", {})))
        trainable = TrainableSRPNet(network, replace(QUICK, **options), FP32)
        return TrainingRun(trainable, tmp_path / name, resume=resume, **own)

    return run


@pytest.fixture
def episodes(squares: Callable[..., Any]) -> Any:
    return squares(augmentation=Augmentation(colour=0.2, scale=0.8))


SPLITS = {"train": (6, 7, 8), "val": (1, 2, 3, 4, 5, 6, 7, 8)}
"""Fold 0: aeroplane to bottle are novel; bus, car and cat are for training."""


@pytest.fixture
def data(tmp_path: Path) -> DataSettings:
    """A VOC folder, four photographs of each class in each split."""
    photographs: dict[str, dict[str, tuple[Any, Any]]] = {split: {} for split in SPLITS}
    for split, classes in SPLITS.items():
        for seed, id in enumerate(f"{split}_{label}_{number}" for label in classes for number in range(4)):
            label, random = int(id.split("_")[1]), np.random.default_rng(seed)
            photograph = random.integers(0, 60, (48, 64, 3), dtype=np.uint8)
            mask = np.zeros((48, 64), dtype=np.uint8)
            top, left = random.integers(0, 18), random.integers(0, 34)
            mask[top : top + 30, left : left + 30] = label
            photograph[mask > 0] += np.array([label * 20, 170 - label * 20, 100], dtype=np.uint8)
            photographs[split][id] = photograph, mask
    return DataSettings(f"pascal:{voc_folder(tmp_path / 'voc', photographs)}", min_pixels=100)


@pytest.fixture
def training(data: DataSettings, tiny: Callable[..., NetworkSettings], cache: Any) -> FewShotTrainSettings:
    quick = FewShotLoopSettings(steps=4, batch=1, warmup=1, workers=0, log_every=1, save_every=2, validate_every=2)
    return FewShotTrainSettings(
        data,
        network=tiny(),
        training=quick,
        size=64,
        hold_back="cat",
        validation_episodes=2,
        device="cpu",
        precision="fp32",
    )


@pytest.fixture
def checkpoint(training: FewShotTrainSettings, tmp_path: Path) -> str:
    """A network that was trained on bus, car and cat for two steps."""
    short = replace(training, hold_back="none", training=replace(training.training, steps=2))
    return str(run_training(short, tmp_path / "checkpoint", say=lambda _: None))
