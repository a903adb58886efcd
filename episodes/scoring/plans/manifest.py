"""Episodes in a file: a header line that says where they come from, then one `EpisodeSpec` a line (JSON Lines)."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, get_args

from episodes.checks import LARGEST_SEED, check_choice, check_type, check_whole, shown
from episodes.data import data_set
from episodes.data.source import Crowded, Crowds, FoldNumber, Split
from episodes.errors import InputError
from episodes.fewshot.episode import EpisodeSpec
from episodes.fewshot.fold_classes import Order
from episodes.fewshot.folds import Fold, Pools
from episodes.fewshot.sampler import Sampler
from episodes.fewshot.settings import DataSettings, Drawing
from episodes.files import write_text
from episodes.inputs import parse_json, read_text
from episodes.scoring.protocols import Protocol

SCHEMA = 1
MOST_EPISODES = 10_000_000
LONGEST_RULE = 1000
"""Characters of what describes the pairs."""


@dataclass(frozen=True)
class Header:
    """Where the episodes of a manifest come from.

    Attributes:
        manifest: Version of the format.
        source: Name of the data set, such as `pascal`; where it lies differs from machine to machine.
        fold, folds, fold_order: Which classes are novel.
        classes: Label -> name of those that are tested.
        protocol: Whose rules drew them.
        split, drawing: The rules, see `Protocol`.
        way, shot, queries: N, K and Q.
        seed: Of the first run.
        seeds: How many runs, each with the seed after the one before; the episodes of all stand one run after another.
        episodes: How many of each run.
        pairs: The rule that chose (image, class) pairs, how many, and the hashes that fix them.
        replacement: Whether supports were drawn with replacement; only written where they were.
        crowds: What COCO's crowds were; only written where they were not ignored.
    """

    prefix: ClassVar[str] = "header."  # whose values are not those that a command is given

    manifest: int
    source: str
    fold: FoldNumber
    folds: int
    fold_order: Order
    classes: Mapping[str, str]
    protocol: str
    split: Split
    drawing: Drawing
    way: int
    shot: int
    queries: int
    seed: int
    seeds: int
    episodes: int
    pairs: Mapping[str, Any]
    replacement: bool = False
    crowds: Crowds = "ignore"

    def __post_init__(self) -> None:
        check_type(self, str, "source", "protocol", "split", "drawing", "fold_order")
        check_type(self, Mapping, "classes", "pairs")
        check_whole(self, 1, 1000, "folds", "way", "shot", "queries", "seeds")
        check_whole(self, 1, MOST_EPISODES, "episodes")
        check_whole(self, -LARGEST_SEED, LARGEST_SEED, "seed")
        check_type(self, bool, "replacement")
        check_choice(self, get_args(Crowds), "crowds")
        for name, value in self.pairs.items():
            if type(value) is not int and not (isinstance(value, str) and len(value) <= LONGEST_RULE):
                raise InputError(f"`header.pairs` must be whole numbers and text, not {name}: {shown(value)}")
        if self.fold != "all":
            check_whole(self, 0, 1000, "fold")
        for label, name in self.classes.items():
            if not (label.isascii() and label.isdecimal() and label == f"{int(label)}" and isinstance(name, str)):
                raise InputError(f"`header.classes` must be numbers with names, not {shown(label)}: {shown(name)}")

    @cached_property
    def labels(self) -> frozenset[int]:
        """Of the classes that are tested."""
        return frozenset(map(int, self.classes))

    def fault(self, spec: EpisodeSpec) -> str | None:
        """What an episode has that this header does not allow, in words; None if there is nothing."""
        if len(spec.classes) != self.way:
            return f"{len(spec.classes)} classes, where the header says way {self.way}"
        if others := [label for label in spec.classes if label not in self.labels]:
            return f"class {shown(others[0])} is not among the header's classes"
        if others := [len(ids) for ids in spec.supports if len(ids) != self.shot]:
            return f"{others[0]} supports of a class, where the header says shot {self.shot}"
        if len(spec.queries) != self.queries:
            return f"{len(spec.queries)} queries, where the header says {self.queries}"
        if not self.repeats and any(len(set(ids)) < len(ids) for ids in spec.supports):
            return "the same support twice, where the header says without replacement"
        return None

    @classmethod
    def of(
        cls, fold: Fold, data: DataSettings, sampler: Sampler, rules: Protocol, classes: Collection[int]
    ) -> "Header":
        """The header of what a sampler draws of a fold by a protocol, of these classes."""
        return cls(
            manifest=SCHEMA,
            source=data_set(data.data).name,
            fold=data.fold,
            folds=data.folds,
            fold_order=data.fold_order,
            classes={str(label): name for label, name in fold.names(classes).items()},
            protocol=rules.name,
            split=rules.split,
            drawing=rules.drawing,
            way=sampler.way,
            shot=sampler.shot,
            queries=sampler.query_count,
            seed=sampler.seed,
            seeds=rules.seeds,
            episodes=rules.episodes,
            pairs=Pools(sampler.supports, sampler.queries).record(),
            replacement=sampler.replacement,
            crowds=fold.source.crowds if isinstance(fold.source, Crowded) else "ignore",
        )

    @property
    def repeats(self) -> bool:
        """Whether an episode may hold a support twice."""
        return self.replacement or self.drawing == "hsnet-seed0"

    def line(self) -> str:
        """The header as one line of JSON: the same bytes on every machine."""
        fields = asdict(self)
        for name, usual in (("replacement", False), ("crowds", "ignore")):
            if fields[name] == usual:  # as before there were these fields
                del fields[name]
        return json.dumps(fields, ensure_ascii=False)

    def difference(self, other: "Header") -> str | None:
        """What differs in another header, in words; None if nothing that episodes depend on does."""
        own, others = asdict(self), asdict(other)
        own |= {f"pairs {name}": value for name, value in own.pop("pairs").items()}
        others |= {f"pairs {name}": value for name, value in others.pop("pairs").items()}
        for name in sorted({**own, **others}, key=lambda name: "sha256" in name):
            if own.get(name) != others.get(name):
                return f"{name} {own.get(name)}, not {others.get(name)}"
        return None


@dataclass(frozen=True)
class Manifest:
    """A header and its episodes, run by run.

    Attributes:
        header: Where they come from.
        specs: `header.seeds * header.episodes` of them; the index counts them from 0.
    """

    header: Header
    specs: Sequence[EpisodeSpec]

    def runs(self) -> Iterator[tuple[int, Sequence[EpisodeSpec]]]:
        """Seed and episodes of each run."""
        count = self.header.episodes
        for run in range(self.header.seeds):
            yield self.header.seed + run, self.specs[run * count : (run + 1) * count]

    def write(self, file: Path) -> None:
        """Write atomically: the same bytes on every machine."""
        lines = [self.header.line(), *(spec.line() for spec in self.specs)]
        write_text(file, "".join(f"{line}\n" for line in lines))

    @classmethod
    def read(cls, file: Path) -> "Manifest":
        """What `write` wrote, or anybody else by the same rules.

        Raises:
            InputError: if it cannot be read, is not a manifest, or a line does not hold what the header says.
        """
        fix = "name a file of `srpnet episodes export`"
        # Not `splitlines`: an id may hold what Unicode calls the end of a line.
        first, *lines = read_text(file, fix).removesuffix("\n").split("\n")
        try:
            fields = parse_json(first)
            if type(version := fields["manifest"]) is not int or version != SCHEMA:
                version = shown(version)
                raise InputError(f"{file} is of version {version}, and this program reads version {SCHEMA}: update it")
        except (ValueError, TypeError, KeyError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{file} is not a manifest ({error}): {fix}") from None
        try:
            header = Header(**fields)
        except (ValueError, TypeError) as error:
            raise InputError(f"{file} is not a manifest, line 1: {error}; {fix}") from None
        if len(lines) != header.seeds * header.episodes:
            raise InputError(
                f"{file} says {header.seeds} x {header.episodes} episodes and holds {len(lines)}: export it again"
            )
        specs = []
        for number, line in enumerate(lines):
            try:
                spec = EpisodeSpec.of_line(line)
            except ValueError as error:
                raise InputError(f"{file}, line {number + 2}: {error}") from None
            if spec.index != number:
                raise InputError(f"{file}, line {number + 2}: episode {shown(spec.index)} is out of order")
            if fault := header.fault(spec):
                raise InputError(f"{file}, line {number + 2}: {fault}: export it again")
            specs.append(spec)
        return cls(header, specs)

    def check_pairs(self, sampler: Sampler, names: Mapping[int, str], file: str | None) -> None:
        """See that all photographs show their classes, by the pairs of the fold.

        Args:
            sampler: Has the pairs.
            names: Label -> name of the classes.
            file: For the message.

        Raises:
            InputError: if one does not; it names the line.
        """
        supports, queries = (
            {label: frozenset(ids) for label, ids in pairs.by_class.items()}
            for pairs in (sampler.supports, sampler.queries)
        )
        for line, spec in enumerate(self.specs, start=2):
            for label, ids in zip(spec.classes, spec.supports, strict=True):
                if strange := [id for id in ids if id not in supports.get(label, ())]:
                    raise _not_a_pair(f"{file}, line {line}: {strange[0]!r} is no support", names[label])
            able = [queries.get(label, frozenset()) for label in spec.classes]
            if strange := [id for id in spec.queries if not any(id in ids for ids in able)]:
                which = " or ".join(names[label] for label in spec.classes)
                raise _not_a_pair(f"{file}, line {line}: {strange[0]!r} is no query", which)


def _not_a_pair(what: str, name: str) -> InputError:
    return InputError(f"{what} of {name} by the pairs of the fold: export it again")
