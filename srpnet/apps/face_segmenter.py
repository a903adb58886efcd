"""Face parsing for people: brows, eyes, nose and lips of photographs of one face each.

Letters: L labels, P cropped parts, W W pixels of the parser's canvas, n n of its coarse network.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from episodes.data.sets.face_layouts import PARTS
from episodes.data.source import Array
from episodes.errors import InputError
from episodes.threads import map_in_threads
from srpnet.apps.files.outputs import write_outputs
from srpnet.apps.pictures.reading import Picture, read_ahead, read_photograph
from srpnet.faces.canvas import Box, Frame
from srpnet.faces.saving import load_parser
from srpnet.nn.device import runtime
from srpnet.nn.settings import DeviceName, Precision
from srpnet.training.log import highest

NO_FACE, TWO_FACES, SMALL = "no face found", "more than one face", "the face is small, so that edges are rough"
ESSENTIAL = (((3, 4), 0.0004), ((5,), 0.004), ((6, 8), 0.002))
"""Eyes, nose and lips, from above: labels, and the least share of the square that they take, a fifth of the median of
the photographs for training. A face shows two of them at least, for glasses, a hand or a mask may cover one."""
ROUGH = 96
"""Pixels of the photograph in the side of its square, below which edges are rough."""
FACE_ON_CANVAS = (0.5, 0.555, 0.74)
"""Middle x and y, and the longer side, of the box around a face from hairline to chin, as shares of the canvas: the
medians of the photographs for training."""
PARTS_ON_CANVAS = (0.5, 0.59, 0.44)
"""The same of the box around brows, eyes, nose and mouth."""
SPECK = 0.35
"""The least share of the largest nose or mouth that another one has."""
CLOSER = 0.7
"""A face whose parts take less than this share of their usual size is looked at again, closer."""


class ParsedFace(NamedTuple):
    """What was found in a photograph.

    Attributes:
        labels: (H, W) uint8 at its own size: 0, or the number of one of `PARTS`, from 1 on.
        doubts: What a person should look at, in words.
    """

    labels: Array
    doubts: tuple[str, ...] = ()

    @property
    def missing(self) -> tuple[str, ...]:
        """The parts of which nothing was found: a closed mouth has no inner mouth."""
        found = set(np.unique(self.labels).tolist())
        return tuple(name for label, name in enumerate(PARTS, start=1) if label not in found)


@dataclass(frozen=True)
class WrittenFace:
    """A photograph whose files are there, and what was found in it."""

    photograph: Path
    face: ParsedFace


class FaceSegmenter:
    """Parses photographs of one face each.

    Args:
        checkpoint: A released face parser, or a folder that `srpnet faces train` wrote.
        device, precision: See `srpnet.nn.device.runtime`.

    Raises:
        InputError: if there is no such parser, or no such device.
    """

    def __init__(
        self,
        checkpoint: str | Path = "faces-celebamask",
        *,
        device: DeviceName = "auto",
        precision: Precision = "auto",
    ) -> None:
        self.machine = runtime(device, precision)
        self.parser = load_parser(checkpoint).place(self.machine.device)

    def predict(self, image: Picture, box: Box | None = None) -> ParsedFace:
        """Find the parts of a face.

        Args:
            image: A photograph in any format, grey or in colours, as a path, Pillow image, array or tensor.
            box: Left, top, width and height around the face, from hairline to chin, in pixels of the upright
                photograph. Without it the whole photograph is looked at, and if the face is small there, its
                surroundings once more.

        Raises:
            InputError: if the photograph cannot be read, or the box does not lie on it.
        """
        return self._parse(read_photograph(image), box)

    def write_all(
        self,
        photographs: Iterable[Path],
        folder: Path,
        on_unreadable: Callable[[InputError], object],
        *,
        box: Box | None = None,
        name: Callable[[Path], str] = lambda path: path.stem,
        stop: Callable[[], bool] = lambda: False,
    ) -> Iterator[WrittenFace]:
        """Parse many photographs, lazily, and write `NAME-mask.png` and `NAME-overlay.jpg` of each.

        While one is parsed, the next are read and the last are written in threads, a few at a time.

        Args:
            photographs: Their paths.
            folder: Where the files go.
            on_unreadable: Called for a photograph that cannot be read, which is then skipped.
            box: See `predict`.
            name: Of a photograph's files, without `-mask.png`; it may have folders in it.
            stop: Asked before each photograph is parsed. If it says so, none is any more.

        Raises:
            InputError: if a file cannot be written, or the box does not lie on a photograph.
        """

        def parsed() -> Iterator[tuple[Image.Image, WrittenFace]]:
            for path, photograph in read_ahead(photographs, read_photograph):
                if stop():
                    return
                if isinstance(photograph, InputError):
                    on_unreadable(photograph)
                else:
                    yield photograph, WrittenFace(path, self._parse(photograph, box))

        def write(pair: tuple[Image.Image, WrittenFace]) -> WrittenFace:
            photograph, written = pair
            write_outputs(folder, name(written.photograph), photograph, written.face.labels, len(PARTS))
            return written

        return map_in_threads(write, parsed())

    def _parse(self, photograph: Image.Image, box: Box | None) -> ParsedFace:
        if box is not None:
            frame = framed(photograph, box, FACE_ON_CANVAS)
            return self._judged(frame, self._scores(photograph, frame)[0])
        frame = Frame.whole(photograph.width, photograph.height)
        scores_LWW, coarse_nn = self._scores(photograph, frame)
        if shows_several(coarse_nn):
            return self._judged(frame, scores_LWW, TWO_FACES)
        found = scores_LWW.argmax(0) > 0
        if found.any():
            rows, columns = (np.flatnonzero(found.any(axis)) for axis in (1, 0))
            width, height = (int(each[-1] - each[0] + 1) for each in (columns, rows))
            if max(width, height) < CLOSER * PARTS_ON_CANVAS[2] * found.shape[0]:
                pixels = frame.side / found.shape[0]
                left, top = frame.left + columns[0] * pixels, frame.top + rows[0] * pixels
                frame = framed(photograph, (left, top, width * pixels, height * pixels), PARTS_ON_CANVAS)
                scores_LWW, _ = self._scores(photograph, frame)
        return self._judged(frame, scores_LWW)

    @torch.inference_mode()
    def _scores(self, photograph: Image.Image, frame: Frame) -> tuple[NDArray[np.float32], Array]:
        """Scores of the labels on the canvas that shows this frame, and the coarse labels (n, n)."""
        canvas = np.array(frame.put(photograph, self.parser.config.canvas))
        canvas_13WW = torch.from_numpy(canvas).permute(2, 0, 1)[None].to(self.machine.device).float() / 255
        with self.machine.autocast():
            coarse_1Lnn = self.parser.segment_coarsely(canvas_13WW)
            theta_1P23 = self.parser.locate(coarse_1Lnn)
            scores_1LWW = self.parser.merge(self.parser.segment_parts(canvas_13WW, theta_1P23), theta_1P23)
        return scores_1LWW[0].float().cpu().numpy(), highest(coarse_1Lnn)[0].cpu().numpy()

    def _judged(self, frame: Frame, scores_LWW: NDArray[np.float32], *doubts: str) -> ParsedFace:
        face = ParsedFace(frame.cut(scores_LWW))
        more = [NO_FACE] * (not shows_face(face.labels, frame.side)) + [SMALL] * (frame.side < ROUGH)
        return face._replace(doubts=(*doubts, *more))


def shows_face(labels: Array, side: int) -> bool:
    """Whether enough of what a face has is there, one below the other, in labels (H, W) of a square of this side."""
    rows = [np.nonzero(np.isin(labels, own))[0] for own, _ in ESSENTIAL]
    seen = [float(own.mean()) for own, (_, least) in zip(rows, ESSENTIAL, strict=True) if len(own) >= least * side**2]
    return len(seen) > 1 and seen == sorted(seen)


def framed(photograph: Image.Image, box: Box, on_canvas: tuple[float, float, float]) -> Frame:
    """The square that shows a box where the canvas of a photograph for training shows it.

    Args:
        photograph: Of which the box is.
        box: In its pixels.
        on_canvas: Middle x and y, and the longer side, of such a box, as shares of the canvas.

    Raises:
        InputError: if the box has no pixel of the photograph.
    """
    left, top, width, height = box
    overlaps = left < photograph.width and top < photograph.height and left + width > 0 and top + height > 0
    if not (overlaps and width > 0 and height > 0):
        raise InputError(
            f"`box` {left:g},{top:g},{width:g},{height:g} does not lie on a photograph of {photograph.width} x "
            f"{photograph.height} pixels: give left, top, width and height around the face"
        )
    x, y, share = on_canvas
    side = max(1, round(max(width, height) / share))
    return Frame(
        photograph.width,
        photograph.height,
        round(left + width / 2 - x * side),
        round(top + height / 2 - y * side),
        side,
    )


def shows_several(coarse_nn: Array) -> bool:
    """Whether coarse labels have more than one nose and more than one mouth, none of which is a mere speck."""
    noses, mouths = pieces(coarse_nn == 5), pieces(coarse_nn >= 6)
    return all(len(sizes) > 1 and sizes[1] > SPECK * sizes[0] for sizes in (noses, mouths))


def pieces(mask: NDArray[np.bool_]) -> list[int]:
    """Pixels of each connected piece of a mask (H, W), the largest first.

    >>> pieces(np.array([[1, 1, 0], [0, 0, 1]], dtype=bool))
    [2, 1]
    """
    left, sizes = {(int(row), int(column)) for row, column in zip(*mask.nonzero(), strict=True)}, list[int]()
    while left:
        piece = [left.pop()]
        for row, column in piece:
            for beside in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
                if beside in left:
                    left.remove(beside)
                    piece.append(beside)
        sizes.append(len(piece))
    return sorted(sizes, reverse=True)
