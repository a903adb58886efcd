"""Records of a data set that are skipped or adapted: counted, named, and refused if there are many."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self, runtime_checkable

from episodes.data.source import Split
from episodes.errors import InputError
from episodes.names import for_display

SHARE = 0.1
"""If more than this share of the records of one kind has to be skipped, the data are refused."""
EXAMPLES = 3
"""Records that are named of each kind."""


@dataclass(frozen=True)
class Remark:
    """Records of one kind.

    Attributes:
        what: The kind, in the plural: `annotations without a shape`.
        count: How many there are.
        total: Of how many records.
        examples: Names of the first few.
        passed_over: Whether they are left out. If not, they are used, in the way that `what` says.
        share: The largest share of them that may be skipped; a single one of several always may.
    """

    what: str
    count: int
    total: int
    examples: tuple[str, ...] = ()
    passed_over: bool = True
    share: float = SHARE

    @classmethod
    def read(cls, record: dict[str, Any]) -> Self:
        """From the fields as JSON has them."""
        return cls(**record | {"examples": tuple(record["examples"])})

    @property
    def counted(self) -> str:
        """The kind, how many, and the first few."""
        named = "; ".join(for_display(example, 200) for example in self.examples)
        more = "; ..." if self.count > len(self.examples) else ""
        return f"{self.what}: {self.count:,} of {self.total:,} ({named}{more})"

    def __str__(self) -> str:
        return f"{self.counted}, skipped" if self.passed_over else self.counted

    def refusal(self, strict: bool = False) -> str:
        """Why so many are an error, and what to do."""
        limit = "with strict none may be skipped" if strict else f"at most {100 * self.share:.0f} % may be skipped"
        return f"{self}: {limit}; fix or remove them"

    def refused(self, strict: bool = False) -> bool:
        """Whether so many are an error; with `strict`, a single one is."""
        if not self.passed_over or not self.count:
            return False
        return strict or self.count == self.total or (self.count > 1 and self.count > self.share * self.total)


@runtime_checkable
class Remarked(Protocol):
    """A source that skips what it cannot use."""

    def remarks(self, split: Split) -> Sequence[Remark]:
        """All that it has to say of a split, as often as it is asked; the first time, every file is looked at."""
        ...


@dataclass
class Tally:
    """Counts records by kind, in the order in which the kinds come up."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, kind: str, example: str) -> None:
        """One more."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        named = self.examples.setdefault(kind, [])
        if len(named) < EXAMPLES:
            named.append(example)

    def remark(self, kind: str, total: int, passed_over: bool = True, share: float = SHARE) -> Remark:
        """What there is to say of a kind."""
        return Remark(kind, self.counts.get(kind, 0), total, tuple(self.examples.get(kind, ())), passed_over, share)


def check_remarks(name: str, remarks: Iterable[Remark], strict: bool = False) -> None:
    """Check that not too much of a source is skipped.

    Raises:
        InputError: The first kind of which there is more than its share, or with `strict` any at all.
    """
    for remark in remarks:
        if remark.refused(strict):
            raise InputError(f"{name}: {remark.refusal(strict)} (`srpnet data check` shows all)")
