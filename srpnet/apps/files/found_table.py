"""`found.csv`: what was found in each photograph, a row for each mask in a folder.

| column | |
|---|---|
| photograph | its path, as it was named; with `./` before it if a spreadsheet would take it for a formula |
| mask | its path in the folder, likewise |
| area | share of the photograph that is the object, 0 to 1; `area_1`, `area_2` ... with several classes |
| presence | how much it resembles the examples, 0 to 1, see `Segmenter.presence`; empty if it was not asked for |
| doubt | `nothing found`, `may not show the object`, or empty |
| examples | what made it, see `Segmenter.fingerprint`; empty if a mask was there and its row was not |
| risk | of photographs up to this risk, so large a share may not show the object, see `srpnet.apps.trust.risk`; only \
where that was asked for |
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from episodes.data.source import Array
from episodes.errors import InputError
from episodes.files import atomic_write
from episodes.inputs import read_text
from srpnet.apps.trust.risk import p_value, risks

NAME = "found.csv"
RISK = "risk"
NOTHING, ABSENT = "nothing found", "may not show the object"
"""What `doubt` says."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""

Row = dict[str, str]


class FoundTable:
    """The rows, by the mask's path in the folder. Nothing is written before `write`.

    Args:
        folder: Of the masks. Rows of a `found.csv` in it are kept if their masks are there.
        examples: `Segmenter.fingerprint`.
        present_above: Of each class, below it it may not be there; None tells nothing.
        classes: How many there are.

    Raises:
        InputError: if there is a `found.csv` that cannot be read, or is not such a table.
    """

    def __init__(
        self, folder: Path, examples: str, present_above: Sequence[float] | None = None, classes: int = 1
    ) -> None:
        self.path = folder / NAME
        self.examples = examples
        self.present_above = present_above
        numbers = [""] if classes == 1 else [f"_{number + 1}" for number in range(classes)]
        self._areas, self._presences = ([f"{what}{number}" for number in numbers] for what in ("area", "presence"))
        self.columns = ["photograph", "mask", *self._areas, *self._presences, "doubt", "examples"]
        self.rows = {row["mask"]: row for row in self._read() if (folder / row["mask"]).is_file()}

    def add(
        self, photograph: Path, mask: Path, labels: Array, presence: Sequence[float] | NDArray[np.float32] | None
    ) -> Row:
        """The row of a photograph that has just been segmented.

        Args:
            photograph: Its path.
            mask: The mask's path in the folder.
            labels: The label map.
            presence: Of each class, or None.
        """
        areas = [float((labels == label + 1).mean()) for label in range(len(self._areas))]
        shown = [""] * len(areas) if presence is None else [f"{value:.4f}" for value in presence]
        doubt = NOTHING if not any(areas) else ""
        if not doubt and presence is not None and self.present_above is not None:
            doubt = "" if any(np.greater_equal(presence, self.present_above)) else ABSENT
        return self._keep(photograph, mask, areas, shown, doubt, self.examples)

    def row_of(self, photograph: Path, mask: Path) -> Row | None:
        """The row of a mask that is there already, made of this photograph by these examples; None if there is none.

        A mask without a row, as of a run that was killed, counts if it can be read and has the photograph's size.
        """
        row = self.rows.get(cell(mask.as_posix()))
        if row is not None:
            same = Path(row["photograph"]).name == photograph.name and row["examples"] in ("", self.examples)
            return row if same else None
        try:
            with Image.open(self.path.parent / mask) as image, Image.open(photograph) as pictured:
                if sorted(image.size) != sorted(pictured.size):  # one may lie on its side
                    return None
                values = np.asarray(image)
        except (OSError, SyntaxError, ValueError):
            return None
        painted = [255] if len(self._areas) == 1 else range(1, len(self._areas) + 1)
        areas = [float((values == value).mean()) for value in painted]
        return self._keep(photograph, mask, areas, [""] * len(areas), "" if any(areas) else NOTHING, "")

    def assess(
        self, rows: Sequence[Row], examples: Sequence[int], limit: float, own: Sequence[Sequence[float]] = ()
    ) -> None:
        """Give each photograph that has a presence its risk among all of them, and doubt those above a limit.

        Args:
            rows: Of the photographs of a run.
            examples: How many there are of each class.
            limit: The risk that is accepted, 0 to 1.
            own: Of each class the presence in examples that do not show it, if that is known.
        """
        known = [row for row in rows if all(row[name] for name in self._presences)]
        ways = list(zip(self._presences, examples, own or [()] * len(examples), strict=True))
        each = [[p_value(float(row[name]), count, absent) for name, count, absent in ways] for row in known]
        # Of any of the classes (Bonferroni); one in which nothing is found does not help another.
        p_values = [
            min(1.0, len(ways) * min(found)) if (found := [value for value in values if value is not None]) else None
            for values in each
        ]
        for row, risk in zip(known, risks(p_values), strict=True):
            row[RISK] = f"{risk:.4f}"
            if row["doubt"] != NOTHING:
                row["doubt"] = ABSENT if risk > limit else ""

    def write(self) -> None:
        """Write the file, whole or not at all.

        Raises:
            InputError: if it cannot be written.
        """
        text = io.StringIO(newline="")
        risky = any(RISK in row for row in self.rows.values())
        writer = csv.DictWriter(text, [*self.columns, RISK] if risky else self.columns, "", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows.values())
        with atomic_write(self.path) as temporary:
            temporary.write_bytes(text.getvalue().encode("utf-8", "surrogateescape"))

    def _keep(
        self, photograph: Path, mask: Path, areas: Sequence[float], presence: Sequence[str], doubt: str, examples: str
    ) -> Row:
        cells = [cell(str(photograph)), cell(mask.as_posix()), *(f"{area:.6f}" for area in areas), *presence]
        row = dict(zip(self.columns, [*cells, doubt, examples], strict=True))
        self.rows[row["mask"]] = row
        return row

    def _read(self) -> list[Row]:
        if not self.path.exists():
            return []
        fix = "move it away, or name another `out`"
        if not self.path.is_file():
            raise InputError(f"{self.path} is not a file: {fix}")
        try:
            text = self.path.read_bytes().decode("utf-8", "surrogateescape")
            rows = list(csv.DictReader(io.StringIO(text, newline="")))
        except (OSError, csv.Error) as error:
            raise InputError(f"{self.path} cannot be read ({error}): {fix}") from None
        if not text.startswith(",".join(self.columns)) or any(None in (*row, *row.values()) for row in rows):
            raise InputError(f"{self.path} is not a table of these columns ({', '.join(self.columns)}): {fix}")
        return rows


def photograph_of(mask: Path) -> tuple[Path, Path]:
    """The folder of `srpnet predict` in which a mask lies, and the photograph that the mask is of.

    The table is not trusted: the photograph must be called like its mask.

    Raises:
        InputError: if the mask is in no such folder, or the photograph is not there.
    """
    for folder in mask.resolve().parents:
        if not (folder / NAME).is_file():
            continue
        inside = cell(mask.resolve().relative_to(folder).as_posix())
        try:
            rows = list(csv.DictReader(io.StringIO(read_text(folder / NAME, "name another mask"), newline="")))
        except csv.Error as error:
            raise InputError(f"{folder / NAME} cannot be read ({error}): name another mask") from None
        named = [str(row.get("photograph")) for row in rows if row.get("mask") == inside]
        if not named:
            break
        photograph = Path(named[-1])
        if not photograph.stem or not mask.name.startswith(photograph.stem):
            raise InputError(f"{folder / NAME} says that {mask} is the mask of {photograph}: their names do not agree")
        if not photograph.is_file():
            raise InputError(
                f"{photograph}, of which {mask} is the mask, is not there: run this in the folder where it was made"
            )
        return folder, photograph
    raise InputError(f"{mask} is no mask that `srpnet predict` wrote: no {NAME} names it")


def cell(path: str) -> str:
    """A path that no spreadsheet takes for a formula.

    >>> cell("=a.jpg"), cell("kitchen/a.jpg")
    ('./=a.jpg', 'kitchen/a.jpg')
    """
    return f"./{path}" if path.startswith(FORMULA) else path
