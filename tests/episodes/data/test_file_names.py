"""Names of files: none leads out of its folder, and each photograph has an id of its own."""

import pytest

from episodes.data.file_names import below, ids_of


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "..", "a/../../b", "C:\\x", "c:x", "\\\\host\\x", "a\0b", ".", "", "\ud800.jpg"]
)
def test_a_path_stays_below(name: str) -> None:
    assert below(name) is None


def test_ids() -> None:
    assert ids_of(["b.jpg", "c/a.png"]) == ["b", "a"]
    assert ids_of(["a/x.jpg", "b/x.jpg", "b/x.png"]) == ["a/x", "b/x.jpg", "b/x.png"]
