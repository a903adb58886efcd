"""Folders that one process at a time writes to: a second one is told, and a dead one holds nothing."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from episodes.errors import InputError
from episodes.files import LOCK, atomic_write, locked, write_text

HOLD = """
import os, sys, time
from pathlib import Path
from episodes.files import locked
with locked(Path(sys.argv[1]), "trained"):
    if "fork" in sys.argv and os.fork() == 0:
        time.sleep(60)
        os._exit(0)
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def held(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """A process that holds `run`, until its input ends."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "run"), *getattr(request, "param", ())]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def test_another_process_is_told(held: subprocess.Popen[str], tmp_path: Path) -> None:
    words = "run is being trained by another process: wait for it, or name another folder"
    for what in ("trained", "written"):  # by the one that holds it
        with pytest.raises(InputError, match=words), locked(tmp_path / "run", what):
            pass
    with locked(tmp_path / "other", "trained"):
        pass
    held.communicate("")
    with locked(tmp_path / "run", "trained"):
        pass


@pytest.mark.parametrize("held", [(), ("fork",)], indirect=True, ids=["alone", "with an orphan"])
def test_a_killed_process_holds_nothing(held: subprocess.Popen[str], tmp_path: Path) -> None:
    held.kill()
    held.wait()
    assert (tmp_path / "run" / LOCK).exists()
    with locked(tmp_path / "run", "trained"):
        pass
    assert not (tmp_path / "run").exists() or not list((tmp_path / "run").iterdir())


def test_another_thread_is_told_by_any_name_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "run")
    errors: list[InputError] = []

    def again() -> None:
        try:
            with locked(tmp_path / "link", "written"):
                pass
        except InputError as error:
            errors.append(error)

    with locked(tmp_path / "run", "written"):
        thread = threading.Thread(target=again)
        thread.start()
        thread.join()
    assert str(errors[0]).startswith(f"{tmp_path / 'link'} is being written by another process")
    again()
    assert len(errors) == 1


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    with locked(tmp_path / "new" / "run", "written"):
        assert (tmp_path / "new" / "run" / LOCK).exists()
    assert list(tmp_path.iterdir()) == []
    with locked(tmp_path / "run", "written"):
        write_text(tmp_path / "run" / "file.txt", "text")
    assert [file.name for file in (tmp_path / "run").iterdir()] == ["file.txt"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_to_is_let_pass(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    for folder in (tmp_path, tmp_path / "new"):
        with locked(folder, "written"):
            pass
    tmp_path.chmod(0o700)


def test_a_folder_that_cannot_be_made_is_let_pass(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "run", tmp_path / ("x" * 300)):
        with locked(folder, "written"):
            pass


def test_parts_of_a_killed_process_go(tmp_path: Path) -> None:
    ours = [".0a1b2c3d.part", ".training.pt.0a1b2c3d.part"]
    others = ["0a1b2c3d.part", ".0a1b2c3.part", "file.part", ".0a1b2c3d.part.txt"]
    (tmp_path / "deeper").mkdir()
    for name in (*ours, *others, f"deeper/{ours[0]}"):
        (tmp_path / name).write_text("half")
    with locked(tmp_path, "trained"):
        assert {file.name for file in tmp_path.iterdir()} == {*others, "deeper", LOCK}
        with atomic_write(tmp_path / "file.txt") as temporary, locked(tmp_path / "deeper", "trained"):
            temporary.write_text("whole")
    assert (tmp_path / "file.txt").read_text() == "whole"
    assert list((tmp_path / "deeper").iterdir()) == []


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("elsewhere")])
def test_a_lock_that_is_no_file_locks_nothing(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / LOCK)
    with locked(tmp_path, "written"):
        write_text(tmp_path / "file.txt", "text")
    assert not (tmp_path / "elsewhere").exists()
