"""The processes that share a piece of work, as torchrun starts them: who one is, and how all add, gather and agree."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch import distributed as dist
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from episodes.errors import InputError
from episodes.files import locked

T = TypeVar("T")

PATIENCE = timedelta(days=1)
"""How long one process waits for another, which may be counting classes or scoring the last episodes. Those whose peer
has died do not wait: torchrun ends them."""


@dataclass(frozen=True)
class World:
    """One process among those that share a piece of work; `World()` is alone.

    Every process must call the methods below in the same order, or all would wait. They talk over the CPU (gloo), also
    where gradients travel between GPUs (NCCL): what they carry is small.

    Attributes:
        rank: This process, 0..size-1. Rank 0 prints and writes files.
        size: How many processes there are.
        local_rank: This process among those of its machine, from 0 on.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def first(self) -> bool:
        """Whether this process is the one that prints and writes files."""
        return self.rank == 0

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all processes of a tensor of one shape and type, on this process's device.

        It is the tensor itself when alone, and a new one otherwise; gradients do not flow through it.
        """
        if self.size == 1:
            return tensor
        total = tensor.detach().to("cpu", copy=True)
        dist.all_reduce(total)
        return total.to(tensor.device)

    def gather(self, value: T) -> list[T] | None:
        """Every process's value in order of rank, on rank 0; None elsewhere. Anything that can be pickled."""
        if self.size == 1:
            return [value]
        values: list[T] | None = [value] * self.size if self.first else None
        dist.gather_object(value, values)
        return values

    def check_same(self, facts: Mapping[str, Any]) -> None:
        """See that all processes say the same of what they are about to do together: machines may differ.

        Raises:
            InputError: in all of them, if not; it names the first difference.
        """
        error = None
        for rank, other in enumerate(self.gather(dict(facts)) or []):
            for name, value in facts.items():
                if error is None and other.get(name) != value:
                    error = InputError(
                        f"process {rank} has {name} = {other.get(name)}, and the first one {value}: "
                        "give all the same data, weights and settings"
                    )
        self.agree(error)

    def any(self, flag: bool) -> bool:
        """Whether any process says so: a decision that all share."""
        return bool(self.sum(torch.tensor(int(flag))))

    def agree(self, error: InputError | None) -> None:
        """Fail together: go on if no process has an error, else raise the lowest rank's on all of them.

        Raises:
            InputError: that one.
        """
        if not self.any(error is not None):
            return
        errors = [error] * self.size
        if self.size > 1:
            dist.all_gather_object(errors, error)
        raise next(error for error in errors if error is not None)

    @contextmanager
    def together(self) -> Iterator[None]:
        """A block that all run, each on its own, and whose errors they share as in `agree`.

        An error that is no InputError goes on as it is in its own process. The block must call no method of the world.
        """
        error = None
        try:
            yield
        except InputError as own:
            error = own
        except Exception as own:
            with suppress(InputError):
                self.agree(InputError(f"process {self.rank} failed: {own!r}"))
            raise
        self.agree(error)

    @contextmanager
    def first_alone(self) -> Iterator[None]:
        """`together`, but on each machine one process goes first, and the others find what it left in the cache."""
        if self.local_rank > 0:
            self.agree(None)
        with self.together():
            yield
        if self.local_rank == 0:
            self.agree(None)

    @contextmanager
    def locked(self, folder: Path, what: str) -> Iterator[None]:
        """Keep a folder for these processes during the block: the first one holds it, see `files.locked`.

        Raises:
            InputError: in all of them, if somebody else uses it.
        """
        with ExitStack() as held:
            with self.together():
                if self.first:
                    held.enter_context(locked(folder, what))
            yield


ALONE = World()
"""The only process there is."""


@contextmanager
def joined() -> Iterator[World]:
    """The world that torchrun's environment describes, joined for the block and left at its end.

    Without that environment, or with a single process in it, it is `ALONE`.

    Raises:
        InputError: if the other processes cannot be reached.
    """
    if not all(name in os.environ for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")):
        yield ALONE
        return
    world = World(*(int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")))
    if world.size == 1:
        yield ALONE
        return
    try:
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        store = _meeting_place(world)
        dist.init_process_group(backend, store=store, rank=world.rank, world_size=world.size, timeout=PATIENCE)
    except (ValueError, RuntimeError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"process {world.rank} of {world.size} cannot reach the others ({reason})") from None
    try:
        yield world
    finally:
        dist.destroy_process_group()


def _meeting_place(world: World) -> Store:
    """Where the processes find each other's addresses.

    torchrun may keep one store for all attempts of a launch, where a restarted process would find the address of one
    that was killed (github.com/pytorch/pytorch/issues/135712), so each attempt has a corner of its own. It counts the
    attempts of one machine: among several, torchrun must be told to keep none, see docs/many-machines.md.
    """
    store, _, _ = next(rendezvous("env://", world.rank, world.size))
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") if os.environ.get("GROUP_WORLD_SIZE") == "1" else "0"
    return PrefixStore(f"attempt {attempt}", store)
