"""How far an evaluation is, for a person at a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from episodes.scoring.plans.workload import OnEpisode


@contextmanager
def bar(shown: bool = True, console: Console | None = None) -> Iterator[OnEpisode]:
    """A bar on the terminal with the time left, from the first episode on; nothing elsewhere, as in a log file.

    Args:
        shown: False shows nothing anywhere.
        console: Instead of the standard error stream.
    """
    console = console or Console(stderr=True)
    if not shown or not console.is_terminal:
        yield lambda done, total, share: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        work = progress.add_task("Evaluating", total=None, start=True)
        yield lambda done, total, share: progress.update(work, completed=done, total=total)
