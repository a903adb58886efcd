"""Polygons are exact at tolerance 0, and lose no more than they may above it."""

import numpy as np
import pytest
from scipy import ndimage

from episodes.data.formats.drawing.fill import Patch, Runs, Shape, filled, mask_of, paint
from episodes.data.formats.drawing.objects import ExportSettings, objects
from episodes.data.formats.drawing.outline import LOSS, joined, outline, parts, rings_of, simplified, smoothed
from episodes.errors import InputError


def noise(seed: int) -> np.ndarray:
    draw = np.random.default_rng(seed)
    return draw.random(draw.integers(1, 14, 2)) < draw.random()


@pytest.mark.parametrize("seed", range(60))
def test_parts_and_outlines_restore_any_mask(seed: int) -> None:
    mask = noise(seed)
    found = parts(mask)
    masks = [mask_of(Shape("", part), mask.shape) for part in found]
    assert len(found) == ndimage.label(mask)[1]
    assert (sum(masks, np.zeros(mask.shape, int)) == mask).all()
    for part, own in zip(found, masks, strict=True):
        assert (mask_of(Shape("", Runs.of(part)), mask.shape) == own).all()
        assert (mask_of(Shape("", [outline(part, 0)]), mask.shape) == own).all()
        slanting = joined([smoothed(ring) for ring in rings_of(own)])
        assert (mask_of(Shape("", [slanting]), mask.shape) == own).all()


def test_a_ring_has_only_its_corners_and_a_hole_runs_the_other_way() -> None:
    mask = np.zeros((6, 8), bool)
    mask[1:5, 2:7] = True
    mask[2:4, 3:6] = False
    outer, hole = sorted(rings_of(mask), key=len)[:2]
    assert sorted(map(tuple, outer.tolist())) == [(2, 1), (2, 5), (7, 1), (7, 5)]
    assert sorted(map(tuple, hole.tolist())) == [(3, 2), (3, 4), (6, 2), (6, 4)]


def test_a_simplified_disc_has_few_corners_and_loses_little() -> None:
    y, x = np.mgrid[:400, :400]
    disc = (x - 190) ** 2 + (y - 200) ** 2 < 150**2
    (part,) = parts(disc)
    exact, coarse = outline(part, 0), outline(part, 1.0)
    drawn = mask_of(Shape("", [coarse]), disc.shape)
    assert len(coarse) < len(exact) / 12
    assert (drawn & disc).sum() >= (1 - LOSS) * (drawn | disc).sum()


def test_a_small_part_stays_exact() -> None:
    (part,) = parts(np.array([[1, 1, 0], [0, 1, 1]], bool))
    assert (mask_of(Shape("", [outline(part, 50)]), (2, 3)) == part.mask).all()


def test_simplifying_never_leaves_fewer_than_three_corners() -> None:
    ring = np.array([(0, 0), (10, 0), (10, 1), (20, 1), (20, 2), (0, 2)], float)
    assert len(simplified(ring, 1000)) >= 3


@pytest.mark.parametrize(
    "corners",
    [[(-5, -5), (50, -5), (50, 50), (-5, 50)], [(-9, -9), (-3, -9), (-3, -3)], [(1, 1), (2, 2), (3, 3)]],
    ids=["around it", "beside it", "a line"],
)
def test_what_lies_outside_is_cut_off(corners: list[tuple[int, int]]) -> None:
    whole = mask_of(Shape("", [np.array(corners, float)]), (8, 9))
    assert whole.all() if corners[1][0] == 50 else not whole.any()


def test_a_pixel_counts_if_its_centre_is_inside() -> None:
    left, top, mask = filled(np.array([(0.4, 0.6), (2.5, 0.6), (2.5, 3), (0.4, 3)]), (4, 4))
    assert (left, top, mask.astype(int).tolist()) == (0, 1, [[1, 1], [1, 1]])


def test_small_shapes_lie_on_large_ones_and_many_classes_take_16_bits() -> None:
    large, small = Patch(0, 0, np.ones((4, 4), bool)), Patch(3, 3, np.ones((9, 9), bool)[:1, :1])
    shapes = [Shape("small", small), Shape("large", large)]
    assert paint(shapes, (4, 4), {"large": 1, "small": 2})[3, 3] == 2
    assert paint(shapes, (4, 4), {"large": 1, "small": 300}).dtype == np.int16
    assert paint([Shape("large", Patch(-1, 2, np.ones((4, 4), bool)))], (4, 4), {"large": 1}).sum() == 6


def test_instances_are_connected_parts_without_the_small() -> None:
    labels = np.zeros((20, 30), np.uint8)
    labels[2:10, 2:10] = labels[2:10, 20:28] = 1
    labels[15, 15] = 1
    labels[12:18, 2:8] = 2
    whole = list(objects(labels, 2, ExportSettings()))
    assert [(each.label, len(each.parts), each.area) for each in whole] == [(1, 3, 129), (2, 1, 36)]
    assert whole[0].box == (2, 2, 26, 14)
    single = list(objects(labels, 2, ExportSettings(instances=True, smallest=36)))
    assert [(each.label, each.area) for each in single] == [(1, 64), (1, 64), (2, 36)]
    with pytest.raises(InputError, match="`smallest` must be a whole number from 1"):
        ExportSettings(smallest=0)
