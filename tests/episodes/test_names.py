"""Names that come with data: they leave no folder, move no terminal, and stay apart from each other."""

from pathlib import PurePosixPath, PureWindowsPath

import pytest

from episodes.names import LONGEST_FILE, for_display, for_path, for_terminal, from_path

HOSTILE = [
    *("x/../../../ESCAPED", "..", "../x", "/etc/passwd", "C:\\x", "a\\..\\b", "~", "", " ", ".", "a.", "a ", ".hidden"),
    *("CON", "nul", "com1.txt", "a\0b", "a\nb", "\x1b[31mred", "\x1b]8;;http://x\x07link\x1b]8;;\x07", "\u202egod"),
    *("<script>alert(1)</script>", "[red]x[/red]", "a:b", "a*b", 'a"b', "a|b", "a?b", "x" * 300, "\U0001f600" * 300),
    *("e\u0301", "\ud800", "a  b", "a\u2028b"),
]
ORDINARY = [
    "dog",
    "dining table",
    "traffic light",
    "abes_flyingfish",
    "nan",
    "名前",
    "Fuß",
    "café",
    "a-b",
    "3d.printer",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_path_stays_in_its_folder(name: str) -> None:
    part = for_path(name)
    assert PurePosixPath(part).parts == PureWindowsPath(part).parts == (part,)
    assert part.strip(". ") == part
    assert not PureWindowsPath(f"{part}.png").is_reserved()
    assert part.isprintable()
    assert 0 < len(part.encode()) <= LONGEST_FILE + 9


def test_different_names_have_different_paths() -> None:
    names = [*HOSTILE, *ORDINARY, "a/b", "a_b", "a b", "a__b", "a _b", "a_ b", "_", "__", "x" * 301, "\u00e9"]
    assert len({for_path(name) for name in names}) == len(set(names))


@pytest.mark.parametrize("name", ORDINARY)
def test_an_ordinary_name_can_be_read_in_its_path(name: str) -> None:
    assert from_path(for_path(name)) == name
    assert for_terminal(name) == for_display(name) == name


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_that_is_printed_can_act(name: str) -> None:
    for text in (for_terminal(name), for_display(name)):
        assert text.isprintable()
        text.encode()
    assert 0 < len(for_display(name)) <= 80


def test_what_acts_is_spelled() -> None:
    assert for_terminal("\x1b]8;;u\x07 \x9b2J \u202e \n") == r"\x1b]8;;u\x07 \x9b2J \u202e \n"
    assert for_display("") == "''"
