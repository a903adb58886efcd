"""Small good inputs of every kind for `fuzz.py`, command lines that take them, and ways to damage them."""

import json
import os
import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import load_file, save_file

import cli.main
import srpnet.nn.weights
from episodes.data.formats import FORMATS, ExportSettings, Marked
from srpnet.faces.parser import FaceParser
from srpnet.faces.saving import write as write_parser
from srpnet.faces.settings import ParserSettings
from srpnet.fewshot.network import SRPNet
from srpnet.fewshot.settings import NetworkSettings
from srpnet.nn.backbone import Backbone
from srpnet.nn.weights import Weights

TINY = "--size 64 --device cpu --precision fp32"
TRAIN = f"--steps 2 --batch 1 --width 4 --stages 2 --workers 0 --min-pixels 1 {TINY}"
LISTED = f"--manifest manifest.jsonl {TINY}"
SUPPORT = "--support photos/one.png photos/mask.png"
SAVED = ("photos", "net", "set.srp")
LABELLED = ("annotated/labelme", "photos", "net")
ANNOTATED = ("yolo", "labelme", "cvat", "label-studio", "indexed", "classes")
FACE = "--canvas 64 --input 16 --crops 9,9,9,9 --localizer-width 1 --batch 2 --device cpu --precision fp32"
PHASES = "--coarse-steps 1 --localizer-steps 1 --parts-steps 1 --steps 1"
EVAL = f"--episodes 2 --min-pixels 1 --checkpoint net {TINY}"


@dataclass(frozen=True)
class Base:
    """A good command line, and the files and folders that it takes."""

    path: tuple[str, ...]
    words: tuple[str, ...]
    roots: tuple[str, ...] = ()


def _base(path: str, words: str, *roots: str) -> Base:
    return Base(tuple(path.split()), tuple(words.split()), roots)


BASES = (
    _base("train", f"--data pascal:voc --out new {TRAIN}", "voc"),
    _base("train", f"--data stickers --out new {TRAIN}"),
    _base("train", f"--data pascal:voc --out run --resume {TRAIN} --steps 3", "voc", "run"),
    _base("train", f"--data pascal:voc --pairs pairs --out new {TRAIN} --hold-back car", "voc", "pairs"),
    _base("eval", f"--data pascal:voc --out new --pictures 1 {EVAL}", "voc", "net"),
    _base("eval", f"--data pascal:voc --pairs pairs --wrong-support --out new {EVAL}", "voc", "net", "pairs"),
    _base("eval", f"--data coco:coco --out new {EVAL}", "coco", "net"),
    _base("eval", f"--data fss:fss --out new {EVAL}", "fss", "net"),
    _base("eval", f"--data pascal:voc {LISTED} --out new --checkpoint net", "voc", "net", "manifest.jsonl"),
    _base("eval", f"--data pascal:voc {LISTED} --predictions predictions", "voc", "predictions", "manifest.jsonl"),
    _base("compare", "scores other", "scores", "other"),
    _base("report", "scores other --out new.html", "scores", "other"),
    _base("episodes export", "--data pascal:voc --min-pixels 1 --episodes 3 --out new.jsonl", "voc"),
    _base("episodes export", "--data pascal --pairs pairs --episodes 3 --out new.jsonl", "pairs"),
    _base("episodes show", "manifest.jsonl --data pascal:voc --pictures 1 --out new", "voc", "manifest.jsonl"),
    _base("data report", "--data pascal:voc --min-pixels 1 --out new.json", "voc"),
    _base("data report", "--data coco:coco --min-pixels 1", "coco"),
    _base("data check", "pascal:voc --pairs pairs", "voc", "pairs"),
    _base("data check", "coco:coco", "coco"),
    _base("data check", "fss:fss", "fss"),
    _base("data prepare", "pascal --root new --archive archive.tgz", "archive.tgz"),
    _base("data prepare", "coco --root new", "archive.tgz"),
    _base("predict", f"{SUPPORT} photos/two.jpg --out new --checkpoint net {TINY}", "photos", "net"),
    _base("predict", f"{SUPPORT} photos --out new --checkpoint net {TINY}", "photos", "net"),
    _base("predict", f"--class a {SUPPORT} photos --out new --checkpoint net {TINY}", "photos", "net"),
    _base("predict", f"--supports set.srp photos --out new --checkpoint net {TINY}", *SAVED),
    _base("predict", f"--box photos/one.png 1,1,9,9 photos --out new --checkpoint net {TINY}", "photos", "net"),
    _base("predict", f"--fix found/two-mask.png photos --out new --checkpoint net {TINY}", "photos", "net", "found"),
    _base("supports save", f"new.srp {SUPPORT} --checkpoint net {TINY}", "photos", "net"),
    _base("supports show", "set.srp", "set.srp"),
    _base(
        "predict", f"{SUPPORT} photos --out new --checkpoint net --format coco --format yolo {TINY}", "photos", "net"
    ),
    _base(
        "predict", f"--supports annotated/labelme photos --out new --checkpoint net {TINY}", "annotated/labelme", "net"
    ),
    *(_base("data check", f"folder:annotated/{format}", f"annotated/{format}") for format in ANNOTATED),
    _base("faces train", f"--data faces:faces --out new {PHASES} {FACE}", "faces"),
    _base("faces train", f"--data faces:faces --out new --start parser {PHASES} {FACE}", "faces", "parser"),
    _base("faces eval", "--data faces:faces --checkpoint parser --pictures new --device cpu", "faces", "parser"),
    _base("faces predict", "photos --checkpoint parser --out new --device cpu", "photos", "parser"),
    _base("faces predict", "photos --checkpoint parser --box 1,1,30,40 --out new --device cpu", "photos", "parser"),
    _base("weights", "--list"),
    _base("weights", "--file net/model.safetensors --name keras-v1", "net"),
)


def build(ground: Path) -> None:
    """Make the inputs that `BASES` name, and give every network random weights instead of a download."""
    os.environ["SRPNET_CACHE"] = str(ground / "cache")
    state = Backbone("v1").state_dict()
    weights = Weights("keras-v1", "v1", "0" * 64)
    srpnet.nn.weights.get_weights = lambda *_, **__: (weights, state)
    before = Path.cwd()
    os.chdir(ground)
    _voc(Path("voc"))
    _coco(Path("coco"))
    _fss(Path("fss"))
    _faces(Path("faces"))
    write_parser(FaceParser(ParserSettings(canvas=64, input=16, crops=(9, 9, 9, 9), localizer_width=1)), Path("parser"))
    for format in ANNOTATED:
        _annotated(Path("annotated") / format, format)
    photos = Path("photos")
    photos.mkdir()
    for number, name in enumerate(("one.png", "two.jpg")):
        _photograph(number, 1)[0].save(photos / name)
    _photograph(0, 255)[1].save(photos / "mask.png")
    tiny = NetworkSettings("keras-v1", layers=(1, 1, 1, 1), base_width=8, width=8, stages=(2, 3), trained="all")
    SRPNet(tiny).write("net")
    Path("archive.tgz").write_bytes(random.Random(1).randbytes(500))
    for line in (
        "episodes export --data pascal:voc --min-pixels 1 --episodes 2 --out manifest.jsonl",
        f"eval --data pascal:voc --out scores --pictures 1 --wrong-support {EVAL}",
        f"eval --data pascal:voc --out other --iqi-rounds 0 --wrong-support {EVAL}",
        f"train --data pascal:voc --out run {TRAIN}",
        f"predict {SUPPORT} photos/two.jpg --out found --checkpoint net --save-supports set.srp {TINY}",
    ):
        result = CliRunner().invoke(cli.main.main, line.split())
        if result.exit_code:
            raise RuntimeError(f"srpnet {line}: {result.output}") from result.exception
    Path("predictions").mkdir()
    for index in range(2):
        Image.new("L", (64, 48)).save(f"predictions/{index:06d}_0.png")
    os.chdir(before)


def _photograph(seed: int, label: int) -> tuple[Image.Image, Image.Image]:
    """64 x 48 pixels of noise with a square of a colour, and its label map."""
    noise = np.random.default_rng(seed)
    pixels, labels = noise.integers(0, 60, (48, 64, 3), dtype=np.uint8), np.zeros((48, 64), np.uint8)
    top, left = noise.integers(0, 18), noise.integers(0, 34)
    labels[top : top + 30, left : left + 30] = label
    pixels[labels > 0] += np.array([label % 9 * 20, 170 - label % 9 * 20, 100], np.uint8)
    return Image.fromarray(pixels), Image.fromarray(labels)


def _voc(root: Path) -> None:
    """Four photographs of each class, and pair lists: fold 0 is novel, bus, car and cat are for training."""
    lists, pairs = root / "ImageSets/Segmentation", Path("pairs")
    for folder in (root / "JPEGImages", root / "SegmentationClass", lists, pairs):
        folder.mkdir(parents=True)
    for split, classes in {"train": (6, 7, 8), "val": (1, 2, 3, 4, 5, 6, 7, 8)}.items():
        ids = [f"{split}_{label}_{number}" for label in classes for number in range(4)]
        (lists / f"{split}.txt").write_text("".join(f"{id}\n" for id in ids))
        for seed, id in enumerate(ids):
            photograph, labels = _photograph(seed, int(id.split("_")[1]))
            photograph.save(root / "JPEGImages" / f"{id}.jpg")
            labels.save(root / "SegmentationClass" / f"{id}.png")
        for fold in range(4):
            own = [id for id in ids if (int(id.split("_")[1]) - 1) // 5 == fold]
            (pairs / f"{split}_fold{fold}.txt").write_text(
                "".join(f"{id}__{int(id.split('_')[1]):02d}\n" for id in own)
            )


def _coco(root: Path) -> None:
    """Three photographs of each of eight categories, for testing."""
    (root / "images").mkdir(parents=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number in range(24):
        photograph, labels = _photograph(number, number % 8 + 1)
        photograph.save(root / "images" / f"{number}.jpg")
        images.append({"id": number, "file_name": f"{number}.jpg", "height": 48, "width": 64})
        left, top, right, bottom = labels.getbbox() or (0, 0, 1, 1)
        shape: Any = [[left, top, right, top, right, bottom, left, bottom]]
        if number % 5 == 0:
            shape = {"size": [48, 64], "counts": [100, 900, 48 * 64 - 1000]}
        kind = {"category_id": number % 8 + 1, "iscrowd": 0, "area": 900.0, "bbox": [left, top, 30, 30]}
        annotations.append({"id": number, "image_id": number, "segmentation": shape, **kind})
    categories = [{"id": label, "name": f"thing {label}"} for label in range(1, 9)]
    (root / "annotations").mkdir()
    content = {"images": images, "categories": categories, "annotations": annotations}
    (root / "annotations/instances.json").write_text(json.dumps(content))


def _annotated(root: Path, format: str) -> None:
    """Three photographs of two classes with their annotations."""
    marked = []
    for number in range(3):
        photograph, labels = _photograph(number, number % 2 + 1)
        (root / "images").mkdir(parents=True, exist_ok=True)
        photograph.save(root / "images" / f"{number}.jpg")
        marked.append(Marked(f"images/{number}.jpg", np.array(labels)))
    write = FORMATS[format].write
    assert write
    write(root, ("a", "b"), marked, ExportSettings())


def _fss(root: Path) -> None:
    """Two classes in each list, three photographs of each."""
    for split, names in {"train": "ab", "val": "cd", "test": "ef"}.items():
        root.mkdir(exist_ok=True)
        (root / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))
        for name in names:
            (root / name).mkdir()
            for number in range(1, 4):
                photograph, labels = _photograph(number, 255)
                photograph.save(root / name / f"{number}.jpg")
                labels.save(root / name / f"{number}.png")


def _faces(root: Path) -> None:
    """Nine photographs with all labels of CelebAMask-HQ, eight of them for training."""
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for number in range(9):
        labels = np.random.default_rng(number).integers(0, 19, (6, 8), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
        _photograph(number, 1)[0].save(root / "images" / f"{number}.jpg")
        Image.fromarray(labels).save(root / "masks" / f"{number}.png")


# --------------------------------------------------------------------------------------------- damage


def damage(draw: random.Random, roots: list[Path]) -> str:
    """Damage a file among these, and say which and how."""
    files = sorted(file for root in roots for file in ([root] if root.is_file() else root.rglob("*")) if file.is_file())
    small = [file for file in files if file.suffix not in (".jpg", ".png")]  # of which there are few, and each counts
    file = draw.choice(small if small and draw.random() < 0.6 else files)
    ways = [*WAYS, *BY_ENDING.get(file.suffix, ()) * 3]
    way = draw.choice(ways)
    way(draw, file)
    return f"{way.__name__.strip('_')} {file}"


def _cut(draw: random.Random, file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: draw.randrange(len(content) + 1)])


def _flip(draw: random.Random, file: Path) -> None:
    content = bytearray(file.read_bytes() or b"x")
    for _ in range(draw.choice([1, 3, 30])):
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    file.write_bytes(content)


def _noise(draw: random.Random, file: Path) -> None:
    file.write_bytes(draw.randbytes(draw.choice([0, 1, 100, 5000])))


def _grow(draw: random.Random, file: Path) -> None:
    file.write_bytes(file.read_bytes() + draw.choice([b"\0" * 100, b"\n\n", b"{}", b"\xff\xfe", file.read_bytes()]))


def _replace(draw: random.Random, file: Path) -> None:
    file.unlink()
    make: Callable[[Path], object] = draw.choice(
        [
            Path.mkdir,
            os.mkfifo,
            lambda path: path.symlink_to("nowhere"),
            lambda path: path.symlink_to(path),
            lambda _: None,
        ]
    )
    make(file)


def _other(draw: random.Random, file: Path) -> None:
    others = sorted(path for path in Path().rglob("*") if path.is_file())
    file.write_bytes(draw.choice(others).read_bytes())


STRANGE: tuple[Any, ...] = (
    *(
        None,
        True,
        -1,
        0,
        1.5,
        10**5,
        2**63,
        10**30,
        float("nan"),
        float("inf"),
        "",
        "x",
        "9" * 30,
        "\ud800",
        "a\0b",
        "../../x",
    ),
    *([], {}, [[]], [None], {"a": 1}, "x" * 5000, [0] * 1000, "\x1b[31m", "[bold]", "<script>", "/etc/passwd"),
)


def _json(draw: random.Random, file: Path) -> None:
    lines = file.read_text().splitlines() if file.suffix == ".jsonl" else [file.read_text()]
    place = draw.randrange(len(lines))
    content = [json.loads(lines[place])]
    where: Any = content
    while True:  # down a random path, to a random depth
        keys = list(where) if isinstance(where, dict) else range(len(where))
        key = draw.choice(keys)
        if not (isinstance(where[key], dict | list) and where[key]) or draw.random() < 0.2:
            break
        where = where[key]
    if draw.random() < 0.2:
        del where[key]
    else:
        where[key] = draw.choice(STRANGE)
    lines[place] = json.dumps(content[0]) if content else ""
    if draw.random() < 0.05:
        lines[place] = "[" * 100_000
    file.write_text("\n".join(lines) + "\n")


def _arrays(draw: random.Random, file: Path) -> None:
    with np.load(file) as opened:
        arrays = dict(opened)
    name = draw.choice(list(arrays))
    change: Callable[[Any], Any] = draw.choice(
        [
            lambda array: array[:0],
            lambda array: array[:-1],
            lambda array: np.concatenate([array, array]),
            lambda array: array.astype("U9"),
            lambda array: np.full(array.shape, -1),
            lambda array: np.full(array.shape, 2**62),
            lambda array: np.full(array.shape, np.nan),
            lambda array: np.full(array.shape, {"a": 1}, dtype=object),
            lambda array: array[..., None],
            lambda _: np.array(3),
        ]
    )
    arrays[name] = change(arrays[name])
    np.savez(file.open("wb"), **arrays)


def _tensors(draw: random.Random, file: Path) -> None:
    state = load_file(file)
    name = draw.choice(list(state))
    change: Callable[[torch.Tensor], torch.Tensor] = draw.choice(
        [
            lambda value: value * torch.nan,
            lambda value: value.double() * 1e300,
            lambda value: value.flatten()[:-1],
            lambda value: value.to(torch.int8),
            lambda value: value.to(torch.complex64),
            lambda value: -value,
            lambda value: value * 1e30,
        ]
    )
    state[name] = change(state[name]).contiguous()
    if draw.random() < 0.2:
        state[draw.choice(["new", f"{name}.difference", f"{name}.step"])] = torch.ones(2)
    save_file(state, file)


def _picture(draw: random.Random, file: Path) -> None:
    size = draw.choice([(1, 1), (64, 48), (48, 64), (65, 48), (3, 500)])
    mode = draw.choice(["L", "RGB", "RGBA", "P", "1", "I;16", "LA", "CMYK", "F"])
    colour: Any = draw.choice([0, 255]) if mode in ("L", "P", "1", "I;16", "F") else 0
    kind = "TIFF" if mode in ("CMYK", "F") else "PNG"
    Image.new(mode, size, colour).save(file, kind)


def _bomb(draw: random.Random, file: Path) -> None:
    """A PNG whose head declares 10^5 x 10^5 pixels, or somewhat fewer."""
    side = draw.choice([13_000, 30_000, 100_000, 2**31 - 1])
    head = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, draw.choice([0, 2, 3]), 0, 0, 0)
    body = b"IDAT" + zlib.compress(b"\0" * 1000)
    chunks = [struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in (head, body)]
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


Way = Callable[[random.Random, Path], None]
WAYS: list[Way] = [_cut, _flip, _noise, _grow, _replace, _other]
BY_ENDING: dict[str, list[Way]] = {
    ".json": [_json],
    ".jsonl": [_json],
    ".npz": [_arrays],
    ".safetensors": [_tensors],
    ".png": [_picture, _bomb],
    ".jpg": [_picture, _bomb],
}
