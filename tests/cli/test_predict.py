"""`srpnet predict` on the folders that people have, with a tiny network."""

import csv
import json
import os
import signal
import socket
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

from episodes.data import open_source
from episodes.data.formats import FORMATS
from episodes.fewshot.geometry import Placement
from srpnet.fewshot.network import SRPNet
from srpnet.fewshot.presence import Recogniser
from srpnet.fewshot.settings import TRAINING_FREE, NetworkSettings
from tests.cli.commands import TINY, refused, srpnet

pytestmark = pytest.mark.usefixtures("random_backbone")


def draw(*paths: str | Path, size: tuple[int, int] = (40, 40), format: str | None = None) -> None:
    """Noise with a red square, each of its own."""
    for number, path in enumerate(paths):
        pixels = np.random.default_rng(number).integers(0, 60, (size[1], size[0], 3), dtype=np.uint8)
        pixels[5:20, 5:20, 0] += 180
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, format)


ONE_LOOK = ("--closer", "none", "--refine", "none")
"""At the whole photograph."""


@pytest.fixture
def predict(tmp_path: Path) -> Callable[..., Result]:
    """`predict("photos", "--recursive")`: by one example, with a tiny network, into `found`."""
    tiny = NetworkSettings(layers=(1, 1, 1, 1), base_width=8, width=8, stages=(2, 3), trained="all")
    SRPNet(tiny).write(tmp_path / "net")
    draw(tmp_path / "example/cup.png")
    mask = Image.new("L", (40, 40))
    mask.paste(255, (5, 5, 20, 20))
    mask.save(tmp_path / "example/cup-white.png")

    def run(*words: str, out: str = "found", mask: str | None = "example/cup-white.png") -> Result:
        support = ("--support", "example/cup.png", mask) if mask else ()
        return srpnet("predict", *support, "--checkpoint", "net", *TINY, "--out", out, *words)

    return run


def masks(folder: str = "found") -> list[str]:
    """The masks below a folder, by their names without the ending."""
    return sorted(
        str(file.relative_to(folder)).removesuffix("-mask.png")
        for file in Path(folder).rglob("*-mask.png")
        if file.is_file()
    )


def table(folder: str = "found") -> list[dict[str, str]]:
    with Path(folder, "found.csv").open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return list(csv.DictReader(file))


# ------------------------------------------------------------------------------------------- what is passed over


def test_hidden_files_masks_and_what_is_no_picture_are_passed_over_and_named(predict: Callable[..., Result]) -> None:
    draw("photos/a.jpg", "photos/a-mask.png", "photos/a-overlay.jpg")
    Path("photos/._a.jpg").write_bytes(b"\0\5\x16\7Mac OS X")
    Path("photos/notes.txt").write_text("buy cups")
    Path("photos/film.mpg").write_bytes(b"\0\0\1\xb3" + bytes(100))  # which Pillow recognises, but cannot read
    Path("photos/x.jpg").mkdir()
    result = predict("photos")
    assert result.exit_code == 0, result.output
    assert masks() == ["a"]
    for line in (
        "Skipped: ._a.jpg (hidden)",
        "Skipped: a-mask.png, a-overlay.jpg (a mask or an overlay)",
        "Skipped: film.mpg, notes.txt (not a picture)",
        "Skipped: x.jpg (a folder: use --recursive)",
        "Masks and overlays of 1 photograph: found",
    ):
        assert line in result.stdout.splitlines()


def test_pipes_and_sockets_are_never_opened(predict: Callable[..., Result]) -> None:
    draw("photos/a.jpg")
    os.mkfifo("photos/pipe.jpg")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("photos/socket.png")
        result = predict("photos")
    assert result.exit_code == 0, result.output
    assert "Skipped: pipe.jpg, socket.png (a pipe, socket or device)" in result.stdout
    assert "photos/pipe.jpg is a pipe, socket or device" in refused(predict("photos/a.jpg", "photos/pipe.jpg"))
    assert "pipe.jpg is a pipe, socket or device" in refused(predict("photos", mask="photos/pipe.jpg"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"not a picture", "cannot be read as a picture"),
        ("nowhere.jpg", "cannot be read (No such file"),
        ("b.jpg", "cannot be read (Too many levels of symbolic links)"),
    ],
    ids=["empty", "unreadable head", "broken link", "circle of links"],
)
@pytest.mark.parametrize("named", [True, False])
def test_the_rest_goes_on_where_a_photograph_cannot_be_read(
    predict: Callable[..., Result], content: bytes | str, reason: str, named: bool
) -> None:
    draw("photos/a.jpg", "photos/z.jpg")
    if isinstance(content, str):
        Path("photos/b.jpg").symlink_to(content)
    else:
        Path("photos/b.jpg").write_bytes(content)
    result = predict(*(("photos/a.jpg", "photos/b.jpg", "photos/z.jpg") if named else ("photos",)))
    message = refused(result)
    assert "skipped: photos/b.jpg " in message
    assert reason in message
    assert masks() == ["a", "z"]
    assert [row["photograph"] for row in table()] == ["photos/a.jpg", "photos/z.jpg"]


def test_a_photograph_whose_end_is_missing_is_passed_over(predict: Callable[..., Result]) -> None:
    draw("a.png", "b.png", "c.png")
    Path("b.png").write_bytes(Path("b.png").read_bytes()[:500])  # its head is whole
    result = predict("a.png", "b.png", "c.png")
    assert "skipped: b.png cannot be read" in refused(result)
    assert "Masks and overlays of 2 photographs" in result.output
    assert masks() == ["a", "c"]


def test_many_names_are_summarised_and_failures_all_named(predict: Callable[..., Result]) -> None:
    draw("photos/a.jpg")
    for number in range(14):
        Path(f"photos/{number:02}.txt").touch()
        Path(f"photos/{number:02}.jpg").touch()
    result = predict("photos")
    assert "09.txt and 4 more (not a picture)" in result.stdout
    assert refused(result).endswith("; and 4 more")
    assert all(f"Skipped: photos/{number:02}.jpg cannot be read" in result.stderr for number in range(14))


def test_formats_are_told_by_the_head_and_raw_files_of_cameras_are_not_taken_for_their_thumbnail(
    predict: Callable[..., Result],
) -> None:
    draw("photos/b.gif", "photos/c.webp", "photos/d.bmp", "photos/e.tif")
    draw("photos/a.jfif", "photos/f.HEIC", "photos/no-ending", format="JPEG")
    draw("photos/raw.nef", format="TIFF")
    result = predict("photos")
    assert result.exit_code == 0, result.output
    assert masks() == ["a", "b", "c", "d", "e", "f", "no-ending"]
    assert "Skipped: raw.nef (not a picture)" in result.stdout


@pytest.mark.skipif(".avif" not in Image.registered_extensions(), reason="this Pillow was built without AVIF")
def test_avif_is_a_photograph(predict: Callable[..., Result]) -> None:
    draw("photos/a.avif")
    assert predict("photos").exit_code == 0
    assert masks() == ["a"]


def test_a_folder_without_photographs(predict: Callable[..., Result]) -> None:
    Path("empty").mkdir()
    assert "empty holds no photographs" in refused(predict("empty"))
    assert not Path("found").exists()
    draw("a.png")
    assert "skipped: empty holds no photographs" in refused(predict("empty", "a.png"))
    assert masks() == ["a"]


def test_a_mistyped_name_is_refused_before_anything_is_done(predict: Callable[..., Result]) -> None:
    draw("a.png")
    assert "there is no photograph or folder b.png" in refused(predict("a.png", "b.png"))
    assert not Path("found").exists()


def test_an_output_folder_that_is_a_broken_link(predict: Callable[..., Result]) -> None:
    draw("a.png")
    for target in ("nowhere", "found"):
        Path("found").symlink_to(target)
        assert "found is a broken link" in refused(predict("a.png"))
        Path("found").unlink()


def test_masks_of_the_examples_are_passed_over_and_a_photograph_that_is_named_twice_is_one(
    predict: Callable[..., Result],
) -> None:
    result = predict("example", "example/cup.png")
    assert result.exit_code == 0, result.output
    assert "Skipped: example/cup-white.png (the mask of an example)" in result.stdout
    assert masks() == ["cup"]


# ------------------------------------------------------------------------------------------------ folders and names


def test_recursive_mirrors_folders_and_leaves_links_hidden_ones_and_the_output_alone(
    predict: Callable[..., Result],
) -> None:
    draw("photos/a.jpg", "photos/sub/a.jpg", "photos/sub/deep/a.jpg", "photos/.hidden/b.jpg", "photos/x.jpg/y.png")
    Path("photos/sub/loop").symlink_to("..")
    for _ in range(2):  # the second time the output folder is full
        result = predict("photos", "--recursive", out="photos/found")
        assert result.exit_code == 0, result.output
        assert masks("photos/found") == ["a", "sub/a", "sub/deep/a", "x.jpg/y"]
    assert "Skipped: .hidden (hidden)" in result.stdout
    assert "Skipped: sub/loop (a link to a folder)" in result.stdout
    assert "Skipped: found (the output folder)" in result.stdout


def test_photographs_of_one_name_get_unambiguous_ones(predict: Callable[..., Result]) -> None:
    draw("a/same.jpg", "b/same.jpg", "b/twin.jpg", "b/twin.png", "b/Case.jpg", "b/case.png")
    assert predict("a", "b").exit_code == 0
    assert masks() == ["Case.jpg", "a/same", "b/same", "case.png", "twin.jpg", "twin.png"]


@pytest.mark.parametrize("out", ["photos", "./photos", "example", "photos/../photos"])
def test_outputs_never_go_among_the_photographs(predict: Callable[..., Result], out: str) -> None:
    draw("photos/a.jpg")
    assert "could be overwritten" in refused(predict("photos", out=out))


def test_mirrored_outputs_never_go_among_the_photographs_either(predict: Callable[..., Result]) -> None:
    draw("photos/sub/a.jpg")
    assert "photos/sub holds your own photographs" in refused(predict("photos", "--recursive", out="photos"))


def test_a_long_name_is_written_and_one_too_long_is_named_before_the_first_photograph(
    predict: Callable[..., Result],
) -> None:
    draw(f"photos/{'a' * 240}.jpg", f"photos/{'b' * 249}.jpg", "photos/zz.jpg")
    result = predict("photos")
    assert f"{'b' * 249}.jpg: the names of its mask and overlay would be longer than 255 bytes" in refused(result)
    assert masks() == ["a" * 240, "zz"]


@pytest.mark.parametrize(
    ("obstacle", "message"),
    [
        ("found/a-mask.png/x", "found/a-mask.png is a folder, where a file must be written"),
        ("found/sub", "found/sub is a file, where b-mask.png needs a folder"),
    ],
)
def test_what_stands_in_the_way_of_an_output_is_named(
    predict: Callable[..., Result], obstacle: str, message: str
) -> None:
    draw("photos/a.jpg", "photos/sub/b.jpg", "photos/z.jpg")
    Path(obstacle).parent.mkdir(parents=True)
    Path(obstacle).touch()
    assert message in refused(predict("photos", "--recursive"))
    assert "z" in masks()


def test_a_folder_called_like_a_mask_is_told_before_the_first_photograph(predict: Callable[..., Result]) -> None:
    draw("photos/a.jpg", "photos/a-mask.png/b.jpg")
    message = refused(predict("photos", "--recursive"))
    assert "skipped: photos/a.jpg: a folder has the name of its mask or overlay" in message
    assert masks() == ["a-mask.png/b"]


def test_names_cannot_act_on_the_terminal_or_in_a_spreadsheet(predict: Callable[..., Result]) -> None:
    names = ["=1+2.png", "-x.png", "a\x1b[31m.png", os.fsdecode(b"l\xe9.png"), 'a,"b\n.png']
    Path("photos").mkdir()
    draw("plain.png")
    for name in names:
        Path("photos", name).write_bytes(Path("plain.png").read_bytes())
    Path("photos/\x1b[2J.txt").touch()
    os.chdir("photos")
    for name in ("net", "example"):
        Path(name).symlink_to(f"../{name}")
    result = predict("--", *names, out="../found")
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.output
    rows = table("../found")
    assert {Path(row["photograph"]) for row in rows} == {Path(name) for name in names}
    assert all(Path("../found", row["mask"]).is_file() for row in rows)
    assert not any(cell.startswith(("=", "-", "+", "@")) for row in rows for cell in row.values())


# ------------------------------------------------------------------------------------------ the table and going on


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


# --------------------------------------------------------------------------------------------------- what is told


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


# ------------------------------------------------------------------------------------------- saved examples


def test_examples_are_shown_once_and_saved(predict: Callable[..., Result]) -> None:
    draw("photos/a.png", "photos/b.png", "more/c.png")
    first = predict("photos/a.png", "more", "--save-supports", "cup.safetensors", out="first")
    assert first.exit_code == 0, first.output
    assert Path("cup.safetensors").stat().st_size < 1_000_000
    later = predict("more", "--load-supports", "cup.safetensors", out="later", mask=None)
    assert later.exit_code == 0, later.output
    assert later.output.startswith("Examples from cup.safetensors: object\n")
    assert Path("later/c-mask.png").read_bytes() == Path("first/c-mask.png").read_bytes()
    of_c = [row for row in table("first") if row["mask"] == "c-mask.png"]
    assert table("later") == of_c
    going_on = predict(
        "more", "photos", "--load-supports", "cup.safetensors", "--skip-existing", out="first", mask=None
    )
    assert "Masks and overlays of 3 photographs: first (already done: 2)" in going_on.output


def test_saved_examples_come_alone_with_their_size_and_their_network(
    predict: Callable[..., Result], tmp_path: Path
) -> None:
    draw("photos/a.png")
    wrong = "give examples with --support PHOTO MASK, or saved ones with --supports FILE"
    assert wrong in refused(predict("photos", mask=None))
    assert predict("photos", "--save-supports", "cup.safetensors").exit_code == 0
    assert "cup.safetensors holds saved examples, which come alone" in refused(
        predict("photos", "--load-supports", "cup.safetensors")
    )
    load = ("photos", "--load-supports", "cup.safetensors")
    size = predict(*load, "--size", "96", mask=None)
    assert "cup.safetensors was made with --size 64: leave out --size" in refused(size)
    SRPNet(replace(NetworkSettings.read(tmp_path / "net/config.json"), relu=False, width=7)).write(tmp_path / "other")
    assert "examples of another network" in refused(predict(*load, "--checkpoint", "other", mask=None))
    Path("cup.safetensors").write_bytes(b"junk")
    assert "cup.safetensors cannot be read as saved examples" in refused(predict(*load, mask=None))


# ---------------------------------------------------------------------------------------------------- other formats


@pytest.mark.parametrize("format", FORMATS)
def test_a_format_with_the_photographs_is_a_data_set(predict: Callable[..., Result], format: str) -> None:
    draw("photos/a.jpg", "photos/a.png", "photos/sub/b.jpg", size=(70, 50))
    result = predict("photos", "--recursive", "--format", format, "--with-photographs", "--tolerance", "0")
    assert result.exit_code == 0, result.output
    assert f"Annotations: found/{format}" in result.stdout.splitlines()
    source = open_source(f"folder:found/{format}")
    assert source.classes == ("object",)
    assert len(source.ids("val")) == len(masks()) == 3
    for name in masks():
        (id,) = [id for id in source.ids("val") if id in (name, Path(name).name)]
        found = np.array(Image.open(f"found/{name}-mask.png")) == 255
        assert (source.load(id)[1] == found).all()


def test_annotations_are_of_all_masks_also_where_they_were_there(predict: Callable[..., Result]) -> None:
    draw("photos/a.jpg", "photos/b.jpg")
    assert predict("photos/a.jpg").exit_code == 0
    result = predict("photos", "--skip-existing", "--format", "coco", "--format", "yolo", "--instances")
    assert result.exit_code == 0, result.output
    assert "already done: 1" in result.stdout
    images = json.loads(Path("found/coco/annotations.json").read_text())["images"]
    assert [image["file_name"] for image in images] == ["a.jpg", "b.jpg"]
    assert sorted(path.name for path in Path("found/yolo/labels").iterdir()) == ["a.txt", "b.txt"]
    made = Path("found/a-mask.png").stat().st_mtime_ns
    assert "already done: 2" in predict("photos", "--skip-existing").stdout
    assert "made again" not in predict("photos", "--skip-existing", "--format", "probability").stdout
    assert Path("found/a-mask.png").stat().st_mtime_ns > made  # probabilities take the network
    assert Path("found/probability/probability/object/a.png").is_file()


def test_what_formats_refuse_is_said_before_anything_is_written(predict: Callable[..., Result]) -> None:
    draw("photos/a.jpg", "photos/a.png")
    assert "would be one file: rename one, or use --with-photographs" in refused(predict("photos", "--format", "yolo"))
    assert "--smallest must be a whole number from 1" in refused(predict("photos", "--smallest", "0"))
    assert not masks()
    Path("found").mkdir(exist_ok=True)
    Path("found/coco").write_text("in the way")
    assert "found/coco is a file, not a folder" in refused(predict("photos/a.jpg", "--format", "coco"))


@pytest.mark.parametrize("format", ["coco", "labelme", "indexed"])
def test_annotations_are_examples(predict: Callable[..., Result], format: str) -> None:
    draw("photos/a.jpg", "photos/b.jpg")
    assert predict("photos", "--format", format, "--with-photographs").exit_code == 0
    result = predict("photos", "--supports", f"found/{format}", "--fit", "none", mask=None, out="again")
    assert result.exit_code == 0, result.output
    assert masks("again") == ["a", "b"]
    assert result.stdout.count(": mask: ") == 2


def test_an_annotation_file_is_a_mask(predict: Callable[..., Result]) -> None:
    draw("photos/a.jpg")
    box = {"label": "cup", "points": [[5, 5], [20, 20]], "shape_type": "rectangle"}
    content = {"shapes": [box], "imagePath": "cup.png", "imageHeight": 40, "imageWidth": 40}
    Path("example/cup.json").write_text(json.dumps(content))
    by_file, by_mask = predict("photos", mask="example/cup.json"), predict("photos", out="by-mask")
    assert by_file.exit_code == by_mask.exit_code == 0, by_file.output
    assert Path("found/a-mask.png").read_bytes() == Path("by-mask/a-mask.png").read_bytes()
    Path("example/cup.json").write_text(json.dumps(content | {"imagePath": "../../cup.png"}))
    assert "../../cup.png is not a path below the folder" in refused(predict("photos", mask="example/cup.json"))
