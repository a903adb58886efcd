"""A COCO annotation file: read once, kept as a database, and asked for the label map of one photograph at a time."""

import hashlib
import json
import os
import shutil
import sqlite3
import tempfile
import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from episodes.data.class_index import Index, read_areas
from episodes.data.coco.json_stream import JsonStream
from episodes.data.coco.records import Image, Records
from episodes.data.file_names import ids_of
from episodes.data.pictures.images import Size
from episodes.data.remarks import Remark
from episodes.data.source import Array, Crowds, OnProgress
from episodes.errors import InputError
from episodes.files import atomic_write, cache_folder, check_folder
from episodes.inputs import check_regular

VERSION = 4
"""Of the database; a change of what it holds is a new one."""
TABLES = f"""
    PRAGMA journal_mode = OFF;  -- a file that is not finished is removed, so nothing is ever rolled back
    PRAGMA synchronous = OFF;
    PRAGMA user_version = {VERSION};
    CREATE TABLE photographs (
        row INTEGER PRIMARY KEY, file TEXT, height INTEGER, width INTEGER, areas TEXT, areas_with_crowds TEXT
    );
    CREATE TABLE categories (number INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE shapes (photograph INTEGER, crowd INTEGER, area INTEGER, label INTEGER, counts BLOB);
    CREATE TABLE remarks (number INTEGER PRIMARY KEY, record TEXT);
"""
"""Areas are JSON, visible pixels by label; a remark's `record` is JSON of its fields."""
SHAPES = "SELECT label, crowd, counts FROM shapes WHERE photograph = ? ORDER BY crowd DESC, area DESC, rowid"
LISTS = ("images", "categories", "annotations")

CHUNK = 1_000_000
"""Bytes read at once."""


class Annotations:
    """One annotation file, checked.

    The first time, what is needed of it goes into a database in the cache folder, named by the hash of the file's
    content; if it cannot be written there, into a temporary one. An id is a photograph's file name without extension;
    where several have the same, with its folders too, see `ids_of`.

    Attributes:
        ids: In file order.
        files: Id -> where the photograph is, below the folder of photographs.
        sizes: Id -> its height and width.
        classes: Category names by ascending category id; equal ones with their number, as `cup (3)`.
        remarks: What was skipped, or read differently from how it is written.

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
            photographs, categories, remarks = _declared(self._kept)
        except (sqlite3.Error, OSError):  # absent, or not what was written
            self._keep()
            photographs, categories, remarks = _declared(self._kept)
        files = [file for file, *_ in photographs]
        self.ids: tuple[str, ...] = tuple(ids_of(files))
        self.files: dict[str, str] = dict(zip(self.ids, files, strict=True))
        self.sizes: dict[str, Size] = {
            id: (height, width) for id, (_, height, width) in zip(self.ids, photographs, strict=True)
        }
        if len(self.files) < len(files):
            raise InputError(f"{path}: two photographs differ only in folder and file extension: rename one of them")
        self.classes: tuple[str, ...] = _named_apart([name for _, name in categories])
        self.remarks: tuple[Remark, ...] = tuple(remarks)
        self._categories = [number for number, _ in categories]
        self._row = {id: row for row, id in enumerate(self.ids)}

    def check_beside(self, other: "Annotations") -> None:
        """`InputError` unless both files declare the same categories and different photographs."""
        both = f"{self.path} and {other.path}"
        if (self._categories, self.classes) != (other._categories, other.classes):
            raise InputError(f"{both} declare different categories: use two files of one release")
        if shared := self._row.keys() & other._row.keys():
            raise InputError(
                f"{both} share {len(shared)} photographs, for example {min(shared)}: keep each in one split"
            )

    def labels(self, id: str, crowds: Crowds = "ignore") -> Array:
        """The label map (H, W): crowds, and over them instances from large to small, so that all show.

        Raises:
            InputError: The database is damaged.
        """
        from episodes.data.coco.shapes import Shape, paint

        shapes = [Shape(*shape) for shape in self._rows(SHAPES, self._row[id])]
        return paint(shapes, self.sizes[id], crowds)

    def index(self, crowds: Crowds = "ignore") -> Index:
        """Id -> class -> visible pixels, at least 1.

        Raises:
            InputError: As `labels`.
        """
        column = "areas_with_crowds" if crowds == "object" else "areas"
        areas = self._rows(f"SELECT {column} FROM photographs ORDER BY row")
        return {id: read_areas(json.loads(text)) for id, (text,) in zip(self.ids, areas, strict=True)}

    def _rows(self, query: str, *values: int) -> list[Any]:
        """What the database answers."""
        try:
            with _opened(self._kept) as database:
                return database.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise InputError(f"{self._kept} cannot be read ({error}): remove it and start again") from None

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
            raise InputError(
                f"{self._kept} cannot be written ({error}): free disk space, or set SRPNET_CACHE"
            ) from None


def _opened(kept: Path) -> closing[sqlite3.Connection]:
    """The database for one thread to read. It is never changed, so it needs no locks, which some network disks lack."""
    return closing(sqlite3.connect(f"{kept.as_uri()}?mode=ro&immutable=1", uri=True))


def _declared(kept: Path) -> tuple[list[Image], list[tuple[int, str]], list[Remark]]:
    """The photographs, in file order; number and name of each category, ascending; what was skipped.

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
        categories = database.execute("SELECT number, name FROM categories ORDER BY number").fetchall()
        remarks = database.execute("SELECT record FROM remarks ORDER BY number").fetchall()
    return photographs, categories, [Remark.read(json.loads(record)) for (record,) in remarks]


def _build(path: Path, target: Path, on_progress: OnProgress) -> None:
    """Read an annotation file from end to end, check it, and write its database.

    Raises:
        InputError: It is no such file.
        sqlite3.Error: The database cannot be written.
    """
    import ijson

    from episodes.data.coco.shapes import encode

    records = Records()
    with closing(sqlite3.connect(target)) as database, database:
        database.executescript(TABLES)
        try:
            for record in _elements(path, "images", on_progress):
                records.add_image(record)
            for record in _elements(path, "categories", on_progress):
                records.add_category(record)
            labels = {number: label for label, number in enumerate(sorted(records.categories), start=1)}
            for drawn in records.drawn(_elements(path, "annotations", on_progress)):
                counts, area = encode(drawn.segmentation, records.images[drawn.row][1:])
                values = (drawn.row, drawn.crowd, area, labels[drawn.category], counts)
                database.execute("INSERT INTO shapes VALUES (?, ?, ?, ?, ?)", values)
        except OSError as error:
            raise _unreadable(path, error) from None
        except (ijson.JSONError, ValueError, OverflowError, RecursionError, MemoryError) as error:
            reason = (
                str(error).partition("\n")[0] or "a record is too large for the memory"
            )  # below it, ijson shows the place
            raise InputError(f"{path} is not a COCO instances file, or is truncated: {reason}") from None
        records.check(path)
        database.execute("CREATE INDEX painting ON shapes (photograph, crowd DESC, area DESC)")
        _count(database, records.images, lambda done, total: on_progress(f"Counting {path.name}", done, total))
        database.executemany("INSERT INTO categories VALUES (?, ?)", records.categories.items())
        kinds = ((number, json.dumps(asdict(remark))) for number, remark in enumerate(records.remarks()))
        database.executemany("INSERT INTO remarks VALUES (?, ?)", kinds)


def _count(database: sqlite3.Connection, images: Sequence[Image], on_progress: Callable[[int, int], None]) -> None:
    """Write the photographs, with what is seen of each class, as their shapes have it."""
    from episodes.data.coco.shapes import Shape, count

    for row, (file, height, width) in enumerate(images):
        size = height, width
        shapes = [Shape(*shape) for shape in database.execute(SHAPES, (row,))]
        areas = count(shapes, size, "ignore")
        with_crowds = count(shapes, size, "object") if shapes and shapes[0].crowd else areas
        values = (row, file, *size, json.dumps(areas), json.dumps(with_crowds))
        database.execute("INSERT INTO photographs VALUES (?, ?, ?, ?, ?, ?)", values)
        on_progress(row + 1, len(images))


def _elements(path: Path, name: str, on_progress: OnProgress) -> Iterator[Any]:
    """The elements of one of the `LISTS` of an annotation file, one by one. Progress is a third of it for each list."""
    import ijson

    size, turn = path.stat().st_size, LISTS.index(name)

    def progress(done: int) -> None:
        on_progress(f"Reading {path.name} (MB)", (turn * size + done) // len(LISTS) // 1_000_000, size // 1_000_000)

    with path.open("rb", buffering=0) as file:
        yield from ijson.items(JsonStream(file, progress), f"{name}.item", use_float=True, buf_size=CHUNK)


def _named_apart(names: Sequence[str]) -> tuple[str, ...]:
    """Class names, with the number of the class where several have the same.

    >>> _named_apart(["cup", "dog", "cup"])
    ('cup (1)', 'dog', 'cup (3)')
    """
    counts, taken = Counter(names), set(names)
    apart = []
    for label, name in enumerate(names, start=1):
        while counts[name] > 1 or (name != names[label - 1] and name in taken):
            name = f"{name} ({label})"
        apart.append(name)
    return tuple(apart)


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
    return InputError(f"{path} cannot be read ({error.strerror}): check the file")


def _need_libraries() -> None:
    try:
        for name in ("ijson", "pycocotools"):
            import_module(name)
    except ImportError:
        raise InputError("COCO needs pycocotools and ijson: pip install 'srpnet[coco]'") from None
