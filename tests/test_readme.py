"""The Python of the README and the docs runs as it stands there."""

import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image

from cli.main import main
from tests.backbones import RandomWeights

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def python_in(text: str) -> list[str]:
    """The Python blocks of a page."""
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


BLOCKS = python_in((ROOT / "README.md").read_text())


def test_segmenter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("srpnet.nn.weights.get_weights", RandomWeights())
    monkeypatch.chdir(tmp_path)
    mask = Image.new("L", (64, 48))
    mask.paste(255, (10, 10, 40, 40))
    for name in ("cup1", "cup2", "kitchen"):
        Image.new("RGB", (64, 48), "teal").save(f"{name}.jpg")
        mask.save(f"{name}-mask.png")
    found: dict[str, Any] = {}
    exec(BLOCKS[0].replace("Segmenter()", "Segmenter(size=64)"), found)
    assert found["mask"].shape == (48, 64)
    assert found["chance"].shape == (2, 48, 64)


def test_any_method(capsys: pytest.CaptureFixture[str]) -> None:
    exec(BLOCKS[1].replace("episodes=100", "episodes=20"), {})
    miou, low, high = map(float, capsys.readouterr().out.split())
    assert 0 < low < miou < high < 1


def test_score_your_own_method(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Both examples, with the commands between them."""
    text = (DOCS / "score-your-own-method.md").read_text()
    function, folder = python_in(text)
    export, scoring = re.findall(r"^    srpnet (.*)$", text, re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    exec(function.replace("episodes=50", "episodes=6"), {})
    assert "mIoU" in capsys.readouterr().out
    assert len(list(Path("scores/colour/worst").glob("*.png"))) == 3
    assert CliRunner().invoke(main, export.replace("50", "6").split()).exit_code == 0
    exec(folder, {})
    scored = CliRunner().invoke(main, scoring.split())
    assert scored.exit_code == 0, scored.output
    assert "predictions maps" in scored.output
    assert CliRunner().invoke(main, ["compare", "scores/colour", "scores/middle"]).exit_code == 0
    assert all(len(block.splitlines()) <= 30 for block in (function, folder))
