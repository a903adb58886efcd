"""Every test has a cache of its own, and sees neither data folders nor ignored signals of whoever runs it."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRPNET_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SRPNET_DATA", raising=False)


@pytest.fixture(autouse=True, scope="session")
def signals_as_in_a_terminal() -> Iterator[None]:
    """Under nohup, and in the background of a shell, some are ignored, by the commands that tests start as well."""
    heard = {signal.SIGINT: signal.default_int_handler}
    if hasattr(signal, "SIGHUP"):  # Windows has none
        heard[signal.SIGHUP] = signal.SIG_DFL
    ignored = [number for number in heard if signal.getsignal(number) == signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, heard[number])
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)
