"""What can be used of COCO's records, and what is skipped and counted."""

from typing import Any

import numpy as np
import pytest

from episodes.data.coco.records import (
    AS_TEXT,
    LOST_IMAGE,
    NO_CATEGORY,
    NO_FILE,
    NO_IMAGE,
    NO_POLYGON,
    NO_SHAPE,
    OTHER_SIZE,
    OUTSIDE,
    PART,
    SAME_ID,
    TWICE,
    Records,
    drawable,
)
from episodes.errors import InputError

HEIGHT, WIDTH = 30, 40
SQUARE = [1, 1, 9, 1, 9, 9, 1, 9]


def image(id: Any = 1, **other: Any) -> dict[str, Any]:
    return {"id": id, "file_name": f"{id}.jpg", "height": HEIGHT, "width": WIDTH} | other


def annotation(**other: Any) -> dict[str, Any]:
    return {"id": 1, "image_id": 1, "category_id": 3, "segmentation": [SQUARE]} | other


def taken(images: list[Any], annotations: list[Any]) -> tuple[list[int], dict[str, int]]:
    """The rows of the annotations that are drawn, and how many records of each kind were remarked on."""
    records = Records()
    for record in images:
        records.add_image(record)
    records.add_category({"id": 3, "name": "cup"})
    rows = [drawn.row for drawn in records.drawn(annotations)]
    return rows, {remark.what: remark.count for remark in records.remarks()}


@pytest.mark.parametrize(
    ("segmentation", "kind"),
    [
        *((empty, NO_SHAPE) for empty in (None, [], [[]], [[], []], {}, "")),
        *((few, NO_POLYGON) for few in ([[1, 1, 9, 9]], [1, 1, 9, 9], SQUARE, [[1, 1, 9, 1, 9]], [[1, 2]])),
        *(([[*SQUARE[:-1], value]], NO_POLYGON) for value in (None, "9", True, [9], 1e9, -1e300, float("inf"))),
        *(
            (other, NO_POLYGON)
            for other in ("text", 5, True, [5], [None], [{}], {"counts": "x"}, {"size": [HEIGHT, WIDTH]})
        ),
        ({"size": [WIDTH, HEIGHT], "counts": [HEIGHT * WIDTH]}, OTHER_SIZE),
        *(
            ({"size": [HEIGHT, WIDTH], "counts": counts}, NO_POLYGON)
            for counts in ([], [5], [-1, HEIGHT * WIDTH + 1], ["5"], [1.5], "", "\x7f", "0", "o", None, 7)
        ),
    ],
)
def test_shapes_that_cannot_be_drawn(segmentation: Any, kind: str) -> None:
    assert drawable(segmentation, HEIGHT, WIDTH) == (None, kind)
    assert taken([image()], [annotation(segmentation=segmentation)]) == ([], {kind: 1})


def test_shapes_that_can() -> None:
    masks = pytest.importorskip("pycocotools.mask")
    assert drawable([SQUARE], HEIGHT, WIDTH) == ([SQUARE], None)
    assert drawable([SQUARE, []], HEIGHT, WIDTH) == ([SQUARE], None)
    assert drawable([SQUARE, [1, 2, 3]], HEIGHT, WIDTH) == ([SQUARE], PART)
    assert drawable([[-5.5, 0, 45, 0, 45, 35]], HEIGHT, WIDTH)[1] is None
    plain = {"size": [HEIGHT, WIDTH], "counts": [100, 100, HEIGHT * WIDTH - 200]}
    assert drawable(plain, HEIGHT, WIDTH) == (plain, None)
    for seed in range(30):
        generator = np.random.default_rng(seed)
        mask = (generator.random((HEIGHT, WIDTH)) < generator.random()).astype(np.uint8)
        packed = masks.encode(np.asfortranarray(mask))
        packed["counts"] = packed["counts"].decode()
        assert drawable(packed, HEIGHT, WIDTH) == (packed, None)
        packed["counts"] = packed["counts"][:-1]
        assert drawable(packed, HEIGHT, WIDTH) == (None, NO_POLYGON)


@pytest.mark.parametrize(
    ("images", "annotations", "rows", "kinds"),
    [
        ([image()], [annotation()], [0], {}),
        ([image()], [annotation(image_id="1"), annotation(id=2, category_id="3")], [0, 0], {AS_TEXT: 2}),
        ([image("1")], [annotation()], [0], {AS_TEXT: 1}),
        ([image(1.0)], [annotation()], [0], {}),
        ([image(1), image("1", file_name="b.jpg")], [annotation(image_id="1"), annotation(id=2)], [1, 0], {}),
        ([image("a")], [annotation(image_id="a")], [0], {}),
        ([image()], [annotation(image_id="01")], [], {NO_IMAGE: 1}),
        *(
            ([image()], [annotation(image_id=id)], [], {NO_IMAGE: 1})
            for id in (2, None, True, [1], {"a": 1}, 1.5, 10**30)
        ),
        ([image()], [annotation(category_id=4), annotation(), {}, None, "text"], [0], {NO_CATEGORY: 1, NO_IMAGE: 3}),
        ([image()], [annotation(), annotation()], [0, 0], {SAME_ID: 1}),
        ([image()], [annotation(id=None), annotation(id=None), annotation(id=[])], [0, 0, 0], {}),
        ([image(), image()], [annotation()], [0], {}),
        ([image(), image(file_name="b.jpg")], [annotation()], [0], {TWICE: 1}),
        ([image(), image(2, file_name="1.jpg")], [annotation(image_id=2)], [0], {}),
        ([image(), image(2, file_name="1.jpg", width=5)], [annotation(image_id=2)], [], {TWICE: 1, LOST_IMAGE: 1}),
        ([image(), image(2, file_name="../2.jpg")], [annotation(image_id=2)], [], {OUTSIDE: 1, LOST_IMAGE: 1}),
        *(
            ([image(), image(2) | broken], [annotation()], [0], {NO_FILE: 1})
            for broken in (
                {"height": 0},
                {"width": None},
                {"width": -5},
                {"height": 1.5},
                {"file_name": ""},
                {"id": None},
            )
        ),
        ([image(height=10**6, width=10**6)], [annotation()], [], {NO_FILE: 1, LOST_IMAGE: 1}),
        ([image(height="30", width=40.0)], [annotation()], [0], {}),
    ],
)
def test_records(images: list[Any], annotations: list[Any], rows: list[int], kinds: dict[str, int]) -> None:
    assert taken(images, annotations) == (rows, kinds)


def test_what_is_used_is_no_fault() -> None:
    records = Records()
    records.add_image(image())
    records.add_category({"id": "3", "name": "cup"})
    assert len(list(records.drawn([annotation(image_id="1"), annotation(segmentation=[SQUARE, [1]])]))) == 2
    remarks = {remark.what: remark for remark in records.remarks()}
    assert not remarks[AS_TEXT].refused(strict=True)
    assert remarks[PART].refused(strict=True)


def test_most_annotations_of_undeclared_photographs_are_refused() -> None:
    for undeclared, refused in ((1, False), (5, False), (6, True)):
        records = Records()
        records.add_image(image())
        records.add_category({"id": 3, "name": "cup"})
        images = [1] * (10 - undeclared) + [7] * undeclared
        list(records.drawn(annotation(id=id, image_id=image) for id, image in enumerate(images)))
        (remark,) = [remark for remark in records.remarks() if remark.what == NO_IMAGE]
        assert remark.refused() is refused
        assert remark.examples[0] == f"annotation {10 - undeclared} of photograph 7"


def test_crowds_whatever_their_mark() -> None:
    for mark, crowd in ((0, False), (1, True), ("0", False), ("1", True), (None, False), (False, False), (True, True)):
        records = Records()
        records.add_image(image())
        records.add_category({"id": 3, "name": "cup"})
        (drawn,) = records.drawn([annotation(iscrowd=mark)])
        assert drawn.crowd is crowd


def test_nothing_usable_is_an_error() -> None:
    records = Records()
    records.add_image({})
    records.add_category({"id": 3, "name": "cup"})
    list(records.drawn([annotation()]))
    with pytest.raises(InputError, match="x has nothing usable: photographs declared without"):
        records.check("x")
