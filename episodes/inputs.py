"""Reading files that other people made: none but regular files are opened, and what is wrong with one is one line."""

import json
import stat
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from episodes.errors import InputError

DEPTH = 100
"""Lists and tables nested lists or tables. Our own files nest to four or so."""
KINDS: dict[Callable[[int], bool], str] = {
    stat.S_ISDIR: "a folder",
    stat.S_ISFIFO: "a named pipe",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
}


def check_regular(path: Path | str) -> None:
    """`InputError` if something else than a file lies there: to open a pipe or a device may wait for ever.

    What is not there at all is left to whoever opens it.
    """
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):
        return
    if not stat.S_ISREG(mode):
        kind = next((name for is_kind, name in KINDS.items() if is_kind(mode)), "something else")
        raise InputError(f"{path} is {kind}, not a file: name a file")


def read_text(path: Path, fix: str) -> str:
    """The text of a UTF-8 file, with or without a byte-order mark.

    Args:
        path: Of the file.
        fix: What to do if it cannot be read.

    Raises:
        InputError: if it cannot be.
    """
    check_regular(path)
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:  # a zero byte in the name, too
        raise InputError(f"{path} cannot be read ({error}): {fix}") from None


def parse_json(text: str) -> Any:
    """The content of JSON, without NaN and infinity, which JSON does not have.

    Raises:
        ValueError: if it is no JSON, or nests deeper than `DEPTH`.
    """
    try:
        content = json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError(f"more than {DEPTH} levels of nested lists or tables") from None
    _check_depth(content)
    return content


def read_json(path: Path, fix: str) -> Any:
    """The content of a JSON file, see `parse_json`.

    Raises:
        InputError: if it cannot be read, or is no JSON.
    """
    try:
        return parse_json(read_text(path, fix))
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{path} cannot be read ({error}): {fix}") from None


def read_toml(path: Path, fix: str) -> dict[str, Any]:
    """The content of a TOML file.

    Raises:
        InputError: if it cannot be read, or is not valid.
    """
    text = read_text(path, fix)
    try:
        content = tomllib.loads(text)
        _check_depth(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid TOML: {error}") from None
    return content


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON number")


def _check_depth(content: Any) -> None:
    """`ValueError` beyond `DEPTH`. Level by level, since recursion is what must not happen."""
    level = [content]
    for _ in range(DEPTH):
        inside = [part for part in level if isinstance(part, dict | list)]
        if not inside:
            return
        level = [part for whole in inside for part in (whole.values() if isinstance(whole, dict) else whole)]
    raise ValueError(f"more than {DEPTH} levels of nested lists or tables")
