"""How the files that are made of a photograph are called: no two alike, and none that the file system refuses."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from episodes.errors import InputError
from episodes.names import alike
from srpnet.apps.files.outputs import WRITERS, output_paths

LONGEST = 255
"""Bytes of a file's name, where the system does not say how many it takes."""


def is_output(path: Path) -> bool:
    """Whether a picture is called like one of `WRITERS`, whatever its format.

    >>> is_output(Path("found/cup-mask.png")), is_output(Path("cup.png"))
    (True, False)
    """
    return path.stem.endswith(tuple(Path(end).stem for end in WRITERS))


def output_names(photographs: Sequence[tuple[Path, Path]]) -> list[str]:
    """A name for the files of each photograph, no two alike, see `alike`.

    It is the photograph's path below its folder without the extension. Where that is not enough it stays, as for
    `a.jpg` beside `a.png`, then the folder's name goes before it, and in the end a number behind it.

    Args:
        photographs: Of each its folder, and its path below that folder.

    >>> output_names([(Path("kitchen"), Path(name)) for name in ("a.jpg", "b.jpg", "b.png", "old/b.png")])
    ['a', 'b.jpg', 'b.png', 'old/b']
    """
    spellings = [_spellings(folder, inside) for folder, inside in photographs]
    chosen = [0] * len(spellings)
    while True:
        names = [spelled[choice] for spelled, choice in zip(spellings, chosen, strict=True)]
        counts = Counter(map(alike, names))
        clashing = [
            index
            for index, name in enumerate(names)
            if counts[alike(name)] > 1 and chosen[index] + 1 < len(spellings[index])
        ]
        if not clashing:
            return _numbered(names)
        for index in clashing:
            chosen[index] += 1


def _spellings(folder: Path, inside: Path) -> list[str]:
    """From the shortest to the most explicit."""
    whole = Path(folder.resolve().name) / inside
    return [str(path) for path in (inside.with_suffix(""), inside, whole.with_suffix(""), whole)]


def _numbered(names: Sequence[str]) -> list[str]:
    """Numbers behind those that are still alike, from the second on."""
    taken, numbered = {alike(name) for name in names}, list[str]()
    seen = set[str]()
    for name in names:
        number, free = 2, name
        while alike(free) in seen or (free != name and alike(free) in taken):
            free, number = f"{name}-{number}", number + 1
        seen.add(alike(free))
        numbered.append(free)
    return numbered


def check_outputs(folder: Path, name: str) -> None:
    """See whether the files of a photograph can be written under this name, before there are any.

    Raises:
        InputError: if a part of the path is too long for the file system, or a file or folder stands in the way.
    """
    for path in output_paths(folder, name):
        nearest = next(parent for parent in path.absolute().parents if os.path.lexists(parent))
        longest, whole = (_limit(nearest, what) for what in ("PC_NAME_MAX", "PC_PATH_MAX"))
        new = path.absolute().relative_to(nearest).parts
        if any(len(os.fsencode(part)) > longest for part in new):
            raise InputError(
                f"the names of its mask and overlay would be longer than {longest} bytes: shorten the photograph's name"
            )
        if len(os.fsencode(path.absolute())) >= whole:
            raise InputError("the paths of its mask and overlay would be too long: name an `out` with a shorter path")
        if not nearest.is_dir():
            raise InputError(f"{nearest} is a file, where {path.name} needs a folder: move it away")
        if path.is_dir():
            raise InputError(f"{path} is a folder, where a file must be written: move it away")


def _limit(folder: Path, what: str) -> int:
    try:
        return os.pathconf(folder, what)
    except (AttributeError, OSError, ValueError):  # Windows, and file systems that do not say
        return LONGEST if what == "PC_NAME_MAX" else 4096
