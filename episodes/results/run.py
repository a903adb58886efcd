"""A finished run in a folder: written by `srpnet eval --out`, and read back."""

import hashlib
import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from episodes.checks import shown
from episodes.errors import InputError
from episodes.fewshot.geometry import Geometry
from episodes.files import write_json
from episodes.inputs import check_regular, read_json
from episodes.results.bootstrap import mean_figures
from episodes.results.gallery import clear_pictures
from episodes.results.output import Scored
from episodes.results.result import SCHEMA
from episodes.results.result_fields import check_fields
from episodes.results.wrong_support import Paired
from episodes.scoring.metrics import Score
from episodes.scoring.plans.plan import Outcome
from episodes.scoring.protocols import Protocol
from episodes.scoring.records import COUNTS, NEGATIVES, WRONG, Records

RESULT = "result.json"
"""Written last: what makes a folder a run."""
INCOMING = ".incoming"
"""Where the files of a run are until all are written."""
ARRAYS: Mapping[str, Callable[[Outcome], Records]] = {
    COUNTS: lambda outcome: outcome.records,
    NEGATIVES: lambda outcome: outcome.negatives,
    WRONG: lambda outcome: outcome.wrong,
}
"""File -> the records in it; without any there is no file."""


@dataclass(frozen=True)
class Run:
    """A run and all that it found.

    Attributes:
        folder: Where it lies.
        content: Of `result.json`.
        names: Label -> name of the classes that were tested.
        rules: What it was scored by.
        records: What each photograph was counted as.
        wrong: What each query was counted as under wrong supports, if that was asked for.
    """

    folder: Path
    content: Mapping[str, Any]
    names: Mapping[int, str]
    rules: Protocol
    records: Records
    wrong: Records = Records(())

    @property
    def not_drawn(self) -> frozenset[str]:
        """Names of the classes that no episode drew."""
        drawn = {label for row in self.records.rows for label in row.spec.classes}
        return frozenset(name for label, name in self.names.items() if label not in drawn)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read a run.

        Raises:
            InputError: if the folder holds no run, one of another version, a damaged one, or files of several.
        """
        file = folder / RESULT
        if not file.exists():
            several = sorted(path.parent.name for path in folder.glob(f"*/{RESULT}"))
            fix = f"name one of its runs: {', '.join(several)}" if several else "name one of `srpnet eval --out`"
            raise InputError(f"{folder} holds no result.json: {fix}")
        content = read_json(file, "run `srpnet eval` again")
        schema = content.get("schema") if isinstance(content, dict) else None
        if type(schema) is int and schema != SCHEMA:
            raise InputError(f"{file} is of version {shown(schema)}, and this program reads version {SCHEMA}")
        try:
            check_fields(content)
            rules = _rules(content["protocol"])
        except (KeyError, TypeError, ValueError) as error:
            old = "is damaged, or from before runs kept their counts"
            raise InputError(f"{file} {old} ({error}): run it again") from None
        for name, digest in _hashes(content).items():
            if _sha256(folder / name) != digest:
                raise _mixed(folder, f"{name} is not the file that it names")
        names = {int(label): name for label, name in content["classes"].items()}
        wrong = Records.read(folder / WRONG) if "wrong_support" in content else Records(())
        run = cls(folder, content, names, rules, Records.read(folder / COUNTS), wrong)
        if fault := run._contradiction():
            raise _mixed(folder, fault)
        return run

    def _contradiction(self) -> str | None:
        """What the counts say otherwise than the figures, in words; None if both are of one run."""
        content = self.content
        if strange := {label for row in self.records.rows for label in row.spec.classes} - self.names.keys():
            return f"the counts also have class {min(strange)}"
        counted = len({(row.seed, row.spec) for row in self.records.rows})
        if counted != content["episodes"]:
            return f"the counts are of {counted} episodes, the scores {content['episodes']}"
        queries, supports = (self.records.role(role).scores(self.names, self.rules) for role in ("query", "support"))
        if not {str(seed) for seed in queries} <= content["seeds"].keys():
            return "the counts have different seeds"
        # A seed of which all episodes were left out has no rows.
        empty = len(content["seeds"]) - len(queries)
        miou, _, *classes = mean_figures([*queries.values(), *[self.rules.score(self.names)] * empty])
        found = {"mIoU": (miou, content["miou"])}
        found |= {
            f"IoU of {name}": (iou, content["per_class"][name])
            for name, iou in zip(self.names.values(), classes, strict=True)
        }
        if supports:
            found["support mIoU"] = (_miou(supports), content["support_miou"])
        if self.wrong.rows:
            try:
                _, wrong = Paired.of(self.records, self.wrong).figures(self.names, self.rules)
            except ValueError as error:
                return str(error)
            found["mIoU under wrong supports"] = (float(wrong[0]), content["wrong_support"]["wrong"])
        for name, (own, written) in found.items():
            if not _same(own, written, unknown_is_zero=self.rules.absent == "zero"):
                return f"by the counts the {name} is {own:.4f}, by the figures {written}"
        return None


def write_run(folder: Path, scored: Scored) -> None:
    """Write the `ARRAYS` and `result.json`, also over an earlier run. Its content gets `files`, their SHA-256.

    All are complete in a folder of their own before anything of an earlier run is touched. Then its `result.json` goes,
    and with it the run; then its pictures and arrays; and the new files take their places, `result.json` last. So a
    full disk leaves the earlier run, and a kill that one, the new one or none, but never parts of both.

    Raises:
        InputError: if a file cannot be written.
    """
    incoming = folder / INCOMING
    shutil.rmtree(incoming, ignore_errors=True)  # of a process that was killed
    try:
        for name, records in ARRAYS.items():
            if records(scored.outcome).rows:
                records(scored.outcome).write(incoming / name)
        names = [file.name for file in sorted(incoming.iterdir())]
        scored.content["files"] = {name: _sha256(incoming / name) for name in names}
        write_json(incoming / RESULT, scored.content)
        (folder / RESULT).unlink(missing_ok=True)
        clear_pictures(folder)
        for name in ARRAYS.keys() - names:
            (folder / name).unlink(missing_ok=True)
        for name in (*names, RESULT):
            (incoming / name).replace(folder / name)
    except OSError as error:
        raise InputError(f"{folder} cannot be written ({error}): name another folder") from None
    finally:
        shutil.rmtree(incoming, ignore_errors=True)


def _rules(fields: Mapping[str, Any]) -> Protocol:
    """The protocol in a result.

    Raises:
        KeyError, TypeError, ValueError: if it is none.
    """
    rules = Protocol(**{**fields, "geometry": Geometry(**fields["geometry"])})
    rules.table()  # looks every choice up
    return rules


def _hashes(content: Mapping[str, Any]) -> dict[str, str]:
    """File -> hash of those that a result names; runs before there were hashes name none."""
    named = content.get("files", {})
    return {name: named[name] for name in ARRAYS if name in named}


def _sha256(file: Path) -> str:
    check_regular(file)
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        raise InputError(f"there is no {file}: name a folder that `srpnet eval --out` wrote") from None
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error}): run `srpnet eval` again") from None


def _mixed(folder: Path, how: str) -> InputError:
    return InputError(f"{folder} holds files of different runs ({how}): run `srpnet eval` again")


def _miou(scores: Mapping[int, Score]) -> float:
    return mean_figures(list(scores.values()))[0]


def _same(own: float, written: float | None, unknown_is_zero: bool) -> bool:
    """Whether two figures are equal up to rounding. Results used to have 0 for a class that nobody drew."""
    if math.isnan(own) or written is None:
        return math.isnan(own) and (written is None or (unknown_is_zero and written == 0))
    return math.isclose(own, written, abs_tol=1e-9)
