"""What each photograph of a run was counted as, kept so that intervals and comparisons run nothing twice."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from episodes.episode import EpisodeSpec
from episodes.errors import InputError
from episodes.files import atomic_write
from episodes.metrics import Score
from episodes.protocols import Protocol

COUNTS = "counts.npz"
"""The file beside `result.json`."""
NEGATIVES = "negatives.npz"
"""The same of the episodes whose queries do not show the class."""

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
        places: dict[EpisodeSpec, int] = {}
        for row in self.rows:
            places.setdefault(row.spec, len(places))
        size = max((len(row.matrix) for row in self.rows), default=2)
        matrices = np.zeros((len(self.rows), size, size), np.int64)
        presence = np.full((len(self.rows), size - 1), np.nan)
        for place, row in enumerate(self.rows):
            matrices[place, : len(row.matrix), : len(row.matrix)] = row.matrix.numpy()
            presence[place, : len(row.presence)] = row.presence
        arrays = {
            "episodes": np.array([spec.line() for spec in places], dtype=np.str_),
            "seed": np.array([row.seed for row in self.rows], np.int64),
            "episode": np.array([places[row.spec] for row in self.rows], np.int64),
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
        try:
            with np.load(file, allow_pickle=False) as arrays:
                specs = [EpisodeSpec.of_line(str(line)) for line in arrays["episodes"]]
                columns = [arrays[name].tolist() for name in ("seed", "episode", "slot")]
                matrices = torch.from_numpy(arrays["matrix"])
                # Runs before there was presence have none.
                columns.append(arrays["presence"].tolist() if "presence" in arrays else [[]] * len(matrices))
            rows = []
            for seed, episode, slot, presence, matrix in zip(*columns, matrices, strict=True):
                ways = len(specs[episode].classes) + 1
                said = tuple(score for score in presence if not math.isnan(score))
                rows.append(Record(specs[episode], slot, matrix[:ways, :ways], seed, said))
            return cls(tuple(rows))
        except FileNotFoundError:
            raise InputError(f"there is no {file}: name a folder that `srpnet eval --out` wrote") from None
        except (OSError, EOFError, BadZipFile, ValueError, KeyError, IndexError, TypeError) as error:
            raise InputError(f"{file} cannot be read ({error}): run `srpnet eval` again") from None


def difference(own: Sequence[Record], other: Sequence[Record]) -> str | None:
    """What two lists of records do not have in common, in words; None if they score the same photographs."""
    if len(own) != len(other):
        return f"{len(own)} label maps were scored, and {len(other)}"
    for first, second in zip(own, other, strict=True):
        if (first.seed, first.slot, first.spec) != (second.seed, second.slot, second.spec):
            return f"the first difference is episode {first.spec.index} of seed {first.seed}"
    return None
