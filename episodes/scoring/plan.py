"""What a protocol asks of a fold: its episodes for every seed, drawn or from a manifest, ready to be scored."""

import itertools
import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from episodes.data import data_set
from episodes.data.source import Crowded, OnProgress, Source, silent
from episodes.data.voc import PASCAL
from episodes.distributed import ALONE, World
from episodes.errors import InputError
from episodes.fewshot.episode import Episode, EpisodeSpec
from episodes.fewshot.folds import Fold
from episodes.fewshot.hsnet_episodes import PUBLISHED
from episodes.fewshot.negatives import Negatives
from episodes.fewshot.pairs import ANY_SIZE
from episodes.fewshot.sampler import Sampler
from episodes.fewshot.scenes.composition import Composer
from episodes.fewshot.scenes.loading import Loader
from episodes.fewshot.settings import Composition
from episodes.fewshot.wrong_supports import WrongSupports
from episodes.scoring.evaluate import Evaluation, cache_for, evaluate
from episodes.scoring.manifest import Header, Manifest
from episodes.scoring.methods import Method
from episodes.scoring.photograph_cache import PhotographCache
from episodes.scoring.plan_settings import PlanSettings
from episodes.scoring.protocols import Protocol, protocols
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


def plans(settings: PlanSettings, on_progress: OnProgress = silent, fold: Fold | None = None) -> dict[str, Plan]:
    """Name of a protocol -> what it asks of a fold, for each one that the settings name.

    Args:
        settings: What to score.
        on_progress: Called with the progress of reading and counting the data, where that takes long.
        fold: The fold, if it is there already.

    Raises:
        InputError: if settings or data are wrong, a class is not novel or has too few images, or the manifest is of
            other episodes.
    """
    manifest = None if settings.manifest is None else Manifest.read(Path(settings.manifest))
    if manifest is not None:
        kind = data_set(settings.data.data).name
        if manifest.header.source != kind:  # before classes of other data are looked for
            raise InputError(
                f"{settings.manifest} is of other episodes: here is source {kind}, not {manifest.header.source}"
            )
        settings = settings.with_manifest(manifest.header)
    chosen = protocols(settings.protocol)
    fold = fold or Fold(settings.data, on_progress=on_progress)
    return {protocol.name: _plan(fold, settings, protocol, manifest) for protocol in chosen}


def as_drawn(protocol: Protocol, header: Header, source: Source) -> Protocol:
    """A protocol with the rules that a manifest was drawn by: another version of this program may have written it."""
    rules = protocol if header.shot == 1 else replace(protocol, replacement=header.replacement)
    if isinstance(source, Crowded):
        rules = replace(rules, crowds=header.crowds)
    if match := re.fullmatch(rf"min_pixels=(\d+)({ANY_SIZE})?", str(header.pairs.get("rule"))):
        rules = replace(rules, min_pixels=int(match[1]), any_size=match[2] is not None)
    return rules


def _plan(fold: Fold, settings: PlanSettings, protocol: Protocol, manifest: Manifest | None) -> Plan:
    novel = fold.base if settings.data.fold == "all" else fold.novel
    classes = fold.labels(settings.classes, novel, "novel class") if settings.classes else tuple(sorted(novel))
    rules = settings.rules(protocol if manifest is None else as_drawn(protocol, manifest.header, fold.source))
    fold = fold.treating(rules.crowds)
    own = rules.drawing == "hsnet-seed0"
    if own:
        _check_hsnet(settings, rules)
    # Episodes that somebody else drew, from names alone, are scored as far as their photographs are here.
    whole = own or (manifest is not None and not manifest.header.pairs.get("missing"))
    first = fold.novel_sampler(
        novel if own else classes,
        rules.split,
        min_pixels=rules.min_pixels,
        any_size=rules.any_size,
        keep_missing=whole,
        drawing=rules.drawing,
        replacement=rules.replacement and settings.shot > 1 and not own,
        way=settings.way,
        shot=settings.shot,
        query_count=settings.query_count,
        seed=settings.seed,
    )
    if own and manifest is None:
        drawn = map(first.spec, range(rules.episodes))
        rules = rules.counting(sum(spec.classes[0] in classes for spec in drawn))
    samplers = [replace(first, seed=settings.seed + run) for run in range(rules.seeds)]
    plan = Plan(fold, settings, protocol, rules, samplers, classes, manifest, whole and settings.data.allow_missing)
    if manifest is not None and (difference := plan.header.difference(manifest.header)):
        raise InputError(f"{settings.manifest} is of other episodes: here is {difference}")
    if manifest is not None:
        manifest.check_pairs(first, plan.names, settings.manifest)
    if settings.wrong_support:
        _check_wrong_supports(plan)
    if plan.partial and len(plan.left_out) == plan.ordinary:
        example = next(iter(plan.left_out.values()))[0]
        raise InputError(
            f"every episode needs a photograph that is missing, for example {example}: complete the folder"
        )
    return plan


def _check_wrong_supports(plan: Plan) -> None:
    """`InputError` unless there are classes to take wrong supports from."""
    needed, tested = 2 * plan.settings.way, len(plan.classes)
    if tested < needed:
        raise InputError(
            f"`wrong_support` takes supports from other tested classes than those of an episode, so it needs {needed} "
            f"classes for {plan.settings.way}-way episodes: here {'is' if tested == 1 else 'are'} {tested}; test more"
        )
    if not plan.wrong_supports:
        raise InputError("`wrong_support` finds no wrong support: every query shows the other tested classes too")


def _check_hsnet(settings: PlanSettings, rules: Protocol) -> None:
    """`InputError` unless HSNet's own episodes can be drawn."""
    if settings.data.pairs is None or data_set(settings.data.data) is not PASCAL:
        raise InputError("hsnet-seed0 draws from HSNet's pair lists of PASCAL-5i: give `data` pascal and their `pairs`")
    if rules.seeds != 1:
        raise InputError(f"hsnet-seed0 is one run, not {rules.seeds}: use `protocol` hsnet, or `seeds` 1")
