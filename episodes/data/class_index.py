"""Which classes each photograph shows: counted once, in parallel, and kept."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

import numpy as np

from episodes.data.source import IGNORE, Labels
from episodes.errors import InputError
from episodes.files import cache_folder, write_text

T = TypeVar("T")
Index = dict[str, dict[int, int]]

SHARE = 64
"""Photographs that a thread counts at once."""


def fingerprint(parts: Iterable[str]) -> str:
    """SHA-256, in hexadecimal, over lines of text: what an index was made from."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() + b"\n")
    return digest.hexdigest()


def areas_of(labels: Labels) -> dict[int, int]:
    """Class -> pixels of a label map (H, W), without background and ignore.

    >>> areas_of(np.array([[0, 3, 3], [255, 3, 1]], dtype=np.uint8))
    {1: 1, 3: 3}
    """
    counts = np.bincount(labels.ravel(), minlength=256)
    counts[[0, IGNORE]] = 0
    return {int(label): int(counts[label]) for label in np.flatnonzero(counts)}


def read_areas(areas: Mapping[str, int]) -> dict[int, int]:
    """Class -> pixels, from JSON."""
    return {int(label): count for label, count in areas.items()}


def class_index(
    ids: Sequence[str],
    areas: Callable[[str], Mapping[int, int]],
    made_from: str,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Index:
    """Id -> class -> pixels, from the cache if this fingerprint is there, else counted in threads and cached.

    Args:
        ids: Photographs to count.
        areas: Counts one photograph; called from several threads.
        made_from: A `fingerprint` of everything the counts depend on. A change of it is a new index.
        on_progress: Called with the number of photographs counted so far, and of all; not if the cache has them.
    """
    return kept(ids, lambda id: dict(areas(id)), made_from, read_areas, on_progress)


def kept(
    ids: Sequence[str],
    look: Callable[[str], T],
    made_from: str,
    read: Callable[[Any], T],
    on_progress: Callable[[int, int], None],
) -> dict[str, T]:
    """Id -> what is found by a look at it, from the cache or else in threads; `read` makes it of JSON. See above."""
    path = cache_folder() / "index" / f"{made_from}.json"
    try:
        cached = json.loads(path.read_text(encoding="utf-8"))
        return {id: read(cached[id]) for id in ids}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass  # absent, or not what was written: count again
    shares = [ids[start : start + SHARE] for start in range(0, len(ids), SHARE)]
    index: dict[str, T] = {}
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for share, counted in zip(shares, pool.map(lambda share: [look(id) for id in share], shares), strict=True):
            index.update(zip(share, counted, strict=True))
            on_progress(len(index), len(ids))
    with suppress(InputError):  # a read-only home costs time at the next start, not the run
        write_text(path, json.dumps(index))
    return index
