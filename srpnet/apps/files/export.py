"""What was found in the formats of other tools: a folder for each format, beside the masks and made of them."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from episodes.data.formats import FORMATS, ExportSettings, Marked
from episodes.data.formats.masks import probability_path, write_probability
from episodes.data.pictures.images import open_picture
from episodes.data.source import Array
from episodes.errors import InputError
from episodes.files import atomic_write, check_folder
from episodes.names import alike
from srpnet.apps.files.outputs import mask_path
from srpnet.apps.files.photographs import Photograph

PROBABILITY = "probability"


@dataclass(frozen=True)
class Export:
    """Which formats are written where, and how.

    Attributes:
        out: The folder of the masks; each format has a folder of its name in it.
        formats: Names of `FORMATS`.
        settings: How label maps become annotations.
        copies: Copy the photographs to `images` in each folder, which is then a data set of its own.
    """

    out: Path
    formats: Sequence[str]
    settings: ExportSettings
    copies: bool = False

    def check(self, photographs: Sequence[Photograph]) -> None:
        """See whether all can be written, before anything is segmented.

        Raises:
            InputError: if two photographs would have one name, or a folder cannot be written to.
        """
        taken: dict[str, Path] = {}
        for photograph in photographs if self.formats else ():
            stem = str(PurePosixPath(self.name_of(photograph)).with_suffix(""))
            if (other := taken.setdefault(alike(stem), photograph.path)) != photograph.path:
                raise InputError(
                    f"annotations of {other} and {photograph.path} would be one file: rename one, or use "
                    "`with_photographs`"
                )
        for format in self.formats:
            check_folder(self.out / format)

    def name_of(self, photograph: Photograph) -> str:
        """What a photograph is called in annotations: its path below the folder that was named, or that of the copy."""
        if self.copies:
            return f"images/{Path(photograph.name).as_posix()}{photograph.path.suffix}"
        return (Path(photograph.name).parent / photograph.path.name).as_posix()

    def has_probabilities(self, photograph: Photograph, names: Sequence[str]) -> bool:
        """Whether those that are asked for are there: they cannot be made of a mask."""
        return PROBABILITY not in self.formats or all(self._probability(photograph, name).is_file() for name in names)

    def write_probabilities(
        self, photograph: Photograph, names: Sequence[str], probabilities_NHW: NDArray[np.float32]
    ) -> None:
        """A picture for each class."""
        for name, probability in zip(names, probabilities_NHW, strict=True):
            write_probability(self._probability(photograph, name), probability, name)

    def write(
        self, photographs: Sequence[Photograph], names: Sequence[str], on_progress: Callable[[str, int, int], None]
    ) -> list[Path]:
        """Write every format anew from the masks of these photographs; the folders that were written.

        Args:
            photographs: Those that have a mask.
            names: Of the classes.
            on_progress: Called with the title, how many are done, and how many there are.

        Raises:
            InputError: if a file cannot be written, or a mask not be read.
        """
        folders = []
        for format in self.formats:
            folder, record = self.out / format, FORMATS[format]
            if self.copies:
                for photograph in photographs:
                    _copy(photograph.path, folder / self.name_of(photograph))
            if record.write is not None:
                marked = self._marked(photographs, len(names), f"Writing {format}", on_progress)
                record.write(folder, names, marked, self.settings)
            folders.append(folder)
        return folders

    def _marked(
        self,
        photographs: Sequence[Photograph],
        classes: int,
        title: str,
        on_progress: Callable[[str, int, int], None],
    ) -> Iterator[Marked]:
        for done, photograph in enumerate(photographs, start=1):
            yield Marked(self.name_of(photograph), read_labels(mask_path(self.out, photograph.name), classes))
            on_progress(title, done, len(photographs))

    def _probability(self, photograph: Photograph, name: str) -> Path:
        return probability_path(self.out / PROBABILITY, name, self.name_of(photograph))


def read_labels(mask: Path, classes: int) -> Array:
    """The label map (H, W) of a mask that `write_mask` wrote."""
    values = np.array(open_picture(mask).convert("L"))
    return (values == 255).astype(np.uint8) if classes == 1 else values


def _copy(photograph: Path, target: Path) -> None:
    try:
        with atomic_write(target) as temporary:
            shutil.copyfile(photograph, temporary)
    except OSError as error:
        raise InputError(f"{photograph} cannot be copied to {target} ({error.strerror}): free disk space") from None
