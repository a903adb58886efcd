"""The embedded source: the same scenes everywhere, supports apart from queries, every licence listed."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from episodes.data.sets import stickers
from episodes.data.sets.stickers import ARTWORK, ROLES, SPLITS, Role, Stickers, _half, _photograph, _picture, _scene
from episodes.data.source import IGNORE, PASCAL_CLASSES, Split
from episodes.errors import InputError

POOLS = [(split, role) for split in SPLITS for role in ROLES]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Stickers:
    """One source for the whole file, so that each pool is counted once, in a cache that starts empty."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SRPNET_CACHE", str(tmp_path_factory.mktemp("cache")))
        made = Stickers()
        for split, role in POOLS:
            made.classes_in(made.ids(split, role)[0])
    return made


def sets_of(paths: list[Path]) -> set[str]:
    return {path.stem.split("-")[0] for path in paths}


def test_it_is_a_source_with_pascals_names(source: Stickers) -> None:
    assert source.name == "stickers"
    assert source.classes == PASCAL_CLASSES


def test_ids_are_unique_and_the_same_every_time(source: Stickers) -> None:
    ids = [id for split, role in POOLS for id in source.ids(split, role)]
    assert len(ids) == len(set(ids)) == 2 * sum(SPLITS.values())
    assert ids == [id for split, role in POOLS for id in Stickers().ids(split, role)]


def test_the_same_id_is_the_same_scene_in_a_fresh_object(source: Stickers) -> None:
    first = [source.load(id) for id in ("train-support-0003", "val-query-0071")]
    _scene.cache_clear()
    again = [Stickers().load(id) for id in ("train-support-0003", "val-query-0071")]
    for (image, labels), (image_again, labels_again) in zip(first, again, strict=True):
        np.testing.assert_array_equal(image, image_again)
        np.testing.assert_array_equal(labels, labels_again)


def test_a_caller_may_write_on_what_it_loaded(source: Stickers) -> None:
    image, labels = source.load("val-query-0000")
    kept = image.copy(), labels.copy()
    image[:], labels[:] = 0, 0
    for before, now in zip(kept, source.load("val-query-0000"), strict=True):
        np.testing.assert_array_equal(before, now)


@pytest.mark.parametrize("number", range(0, 120, 7))
def test_a_scene_has_photograph_and_labels_of_one_size(source: Stickers, number: int) -> None:
    id = f"val-query-{number:04}"
    image, labels = source.load(id)
    assert image.dtype == labels.dtype == np.uint8
    assert image.shape == (*labels.shape, 3)
    assert 288 <= min(labels.shape) <= max(labels.shape) <= 416
    assert set(np.unique(labels)) <= {0, *range(1, 21), IGNORE}
    assert image.std() > 5  # something is to be seen


@pytest.mark.parametrize("id", ["train-query-0017", "val-support-0042"])
def test_counts_are_those_of_the_label_map(source: Stickers, id: str) -> None:
    labels = source.load(id)[1]
    counted = {int(label): int((labels == label).sum()) for label in np.unique(labels)}
    assert source.classes_in(id) == {label: n for label, n in counted.items() if label not in (0, IGNORE)}


@pytest.mark.parametrize(("split", "role"), POOLS)
def test_every_scene_shows_its_first_class_and_no_speck(source: Stickers, split: Split, role: Role) -> None:
    for number, id in enumerate(source.ids(split, role)):
        areas = source.classes_in(id)
        assert number % 20 + 1 in areas, id
        assert min(areas.values()) >= stickers.SMALLEST, id


@pytest.mark.parametrize(("split", "role"), POOLS)
def test_every_class_has_enough_scenes_and_many_show_several(source: Stickers, split: Split, role: Role) -> None:
    ids = source.ids(split, role)
    scenes = Counter(label for id in ids for label in source.classes_in(id))
    assert set(scenes) == set(range(1, 21))
    assert min(scenes.values()) >= 8
    assert sum(len(source.classes_in(id)) > 1 for id in ids) > len(ids) / 2


@pytest.mark.parametrize("name", PASCAL_CLASSES)
def test_every_class_has_artworks_of_several_sets_in_both_halves(name: str) -> None:
    label = PASCAL_CLASSES.index(name)
    halves = [_half(role).artworks[label] for role in ROLES]
    for half in halves:
        assert len(half) >= 2
        assert len(sets_of(half)) >= 2
    assert len([*halves[0], *halves[1]]) >= 6
    assert len(sets_of([*halves[0], *halves[1]])) >= 3


def test_supports_and_queries_share_no_artwork_no_design_and_no_background() -> None:
    support, query = (_half(role) for role in ROLES)
    for one, other in zip(support.artworks, query.artworks, strict=True):
        assert not {stickers._design(path) for path in one} & {stickers._design(path) for path in other}
        assert not {path.read_bytes() for path in one} & {path.read_bytes() for path in other}
    photographs = [{_photograph(path) for path in half.backgrounds} for half in (support, query)]
    assert not photographs[0] & photographs[1]
    assert min(map(len, photographs)) >= 4


@pytest.mark.parametrize("role", ROLES)
def test_a_scene_is_made_of_its_roles_half(monkeypatch: pytest.MonkeyPatch, role: Role) -> None:
    opened: set[Path] = set()

    def opening(file: Any, read: Any = Image.open) -> Image.Image:
        if isinstance(file, Path):
            opened.add(file)
        return read(file)

    monkeypatch.setattr(Image, "open", opening)
    _picture.cache_clear()
    _scene.cache_clear()
    for number in range(40):
        Stickers().load(f"train-{role}-{number:04}")
    half = _half(role)
    assert opened <= {*half.backgrounds, *(path for artworks in half.artworks for path in artworks)}
    assert len(opened) > 40


def test_every_picture_is_listed_with_a_set_and_an_open_licence() -> None:
    text = (ARTWORK / "LICENCES.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line[:2] == "| "]
    files = {path.relative_to(ARTWORK).as_posix() for path in stickers._files(ARTWORK)}
    assert {row[0] for row in rows if "/" in row[0]} == files

    licences = {row[0]: row[3] for row in rows if len(row) == 5}
    for row in rows:
        if row[0] in files and row[0].startswith("background/"):
            assert row[2].startswith(("CC0", "public domain")), row
        elif row[0] in files:
            assert licences[row[1]] in {"MIT", "Apache-2.0", "CC-BY-4.0", "CC-BY-3.0", "CC0-1.0"}, row


def test_the_artwork_is_small_enough_to_commit() -> None:
    assert sum(path.stat().st_size for path in ARTWORK.rglob("*") if path.is_file()) < 3_000_000


@pytest.mark.parametrize("id", ["", "train-support-0240", "val-query-120", "test-query-0000", "train-query-0٣00"])
def test_an_unknown_id_is_named(source: Stickers, id: str) -> None:
    assert not source.has(id)
    for ask in (source.load, source.classes_in):
        with pytest.raises(InputError, match="no scene") as caught:
            ask(id)
        assert repr(id) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_every_scene_is_there(source: Stickers) -> None:
    assert all(source.has(id) for split, role in POOLS for id in source.ids(split, role))
