"""A folder of examples: a subfolder for each class, in it photographs, each with its mask."""

from pathlib import Path

from episodes.errors import InputError
from srpnet.apps.pictures.reading import picture_suffixes

MASK_ENDS = ("-mask", "_mask")
"""How the name of a mask ends that lies beside its photograph under the same ending, as `a.png` and `a-mask.png`."""
SPLIT = ("images", "masks")
"""Subfolders of a class where photographs and masks lie apart."""


def examples_in(folder: Path) -> dict[str, list[tuple[Path, Path]]]:
    """Class -> its photographs and masks, by name.

    The classes are the subfolders. A folder without any, or with `images` and `masks` alone, is one class of its own
    name. The mask of `a.jpg` is `a.png`, `a-mask.png` or `a_mask.png` beside it; or, in `masks`, a picture of the same
    name as one in `images`.

    Raises:
        InputError: if the folder cannot be read or holds no examples, a photograph has no mask or a mask no photograph,
            or it is not clear which is which.
    """
    inner = {path.name for path in _entries(folder) if path.is_dir()}
    if not inner or inner == set(SPLIT):
        return {folder.resolve().name or "object": _pairs(folder)}
    return {path.name: _pairs(path) for path in _entries(folder) if path.is_dir()}


def _pairs(folder: Path) -> list[tuple[Path, Path]]:
    """The photographs of a class and their masks."""
    photographs, masks = dict[str, Path](), dict[str, Path]()
    if all((folder / name).is_dir() for name in SPLIT):
        photographs, masks = ({path.stem: path for path in _pictures(folder / name)} for name in SPLIT)
    else:
        by_name: dict[str, list[Path]] = {}
        for path in _pictures(folder):
            if ends := [end for end in MASK_ENDS if path.stem.endswith(end)]:
                masks[path.stem.removesuffix(ends[0])] = path
            else:
                by_name.setdefault(path.stem, []).append(path)
        for name, paths in by_name.items():
            lossless = [path for path in paths if path.suffix.lower() == ".png"]
            if len(paths) == 2 and len(lossless) == 1 and name not in masks:
                masks[name] = lossless[0]
                paths.remove(lossless[0])
            if len(paths) > 1:
                listed = " and ".join(path.name for path in paths)
                raise InputError(f"{folder} holds {listed}: call the mask {name}-mask.png")
            photographs[name] = paths[0]
    for name, path in sorted((photographs | masks).items()):
        if name not in masks:
            raise InputError(f"{path} has no mask: save it beside the photograph as {name}-mask.png")
        if name not in photographs:
            raise InputError(f"{path} has no photograph: it must be called {name}, too")
    if not photographs:
        raise InputError(f"{folder} holds no examples: put photographs and their masks there, as a.jpg and a.png")
    return [(path, masks[name]) for name, path in sorted(photographs.items())]


def _pictures(folder: Path) -> list[Path]:
    suffixes = picture_suffixes()
    return [path for path in _entries(folder) if path.suffix.lower() in suffixes and not path.is_dir()]


def _entries(folder: Path) -> list[Path]:
    """What is in a folder, by name, without hidden things."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise InputError(f"{folder} cannot be read ({error.strerror})") from None
