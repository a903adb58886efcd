"""What a person marks, as label maps."""

import numpy as np
import pytest
from PIL import Image

from episodes.errors import InputError
from srpnet.apps.examples.annotations import Box, Points, Scribbles
from srpnet.apps.examples.reading import read_marked, together

PHOTOGRAPH = Image.new("RGB", (6, 4), (30, 200, 40))
"""As green as grass."""


def rows(labels: np.ndarray) -> list[str]:
    return ["".join({0: ".", 1: "#", 255: "?"}.get(int(value), str(value)) for value in row) for row in labels]


def test_a_box_by_hand() -> None:
    assert rows(Box(1, 0, 3, 2).labels("a", PHOTOGRAPH)) == [".##...", ".##...", "......", "......"]


def test_points_are_dots_cut_at_the_photographs_edge() -> None:
    assert rows(Points(((0, 0),)).labels("a", PHOTOGRAPH)) == ["##????", "##????", "??????", "??????"]
    assert rows(Points(((4, 2),), label=0).labels("a", PHOTOGRAPH)) == ["??????", "???...", "???...", "???..."]


def strokes(ground: Image.Image) -> Image.Image:
    picture = ground.copy()
    picture.putpixel((1, 1), (0, 255, 0))
    picture.putpixel((4, 2), (255, 0, 0))
    return picture


@pytest.mark.parametrize(
    "ground", [Image.new("RGB", (6, 4)), Image.new("RGB", (6, 4), "white"), PHOTOGRAPH], ids=["black", "white", "grass"]
)
def test_scribbles_on_any_ground(ground: Image.Image) -> None:
    drawn = Scribbles(strokes(ground)).labels("a", PHOTOGRAPH)
    assert rows(drawn) == ["??????", "?#????", "????.?", "??????"]


def test_scribbles_without_green() -> None:
    with pytest.raises(InputError, match="the scribbles of a show no green: draw green on the object"):
        Scribbles(Image.new("RGB", (6, 4), "white")).labels("a", PHOTOGRAPH)


def test_marks_of_one_photograph_together_by_hand() -> None:
    """Two masks of class 1 add up; what class 2 marks too is ignored; a scribble leaves the rest open."""

    def of(text: str) -> np.ndarray:
        return np.array([[{".": 0, "#": 1, "?": 255}[letter] for letter in text]], dtype=np.uint8)

    def joined(*marked: tuple[int, str]) -> str:
        (row,) = rows(together("a", ("cup", "plate"), (1, 5), [(way, of(text)) for way, text in marked]))
        return row.replace("#", "1")

    assert joined((1, "#...."), (1, "..#..")) == "1.1.."
    assert joined((1, "##..."), (2, ".##..")) == "1?2.."
    assert joined((1, "#???."), (1, "??.??")) == "1?.?."
    assert joined((1, "##..."), (2, "??#.?")) == "112.?"
    assert joined((1, "?????"), (1, "??.??")) == "??.??"
    assert joined() == "....."
    with pytest.raises(InputError, match="all that is marked as cup in a is marked as plate, too: choose one"):
        joined((1, "#...."), (2, "##..."))


def test_a_photograph_that_shows_nothing_is_background() -> None:
    shown = {"cup": [(PHOTOGRAPH, Box(0, 0, 2, 2))]}
    without = Image.new("RGB", (3, 3), (9, 99, 200))
    example, absent = read_marked(shown, [without])
    assert set(np.unique(example.labels)) == {0, 1}
    assert not absent.labels.any()
    with pytest.raises(InputError, match="support 1 is an example with the object and one without it"):
        read_marked(shown, [PHOTOGRAPH])
