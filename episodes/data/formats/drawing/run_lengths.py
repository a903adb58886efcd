"""Masks as run lengths: those of COCO, of CVAT, and of Label Studio's brush."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from episodes.data.pictures.images import Size
from episodes.data.source import Array

Lengths = NDArray[np.int64]


def lengths_of(values: NDArray[np.bool_]) -> list[int]:
    """How many are false, then true, then false ... of a line of values; the first may be 0.

    >>> lengths_of(np.array([True, True, False]))
    [0, 2, 1]
    """
    changes = np.flatnonzero(np.diff(values)) + 1
    bounds = np.concatenate([[0], changes, [values.size]])
    lengths: list[int] = np.diff(bounds).tolist()
    return [0, *lengths] if values.size and values[0] else lengths


def values_of(lengths: Sequence[int], count: int) -> NDArray[np.bool_] | None:
    """A line of so many values, from `lengths_of`; None if the lengths do not fill it and no more.

    >>> values_of([0, 2, 1], 3).tolist()
    [True, True, False]
    """
    if not all(type(length) is int and 0 <= length <= count for length in lengths) or sum(lengths) != count:
        return None
    return drawn(np.array(lengths, np.int64))


def drawn(lengths: Lengths) -> NDArray[np.bool_]:
    """False, then true, then false ..., so many times each."""
    return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)


def column_lengths(mask: NDArray[np.bool_]) -> list[int]:
    """COCO's: a mask (H, W), column by column."""
    return lengths_of(mask.T.ravel())


def brush(code: object, size: Size) -> Array | None:
    """The opacity (H, W) in the code of Label Studio's brush; None if it is no such code of this size.

    The code is a line of bits: how many values follow (32 bits), how long one is (5 bits), four sizes of lengths (4
    bits each); then runs: whether one value is repeated (1 bit), which size its length has (2 bits), the length, and
    the value, or the values. The values are RGBA, pixel by pixel.
    """
    if not isinstance(code, list) or not all(type(byte) is int and 0 <= byte <= 255 for byte in code):
        return None
    bits = np.unpackbits(np.array(code, np.uint8))
    if bits.size < 53:
        return None
    count, at = _number(bits, 0, 32), 53
    word, sizes = _number(bits, 32, 5) + 1, [_number(bits, 37 + 4 * number, 4) + 1 for number in range(4)]
    if count != 4 * size[0] * size[1] or word != 8:
        return None
    values, done = np.zeros(count, np.uint8), 0
    while done < count:
        repeated, length = _number(bits, at, 1), sizes[_number(bits, at + 1, 2)]
        run, at = _number(bits, at + 3, length) + 1, at + 3 + length
        ahead = word if repeated else word * run
        if at + ahead > bits.size or done + run > count:
            return None
        values[done : done + run] = np.packbits(bits[at : at + ahead])
        done, at = done + run, at + ahead
    return values.reshape(*size, 4)[..., 3]


def _number(bits: Array, start: int, length: int) -> int:
    """A number of so many bits, the highest first; what lies behind the end is 0."""
    number = 0
    for bit in bits[start : start + length].tolist():
        number = number << 1 | bit
    return number
