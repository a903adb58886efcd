"""What the tests of the commands share."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from PIL import Image

from srpnet.fewshot.network import SRPNet
from srpnet.fewshot.settings import NetworkSettings
from tests.backbones import RandomWeights
from tests.cli.commands import TINY, srpnet
from tests.cli.predicting import draw


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


@pytest.fixture
def predict(tmp_path: Path) -> Callable[..., Result]:
    """`predict("photos", "--recursive")`: by one example, with a tiny network, into `found`."""
    tiny = NetworkSettings(layers=(1, 1, 1, 1), base_width=8, width=8, stages=(2, 3), trained="all")
    SRPNet(tiny).write(tmp_path / "net")
    draw(tmp_path / "example/cup.png")
    mask = Image.new("L", (40, 40))
    mask.paste(255, (5, 5, 20, 20))
    mask.save(tmp_path / "example/cup-white.png")

    def run(*words: str, out: str = "found", mask: str | None = "example/cup-white.png") -> Result:
        support = ("--support", "example/cup.png", mask) if mask else ()
        return srpnet("predict", *support, "--checkpoint", "net", *TINY, "--out", out, *words)

    return run
