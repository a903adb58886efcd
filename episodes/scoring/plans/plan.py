"""What a protocol asks of a fold: its episodes for every seed, drawn or from a manifest, ready to be scored."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from torch import Tensor

from episodes.data.source import Crowded
from episodes.distributed import ALONE, World
from episodes.fewshot.episode import Episode, EpisodeSpec
from episodes.fewshot.folds import Fold
from episodes.fewshot.hsnet_episodes import PUBLISHED
from episodes.fewshot.negatives import Negatives
from episodes.fewshot.sampler import Sampler
from episodes.fewshot.scenes.composition import Composer
from episodes.fewshot.scenes.loading import Loader
from episodes.fewshot.settings import Composition
from episodes.fewshot.wrong_supports import WrongSupports
from episodes.scoring.evaluate import Evaluation, cache_for, evaluate
from episodes.scoring.methods import Method
from episodes.scoring.photograph_cache import PhotographCache
from episodes.scoring.plans.manifest import Header, Manifest
from episodes.scoring.plans.settings import PlanSettings
from episodes.scoring.protocols import Protocol
from episodes.scoring.records import Records


@dataclass(frozen=True)
class Outcome:
    """What scoring a plan found.

    Attributes:
        runs: Seed -> scores of that run, the same in all processes.
        records: What every photograph was counted as; in other processes than the first, none.
        negatives: The same of the episodes whose queries do not show the class.
        wrong: The same of the queries under wrong supports; the episodes have the indices of the ordinary ones.
    """

    runs: dict[int, Evaluation]
    records: Records
    negatives: Records = Records(())
    wrong: Records = Records(())

    @property
    def never_drawn(self) -> list[str]:
        """Names of the tested classes that no episode of any run drew, see `absent` of `Score`."""
        drawn = frozenset[int]().union(*(run.queries.asked for run in self.runs.values()))
        return [name for label, name in next(iter(self.runs.values())).queries.names.items() if label not in drawn]


@dataclass(frozen=True)
class Plan:
    """What one protocol asks of a fold.

    Attributes:
        fold: The fold.
        settings: What was asked for.
        protocol: The entry of `PROTOCOLS`.
        rules: The same with what the settings change.
        samplers: One for each seed.
        classes: The labels that are tested; others are not scored even where a sampler draws them (`hsnet-seed0`).
        manifest: Episodes to take instead of those that the samplers would draw.
        partial: Leave out the episodes that need a photograph that is not there.
    """

    fold: Fold
    settings: PlanSettings
    protocol: Protocol
    rules: Protocol
    samplers: Sequence[Sampler]
    classes: tuple[int, ...]
    manifest: Manifest | None = None
    partial: bool = False

    @property
    def names(self) -> dict[int, str]:
        """Label -> name of the classes that are tested."""
        return self.fold.names(self.classes)

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
        """Episodes of all runs that are scored, the negative ones and those under wrong supports too."""
        return self.ordinary - len(self.left_out) + self.negative * self.rules.seeds + len(self.wrong_supports)

    @property
    def header(self) -> Header:
        """What its manifest begins with."""
        return Header.of(self.fold, self.settings.data, self.samplers[0], self.rules, self.classes)

    @cached_property
    def left_out(self) -> dict[int, tuple[str, ...]]:
        """Index of each episode that is left out as photographs are not there -> which ones; see `partial`."""
        if not self.partial:
            return {}
        there = {id: self.fold.source.has(id) for _, specs in self._all() for spec in specs for id in spec.slots}
        missing = {
            spec.index: tuple(dict.fromkeys(id for id in spec.slots if not there[id]))
            for _, specs in self._all()
            for spec in specs
        }
        return {index: ids for index, ids in missing.items() if ids}

    @property
    def left_out_record(self) -> dict[str, Any]:
        """What a result says about `left_out`: how many episodes of how many, and the photographs they lack."""
        ids = sorted({id for ids in self.left_out.values() for id in ids})
        return {"episodes": len(self.left_out), "of": self.ordinary, "photographs": ids}

    @property
    def departures(self) -> list[str]:
        """In what its episodes are not the protocol's, in words, beside what `protocols.departures` says."""
        found = []
        if self.left_out:
            count, example = len(self.left_out), next(iter(self.left_out.values()))[0]
            found.append(
                f"{count} of {self.ordinary} episodes left out: their photographs are missing, for example {example}"
            )
        listed = PUBLISHED.get(self.settings.data.fold) == self.header.pairs["sha256"]
        if self.rules.drawing == "hsnet-seed0" and not listed:
            found.append("drawing: HSNet's stream over another pair list than its own")
        if self.protocol.name == "panet" and self.settings.way > 1:
            found.append("queries: never a support of another way, which PANet's may be")
        if self.protocol.name == "panet" and isinstance(self.fold.source, Crowded):
            found.append("labels: each pixel has one class, where PANet's instances of two classes may share it")
        if self.settings.distractors:
            share = f"{100 * self.settings.distractors:g} %"
            found.append(f"queries: into {share} of them an object of another tested class is pasted")
        return found

    def runs(self) -> Iterator[tuple[int, Iterator[EpisodeSpec]]]:
        """Seed and episodes of each run. The index goes on from one run to the next, so that each has its own."""
        for seed, specs in self._all():
            yield seed, (spec for spec in specs if spec.index not in self.left_out)

    def _all(self) -> Iterator[tuple[int, Iterator[EpisodeSpec]]]:
        """The runs with the episodes that are left out."""
        if self.manifest is not None:
            for seed, specs in self.manifest.runs():
                yield seed, iter(specs)
            return
        for run, sampler in enumerate(self.samplers):
            yield sampler.seed, self._drawn(sampler, run * self.rules.episodes)

    def _drawn(self, sampler: Sampler, first: int) -> Iterator[EpisodeSpec]:
        """The episodes of one run, whose indices begin at `first`: of the tested classes alone."""
        specs = (spec for spec in map(sampler.spec, itertools.count()) if set(spec.classes) <= set(self.classes))
        for index, spec in enumerate(itertools.islice(specs, self.rules.episodes), start=first):
            yield replace(spec, index=index)

    def negatives(self) -> Iterator[tuple[int, Iterator[EpisodeSpec]]]:
        """Seed and negative episodes of each run, made of some that are evenly spread over its ordinary ones.

        The index goes on after all ordinary ones.
        """
        if not self.negative:
            return
        maker, numbers = Negatives(self.fold.source, self.rules.split), itertools.count(self.ordinary)
        for seed, run in self.runs():
            specs = list(run)
            chosen = [specs[number * len(specs) // self.negative] for number in range(self.negative) if specs]
            yield seed, (maker.of(spec, seed, number) for spec, number in zip(chosen, numbers, strict=False))

    @cached_property
    def wrong_supports(self) -> list[tuple[int, EpisodeSpec, EpisodeSpec]]:
        """Seed, episode, and the same under a wrong support, of all runs, if they are asked for.

        Left out are those whose queries show nearly all tested classes, so that none is left to take the support from.
        """
        if not self.settings.wrong_support:
            return []
        sampler = self.samplers[0]
        repeats = self.header.repeats and self.settings.shot > 1
        maker = WrongSupports(self.fold.source, sampler.supports, self.classes, repeats)
        asked = ((seed, spec, maker.of(spec, seed)) for seed, specs in self.runs() for spec in specs)
        return [(seed, spec, wrong) for seed, spec, wrong in asked if wrong is not None]

    def export(self) -> Manifest:
        """Its episodes, to be written to a file: also those that would be left out here."""
        return Manifest(self.header, [spec for _, specs in self._all() for spec in specs])

    def loader(self) -> Loader:
        """Builds its episodes, by the protocol's rules."""
        rules = self.rules
        return Loader(
            self.fold.source,
            rules.geometry,
            score_at=rules.score_at,
            support_ignore=rules.support_ignore,
            annotation=self.settings.support,
            seed=self.settings.seed,
            composer=self._composer,
        )

    @cached_property
    def _composer(self) -> Composer | None:
        settings = self.settings
        if not settings.distractors:
            return None
        composition = Composition(distractors=settings.distractors)
        return Composer(composition, self.samplers[0], self.fold.source, settings.seed)

    def evaluate(
        self,
        method: Method,
        *,
        cache_bytes: int = 2 << 30,
        cache: PhotographCache | None = None,
        world: World = ALONE,
        on_episode: Callable[[Episode, list[Tensor], Tensor], None] = lambda *_: None,
    ) -> Outcome:
        """Score a method on all runs, which share what it prepares; see `evaluate`, also for what is raised.

        Args:
            method, cache_bytes, cache, world, on_episode: As there.
        """
        loader = self.loader()
        with nullcontext(cache) if cache else cache_for(method, cache_bytes) as photographs:

            def scored(runs: Iterator[tuple[int, Iterator[Episode]]]) -> tuple[dict[int, Evaluation], Records]:
                found, records = {}, []
                for seed, episodes in runs:
                    found[seed] = evaluate(
                        method,
                        episodes,
                        self.rules,
                        self.names,
                        cache=photographs,
                        world=world,
                        on_episode=on_episode,
                    )
                    records += [record._replace(seed=seed) for record in found[seed].records]
                gathered = world.gather(records) or []
                return found, Records.of(record for part in gathered for record in part)

            found, records = scored((seed, map(loader.build, specs)) for seed, specs in self.runs())
            _, negatives = scored((seed, map(loader.build, specs)) for seed, specs in self.negatives())
            _, wrong = scored(
                (seed, (replace(loader.build(asked), target=spec.classes) for _, spec, asked in together))
                for seed, together in itertools.groupby(self.wrong_supports, key=lambda each: each[0])
            )
        return Outcome(found, records, negatives, wrong.role("query"))
