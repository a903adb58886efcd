"""Which launch of torchrun began a run: its restarted workers go on with that run without being told to."""

import os
from pathlib import Path

from episodes.distributed import World
from episodes.files import write_text

MARK = "launch"


def begin(folder: Path, world: World) -> None:
    """Note in a run's folder that this launch began it, before anything else is written there.

    Raises:
        InputError: in all processes, if it cannot be written.
    """
    with world.together():
        if world.first and (launch := _launch()):
            write_text(folder / MARK, launch + "\n")


def restarted(folder: Path, world: World) -> bool:
    """Whether torchrun restarted the processes, and this very launch began the run in the folder.

    A first attempt that was refused, because the folder holds a run of somebody else, is restarted as well.
    """
    # torchrun counts on each machine only the restarts that began there.
    again = world.any(int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0)
    return again and world.any(world.first and _mark(folder) == _launch())


def _launch() -> str | None:
    """The name that torchrun gives a launch; None if it has none of its own."""
    name = os.environ.get("TORCHELASTIC_RUN_ID", "none")
    return None if name == "none" else name  # torchrun's default for launches that it gives no name


def _mark(folder: Path) -> str:
    try:
        return (folder / MARK).read_text(encoding="utf-8").strip()
    except OSError:
        return ""
