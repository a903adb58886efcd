"""What the tests of the commands share."""

from pathlib import Path

import pytest

from srpnet.nn.backbone import Backbone
from srpnet.nn.weights import Weights


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In which the stickers are counted once for all tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def random_backbone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shared_cache: Path) -> None:
    """Random weights instead of a download, an empty folder to work in, and a screen of 100 columns."""
    monkeypatch.setenv("SRPNET_CACHE", str(shared_cache))  # the stickers are counted once for all tests
    state = Backbone("v1", stages=(4,)).state_dict()
    weights = Weights("keras-v1", "v1", "0" * 64)
    monkeypatch.setattr("srpnet.nn.weights.get_weights", lambda *_, **__: (weights, state))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
