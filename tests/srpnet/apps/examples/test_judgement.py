"""Examples are judged by themselves and by each other."""

import numpy as np
import pytest
import torch
from PIL import Image

from srpnet.apps.examples.checks import SupportCheck, ious, weakest
from srpnet.apps.examples.judgement import (
    CAPTION,
    GAP,
    ROWS,
    SHARE,
    TILE,
    judge,
    presence_of_others,
    presence_thresholds,
    sheet,
)
from srpnet.fewshot.network import SRPNet
from srpnet.fewshot.prototypes import pool_supports


class Pixels(SRPNet):
    """Every pixel is a cell, and every cell its own colour: what it finds can be told by hand."""

    stride = 1  # type: ignore[assignment]


def test_each_example_by_itself_and_by_the_others(tiny: object) -> None:
    """Way 1 looks alike in the first two; the mask of the third lies beside it. Way 2 has one example, the second."""
    network = Pixels(tiny())  # type: ignore[operator]
    colours = torch.tensor([[1, 1, 0, 0, 0, 0], [1, 1, 2, 2, 0, 0], [0, 0, 1, 1, 0, 0]])
    features = torch.nn.functional.one_hot(colours, 3).permute(0, 2, 1)[:, :, None].float()
    labels = torch.tensor([[[1, 1, 0, 0, 0, 0]], [[1, 1, 2, 2, 0, 0]], [[1, 1, 0, 0, 0, 0]]], dtype=torch.uint8)
    membership = torch.tensor([[True, False], [True, True], [True, False]])
    pooled = pool_supports(features, labels, 2, 1, "feature")
    first, second, third = judge(network, features, labels, torch.ones(3, 1, 6, dtype=torch.bool), pooled, membership)
    np.testing.assert_array_equal(first.alone, np.array([1, np.nan], dtype=np.float32))
    np.testing.assert_array_equal(second.alone, np.array([1, 1], dtype=np.float32))
    assert np.isnan(second.others[1])
    assert third.others[0] == 0
    assert third.labels_others is not None
    assert third.labels_others.tolist() == [[0, 0, 1, 1, 0, 0]]


def test_an_example_alone_has_no_others(tiny: object) -> None:
    network = Pixels(tiny())  # type: ignore[operator]
    labels = torch.tensor([[[1, 0]]], dtype=torch.uint8)
    features = torch.eye(3)[None, :, None, :2].contiguous()
    pooled = pool_supports(features, labels, 1, 1, "feature")
    valid, membership = torch.ones(1, 1, 2, dtype=torch.bool), torch.ones(1, 1, dtype=torch.bool)
    (only,) = judge(network, features, labels, valid, pooled, membership)
    assert np.isnan(only.others).all()
    assert only.labels_others is None
    assert only.alone.tolist() == [1]


class Scores:
    """A recogniser that tells each photograph what was written on it."""

    def presence(self, deep: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
        return deep.view(1, -1)


def test_thresholds_come_from_the_supports_themselves() -> None:
    """Way 1 has three examples, seen at 0.4, 0.5 and 0.9 by the others; way 2 has one, of which nothing is known."""
    deep = torch.tensor([[0.4, 0.0], [0.5, 0.0], [0.9, 0.1]])
    membership = torch.tensor([[True, False], [True, False], [True, True]])
    valid, objects = torch.ones(3, 1, 1, dtype=torch.bool), torch.ones(3, 2, 4)
    logits = [torch.zeros(1, 3, 1, 1)] * 3
    presence = presence_of_others(Scores(), logits, deep, objects, valid, membership)  # type: ignore[arg-type]
    np.testing.assert_allclose(presence.numpy(), [[0.4, 0.0], [0.5, 0.0], [0.9, np.nan]], rtol=1e-6)
    above = presence_thresholds(presence, membership, 0.13)
    np.testing.assert_allclose(above.numpy(), [SHARE * 0.6, 0.13], rtol=1e-6)


def test_ious_by_hand() -> None:
    labels = torch.tensor([[[1, 1, 0, 255, 2]]], dtype=torch.uint8)
    predicted = torch.tensor([[[1, 0, 1, 1, 0]]], dtype=torch.uint8)
    np.testing.assert_allclose(ious(predicted, labels, 3).numpy(), [[1 / 3, 0, np.nan]], rtol=1e-6)


def check(name: str, *others: float) -> SupportCheck:
    nothing = np.zeros(0, dtype=np.float32)
    return SupportCheck(name, "", nothing, 0.0, None, False, nothing, np.array(others, dtype=np.float32))


def test_the_weakest_is_the_one_of_which_the_others_find_least() -> None:
    found = weakest([check("a", 0.5), check("b", 0.9, 0.2), check("c", np.nan)])
    assert found is not None
    assert found.name == "b"
    assert weakest([check("a"), check("b", np.nan)]) is None


@pytest.mark.parametrize("rows", [1, ROWS + 1])
def test_a_sheet_has_a_row_for_each_example_up_to_a_limit(rows: int) -> None:
    tile = ("name", Image.new("RGB", (20, 10)), np.zeros((10, 20), dtype=np.uint8))
    picture = sheet([[tile, tile, tile]] + [[tile]] * (rows - 1))
    assert picture.width == GAP + 3 * (TILE + GAP)
    assert picture.height == sheet([[tile]]).height + (min(rows, ROWS) - 1) * (sheet([[tile]]).height - GAP)


def test_a_row_is_as_high_as_its_highest_tile() -> None:
    wide, high = ((name, Image.new("RGB", size), np.zeros(size[::-1], dtype=np.uint8)) for name, size in SIZES.items())
    picture = sheet([[wide], [wide, high], [wide]])
    assert picture.height == GAP + 3 * CAPTION + TILE // 4 + TILE + TILE // 4


SIZES = {"wide": (800, 200), "high": (200, 800)}
