"""Classes that look alike: those whose colours are near, to a backbone that averages colours."""

import numpy as np
import pytest
import torch

from episodes.data.source import Array
from episodes.fewshot.geometry import Geometry
from episodes.fewshot.pairs import Pairs
from episodes.fewshot.sampler import Sampler
from episodes.fewshot.scenes.loading import Augmentation, Loader
from srpnet.fewshot.network import SRPNet
from srpnet.fewshot.presence import Recogniser
from srpnet.fewshot.training.alike import MOST_ALIKE, alike_classes
from tests.episodes.fakes import ANIMALS, Fake, label_map

COLOURS = ((250, 10, 10), (10, 10, 250), (240, 30, 20), (20, 40, 240))


class Coloured(Fake):
    """Each class has a colour: ants and cats are reddish, bees and dogs bluish."""

    def load(self, id: str) -> tuple[Array, Array]:
        _, labels = super().load(id)
        image = np.full((*labels.shape, 3), 128, np.uint8)
        for label, colour in enumerate(COLOURS, start=1):
            image[labels == label] = colour
        return image, labels


@pytest.fixture
def source() -> Coloured:
    return Coloured({f"t{label}{letter}": label_map({label: 3000}, 64, 64) for label in range(1, 5) for letter in "ab"})


def sampler(source: Coloured, labels: int = 4) -> Sampler:
    pairs = Pairs(tuple((id, int(id[1])) for id in source.ids("train") if int(id[1]) <= labels), "test")
    return Sampler(pairs, pairs, ANIMALS, "base")


def test_the_nearest_by_the_deepest_stage_come_first(source: Coloured, network: SRPNet) -> None:
    done: list[tuple[int, int]] = []
    recogniser = Recogniser(network, torch.device("cpu"))
    loader = Loader(source, Geometry(64), Augmentation(colour=0.9))
    alike = alike_classes(recogniser, sampler(source), loader, lambda *counts: done.append(counts))
    assert {label: others[0] for label, others in alike.items()} == {1: 3, 2: 4, 3: 1, 4: 2}
    assert all(sorted((label, *others)) == [1, 2, 3, 4] for label, others in alike.items())
    assert done == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert alike == alike_classes(recogniser, sampler(source), loader)


def test_so_many_at_most_and_none_for_a_class_alone(source: Coloured, network: SRPNet) -> None:
    assert len(ANIMALS) > MOST_ALIKE
    recogniser, loader = Recogniser(network, torch.device("cpu")), Loader(source, Geometry(64))
    assert alike_classes(recogniser, sampler(source, 1), loader) == {1: ()}
