"""The first look at a photograph, and looks at what is too small for that."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor

from episodes.errors import InputError, warn
from srpnet.apps.examples.shown import Shown
from srpnet.apps.looks.closer import Look, Looks, crop
from srpnet.apps.looks.placing import PlacedPhotograph
from srpnet.apps.looks.search import AFAR, MARGIN, SHARE, scales, search
from srpnet.apps.looks.windows import around
from srpnet.fewshot.predictor import Prediction

SEARCHED = 20.0
"""Weight of a look at something that the first look cannot see."""
DISMISSED = 4.0
"""By how much the logits of what is dismissed lie behind the background's."""

FILLED = 0.25
"""Of a look at a candidate, that a thing of the size that is searched may fill."""
RIVAL = 0.6
"""Of the presence of the surest of them, below which others are not believed."""

Segment = Callable[[Tensor, bool], Prediction]
"""An image (3, H, W) in [0, 1], and whether presence is asked for -> what is found in it."""


class Seen(NamedTuple):
    """What was seen of a photograph; `presence_N` of each class is None where nobody asked."""

    looks: Looks
    presence_N: Tensor | None


def look(placed: PlacedPhotograph, shown: Shown, segment: Segment, size: int, presence: bool, searches: bool) -> Seen:
    """Look at a photograph.

    Args:
        placed: It, at the size of the first look.
        shown: The examples.
        segment: By them.
        size: Longer side of the network's input.
        presence: Whether presence is asked for.
        searches: Whether what is too small is searched for, if the photograph is large enough for that.
    """
    searches = searches and _may_hide(placed, shown)
    prediction = segment(placed.image, presence or searches)
    looks = Looks(placed.placement, shown.predictor.network.stride, prediction.logits_BPhw)
    presence_N = None if prediction.presence_BN is None else prediction.presence_BN[0]
    if searches and presence_N is not None:
        presence_N = _search(placed.photograph, shown, segment, size, looks, presence_N)
    return Seen(looks, presence_N if presence else None)


def _may_hide(placed: PlacedPhotograph, shown: Shown) -> bool:
    """Whether a photograph may hide what the first look cannot see, and there is anything to recognise it by."""
    first = max(placed.placement.inner) / max(placed.placement.original)
    if shown.supports.afar_ND is None or not any(scales(placed.photograph.size, first)):
        return False
    try:
        return shown.thresholds() is not None
    except InputError as error:
        warn(f"small things are not searched for in large photographs: {error}")
        return False


def _search(
    photograph: Image.Image, shown: Shown, segment: Segment, size: int, looks: Looks, presence_N: Tensor
) -> Tensor:
    """Add looks at what is too small for the first; the presence (N,) of each class, with theirs.

    Where the first look is doubted, as it finds something nearly everywhere, and these are not, they alone count.
    """
    objects_ND, above = shown.supports.afar_ND, shown.thresholds()
    assert objects_ND is not None
    assert above is not None
    above_N, canvas = presence_N.new_tensor(above), looks.placement.original
    ways_N = torch.arange(1, len(above_N) + 1, device=above_N.device)
    seen: list[tuple[Look, Tensor]] = []
    for candidate in search(shown.predictor, photograph, objects_ND, max(looks.placement.inner) / max(canvas)):
        window = around(candidate.box, MARGIN, canvas)
        if any(window.meets(other.window) for other, _ in seen):
            continue
        image_3HW, theta_123 = crop(photograph, window, max(32, round(SHARE * size)))
        logits_BPhw, presence_BN = segment(image_3HW, True)
        assert presence_BN is not None
        share_N = (logits_BPhw[0].argmax(0) == ways_N[:, None, None]).float().mean((1, 2))
        known_N = (presence_BN[0] >= AFAR * above_N) & (share_N <= FILLED)
        inner = (image_3HW.shape[1], image_3HW.shape[2])
        seen.append((Look(window, theta_123, inner, logits_BPhw, SEARCHED), presence_BN[0] * known_N))
    best_N = torch.stack([torch.zeros_like(presence_N), *(certain_N for _, certain_N in seen)]).amax(0)
    looks.closer += [each for each, certain_N in seen if ((certain_N > 0) & (certain_N >= RIVAL * best_N)).any()]
    dismissed_N = (presence_N < above_N) & (best_N > 0)
    behind_1Phw = looks.logits_1Phw[:, :1] - DISMISSED
    looks.logits_1Phw = torch.cat(
        [looks.logits_1Phw[:, :1], torch.where(dismissed_N[:, None, None], behind_1Phw, looks.logits_1Phw[:, 1:])], 1
    )
    return torch.maximum(presence_N, (best_N / AFAR).clamp(max=1))
