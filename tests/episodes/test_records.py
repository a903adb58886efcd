"""Records of a large JSON file: the same values as `json.load` gives, their places, and each way to be no such file."""

import json
from pathlib import Path
from typing import Any

import pytest

from episodes.sources.records import Record, records

CONTENT = {
    "info": {"images": [1], "year": 2014},
    "images": [{"id": 7, "file_name": "Grüße\u2028.jpg"}, {"id": 8, "nested": [[], {"a": [1.5e3, -2]}, "]},{"]}],
    "empty": [],
    "scalar": 12345,
    "annotations": [1234567, "text", None, [], {}],
    "licenses": {"x": None},
}


def write(folder: Path, text: str) -> Path:
    path = folder / "file.json"
    path.write_bytes(text.encode())
    return path


def read(path: Path) -> list[Record]:
    return list(records(path, ("images", "annotations", "empty", "scalar", "info")))


@pytest.mark.parametrize("chunk", [1, 7, 64, 4_000_000])
@pytest.mark.parametrize("layout", [{}, {"indent": 2}, {"separators": (",", ":")}, {"ensure_ascii": False}])
def test_values_and_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, layout: Any) -> None:
    monkeypatch.setattr("episodes.sources.records.CHUNK", chunk)
    path = write(tmp_path, "\n " + json.dumps(CONTENT, **layout) + " \n")
    found = read(path)
    assert [(list, value) for list, value, _, _ in found] == [
        (name, value) for name in ("images", "annotations") for value in CONTENT[name]
    ]
    whole = path.read_bytes()
    assert [json.loads(whole[start:stop]) for _, _, start, stop in found] == [value for _, value, _, _ in found]


def test_an_empty_object(tmp_path: Path) -> None:
    assert read(write(tmp_path, " { } ")) == []


def test_progress_ends_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("episodes.sources.records.CHUNK", 900_000)
    path = write(tmp_path, json.dumps({"images": ["x" * 1_000_000] * 3}))
    told: list[tuple[str, int, int]] = []
    assert len(list(records(path, ["images"], lambda *step: told.append(step)))) == 3
    assert told[-1] == ("Reading file.json (MB)", 3, 3)
    assert told == sorted(told)
    assert {done for _, done, _ in told} >= {0, 1, 2}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", r"its end instead of { \(byte 0\)"),
        ("[]", r"\[ instead of { \(byte 0\)"),
        ('{"images" 1}', r"1 instead of : \(byte 10\)"),
        ('{"images": [1 2]}', r"2 instead of , or ] \(byte 14\)"),
        ('{"images": [1, ]}', r"Expecting value \(byte 15\)"),
        ('{"images": [1, {"a": tru}]}', r"Expecting value \(byte 21\)"),
        ('{"images": [1], ', r"Expecting value \(byte 16\)"),
        ('{"images": [{"a": 1}', r"its end instead of , or ] \(byte 20\)"),
        ('{"images": [{"a": 1', r"Expecting ',' delimiter \(byte 19\)"),
        ('{"images": [1]', r"its end instead of , or } \(byte 14\)"),
        ("{}}", "} after its end"),
        ('{"images": []} {', "{ after its end"),
        ('{"other": "text', r"Unterminated string starting at \(byte 10\)"),
    ],
)
@pytest.mark.parametrize("chunk", [1, 4_000_000])
def test_no_such_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, text: str, words: str) -> None:
    monkeypatch.setattr("episodes.sources.records.CHUNK", chunk)
    with pytest.raises(ValueError, match=words):
        read(write(tmp_path, text))


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_bytes('{"images": ["ä"]}'.encode("latin-1"))
    with pytest.raises(UnicodeDecodeError):
        read(path)
