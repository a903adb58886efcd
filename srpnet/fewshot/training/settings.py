"""The settings of `srpnet train`. Nothing here needs torch."""

from dataclasses import KW_ONLY, dataclass
from typing import Literal

from episodes.checks import GIGABYTES
from episodes.errors import InputError
from episodes.fewshot.geometry import LARGEST_SIZE
from episodes.fewshot.scenes.augmentation import Augmentation
from episodes.fewshot.settings import Composition, EpisodeSettings, NovelPixels
from episodes.settings import check, setting
from srpnet.fewshot.settings import MOST_ROUNDS, NetworkSettings
from srpnet.nn.settings import RuntimeSettings
from srpnet.training.settings import MOST_BATCH, LoopSettings

Reuse = Literal["auto", "none", "memory", "disk"]


@dataclass(frozen=True)
class FewShotLoopSettings(LoopSettings):
    """How SRPNet is trained. What the paper leaves open says so.

    Raises:
        InputError: if one is out of its range.
    """

    batch: int = setting(4, "Episodes per step, over all processes.", low=1, high=MOST_BATCH)
    lr: float = setting(1e-3, "Largest learning rate of the head.", low=0, high=1000, above=True)
    backbone_lr: float = setting(3e-5, "Largest learning rate of the backbone.", low=0, high=1000, above=True)
    support_weight: float = setting(  # (open)
        1.0,
        "Weight of the self-regularization loss, which restores the support masks.",
        low=0,
        high=1000,
        flag="--lambda",
    )
    # The loss is the mean of both. The features are there already, so this costs little (open; PANet, sec. 3.4, does so
    # with the mask that it predicted for the query, here it is the true one).
    both_ways: bool = setting(False, "Also train each episode with supports and queries swapped.", off="--one-way")
    # So most queries do not show the way, and what they show instead is known. Else all ways together, as one softmax.
    one_vs_rest: bool = setting(
        False,
        "With `way` above 1: train each way alone, on all queries; the other ways are background.",
        off="--all-ways",
    )
    absent_weight: float = setting(1.0, "Loss weight of queries that do not show the way.", low=0, high=1000)
    train_rounds: int = setting(0, "Rounds of IQI while training.", low=0, high=MOST_ROUNDS)  # (open)


@dataclass(frozen=True)
class FewShotTrainSettings(RuntimeSettings, EpisodeSettings):
    """All settings of `srpnet train`: which data, what network, how it is trained.

    The seed also seeds the head and the augmentation.

    Raises:
        InputError: if one does not exist or is out of its range.
    """

    _: KW_ONLY
    drawing: Literal["random", "even", "pairs"] = setting(  # see `Sampler`
        "random",
        "Training episodes: classes drawn uniformly; the same, with equally many queries of each way; or classes in "
        "proportion to their images.",
    )
    temper: float = setting(
        0.0,
        "With `drawing` random or even: draw classes in proportion to this power, 0 to 1, of their image counts.",
        low=0,
        high=1,
    )
    # By ImageNet's deepest stage, see `alike_classes`: what a network that finds any object confuses most.
    hard: float = setting(
        0.0,
        "With `drawing` random or even: share of the classes drawn beside others, as ways of an episode or for "
        "composed scenes, that are chosen among the most similar ones.",
        low=0,
        high=1,
    )
    exclude_classes: tuple[str, ...] = setting(
        (),
        "Classes that are not trained on: names separated by commas, or a file with one name a line. Photographs that "
        "also show them are treated by the rule `novel_pixels`.",
    )
    labels: str | None = setting(
        None,
        "Train on the masks of this folder, which `srpnet weak masks` wrote, instead of the painted ones.",
        may_change="among processes",
    )
    size: int = setting(321, "Photographs are stretched to this square.", low=32, high=LARGEST_SIZE)
    augmentation: Augmentation = Augmentation()
    composition: Composition = Composition()
    novel_pixels: NovelPixels = setting(  # see `Fold.training_sampler`
        "background",
        "In training photographs that also show novel classes, their pixels become background or are ignored, or the "
        "photographs are dropped.",
    )
    network: NetworkSettings = NetworkSettings()
    start: str | None = setting(  # see `begun_with`
        None,
        "Begin with the weights of this network instead of a fresh head: a folder that `srpnet train` wrote, or a "
        "model of `srpnet models`. Its classes count as seen.",
        shown="none",
    )
    training: FewShotLoopSettings = FewShotLoopSettings()
    # The network becomes the same, see `ReusedEpisodes`.
    reuse_features: Reuse = setting(
        "auto",
        "With `trained` head: run the backbone once for each photograph and its mirror image, instead of at every "
        "step. Saves time when photographs recur. Works with `flip`, not with `scale`, `colour` and composed "
        "photographs. auto: memory, on a CPU, if it saves time and two fifths of the memory are enough.",
        may_change="on resuming",
    )
    cache_limit: float = setting(
        8.0,
        "Gigabytes of reused features, at most, in each process.",
        low=0,
        high=GIGABYTES,
        may_change="among processes",
    )
    hold_back: str = setting(
        "none",
        "Base classes to validate on: a number, or names separated by commas. A first run without them finds the best "
        "number of steps; then all base classes are trained for that many.",
    )
    validation_episodes: int = setting(200, "Episodes per validation.", low=1, high=1_000_000)

    def __post_init__(self) -> None:
        check(self)
        if (self.temper or self.hard) and self.drawing == "pairs":
            raise InputError(
                "temper and hard are for classes drawn by random or even, not pairs: leave out one of them"
            )
        if self.composition.views and self.way > 1 and self.drawing != "even":
            raise InputError(f"views of several ways need their own queries: draw even, not {self.drawing}")
        if self.labels is not None and self.data.pairs is not None:
            raise InputError("pair lists are of painted masks: leave out `pairs`, or `labels`")
        if self.reuse_features in ("memory", "disk") and (reason := self.reuse_obstacle):
            raise InputError(reason)

    @property
    def reuse_obstacle(self) -> str | None:
        """Why features cannot be reused at all, and the fix; None if they can."""
        if self.network.trained != "head":
            return "the features of a trained backbone change at each step: reuse them with `trained` head"
        if names := (*self.augmentation.unrepeatable, *self.composition.unrepeatable):
            off = " and ".join(f"`{name}`" for name in names)
            return f"features cannot be reused where no photograph comes twice: leave out {off}, or `reuse_features`"
        return None
