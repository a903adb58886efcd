"""The call from Python: show examples, segment photographs."""

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from episodes.data.source import Array
from episodes.errors import InputError
from episodes.fewshot.geometry import Geometry, Resize
from episodes.results import pictures
from srpnet.apps.looks.placing import place_photograph
from srpnet.apps.segmenter import Segmenter
from srpnet.fewshot.network import SRPNet
from srpnet.fewshot.prototypes import support_prototypes
from srpnet.nn.grid import upsample
from tests.srpnet.conftest import TinySettings


def scene(seed: int = 0, height: int = 48, width: int = 64) -> tuple[Array, Array]:
    """A photograph (H, W, 3), dark noise with a red square, and the square's mask."""
    photograph = np.random.default_rng(seed).integers(0, 60, (height, width, 3), dtype=np.uint8)
    mask = np.zeros((height, width), dtype=np.uint8)
    mask[height // 4 : height * 3 // 4, width // 8 : width // 2] = 1
    photograph[..., 0] += 180 * mask
    return photograph, mask


@pytest.fixture
def segmenter(network: SRPNet) -> Segmenter:
    return Segmenter(network, size=64, device="cpu", precision="fp32")


@pytest.fixture
def shown(segmenter: Segmenter) -> Segmenter:
    """A segmenter that has seen one example."""
    photograph, mask = scene()
    segmenter.set_support([photograph], [mask])
    return segmenter


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


def test_it_finds_the_object_again(shown: Segmenter) -> None:
    photograph, mask = scene(seed=1)
    found = shown.predict(photograph) == 1
    assert (found & (mask == 1)).sum() / (found | (mask == 1)).sum() > 0.5


@pytest.mark.parametrize("size", [(48, 64), (33, 97), (200, 150), (8, 300), (1, 1)])
def test_label_maps_have_the_photographs_size(shown: Segmenter, size: tuple[int, int]) -> None:
    photograph = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    labels = shown.predict(photograph)
    assert labels.dtype == np.uint8
    assert labels.shape == size
    assert set(np.unique(labels)) <= {0, 1}


def test_probabilities_sum_to_one_and_agree_with_the_labels(shown: Segmenter) -> None:
    photograph, _ = scene(seed=1)
    probabilities = shown.probabilities(photograph)
    assert probabilities.shape == (2, 48, 64)
    assert probabilities.dtype == np.float32
    assert probabilities.min() >= 0
    np.testing.assert_allclose(probabilities.sum(0), 1, rtol=1e-5)
    assert np.array_equal(probabilities.argmax(0), shown.predict(photograph))


def test_it_equals_the_network_by_hand(network: SRPNet) -> None:
    shown = Segmenter(network, size=64, device="cpu", precision="fp32", closer="none", refine="none")
    (photograph, mask), (query, _) = scene(), scene(seed=1)
    shown.set_support([photograph], [mask])
    square = Geometry(64, "letterbox").place(48, 64)
    labels = square.labels(torch.from_numpy(mask))[None]
    assert (labels == 255).any()

    def pixels(array: Array) -> torch.Tensor:
        return torch.from_numpy(array).permute(2, 0, 1) / 255

    with torch.inference_mode():
        network = shown.predictor.network
        support = network.encode(square.image(pixels(photograph))[None])
        prototypes = support_prototypes(support, labels, torch.ones(1, 1, dtype=torch.bool))
        place = Geometry(64, "longest").place(48, 64)
        logits = network.segment(network.encode(place.image(pixels(query))[None]), prototypes, iqi=network.config.iqi)
        expected = place.restore(upsample(logits, (48, 64), 8))[0].softmax(0).numpy()
    np.testing.assert_allclose(shown.probabilities(query), expected, rtol=1e-4, atol=1e-5)


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


def test_several_classes_are_named_by_regions_or_pixels(network: SRPNet, tmp_path: Path) -> None:
    photographs, masks = map(list, zip(*(scene(seed) for seed in range(2)), strict=True))
    masks[1] *= 2
    found, fingerprints = {}, set()
    for naming in ("regions", "pixels"):
        segmenter = Segmenter(network, size=64, device="cpu", precision="fp32", naming=naming)
        segmenter.set_support(photographs, masks, classes=2)
        fingerprints.add(segmenter.fingerprint)
        segmenter.supports.save(tmp_path / naming)
        found[naming] = segmenter.predict(photographs[0])
        assert np.array_equal(found[naming], segmenter.probabilities(photographs[0]).argmax(0))
        (written,) = segmenter.write_all([_saved(photographs[0], tmp_path)], tmp_path / f"{naming}-out")
        assert written.presence is None
        assert np.array_equal(written.labels, found[naming])
    assert len(fingerprints) == 2
    assert not np.array_equal(*found.values())
    loaded = Segmenter(network, device="cpu", precision="fp32")
    for naming, expected in found.items():  # a file without what regions take still serves, by pixels
        loaded.load_supports(tmp_path / naming)
        assert np.array_equal(loaded.predict(photographs[0]), expected)


def _saved(photograph: Array, folder: Path) -> Path:
    Image.fromarray(photograph).save(folder / "photograph.png")
    return folder / "photograph.png"


def test_a_turned_photograph_goes_with_an_upright_mask(segmenter: Segmenter, tmp_path: Path) -> None:
    photograph, mask = scene()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(photograph)).save(tmp_path / "turned.png", exif=exif)
    segmenter.set_support([tmp_path / "turned.png"], [mask])
    turned = segmenter.predict(tmp_path / "turned.png")
    segmenter.set_support([photograph], [mask])
    assert np.array_equal(turned, segmenter.predict(photograph))


PHOTOGRAPH, MASK = scene()


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


def test_without_examples_there_is_nothing_to_segment_by(segmenter: Segmenter) -> None:
    with pytest.raises(InputError, match=r"no support is set: call set_support\(images, masks\) first"):
        segmenter.predict(PHOTOGRAPH)


def test_a_photograph_that_cannot_be_read_is_refused(shown: Segmenter) -> None:
    with pytest.raises(InputError, match=r"there is no photograph no\.jpg"):
        shown.predict("no.jpg")


@pytest.mark.parametrize(("classes", "painted"), [(1, {0, 255}), (2, {0, 1, 2})])
def test_written_files(segmenter: Segmenter, tmp_path: Path, classes: int, painted: set[int]) -> None:
    mask = MASK.copy()
    mask[:, 40:] = 2 if classes == 2 else 0
    segmenter.set_support([PHOTOGRAPH], [mask], classes)
    Image.fromarray(PHOTOGRAPH).save(tmp_path / "square.photo.png")
    labels = segmenter.write(tmp_path / "square.photo.png", tmp_path / "made" / "here")
    assert np.array_equal(labels, segmenter.predict(PHOTOGRAPH))
    written = {file.name: np.array(Image.open(file)) for file in (tmp_path / "made" / "here").iterdir()}
    assert set(written) == {"square.photo-mask.png", "square.photo-overlay.jpg"}
    assert np.array_equal(written["square.photo-mask.png"], labels * 255 if classes == 1 else labels)
    assert set(np.unique(written["square.photo-mask.png"])) == painted
    overlay = written["square.photo-overlay.jpg"]
    assert overlay.shape == (48, 64, 3)
    expected = np.asarray(pictures.overlay(Image.fromarray(PHOTOGRAPH), labels)).astype(int)
    assert np.abs(overlay - expected).mean() < 20  # JPEG, of noise


def test_the_overlay_of_a_large_photograph_is_smaller(shown: Segmenter, tmp_path: Path) -> None:
    Image.new("RGB", (2600, 130)).save(tmp_path / "wide.png")
    labels = shown.write(tmp_path / "wide.png", tmp_path / "made")
    sizes = {file.name: Image.open(file).size for file in (tmp_path / "made").iterdir()}
    assert labels.shape == (130, 2600)
    assert sizes == {"wide-mask.png": (2600, 130), "wide-overlay.jpg": (1300, 65)}


@pytest.fixture
def folder(tmp_path: Path) -> list[Path]:
    """Photographs of several shapes."""
    paths = [tmp_path / "photographs" / f"{number}.png" for number in range(7)]
    paths[0].parent.mkdir()
    for number, path in enumerate(paths):
        Image.fromarray(scene(number, 40 + 5 * number, 60)[0]).save(path)
    return paths


def test_many_photographs_are_written_as_each_alone(shown: Segmenter, folder: list[Path], tmp_path: Path) -> None:
    together = list(shown.write_all(folder, tmp_path / "together"))
    assert [each.photograph for each in together] == folder
    assert {each.presence for each in together} == {None}
    for path, labels, *_ in together:
        assert np.array_equal(labels, shown.write(path, tmp_path / "alone"))
    for file in (tmp_path / "alone").iterdir():
        assert file.read_bytes() == (tmp_path / "together" / file.name).read_bytes()
    assert len(list((tmp_path / "together").iterdir())) == 2 * len(folder)


def test_an_overlay_without_files_is_the_written_one(shown: Segmenter, folder: list[Path], tmp_path: Path) -> None:
    shown.write(folder[0], tmp_path / "out")
    shown.overlay(folder[0]).save(tmp_path / "own.jpg", quality=90)
    written = tmp_path / "out" / f"{folder[0].stem}-overlay.jpg"
    assert (tmp_path / "own.jpg").read_bytes() == written.read_bytes()


def test_rounds_of_inference_begin_without_and_end_with_the_prediction(network: SRPNet) -> None:
    shown = Segmenter(network, size=64, device="cpu", precision="fp32", closer="none", refine="none")
    shown.set_support(*scene())
    photograph, _ = scene(seed=1)
    iqi = shown.predictor.network.config.iqi
    rounds = shown.rounds(photograph)
    assert len(rounds) == iqi.rounds + 1 > 1
    assert np.array_equal(rounds[-1], shown.predict(photograph))
    shown.predictor.network.config = replace(shown.predictor.network.config, iqi=replace(iqi, rounds=0))
    assert np.array_equal(rounds[0], shown.predict(photograph))


def test_presence_is_surest_of_the_support_itself(shown: Segmenter) -> None:
    own, other = shown.presence(scene()[0]), shown.presence(255 - scene(5)[0])
    assert own.shape == (1,)
    assert own.dtype == np.float32
    assert 0.9 < own[0] <= 1
    assert other[0] < own[0]


def test_presence_follows_the_support(segmenter: Segmenter) -> None:
    photograph, mask = scene()
    segmenter.set_support([photograph], [mask])
    first = segmenter.presence(photograph)
    segmenter.set_support([photograph], [1 - mask])
    segmenter.set_support([photograph], [mask])
    assert segmenter.presence(photograph) == first
    mask[:, 50:] = 2
    segmenter.set_support([photograph], [mask], classes=2)
    assert segmenter.presence(photograph).shape == (2,)


def test_presence_needs_a_support(segmenter: Segmenter) -> None:
    with pytest.raises(InputError, match="no support is set"):
        segmenter.presence(scene()[0])


def test_with_a_threshold_every_photograph_comes_with_its_presence(
    network: SRPNet, folder: list[Path], tmp_path: Path
) -> None:
    network.config = replace(network.config, present_above=0.5)
    segmenter = Segmenter(network, size=64, device="cpu", precision="fp32")
    segmenter.set_support(*([each] for each in scene()))
    for each in segmenter.write_all(folder, tmp_path / "out"):
        assert each.presence is not None
        assert each.presence == pytest.approx(segmenter.presence(each.photograph))


def test_names_may_be_given_and_may_have_folders(shown: Segmenter, folder: list[Path], tmp_path: Path) -> None:
    list(shown.write_all(folder[:2], tmp_path / "out", name=lambda path: f"sub/{path.name}"))
    written = sorted(str(file.relative_to(tmp_path / "out")) for file in (tmp_path / "out").rglob("*.*"))
    assert written == ["sub/0.png-mask.png", "sub/0.png-overlay.jpg", "sub/1.png-mask.png", "sub/1.png-overlay.jpg"]


def test_two_photographs_are_never_written_under_one_name(shown: Segmenter, folder: list[Path], tmp_path: Path) -> None:
    twin = tmp_path / "0.PNG"
    twin.write_bytes(folder[0].read_bytes())
    with pytest.raises(InputError, match=r"0\.png and .*0\.PNG would be written to the same file"):
        list(shown.write_all([*folder, twin], tmp_path / "out"))
    assert len(list(shown.write_all([folder[0], folder[0]], tmp_path / "again"))) == 2


def test_an_example_is_never_overwritten(segmenter: Segmenter, tmp_path: Path) -> None:
    for name, pixels in (("cup.png", PHOTOGRAPH), ("cup-mask.png", MASK * 255)):
        Image.fromarray(pixels).save(tmp_path / name)
    before = (tmp_path / "cup-mask.png").read_bytes()
    segmenter.set_support([tmp_path / "cup.png"], [str(tmp_path / "cup-mask.png")])
    with pytest.raises(InputError, match=r"cup-mask\.png is an example and would be overwritten"):
        segmenter.write(tmp_path / "cup.png", tmp_path)
    assert (tmp_path / "cup-mask.png").read_bytes() == before


def test_it_can_be_stopped_between_two_photographs(shown: Segmenter, folder: list[Path], tmp_path: Path) -> None:
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 3

    written = list(shown.write_all(folder, tmp_path / "out", stop=stop))
    assert [each.photograph for each in written] == folder[:3]
    assert len(list((tmp_path / "out").iterdir())) == 6


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


def test_the_fingerprint_is_of_the_examples_and_the_network(
    network: SRPNet, tiny: Callable[..., Any], segmenter: Segmenter
) -> None:
    with pytest.raises(InputError, match="no support is set"):
        _ = segmenter.fingerprint

    def fingerprint(of: SRPNet = network, mask: Array = MASK, **settings: int) -> str:
        made = Segmenter(of, **{"size": 64, **settings}, device="cpu", precision="fp32")  # type: ignore[arg-type]
        made.set_support([PHOTOGRAPH], [mask])
        return made.fingerprint

    other = SRPNet(tiny()).eval()
    other.reset_head(1)
    assert fingerprint() == fingerprint()
    assert len({fingerprint(), fingerprint(other), fingerprint(mask=1 - MASK), fingerprint(size=96)}) == 4


def test_an_unreadable_photograph_ends_it_after_those_before(
    shown: Segmenter, folder: list[Path], tmp_path: Path
) -> None:
    folder[4].write_bytes(folder[4].read_bytes()[:1000])
    with pytest.raises(InputError, match=r"4\.png cannot be read"):
        list(shown.write_all(folder, tmp_path / "out"))
    assert sorted({file.name[0] for file in (tmp_path / "out").iterdir()}) == list("0123")


def test_an_unreadable_photograph_can_be_passed_over(shown: Segmenter, folder: list[Path], tmp_path: Path) -> None:
    folder[4].unlink()
    errors: list[InputError] = []
    written = [each.photograph for each in shown.write_all(folder, tmp_path / "out", errors.append)]
    assert written == folder[:4] + folder[5:]
    assert [str(error) for error in errors] == [f"there is no photograph {folder[4]}"]


def test_a_folder_that_cannot_be_written_is_one_error(shown: Segmenter, folder: list[Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"0-mask\.png cannot be written"):
        list(shown.write_all(folder, tmp_path / "file"))


def test_no_part_of_a_file_is_left_when_it_is_stopped(shown: Segmenter, folder: list[Path], tmp_path: Path) -> None:
    def stopped() -> Iterator[Path]:
        yield from folder
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(shown.write_all(stopped(), tmp_path / "out"))
    assert {file.suffix for file in (tmp_path / "out").iterdir()} <= {".png", ".jpg"}


@pytest.mark.parametrize("resize", ["letterbox", "longest"])
@pytest.mark.parametrize("size", [(300, 400), (90, 31), (20, 50)])
def test_a_photograph_is_shrunk_as_for_evaluation_but_for_rounding(resize: Resize, size: tuple[int, int]) -> None:
    photograph, place = scene(0, *size)[0], Geometry(64, resize).place(*size)
    exact = place.image(torch.from_numpy(photograph).permute(2, 0, 1) / 255)
    torch.testing.assert_close(
        place_photograph(Image.fromarray(photograph), 64, resize).image, exact, rtol=0, atol=1.01 / 255
    )


def test_a_network_is_taken_by_folder_too(tiny: Callable[..., Any], tmp_path: Path) -> None:
    network = SRPNet(tiny(trained="all"))
    network.write(tmp_path)
    by_folder, direct = Segmenter(tmp_path, size=64, precision="fp32"), Segmenter(network, size=64, precision="fp32")
    for segmenter in (by_folder, direct):
        segmenter.set_support([PHOTOGRAPH], [MASK])
    assert np.array_equal(by_folder.probabilities(PHOTOGRAPH), direct.probabilities(PHOTOGRAPH))
    assert not direct.predictor.network.training


def test_a_missing_network_is_an_input_error() -> None:
    with pytest.raises(InputError, match="there is no checkpoint nowhere"):
        Segmenter("nowhere")


def test_a_size_too_small_is_an_input_error(network: SRPNet) -> None:
    with pytest.raises(InputError, match="at least 32"):
        Segmenter(network, size=16).set_support([PHOTOGRAPH], [MASK])


def test_a_mask_of_another_size_is_refused_by_its_head(tiny: Any, tmp_path: Path) -> None:
    """It declares 13,000 x 13,000 pixels, and has none of them."""
    head = b"IHDR" + struct.pack(">IIBBBBB", 13_000, 13_000, 8, 0, 0, 0, 0)
    chunks = [struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in (head, b"IDAT")]
    (tmp_path / "mask.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    Image.new("RGB", (64, 48), "red").save(tmp_path / "photo.png")
    segmenter = Segmenter(SRPNet(tiny()), size=64, device="cpu", precision="fp32")
    with pytest.raises(InputError, match=r"the mask of .*photo.png is 13000 x 13000 pixels, the photograph 64 x 48"):
        segmenter.set_support([tmp_path / "photo.png"], [tmp_path / "mask.png"])


def test_looks_and_edges_are_part_of_the_fingerprint(network: SRPNet) -> None:
    photograph, mask = scene()

    def shown(**options: Any) -> Segmenter:
        segmenter = Segmenter(network, size=64, device="cpu", precision="fp32", **options)
        segmenter.set_support([photograph], [mask])
        return segmenter

    plain = shown(closer="none", refine="none")
    assert plain.fingerprint == plain.supports.fingerprint
    others = [shown(closer=closer, refine=refine) for closer, refine in (("auto", "none"), ("none", "grabcut"))]
    assert len({each.fingerprint for each in (plain, *others, shown(fast=True))}) == 4
    assert {each.supports.fingerprint for each in others} == {plain.supports.fingerprint}


def test_what_is_small_is_looked_at_closer(network: SRPNet) -> None:
    photograph, mask = scene()
    large = np.random.default_rng(5).integers(0, 60, (480, 640, 3), dtype=np.uint8)
    large[100:160, 200:260, 0] += 180
    truth = np.zeros((480, 640), dtype=bool)
    truth[100:160, 200:260] = True
    ious = []
    for closer in ("none", "auto"):
        segmenter = Segmenter(network, size=64, device="cpu", precision="fp32", closer=closer, refine="none")  # type: ignore[arg-type]
        segmenter.set_support([photograph], [mask])
        found = segmenter.predict(large) == 1
        ious.append(float((found & truth).sum() / (found | truth).sum()))
    assert ious[0] < ious[1]


def test_the_fast_one_takes_what_was_shown_to_the_other(tiny: TinySettings, tmp_path: Path) -> None:
    network = SRPNet(tiny(stages=(2, 3, 4))).eval()
    slow, fast = (Segmenter(network, size=64, device="cpu", precision="fp32", fast=fast) for fast in (False, True))
    assert network.config.output_stride == slow.predictor.network.backbone.output_stride == 8
    assert fast.predictor.network.backbone.output_stride == 16
    photograph, mask = scene()
    slow.set_support([photograph], [mask])
    slow.supports.save(tmp_path / "a.srp")
    fast.load_supports(tmp_path / "a.srp")
    assert fast.predict(photograph).shape == photograph.shape[:2]


@pytest.mark.parametrize("option", [{"closer": "all"}, {"refine": "crf"}, {"fit": "some"}])
def test_other_words_are_refused(network: SRPNet, option: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(option))):
        Segmenter(network, **option)
