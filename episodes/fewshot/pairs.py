"""The ordered list of (image, class) pairs that episodes are drawn from."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from episodes.data.class_index import fingerprint
from episodes.data.source import Source, Split
from episodes.errors import InputError
from episodes.fewshot.fold_classes import Order, novel_and_base

Pair = tuple[str, int]
LINE = "<image id>__<class, two digits>"
ANY_SIZE = ", queries of any size"
"""End of the rule of such query pairs."""
Absent = Literal["error", "leave out", "keep"]


@dataclass(frozen=True)
class Pairs:
    """(image id, class) pairs in the order that drawing relies on.

    Attributes:
        items: The pairs.
        rule: Where they come from: the names of the list files, or `min_pixels=N`.
        missing: Pairs of the list files left out because their photograph is not there.

    >>> pairs = Pairs((("a", 1), ("b", 2), ("c", 1)), rule="min_pixels=2048")
    >>> pairs.of([1]).items
    (('a', 1), ('c', 1))
    >>> pairs.by_class
    {1: ('a', 'c'), 2: ('b',)}
    """

    items: tuple[Pair, ...]
    rule: str
    missing: tuple[Pair, ...] = ()

    @cached_property
    def sha256(self) -> str:
        """SHA-256, in hexadecimal, over the pairs as used, one line `<id>__<class, two digits>` each."""
        return fingerprint(f"{id}__{label:02d}" for id, label in self.items)

    @cached_property
    def by_class(self) -> Mapping[int, tuple[str, ...]]:
        """Class -> ids that show it, in order; classes ascend, and those without a pair are absent."""
        ids: dict[int, list[str]] = {label: [] for label in sorted({label for _, label in self.items})}
        for id, label in self.items:
            ids[label].append(id)
        return {label: tuple(shown) for label, shown in ids.items()}

    @cached_property
    def ids(self) -> frozenset[str]:
        """The images, each once."""
        return frozenset(id for id, _ in self.items)

    def of(self, classes: Collection[int]) -> "Pairs":
        """The pairs of these classes alone, in the same order, and of the missing ones likewise."""
        kept = [tuple(pair for pair in pairs if pair[1] in classes) for pairs in (self.items, self.missing)]
        return replace(self, items=kept[0], missing=kept[1])


def pairs_from_areas(
    source: Source,
    split: Split,
    role: Literal["support", "query"],
    classes: Collection[int],
    min_pixels: int = 2048,
    any_size: bool = False,
) -> Pairs:
    """The pairs whose class covers at least `min_pixels` pixels at the photograph's own size.

    2048 = 2 * 32 * 32 is PFENet's rule. With `any_size`, a photograph that has such a pair makes one with each of its
    classes, however small: so do PFENet and SSP choose the class of a query. Order: the source's ids, then the class
    number.

    Raises:
        InputError: `min_pixels` below 1, a class that the source does not have, or a photograph that is not there.
    """
    if min_pixels < 1:
        raise InputError(f"min_pixels is {min_pixels}: a pair needs at least 1 pixel of its class")
    if unknown := set(classes) - set(range(1, len(source.classes) + 1)):
        raise InputError(f"class {min(unknown)} does not exist: {source.name} has 1..{len(source.classes)}")
    items: list[Pair] = []
    for id in source.ids(split, role):
        areas = {label: pixels for label, pixels in sorted(source.classes_in(id).items()) if label in classes}
        large = [label for label, pixels in areas.items() if pixels >= min_pixels]
        items += [(id, label) for label in (areas if any_size and large else large)]
    for id in dict(items):
        if not source.has(id):
            raise InputError(
                f"{source.name} lists {id}, but its photograph is missing: complete the folder or the list"
            )
    return Pairs(tuple(items), rule=f"min_pixels={min_pixels}{ANY_SIZE if any_size else ''}")


def pairs_from_lists(
    source: Source,
    folder: Path,
    split: Split,
    folds: Sequence[int],
    absent: Absent = "error",
    order: Order = "contiguous",
) -> Pairs:
    """The pairs of the files `{split}_fold{f}.txt` in fold order, lines `<image id>__<class, two digits>`.

    Classes count from 1, and each file lists its fold's own ones. For novel classes `folds` is that one fold;
    for base training, it is all the others.

    Args:
        source: Has the photographs; its number of classes, with `order`, says which classes a file may hold.
        folder: Holds the files.
        split: Start of the file names, `train` or `val`.
        folds: Of four, 0..3.
        absent: What becomes of pairs whose photograph is not there: an `error`; `leave out`, and count them in
            `missing`; or `keep` them, as if they were there.
        order: How classes are dealt into folds.

    Raises:
        InputError: A missing file, a malformed line, a class of another fold, a pair listed twice, a
            photograph that is not there, or a pair whose class has no pixel in its mask.
    """
    paths = {fold: Path(folder) / f"{split}_fold{fold}.txt" for fold in sorted(folds)}
    listed: dict[Pair, Path] = {}
    for fold, path in paths.items():
        own, _ = novel_and_base(len(source.classes), fold, order=order)
        for number, pair in _read_list(path, fold, own):
            if pair in listed:
                raise InputError(f"{path}, line {number}: {pair[0]} with class {pair[1]} is listed twice")
            listed[pair] = path

    there = {id: source.has(id) for id, _ in listed}
    items = tuple(pair for pair in listed if there[pair[0]])
    missing = tuple(pair for pair in listed if not there[pair[0]])
    if missing and (absent == "error" or not items):
        first = next(id for id in there if not there[id])
        fix = "check the folder" if absent != "error" else "complete it, or leave them out with `allow_missing`"
        raise InputError(
            f"{source.name} lacks the photograph or mask of {len(missing)} of {len(listed)} listed pairs, "
            f"for example {first}: {fix}"
        )
    for id, label in items:
        if label not in source.classes_in(id):
            raise InputError(
                f"{listed[id, label]} lists {id} with class {label}, but its mask has no pixel of it: "
                "list and masks do not match"
            )
    rule = "pair list: " + " + ".join(path.name for path in paths.values())
    return Pairs(tuple(listed), rule) if absent == "keep" else Pairs(items, rule, missing)


def _read_list(path: Path, fold: int, own: Collection[int]) -> list[tuple[int, Pair]]:
    """Line numbers and pairs of one file; blank lines and spaces around a line are let pass."""
    if not path.is_file():
        raise InputError(f"there is no pair list {path}: it should hold lines {LINE}")
    pairs: list[tuple[int, Pair]] = []
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    for number, line in enumerate(text.splitlines(), start=1):
        if match := re.fullmatch(r"\s*(\S+)__([0-9]{2})\s*", line):
            pairs.append((number, (match[1], int(match[2]))))
        elif line.strip():
            raise InputError(f"{path}, line {number}: {line.strip()!r} is invalid: write {LINE}")
    found = {label for _, (_, label) in pairs}
    if not found <= set(own):
        # Lists that count classes from 0 are about; to add 1 unasked would hide a list of another fold.
        fix = "add 1 to each" if found <= {label - 1 for label in own} else "rename or correct the file"
        raise InputError(
            f"{path} holds classes {_in_words(found)}, but fold {fold} has {_in_words(own)}, counted from 1: {fix}"
        )
    return pairs


def _in_words(labels: Collection[int]) -> str:
    return ", ".join(map(str, sorted(labels)))
