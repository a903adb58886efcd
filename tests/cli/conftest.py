"""What the tests of the commands share."""

from pathlib import Path

import pytest

from tests.backbones import RandomWeights


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In which the stickers are counted once for all tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def random_backbone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shared_cache: Path) -> None:
    """Random weights instead of a download, an empty folder to work in, and a screen of 100 columns."""
    monkeypatch.setenv("SRPNET_CACHE", str(shared_cache))  # the stickers are counted once for all tests
    monkeypatch.setattr("srpnet.nn.weights.get_weights", RandomWeights())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
