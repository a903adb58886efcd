"""`result.json`: what a run found, with everything that is needed to repeat it."""

import math
import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from episodes.evaluation import Evaluation

SCHEMA = 1
STICKERS_NOTE = "Made from the embedded stickers: a first look and a smoke test, not a benchmark"


def result(
    evaluation: Evaluation,
    settings: Mapping[str, Any],
    pairs: Mapping[str, Any],
    weights: Mapping[str, Any],
) -> dict[str, Any]:
    """The content of `result.json`, schema 1. IoUs are fractions in [0, 1], or null if nothing was counted.

    Args:
        evaluation: From `episodes.evaluate`.
        settings: The settings of the command.
        pairs: The rule that chose (image, class) pairs, and its hash.
        weights: What the method was made of.
    """
    queries, supports = evaluation.queries, evaluation.supports
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "miou": _number(queries.miou),
        "fb_iou": _number(queries.fb_iou),
        "per_class": {name: _number(iou) for name, iou in queries.per_class.items()},
        "support_miou": None if supports is None else _number(supports.miou),
        "support_fb_iou": None if supports is None else _number(supports.fb_iou),
        "episodes": evaluation.episodes,
        "seconds": round(evaluation.seconds, 3),
        "settings": dict(settings),
        "pairs": dict(pairs),
        "weights": dict(weights),
        "versions": versions(),
    }
    if settings.get("data") == "stickers":
        content["note"] = STICKERS_NOTE
    return content


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that can move a score."""
    packages = ("srpnet", "torch", "torchvision", "numpy", "pillow")
    return {"python": platform.python_version()} | {package: version(package) for package in packages}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
