"""Score a face parser on the faces for testing: `srpnet faces eval` as a plain function.

Letters: L labels, P cropped parts, W W pixels of the canvas.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from episodes.data.sets.faces import Faces
from episodes.data.source import Array, OnProgress, silent
from episodes.draws import Draws
from episodes.errors import InputError
from episodes.scoring.metrics import confusion
from episodes.threads import map_in_threads
from srpnet.faces.canvas import Frame
from srpnet.faces.labels import CROPPED, LABELS, box_centres, part_masks
from srpnet.faces.parser import FaceParser
from srpnet.faces.pictures import chosen, draw_face
from srpnet.faces.saving import load_parser
from srpnet.faces.scores import FaceScore, Scores, f1_of
from srpnet.faces.settings import Cropper, FaceEvalSettings
from srpnet.nn.crop import coverage
from srpnet.nn.device import Runtime, runtime

Parse = Callable[[Tensor], tuple[Tensor, Tensor | None]]
"""A canvas (1, 3, W, W), RGB in [0, 1] -> scores of the labels (1, L, W, W), and theta (1, P, 2, 3) if it has crops."""


class Read(NamedTuple):
    """A face that is read: the photograph on the canvas (3, W, W) uint8, its frame, and its labels (H, W)."""

    canvas_3WW: Tensor
    frame: Frame
    labels: Array


def run_evaluation(
    settings: FaceEvalSettings, on_progress: OnProgress = silent, pictures: Path | None = None
) -> dict[str, Any]:
    """Scores of a parser, for JSON.

    Args:
        settings: What is scored on what.
        on_progress: Called with the progress.
        pictures: A folder, in which the best, the median and the worst face are drawn by their overall F1.

    Raises:
        InputError: if data or parser are wrong, no face is there, or a picture cannot be written.
    """
    machine = runtime(settings.device, settings.precision)
    parser = load_parser(settings.checkpoint).place(machine.device)
    source = Faces(settings.data.partition(":")[2], on_progress=on_progress)
    ids = [id for id in source.ids("train") if source.has(id)][-settings.held_back :] if settings.held_back else None
    ids = ids or [id for id in source.ids("val") if source.has(id)]
    if not ids:
        raise InputError(f"{source.name} has no face for testing that can be used")
    own, canvas, device = partial(parse, parser, machine, settings.cropper), parser.config.canvas, machine.device
    scores, seconds = score_faces(own, source, ids, canvas, device, settings.cover, on_progress)
    if pictures is not None:
        f1 = [f1_of(face.confusion) for face in scores.faces]
        for name, number in chosen(f1).items():
            (labels,) = label_maps(own, source, [ids[number]], canvas, device, settings.cover)
            draw_face(pictures / f"{name}.jpg", source, ids[number], labels)
    about = {"checkpoint": settings.checkpoint, "cropper": settings.cropper or parser.cropper, "cover": settings.cover}
    return {
        **about,
        "data": source.layout.name,
        **scores.content(),
        "seconds_per_face": seconds,
        "device": str(machine),
    }


def parse(parser: FaceParser, machine: Runtime, cropper: Cropper | None, canvas_13WW: Tensor) -> tuple[Tensor, Tensor]:
    """A `Parse` by a parser."""
    with machine.autocast():
        return parser(canvas_13WW, cropper)


def score_faces(
    parse: Parse,
    source: Faces,
    ids: Sequence[str],
    canvas: int,
    device: torch.device,
    cover: int = 0,
    on_progress: OnProgress = silent,
) -> tuple[Scores, float]:
    """Scores of whatever parses, at the photographs' own size, and the median of its seconds a face.

    Args:
        parse: Does.
        source, ids: Which faces.
        canvas: Side of the canvas.
        device: Where `parse` takes it.
        cover: How many parts of each are covered.
        on_progress: Called with the progress.
    """
    found, seconds = list[FaceScore](), list[float]()
    for number, parsed in enumerate(_parsed(parse, source, ids, canvas, device, cover)):
        matrix = confusion(torch.from_numpy(parsed.labels), torch.from_numpy(parsed.truth), LABELS - 1)
        found.append(FaceScore(matrix.numpy(), parsed.covered, parsed.hidden))
        seconds.append(parsed.seconds)
        on_progress("Scoring faces", number + 1, len(ids))
    return Scores(found), statistics.median(seconds)


def label_maps(
    parse: Parse, source: Faces, ids: Sequence[str], canvas: int, device: torch.device, cover: int = 0
) -> Iterator[Array]:
    """The label maps (H, W) that `score_faces` scores."""
    return (parsed.labels for parsed in _parsed(parse, source, ids, canvas, device, cover))


class _Parsed(NamedTuple):
    """A face that is parsed: its labels (H, W) as found and as they are, and what `FaceScore` says of its crops."""

    labels: Array
    truth: Array
    covered: tuple[float, ...]
    hidden: tuple[int, ...]
    seconds: float


@torch.inference_mode()
def _parsed(
    parse: Parse, source: Faces, ids: Sequence[str], canvas: int, device: torch.device, cover: int
) -> Iterator[_Parsed]:
    for id, face in zip(ids, _read(source, ids, canvas), strict=True):
        canvas_13WW = face.canvas_3WW[None].to(device).float() / 255
        put = np.array(face.frame.put(Image.fromarray(face.labels), canvas))
        masks_1PWW = part_masks(torch.from_numpy(put)[None].to(device))
        hidden = Draws("cover", id).sample(range(len(CROPPED)), cover)
        if hidden:
            canvas_13WW = covered(canvas_13WW, masks_1PWW[:, hidden])
        start = time.perf_counter()
        scores_1LWW, theta_1P23 = parse(canvas_13WW)
        labels = face.frame.cut(scores_1LWW[0].float().cpu().numpy())  # to the CPU, which waits for a GPU
        seconds = time.perf_counter() - start
        shares = () if theta_1P23 is None else tuple(coverage(masks_1PWW[0], theta_1P23[0].float()).tolist())
        yield _Parsed(labels, face.labels, shares, tuple(hidden), seconds)


def covered(canvas_13WW: Tensor, masks_1KWW: Tensor) -> Tensor:
    """The photograph with a box over each of K parts, a quarter larger than the part, of its mean colour."""
    canvas_13WW = canvas_13WW.clone()
    mean = canvas_13WW.mean((2, 3), keepdim=True)[0]
    centres_1K2, there_1K = box_centres(masks_1KWW)
    for mask_WW, (x, y), there in zip(masks_1KWW[0], centres_1K2[0].tolist(), there_1K[0].tolist(), strict=True):
        if there:
            rows, columns = (mask_WW.any(axis).nonzero() for axis in (1, 0))
            down, across = (0.625 * (int(each.max() - each.min()) + 1) for each in (rows, columns))
            top, left = max(0, round(y - down)), max(0, round(x - across))
            canvas_13WW[0, :, top : round(y + down) + 1, left : round(x + across) + 1] = mean
    return canvas_13WW


def _read(source: Faces, ids: Sequence[str], canvas: int) -> Iterator[Read]:
    """The faces, read in threads ahead of their use."""

    def read(id: str) -> Read:
        photograph, labels = source.parts(id)
        frame = Frame.whole(photograph.shape[1], photograph.shape[0])
        rgb = np.array(frame.put(Image.fromarray(photograph), canvas))
        return Read(torch.from_numpy(rgb).permute(2, 0, 1).contiguous(), frame, labels)

    return map_in_threads(read, ids)
