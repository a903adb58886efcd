"""`srpnet check`, `suggest`, and the risk of `predict`, as a person types them, with random weights, tiny pictures."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from srpnet.fewshot.settings import TRAINING_FREE
from tests.cli.commands import TINY, refused, srpnet

pytestmark = pytest.mark.usefixtures("random_backbone")
FREE = ("--checkpoint", "training-free", *TINY)


def draw(*names: str) -> tuple[str, ...]:
    """Photographs of a square and their masks; the words that show them."""
    words: list[str] = []
    for number, name in enumerate(names):
        photograph, mask = Image.new("RGB", (40, 40), (20, 30, 10 * number)), Image.new("L", (40, 40))
        photograph.paste((230, 20, 20), (5, 5 + number, 20, 20 + number))
        mask.paste(255, (5, 5 + number, 20, 20 + number))
        Path(name).parent.mkdir(exist_ok=True)
        photograph.save(f"{name}.png")
        mask.save(f"{name}-mask.png")
        words += ["--support", f"{name}.png", f"{name}-mask.png"]
    return tuple(words)


def table() -> list[dict[str, str]]:
    return list(csv.DictReader(Path("found/found.csv").read_text().splitlines()))


def test_examples_are_checked_before_anything_is_segmented() -> None:
    result = srpnet("check", *draw("a", "b", "c"), *FREE, "--out", "look.jpg")
    assert result.exit_code == 0, result.output
    assert "Weakest example: " in result.output
    assert "Forecast for photographs that show it: IoU about " in result.output
    assert "% in nine of ten cases like this)" in result.output
    assert "With this network the forecast is a guess" in result.output
    assert Path("look.jpg").is_file()
    alone = srpnet("check", *draw("a"), *FREE)
    assert "A second example would make the forecast surer" in alone.output


def test_a_photograph_has_its_risk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("srpnet.fewshot.checkpoint.TRAINING_FREE", replace(TRAINING_FREE, present_above=0.3))
    words = ("predict", *draw("a", "b"), "a.png", "b.png", *FREE, "--at-most-wrong", "10%", "--out", "found")
    result = srpnet(*words)
    assert result.exit_code == 0, result.output
    assert "Forecast for photographs" in result.output
    rows = table()
    assert all(0 < float(row["risk"]) <= 1 for row in rows)
    assert all((row["doubt"] == "") == (float(row["risk"]) <= 0.1) for row in rows)
    Path("ten.toml").write_text('at_most_wrong = "10%"\nskip_existing = true\n')
    again = srpnet(*words[:-4], "--out", "found", "--config", "ten.toml")
    assert again.exit_code == 0, again.output
    assert table() == rows


def test_bad_input() -> None:
    words = ("predict", *draw("a"), "a.png", *FREE, "--out", "found", "--at-most-wrong")
    assert "is not a share between 0 and 100 %: write 5%" in refused(srpnet(*words, "500%"))
    assert "leave out --no-presence" in refused(srpnet(*words, "5%", "--no-presence"))
    assert "tells no presence" in refused(srpnet(*words, "5"))


def test_which_to_mark_next() -> None:
    words = draw("photos/a", "photos/b", "photos/c", "photos/d")
    for mask in ("b", "c", "d"):
        Path(f"photos/{mask}-mask.png").unlink()
    result = srpnet("suggest", *words[:3], "photos", *FREE, "--count", "2", "--out", "next")
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader(Path("next/suggested.csv").read_text().splitlines()))
    assert sorted(row["photograph"] for row in rows) == ["photos/b.png", "photos/c.png", "photos/d.png"]
    assert f"1. {rows[0]['photograph']}" in result.output
    assert "3. " not in result.output
    assert Path("next/first-overlay.jpg").is_file()
    assert "beside the examples" in refused(srpnet("suggest", *words[:3], "photos/a.png", *FREE, "--out", "next"))
