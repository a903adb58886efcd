"""Builds data folders from the archives that data sets are published as."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from episodes.data.prepare.archives import Workshop
from episodes.data.source import OnProgress, silent
from episodes.files import expanded, locked


def build(name: str, root: Path, given: Sequence[Path] = (), on_progress: OnProgress = silent) -> dict[str, int]:
    """Build a data folder, from the beginning or from where it was stopped.

    Args:
        name: Of a data set whose record names `archives`.
        root: The folder; empty, or one in which a build was stopped.
        given: Archives that are there already; the others are downloaded.
        on_progress: Called with the progress.

    Returns:
        How much of what there is.

    Raises:
        InputError: if the folder holds something else or is being built already, an archive cannot be had or is not the
            published one, or a file cannot be written.
    """
    with locked(expanded(root), "built"):
        workshop = Workshop(root, on_progress)
        if not workshop.ready:
            import_module(f"{__name__}.{name}").make(workshop, given)
        return workshop.install()
