"""The settings of DuPL: what the students are, how they are trained and used. Nothing here needs torch."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal

from episodes.checks import GIGABYTES, LARGEST_SEED, shown
from episodes.data.source import FoldNumber
from episodes.errors import InputError
from episodes.fewshot.geometry import LARGEST_SIZE
from episodes.fewshot.settings import DataSettings, NovelPixels
from episodes.settings import check, setting
from srpnet.nn.settings import RuntimeSettings
from srpnet.nn.weight_sets import WEIGHT_SETS
from srpnet.training.settings import MOST_BATCH, MOST_STEPS, LoopSettings

Architecture = Literal["resnet50", "vit-b16"]
Discrepancy = Literal["linear", "log", "none"]
Reuse = Literal["none", "memory", "disk"]
Pooling = Literal["max", "average"]

LAYERS: Mapping[Architecture, tuple[int, ...]] = {"resnet50": (3, 4, 6, 3), "vit-b16": (12,)}
"""Blocks, stage by stage."""


@dataclass(frozen=True)
class StudentSettings:
    """Everything that fixes a pair of students, or a single one.

    Raises:
        InputError: if one is of another type or out of its range: they may come from a stranger's file.
    """

    architecture: Architecture = setting(
        "resnet50", "Backbone of a student: ResNet-50, or ViT-B/16, the paper's.", flag="--backbone"
    )
    weights: str = setting("auto", "ImageNet weights of ResNet-50: see `srpnet weights`.")
    weights_sha256: str | None = setting(None, "Hash of the weights, once they are loaded.", flag=None)
    students: Literal[1, 2] = setting(2, "Two students that teach each other, or a single one that teaches itself.")
    size: int = setting(448, "Photographs are stretched to this square.", low=32, high=LARGEST_SIZE)
    # The same in both students then, so that they are computed once for both.
    frozen_blocks: int = setting(
        0,
        "So many blocks of the backbone, from the input on, keep their ImageNet weights. ResNet-50 has 16, of which "
        "the first 13 are stages 1 to 3; ViT-B/16 has 12.",
        low=0,
        high=64,
    )
    segmentation_width: int = setting(512, "Channels inside the segmentation head.", low=1, high=4096)
    pooling: Pooling = setting(
        "average",
        "What a classifier sees of a photograph: the average of its cells, or of each channel the largest, which the "
        "paper's ViT-B/16 has, and with which maps of ResNet-50 peak at heads and paws.",
    )
    classes: tuple[str, ...] = setting((), "The classes, in order.", flag=None)
    labels: tuple[int, ...] = setting((), "The number of each class in the label maps of its data.", flag=None)
    trained_on: Mapping[str, Any] = setting(dict, "What they were trained on, for the record.", flag=None)
    # Smaller ones make quick tests.
    layers: tuple[int, ...] = setting((), "Blocks of the backbone, instead of its own.", flag=None)
    base_width: int = setting(
        64, "Channels inside the blocks of stage 1, or of an attention head.", low=1, high=256, flag=None
    )

    def __post_init__(self) -> None:
        for name, kind in (("classes", str), ("labels", int), ("layers", int)):
            values = getattr(self, name)  # from JSON they come as lists
            if not isinstance(values, list | tuple) or any(type(value) is not kind for value in values):
                raise InputError(f"`{name}` must be a list, not {shown(values)}")
            object.__setattr__(self, name, tuple(values))
        check(self)
        if len(self.labels) != len(self.classes) or not all(0 < label < 255 for label in self.labels):
            raise InputError("`labels` must be a number from 1 to 254 for each class")
        stages = len(LAYERS[self.architecture])
        if self.layers and (len(self.layers) != stages or not all(1 <= blocks <= 64 for blocks in self.layers)):
            raise InputError(f"`layers` must be {stages} numbers from 1 to 64, not {shown(self.layers)}")
        known = ("auto", *(WEIGHT_SETS if self.architecture == "resnet50" else ("torchvision-vit-b16",)))
        if self.weights not in known:
            raise InputError(f"no weights are called {shown(self.weights)}: there are {', '.join(known)}")
        if self.frozen_blocks > self.blocks:
            raise InputError(f"{self.architecture} has {self.blocks} blocks: {self.frozen_blocks} cannot be frozen")

    @property
    def depths(self) -> tuple[int, ...]:
        """Blocks, stage by stage."""
        return self.layers or LAYERS[self.architecture]

    @property
    def blocks(self) -> int:
        """Of the backbone."""
        return sum(self.depths)


@dataclass(frozen=True)
class WeakLoopSettings(LoopSettings):
    """How students are trained. Defaults are the paper's where it says them, at a tenth of its steps.

    Raises:
        InputError: if one is out of its range.
    """

    steps: int = setting(2000, "Optimizer steps; the paper's 20,000 are for all of VOC.", low=1, high=MOST_STEPS)
    batch: int = setting(4, "Photographs per step, over all processes.", low=1, high=MOST_BATCH)
    lr: float = setting(6e-5, "Largest learning rate of the backbone.", low=0, high=1000, above=True)
    head_lr: float = setting(10.0, "Learning rate of classifiers and heads, as a multiple of `lr`.", low=0, high=1000)
    weight_decay: float = setting(0.01, "Weight decay.", low=0, high=1000)
    schedule: Literal["cosine", "poly"] = setting("poly", "How the learning rate decays to zero.")
    warmup: int = setting(150, "Steps of linear warm-up.", low=0, high=MOST_STEPS)
    validate_every: int = setting(100, "Not used: nothing is validated.", low=1, high=MOST_STEPS, flag=None)


@dataclass(frozen=True)
class WeakMethodSettings:
    """The parts of DuPL, each of which can be switched off. Defaults are the paper's, but for the thresholds: these go
    with `pooling` "average" (docs/results.md).

    Raises:
        InputError: if one is out of its range.
    """

    discrepancy: Discrepancy = setting(
        "linear", "Keeps the features of two students apart: 1 + cos, or the paper's -log(1 - cos), or nothing."
    )
    discrepancy_weight: float = setting(0.1, "Its weight.", low=0, high=1000)
    contrast_weight: float = setting(0.2, "Weight of the patch-token contrast; 0: none.", low=0, high=1000)
    segmentation_weight: float = setting(0.2, "Weight of the segmentation loss.", low=0, high=1000)
    segmentation_from: float = setting(0.1, "It begins after this share of the steps.", low=0, high=1)
    threshold: Literal["dynamic", "fixed"] = setting(
        "dynamic", "The upper threshold of pseudo-labels: it sinks from `high` to `high_end`, or stays at `high`."
    )
    high: float = setting(0.3, "Upper threshold, above which a pixel is its class's.", low=0, high=1)
    high_end: float = setting(0.25, "Upper threshold at the end.", low=0, high=1)
    low: float = setting(
        0.15, "Lower threshold, below which a pixel is background; between them it has no label.", low=0, high=1
    )
    refinement: Literal["par", "none"] = setting("par", "Pseudo-labels follow the edges of the photograph, or not.")
    noise_filter: Literal["gmm", "none"] = setting(
        "gmm", "Pixels with a label that is probably wrong, by the modes of their losses, lose it."
    )
    noise_probability: float = setting(0.9, "Of the upper mode with more than this, a pixel is noisy.", low=0, high=1)
    noise_gap: float = setting(1.0, "Nothing is noisy unless the modes are further apart than this.", low=0, high=100)
    noise_least: int = setting(1000, "Nor where fewer pixels than this are compared.", low=1, high=100_000_000)
    consistency: Literal["on", "off"] = setting(
        "on", "Where there is no label, a strongly changed view shall be segmented like the photograph."
    )
    consistency_weight: float = setting(0.05, "Its weight.", low=0, high=1000)
    consistency_above: float = setting(0.9, "Where the answer to the photograph is surer than this.", low=0, high=1)
    trust_from: float = setting(0.4, "Noise filter and consistency begin after this share of the steps.", low=0, high=1)
    cam_scales: tuple[str, ...] = setting(
        ("1", "0.5", "1.5"), "Sizes at which classes are located, as multiples of `size`."
    )

    def __post_init__(self) -> None:
        check(self)
        if not 0 <= self.low <= min(self.high, self.high_end):
            raise InputError(f"`low` ({self.low:g}) must not be above `high` and `high_end`")
        scales_of(self.cam_scales, "cam_scales")

    @property
    def scales(self) -> tuple[float, ...]:
        """`cam_scales` as numbers."""
        return scales_of(self.cam_scales, "cam_scales")


def scales_of(words: tuple[str, ...], name: str) -> tuple[float, ...]:
    """Multiples of a size.

    Raises:
        InputError: if there is none, or one is no number between 0.1 and 10.
    """
    try:
        scales = tuple(float(word) for word in words)
    except ValueError:
        scales = ()
    if not scales or not all(0.1 <= scale <= 10 for scale in scales):
        raise InputError(f"`{name}` must be numbers from 0.1 to 10 with commas between, not {shown(words)}")
    return scales


@dataclass(frozen=True)
class WeakDataSettings(DataSettings):
    """What photographs have which tags."""

    data: str = setting(
        "stickers",
        "tags:FILE.csv, tags:FOLDER with a folder for each class, or a data set with masks, of which only the tags are "
        "used: see `srpnet train`.",
        may_change="among processes",
    )
    fold: FoldNumber = setting(
        "all", "Of a data set with masks: tags of this fold's novel classes are not given; all: every class is."
    )
    pairs: str | None = setting(None, "Not used.", flag=None)
    min_pixels: int | None = setting(
        1, "Of a data set with masks: fewest pixels of a class for its tag.", low=1, high=1_000_000_000
    )
    only: tuple[str, ...] = setting((), "Learn these classes alone: names with commas between, or a file of them.")
    novel_pixels: NovelPixels = setting(
        "background", "Photographs that also show novel classes are used as they are, or dropped."
    )
    photographs: int | None = setting(
        None, "Use so many photographs, drawn at random.", low=1, high=100_000_000, shown="all"
    )

    def __post_init__(self) -> None:
        if isinstance(self.only, list):  # from JSON
            object.__setattr__(self, "only", tuple(self.only))
        super().__post_init__()
        if self.novel_pixels == "ignore":
            raise InputError("tags do not say where novel classes are: `novel_pixels` must be background or drop")


@dataclass(frozen=True)
class WeakAugmentation:
    """Random changes of a training photograph.

    Raises:
        InputError: if one is out of its range.
    """

    flip: float = setting(0.5, "Probability of a horizontal flip.", low=0, high=1)
    zoom: float = setting(
        2.0, "Largest enlargement or reduction; a square of `size` is then cut out. 1: none.", low=1, high=10
    )

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class WeakTrainSettings(RuntimeSettings):
    """All settings of `srpnet weak train`.

    Raises:
        InputError: if one does not exist or is out of its range.
    """

    data: WeakDataSettings = WeakDataSettings()
    _: KW_ONLY
    network: StudentSettings = StudentSettings()
    method: WeakMethodSettings = WeakMethodSettings()
    augmentation: WeakAugmentation = WeakAugmentation()
    training: WeakLoopSettings = WeakLoopSettings()
    weights_file: str | None = setting(
        None, "A file with the weights of the backbone, instead of the cache or a download.", may_change="on resuming"
    )
    # The network becomes nearly the same: the strong view of a photograph is then always the same one.
    reuse_features: Reuse = setting(
        "none",
        "With `frozen_blocks`: compute them once for each photograph, its mirror image and its strong view. Needs "
        "`zoom` 1 and `cam_scales` 1.",
    )
    cache_limit: float = setting(
        8.0, "Gigabytes of reused features, at most.", low=0, high=GIGABYTES, may_change="among processes"
    )
    seed: int = setting(0, "Seeds the heads, the order of photographs and their changes.", low=0, high=LARGEST_SEED)

    def __post_init__(self) -> None:
        check(self)
        if self.reuse_features != "none":
            if not self.network.frozen_blocks:
                raise InputError("features can be reused only where blocks are frozen: give `frozen_blocks`")
            if self.augmentation.zoom != 1 or self.method.scales != (1.0,):
                raise InputError("features can be reused only with `zoom` 1 and `cam_scales` 1")


@dataclass(frozen=True)
class WeakEvalSettings(RuntimeSettings):
    """All settings of `srpnet weak eval` beside the run.

    Raises:
        InputError: if one is out of its range.
    """

    data: str | None = setting(None, "A data set with masks.", shown="that of the run")
    photographs: int | None = setting(
        None, "Score so many photographs of each split, drawn at random.", low=1, high=100_000_000, shown="all"
    )
    scales: tuple[str, ...] = setting(("1", "1.25", "1.5"), "Sizes at which photographs are segmented, and mirrored.")
    cam_scales: tuple[str, ...] = setting(("1", "0.5", "1.5"), "Sizes at which classes are located, and mirrored.")
    cam_threshold: float = setting(0.25, "A CAM is its class where it is above this.", low=0, high=1)

    def __post_init__(self) -> None:
        check(self)
        for name in ("scales", "cam_scales"):
            scales_of(getattr(self, name), name)


@dataclass(frozen=True)
class WeakMasksSettings(RuntimeSettings):
    """All settings of `srpnet weak masks` beside the run.

    Raises:
        InputError: if one is out of its range.
    """

    scales: tuple[str, ...] = setting(("1", "1.25", "1.5"), "Sizes at which photographs are segmented, and mirrored.")
    refinement: Literal["par", "none"] = setting("par", "Masks follow the edges of the photograph, or not.")
    ignore_below: float = setting(
        0.0, "Pixels of which the students are less sure than this get no label (255).", low=0, high=1
    )

    def __post_init__(self) -> None:
        check(self)
        scales_of(self.scales, "scales")
