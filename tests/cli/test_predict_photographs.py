"""Which photographs `srpnet predict` finds in folders, what it passes over, and what it calls its files."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from PIL import Image

from tests.cli.commands import refused
from tests.cli.predicting import draw, masks, table

pytestmark = pytest.mark.usefixtures("random_backbone")


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
