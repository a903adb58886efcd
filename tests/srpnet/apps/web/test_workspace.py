"""What a person does on the page, without the page."""

import csv
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from episodes.data.source import Array
from episodes.errors import InputError
from srpnet.apps.segmenter import Segmenter
from srpnet.apps.web.serve import Workspaces
from srpnet.apps.web.settings import AppSettings
from srpnet.apps.web.workspace import Workspace
from tests.srpnet.apps.web.conftest import Draw, iou, painting

RED = (230, 0, 0, 255)


def unpacked(file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def mask_in(file: Path, name: str) -> Array:
    return np.asarray(Image.open(io.BytesIO(unpacked(file)[f"{name}-mask.png"])))


@pytest.fixture
def shown(workspace: Workspace, draw: Draw) -> Workspace:
    """One that has `a`, an example, and `b` to segment."""
    (a, inside), (b, _) = draw("a.png", 8, 12), draw("b.png", 30, 18)
    assert not workspace.add([a, b])
    workspace.mark(workspace.items[0], "object", painting(inside), complete=True)
    return workspace


def test_it_segments_the_others_by_what_was_painted(shown: Workspace, draw: Draw) -> None:
    done: list[tuple[int, int]] = []
    assert shown.segment(lambda *counts: done.append(counts)) == []
    assert done == [(1, 1)]
    _, inside = draw("b.png", 30, 18)
    found = mask_in(shown.zip(), "b")
    assert set(np.unique(found)) == {0, 255}
    assert iou(found == 255, inside) > 0.5


def test_it_says_what_to_expect_where_the_network_tells_presence(shown: Workspace) -> None:
    shown.segmenter.present_above = None
    assert shown.forecasts() == []
    shown.segmenter.present_above = 0.1
    (forecast,) = shown.forecasts()
    assert forecast.startswith("Forecast for photographs that show it: IoU about ")


def test_the_zip_is_what_predict_writes_with_the_masks_of_the_examples(shown: Workspace, draw: Draw) -> None:
    shown.segment()
    files = unpacked(shown.zip())
    assert set(files) == {f"{name}-{end}" for name in "ab" for end in ("mask.png", "overlay.jpg")} | {"found.csv"}
    rows = list(csv.DictReader(io.StringIO(files["found.csv"].decode())))
    assert {(row["photograph"], row["mask"]) for row in rows} == {("a.png", "a-mask.png"), ("b.png", "b-mask.png")}
    _, inside = draw("a.png", 8, 12)
    assert np.array_equal(mask_in(shown.zip(), "a") == 255, inside)


def test_a_corrected_result_is_an_example_and_stays_as_it_was_painted(shown: Workspace, draw: Draw) -> None:
    shown.segment()
    item = shown.items[1]
    opened = shown.open(item, "object")
    assert opened.complete
    assert np.asarray(opened.painting)[..., 3].any(), "what was found is there to be corrected"
    _, inside = draw("b.png", 30, 18)
    shown.mark(item, "object", painting(inside), complete=True)
    assert len(shown.judgement()) == 2
    assert [name for name, _ in shown.judged()] == ["a.png", "b.png"]
    assert np.array_equal(mask_in(shown.zip(), "b") == 255, inside)
    with pytest.raises(InputError, match="all photographs are examples"):
        shown.segment()


def test_strokes_leave_the_rest_open(shown: Workspace, draw: Draw) -> None:
    item, (_, inside) = shown.items[1], draw("b.png", 30, 18)
    strokes = painting(inside)
    strokes.paste(RED, (0, 0, 60, 6))
    shown.mark(item, "object", strokes, complete=False)
    opened = shown.open(item, "object")
    assert not opened.complete
    assert np.array_equal(np.asarray(opened.painting), np.asarray(strokes))
    assert not item.is_complete
    assert shown.segment() == []
    assert iou(mask_in(shown.zip(), "b") == 255, inside) > 0.5


def test_a_photograph_without_it_and_one_that_is_no_example_any_more(shown: Workspace) -> None:
    shown.mark_absent(shown.items[1])
    assert [check.mask for check in shown.judgement()][1] == "without the object"
    assert not mask_in(shown.zip(), "b").any()
    shown.unmark(shown.items[1])
    assert len(shown.judgement()) == 1
    shown.remove(shown.items[0])
    assert not shown.judgement()
    with pytest.raises(InputError, match="there is no example yet"):
        shown.segment()


def test_several_classes_and_names_of_any_script(workspace: Workspace, draw: Draw) -> None:
    (a, inside), (b, others), (c, _) = draw("кружка.png", 8, 12), draw("皿.png", 30, 18, 2), draw("c.png", 20, 10)
    assert not workspace.add([a, b, c])
    workspace.mark(workspace.items[0], "кружка", painting(inside), complete=True)
    workspace.segment()
    with pytest.raises(InputError, match="two classes are called кружка and КРУЖКА"):
        workspace.mark(workspace.items[1], "КРУЖКА", painting(others), complete=True)
    workspace.mark(workspace.items[1], "皿", painting(others), complete=True)
    assert workspace.names == ("кружка", "皿")
    workspace.segment()
    files = unpacked(workspace.zip())
    assert files["classes.csv"].decode() == "value,class\n1,кружка\n2,皿\n"
    assert {"кружка-mask.png", "皿-mask.png", "c-mask.png"} <= set(files)
    assert set(np.unique(mask_in(workspace.zip(), "皿"))) >= {2}


def test_masks_that_are_dropped_too_are_examples(workspace: Workspace, draw: Draw, tmp_path: Path) -> None:
    photograph, inside = draw("a.png", 8, 12)
    Image.fromarray(inside).save(mask := tmp_path / "dropped" / "a_mask.png")
    assert workspace.add([mask, photograph]) == []
    assert [(item.name, [*item.marks]) for item in workspace.items] == [("a.png", ["object"])]
    assert np.array_equal(mask_in(workspace.zip(), "a") == 255, inside)


def test_examples_are_saved_for_predict(shown: Workspace, segmenter: Segmenter, draw: Draw) -> None:
    segmenter.load_supports(shown.save_supports())
    assert np.array_equal(segmenter.predict(draw("b.png", 30, 18)[0]), shown.segmenter.predict(shown.items[1].path))


def test_two_people_never_share_examples(segmenter: Segmenter, draw: Draw, tmp_path: Path) -> None:
    people = Workspaces(segmenter, tmp_path, AppSettings(people=2))
    one, other = people.begin("one"), people.begin("other")
    path, inside = draw("a.png", 8, 12)
    one.add([path])
    one.mark(one.items[0], "object", painting(inside), complete=True)
    assert not other.items
    for somebody in (other.segmenter, segmenter):
        with pytest.raises(InputError, match="no support is set"):
            somebody.predict(path)
    assert one.folder != other.folder
    with pytest.raises(InputError, match="2 people use this page already"):
        people.begin("third")
    people.end(one)
    assert not one.folder.exists()
    assert path.exists(), "what was dropped is the server's to delete"
    people.begin("third")


def test_who_has_closed_the_page_makes_room(segmenter: Segmenter, tmp_path: Path) -> None:
    people = Workspaces(segmenter, tmp_path, AppSettings(people=2))
    workspaces = [people.begin("a"), people.begin("b")]
    people.leave("b")
    people.leave("b")
    people.leave("nobody")
    assert not workspaces[1].closed, "a lost connection loses nothing while there is room"
    people.begin("c")
    assert [each.closed for each in workspaces] == [False, True]
    with pytest.raises(InputError, match="2 people"):
        people.begin("d")


def test_what_cannot_be_taken_is_one_line_each(workspace: Workspace, draw: Draw, tmp_path: Path) -> None:
    dropped = tmp_path / "dropped"
    good, _ = draw("good.png", 8, 12)
    Image.new("1", (20_000, 20_000)).save(dropped / "huge.png")
    (dropped / "page.jpg").write_text("<!doctype html><html></html>")
    (dropped / "climbing.json").write_text('{"imagePath": "../../secret.jpg", "shapes": []}')
    Image.new("RGB", (1100, 1000)).save(dropped / "large.png")
    (dropped / "cut.png").write_bytes(good.read_bytes()[:500])
    (dropped / "heavy.png").write_bytes(good.read_bytes() + bytes(1_000_000))
    Image.new("L", (10, 10)).save(dropped / "good-mask.png")
    problems = workspace.add(sorted(dropped.iterdir()))
    assert [item.name for item in workspace.items] == ["good.png"]
    assert len(problems) == 7
    said = dict(zip(("climbing", "cut", "heavy", "huge", "large", "page", "mask"), problems, strict=True))
    assert all("\n" not in problem and str(tmp_path) not in problem for problem in problems), problems
    assert "large.png has 1100 x 1000 pixels, more than 1 million" in said["large"]
    assert said["heavy"] == "heavy.png has more than 1 MB: make it smaller"
    assert "huge.png" in said["huge"]
    assert "cannot be read as a picture" in said["page"]
    assert "cannot be read as a picture" in said["climbing"]
    assert "is 10 x 10 pixels, the photograph 64 x 48" in said["mask"]


def test_how_many_are_taken_and_how_they_are_called(workspace: Workspace, draw: Draw) -> None:
    path, _ = draw("IMG.png", 8, 12)
    problems = workspace.add([path] * 6)
    assert [item.name for item in workspace.items] == ["IMG.png", "IMG-2.png", "IMG-3.png", "IMG-4.png"]
    assert problems == ["IMG.png: the page takes 4 photographs, no more"] * 2
    assert all(item.path.parent == workspace.folder / "photographs" for item in workspace.items)


def test_a_photograph_that_is_gone_is_named_and_the_others_go_on(shown: Workspace, draw: Draw) -> None:
    shown.add([draw("c.png", 20, 10)[0]])
    shown.items[1].path.unlink()
    (problem,) = shown.segment()
    assert problem == "there is no photograph b.png"
    assert shown.items[2].row is not None


def test_examples_that_are_not_enough_are_kept(workspace: Workspace, draw: Draw) -> None:
    path, inside = draw("a.png", 8, 12)
    workspace.add([path])
    with pytest.raises(InputError, match="leave no background"):
        workspace.mark(workspace.items[0], "object", painting(inside), complete=False)
    assert workspace.items[0].is_example
    with pytest.raises(InputError, match="no example yet"):
        workspace.segment()
    workspace.mark(workspace.items[0], "object", painting(inside), complete=True)
    assert workspace.judgement()


def test_rounds_and_pictures(shown: Workspace) -> None:
    rounds = shown.rounds(shown.items[1])
    assert len(rounds) == shown.segmenter.predictor.network.config.iqi.rounds + 1
    assert {picture.size for picture in rounds} == {(64, 48)}
    assert shown.small(shown.items[0]).read_bytes() != shown.small(shown.items[1]).read_bytes()
