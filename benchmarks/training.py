"""What a training step costs beside the backbone's own passes: `python benchmarks/training.py --help`.

Photographs a second in a step of real training, loader and optimizer included, beside the backbone alone, forward for a
head and forward and backward where everything is trained; the time in which the loop waits for photographs; and a head
trained on features that were computed once.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from harness import Report, measure, parser
from scoring import peak_gib

from episodes import Augmentation, DataSettings, EpisodeList, Fold, Geometry, Loader
from srpnet import FewShotLoopSettings, NetworkSettings, SRPNet, TrainableSRPNet, TrainingRun, build, runtime
from srpnet.fewshot.training.batches import EpisodeTensors
from srpnet.fewshot.training.reuse import ReusedEpisodes
from srpnet.training.log import Progress
from srpnet.training.run import Losses


class Timed(TrainableSRPNet):
    """Knows how long it had to wait for each batch after the step before."""

    def __init__(self, *about: Any) -> None:
        super().__init__(*about)
        self.waits: list[float] = []
        self._since: float | None = None

    def on_step(self, *_: int) -> None:
        """A step is done."""
        self._since = time.perf_counter()

    def losses(self, batch: Sequence[EpisodeTensors]) -> Losses:
        """Those of the episodes."""
        if self._since is not None:
            self.waits.append(time.perf_counter() - self._since)
            self._since = None
        return super().losses(batch)


def episodes_of(given: argparse.Namespace) -> EpisodeList:
    fold = Fold(DataSettings(given.data, given.pairs, allow_missing=given.pairs is not None, fold=given.fold))
    sampler, _ = fold.training_sampler((), "background")
    return EpisodeList(sampler, Loader(fold.source, Geometry(given.size), Augmentation(), 0))


def passes(given: argparse.Namespace, network: SRPNet, backward: bool) -> float:
    """Photographs a second of the backbone alone, as training runs it: one by one on the CPU, else in a batch."""
    machine = runtime()
    network.move_to(machine.device).train()
    photographs = 2 * given.batch
    together = 1 if machine.device.type == "cpu" else photographs
    images = torch.rand(photographs, 3, given.size, given.size, device=machine.device)

    def call() -> None:
        with torch.set_grad_enabled(backward), machine.autocast():
            for some in images.contiguous(memory_format=torch.channels_last).split(together):
                total = sum(level.float().mean() for level in network.backbone(some))
                if backward:
                    total.backward()
        if machine.device.type == "cuda":
            torch.cuda.synchronize()

    return photographs / measure(call, given.repeats).median


def main() -> None:
    arguments = parser("training", __doc__)
    arguments.add_argument("--data", default="stickers")
    arguments.add_argument("--pairs")
    arguments.add_argument("--fold", type=int, default=0)
    arguments.add_argument("--size", type=int, default=321)
    arguments.add_argument("--batch", type=int, default=4)
    arguments.add_argument(
        "--steps", type=int, default=12, help="of each run, in pairs of which the first is not counted"
    )
    arguments.add_argument("--repeats", type=int, default=3)
    given = arguments.parse_args()
    report = Report("training", ("training of", "photographs/s", "backbone alone", "share", "waiting", "most memory"))
    episodes, settings = episodes_of(given), NetworkSettings()

    def row(name: str, config: NetworkSettings, workers: int, alone: float | None = None, reuse: bool = False) -> None:
        network, rates = build(config), list[float]()
        training = FewShotLoopSettings(steps=given.steps, batch=given.batch, workers=workers, log_every=2)
        trainable = Timed(network, training, runtime())
        with tempfile.TemporaryDirectory() as folder:
            run = TrainingRun(trainable, Path(folder))
            source: EpisodeList | ReusedEpisodes = episodes
            memory = ""
            if reuse:
                source = ReusedEpisodes(episodes, range(given.steps * given.batch), network, runtime())
                source.compute("memory", run.folder, 8.0)
                memory = f"features of {source.shape[0]}: {source.nbytes / 2**30:.1f} GiB"

            def on_log(progress: Progress) -> None:
                rates.append(2 * progress.figures["episodes_per_second"])

            run.train(source, on_log, on_step=trainable.on_step)
        rate = statistics.median(rates[1:])
        waiting = statistics.mean(trainable.waits[2:]) * rate / (2 * given.batch)
        share, beside = ("", "") if alone is None else (f"{100 * rate / alone:.0f} %", f"{alone:.2f}")
        memory = memory or f"{peak_gib():.1f} GiB"
        shown = f"{rate:.2f} (spread {max(rates[1:]) - min(rates[1:]):.2f})"
        report.add(
            name, shown, beside, share, f"{100 * waiting:.1f} %", memory,
            rates=rates[1:], alone=alone, waiting=waiting, peak=peak_gib(),
        )  # fmt: skip

    everything = replace(settings, trained="all")
    forward, both = passes(given, build(settings), False), passes(given, build(everything), True)
    # In the order of their memory, as a process only knows its largest so far.
    row("a head, `--workers 1`", settings, 1, forward)
    row("a head, `--workers 0`", settings, 0, forward)
    row("everything, `--checkpointing`", replace(everything, checkpointing=True), 1, both)
    row("everything", everything, 1, both)
    row("a head, `--reuse-features memory`", settings, 0, reuse=True)
    report.finish(given)


if __name__ == "__main__":
    main()
