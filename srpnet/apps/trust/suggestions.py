"""Which photograph to mark next? That which stands for most of what the examples do not cover yet.

Letters in names: B photographs, S examples, N ways, D channels of the deepest stage.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from srpnet.apps.looks.placing import PlacedPhotograph
from srpnet.fewshot.predictor import Predictor
from srpnet.fewshot.support_set import SupportSet


class Suggestion(NamedTuple):
    """A photograph to mark.

    Attributes:
        number: Its place among all, from 0.
        gain: By how much it brings all photographs nearer to an example, the mean over them.
    """

    number: int
    gain: float


class Candidate(NamedTuple):
    """A photograph that may be marked.

    Attributes:
        object_D: What is found in it, a unit vector; 0 where nothing is.
        presence: See `Recogniser.presence`.
    """

    object_D: Tensor
    presence: float


@torch.inference_mode()
def candidate(predictor: Predictor, supports: SupportSet, placed: PlacedPhotograph) -> Candidate:
    """What is found of the class in a photograph that has not been marked.

    Args:
        predictor: Of the network.
        supports: Of one class, with examples.
        placed: The photograph.
    """
    assert supports.examples_ND is not None
    valid_1HW = placed.placement.valid()[None].to(predictor.runtime.device)
    encoded = predictor.encode(placed.image[None], deep=True, fit=supports.head is not None)
    found = predictor.segment(encoded, [supports], valid_1HW, predictor.network.config.iqi)
    assert encoded.deep_BDyx is not None
    object_ND = predictor.recogniser.found(encoded.deep_BDyx, found.logits_BPhw, valid_1HW)[0]
    return Candidate(object_ND[0].cpu(), float((object_ND[0] * supports.examples_ND[0]).sum().clamp(0, 1)))


def suggest(candidates: Sequence[Candidate], examples_SD: Tensor) -> list[Suggestion]:
    """All photographs in the order in which they should be marked, the best first; see `rank`.

    Args:
        candidates: What was found in each.
        examples_SD: What the examples show, unit vectors.
    """
    if not candidates:
        return []
    presence_B = torch.tensor([each.presence for each in candidates])
    return rank(torch.stack([each.object_D for each in candidates]), examples_SD.cpu(), presence_B)


def rank(objects_BD: Tensor, examples_SD: Tensor, weights_B: Tensor) -> list[Suggestion]:
    """All photographs in the order in which they should be marked, the best first.

    Each is as far from being covered as what is found in it differs from the nearest example. The next to be marked is
    the one that covers most of all photographs beyond what those before it do: one that is typical, and unlike the
    examples. (The greedy maximum of a facility location function, within 1 - 1/e of the best set: Nemhauser, Wolsey and
    Fisher, Mathematical Programming 1978.)

    Args:
        objects_BD: What is found in each, unit vectors; 0 where nothing is.
        examples_SD: What the examples show, unit vectors.
        weights_B: How likely each shows the object: what it counts, and what it is worth to mark it.
    """
    alike_BB = objects_BD @ objects_BD.T
    covered_B = (objects_BD @ examples_SD.T).amax(1).clamp(min=0)
    left_B = torch.ones(len(objects_BD), dtype=torch.bool)
    found = []
    for _ in range(len(objects_BD)):
        gain_B = weights_B * ((alike_BB - covered_B[:, None]).clamp(min=0) * weights_B[:, None]).mean(0)
        number = int(torch.where(left_B, gain_B, -1).argmax())
        found.append(Suggestion(number, float(gain_B[number])))
        left_B[number] = False
        covered_B = torch.maximum(covered_B, alike_BB[:, number])
    return found
