"""Under torchrun: a killed process costs the steps since the last save, a signal to the job costs none."""

import os
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from srpnet.fewshot.training.settings import FewShotTrainSettings
from srpnet.fewshot.training.train import run_training
from srpnet.training.interrupts import stop_requested
from tests import processes
from tests.srpnet.launched import train
from tests.srpnet.runs import interrupt

ROOT = Path(__file__).parents[3]


@pytest.fixture
def pair(training: FewShotTrainSettings) -> FewShotTrainSettings:
    """Settings for two processes: an episode for each in a step, the best number of steps found by validation."""
    return replace(training, training=replace(training.training, batch=2))


def torchrun(
    settings: FewShotTrainSettings, out: Path, mishap: str, *flags: str, resume: bool = True
) -> subprocess.Popen[str]:
    """Two processes of `launched.py`."""
    file = out.with_suffix(".settings")
    file.write_bytes(pickle.dumps(settings))
    launcher = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", *flags)
    return subprocess.Popen(
        (*launcher, "-m", "tests.srpnet.launched", str(file), str(out), mishap, *(["--resume"] if resume else [])),
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def weights(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "model.safetensors")


def test_a_killed_process_is_started_again_and_the_run_ends_as_if_nothing_had_been(
    pair: FewShotTrainSettings, tmp_path: Path
) -> None:
    """With --resume. It dies in the second phase, after a line of the log and before the save of its step.

    Both runs are of two processes: equal to the bit.
    """
    broken, unbroken = tmp_path / "broken", tmp_path / "unbroken"
    with torchrun(pair, broken, "kill", "--max-restarts=1") as launched:
        assert processes.run(2, train, pair, unbroken) == [0, 0]
        output, _ = launched.communicate(timeout=120)
    assert launched.returncode == 0, output
    assert "Signal 9" in output or "exitcode: -9" in output
    assert torch.equal(weights(broken)["reduce.weight"], weights(unbroken)["reduce.weight"])
    for folder in ("select", "."):
        steps = [(path / folder / "log.jsonl").read_text().count("\n") for path in (broken, unbroken)]
        assert steps[0] == steps[1]


def test_a_restart_without_resume_says_so_and_leaves_the_run(pair: FewShotTrainSettings, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    with torchrun(pair, broken, "kill", "--max-restarts=1", resume=False) as launched:
        output, _ = launched.communicate(timeout=120)
    assert launched.returncode != 0
    assert f"Error: {broken} already holds a run: go on with `resume`, or name another `out`" in output
    assert torch.load(broken / "training.pt", weights_only=True)["step"] == 2
    run_training(pair, broken, resume=True, say=lambda _: None)
    assert torch.load(broken / "training.pt", weights_only=True)["step"] > 2


def test_a_signal_to_the_job_saves_and_another_launch_goes_on(pair: FewShotTrainSettings, tmp_path: Path) -> None:
    """As schedulers send it: to torchrun, which passes it on, and to the processes themselves, who hear it twice."""
    once = replace(pair, hold_back="none", training=replace(pair.training, save_every=100))
    broken, unbroken = tmp_path / "broken", tmp_path / "unbroken"
    with torchrun(once, broken, "wait") as launched:
        run_training(once, unbroken, say=lambda _: None)
        log = broken / "log.jsonl"
        while launched.poll() is None and not (log.exists() and log.read_text().count("\n") == 2):
            time.sleep(0.05)
        children = subprocess.run(("pgrep", "-P", str(launched.pid)), capture_output=True, text=True).stdout.split()
        assert len(children) >= 2
        for process in (launched.pid, *map(int, children)):
            os.kill(process, signal.SIGTERM)
        time.sleep(0.2)
        (broken / "go").touch()
        output, _ = launched.communicate(timeout=60)
    assert launched.returncode != 0
    assert torch.load(broken / "training.pt", weights_only=True)["step"] == 2, output
    run_training(once, broken, resume=True, say=lambda _: None)
    for name, value in weights(unbroken).items():
        torch.testing.assert_close(weights(broken)[name], value, rtol=1e-3, atol=1e-5)


def test_a_signal_that_comes_twice_only_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "mine")
    with stop_requested() as stopping:
        interrupt()
        interrupt()
        assert stopping()
