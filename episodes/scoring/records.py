"""What each photograph of a run was counted as, kept so that intervals and comparisons run nothing twice."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from episodes.arrays import Kind, read_arrays
from episodes.errors import InputError
from episodes.fewshot.episode import EpisodeSpec
from episodes.files import atomic_write
from episodes.scoring.metrics import Score
from episodes.scoring.protocols import Protocol

COUNTS = "counts.npz"
"""The file beside `result.json`."""
NEGATIVES = "negatives.npz"
"""The same of the episodes whose queries do not show the class."""
WRONG = "wrong_support.npz"
"""The same of the queries under wrong supports; the rows of a matrix are the classes of the ordinary episode."""

KINDS = {
    "episodes": Kind("U", 1),
    "seed": Kind("i", 1),
    "episode": Kind("i", 1),
    "slot": Kind("i", 1),
    "matrix": Kind("i", 3),
    "presence": Kind("f", 2),
}
"""What is in both; see `Records.write`."""
MOST_PIXELS = 1 << 40
"""No photograph has more, and sums of so many do not overflow."""

Role = Literal["query", "support"]


class Record(NamedTuple):
    """One label map that was scored.

    Attributes:
        spec: The episode.
        slot: Which of its photographs, see `EpisodeSpec.slots`.
        matrix: Its confusion counts (N+1, N+1), see `confusion`.
        seed: Of the run that the episode belongs to.
        presence: For each way, how sure the method is that the photograph shows it; empty if the method does not say.
    """

    spec: EpisodeSpec
    slot: int
    matrix: Tensor
    seed: int = 0
    presence: tuple[float, ...] = ()

    @property
    def photograph(self) -> str:
        """The id of the photograph."""
        return self.spec.slots[self.slot]

    @property
    def role(self) -> Role:
        """What it was in the episode."""
        return "support" if self.slot < len(self.spec.slots) - len(self.spec.queries) else "query"


@dataclass(frozen=True)
class Records:
    """All records of a run, in the order of seed, episode and slot.

    Attributes:
        rows: The records.
    """

    rows: tuple[Record, ...]

    @classmethod
    def of(cls, records: Iterable[Record]) -> "Records":
        """Records in any order."""
        return cls(tuple(sorted(records, key=lambda row: (row.seed, row.spec.index, row.slot))))

    def role(self, role: Role) -> "Records":
        """Those of the queries or of the supports."""
        return Records(tuple(row for row in self.rows if row.role == role))

    def scores(self, names: Mapping[int, str], rules: Protocol) -> dict[int, Score]:
        """Seed -> the score of that run."""
        scores: dict[int, Score] = {}
        for row in self.rows:
            score = scores.setdefault(row.seed, rules.score(names))
            score.add(row.spec.classes, row.matrix)
        return scores

    def write(self, file: Path) -> None:
        """Write atomically, as arrays that any numpy reads.

        `episodes` (E): a JSON line each, as in a manifest. For each row `seed`, `episode` (its place in `episodes`),
        `slot`, `matrix` (N+1, N+1), row is truth, 0 is background, and `presence` (N), NaN where the method does not
        say; where ways differ, the smaller are padded by 0 or NaN.
        """
        positions: dict[EpisodeSpec, int] = {}
        for row in self.rows:
            positions.setdefault(row.spec, len(positions))
        size = max((len(row.matrix) for row in self.rows), default=2)
        matrices = np.zeros((len(self.rows), size, size), np.int64)
        presence = np.full((len(self.rows), size - 1), np.nan)
        for row_index, row in enumerate(self.rows):
            matrices[row_index, : len(row.matrix), : len(row.matrix)] = row.matrix.numpy()
            presence[row_index, : len(row.presence)] = row.presence
        arrays = {
            "episodes": np.array([spec.line() for spec in positions], dtype=np.str_),
            "seed": np.array([row.seed for row in self.rows], np.int64),
            "episode": np.array([positions[row.spec] for row in self.rows], np.int64),
            "slot": np.array([row.slot for row in self.rows], np.int64),
            "matrix": matrices,
            "presence": presence,
        }
        with atomic_write(file) as temporary, temporary.open("wb") as stream:
            np.savez_compressed(stream, allow_pickle=False, **arrays)

    @classmethod
    def read(cls, file: Path) -> "Records":
        """What `write` wrote.

        Raises:
            InputError: if the file is not there, or is not such a file.
        """
        arrays = read_arrays(file, KINDS)
        try:
            return cls.of(_rows(arrays))
        except (KeyError, ValueError) as error:
            reason = f"no {error.args[0]}" if isinstance(error, KeyError) else error
            raise InputError(f"{file} cannot be read ({reason}): run `srpnet eval` again") from None


def _rows(arrays: Mapping[str, NDArray[Any]]) -> list[Record]:
    """The records of such arrays.

    Raises:
        KeyError, ValueError: if an array is missing, or they are not as `Records.write` makes them.
    """
    specs = [EpisodeSpec.of_line(str(line)) for line in arrays["episodes"]]
    seeds, episodes, slots = (arrays[name].astype(np.int64) for name in ("seed", "episode", "slot"))
    matrices = arrays["matrix"].astype(np.int64)
    count, size = len(seeds), matrices.shape[-1]
    # Runs before there was presence have none.
    presence = arrays.get("presence", np.full((count, size - 1), np.nan))
    shapes = [array.shape for array in (episodes, slots, matrices, presence)]
    if not count or shapes != [(count,), (count,), (count, size, size), (count, size - 1)]:
        raise ValueError(f"{count} seeds are not for arrays of {shapes}")
    if len(set(specs)) != len(specs):
        raise ValueError("an episode is duplicated")
    if not 0 <= episodes.min() <= episodes.max() < len(specs):
        raise ValueError("a label map refers to an episode that does not exist")
    if not 0 <= matrices.min() <= matrices.max() <= MOST_PIXELS:
        raise ValueError(f"a count is not in 0..{MOST_PIXELS}")
    ways = np.array([len(spec.classes) for spec in specs])[episodes]
    beyond = np.arange(size) > ways[:, None]
    if ways.max() >= size or matrices[beyond[:, :, None] | beyond[:, None, :]].any():
        raise ValueError("a matrix does not fit the ways of its episode")
    if (np.isnan(presence) < beyond[:, 1:]).any() or np.isinf(presence).any():
        raise ValueError("a presence score is infinite, or missing for a way")
    rows = []
    for row_index, (seed, episode, slot) in enumerate(np.stack([seeds, episodes, slots], axis=1).tolist()):
        said = tuple(presence[row_index, : ways[row_index]].tolist())
        if any(map(math.isnan, said)):
            if not all(map(math.isnan, said)):
                raise ValueError("a presence score is missing")
            said = ()
        if not 0 <= slot < len(specs[episode].slots):
            raise ValueError(f"episode {specs[episode].index} has no slot {slot}")
        matrix = torch.from_numpy(matrices[row_index, : ways[row_index] + 1, : ways[row_index] + 1])
        rows.append(Record(specs[episode], slot, matrix, seed, said))
    if len({(row.seed, row.spec, row.slot) for row in rows}) != len(rows):
        raise ValueError("a label map is duplicated")
    return rows


def difference(own: Sequence[Record], other: Sequence[Record]) -> str | None:
    """What two lists of records do not have in common, in words; None if they score the same photographs."""
    if len(own) != len(other):
        return f"{len(own)} label maps were scored, and {len(other)}"
    for first, second in zip(own, other, strict=True):
        if (first.seed, first.slot, first.spec) != (second.seed, second.slot, second.spec):
            return f"the first difference is episode {first.spec.index} of seed {first.seed}"
    return None
