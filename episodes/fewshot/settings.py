"""The settings of data and episodes, without anything that needs torch."""

from dataclasses import KW_ONLY, dataclass
from typing import Literal

from episodes.checks import LARGEST_SEED, shown
from episodes.data import DATA_SETS, USAGE, data_set
from episodes.data.source import FoldNumber
from episodes.errors import InputError
from episodes.fewshot.fold_classes import Order
from episodes.settings import check, setting

Drawing = Literal["random", "even", "pairs", "list", "images", "image-list", "hsnet-seed0"]
"""How episodes are drawn, see `Sampler`."""
Annotation = Literal["mask", "box", "scribble", "points"]
"""What is given of a support, see `weakened`."""
NovelPixels = Literal["background", "ignore", "drop"]
"""What becomes of novel classes in training photographs, see `Fold.training_sampler`."""
EVERY_PAIR = ", ".join(record.title for record in DATA_SETS.values() if record.every_pair)


@dataclass(frozen=True)
class DataSettings:
    """What data, and how a fold is made of it.

    Raises:
        InputError: if one is of another type or out of its range.
    """

    data: str = setting("stickers", f"{USAGE}. Several are used as one.", may_change="among processes")
    # Of paths the content counts: pairs are compared by hash.
    pairs: str | None = setting(
        None,
        "Folder of {train,val}_fold{0..3}.txt lists of (image, class) pairs.",
        may_change="among processes",
    )
    allow_missing: bool = setting(False, "Skip and count listed pairs whose photograph is missing.")
    # PFENet's 2 * 32 * 32; where every photograph of a class makes a pair with it, 1.
    min_pixels: int | None = setting(
        None,
        "Without `pairs`: fewest pixels of a class that make a pair.",
        low=1,
        high=1_000_000_000,
        shown=f"2048; of {EVERY_PAIR}: 1",
    )
    fold: FoldNumber = setting(0, "Which classes are novel; all: train or test every class.")
    folds: int = setting(4, "Into how many folds the classes are split.", low=1, high=1_000)
    fold_order: Order = setting("contiguous", "Blocks of classes, or every 4th (HSNet's COCO-20i).")
    strict: bool = setting(
        False,
        "Refuse data with any skipped record, instead of a tenth.",
        may_change="on resuming",
    )

    def __post_init__(self) -> None:
        check(self)
        if self.fold != "all" and (type(self.fold) is not int or abs(self.fold) > 1_000):
            raise InputError(f"fold {shown(self.fold)} does not exist: it is a number from 0 on, or all")

    @property
    def least_pixels(self) -> int:
        """`min_pixels`, or what it is by default."""
        return 1 if self.every_pair else 2048 if self.min_pixels is None else self.min_pixels

    @property
    def every_pair(self) -> bool:
        """Whether every photograph of a class makes a pair with it, as FSS-1000 has it."""
        return data_set(self.data).every_pair and self.min_pixels is None


@dataclass(frozen=True)
class EpisodeSettings:
    """What data, and what an episode is."""

    data: DataSettings = DataSettings()
    _: KW_ONLY
    way: int = setting(1, "Classes in an episode (N).", low=1, high=1000)
    shot: int = setting(1, "Supports of each class (K).", low=1, high=1000)
    query_count: int = setting(1, "Queries in an episode.", low=1, high=1000, flag="--queries")
    seed: int = setting(0, "Seeds the episodes and everything else.", low=0, high=LARGEST_SEED)

    def episode(self) -> dict[str, int]:
        """The fields that `Sampler` takes."""
        return {"way": self.way, "shot": self.shot, "query_count": self.query_count, "seed": self.seed}


@dataclass(frozen=True)
class Composition:
    """How often photographs of training episodes are composed, drawn for each photograph; see `Composer`.

    Raises:
        InputError: if one is out of its range, or `absent`, `transplant` and `several` are more than 1 together.
    """

    distractors: float = setting(
        0.0, "Share of training queries into which an object of another class is pasted.", low=0, high=1
    )
    support_distractors: float = setting(0.0, "The same of supports.", low=0, high=1)
    absent: float = setting(
        0.0, "Share of training queries that do not show the class, so that all is background.", low=0, high=1
    )
    transplant: float = setting(
        0.0, "Share of training queries whose object is pasted into a photograph without the class.", low=0, high=1
    )

    # The same photograph is then a query of both classes, and the support alone says which object is meant.
    rivals: float = setting(
        0.0,
        "With `way` above 1: share of pasted objects that are of another way, so that a query shows both.",
        low=0,
        high=1,
    )

    # Natural distractors.
    several: float = setting(
        0.0,
        "Share of training queries replaced by a photograph of the class that also shows another base class.",
        low=0,
        high=1,
    )

    views: float = setting(
        0.0,
        "Share of training episodes of an object without a class: the same object, pasted elsewhere, is to be found. "
        "With several ways it is the last one, and `drawing` must be even.",
        low=0,
        high=1,
    )

    def __post_init__(self) -> None:
        check(self)
        if (share := self.absent + self.transplant + self.several) > 1 + 1e-9:
            raise InputError(
                f"absent, transplant and several are shares of the queries, each its own, and {share:g} together: "
                "at most 1"
            )

    def __bool__(self) -> bool:
        """Whether anything is composed at all."""
        return bool(self.unrepeatable)

    @property
    def unrepeatable(self) -> tuple[str, ...]:
        """The settings under which a photograph never comes twice."""
        names = ("distractors", "support_distractors", "absent", "transplant", "several", "views")
        return tuple(name for name in names if getattr(self, name))
