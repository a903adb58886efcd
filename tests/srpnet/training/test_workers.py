"""Processes that load photographs, and have no memory, cannot start or die: one line, and nobody waits."""

import os
import resource
import signal
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import active_children
from typing import Any

import pytest
from torch.utils.data import get_worker_info

from episodes.errors import InputError
from episodes.fewshot.episode import Episode
from tests.srpnet.runs import Begin

pytestmark = pytest.mark.skipif(os.name != "posix", reason="limits and signals of POSIX")


def no_shared_memory() -> None:
    """What a small /dev/shm does: shared memory is a file that may not grow."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))


@dataclass(frozen=True)
class Troubled:
    """Episodes that are loaded in trouble from the third on."""

    episodes: Any
    trouble: Callable[[], None]

    def __getitem__(self, index: int) -> Episode:
        if index >= 2 and get_worker_info() is not None:
            self.trouble()
        episode: Episode = self.episodes[index]
        return episode


@pytest.mark.parametrize(
    ("trouble", "complaint"),
    [
        (no_shared_memory, "load photographs have no shared memory .*--shm-size=1g.*`workers`"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "load photographs ended unexpectedly .*`workers`"),
    ],
)
@pytest.mark.parametrize("workers", [1, 2])
def test_workers_in_trouble(
    begin: Begin, episodes: Any, trouble: Callable[[], None], complaint: str, workers: int
) -> None:
    run = begin(steps=6, batch=1, workers=workers)
    with pytest.raises(InputError, match=complaint):
        run.train(Troubled(episodes, trouble))
    assert active_children() == []


def test_workers_that_cannot_start(begin: Begin, episodes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise BlockingIOError("Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refuse)
    with pytest.raises(InputError, match=r"cannot be started \(Resource temporarily unavailable\).*0 needs none"):
        begin(workers=2).train(episodes)
    begin("alone", workers=0).train(episodes)


def test_an_error_of_our_own_in_a_worker_stays_what_it_is(begin: Begin, episodes: Any) -> None:
    def bug() -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        begin(steps=6, batch=1, workers=1).train(Troubled(episodes, bug))
