"""The settings of face parsing: what a parser is, and how it is trained. Nothing here needs torch."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal

from episodes.checks import GIGABYTES, LARGEST_SEED, shown
from episodes.errors import InputError
from episodes.settings import check, setting
from srpnet.nn.settings import RuntimeSettings
from srpnet.training.settings import MOST_BATCH, MOST_STEPS, LoopSettings

Cropper = Literal["localizer", "centroid"]
KINDS = ("brows", "eyes", "nose", "mouth")
"""What has a part network of its own, and a size of its crops."""


@dataclass(frozen=True)
class ParserSettings:
    """Everything that fixes a parser. Sizes are in pixels.

    Raises:
        InputError: if one is of another type or out of its range: they may come from a stranger's file.
    """

    canvas: int = setting(
        512,
        "Side of the square that photographs are padded to and resized to: parts are cut from it.",
        low=64,
        high=4096,
    )
    input: int = setting(128, "Side of what the coarse network sees of it: a multiple of 16.", low=16, high=1024)
    # Of CelebAMask-HQ on a canvas of 512, the largest parts but one in a hundred and some pixels around; the paper's
    # code takes 127, and 255 for the mouth.
    crops: tuple[int, ...] = setting(
        (135, 87, 151, 167), "Sides of the crops of brows, eyes, nose and mouth in pixels of the canvas: odd numbers."
    )
    localizer_width: int = setting(
        32, "Channels of the localizer's first layers; the paper's 64 make it four times as large.", low=1, high=512
    )
    cropper: Cropper = setting(
        "localizer", "What finds the parts: the localizer, or the centroids of the coarse parts, as it was before."
    )
    trained_on: Mapping[str, Any] = setting(dict, "What it was trained on, for the record.", flag=None)

    def __post_init__(self) -> None:
        if not isinstance(self.crops, list | tuple) or any(type(side) is not int for side in self.crops):
            raise InputError(f"`crops` must be whole numbers, not {shown(self.crops)}")
        object.__setattr__(self, "crops", tuple(self.crops))  # from JSON it comes as a list
        check(self)
        if len(self.crops) != len(KINDS) or not all(9 <= side < self.canvas and side % 2 for side in self.crops):
            raise InputError(
                f"`crops` must be {len(KINDS)} odd numbers from 9 to below `canvas` ({self.canvas}), "
                f"for {', '.join(KINDS)}, not {shown(self.crops)}"
            )
        if self.input % 16 or self.input > self.canvas:
            raise InputError(f"`input` must be a multiple of 16 and at most `canvas` ({self.canvas}), not {self.input}")


@dataclass(frozen=True)
class FaceAugmentation:
    """Random changes of a training photograph, drawn again each time.

    Raises:
        InputError: if one is out of its range.
    """

    flip: float = setting(0.5, "Probability of a horizontal flip, which swaps left and right.", low=0, high=1)
    turn: float = setting(10.0, "Largest turn, in degrees.", low=0, high=180)
    zoom: float = setting(0.1, "Largest change of size, as a share.", low=0, high=0.9)
    shift: float = setting(0.05, "Largest shift, as a share of the canvas.", low=0, high=1)
    colour: float = setting(0.2, "Strength of changes of brightness, contrast and saturation.", low=0, high=0.9)

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class FaceLoopSettings(LoopSettings):
    """How each phase is trained. The paper has Adam, halved every 5 epochs.

    Raises:
        InputError: if one is out of its range.
    """

    steps: int = setting(600, "Optimizer steps of the last phase, end to end.", low=1, high=MOST_STEPS)
    batch: int = setting(16, "Faces per step.", low=2, high=MOST_BATCH)
    lr: float = setting(3e-4, "Largest learning rate of the last phase, end to end.", low=0, high=1000, above=True)
    # Adam, for `adamw` without decay.
    weight_decay: float = setting(0.0, "Weight decay.", low=0, high=1000)
    workers: int = setting(
        0, "Processes that load photographs which do not fit in memory.", low=0, high=256, may_change="among processes"
    )
    save_every: int = setting(200, "Steps between saves.", low=1, high=MOST_STEPS, may_change="on resuming")
    validate_every: int = setting(100, "Not used: nothing is validated.", low=1, high=MOST_STEPS, flag=None)


@dataclass(frozen=True)
class FaceTrainSettings(RuntimeSettings):
    """All settings of `srpnet faces train`.

    Raises:
        InputError: if one does not exist or is out of its range.
    """

    data: str = setting("", "faces:PATH, a folder of CelebAMask-HQ, Helen or LaPa.", may_change="among processes")
    _: KW_ONLY
    parser: ParserSettings = ParserSettings()
    augmentation: FaceAugmentation = FaceAugmentation()
    training: FaceLoopSettings = FaceLoopSettings()
    coarse_steps: int = setting(
        600, "Steps of the first phase: the coarse network; 0 leaves it out.", low=0, high=MOST_STEPS
    )
    localizer_steps: int = setting(600, "Steps of the second phase: the localizer.", low=0, high=MOST_STEPS)
    parts_steps: int = setting(900, "Steps of the third phase: the part networks.", low=0, high=MOST_STEPS)
    first_lr: float = setting(
        3e-3, "Largest learning rate of the coarse and the part networks.", low=0, high=1000, above=True
    )
    localizer_lr: float = setting(1e-3, "Largest learning rate of the localizer.", low=0, high=1000, above=True)
    # Else crops drift to where there is nothing but background, of which a part network makes no mistakes.
    anchor: float = setting(
        1000.0,
        "End to end: weight of the localizer's own loss, which keeps the crops where the parts are.",
        low=0,
        high=1e6,
    )
    jitter: float = setting(
        0.15, "Training of the part networks: largest shift of a crop, as a share of its side.", low=0, high=1
    )
    start: str | None = setting(
        None,
        "Begin with the weights of this parser: one of `srpnet models`, or a folder that `srpnet faces train` wrote.",
    )
    hold_back: int = setting(0, "So many of the training faces, the last, are not trained on.", low=0, high=1_000_000)
    cache_limit: float = setting(
        4.0,
        "Gigabytes of photographs that are kept in memory; more are read anew.",
        low=0,
        high=GIGABYTES,
        may_change="among processes",
    )
    seed: int = setting(0, "Seeds the networks, the order of faces and their changes.", low=0, high=LARGEST_SEED)

    def __post_init__(self) -> None:
        check(self)
        check_data(self.data)
        if self.start is None and not (self.coarse_steps and self.parts_steps and self.localizer_steps):
            raise InputError("a phase without steps needs a parser to begin with: name it as `start`")
        if self.parser.cropper == "centroid" and not self.parts_steps:
            raise InputError("crops by centroid end with the part networks: give `parts_steps`")


@dataclass(frozen=True)
class FaceEvalSettings(RuntimeSettings):
    """All settings of `srpnet faces eval`.

    Raises:
        InputError: if one does not exist or is out of its range.
    """

    data: str = setting("", "faces:PATH, a folder of CelebAMask-HQ, Helen or LaPa.")
    checkpoint: str = setting("", "A face parser of `srpnet models`, or a folder that `srpnet faces train` wrote.")
    cropper: Cropper | None = setting(None, "What finds the parts.", shown="the parser's")
    cover: int = setting(
        0,
        "Cover so many parts of each face, drawn at random, with its mean colour: are they still located?",
        low=0,
        high=6,
    )
    held_back: int = setting(
        0,
        "Score so many of the training faces, the last, instead of those for testing: see `hold_back` of training.",
        low=0,
        high=1_000_000,
    )

    def __post_init__(self) -> None:
        check(self)
        check_data(self.data)


def check_data(name: str) -> None:
    """`InputError` unless data are faces."""
    if not name.startswith("faces:"):
        raise InputError(f"`data` must be faces:PATH, not {shown(name)}")
