"""The records of a JSON file too large to hold: read one by one, each with the place where it stands."""

import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from episodes.sources.base import OnProgress, silent

CHUNK = 4_000_000
BLANK = re.compile(r"[ \t\n\r]*")


class Record(NamedTuple):
    """One element of one list: `value` is what bytes `start` to `stop` (exclusive) of the file say."""

    list: str
    value: Any
    start: int
    stop: int


def records(path: Path, lists: Collection[str], on_progress: OnProgress = silent) -> Iterator[Record]:
    """The elements of these lists of the object that a JSON file holds, in file order; what else it holds is skipped.

    Memory is that of a few megabytes of text, at the speed of `json.load`. Progress is told in megabytes of the file.

    Raises:
        ValueError: The file is cut short, or no such JSON.
        RecursionError: Its values are nested too deeply.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        reader = _Reader(file, path, on_progress)
        for _ in reader.each("{}"):
            name, _, _ = reader.value()
            reader.take(":")
            if name in lists and reader.next() == "[":
                for _ in reader.each("[]"):
                    yield Record(name, *reader.value())
            else:
                reader.value()
        if extra := reader.next():
            raise ValueError(f"{extra} after its end")


class _Reader:
    """A window of text that moves over a file. As Latin-1 a character is a byte, so that places are known."""

    def __init__(self, file: BinaryIO, path: Path, on_progress: OnProgress) -> None:
        self._file = file
        self._title = f"Reading {path.name} (MB)"
        self._size = path.stat().st_size
        self._on_progress = on_progress
        self._decoder = json.JSONDecoder()
        self._text = ""
        self._at = 0
        self._before = 0  # bytes of the file before the window

    def next(self) -> str:
        """The next character that is not blank, empty at the end; it is not taken."""
        while True:
            blank = BLANK.match(self._text, self._at)
            self._at = blank.end() if blank else self._at
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]

    def take(self, wanted: str) -> str:
        """The next character, which must be one of these."""
        found = self.next()
        if not found or found not in wanted:
            raise ValueError(f"{found or 'its end'} instead of {' or '.join(wanted)} (byte {self._before + self._at})")
        self._at += 1
        return found

    def each(self, brackets: str) -> Iterator[None]:
        """Stop before each of the elements between two brackets, for the caller to take it."""
        self.take(brackets[0])
        if self.next() == brackets[1]:
            self.take(brackets[1])
            return
        while True:
            yield
            if self.take("," + brackets[1]) != ",":
                return

    def value(self) -> tuple[Any, int, int]:
        """The next value, and from where to where it stands in bytes."""
        self.next()
        while True:
            try:
                value, stop = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                place = self._before + error.pos
                if not self._more():
                    raise ValueError(f"{error.msg} (byte {place})") from None
                continue
            if stop < len(self._text) or not self._more():  # the digits of a number may go on
                break
        if not self._text.isascii():
            value = json.loads(self._text[self._at : stop].encode("latin-1"))  # which is UTF-8
        start, self._at = self._at, stop
        return value, self._before + start, self._before + stop

    def _more(self) -> bool:
        """Move on to what is not taken yet, and as much again, so that a long value needs few attempts."""
        rest = self._text[self._at :]
        new = self._file.read(max(CHUNK, len(rest)))
        self._before += self._at
        self._at = 0
        self._text = rest + new.decode("latin-1")
        self._on_progress(self._title, (self._before + len(self._text)) // 1_000_000, self._size // 1_000_000)
        return bool(new)
