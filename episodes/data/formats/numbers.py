"""Numbers and names in annotation files, which strangers wrote."""

import math
from typing import Any

import numpy as np

from episodes.data.coco.records import FAR, MOST_PIXELS
from episodes.data.formats.drawing.fill import Polygon
from episodes.data.pictures.images import Size

MOST_CLASSES = 10_000
LONGEST = 200
"""Characters of the name of a class."""
NO_NAME = "shapes without the name of a class"
NO_SHAPE = "shapes that cannot be drawn"
NO_AREA = "points and lines, which have no area"


def size_of(height: object, width: object) -> Size | None:
    """Height and width, also if they are written as text; None if they are none of a photograph."""
    try:
        size = int(str(height)), int(str(width))
    except ValueError:
        return None
    return size if min(size) > 0 and size[0] * size[1] <= MOST_PIXELS else None


def polygon_of(points: Any, size: Size | None = None, least: int = 3) -> Polygon | None:
    """Pairs of numbers as corners; None if they are none, fewer than `least`, or far outside of the photograph."""
    if not isinstance(points, list) or len(points) < least:
        return None
    try:
        if not all(len(point) == 2 and all(type(value) in (int, float) for value in point) for point in points):
            return None
        polygon = np.array(points, float)
    except (TypeError, ValueError, OverflowError):
        return None
    far = (FAR + 1) * max(size) if size else FAR * math.sqrt(MOST_PIXELS)
    return polygon if np.isfinite(polygon).all() and np.abs(polygon).max() <= far else None


def box(left: float, top: float, right: float, bottom: float) -> Polygon:
    """A rectangle."""
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], float)


def ellipse(x: float, y: float, across: float, down: float) -> Polygon:
    """An ellipse of these radii around a point, of 96 corners."""
    angle = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    return np.stack([x + across * np.cos(angle), y + down * np.sin(angle)], axis=1)


def turned(polygon: Polygon, degrees: float, x: float, y: float) -> Polygon:
    """A polygon, turned clockwise about a point."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    moved = polygon - np.array((x, y))
    return moved @ np.array([(cosine, sine), (-sine, cosine)]) + np.array((x, y))


def class_name(value: object) -> str | None:
    """The name of a class, without spaces around it; None if it is none."""
    name = value.strip() if isinstance(value, str) else ""
    return name if 0 < len(name) <= LONGEST else None
