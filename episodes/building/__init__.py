"""Builds data folders from the archives that data sets are published as."""

from collections.abc import Callable, Sequence
from pathlib import Path

from episodes.building.coco import build_coco
from episodes.building.pascal import build_pascal
from episodes.sources.base import OnProgress

BUILDERS: dict[str, Callable[[Path, Sequence[Path], OnProgress], dict[str, int]]] = {
    "pascal": build_pascal,
    "coco": build_coco,
}
"""By the kind of the source that the folder will be."""
