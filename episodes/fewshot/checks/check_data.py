"""Checks of a data folder: every listed file is read, and every finding says how to fix it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from episodes.data import data_set, open_source
from episodes.data.data_set import DataSet
from episodes.data.remarks import Remark, Remarked
from episodes.data.source import IGNORE, OnProgress, Partial, Source, Split, silent
from episodes.errors import InputError
from episodes.fewshot.pairs import pairs_from_lists
from episodes.names import for_display

Weight = Literal["error", "skipped", "note"]


@dataclass(frozen=True)
class Finding:
    """Something that is not as expected.

    Attributes:
        weight: An `error` stops work; what is `skipped` is left out of it; a `note` is worth knowing.
        text: What, where, and how to fix it.
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


def check(data: str, pairs: Path | None = None, on_progress: OnProgress = silent, strict: bool = False) -> Diagnosis:
    """Look at the layout, at the lists, and at every photograph with its mask.

    Args:
        data: As `open_source` takes it.
        pairs: Folder of pair lists to check beside it.
        on_progress: Called with the progress.
        strict: What is skipped is an error.
    """
    findings: list[Finding] = []
    splits: dict[Split, Sequence[str]] = {}
    try:
        source = open_source(data, on_progress)
        for split in get_args(Split):
            if isinstance(source, Partial) and split not in source.splits:
                findings.append(Finding("note", f"there are no annotations for {split}"))
            else:
                splits[split] = source.ids(split)
    except InputError as error:  # without its layout nothing else can be looked at
        return Diagnosis(data, [], [*findings, Finding("error", str(error))])
    record = data_set(data)
    known = sum(1 for name in source.classes if name)
    facts = [f"classes: {known}", *(f"photographs of {split}: {len(ids)}" for split, ids in splits.items())]
    findings += _counts(record, known, splits)
    if splits.get("train") and splits["train"] == splits.get("val"):
        findings.append(
            Finding(
                "note", "train and val are the same photographs: put them into folders train and val to keep them apart"
            )
        )
        del splits["val"]
    elif shared := sorted(set(splits.get("train", ())) & set(splits.get("val", ()))):
        findings.append(Finding("error", f"{shared[0]} is listed in train and in val{_more(shared)}: list it once"))
    shown: Counter[int] = Counter()
    for split, ids in splits.items():
        try:
            remarks = source.remarks(split) if isinstance(source, Remarked) else []
        except InputError as error:
            findings.append(Finding("error", str(error)))
            continue
        findings += _remarked(remarks, strict)
        faults, seen = _photographs(source, split, ids, on_progress)
        findings += faults
        shown += seen
    findings += _classes(record, source.classes, shown, splits)
    if pairs is not None:
        found, listed = _pairs(source, record, pairs)
        findings += found
        facts += listed
    order = get_args(Weight)
    return Diagnosis(data, facts, sorted(findings, key=lambda finding: order.index(finding.weight)))


def _counts(record: DataSet, classes: int, splits: Mapping[Split, Sequence[str]]) -> Iterable[Finding]:
    if record.classes not in (None, classes):
        yield Finding("note", f"{classes} classes, where the whole data set has {record.classes}")
    for split, ids in splits.items():
        if (expected := record.photographs.get(split)) and len(ids) not in expected:
            whole = " or ".join(f"{count:,}" for count in expected)
            yield Finding("note", f"{split} lists {len(ids):,} photographs, where the whole data set has {whole}")


def _remarked(remarks: Iterable[Remark], strict: bool) -> Iterable[Finding]:
    for remark in remarks:
        if remark.refused(strict):
            yield Finding("error", remark.refusal(strict))
        else:
            yield Finding("skipped" if remark.passed_over else "note", remark.counted)


def _classes(
    record: DataSet, names: Sequence[str], shown: Counter[int], splits: Mapping[Split, Sequence[str]]
) -> Iterable[Finding]:
    """Whether there is anything to learn or to find."""
    nowhere = [name for label, name in enumerate(names, start=1) if name and not shown[label]]
    if not any(splits.values()):
        yield Finding("error", "no photograph is listed: check the lists")
    elif not any(shown[label] for label, name in enumerate(names, start=1) if name):
        text = "no class has a pixel that can be used"
        if shown[IGNORE]:
            text += f", as of all labels above 0 the masks hold {IGNORE} alone, which is ignored"
        yield Finding("error", f"{text}: {record.no_labels}")
    elif nowhere:
        few = ", ".join(map(for_display, nowhere[:5]))
        yield Finding("note", f"no photograph shows {few}{_more(nowhere, 5)}")


def _photographs(
    source: Source, split: Split, ids: Sequence[str], on_progress: OnProgress
) -> tuple[list[Finding], Counter[int]]:
    """What is wrong with photographs and masks beside what is skipped, at most three of a kind in full.

    Also how many show each label.
    """

    def look(id: str) -> str | list[int]:
        if not source.has(id):  # skipped, and counted there
            return []
        try:
            labels: list[int] = np.unique(source.load(id)[1]).tolist()
        except InputError as error:
            return str(error)
        return labels

    faults: dict[str, list[str]] = {}
    shown: Counter[int] = Counter()
    ignored = 0
    with ThreadPoolExecutor() as pool:
        for done, found in enumerate(pool.map(look, ids), start=1):
            if isinstance(found, str):
                faults.setdefault(found.rpartition(": ")[2], []).append(found)  # the fix tells the kind
            else:
                shown.update(found)
                ignored += IGNORE in found and set(found) <= {0, IGNORE}
            on_progress(f"Decoding the {split} photographs", done, len(ids))
    findings = [
        Finding("error", text + (_more(alike, 3) if number == 2 else ""))
        for alike in faults.values()
        for number, text in enumerate(alike[:3])
    ]
    if ignored:
        findings.append(Finding("note", f"{ignored} of the {split} masks hold {IGNORE} (ignored) and no class"))
    return findings, shown


def _pairs(source: Source, record: DataSet, folder: Path) -> tuple[list[Finding], list[str]]:
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
                findings.append(Finding("error", f"{text}, as {id}: complete the folder, or use `allow_missing`"))
            if record.pairs and count != (common := record.pairs[split][fold]):
                text = f"{split}_fold{fold}.txt has {count} pairs, the common list {common}"
                findings.append(Finding("note", text))
    return findings, facts


def _more(items: Sequence[object], shown: int = 1) -> str:
    return f", and {len(items) - shown} more" if len(items) > shown else ""
