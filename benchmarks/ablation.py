"""What each choice is worth on base classes held back: `python benchmarks/ablation.py --help`.

Heads are trained on features of a frozen backbone, which are computed once, and scored on classes and photographs that
they never saw. No novel class of the fold is read, trained or scored. Each run is kept in `--runs` as soon as it is
done, so that the command goes on where it was stopped.
"""

import argparse
import json
import math
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

import torch
from harness import Report, parser

from episodes import (
    PROTOCOLS,
    DataSettings,
    Episode,
    EpisodeList,
    Fold,
    Geometry,
    Loader,
    Photograph,
    Sampler,
    evaluate,
)
from episodes.fewshot.episode import PreparedPhotograph
from episodes.fewshot.pairs import Pairs
from episodes.files import atomic_write, write_json
from srpnet import (
    FewShotLoopSettings,
    NetworkSettings,
    SRPNet,
    SRPNetMethod,
    TrainableSRPNet,
    TrainingRun,
    build,
    runtime,
)
from srpnet.fewshot.evaluation.method import Kept
from srpnet.fewshot.training.levels import level_shapes, levels, packed, reduced_levels
from srpnet.nn.device import Runtime

STAGES = (2, 3, 4)
ROUNDS = (0, 1, 3, 5)
T_95 = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78}
"""Student's t for 95 % of means of so many differences."""


@dataclass(frozen=True)
class Variant:
    """One row: what is other than in the base."""

    name: str
    network: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    images: float = 1.0
    size: int = 321
    episodes: Mapping[str, Any] = field(default_factory=lambda: {"drawing": "pairs"})
    seeds: int = 3


BASE = Variant("fidelity, alpha 20, lambda 1, width 256")
VARIANTS = (
    BASE,
    Variant("fidelity, alpha 10", {"alpha": 10.0}),
    Variant("fidelity, alpha 40", {"alpha": 40.0}),
    Variant("cosine, alpha 10", {"similarity": "cosine", "alpha": 10.0}),
    Variant("cosine, alpha 20", {"similarity": "cosine"}),
    Variant("cosine, alpha 40", {"similarity": "cosine", "alpha": 40.0}),
    Variant("lambda 0", training={"support_weight": 0.0}),
    Variant("lambda 0.2", training={"support_weight": 0.2}),
    Variant("lambda 3", training={"support_weight": 3.0}),
    Variant("1 round of IQI in training", training={"train_rounds": 1}),
    Variant("3 rounds of IQI in training", training={"train_rounds": 3}, seeds=1),
    Variant("both ways", training={"both_ways": True}),
    Variant("stage 4 alone", {"stages": (4,)}),
    Variant("stages 3 and 4", {"stages": (3, 4)}),
    Variant("stages 2 and 3", {"stages": (2, 3)}, seeds=1),
    Variant("width 64", {"width": 64}, seeds=1),
    Variant("width 512", {"width": 512}, seeds=1),
    Variant("pooling at mask size", {"pooling": "mask"}, seeds=1),
    Variant("all classes drawn alike", episodes={"drawing": "random"}, seeds=1),
    Variant("2-way episodes", training={"batch": 3}, episodes={"drawing": "pairs", "way": 2}, seeds=1),
    Variant("5-shot episodes", training={"batch": 2}, episodes={"drawing": "pairs", "shot": 5}, seeds=1),
    Variant("alpha 10, lambda 3, both ways", {"alpha": 10.0}, {"support_weight": 3.0, "both_ways": True}),
    Variant("images of 241 pixels", size=241, seeds=1),
    Variant("a quarter of the images", images=0.25, seeds=1),
    Variant("a third of the steps", training={"steps": 1 / 3}, seeds=1),
    Variant("three times the steps", training={"steps": 3.0}, seeds=1),
)


class Workload:
    """Base classes of a fold, some of them held back, with the levels of the backbone of every photograph."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.fold = Fold(DataSettings(given.data, pairs=given.pairs, allow_missing=True, fold=given.fold))
        self.held_back = self.fold.labels(given.hold_back.split(","), self.fold.base, "base class")
        self.runtime: Runtime = runtime("auto", "auto")
        self.backbone = build(NetworkSettings(stages=STAGES, width=None))
        self.backbone.move_to(self.runtime.device)
        self.rules = PROTOCOLS["hsnet"]
        self.validation = Loader(self.fold.source, self.rules.geometry)
        self.photographs: dict[tuple[str, int], Photograph] = {}

    def sampler(self, variant: Variant, seed: int) -> Sampler:
        """Training episodes; of a share of the images, if the variant has one."""
        sampler, _ = self.fold.training_sampler(self.held_back, "drop", seed=seed, **variant.episodes)
        if variant.images == 1.0:
            return sampler
        every = round(1 / variant.images)
        fewer = Pairs(sampler.queries.items[::every], rule=f"one of {every} of {sampler.queries.rule}")
        kept = fewer.of([label for label in sampler.classes if len(fewer.by_class.get(label, ())) > 1])
        return replace(sampler, supports=kept, queries=kept)

    @torch.no_grad()
    def with_levels(self, loader: Loader, id: str, stages: Sequence[int]) -> PreparedPhotograph:
        """A photograph with its levels of some stages; those of all are computed once and kept on the disk, 20 GB."""
        size = loader.geometry.size
        file = self.given.runs / "levels" / str(size) / f"{id}.pt"
        if (id, size) not in self.photographs:
            photograph = loader.photograph(id)
            if not file.exists():
                with self.runtime.autocast():
                    levels_L = packed(levels(self.backbone, photograph.image[None].to(self.runtime.device)))
                with atomic_write(file) as temporary:
                    torch.save(levels_L.cpu(), temporary)
            self.photographs[id, size] = replace(photograph, image=photograph.image.new_empty(3, 0, 0))
        levels_L = torch.load(file, weights_only=True, mmap=True)
        counts = [math.prod(shape) for shape in level_shapes(self.backbone, (size, size))]
        parts = dict(zip(STAGES, levels_L.split(counts), strict=True))
        return self.photographs[id, size].with_prepared(torch.cat([parts[stage] for stage in stages]))


class StoredEpisodes:
    """Episodes by index whose photographs carry the levels that a network takes."""

    def __init__(self, workload: Workload, sampler: Sampler, size: int, stages: Sequence[int]) -> None:
        self.workload, self.stages = workload, stages
        self.loader = Loader(workload.fold.source, Geometry(size))
        self.episodes = EpisodeList(sampler, self.loader)

    def __getitem__(self, index: int) -> Episode:
        def load(id: str, _: int) -> PreparedPhotograph:
            return self.workload.with_levels(self.loader, id, self.stages)

        return replace(self.episodes[index], load=load)


class StoredMethod(SRPNetMethod):
    """A network that reduces stored levels instead of encoding photographs."""

    def __init__(self, workload: Workload, network: SRPNet, rounds: int) -> None:
        super().__init__(network, workload.runtime, replace(network.config.iqi, rounds=rounds))
        self.workload = workload

    @torch.inference_mode()
    def prepare(self, photographs: Sequence[Photograph]) -> list[Kept]:
        """The final feature map of each."""
        network, runtime, loader = self.predictor.network, self.predictor.runtime, self.workload.validation
        size, encoded = loader.geometry.size, []
        for photograph in photographs:
            levels_L = self.workload.with_levels(loader, photograph.id, network.config.stages).prepared
            with runtime.autocast():
                features_1Chw = reduced_levels(network, levels_L[None].to(runtime.device), (size, size))
            encoded.append(Kept(features_1Chw[0].permute(1, 2, 0).contiguous(), {}))
        return encoded


def run(workload: Workload, variant: Variant, seed: int) -> dict[str, float]:
    """Train a head and score it: mIoU by rounds of query inference, and the support mIoU."""
    given = workload.given
    changes = dict(variant.training)
    steps = round(given.steps * changes.pop("steps", 1.0))
    training = FewShotLoopSettings(steps=steps, workers=0, save_every=steps, log_every=steps, **changes)
    network = build(replace(NetworkSettings(stages=STAGES), **variant.network))
    network.reset_head(seed)
    sampler = workload.sampler(variant, seed)
    folder = given.runs / f"{variant.name}, seed {seed}"
    training_run = TrainingRun(TrainableSRPNet(network, training, workload.runtime), folder)
    training_run.train(StoredEpisodes(workload, sampler, variant.size, network.config.stages))
    names, scores = workload.fold.names(workload.held_back), {}
    for rounds, ways in (*((rounds, 1) for rounds in ROUNDS), (3, 2)):
        validation = workload.fold.validation_sampler(workload.held_back, drawing=workload.rules.drawing, way=ways)
        episodes = EpisodeList(validation, workload.validation).first(given.episodes)
        evaluation = evaluate(StoredMethod(workload, network, rounds), episodes, workload.rules, names)
        scores[f"IQI {rounds}" if ways == 1 else "2-way"] = evaluation.queries.miou
        if ways == 1 and evaluation.supports is not None:
            scores["support"] = evaluation.supports.miou
    return scores


def interval(differences: Sequence[float]) -> str:
    """The mean of differences and the half width of its 95 % interval, in points."""
    mean = 100 * statistics.mean(differences)
    if len(differences) not in T_95:
        return f"{mean:+.1f} (one seed)"
    half = 100 * T_95[len(differences)] * statistics.stdev(differences) / len(differences) ** 0.5
    return f"{mean:+.1f} ± {half:.1f}"


def main() -> None:
    arguments = parser("ablation", __doc__)
    arguments.add_argument("--data", default="stickers", help="as of srpnet train")
    arguments.add_argument("--pairs", help="folder of the pair lists")
    arguments.add_argument("--fold", type=int, default=1)
    arguments.add_argument("--hold-back", default="horse,sheep")
    arguments.add_argument("--steps", type=int, default=200)
    arguments.add_argument("--episodes", type=int, default=500)
    arguments.add_argument("--runs", type=Path, default=Path("runs/ablation"), help="where finished runs are kept")
    given = arguments.parse_args()
    workload = Workload(given)
    kept: dict[str, list[dict[str, float]]] = {variant.name: [] for variant in VARIANTS}
    for seed, variant in product(range(3), VARIANTS):
        if seed >= variant.seeds:
            continue
        file = given.runs / f"{variant.name}, seed {seed}.json"
        if not file.exists():
            write_json(file, run(workload, variant, seed))
            print(file.stem, file=sys.stderr, flush=True)
        kept[variant.name].append(json.loads(file.read_text(encoding="utf-8")))
    columns = ("what", *(f"IQI {rounds}" for rounds in ROUNDS), "2-way", "support", "IQI 3 less the first row's")
    report = Report("ablation", columns)
    base = [each["IQI 3"] for each in kept[BASE.name]]
    for variant in VARIANTS:
        scores = kept[variant.name]
        shown = [f"{100 * statistics.mean(each[name] for each in scores):.1f}" for name in columns[1:-1]]
        differences = [each["IQI 3"] - first for each, first in zip(scores, base, strict=False)]
        last = "" if variant is BASE else interval(differences)
        report.add(variant.name, *shown, last, runs=scores, **asdict(variant))
    report.finish(given)


if __name__ == "__main__":
    main()
