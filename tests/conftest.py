"""Every test has a cache of its own and sees no data folder of the person who runs it."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRPNET_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SRPNET_DATA", raising=False)
