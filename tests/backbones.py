"""Backbone weights of tests, which stand in for `srpnet.nn.weights.get_weights`: nothing is downloaded."""

from pathlib import Path
from typing import Any

from episodes.errors import InputError
from srpnet.nn.backbone import Backbone
from srpnet.nn.fetching import StateDict
from srpnet.nn.weight_sets import WEIGHT_SETS
from srpnet.nn.weights import Weights, content_hash, get_weights


class TinyWeights:
    """Those of the tiny networks, and a note of what was asked for."""

    def __init__(self) -> None:
        self.state: StateDict = Backbone(stages=(1, 2, 3, 4), layers=(1, 1, 1, 1), base_width=8, seed=7).state_dict()
        self.asked: list[str | None] = []

    def __call__(
        self, name: str | None = None, file: Path | None = None, *, sha256: str | None = None, say: Any = print
    ) -> tuple[Weights, StateDict]:
        self.asked.append(name)
        weights = Weights(name or "keras-v1", WEIGHT_SETS[name or "keras-v1"].convention, content_hash(self.state))
        if sha256 not in (None, weights.sha256):
            raise InputError(f"weights {weights.name} have hash {weights.sha256[:12]}, not the {sha256[:12]} asked for")
        return weights, self.state


class RandomWeights:
    """Those of a whole ResNet-50, whatever is asked for; a file is read as ever."""

    def __init__(self) -> None:
        self.found = Weights("keras-v1", "v1", "0" * 64), Backbone("v1", stages=(4,)).state_dict()

    def __call__(self, name: str | None = None, file: Path | None = None, **options: Any) -> tuple[Weights, StateDict]:
        return self.found if file is None else get_weights(name, file, **options)
