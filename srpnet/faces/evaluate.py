"""Score a face parser on the faces for testing: `srpnet faces eval` as a plain function.

Letters: L labels, P cropped parts, W W pixels of the canvas.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from episodes.data.faces import Faces
from episodes.data.source import Array, OnProgress, silent
from episodes.draws import Draws
from episodes.scoring.metrics import confusion
from episodes.threads import map_in_threads
from srpnet.faces.canvas import Frame
from srpnet.faces.labels import CROPPED, LABELS, box_centres, part_masks
from srpnet.faces.parser import FaceParser
from srpnet.faces.saving import load_parser
from srpnet.faces.scores import FaceScore, Scores
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


def run_evaluation(settings: FaceEvalSettings, on_progress: OnProgress = silent) -> dict[str, Any]:
    """Scores of a parser, for JSON.

    Raises:
        InputError: if data or parser are wrong, or no face is there.
    """
    machine = runtime(settings.device, settings.precision)
    parser = load_parser(settings.checkpoint).place(machine.device)
    source = Faces(settings.data.partition(":")[2], on_progress=on_progress)
    ids = [id for id in source.ids("train") if source.has(id)][-settings.held_back :] if settings.held_back else None
    ids = ids or [id for id in source.ids("val") if source.has(id)]
    scores, seconds = score_faces(
        partial(parse, parser, machine, settings.cropper),
        source,
        ids,
        parser.config.canvas,
        machine.device,
        settings.cover,
        on_progress,
    )
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


@torch.inference_mode()
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
    for number, (id, face) in enumerate(zip(ids, _read(source, ids, canvas), strict=True)):
        canvas_13WW = face.canvas_3WW[None].to(device).float() / 255
        put = np.array(face.frame.put(Image.fromarray(face.labels), canvas))
        masks_1PWW = part_masks(torch.from_numpy(put)[None].to(device))
        chosen = Draws("cover", id).sample(range(len(CROPPED)), cover)
        if chosen:
            canvas_13WW = covered(canvas_13WW, masks_1PWW[:, chosen])
        start = time.perf_counter()
        scores_1LWW, theta_1P23 = parse(canvas_13WW)
        labels = face.frame.cut(scores_1LWW[0].float().cpu().numpy())  # to the CPU, which waits for a GPU
        seconds.append(time.perf_counter() - start)
        matrix = confusion(torch.from_numpy(labels), torch.from_numpy(face.labels), LABELS - 1)
        shares = () if theta_1P23 is None else tuple(coverage(masks_1PWW[0], theta_1P23[0].float()).tolist())
        found.append(FaceScore(matrix.numpy(), shares, tuple(chosen)))
        on_progress("Scoring faces", number + 1, len(ids))
    return Scores(found), statistics.median(seconds)


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
