"""Commands that take an extra: what is missing or wrong is one line."""

from pathlib import Path

import pytest

from tests.cli.commands import refused, srpnet


def test_the_page_needs_gradio_and_a_port(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "--port" in refused(srpnet("app", "--port", "0"))
    monkeypatch.setattr("cli.app.find_spec", lambda name: None)
    assert refused(srpnet("app")) == "Error: srpnet app needs Gradio: pip install 'srpnet[app]'"


def test_export_needs_onnx(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("srpnet.apps.onnx.find_spec", lambda name: None)
    result = srpnet("export", "srpnet-base", "--out", str(tmp_path / "out"))
    assert "pip install 'srpnet[onnx]'" in refused(result)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    assert "is a file" in srpnet("export", "srpnet-base", "--out", str(tmp_path / "out")).stderr
