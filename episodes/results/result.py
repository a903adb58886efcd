"""`result.json`: what a run found, with everything that is needed to repeat it."""

import math
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from statistics import fmean
from typing import Any

import numpy as np

from episodes.data import data_set
from episodes.results.bootstrap import LEVEL, Resampling, intervals, mean_of_known
from episodes.results.presence import presence
from episodes.results.wrong_support import wrong_support
from episodes.scoring.metrics import Score
from episodes.scoring.plans.plan import Outcome
from episodes.scoring.protocols import Protocol
from episodes.scoring.records import Role

SCHEMA = 1


def result(
    outcome: Outcome,
    rules: Protocol,
    settings: Mapping[str, Any],
    pairs: Mapping[str, Any],
    weights: Mapping[str, Any],
    departed: Sequence[str] = (),
    resampling: Resampling | None = None,
    present_above: float | None = None,
) -> dict[str, Any]:
    """The content of `result.json`, schema 1. IoUs are fractions in [0, 1], or null if nothing was counted.

    So is the IoU of a class that no episode drew, see `not_drawn`, though the mIoU counts it by the protocol's rule.

    Args:
        outcome: From `Plan.evaluate`. Figures are means over its runs; that of a class, over those that counted it.
        rules: What they were scored by.
        settings: The settings of the command.
        pairs: The rule that chose (image, class) pairs, and its hash.
        weights: What the method was made of.
        departed: In what the rules depart from the protocol, see `departures`.
        resampling: What the intervals are made by; the default is `Resampling()`.
        present_above: See `presence`.
    """
    resampling = resampling or Resampling()
    runs = list(outcome.runs.values())
    queries = [run.queries for run in runs]
    supports = [run.supports for run in runs if run.supports is not None]
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "miou": _mean(score.miou for score in queries),
        "fb_iou": _mean(score.fb_iou for score in queries),
        "per_class": {
            name: _number(mean_of_known([score.per_class[name] for score in queries])) for name in queries[0].per_class
        },
        "not_drawn": outcome.never_drawn,
        "support_miou": _mean(score.miou for score in supports),
        "support_fb_iou": _mean(score.fb_iou for score in supports),
        "classes": {str(label): name for label, name in queries[0].names.items()},
        "intervals": _intervals(outcome, rules, resampling),
        "seeds": {str(seed): _headline(run.queries) for seed, run in outcome.runs.items()},
        "deviation": _deviation(queries) if rules.seeds > 1 else None,
        "episodes": sum(run.episodes for run in runs),
        "seconds": round(sum(run.seconds for run in runs), 3),
        "protocol": asdict(rules),
        "departures": list(departed),
        "settings": dict(settings),
        "pairs": dict(pairs),
        "weights": dict(weights),
        "versions": versions(),
    }
    if outcome.negatives.rows:
        content["negatives"] = presence(outcome.records, outcome.negatives, resampling, present_above)
    if outcome.wrong.rows:
        names = queries[0].names
        content["wrong_support"] = wrong_support(outcome.records, outcome.wrong, names, rules, resampling)
    if note := data_set(settings.get("data", "")).note:
        content["note"] = note
    return content


def _intervals(outcome: Outcome, rules: Protocol, resampling: Resampling) -> dict[str, Any]:
    """The 95 % interval of each figure that the content has."""
    names = dict(next(iter(outcome.runs.values())).queries.names)
    found: dict[str, Any] = {"level": LEVEL, **asdict(resampling)}
    roles: dict[str, Role] = {"": "query", "support_": "support"}
    for prefix, role in roles.items():
        replicates = resampling.figures([outcome.records.role(role).rows], names, rules)
        own = None if replicates is None else replicates[:, 0]
        figures = ["miou", "fb_iou", *map(str, names)]  # labels, as a class may be called miou
        spread = intervals(own, figures).values()
        miou, fb_iou, *classes = (None if interval is None else list(interval) for interval in spread)
        found |= {f"{prefix}miou": miou, f"{prefix}fb_iou": fb_iou}
        if role == "query":
            found["per_class"] = dict(zip(names.values(), classes, strict=True))
    return found


def _deviation(scores: Sequence[Score]) -> dict[str, float | None]:
    """The standard deviation over the seeds, which are all there are (divided by their number, as numpy does)."""
    return {
        "miou": _number(float(np.std([score.miou for score in scores]))),
        "fb_iou": _number(float(np.std([score.fb_iou for score in scores]))),
    }


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that can move a score."""
    packages = ("srpnet", "torch", "torchvision", "numpy", "pillow")
    return {"python": platform.python_version()} | {package: _version(package) for package in packages}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # a checkout on PYTHONPATH has none: no reason to lose a score
        return "not installed"


def _headline(score: Score) -> dict[str, float | None]:
    return {"miou": _number(score.miou), "fb_iou": _number(score.fb_iou)}


def _mean(values: Iterable[float]) -> float | None:
    """None if there is none."""
    numbers = list(values)
    return _number(fmean(numbers)) if numbers else None


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
