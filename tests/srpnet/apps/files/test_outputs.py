"""What is written of a segmented photograph: all of it or nothing, and a new file is one writer."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from episodes.errors import InputError
from srpnet.apps.files.output_names import is_output
from srpnet.apps.files.outputs import WRITERS, output_paths, write_outputs

PHOTOGRAPH = Image.new("RGB", (6, 4), "teal")
LABELS = np.eye(4, 6, dtype=np.uint8)


@pytest.mark.parametrize(("classes", "value"), [(1, 255), (2, 1)])
def test_mask_and_overlay(tmp_path: Path, classes: int, value: int) -> None:
    write_outputs(tmp_path, "in/cup", PHOTOGRAPH, LABELS, classes)
    with Image.open(tmp_path / "in/cup-mask.png") as mask, Image.open(tmp_path / "in/cup-overlay.jpg") as overlay:
        assert (np.asarray(mask) == LABELS * value).all()
        assert (overlay.size, overlay.mode) == ((6, 4), "RGB")


def test_a_new_file_is_one_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_area(file: Path, photograph: Image.Image, labels: Any, classes: int) -> None:
        file.write_text(f"{labels.mean():.3f}")

    monkeypatch.setitem(WRITERS, "-area.txt", write_area)  # type: ignore[arg-type]
    write_outputs(tmp_path, "cup", PHOTOGRAPH, LABELS, 1)
    assert (tmp_path / "cup-area.txt").read_text() == "0.167"
    assert is_output(Path("cup-area.txt"))


def test_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("full")

    monkeypatch.setitem(WRITERS, "-overlay.jpg", fail)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"cup-overlay.jpg cannot be written \(full\)"):
        write_outputs(tmp_path, "cup", PHOTOGRAPH, LABELS, 1)
    assert [path for path in output_paths(tmp_path, "cup") if path.exists()] == []
