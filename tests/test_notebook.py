"""The notebook runs from the first cell to the last, and its outputs stand in it."""

import json
from pathlib import Path
from typing import Any

import pytest

from srpnet.fewshot.network import SRPNet
from srpnet.fewshot.settings import NetworkSettings

NOTEBOOK = Path(__file__).parents[1] / "docs" / "my_first_segmenter.ipynb"
TINY = NetworkSettings(layers=(1, 1, 1, 1), base_width=8, width=8, stages=(2, 3))
CELLS: list[dict[str, Any]] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
CODE = [cell for cell in CELLS if cell["cell_type"] == "code"]


def test_it_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a tiny network, of which it is not asked that it finds cars."""
    monkeypatch.chdir(tmp_path)
    found: dict[str, Any] = {"network": SRPNet(TINY).eval()}
    for cell in CODE:
        exec("".join(cell["source"]).replace("Segmenter()", "Segmenter(network, size=64)"), found)
    assert capsys.readouterr().out.count("IoU") == 7
    assert len([*found["masks"].iterdir()]) == 6


def test_its_outputs_are_there() -> None:
    assert not [output for cell in CODE for output in cell["outputs"] if output["output_type"] == "error"]
    shown = [kind for cell in CODE for output in cell["outputs"] for kind in output.get("data", {})]
    assert shown.count("image/jpeg") == 2
    assert [cell["execution_count"] for cell in CODE] == list(range(1, len(CODE) + 1))
    assert NOTEBOOK.stat().st_size < 1_000_000
