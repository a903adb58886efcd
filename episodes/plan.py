"""What a protocol asks of a fold: its episodes for every seed, drawn or from a manifest, ready to be scored."""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from torch import Tensor

from episodes.checks import LARGEST_SEED, check_number, check_type, check_whole
from episodes.episode import Episode, EpisodeSpec
from episodes.errors import InputError
from episodes.evaluation import Evaluation, Method, evaluate, shelf_for
from episodes.geometry import Geometry
from episodes.loading import Loader
from episodes.manifest import Header, Manifest
from episodes.metrics import Counts
from episodes.negatives import Negatives
from episodes.protocols import Protocol, pair_rule, protocols
from episodes.records import Records
from episodes.sampler import Sampler
from episodes.shelf import Shelf
from episodes.sources.base import OnProgress, silent
from episodes.task import DataSettings, Task
from episodes.weak import Annotation, check
from episodes.world import ALONE, World

MOST_DRAWN = 1_000_000
"""Episodes of a run. Published protocols draw up to 20,000."""


def check_episodes(settings: object) -> None:
    """`InputError` unless `way`, `shot`, `query_count` and `seed` are in their ranges, see `PlanSettings`."""
    check_whole(settings, 1, 1000, "way", "shot", "query_count")
    check_whole(settings, 0, LARGEST_SEED, "seed")


@dataclass(frozen=True)
class PlanSettings:
    """Which episodes are scored, and by which rules.

    Attributes:
        data: Source and fold.
        protocol: Names of `PROTOCOLS` with commas between, or `all`; the next four change single choices of them.
        episodes: How many for each seed, up to a million, instead of the protocol's number.
        seeds: How many runs, up to 1000, instead of the protocol's number.
        size: Side of the square, instead of the protocol's.
        original_size: Compare label maps at the photographs' own sizes.
        classes: Novel classes to test, by name; none means all of the fold.
        way, shot, query_count: Of the episodes, each from 1 to 1000.
        seed: Of the episodes of the first run, from 0 to 2^62; each further one takes the next.
        manifest: File with the episodes to score. It fixes the fold, its classes, the protocol and the episodes.
        support: What is given of the supports: `mask`, `box`, `scribble` or `points`, see `weakened`.
        negatives: How many episodes to add whose queries do not show the class, as a share of the others, in [0, 1]. No
            IoU counts them, see `Presence`.

    Raises:
        InputError: if there is nothing to score, or a number is out of its range.
    """

    data: DataSettings = DataSettings()
    protocol: str = "hsnet"
    episodes: int | None = None
    seeds: int | None = None
    size: int | None = None
    original_size: bool = False
    classes: tuple[str, ...] = ()
    way: int = 1
    shot: int = 1
    query_count: int = 1
    seed: int = 0
    manifest: str | None = None
    support: Annotation = "mask"
    negatives: float = 0.0

    def __post_init__(self) -> None:
        check(self.support)
        for name, count in (("episodes", self.episodes), ("seeds", self.seeds)):
            if count is not None and count < 1:
                raise InputError(f"cannot score {count} {name}: at least 1")
        if self.episodes is not None:
            check_whole(self, 1, MOST_DRAWN, "episodes")
        if self.seeds is not None:
            check_whole(self, 1, 1000, "seeds")
        if self.size is not None:
            Geometry(self.size)
        check_episodes(self)
        check_type(self, bool, "original_size")
        check_number(self, 0, 1, "negatives")

    def rules(self, protocol: Protocol) -> Protocol:
        """A protocol with the choices that are changed here."""
        rules = protocol.on(self.data.data)
        if self.size is not None:
            rules = rules.resized(self.size)
        pixels = None if self.data.pairs is not None else self.data.least_pixels
        return replace(
            rules.counting(rules.episodes if self.episodes is None else self.episodes),
            seeds=rules.seeds if self.seeds is None else self.seeds,
            score_at="original" if self.original_size else rules.score_at,
            lists=rules.lists if self.data.every_pair else pair_rule(pixels),
        )

    def with_manifest(self, header: Header) -> Self:
        """The settings that the episodes of a manifest were drawn with."""
        data = replace(self.data, fold=header.fold, folds=header.folds, fold_order=header.fold_order)
        return replace(
            self,
            data=data,
            protocol=header.protocol,
            episodes=header.episodes,
            seeds=header.seeds,
            classes=tuple(header.classes.values()),
            way=header.way,
            shot=header.shot,
            query_count=header.queries,
            seed=header.seed,
        )


@dataclass(frozen=True)
class Outcome:
    """What scoring a plan found.

    Attributes:
        runs: Seed -> scores of that run, the same in all processes.
        records: What every photograph was counted as; in other processes than the first, none.
        negatives: The same of the episodes whose queries do not show the class.
    """

    runs: dict[int, Evaluation]
    records: Records
    negatives: Records = Records(())

    @property
    def never_drawn(self) -> list[str]:
        """Names of the tested classes that no episode of any run drew, see `absent` of `Score`."""
        drawn = {
            label for run in self.runs.values() for label, counts in run.queries.classes.items() if counts != Counts()
        }
        return [name for label, name in next(iter(self.runs.values())).queries.names.items() if label not in drawn]


@dataclass(frozen=True)
class Plan:
    """What one protocol asks of a fold.

    Attributes:
        task: The fold.
        settings: What was asked for.
        protocol: The entry of `PROTOCOLS`.
        rules: The same with what the settings change.
        samplers: One for each seed.
        manifest: Episodes to take instead of those that the samplers would draw.
    """

    task: Task
    settings: PlanSettings
    protocol: Protocol
    rules: Protocol
    samplers: Sequence[Sampler]
    manifest: Manifest | None = None

    @property
    def names(self) -> dict[int, str]:
        """Label -> name of the classes that are tested."""
        return self.task.names(self.samplers[0].classes)

    @property
    def ordinary(self) -> int:
        """Episodes of all runs, without the negative ones."""
        return self.rules.episodes * self.rules.seeds

    @property
    def negative(self) -> int:
        """Negative episodes of each run; at least one if any are asked for."""
        return math.ceil(self.settings.negatives * self.rules.episodes)

    @property
    def count(self) -> int:
        """Episodes of all runs, the negative ones too."""
        return self.ordinary + self.negative * self.rules.seeds

    @property
    def header(self) -> Header:
        """What its manifest begins with."""
        return Header.of(self.task, self.settings.data, self.samplers[0], self.rules)

    def runs(self) -> Iterator[tuple[int, Iterator[EpisodeSpec]]]:
        """Seed and episodes of each run. The index goes on from one run to the next, so that each has its own."""
        if self.manifest is not None:
            for seed, specs in self.manifest.runs():
                yield seed, iter(specs)
            return
        count = self.rules.episodes
        for run, sampler in enumerate(self.samplers):
            drawn = map(sampler.spec, range(count))
            yield sampler.seed, (replace(spec, index=run * count + spec.index) for spec in drawn)

    def negatives(self) -> Iterator[tuple[int, Iterator[EpisodeSpec]]]:
        """Seed and negative episodes of each run, made of some that are evenly spread over its ordinary ones.

        The index goes on after all ordinary ones.
        """
        if not self.negative:
            return
        maker, numbers = Negatives(self.task.source, self.rules.split), itertools.count(self.ordinary)
        places = {place * self.rules.episodes // self.negative for place in range(self.negative)}
        for seed, specs in self.runs():
            chosen = (spec for place, spec in enumerate(specs) if place in places)
            yield seed, (maker.of(spec, seed, number) for spec, number in zip(chosen, numbers, strict=False))

    def export(self) -> Manifest:
        """Its episodes, to be written to a file."""
        return Manifest(self.header, [spec for _, specs in self.runs() for spec in specs])

    def loader(self) -> Loader:
        """Builds its episodes, by the protocol's rules."""
        rules = self.rules
        return Loader(
            self.task.source,
            rules.geometry,
            score_at=rules.score_at,
            support_ignore=rules.support_ignore,
            annotation=self.settings.support,
        )

    def evaluate(
        self,
        method: Method,
        *,
        cache_bytes: int = 2 << 30,
        shelf: Shelf | None = None,
        world: World = ALONE,
        on_episode: Callable[[Episode, list[Tensor], Tensor], None] = lambda *_: None,
    ) -> Outcome:
        """Score a method on all runs, which share what it prepares; see `evaluate`, also for what is raised.

        Args:
            method, cache_bytes, shelf, world, on_episode: As there.
        """
        loader = self.loader()
        with nullcontext(shelf) if shelf else shelf_for(method, cache_bytes) as photographs:

            def scored(runs: Iterator[tuple[int, Iterator[EpisodeSpec]]]) -> tuple[dict[int, Evaluation], Records]:
                found, records = {}, []
                for seed, specs in runs:
                    found[seed] = evaluate(
                        method,
                        map(loader.build, specs),
                        self.rules,
                        self.names,
                        shelf=photographs,
                        world=world,
                        on_episode=on_episode,
                    )
                    records += [record._replace(seed=seed) for record in found[seed].records]
                gathered = world.gather(records) or []
                return found, Records.of(record for part in gathered for record in part)

            found, records = scored(self.runs())
            _, negatives = scored(self.negatives())
        return Outcome(found, records, negatives)


def plans(settings: PlanSettings, on_progress: OnProgress = silent, task: Task | None = None) -> dict[str, Plan]:
    """Name of a protocol -> what it asks of a fold, for each one that the settings name.

    Args:
        settings: What to score.
        on_progress: Told how far it is when the data take long to read or count.
        task: The fold, if it is there already.

    Raises:
        InputError: if settings or data are wrong, a class is not novel or has too few images, or the manifest is of
            other episodes.
    """
    manifest = None if settings.manifest is None else Manifest.read(Path(settings.manifest))
    if manifest is not None:
        settings = settings.with_manifest(manifest.header)
    chosen = protocols(settings.protocol)
    task = task or Task(settings.data, on_progress=on_progress)
    return {protocol.name: _plan(task, settings, protocol, manifest) for protocol in chosen}


def _plan(task: Task, settings: PlanSettings, protocol: Protocol, manifest: Manifest | None) -> Plan:
    novel = task.base if settings.data.fold == "all" else task.novel
    classes = task.labels(settings.classes, novel, "novel class") if settings.classes else novel
    rules = settings.rules(protocol)
    first = task.novel_sampler(
        classes,
        rules.split,
        drawing=rules.drawing,
        way=settings.way,
        shot=settings.shot,
        query_count=settings.query_count,
        seed=settings.seed,
    )
    samplers = [replace(first, seed=settings.seed + run) for run in range(rules.seeds)]
    plan = Plan(task, settings, protocol, rules, samplers, manifest)
    if manifest is not None and (difference := plan.header.difference(manifest.header)):
        raise InputError(f"{settings.manifest} is of other episodes: here is {difference}")
    if manifest is not None:
        _check_pairs(manifest, first, plan.names, settings.manifest)
    return plan


def _check_pairs(manifest: Manifest, sampler: Sampler, names: Mapping[int, str], file: str | None) -> None:
    """See that all photographs of a manifest show their classes, by the pairs of the fold."""
    supports, queries = (
        {label: frozenset(ids) for label, ids in pairs.by_class.items()}
        for pairs in (sampler.supports, sampler.queries)
    )
    for line, spec in enumerate(manifest.specs, start=2):
        for label, ids in zip(spec.classes, spec.supports, strict=True):
            if strange := [id for id in ids if id not in supports.get(label, ())]:
                raise _not_a_pair(f"{file}, line {line}: {strange[0]!r} is no support", names[label])
        able = [queries.get(label, frozenset()) for label in spec.classes]
        if strange := [id for id in spec.queries if not any(id in ids for ids in able)]:
            which = " or ".join(names[label] for label in spec.classes)
            raise _not_a_pair(f"{file}, line {line}: {strange[0]!r} is no query", which)


def _not_a_pair(what: str, name: str) -> InputError:
    return InputError(f"{what} of {name} by the pairs of the fold: export it again")
