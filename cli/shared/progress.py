"""How far long work is: bars on a terminal, and elsewhere a plain line every few seconds."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from cli.shared.options import BadInput
from cli.shared.printing import say
from episodes.names import for_terminal

if TYPE_CHECKING:
    from srpnet.training.log import Progress as Logged

EVERY = 4.0
"""Seconds between two plain lines; where one piece of work follows another, twice as many may pass."""
EPISODE = 0.25
"""What it takes to train a head on an episode whose features are there, in photographs that are encoded, about."""


class Work:
    """One piece of long work: how far it is, and how long the rest may take, by its rate until now."""

    def __init__(self, title: str, done: int, total: int, share: float) -> None:
        self.title = title
        self._begun, self._share_at_first = time.monotonic(), share
        self.update(done, total, share)

    def update(self, done: int, total: int, share: float) -> None:
        """`share` is the part of all the work that is done: not `done / total` where some of it takes longer."""
        self.done, self.total, self._share = done, total, share
        spent, gained = time.monotonic() - self._begun, share - self._share_at_first
        self.seconds_left = spent * (1 - share) / gained if gained > 0 else None

    @property
    def finished(self) -> bool:
        """Whether nothing is left."""
        return self.done >= self.total

    @property
    def left(self) -> str:
        """How long the rest may take, in words; empty where nothing is known or nothing is left."""
        if self.seconds_left is None or self.finished:
            return ""
        return f"about {duration(self.seconds_left)} left"

    def __str__(self) -> str:
        return ", ".join(filter(None, (f"{self.title} {self.done}/{self.total}", self.left)))


class Bars:
    """How far each piece of long work is.

    On a terminal these are bars, and nothing is shown before the first update, so that an error stands alone. Elsewhere
    a thread prints a plain line every few seconds, also while nothing is heard of the work.
    """

    def __init__(self, console: Console, title: str = "Preparing", every: float = EVERY) -> None:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=16),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}"),
        )
        self._progress = Progress(*columns, console=console)
        self._tasks: dict[str, TaskID] = {}
        self._works: dict[str, Work] = {}
        self._lines = None if console.is_terminal or console.quiet else Lines(console, title, every)

    def __enter__(self) -> Self:
        if self._lines is not None:
            self._lines.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if self._lines is not None:
            self._lines.stop()
        elif self._tasks:
            self._progress.stop()

    def update(self, title: str, done: int, total: int, share: float | None = None) -> None:
        """Show how far a piece of work is, and perhaps which share of its time has passed: else `done / total`."""
        share = done / max(total, 1) if share is None else share
        work = self._works.get(title)
        if work is None or done < work.done:  # it begins, perhaps again
            work = self._works[title] = Work(title, done, total, share)
        else:
            work.update(done, total, share)
        if self._lines is not None:
            self._lines.show(work)
        else:
            self._draw(work)

    def _draw(self, work: Work) -> None:
        if not self._tasks:
            self._progress.start()
        if work.title not in self._tasks:
            self._tasks[work.title] = self._progress.add_task(for_terminal(work.title), left="")
        self._progress.update(self._tasks[work.title], completed=work.done, total=work.total, left=work.left)


class Lines:
    """Prints the latest news every few seconds, from a thread: a silent minute looks like a standstill."""

    def __init__(self, console: Console, title: str, every: float) -> None:
        self._console, self._title, self._every = console, title, every
        self._begun = time.monotonic()
        self._work: Work | None = None
        self._printed = ""
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="progress", daemon=True)

    def start(self) -> None:
        """Begin to print, in a few seconds."""
        self._thread.start()

    def stop(self) -> None:
        """Print how it ended."""
        self._stopped.set()
        self._thread.join()
        self._finish()

    def show(self, work: Work) -> None:
        """Take news of a piece of work. The end of the one before is told at once."""
        if self._work is not work:
            self._finish()
        self._work = work

    def _run(self) -> None:
        while not self._stopped.wait(self._every):
            self._print(self._now())

    def _now(self) -> str:
        if self._work is None:
            return f"{self._title}, {duration(time.monotonic() - self._begun)} so far"
        line = str(self._work)
        return f"{line}, finishing" if self._work.finished and self._printed.startswith(line) else line

    def _finish(self) -> None:
        if self._work is not None and not self._printed.startswith(str(self._work)):
            self._print(str(self._work))

    def _print(self, line: str) -> None:
        self._printed = line
        say(self._console, line)


class TrainingDisplay(Bars):
    """A bar for each phase, a line each logging step, and TensorBoard if a folder for it is given.

    Args:
        console: Where.
        tensorboard: The folder.
        episodes: How many are trained on, so that the time left is that of the whole while features are computed.

    Raises:
        BadInput: if TensorBoard is asked for and not installed.
    """

    def __init__(self, console: Console, tensorboard: Path | None = None, episodes: int = 0) -> None:
        super().__init__(console)
        self._episodes = episodes
        self._console = console
        self._folder = tensorboard
        self._writer: Any = None
        if tensorboard is not None and find_spec("tensorboard") is None:
            raise BadInput("TensorBoard is not installed: pip install tensorboard")

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        super().__exit__(kind, _, __)
        if self._writer is not None:
            self._writer.close()

    def update(self, title: str, done: int, total: int, share: float | None = None) -> None:
        """Show how far a phase is; see `Bars`."""
        if title == "Computing features":
            share = done / (total + EPISODE * self._episodes)
        super().update(title, done, total, share)

    def say(self, line: str) -> None:
        """Print a line above the bars."""
        say(self._console, line)

    def log(self, phase: str, _: int, logged: "Logged") -> None:
        """Show a logging step."""
        figures = logged.figures
        line = (
            f"step {logged.step:>5}  loss {figures['loss']:.3f}  query mIoU {100 * figures['query_miou']:4.1f}  "
            f"support mIoU {100 * figures['support_miou']:4.1f}  {figures['episodes_per_second']:.1f} episodes/s"
        )
        if logged.validation is not None:
            line += f"  held-back classes {100 * logged.validation:.1f}"
        self.say(line)
        self.record(phase, logged)

    def record(self, phase: str, logged: "Logged") -> None:
        """Hand a logging step to TensorBoard, if a folder for it is given."""
        if self._folder is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = self._writer or SummaryWriter(self._folder)
            for name, value in (*logged.figures.items(), ("validation", logged.validation)):
                if value is not None:
                    self._writer.add_scalar(f"{phase}/{name}", value, logged.step)


@contextmanager
def waiting(console: Console, title: str, every: float = EVERY) -> Iterator[None]:
    """Show that something takes its time which nobody can tell the end of."""
    if console.is_terminal:
        with console.status(title):
            yield
    else:
        with Bars(console, title, every):
            yield


def duration(seconds: float) -> str:
    """About how long, in words.

    >>> [duration(seconds) for seconds in (0.2, 12, 47, 100, 3000, 9000)]
    ['1 s', '12 s', '45 s', '2 min', '50 min', '2.5 h']
    """
    if seconds < 30:
        return f"{max(1, round(seconds))} s"
    if seconds < 90:
        return f"{5 * round(seconds / 5)} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
