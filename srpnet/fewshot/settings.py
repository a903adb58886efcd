"""What fixes a network: its settings, written as `config.json` beside its weights. Nothing here needs torch."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from episodes.checks import check_type, shown
from episodes.errors import InputError
from episodes.inputs import read_json
from episodes.settings import check, from_mapping, setting
from srpnet.nn.settings import Similarity
from srpnet.nn.weight_sets import WEIGHT_SETS

Trained = Literal["head", "all"]
Pooling = Literal["feature", "mask"]
Fit = Literal["auto", "none"]
"""Whether a head is fitted to supports: `auto` where there are several of a class and it does better on them."""
Naming = Literal["regions", "pixels"]
MOST_ROUNDS = 100


@dataclass(frozen=True)
class QueryInference:
    """The recipe of iterative query inference (IQI), which the paper leaves open (method, 6).

    Raises:
        InputError: if one is out of its range.
    """

    prefix: ClassVar[str] = "iqi."

    rounds: int = setting(3, "Rounds of query inference (IQI).", low=0, high=MOST_ROUNDS)
    foreground: float = setting(0.7, "IQI: pixels with a higher class probability are pooled.", low=0, high=1)
    background: float = setting(0.6, "IQI: the same for background.", low=0, high=1)
    # In the score, where a support prototype weighs 1.
    weight: float = setting(1.0, "IQI: weight of query prototypes.", low=0, high=1000, above=True)
    # Else every confident pixel counts alike.
    soft: bool = setting(True, "IQI: weight pooled pixels by probability.", off="--iqi-hard")
    own_background: bool = setting(
        True,
        "IQI: where no support shows background, use the half of the query that is least similar to the classes.",
        off="--iqi-no-background",
    )

    def __post_init__(self) -> None:
        check(self)
        if not (0 < self.foreground < 1 and 0 < self.background < 1):
            raise InputError("IQI thresholds are probabilities between 0 and 1")


NO_INFERENCE = QueryInference(rounds=0, own_background=False)
"""The support prototypes as they are."""


@dataclass(frozen=True)
class NetworkSettings:
    """Everything that fixes the network. Where the paper is silent ("open"), the default is this project's choice.

    Raises:
        InputError: if one is of another type or out of its range: they may come from a stranger's file.
    """

    # It fixes where the stages stride. `auto` is the first that is available, and is replaced by its name in `build`.
    backbone: str = setting("auto", "Backbone weights: see `srpnet weights`.", flag="--weights")
    backbone_sha256: str | None = setting(None, "Hash of the backbone's weights, once they are loaded.", flag=None)
    stages: tuple[int, ...] = setting((2, 3, 4), "Levels of the pyramid.")  # of 1..4 (open)
    # None for no reduction: nothing is learned then (open).
    width: int | None = setting(256, "Channels of the final feature map.", low=1, high=8192)
    relu: bool = setting(True, "Make the final features non-negative.", flag=None)  # (open)
    output_stride: Literal[8, 16, 32] = setting(  # (open)
        8, "Pixels between feature cells: a smaller stride is finer and slower."
    )
    training_stride: Literal[8, 16, 32] | None = setting(
        None,
        "The output stride during training. 16 takes less than half the time of 8; the network is then used at 8.",
        shown="`output_stride`",
    )
    pooling: Pooling = setting("feature", "Resolution at which prototypes are pooled.")  # see `POOLINGS` (open)
    similarity: Similarity = setting(
        "fidelity", "How a feature is compared with a prototype: fidelity is the squared cosine."
    )
    alpha: float = setting(  # (open)
        20.0, "Scale of the similarity before the softmax.", low=0, high=10_000, above=True
    )
    # Even if it is still less like the supports' background.
    background_floor: float | None = setting(
        None,
        "Lowest similarity of every pixel to the background: a pixel less similar to the class is background.",
        low=0,
        high=1,
        shown="none",
    )
    iqi: QueryInference = field(default_factory=QueryInference)
    present_above: float | None = setting(
        None,
        "Presence score below which the class may be absent.",
        low=0,
        high=1,
        flag=None,
    )
    trained: Trained = setting(
        "head", "What is trained: only the reduction, or the backbone too (BatchNorm frozen).", flag="--train"
    )
    # They keep their ImageNet weights, and so do the layers before them.
    frozen_stages: int = setting(0, "With `trained` all: number of first stages that stay frozen.", low=0, high=4)
    seen: tuple[str, ...] = setting((), "Classes it was trained on, which cannot be tested as novel.", flag=None)
    trained_on: Mapping[str, Any] = setting(dict, "What it was trained on, for the record.", flag=None)
    # Those of ResNet-50, which the named weights are for; smaller ones make quick tests.
    layers: tuple[int, ...] = setting((3, 4, 6, 3), "Blocks of each stage of the backbone.", flag=None)
    base_width: int = setting(64, "Channels inside the blocks of stage 1.", low=1, high=256, flag=None)
    checkpointing: bool = setting(False, "With `trained` all: less memory, more time.", may_change="on resuming")

    def __post_init__(self) -> None:
        # From JSON these come as lists and a dict.
        for name, kind in (("stages", int), ("seen", str), ("layers", int)):
            if not isinstance(values := getattr(self, name), list | tuple) or any(
                type(value) is not kind for value in values
            ):
                wanted = "class names" if kind is str else "whole numbers"
                raise InputError(f"`{name}` must be a list of {wanted}, not {shown(values)}")
            object.__setattr__(self, name, tuple(values))
        if isinstance(self.iqi, Mapping):
            object.__setattr__(self, "iqi", from_mapping(QueryInference, self.iqi, "iqi"))
        check_type(self, QueryInference, "iqi")
        check(self)
        if self.backbone not in ("auto", *WEIGHT_SETS):
            raise InputError(
                f"no backbone weights are called {shown(self.backbone)}: there are {', '.join(WEIGHT_SETS)}"
            )
        if not self.stages or not set(self.stages) <= {1, 2, 3, 4} or list(self.stages) != sorted(set(self.stages)):
            raise InputError(f"`stages` must be different and ascending, of 1..4, not {shown(self.stages)}")
        if len(self.layers) != 4 or not all(1 <= blocks <= 64 for blocks in self.layers):
            raise InputError(f"`layers` must be four numbers of blocks, each from 1 to 64, not {shown(self.layers)}")
        if self.checkpointing and self.trained == "head":
            raise InputError("`checkpointing` saves memory only when the backbone is trained: use `trained` all")
        if self.frozen_stages > self.stages[-1]:
            raise InputError(
                f"{self.frozen_stages} stages cannot be frozen: the last of this network is {self.stages[-1]}"
            )

    @classmethod
    def read(cls, file: Path) -> "NetworkSettings":
        """The settings in a `config.json`.

        Raises:
            InputError: if it is no such file: a setting unknown to this version would be another network, too.
        """
        content = read_json(file, "name a folder that `srpnet train` wrote")
        try:
            return from_mapping(cls, content, "it")
        except InputError as error:
            raise InputError(f"{file} cannot be loaded: {error}") from None


@dataclass(frozen=True)
class NamingSettings:
    """How several ways are told apart, see `srpnet.fewshot.naming`. With one way it changes nothing."""

    _: KW_ONLY
    naming: Naming = setting(
        "regions",
        "How several classes are told apart. regions: each connected region is one of them, by the deepest ImageNet "
        "stage and the trained features; pixels: each pixel alone, by the trained features.",
    )


TRAINING_FREE = NetworkSettings(stages=(4,), width=None)
"""Stage 4 as it leaves the ImageNet backbone: nothing is learned for segmentation."""
