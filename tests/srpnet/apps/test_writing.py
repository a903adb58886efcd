"""Photographs segmented and written: each file whole, none over another, one after the other in order."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from episodes.errors import InputError
from episodes.results import pictures
from srpnet.apps.segmenter import Segmenter
from srpnet.fewshot.network import SRPNet
from tests.srpnet.apps.conftest import scene

PHOTOGRAPH, MASK = scene()


@pytest.mark.parametrize(("classes", "painted"), [(1, {0, 255}), (2, {0, 1, 2})])
def test_written_files(segmenter: Segmenter, tmp_path: Path, classes: int, painted: set[int]) -> None:
    mask = MASK.copy()
    mask[:, 40:] = 2 if classes == 2 else 0
    segmenter.set_support([PHOTOGRAPH], [mask], classes)
    Image.fromarray(PHOTOGRAPH).save(tmp_path / "square.photo.png")
    labels = segmenter.write(tmp_path / "square.photo.png", tmp_path / "made" / "here")
    assert np.array_equal(labels, segmenter.predict(PHOTOGRAPH))
    written = {file.name: np.array(Image.open(file)) for file in (tmp_path / "made" / "here").iterdir()}
    assert set(written) == {"square.photo-mask.png", "square.photo-overlay.jpg"}
    assert np.array_equal(written["square.photo-mask.png"], labels * 255 if classes == 1 else labels)
    assert set(np.unique(written["square.photo-mask.png"])) == painted
    overlay = written["square.photo-overlay.jpg"]
    assert overlay.shape == (48, 64, 3)
    expected = np.asarray(pictures.overlay(Image.fromarray(PHOTOGRAPH), labels)).astype(int)
    assert np.abs(overlay - expected).mean() < 20  # JPEG, of noise


def test_the_overlay_of_a_large_photograph_is_smaller(shown: Segmenter, tmp_path: Path) -> None:
    Image.new("RGB", (2600, 130)).save(tmp_path / "wide.png")
    labels = shown.write(tmp_path / "wide.png", tmp_path / "made")
    sizes = {file.name: Image.open(file).size for file in (tmp_path / "made").iterdir()}
    assert labels.shape == (130, 2600)
    assert sizes == {"wide-mask.png": (2600, 130), "wide-overlay.jpg": (1300, 65)}


@pytest.fixture
def folder(tmp_path: Path) -> list[Path]:
    """Photographs of several shapes."""
    paths = [tmp_path / "photographs" / f"{number}.png" for number in range(7)]
    paths[0].parent.mkdir()
    for number, path in enumerate(paths):
        Image.fromarray(scene(number, 40 + 5 * number, 60)[0]).save(path)
    return paths


def test_many_photographs_are_written_as_each_alone(shown: Segmenter, folder: list[Path], tmp_path: Path) -> None:
    together = list(shown.write_all(folder, tmp_path / "together"))
    assert [each.photograph for each in together] == folder
    assert {each.presence for each in together} == {None}
    for path, labels, *_ in together:
        assert np.array_equal(labels, shown.write(path, tmp_path / "alone"))
    for file in (tmp_path / "alone").iterdir():
        assert file.read_bytes() == (tmp_path / "together" / file.name).read_bytes()
    assert len(list((tmp_path / "together").iterdir())) == 2 * len(folder)


def test_an_overlay_without_files_is_the_written_one(shown: Segmenter, folder: list[Path], tmp_path: Path) -> None:
    shown.write(folder[0], tmp_path / "out")
    shown.overlay(folder[0]).save(tmp_path / "own.jpg", quality=90)
    written = tmp_path / "out" / f"{folder[0].stem}-overlay.jpg"
    assert (tmp_path / "own.jpg").read_bytes() == written.read_bytes()


def test_with_a_threshold_every_photograph_comes_with_its_presence(
    network: SRPNet, folder: list[Path], tmp_path: Path
) -> None:
    network.config = replace(network.config, present_above=0.5)
    segmenter = Segmenter(network, size=64, device="cpu", precision="fp32")
    segmenter.set_support(*([each] for each in scene()))
    for each in segmenter.write_all(folder, tmp_path / "out"):
        assert each.presence is not None
        assert each.presence == pytest.approx(segmenter.presence(each.photograph))


def test_names_may_be_given_and_may_have_folders(shown: Segmenter, folder: list[Path], tmp_path: Path) -> None:
    list(shown.write_all(folder[:2], tmp_path / "out", name=lambda path: f"sub/{path.name}"))
    written = sorted(str(file.relative_to(tmp_path / "out")) for file in (tmp_path / "out").rglob("*.*"))
    assert written == ["sub/0.png-mask.png", "sub/0.png-overlay.jpg", "sub/1.png-mask.png", "sub/1.png-overlay.jpg"]


def test_two_photographs_are_never_written_under_one_name(shown: Segmenter, folder: list[Path], tmp_path: Path) -> None:
    twin = tmp_path / "0.PNG"
    twin.write_bytes(folder[0].read_bytes())
    with pytest.raises(InputError, match=r"0\.png and .*0\.PNG would be written to the same file"):
        list(shown.write_all([*folder, twin], tmp_path / "out"))
    assert len(list(shown.write_all([folder[0], folder[0]], tmp_path / "again"))) == 2


def test_an_example_is_never_overwritten(segmenter: Segmenter, tmp_path: Path) -> None:
    for name, pixels in (("cup.png", PHOTOGRAPH), ("cup-mask.png", MASK * 255)):
        Image.fromarray(pixels).save(tmp_path / name)
    before = (tmp_path / "cup-mask.png").read_bytes()
    segmenter.set_support([tmp_path / "cup.png"], [str(tmp_path / "cup-mask.png")])
    with pytest.raises(InputError, match=r"cup-mask\.png is an example and would be overwritten"):
        segmenter.write(tmp_path / "cup.png", tmp_path)
    assert (tmp_path / "cup-mask.png").read_bytes() == before


def test_it_can_be_stopped_between_two_photographs(shown: Segmenter, folder: list[Path], tmp_path: Path) -> None:
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 3

    written = list(shown.write_all(folder, tmp_path / "out", stop=stop))
    assert [each.photograph for each in written] == folder[:3]
    assert len(list((tmp_path / "out").iterdir())) == 6


def test_an_unreadable_photograph_ends_it_after_those_before(
    shown: Segmenter, folder: list[Path], tmp_path: Path
) -> None:
    folder[4].write_bytes(folder[4].read_bytes()[:1000])
    with pytest.raises(InputError, match=r"4\.png cannot be read"):
        list(shown.write_all(folder, tmp_path / "out"))
    assert sorted({file.name[0] for file in (tmp_path / "out").iterdir()}) == list("0123")


def test_an_unreadable_photograph_can_be_passed_over(shown: Segmenter, folder: list[Path], tmp_path: Path) -> None:
    folder[4].unlink()
    errors: list[InputError] = []
    written = [each.photograph for each in shown.write_all(folder, tmp_path / "out", errors.append)]
    assert written == folder[:4] + folder[5:]
    assert [str(error) for error in errors] == [f"there is no photograph {folder[4]}"]


def test_a_folder_that_cannot_be_written_is_one_error(shown: Segmenter, folder: list[Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"0-mask\.png cannot be written"):
        list(shown.write_all(folder, tmp_path / "file"))


def test_no_part_of_a_file_is_left_when_it_is_stopped(shown: Segmenter, folder: list[Path], tmp_path: Path) -> None:
    def stopped() -> Iterator[Path]:
        yield from folder
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(shown.write_all(stopped(), tmp_path / "out"))
    assert {file.suffix for file in (tmp_path / "out").iterdir()} <= {".png", ".jpg"}
