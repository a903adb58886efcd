"""Batches, and the processes that load them, which may have no memory, fail to start, or be killed.

PyTorch's own answers are stack traces, and in some cases to wait for ever.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import active_children
from typing import Any, Protocol

from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from episodes.distributed import World
from episodes.errors import InputError

Item = tuple[Any, ...]
"""What is trained on, loaded: a named tuple, with tensors in it."""
Batch = list[Item | InputError]


class Indexed(Protocol):
    """Endless items by index, such as `episodes.EpisodeList`."""

    def __getitem__(self, index: int, /) -> Any: ...


class Items(Dataset[Item | InputError]):
    """The first so many items, for a DataLoader, each as `load` makes it.

    Bad input comes as a value: raised in a worker process it would arrive wrapped in a stack trace.
    """

    def __init__(self, items: Indexed, load: Callable[[Any], Item], count: int) -> None:
        self.items, self.load, self.count = items, load, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Item | InputError:
        try:
            return self.load(self.items[index])
        except InputError as error:
            return error


def shares(steps: Iterable[int], batch: int, world: World) -> Iterator[list[int]]:
    """For each step, lazily, the items of this process: its part of items step * batch .. (step + 1) * batch - 1.

    >>> list(shares(range(2, 4), batch=6, world=World(rank=1, size=3)))
    [[14, 15], [20, 21]]
    """
    share = batch // world.size
    firsts = (step * batch + world.rank * share for step in steps)
    return (list(range(first, first + share)) for first in firsts)


def handed_over(batch: Batch) -> Batch:
    """The `collate_fn` of a loader: a batch as it is, and in a worker in shared memory.

    The loader would move it there by itself, but in a thread whose errors nobody hears: without room in shared memory
    the parent would wait for ever. An error comes as a value, as from `Items`.
    """
    if get_worker_info() is None:
        return batch
    try:
        for item in batch:
            for value in () if isinstance(item, InputError) else item:
                if isinstance(value, Tensor):
                    value.share_memory_()
    except (OSError, RuntimeError) as error:
        return [_failed(f"have no shared memory ({_reason(error)})")]
    return batch


@contextmanager
def batches_of(loader: DataLoader[Item | InputError]) -> Iterator[Iterator[Batch]]:
    """The batches of a loader, whose workers end with the block, however that ends.

    Raises:
        InputError: if workers cannot start, or end before their time.
    """
    before = {child.pid for child in active_children()}
    try:
        batches: Any = iter(loader)
    except OSError as error:
        for child in active_children():  # those that did start ignore SIGTERM, and would be waited for at the end
            if child.pid not in before:
                child.kill()
        raise _failed(f"cannot be started ({error})") from None
    try:
        with _noticed():
            yield _received(batches) if loader.num_workers else batches
    finally:
        # Done when nothing refers to it, but a traceback does: as workers ignore SIGTERM, Python would wait for them.
        if hasattr(batches, "_shutdown_workers"):
            batches._shutdown_workers()


def _received(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Batches; a worker that dies while it hands one over is noticed here."""
    while True:
        try:
            batch = next(batches)
        except StopIteration:
            return
        except (EOFError, OSError, RuntimeError) as error:
            if str(error).startswith("Caught "):  # raised inside a worker, by our own code
                raise
            raise _failed(f"ended unexpectedly ({_reason(error)})") from None
        yield batch


@contextmanager
def _noticed() -> Iterator[None]:
    """Within it PyTorch notices by a signal that a worker has died, and raises wherever that comes."""
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        raise _failed(f"ended unexpectedly ({_reason(error)})") from None


def _failed(what: str) -> InputError:
    fix = "give them more memory (of a container: --shm-size=1g), or use fewer `workers`; 0 needs none"
    return InputError(f"the processes that load photographs {what}: {fix}")


def _reason(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
