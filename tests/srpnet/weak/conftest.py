"""Coloured squares with tags, and students so small that they train in seconds."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from srpnet.weak.settings import (
    StudentSettings,
    WeakAugmentation,
    WeakDataSettings,
    WeakLoopSettings,
    WeakMethodSettings,
    WeakTrainSettings,
)
from srpnet.weak.students import Students
from tests.episodes.fakes import voc_folder

SMALL = StudentSettings(
    size=48, segmentation_width=4, layers=(1, 1, 1, 1), base_width=8, classes=("cat", "cow", "dog"), labels=(8, 10, 12)
)
VIT = replace(SMALL, architecture="vit-b16", layers=(4,), base_width=8)

Settings = Callable[..., WeakTrainSettings]


@pytest.fixture
def students() -> Students:
    return Students(SMALL).eval()


@pytest.fixture
def voc(tmp_path: Path) -> str:
    """Four photographs of a cat, a cow and a dog in each split; in the last of each there is another, too."""
    photographs: dict[str, dict[str, Any]] = {"train": {}, "val": {}}
    for split, own in photographs.items():
        for seed, (label, number) in enumerate((label, number) for label in (8, 10, 12) for number in range(4)):
            random = np.random.default_rng(seed)
            photograph = random.integers(0, 60, (40, 56, 3), dtype=np.uint8)
            mask = np.zeros((40, 56), dtype=np.uint8)
            top, left = random.integers(0, 12), random.integers(0, 12)
            mask[top : top + 24, left : left + 24] = label
            if number == 3:
                mask[26:40, 40:56] = {8: 10, 10: 12, 12: 8}[label]
            for each in (8, 10, 12):
                photograph[mask == each] += np.array([each * 10, 190 - each * 12, 100], dtype=np.uint8)
            own[f"{split}_{label}_{number}"] = photograph, mask
    return f"pascal:{voc_folder(tmp_path / 'voc', photographs)}"


@pytest.fixture
def settings(voc: str, cache: Any) -> Settings:
    """`settings(students=1)`: a training of four steps in which every part has begun in the last two."""

    def make(**options: Any) -> WeakTrainSettings:
        def taken(kind: type) -> dict[str, Any]:
            return {name: options.pop(name) for name in list(options) if name in kind.__dataclass_fields__}

        network = replace(SMALL, classes=(), labels=(), **taken(StudentSettings))
        loop = {"steps": 4, "batch": 2, "warmup": 1, "workers": 0, "log_every": 1, "save_every": 2, "lr": 1e-3}
        method: dict[str, Any] = {"segmentation_from": 0.25, "trust_from": 0.5, "cam_scales": ("1", "1.5")}
        return WeakTrainSettings(
            WeakDataSettings(voc, **taken(WeakDataSettings)),
            network=network,
            method=WeakMethodSettings(**method | {"noise_least": 10} | taken(WeakMethodSettings)),
            augmentation=WeakAugmentation(**taken(WeakAugmentation)),
            training=WeakLoopSettings(**loop | taken(WeakLoopSettings)),
            **{"device": "cpu", "precision": "fp32"} | options,
        )

    return make
