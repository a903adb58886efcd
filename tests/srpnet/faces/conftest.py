"""A folder of drawn faces, and a parser so small that it trains in seconds."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import pytest

from srpnet.faces.parser import FaceParser
from srpnet.faces.settings import FaceLoopSettings, FaceTrainSettings, ParserSettings
from tests.faces import faces_folder

SMALL = ParserSettings(canvas=96, input=32, crops=(33, 25, 33, 41), localizer_width=4)


class Settings(Protocol):
    def __call__(self, **options: Any) -> FaceTrainSettings: ...


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return faces_folder(tmp_path / "faces", count=9)


@pytest.fixture
def parser() -> FaceParser:
    return FaceParser(SMALL).eval()


@pytest.fixture
def settings(root: Path) -> Settings:
    """`settings(steps=3)`: a training of two steps a phase."""

    def make(**options: Any) -> FaceTrainSettings:
        loop = FaceLoopSettings(steps=2, batch=2, warmup=1, log_every=1, save_every=100)
        loop = replace(loop, **{name: options.pop(name) for name in ("steps", "batch") if name in options})
        quick: dict[str, Any] = {"coarse_steps": 2, "localizer_steps": 2, "parts_steps": 2, "parser": SMALL}
        quick |= {"device": "cpu", "precision": "fp32", "training": loop}
        return FaceTrainSettings(f"faces:{root}", **quick | options)

    return make
