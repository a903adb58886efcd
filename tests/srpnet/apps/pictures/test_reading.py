"""A person's photographs and masks: every kind of picture that a camera or a paint program writes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from episodes.data.source import Array
from episodes.errors import InputError
from srpnet.apps.pictures import reading
from srpnet.apps.pictures.reading import Picture, check_photograph, described, read_mask

ROTATED = 6
"""EXIF orientation: turn a quarter clockwise to see it upright."""


def scene() -> tuple[Array, Array]:
    """A photograph (24, 32, 3) and a mask (24, 32) of 0 and 1, neither of them symmetric."""
    mask = np.zeros((24, 32), dtype=np.uint8)
    mask[3:10, 5:25] = 1
    return np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8), mask


def read_photograph(picture: Picture) -> Array:
    photograph = reading.read_photograph(picture)
    assert photograph.mode == "RGB"
    return np.asarray(photograph)


def given_as(kind: str, pixels: Array, tmp_path: Path) -> Picture:
    """The same picture as an array, a PIL image, a path, or the path's name."""
    if kind == "array":
        return pixels
    if kind == "image":
        return Image.fromarray(pixels)
    path = tmp_path / "picture.png"
    Image.fromarray(pixels).save(path)
    return path if kind == "path" else str(path)


KINDS = pytest.mark.parametrize("kind", ["array", "image", "path", "name"])


@KINDS
def test_a_photograph_of_any_kind(kind: str, tmp_path: Path) -> None:
    photograph, _ = scene()
    got = read_photograph(given_as(kind, photograph, tmp_path))
    assert got.dtype == np.uint8
    assert np.array_equal(got, photograph)


@KINDS
def test_a_mask_of_any_kind(kind: str, tmp_path: Path) -> None:
    _, mask = scene()
    got = read_mask(given_as(kind, mask * 255, tmp_path))
    assert got.dtype == np.uint8
    assert np.array_equal(got, mask)


# ------------------------------------------------------------------------------------------------- photographs


def test_a_grey_photograph_becomes_rgb() -> None:
    grey = scene()[0][..., 0]
    for picture in (grey, Image.fromarray(grey)):
        assert np.array_equal(read_photograph(picture), np.stack([grey] * 3, axis=-1))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "1", "CMYK"])
def test_a_photograph_of_any_mode_becomes_rgb(mode: str) -> None:
    got = read_photograph(Image.fromarray(scene()[0]).convert(mode))
    assert got.shape == (24, 32, 3)
    assert got.dtype == np.uint8


def test_transparency_of_a_photograph_is_dropped() -> None:
    photograph, mask = scene()
    assert np.array_equal(read_photograph(np.dstack([photograph, mask * 255])), photograph)


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_sixteen_bits_are_scaled_to_eight(tmp_path: Path, ending: str) -> None:
    grey = scene()[0][..., 0]
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / f"deep.{ending}")
    assert np.array_equal(read_photograph(tmp_path / f"deep.{ending}")[..., 0], grey)


def test_a_photograph_is_turned_upright(tmp_path: Path) -> None:
    photograph, _ = scene()
    exif = Image.Exif()
    exif[0x0112] = ROTATED
    Image.fromarray(np.rot90(photograph)).save(tmp_path / "turned.png", exif=exif)
    for picture in (tmp_path / "turned.png", Image.open(tmp_path / "turned.png")):
        assert np.array_equal(read_photograph(picture), photograph)


@pytest.mark.parametrize(
    "given",
    [
        lambda pixels: pixels.astype(np.int64),
        lambda pixels: pixels / 255,
        lambda pixels: pixels.astype(np.float32),
        lambda pixels: pixels.astype(np.uint16) * 257,
        lambda pixels: np.moveaxis(pixels, 2, 0),
        torch.from_numpy,
        lambda pixels: torch.from_numpy(pixels).permute(2, 0, 1) / 255,
        lambda pixels: torch.from_numpy(pixels).bfloat16(),
        lambda pixels: torch.from_numpy(pixels).to_sparse(),
    ],
    ids=["int64", "0..1", "float32", "uint16", "(3, H, W)", "tensor", "tensor (3, H, W)", "bfloat16", "sparse"],
)
def test_arrays_and_tensors_of_any_type_are_photographs(given: Callable[[Array], Any]) -> None:
    photograph, _ = scene()
    assert np.array_equal(read_photograph(given(photograph)), photograph)


@pytest.mark.parametrize("spread", [0, 2])
def test_a_nearly_constant_photograph_gets_a_warning(spread: int) -> None:
    noise = np.random.default_rng(0).integers(100, 101 + spread, (24, 32, 3), dtype=np.uint8)
    with pytest.warns(UserWarning, match=r"a photograph is almost a single colour, RGB \(10\d, 10\d, 10\d\)") as warned:
        read_photograph(noise)
    assert warned[0].filename == __file__


def test_a_faint_photograph_gets_none() -> None:
    read_photograph(np.random.default_rng(0).integers(100, 110, (24, 32, 3), dtype=np.uint8))


# ------------------------------------------------------------------------------------------------------- masks


@pytest.mark.parametrize(
    "picture",
    [
        lambda mask: mask,
        lambda mask: mask.astype(bool),
        lambda mask: mask * 255,
        lambda mask: mask * 40,
        lambda mask: np.dstack([mask * 200] * 3),
        lambda mask: np.dstack([mask * 200, mask * 0, mask * 0]),
        lambda mask: Image.fromarray(mask * 255).convert("1"),
        lambda mask: Image.fromarray(mask * 255).convert("RGB"),
        lambda mask: Image.fromarray(mask).convert("P"),
    ],
    ids=["0/1", "bool", "0/255", "0/40", "grey as RGB", "red", "one bit", "RGB", "palette"],
)
def test_what_is_painted_is_the_object(picture: Callable[[Array], Picture]) -> None:
    mask = scene()[1]
    assert np.array_equal(read_mask(picture(mask)), mask)


def test_soft_edges_are_cut_at_half() -> None:
    assert read_mask(np.array([[0, 100, 127, 128, 200, 255]], dtype=np.uint8)).tolist() == [[0, 0, 0, 1, 1, 1]]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 1, 255, 1], [0, 1, 255, 1]),
        ([0, 255, 255, 0], [0, 1, 1, 0]),
        ([0, 1, 1, 0], [0, 1, 1, 0]),
        ([1, 255, 1, 1], [0, 1, 0, 0]),
        ([0, 1, 2, 255], [0, 1, 1, 255]),
    ],
)
@pytest.mark.parametrize("kind", ["array", "image", "path"])
def test_0_1_and_255_are_a_label_map(kind: str, values: list[int], expected: list[int], tmp_path: Path) -> None:
    """Which of these three it holds decides: as a painted mask, 255 would be the object and 1 not."""
    row = np.array([values], dtype=np.uint8)
    assert read_mask(given_as(kind, row, tmp_path)).tolist() == [expected]


def test_a_lossy_mask_is_still_one(tmp_path: Path) -> None:
    mask = scene()[1]
    Image.fromarray(mask * 255).save(tmp_path / "mask.jpg", quality=80)
    assert np.array_equal(read_mask(tmp_path / "mask.jpg"), mask)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_a_cut_out_is_the_object_where_it_is_opaque(mode: str) -> None:
    photograph, mask = scene()
    image = Image.fromarray(photograph).convert(mode)
    image.putalpha(Image.fromarray(mask * 255))
    assert np.array_equal(read_mask(image), mask)


def test_an_alpha_that_cuts_nothing_out_is_no_mask() -> None:
    mask = scene()[1]
    opaque = np.full_like(mask, 255)
    assert np.array_equal(read_mask(np.dstack([mask * 255] * 3 + [opaque])), mask)


def palette(values: list[int]) -> Image.Image:
    """A palette picture of one row, its colours in no order of brightness (as in PASCAL VOC)."""
    image = Image.fromarray(np.array([values], dtype=np.uint8)).convert("L")
    image.putpalette([(7 * i * channel) % 256 for i in range(256) for channel in (3, 5, 11)])
    return image


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0, 3, 15, 3], [0, 1, 1, 1]), ([0, 12, 255, 0], [0, 1, 255, 0]), ([0, 255, 255, 0], [0, 1, 1, 0])],
)
def test_in_a_palette_picture_indices_count_and_not_colours(values: list[int], expected: list[int]) -> None:
    assert palette(values).mode == "P"
    assert read_mask(palette(values)).tolist() == [expected]


def test_an_empty_mask_stays_empty() -> None:
    assert not read_mask(np.zeros((4, 4), dtype=np.uint8)).any()


@pytest.mark.parametrize("paint", [palette, lambda values: np.array([values], dtype=np.uint8)])
def test_with_more_classes_the_values_are_labels(paint: Callable[[list[int]], Picture]) -> None:
    assert read_mask(paint([0, 1, 2, 255]), classes=2).tolist() == [[0, 1, 2, 255]]
    with pytest.raises(InputError, match=r"a mask holds the label 3: 2 classes are 0\.\.2"):
        read_mask(paint([0, 1, 3, 7]), classes=2)


def test_a_strange_label_names_the_file(tmp_path: Path) -> None:
    palette([9]).save(tmp_path / "map.png")
    with pytest.raises(InputError, match=r"map\.png holds the label 9"):
        read_mask(tmp_path / "map.png", classes=2)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({0: 900, 1: 100}, "10 % object"),
        ({0: 870, 1: 100, 255: 30}, "10 % object, 3 % ignored"),
        ({0: 999, 1: 1}, "under 1 % object"),
        ({0: 1, 1: 999}, "over 99 % object"),
        ({1: 10}, "100 % object"),
        ({0: 10}, "0 % object"),
        ({0: 500, 255: 500}, "0 % object, 50 % ignored"),
    ],
)
def test_what_a_mask_shows_in_words(counts: dict[int, int], expected: str) -> None:
    labels = np.repeat(np.array([*counts], dtype=np.uint8), [*counts.values()])[None]
    assert described(labels) == expected


def test_what_a_mask_shows_of_several_classes() -> None:
    labels = np.repeat(np.array([0, 1, 2, 255], dtype=np.uint8), [850, 100, 45, 5])[None]
    assert described(labels, ("cup", "plate", "fork")) == "10 % cup, 4 % plate, under 1 % ignored"


# ---------------------------------------------------------------------------------------------- no picture at all

READERS = pytest.mark.parametrize(("read", "what"), [(read_photograph, "photograph"), (read_mask, "mask")])


@READERS
@pytest.mark.parametrize(
    "picture",
    [
        np.zeros(4, dtype=np.uint8),
        np.zeros((5, 4, 2), dtype=np.uint8),
        np.zeros((1, 4, 4, 3), dtype=np.uint8),
        np.zeros((0, 4), dtype=np.uint8),
        np.zeros((4, 4), dtype=complex),
        np.zeros((4, 4), dtype=object),
        torch.zeros(4),
        torch.zeros(2, 5, 6),
        b"photo.jpg",
        [[0, 1]],
        None,
    ],
    ids=lambda picture: f"{getattr(picture, 'dtype', picture)} {tuple(getattr(picture, 'shape', ()))}",
)
def test_anything_else_is_refused_with_what_is_taken(read: Any, what: str, picture: Any) -> None:
    with pytest.raises(InputError, match=f"a {what} must be a path, a Pillow image, or an array or tensor .*, not "):
        read(picture)


@READERS
def test_files_that_are_no_pictures_are_refused(read: Any, what: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"there is no {what} .*nowhere.png"):
        read(tmp_path / "nowhere.png")
    (tmp_path / "text.png").write_text("no picture")
    for path in (tmp_path / "text.png", tmp_path):
        with pytest.raises(InputError, match=f"{path.name} (cannot be read as a picture|is a folder, not a file)"):
            read(path)


@READERS
@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_a_truncated_picture_is_refused(read: Any, what: str, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"half.{ending}"
    Image.fromarray(scene()[0]).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 9 // 10])
    with pytest.raises(InputError, match=f"half.{ending} cannot be read as a picture"):
        read(path)
    with pytest.raises(InputError, match=f"a {what} cannot be read as a picture"):
        read(Image.open(path))


def test_a_photograph_is_looked_at_without_reading_it(tmp_path: Path) -> None:
    """The head is enough to tell a picture from another file; what lies behind it is read later."""
    path = tmp_path / "half.png"
    Image.fromarray(scene()[0]).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    check_photograph(path)
    (tmp_path / "text.png").write_text("no picture")
    for name in ("text.png", "nowhere.png", "."):
        with pytest.raises(InputError, match=r"cannot be read as a picture|is a folder, not a file"):
            check_photograph(tmp_path / name)
