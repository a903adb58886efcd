"""HSNet's own test episodes of PASCAL-5i, name by name: `--drawing hsnet-seed0`."""

from collections.abc import Mapping, Sequence

import numpy as np

from episodes.data.source import FoldNumber
from episodes.fewshot.pairs import Pair

PUBLISHED: Mapping[FoldNumber, str] = {
    0: "748e2f4732ac502cb3aa1f3768936b394bd7ba4e611ac5bf959291a268e249df",
    1: "afce1929e4dacbc13c07f9a26d4ce7738d415e1b18443fe173e58303836f5c14",
    2: "50b1f5218e8f882ca65d85da5be230b978a70067e9b3e0e9fca1528f546bd7fb",
    3: "c3825d7c52d1608d4c62c5b85d6ef3f74cf5898032bc068a94c971df17bdf71a",
}
"""Fold -> `Pairs.sha256` of the list that HSNet draws from."""


class HsnetEpisodes:
    """The stream of HSNet's test loader, which is repeatable: one process, numpy's legacy generator, seed 0.

    Episode i takes pair i of the list, again from the start after the last. Supports are drawn one after another from
    all images of the class: each draw shuffles the numbers of all and takes the first, and is repeated when it is the
    query. So a support may come twice. numpy has promised never to change this generator (NEP 19).

    Args:
        pairs: The list, in order.
        by_class: Class -> its images, in order.
        shot: Supports of an episode.
    """

    def __init__(self, pairs: Sequence[Pair], by_class: Mapping[int, Sequence[str]], shot: int) -> None:
        self._pairs, self._by_class, self._shot = pairs, by_class, shot
        self._generator = np.random.RandomState(0)
        self._drawn: list[tuple[str, ...]] = []

    def __getitem__(self, index: int) -> tuple[Pair, tuple[str, ...]]:
        """The query with its class, and the supports. All earlier episodes are drawn first, once."""
        while len(self._drawn) <= index:
            self._drawn.append(self._supports(*self._pairs[len(self._drawn) % len(self._pairs)]))
        return self._pairs[index % len(self._pairs)], self._drawn[index]

    def _supports(self, query: str, label: int) -> tuple[str, ...]:
        images = self._by_class[label]
        supports: list[str] = []
        while len(supports) < self._shot:
            support = images[self._generator.choice(len(images), 1, replace=False)[0]]
            if support != query:
                supports.append(support)
        return tuple(supports)
