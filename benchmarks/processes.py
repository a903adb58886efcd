"""Training on several processes of this machine, of one thread each, beside one process with as many threads.

It trains a ResNet-50 of random weights on the embedded stickers, and starts itself with torchrun for each row:
`python benchmarks/processes.py --help`. A row's first step is not counted.
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

from episodes import Augmentation, DataSettings, EpisodeList, Geometry, Loader, Task, joined
from srpnet import NetworkSettings, SRPNet, TrainingRun, TrainingSettings, runtime

ROWS = ((1, 1), (1, 2), (2, 1))
"""Processes, and threads of each."""


def train(given: argparse.Namespace) -> None:
    """In one of the processes: train, and print the seconds of each step as JSON in the first."""
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    settings = TrainingSettings(steps=given.steps + 1, batch=given.batch, workers=0, log_every=1, save_every=10**6)
    seconds: list[float] = []
    with joined() as world, tempfile.TemporaryDirectory() as folder:
        with world.first_alone():
            task = Task(DataSettings())
            sampler, _ = task.training_sampler((), "background")
        network = SRPNet(replace(NetworkSettings(), trained=given.train))
        machine = runtime(given.device, given.precision, world)
        run = TrainingRun(network, settings, Path(folder), machine, world=world)
        loader = Loader(task.source, Geometry(given.size), Augmentation())
        run.train(
            EpisodeList(sampler, loader), lambda progress: seconds.append(given.batch / progress.episodes_per_second)
        )
        if world.first:
            print(json.dumps(seconds[1:]))


def launch(processes: int, threads: int) -> Timing:
    """The seconds of each step of a row."""
    launcher = (sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}")
    output = subprocess.run(
        (*launcher, __file__, *sys.argv[1:], "--worker"),
        env=os.environ | {"OMP_NUM_THREADS": str(threads)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    return Timing(tuple(json.loads(output.splitlines()[-1])))


def main() -> None:
    arguments = parser("processes", __doc__)
    arguments.add_argument("--steps", type=int, default=20, help="that are counted")
    arguments.add_argument("--batch", type=int, default=4, help="episodes a step, of all processes together")
    arguments.add_argument("--size", type=int, default=321, help="of the square photographs, in pixels")
    arguments.add_argument("--train", choices=("head", "all"), default="all", help="what is trained")
    arguments.add_argument("--device", choices=("auto", "cpu", "cuda"), default="cpu")
    arguments.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto")
    arguments.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.worker:
        train(given)
        return
    report = Report("processes", ("processes x threads of each", "a step", "episodes a second"))
    for processes, threads in ROWS:
        step = launch(processes, threads)
        rate = given.batch / step.median
        report.add(f"{processes} x {threads}", step.text(), f"{rate:.2f}", step=step, episodes_a_second=rate)
    report.finish(given)


if __name__ == "__main__":
    main()
