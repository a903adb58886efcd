"""Files written whole or not at all, and the one folder where srpnet keeps what it can make again."""

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def cache_folder() -> Path:
    """`$SRPNET_CACHE`, or else `srpnet` in `$XDG_CACHE_HOME` or `~/.cache`. Safe to delete at any time."""
    if own := os.environ.get("SRPNET_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "srpnet"


@contextmanager
def atomic_write(path: Path | str) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to it when the block ends well and removed when it does not.

    Folders on the way are made. A reader sees the old file or the new one, never a part.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    """Write a text file atomically, as UTF-8."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, content: Any) -> None:
    """Write JSON atomically, indented, with a final newline; NaN is an error, not invalid JSON."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")
