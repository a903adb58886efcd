"""Training and evaluation on several processes of this machine, beside one process with as many threads.

A ResNet-50 of random weights and the embedded stickers; each row starts the script itself with torchrun:
`python benchmarks/processes.py --help`. The first step, or run, of a row is not counted.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from harness import Report, Timing, parser

from episodes import (
    PROTOCOLS,
    Augmentation,
    DataSettings,
    EpisodeList,
    Fold,
    Geometry,
    Loader,
    World,
    evaluate,
    joined,
)
from srpnet import FewShotLoopSettings, NetworkSettings, SRPNet, SRPNetMethod, TrainableSRPNet, TrainingRun, runtime

ROWS = ((1, 1), (1, 2), (2, 1))
"""Processes, and threads of each."""


def train(given: argparse.Namespace, world: World) -> list[float]:
    """The seconds of each step, but for the first."""
    settings = FewShotLoopSettings(steps=given.steps + 1, batch=given.batch, workers=0, log_every=1, save_every=10**6)
    seconds: list[float] = []
    with world.first_alone():
        fold = Fold(DataSettings())
        sampler, _ = fold.training_sampler((), "background")
    episodes = EpisodeList(sampler, Loader(fold.source, Geometry(given.size), Augmentation()))
    network = SRPNet(replace(NetworkSettings(), trained="all"))
    with tempfile.TemporaryDirectory() as folder:
        trainable = TrainableSRPNet(network, settings, runtime("auto", "auto", world))
        run = TrainingRun(trainable, Path(folder), world=world)
        run.train(episodes, lambda progress: seconds.append(given.batch / progress.figures["episodes_per_second"]))
    return seconds[1:]


def score(given: argparse.Namespace, world: World) -> list[float]:
    """The seconds of each evaluation, but for the first."""
    with world.first_alone():
        fold = Fold(DataSettings())
    sampler = fold.novel_sampler(fold.novel, drawing="list")
    episodes = EpisodeList(sampler, Loader(fold.source, Geometry(given.size)))
    method = SRPNetMethod(SRPNet(NetworkSettings()), runtime("auto", "auto", world))
    names, rules = fold.names(fold.novel), PROTOCOLS["hsnet"]
    runs = [evaluate(method, episodes.first(given.episodes), rules, names, world=world) for _ in range(4)]
    return [run.seconds for run in runs[1:]]


def launch(work: str, processes: int, threads: int) -> Timing:
    """The seconds that `WORK` found, in the first of these processes."""
    launcher = (sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}")
    output = subprocess.run(
        (*launcher, __file__, *sys.argv[1:], "--worker", work),
        env=os.environ | {"OMP_NUM_THREADS": str(threads)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    return Timing(tuple(json.loads(output.splitlines()[-1])))


WORK = {"train": train, "score": score}


def main() -> None:
    arguments = parser("processes", __doc__)
    arguments.add_argument("--steps", type=int, default=10, help="of training that are counted")
    arguments.add_argument("--batch", type=int, default=4, help="episodes a step, of all processes together")
    arguments.add_argument("--episodes", type=int, default=200, help="of an evaluation")
    arguments.add_argument("--size", type=int, default=321, help="of the square photographs, in pixels")
    arguments.add_argument("--worker", choices=WORK, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.worker:
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        with joined() as world:
            seconds = WORK[given.worker](given, world)
        if world.first:
            print(json.dumps(seconds))
        return
    report = Report("processes", ("work", "processes x threads of each", "time", "episodes/s"))
    for work, name, episodes in (
        ("train", "a step, everything trained", given.batch),
        ("score", f"an evaluation of {given.episodes} episodes", given.episodes),
    ):
        for processes, threads in ROWS:
            timing = launch(work, processes, threads)
            place, rate = f"{processes} x {threads}", episodes / timing.median
            report.rows.append((name, place, timing.text(), f"{rate:.2f}"))
            report.values[f"{work}, {place}"] = timing.record() | {"episodes_a_second": rate}
    report.finish(given)


if __name__ == "__main__":
    main()
