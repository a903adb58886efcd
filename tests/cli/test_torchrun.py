"""The commands as torchrun starts them: one process talks and writes, and errors say whose they are."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests import processes

TINY = ("--size", "64", "--device", "cpu", "--precision", "fp32")
SCRIPT = [
    ("train", *TINY, "--steps", "2", "--workers", "0", "--out", "run", "--batch", "3"),
    ("train", *TINY, "--steps", "2", "--workers", "0", "--out", "run", "--batch", "2"),
    ("train", *TINY, "--steps", "2", "--workers", "0", "--out", "run", "--batch", "2"),
    ("eval", *TINY, "--episodes", "5", "--checkpoint", "run", "--out", "scores", "--pictures", "3", "--wrong-support"),
    ("eval", *TINY, "--episodes", "5", "--checkpoint", "run", "--out", "unlike"),
]
ALONE = (*SCRIPT[3], "--out", "alone")


def type_in(folder: Path, ports: list[int]) -> list[tuple[int, str, str]]:
    """Exit code and what is printed, of each command in turn, in one of two processes."""
    import srpnet.nn.weights
    from cli.main import main
    from tests.backbones import RandomWeights

    os.chdir(folder)
    srpnet.nn.weights.get_weights = RandomWeights()  # type: ignore[assignment]
    answers = []
    if os.environ["RANK"] == "1":
        SCRIPT[-1] = (*SCRIPT[-1], "--seed", "1")
    for words, port in zip(SCRIPT, ports, strict=True):
        os.environ["MASTER_PORT"] = str(port)
        result = CliRunner().invoke(main, words)
        answers.append((result.exit_code, result.stdout, result.stderr))
    if os.environ["RANK"] == "0":
        os.environ["WORLD_SIZE"] = "1"
        CliRunner().invoke(main, ALONE)
    return answers


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("typed")


@pytest.fixture(scope="module")
def answers(folder: Path, shared_cache: Path) -> list[list[tuple[int, str, str]]]:
    ports = [processes.free_port() for _ in SCRIPT]
    answers = processes.run(2, type_in, folder, ports, SRPNET_CACHE=str(shared_cache))
    assert all(isinstance(each, list) for each in answers), answers
    assert {path.name for path in folder.iterdir()} == {"run", "scores", "alone"}
    return answers


def test_a_batch_that_cannot_be_shared_is_one_line(answers: list[list[tuple[int, str, str]]]) -> None:
    words = "2 processes do not divide a batch of 3: use --batch 4"
    assert [each[0][0] for each in answers] == [2, 2]
    assert [each[0][2] for each in answers] == [f"Error: {words}\n", f"Error: rank 1: {words}\n"]


def test_one_process_talks(answers: list[list[tuple[int, str, str]]]) -> None:
    (code, out, error), (silent_code, *silence) = (each[1] for each in answers)
    assert code == silent_code == 0
    assert "Trained: run" in out
    assert "fold 0 of stickers" in error
    assert silence == ["", ""]


def test_a_second_launch_is_refused_by_all(answers: list[list[tuple[int, str, str]]]) -> None:
    for each in answers:
        assert each[2][0] == 2
        assert "already holds a run: go on with --resume" in each[2][2]


def test_scores_of_unlike_episodes_are_not_added(answers: list[list[tuple[int, str, str]]]) -> None:
    for each in answers:
        assert each[4][0] == 2
        assert "process 1 has seed = 1, and the first one 0: give all the same" in each[4][2]


def test_one_process_tells_the_scores(answers: list[list[tuple[int, str, str]]]) -> None:
    (code, out, _), (silent_code, *silence) = (each[3] for each in answers)
    assert code == silent_code == 0
    assert "result.json, counts.npz and pictures: scores" in out
    assert silence == ["", ""]


@pytest.mark.usefixtures("answers")
def test_two_processes_find_the_scores_of_one(folder: Path) -> None:
    together, alone = (json.loads((folder / out / "result.json").read_text()) for out in ("scores", "alone"))
    for name in ("episodes", "miou", "fb_iou", "per_class", "support_miou", "wrong_support"):
        assert together[name] == alone[name]
    pictures = [sorted(file.name for file in (folder / out / "pictures").iterdir()) for out in ("scores", "alone")]
    assert pictures[0] == pictures[1]
    assert len(pictures[0]) == 3
