"""The state of a run, `training.pt`, and which settings must stay the same when it is resumed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from episodes.errors import InputError
from episodes.files import atomic_write
from episodes.inputs import check_regular
from episodes.settings import flat, may_change
from srpnet.training.log import keep_lines

FILE = "training.pt"


class Identity(NamedTuple):
    """The settings of a run by dotted name, and which of them may change.

    Attributes:
        values: In plain types that survive saving.
        free: What may change when the run goes on, since it moves its weights by no more than rounding.
        local: What may even differ among the processes of the run.
    """

    values: dict[str, Any]
    free: set[str]
    local: set[str]

    @classmethod
    def of(cls, *settings: Any) -> "Identity":
        """From dataclasses of settings, or mappings of them; of two values with the same name the later counts."""
        values: dict[str, Any] = {}
        free: set[str] = set()
        local: set[str] = set()
        for some in settings:
            values |= flat(some)
            free |= may_change(some, "on resuming")
            local |= may_change(some, "among processes")
        return cls(values, free, local)

    def difference(self, begun: Mapping[str, Any]) -> str | None:
        """The first setting that moves weights and is not the same in a run that was begun.

        A setting that is off here and unknown there came with a later version, and was off there too.

        >>> Identity.of({"size": 321, "composition.absent": 0.0}).difference({"size": 321})
        """
        known = (name for name, value in self.values.items() if name in begun or value)
        return next((name for name in known if name not in self.free and begun.get(name) != self.values[name]), None)


def exists(folder: Path) -> bool:
    """Whether a folder holds a run."""
    return (folder / FILE).exists()


def save(
    folder: Path,
    module: nn.Module,
    optimizer: Optimizer,
    identity: Identity,
    step: int,
    validations: Mapping[int, float],
    buffers: bool = False,
) -> None:
    """Write the state after a step, atomically; `buffers`: with those of the module, see `Trainable`.

    Raises:
        InputError: if it cannot be written.
    """
    state = {
        "step": step,
        "network": trained_values(module, buffers),
        "optimizer": optimizer.state_dict(),
        "validations": validations,
        "identity": identity.values,
    }
    with atomic_write(folder / FILE) as temporary:
        torch.save(state, temporary)


def load(
    folder: Path,
    module: nn.Module,
    optimizer: Optimizer,
    identity: Identity,
    rewrite_log: bool,
    buffers: bool = False,
) -> tuple[int, dict[int, float]]:
    """Take over the state of a run into module and optimizer; its step and its validation scores are returned.

    Args:
        folder: Of the run.
        module, optimizer: As they were when the run was begun.
        identity: Settings; those that move weights must be those that the run was begun with.
        rewrite_log: Drop the lines of the log that lie past the step.
        buffers: As in `save`.

    Raises:
        InputError: if the file cannot be read, or is of another run.
    """
    file = folder / FILE
    check_regular(file)
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
        begun = dict(state["identity"])
    except Exception as error:  # torch raises many kinds for a damaged file
        raise _damaged(file, error) from None
    if name := identity.difference(begun):
        raise InputError(
            f"{folder} was begun with {name} = {begun.get(name)}, not {identity.values[name]}: "
            "resume with the same settings, or train in another folder"
        )
    try:
        weights, expected = state["network"], trained_values(module, buffers)
        if weights.keys() != expected.keys() or not all(value.isfinite().all() for value in weights.values()):
            raise ValueError("it lacks trained weights, or contains NaN")
        module.load_state_dict(weights, strict=False)
        optimizer.load_state_dict(state["optimizer"])
        step = int(state["step"])
        validations = {int(step): float(score) for step, score in state["validations"].items()}
    except Exception as error:  # as many kinds for what fits no such module or optimizer
        raise _damaged(file, error) from None
    if rewrite_log:
        keep_lines(folder / "log.jsonl", step)
    return step, validations


def _damaged(file: Path, error: Exception) -> InputError:
    reason = next(iter(str(error).splitlines()), type(error).__name__)
    return InputError(f"{file} cannot be read ({reason}): train in another folder")


def trained_values(module: nn.Module, buffers: bool) -> dict[str, Tensor]:
    """Name -> value of the parameters that training changes, and with `buffers` of all buffers."""
    values = {name: value.detach() for name, value in module.named_parameters() if value.requires_grad}
    return values | dict(module.named_buffers()) if buffers else values
