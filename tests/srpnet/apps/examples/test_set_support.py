"""Examples as they are given from Python: paths, images, arrays, stacks, classes; what is refused."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from episodes.errors import InputError
from srpnet.apps.segmenter import Segmenter
from srpnet.fewshot.network import SRPNet
from tests.srpnet.apps.conftest import scene

PHOTOGRAPH, MASK = scene()


def test_paths_images_and_arrays_are_the_same(segmenter: Segmenter, tmp_path: Path) -> None:
    pictures = {name: pixels for name, pixels in zip(("photograph", "mask"), scene(), strict=True)}
    pictures["mask"] *= 255
    for name, pixels in pictures.items():
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    predictions = []
    for give in (
        lambda name: pictures[name],
        lambda name: Image.fromarray(pictures[name]),
        lambda name: tmp_path / f"{name}.png",
        lambda name: str(tmp_path / f"{name}.png"),
    ):
        segmenter.set_support([give("photograph")], [give("mask")])
        predictions.append(segmenter.predict(give("photograph")))
    assert all(np.array_equal(prediction, predictions[0]) for prediction in predictions)
    assert predictions[0].any()


def test_several_examples_of_different_shapes(segmenter: Segmenter) -> None:
    scenes = [scene(0), scene(1, 90, 40), scene(2, 30, 30)]
    segmenter.set_support(*zip(*scenes, strict=True))  # type: ignore[arg-type]
    together = segmenter.supports.prototypes_PC
    each = []
    for photograph, mask in scenes:
        segmenter.set_support([photograph], [mask])
        each.append(segmenter.supports.prototypes_PC)
    torch.testing.assert_close(together, torch.stack(each).mean(0), rtol=1e-4, atol=1e-5)


def test_classes_may_be_spread_over_photographs(segmenter: Segmenter) -> None:
    """Way 1 in the first, way 2 in the second, both in the third; 255 belongs to neither."""
    photographs, masks = map(list, zip(*(scene(seed) for seed in range(3)), strict=True))
    masks[1] *= 2
    photographs[1] = photographs[1][..., ::-1].copy()
    masks[2][:, 40:] = 2
    masks[2][:5] = 255
    segmenter.set_support(photographs, masks, classes=2)
    assert segmenter.probabilities(photographs[0]).shape == (3, 48, 64)
    assert (segmenter.predict(photographs[0])[masks[0] == 1] == 1).mean() > 0.5
    assert (segmenter.predict(photographs[1])[masks[1] == 2] == 2).mean() > 0.5


def test_a_turned_photograph_goes_with_an_upright_mask(segmenter: Segmenter, tmp_path: Path) -> None:
    photograph, mask = scene()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(photograph)).save(tmp_path / "turned.png", exif=exif)
    segmenter.set_support([tmp_path / "turned.png"], [mask])
    turned = segmenter.predict(tmp_path / "turned.png")
    segmenter.set_support([photograph], [mask])
    assert np.array_equal(turned, segmenter.predict(photograph))


def saved(tmp_path: Path) -> tuple[str, str]:
    """The photograph and its mask as paths."""
    paths = str(tmp_path / "photograph.png"), str(tmp_path / "mask.png")
    for path, pixels in zip(paths, (PHOTOGRAPH, MASK * 255), strict=True):
        Image.fromarray(pixels).save(path)
    return paths


@pytest.mark.parametrize(
    "given",
    [
        saved,
        lambda _: (PHOTOGRAPH, MASK),
        lambda _: (torch.from_numpy(PHOTOGRAPH).permute(2, 0, 1) / 255, torch.from_numpy(MASK)[None]),
        lambda _: (PHOTOGRAPH[None], MASK[None]),
        lambda _: ([PHOTOGRAPH], MASK),
        lambda _: (iter([PHOTOGRAPH]), iter([MASK.astype(float)])),
    ],
    ids=["path strings", "arrays", "tensors", "stacks", "a list and an array", "iterators"],
)
def test_one_example_alone(segmenter: Segmenter, given: Callable[[Path], Any], tmp_path: Path) -> None:
    segmenter.set_support([PHOTOGRAPH], [MASK])
    expected = segmenter.probabilities(PHOTOGRAPH)
    segmenter.set_support(*given(tmp_path))
    assert segmenter.probabilities(PHOTOGRAPH) == pytest.approx(expected, abs=1e-5)


def test_stacks_are_several_examples(segmenter: Segmenter) -> None:
    segmenter.set_support([PHOTOGRAPH, PHOTOGRAPH[::-1]], [MASK, MASK[::-1]])
    expected = segmenter.probabilities(PHOTOGRAPH)
    segmenter.set_support(np.stack([PHOTOGRAPH, PHOTOGRAPH[::-1]]), np.stack([MASK, MASK[::-1]]))
    assert np.array_equal(segmenter.probabilities(PHOTOGRAPH), expected)


@pytest.mark.parametrize(
    ("images", "masks", "classes", "complaint"),
    [
        ([], [], 1, "give one mask for each support photograph: there are 0 and 0 masks"),
        ([PHOTOGRAPH], [], 1, "here are 1 and 0 masks"),
        ([PHOTOGRAPH], [MASK, MASK], 1, "here are 1 and 2 masks"),
        ([PHOTOGRAPH], [MASK.T], 1, "the mask of support 1 is 48 x 64 pixels, the photograph 64 x 48"),
        ([PHOTOGRAPH] * 2, [MASK, MASK * 0], 1, "the mask of support 2 is empty"),
        ([PHOTOGRAPH], [MASK * 255], 2, "the mask of support 1 is empty"),
        ([PHOTOGRAPH], [MASK * 3], 2, "holds the label 3: 2 classes are 0..2"),
        ([PHOTOGRAPH], [MASK * 0 + 1], 1, "the masks leave no background"),
        ([PHOTOGRAPH], [MASK], 2, "no pixel of way 2 is left in the support mask of support 1:"),
        ([PHOTOGRAPH.astype(complex)], [MASK], 1, "a photograph must be a path, .* not complex128"),
        ([PHOTOGRAPH], [PHOTOGRAPH], 1, "a mask is not clearly a mask: it holds more than 1000 colours"),
        (["no.jpg"], [MASK], 1, "there is no photograph no.jpg"),
        ([PHOTOGRAPH], ["no.png"], 1, "there is no mask no.png"),
    ],
)
def test_bad_examples_are_refused_and_the_old_ones_kept(
    shown: Segmenter, images: list[Any], masks: list[Any], classes: int, complaint: str
) -> None:
    before = shown.probabilities(PHOTOGRAPH)
    with pytest.raises(InputError, match=complaint):
        shown.set_support(images, masks, classes)
    assert np.array_equal(shown.probabilities(PHOTOGRAPH), before)


def test_an_object_too_small_for_the_network_names_its_photograph(segmenter: Segmenter, tmp_path: Path) -> None:
    Image.new("RGB", (300, 300)).save(tmp_path / "ant.png")
    mask = np.zeros((300, 300), dtype=np.uint8)
    mask[1, 1] = 1
    with pytest.raises(InputError, match=r"no pixel of way 1 is left in the support mask of .*ant.png"):
        segmenter.set_support([tmp_path / "ant.png"], [mask])


def test_what_was_taken_of_the_examples_is_told(segmenter: Segmenter, tmp_path: Path) -> None:
    assert segmenter.support_checks == ()
    photograph, mask = scene()
    mask[0] = 255
    Image.fromarray(photograph).save(tmp_path / "cup.png")
    segmenter.set_support([tmp_path / "cup.png", photograph], [mask, 1 - scene()[1]])
    first, second = segmenter.support_checks
    assert (first.name, second.name) == (str(tmp_path / "cup.png"), "support 2")
    assert (first.mask, second.mask) == ("19 % object, 2 % ignored", "81 % object")
    assert (first.border, second.border) == (0, 1)
    assert all(0 <= check.restored[0] <= 1 for check in (first, second))
    segmenter.set_support([photograph], [scene()[1]])
    (alone,) = segmenter.support_checks
    assert alone.restored[0] > first.restored[0]  # by contradictory examples it is hardly found


def test_a_mask_of_another_size_is_refused_by_its_head(tiny: Any, tmp_path: Path) -> None:
    """It declares 13,000 x 13,000 pixels, and has none of them."""
    head = b"IHDR" + struct.pack(">IIBBBBB", 13_000, 13_000, 8, 0, 0, 0, 0)
    chunks = [struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in (head, b"IDAT")]
    (tmp_path / "mask.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    Image.new("RGB", (64, 48), "red").save(tmp_path / "photo.png")
    segmenter = Segmenter(SRPNet(tiny()), size=64, device="cpu", precision="fp32")
    with pytest.raises(InputError, match=r"the mask of .*photo.png is 13000 x 13000 pixels, the photograph 64 x 48"):
        segmenter.set_support([tmp_path / "photo.png"], [tmp_path / "mask.png"])
