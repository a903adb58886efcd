"""What is kept of a run: each thing by a writer of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from episodes.scoring.methods import Method
from episodes.scoring.photograph_cache import PhotographCache
from episodes.scoring.plan import Outcome, Plan


@dataclass(frozen=True)
class Output:
    """What is kept of a run beside its scores.

    Attributes:
        folder: For `result.json`, `counts.npz` and pictures; with several protocols, for a folder of each. None writes
            nothing.
        pictures: How many episodes to draw into `pictures/`, evenly spread from the best to the worst.
        worst: How many of the episodes with the lowest IoU to draw into `worst/`, the lowest first.
        command: What repeats the run, for the result.
    """

    folder: Path | None = None
    pictures: int = 0
    worst: int = 0
    command: str | None = None


NOTHING_KEPT = Output()
"""The scores alone, which are returned."""


class Scored(NamedTuple):
    """A plan that was scored, as writers are given it.

    Attributes:
        plan, method: What was scored, and on what.
        outcome: What was found.
        content: Of `result.json`; a writer may add to it.
        cache: What the method prepared of photographs.
        output: What was asked for.
    """

    plan: Plan
    method: Method
    outcome: Outcome
    content: dict[str, Any]
    cache: PhotographCache
    output: Output


Writer = Callable[[Path, Scored], None]
"""Writes one thing into the folder of a run, whose lock is held, over that of an earlier run."""
