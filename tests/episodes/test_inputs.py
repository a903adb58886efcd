"""Files of strangers: what is no file is not opened, and what is wrong with one is one line."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from episodes.errors import InputError
from episodes.inputs import check_regular, read_json, read_text, read_toml

MEND = "name another"


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


@pytest.mark.parametrize(
    ("make", "kind"), [(os.mkfifo, "a named pipe"), (os.mkdir, "a folder"), (listening, "a socket")]
)
def test_what_is_no_file_is_never_opened(tmp_path: Path, make: Callable[[Path], None], kind: str) -> None:
    make(tmp_path / "x")
    for read in (read_text, read_json, read_toml):
        with pytest.raises(InputError, match=f"x is {kind}, not a file"):
            read(tmp_path / "x", MEND)
    with pytest.raises(InputError, match=r"/dev/null is a device"):
        check_regular("/dev/null")


@pytest.mark.parametrize("name", ["gone", "zero\0byte", "n" * 300])
def test_a_file_that_is_not_there(tmp_path: Path, name: str) -> None:
    check_regular(tmp_path / name)
    with pytest.raises(InputError, match=r"cannot be read .*: name another"):
        read_text(tmp_path / name, MEND)


@pytest.mark.parametrize(
    "content",
    [b"{", b"\xff", b"[" * 100_000, b"[" * 101 + b"]" * 101, b"[NaN]", b"[-Infinity]", b"[" + b"9" * 5000 + b"]"],
)
def test_what_is_no_json(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(InputError, match=r"cannot be read .*: name another"):
        read_json(tmp_path / "x", MEND)


def test_json_with_a_byte_order_mark_and_some_depth(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\xef\xbb\xbf" + b"[" * 99 + b"]" * 99)
    content, depth = read_json(tmp_path / "x", MEND), 1
    while content:
        content, depth = content[0], depth + 1
    assert depth == 99


@pytest.mark.parametrize("content", ["a = ", "a = " + "[" * 5000, "a = " + "9" * 5000, "a = " + "[" * 101 + "]" * 101])
def test_what_is_no_toml(tmp_path: Path, content: str) -> None:
    (tmp_path / "x").write_text(content)
    with pytest.raises(InputError, match="is not valid TOML"):
        read_toml(tmp_path / "x", MEND)
