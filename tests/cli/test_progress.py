"""How far work is: bars on a terminal, plain lines elsewhere, nothing where it is quiet."""

import io
import re
import time

import pytest
from rich.console import Console

from cli.shared.progress import EPISODE, Bars, TrainingDisplay, Work, waiting

Clock = list[float]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that stands still: its only number is the time."""
    now = [0.0]
    monkeypatch.setattr("cli.shared.progress.time", type("Time", (), {"monotonic": lambda: now[0]}))
    return now


def console(**options: object) -> Console:
    return Console(file=io.StringIO(), width=80, **options)  # type: ignore[arg-type]


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_time_left_follows_from_the_rate(clock: Clock) -> None:
    work = Work("Training", 40, 120, 40 / 120)  # resumed: the first 40 took no time of this run
    assert str(work) == "Training 40/120"
    clock[0] = 30
    work.update(60, 120, 60 / 120)
    assert str(work) == "Training 60/120, about 90 s left"
    clock[0] = 100
    work.update(120, 120, 1)
    assert str(work) == "Training 120/120"


def test_work_whose_parts_take_unlike_times_says_what_share_is_done(clock: Clock) -> None:
    work = Work("Evaluating", 0, 1000, 0)
    clock[0] = 60
    work.update(100, 1000, 0.75)
    assert str(work) == "Evaluating 100/1000, about 20 s left"


def test_while_features_are_computed_the_time_left_is_that_of_the_training(clock: Clock) -> None:
    out = console()
    with TrainingDisplay(out, episodes=round(100 / EPISODE)) as display:  # as long as to encode 100 photographs
        display.update("Computing features", 0, 100)
        clock[0] = 10
        display.update("Computing features", 50, 100)
    assert shown(out) == "Computing features 50/100, about 30 s left\n"


def wait_for(text: str, out: Console) -> None:
    """The lines are printed by a thread, whose turn comes late on a busy machine."""
    end = time.monotonic() + 20
    while text not in shown(out):
        assert time.monotonic() < end, shown(out)
        time.sleep(0.005)


def test_plain_lines_come_while_nothing_is_heard() -> None:
    out = console()
    with Bars(out, every=0.01) as bars:
        wait_for("Preparing, 1 s so far\n", out)
        bars.update("Training", 0, 120)
        wait_for("Training 0/120\nTraining 0/120\n", out)
        bars.update("Training", 119, 120)
        wait_for("Training 119/120, about 1 s left\nTraining 119/120, about 1 s left\n", out)
        bars.update("Training", 120, 120)
        bars.update("Counting", 3, 3)
        wait_for("Counting 3/3, finishing\n", out)
    lines = shown(out).splitlines()
    assert lines.count("Training 120/120") == 1
    assert lines.count("Counting 3/3") == 1
    assert "\r" not in shown(out)
    assert "\x1b" not in shown(out)


def test_short_work_ends_with_its_last_line_and_an_error_before_it_stands_alone() -> None:
    out = console()
    with Bars(out) as bars:
        bars.update("Evaluating", 1, 1)
    assert shown(out) == "Evaluating 1/1\n"
    out = console()
    with pytest.raises(ValueError, match="bad"), Bars(out):
        raise ValueError("bad")
    assert shown(out) == ""


def test_a_quiet_console_stays_quiet() -> None:
    out = console(quiet=True)
    with Bars(out, every=0.01) as bars:
        bars.update("Training", 1, 2)
        time.sleep(0.03)
    assert shown(out) == ""


@pytest.mark.parametrize("width", [80, 160])
def test_bars_on_a_terminal_keep_to_a_line(width: int) -> None:
    out = Console(file=io.StringIO(), width=width, force_terminal=True, _environ={})
    with Bars(out) as bars:
        for done in range(1, 4):
            bars.update("Looking at the train photographs", done * 1000, 9999)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown(out)).replace("\r", "\n")
    assert "3000/9999 about 1 s left" in plain
    assert all(len(line.rstrip()) <= width for line in plain.splitlines())


def test_waiting_says_so_after_a_while() -> None:
    out = console()
    with waiting(out, "Loading PyTorch"):
        pass
    assert shown(out) == ""
    with waiting(out, "Loading PyTorch", every=0.01):
        wait_for("Loading PyTorch, 1 s so far\n", out)
