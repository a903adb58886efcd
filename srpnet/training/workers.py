"""Processes that load photographs: what becomes of a run when they have no memory, cannot start, or are killed.

PyTorch's own answers are stack traces, and in some cases to wait for ever.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import active_children
from typing import Any

from torch import Tensor
from torch.utils.data import DataLoader, get_worker_info

from episodes.errors import InputError
from srpnet.fewshot.batches import EpisodeTensors

Batch = list[EpisodeTensors | InputError]


def handed_over(batch: Batch) -> Batch:
    """The `collate_fn` of a loader: a batch as it is, and in a worker in shared memory.

    The loader would move it there by itself, but in a thread whose errors nobody hears: without room in shared memory
    the parent would wait for ever. An error comes as a value, as from `EpisodeDataset`.
    """
    if get_worker_info() is None:
        return batch
    try:
        for episode in batch:
            for value in () if isinstance(episode, InputError) else episode:
                if isinstance(value, Tensor):
                    value.share_memory_()
    except (OSError, RuntimeError) as error:
        return [_failed(f"have no shared memory ({_reason(error)})")]
    return batch


@contextmanager
def batches_of(loader: DataLoader[EpisodeTensors | InputError]) -> Iterator[Iterator[Batch]]:
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
            raise _failed(f"ended before their time ({_reason(error)})") from None
        yield batch


@contextmanager
def _noticed() -> Iterator[None]:
    """Within it PyTorch notices by a signal that a worker has died, and raises wherever that comes."""
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        raise _failed(f"ended before their time ({_reason(error)})") from None


def _failed(what: str) -> InputError:
    mend = "give them more memory (of a container: --shm-size=1g), or use fewer --workers; 0 needs none"
    return InputError(f"the processes that load photographs {what}: {mend}")


def _reason(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
