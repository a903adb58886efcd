"""A fine-tuned network as a small file: what was trained, as a difference to named weights, in four bits a number.

A ResNet-50 takes 94 MB, and fine-tuning moves its weights by a few percent. So each trained convolution is kept as its
difference to the ImageNet weights, rounded to 15 levels with a step for each output channel: 12 MB. What it costs in
mIoU is measured in `docs/results.md`. The head is kept in half precision.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from episodes.errors import InputError
from srpnet.nn.fetching import StateDict

LEVELS = 7
"""The levels are -7..7."""
SHARES = torch.linspace(0.2, 1.0, 17)
"""Where the levels may end, as shares of a channel's largest difference. The best share is searched for each."""
CODE, STEP = ".difference", ".step"
"""What follows a tensor's name in the file: its levels, two to a byte, and the step of each output channel."""


def compact(state: Mapping[str, Tensor], start: Mapping[str, Tensor]) -> StateDict:
    """The small form of a network's state.

    Args:
        state: Name -> value, of all that makes the network.
        start: Name -> value that it had before training, for all that `expand` will find there. What did not change
            since is left out; what changed is kept as a difference; what is not there is kept in half precision.
    """
    small: StateDict = {}
    for name, value in state.items():
        if name not in start:
            small[name] = value.half()
        elif not torch.equal(value, start[name]):
            levels, small[name + STEP] = _round(value - start[name])
            small[name + CODE] = _pack(levels)
    return small


def expand(small: Mapping[str, Tensor], start: Mapping[str, Tensor]) -> StateDict:
    """The state that `compact` was given, up to rounding; `start` must be the same.

    Raises:
        InputError: if a difference is to a tensor that `start` lacks, or that has another shape.
    """
    state: StateDict = dict(start)
    for name, value in small.items():
        if name.endswith(CODE):
            base = name.removesuffix(CODE)
            step = small.get(base + STEP)
            if base not in start or step is None or not _fit(value, step, start[base]):
                raise InputError(f"{base} is stored as a difference to other weights than these")
            levels = _unpack(value)[: start[base].numel()].view(start[base].shape)
            state[base] = start[base] + levels * _along(step, levels)
        elif not name.endswith(STEP):
            state[name] = value.float()
    return state


def _fit(packed: Tensor, step_O: Tensor, start: Tensor) -> bool:
    """Whether levels and steps are as `compact` makes them for a tensor."""
    return (
        packed.dtype == torch.uint8
        and packed.shape == (-(-start.numel() // 2),)
        and start.dim() > 0
        and step_O.shape == (len(start),)
    )


def is_compact(state: Mapping[str, Tensor]) -> bool:
    """Whether a file holds differences."""
    return any(name.endswith(CODE) for name in state)


def _round(difference: Tensor) -> tuple[Tensor, Tensor]:
    """Levels of each number, and the step of each output channel that leaves the smallest squared error."""
    most_O = difference.abs().flatten(1).amax(1)
    best_O = torch.full_like(most_O, torch.inf)
    step_O = torch.zeros_like(most_O)
    for share in SHARES.tolist():
        tried_O = most_O * share / LEVELS
        error_O = (_levels(difference, tried_O) * _along(tried_O, difference) - difference).square().flatten(1).sum(1)
        step_O = torch.where(error_O < best_O, tried_O, step_O)
        best_O = torch.minimum(error_O, best_O)
    return _levels(difference, step_O), step_O


def _levels(difference: Tensor, step_O: Tensor) -> Tensor:
    return (difference / _along(step_O, difference).clamp(min=1e-30)).round().clamp(-LEVELS, LEVELS)


def _along(step_O: Tensor, like: Tensor) -> Tensor:
    return step_O.view(-1, *[1] * (like.dim() - 1))


def _pack(levels: Tensor) -> Tensor:
    """Levels -> bytes, the first of two in the low half."""
    halves = (levels.flatten() + LEVELS).to(torch.uint8)
    halves = torch.nn.functional.pad(halves, (0, len(halves) % 2))
    return halves[::2] | halves[1::2] << 4


def _unpack(packed: Tensor) -> Tensor:
    return torch.stack([packed & 15, packed >> 4], dim=1).flatten().float() - LEVELS
