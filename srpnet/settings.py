"""What fixes a network: its settings, written as `config.json` beside its weights."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from episodes.errors import InputError
from srpnet.inference import QueryInference
from srpnet.prototypes import Pooling
from srpnet.similarity import Similarity
from srpnet.weight_sets import WEIGHT_SETS

Trained = Literal["head", "all"]


@dataclass(frozen=True)
class NetworkSettings:
    """Everything that fixes the network. Where the paper is silent ("open"), the default is this project's choice.

    Attributes:
        backbone: Name of the ImageNet weights; it fixes where the stages stride. See `srpnet weights --list`. `auto`
            is the first that can be had, and is replaced by its name in `build`.
        backbone_sha256: Content hash of those weights; None until they are loaded.
        stages: Levels of the pyramid, of 1..4 (open).
        width: Channels after the reduction, or None for no reduction: nothing is learned then (open).
        relu: Make the reduced features non-negative (open).
        output_stride: 8, 16 or 32 (open).
        training_stride: The same in training mode; None is no other. See `Backbone`.
        pooling: Where masked average pooling happens, see `pooling_weights` (open).
        similarity: `fidelity` (the paper's) or `cosine`.
        alpha: Scale of the similarity before the softmax (open).
        iqi: The recipe of iterative query inference (open).
        present_above: Where what was found resembles the supports less than this, see `srpnet.presence`, the class may
            not be there, which `srpnet predict` says. None says nothing.
        trained: `head`, or `all` if the backbone was fine-tuned too.
        frozen_stages: With `all`, the first so many stages keep their ImageNet weights, and the layers before them.
        seen: Names of the classes it was trained on, which must not be tested as novel.
        trained_on: Where they came from: data, fold, rules, hash of the pairs; for the record alone.
        layers, base_width: Blocks of each stage and channels inside those of stage 1. The defaults are ResNet-50, which
            the named weights are for; smaller ones make quick tests.
        checkpointing: Recompute activations of the backbone in the backward pass: slower, in less memory.
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
        for name in ("stages", "seen", "layers"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if isinstance(self.iqi, Mapping):
            object.__setattr__(self, "iqi", QueryInference(**self.iqi))
        if self.backbone not in ("auto", *WEIGHT_SETS):
            raise InputError(f"no backbone weights are called {self.backbone!r}: there are {', '.join(WEIGHT_SETS)}")
        if not self.stages or not set(self.stages) <= {1, 2, 3, 4} or list(self.stages) != sorted(set(self.stages)):
            raise InputError(f"pyramid stages must be different and ascending, of 1..4, not {self.stages}")
        if self.width is not None and self.width < 1:
            raise InputError(f"the pyramid's width must be positive, not {self.width}")
        if self.checkpointing and self.trained == "head":
            raise InputError("checkpointing saves memory of a backbone that is trained: use it with --train all")
        if self.frozen_stages not in range(5):
            raise InputError(f"there are 4 stages to freeze, from the first on, not {self.frozen_stages}")
        if self.present_above is not None and not 0 <= self.present_above <= 1:
            raise InputError(f"present_above is a cosine from 0 to 1, not {self.present_above}")
        if self.alpha <= 0:
            raise InputError(f"alpha must be positive, not {self.alpha}")
        choices = {"pooling": ("feature", "mask"), "similarity": ("fidelity", "cosine"), "trained": ("head", "all")}
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise InputError(f"{name} must be {' or '.join(known)}, not {getattr(self, name)!r}")


TRAINING_FREE = NetworkSettings(stages=(4,), width=None)
"""Stage 4 as it leaves the ImageNet backbone: nothing is learned for segmentation."""
