"""Label maps that other code wrote for a manifest, as a method to be scored."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from episodes.data.source import IGNORE
from episodes.errors import InputError
from episodes.fewshot.episode import Episode
from episodes.inputs import check_regular

WRONG = "wrong"
"""The folder of label maps under wrong supports."""


class Predictions:
    """A folder of `{index:06d}_{query}.png`: the episode's index, then the query's place in it, from 0.

    Each is a greyscale or palette PNG of the photograph's own size: 0 background, 1..N the ways, and 255 only where the
    truth is 255 too, since no method may choose which pixels count. Where a protocol compares at another size, the
    label map is brought to it as the truth is, by the nearest pixel. Those under wrong supports are in its folder
    `wrong`.

    Args:
        folder: With a label map for every query of the manifest.

    Raises:
        InputError: if it is not a folder.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise InputError(f"there is no folder {folder}: name the one with the label maps")
        self.folder = folder

    def __call__(self, episode: Episode) -> Sequence[Tensor]:
        """The label maps of an episode.

        Raises:
            InputError: if one is not there, is not a label map of the photograph's size, or holds another label.
        """
        maps = []
        folder = self.folder if episode.target is None else self.folder / WRONG
        for number, query in enumerate(episode.queries()):
            file = folder / f"{episode.spec.index:06d}_{number}.png"
            labels = _read(file, query.placement.original, len(episode.spec.classes))
            predicted = labels if episode.score_at == "original" else query.placement.labels(labels)
            unsaid = predicted == IGNORE
            if (unsaid & (episode.truth(query) != IGNORE)).any():
                raise InputError(f"{file} holds 255 where the truth does not: write 0 for background, or a way")
            maps.append(predicted.masked_fill(unsaid, 0))
        return maps


def _read(file: Path, size: tuple[int, int], ways: int) -> Tensor:
    check_regular(file)
    try:
        with Image.open(file) as image:
            if image.mode not in ("L", "P"):
                raise InputError(f"{file} is a colour picture ({image.mode}): write a greyscale PNG of label numbers")
            labels = torch.from_numpy(np.array(image))
    except FileNotFoundError:
        raise InputError(f"there is no {file}: every query of the manifest needs its label map") from None
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{file} cannot be read as a picture ({error}): write it again") from None
    if tuple(labels.shape) != size:
        (height, width), (asked_height, asked_width) = labels.shape, size
        raise InputError(
            f"{file} is {width} x {height} pixels, its photograph {asked_width} x {asked_height}: make them one size"
        )
    if ((labels > ways) & (labels != IGNORE)).any():
        raise InputError(f"{file} holds label {int(labels[labels != IGNORE].max())}: write 0, or a way, 1..{ways}")
    return labels
