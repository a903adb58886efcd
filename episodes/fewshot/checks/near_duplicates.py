"""Photographs that are in two lists under different names: found by a perceptual hash."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from episodes.data.source import OnProgress, Source, silent
from episodes.errors import InputError

Bits = NDArray[np.bool_]

BITS = 256
NEAR = 50
"""Of 256 bits, how many may differ. Among 3,482 photographs of VOC 2012, one that was compressed again to JPEG quality
30, halved or brightened differs in 26 at most, one that lost 2 % on every side in 46, and two different ones in 82 at
least.
"""
FLAT = 64
"""Half of the bits of a photograph are 1. Where it is fewer than so many, or all but so many, it has no structure."""
AT_A_TIME = 1000
"""Photographs that are compared with all others at once."""


class Duplicate(NamedTuple):
    """Two photographs that are nearly the same.

    Attributes:
        first, second: Their ids.
        bits: How many bits of 256 differ.
        mirrored: Whether one is the mirror image of the other.
    """

    first: str
    second: str
    bits: int
    mirrored: bool = False


def duplicates(
    source: Source, first: Sequence[str], second: Sequence[str], on_progress: OnProgress = silent
) -> list[Duplicate]:
    """Photographs of one list that are in another, too, under another id; recompressed, resized, slightly cropped or
    mirrored.

    Strongly cropped copies are not found. (pHash: the signs of the low frequencies of a cosine transform,
    against their median; by the library ImageHash.)

    Args:
        source: Has the photographs.
        first, second: Ids. The same id in both is not reported.
        on_progress: Called with the progress.

    Raises:
        InputError: if a photograph cannot be read, or ImageHash is not installed.
    """
    if find_spec("imagehash") is None:
        raise InputError("finding duplicates needs ImageHash: pip install 'srpnet[data]'")
    if not first or not second:
        return []
    ids = [*dict.fromkeys((*first, *second))]
    hashes: dict[str, tuple[Bits, Bits]] = {}
    with ThreadPoolExecutor() as pool:
        for id, bits in zip(ids, pool.map(partial(_hash, source), ids), strict=True):
            hashes[id] = bits
            on_progress("Hashing photographs", len(hashes), len(ids))
    own, other, mirrored = (
        np.stack([_signs(hashes[id][flipped]) for id in ids]) for ids, flipped in ((first, 0), (second, 0), (second, 1))
    )
    found: dict[tuple[str, str], Duplicate] = {}
    for start in range(0, len(own), AT_A_TIME):
        for flipped, theirs in enumerate((other, mirrored)):
            alike = own[start : start + AT_A_TIME] @ theirs.T  # bits that agree less those that differ
            for row, column in np.argwhere(alike >= BITS - 2 * NEAR):
                pair = first[start + row], second[column]
                if pair[0] != pair[1] and pair not in found:
                    found[pair] = Duplicate(*pair, int(BITS - alike[row, column]) // 2, bool(flipped))
    return sorted(found.values(), key=lambda duplicate: (duplicate.bits, duplicate))


def _signs(bits: Bits) -> NDArray[np.float32]:
    """1 and -1; 0 of a photograph without structure, black or white, which resembles all others of the kind."""
    flat = not FLAT <= bits.sum() <= BITS - FLAT
    return bits.astype(np.float32) * 2 - 1 if not flat else np.zeros(BITS, np.float32)


def _hash(source: Source, id: str) -> tuple[Bits, Bits]:
    """Of a photograph and of its mirror image."""
    import imagehash

    photograph, _ = source.load(id)
    images = Image.fromarray(photograph), Image.fromarray(np.ascontiguousarray(photograph[:, ::-1]))
    bits, mirrored = (imagehash.phash(image, hash_size=16).hash.ravel() for image in images)
    return bits, mirrored
