"""What training and evaluation look like while they run."""

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from episodes.errors import InputError

if TYPE_CHECKING:
    from srpnet.training import Progress as Logged


def progress_bar(console: Console) -> Progress:
    """A bar with a description, counts and the time left."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console)


class TrainingDisplay:
    """A bar with the time left, a line each logging step, and TensorBoard if a folder for it is given.

    Raises:
        InputError: if TensorBoard is asked for and not installed.
    """

    def __init__(self, console: Console, tensorboard: Path | None = None) -> None:
        self._console = console
        self._bar = progress_bar(console)
        self._tasks: dict[str, Any] = {}
        self._writer: Any = None
        if tensorboard is not None:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                raise InputError("TensorBoard is not installed: pip install 'srpnet[tensorboard]'") from None
            self._writer = SummaryWriter(tensorboard)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self._bar.stop()
        if self._writer is not None:
            self._writer.close()

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self._console.print(line, highlight=False, soft_wrap=True, markup=False)

    def log(self, phase: str, steps: int, logged: "Logged") -> None:
        """Show a logging step."""
        if phase not in self._tasks:
            self._tasks[phase] = self._bar.add_task(
                {"select": "Choosing steps", "train": "Training"}[phase], total=steps
            )
        self._bar.update(self._tasks[phase], completed=logged.step)
        line = (
            f"step {logged.step:>5}  loss {logged.loss:.3f}  query mIoU {100 * logged.query_miou:4.1f}  "
            f"support mIoU {100 * logged.support_miou:4.1f}  {logged.episodes_per_second:.1f} episodes/s"
        )
        if logged.validation is not None:
            line += f"  held-back classes {100 * logged.validation:.1f}"
        self.say(line)
        if self._writer is not None:
            for name, value in logged._asdict().items():
                if name != "step" and value is not None:
                    self._writer.add_scalar(f"{phase}/{name}", value, logged.step)
