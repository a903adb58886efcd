"""What the benchmarks of evaluation share: episodes of a data set, one scored run, and the floor beside it."""

import argparse
import resource
import time
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from plain import PlainMethod

from episodes import PROTOCOLS, DataSettings, EpisodeList, Evaluation, Fold, Geometry, Loader, Pairs, Sampler, evaluate
from episodes.scoring.photograph_cache import chunks
from srpnet import SRPNet, SRPNetMethod, load_network, runtime
from srpnet.nn.settings import Precision

RULES = PROTOCOLS["hsnet"]
METHODS: dict[str, type[SRPNetMethod] | type[PlainMethod]] = {"shared": SRPNetMethod, "plain": PlainMethod}
"""The two ways to the same score."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to score, spelled as for `srpnet eval`."""
    parser.add_argument("--data", default="stickers")
    parser.add_argument("--pairs")
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--classes", default="", help="novel classes, with commas between; all by default")
    parser.add_argument("--checkpoint", help="the training-free network by default")


@dataclass(frozen=True)
class Workload:
    """Episodes of a fold's novel classes, and the network that is scored on them."""

    arguments: argparse.Namespace

    @cached_property
    def network(self) -> SRPNet:
        return load_network(self.arguments.checkpoint)

    @cached_property
    def fold(self) -> Fold:
        given = self.arguments
        return Fold(DataSettings(given.data, given.pairs, allow_missing=given.pairs is not None, fold=given.fold))

    @cached_property
    def classes(self) -> tuple[int, ...]:
        names = tuple(filter(None, self.arguments.classes.split(",")))
        return self.fold.labels(names, self.fold.novel, "novel class") if names else self.fold.novel

    def sampler(self, shot: int = 1, way: int = 1, photographs: int | None = None) -> Sampler:
        """Episodes in the manner of HSNet, of all pairs or of the first few of each class."""
        sampler = self.fold.novel_sampler(self.classes, drawing="list", shot=shot, way=way)
        if photographs is None:
            return sampler
        kept = {id for ids in sampler.queries.by_class.values() for id in ids[: photographs // len(self.classes)]}
        pairs = Pairs(tuple(pair for pair in sampler.queries.items if pair[0] in kept), "the first few of each class")
        return replace(sampler, supports=pairs, queries=pairs)

    def episodes(self, sampler: Sampler, size: int = RULES.geometry.size) -> EpisodeList:
        return EpisodeList(sampler, Loader(self.fold.source, Geometry(size)))

    def score(
        self, episodes: EpisodeList, count: int, engine: str = "shared", precision: Precision = "bf16"
    ) -> Evaluation:
        """Score the first episodes; `seconds` of the result is without imports and loading of the network."""
        method = METHODS[engine](self.network, runtime("auto", precision))
        return evaluate(method, episodes.first(count), RULES, self.fold.names(self.classes))

    def floor(self, episodes: EpisodeList, count: int, together: int = 8) -> tuple[float, int]:
        """Seconds of one plain batched bfloat16 pass of the backbone over the distinct photographs of the episodes.

        The photographs lie in memory before the clock starts, and BatchNorm is as it came. Also how many they are.
        """
        machine = runtime("auto", "bf16")
        backbone = self.network.move_to(machine.device).backbone.eval()
        ids = photographs_of(episodes.sampler, count)
        images = [episodes.loader.photograph(id).image for id in ids]
        batches = [
            torch.stack(some).to(machine.device, memory_format=torch.channels_last) for some in chunks(images, together)
        ]
        start = time.perf_counter()
        with torch.inference_mode(), machine.autocast():
            for batch in batches:
                backbone(batch)
        if machine.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start, len(ids)


def photographs_of(sampler: Sampler, count: int) -> list[str]:
    """The distinct photographs of the first episodes, in the order of their first use."""
    return list(dict.fromkeys(id for index in range(count) for id in sampler.spec(index).slots))


def peak_gib() -> float:
    """The most memory that this process has held so far, in GiB (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
