"""The training loop. It knows no method: a `Trainable` says what is learned, from what, and by which loss."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from episodes.distributed import ALONE, World
from episodes.errors import InputError
from srpnet.training import state
from srpnet.training.interrupts import Interrupted, leave_signals_to_the_parent, stop_requested
from srpnet.training.log import Meter, Progress, append_line
from srpnet.training.optimizer import OPTIMIZERS, lr_factor
from srpnet.training.settings import LoopSettings
from srpnet.training.workers import Indexed, Item, Items, batches_of, handed_over, shares


class Losses(NamedTuple):
    """The losses of a forward pass over E items.

    Attributes:
        total: (E,) What is minimized: its mean over the items of a batch.
        logged: Figures for the log, by name, `loss` first: losses (E,), of which it takes the mean, and rows (R, 4)
            int64 of a label and its true positives, false positives and false negatives, of which it takes the mean
            IoU.
    """

    total: Tensor
    logged: Mapping[str, Tensor]


class Trainable(ABC):
    """What the loop trains.

    Attributes:
        module: What is learned: those of its parameters that require a gradient, which are saved by name.
        settings: How it is trained.
        unit: What an item is, in the log.
        buffers: Whether training changes buffers of the module, as BatchNorm's running statistics, if it is not frozen.
    """

    module: nn.Module
    settings: LoopSettings
    unit = "items"
    buffers = False

    @abstractmethod
    def identity(self) -> Mapping[str, Any]:
        """What must be the same to resume a run: dataclasses of settings by name, `training` among them."""

    @abstractmethod
    def groups(self) -> list[dict[str, Any]]:
        """Groups of parameters for the optimizer: `params`, and their largest learning rate as `peak`.

        Raises:
            InputError: if there is nothing to learn.
        """

    @staticmethod
    @abstractmethod
    def load(item: Any, /) -> Item:
        """Make a named tuple, with tensors on the CPU, of an item. Called in the processes that load photographs."""

    @abstractmethod
    def losses(self, batch: Sequence[Any], /) -> Losses:
        """A forward pass over some items that are loaded."""

    @abstractmethod
    def write(self, folder: Path, /) -> None:
        """Write what can be used later, each file atomically."""


T = TypeVar("T", bound=Trainable)


class TrainingRun(Generic[T]):
    """A training run in a folder, with all that is needed to resume it.

    The folder holds what the trainable writes, `training.pt` (weights, optimizer and step, for resuming) and
    `log.jsonl`. Each is written atomically, so that a kill at any moment leaves a folder that loads; the first are
    written before step 1.

    Several processes train together: each learns from its share of every batch, and a failure or a wish to stop is
    shared by all. Only the first writes, into a folder that all must be able to read to resume.

    Args:
        trainable: What is trained, in place, and how.
        folder: Of the run.
        schedule_steps: Length of the learning-rate schedule; `settings.steps` if None. A run may stop before its end.
        resume: Go on from `training.pt`, if it is there.
        identity: What else, beside the trainable's own, must be the same to resume: settings, as a dataclass or a
            mapping.
        world: The processes that train; a run may be resumed with another number of them.

    Raises:
        InputError: if nothing is trainable, `training.pt` cannot be read or is of another run, or the processes do
            not divide the batch.
    """

    def __init__(
        self,
        trainable: T,
        folder: Path,
        schedule_steps: int | None = None,
        resume: bool = False,
        identity: Any = None,
        world: World = ALONE,
    ) -> None:
        settings = trainable.settings
        settings.share(world.size)
        self.trainable, self.settings, self.folder, self.world = trainable, settings, folder, world
        self.schedule_steps = schedule_steps or settings.steps
        self.identity = state.Identity.of(identity or {}, trainable.identity(), {"schedule_steps": self.schedule_steps})
        shared = self.identity.values.keys() - self.identity.local
        world.check_same({name: value for name, value in self.identity.values.items() if name in shared})
        self.step = 0
        self.validations: dict[int, float] = {}
        self.optimizer = OPTIMIZERS[settings.optimizer](trainable.groups(), settings)
        if resume and world.any(world.first and state.exists(folder)):
            with world.together():
                self.step, self.validations = state.load(
                    folder, trainable.module, self.optimizer, self.identity, world.first, trainable.buffers
                )
            world.check_same({"the step to go on from": self.step})  # an --out that is not shared may hold an old copy
        else:
            self.save()
        losses = _Losses(trainable)
        # It starts all processes from the first one's weights.
        self._losses: Any = DistributedDataParallel(losses) if world.size > 1 else losses

    def train(
        self,
        items: Indexed,
        on_log: Callable[[Progress], None] = lambda _: None,
        validate: Callable[[], float] | None = None,
        on_step: Callable[[int, int], None] = lambda *_: None,
    ) -> None:
        """Train up to `settings.steps`.

        Args:
            items: Step s takes items s * batch .. (s + 1) * batch - 1, whatever was done before.
            on_log: Called every `log_every` steps, and on validation steps, in the first process.
            validate: Scores what was learned so far on data that are held back; the results are kept in `validations`.
                It must say the same in all processes.
            on_step: Called before the first step, and after each, with the number of steps done, and of all.

        Raises:
            InputError: if an item cannot be loaded or learned from, or training diverges.
            Interrupted: after Ctrl-C, SIGTERM or SIGHUP to any process, when the step is done and saved.
        """
        settings, world, module = self.settings, self.world, self.trainable.module
        meter = Meter(world, self.trainable.unit)
        on_step(self.step, settings.steps)
        module.train()
        with stop_requested() as stopping, batches_of(self._loader(items)) as batches:
            for batch in batches:
                world.agree(next((bad for bad in batch if isinstance(bad, InputError)), None))

                factor = lr_factor(self.step, settings, self.schedule_steps)
                for group in self.optimizer.param_groups:
                    group["lr"] = group["peak"] * factor
                self.optimizer.zero_grad(set_to_none=True)
                for part, exchange in self._parts(batch):
                    with exchange:
                        with world.together():
                            losses = self._losses(part)
                            if not losses.total.isfinite().all():
                                raise self._diverged("loss")
                        (losses.total.sum() / len(batch)).backward()
                    meter.add(len(part), losses.logged)
                # Gradients are now the mean over all processes, whose shares are equal: the same in each from here on.
                norm = nn.utils.clip_grad_norm_(module.parameters(), settings.clip or math.inf)
                if not norm.isfinite():
                    raise self._diverged("gradient")
                self.optimizer.step()
                self.step += 1
                on_step(self.step, settings.steps)

                last, score = self.step == settings.steps, None
                if validate is not None and (last or self.step % settings.validate_every == 0):
                    score = self.validations[self.step] = validate()
                    module.train()
                # The log first: its lines past the saved step are dropped on resuming, and then written again.
                if last or score is not None or self.step % settings.log_every == 0:
                    progress = meter.read(self.step, settings.lr * factor, score)
                    with world.together():
                        if world.first:
                            append_line(self.folder / "log.jsonl", progress)
                            on_log(progress)
                    meter = Meter(world, self.trainable.unit)
                stop = world.any(stopping())
                if last or stop or score is not None or self.step % settings.save_every == 0:
                    self.save()
                if stop:
                    raise Interrupted(self.step)

    def save(self) -> None:
        """Write the folder as it is after this step.

        Raises:
            InputError: in all processes, if it cannot be written.
        """
        with self.world.together():
            if self.world.first:
                if self.step == 0:
                    (self.folder / "log.jsonl").unlink(missing_ok=True)
                trainable = self.trainable
                trainable.write(self.folder)
                state.save(
                    self.folder,
                    trainable.module,
                    self.optimizer,
                    self.identity,
                    self.step,
                    self.validations,
                    trainable.buffers,
                )

    def _loader(self, items: Indexed) -> DataLoader[Any]:
        """This process's share of the batches of the steps that are left."""
        settings = self.settings
        return DataLoader(
            Items(items, self.trainable.load, settings.steps * settings.batch),
            batch_sampler=shares(range(self.step, settings.steps), settings.batch, self.world),
            collate_fn=handed_over,
            num_workers=settings.workers,
            worker_init_fn=leave_signals_to_the_parent,
            generator=torch.Generator(),  # else the loader draws a seed for its workers from the global state
            pin_memory=next(self.trainable.module.parameters()).device.type == "cuda",
        )

    def _parts(self, batch: Sequence[Any]) -> Iterator[tuple[Sequence[Any], AbstractContextManager[None]]]:
        """What each backward pass of a step learns from. Gradients travel between processes once, in the last pass."""
        size = len(batch) // self.settings.accumulate
        for start in range(0, len(batch), size):
            exchanged = self.world.size == 1 or start + size == len(batch)
            yield batch[start : start + size], nullcontext() if exchanged else self._losses.no_sync()

    def _diverged(self, what: str) -> InputError:
        return InputError(f"the {what} of step {self.step + 1} is NaN or infinite: try a lower `lr`")


class _Losses(nn.Module):
    """The losses as the forward pass of a module, to which DistributedDataParallel adds its exchange of gradients."""

    def __init__(self, trainable: Trainable) -> None:
        super().__init__()
        self.module, self._trainable = trainable.module, trainable

    def forward(self, batch: Sequence[Any]) -> Losses:
        return self._trainable.losses(batch)


def best_step(validations: Mapping[int, float]) -> int:
    """The earliest step with the highest validation score; NaN is the lowest.

    >>> best_step({100: math.nan, 200: 0.7, 300: 0.7})
    200
    """
    return max(sorted(validations), key=lambda step: -math.inf if math.isnan(validations[step]) else validations[step])
