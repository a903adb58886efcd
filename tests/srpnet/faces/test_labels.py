"""Parts and labels: what becomes what, and where parts are."""

import numpy as np
import pytest
import torch

from episodes.data.sets.face_layouts import MIRRORED, PARTS
from srpnet.faces.labels import CROPPED, box_centres, centroids, own_labels, part_masks
from srpnet.faces.settings import KINDS


def test_every_label_belongs_to_one_part() -> None:
    assert [label for part in CROPPED for label in part.labels] == list(range(1, len(PARTS) + 1))
    for part in CROPPED:
        assert part.labels == tuple(range(part.labels[0], part.labels[-1] + 1))
        assert KINDS[part.kind].startswith(part.name.split()[-1])
        assert part.mirrored == part.name.startswith("right")


def test_a_mirror_swaps_left_and_right() -> None:
    for label, name in enumerate(PARTS, start=1):
        side, _, rest = name.partition(" ")
        swapped = f"{ {'left': 'right', 'right': 'left'}.get(side, side) } {rest}".strip()
        assert PARTS[MIRRORED[label] - 1] == swapped
    assert MIRRORED[0] == 0


def test_own_labels_are_numbered_from_one() -> None:
    labels = torch.arange(9, dtype=torch.uint8).view(1, 3, 3)
    found = {part.name: own_labels(labels, part).flatten().tolist() for part in CROPPED}
    assert found["mouth"] == [0, 0, 0, 0, 0, 0, 1, 2, 3]
    assert found["right brow"] == [0, 0, 1, 0, 0, 0, 0, 0, 0]


def test_boxes_and_centroids_equal_slow_ones() -> None:
    labels = torch.from_numpy(np.random.default_rng(0).integers(0, 9, (3, 11, 14)).astype(np.uint8))
    labels[0][labels[0] == 3] = 0  # no left eye
    labels[1][labels[1] == 7] = 0  # no inner mouth
    masks = part_masks(labels)
    boxes, there = box_centres(masks)
    means, found = centroids(masks)
    assert torch.equal(there, found)
    for face in range(3):
        for number, part in enumerate(CROPPED):
            ys, xs = np.nonzero(np.isin(labels[face].numpy(), part.labels))
            assert bool(there[face, number]) == bool(len(xs))
            if len(xs):
                assert boxes[face, number].tolist() == [(xs.min() + xs.max()) / 2, (ys.min() + ys.max()) / 2]
                assert means[face, number].tolist() == pytest.approx([xs.mean(), ys.mean()], abs=1e-5)
            else:
                assert boxes[face, number].tolist() == means[face, number].tolist() == [6.5, 5.0]


def test_the_mouth_is_where_its_union_is() -> None:
    """Without an inner mouth the mean of three centroids would be pulled away."""
    labels = torch.zeros(1, 20, 20, dtype=torch.uint8)
    labels[0, 14, 5:15], labels[0, 16, 5:15] = 6, 8
    means, _ = centroids(part_masks(labels))
    assert means[0, 5].tolist() == [9.5, 15.0]
