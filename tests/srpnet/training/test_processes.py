"""Training on many processes: the same run as on one, and they fail, stop and go on together."""

import math
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from episodes.distributed import joined
from episodes.errors import InputError
from srpnet.fewshot.network import SRPNet
from srpnet.fewshot.settings import NetworkSettings
from srpnet.fewshot.training.trainable import TrainableSRPNet
from srpnet.training.interrupts import Interrupted
from srpnet.training.run import Losses, TrainingRun
from tests import processes
from tests.srpnet.conftest import SquareEpisodes
from tests.srpnet.runs import FP32, QUICK, Run, log_of, weights_of

TINY = NetworkSettings(layers=(1, 1, 1, 1), base_width=8, width=8, stages=(2, 3), trained="all")
SETTINGS = replace(QUICK, steps=3, batch=6)
CUTS = ((1, 1), (2, 1), (3, 1), (2, 3))
"""Processes, and backward passes of each."""


class Episodes:
    """Squares; `hurt` is called with the index of every episode that this process loads."""

    def __init__(self, hurt: Any = lambda _: None) -> None:
        self.loaded: list[int] = []
        self._hurt, self._squares = hurt, SquareEpisodes()

    def __getitem__(self, index: int) -> Any:
        self.loaded.append(index)
        self._hurt(index)
        return self._squares[index]


def begin(folder: Path, world: Any, **options: Any) -> Run:
    """A run in float64, whose sums come out the same to many digits in whatever order."""
    own = {key: options.pop(key) for key in ("resume", "identity") if key in options}
    trainable = TrainableSRPNet(SRPNet(TINY).double(), replace(SETTINGS, **options), FP32)
    return TrainingRun(trainable, folder, world=world, **own)


def failure(work: Any) -> str:
    """The words with which it fails."""
    try:
        work()
    except (InputError, Interrupted) as error:
        return f"{type(error).__name__}: {error}"
    return "none"


def train_in_all_ways(folder: Path, ports: list[int]) -> dict[str, Any]:
    """In one of three processes, of which some sit out: what each way of training came to."""
    rank, seen = int(os.environ["RANK"]), {}

    def join(size: int) -> Any:
        os.environ.update(processes.environment(rank, size, ports.pop()))
        return joined()

    for size, accumulate in CUTS:
        own_port = join(size)
        if rank < size:
            with own_port as world:
                run = begin(folder / f"{size} {accumulate}" / str(rank), world, accumulate=accumulate)
                episodes, heard = Episodes(), []
                run.train(episodes, heard.append)
            seen[size, accumulate] = (weights_of(run), run.folder.exists() and log_of(run), episodes.loaded, len(heard))

    with join(3) as world:
        shared = folder / "shared"
        seen["indivisible"] = failure(lambda: begin(shared, world, batch=4))
        seen["unlike"] = failure(lambda: begin(shared, world, identity={"pairs": {"sha256": rank}}))

        def damage(index: int) -> None:
            if index == 10:
                raise InputError("photograph 10 is damaged")

        seen["damaged"] = failure(lambda: begin(shared, world).train(Episodes(damage)))

        run = begin(shared, world)
        before, losses = weights_of(run), run.trainable.losses

        def diverge(batch: Any) -> Losses:
            found = losses(batch)
            return found._replace(total=found.total * (math.nan if rank == 1 else 1))

        run.trainable.losses = diverge
        seen["diverged"] = failure(lambda: run.train(Episodes()))
        seen["unmoved"] = all(torch.equal(before[name], value) for name, value in weights_of(run).items())

        def stop(index: int) -> None:
            if index == 11:  # of step 2, and the third process's
                os.kill(os.getpid(), signal.SIGTERM)

        seen["stopped"] = failure(lambda: begin(shared, world, save_every=100).train(Episodes(stop)))
    own_port = join(2)
    if rank < 2:
        with own_port as world:
            run = begin(shared, world, resume=True, save_every=100)
            seen["resumed at"] = run.step
            run.train(Episodes())
            seen["resumed"] = weights_of(run)
    return seen


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """All of it, from one launch: a process costs seconds to start."""
    ports = [processes.free_port() for _ in range(len(CUTS) + 2)]
    found = processes.run(3, train_in_all_ways, tmp_path_factory.mktemp("runs"), ports)
    assert all(isinstance(seen, dict) for seen in found), found
    return found


def assert_close(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    torch.testing.assert_close(first, second, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(("size", "accumulate"), CUTS[1:])
def test_the_run_is_the_same_on_any_number_of_processes(
    found: list[dict[str, Any]], size: int, accumulate: int
) -> None:
    weights, log, _, _ = found[0][1, 1]
    for seen in found[:size]:
        assert_close(seen[size, accumulate][0], weights)
    lines = found[0][size, accumulate][1]
    assert [line["step"] for line in lines] == [1, 2, 3]
    for line, expected in zip(lines, log, strict=True):
        assert line.pop("validation") is expected["validation"] is None
        assert line == pytest.approx(
            {name: value for name, value in expected.items() if name != "validation"}, rel=1e-8
        )


def test_each_process_loads_its_share_of_every_batch(found: list[dict[str, Any]]) -> None:
    assert found[0][1, 1][2] == list(range(18))
    assert [seen[3, 1][2] for seen in found] == [[0, 1, 6, 7, 12, 13], [2, 3, 8, 9, 14, 15], [4, 5, 10, 11, 16, 17]]


def test_the_first_process_alone_writes_and_tells(found: list[dict[str, Any]]) -> None:
    assert [len(seen[3, 1][1] or []) for seen in found] == [3, 0, 0]
    assert [seen[3, 1][3] for seen in found] == [3, 0, 0]


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("indivisible", "InputError: 3 processes do not divide a batch of 4: use `batch` 6"),
        ("unlike", "InputError: process 1 has pairs.sha256 = 1, and the first one 0: give all the same data, weights"),
        ("damaged", "InputError: photograph 10 is damaged"),
        ("diverged", "InputError: the loss of step 1 is NaN or infinite: try a lower `lr`"),
        ("stopped", "Interrupted: stopped after step 2"),
    ],
)
def test_what_stops_one_stops_all_in_the_same_words(found: list[dict[str, Any]], what: str, words: str) -> None:
    for seen in found:
        assert seen[what].startswith(words)


def test_a_loss_that_is_no_number_in_one_process_moves_no_weight_in_any(found: list[dict[str, Any]]) -> None:
    assert all(seen["unmoved"] for seen in found)


def test_a_stopped_run_goes_on_with_another_number_of_processes(found: list[dict[str, Any]]) -> None:
    for seen in found[:2]:
        assert seen["resumed at"] == 2
        assert_close(seen["resumed"], found[0][1, 1][0])
