"""A COCO annotation file: what it declares, and the label map of any photograph, without holding its annotations."""

import hashlib
import json
import os
import sys
import zipfile
from array import array
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from episodes.errors import InputError
from episodes.files import atomic_write, cache_folder
from episodes.sources.base import IGNORE, Array, OnProgress
from episodes.sources.index import Index, class_index, fingerprint
from episodes.sources.processes import processes
from episodes.sources.records import records

Table = dict[str, NDArray[Any]]
"""What is kept of an annotation file: `ids`, `files` (N) and `sizes` (N, 2), height and width, of the photographs;
`categories` and `names` (C) by ascending category; `spans` (M, 2), from where to where each annotation stands in bytes,
those of photograph i at `first[i]` to `first[i + 1]`."""

VERSION = 1
"""Of the table; a change of what it holds is a new one."""
PROCESSES = 8
"""More would wait for the one that hands out the work."""
PHOTOGRAPHS_A_PROCESS = 1000
"""Fewer are counted before a process has started."""


class Annotations:
    """One annotation file, checked.

    The first time, the file is read once; where each annotation stands is kept in the cache folder by the hash of the
    file's content. An id is a photograph's file name without its ending.

    Attributes:
        ids: In file order.
        files: Id -> where the photograph is, below the folder of photographs.
        classes: Category names by ascending category id.

    Raises:
        InputError: pycocotools is not installed, or the file is not there, cut short, or not as COCO's are.
    """

    def __init__(self, path: Path, on_progress: OnProgress) -> None:
        _need_pycocotools()
        self.path = path
        self._on_progress = on_progress
        try:
            with path.open("rb") as file:
                self._state = _state(file)
                self._sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise _unreadable(path, error) from None
        self._table = _kept(path, self._sha256, on_progress)
        self.ids: tuple[str, ...] = tuple(self._table["ids"].tolist())
        self.files: dict[str, str] = dict(zip(self.ids, self._table["files"].tolist(), strict=True))
        self.classes: tuple[str, ...] = tuple(self._table["names"].tolist())
        self._categories: list[int] = self._table["categories"].tolist()
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

        height, width = self._table["sizes"][self._row[id]].tolist()
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
        first, stop = self._table["first"][row : row + 2].tolist()
        try:
            with self.path.open("rb", buffering=0) as file:
                if _state(file) != self._state:
                    raise InputError(f"{self.path} has changed since it was opened: start again")
                annotations = [_slice(file, *span) for span in self._table["spans"][first:stop].tolist()]
        except OSError as error:
            raise _unreadable(self.path, error) from None
        size = json.dumps(self._table["sizes"][row].tolist()).encode()
        line = b'{"size": ' + size + b', "annotations": [' + b",".join(annotations) + b"]}"
        return line.replace(b"\n", b" ") + b"\n"  # a line break inside a JSON string is escaped


def _kept(path: Path, sha256: str, on_progress: OnProgress) -> Table:
    """The table of an annotation file, from the cache if it is there and whole, else made and cached."""
    cached = cache_folder() / "annotations" / f"{sha256}-{VERSION}.npz"
    with suppress(OSError, ValueError, LookupError, TypeError, EOFError, zipfile.BadZipFile), cached.open("rb") as file:
        content = np.load(file, allow_pickle=False)
        table = {name: content[name] for name in ("ids", "files", "sizes", "categories", "names", "spans", "first")}
        if len(table["files"]) + 1 == len(table["first"]):
            return table
    table = _made(path, on_progress)
    with suppress(InputError), atomic_write(cached) as temporary, temporary.open("wb") as file:
        np.savez(file, **table)  # type: ignore[arg-type]  # one of numpy's own keywords might be among the names
    return table


def _made(path: Path, on_progress: OnProgress) -> Table:
    """The table of an annotation file, read from end to end and checked."""
    images: dict[Any, tuple[str, int, int]] = {}
    categories: dict[int, str] = {}
    used: dict[Any, Any] = {}
    owners: list[Any] = []
    places = array("q")
    try:
        for kind, record, start, stop in records(path, ("images", "categories", "annotations"), on_progress):
            if kind == "images":
                images[record["id"]] = str(record["file_name"]), int(record["height"]), int(record["width"])
            elif kind == "categories":
                categories[int(record["id"])] = str(record["name"])
            else:
                owners.append(record["image_id"])
                used[record["category_id"]] = record["id"]
                places.extend((start, stop))
        rows = {number: row for row, number in enumerate(images)}
        owner_rows = np.array([rows.get(owner, len(rows)) for owner in owners], dtype=np.int64)
        sizes = np.array([size for _, *size in images.values()], dtype=np.int64)
        numbers = np.array(sorted(categories), dtype=np.int64)
    except OSError as error:
        raise _unreadable(path, error) from None
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} is not a COCO instances file: {error!r} in its records") from None
    except (ValueError, OverflowError, RecursionError) as error:
        raise InputError(f"{path} is not a COCO instances file, or was cut short: {error}") from None
    if not (images and categories and used) or sizes.min() < 1:
        raise InputError(f"{path} needs categories, images with their sizes, and annotations")
    if len(categories) >= IGNORE:
        raise InputError(f"{path} has {len(categories)} categories: label maps hold up to {IGNORE - 1}")
    for category in used.keys() - categories.keys():
        raise InputError(f"{path}: annotation {used[category]} has undeclared category {category}")
    files = [name for name, *_ in images.values()]
    ids = [Path(name).stem for name in files]
    if len(set(ids)) < len(ids):
        raise InputError(f"{path}: two images share a file name, which is the id and must be unique")
    order = np.argsort(owner_rows, kind="stable")  # in file order within a photograph
    return {
        "ids": np.array(ids),
        "files": np.array(files),
        "sizes": sizes,
        "categories": numbers,
        "names": np.array([categories[number] for number in numbers.tolist()]),
        "spans": np.array(places, dtype=np.int64).reshape(-1, 2)[order],
        "first": np.searchsorted(owner_rows[order], np.arange(len(images) + 1)),
    }


def _state(file: IO[bytes]) -> tuple[int, int]:
    """What changes whenever a file does."""
    stat = os.fstat(file.fileno())
    return stat.st_size, stat.st_mtime_ns


def _slice(file: IO[bytes], start: int, stop: int) -> bytes:
    file.seek(start)
    return file.read(stop - start)


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(f"{path} cannot be read ({error.strerror}): look at the file")


def _need_pycocotools() -> None:
    try:
        import pycocotools.mask  # noqa: F401
    except ImportError:
        raise InputError("COCO needs pycocotools: pip install 'srpnet[coco]'") from None
