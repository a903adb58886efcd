"""`srpnet weights`: what it prints, where, and what it passes on."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import cli.weights
from cli.weights import command
from episodes.errors import InputError
from srpnet.weights import Weights, cached_file


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[Any, Any]]:
    """What the command asks for; a stand-in answers with keras-v1 after a word about a source that failed."""
    calls = []

    def get_weights(name: Any, file: Any, say: Any) -> Any:
        calls.append((name, file))
        if name == "torchvision-v1.5":
            raise InputError("the weights torchvision-v1.5 could not be had")
        say("torchvision's download did not work: it rains")
        return Weights("keras-v1", "v1", "abcdef"), {}

    monkeypatch.setattr(cli.weights, "get_weights", get_weights)
    monkeypatch.setenv("SRPNET_CACHE", str(tmp_path / "cache"))
    return calls


def test_prints_what_was_found_and_where_it_lies(calls: list[Any], tmp_path: Path) -> None:
    result = CliRunner().invoke(command, [])
    assert result.exit_code == 0
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["name", "keras-v1"],
        ["convention", "v1"],
        ["hash", "abcdef"],
        ["file", str(tmp_path / "cache/weights/keras-v1.safetensors")],
    ]
    assert result.stderr == "torchvision's download did not work: it rains\n"
    assert calls == [(None, None)]


def test_passes_name_and_file_on(calls: list[Any], tmp_path: Path) -> None:
    file = tmp_path / "mine.pth"
    file.touch()
    assert CliRunner().invoke(command, ["--name", "keras-v1", "--file", str(file)]).exit_code == 0
    assert calls == [("keras-v1", file)]


def test_errors_reach_the_group(calls: list[Any]) -> None:
    assert isinstance(CliRunner().invoke(command, ["--name", "torchvision-v1.5"]).exception, InputError)
    unknown = CliRunner().invoke(command, ["--name", "nonsense"])
    assert unknown.exit_code == 2
    assert "keras-v1" in unknown.stderr
    missing = CliRunner().invoke(command, ["--file", "nowhere.pth"])
    assert missing.exit_code == 2
    assert "nowhere.pth" in missing.stderr


def test_list_shows_the_sets_and_fetches_nothing(calls: list[Any]) -> None:
    cached = cached_file("keras-v1")
    cached.parent.mkdir(parents=True)
    cached.touch()
    result = CliRunner().invoke(command, ["--list"])
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["torchvision-v1.5", "v1.5", "no"] in [row[:3] for row in rows]
    assert ["keras-v1", "v1", "yes"] in [row[:3] for row in rows]
    assert calls == []
