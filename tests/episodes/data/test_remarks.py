"""How much of a data set may be skipped."""

import pytest

from episodes.data.remarks import Remark, Tally, check_remarks
from episodes.errors import InputError


@pytest.mark.parametrize(
    ("count", "total", "refused"),
    [
        (0, 10, False),
        (1, 2, False),
        (1, 1, True),
        (2, 20, False),
        (2, 19, True),
        (3, 30, False),
        (4, 30, True),
        (5, 5, True),
    ],
)
def test_one_always_and_a_tenth_of_many(count: int, total: int, refused: bool) -> None:
    remark = Remark("broken masks", count, total, ("m.png",))
    assert remark.refused() is refused
    assert remark.refused(strict=True) is (count > 0)
    assert not Remark("turned masks", count, total, passed_over=False).refused(strict=True)


def test_what_is_said() -> None:
    remark = Remark("broken masks", 4, 3000, ("a\x1b", "b", "c"))
    assert str(remark) == r"broken masks: 4 of 3,000 (a\x1b; b; c; ...), skipped"
    check_remarks("coco:x", [remark])
    with pytest.raises(
        InputError, match=r"coco:x: broken masks: 4 of 3,000 .*, skipped: with strict none may be skipped"
    ):
        check_remarks("coco:x", [remark], strict=True)
    with pytest.raises(InputError, match=r"at most 10 % may be skipped; fix or remove them"):
        check_remarks("coco:x", [Remark("broken masks", 4, 30)])


def test_a_tally_names_the_first_few() -> None:
    tally = Tally()
    for number in range(9):
        tally.add("broken masks", f"{number}.png")
    assert tally.remark("broken masks", 10) == Remark("broken masks", 9, 10, ("0.png", "1.png", "2.png"))
    assert Remark.read({"what": "x", "count": 1, "total": 2, "examples": ["a"], "passed_over": True, "share": 0.5}) == (
        Remark("x", 1, 2, ("a",), share=0.5)
    )
