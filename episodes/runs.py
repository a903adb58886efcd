"""A finished run, read back from the folder that `srpnet eval --out` wrote."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from episodes.errors import InputError
from episodes.geometry import Geometry
from episodes.protocols import Protocol
from episodes.records import COUNTS, Records
from episodes.results import SCHEMA


@dataclass(frozen=True)
class Run:
    """A run and all that it found.

    Attributes:
        folder: Where it lies.
        content: Of `result.json`.
        names: Label -> name of the classes that were tested.
        rules: What it was scored by.
        records: What each photograph was counted as.
    """

    folder: Path
    content: Mapping[str, Any]
    names: Mapping[int, str]
    rules: Protocol
    records: Records

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read a run.

        Raises:
            InputError: if the folder holds no run, or one of another version.
        """
        file = folder / "result.json"
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            several = sorted(path.parent.name for path in folder.glob("*/result.json"))
            mend = f"name one of its runs: {', '.join(several)}" if several else "name one of `srpnet eval --out`"
            raise InputError(f"{folder} holds no result.json: {mend}") from None
        except (OSError, ValueError) as error:
            raise InputError(f"{file} cannot be read ({error}): run `srpnet eval` again") from None
        try:
            if content["schema"] != SCHEMA:
                raise InputError(f"{file} is of version {content['schema']}, and this program knows {SCHEMA}")
            rules = dict(content["protocol"])
            rules["geometry"] = Geometry(**rules["geometry"])
            names = {int(label): name for label, name in content["classes"].items()}
            return cls(folder, content, names, Protocol(**rules), Records.read(folder / COUNTS))
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{file} was written before runs kept their counts ({error}): run it again") from None
