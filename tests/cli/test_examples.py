"""Examples on the command line of `srpnet predict`: classes, folders, and what is refused."""

import csv
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import Result
from PIL import Image

from srpnet.fewshot.fitted_head import Head
from srpnet.fewshot.network import SRPNet
from srpnet.fewshot.settings import NetworkSettings
from srpnet.fewshot.support_set import SupportSet
from tests.backbones import TinyWeights
from tests.cli.commands import TINY, refused, srpnet

LEFT, RIGHT = (5, 5, 20, 20), (22, 22, 36, 36)
"""Where a photograph shows red, and where green."""


def draw(path: str, *, seed: int = 0, red: bool = True, green: bool = False) -> None:
    """A photograph of 40 x 40: dark noise with a red square, a green one, or both."""
    pixels = np.random.default_rng(seed).integers(0, 60, (40, 40, 3), dtype=np.uint8)
    for channel, box, there in ((0, LEFT, red), (1, RIGHT, green)):
        left, top, right, bottom = box
        pixels[top:bottom, left:right, channel] += 180 * there
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def paint(path: str, *boxes: tuple[int, int, int, int], size: tuple[int, int] = (40, 40)) -> None:
    """A mask with these boxes in white."""
    mask = Image.new("L", size)
    for box in boxes:
        mask.paste(255, box)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    mask.save(path)


@pytest.fixture
def predict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """`predict("--support", ...)`: with a tiny network, of `photos`, into `found`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(
        "srpnet.nn.weights.get_weights", TinyWeights()
    )  # for the head that is fitted to several examples
    tiny = NetworkSettings("keras-v1", layers=(1, 1, 1, 1), base_width=8, width=8, stages=(2, 3), trained="all")
    SRPNet(tiny).write(tmp_path / "net")
    draw("photos/x.png", seed=9, green=True)
    draw("red.png", seed=1)
    draw("both.png", seed=2, green=True)
    paint("left.png", LEFT)
    paint("right.png", RIGHT)

    def run(*words: str, out: str = "found", queries: tuple[str, ...] = ("photos",)) -> Result:
        plain = ("--checkpoint", "net", "--naming", "pixels")  # regions take ImageNet weights that fit
        return srpnet("predict", *words, *queries, *plain, *TINY, "--out", out)

    return run


def mask(folder: str = "found") -> list[list[int]]:
    """What the mask of the query holds."""
    values: list[list[int]] = np.asarray(Image.open(Path(folder, "x-mask.png"))).tolist()
    return values


TWO = ("--class", "red", "--support", "red.png", "left.png", "--class", "green", "--support", "both.png", "right.png")


# ---------------------------------------------------------------------------------------------------------- classes


def test_a_class_names_the_examples_behind_it(predict: Callable[..., Result]) -> None:
    result = predict(*TWO)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith("red.png: mask: 14 % red; from your example the network recovers ")
    assert lines[1].startswith("both.png: mask: 12 % green; ")
    assert "Values in the masks: 1 red, 2 green" in lines
    assert {value for row in mask() for value in row} <= {0, 1, 2}
    assert Path("found/classes.csv").read_text() == "value,class\n1,red\n2,green\n"
    with Path("found/found.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert {"area_1", "area_2", "presence_1", "presence_2"} < set(row)
    swapped = predict(*TWO[5:], *TWO[:5], out="swapped")
    assert swapped.exit_code == 0, swapped.output
    assert np.array_equal(np.array([0, 2, 1])[mask()], mask("swapped"))


def test_one_class_with_a_name_has_the_masks_of_one_without(predict: Callable[..., Result]) -> None:
    support = ("--support", "red.png", "left.png")
    assert "14 % red;" in predict("--class", "red", *support).stdout
    assert predict(*support, out="unnamed").exit_code == 0
    assert mask("found") == mask("unnamed")
    assert Path("found/classes.csv").read_text() == "value,class\n255,red\n"
    assert not Path("unnamed/classes.csv").exists()
    assert "names other classes (red): name another --out" in refused(predict("--class", "blue", *support))


def test_two_classes_in_one_photograph(predict: Callable[..., Result]) -> None:
    both = ("--class", "red", "--support", "both.png", "left.png", "--class", "green", "--support", "both.png")
    result = predict(*both, "right.png")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("both.png: mask: 14 % red, 12 % green; ")
    message = refused(predict(*both, "left.png", out="other"))
    assert "all that is marked as red in both.png is marked as green, too: choose one" in message


def test_names_in_any_script(predict: Callable[..., Result]) -> None:
    name = "чашка 茶碗"
    result = predict("--class", name, "--support", "red.png", "left.png")
    assert f"14 % {name};" in result.stdout
    assert Path("found/classes.csv").read_text(encoding="utf-8") == f"value,class\n255,{name}\n"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--class", "a", *TWO[2:5], "--class", "a", *TWO[2:5]), "--class a is there twice"),
        (("--class", "Cup", *TWO[2:5], "--class", "cup", *TWO[2:5]), "two classes are called Cup and cup"),
        ((*TWO, "--class", "blue"), "class blue has no example: show at least one photograph of it"),
        (("--class", "blue", *TWO), "class blue has no example"),
        ((*TWO[2:5], *TWO), "--support red.png has no class: put it behind the --class that it shows"),
        (("--class", "", *TWO[2:5]), "'' is not a class name"),
        (("--class", "a\nb", *TWO[2:5]), "'a\\nb' is not a class name"),
        ((), "give examples with --support PHOTO MASK, or saved ones with --supports FILE"),
        (("--supports", "red.png"), "red.png is a picture: show a single example with --support PHOTO MASK"),
        (("--support", "page.jpg", "left.png"), "page.jpg cannot be read as a picture"),
        (("--support", "red.png", "small.png"), "the mask of red.png is 20 x 40 pixels, the photograph 40 x 40"),
        (("--support", "huge.png", "left.png"), "huge.png cannot be read as a picture (Image size (400000000 pixels)"),
    ],
)
def test_bad_examples_are_one_line_and_leave_nothing(
    predict: Callable[..., Result], words: tuple[str, ...], complaint: str
) -> None:
    Path("page.jpg").write_text("<!doctype html><title>Not found</title>")
    paint("small.png", (0, 0, 5, 5), size=(20, 40))
    if "huge.png" in words:
        Image.new("1", (20_000, 20_000)).save("huge.png")
    assert complaint in refused(predict(*words))
    assert not Path("found").exists()


def test_a_config_may_name_examples_but_not_classes(predict: Callable[..., Result]) -> None:
    Path("one.toml").write_text('support = [["red.png", "left.png"]]\n')
    result = predict("--config", "one.toml")
    assert result.exit_code == 0, result.output
    Path("two.toml").write_text('support = [["red.png", "left.png"]]\nclass = ["red"]\n')
    assert "a TOML file has no order of examples" in refused(predict("--config", "two.toml"))


# -------------------------------------------------------------------------------------------------------- judgement


def test_examples_are_judged_first_and_the_weakest_is_named(predict: Callable[..., Result]) -> None:
    draw("again.png", seed=3)
    support = ("--support", "red.png", "left.png", "--support", "again.png", "left.png")
    result = predict(*support, "--support", "both.png", "right.png")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert re.fullmatch(
        r"red\.png: mask: 14 % object; from your example the network recovers \d+ % of its mask, from the others \d+ %",
        lines[0],
    )
    (weakest,) = (line for line in lines if line.startswith("Weakest example: both.png; "))
    assert re.search(r"from the others the network finds \d+ % of it: see found/found-examples\.jpg$", weakest)
    assert Image.open("found/found-examples.jpg").size == (3 * 328 + 8, 3 * (64 + 24) + 8)


# ---------------------------------------------------------------------------------------------------------- folders


def test_a_folder_has_a_subfolder_for_each_class(predict: Callable[..., Result]) -> None:
    draw("ex/red/a.jpg")
    paint("ex/red/a.png", LEFT)
    draw("ex/red/b.png")
    paint("ex/red/b_mask.png", LEFT)
    draw("ex/green/images/c.png", green=True)
    paint("ex/green/masks/c.png", RIGHT)
    Path("ex/red/.DS_Store").touch()
    Path("ex/notes.txt").touch()
    result = predict("--supports", "ex")
    assert result.exit_code == 0, result.output
    assert [line.partition(";")[0] for line in result.stdout.splitlines()[:3]] == [
        "ex/green/images/c.png: mask: 12 % green",
        "ex/red/a.jpg: mask: 14 % red",
        "ex/red/b.png: mask: 14 % red",
    ]
    more = predict("--supports", "ex", "--class", "red", "--support", "red.png", "left.png", out="more")
    assert "red.png: mask: 14 % red" in more.stdout
    assert "--support red.png has no class" in refused(predict("--supports", "ex", "--support", "red.png", "left.png"))


def test_a_folder_without_subfolders_is_one_class(predict: Callable[..., Result]) -> None:
    draw("red/a.jpg")
    paint("red/a-mask.png", LEFT)
    assert predict("--supports", "red").stdout.startswith("red/a.jpg: mask: 14 % red; ")


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ((), "ex/red holds no examples"),
        (("a.jpg",), "ex/red/a.jpg has no mask: save it beside the photograph as a-mask.png"),
        (("a-mask.png",), "ex/red/a-mask.png has no photograph: it must be called a, too"),
        (("a.jpg", "a.webp"), "ex/red holds a.jpg and a.webp: call the mask a-mask.png"),
    ],
)
def test_folders_that_are_not_clear(predict: Callable[..., Result], files: tuple[str, ...], complaint: str) -> None:
    Path("ex/red").mkdir(parents=True)
    for file in files:
        draw(f"ex/red/{file}")
    assert complaint in refused(predict("--supports", "ex"))


# ----------------------------------------------------------------------------------------------- less than a mask


@pytest.mark.parametrize(
    ("words", "shows"),
    [
        (("--box", "red.png", "5,5,20,20"), "14 % object"),
        (("--box", "both.png", "5,5,20,20", "--box", "both.png", "22,22,36,36"), "26 % object"),
        (("--points", "red.png", "10,10,15,15", "--not-points", "red.png", "30,30"), "1 % object, 98 % ignored"),
        (("--scribbles", "red.png", "strokes.png"), "3 % object, 95 % ignored"),
        (("--scribbles", "red.png", "drawn.png"), "3 % object, 95 % ignored"),
        (("--scribbles", "red.png", "clear.png"), "3 % object, 95 % ignored"),
    ],
)
def test_boxes_points_and_scribbles(predict: Callable[..., Result], words: tuple[str, ...], shows: str) -> None:
    strokes = Image.new("RGB", (40, 40))
    strokes.paste((0, 255, 0), (7, 10, 19, 14))
    strokes.paste((255, 0, 0), (22, 30, 34, 33))
    strokes.save("strokes.png")
    drawn, clear = Image.open("red.png").convert("RGB"), strokes.convert("RGBA")
    drawn.paste((0, 255, 0), (7, 10, 19, 14))
    drawn.paste((255, 0, 0), (22, 30, 34, 33))
    drawn.save("drawn.png")
    clear.putalpha(strokes.convert("L").point(lambda value: 255 * (value > 0)))
    clear.save("clear.png")
    result = predict(*words)
    assert result.exit_code == 0, result.output
    assert result.stdout.partition(": mask: ")[2].startswith(shows), result.stdout
    assert Path("found/x-mask.png").is_file()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--box", "red.png", "5,5,41,20"), "the box 5,5,41,20 reaches beyond red.png, which is 40 x 40 pixels"),
        (("--box", "red.png", "-1,5,20,20"), "the box -1,5,20,20 reaches beyond red.png"),
        (("--box", "red.png", "20,5,5,20"), "the box 20,5,5,20 in red.png is empty"),
        (("--box", "red.png", "5,5,20"), "--box '5,5,20' are not pixels: write left, top, right and bottom"),
        (("--box", "red.png", "a,b,c,d"), "--box 'a,b,c,d' are not pixels"),
        (("--box", "red.png", "0,0,40,40"), "the masks leave no background"),
        (("--points", "red.png", "40,3"), "the point 40,3 lies outside red.png, which is 40 x 40 pixels"),
        (("--points", "red.png", "4,3,5"), "--points '4,3,5' are not pixels: write column and row of each point"),
        (("--points", "red.png", "4,3"), "the masks leave no background"),
        (("--scribbles", "red.png", "left.png"), "the scribbles of red.png show no green"),
        (("--scribbles", "red.png", "photos/wide.png"), "the scribbles of red.png is 50 x 40 pixels"),
        (("--support", "red.png", "left.png", "--not", "red.png"), "red.png is an example with the object and one"),
        (("--not", "red.png"), "give examples with --support PHOTO MASK"),
    ],
)
def test_bad_marks_are_one_line_and_leave_nothing(
    predict: Callable[..., Result], words: tuple[str, ...], complaint: str
) -> None:
    paint("photos/wide.png", size=(50, 40))
    assert complaint in refused(predict(*words))
    assert not Path("found").exists()


def test_a_photograph_without_the_object_is_background(predict: Callable[..., Result]) -> None:
    draw("none.png", seed=5, red=False, green=True)
    support = ("--support", "red.png", "left.png")
    result = predict(*support, "--not", "none.png")
    assert result.exit_code == 0, result.output
    assert "none.png: without the object; the network finds it in " in result.stdout
    assert predict(*support, out="without").exit_code == 0


# ------------------------------------------------------------------------------------------------------- corrections

RED = ("--support", "red.png", "left.png")


def test_a_corrected_mask_becomes_an_example_and_stays(predict: Callable[..., Result]) -> None:
    draw("photos/y.png", seed=7)
    assert predict(*RED).exit_code == 0
    paint("found/x-mask.png", LEFT)
    before = Path("found/x-mask.png").read_bytes()
    result = predict(*RED, "--fix", "found/x-mask.png")
    assert result.exit_code == 0, result.output
    assert "photos/x.png: mask: 14 % object; " in result.stdout
    assert "Skipped: x.png (you corrected its mask)" in result.stdout
    assert "Masks and overlays of 1 photograph: found" in result.stdout
    assert Path("found/x-mask.png").read_bytes() == before
    assert predict(*RED, "--fix", "found/x-mask.png", "--format", "labelme").exit_code == 0
    assert sorted(file.stem for file in Path("found/labelme").rglob("*.json")) == ["x", "y"]
    assert "photos/x.png: mask: 14 % object; " in predict("--fix", "found/x-mask.png", out="other").stdout


def test_an_empty_correction_says_that_nothing_is_there(predict: Callable[..., Result]) -> None:
    assert predict(*RED).exit_code == 0
    paint("found/x-mask.png")
    result = predict(*RED, "--fix", "found/x-mask.png", out="other")
    assert "photos/x.png: without the object; the network finds it in " in result.stdout


def test_a_correction_has_the_classes_of_its_folder(predict: Callable[..., Result]) -> None:
    assert predict(*TWO).exit_code == 0
    labels = Image.new("L", (40, 40))
    labels.paste(1, LEFT)
    labels.paste(2, RIGHT)
    labels.save("found/x-mask.png")
    result = predict(*TWO, "--fix", "found/x-mask.png", out="other")
    assert "photos/x.png: mask: 14 % red, 12 % green; " in result.stdout
    alone = predict("--fix", "found/x-mask.png", out="alone")
    assert "Values in the masks: 1 red, 2 green" in alone.stdout
    labels.paste(3, LEFT)
    labels.save("found/x-mask.png")
    assert "holds the label 3: 2 classes are 0..2" in refused(predict("--fix", "found/x-mask.png", out="more"))


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        (None, "found/x-mask.png is no mask that `srpnet predict` wrote: no found.csv names it"),
        ("photos/y.png,y-mask.png", "no found.csv names it"),
        ("gone/x.png,x-mask.png", "gone/x.png, of which found/x-mask.png is the mask, is not there"),
        ("red.png,x-mask.png", "found/x-mask.png is the mask of red.png: their names do not agree"),
    ],
)
def test_a_mask_whose_photograph_is_not_known(
    predict: Callable[..., Result], table: str | None, complaint: str
) -> None:
    paint("found/x-mask.png", LEFT)
    if table is not None:
        Path("found/found.csv").write_text(f"photograph,mask\n{table}\n")
    assert complaint in refused(predict("--fix", "found/x-mask.png", out="other"))
    assert not Path("other").exists()


# ---------------------------------------------------------------------------------------------------- srpnet supports


def supports(word: str, *words: str) -> Result:
    return srpnet("supports", word, "cups.srp", *words, "--checkpoint", "net", "--device", "cpu", "--precision", "fp32")


def test_saving_adding_and_showing(predict: Callable[..., Result]) -> None:
    saved = supports("save", *TWO[:5], "--size", "64")
    assert saved.exit_code == 0, saved.output
    assert saved.stdout.startswith("red.png: mask: 14 % red; ")
    added = supports("add", *TWO[5:], "--class", "red", "--support", "both.png", "left.png")
    assert added.exit_code == 0, added.output
    result = srpnet("supports", "show", "cups.srp")
    assert [line.split() for line in result.stdout.splitlines() if "\N{BOX DRAWINGS LIGHT VERTICAL}" in line] == [
        ["\N{BOX DRAWINGS LIGHT VERTICAL}", *row, "\N{BOX DRAWINGS LIGHT VERTICAL}"]
        for row in (
            ("1", "\N{BOX DRAWINGS LIGHT VERTICAL}", "red", "\N{BOX DRAWINGS LIGHT VERTICAL}", "2"),
            ("2", "\N{BOX DRAWINGS LIGHT VERTICAL}", "green", "\N{BOX DRAWINGS LIGHT VERTICAL}", "1"),
        )
    ]
    assert "background from 2 photographs" in result.stdout
    assert "--size 64" in result.stdout
    assert predict("--supports", "cups.srp").exit_code == 0


@pytest.mark.usefixtures("predict")
def test_adding_to_a_fitted_head_says_that_it_is_lost() -> None:
    assert supports("save", *RED, "--size", "64").exit_code == 0
    assert "lost" not in supports("add", *RED).stdout
    read = SupportSet.read("cups.srp")
    width = read.prototypes_PC.shape[1] + 512 + 1024 + 1  # with both stages, and a constant
    replace(read, head=Head(torch.zeros(1, width), 0.5)).save("cups.srp")
    assert "The head that was fitted to the examples before is lost" in supports("add", *RED).stdout


def test_what_cannot_be_added_or_saved(predict: Callable[..., Result]) -> None:
    assert supports("save", *RED, "--size", "64").exit_code == 0
    before = Path("cups.srp").read_bytes()
    assert "cups.srp holds saved examples: give photographs" in refused(supports("add", "--supports", "cups.srp"))
    assert "give examples with --support PHOTO MASK" in refused(supports("add"))
    assert "reaches beyond red.png" in refused(supports("add", "--box", "red.png", "0,0,99,1"))
    assert Path("cups.srp").read_bytes() == before
    Path("cups.srp").write_bytes(b"junk")
    assert "cups.srp cannot be read as saved examples" in refused(srpnet("supports", "show", "cups.srp"))
