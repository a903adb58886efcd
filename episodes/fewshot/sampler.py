"""Draws episodes: the i-th is a function of the pairs, the settings and i alone."""

import math
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, get_args

from episodes.checks import check_number
from episodes.data.class_index import fingerprint
from episodes.draws import Draws
from episodes.errors import InputError
from episodes.fewshot.episode import EpisodeSpec
from episodes.fewshot.hsnet_episodes import HsnetEpisodes
from episodes.fewshot.pairs import Pair, Pairs
from episodes.fewshot.settings import Drawing


@dataclass(frozen=True)
class Sampler:
    """N-way K-shot episodes with Q queries from two pools of (image, class) pairs.

    Attributes:
        supports: The pairs that supports come from.
        queries: The pairs that queries come from; may be the same.
        names: Class names of the source, for messages.
        role: `base` or `novel`: two runs over the same pairs but for different ends draw different episodes.
        drawing: `random` draws N classes, all alike, then queries of them. `even` deals the queries to the classes in
            turn, so that each has its own, and is otherwise as `random`. `pairs` draws a query pair, all alike, so
            that a class comes as often as it has images; way 0 is the pair's class and the other ways are drawn.
            `list` takes the query pairs in order, again from the start after the last (HSNet), and is otherwise as
            `pairs`. `images` draws a query image, all alike, then one of its classes (SSP); `image-list` takes the
            images in order, again from the start after the last, and draws one of the classes (PFENet). `hsnet-seed0`
            draws HSNet's own episodes, see `HsnetEpisodes`; the role makes no difference there.
        way, shot, query_count: N, K and Q.
        seed: Any integer; 0 for `hsnet-seed0`.
        replacement: Draw the supports of a way with replacement, so that one may come twice.
        temper: Of `random` and `even` drawing, up to 1: a class is drawn as often as its number of query images to this
            power says, so 0 draws all alike, and 1 each as often as it has images.

        hard: Of the classes that `random` and `even` draw beside others, the share that is of those which look like
            one of them.
        alike: For each class those that look like it; needed if `hard` is above 0.

    Raises:
        InputError: if there are fewer classes than ways, or a class has too few images for its supports and queries, or
            `hsnet-seed0` is asked for what HSNet does not have.
    """

    supports: Pairs
    queries: Pairs
    names: Sequence[str]
    role: Literal["base", "novel"]
    drawing: Drawing = "random"
    way: int = 1
    shot: int = 1
    query_count: int = 1
    seed: int = 0
    replacement: bool = False
    temper: float = 0.0
    hard: float = 0.0
    alike: Mapping[int, Sequence[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_number(self, 0, 1, "temper", "hard")
        if (self.temper or self.hard) and self.drawing not in ("random", "even"):
            raise InputError(
                f"temper and hard are for classes drawn by random or even, not {self.drawing}: leave out one of them"
            )
        if self.drawing not in get_args(Drawing):
            raise InputError(f"drawing {self.drawing!r} does not exist: it is one of {', '.join(get_args(Drawing))}")
        if min(self.way, self.shot, self.query_count) < 1:
            raise InputError("way, shot and queries must each be at least 1")
        if self.drawing == "hsnet-seed0" and (self.way, self.query_count, self.seed) != (1, 1, 0):
            raise InputError(
                "hsnet-seed0 has 1 way, 1 query and seed 0, not "
                f"{self.way}, {self.query_count} and {self.seed}: leave them out, or choose another drawing"
            )
        if len(self.classes) < self.way:
            raise InputError(f"{self.way}-way episodes need {self.way} classes: there are {len(self.classes)}")
        for label in self.classes:
            pools = (self.supports, self.queries)
            dealt = dealt_queries(self.drawing, self.way, self.query_count)
            if reason := shortage(self.names[label - 1], label, *pools, self._distinct, self.query_count, dealt):
                raise InputError(reason)

    @cached_property
    def classes(self) -> tuple[int, ...]:
        """Classes that episodes are made of, in ascending order."""
        return tuple(sorted({label for _, label in (*self.supports.items, *self.queries.items)}))

    @property
    def _repeats(self) -> bool:
        """Whether an episode may hold a support twice."""
        return self.shot > 1 and (self.replacement or self.drawing == "hsnet-seed0")

    @property
    def _distinct(self) -> int:
        """How many different supports a way needs."""
        return 1 if self._repeats else self.shot

    @cached_property
    def _shown(self) -> Mapping[str, tuple[int, ...]]:
        """Query image -> its classes, both in the order of the pairs."""
        shown: dict[str, tuple[int, ...]] = {}
        for id, label in self.queries.items:
            shown[id] = (*shown.get(id, ()), label)
        return shown

    @cached_property
    def _key(self) -> tuple[str | int, ...]:
        pools = (self.supports.sha256, self.queries.sha256)
        rule: tuple[str | int, ...] = (
            *pools,
            self.role,
            self.drawing,
            self.way,
            self.shot,
            self.query_count,
            self.seed,
        )
        rule = (*rule, "replacement") if self._repeats else rule
        rule = (*rule, "temper", str(self.temper)) if self.temper else rule
        lines = (f"{label} {' '.join(map(str, alike))}" for label, alike in sorted(self.alike.items()))
        return (*rule, "hard", str(self.hard), fingerprint(lines)) if self.hard else rule

    @cached_property
    def _hsnet(self) -> HsnetEpisodes:
        return HsnetEpisodes(self.queries.items, self.supports.by_class, self.shot)

    def spec(self, index: int) -> EpisodeSpec:
        """The names of episode `index` (0-based); takes microseconds and needs no other episode."""
        if self.drawing == "hsnet-seed0":
            (query, label), drawn = self._hsnet[index]
            return EpisodeSpec(index, (label,), (drawn,), (query,))
        draws = Draws("episode", *self._key, index)
        if self.drawing in ("random", "even"):
            classes, queries = self._random_classes(draws), []
        else:
            first, label = self._first(index, draws)
            others = [other for other in self.classes if other != label]
            classes, queries = [label, *draws.sample(others, self.way - 1)], [first]
        while len(queries) < self.query_count:
            if self.drawing == "even":
                label = classes[len(queries) % self.way]
            else:
                label = draws.choice(classes) if self.drawing == "random" else classes[0]
            queries += different(draws, self.queries.by_class[label], 1, set(queries))
        supports = [self._supports(label, set(queries), draws) for label in classes]
        return EpisodeSpec(index, tuple(classes), tuple(supports), tuple(queries))

    def other_class(self, taken: Collection[int], draws: Draws, hard: bool = True) -> int:
        """A class that is none of these, as often as `temper` says; with `hard`, as often as that says one like them.

        Raises:
            ValueError: if there is none.
        """
        others = [label for label in self.classes if label not in taken]
        if hard and self.hard and draws.chance(self.hard):
            alike = {label for each in taken for label in self.alike.get(each, ())}
            if near := [label for label in others if label in alike]:
                return draws.choice(near)
        if not self.temper:
            return draws.choice(others)
        return draws.weighted(others, [self._weights[label] for label in others])

    def _random_classes(self, draws: Draws) -> list[int]:
        if not self.temper and not self.hard:
            return draws.sample(self.classes, self.way)
        classes: list[int] = []
        while len(classes) < self.way:
            classes.append(self.other_class(classes, draws))
        return classes

    @cached_property
    def _weights(self) -> Mapping[int, int]:
        """Whole numbers, so that machines whose powers differ in the last digit draw alike."""
        return {label: round(1000 * len(ids) ** self.temper) for label, ids in self.queries.by_class.items()}

    def _supports(self, label: int, taken: Set[str], draws: Draws) -> tuple[str, ...]:
        pool = self.supports.by_class[label]
        if self._repeats:
            return tuple(different(draws, pool, 1, taken)[0] for _ in range(self.shot))
        return tuple(different(draws, pool, self.shot, taken))

    def _first(self, index: int, draws: Draws) -> Pair:
        """The first query and the class of way 0, where the query comes before the class."""
        pairs = self.queries.items
        if self.drawing == "list":
            return pairs[index % len(pairs)]
        if self.drawing == "pairs":
            return draws.choice(pairs)
        images = tuple(self._shown)
        image = images[index % len(images)] if self.drawing == "image-list" else draws.choice(images)
        return image, draws.choice(self._shown[image])


def dealt_queries(drawing: Drawing, way: int, query_count: int) -> int:
    """How many queries of an episode are drawn of one way, at most."""
    return math.ceil(query_count / way) if drawing == "even" else query_count


def shortage(
    name: str, label: int, supports: Pairs, queries: Pairs, shot: int, query_count: int, dealt: int
) -> str | None:
    """Why a class cannot make episodes of these pools; None if it always can.

    A query of another way may also show this class and is then lost to its supports, so the worst case is counted.

    Args:
        name, label: Of the class.
        supports, queries: The pools.
        shot, query_count: K and Q.
        dealt: See `dealt_queries`.
    """
    own_supports, own_queries = set(supports.by_class.get(label, ())), set(queries.by_class.get(label, ()))
    lost = query_count
    if dealt < query_count:
        shared = own_queries & {id for id, other in queries.items if other != label}
        lost = min(query_count, dealt + len(shared))
    needed = shot + min(lost, len(own_supports & queries.ids))
    for what, found, least in (("support", own_supports, needed), ("query", own_queries, lost)):
        if len(found) < least:
            images = "image" if len(found) == 1 else "images"
            return f"class {name} has {len(found)} {what} {images} and needs {least}: leave it out or add images"
    return None


def different(draws: Draws, pool: Sequence[str], count: int, taken: Set[str]) -> list[str]:
    """`count` different ids of the pool, none of them taken. The pool is known to hold enough."""
    drawn: list[str] = []
    while len(drawn) < count:
        if (id := draws.choice(pool)) not in taken and id not in drawn:
            drawn.append(id)
    return drawn
