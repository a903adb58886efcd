"""Picture files at their full depth, and libraries that are named when they are missing."""

import struct
import sys
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from episodes.data.pictures.images import read_photograph
from episodes.data.pictures.opening import Opened, check_picture, open_picture, read_image
from episodes.data.source import Array
from episodes.errors import InputError

EIGHT = np.random.default_rng(0).integers(0, 256, (6, 5, 4), dtype=np.uint8)
EIGHT[0, 0] = 255
TWELVE = EIGHT.astype(np.uint16) * 16 + 15
ORIENTATION = 0x0112


def write_png(path: Path, values: Any, bits: int, colour_type: int) -> Path:
    """A PNG of a depth that Pillow does not write; `values` (H, W) or (H, W, C)."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    if bits == 16:
        rows = [row.astype(">u2").tobytes() for row in values]
    else:
        rows = [np.packbits(np.unpackbits(row[:, None], axis=1)[:, 8 - bits :]).tobytes() for row in values]
    height, width = values.shape[:2]
    head = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))
    return path


def write_tiff(path: Path, values: Any, **options: Any) -> Path:
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(path, values, **options)
    return path


def values_of(opened: Opened) -> Any:
    return np.asarray(opened.pixels)


@pytest.mark.parametrize(("channels", "colour_type"), [(2, 4), (3, 2), (4, 6)])
def test_png_colours_of_16_bits_keep_them(channels: int, colour_type: int, tmp_path: Path) -> None:
    path = write_png(tmp_path / "deep.png", TWELVE[..., :channels], 16, colour_type)
    assert np.array_equal(values_of(open_picture(path)), TWELVE[..., :channels])
    assert np.array_equal(values_of(read_image(Image.open(path))), TWELVE[..., :channels])


@pytest.mark.parametrize(
    "options",
    [
        {"photometric": "rgb"},
        {"photometric": "rgb", "compression": "zlib"},
        {"photometric": "rgb", "compression": "lzw", "predictor": True},
        {"photometric": "rgb", "planarconfig": "separate"},
        {"photometric": "rgb", "byteorder": ">"},
        {"photometric": "rgb", "bigtiff": True},
    ],
    ids=["plain", "deflate", "LZW", "planes", "big-endian", "BigTIFF"],
)
def test_tiff_colours_of_16_bits_keep_them(options: dict[str, Any], tmp_path: Path) -> None:
    """Pillow keeps eight of them, and reads planes as noise."""
    colours = TWELVE[..., :3]
    stored = np.moveaxis(colours, 2, 0) if options.get("planarconfig") == "separate" else colours
    assert np.array_equal(values_of(open_picture(write_tiff(tmp_path / "deep.tif", stored, **options))), colours)


@pytest.mark.parametrize("kind", ["float32", "float64", "int16", "uint32", "float16"])
@pytest.mark.parametrize("channels", [1, 3])
def test_tiffs_of_any_type(kind: str, channels: int, tmp_path: Path) -> None:
    values = EIGHT[..., 0] if channels == 1 else EIGHT[..., :3]
    path = write_tiff(tmp_path / "any.tif", values.astype(kind), photometric="rgb" if channels == 3 else "minisblack")
    check_picture(path)
    assert np.array_equal(values_of(open_picture(path)), values)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_deep_colours_are_turned_as_pillow_turns(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(EIGHT[..., :3]).save(tmp_path / "eight.png", exif=exif)
    expected = values_of(open_picture(tmp_path / "eight.png", upright=True))
    options = {"photometric": "rgb", "extratags": [(ORIENTATION, "H", 1, orientation, True)]}
    deep = write_tiff(tmp_path / "deep.tif", TWELVE[..., :3], **options)
    assert np.array_equal(values_of(open_picture(deep, upright=True)), expected.astype(np.uint16) * 16 + 15)
    floats = write_tiff(tmp_path / "floats.tif", EIGHT[..., :3].astype(np.float32), **options)
    assert np.array_equal(values_of(open_picture(floats, upright=True)), expected)


def test_deep_png_colours_are_turned(tmp_path: Path) -> None:
    path = write_png(tmp_path / "deep.png", TWELVE[..., :3], 16, 2)
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    whole, data = path.read_bytes(), exif.tobytes()[6:]
    chunk = struct.pack(">I", len(data)) + b"eXIf" + data + struct.pack(">I", zlib.crc32(b"eXIf" + data))
    path.write_bytes(whole[:33] + chunk + whole[33:])
    assert np.array_equal(values_of(open_picture(path, upright=True)), np.rot90(TWELVE[..., :3], -1))
    assert np.array_equal(values_of(open_picture(path)), TWELVE[..., :3])


@pytest.mark.parametrize("bits", [2, 4])
def test_greys_of_few_bits_are_known(bits: int, tmp_path: Path) -> None:
    opened = open_picture(write_png(tmp_path / "few.png", EIGHT[..., 0] % 2**bits, bits, 0))
    assert opened.grey_levels == 2**bits
    assert np.array_equal(values_of(opened) // (255 // (2**bits - 1)), EIGHT[..., 0] % 2**bits)


@pytest.mark.parametrize(("ending", "lossy"), [("jpg", True), ("webp", True), ("png", False), ("bmp", False)])
def test_lossy_formats_are_known(ending: str, lossy: bool, tmp_path: Path) -> None:
    Image.fromarray(EIGHT[..., :3]).save(tmp_path / f"it.{ending}")
    assert open_picture(tmp_path / f"it.{ending}").lossy == lossy


def test_a_callers_image_stays_as_it_was(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.fromarray(EIGHT[..., :3]).save(tmp_path / "it.png", exif=exif)
    image = Image.open(tmp_path / "it.png")
    assert values_of(read_image(image, upright=True)).shape == (5, 6, 3)
    assert image.size == (5, 6)


def test_the_first_picture_of_several_is_taken(tmp_path: Path) -> None:
    frames = [Image.new("L", (3, 2), value) for value in (90, 30)]
    frames[0].save(tmp_path / "it.gif", save_all=True, append_images=frames[1:])
    assert read_photograph(tmp_path / "it.gif", (2, 3))[0, 0].tolist() == [90, 90, 90]


def missing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setitem(sys.modules, name, None)


def test_a_missing_tifffile_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [
        write_tiff(
            tmp_path / "deep.tif", np.moveaxis(TWELVE[..., :3], 2, 0), photometric="rgb", planarconfig="separate"
        ),
        write_tiff(tmp_path / "float.tif", EIGHT[..., :3].astype(np.float32), photometric="rgb"),
    ]
    missing(monkeypatch, "tifffile")
    for path in paths:
        with pytest.raises(InputError, match=rf"{path.name} needs tifffile to be read: pip install 'srpnet\[tiff\]'"):
            open_picture(path)


HEIC_HEAD = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


def test_postscript_is_never_run(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
    for function in (open_picture, check_picture):
        with pytest.raises(InputError, match="EPS is a program, not a picture"):
            function(tmp_path / "a.png")


def test_a_missing_plugin_for_heic_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "phone.HEIC").write_bytes(HEIC_HEAD)
    monkeypatch.setattr(Image, "ID", [name for name in Image.ID if name != "HEIF"])
    missing(monkeypatch, "pillow_heif")
    for read in (open_picture, check_picture):
        with pytest.raises(InputError, match=r"phone.HEIC needs pillow-heif to be read: pip install 'srpnet\[heif\]'"):
            read(tmp_path / "phone.HEIC")


def test_heic(tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    smooth = np.tile(np.linspace(0, 255, 64, dtype=np.uint8)[None, :, None], (64, 1, 3))
    pillow_heif.from_pillow(Image.fromarray(smooth)).save(tmp_path / "phone.heic", quality=90)
    check_picture(tmp_path / "phone.heic")
    opened = open_picture(tmp_path / "phone.heic")
    assert opened.lossy
    assert np.abs(values_of(opened).astype(int) - smooth).mean() < 5


@pytest.mark.parametrize("head", [b"", b"II*\0", b"II*\0\x08\0\0\0\xff\xff", b"MM\0*" + b"\xff" * 60, HEIC_HEAD])
def test_damaged_heads_are_refused(head: bytes, tmp_path: Path) -> None:
    (tmp_path / "it").write_bytes(head)
    with pytest.raises(InputError, match="it cannot be read as a picture"):
        open_picture(tmp_path / "it")


def damaged(path: Path, rng: np.random.Generator) -> None:
    whole = bytearray(path.read_bytes())
    for place in rng.integers(0, len(whole), 3):
        whole[place] = rng.integers(256)
    path.write_bytes(whole[: rng.integers(1, len(whole) + 1)])


@pytest.mark.parametrize("seed", range(20))
def test_damaged_deep_pictures_are_refused_or_read(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    paths = [
        write_png(tmp_path / "deep.png", TWELVE[..., :3], 16, 2),
        write_tiff(tmp_path / "deep.tif", TWELVE[..., :3], photometric="rgb", compression="zlib"),
    ]
    for path in paths:
        damaged(path, rng)
        with suppress(InputError):
            open_picture(path)


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 3)])
def test_data_sets_scale_as_people_do(shape: tuple[int, ...], tmp_path: Path) -> None:
    deep = TWELVE[..., 0] if len(shape) == 2 else TWELVE[..., :3]
    path = write_tiff(tmp_path / "deep.tif", deep, photometric="rgb" if len(shape) == 3 else "minisblack")
    expected: Array = np.rint(deep / 4095 * 255).astype(np.uint8)
    assert np.array_equal(
        read_photograph(path, (6, 5)), expected if len(shape) == 3 else np.stack([expected] * 3, axis=2)
    )
