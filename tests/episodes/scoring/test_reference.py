"""Every preset against the slow reference: pairs, choices of the query's class, sizes, paddings, labels and scores."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from episodes.data.source import Array
from episodes.fewshot.episode import Episode
from episodes.fewshot.folds import Fold
from episodes.fewshot.scenes.loading import Loader
from episodes.fewshot.settings import DataSettings
from episodes.score import score
from episodes.scoring.plans.plan import Plan
from episodes.scoring.plans.planning import plans
from episodes.scoring.plans.settings import PlanSettings
from episodes.scoring.protocols import PROTOCOLS
from tests.episodes import reference
from tests.episodes.fakes import Fake

NOVEL = (1, 2)
SIZES = [(60, 90), (75, 50), (64, 64), (47, 101), (90, 61), (55, 83), (70, 70)]


def data_set(prefix: str) -> tuple[dict[str, Array], dict[str, Array]]:
    """Photographs and label maps: one or two novel classes, small and large, another class, and borders of 255."""
    generator = np.random.default_rng(7)
    images, masks = {}, {}
    for number in range(16):
        height, width = SIZES[number % len(SIZES)]
        mask = np.zeros((height, width), np.uint8)
        first, second = ((1, 2), (2, 1), (1, 3), (2, 3))[number % 4]
        mask[: height // 4, : width // 3] = second  # small: fewer than 2048 pixels
        split = int(width * (0.4 + 0.03 * (number % 5)))
        mask[:, split:] = first  # often large
        mask[:, split - 2 : split] = 255
        if number == 5:
            mask[mask == first] = 255  # its class is lost but for a small piece
            mask[-3:, -3:] = first
        image = generator.integers(0, 60, (height, width, 3)).astype(np.uint8)
        image[..., 0] += np.where(mask == 255, 20, 40 * mask).astype(np.uint8)
        images[f"{prefix}{number}"], masks[f"{prefix}{number}"] = image, mask
    return images, masks


class Photographed(Fake):
    """A fake source with photographs of its own."""

    def __init__(self, images: dict[str, Array], masks: dict[str, Array]) -> None:
        super().__init__(masks)
        self.images = images

    def load(self, id: str) -> tuple[Array, Array]:
        return self.images[id], self.maps[id].copy()


def likeness(images: Sequence[Any], labels: Sequence[Any], query: Any, ways: int) -> Any:
    """How near a pixel's red is to what the supports call each way, against what they call background: arrays."""
    means = []
    for label in range(ways + 1):
        pixels = [image[..., 0][said == label] for image, said in zip(images, labels, strict=True)]
        reds = np.concatenate(pixels)
        means.append(reds.mean() if reds.size else -1.0)
    return np.stack([np.abs(query[..., 0] - means[0]) - np.abs(query[..., 0] - mean) for mean in means[1:]])


def as_method(episode: Episode) -> list[Tensor]:
    """The same, as a method that is scored."""
    supports, maps = episode.supports(), []
    labels = [episode.support_labels(support).numpy() for support in supports]
    images = [support.image.permute(1, 2, 0).double().numpy() for support in supports]
    for query in episode.queries():
        pixels = query.image.permute(1, 2, 0).double().numpy()
        scores = torch.from_numpy(likeness(images, labels, pixels, len(episode.spec.classes)))[None]
        if episode.score_at == "original":
            scores = query.placement.restore(scores)
        maps.append(torch.cat([torch.zeros_like(scores[:, :1]), scores], 1).argmax(1)[0].byte())
    return maps


@pytest.fixture
def data(tmp_path: Path) -> tuple[DataSettings, Photographed]:
    parts = [data_set(prefix) for prefix in "vt"]
    images, masks = ({id: array for part in parts for id, array in part[kind].items()} for kind in (0, 1))
    listed = [
        f"{id}__{label:02d}" for id, mask in masks.items() if id[0] == "v" for label in NOVEL if (mask == label).any()
    ]
    (tmp_path / "val_fold0.txt").write_text("\n".join(listed[::-1][3:]))
    return DataSettings("fake", fold=0), Photographed(images, masks)


def planned(preset: str, data: tuple[DataSettings, Photographed], folder: Path, **more: Any) -> Plan:
    settings = replace(data[0], pairs=str(folder)) if preset == "hsnet" else data[0]
    asked = PlanSettings(settings, preset, **{"episodes": 8, "seeds": 1} | more)
    return plans(asked, fold=Fold(settings, data[1]))[preset]


def listed(folder: Path) -> list[tuple[str, int]]:
    lines = (folder / "val_fold0.txt").read_text().split()
    return [(line.split("__")[0], int(line.split("__")[1])) for line in lines]


def masks_of(preset: str, source: Photographed) -> dict[str, Array]:
    prefix = "t" if preset == "panet" else "v"
    return {id: mask for id, mask in source.maps.items() if id[0] == prefix}


@pytest.mark.parametrize("shot", [1, 3])
@pytest.mark.parametrize("preset", PROTOCOLS)
def test_which_queries_classes_and_supports_are_drawn(
    data: tuple[DataSettings, Photographed], tmp_path: Path, preset: str, shot: int
) -> None:
    specs = planned(preset, data, tmp_path, episodes=1500, shot=shot).export().specs
    masks = masks_of(preset, data[1])
    choices = reference.options(preset, masks, NOVEL, listed(tmp_path))
    assert {(spec.queries[0], spec.classes[0]) for spec in specs} == choices
    for label in NOVEL:
        pool = reference.pool(preset, masks, label, listed(tmp_path))
        drawn = [(spec.queries[0], spec.supports[0]) for spec in specs if spec.classes[0] == label]
        assert {id for _, ids in drawn for id in ids} == pool
        assert not any(query in ids for query, ids in drawn)
    repeats = any(len(set(spec.supports[0])) < shot for spec in specs)
    assert repeats == (preset == "hsnet" and shot > 1)


@pytest.mark.parametrize("preset", PROTOCOLS)
def test_what_the_network_sees(data: tuple[DataSettings, Photographed], preset: str) -> None:
    source = data[1]
    loader = Loader(source, PROTOCOLS[preset].geometry)
    for id in [*source.maps][:9]:
        photograph, (image, mask) = loader.photograph(id), source.load(id)
        expected = reference.network_image(preset, image)
        assert np.array_equal(photograph.labels.numpy(), reference.network_labels(preset, mask))
        assert photograph.image.shape == (3, *expected.shape[:2])
        assert np.abs(photograph.image.permute(1, 2, 0).numpy() - expected).max() < 1e-5


@pytest.mark.parametrize(("way", "shot"), [(1, 1), (1, 2), (2, 1)])
@pytest.mark.parametrize("preset", PROTOCOLS)
def test_the_scores(data: tuple[DataSettings, Photographed], tmp_path: Path, preset: str, way: int, shot: int) -> None:
    plan = planned(preset, data, tmp_path, way=way, shot=shot)
    found = score({preset: plan}, as_method, {})[preset]
    episodes = [(spec.classes, spec.supports, spec.queries[0]) for spec in plan.export().specs]
    source = data[1]
    expected = reference.figures(preset, episodes, source.images, source.maps, NOVEL, likeness)
    assert 0.1 < found["miou"] < 0.99
    assert (found["miou"], found["fb_iou"]) == pytest.approx(expected, abs=1e-12, nan_ok=True)
