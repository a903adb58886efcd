"""The README's Python runs as it stands there."""

import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from srpnet.backbone import Backbone
from srpnet.weights import Weights

BLOCKS = re.findall(r"```python\n(.*?)```", (Path(__file__).parents[1] / "README.md").read_text(), re.DOTALL)


def test_segmenter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    weights = Weights("keras-v1", "v1", "0" * 64), Backbone("v1", stages=(4,)).state_dict()
    monkeypatch.setattr("srpnet.network.get_weights", lambda *_, **__: weights)
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
    exec(BLOCKS[1].replace("first(100)", "first(2)"), {})
    miou, fb_iou = map(float, capsys.readouterr().out.split())
    assert 0 < miou < 1
    assert 0 < fb_iou < 1
