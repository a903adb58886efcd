"""Pictures: classes can be told apart in an overlay, and a panel holds every photograph of its episode."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from episodes.data.source import Array
from episodes.fewshot.episode import Episode, EpisodeSpec
from episodes.fewshot.geometry import Geometry
from episodes.fewshot.scenes.loading import Loader
from episodes.results import pictures
from episodes.results.pictures import CAPTION, COLOURS, GAP, TILE, panel
from tests.episodes.fakes import Fake, label_map

IMAGE = np.random.default_rng(2).integers(40, 200, (40, 60, 3)).astype(np.uint8)


def blocks(*labels: int) -> Array:
    """(40, 60): a block of 20 x 20 of each label from left to right, with background around and below."""
    result = np.zeros((40, 60), np.uint8)
    for place, label in enumerate(labels):
        result[4:24, 20 * place : 20 * place + 18] = label
    return result


def overlay(image: Array, labels: Array) -> Array:
    return np.asarray(pictures.overlay(Image.fromarray(image), labels))


def episode(ways: int, shots: int, queries: int, **fields: Any) -> Episode:
    ids = [f"v{number}" for number in range(ways * shots + queries)]
    source = Fake({id: label_map({1: 300, 2: 300}, 40, 60) for id in ids})
    supports = tuple(tuple(ids[way * shots : (way + 1) * shots]) for way in range(ways))
    spec = EpisodeSpec(0, tuple(range(1, ways + 1)), supports, tuple(ids[ways * shots :]))
    return Loader(source, Geometry(48, fields.pop("resize", "stretch")), **fields).build(spec)


def drawn(shown: Episode, note: str = "") -> Any:
    predictions = [shown.truth(query) for query in shown.queries()]
    names = ["ant", "bee", "cat"][: len(shown.spec.classes)]
    return panel(shown, predictions, names, [0.5] * len(names), note)


def test_an_overlay_has_the_size_of_its_photograph() -> None:
    painted = overlay(IMAGE, blocks(1, 2))
    assert (painted.shape, painted.dtype) == (IMAGE.shape, np.uint8)


def test_an_overlay_paints_each_class_with_its_own_colour() -> None:
    labels, plain = blocks(1, 2, 3), overlay(IMAGE, blocks())
    painted = overlay(IMAGE, labels)
    means = []
    for label in (1, 2, 3):
        inside = labels == label
        assert (painted[inside] != plain[inside]).any(1).mean() > 0.9
        means.append(painted[inside].mean(0))
    assert min(np.abs(means[i] - means[j]).max() for i in range(3) for j in range(i)) > 20


def test_an_overlay_leaves_the_rest_as_without_a_class() -> None:
    outside = blocks(1, 2, 3) == 0
    assert (overlay(IMAGE, blocks(1, 2, 3))[outside] == overlay(IMAGE, blocks())[outside]).all()


def test_ignored_pixels_are_not_painted_as_a_class() -> None:
    labels = blocks(1, 255)
    ignored = labels == 255
    # With the classes gone, an ignored pixel looks the same.
    assert (overlay(IMAGE, labels)[ignored] == overlay(IMAGE, blocks(0, 255))[ignored]).all()
    assert (overlay(IMAGE, labels)[ignored] == overlay(IMAGE, blocks(2, 255))[ignored]).all()


def test_an_overlay_is_what_floats_would_paint() -> None:
    """Half photograph and half colour inside, white at the border; outside a quarter photograph and 0.6 grey."""
    labels = blocks(1, 2, 255)
    expected = 0.25 * IMAGE + 0.6 * IMAGE.mean(2, keepdims=True)
    for label, columns in ((1, slice(0, 18)), (2, slice(20, 38))):
        block = slice(4, 24), columns
        expected[block] = 0.5 * IMAGE[block] + 0.5 * np.array(COLOURS[label - 1])
        border = np.ones((20, 18), dtype=bool)
        border[1:-1, 1 if columns.start else 0 : -1] = False  # the edge of the photograph is no border
        expected[block][border] = 255
    np.testing.assert_allclose(overlay(IMAGE, labels), expected, atol=0.51)


def test_more_classes_than_colours() -> None:
    labels = blocks(1, len(COLOURS) + 1)
    painted = overlay(np.full_like(IMAGE, 100), labels)
    assert (painted[4:24, 0:18] == painted[4:24, 20:38])[2:-2, 2:-2].all()


def test_an_overlay_leaves_its_inputs_alone() -> None:
    image, labels = IMAGE.copy(), blocks(1, 2)
    overlay(image, labels)
    assert (image == IMAGE).all()
    assert (labels == blocks(1, 2)).all()


@pytest.mark.parametrize(("ways", "shots", "queries"), [(1, 1, 1), (1, 5, 1), (2, 3, 1), (2, 3, 2), (3, 1, 1)])
def test_a_panel_has_a_tile_for_each_support_and_three_for_each_query(ways: int, shots: int, queries: int) -> None:
    sheet = drawn(episode(ways, shots, queries))
    tiles = ways * shots + 3 * queries
    assert sheet.mode == "RGB"
    assert sheet.width == GAP + tiles * (TILE + GAP)
    assert sheet.height == CAPTION + TILE + GAP
    pixels = np.asarray(sheet)
    for place in range(tiles):
        left = GAP + place * (TILE + GAP)
        tile = pixels[CAPTION : CAPTION + TILE, left : left + TILE]
        assert (tile < 250).any(2).mean() > 0.9
    assert (pixels[CAPTION:, :GAP] == 255).all()


def test_a_note_has_a_line_of_its_own() -> None:
    plain, noted = drawn(episode(1, 1, 1)), drawn(episode(1, 1, 1), "from the embedded stickers")
    assert (noted.width, noted.height) == (plain.width, plain.height + CAPTION)
    below = np.asarray(noted)[CAPTION + TILE :]
    assert (below < 200).any()
    assert (np.asarray(plain)[CAPTION + TILE :] == 255).all()


def test_a_panel_shows_prediction_and_truth_apart() -> None:
    shown = episode(1, 1, 1)
    (query,) = shown.queries()
    nothing = np.asarray(panel(shown, [torch.zeros_like(shown.truth(query))], ["ant"], [float("nan")]))
    perfect = np.asarray(panel(shown, [shown.truth(query)], ["ant"], [1.0]))
    tiles = [slice(GAP + place * (TILE + GAP), GAP + place * (TILE + GAP) + TILE) for place in range(4)]
    changed = [(nothing[CAPTION:, tile] != perfect[CAPTION:, tile]).any() for tile in tiles]
    assert changed == [False, False, True, False]
    assert (perfect[CAPTION:, tiles[2]] == perfect[CAPTION:, tiles[3]]).all()


@pytest.mark.parametrize(
    ("resize", "score_at"),
    [
        ("stretch", "input"),
        ("stretch", "original"),
        ("letterbox", "input"),
        ("letterbox", "original"),
    ],
)
def test_masks_lie_on_what_they_mask(resize: str, score_at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    under: list[tuple[Array, Array]] = []

    def record(photograph: Image.Image, labels: Array) -> Image.Image:
        under.append((np.asarray(photograph), labels))
        return photograph

    monkeypatch.setattr(pictures, "overlay", record)
    drawn(episode(2, 1, 1, resize=resize, score_at=score_at))
    assert len(under) == 4
    for image, labels in under:
        # In these photographs red is 70 where the class is 1, and 80 where it is 2.
        for label in set(labels.ravel().tolist()) & {1, 2}:
            assert np.median(image[labels == label][:, 0]) == pytest.approx(60 + 10 * label, abs=3)


def test_names_and_ways_must_agree() -> None:
    shown = episode(2, 1, 1)
    with pytest.raises(ValueError, match="zip"):
        panel(shown, [shown.truth(query) for query in shown.queries()], ["ant"], [0.5])
