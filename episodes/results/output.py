"""What is kept of a run: each thing by a writer of its own."""

from __future__ import annotations  # the settings need no torch

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from episodes.settings import check, setting

if TYPE_CHECKING:
    from episodes.scoring.methods import Method
    from episodes.scoring.photograph_cache import PhotographCache
    from episodes.scoring.plans.plan import Outcome, Plan

MOST_PICTURES = 1_000_000


@dataclass(frozen=True)
class Output:
    """What is kept of a run beside its scores.

    Raises:
        InputError: if one is out of its range.
    """

    # Without one, nothing is written.
    folder: Path | None = setting(
        None,
        "Folder for result.json, counts.npz and pictures; with several protocols, for a folder of each.",
        flag="--out",
    )
    pictures: int = setting(
        0, "Episodes to draw into `folder`, evenly spread from the best to the worst.", low=0, high=MOST_PICTURES
    )
    worst: int = setting(0, "Episodes with the lowest IoU to draw into `folder`.", low=0, high=MOST_PICTURES)
    command: str | None = setting(None, "What repeats the run, for the result.", flag=None)

    def __post_init__(self) -> None:
        check(self)


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
