"""A head fitted to supports is what ridge regression says, and decides as far as the supports left out say it helps."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from srpnet.fewshot.evaluation.method import SRPNetMethod
from srpnet.fewshot.fitted_head import (
    FEW_SHARE,
    MANY_SHARE,
    PENALTY,
    Head,
    Lesson,
    Levels,
    Rows,
    areas,
    blend,
    chosen,
    described,
    fit,
    score,
)
from srpnet.fewshot.network import SRPNet
from srpnet.fewshot.prototypes import pool_supports
from srpnet.nn.device import Runtime
from srpnet.nn.grid import upsample

ONE_WAY = torch.ones(3, 1, dtype=torch.bool)


def levels(noise: Callable[..., Tensor], seed: int, size: int = 6) -> Levels:
    """Two levels in float64, the second at half the resolution."""
    coarse = -(-size // 2)
    return Levels((noise(1, 3, size, size, seed=seed), noise(1, 4, coarse, coarse, seed=100 + seed)), (1, 2))


def lesson(shown: Levels, labels_HW: Tensor, ways: int = 1) -> Lesson:
    """A support whose label map has 2 x 2 pixels a cell."""
    map_1Chw = shown.maps_BChw[0]
    area_Phw = areas(labels_HW[None], ways, map_1Chw.shape[-2:], 2)[0].to(map_1Chw.dtype)
    return Lesson(shown, area_Phw, pool_supports(map_1Chw, labels_HW[None], ways, 2, "feature"))


def painted(seed: int, ways: int = 1, size: int = 12) -> Tensor:
    """Labels of all kinds, 255 among them, in blocks."""
    kinds = torch.tensor([*range(ways + 1), 255], dtype=torch.uint8)
    drawn = torch.randint(0, len(kinds), (size // 3, size // 3), generator=torch.Generator().manual_seed(seed))
    return kinds[drawn].repeat_interleave(3, 0).repeat_interleave(3, 1)


def nothing_found(lesson: Lesson, prototypes_PC: Tensor) -> Tensor:
    """Prototypes that find the background everywhere, by a little noise."""
    ways, (_, *size) = len(prototypes_PC) - 1, lesson.areas_Phw.shape
    return torch.cat([torch.ones(1, *size), 0.01 * torch.rand(ways, *size, generator=torch.Generator().manual_seed(0))])


def all_found(lesson: Lesson, prototypes_PC: Tensor) -> Tensor:
    """Prototypes that find exactly what is painted."""
    return 10 * lesson.areas_Phw


@pytest.mark.parametrize("ways", [1, 2])
def test_weights_are_those_of_balanced_ridge_regression(noise: Callable[..., Tensor], ways: int) -> None:
    lessons = [lesson(levels(noise, s), painted(s, ways), ways) for s in range(3)]
    weights_ND = Rows.of(lessons).weights([0, 2])
    for way in range(1, ways + 1):
        # Slowly: each cell of each support, with what it shows of the way and of everything else.
        rows, positive, negative = [], [], []
        for each in (lessons[0], lessons[2]):
            fine = [each.levels.maps_BChw[0], upsample(normalize(each.levels.maps_BChw[1], dim=1), (6, 6), 2)]
            total = each.areas_Phw.sum((1, 2))
            for y in range(6):
                for x in range(6):
                    parts = [normalize(fine[0][0, :, y, x], dim=0), fine[1][0, :, y, x]]
                    rows.append(torch.cat([torch.cat(parts) / 2**0.5, torch.ones(1, dtype=torch.float64)]))
                    own = each.areas_Phw[way, y, x]
                    positive.append(own / total[way] / 4)
                    negative.append((each.areas_Phw[:, y, x].sum() - own) / (total.sum() - total[way]) / 4)
        cells_RD, positive_R, negative_R = torch.stack(rows), torch.stack(positive), torch.stack(negative)
        assert torch.allclose(positive_R.sum(), negative_R.sum())  # object and background alike
        weight_R = positive_R + negative_R
        assert torch.allclose(weight_R.sum(), torch.ones_like(weight_R[0]))
        squares_DD = cells_RD.T @ (weight_R[:, None] * cells_RD) + PENALTY * torch.eye(8, dtype=torch.float64)
        expected_D = torch.linalg.solve(squares_DD, cells_RD.T @ (positive_R - negative_R))
        assert torch.allclose(weights_ND[way - 1], expected_D, rtol=1e-4, atol=1e-5)


def test_each_level_is_scored_on_its_own_grid(noise: Callable[..., Tensor]) -> None:
    shown, weights_ND = levels(noise, 0), noise(2, 8, seed=9)
    expected_Nx = weights_ND @ described(shown, torch.arange(36)).T
    assert torch.allclose(score(shown, weights_ND[None])[0].flatten(1), expected_Nx)


def test_a_head_of_share_one_decides_alone(noise: Callable[..., Tensor]) -> None:
    shown, logits_1Phw, weights_ND = levels(noise, 0), noise(1, 2, 6, 6, seed=5), noise(1, 8, seed=9)
    score_hw = score(shown, weights_ND[None])[0, 0]
    lead_hw = logits_1Phw[0, 1] - logits_1Phw[0, 0]
    for share in (0.25, 1.0):
        blended_Phw = blend(logits_1Phw, shown, [Head(weights_ND, share)])[0]
        assert torch.allclose(blended_Phw[1] - blended_Phw[0], (1 - share) * lead_hw + share * score_hw)


def test_each_photograph_has_its_own_head(noise: Callable[..., Tensor]) -> None:
    maps = zip(levels(noise, 0).maps_BChw, levels(noise, 1).maps_BChw, strict=True)
    both = Levels(tuple(torch.cat(pair) for pair in maps), (1, 2))
    heads = [Head(noise(1, 8, seed=7), 0.5), Head(noise(1, 8, seed=8), 1.0)]
    logits_2Phw = noise(2, 2, 6, 6, seed=5)
    together = blend(logits_2Phw, both, heads)
    for place, head in enumerate(heads):
        alone = blend(logits_2Phw[place : place + 1], levels(noise, place), [head])
        assert torch.allclose(together[place], alone[0])


def telling(noise: Callable[..., Tensor], seed: int, labels_HW: Tensor) -> Levels:
    """Levels of which the coarse one says where the object is."""
    fine_1Chw, coarse_1Chw = levels(noise, seed).maps_BChw
    sign_hw = 2 * areas(labels_HW[None], 1, coarse_1Chw.shape[-2:], 4)[0, 1] - 1
    coarse_1Chw = coarse_1Chw.clone()
    coarse_1Chw[0, 0] = 20 * sign_hw
    return Levels((fine_1Chw, coarse_1Chw), (1, 2))


def block(row: int, column: int) -> Tensor:
    labels_HW = torch.zeros(12, 12, dtype=torch.uint8)
    labels_HW[row : row + 6, column : column + 6] = 1
    return labels_HW


BLOCKS = [block(0, 0), block(4, 2), block(6, 6)]


def test_where_prototypes_find_nothing_the_head_decides(noise: Callable[..., Tensor]) -> None:
    head = fit([lesson(telling(noise, s, BLOCKS[s]), BLOCKS[s]) for s in range(3)], ONE_WAY, nothing_found)
    assert head is not None
    assert head.share == 1
    query = block(2, 6)
    found = score(telling(noise, 7, query), head.weights_ND[None])[0, 0] > 0
    truth = areas(query[None], 1, (6, 6), 2)[0, 1] > 0.5
    assert (found == truth).float().mean() > 0.8


def test_where_prototypes_find_it_all_a_head_has_little_to_say(noise: Callable[..., Tensor]) -> None:
    told = [BLOCKS[0], 1 - BLOCKS[1], BLOCKS[2]]  # so that a head finds in each what is not the object
    lessons = [lesson(telling(noise, s, told[s]), BLOCKS[s]) for s in range(3)]
    head = fit(lessons, ONE_WAY, all_found)
    assert head is None or head.share <= FEW_SHARE


@pytest.mark.parametrize("shots", [3, 5])
def test_where_neither_is_better_the_share_is_the_usual_one(noise: Callable[..., Tensor], shots: int) -> None:
    labels = [BLOCKS[s % 3] for s in range(shots)]
    lessons = [lesson(telling(noise, s, labels[s]), labels[s]) for s in range(shots)]
    head = fit(lessons, torch.ones(shots, 1, dtype=torch.bool), all_found)
    assert head is not None
    assert head.share == {3: FEW_SHARE, 5: MANY_SHARE}[shots]


@pytest.mark.parametrize("ways", [1, 2])
def test_one_support_of_each_way_cannot_tell(noise: Callable[..., Tensor], ways: int) -> None:
    lessons = [lesson(levels(noise, s), painted(s, ways), ways) for s in range(ways)]
    assert fit(lessons, torch.eye(ways, dtype=torch.bool), nothing_found) is None


def test_a_support_without_the_object_is_background(noise: Callable[..., Tensor]) -> None:
    empty = torch.zeros(12, 12, dtype=torch.uint8)
    lessons = [lesson(telling(noise, s, BLOCKS[s]), BLOCKS[s]) for s in range(2)]
    lessons.append(lesson(levels(noise, 2), empty))
    membership_SN = torch.tensor([[True], [True], [False]])
    rows = Rows.of(lessons)
    assert not rows.positive_RN[rows.support_R == 2].any()
    assert rows.negative_RN[rows.support_R == 2].sum() == pytest.approx(1)
    head = fit(lessons, membership_SN, nothing_found)
    assert head is not None
    assert score(lessons[2].levels, head.weights_ND[None]).mean() < 0
    # With it alone beside one support that shows the object, there is nothing to judge by.
    assert fit(lessons[1:], membership_SN[1:], nothing_found) is None


def test_an_object_of_one_pixel_is_fitted(noise: Callable[..., Tensor]) -> None:
    labels = [torch.zeros(12, 12, dtype=torch.uint8) for _ in range(3)]
    for s, each in enumerate(labels):
        each[3 * s, 5] = 1
    head = fit([lesson(levels(noise, s), labels[s]) for s in range(3)], ONE_WAY, nothing_found)
    assert head is None or head.weights_ND.isfinite().all()
    assert Rows.of([lesson(levels(noise, 0), labels[0])]).weights([0]).isfinite().all()


def test_fitting_twice_gives_the_same_bits(noise: Callable[..., Tensor]) -> None:
    lessons = [lesson(levels(noise, s), painted(s)) for s in range(3)]
    first, second = fit(lessons, ONE_WAY, nothing_found), fit(lessons, ONE_WAY, nothing_found)
    assert first is not None
    assert second is not None
    assert torch.equal(first.weights_ND, second.weights_ND)
    assert first.share == second.share


def test_cells_are_chosen_evenly_half_of_the_object() -> None:
    area_xP = torch.zeros(100, 2)
    area_xP[:40, 1], area_xP[40:90, 0] = 1, 1  # the last ten are not labelled
    cells, counts = chosen(area_xP, 20)
    assert (cells < 40).sum() == 10
    assert ((cells >= 40) & (cells < 90)).sum() == 10
    assert counts[cells < 40].sum() == 40
    assert counts[cells >= 40].sum() == 50
    few, counts = chosen(area_xP[35:], 20)
    assert (few < 5).sum() == 5
    assert len(few) == 20
    assert counts.sum() == 55


class TestEpisodes:
    """Heads of whole episodes, as in an evaluation."""

    @pytest.fixture
    def method(self, network: SRPNet) -> Callable[..., SRPNetMethod]:
        return lambda **options: SRPNetMethod(network, Runtime(torch.device("cpu"), "fp32"), **options)

    def test_one_support_is_segmented_as_without(
        self, squares: Callable[..., Any], method: Callable[..., SRPNetMethod]
    ) -> None:
        episode = squares(shot=1)[0]
        assert torch.equal(method(fit="auto")(episode)[0], method()(episode)[0])

    @pytest.mark.parametrize("way", [1, 2])
    def test_of_several_supports_heads_do_not_depend_on_other_episodes(
        self, squares: Callable[..., Any], method: Callable[..., SRPNetMethod], way: int
    ) -> None:
        episodes: Sequence[Any] = [squares(way=way, shot=3)[index] for index in range(3)]
        fitted = method(fit="auto")
        together = [each.queries[0] for each in fitted.answer(episodes)]
        alone = [fitted(episode)[0] for episode in episodes]
        plain = method()
        assert all(torch.equal(*pair) for pair in zip(together, alone, strict=True))
        assert not all(torch.equal(plain(episode)[0], each) for episode, each in zip(episodes, alone, strict=True))
        # The ceiling is that of the prototypes in any case.
        for mine, theirs in zip(fitted.answer(episodes), plain.answer(episodes), strict=True):
            assert all(torch.equal(*pair) for pair in zip(mine.supports, theirs.supports, strict=True))
