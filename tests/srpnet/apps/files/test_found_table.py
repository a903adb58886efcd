"""`found.csv`, with one class and with several."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from episodes.errors import InputError
from srpnet.apps.files.found_table import FoundTable

LABELS = np.array([[0, 1, 2, 2]], dtype=np.uint8)


def save(folder: Path, name: str, values: np.ndarray) -> Path:
    Image.fromarray(values).save(folder / name)
    return Path(name)


def test_a_column_for_each_class(tmp_path: Path) -> None:
    table = FoundTable(tmp_path, "abc", present_above=(0.3, 0.3), classes=2)
    mask = save(tmp_path, "a-mask.png", LABELS)
    table.add(Path("k/a.jpg"), mask, LABELS, [0.25, 0.5])
    table.write()
    assert (tmp_path / "found.csv").read_text() == (
        "photograph,mask,area_1,area_2,presence_1,presence_2,doubt,examples\n"
        "k/a.jpg,a-mask.png,0.250000,0.500000,0.2500,0.5000,,abc\n"
    )
    again = FoundTable(tmp_path, "abc", classes=2)
    assert again.rows == table.rows
    with pytest.raises(InputError, match="is not a table of these columns"):
        FoundTable(tmp_path, "abc")


@pytest.mark.parametrize(
    ("labels", "presence", "doubt"),
    [
        (LABELS, [0.2, 0.2], "may not show the object"),
        (LABELS, [0.2, 0.4], ""),
        (LABELS, None, ""),
        (LABELS * 0, [0.0, 0.0], "nothing found"),
    ],
)
def test_doubts(tmp_path: Path, labels: np.ndarray, presence: list[float] | None, doubt: str) -> None:
    table = FoundTable(tmp_path, "abc", present_above=(0.3, 0.3), classes=2)
    assert table.add(Path("a.jpg"), Path("a-mask.png"), labels, presence)["doubt"] == doubt


@pytest.mark.parametrize(("classes", "values"), [(1, [[0, 255, 0, 0]]), (2, [[0, 1, 2, 2]])])
def test_a_mask_without_a_row_is_counted(tmp_path: Path, classes: int, values: list[list[int]]) -> None:
    mask = save(tmp_path, "a-mask.png", np.array(values, dtype=np.uint8))
    save(tmp_path, "turned.png", np.zeros((4, 1), dtype=np.uint8))
    save(tmp_path, "other.png", np.zeros((4, 2), dtype=np.uint8))
    table = FoundTable(tmp_path, "abc", classes=classes)
    assert table.row_of(tmp_path / "other.png", mask) is None
    row = table.row_of(tmp_path / "turned.png", mask)
    assert row is not None
    assert [row[name] for name in row if name.startswith("area")] == ["0.250000", "0.500000"][:classes]
    assert (row["doubt"], row["examples"]) == ("", "")


def test_a_row_of_other_examples_or_of_another_photograph_is_none(tmp_path: Path) -> None:
    mask = save(tmp_path, "a-mask.png", LABELS)
    table = FoundTable(tmp_path, "abc")
    table.add(Path("k/a.jpg"), mask, LABELS, None)
    table.write()
    assert FoundTable(tmp_path, "abc").row_of(Path("elsewhere/a.jpg"), mask) is not None
    assert FoundTable(tmp_path, "abc").row_of(Path("k/a.png"), mask) is None
    assert FoundTable(tmp_path, "def").row_of(Path("k/a.jpg"), mask) is None
    assert FoundTable(tmp_path, "abc").row_of(Path("k/b.jpg"), Path("b-mask.png")) is None


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "found.csv").mkdir()
    with pytest.raises(InputError, match="is not a file"):
        FoundTable(tmp_path, "abc")


def test_risks_stand_in_a_column_of_their_own(tmp_path: Path) -> None:
    table = FoundTable(tmp_path, "abc", present_above=(0.3,))
    rows = []
    for name, presence in (("a", 0.99), ("b", 0.2), ("c", 0.0)):
        Image.new("L", (4, 4)).save(tmp_path / f"{name}-mask.png")
        labels = np.full((4, 4), name != "c", np.uint8)
        rows.append(table.add(Path(f"{name}.jpg"), Path(f"{name}-mask.png"), labels, [presence]))
    table.write()
    plain = (tmp_path / "found.csv").read_text()
    assert "risk" not in plain
    table.assess(rows, [5], 0.05)
    table.write()
    again = FoundTable(tmp_path, "abc")
    assert [row["doubt"] for row in again.rows.values()] == ["", "may not show the object", "nothing found"]
    assert [float(row["risk"]) <= 0.05 for row in again.rows.values()] == [True, False, False]
    again.add(Path("d.jpg"), Path("d-mask.png"), np.ones((4, 4), np.uint8), None)
    again.write()
    assert [row["risk"] for row in FoundTable(tmp_path, "abc").rows.values()][:3] == [row["risk"] for row in rows]
