"""From settings to plans: which rules, classes and episodes each protocol asks for, checked against the fold."""

import re
from dataclasses import replace
from pathlib import Path

from episodes.data import data_set
from episodes.data.sets.voc import PASCAL
from episodes.data.source import Crowded, OnProgress, Source, silent
from episodes.errors import InputError
from episodes.fewshot.folds import Fold
from episodes.fewshot.pairs import ANY_SIZE
from episodes.scoring.plans.manifest import Header, Manifest
from episodes.scoring.plans.plan import Plan
from episodes.scoring.plans.settings import PlanSettings
from episodes.scoring.protocols import Protocol, protocols


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
