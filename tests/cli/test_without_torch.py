"""Lists and help texts answer at once: without torch, which takes seconds to import."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from cli.main import main

ROOT = Path(__file__).parents[2]


def commands(command: click.Command, words: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The words that call a command, and those of its subcommands."""
    found = [words]
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            subcommand = command.get_command(context, name)
            assert subcommand is not None
            found += commands(subcommand, (*words, name))
    return found


@pytest.fixture
def no_torch(tmp_path: Path) -> dict[str, str]:
    """An environment in which importing torch or torchvision fails."""
    for name in ("torch", "torchvision"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('{name} was imported')")
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}


def test_every_help_and_every_list(no_torch: dict[str, str]) -> None:
    typed = [(*words, "--help") for words in commands(main)]
    assert ("data", "prepare", "--help") in typed
    typed += [("--version",), ("models",), ("weights", "--list"), ("protocols",)]
    code = f"""
from click.testing import CliRunner
from cli.main import main
for words in {typed}:
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0 and result.output, (words, result.exception)
"""
    run = subprocess.run([sys.executable, "-c", code], env=no_torch, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_names_that_are_functions_and_files() -> None:
    """`score` is a file and the function in it; whichever is imported first, the package gives the function."""
    code = """
import episodes.score
import episodes, srpnet
assert all(callable(face) for face in (episodes.score, episodes.folds, srpnet.runtime))
assert not [name for name in episodes.__all__ if name not in dir(episodes)]
try:
    srpnet.no_such_name
except AttributeError as error:
    assert "no_such_name" in str(error)
else:
    raise AssertionError
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
