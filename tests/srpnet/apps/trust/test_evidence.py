"""What examples say of themselves: by the others, and of a single one in other views."""

import math

import numpy as np
import pytest
import torch

from episodes.data.source import IGNORE
from episodes.errors import InputError
from srpnet.apps.segmenter import Segmenter
from srpnet.apps.trust.evidence import ZOOM, Evidence, views
from tests.srpnet.apps.conftest import scene


def test_several_examples_are_judged_by_the_others(segmenter: Segmenter) -> None:
    photographs, masks = zip(*(scene(seed) for seed in range(3)), strict=True)
    segmenter.set_support(photographs, masks)
    (evidence,) = segmenter.evidence()
    checks = segmenter.support_checks
    assert evidence.others == tuple(check.least_of_others for check in checks)
    assert evidence.alone == tuple(check.least_alone for check in checks)
    np.testing.assert_allclose(evidence.areas, [masks[0].mean()] * 3, atol=0.02)  # of the photograph, not of its square
    assert all(0 < presence <= 1 for presence in evidence.presence)
    assert evidence.names == tuple(check.name for check in checks)


def test_a_single_example_is_judged_in_other_views(segmenter: Segmenter) -> None:
    photograph, mask = scene()
    segmenter.set_support([photograph], [mask])
    (evidence,) = segmenter.evidence()
    assert math.isnan(segmenter.support_checks[0].least_of_others)
    assert 0.3 < evidence.others[0] <= 1
    assert math.isnan(evidence.fitted)


def test_photographs_without_the_object_are_judged_too(segmenter: Segmenter) -> None:
    (first, mask), (second, other) = scene(), scene(1)
    without = np.random.default_rng(5).integers(0, 60, first.shape, dtype=np.uint8)
    segmenter.show({"square": [(first, mask), (second, other)]}, absent=[without])
    (evidence,) = segmenter.evidence()
    assert len(evidence.absent) == 1
    assert len(evidence.presence) == 2


def test_saved_examples_say_nothing(segmenter: Segmenter, tmp_path: object) -> None:
    photograph, mask = scene()
    segmenter.set_support([photograph], [mask])
    segmenter.supports.save(f"{tmp_path}/a.srp")
    segmenter.load_supports(f"{tmp_path}/a.srp")
    with pytest.raises(InputError, match="give the photographs and their masks"):
        segmenter.evidence()


def test_views_by_hand() -> None:
    """The object is the right half: mirrored, the left one."""
    image = torch.zeros(3, 20, 40)
    image[:, :, 20:] = 1
    labels = image[0].to(torch.uint8)
    (small, large), (small_labels, large_labels) = views(image, labels, 1)
    rows, columns = round(ZOOM * 20), round(ZOOM * 40)
    assert (small_labels[:rows, : columns // 2] == 1).all()
    assert (small_labels[:rows, columns // 2 : columns] == 0).all()
    assert (small_labels[rows:] == IGNORE).all()
    assert float(small[0, -1, -1]) == 0.5
    assert set(large_labels.unique().tolist()) == {0, 1}
    assert float((large_labels == 1).float().mean()) > 0.6
    assert large.shape == image.shape


def test_the_weakest_is_what_the_others_find_least_of() -> None:
    evidence = Evidence(("a", "b", "c"), (0.1,) * 3, (0.9,) * 3, (0.8, 0.2, 0.3), (0.5,) * 3)
    assert evidence.weakest == "b"
    assert evidence._replace(others=(0.8, 0.2, math.nan)).weakest == "c"
