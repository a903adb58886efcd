"""Features that are computed once: the same training up to rounding, every photograph once, and what is refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from episodes.errors import InputError
from episodes.fewshot.geometry import Geometry
from episodes.fewshot.pairs import Pairs
from episodes.fewshot.sampler import Sampler
from episodes.fewshot.scenes.augmentation import Augmentation
from episodes.fewshot.scenes.loading import EpisodeList, Loader
from episodes.fewshot.settings import Composition
from srpnet.fewshot.network import SRPNet
from srpnet.fewshot.settings import NetworkSettings
from srpnet.fewshot.training.batches import EpisodeTensors
from srpnet.fewshot.training.levels import reduced_levels
from srpnet.fewshot.training.reuse import ReusedEpisodes, machine_memory
from srpnet.fewshot.training.settings import FewShotLoopSettings, FewShotTrainSettings, Reuse
from srpnet.fewshot.training.trainable import TrainableSRPNet
from srpnet.nn.device import Runtime
from srpnet.training.run import TrainingRun
from tests.srpnet.conftest import Squares

FP32 = Runtime(torch.device("cpu"), "fp32")
PAIRS = Pairs(tuple((f"{label}-{number}", label) for label in (1, 2, 3) for number in range(4)), "by hand")


def drawn(flip: float = 0.5) -> EpisodeList:
    """2-way 1-shot episodes of twelve photographs."""
    loader: Any = Loader(Squares(), Geometry(64), Augmentation(flip))  # type: ignore[arg-type]
    return EpisodeList(Sampler(PAIRS, PAIRS, Squares.classes, "base", way=2), loader)


def reused(network: SRPNet, folder: Path, where: Reuse = "memory", count: int = 12, **fields: Any) -> ReusedEpisodes:
    episodes = ReusedEpisodes(drawn(**fields), range(count), network, FP32)
    episodes.compute(where, folder, limit=1)
    return episodes


@pytest.mark.parametrize(("where", "stride"), [("memory", None), ("disk", None), ("memory", 16), ("disk", 32)])
def test_training_is_the_same_up_to_rounding(
    tiny: Callable[..., NetworkSettings], tmp_path: Path, where: Reuse, stride: Any
) -> None:
    settings = FewShotLoopSettings(steps=3, batch=4, accumulate=2, warmup=1, workers=0)
    weights = []
    for name in ("each time", "once"):
        network = SRPNet(tiny(training_stride=stride))
        run = TrainingRun(TrainableSRPNet(network, settings, FP32), tmp_path / name)
        run.train(drawn() if name == "each time" else reused(network, tmp_path, where))
        weights.append(network.state_dict())
    torch.testing.assert_close(weights[0], weights[1], rtol=0, atol=1e-5)
    assert not torch.equal(weights[0]["reduce.weight"], SRPNet(tiny()).state_dict()["reduce.weight"])


def test_each_version_is_computed_once_and_both_may_be_needed(
    network: SRPNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, levels = [], network.backbone.forward
    monkeypatch.setattr(network.backbone, "forward", lambda images: seen.append(images.clone()) or levels(images))
    for flip, most in ((0.0, 12), (1.0, 12), (0.5, 24)):
        seen.clear()
        episodes = reused(network, tmp_path, count=60, flip=flip)
        assert len(seen) == len({image.numpy().tobytes() for image in seen}) == episodes.shape[0] == most
        assert episodes.nbytes == most * (8 * 8 * (512 + 1024) * 4 + 64 * 64)


def test_only_what_will_be_asked_for_is_computed(network: SRPNet, tmp_path: Path) -> None:
    assert reused(network, tmp_path, count=1).shape[0] == 3


def test_they_come_with_the_labels_of_their_version(network: SRPNet, tmp_path: Path) -> None:
    plain, once = drawn(), reused(network, tmp_path)
    for index in range(12):
        expected, got = EpisodeTensors.of(plain[index]), EpisodeTensors.of(once[index])
        assert (expected.encoded, got.encoded) == (False, True)
        for field in ("classes", "support_labels", "membership", "query_labels", "query_valid"):
            left, right = getattr(expected, field), getattr(got, field)
            assert torch.equal(left, right) if isinstance(left, torch.Tensor) else left == right
        features = reduced_levels(network, got.query_images, (64, 64))
        torch.testing.assert_close(features, network.encode(expected.query_images))


def test_no_file_stays_on_the_disk(network: SRPNet, tmp_path: Path) -> None:
    episodes = reused(network, tmp_path, "disk")
    assert not list(tmp_path.iterdir())
    assert episodes[0].queries()[0].prepared.isfinite().all()


def test_more_than_the_limit_is_refused_before_anything_is_loaded(network: SRPNet, tmp_path: Path) -> None:
    episodes = ReusedEpisodes(drawn(0), range(60), network, FP32)
    limit = episodes.nbytes / 2**30
    episodes._load = None  # type: ignore[assignment,method-assign]
    with pytest.raises(InputError, match=r"the features of 12 photographs take 0\.0 GB, and `cache_limit` is 0\.00\d+"):
        episodes.compute("memory", tmp_path, limit * 0.99)


def test_a_disk_without_room_is_refused(network: SRPNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 2**20}))
    with pytest.raises(InputError, match=r"has room for 0\.0 GB, and the features take"):
        reused(network, tmp_path, "disk", count=60)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_named(network: SRPNet, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"features cannot be kept in .*file"):
        reused(network, tmp_path / "file", "disk")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"network": NetworkSettings(trained="all")}, "reuse them with `trained` head"),
        (
            {"augmentation": Augmentation(scale=0.5)},
            "comes twice: leave out `scale`, or `reuse_features`",
        ),
        ({"augmentation": Augmentation(colour=0.1)}, "leave out `colour`, or `reuse_features`"),
        ({"composition": Composition(absent=0.1)}, "leave out `absent`"),
        ({"reuse_features": "cloud"}, "auto or none or memory or disk, not 'cloud'"),
    ],
)
def test_what_it_cannot_serve_is_refused(change: dict[str, Any], complaint: str) -> None:
    replace(FewShotTrainSettings(), **{name: value for name, value in change.items() if name != "reuse_features"})
    with pytest.raises(InputError, match=complaint):
        FewShotTrainSettings(**{"reuse_features": "memory"} | change)


def test_a_container_has_less_memory_than_its_machine(tmp_path: Path) -> None:
    whole, unlimited, limited = machine_memory(()), tmp_path / "unlimited", tmp_path / "limited"
    unlimited.write_text("max\n")
    limited.write_text("123456\n")
    assert machine_memory((unlimited, tmp_path / "absent")) == whole
    assert machine_memory((unlimited, limited)) == 123456 < whole
