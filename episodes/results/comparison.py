"""Two runs over the same episodes: by how much one is better, and how sure that is."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from episodes.errors import InputError
from episodes.results.bootstrap import FIGURES, Interval, Resampling, intervals, mean_figures
from episodes.results.run import Run
from episodes.results.wrong_support import Paired
from episodes.scoring.records import difference

EARLIER = {"naming": "pixels"}
"""Settings that a comparison tells if they differ, and what runs did before there was the setting."""


@dataclass(frozen=True)
class Difference:
    """One figure of two runs, as fractions; NaN where it does not exist.

    Attributes:
        name: `mIoU`, `FB-IoU` or a class.
        first, second: The figure of each run, its mean over the seeds.
        interval: The middle 95 % of second - first over the replicates; None if there are too few photographs.
        drawn: False for a class that no episode drew.
    """

    name: str
    first: float
    second: float
    interval: Interval | None
    drawn: bool = True

    @property
    def difference(self) -> float:
        """Second - first."""
        return self.second - self.first

    @property
    def sure(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.interval is not None and not self.interval.low <= 0 <= self.interval.high


def compare(first: Path, second: Path, resampling: Resampling | None = None) -> list[Difference]:
    """Compare two runs by the same replicates: mIoU, FB-IoU, each class, then what both found under wrong supports.

    Args:
        first, second: Folders of `srpnet eval --out`.
        resampling: How replicates are drawn; the default is `Resampling()`.

    Raises:
        InputError: if a folder holds no run, or the two did not score the same episodes by the same rules.
    """
    runs = [Run.read(first), Run.read(second)]
    names, rules = runs[0].names, runs[0].rules
    rows = [run.records.role("query").rows for run in runs]
    if runs[1].rules != rules:
        own, other = rules.table(), runs[1].rules.table()
        what = next((name for name in own if own[name] != other[name]), "protocol")
        raise InputError(f"{first} and {second} were scored by different rules ({what}): compare runs of one protocol")
    if runs[1].names != names:
        raise InputError(
            f"{first} and {second} tested different classes: compare runs of the same `classes` and `fold`"
        )
    if found := difference(*rows):
        raise InputError(
            f"{first} and {second} scored different episodes ({found}): use the same seed, shots and lists"
        )
    first_figures, second_figures = (
        mean_figures(list(run.records.role("query").scores(names, rules).values())) for run in runs
    )
    named = [*FIGURES, *names.values()]
    replicates = (resampling or Resampling()).figures(rows, names, rules)
    keys = [str(number) for number in range(len(named))]  # a class may be called mIoU
    spread = intervals(None if replicates is None else replicates[:, 1] - replicates[:, 0], keys).values()
    return [
        Difference(name, one, two, interval, name not in runs[0].not_drawn)
        for name, one, two, interval in zip(named, first_figures, second_figures, spread, strict=True)
    ] + _wrong_supports(runs[0], runs[1], resampling or Resampling())


def differing(first: Path, second: Path) -> dict[str, tuple[str, str]]:
    """The settings of `EARLIER` in which two runs differ -> what each has. With one way none of them counts.

    Raises:
        InputError: if a folder holds no run.
    """
    settings = [Run.read(folder).content["settings"] for folder in (first, second)]
    several = any(of_run.get("way", 1) != 1 for of_run in settings)
    values = {name: tuple(str(of_run.get(name, old)) for of_run in settings) for name, old in EARLIER.items()}
    return {name: (one, two) for name, (one, two) in values.items() if several and one != two}


def _wrong_supports(first: Run, second: Run, resampling: Resampling) -> list[Difference]:
    """The mIoU under wrong supports and the gap to that under right ones, if both runs have the same of them."""
    if not first.wrong.rows or difference(first.wrong.rows, second.wrong.rows):
        return []
    names, rules = first.names, first.rules
    pairs = [Paired.of(run.records, run.wrong) for run in (first, second)]
    figures = np.array([pair.figures(names, rules) for pair in pairs])[None, :, :, 0]
    replicates = resampling.figures([rows for pair in pairs for rows in pair], names, rules)
    found = []
    for name, weights in (("mIoU, wrong support", (0, 1)), ("gap to the wrong support", (1, -1))):
        (one, two), *_ = figures @ weights
        drawn = None if replicates is None else replicates[:, :, 0].reshape(-1, 2, 2) @ weights
        (interval,) = intervals(None if drawn is None else drawn[:, 1:] - drawn[:, :1], [name]).values()
        found.append(Difference(name, float(one), float(two), interval))
    return found
