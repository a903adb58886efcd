"""Light settings: on the stickers alone, where nobody says otherwise, and a run that goes on keeps its own."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.shared.light import LIGHT
from tests.cli.commands import refused, srpnet

WORDS = ("--steps", "1", "--batch", "1", "--workers", "0", "--device", "cpu", "--precision", "fp32", "--out", "run")

pytestmark = pytest.mark.usefixtures("random_backbone")


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LIGHT, "size", 64)


def written(folder: str = "run") -> tuple[Any, Any, Any]:
    settings = json.loads(Path(folder, "settings.json").read_text())
    return settings["size"], settings["augmentation"]["flip"], settings["network"]["training_stride"]


def test_the_stickers_are_trained_lightly_and_it_is_said() -> None:
    trained = srpnet("train", *WORDS)
    assert trained.exit_code == 0, trained.output
    assert "Light settings for the embedded stickers: --size 64 --flip 0 --training-stride 16\n" in trained.output
    assert written() == (64, 0.0, 16)


def test_what_is_given_wins_on_the_command_line_and_in_a_file() -> None:
    Path("own.toml").write_text("flip = 0.25\n")
    trained = srpnet("train", *WORDS, "--size", "72", "--config", "own.toml")
    assert trained.exit_code == 0, trained.output
    assert "Light settings for the embedded stickers: --training-stride 16\n" in trained.output
    assert written() == (72, 0.25, 16)


@pytest.mark.parametrize("folder", ["run", "run/select"])
def test_a_run_that_goes_on_keeps_what_it_was_begun_with(folder: str) -> None:
    """One from the time before there were light settings, say."""
    words = ("train", *WORDS, *(("--hold-back", "bus", "--validation-episodes", "1") if "select" in folder else ()))
    assert srpnet(*words, "--size", "72", "--flip", "0.5", "--training-stride", "8").exit_code == 0
    if "select" in folder:
        Path("run/settings.json").unlink()  # the final run had not begun
        Path("run/training.pt").unlink()
    goes_on = srpnet(*words, "--resume")
    assert goes_on.exit_code == 0, goes_on.output
    assert written(folder) == written() == (72, 0.5, 8)
    assert "with size = 72" in refused(srpnet(*words, "--resume", "--size", "64"))


@pytest.mark.parametrize("content", ["", "[]", '{"size": "x", "augmentation": {"flip": 0}, "network": null}'])
def test_damaged_settings_of_a_run_are_no_crash(content: str) -> None:
    assert srpnet("train", *WORDS).exit_code == 0
    Path("run/settings.json").write_text(content)
    assert srpnet("train", *WORDS, "--resume").exit_code == 0


def test_other_data_are_trained_as_ever() -> None:
    assert "Light settings" not in srpnet("train", *WORDS, "--data", "pascal:nowhere").output
