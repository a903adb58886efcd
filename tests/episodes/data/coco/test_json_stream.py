"""JSON as people have it: byte-order marks, NaN, and nesting, wherever the chunks are cut."""

import io
import json
import random

import pytest

from episodes.data.coco.json_stream import DEEPEST, JsonStream


def read(content: bytes, size: int) -> bytes:
    stream = JsonStream(io.BytesIO(content), lambda done: None)
    parts = []
    while part := stream.read(size):
        parts.append(part)
    return b"".join(parts)


CONTENT = (
    rb'{"a": NaN, "b": [-Infinity, Infinity,NaN], "NaN": "NaN, [[[ \" NaN", "c\\": NaN, "d": "\\\\\"NaN", "e": "x'
    + "ä".encode()
    + rb'"}'
)
EXPECTED = {"a": None, "b": [None, None, None], "NaN": 'NaN, [[[ " NaN', "c\\": None, "d": '\\\\"NaN', "e": "xä"}


@pytest.mark.parametrize("size", [*range(1, 30), 1000])
def test_numbers_that_json_does_not_have_are_null_wherever_it_is_cut(size: int) -> None:
    assert json.loads(read(CONTENT, size)) == EXPECTED
    assert json.loads(read(b"\xef\xbb\xbf" + CONTENT, max(size, 4))) == EXPECTED


@pytest.mark.parametrize("seed", range(20))
def test_what_json_has_is_left_alone(seed: int) -> None:
    generator = random.Random(seed)
    words = ['"', "\\", "[", "]", "{", "}", "NaN", "Infinity", "-", "u", "\n", "ü"]
    text = ["".join(generator.choices(words, k=generator.randrange(12))) for _ in range(40)]
    content = json.dumps({word: [word, 1.5, True, None] for word in text}, ensure_ascii=seed % 2 == 0).encode()
    for size in (1, 2, 7, 100, 10_000):
        assert read(content, size) == content


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"[": "]]]]", "a":'])
def test_nesting_has_a_limit(opening: bytes) -> None:
    with pytest.raises(ValueError, match=f"nested more than {DEEPEST} deep"):
        read(opening * 101, 50)
    assert read(b"[" * DEEPEST + b"]" * DEEPEST, 7)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_other_encodings_are_named(encoding: str) -> None:
    with pytest.raises(ValueError, match="UTF-16 or UTF-32: save it as UTF-8"):
        read('{"a": 1}'.encode(encoding), 100)
