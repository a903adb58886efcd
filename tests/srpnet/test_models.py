"""The released models: what each folder holds, that it fits, and that no fold's model saw the fold's novel classes."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from episodes.data.source import PASCAL_CLASSES
from episodes.fewshot.fold_classes import novel_and_base
from srpnet.apps.face_segmenter import FaceSegmenter
from srpnet.fewshot.compact import expand, is_compact
from srpnet.fewshot.network import SRPNet
from srpnet.fewshot.settings import NetworkSettings
from srpnet.models import is_face_parser, released
from tests.faces import drawn_face

MODELS = released()
PARSERS = [name for name, folder in MODELS.items() if is_face_parser(folder)]
NETWORKS = [name for name in MODELS if name not in PARSERS]
MEGABYTE = 1_000_000


def settings(name: str) -> NetworkSettings:
    return NetworkSettings(**json.loads((MODELS[name] / "config.json").read_text(encoding="utf-8")))


def size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_small_and_has_a_card(name: str) -> None:
    assert {file.name for file in MODELS[name].iterdir()} == {"config.json", "model.safetensors", "README.md"}
    most = 12 if name in PARSERS else 4 if settings(name).trained == "head" else 16
    assert size(MODELS[name]) < most * MEGABYTE
    assert f"--checkpoint {name}" in (MODELS[name] / "README.md").read_text(encoding="utf-8")


def test_all_models_together_are_small() -> None:
    """PyPI takes files of up to 100 MB."""
    assert sum(map(size, MODELS.values())) < 80 * MEGABYTE


@pytest.mark.parametrize("name", NETWORKS)
def test_a_model_fits_its_settings(name: str) -> None:
    """On random weights: the real ones would have to be fetched."""
    network = SRPNet(settings(name))
    state = load_file(MODELS[name] / "model.safetensors")
    start = {name: value for name, value in network.state_dict().items() if name.startswith("backbone.")}
    assert is_compact(state) == (network.config.trained == "all")
    assert network.config.backbone_sha256 is not None
    network.load_state_dict(expand(state, start))
    assert all(torch.isfinite(value).all() for value in network.state_dict().values())


@pytest.mark.parametrize("name", PARSERS)
def test_a_face_parser_loads_by_its_name_and_parses(name: str) -> None:
    photograph, _ = drawn_face(96, 0)
    found = FaceSegmenter(name, device="cpu").predict(photograph)
    assert found.labels.shape == (96, 96)
    assert "research" in (MODELS[name] / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [name for name in MODELS if name.startswith("pascal-fold")])
def test_no_model_saw_the_novel_classes_of_its_fold(name: str) -> None:
    config = settings(name)
    fold = int(name.removeprefix("pascal-fold")[0])
    novel, _ = novel_and_base(len(PASCAL_CLASSES), fold)
    assert config.trained_on["fold"] == fold
    assert config.seen
    assert not set(config.seen) & {PASCAL_CLASSES[label - 1] for label in novel}
