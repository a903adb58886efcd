"""How the files of photographs are called."""

from pathlib import Path

import pytest

from episodes.errors import InputError
from episodes.names import alike
from srpnet.apps.files.output_names import check_outputs, output_names


def names(*paths: str) -> list[str]:
    """The names of photographs whose folders were named."""
    return output_names([(Path(folder), Path(inside)) for folder, _, inside in (path.partition("/") for path in paths)])


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["k/a.jpg", "k/b.c.png"], ["a", "b.c"]),
        (["k/a.jpg", "k/a.png"], ["a.jpg", "a.png"]),
        (["k/sub/a.jpg", "k/a.jpg"], ["sub/a", "a"]),
        (["k/a.jpg", "m/a.jpg"], ["k/a", "m/a"]),
        (["k/a.jpg", "k/a.png", "m/a.jpg"], ["k/a", "a.png", "m/a"]),
        (["k/a.jpg", "k/A.jpg"], ["k/a.jpg", "k/A.jpg-2"]),
        (["k/Sub/a.jpg", "k/sub/a.jpg"], ["k/Sub/a.jpg", "k/sub/a.jpg-2"]),
        (["k/\u00e9.jpg", "k/e\u0301.png"], ["\u00e9.jpg", "e\u0301.png"]),
        (["k/a.jpg", "k/a.png", "k/a.jpg.png"], ["k/a", "a.png", "a.jpg.png"]),
    ],
)
def test_names(paths: list[str], expected: list[str]) -> None:
    assert names(*paths) == expected


def test_no_two_are_alike_whatever_they_are() -> None:
    spelled = ["a.jpg", "A.JPG", "a.png", "a.jpg.png", "a.jpg-2.png", "A.jpg", "k/a.jpg", "k/A.jpg-2.x", "k/a"]
    photographs = [f"{folder}/{name}" for folder in ("k", "K", "k/k", "m") for name in spelled]
    made = names(*photographs)
    assert len({alike(name) for name in made}) == len(photographs)


def test_names_that_the_file_system_refuses(tmp_path: Path) -> None:
    check_outputs(tmp_path / "new", "a" * 243)
    with pytest.raises(InputError, match="longer than 255 bytes"):
        check_outputs(tmp_path / "new", "a" * 244)
    with pytest.raises(InputError, match="longer than 255 bytes"):
        check_outputs(tmp_path, "\u00e9" * 125)
    with pytest.raises(InputError, match="longer than 255 bytes"):
        check_outputs(tmp_path, f"{'d' * 256}/a")
    with pytest.raises(InputError, match="paths of its mask and overlay would be too long"):
        check_outputs(tmp_path, "/".join(["d" * 200] * 21))
    assert not (tmp_path / "new").exists()
