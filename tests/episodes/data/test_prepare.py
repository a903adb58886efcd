"""Data folders from miniature archives in the genuine formats: SBD's are MATLAB files in a tgz."""

import hashlib
import io
import json
import shutil
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from scipy.io import savemat

from cli.main import main
from episodes.data import open_source
from episodes.data.prepare import archives, build, coco, pascal
from episodes.data.prepare.archives import Archive
from episodes.errors import InputError
from episodes.files import LOCK, locked

PALETTE = [0, 0, 0, 128, 0, 0, 0, 128, 0, *[7] * 759]
VOC_TRAIN, VOC_VAL = ["a1", "a2"], ["b1", "b2"]
SBD_TRAIN, SBD_VAL = ["a2", "s1", "b1"], ["s2", "s3"]


def label_map(label: int) -> Any:
    labels = np.zeros((8, 10), np.uint8)
    labels[2:5, 3:7] = label
    return labels


def picture(labels: Any) -> bytes:
    image = Image.fromarray(labels)
    image.putpalette(PALETTE)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def photograph() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (10, 8), "teal").save(stream, "JPEG")
    return stream.getvalue()


def tar(file: Path, content: dict[str, bytes], mode: Any) -> Path:
    with tarfile.open(file, mode) as opened:
        for name, data in content.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            opened.addfile(entry, io.BytesIO(data))
    return file


def sbd_mask(labels: Any) -> bytes:
    """As SBD has them: a struct GTcls with Boundaries, Segmentation and CategoriesPresent."""
    stream = io.BytesIO()
    present = [[label] for label in np.unique(labels)[1:]]
    savemat(stream, {"GTcls": {"Boundaries": np.zeros((20, 1)), "Segmentation": labels, "CategoriesPresent": present}})
    return stream.getvalue()


def known(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, file: Path) -> Archive:
    """Take a miniature for the published archive."""
    md5, sha256 = (hashlib.new(kind, file.read_bytes()).hexdigest() for kind in ("md5", "sha256"))
    archive = replace(getattr(module, name), md5=md5, sha256=sha256)
    monkeypatch.setattr(module, name, archive)
    return archive


@pytest.fixture
def voc_and_sbd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    base, lists = "VOCdevkit/VOC2012", "VOCdevkit/VOC2012/ImageSets/Segmentation"
    ids = sorted({*VOC_TRAIN, *VOC_VAL, *SBD_TRAIN, *SBD_VAL})
    voc = tar(
        tmp_path / "VOCtrainval_11-May-2012.tar",
        {
            **{f"{base}/JPEGImages/{id}.jpg": photograph() for id in ids},
            **{f"{base}/SegmentationClass/{id}.png": picture(label_map(1)) for id in (*VOC_TRAIN, *VOC_VAL)},
            f"{base}/Annotations/a1.xml": b"<annotation/>",
            f"{lists}/train.txt": "\n".join(VOC_TRAIN).encode(),
            f"{lists}/val.txt": "\n".join(VOC_VAL).encode(),
        },
        "w",
    )
    dataset = "benchmark_RELEASE/dataset"
    sbd = tar(
        tmp_path / "benchmark.tgz",
        {
            **{f"{dataset}/cls/{id}.mat": sbd_mask(label_map(2)) for id in (*SBD_TRAIN, *SBD_VAL)},
            f"{dataset}/train.txt": "\n".join(SBD_TRAIN).encode(),
            f"{dataset}/val.txt": "\n".join(SBD_VAL).encode(),
        },
        "w:gz",
    )
    known(monkeypatch, pascal, "VOC", voc)
    known(monkeypatch, pascal, "SBD", sbd)
    return voc, sbd


def labels_of(root: Path, id: str) -> set[int]:
    return set(np.unique(np.array(Image.open(root / "SegmentationClassAug" / f"{id}.png"))).tolist())


def test_pascal_the_whole_way(tmp_path: Path, voc_and_sbd: tuple[Path, Path]) -> None:
    root = tmp_path / "voc"
    run = CliRunner().invoke(
        main, ["data", "prepare", "pascal", "--root", str(root), *(f"--archive={file}" for file in voc_and_sbd)]
    )
    assert run.exit_code == 0, run.output
    assert "trainaug: 5, train: 2, val: 2, masks: 7" in run.output
    source = open_source(f"pascal:{root}")
    assert source.ids("train") == ("a1", "a2", "s1", "s2", "s3")  # b1 is in val, so SBD's list loses it
    assert source.ids("val") == ("b1", "b2")
    assert [labels_of(root, id) for id in ("a1", "a2", "b1", "s1")] == [{0, 1}, {0, 1}, {0, 1}, {0, 2}]
    assert (np.array(Image.open(root / "SegmentationClassAug/s1.png")) == label_map(2)).all()
    assert (Image.open(root / "SegmentationClassAug/s1.png").getpalette() or [])[:9] == PALETTE[:9]
    assert all(source.has(id) and source.load(id) for split in ("train", "val") for id in source.ids(split))
    assert sorted(path.name for path in root.iterdir()) == [
        "ImageSets", "JPEGImages", "SegmentationClass", "SegmentationClassAug", "prepared.json",
    ]  # fmt: skip
    made_of = json.loads((root / "prepared.json").read_text())["archives"]
    assert {name: each["md5"] for name, each in made_of.items()} == {
        archive.name: archive.md5 for archive in (pascal.VOC, pascal.SBD)
    }
    with pytest.raises(InputError, match="is complete already: name an empty folder as `root`"):
        build("pascal", root, voc_and_sbd)


@pytest.mark.parametrize("stop_at", ["Unpacking benchmark.tgz", "Writing masks", "rename", "rmtree"])
def test_what_was_stopped_goes_on(
    tmp_path: Path, voc_and_sbd: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, stop_at: str
) -> None:
    root, told = tmp_path / "voc", []

    def stop(title: str, done: int, total: int) -> None:
        if title == stop_at:
            raise KeyboardInterrupt

    if stop_at == "rename":  # between the moves into place
        rename = Path.rename

        def failing(self: Path, target: Path) -> Path:
            if self.name == "SegmentationClass":
                raise KeyboardInterrupt
            return rename(self, target)

        monkeypatch.setattr(Path, "rename", failing)
    if stop_at == "rmtree":  # everything is in place, but the workshop is still there

        def keeping(folder: Path, ignore_errors: bool = False) -> None:
            if not ignore_errors:
                raise KeyboardInterrupt

        monkeypatch.setattr(shutil, "rmtree", keeping)
    with pytest.raises(KeyboardInterrupt):
        build("pascal", root, voc_and_sbd, stop)
    assert (root / "prepared.json").exists() == (stop_at == "rmtree")
    monkeypatch.undo()
    monkeypatch.setenv("SRPNET_CACHE", str(tmp_path / "cache"))
    for name, file in zip(("VOC", "SBD"), voc_and_sbd, strict=True):
        known(monkeypatch, pascal, name, file)
    build("pascal", root, voc_and_sbd, lambda title, *_: told.append(title))
    assert open_source(f"pascal:{root}").ids("train") == ("a1", "a2", "s1", "s2", "s3")
    assert "Unpacking VOCtrainval_11-May-2012.tar" not in told
    assert not (root / ".building").exists()


def test_a_download_is_taken_where_no_archive_is_given(
    tmp_path: Path, voc_and_sbd: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def download(url: str, folder: str, name: str, md5: str) -> None:
        asked.append((url, name, md5))
        Path(folder).mkdir(parents=True)
        shutil.copy(voc_and_sbd[1], Path(folder) / name)

    monkeypatch.setattr(archives, "download_url", download)
    build("pascal", tmp_path / "voc", voc_and_sbd[:1])
    assert asked == [(pascal.SBD.url, "benchmark.tgz", pascal.SBD.md5)]
    assert voc_and_sbd[0].exists()


def test_scipy_is_asked_for_before_anything_is_fetched(
    tmp_path: Path, voc_and_sbd: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pascal, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"SBD's masks need scipy: pip install 'srpnet\[data\]'"):
        build("pascal", tmp_path / "voc", voc_and_sbd)
    assert list((tmp_path / "voc/.building").iterdir()) == []


def test_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(*_: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(archives, "download_url", download)
    for kind in ("pascal", "coco"):
        with pytest.raises(InputError, match=r"cannot be downloaded \(no route to host\): .* `archives`"):
            build(kind, tmp_path / "new")
        shutil.rmtree(tmp_path / "new")


def test_an_archive_that_is_another_file(tmp_path: Path, voc_and_sbd: tuple[Path, Path]) -> None:
    (tmp_path / "other.tar").write_bytes(b"something")
    with pytest.raises(InputError, match=r"other.tar is neither VOCtrainval_11-May-2012.tar nor benchmark.tgz"):
        build("pascal", tmp_path / "voc", [tmp_path / "other.tar"])


def test_a_folder_with_other_files(tmp_path: Path, voc_and_sbd: tuple[Path, Path]) -> None:
    with pytest.raises(InputError, match="holds other files: name an empty folder as `root`"):
        build("pascal", tmp_path, voc_and_sbd)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(file.name for file in voc_and_sbd)


def test_a_damaged_archive_leaves_nothing_unpacked(
    tmp_path: Path, voc_and_sbd: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    voc_and_sbd[0].write_bytes(voc_and_sbd[0].read_bytes()[:3000])
    known(monkeypatch, pascal, "VOC", voc_and_sbd[0])
    with pytest.raises(InputError, match="cannot be unpacked"):
        build("pascal", tmp_path / "voc", voc_and_sbd)
    assert list((tmp_path / "voc/.building/unpacked").iterdir()) == []


@pytest.mark.parametrize("name", ["../../../../escaped", "link/escaped"])
def test_an_archive_that_leaves_its_folder(
    tmp_path: Path, voc_and_sbd: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with tarfile.open(voc_and_sbd[0], "w") as opened:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
        opened.addfile(link)
        opened.addfile(tarfile.TarInfo(name))
    known(monkeypatch, pascal, "VOC", voc_and_sbd[0])
    with pytest.raises(InputError, match="cannot be unpacked"):
        build("pascal", tmp_path / "voc", voc_and_sbd)
    assert not list(tmp_path.rglob("escaped"))
    assert not list((tmp_path / "voc").rglob("link"))


def test_a_mask_that_is_none(tmp_path: Path, voc_and_sbd: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = "benchmark_RELEASE/dataset"
    content = {f"{dataset}/cls/s1.mat": b"no", f"{dataset}/train.txt": b"s1", f"{dataset}/val.txt": b""}
    known(monkeypatch, pascal, "SBD", tar(voc_and_sbd[1], content, "w:gz"))
    with pytest.raises(InputError, match=r"s1.mat is not a mask of SBD"):
        build("pascal", tmp_path / "voc", voc_and_sbd)


def test_coco_the_whole_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def instances(name: str) -> bytes:
        polygon = [[1.0, 1.0, 6.0, 1.0, 6.0, 5.0, 1.0, 5.0]]
        one = {"id": 1, "image_id": 1, "category_id": 3, "iscrowd": 0, "area": 20, "segmentation": polygon}
        images = [{"id": 1, "file_name": name, "height": 8, "width": 10}]
        content = {"images": images, "annotations": [one], "categories": [{"id": 3, "name": "car"}]}
        return json.dumps(content).encode()

    content = {
        "ANNOTATIONS": {
            "annotations/instances_train2014.json": instances("t.jpg"),
            "annotations/instances_val2014.json": instances("v.jpg"),
            "annotations/captions_val2014.json": b"{}",
        },
        "TRAIN": {"train2014/t.jpg": photograph()},
        "VAL": {"val2014/v.jpg": photograph()},
    }
    files, parts = [], {}
    for name, entries in content.items():
        file = tmp_path / getattr(coco, name).name
        with zipfile.ZipFile(file, "w") as opened:
            for path, data in entries.items():
                opened.writestr(path, data)
        places = coco.PARTS[getattr(coco, name)]
        parts[known(monkeypatch, coco, name, file)] = places
        files.append(file)
    monkeypatch.setattr(coco, "PARTS", parts)
    assert build("coco", tmp_path / "coco", files) == {"train2014": 1, "val2014": 1}
    source = open_source(f"coco:{tmp_path / 'coco'}")
    assert (source.classes, source.ids("train"), source.ids("val")) == (("car",), ("t",), ("v",))
    assert set(np.unique(source.load("v")[1])) == {0, 1}
    assert not (tmp_path / "coco/annotations/captions_val2014.json").exists()


def test_two_builds_of_one_folder_do_not_meet(tmp_path: Path, voc_and_sbd: tuple[Path, Path]) -> None:
    with locked(tmp_path / "voc", "built"), pytest.raises(InputError, match="voc is being built by another process"):
        build("pascal", tmp_path / "voc", voc_and_sbd)
    assert not (tmp_path / "voc").exists()
    build("pascal", tmp_path / "voc", voc_and_sbd)
    assert not (tmp_path / "voc" / LOCK).exists()
