"""Masks as PNGs: one with all classes, one a class, or one of probabilities a class."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from episodes.data.formats.annotated import Annotated, Entry, Format, Marked, inner
from episodes.data.formats.contents import Contents, check_size
from episodes.data.formats.drawing.objects import ExportSettings
from episodes.data.formats.numbers import class_name
from episodes.data.pictures import opening
from episodes.data.pictures.depth import Values
from episodes.data.pictures.images import OtherSize, PictureError, Size, head
from episodes.data.source import IGNORE, Array, Labels, numbered
from episodes.errors import InputError
from episodes.files import atomic_write, write_text
from episodes.inputs import read_text
from episodes.names import for_path, from_path

MASKS, CLASSES, PROBABILITY = "masks", "class_masks", "probability"
LISTING = "classes.txt"
SUFFIX = "-mask"
"""How the name of a mask beside its photograph ends."""
FULL = 2**16 - 1
"""What 1 is in a picture of probabilities."""
NAME_KEY = "class"
OBJECT = "object"


def write_indexed(folder: Path, names: Sequence[str], marked: Iterable[Marked], settings: ExportSettings) -> None:
    """`masks/NAME.png` with a palette, its values the labels, and `classes.txt`, a name a line."""
    write_text(folder / LISTING, "".join(f"{name}\n" for name in names))
    colours = palette()
    for name, labels in marked:
        image = Image.fromarray(labels).convert("L")
        image.putpalette(colours)
        _save(folder / MASKS / inner(name).with_suffix(".png"), image)


def write_classes(folder: Path, names: Sequence[str], marked: Iterable[Marked], settings: ExportSettings) -> None:
    """`class_masks/CLASS/NAME.png`: 255 is the class."""
    for name, labels in marked:
        for label, each in enumerate(names, start=1):
            path = folder / CLASSES / for_path(each) / inner(name).with_suffix(".png")
            _save(path, Image.fromarray((labels == label).astype(np.uint8) * np.uint8(IGNORE)), each)


def write_probability(file: Path, probability: NDArray[np.float32], name: str) -> None:
    """A PNG of 16 bits: 65535 is 1.

    Args:
        file: Where; its folder is made.
        probability: (H, W) in [0, 1].
        name: Of the class.
    """
    _save(file, Image.fromarray(np.rint(probability * FULL).astype(np.uint16)), name)


def probability_path(folder: Path, name: str, photograph: str) -> Path:
    """Where the probability of a class goes."""
    return folder / PROBABILITY / for_path(name) / inner(photograph).with_suffix(".png")


def palette() -> list[int]:
    """The colours of PASCAL VOC: label -> red, green and blue, in which the bits of the label are dealt out."""
    colours = []
    for label in range(256):
        bits = [label >> bit & 1 for bit in range(8)]
        colours += [
            sum(bits[3 * turn + channel] << 7 - turn for turn in range(3) if 3 * turn + channel < 8)
            for channel in range(3)
        ]
    return colours


# ----------------------------------------------------------------------------------------------------------- reading


@dataclass(frozen=True)
class IndexedEntry:
    """One mask, whose values are labels."""

    file: Path
    classes: Sequence[str]
    listed: bool
    state: str

    @property
    def size(self) -> Size:
        """That of the mask."""
        return head(self.file).stored

    def labels(self, size: Size, numbers: Mapping[str, int]) -> Labels:
        """255 is ignored beside other labels; alone it is the object, if no list names classes."""
        values = _values(self.file, size)
        if not self.listed and not ((values > 0) & (values < IGNORE)).any():
            values = values // IGNORE
        strange = np.setdiff1d(values, [*range(len(self.classes) + 1), IGNORE])
        if strange.size:
            named = f"{LISTING} names {len(self.classes)}" if self.listed else f"no {LISTING} names classes"
            raise PictureError(f"{self.file} holds the label {strange[0]}, but {named}: correct one of them")
        table = np.zeros(256, np.int16)
        table[1 : len(self.classes) + 1] = [numbers[name] for name in self.classes]
        table[IGNORE] = IGNORE
        return table[values].astype(np.uint8)


@dataclass(frozen=True)
class ClassesEntry:
    """A mask, or a picture of probabilities, for each of some classes."""

    files: Mapping[str, Path]
    state: str

    @property
    def size(self) -> Size:
        """That of the first mask."""
        return head(next(iter(self.files.values()))).stored

    def labels(self, size: Size, numbers: Mapping[str, int]) -> Labels:
        """Each pixel shows the class of the largest value, if that is above what all of them leave of 1."""
        left, shares = np.ones(size, np.float32), {name: _share(file, size) for name, file in self.files.items()}
        for share in shares.values():
            left -= share
        best, found = left.clip(0), np.zeros(size, np.int16)
        for name, share in shares.items():
            ahead = share > best
            found[ahead], best[ahead] = numbers[name], share[ahead]
        return found if found.max(initial=0) >= IGNORE else found.astype(np.uint8)


def find_indexed(contents: Contents) -> list[str]:
    """PNGs in `masks/`, or `NAME-mask.png` beside `NAME.jpg`."""
    return list(_indexed(contents).values())


def read_indexed(contents: Contents, files: Sequence[str]) -> Annotated:
    """Masks with a list of classes, or without one: of one class, whose masks hold 0 and 255, or 0 and 1."""
    listing = contents.root / LISTING
    listed = listing.is_file()
    names = _listed(listing) if listed else (OBJECT,)
    entries: dict[str, Entry] = {
        picture: IndexedEntry(contents.root / file, names, listed, contents.state(file))
        for picture, file in _indexed(contents).items()
    }
    _check_inside(contents, entries)
    return Annotated(names, entries)


def find_in(folder: str) -> Callable[[Contents], list[str]]:
    """PNGs in `class_masks/CLASS/`, or another such folder."""
    return lambda contents: [file for file in contents.ending(".png") if _class_folder(file, folder)]


def read_classes(contents: Contents, files: Sequence[str]) -> Annotated:
    """What `find_in` found: a photograph shows no class of which it has no mask."""
    by_stem = _by_stem(contents)
    names: dict[str, str] = {}
    found: dict[str, dict[str, Path]] = {}
    for file in files:
        part, name = PurePosixPath(file).parts[1], PurePosixPath(*PurePosixPath(file).parts[2:]).with_suffix("")
        if part not in names:
            names[part] = _name_in(contents.root / file) or from_path(part)
        if picture := by_stem.get(str(name)):
            found.setdefault(picture, {})[names[part]] = contents.root / file
    states = {
        picture: " ".join(contents.state(str(file.relative_to(contents.root))) for file in masks.values())
        for picture, masks in found.items()
    }
    entries: dict[str, Entry] = {
        picture: ClassesEntry(masks, states[picture]) for picture, masks in sorted(found.items())
    }
    _check_inside(contents, entries)
    return Annotated(numbered(sorted({*names.values()})), entries)


def _class_folder(file: str, folder: str) -> bool:
    parts = PurePosixPath(file).parts
    return len(parts) > 2 and parts[0] == folder


def _indexed(contents: Contents) -> dict[str, str]:
    """Photograph -> its mask."""
    by_stem, found = _by_stem(contents), dict[str, str]()
    for file in contents.ending(".png"):
        path = PurePosixPath(file)
        if path.parts[0] == MASKS and len(path.parts) > 1:
            picture = by_stem.get(str(PurePosixPath(*path.parts[1:]).with_suffix("")))
        else:
            picture = (
                by_stem.get(str(path.with_name(path.stem.removesuffix(SUFFIX)))) if path.stem.endswith(SUFFIX) else None
            )
        if picture and picture != file:
            found[picture] = file
    return dict(sorted(found.items()))


def _by_stem(contents: Contents) -> dict[str, str]:
    """Path without ending, and without `images` before it -> the photograph; masks and overlays are none."""
    found: dict[str, str] = {}
    for file in contents.pictures:
        if PurePosixPath(file).parts[0] not in (MASKS, CLASSES, PROBABILITY):
            stem = str(inner(file).with_suffix(""))
            if not stem.endswith((SUFFIX, "-overlay")):
                found.setdefault(stem, file)
    return found


def _check_inside(contents: Contents, entries: Mapping[str, Entry]) -> None:
    for picture in entries:
        contents.check_inside(picture, picture)


def _listed(file: Path) -> tuple[str, ...]:
    check_size(file)
    lines = read_text(file, "write a class a line").splitlines()
    names = tuple(name for line in lines if (name := class_name(line)))
    if not 0 < len(names) < IGNORE or len({*names}) < len(names):
        raise InputError(f"{file} does not name classes: write each once, a line each, {IGNORE - 1} at most")
    return names


def _name_in(file: Path) -> str | None:
    """The name of a class as the picture has it, where its folder's name could not hold it."""
    try:
        with opening.readable(file), opening.head(file) as image:
            return class_name(image.info.get(NAME_KEY))
    except (InputError, OSError):
        return None


def _values(file: Path, size: Size) -> Array:
    image = _read(file, size)
    if not isinstance(image, Image.Image) or image.mode not in ("1", "L", "P"):
        raise PictureError(f"{file} is not a mask of labels: save it as PNG in grey, or with a palette")
    return np.asarray(image).astype(np.uint8)


def _share(file: Path, size: Size) -> NDArray[np.float32]:
    """(H, W) in [0, 1]."""
    pixels = np.asarray(_read(file, size))
    if pixels.ndim != 2:
        raise PictureError(f"{file} has colours: save it in grey")
    full = 1 if pixels.dtype == np.bool_ else FULL if pixels.dtype != np.uint8 else IGNORE
    return pixels.astype(np.float32) / np.float32(full)


def _read(file: Path, size: Size) -> Image.Image | Values:
    try:
        pixels = opening.open_picture(file).pixels
    except FileNotFoundError:
        raise PictureError(f"{file} does not exist") from None
    except InputError as error:
        raise PictureError(str(error)) from None
    found = (pixels.height, pixels.width) if isinstance(pixels, Image.Image) else pixels.shape[:2]
    if found != size:
        raise OtherSize(
            f"{file} is {found[1]} x {found[0]} pixels, its photograph {size[1]} x {size[0]}: make them one size"
        )
    return pixels


def _save(path: Path, image: Image.Image, name: str = "") -> None:
    known = PngInfo()
    if name:
        known.add_itxt(NAME_KEY, name)
    with atomic_write(path) as temporary:
        image.save(temporary, "PNG", compress_level=1, pnginfo=known)


INDEXED = Format(
    "indexed",
    "masks",
    "masks/NAME.png, 1 to N are the classes of classes.txt",
    write_indexed,
    find_indexed,
    read_indexed,
)
CLASS_MASKS = Format(
    "classes",
    "masks of classes",
    "class_masks/CLASS/NAME.png, 255 is the class",
    write_classes,
    find_in(CLASSES),
    read_classes,
)
PROBABILITIES = Format(
    "probability",
    "probabilities",
    "probability/CLASS/NAME.png, 65535 is 1",
    None,
    find_in(PROBABILITY),
    read_classes,
)
