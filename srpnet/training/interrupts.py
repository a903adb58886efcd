"""Stopping a training run between two steps, when it is asked to."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch.distributed import is_torchelastic_launched

ALWAYS = (signal.SIGINT, signal.SIGTERM)
SIGNALS = (*ALWAYS, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))
"""Windows has no SIGHUP, which is sent when a terminal closes."""


class Interrupted(Exception):
    """Training was asked to stop and has saved its state."""

    def __init__(self, step: int) -> None:
        super().__init__(f"stopped after step {step}")
        self.step = step


def leave_signals_to_the_parent(_: int) -> None:
    """For a loader's process: a terminal and most job schedulers signal the whole group, and the parent decides."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def stop_requested() -> Iterator[Callable[[], bool]]:
    """Within it, the first Ctrl-C, SIGTERM or SIGHUP only asks to stop, and a second one interrupts at once.

    A SIGHUP that is ignored, as under nohup, stays ignored.

    Under torchrun every signal only asks: it passes on what it hears itself, so that one signal to all processes of a
    job comes twice. It also ends whoever takes longer than its --shutdown-timeout.
    """
    requested = False

    def ask(number: int, _: Any) -> None:
        nonlocal requested
        requested = True
        if not is_torchelastic_launched():
            signal.signal(number, before[signal.Signals(number)])

    try:
        heard = [number for number in SIGNALS if number in ALWAYS or signal.getsignal(number) != signal.SIG_IGN]
        before = {number: signal.signal(number, ask) for number in heard}
    except ValueError:  # signals belong to the main thread; elsewhere nobody can press Ctrl-C
        yield lambda: False
        return
    try:
        yield lambda: requested
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
