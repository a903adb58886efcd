"""`srpnet predict`: the table of what was found, going on, being stopped, and what is told."""

import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import Result
from PIL import Image
from torch import Tensor

from episodes.fewshot.geometry import Placement
from srpnet.fewshot.network import SRPNet
from srpnet.fewshot.presence import Recogniser
from srpnet.fewshot.settings import TRAINING_FREE
from tests.cli.commands import TINY, refused, srpnet
from tests.cli.predicting import ONE_LOOK, draw, masks, table

pytestmark = pytest.mark.usefixtures("random_backbone")


def test_the_table_tells_what_was_found(predict: Callable[..., Result]) -> None:
    draw("photos/a.jpg", "photos/sub/b.png")
    assert predict("photos", "--recursive").exit_code == 0
    rows = table()
    assert [(row["photograph"], row["mask"]) for row in rows] == [
        ("photos/a.jpg", "a-mask.png"),
        ("photos/sub/b.png", "sub/b-mask.png"),
    ]
    for row in rows:
        area = (np.asarray(Image.open(Path("found", row["mask"]))) == 255).mean()
        assert float(row["area"]) == pytest.approx(area, abs=1e-6)
        assert row["presence"] == ""  # this network has no threshold
        assert row["doubt"] == ("" if area else "nothing found")


def test_skip_existing_goes_on_where_it_was_stopped(predict: Callable[..., Result]) -> None:
    draw("photos/a.jpg", "photos/b.jpg")
    assert predict("photos").exit_code == 0
    before = {name: Path(f"found/{name}-mask.png").stat() for name in masks()}
    draw("photos/c.jpg")
    result = predict("photos", "--skip-existing")
    assert result.exit_code == 0, result.output
    assert "Masks and overlays of 3 photographs: found (already done: 2)" in result.stdout
    assert [Path(row["photograph"]).name for row in table()] == ["a.jpg", "b.jpg", "c.jpg"]
    for name, stat in before.items():
        assert Path(f"found/{name}-mask.png").stat().st_ino == stat.st_ino


def test_skip_existing_counts_a_mask_without_a_row_and_remakes_a_damaged_one(predict: Callable[..., Result]) -> None:
    draw("photos/a.jpg", "photos/b.jpg", "photos/c.jpg")
    assert predict("photos").exit_code == 0
    areas = {row["photograph"]: row["area"] for row in table()}
    Path("found/found.csv").unlink()  # as after a kill
    Path("found/b-mask.png").write_bytes(b"")
    Image.new("L", (40, 41)).save("found/c-mask.png")
    result = predict("photos", "--skip-existing")
    assert (
        "3 photographs: found (already done: 1; made again, because damaged or from other examples: 2)" in result.stdout
    )
    assert {row["photograph"]: row["area"] for row in table()} == areas


def test_skip_existing_does_not_take_masks_of_other_examples_or_photographs(predict: Callable[..., Result]) -> None:
    draw("photos/a.jpg", "photos/b.jpg")
    assert predict("photos").exit_code == 0
    mask = Image.new("L", (40, 40))
    mask.paste(255, (20, 20, 38, 38))
    mask.save("example/other.png")
    result = predict("photos", "--skip-existing", mask="example/other.png")
    assert "2 photographs: found (made again, because damaged or from other examples: 2)" in result.stdout
    Path("photos/a.jpg").unlink()
    draw("photos/a.png", size=(30, 50))
    result = predict("photos", "--skip-existing", mask="example/other.png")
    assert "(already done: 1; made again, because damaged or from other examples: 1)" in result.stdout
    assert Image.open("found/a-mask.png").size == (30, 50)


def test_rows_of_other_photographs_stay_as_long_as_their_masks(predict: Callable[..., Result]) -> None:
    draw("photos/a.jpg", "more/b.jpg", "more/c.jpg")
    for folder in ("photos", "more"):
        assert predict(folder).exit_code == 0
    assert [row["mask"] for row in table()] == ["a-mask.png", "b-mask.png", "c-mask.png"]
    Path("found/b-mask.png").unlink()
    assert predict("photos").exit_code == 0
    assert [row["mask"] for row in table()] == ["a-mask.png", "c-mask.png"]


@pytest.mark.parametrize("content", ["price,shop\n1,2\n", "photograph,mask,area,presence,doubt,examples\na,b\n"])
def test_another_table_of_that_name_is_not_overwritten(predict: Callable[..., Result], content: str) -> None:
    draw("photos/a.jpg")
    Path("found").mkdir()
    Path("found/found.csv").write_text(content)
    assert "found/found.csv is not a table of these columns" in refused(predict("photos"))
    assert Path("found/found.csv").read_text() == content
    assert masks() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_says_what_was_written_and_goes_on(
    predict: Callable[..., Result], number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(*(f"photos/{name}.jpg" for name in "abcdef"))
    segment, calls = SRPNet.segment, list[int]()

    def stopped_in_the_third(self: SRPNet, *args: Any, **more: Any) -> Tensor:
        calls.append(1)
        if len(calls) == 5:  # two are the example's
            signal.raise_signal(number)
        return segment(self, *args, **more)

    monkeypatch.setattr(SRPNet, "segment", stopped_in_the_third)
    result = predict("photos", *ONE_LOOK)
    assert result.exit_code == 130, result.output
    assert "Masks and overlays of 3 photographs: found" in result.stdout
    assert "Stopped: 3 of 6 photographs done; continue with the same command and --skip-existing" in result.stderr
    assert masks() == ["a", "b", "c"]
    assert len(table()) == 3
    assert len(list(Path("found").iterdir())) == 8
    result = predict("photos", "--skip-existing", *ONE_LOOK)
    assert result.exit_code == 0, result.output
    assert masks() == list("abcdef")


def test_ctrl_c_before_the_first_photograph(predict: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    draw("photos/a.jpg")
    monkeypatch.setattr(SRPNet, "encode", interrupted)
    result = predict("photos")
    assert result.exit_code == 130
    assert "Stopped before the first photograph: nothing was written" in result.stderr
    assert not Path("found").exists()


def test_a_line_for_each_example(predict: Callable[..., Result]) -> None:
    draw("photos/a.jpg")
    mask = Image.new("L", (40, 40), 1)
    mask.paste(0, (5, 5, 20, 20))
    mask.paste(255, (0, 0, 40, 4))
    mask.save("inverted.png")
    result = predict("photos")
    assert result.stdout.startswith("example/cup.png: mask: 14 % object; from your example the network recovers ")
    assert result.stdout.splitlines()[0].endswith(" % of its mask")
    result = predict("photos", mask="inverted.png")
    assert "example/cup.png: mask: 76 % object, 10 % ignored; from your example the network recovers" in result.stdout
    assert (
        "Warning: the mask of example/cup.png paints 100 % of the photograph's border: is it inverted?" in result.stderr
    )


def test_an_example_that_is_not_restored_is_doubted(
    predict: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    draw("photos/a.jpg")
    monkeypatch.setattr("srpnet.apps.examples.shown.restoration", lambda *_: torch.tensor([[0.307]]))
    result = predict("photos")
    assert "Warning: the network recovers too little of the mask of example/cup.png" in result.stderr


def test_without_opencv_a_line_says_that_edges_are_not_refined(
    predict: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    draw("photos/a.jpg")
    monkeypatch.setitem(sys.modules, "cv2", None)
    result = predict("photos")
    assert result.exit_code == 0, result.output
    assert "Edges stay as the network has them: pip install 'srpnet[edges]'" in result.stderr
    assert "srpnet[edges]" in refused(predict("photos", "--refine", "grabcut", out="again"))


def test_photographs_in_which_nothing_was_found(
    predict: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(_: Tensor, __: int, placement: Placement, original: bool) -> Tensor:
        return torch.zeros(1, *placement.original, dtype=torch.uint8)

    draw("photos/a.jpg", "photos/b.jpg")
    monkeypatch.setattr("srpnet.apps.looks.closer.label_maps", nothing)
    result = predict("photos", *ONE_LOOK)
    assert "Nothing was found in a.jpg, b.jpg" in result.stdout
    assert [row["doubt"] for row in table()] == ["nothing found"] * 2
    assert "Nothing was found in a.jpg, b.jpg" in predict("photos", "--skip-existing", *ONE_LOOK).stdout


def test_photographs_that_may_not_show_the_object(monkeypatch: pytest.MonkeyPatch) -> None:
    draw("one.png", "two.png")
    mask = Image.new("L", (40, 40))
    mask.paste(255, (5, 5, 20, 20))
    mask.save("mask.png")
    scores = iter([0.6, 0.5, 0.1])  # the first is of the example; and no fourth: with --no-presence none is asked for
    monkeypatch.setattr(Recogniser, "presence", lambda *_: torch.tensor([[next(scores)]]))
    monkeypatch.setattr(
        "srpnet.apps.looks.closer.label_maps",
        lambda _, __, placement, original: torch.ones(1, *placement.original, dtype=torch.uint8),
    )
    monkeypatch.setattr("srpnet.fewshot.checkpoint.TRAINING_FREE", replace(TRAINING_FREE, present_above=0.3))
    words: Sequence[str] = ("--support", "one.png", "mask.png", "one.png", "two.png", "--checkpoint", "training-free")
    result = srpnet("predict", *words, *TINY, *ONE_LOOK, "--out", "found")
    assert result.exit_code == 0, result.output
    assert "May not show the object: two.png" in result.stdout
    assert [(row["presence"], row["doubt"]) for row in table()] == [
        ("0.5000", ""),
        ("0.1000", "may not show the object"),
    ]
    assert "May not" not in srpnet("predict", *words, *TINY, *ONE_LOOK, "--no-presence", "--out", "again").output
    assert len(masks("again")) == 2
