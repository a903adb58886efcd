"""Examples of which only the tag is known."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from episodes.errors import InputError
from srpnet.apps.examples.annotation_files import of_class
from srpnet.apps.examples.tags import Tag
from srpnet.weak.saving import write
from srpnet.weak.students import Students, build
from tests.cli.commands import TINY, refused, srpnet
from tests.srpnet.weak.conftest import SMALL

PHOTOGRAPH = Image.fromarray(np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8))


def run_that_sees(folder: Path, position: int) -> Path:
    """Students whose probabilities favour one class everywhere, 0 the background."""
    students: Students = build(SMALL)
    with torch.no_grad():
        for student in students:
            for number in (0, 2, 4):
                weight = student.head[number].weight
                weight.fill_(0.01)
            student.head[4].weight[position] = 5
    write(students, folder)
    return folder


def test_a_class_that_students_know_is_where_they_see_it(cache: Any, tmp_path: Path) -> None:
    run = run_that_sees(tmp_path / "run", position=2)  # a cow
    tag = of_class(Tag(run), "cow")
    assert isinstance(tag, Tag)
    assert tag.remark == f"where {run} sees cow"
    tag.check("a.jpg", (40, 30))
    labels = tag.labels("a.jpg", PHOTOGRAPH)
    assert labels.shape == (30, 40)
    assert (labels == 1).all()
    assert Tag(run, "cat").labels.__self__.known == 0  # type: ignore[attr-defined]


def test_of_an_unknown_class_what_stands_out_is_taken(cache: Any, tmp_path: Path) -> None:
    run = run_that_sees(tmp_path / "run", position=2)
    tag = Tag(run, "unicorn")
    assert "does not know unicorn: what stands out" in tag.remark
    assert (tag.labels("a.jpg", PHOTOGRAPH) == 1).all()


def test_where_students_see_nothing_another_example_is_asked_for(cache: Any, tmp_path: Path) -> None:
    run = run_that_sees(tmp_path / "run", position=0)
    with pytest.raises(InputError, match=r"sees nothing in a\.jpg: give a mask or a box"):
        Tag(run, "cow").labels("a.jpg", PHOTOGRAPH)


def test_predict_says_what_the_mask_is_made_of(cache: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    PHOTOGRAPH.save("a.png")
    PHOTOGRAPH.save("q.png")
    Path("none").mkdir()
    words = ["predict", "--class", "cow", "--tag-support", "a.png", "none", "q.png", "--out", "found", *TINY]
    assert "name a folder that `srpnet weak train` wrote" in refused(srpnet(*words))
