"""Which photographs a person's files and folders hold, and what is skipped in them and why."""

import os
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from episodes.errors import InputError
from episodes.files import check_folder
from episodes.names import alike
from srpnet.apps.files.output_names import check_outputs, is_output, output_names
from srpnet.apps.files.outputs import mask_path, output_paths
from srpnet.apps.pictures.reading import check_photograph, picture_suffixes

BY_HEAD = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "HEIF", "BMP")
"""Formats that are taken under any name. TIFF is not: raw files of cameras are TIFF with a thumbnail inside."""


class Photograph(NamedTuple):
    """A photograph to segment.

    Attributes:
        path: As it was named, or below the folder that was named.
        folder: The folder that was named, or the photograph's own.
        label: What it is called in messages.
        name: Of its outputs, see `name_outputs`.
    """

    path: Path
    folder: Path
    label: str
    name: str = ""


class PassedOver(NamedTuple):
    """A file or folder that nobody would expect to be segmented, what it is called in messages, and why."""

    label: str
    reason: str


@dataclass
class Listing:
    """What queries hold, in order; `failures` say of photographs that cannot be segmented why."""

    photographs: list[Photograph] = field(default_factory=list)
    passed_over: list[PassedOver] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


Item = Photograph | PassedOver | InputError
"""What a file or folder is; an error is a photograph that cannot be segmented."""


def list_photographs(queries: Sequence[Path], recursive: bool, out: Path, masks: Collection[Path]) -> Listing:
    """The photographs among `queries`, and those in the folders among them; each once.

    Of every file the head is looked at; one that is not a regular file is never opened.

    Args:
        queries: Photographs, which are taken whatever they are called, and folders, in which hidden files, outputs of
            `srpnet predict`, masks of examples and what is not a picture are skipped.
        recursive: Look into folders inside the folders, but not into hidden ones, links, or `out`.
        out: Where the outputs go.
        masks: Of the examples.

    Raises:
        InputError: if a query does not exist.
    """
    for query in queries:
        if not os.path.lexists(query):
            raise InputError(f"there is no photograph or folder {query}")
    listing, suffixes, seen = Listing(), picture_suffixes(), set[Path]()
    skipped = {_real(out): "the output folder", **{mask.resolve(): "the mask of an example" for mask in masks}}
    for query in queries:
        if query.is_dir():
            items = list(_in_folder(query, recursive, skipped, suffixes, alone=len(queries) == 1))
            if not any(isinstance(item, Photograph | InputError) for item in items):
                items.append(InputError(f"{query} holds no photographs"))
        else:
            items = [_file(Photograph(query, query.parent, str(query)))]
        for item in items:
            if isinstance(item, InputError):
                listing.failures.append(str(item))
            elif isinstance(item, PassedOver):
                listing.passed_over.append(item)
            elif (path := item.path.parent.resolve() / item.path.name) not in seen:
                seen.add(path)
                listing.photographs.append(item)
    return listing


def name_outputs(listing: Listing, out: Path, supports: Iterable[Path]) -> None:
    """Give each photograph the name of its outputs; those for which there can be none become failures.

    Args:
        listing: It is changed.
        out: Where the outputs go.
        supports: Photographs and masks of the examples.

    Raises:
        InputError: if outputs would go to a folder that holds photographs or masks, or something stands in their way.
    """
    if out.is_symlink() and not out.exists():
        raise InputError(f"{out} is a broken link: name another `out`")
    check_folder(out)
    names = output_names(
        [(photograph.folder, photograph.path.relative_to(photograph.folder)) for photograph in listing.photographs]
    )
    inputs = {file.parent.resolve() for file in (*supports, *(photograph.path for photograph in listing.photographs))}
    folders, named = {alike(str(folder)) for name in names for folder in Path(name).parents}, list[Photograph]()
    for photograph, name in zip(listing.photographs, names, strict=True):
        folder = mask_path(out, name).parent
        if folder.resolve() in inputs:
            raise InputError(
                f"{folder} holds your own photographs or masks, which could be overwritten: name another `out`"
            )
        try:
            if {alike(str(path)) for path in output_paths(Path(), name)} & folders:
                raise InputError("a folder has the name of its mask or overlay: rename the folder")
            check_outputs(out, name)
        except InputError as error:
            listing.failures.append(f"{photograph.path}: {error}")
        else:
            named.append(photograph._replace(name=name))
    listing.photographs = named


def _in_folder(
    folder: Path, recursive: bool, skipped: Mapping[Path, str], suffixes: Collection[str], alone: bool
) -> Iterator[Item]:
    """Everything in a folder, by name; what is in a folder inside it after the files beside that one.

    Args:
        folder: Which was named.
        recursive: Look into folders inside it.
        skipped: Files and folders that are skipped, and why.
        suffixes: From `picture_suffixes`.
        alone: No other query was named, so that names may be told from this folder on.
    """
    waiting = [folder]
    while waiting:
        current, inner = waiting.pop(), list[Path]()
        try:
            entries = sorted(current.iterdir())
        except OSError as error:
            yield InputError(f"{current} cannot be read ({error.strerror})")
            continue
        for path in entries:
            label = str(path.relative_to(folder) if alone else path)
            if path.name.startswith("."):
                yield PassedOver(label, "hidden")
            elif reason := skipped.get(_real(path)):
                yield PassedOver(label, reason)
            elif not path.is_dir():
                yield _file(Photograph(path, folder, label), suffixes)
            elif not recursive:
                yield PassedOver(label, "a folder: use `recursive`")
            elif path.is_symlink():
                yield PassedOver(label, "a link to a folder")
            else:
                inner.append(path)
        waiting += reversed(inner)


def _file(photograph: Photograph, suffixes: Collection[str] | None = None) -> Item:
    """What a file is: one that was named, or, with `suffixes`, one in a folder, which may be anything."""
    path, label = photograph.path, photograph.label
    expected = suffixes is None or path.suffix.lower() in suffixes
    try:
        status = path.stat()
        regular = stat.S_ISREG(status.st_mode)
        if not regular and suffixes is not None:
            return PassedOver(label, "a pipe, socket or device")
        if not regular:
            return InputError(f"{path} is a pipe, socket or device")
        if suffixes is not None and expected and is_output(path):
            return PassedOver(label, "a mask or an overlay")
        if not expected:
            return photograph if _is_picture(path) else PassedOver(label, "not a picture")
        if status.st_size == 0:
            return InputError(f"{path} cannot be read as a picture (the file is empty)")
        check_photograph(path)
    except OSError as error:
        return (
            InputError(f"{path} cannot be read ({error.strerror})") if expected else PassedOver(label, "not a picture")
        )
    except InputError as error:
        return error
    return photograph


def _real(path: Path) -> Path:
    """Where links lead; those that lead in a circle lead nowhere."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # the second before Python 3.13
        return path.absolute()


def _is_picture(path: Path) -> bool:
    """By its head, for a file whose name does not say so."""
    try:
        with Image.open(path, formats=[name for name in BY_HEAD if name in Image.OPEN]):
            return True
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False
