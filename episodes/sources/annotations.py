"""A COCO annotation file: what it declares, and the label map of any photograph, without holding its annotations."""

import hashlib
import json
import os
import shutil
import sqlite3
import sys
import tempfile
import weakref
from collections.abc import Collection, Iterator
from contextlib import closing, nullcontext, suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from episodes.errors import InputError
from episodes.files import atomic_write, cache_folder, check_folder
from episodes.inputs import check_regular
from episodes.sources.base import IGNORE, Array, OnProgress
from episodes.sources.index import Index, class_index, fingerprint
from episodes.sources.processes import processes

Image = tuple[str, int, int]
"""File name, height and width of a photograph."""

VERSION = 2
"""Of the database; a change of what it holds is a new one."""
TABLES = f"""
    PRAGMA journal_mode = OFF;  -- a file that is not finished is removed, so nothing is ever rolled back
    PRAGMA synchronous = OFF;
    PRAGMA user_version = {VERSION};
    CREATE TABLE photographs (row INTEGER PRIMARY KEY, file TEXT, height INTEGER, width INTEGER);
    CREATE TABLE categories (number INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE annotations (photograph INTEGER, record TEXT);
"""
"""An annotation's `record` is JSON of what is drawn of it."""
DRAWN = ("id", "category_id", "iscrowd", "segmentation")
LISTS = ("images", "categories", "annotations")

CHUNK = 1_000_000
"""Bytes read at once."""
DEPTH = 1000
"""A file with more brackets in a row is refused."""
PROCESSES = 8
"""More would wait for the one that hands out the work."""
PHOTOGRAPHS_A_PROCESS = 1000
"""Fewer are counted before a process has started."""


class Annotations:
    """One annotation file, checked.

    The first time, what is needed of it goes into a database in the cache folder, named by the hash of the file's
    content; if it cannot be written there, into a temporary one. An id is a photograph's file name without its ending.

    Attributes:
        ids: In file order.
        files: Id -> where the photograph is, below the folder of photographs.
        classes: Category names by ascending category id.

    Raises:
        InputError: pycocotools or ijson is not installed, or the file is not there, cut short, or not as COCO's are.
    """

    def __init__(self, path: Path, on_progress: OnProgress) -> None:
        _need_libraries()
        self.path = path
        self._on_progress = on_progress
        check_regular(path)
        try:
            with path.open("rb") as file:
                self._sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise _unreadable(path, error) from None
        self._kept = (cache_folder() / "annotations" / f"{self._sha256}-{VERSION}.sqlite").absolute()
        try:
            photographs, categories = _declared(self._kept)
        except (sqlite3.Error, OSError):  # absent, or not what was written
            self._keep()
            photographs, categories = _declared(self._kept)
        files, self._sizes = [file for file, *_ in photographs], [size for _, *size in photographs]
        self.ids: tuple[str, ...] = tuple(Path(file).stem for file in files)
        self.files: dict[str, str] = dict(zip(self.ids, files, strict=True))
        self.classes: tuple[str, ...] = tuple(name for _, name in categories)
        self._categories = [number for number, _ in categories]
        self._row = {id: row for row, id in enumerate(self.ids)}

    def check_beside(self, other: "Annotations") -> None:
        """`InputError` unless both files declare the same categories and different photographs."""
        both = f"{self.path} and {other.path}"
        if (self._categories, self.classes) != (other._categories, other.classes):
            raise InputError(f"{both} declare different categories: use two files of one release")
        if shared := self._row.keys() & other._row.keys():
            raise InputError(f"{both} share {len(shared)} photographs, {min(shared)} for one: keep each in one split")

    def labels(self, id: str) -> Array:
        """The label map (H, W): crowds as 255, over them instances from large to small, so that all show.

        Raises:
            InputError: A segmentation is missing, malformed or of another size than its photograph.
        """
        from episodes.sources.shapes import draw, paint

        height, width = self._sizes[self._row[id]]
        try:
            return paint(draw(self._photograph(id), self._categories), height, width)
        except ValueError as error:
            raise InputError(f"{self.path}: {error}") from None

    def index(self) -> Index:
        """Id -> class -> visible pixels, at least 1; from the cache, or else counted in several processes.

        Raises:
            InputError: As `labels`.
        """
        from episodes.sources import shapes

        made_from = fingerprint(["coco: crowds, then instances from large to small", self._sha256])
        count = min(os.cpu_count() or 1, PROCESSES, len(self.ids) // PHOTOGRAPHS_A_PROCESS)
        program = [sys.executable, "-P", shapes.__file__, json.dumps(self._categories)]
        here = nullcontext(partial(shapes.answer, categories=self._categories))
        with processes(program, count) if count > 1 else here as ask:

            def areas(id: str) -> dict[int, int]:
                answer = ask(self._photograph(id))
                if not answer:
                    raise InputError(f"{self.path}: the process that counted {id} broke down: is there memory enough?")
                counted = json.loads(answer)
                if isinstance(counted, str):
                    raise InputError(f"{self.path}: {counted}")
                return {int(label): pixels for label, pixels in counted.items()}

            return class_index(self.ids, areas, made_from, partial(self._on_progress, f"Counting {self.path.name}"))

    def _photograph(self, id: str) -> bytes:
        """One line of JSON that `shapes.draw` takes."""
        row = self._row[id]
        query = "SELECT record FROM annotations WHERE photograph = ? ORDER BY rowid"
        try:
            with _opened(self._kept) as database:
                annotations = ",".join(record for (record,) in database.execute(query, (row,)))
        except sqlite3.Error as error:
            raise InputError(f"{self._kept} cannot be read ({error}): remove it and start again") from None
        return f'{{"size": {self._sizes[row]}, "annotations": [{annotations}]}}\n'.encode()

    def _keep(self) -> None:
        """Make the database, for good if it can be, else for as long as this object is there."""
        if _writable(self._kept):
            with suppress(sqlite3.Error), atomic_write(self._kept) as temporary:  # the disk may be full
                _build(self.path, temporary, self._on_progress)
                return
        try:
            folder = Path(tempfile.mkdtemp(prefix="srpnet-"))
            weakref.finalize(self, _remove, folder, os.getpid())
            self._kept = folder / self._kept.name
            _build(self.path, self._kept, self._on_progress)
        except (sqlite3.Error, OSError) as error:
            raise InputError(f"{self._kept} cannot be written ({error}): make room, or set SRPNET_CACHE") from None


def _opened(kept: Path) -> closing[sqlite3.Connection]:
    """The database for one thread to read. It is never changed, so it needs no locks, which some network disks lack."""
    return closing(sqlite3.connect(f"{kept.as_uri()}?mode=ro&immutable=1", uri=True))


def _declared(kept: Path) -> tuple[list[Image], list[tuple[int, str]]]:
    """The photographs, in file order; number and name of each category, ascending.

    Raises:
        sqlite3.Error: The database is absent, cut short, or another.
        OSError: It is absent.
    """
    with _opened(kept) as database:
        found = database.execute(
            "SELECT user_version, page_count * page_size FROM pragma_user_version, pragma_page_count, pragma_page_size"
        )
        if found.fetchone() != (VERSION, kept.stat().st_size):
            raise sqlite3.DatabaseError("not what was written")
        photographs = database.execute("SELECT file, height, width FROM photographs ORDER BY row").fetchall()
        return photographs, database.execute("SELECT number, name FROM categories ORDER BY number").fetchall()


def _build(path: Path, target: Path, on_progress: OnProgress) -> None:
    """Read an annotation file from end to end, check it, and write its database.

    Raises:
        InputError: It is no such file.
        sqlite3.Error: The database cannot be written.
    """
    import ijson

    images: dict[Any, Image] = {}
    categories: dict[int, str] = {}
    used: dict[Any, Any] = {}

    def drawn() -> Iterator[tuple[int, str]]:
        rows = {number: row for row, number in enumerate(images)}
        for record in _records(path, "annotations", on_progress):
            used[record["category_id"]] = record["id"]
            if (row := rows.get(record["image_id"])) is not None:
                yield row, json.dumps({key: record[key] for key in DRAWN if key in record}, separators=(",", ":"))

    with closing(sqlite3.connect(target)) as database, database:
        database.executescript(TABLES)
        try:
            for record in _records(path, "images", on_progress):
                images[record["id"]] = str(record["file_name"]), int(record["height"]), int(record["width"])
            for record in _records(path, "categories", on_progress):
                categories[int(record["id"])] = str(record["name"])
            photographs = ((row, *image) for row, image in enumerate(images.values()))
            database.executemany("INSERT INTO photographs VALUES (?, ?, ?, ?)", photographs)
            database.executemany("INSERT INTO categories VALUES (?, ?)", categories.items())
            database.executemany("INSERT INTO annotations VALUES (?, ?)", drawn())
        except OSError as error:
            raise _unreadable(path, error) from None
        except (KeyError, TypeError) as error:
            raise InputError(f"{path} is not a COCO instances file: {error!r} in its records") from None
        except (ijson.JSONError, ValueError, OverflowError, RecursionError) as error:
            reason = str(error).partition("\n")[0]  # below it, ijson shows the place
            raise InputError(f"{path} is not a COCO instances file, or was cut short: {reason}") from None
        _check(path, images.values(), categories, used)
        database.execute("CREATE INDEX by_photograph ON annotations (photograph)")


def _check(path: Path, images: Collection[Image], categories: dict[int, str], used: dict[Any, Any]) -> None:
    """`InputError` unless label maps can be drawn; `used` names an annotation of each category that has any."""
    if not (images and categories and used) or min(min(size) for _, *size in images) < 1:
        raise InputError(f"{path} needs categories, images with their sizes, and annotations")
    if len(categories) >= IGNORE:
        raise InputError(f"{path} has {len(categories)} categories: label maps hold up to {IGNORE - 1}")
    for category in used.keys() - categories.keys():
        raise InputError(f"{path}: annotation {used[category]} has undeclared category {category}")
    if len({Path(name).stem for name, *_ in images}) < len(images):
        raise InputError(f"{path}: two images share a file name, which is the id and must be unique")


def _records(path: Path, name: str, on_progress: OnProgress) -> Iterator[Any]:
    """The elements of one of the `LISTS` of an annotation file, one by one. Progress is a third of it for each list."""
    import ijson

    with path.open("rb", buffering=0) as file:
        watched = _Watched(file, path, LISTS.index(name), on_progress)
        yield from ijson.items(watched, f"{name}.item", use_float=True, buf_size=CHUNK)


class _Watched:
    """An annotation file that tells how far it has been read."""

    def __init__(self, file: IO[bytes], path: Path, turn: int, on_progress: OnProgress) -> None:
        self._file = file
        self._size = path.stat().st_size
        self._before = turn * self._size
        self._tell = partial(on_progress, f"Reading {path.name} (MB)")

    def read(self, size: int) -> bytes:
        done = (self._before + self._file.tell()) // len(LISTS)
        self._tell(done // 1_000_000, self._size // 1_000_000)
        chunk = self._file.read(size)
        if b"[" * DEPTH in chunk:  # ijson's memory grows with the square of the depth
            raise RecursionError(f"more than {DEPTH} brackets in a row")
        return chunk


def _writable(path: Path) -> bool:
    """Whether a file can be put there, as far as can be seen before."""
    try:
        check_folder(path.parent)
    except (InputError, OSError):
        return False
    return not path.is_dir()


def _remove(folder: Path, process: int) -> None:
    """Remove a folder, unless this is a fork of the process that made it."""
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(f"{path} cannot be read ({error.strerror}): look at the file")


def _need_libraries() -> None:
    try:
        for name in ("ijson", "pycocotools"):
            import_module(name)
    except ImportError:
        raise InputError("COCO needs pycocotools and ijson: pip install 'srpnet[coco]'") from None
