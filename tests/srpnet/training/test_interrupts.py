"""A run that is stopped or killed, and goes on as if it had not been."""

import os
import signal
from collections.abc import Iterator
from multiprocessing import active_children
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch

from episodes.errors import InputError
from srpnet.fewshot.checkpoint import load_network
from srpnet.nn.settings import RuntimeSettings
from srpnet.training.interrupts import SIGNALS, Interrupted, leave_signals_to_the_parent, stop_requested
from tests.srpnet.runs import Begin, assert_same_run, interrupt, log_of, run_until, same, weights_of


def test_a_checkpoint_that_loads_is_there_before_the_first_step(begin: Begin) -> None:
    run = begin()
    assert {file.name for file in run.folder.iterdir()} == {"config.json", "model.safetensors", "training.pt"}
    assert same(load_network(run.folder).state_dict(), run.trainable.module.state_dict())
    assert begin(resume=True).step == 0


@pytest.mark.parametrize(
    ("trained", "optimizer", "stop"),
    [("head", "adamw", 3), ("all", "adamw", 1), ("all", "adamw", 3), ("all", "sgd", 2)],
)
def test_an_interrupted_run_goes_on_as_if_it_had_not_been(
    begin: Begin, episodes: Any, trained: str, optimizer: str, stop: int
) -> None:
    options: dict[str, Any] = {"trained": trained, "optimizer": optimizer, "steps": 4, "save_every": 100}
    unbroken = begin("unbroken", **options)
    unbroken.train(episodes)
    with pytest.raises(Interrupted, match=f"stopped after step {stop}") as interrupted:
        run_until(begin("broken", **options), episodes, stop)
    assert interrupted.value.step == stop
    resumed = begin("broken", resume=True, **options)
    assert resumed.step == stop
    resumed.train(episodes)
    assert_same_run(resumed, unbroken)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_stop_during_the_last_step_is_not_lost(begin: Begin, episodes: Any, workers: int) -> None:
    """Whoever asked must not be taken on to a next run, such as the one after the choice of steps."""
    unbroken = begin("unbroken", steps=3)
    unbroken.train(episodes)
    run = begin("broken", steps=3, workers=workers)
    with pytest.raises(Interrupted) as interrupted:
        run_until(run, episodes, 3)
    assert interrupted.value.step == 3
    again = begin("broken", steps=3, workers=workers, resume=True)
    assert again.step == 3
    again.train(episodes)
    assert_same_run(again, unbroken)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_termination_stops_as_well(begin: Begin, episodes: Any, number: int) -> None:
    with pytest.raises(Interrupted):
        run_until(begin(), episodes, 2, lambda: os.kill(os.getpid(), number))


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
def test_a_hangup_that_is_ignored_stays_ignored(begin: Begin, episodes: Any) -> None:
    """As under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_requested() as stopping:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stopping()
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("step", [3, 4, 5])
def test_a_killed_run_goes_on_from_the_last_save(begin: Begin, episodes: Any, step: int) -> None:
    """The log is ahead of the saved state then; its lines are written again, not twice."""

    def die() -> None:
        raise ZeroDivisionError

    unbroken = begin("unbroken")
    unbroken.train(episodes)
    with pytest.raises(ZeroDivisionError):
        run_until(begin("broken"), episodes, step, die)
    resumed = begin("broken", resume=True)
    assert resumed.step == (step - 1) // 2 * 2
    resumed.train(episodes)
    assert_same_run(resumed, unbroken)


def test_a_kill_while_saving_leaves_the_save_before(
    begin: Begin, episodes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    unbroken, broken = begin("unbroken"), begin("broken")
    unbroken.train(episodes)
    with monkeypatch.context() as patch:

        def half_a_file(_: Any, path: Path) -> None:
            path.write_bytes(b"half")
            raise ZeroDivisionError

        saves = iter([torch.save, half_a_file])
        patch.setattr(torch, "save", lambda *args: next(saves)(*args))
        with pytest.raises(ZeroDivisionError):
            broken.train(episodes)
    assert load_network(broken.folder)
    resumed = begin("broken", resume=True)
    assert resumed.step == 2
    resumed.train(episodes)
    assert_same_run(resumed, unbroken)
    assert not list(broken.folder.glob(".*"))


def test_a_torn_last_line_of_the_log_is_dropped(begin: Begin, episodes: Any) -> None:
    broken = begin()
    with pytest.raises(Interrupted):
        run_until(broken, episodes, 3)
    with (broken.folder / "log.jsonl").open("a") as log:
        log.write('{"step": 4, "lo')
    run = begin(resume=True)
    run.train(episodes)
    assert [line["step"] for line in log_of(run)] == [1, 2, 3, 4, 5, 6]


def test_a_finished_run_has_nothing_more_to_do(begin: Begin, episodes: Any) -> None:
    run = begin()
    run.train(episodes)
    again = begin(resume=True)
    again.train(episodes)
    assert_same_run(again, run)


def test_a_new_run_in_an_old_folder_starts_its_own_log(begin: Begin, episodes: Any) -> None:
    begin(steps=3).train(episodes)
    run = begin(steps=2)
    run.train(episodes)
    assert [line["step"] for line in log_of(run)] == [1, 2]


def test_a_shorter_run_on_the_same_schedule_is_its_beginning(begin: Begin, episodes: Any) -> None:
    """The final run of the command line ends at the best step, but its learning rates are those of the whole."""
    whole, part = begin("whole"), begin("part", steps=3, schedule_steps=6)
    with pytest.raises(Interrupted):
        run_until(whole, episodes, 3)
    part.train(episodes)
    assert same(weights_of(part), weights_of(whole))
    assert log_of(part) == log_of(whole)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"lr": 0.5}, "was begun with training.lr = 0.001, not 0.5: resume with the same settings"),
        ({"batch": 2}, "training.batch = 1, not 2"),
        ({"network": {"alpha": 10.0}}, "network.alpha = 20.0, not 10.0"),
        ({"network": {"stages": (3,)}}, "network.stages = 2, 3, not 3"),
        ({"schedule_steps": 9}, "schedule_steps = 6, not 9"),
        ({"identity": {"data": {"fold": 1}}}, "data.fold = 0, not 1"),
    ],
)
def test_resuming_with_other_settings_names_the_first(begin: Begin, options: dict[str, Any], complaint: str) -> None:
    begin(identity={"data": {"fold": 0}})
    with pytest.raises(InputError, match=complaint):
        begin(resume=True, **options)


def test_settings_that_move_no_weight_may_change(begin: Begin) -> None:
    begin(identity=RuntimeSettings(device="cuda"))
    assert begin(resume=True, identity=RuntimeSettings(device="cpu"), workers=2, log_every=9, save_every=9).step == 0
    with pytest.raises(InputError, match="was begun with precision = auto, not bf16"):
        begin(resume=True, identity=RuntimeSettings(precision="bf16"))


def test_where_nothing_was_begun_resuming_begins(begin: Begin, episodes: Any) -> None:
    resumed, begun = begin("resumed", resume=True), begin("begun")
    for run in (resumed, begun):
        run.train(episodes)
    assert_same_run(resumed, begun)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 half an archive"])
def test_a_damaged_state_is_an_input_error(begin: Begin, content: bytes) -> None:
    (begin().folder / "training.pt").write_bytes(content)
    with pytest.raises(InputError, match=r"training.pt cannot be read .* train in another folder"):
        begin(resume=True)


def test_another_programs_state_is_an_input_error(begin: Begin) -> None:
    torch.save({"epoch": 3}, begin().folder / "training.pt")
    with pytest.raises(InputError, match=r"training.pt cannot be read"):
        begin(resume=True)


@pytest.fixture
def handlers() -> Iterator[None]:
    """Fails a test that leaves a signal handler behind."""
    before = [signal.getsignal(number) for number in SIGNALS]
    yield
    assert [signal.getsignal(number) for number in SIGNALS] == before


@pytest.mark.usefixtures("handlers")
def test_the_second_interrupt_stops_at_once() -> None:
    with stop_requested() as stopping:
        assert not stopping()
        interrupt()
        assert stopping()
        with pytest.raises(KeyboardInterrupt):
            interrupt()


@pytest.mark.usefixtures("handlers")
def test_training_leaves_no_signal_handler_behind(begin: Begin, episodes: Any) -> None:
    with pytest.raises(Interrupted):
        run_until(begin(), episodes, 1)


@pytest.mark.usefixtures("handlers")
def test_stopping_where_signals_cannot_be_heard() -> None:
    heard: list[bool] = []

    def elsewhere() -> None:
        with stop_requested() as stopping:
            heard.append(stopping())

    thread = Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert heard == [False]


def test_a_loaders_process_leaves_signals_to_its_parent() -> None:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        leave_signals_to_the_parent(0)
        assert {signal.getsignal(number) for number in before} == {signal.SIG_IGN}
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_signal_to_the_whole_group_stops_after_a_step(begin: Begin, episodes: Any) -> None:
    """As a terminal's Ctrl-C and a job scheduler's SIGTERM do: a worker that died of it would end the run at once."""
    run = begin(workers=1)

    def stop() -> None:
        for child in active_children():
            os.kill(child.pid, signal.SIGTERM)
            child.join(0.2)
            assert child.is_alive()
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted, match="stopped after step 2"):
        run_until(run, episodes, 2, stop)


def test_training_works_outside_the_main_thread(begin: Begin, episodes: Any) -> None:
    run = begin(steps=1)
    thread = Thread(target=run.train, args=(episodes,))
    thread.start()
    thread.join()
    assert run.step == 1
