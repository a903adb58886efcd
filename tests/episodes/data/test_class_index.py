"""The class index: counted once, kept, and counted again whenever the cache is not what it should be."""

from pathlib import Path

import numpy as np
import pytest

from episodes.data.class_index import areas_of, class_index, fingerprint
from episodes.errors import InputError

AREAS = {"a": {1: 5}, "b": {2: 7, 20: 1}, "empty": {}}


class Counter:
    """Counts from a table, and how often it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, id: str) -> dict[int, int]:
        self.asked.append(id)
        return AREAS[id]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SRPNET_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_areas_leave_out_background_and_ignore() -> None:
    labels = np.array([[0, 0, 255], [7, 254, 7]], dtype=np.uint8)
    assert areas_of(labels) == {7: 2, 254: 1}
    assert areas_of(np.zeros((2, 2), dtype=np.uint8)) == {}


def test_fingerprint_depends_on_parts_and_their_order() -> None:
    assert fingerprint(["a", "b"]) == fingerprint(iter(["a", "b"]))
    assert len({fingerprint(parts) for parts in (["a", "b"], ["b", "a"], ["ab"], [])}) == 4


def test_counted_once_and_then_read() -> None:
    count = Counter()
    assert class_index(list(AREAS), count, "print") == AREAS
    assert sorted(count.asked) == sorted(AREAS)
    assert class_index(list(AREAS), count, "print") == AREAS
    assert len(count.asked) == len(AREAS)


def test_progress_is_told_while_counting_and_not_of_the_cache() -> None:
    ids = [str(number) for number in range(150)]
    told: list[tuple[int, int]] = []
    for _ in range(2):
        index = class_index(ids, lambda id: {1: int(id) + 1}, "print", lambda *step: told.append(step))
        assert list(index) == ids
        assert index["149"] == {1: 150}
    assert told == [(64, 150), (128, 150), (150, 150)]


def test_another_fingerprint_is_another_index() -> None:
    count = Counter()
    class_index(["a"], count, "one")
    class_index(["a"], count, "two")
    assert count.asked == ["a", "a"]


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "{}", '{"a": 1}', '{"a": {"x": 1}}', '{"a": null}'])
def test_a_broken_cache_is_counted_again(cache: Path, content: str) -> None:
    path = cache / "index" / "print.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    assert class_index(["a"], Counter(), "print") == {"a": AREAS["a"]}
    assert path.read_text() == '{"a": {"1": 5}}'


def test_a_cache_that_cannot_be_written_costs_nothing(cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    assert class_index(["a"], Counter(), "print") == {"a": AREAS["a"]}


def test_an_error_of_one_photograph_reaches_the_caller_and_is_not_kept(cache: Path) -> None:
    def count(id: str) -> dict[int, int]:
        raise InputError(f"{id} is broken")

    with pytest.raises(InputError, match="a is broken"):
        class_index(["a"], count, "print")
    assert not (cache / "index" / "print.json").exists()
