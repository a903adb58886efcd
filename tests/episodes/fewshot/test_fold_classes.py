"""Folds: known values of PASCAL-5i and COCO-20i, and every way to ask for what does not exist."""

import pytest

from episodes.errors import InputError
from episodes.fewshot.fold_classes import Order, folds, novel_and_base


@pytest.mark.parametrize("fold", range(4))
def test_pascal_5i(fold: int) -> None:
    assert folds(20)[fold] == tuple(5 * fold + c for c in range(1, 6))


@pytest.mark.parametrize("fold", range(4))
def test_coco_20i_in_both_orders(fold: int) -> None:
    assert folds(80)[fold] == tuple(range(20 * fold + 1, 20 * fold + 21))
    assert folds(80, order="interleaved")[fold] == tuple(fold + 4 * v + 1 for v in range(20))


@pytest.mark.parametrize("order", ["contiguous", "interleaved"])
@pytest.mark.parametrize(("classes", "n"), [(20, 4), (7, 3), (11, 4), (5, 5), (3, 1)])
def test_every_class_is_novel_once(classes: int, n: int, order: Order) -> None:
    dealt = folds(classes, n, order)
    assert sorted(label for fold in dealt for label in fold) == list(range(1, classes + 1))
    sizes = [len(fold) for fold in dealt]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] - sizes[-1] <= 1


def test_base_is_the_rest() -> None:
    novel, base = novel_and_base(20, 2)
    assert novel == (11, 12, 13, 14, 15)
    assert base == (*range(1, 11), *range(16, 21))


@pytest.mark.parametrize("fold", [-1, 4])
def test_a_fold_that_does_not_exist(fold: int) -> None:
    with pytest.raises(InputError, match=rf"fold {fold} does not exist: 20 classes in 4 folds have folds 0\.\.3"):
        novel_and_base(20, fold)


@pytest.mark.parametrize("n", [0, 4])
def test_folds_that_cannot_be_filled(n: int) -> None:
    with pytest.raises(InputError, match=rf"3 classes cannot be dealt into {n} folds"):
        folds(3, n)


def test_an_unknown_order() -> None:
    with pytest.raises(InputError, match="fold order 'random' does not exist"):
        folds(20, order="random")  # type: ignore[arg-type]
