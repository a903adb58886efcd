"""Folds: which classes are novel, and which are left for base training."""

from typing import Literal, get_args

from episodes.data.source import FoldNumber
from episodes.errors import InputError

Order = Literal["contiguous", "interleaved"]


def folds(classes: int, n: int = 4, order: Order = "contiguous") -> tuple[tuple[int, ...], ...]:
    """Classes 1..classes dealt into n folds; where the sizes do not divide, earlier folds get one more.

    Contiguous folds are those of PASCAL-5i, and of COCO-20i in PANet and SSP; HSNet's COCO-20i is
    interleaved. Results of the two orders do not compare.

    >>> folds(20)[3]
    (16, 17, 18, 19, 20)
    >>> folds(80, order="interleaved")[1][:4]
    (2, 6, 10, 14)
    >>> folds(7, n=3)
    ((1, 2, 3), (4, 5), (6, 7))

    Raises:
        InputError: An unknown order, no fold at all, or more folds than classes.
    """
    if order not in get_args(Order):
        raise InputError(f"fold order {order!r} does not exist: it is one of {', '.join(get_args(Order))}")
    if not 1 <= n <= classes:
        raise InputError(f"{classes} classes cannot be dealt into {n} folds: choose 1..{classes} folds")
    if order == "interleaved":
        return tuple(tuple(range(fold + 1, classes + 1, n)) for fold in range(n))
    size, larger = divmod(classes, n)
    starts = [fold * size + min(fold, larger) for fold in range(n + 1)]
    return tuple(tuple(range(starts[fold] + 1, starts[fold + 1] + 1)) for fold in range(n))


def novel_and_base(
    classes: int, fold: FoldNumber, n: int = 4, order: Order = "contiguous"
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The novel classes of a fold, and the base classes: all the others, ascending.

    >>> novel_and_base(8, fold=1)
    ((3, 4), (1, 2, 5, 6, 7, 8))
    >>> novel_and_base(3, fold="all")
    ((), (1, 2, 3))

    Raises:
        InputError: A fold outside 0..n-1, or what `folds` refuses.
    """
    if fold == "all":
        return (), tuple(range(1, classes + 1))
    dealt = folds(classes, n, order)
    if not 0 <= fold < n:
        raise InputError(f"fold {fold} does not exist: {classes} classes in {n} folds have folds 0..{n - 1}")
    novel = dealt[fold]
    return novel, tuple(label for label in range(1, classes + 1) if label not in novel)
