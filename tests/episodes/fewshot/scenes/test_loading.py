"""Loading: image and mask change together, each place by its own draws, and no global random state moves."""

import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from episodes.draws import Draws
from episodes.errors import InputError
from episodes.fewshot.episode import EpisodeSpec, Photograph
from episodes.fewshot.geometry import Geometry
from episodes.fewshot.pairs import Pairs
from episodes.fewshot.sampler import Sampler
from episodes.fewshot.scenes.augmentation import Augmentation
from episodes.fewshot.scenes.loading import EpisodeList, Loader
from tests.episodes.fakes import ANIMALS, Fake, label_map, painted

STRONG = Augmentation(flip=0.5, scale=0.5, colour=0.4)
SPEC = EpisodeSpec(3, (1,), (("va", "vb"),), ("vq",))


def patches() -> Tensor:
    """(36, 48) labels without symmetry: 6 x 6 patches of 0..7 and 255."""
    coarse = np.random.default_rng(8).choice([0, 1, 2, 3, 4, 5, 6, 7, 255], size=(6, 8)).astype(np.uint8)
    return torch.from_numpy(coarse.repeat(6, 0).repeat(6, 1))


def pixels(labels: Tensor) -> Tensor:
    return torch.from_numpy(painted(labels.numpy())).permute(2, 0, 1)


def augmented(augmentation: Augmentation, labels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    return augmentation(pixels(labels), labels, Draws("test", seed))


def fake() -> Fake:
    return Fake({id: patches().numpy() for id in ("va", "vb", "vq")})


def loaded(spec: EpisodeSpec = SPEC, **fields: Any) -> list[Photograph]:
    episode = Loader(fake(), Geometry(32), fields.pop("augmentation", STRONG), **fields).build(spec)
    return [*episode.supports(), *episode.queries()]


def same(one: Photograph, two: Photograph) -> bool:
    return torch.equal(one.image, two.image) and torch.equal(one.labels, two.labels)


def test_flip_is_a_mirror() -> None:
    image, labels = augmented(Augmentation(flip=1), patches(), 0)
    assert torch.equal(labels, patches().flip(1))
    assert torch.equal(image, pixels(patches()).flip(2))


def test_nothing_to_augment_changes_nothing() -> None:
    image, labels = augmented(Augmentation(flip=0), patches(), 0)
    assert torch.equal(labels, patches())
    assert torch.equal(image, pixels(patches()))


def test_flips_come_as_often_as_asked() -> None:
    flipped = [torch.equal(augmented(Augmentation(0.25), patches(), seed)[1], patches().flip(1)) for seed in range(400)]
    assert 70 < sum(flipped) < 130


@pytest.mark.parametrize("scale", [0.3, 0.9])
def test_image_and_mask_move_together(scale: float) -> None:
    shapes = set()
    for seed in range(60):
        image, labels = augmented(Augmentation(0.5, scale), patches(), seed)
        assert torch.equal(image, pixels(labels))
        shapes.add(labels.shape)
    assert len(shapes) > 5


def test_colours_change_alike_wherever_a_label_is() -> None:
    for seed in range(40):
        image, labels = augmented(STRONG, patches(), seed)
        colours = {label: image[:, labels == label].unique(dim=1) for label in labels.unique().tolist()}
        assert all(colour.shape == (3, 1) for colour in colours.values())
        assert not torch.equal(image, pixels(labels))
    assert image.dtype == torch.uint8


def test_colour_leaves_the_mask_alone() -> None:
    _, labels = augmented(Augmentation(flip=0, colour=0.9), patches(), 1)
    assert torch.equal(labels, patches())


def test_a_crop_keeps_its_share_of_each_side() -> None:
    plain = torch.ones(40, 100, dtype=torch.uint8)
    heights, widths = zip(*(augmented(Augmentation(0, 0.5), plain, s)[1].shape for s in range(200)), strict=True)
    assert (min(heights), max(heights)) == (20, 40)
    assert 50 <= min(widths) < 55
    assert 95 < max(widths) <= 100


def test_a_crop_lies_anywhere() -> None:
    columns = torch.arange(1, 101, dtype=torch.uint8).expand(50, 100)
    image = columns.expand(3, 50, 100)
    plain = torch.ones(50, 100, dtype=torch.uint8)
    crops = [Augmentation(0, 0.5)(image, plain, Draws("test", seed))[0] for seed in range(200)]
    ends = {(int(crop[0, 0, 0]), int(crop[0, 0, -1])) for crop in crops}
    assert len(ends) > 100
    assert any(left == 1 and right < 100 for left, right in ends)
    assert any(left > 1 and right == 100 for left, right in ends)


def test_a_crop_never_loses_a_class() -> None:
    labels = torch.zeros(40, 40, dtype=torch.uint8)
    labels[3, 8], labels[20, 20], labels[30, 25] = 1, 2, 3
    sizes = set()
    for seed in range(200):
        _, cropped = augmented(Augmentation(0.5, 0.4), labels, seed)
        assert cropped.unique().tolist() == [0, 1, 2, 3]
        sizes.add(cropped.shape)
    assert len(sizes) > 5


def test_a_crop_keeps_a_quarter_of_each_class() -> None:
    """Once 2 pixels of 3785 were left, and none after resizing."""
    labels = torch.zeros(40, 40, dtype=torch.uint8)
    labels[20:, 20:] = 1
    shares = {int((augmented(Augmentation(0, 0.3), labels, seed)[1] == 1).sum()) / 400 for seed in range(300)}
    assert 0.25 <= min(shares) < 0.35
    assert max(shares) == 1


def test_a_crop_that_cannot_keep_all_is_left_out() -> None:
    labels = torch.zeros(40, 40, dtype=torch.uint8)
    labels[0, 0], labels[-1, -1] = 1, 2
    for seed in range(20):
        _, cropped = augmented(Augmentation(0, 0.1), labels, seed)
        assert set(cropped.unique().tolist()) == {0, 1, 2}


def test_a_photograph_of_one_pixel() -> None:
    image, labels = augmented(STRONG, torch.ones(1, 1, dtype=torch.uint8), 0)
    assert image.shape == (3, 1, 1)
    assert labels.tolist() == [[1]]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"flip": -0.1}, "`flip` must be a number from 0 to 1, not -0.1"),
        ({"flip": 1.1}, "`flip` must be a number from 0 to 1, not 1.1"),
        ({"scale": 0.0}, "`scale` must be a number above 0 and at most 1, not 0.0"),
        ({"scale": 1.5}, "`scale` must be a number above 0 and at most 1, not 1.5"),
        ({"colour": -0.1}, "`colour` must be a number from 0 to 1, not -0.1"),
        ({"colour": 1.0}, "`colour` must be below 1"),
    ],
)
def test_settings_out_of_range(fields: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Augmentation(**fields)


def test_an_episode_is_augmented_alike_each_time() -> None:
    assert all(same(one, two) for one, two in zip(loaded(), loaded(), strict=True))


def test_the_order_of_loading_does_not_matter() -> None:
    episode = Loader(fake(), Geometry(32), STRONG).build(SPEC)
    queries = episode.queries()
    expected = loaded()
    assert same(queries[0], expected[2])
    assert all(same(one, two) for one, two in zip(episode.supports(), expected, strict=False))


def test_each_place_is_augmented_by_itself() -> None:
    load = Loader(fake(), Geometry(32), STRONG).build(SPEC).load
    places = [load("va", slot) for slot in range(5)]
    assert same(places[0], load("va", 0))
    assert not any(same(places[i], places[j]) for i in range(5) for j in range(i))


def test_seed_and_index_change_the_augmentation() -> None:
    reference = loaded()
    for other in (loaded(seed=1), loaded(EpisodeSpec(4, SPEC.classes, SPEC.supports, SPEC.queries))):
        assert not any(same(one, two) for one, two in zip(reference, other, strict=True))


def test_without_augmentation_the_place_does_not_matter() -> None:
    load = Loader(fake(), Geometry(32)).build(SPEC).load
    assert same(load("va", 0), load("va", 4))
    assert same(load("va", 0), Loader(fake(), Geometry(32), STRONG).photograph("va"))


def test_no_global_random_state_moves() -> None:
    before = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    loaded()
    assert random.getstate() == before[0]
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[2])


def test_global_seeds_do_not_matter() -> None:
    first = loaded()
    with torch.random.fork_rng():
        torch.manual_seed(99)
        assert all(same(one, two) for one, two in zip(first, loaded(), strict=True))


def test_a_photograph_by_hand() -> None:
    source = Fake({"va": label_map({1: 256, 255: 64}, 16, 64)})
    photograph = Loader(source, Geometry(64, "letterbox")).photograph("va")
    assert photograph.id == "va"
    assert photograph.image.dtype == torch.float32
    assert (photograph.image.shape, photograph.labels.shape) == ((3, 64, 64), (64, 64))
    # 4 rows of class 1, 1 row of 255, 11 of background, 48 of padding.
    assert photograph.labels[:, 9].tolist() == [1] * 4 + [255] + [0] * 11 + [255] * 48
    assert photograph.valid[:, 9].tolist() == [True] * 16 + [False] * 48
    torch.testing.assert_close(photograph.image[:, 0, 0], torch.tensor([70, 90, 140]) / 255)
    assert np.array_equal(photograph.original.numpy(), label_map({1: 256, 255: 64}, 16, 64))


def test_the_original_is_that_of_the_augmented_photograph() -> None:
    for photograph in loaded():
        assert photograph.placement.original == tuple(photograph.original.shape)
        assert torch.equal(photograph.placement.labels(photograph.original), photograph.labels)


def test_a_photograph_of_a_source_that_is_not_there() -> None:
    with pytest.raises(InputError, match="gone is not there"):
        Loader(fake(), Geometry(32)).photograph("gone")


def test_the_loader_hands_its_rules_to_the_episode() -> None:
    source = fake()
    episode = Loader(source, Geometry(32), ignored=frozenset({2}), score_at="original").build(SPEC)
    assert (episode.spec, episode.ignored, episode.score_at) == (SPEC, {2}, "original")
    assert source.loaded == []


def test_episodes_by_index() -> None:
    source = fake()
    sampler = Sampler(*[Pairs((("va", 1), ("vb", 1), ("vq", 1)), "by hand")] * 2, ANIMALS, "novel")
    episodes = EpisodeList(sampler, Loader(source, Geometry(32)))
    assert episodes[5].spec == sampler.spec(5)
    assert [episode.spec.index for episode in episodes.first(4)] == [0, 1, 2, 3]
    assert list(episodes.first(0)) == []
    next(episodes.first(10**12))
    assert source.loaded == []
    episodes[5].queries()
    assert source.loaded == [*sampler.spec(5).queries]
