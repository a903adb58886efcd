"""Masks as polygons: outlines along the edges of pixels, with holes, part by part, and simplified."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from episodes.data.formats.drawing.fill import Mask, Patch, Polygon, Shape, filled, mask_of

LOSS = 0.004
"""The share of IoU that a part may lose by being simplified; else it is done with less tolerance."""
LEAST = 0.3
"""Tolerances below it save no corners."""
STRAIGHT = 3
"""Longer sides, in pixels, are no steps of a slanting border."""
MOST_PAIRS = 1_000_000
"""Of corners that are compared to join two rings."""
RIGHT, DOWN, LEFT, UP = range(4)


def parts(mask: Mask) -> list[Patch]:
    """The connected parts of a mask (H, W), each with its holes, from above; pixels that share a corner alone are not
    connected."""
    rings = [ring for ring in rings_of(mask) if _area(ring) > 0]
    if len(rings) <= 1:
        return [cut(mask)] if rings else []
    size = (mask.shape[0], mask.shape[1])
    part = np.zeros(size, np.int32)
    for number in sorted(range(len(rings)), key=lambda number: -_area(rings[number])):  # what is inside holes last
        left, top, inside = filled(rings[number], size)
        part[top : top + inside.shape[0], left : left + inside.shape[1]][inside] = number + 1
    part[~mask] = 0
    found = []
    for number, ring in enumerate(rings, start=1):
        left, top = ring.min(axis=0).astype(int)
        right, bottom = ring.max(axis=0).astype(int)
        found.append(Patch(int(left), int(top), part[top:bottom, left:right] == number))
    return found


def cut(mask: Mask) -> Patch:
    """A mask without its empty borders."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return Patch(0, 0, mask[:0, :0])
    left, top = int(columns[0]), int(rows[0])
    return Patch(left, top, mask[top : rows[-1] + 1, left : columns[-1] + 1])


def outline(part: Patch, tolerance: float) -> Polygon:
    """One polygon of a part, a hole hanging on it by a slit.

    It misses the border by about `tolerance` pixels at most, or by less where the part would lose more than `LOSS`;
    with 0 it is exact.
    """
    rings = rings_of(part.mask)
    shift = np.array((part.left, part.top), float)
    size = (part.mask.shape[0], part.mask.shape[1])
    while tolerance >= LEAST:
        polygon = joined([simplified(smoothed(ring), tolerance) for ring in rings])
        drawn = mask_of(Shape("", [polygon]), size)
        if (drawn & part.mask).sum() >= (1 - LOSS) * (drawn | part.mask).sum():
            return polygon + shift
        tolerance *= 0.7
    return joined(rings) + shift


def rings_of(mask: Mask) -> list[Polygon]:
    """Closed lines along the edges of pixels, with the object on the right hand; corners alone.

    Those around a part have a positive area, those around a hole a negative one. Where two parts share a corner, each
    ring stays with its own.
    """
    edges = _edges(mask)
    return [np.array(list(_followed(edges, start)), float) for start in list(edges) if start in edges]


def smoothed(ring: Polygon) -> Polygon:
    """The same ring without steps: the middles of their sides, and of long sides half a pixel from their ends.

    Corners between two long sides stay. What is inside does not change.
    """
    before, after = np.roll(ring, 1, axis=0) - ring, np.roll(ring, -1, axis=0) - ring
    to, on = (np.abs(side).sum(axis=1, keepdims=True) for side in (before, after))
    corner = (to > STRAIGHT) & (on > STRAIGHT)
    pairs = np.stack(
        [np.where(corner, ring, ring + before / to / 2), np.where(corner, ring, ring + after / on / 2)], axis=1
    ).reshape(-1, 2)
    return pairs[(pairs != np.roll(pairs, 1, axis=0)).any(axis=1)]


def simplified(ring: Polygon, tolerance: float) -> Polygon:
    """The corners of a ring from which no other is further away than `tolerance` (Douglas, Peucker); at least three."""
    if len(ring) <= 4:
        return ring
    far = int(np.abs(ring - ring[0]).sum(axis=1).argmax())
    closed = np.vstack([ring, ring[:1]])
    kept = np.zeros(len(closed), bool)
    kept[[0, far, len(ring)]] = True
    waiting = [(0, far), (far, len(ring))]
    while waiting:
        first, last = waiting.pop()
        if last - first < 2:
            continue
        between, direction = closed[first + 1 : last] - closed[first], closed[last] - closed[first]
        length = float(np.hypot(*direction))
        across = between[:, 0] * direction[1] - between[:, 1] * direction[0]
        distance = np.abs(across) / length if length else np.hypot(between[:, 0], between[:, 1])
        middle = int(distance.argmax())
        if distance[middle] > tolerance:
            kept[first + 1 + middle] = True
            waiting += [(first, first + 1 + middle), (first + 1 + middle, last)]
    found = ring[kept[:-1]]
    return found if len(found) > 2 else ring


def joined(rings: Sequence[Polygon]) -> Polygon:
    """One polygon of several, as of an outline and its holes: to the nearest corner of each, around, and back."""
    outer, *holes = sorted(rings, key=lambda ring: -_area(ring))
    for hole in holes:
        step = 1 + len(outer) * len(hole) // MOST_PAIRS
        distance: NDArray[np.float64] = np.abs(outer[:, None] - hole[None, ::step]).sum(axis=2)
        here, there = np.unravel_index(int(distance.argmin()), distance.shape)
        turned = np.roll(hole, -int(there) * step, axis=0)
        outer = np.vstack([outer[: here + 1], turned, turned[:1], outer[here:]])
    return outer


def _edges(mask: Mask) -> dict[tuple[int, int, int], tuple[int, int]]:
    """The sides of pixels between object and background: (x, y, direction) of the start -> the end of a straight run.

    Runs along rows and columns are joined as far as they go straight on without another line touching them.
    """
    padded = np.pad(mask, 1)
    inside = {
        RIGHT: padded[1:, 1:-1] & ~padded[:-1, 1:-1],  # above it is background: (H + 1, W)
        LEFT: ~padded[1:, 1:-1] & padded[:-1, 1:-1],
        UP: padded[1:-1, 1:] & ~padded[1:-1, :-1],  # left of it is background: (H, W + 1)
        DOWN: ~padded[1:-1, 1:] & padded[1:-1, :-1],
    }
    found = {}
    for direction, there in inside.items():
        lines = there if direction in (RIGHT, LEFT) else there.T
        turns = np.diff(np.pad(lines, ((0, 0), (1, 1))).astype(np.int8), axis=1)
        line, first = np.nonzero(turns == 1)
        _, behind = np.nonzero(turns == -1)
        start, end = (first, behind) if direction in (RIGHT, DOWN) else (behind, first)
        for number, begin, stop in zip(line.tolist(), start.tolist(), end.tolist(), strict=True):
            if direction in (RIGHT, LEFT):
                found[begin, number, direction] = (stop, number)
            else:
                found[number, begin, direction] = (number, stop)
    return found


def _followed(
    edges: dict[tuple[int, int, int], tuple[int, int]], start: tuple[int, int, int]
) -> Iterator[tuple[int, int]]:
    """The corners of the ring that begins with an edge; its edges are taken away."""
    at: tuple[int, int, int] = start
    while at in edges:
        yield at[:2]
        x, y = edges.pop(at)
        right, left = (at[2] + 1) % 4, (at[2] - 1) % 4
        at = (x, y, right) if (x, y, right) in edges or start == (x, y, right) else (x, y, left)


def _area(ring: Polygon) -> float:
    """Twice the area inside, positive if it lies on the right hand of a walk along the ring, as y runs down."""
    x, y = ring[:, 0], ring[:, 1]
    return float(x @ np.roll(y, -1) - np.roll(x, -1) @ y)
