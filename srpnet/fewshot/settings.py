"""What fixes a network: its settings, written as `config.json` beside its weights."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from episodes.checks import check_choice, check_number, check_type, check_whole, shown
from episodes.errors import InputError
from episodes.inputs import read_json
from srpnet.fewshot.prototypes import Pooling
from srpnet.fewshot.query_inference import MOST_ROUNDS, QueryInference
from srpnet.nn.similarity import Similarity
from srpnet.nn.weight_sets import WEIGHT_SETS
from srpnet.training.settings import LoopSettings

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

S = TypeVar("S", bound="DataclassInstance")
Trained = Literal["head", "all"]


@dataclass(frozen=True)
class NetworkSettings:
    """Everything that fixes the network. Where the paper is silent ("open"), the default is this project's choice.

    Attributes:
        backbone: Name of the ImageNet weights; it fixes where the stages stride. See `srpnet weights --list`. `auto`
            is the first that can be had, and is replaced by its name in `build`.
        backbone_sha256: Content hash of those weights; None until they are loaded.
        stages: Levels of the pyramid, of 1..4 (open).
        width: Channels after the reduction, up to 8192, or None for no reduction: nothing is learned then (open).
        relu: Make the reduced features non-negative (open).
        output_stride: 8, 16 or 32 (open).
        training_stride: The same in training mode; None is no other. See `Backbone`.
        pooling: Where masked average pooling happens, see `POOLINGS` (open).
        similarity: `fidelity` (the paper's) or `cosine`.
        alpha: Scale of the similarity before the softmax, above 0 and up to 10,000 (open).
        background_floor: Similarity that every cell has to the background at least, in [0, 1]: what is less like a
            class than this is background, even if it is still less like the supports' background. None: no floor.
        iqi: The recipe of iterative query inference (open).
        present_above: Where what was found resembles the supports less than this, see
            `srpnet.fewshot.presence`, the class may not be there, which `srpnet predict` says. None says nothing.
        trained: `head`, or `all` if the backbone was fine-tuned too.
        frozen_stages: With `all`, the first so many stages keep their ImageNet weights, and the layers before them.
        seen: Names of the classes it was trained on, which must not be tested as novel.
        trained_on: Where they came from: data, fold, rules, hash of the pairs; for the record alone.
        layers, base_width: Blocks of each stage, up to 64, and channels inside those of stage 1, up to 256. The
            defaults are ResNet-50, which the named weights are for; smaller ones make quick tests.
        checkpointing: Recompute activations of the backbone in the backward pass: slower, in less memory.

    Raises:
        InputError: if one is of another type or out of its range: they may come from a stranger's file.
    """

    backbone: str = "auto"
    backbone_sha256: str | None = None
    stages: tuple[int, ...] = (2, 3, 4)
    width: int | None = 256
    relu: bool = True
    output_stride: Literal[8, 16, 32] = 8
    training_stride: Literal[8, 16, 32] | None = None
    pooling: Pooling = "feature"
    similarity: Similarity = "fidelity"
    alpha: float = 20.0
    background_floor: float | None = None
    iqi: QueryInference = field(default_factory=QueryInference)
    present_above: float | None = None
    trained: Trained = "head"
    frozen_stages: int = 0
    seen: tuple[str, ...] = ()
    trained_on: Mapping[str, Any] = field(default_factory=dict)
    layers: tuple[int, ...] = (3, 4, 6, 3)
    base_width: int = 64
    checkpointing: bool = False

    def __post_init__(self) -> None:
        # From JSON these come as lists and a dict.
        for name, kind in (("stages", int), ("seen", str), ("layers", int)):
            if not isinstance(values := getattr(self, name), list | tuple) or any(
                type(each) is not kind for each in values
            ):
                wanted = "class names" if kind is str else "whole numbers"
                raise InputError(f"{name} must be a list of {wanted}, not {shown(values)}")
            object.__setattr__(self, name, tuple(values))
        if isinstance(self.iqi, Mapping):
            object.__setattr__(self, "iqi", from_mapping(QueryInference, self.iqi, "iqi"))
        check_type(self, QueryInference, "iqi")
        check_type(self, bool, "relu", "checkpointing")
        check_type(self, Mapping, "trained_on")
        if self.backbone_sha256 is not None:
            check_type(self, str, "backbone_sha256")
        if self.backbone not in ("auto", *WEIGHT_SETS):
            raise InputError(
                f"no backbone weights are called {shown(self.backbone)}: there are {', '.join(WEIGHT_SETS)}"
            )
        if not self.stages or not set(self.stages) <= {1, 2, 3, 4} or list(self.stages) != sorted(set(self.stages)):
            raise InputError(f"pyramid stages must be different and ascending, of 1..4, not {shown(self.stages)}")
        if len(self.layers) != 4 or not all(1 <= blocks <= 64 for blocks in self.layers):
            raise InputError(f"layers must be four numbers of blocks, each from 1 to 64, not {shown(self.layers)}")
        check_whole(self, 1, 256, "base_width")
        if self.width is not None:
            check_whole(self, 1, 8192, "width")
        check_choice(self, (8, 16, 32), "output_stride")
        check_choice(self, (8, 16, 32, None), "training_stride")
        if self.checkpointing and self.trained == "head":
            raise InputError("checkpointing saves memory only when the backbone is trained: use it with --train all")
        check_whole(self, 0, 4, "frozen_stages")
        if self.frozen_stages > self.stages[-1]:
            raise InputError(
                f"{self.frozen_stages} stages cannot be frozen: the last of this network is {self.stages[-1]}"
            )
        if self.present_above is not None:
            check_number(self, 0, 1, "present_above")
        check_number(self, 0, 10_000, "alpha", above=True)
        if self.background_floor is not None:
            check_number(self, 0, 1, "background_floor")
        choices = {"pooling": ("feature", "mask"), "similarity": ("fidelity", "cosine"), "trained": ("head", "all")}
        for name, known in choices.items():
            check_choice(self, known, name)

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
class FewShotLoopSettings(LoopSettings):
    """How SRPNet is trained: `lr` is that of the head, and items are episodes. What the paper leaves open says so.

    Attributes:
        support_weight: lambda, the weight of the self-regularization loss, up to 1000 (open).
        both_ways: Learn each episode the other way round too, its queries as supports and its supports as queries; the
            loss is the mean of both. The features are there already, so this costs little (open; PANet, sec. 3.4, does
            so with the mask that it predicted for the query, here it is the true one).
        train_rounds: Rounds of query inference while training, up to 100 (open).
        one_vs_rest: Learn each way of an episode alone, the other ways being background, on every query; so most
            queries do not show the way, and what they show instead is known. False: all ways together, as one softmax.
        absent_weight: Weight in the loss of a query that does not show the way, up to 1000; one that does weighs 1.
        backbone_lr: As `lr`, of the backbone, if it is trained.

    Raises:
        InputError: if one is out of its range.
    """

    support_weight: float = 1.0
    both_ways: bool = False
    train_rounds: int = 0
    one_vs_rest: bool = False
    absent_weight: float = 1.0
    backbone_lr: float = 3e-5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self, 0, 1000, "support_weight")
        check_number(self, 0, 1000, "backbone_lr", above=True)
        check_whole(self, 0, MOST_ROUNDS, "train_rounds")
        check_number(self, 0, 1000, "absent_weight")
        check_type(self, bool, "both_ways", "one_vs_rest")


def from_mapping(settings: type[S], content: object, what: str) -> S:
    """Settings from a mapping with the names of their fields.

    Raises:
        InputError: if it is no mapping, or holds other names.
    """
    if not isinstance(content, Mapping):
        raise InputError(f"{what} must be a table of settings, not {shown(content)}")
    if unknown := sorted(shown(name) for name in content if name not in {known.name for known in fields(settings)}):
        raise InputError(f"{what} holds {unknown[0]}, a setting unknown to this version: update srpnet")
    return settings(**content)


TRAINING_FREE = NetworkSettings(stages=(4,), width=None)
"""Stage 4 as it leaves the ImageNet backbone: nothing is learned for segmentation."""
