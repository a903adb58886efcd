"""Files written whole or not at all, and the one folder where srpnet keeps what it can make again."""

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from episodes.errors import InputError


def cache_folder() -> Path:
    """`$SRPNET_CACHE`, or else `srpnet` in `$XDG_CACHE_HOME` or `~/.cache`. Safe to delete at any time."""
    if own := os.environ.get("SRPNET_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "srpnet"


@contextmanager
def atomic_write(path: Path | str) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to it when the block ends well and removed when it does not.

    Folders on the way are made. A reader sees the old file or the new one, never a part.

    Raises:
        InputError: if it cannot be written, for example because the disk is full.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except (OSError, RuntimeError) as error:  # torch.save reports a full disk as a RuntimeError
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path} cannot be written ({reason}): make room, or name another folder") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def check_folder(path: Path, flag: str = "--out") -> None:
    """See whether results can go into a folder, before the work that makes them.

    Args:
        path: The folder, there or not.
        flag: Which names it.

    Raises:
        InputError: if it, or a folder on the way, is a file or may not be written to.
    """
    nearest = next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())
    if not nearest.is_dir():
        raise InputError(f"{nearest} is a file, not a folder: name another {flag}")
    if not os.access(nearest, os.W_OK):
        raise InputError(f"{nearest} cannot be written to: name another {flag}")


def write_text(path: Path | str, text: str) -> None:
    """Write a text file atomically, as UTF-8."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path | str, content: Any) -> None:
    """Write JSON atomically, indented, with a final newline; NaN is an error, not invalid JSON."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")
