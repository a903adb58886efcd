"""Pseudo-masks of all photographs of a run, in a folder that `srpnet train --labels` reads.

Letters: I students, C classes, P = C + 1 with background, S S pixels of the input, H W of a photograph.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from episodes.data.formats.masks import palette
from episodes.data.image_tags import TaggedPhotographs
from episodes.data.relabelled import CONFIDENCE, LIST, MASKS, write_classes
from episodes.data.source import IGNORE, Array, OnProgress, silent
from episodes.errors import InputError
from episodes.files import atomic_write, check_folder, locked, write_text
from episodes.inputs import read_json
from episodes.settings import from_mapping
from episodes.threads import map_in_threads
from srpnet.nn.device import Runtime, runtime
from srpnet.weak.evaluate import look_at
from srpnet.weak.inference import label_map
from srpnet.weak.photographs import tagged_photographs
from srpnet.weak.refinement import refine
from srpnet.weak.saving import FIX, load_students
from srpnet.weak.settings import WeakDataSettings, WeakMasksSettings, scales_of
from srpnet.weak.students import Students

REPORT = "report.csv"
UNSURE, APART, TINY, WHOLE = 0.6, 0.5, 0.005, 0.95
"""A mask is doubtful where its objects are less probable than this, where the students' masks overlap less, where it
covers less of the photograph, or more."""


class PseudoMask(NamedTuple):
    """A mask, and how far to trust it.

    Attributes:
        labels_HW: uint8, 0 background, positions of classes from 1 on, 255 no label.
        confidence_HW: uint8, the probability of the label times 255.
        sure: Mean probability of its objects; 0 without any.
        agreement: IoU of the two students' objects; 1 for a single student.
        missing: Positions of tags of which no pixel was found.
    """

    labels_HW: Array
    confidence_HW: Array
    sure: float
    agreement: float
    missing: tuple[int, ...]

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why it is doubtful; empty if it is not."""
        share = float(((self.labels_HW != 0) & (self.labels_HW != IGNORE)).mean())
        reasons = {
            "a tag without a pixel": bool(self.missing),
            "unsure": self.sure < UNSURE,
            "the students disagree": self.agreement < APART,
            "tiny": share < TINY,
            "the whole photograph": share > WHOLE,
        }
        return tuple(reason for reason, holds in reasons.items() if holds)


def run_masks(
    run: Path, out: Path, settings: WeakMasksSettings, on_progress: OnProgress = silent
) -> dict[str, PseudoMask]:
    """Write a mask and a confidence image of each photograph, and the report; the doubtful ones are returned.

    Raises:
        InputError: if run or data are wrong, or `out` holds masks already or is being used.
    """
    check_folder(out)
    machine = runtime(settings.device, settings.precision)
    students = load_students(run).to(machine.device)
    photographs = photographs_of(run, on_progress)
    if photographs.classes != students.config.classes:
        raise InputError(f"{photographs.name} no longer has the classes that {run} was trained on: train again")
    with locked(out, "written"):
        if (out / LIST).exists():
            raise InputError(f"{out} already holds masks: name another `out`")
        return _write_all(students, photographs, out, settings, machine, on_progress)


def photographs_of(run: Path, on_progress: OnProgress = silent) -> TaggedPhotographs:
    """All photographs with tags that a run could learn from.

    Raises:
        InputError: if the run does not say which.
    """
    content = read_json(run / "settings.json", FIX)
    data = content.get("data") if isinstance(content, dict) else None
    try:
        settings = from_mapping(WeakDataSettings, data, "`data`")
    except InputError as error:
        raise InputError(f"{run / 'settings.json'} cannot be used ({error}): {FIX}") from None
    return tagged_photographs(replace(settings, photographs=None), 0, on_progress)


def _write_all(
    students: Students,
    photographs: TaggedPhotographs,
    out: Path,
    settings: WeakMasksSettings,
    machine: Runtime,
    on_progress: OnProgress,
) -> dict[str, PseudoMask]:
    numbers = np.zeros(256, np.uint8)
    numbers[1 : len(photographs.labels) + 1] = photographs.labels
    numbers[IGNORE] = IGNORE
    doubtful: dict[str, PseudoMask] = {}
    report = io.StringIO()
    table = csv.writer(report, lineterminator="\n")
    table.writerow(["id", "tags", "probability", "agreement", "doubts"])
    read = map_in_threads(photographs.read, photographs.ids)
    for number, (id, photograph) in enumerate(zip(photographs.ids, read, strict=True)):
        if ".." in PurePosixPath(id).parts:
            raise InputError(f"{id} lies outside of its data: its mask would lie outside of `out`")
        mask = pseudo_mask(students, photograph, photographs.tags[id], settings, machine)
        for folder, pixels in ((MASKS, numbers[mask.labels_HW]), (CONFIDENCE, mask.confidence_HW)):
            image = Image.fromarray(pixels)
            if folder == MASKS:
                image.putpalette(palette())
            with atomic_write(out / folder / f"{id}.png") as temporary:
                image.save(temporary, "PNG")
        tags = "; ".join(photographs.classes[tag] for tag in photographs.tags[id])
        table.writerow([id, tags, f"{mask.sure:.3f}", f"{mask.agreement:.3f}", "; ".join(mask.doubts)])
        if mask.doubts:
            doubtful[id] = mask
        on_progress("Writing masks", number + 1, len(photographs.ids))
    write_text(out / REPORT, report.getvalue())
    write_classes(out, dict(zip(photographs.labels, photographs.classes, strict=True)))
    write_text(out / LIST, "".join(f"{id}\n" for id in photographs.ids))  # last: what it lists is there
    return doubtful


@torch.inference_mode()
def pseudo_mask(
    students: Students, photograph: Array, tags: tuple[int, ...], settings: WeakMasksSettings, machine: Runtime
) -> PseudoMask:
    """The mask of a photograph (H, W, 3) by the mean of the students, in which only its tags can be."""
    tags_C = torch.zeros(len(students.config.classes))
    seen = look_at(students, photograph, tags_C, machine, scales=scales_of(settings.scales, "scales"))
    return mask_of(seen.probabilities_IBPSS[:, 0], photograph, tags, settings)


def mask_of(
    probabilities_IPSS: Tensor, photograph: Array, tags: tuple[int, ...], settings: WeakMasksSettings
) -> PseudoMask:
    """The same, of what the students say."""
    chosen = [0, *(tag + 1 for tag in tags)]
    maps_IPSS = torch.zeros_like(probabilities_IPSS)
    maps_IPSS[:, chosen] = probabilities_IPSS[:, chosen]
    if settings.refinement == "par":
        maps_IPSS = torch.stack([_refined(own_PSS, photograph, tags) for own_PSS in maps_IPSS])
    maps_IPSS = maps_IPSS / maps_IPSS.sum(1, keepdim=True).clamp(min=1e-6)
    size = photograph.shape[:2]
    labels_IHW = torch.stack([_labels(own_PSS, size)[0] for own_PSS in maps_IPSS]) > 0
    labels_HW, sure_HW = _labels(maps_IPSS.mean(0), size)
    inside_HW = labels_HW > 0
    union = int(labels_IHW.any(0).sum())
    return PseudoMask(
        labels_HW.masked_fill(sure_HW < settings.ignore_below, IGNORE).cpu().numpy(),
        (255 * sure_HW).round().to(torch.uint8).cpu().numpy(),
        float(sure_HW[inside_HW].mean()) if inside_HW.any() else 0.0,
        float(labels_IHW.all(0).sum()) / union if union else 1.0,
        tuple(tag for tag in tags if not bool((labels_HW == tag + 1).any())),
    )


def _refined(maps_PSS: Tensor, photograph: Array, tags: tuple[int, ...]) -> Tensor:
    """By PAR, at half the size, of what can be there alone."""
    half = maps_PSS.shape[-1] // 2
    chosen = [0, *(tag + 1 for tag in tags)]
    small_1Khh = F.interpolate(maps_PSS[None, chosen], (half, half), mode="bilinear", align_corners=False)
    image = torch.from_numpy(np.array(Image.fromarray(photograph).resize((half, half), Image.Resampling.BILINEAR)))
    image_13hh = image.permute(2, 0, 1)[None].to(maps_PSS.device).float() / 255
    refined_1Khh = refine(image_13hh, small_1Khh)
    whole = torch.zeros_like(maps_PSS)
    whole[chosen] = F.interpolate(refined_1Khh, maps_PSS.shape[-2:], mode="bilinear", align_corners=False)[0]
    return whole


def _labels(maps_PSS: Tensor, size: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    labels_HW, sure_HW = label_map(maps_PSS, (size[0], size[1]))
    return labels_HW, sure_HW.clamp(0, 1)


def doubtful_lines(doubtful: dict[str, PseudoMask], most: int = 10) -> Iterator[str]:
    """The first doubtful masks, a line each."""
    for id, mask in list(doubtful.items())[:most]:
        yield f"{id}: {'; '.join(mask.doubts)}"
    if len(doubtful) > most:
        yield f"... and {len(doubtful) - most:,} more"
