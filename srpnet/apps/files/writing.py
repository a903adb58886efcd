"""Segmented photographs on their way to files: no two under one name, none over an example."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from episodes.data.source import Array
from episodes.errors import InputError
from episodes.names import alike
from srpnet.apps.files.outputs import output_paths, write_outputs


class Segmented(NamedTuple):
    """What `Segmenter.write_all` made of a photograph.

    Attributes:
        photograph: Its path.
        labels: The label map, uint8 (H, W).
        presence: See `Segmenter.presence`; None if it was not asked for, or the network has no threshold for it.
        probabilities: Of each class, float32 (N, H, W); None if nobody writes them.
    """

    photograph: Path
    labels: Array
    presence: NDArray[np.float32] | None
    probabilities: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Writing:
    """How photographs are written in one call of `Segmenter.write_all`, whose arguments these are."""

    folder: Path
    name: Callable[[Path], str]
    write_probabilities: Callable[[Path, NDArray[np.float32]], object] | None
    _taken: dict[str, Path] = field(default_factory=dict)

    def check(self, photograph: Path, examples: Collection[Path]) -> None:
        """See whether the files of a photograph can have their names.

        Raises:
            InputError: if those of another one have them, or an example.
        """
        name = self.name(photograph)
        if (other := self._taken.setdefault(alike(name), photograph)) != photograph:
            raise InputError(f"{other} and {photograph} would be written to the same file: rename one of them")
        for output in output_paths(self.folder, name):
            if output.resolve() in examples:
                raise InputError(f"{output} is an example and would be overwritten: name another folder")

    def write(self, photograph: Image.Image, segmented: Segmented, classes: int) -> Segmented:
        """Write all files of a photograph; what comes back has no probabilities any more.

        Raises:
            InputError: if a file cannot be written.
        """
        if self.write_probabilities is not None and segmented.probabilities is not None:
            self.write_probabilities(segmented.photograph, segmented.probabilities)
            segmented = segmented._replace(probabilities=None)
        write_outputs(self.folder, self.name(segmented.photograph), photograph, segmented.labels, classes)
        return segmented
