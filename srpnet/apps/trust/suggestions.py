"""Which photograph to mark next? That which stands for most of what the examples do not cover yet.

Letters in names: B photographs, S examples, D channels of the deepest stage.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Suggestion(NamedTuple):
    """A photograph to mark.

    Attributes:
        number: Its place among all, from 0.
        gain: By how much it brings all photographs nearer to an example, the mean over them.
    """

    number: int
    gain: float


def rank(objects_BD: Tensor, examples_SD: Tensor, weights_B: Tensor) -> list[Suggestion]:
    """All photographs in the order in which they should be marked, the best first.

    Each is as far from being covered as what is found in it differs from the nearest example. The next to be marked is
    the one that covers most of all photographs beyond what those before it do: one that is typical, and unlike the
    examples. (The greedy maximum of a facility location function, within 1 - 1/e of the best set: Nemhauser, Wolsey and
    Fisher, Mathematical Programming 1978.)

    Args:
        objects_BD: What is found in each, unit vectors; 0 where nothing is.
        examples_SD: What the examples show, unit vectors.
        weights_B: How much each counts, such as how likely it shows the object and how unsure its mask is.
    """
    alike_BB = objects_BD @ objects_BD.T
    covered_B = (objects_BD @ examples_SD.T).amax(1).clamp(min=0)
    left = torch.ones(len(objects_BD), dtype=torch.bool)
    found = []
    for _ in range(len(objects_BD)):
        # A photograph that does not show the object is no use, whatever it stands for.
        gain_B = weights_B * ((alike_BB - covered_B[:, None]).clamp(min=0) * weights_B[:, None]).mean(0)
        index = int(torch.where(left, gain_B, -1).argmax())
        found.append(Suggestion(index, float(gain_B[index])))
        left[index] = False
        covered_B = torch.maximum(covered_B, alike_BB[:, index])
    return found
