"""Edges of a mask drawn anew, by the colours of the photograph: GrabCut in a band around them.

The network says what the thing is, cell by cell; where exactly it ends, the colours know better. What the network is
sure of stays as it is. Source: Rother, Kolmogorov, Blake, "GrabCut", SIGGRAPH 2004; OpenCV's.

Letters: N ways, P = N + 1 classes with background, H W pixels of the photograph or a window.
"""

from importlib.util import find_spec
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from episodes.data.source import Array
from episodes.errors import InputError
from srpnet.apps.looks.closer import Looks
from srpnet.apps.looks.settings import Refine
from srpnet.apps.looks.windows import Window, groups

SURE = 1.5
"""Lead in logits over the other side, from which a pixel stays what it is."""
BAND = 1.3
"""How far edges may move, in cells of the network."""
AROUND = 4
"""How much further the background's colours are looked at."""
ROUNDS = 2
"""Of GrabCut."""
LARGEST = 1000
"""Longer side, in pixels, at which edges are drawn; what is larger is drawn shrunk by a whole number."""
SMALLEST = 20
"""Pixels of object, and of background, from which colours are learned at all."""
CHANGE = 2
"""What grows or shrinks by more than this factor stays as it was: its colours tell nothing."""

Bits = NDArray[np.bool_]


def check_refine(refine: Refine) -> bool:
    """Whether edges are refined: `auto` where OpenCV is installed.

    Raises:
        InputError: if it must be and is not, or this is no way to refine.
    """
    if refine not in get_args(Refine):
        raise InputError(f"`refine` must be {' or '.join(get_args(Refine))}, not {refine!r}")
    there = find_spec("cv2") is not None
    if refine == "grabcut" and not there:
        raise InputError("`refine` grabcut needs OpenCV: pip install 'srpnet[edges]'")
    return there and refine != "none"


def refine_edges(photograph: Image.Image, labels: Array, looks: Looks) -> Array:
    """A label map (H, W) with its edges drawn anew; between two classes they stay as they are.

    Args:
        photograph: RGB.
        labels: 0 background, 1..N.
        looks: Of which the labels are.
    """
    refined = labels.copy()
    for window in _windows(labels, looks):
        logits_PHW = looks.logits(window)
        best_HW, way_HW = logits_PHW[1:].max(0)
        lead, ways = (values.cpu().numpy() for values in (best_HW - logits_PHW[0], way_HW + 1))
        box = (window.left, window.top, window.right, window.bottom)
        objects = labels[window.slices] > 0
        found = grabcut(np.asarray(photograph.crop(box)), objects, lead, BAND * looks.cell(window))
        refined[window.slices] = np.where(found, np.where(objects, labels[window.slices], ways), 0)
    return refined


def agreeing(probabilities_PHW: NDArray[np.float32], labels: Array) -> NDArray[np.float32]:
    """Probabilities in which the label of each pixel is the most probable class: it changes places with the other.

    >>> agreeing(np.array([[[0.75]], [[0.25]]], np.float32), np.array([[1]], np.uint8)).ravel().tolist()
    [0.25, 0.75]
    """
    before = probabilities_PHW.argmax(0)
    rows, columns = (before != labels).nonzero()
    old, new = before[rows, columns], labels[rows, columns]
    agreeing = probabilities_PHW.copy()
    agreeing[old, rows, columns] = probabilities_PHW[new, rows, columns]
    agreeing[new, rows, columns] = probabilities_PHW[old, rows, columns]
    return agreeing


def grabcut(photograph: Array, objects: Bits, lead: NDArray[np.float32], band: float) -> Bits:
    """Where the object is (H, W), by GrabCut from where it was found.

    Args:
        photograph: (H, W, 3).
        objects: (H, W), where it was found.
        lead: (H, W), of the logits of the object over those of the background.
        band: How far its edge may move, in pixels.
    """
    import cv2

    step = -(-max(objects.shape) // LARGEST)
    if step > 1:
        size = (objects.shape[1] // step, objects.shape[0] // step)
        photograph = cv2.resize(photograph, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
        lead = cv2.resize(lead, size, interpolation=cv2.INTER_AREA).astype(np.float32)
        fewer = cv2.resize(objects.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        found = grabcut(photograph, fewer, lead, band / step).astype(np.float32)
        return cv2.resize(found, objects.shape[::-1], interpolation=cv2.INTER_LINEAR) > 0.5
    side = 2 * round(band) + 1
    disc, mask = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), objects.astype(np.uint8)
    inner, outer = cv2.erode(mask, disc, borderType=cv2.BORDER_REPLICATE) > 0, cv2.dilate(mask, disc) > 0
    state = np.where(objects, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    state[~outer | (lead < -SURE)] = cv2.GC_BGD
    state[inner | (lead > SURE)] = cv2.GC_FGD
    before = int(objects.sum())
    if min(before, objects.size - before) < SMALLEST:
        return objects
    cv2.setRNGSeed(0)  # colours are clustered from there: masks do not depend on what was segmented before
    unused, background, foreground = (0, 0, 1, 1), np.zeros((1, 65)), np.zeros((1, 65))
    photograph = np.ascontiguousarray(photograph)
    cv2.grabCut(photograph, state, unused, background, foreground, ROUNDS, cv2.GC_INIT_WITH_MASK)
    found = (state == cv2.GC_FGD) | (state == cv2.GC_PR_FGD)
    return found if before / CHANGE <= found.sum() <= before * CHANGE else objects


def _windows(labels: Array, looks: Looks) -> list[Window]:
    """Around what was found, wide enough for the background's colours; what is near to each other together."""
    import cv2

    height, width = labels.shape
    _, _, boxes, _ = cv2.connectedComponentsWithStats((labels > 0).astype(np.uint8))
    around = []
    for left, top, across, down, pixels in boxes[1:].tolist():
        if pixels < SMALLEST:
            continue
        wide = round(AROUND * BAND * looks.cell(Window(left, top, across, down)))
        start = max(left - wide, 0), max(top - wide, 0)
        end = min(left + across + wide, width), min(top + down + wide, height)
        around.append(Window(*start, end[0] - start[0], end[1] - start[1]))
    return groups(around)
