"""Which photograph to mark next."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from episodes.errors import InputError
from srpnet.apps.segmenter import Segmenter
from srpnet.apps.trust.suggestions import rank, suggest
from srpnet.fewshot.network import SRPNet
from tests.srpnet.apps.conftest import scene


def directions(*angles: float) -> torch.Tensor:
    """Unit vectors at these angles, in degrees."""
    turned = torch.deg2rad(torch.tensor(angles))
    return torch.stack([turned.cos(), turned.sin()], 1)


def test_what_stands_for_most_and_is_not_covered_comes_first() -> None:
    """The example lies at 0. Three are there too, four in a heap at 60, and one alone at 90."""
    found = rank(directions(0, 1, 2, 59, 60, 61, 60.5, 90), directions(0), torch.ones(8))
    numbers = [each.number for each in found]
    assert sorted(numbers) == list(range(8))
    assert numbers[0] in (3, 4, 5, 6)
    assert numbers[1] == 7  # the heap is covered then
    assert all(first.gain >= second.gain - 1e-6 for first, second in pairwise(found))


def test_what_may_not_show_the_object_comes_later() -> None:
    weights = torch.tensor([1.0, 1, 1, 0])
    assert [each.number for each in rank(directions(50, 52, 54, 80), directions(0), weights)][-1] == 3
    assert suggest([], directions(0)) == []


def test_photographs_in_a_folder(network: SRPNet, tmp_path: Path) -> None:
    segmenter = Segmenter(network, size=64, device="cpu", precision="fp32")
    photograph, mask = scene()
    segmenter.set_support([photograph], [mask])
    paths = [tmp_path / f"{seed}.png" for seed in range(3)]
    for seed, path in enumerate(paths):
        Image.fromarray(scene(seed)[0]).save(path)
    (tmp_path / "bad.png").write_text("no picture")
    unreadable: list[str] = []
    found = segmenter.suggest([*paths, tmp_path / "bad.png"], lambda error: unreadable.append(str(error)))
    assert {path for path, _ in found} == set(paths)
    assert len(unreadable) == 1
    with pytest.raises(InputError, match="cannot be read"):
        segmenter.suggest([tmp_path / "bad.png"])
    segmenter.set_support([photograph], [mask * np.array([1, 2] * 32, np.uint8)], classes=2)
    with pytest.raises(InputError, match="one class at a time"):
        segmenter.suggest(paths)
