"""Shapes: counting without painting gives what counting the painted map gives."""

from typing import Any, get_args

import numpy as np
import pytest

from episodes.data.class_index import areas_of
from episodes.data.source import Crowds

pytest.importorskip("pycocotools")

from episodes.data.coco.shapes import Shape, count, encode, paint

# pycocotools 2.0 hands numpy 2 arrays in numpy 1's way; nothing here can change that.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SIZE = HEIGHT, WIDTH = 40, 50
SQUARE = [[10, 10, 20, 10, 20, 20, 10, 20]]


def shapes(seed: int) -> list[Shape]:
    """A crowd of plain run lengths, and over it triangles that cover each other, some beyond the edge."""
    generator = np.random.default_rng(seed)
    half = HEIGHT * WIDTH // 2
    crowd: Any = {"size": [HEIGHT, WIDTH], "counts": [half - 300, 600, half - 300]}
    triangles = [generator.uniform(-5, 55, (2, 6)).tolist() for _ in range(generator.integers(0, 12))]
    return [
        Shape(2, True, encode(crowd, SIZE)[0]),
        *(Shape(int(generator.integers(1, 4)), False, encode(triangle, SIZE)[0]) for triangle in triangles),
    ]


@pytest.mark.parametrize("crowds", get_args(Crowds))
@pytest.mark.parametrize("seed", range(8))
def test_counting_is_painting_without_paint(seed: int, crowds: Crowds) -> None:
    drawn = shapes(seed)
    counted = count(drawn, SIZE, crowds)
    assert counted == areas_of(paint(drawn, SIZE, crowds))
    assert list(counted) == sorted(counted)


def test_a_shape_that_is_covered_is_not_counted() -> None:
    counts, area = encode(SQUARE, SIZE)
    assert area == 100
    assert count([Shape(1, False, counts), Shape(3, False, counts)], SIZE, "ignore") == {3: 100}
    assert count([], SIZE, "ignore") == {}
    assert not paint([], SIZE, "ignore").any()


def test_run_lengths_plain_and_packed_are_the_same() -> None:
    plain = [10 * HEIGHT, 100, 40 * HEIGHT - 100]
    packed = encode({"size": list(SIZE), "counts": plain}, SIZE)
    assert encode({"size": list(SIZE), "counts": packed[0].decode()}, SIZE) == packed
    assert packed[1] == 100
    assert (paint([Shape(7, False, packed[0])], SIZE, "ignore")[:, 10:12] == 7).all()
