"""JSON files as people have them, for a parser that is strict: marks of Windows editors, NaN, and hostile nesting."""

import codecs
import re
from collections.abc import Callable
from typing import IO

import numpy as np

DEEPEST = 100
"""Brackets inside one another; a COCO file has five."""
WORDS = re.compile(rb"-?Infinity|NaN")
"""What Python and others write for numbers that JSON does not have."""
LONGEST_WORD = len(b"-Infinity")

_STEPS = np.zeros(256, np.int8)
_STEPS[list(b"[{")], _STEPS[list(b"]}")] = 1, -1
_BRACKETS = _STEPS != 0


class JsonStream:
    """A file of JSON, to be read like a file: without a byte-order mark, and with `null` for NaN and infinity.

    What stands in strings stays as it is. ijson's memory grows with the square of the depth, so depth has a limit.

    Args:
        file: Binary and unbuffered.
        on_read: Called before each read with the bytes read so far.
    """

    def __init__(self, file: IO[bytes], on_read: Callable[[int], None]) -> None:
        self._file, self._on_read = file, on_read
        self._held = b""  # the end of what was read, if a word or an escape may go on after it
        self._in_string = False
        self._depth = 0
        self._begun = False

    def read(self, size: int) -> bytes:
        """About so many bytes, more or less; none at the end.

        Raises:
            ValueError: The file is UTF-16 or UTF-32, or brackets are nested too deep.
        """
        if size == 0:  # ijson asks so, to see what it gets
            return b""
        while True:
            self._on_read(self._file.tell())
            chunk = self._file.read(size)
            text = self._held + (chunk if self._begun else _without_mark(chunk))
            self._begun, self._held = True, b""
            if not chunk:
                return self._checked(text)
            if text := self._hold_back(text):
                return self._checked(text)

    def _hold_back(self, text: bytes) -> bytes:
        """Keep for the next time what cannot be understood without what follows."""
        end = len(text) - len(text.rstrip(b"\\"))
        word = re.search(rb"-?[A-Za-z]{0,8}\Z", text[-LONGEST_WORD:])
        cut = 1 if end % 2 else len(word[0]) if word and not end else 0
        self._held = text[len(text) - cut :]
        return text[: len(text) - cut]

    def _checked(self, text: bytes) -> bytes:
        if not text:
            return text
        plain = text.replace(rb"\\", b"  ").replace(rb"\"", b"  ") if b"\\" in text else text
        characters = np.frombuffer(plain, np.uint8)
        quotes = (characters == ord('"')).view(np.uint8)
        inside = np.bitwise_xor.accumulate(quotes) ^ self._in_string
        brackets = np.flatnonzero(_BRACKETS[characters])
        brackets = brackets[inside[brackets] == 0]
        depths = np.cumsum(_STEPS[characters[brackets]], dtype=np.int64) + self._depth
        if depths.size:
            if int(depths.max()) > DEEPEST:
                raise ValueError(f"brackets are nested more than {DEEPEST} deep")
            self._depth = int(depths[-1])
        self._in_string = bool(inside[-1])
        if b"NaN" not in text and b"Infinity" not in text:
            return text
        return WORDS.sub(lambda word: word[0] if inside[word.start()] else b"null", text)


def _without_mark(start: bytes) -> bytes:
    wide = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE))
    if wide or b"\0" in start[:4]:
        raise ValueError("it is text in UTF-16 or UTF-32: save it as UTF-8")
    return start.removeprefix(codecs.BOM_UTF8)
