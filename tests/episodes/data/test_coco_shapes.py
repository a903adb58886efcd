"""Shapes: counting without painting gives what counting the painted map gives."""

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from episodes.data.class_index import areas_of
from episodes.data.source import IGNORE

pytest.importorskip("pycocotools")

from episodes.data import coco_shapes as shapes
from episodes.data.coco_shapes import CROWD, answer, count, draw, paint

# pycocotools 2.0 hands numpy 2 arrays in numpy 1's way; nothing here can change that.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

HEIGHT, WIDTH = 40, 50
CATEGORIES = [3, 5, 90]


def photograph(*annotations: dict[str, Any]) -> bytes:
    records = [{"id": number, **annotation} for number, annotation in enumerate(annotations, start=1)]
    return json.dumps({"size": [HEIGHT, WIDTH], "annotations": records}).encode()


def crowded(seed: int) -> bytes:
    """Triangles of any size that cover each other, some beyond the edge, and a crowd of plain run lengths."""
    generator = np.random.default_rng(seed)
    annotations: list[dict[str, Any]] = [
        {"category_id": int(generator.choice(CATEGORIES)), "segmentation": generator.uniform(-5, 55, (2, 6)).tolist()}
        for _ in range(generator.integers(0, 12))
    ]
    half = HEIGHT * WIDTH // 2
    crowd = {"size": [HEIGHT, WIDTH], "counts": [half - 300, 600, half - 300]}
    return photograph(*annotations, {"category_id": 5, "iscrowd": 1, "segmentation": crowd})


@pytest.mark.parametrize("crowds", ["ignore", "object", "background"])
@pytest.mark.parametrize("seed", range(8))
def test_counting_is_painting_without_paint(seed: int, crowds: str) -> None:
    drawn = draw(crowded(seed), CATEGORIES, crowds)
    counted = count(drawn)
    assert counted == areas_of(paint(drawn, HEIGHT, WIDTH))
    assert list(counted) == sorted(counted)


def test_a_shape_that_is_covered_is_not_counted() -> None:
    square = {"category_id": 3, "segmentation": [[10, 10, 20, 10, 20, 20, 10, 20]]}
    drawn = draw(photograph(square, {**square, "category_id": 90}), CATEGORIES)
    assert count(drawn) == {3: 100}, "of two of one size, the later one lies above"
    assert count([]) == {}
    assert not paint([], HEIGHT, WIDTH).any()


@pytest.mark.parametrize("counts", [[10], [2001], [1000, 1001], [], "abc", [-1, 2001]])
def test_run_lengths_that_do_not_fill_the_photograph(counts: Any) -> None:
    """pycocotools decodes too short ones into whatever the memory held."""
    bad = {"category_id": 3, "segmentation": {"size": [HEIGHT, WIDTH], "counts": counts}}
    with pytest.raises(ValueError, match="segmentation of annotation 1 cannot be drawn: "):
        draw(photograph(bad), CATEGORIES)


def test_crowds_are_ignored() -> None:
    """The file imports nothing of ours, so it says the label itself."""
    assert CROWD == IGNORE


def test_a_process_that_counts_starts_without_pytorch() -> None:
    program = [sys.executable, "-P", "-X", "importtime", shapes.__file__, "[]"]
    imports = subprocess.run(program, input=b"", capture_output=True, check=True).stderr.decode()
    assert "pycocotools" in imports
    assert "torch" not in imports
    assert "episodes" not in imports


def test_an_answer_is_a_line() -> None:
    square = {"category_id": 90, "segmentation": [[10, 10, 20, 10, 20, 20, 10, 20]]}
    assert answer(photograph(square), CATEGORIES) == b'{"3": 100}\n'
    refusal = answer(photograph({"category_id": 90}), CATEGORIES)
    assert json.loads(refusal) == "the segmentation of annotation 1 cannot be drawn: 'segmentation'"
    assert refusal.count(b"\n") == 1
