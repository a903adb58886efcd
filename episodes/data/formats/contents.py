"""The files below a folder, and photographs that annotation files name: they never lie outside of it."""

import os
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any
from xml.parsers import expat

from episodes.data.file_names import below
from episodes.data.pictures.images import state_of
from episodes.errors import InputError
from episodes.inputs import check_regular, read_json
from episodes.names import for_display

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif", ".heic", ".heif")
"""How the names of photographs end."""
MOST_FILES = 1_000_000
LARGEST = 256 << 20
"""Bytes of an annotation file that is read as a whole."""
HEAD = 1 << 16
"""Bytes by which a file is recognised."""
URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


class Contents:
    """What lies below a folder, hidden files and linked folders left out.

    Args:
        root: The folder.
        files: Paths below it, with slashes; by default all.

    Raises:
        InputError: It cannot be listed, or holds too much.
    """

    def __init__(self, root: Path, files: Sequence[str] | None = None) -> None:
        self.root = root
        self.files: tuple[str, ...] = tuple(sorted(_walk(root))) if files is None else tuple(files)

    @cached_property
    def pictures(self) -> tuple[str, ...]:
        """The files whose name is that of a picture."""
        return tuple(file for file in self.files if file.lower().endswith(PICTURES))

    def ending(self, *ends: str) -> list[str]:
        """The files whose names end so, in any letters' case."""
        return [file for file in self.files if file.lower().endswith(ends)]

    def state(self, file: str) -> str:
        """Changes with a file's content."""
        return state_of(self.root / file)

    def head(self, file: str) -> bytes:
        """The first bytes of a file; none of one that cannot be read."""
        try:
            check_regular(self.root / file)
            with (self.root / file).open("rb") as opened:
                return opened.read(HEAD)
        except (OSError, InputError):
            return b""

    def json(self, file: str) -> Any:
        """What a JSON file holds.

        Raises:
            InputError: It is too large, cannot be read, or is no JSON.
        """
        path = self.root / file
        check_size(path)
        return read_json(path, "export it again")

    def photograph(self, name: object, by: str) -> str:
        """Where a photograph is below the folder that an annotation file names.

        It is looked for beside that file, in the folder, in `images/`, and by its name alone if only one is called so.
        What is not there at all is where it should be beside the file.

        Args:
            name: As it stands there, with slashes or backslashes.
            by: The annotation file, below the folder.

        Raises:
            InputError: The name is no path below the folder: absolute, with `..`, a URL, or a link that leads out.
        """
        inner = below(name) if isinstance(name, str) else None
        if inner is None or URL.match(str(name)):
            raise InputError(
                f"{self.root / by}: the photograph {for_display(str(name))} is not a path below the folder: put it "
                "there, and write its path in it"
            )
        beside = str(PurePosixPath(by).parent / inner)
        found = next((path for path in (beside, inner, f"images/{inner}") if path in self._known), None)
        if found is None:
            alike = self._by_name.get(PurePosixPath(inner).name, [])
            found = alike[0] if len(alike) == 1 else beside
        self.check_inside(found, by)
        return found

    def holds(self, name: str) -> bool:
        """Whether a photograph anywhere in the folder is called so."""
        return name in self._by_name

    def check_inside(self, file: str, by: str) -> None:
        """`InputError` if a photograph is a link that leads out of the folder."""
        path = self.root / file
        try:
            if path.resolve().is_relative_to(self._real):
                return
        except (OSError, RuntimeError):  # a link in a circle
            pass
        raise InputError(
            f"{self.root / by}: the photograph {file} is a link that leads out of the folder: copy it there"
        )

    @cached_property
    def _real(self) -> Path:
        return self.root.resolve()

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.files)

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for file in self.pictures:
            found.setdefault(PurePosixPath(file).name, []).append(file)
        return found


def check_size(path: Path, largest: int = LARGEST) -> None:
    """`InputError` if something is no file, or is larger than annotation files are."""
    check_regular(path)
    try:
        size = path.stat().st_size
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): export it again") from None
    if size > largest:
        raise InputError(f"{path} has {size >> 20} MiB: annotations have {largest >> 20} at most; export it in parts")


def parse_xml(path: Path, handler: Any) -> None:
    """Read an XML file element by element, without any DTD: neither entities nor files from elsewhere.

    Args:
        path: Of the file.
        handler: Has `start(name, attributes)`, `text(words)` and `end(name)`.

    Raises:
        InputError: It is too large, cannot be read, has a DOCTYPE, or is no XML.
    """
    check_size(path)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = handler.start, handler.end
    parser.CharacterDataHandler = handler.text

    def refuse(*_: object) -> None:
        raise InputError(f"{path} has a DOCTYPE, which annotations need not: remove it")

    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    try:
        with path.open("rb") as file:
            parser.ParseFile(file)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): export it again") from None
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise InputError(f"{path} is not valid XML ({error}): export it again") from None


def _walk(root: Path) -> list[str]:
    if not root.is_dir():
        raise InputError(f"{root} is not a folder: name one of photographs with annotations")
    found: list[str] = []
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        inner = PurePosixPath(Path(folder).relative_to(root).as_posix())
        found += [str(inner / name) for name in files if not name.startswith(".")]
        if len(found) > MOST_FILES:
            raise InputError(f"{root} holds more than {MOST_FILES:,} files: name the folder of one data set")
    return found
