"""Builds data folders from the archives that data sets are published as."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from episodes.data.prepare.archives import Workshop
from episodes.data.prepare.coco import make_coco
from episodes.data.prepare.pascal import make_pascal
from episodes.data.source import OnProgress, silent
from episodes.files import expanded, locked

MAKERS: Mapping[str, Callable[[Workshop, Sequence[Path]], None]] = {"pascal": make_pascal, "coco": make_coco}
"""By the kind of the source that the folder will be."""


def build(kind: str, root: Path, given: Sequence[Path] = (), on_progress: OnProgress = silent) -> dict[str, int]:
    """Build a data folder, from the beginning or from where it was stopped.

    Args:
        kind: `pascal` or `coco`, see `make_pascal` and `make_coco`.
        root: The folder; empty, or one in which a build was stopped.
        given: Archives that are there already; the others are downloaded.
        on_progress: Told how far it is.

    Returns:
        How much of what there is.

    Raises:
        InputError: if the folder holds something else or is being built already, an archive cannot be had or is not the
            published one, or a file cannot be written.
    """
    with locked(expanded(root), "built"):
        workshop = Workshop(root, on_progress)
        if not workshop.ready:
            MAKERS[kind](workshop, given)
        return workshop.install()
