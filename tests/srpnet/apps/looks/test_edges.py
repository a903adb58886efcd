"""Edges are drawn by colour, near where they were found, and nowhere else."""

import sys

import numpy as np
import pytest
import torch
from PIL import Image

from episodes.data.source import Array
from episodes.errors import InputError
from episodes.fewshot.geometry import Geometry
from srpnet.apps.looks import edges
from srpnet.apps.looks.closer import Looks
from srpnet.apps.looks.edges import agreeing, check_refine, grabcut, refine_edges

pytest.importorskip("cv2")
STRIDE = 8


def scene(height: int = 96, width: int = 128, scale: int = 1) -> tuple[Array, Array]:
    """A photograph of a red disc before green noise, and the disc (H, W)."""
    noise = np.random.default_rng(0).integers(0, 40, (height, width, 3), dtype=np.uint8)
    rows, columns = np.ogrid[:height, :width]
    disc = (rows - height * 0.45) ** 2 + (columns - width * 0.55) ** 2 < (height * 0.27) ** 2
    noise[..., 1] += 120
    noise[disc] = noise[disc][:, [1, 0, 2]]
    return noise, disc


def looks_of(disc: Array, ways: int = 1) -> Looks:
    """The first look, whose cells see the disc roughly, as the first way."""
    height, width = disc.shape
    placement = Geometry(max(disc.shape) // 2, "longest").place(height, width)
    rows, columns = (-(-side // STRIDE) for side in placement.outer)
    seen = torch.from_numpy(disc[:: STRIDE * 2, :: STRIDE * 2]).float()[:rows, :columns]
    logits_Phw = torch.stack([0.5 - seen, *[seen - 0.5 - way for way in range(ways)]])
    return Looks(placement, STRIDE, logits_Phw[None])


def iou(found: Array, truth: Array) -> float:
    return float((found & truth).sum() / (found | truth).sum())


def test_edges_are_drawn_by_colour() -> None:
    photograph, disc = scene()
    looks = looks_of(disc)
    labels = looks.labels()
    refined = refine_edges(Image.fromarray(photograph), labels, looks)
    assert iou(labels > 0, disc) < 0.9
    assert iou(refined > 0, disc) > 0.98


def test_large_ones_are_drawn_shrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edges, "LARGEST", 60)
    photograph, disc = scene()
    looks = looks_of(disc)
    refined = refine_edges(Image.fromarray(photograph), looks.labels(), looks)
    assert iou(looks.labels() > 0, disc) < 0.9
    assert iou(refined > 0, disc) > 0.93


def test_classes_keep_their_places() -> None:
    photograph, disc = scene()
    looks = looks_of(disc, ways=3)
    labels = looks.labels()
    labels[40:50, 60:70] = 3
    refined = refine_edges(Image.fromarray(photograph), labels, looks)
    assert set(np.unique(refined)) == {0, 1, 3}
    assert (refined[40:50, 60:70] == 3).all()


def test_far_from_what_was_found_nothing_changes() -> None:
    photograph, disc = scene()
    photograph[:10, :10] = (150, 20, 20)  # as red as the disc
    looks = looks_of(disc)
    assert not refine_edges(Image.fromarray(photograph), looks.labels(), looks)[:10, :10].any()


def test_what_the_network_is_sure_of_stays() -> None:
    photograph, disc = scene()
    lead = np.where(disc, -9, 9).astype(np.float32)  # the colours say the opposite
    found = grabcut(photograph, lead > 0, lead, 6)
    assert np.array_equal(found, lead > 0)


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (40, 2)])
@pytest.mark.parametrize("value", [0, 1])
def test_nothing_and_everything_stay(shape: tuple[int, int], value: int) -> None:
    placement = Geometry(64, "longest").place(*shape)
    cells = [-(-side // STRIDE) for side in placement.outer]
    looks = Looks(placement, STRIDE, torch.stack([torch.zeros(*cells), torch.full(cells, value - 0.5)])[None])
    photograph = Image.fromarray(np.random.default_rng(0).integers(0, 255, (*shape, 3), dtype=np.uint8))
    assert (refine_edges(photograph, looks.labels(), looks) == value).all()


def test_it_is_the_same_every_time() -> None:
    photograph, disc = scene()
    noisy = Image.fromarray(np.random.default_rng(1).integers(0, 255, photograph.shape, dtype=np.uint8))
    looks = looks_of(disc)
    one, _, again = (refine_edges(each, looks.labels(), looks) for each in (noisy, Image.fromarray(photograph), noisy))
    assert np.array_equal(one, again)


def test_probabilities_agree_with_the_labels() -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(4), (9, 7)).transpose(2, 0, 1).astype(np.float32)
    labels = np.random.default_rng(1).integers(0, 4, (9, 7)).astype(np.uint8)
    found = agreeing(probabilities, labels)
    assert np.array_equal(found.argmax(0), labels)
    assert np.array_equal(np.sort(found, 0), np.sort(probabilities, 0))


def test_without_opencv_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [check_refine("auto"), check_refine("grabcut"), check_refine("none")] == [True, True, False]
    monkeypatch.setitem(sys.modules, "cv2", None)
    assert not check_refine("auto")
    with pytest.raises(InputError, match=r"srpnet\[edges\]"):
        check_refine("grabcut")
    with pytest.raises(InputError, match="refine"):
        check_refine("crf")  # type: ignore[arg-type]
