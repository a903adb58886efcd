"""Files written whole or not at all, folders that one process at a time writes to, and the folder of caches."""

import errno
import itertools
import json
import os
import re
import secrets
import stat
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from episodes.errors import InputError
from episodes.inputs import check_regular

if sys.platform != "win32":
    import fcntl

LOCK = ".srpnet.lock"
"""The file in a folder that is locked while it is used. Where a process was killed it stays, and locks nothing."""
PART = re.compile(r"\.(?:.+\.)?[0-9a-f]{8}\.part")
"""Names of temporary files; those of earlier versions held the name of the file, too."""

_held: dict[Path, str] = {}
"""Folders that this process has locked, and what it does to them."""
_guard = threading.Lock()


def cache_folder() -> Path:
    """`$SRPNET_CACHE`, or else `srpnet` in `$XDG_CACHE_HOME` or `~/.cache`. Safe to delete at any time.

    Without a home it is `srpnet-UID` in the temporary folder, for that user alone.

    Raises:
        InputError: if there is none, or a folder of somebody else lies there.
    """
    if own := os.environ.get("SRPNET_CACHE"):
        return expanded(own)
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return expanded(shared) / "srpnet"
    try:
        return Path.home() / ".cache" / "srpnet"
    except RuntimeError:
        return _without_home()


def _without_home() -> Path:
    """A cache for a user without a home, as in containers that run under any number: private, in the temporary folder.

    Its name can be foreseen, so that somebody else may have put a folder there: that is not taken.
    """
    fix = "set SRPNET_CACHE to a folder of your own"
    try:
        folder = Path(tempfile.gettempdir()) / f"srpnet-{os.getuid()}"
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        status = folder.lstat()
    except OSError as error:
        raise InputError(f"there is no home folder, and no room for a cache ({error}): {fix}") from None
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise InputError(f"there is no home folder, and {folder} is not yours alone: {fix}")
    return folder


def expanded(path: Path | str) -> Path:
    """A path in which `~` is the home folder.

    Raises:
        InputError: if it is not known where that is.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise InputError(f"{path}: that home folder is unknown: write the full path") from None


@contextmanager
def atomic_write(path: Path | str) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to it when the block ends well and removed when it does not.

    Folders on the way are made. A reader sees the old file or the new one, never a part, also after a loss of power:
    the content is on the disk before the name is. The temporary name is short whatever the file is called.

    Raises:
        InputError: if it cannot be written, for example because the disk is full, or is a folder, a pipe or a device.
    """
    path = Path(path)
    if not path.name:
        raise InputError(f"{path} is a folder, not a file: name a file in it")
    check_regular(path)  # who may, as root may, would put a file in the place of /dev/null
    temporary = path.with_name(f".{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _sync(temporary)
        temporary.replace(path)
        with suppress(OSError):  # where folders cannot be opened, the name comes to the disk a little later
            _sync(path.parent)
    except (OSError, RuntimeError) as error:  # torch.save reports a full disk as a RuntimeError
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        too_long = isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG
        fix = "shorten the name" if too_long else "free disk space, or name another folder"
        raise InputError(f"{path} cannot be written ({reason}): {fix}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Wait until the content of a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that has no such thing
            raise
    finally:
        os.close(descriptor)


def clear_parts(folder: Path) -> None:
    """Remove what `atomic_write` left in a folder when its process was killed. Hold the folder's lock: see `locked`."""
    with suppress(OSError):  # no folder, nothing to clear
        for file in folder.iterdir():
            if PART.fullmatch(file.name):
                file.unlink()


@contextmanager
def locked(folder: Path, what: str) -> Iterator[None]:
    """Keep a folder for this process during the block; it is made if it is not there.

    The system holds the lock, and frees it when the process ends, however that happens. (A POSIX record lock, which
    processes that are forked on the way do not inherit, so that an orphaned worker of a killed run locks nothing.)
    Temporary files of a killed process go, see `clear_parts`. Where a folder cannot be written to, or the file system
    has no locks, nothing is locked. A folder that is made here and empty in the end is removed.

    Args:
        folder: Where files are about to be written.
        what: What is done to it, for the message: `trained`, `written`, `built`.

    Raises:
        InputError: if another process, or another thread of this one, holds it.
    """
    name, folder = folder, folder.resolve()
    made = _make(folder)
    try:
        with _reserved(folder, name, what):
            descriptor = _acquire(folder, name, what)
            try:
                if descriptor is not None:
                    clear_parts(folder)
                yield
            finally:
                if descriptor is not None:
                    with suppress(OSError):
                        (folder / LOCK).unlink()  # before it is freed: whoever waits then sees that it is gone
                    os.close(descriptor)
    finally:
        with suppress(OSError):
            for empty in made:
                empty.rmdir()


def _make(folder: Path) -> list[Path]:
    """Make a folder; returns those that were not there, the innermost first."""
    with suppress(OSError):  # whoever writes to it will say what is wrong
        missing = list(itertools.takewhile(lambda ancestor: not ancestor.exists(), (folder, *folder.parents)))
        folder.mkdir(parents=True, exist_ok=True)
        return missing
    return []


@contextmanager
def _reserved(folder: Path, name: Path, what: str) -> Iterator[None]:
    """The same among the threads of this process, which POSIX locks do not tell apart."""
    with _guard:
        if folder in _held:
            raise _taken(name, _held[folder])
        _held[folder] = what
    try:
        yield
    finally:
        with _guard:
            del _held[folder]


def _acquire(folder: Path, name: Path, what: str) -> int | None:
    """The open and locked file; None where nothing can be locked."""
    if sys.platform == "win32":
        return None
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)  # whoever held it may have removed the empty folder
            descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        except OSError:
            return None
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_there(folder / LOCK, descriptor):
                _note(descriptor, what)
                return descriptor
        except OSError as error:
            noted = _noted(descriptor)
            os.close(descriptor)
            if error.errno in (errno.EACCES, errno.EAGAIN):
                raise _taken(name, noted or what) from None
            return None
        os.close(descriptor)  # its holder has just removed it: look again


def _note(descriptor: int, what: str) -> None:
    """Write what is done to a folder into its lock file, for others to say."""
    with suppress(OSError):  # as on a full disk
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, what.encode(), 0)


def _noted(descriptor: int) -> str:
    """What is there; empty if nothing is."""
    with suppress(OSError, UnicodeDecodeError):
        if (noted := os.pread(descriptor, 20, 0).decode()).isalpha():
            return noted
    return ""


def _taken(name: Path, what: str) -> InputError:
    return InputError(f"{name} is being {what} by another process: wait for it, or name another folder")


def _is_there(file: Path, descriptor: int) -> bool:
    """Whether an open file is still the one of this name."""
    try:
        return os.path.samestat(file.stat(follow_symlinks=False), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def check_folder(path: Path, name: str = "out") -> None:
    """See whether results can go into a folder, before the work that makes them.

    Args:
        path: The folder, there or not.
        name: Of the setting that names it.

    Raises:
        InputError: if it, or a folder on the way, is a file or may not be written to.
    """
    nearest = next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())
    if not nearest.is_dir():
        raise InputError(f"{nearest} is a file, not a folder: name another `{name}`")
    if not os.access(nearest, os.W_OK):
        raise InputError(f"{nearest} cannot be written to: name another `{name}`")


def write_text(path: Path | str, text: str) -> None:
    """Write a text file atomically, as UTF-8."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path | str, content: Any) -> None:
    """Write JSON atomically, indented, with a final newline; NaN is an error, not invalid JSON."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")
