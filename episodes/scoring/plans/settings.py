"""The settings of an evaluation: which episodes are scored, and by which rules. Nothing here needs torch."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from episodes.errors import InputError
from episodes.fewshot.geometry import LARGEST_SIZE
from episodes.fewshot.settings import Annotation, Drawing, EpisodeSettings
from episodes.scoring.protocols import Protocol, pair_rule
from episodes.settings import check, setting

if TYPE_CHECKING:
    from episodes.scoring.plans.manifest import Header

MOST_DRAWN = 1_000_000
"""Episodes of a run. Published protocols draw up to 20,000."""
PROTOCOLS_OWN = "the protocol's"


@dataclass(frozen=True)
class DrawingSettings(EpisodeSettings):
    """Which episodes are drawn. What is None is the protocol's choice.

    Raises:
        InputError: if one is of another type or out of its range.
    """

    protocol: str = setting(
        "hsnet", "Rules for drawing and scoring; several separated by commas, or all. See `srpnet protocols`."
    )
    episodes: int | None = setting(None, "Episodes for each seed.", low=1, high=MOST_DRAWN, shown=PROTOCOLS_OWN)
    seeds: int | None = setting(None, "Number of runs, each with the next seed.", low=1, high=1000, shown=PROTOCOLS_OWN)
    drawing: Drawing | None = setting(
        None,
        "How episodes are drawn. hsnet-seed0: HSNet's own 1000 of PASCAL-5i, name by name, from its pair lists.",
        shown=PROTOCOLS_OWN,
    )
    classes: tuple[str, ...] = setting((), "Only these novel classes: names or numbers separated by commas.")

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class PlanSettings(DrawingSettings):
    """Which episodes are scored, and by which rules.

    A manifest fixes the fold, its classes, the protocol and the episodes.

    Raises:
        InputError: if one is of another type or out of its range, or two contradict each other.
    """

    size: int | None = setting(
        None, "Side of the square network input.", low=32, high=LARGEST_SIZE, shown=PROTOCOLS_OWN
    )
    original_size: bool = setting(False, "Score label maps at the photographs' original sizes.")
    manifest: str | None = setting(None, "Score the episodes of this manifest, from `srpnet episodes export`.")
    support: Annotation = setting(
        "mask",
        "How supports are annotated, derived from their masks. Outside a box is background; scribbles and points mark "
        "class and background, and everything else is unknown.",
    )
    negatives: float = setting(  # see `Presence`
        0.0,
        "Add episodes whose query does not show the class, as a share of the others: they give the false-positive "
        "area, and show whether an absent class is recognised. The IoU does not count them.",
        low=0,
        high=1,
    )
    wrong_support: bool = setting(  # see `WrongSupports`
        False,
        "Segment each query once more, with supports of another tested class which it does not show: does the support "
        "decide what is found? No other figure counts it.",
    )
    distractors: float = setting(  # see `Composer`
        0.0,
        "Share of the queries into which an object of another tested class is pasted: is it the class that is found, "
        "or any object?",
        low=0,
        high=1,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.distractors and self.wrong_support:
            raise InputError(
                "a pasted object may be of the wrong support's class: leave out `wrong_support` or `distractors`"
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

    def with_manifest(self, header: "Header") -> Self:
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
