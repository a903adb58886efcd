"""The call from Python: show examples, segment photographs."""

from collections.abc import Callable
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
from srpnet.apps.looks.placing import place_photograph
from srpnet.apps.segmenter import Segmenter
from srpnet.fewshot.network import SRPNet
from srpnet.fewshot.prototypes import support_prototypes
from srpnet.nn.grid import upsample
from tests.srpnet.apps.conftest import scene
from tests.srpnet.conftest import TinySettings


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
        Image.fromarray(photographs[0]).save(tmp_path / "photograph.png")
        (written,) = segmenter.write_all([tmp_path / "photograph.png"], tmp_path / f"{naming}-out")
        assert written.presence is None
        assert np.array_equal(written.labels, found[naming])
    assert len(fingerprints) == 2
    assert not np.array_equal(*found.values())
    loaded = Segmenter(network, device="cpu", precision="fp32")
    for naming, expected in found.items():  # a file without what regions take still serves, by pixels
        loaded.load_supports(tmp_path / naming)
        assert np.array_equal(loaded.predict(photographs[0]), expected)


PHOTOGRAPH, MASK = scene()


def test_without_examples_there_is_nothing_to_segment_by(segmenter: Segmenter) -> None:
    with pytest.raises(InputError, match=r"no support is set: call set_support\(images, masks\) first"):
        segmenter.predict(PHOTOGRAPH)


def test_a_photograph_that_cannot_be_read_is_refused(shown: Segmenter) -> None:
    with pytest.raises(InputError, match=r"there is no photograph no\.jpg"):
        shown.predict("no.jpg")


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
