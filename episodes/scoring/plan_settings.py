"""The settings of an evaluation: which episodes are scored, and by which rules."""

from dataclasses import dataclass, replace
from typing import Self

from episodes.checks import LARGEST_SEED, check_number, check_type, check_whole
from episodes.errors import InputError
from episodes.fewshot.geometry import Geometry
from episodes.fewshot.sampler import Drawing
from episodes.fewshot.settings import DataSettings
from episodes.fewshot.weak_supports import Annotation, check
from episodes.scoring.manifest import Header
from episodes.scoring.protocols import Protocol, pair_rule

MOST_DRAWN = 1_000_000
"""Episodes of a run. Published protocols draw up to 20,000."""


def check_episodes(settings: object) -> None:
    """`InputError` unless `way`, `shot`, `query_count` and `seed` are in their ranges, see `PlanSettings`."""
    check_whole(settings, 1, 1000, "way", "shot", "query_count")
    check_whole(settings, 0, LARGEST_SEED, "seed")


@dataclass(frozen=True)
class PlanSettings:
    """Which episodes are scored, and by which rules.

    Attributes:
        data: Source and fold.
        protocol: Names of `PROTOCOLS` with commas between, or `all`; the next five change single choices of them.
        episodes: How many for each seed, up to a million, instead of the protocol's number.
        seeds: How many runs, up to 1000, instead of the protocol's number.
        drawing: How they are drawn, instead of the protocol's way, see `Sampler`.
        size: Side of the square, instead of the protocol's.
        original_size: Score label maps at the photographs' original sizes.
        classes: Novel classes to test, by name; none means all of the fold.
        way, shot, query_count: Of the episodes, each from 1 to 1000.
        seed: Of the episodes of the first run, from 0 to 2^62; each further one takes the next.
        manifest: File with the episodes to score. It fixes the fold, its classes, the protocol and the episodes.
        support: What is given of the supports: `mask`, `box`, `scribble` or `points`, see `weakened`.
        negatives: How many episodes to add whose queries do not show the class, as a share of the others, in [0, 1]. No
            IoU counts them, see `Presence`.
        wrong_support: Ask for each query once more, with supports of another tested class which it does not show, see
            `WrongSupports`. No other figure counts it.
        distractors: Share of the queries into which an object of another tested class is pasted, in [0, 1], see
            `Composer`: is it the class that is found, or any object?

    Raises:
        InputError: if there is nothing to score, or a number is out of its range.
    """

    data: DataSettings = DataSettings()
    protocol: str = "hsnet"
    episodes: int | None = None
    seeds: int | None = None
    drawing: Drawing | None = None
    size: int | None = None
    original_size: bool = False
    classes: tuple[str, ...] = ()
    way: int = 1
    shot: int = 1
    query_count: int = 1
    seed: int = 0
    manifest: str | None = None
    support: Annotation = "mask"
    negatives: float = 0.0
    wrong_support: bool = False
    distractors: float = 0.0

    def __post_init__(self) -> None:
        check(self.support)
        for name, count in (("episodes", self.episodes), ("seeds", self.seeds)):
            if count is not None and count < 1:
                raise InputError(f"cannot score {count} {name}: at least 1")
        if self.episodes is not None:
            check_whole(self, 1, MOST_DRAWN, "episodes")
        if self.seeds is not None:
            check_whole(self, 1, 1000, "seeds")
        if self.size is not None:
            Geometry(self.size)
        check_episodes(self)
        check_type(self, bool, "original_size", "wrong_support")
        check_number(self, 0, 1, "negatives", "distractors")
        if self.distractors and self.wrong_support:
            raise InputError(
                "a pasted object may be of the wrong support's class: leave out wrong_support or distractors"
            )

    def rules(self, protocol: Protocol) -> Protocol:
        """A protocol with the choices that are changed here."""
        rules = protocol.on(self.data.data)
        if self.size is not None:
            rules = rules.resized(self.size)
        pixels = rules.min_pixels if self.data.min_pixels is None else self.data.min_pixels
        listed = self.data.pairs is not None
        return replace(
            rules.counting(rules.episodes if self.episodes is None else self.episodes),
            seeds=rules.seeds if self.seeds is None else self.seeds,
            score_at="original" if self.original_size else rules.score_at,
            lists=rules.lists if self.data.every_pair else pair_rule(None if listed else pixels, rules.any_size),
            min_pixels=1 if self.data.every_pair else pixels,
            drawing=self.drawing or rules.drawing,
        )

    def with_manifest(self, header: Header) -> Self:
        """The settings that the episodes of a manifest were drawn with."""
        data = replace(self.data, fold=header.fold, folds=header.folds, fold_order=header.fold_order)
        return replace(
            self,
            data=data,
            protocol=header.protocol,
            episodes=header.episodes,
            seeds=header.seeds,
            drawing=header.drawing,
            classes=tuple(header.classes.values()),
            way=header.way,
            shot=header.shot,
            query_count=header.queries,
            seed=header.seed,
        )
