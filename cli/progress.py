"""What training and evaluation look like while they run."""

from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from cli.options import BadInput
from cli.printing import say
from episodes.names import for_terminal

if TYPE_CHECKING:
    from srpnet.logs import Progress as Logged


class Bars:
    """Bars with counts and the time left. Nothing is shown before the first update, so that an error stands alone."""

    def __init__(self, console: Console) -> None:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns, console=console)
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if self._tasks:
            self._progress.stop()

    def update(self, title: str, done: int, total: int) -> None:
        """Show how far a task has come."""
        if not self._tasks:
            self._progress.start()
        if title not in self._tasks:
            self._tasks[title] = self._progress.add_task(for_terminal(title))
        self._progress.update(self._tasks[title], completed=done, total=total)


class TrainingDisplay(Bars):
    """A bar for each phase, a line each logging step, and TensorBoard if a folder for it is given.

    Raises:
        BadInput: if TensorBoard is asked for and not installed.
    """

    def __init__(self, console: Console, tensorboard: Path | None = None) -> None:
        super().__init__(console)
        self._console = console
        self._folder = tensorboard
        self._writer: Any = None
        if tensorboard is not None and find_spec("tensorboard") is None:
            raise BadInput("TensorBoard is not installed: pip install tensorboard")

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        super().__exit__(kind, _, __)
        if self._writer is not None:
            self._writer.close()

    def say(self, line: str) -> None:
        """Print a line above the bars."""
        say(self._console, line)

    def log(self, phase: str, steps: int, logged: "Logged") -> None:
        """Show a logging step."""
        self.update({"select": "Choosing steps", "train": "Training"}[phase], logged.step, steps)
        line = (
            f"step {logged.step:>5}  loss {logged.loss:.3f}  query mIoU {100 * logged.query_miou:4.1f}  "
            f"support mIoU {100 * logged.support_miou:4.1f}  {logged.episodes_per_second:.1f} episodes/s"
        )
        if logged.validation is not None:
            line += f"  held-back classes {100 * logged.validation:.1f}"
        self.say(line)
        if self._folder is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = self._writer or SummaryWriter(self._folder)
            for name, value in logged._asdict().items():
                if name != "step" and value is not None:
                    self._writer.add_scalar(f"{phase}/{name}", value, logged.step)
