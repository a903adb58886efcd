"""Is a data folder as it should be? Every listed file is looked at, and every finding says how to mend it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from episodes.errors import InputError
from episodes.sources import open_source
from episodes.sources.base import OnProgress, Source, Split, silent
from episodes.sources.coco import Coco
from episodes.sources.pairs import pairs_from_lists

Weight = Literal["error", "note"]

PHOTOGRAPHS: Mapping[str, Mapping[Split, Sequence[int]]] = {
    "pascal": {"train": (10582, 1464), "val": (1449,)},
    "coco": {"train": (82783, 118287), "val": (40504, 5000)},
    "fss": {"train": (5200,), "val": (4800,)},
}
"""How many photographs the splits have: VOC 2012 with SBD, or alone; COCO 2014, or 2017; FSS-1000."""
CLASSES = {"pascal": 20, "coco": 80, "fss": 1000}
PAIRS: Mapping[Split, Sequence[int]] = {"train": (2286, 3425, 5883, 2086), "val": (346, 451, 725, 346)}
"""How many pairs the common lists of PASCAL-5i have, fold by fold."""


@dataclass(frozen=True)
class Finding:
    """Something that is not as expected.

    Attributes:
        weight: An `error` stops work that needs the file; a `note` is worth knowing.
        text: What, where, and how to mend it.
    """

    weight: Weight
    text: str


@dataclass(frozen=True)
class Diagnosis:
    """What was found in a data folder.

    Attributes:
        source: Its name.
        facts: What is there, in words.
        findings: What is not as expected, errors first.
    """

    source: str
    facts: Sequence[str]
    findings: Sequence[Finding]

    @property
    def errors(self) -> int:
        """How many findings are errors."""
        return sum(finding.weight == "error" for finding in self.findings)


def check(data: str, pairs: Path | None = None, on_progress: OnProgress = silent) -> Diagnosis:
    """Look at the layout, at the lists, and at every photograph with its mask.

    Args:
        data: `pascal:PATH`, `coco:PATH`, `fss:PATH` or `stickers`.
        pairs: Folder of pair lists to check beside it.
        on_progress: Told how far it is.
    """
    findings: list[Finding] = []
    splits: dict[Split, Sequence[str]] = {}
    try:
        source = open_source(data, on_progress)
        for split in get_args(Split):
            if isinstance(source, Coco) and split not in source.splits:
                findings.append(Finding("note", f"there are no annotations for {split}"))
            else:
                splits[split] = source.ids(split)
    except InputError as error:  # without its layout nothing else can be looked at
        return Diagnosis(data, [], [*findings, Finding("error", str(error))])
    kind = data.partition(":")[0]
    known = sum(1 for name in source.classes if name)
    facts = [f"classes: {known}", *(f"photographs of {split}: {len(ids)}" for split, ids in splits.items())]
    findings += _counts(kind, known, splits)
    if shared := sorted(set(splits.get("train", ())) & set(splits.get("val", ()))):
        findings.append(Finding("error", f"{shared[0]} is listed in train and in val{_more(shared)}: list it once"))
    shown: Counter[int] = Counter()
    for split, ids in splits.items():
        faults, seen = _photographs(source, split, ids, on_progress)
        findings += faults
        shown += seen
    if nowhere := [name for label, name in enumerate(source.classes, start=1) if name and not shown[label]]:
        findings.append(Finding("note", f"no photograph shows {', '.join(nowhere[:5])}{_more(nowhere, 5)}"))
    if pairs is not None:
        found, listed = _pairs(source, kind, pairs)
        findings += found
        facts += listed
    return Diagnosis(data, facts, sorted(findings, key=lambda finding: finding.weight))


def _counts(kind: str, classes: int, splits: Mapping[Split, Sequence[str]]) -> Iterable[Finding]:
    if kind in CLASSES and classes != CLASSES[kind]:
        yield Finding("note", f"{classes} classes, where the whole data set has {CLASSES[kind]}")
    for split, ids in splits.items():
        if (expected := PHOTOGRAPHS.get(kind, {}).get(split)) and len(ids) not in expected:
            whole = " or ".join(f"{count:,}" for count in expected)
            yield Finding("note", f"{split} lists {len(ids):,} photographs, where the whole data set has {whole}")


def _photographs(
    source: Source, split: Split, ids: Sequence[str], on_progress: OnProgress
) -> tuple[list[Finding], Counter[int]]:
    """Faults of photographs and masks, at most three of a kind in full; and how many show each class."""

    def look(id: str) -> str | list[int]:
        try:
            labels: list[int] = np.unique(source.load(id)[1]).tolist()
        except InputError as error:
            return str(error)
        return labels

    faults: dict[str, list[str]] = {}
    shown: Counter[int] = Counter()
    with ThreadPoolExecutor() as pool:
        for done, found in enumerate(pool.map(look, ids), start=1):
            if isinstance(found, str):
                faults.setdefault(found.rpartition(": ")[2], []).append(found)  # the mend tells the kind
            else:
                shown.update(found)
            on_progress(f"Looking at the {split} photographs", done, len(ids))
    return [
        Finding("error", text + (_more(alike, 3) if place == 2 else ""))
        for alike in faults.values()
        for place, text in enumerate(alike[:3])
    ], shown


def _pairs(source: Source, kind: str, folder: Path) -> tuple[list[Finding], list[str]]:
    findings, facts = [], []
    for split in get_args(Split):
        for fold in range(4):
            try:
                pairs = pairs_from_lists(source, folder, split, [fold], "leave out")
            except InputError as error:
                findings.append(Finding("error", str(error)))
                continue
            count = len(pairs.items) + len(pairs.missing)
            facts.append(f"pairs of {split}_fold{fold}.txt: {count}")
            if pairs.missing:
                (id, _), *_ = pairs.missing
                text = f"{split}_fold{fold}.txt: {len(pairs.missing)} of {count} pairs lack the photograph or mask"
                findings.append(Finding("error", f"{text}, as {id}: complete the folder, or use --allow-missing"))
            if kind == "pascal" and count != PAIRS[split][fold]:
                text = f"{split}_fold{fold}.txt has {count} pairs, the common list {PAIRS[split][fold]}"
                findings.append(Finding("note", text))
    return findings, facts


def _more(items: Sequence[object], shown: int = 1) -> str:
    return f", and {len(items) - shown} more" if len(items) > shown else ""
