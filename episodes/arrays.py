"""Arrays in an .npz file that a stranger may have made: types and sizes are looked at before anything is read."""

import lzma
import math
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray

from episodes.errors import InputError
from episodes.inputs import check_regular

LARGEST = 1 << 30
"""Bytes of an array, at most: a small file can unpack to a large one."""
LONGEST = 2_000_000
"""Rows of an array, at most."""
# What zipfile, its decompressors and numpy's header raise for damaged files.
DAMAGED = (
    *(OSError, EOFError, BadZipFile, zlib.error, lzma.LZMAError, RuntimeError, MemoryError),
    *(ValueError, KeyError, IndexError, TypeError, SyntaxError, OverflowError),
)


class Kind(NamedTuple):
    """What an array must be: its type as numpy's letter (`U` text, `i` whole, `f` broken numbers), and its axes."""

    letter: str
    axes: int


def read_arrays(file: Path, kinds: Mapping[str, Kind]) -> dict[str, NDArray[Any]]:
    """The arrays of these names that are in the file; others are let lie.

    Raises:
        InputError: if the file cannot be read, or an array is of another kind or too large.
    """
    check_regular(file)
    try:
        with ZipFile(file) as archive:
            there = {name for name in archive.namelist() if name.endswith(".npy")}
            return {name: _read(archive, name, kind) for name, kind in kinds.items() if f"{name}.npy" in there}
    except FileNotFoundError:
        raise InputError(f"there is no {file}: name a folder that `srpnet eval --out` wrote") from None
    except DAMAGED as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"{file} cannot be read ({reason}): run `srpnet eval` again") from None


def _read(archive: ZipFile, name: str, kind: Kind) -> NDArray[Any]:
    info = archive.getinfo(f"{name}.npy")
    if info.file_size > LARGEST:
        raise ValueError(f"{name} would take {info.file_size} bytes")
    with archive.open(info) as stream:
        headers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, columns_first, dtype = headers[np.lib.format.read_magic(stream)](stream)
        if dtype.kind != kind.letter or len(shape) != kind.axes or columns_first:
            raise ValueError(f"{name} is {dtype} {shape}, which no run writes")
        size = math.prod(shape) * dtype.itemsize  # before there is any array of it
        if shape[0] > LONGEST or size > LARGEST:
            raise ValueError(f"{name} is {dtype} {shape}, which is too large")
        content = stream.read(size)
        if len(content) != size or stream.read(1):
            raise ValueError(f"{name} is not as long as its header says")
        return np.frombuffer(content, dtype).reshape(shape)
