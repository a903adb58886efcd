"""PASCAL VOC 2012 with the masks of SBD: the folder that PASCAL-5i is made of."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image
from torchvision.datasets import SBDataset
from torchvision.datasets.voc import DATASET_YEAR_DICT

from episodes.data.prepare.archives import Archive, Workshop
from episodes.errors import InputError
from episodes.files import atomic_write, write_text

_VOC = DATASET_YEAR_DICT["2012"]
VOC = Archive(
    _VOC["filename"],
    _VOC["url"],
    _VOC["md5"],
    "e14f763270cf193d0b5f74b169f44157a4b0c6efa708f4dd0ff78ee691763bcb",
)
SBD = Archive(
    SBDataset.filename,
    SBDataset.url,
    SBDataset.md5,
    "6a5a2918d5c73ce032fdeba876574d150d9d04113ab87540a1304cbcc715be53",
)


def make(workshop: Workshop, given: Sequence[Path]) -> None:
    """Make `JPEGImages`, `SegmentationClass`, `SegmentationClassAug` and the lists, in what a `Voc` source reads.

    `SegmentationClassAug` has VOC's own mask of a photograph where there is one, and else that of SBD (Hariharan et
    al., Semantic Contours from Inverse Detectors, ICCV 2011), which has no border of 255. `trainaug.txt` is the union
    of VOC's train list and of both lists of SBD without the photographs of VOC's val list: 10,582 of them. `val.txt`
    has 1,449.
    """
    if find_spec("scipy") is None:
        raise InputError("SBD's masks need scipy: pip install 'srpnet[data]'")
    unpacked = workshop.unpacked([VOC, SBD], given)
    voc, sbd = unpacked[VOC] / _VOC["base_dir"], unpacked[SBD] / "benchmark_RELEASE" / "dataset"
    masks = workshop.folder / "SegmentationClassAug"
    lists = workshop.folder / "lists"
    own = {file.stem: file for file in (voc / "SegmentationClass").glob("*.png")}
    theirs = {file.stem: file for file in (sbd / "cls").glob("*.mat")}
    train, val = (_ids(voc / "ImageSets/Segmentation" / f"{split}.txt") for split in ("train", "val"))
    augmented = {*train, *_ids(sbd / "train.txt"), *_ids(sbd / "val.txt")} - {*val}
    if lost := sorted({*augmented, *val} - {*own, *theirs}):
        raise InputError(f"the archives have no mask of {lost[0]}, and {len(lost) - 1} others: download them again")
    palette = _palette(own)

    def write(id: str) -> None:
        file = masks / f"{id}.png"
        if file.exists():
            return
        with atomic_write(file) as temporary:
            if id in own:
                temporary.write_bytes(own[id].read_bytes())
            else:
                _label_map(theirs[id], palette).save(temporary, "PNG")

    every = sorted({*own, *theirs})
    with ThreadPoolExecutor() as pool:
        for done, _ in enumerate(pool.map(write, every), start=1):
            workshop.on_progress("Writing masks", done, len(every))
    for part in masks.glob(".*.part"):  # of a try that was killed
        part.unlink()
    written = {"trainaug": sorted(augmented), "train": train, "val": val}
    for name, ids in written.items():
        write_text(lists / f"{name}.txt", "".join(f"{id}\n" for id in ids))
    counts = {name: len(ids) for name, ids in written.items()} | {"masks": len(every)}
    parts = {
        "JPEGImages": voc / "JPEGImages",
        "SegmentationClass": voc / "SegmentationClass",
        "SegmentationClassAug": masks,
        "ImageSets/Segmentation": lists,
    }
    workshop.made(parts, [VOC, SBD], counts)


def _ids(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").split()
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}): download the archive again") from None


def _palette(masks: dict[str, Path]) -> list[int]:
    """The colours of VOC's masks."""
    first = next(iter(masks.values()), None)
    if first is None:
        raise InputError(f"{VOC.name} has no SegmentationClass: download it again")
    with Image.open(first) as image:
        return image.getpalette() or []


def _label_map(file: Path, palette: Sequence[int]) -> Image.Image:
    """The class mask in an SBD file, 0 background and 1..20."""
    from scipy.io import loadmat

    try:
        labels = loadmat(file)["GTcls"]["Segmentation"][0, 0]
    except Exception as error:  # a damaged file makes the reader raise nearly anything
        raise InputError(f"{file} is not a mask of SBD ({error}): download the archive again") from None
    image = Image.fromarray(np.asarray(labels, np.uint8))
    image.putpalette(list(palette))
    return image
