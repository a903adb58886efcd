"""Files: whole or not at all, readable by others as usual, and one folder for what can be made again."""

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from episodes.errors import InputError
from episodes.files import atomic_write, cache_folder, check_folder, expanded, write_json, write_text


@pytest.fixture
def usual_umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def test_a_new_file_and_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file.txt"
    with atomic_write(path) as temporary:
        assert temporary.parent == path.parent
        assert not path.exists()
        temporary.write_bytes(b"new")
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def test_the_old_content_stays_until_the_end(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    with atomic_write(str(path)) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_block_that_raises_changes_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")

    def interrupted() -> None:
        with atomic_write(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_raises_leaves_no_new_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="stop"), atomic_write(tmp_path / "file.txt"):
        raise ValueError("stop")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_way_leaves_no_part(tmp_path: Path) -> None:
    (tmp_path / "name").mkdir()
    with pytest.raises(InputError, match=r"name is a folder, not a file"):
        write_text(tmp_path / "name", "text")
    assert list(tmp_path.iterdir()) == [tmp_path / "name"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(28, "No space left on device"), r"\[Errno 28\] No space left on device"),
        (RuntimeError("[enforce fail at inline_container.cc:1]\nframe #0: torch"), r"\[enforce fail .*cc:1\]"),
        (OSError(), "OSError"),
    ],
    ids=["the system's", "torch.save's", "without a word"],
)
def test_a_full_disk_is_an_input_error_of_one_line(tmp_path: Path, error: Exception, reason: str) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")

    def fill() -> None:
        with atomic_write(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(
        InputError, match=rf"file\.txt cannot be written \({reason}\): free disk space, or name"
    ) as caught:
        fill()
    assert "\n" not in str(caught.value)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    for path in (tmp_path / "file" / "a.txt", tmp_path / "file" / "deep" / "a.txt"):
        with pytest.raises(InputError, match=r"a\.txt cannot be written"):
            write_text(path, "text")
    assert (tmp_path / "file").read_text() == "kept"


def test_a_folder_for_results_is_looked_at_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    check_folder(tmp_path)
    check_folder(tmp_path / "new" / "deeper")
    assert not (tmp_path / "new").exists()
    for path in (tmp_path / "file", tmp_path / "file" / "new" / "deeper"):
        with pytest.raises(InputError, match=r"file is a file, not a folder: name another `out`"):
            check_folder(path)


@pytest.mark.usefixtures("usual_umask")
@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    write_text(tmp_path / "file.txt", "text")
    assert (tmp_path / "file.txt").stat().st_mode & 0o777 == 0o640
    assert os.umask(0o027) == 0o027


def test_two_writers_do_not_share_a_part(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    with atomic_write(path) as one, atomic_write(path) as two:
        assert one != two
        one.write_text("one")
        two.write_text("two")
    assert path.read_text() == "one"
    assert list(tmp_path.iterdir()) == [path]


def test_text_is_utf8(tmp_path: Path) -> None:
    write_text(tmp_path / "file.txt", "größer\n")
    assert (tmp_path / "file.txt").read_bytes() == "größer\n".encode()


def test_json_is_indented_and_ends_in_a_newline(tmp_path: Path) -> None:
    write_json(tmp_path / "file.json", {"a": [1, None]})
    assert (tmp_path / "file.json").read_text() == '{\n  "a": [\n    1,\n    null\n  ]\n}\n'


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_refuses_nan_and_keeps_the_old_file(tmp_path: Path, value: float) -> None:
    path = tmp_path / "file.json"
    write_json(path, 1)
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"miou": value})
    assert path.read_text() == "1\n"


def test_where_the_cache_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    monkeypatch.setenv("SRPNET_CACHE", "~/own")
    assert cache_folder() == tmp_path / "own"
    monkeypatch.delenv("SRPNET_CACHE")
    assert cache_folder() == Path("/xdg/srpnet")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert cache_folder() == tmp_path / ".cache" / "srpnet"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == tmp_path / ".cache" / "srpnet"
    assert not (tmp_path / ".cache").exists()


def test_a_long_name_can_be_written_and_a_longer_one_is_named(tmp_path: Path) -> None:
    write_text(tmp_path / ("x" * 255), "text")
    with pytest.raises(InputError, match=r"File name too long.*: shorten the name"):
        write_text(tmp_path / ("x" * 256), "text")


def test_content_is_on_the_disk_before_the_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, synced = tmp_path / "file.txt", list[tuple[bool, int]]()
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append((path.exists(), os.fstat(descriptor).st_ino)))
    write_text(path, "text")
    assert synced == [(False, path.stat().st_ino), (True, tmp_path.stat().st_ino)]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_is_full_only_at_the_end_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")

    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(InputError, match=r"file\.txt cannot be written"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_system_that_cannot_wait_for_the_disk_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "fsync", fail)
    write_text(tmp_path / "file.txt", "new")
    assert (tmp_path / "file.txt").read_text() == "new"


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A user without a home, as in a container that runs under any number, and a temporary folder."""
    for name in ("SRPNET_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)

    def unknown(*_: Any) -> None:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", unknown)
    monkeypatch.setattr(Path, "expanduser", unknown)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / f"srpnet-{os.getuid()}"


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_cache_without_a_home_is_private(nobody: Path) -> None:
    assert cache_folder() == nobody
    assert stat.S_IMODE(nobody.stat().st_mode) == 0o700
    assert cache_folder() == nobody
    with pytest.raises(InputError, match="~x/y: that home folder is unknown"):
        expanded("~x/y")


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_planted_cache_is_not_taken(nobody: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody.mkdir(mode=0o777)
    nobody.chmod(0o777)
    with pytest.raises(InputError, match="is not yours alone: set SRPNET_CACHE"):
        cache_folder()
    nobody.rmdir()
    (tmp_path / "own").mkdir(mode=0o700)
    nobody.symlink_to(tmp_path / "own")
    with pytest.raises(InputError, match="is not yours alone: set SRPNET_CACHE"):
        cache_folder()
    nobody.unlink()
    nobody.write_text("a file")
    with pytest.raises(InputError, match="is not yours alone: set SRPNET_CACHE"):
        cache_folder()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(InputError, match=r"no room for a cache .*: set SRPNET_CACHE"):
        cache_folder()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes of POSIX")
def test_what_is_no_file_is_never_replaced(tmp_path: Path) -> None:
    """Root could put a file in the place of /dev/null."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for path, kind in ((tmp_path / "pipe", "a named pipe"), (tmp_path / "folder", "a folder"), (Path(), "a folder")):
        with pytest.raises(InputError, match=f"is {kind}, not a file"):
            write_text(path, "text")
    assert (tmp_path / "pipe").is_fifo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "pipe"]
