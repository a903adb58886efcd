"""Random draws that are the same everywhere and for ever: SHA-256 of a key, not a library's stream.

numpy and Python promise no stable streams across versions, so a published episode list would not survive an upgrade.
"""

import hashlib
import math
from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate
from typing import TypeVar

T = TypeVar("T")
WORD = 1 << 64


class Draws:
    """Independent draws from a key. Equal keys give equal draws on every machine and version.

    Word i of the stream is the first eight bytes, big-endian, of SHA-256 of the key's parts and i, written in decimal
    or as they are and joined by a zero byte.

    >>> Draws("episodes", 0, 7).below(1000) == Draws("episodes", 0, 7).below(1000)
    True
    """

    def __init__(self, *key: str | int) -> None:
        self._hash = hashlib.sha256(b"".join(str(part).encode() + b"\0" for part in key))
        self._count = 0

    def _word(self) -> int:
        digest = self._hash.copy()
        digest.update(str(self._count).encode())
        self._count += 1
        return int.from_bytes(digest.digest()[:8], "big")

    def below(self, n: int) -> int:
        """A uniform integer in 0..n-1, exactly: words past the last whole multiple of n are drawn again."""
        if not 1 <= n <= WORD:
            raise ValueError(f"cannot draw below {n}")
        limit = WORD - WORD % n
        while (word := self._word()) >= limit:
            pass
        return word % n

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """A uniform number in [low, high), from the top 53 bits of a word."""
        drawn = low + (high - low) * ((self._word() >> 11) / (1 << 53))
        return min(drawn, math.nextafter(high, low))  # rounding can reach `high` itself

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.uniform() < probability

    def choice(self, items: Sequence[T]) -> T:
        """One of the items."""
        return items[self.below(len(items))]

    def weighted(self, items: Sequence[T], weights: Sequence[int]) -> T:
        """One of the items, each as often as its weight says: whole numbers, of which one is above zero.

        >>> Draws("x").weighted("abc", (0, 5, 0))
        'b'
        """
        bounds = list(accumulate(weights))
        return items[bisect(bounds, self.below(bounds[-1]))]

    def sample(self, items: Sequence[T], k: int) -> list[T]:
        """k different items, in drawn order.

        >>> sorted(Draws("x").sample("abc", 3))
        ['a', 'b', 'c']
        """
        if k > len(items):
            raise ValueError(f"cannot draw {k} of {len(items)} items")
        rest = list(items)
        return [rest.pop(self.below(len(rest))) for _ in range(k)]
