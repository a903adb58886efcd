"""Draws: the stream is fixed for ever, every value is as likely as the next, and bad requests are refused."""

import hashlib
from collections import Counter

import pytest

from episodes import draws
from episodes.draws import Draws

LARGEST = 2**64 - 1


class Scripted(Draws):
    """Draws that take their words from a script."""

    def __init__(self, *words: int) -> None:
        self.words = list(words)

    def _word(self) -> int:
        return self.words.pop(0)


def word(text: bytes) -> int:
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big")


def test_golden_values() -> None:
    stream = Draws("golden", 1)
    assert [stream.below(1000) for _ in range(5)] == [407, 798, 285, 91, 769]


def test_words_are_sha256_of_the_key_and_the_count() -> None:
    stream = Draws("golden", 1, "é")
    expected = [word("golden\0001\0é\0".encode() + str(i).encode()) for i in range(12)]
    assert [stream.below(2**64) for _ in range(12)] == expected


def test_a_key_without_parts() -> None:
    assert Draws().below(2**64) == word(b"0")


def test_equal_keys_draw_alike_and_do_not_disturb_each_other() -> None:
    one, two = Draws("key", 3), Draws("key", 3)
    first = [one.below(100) for _ in range(20)]
    assert [two.below(100) for _ in range(20)] == first


@pytest.mark.parametrize("other", [("a", 2), ("b", 1), ("a",), ("a", 1, ""), ("a1",), (1, "a")])
def test_different_keys_draw_differently(other: tuple[str | int, ...]) -> None:
    one, two = Draws("a", 1), Draws(*other)
    assert [one.below(2**64) for _ in range(4)] != [two.below(2**64) for _ in range(4)]


def test_words_past_the_last_multiple_are_drawn_again() -> None:
    # 2**64 = 3 * 6148914691236517205 + 1, so the largest word alone would favour 0.
    assert Scripted(LARGEST, LARGEST, 5).below(3) == 2
    assert Scripted(LARGEST - 1).below(3) == (LARGEST - 1) % 3
    assert Scripted(LARGEST).below(4) == 3


def test_every_accepted_word_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draws, "WORD", 8)
    stream = Scripted(*range(8), 0)
    assert [stream.below(3) for _ in range(6)] == [0, 1, 2, 0, 1, 2]
    assert stream.below(3) == 0  # 6 and 7 were skipped
    assert stream.words == []


@pytest.mark.parametrize("n", [2, 3, 7, 10])
def test_below_is_uniform(n: int) -> None:
    stream, count = Draws("uniformity", n), 700 * n
    seen = Counter(stream.below(n) for _ in range(count))
    assert sorted(seen) == list(range(n))
    chi_squared = sum((found - 700) ** 2 / 700 for found in seen.values())
    assert chi_squared < 30  # its mean is n - 1


def test_below_one_is_zero() -> None:
    assert {Draws("one", i).below(1) for i in range(20)} == {0}


def test_uniform_takes_the_top_53_bits() -> None:
    assert Scripted(0).uniform() == 0.0
    assert Scripted(2**63).uniform(2, 4) == 3.0
    assert Scripted(2**11 - 1).uniform() == 0.0
    assert Scripted(LARGEST).uniform() == 1 - 2.0**-53


def test_uniform_spreads_evenly() -> None:
    stream = Draws("uniform")
    values = [stream.uniform(-1, 3) for _ in range(4000)]
    assert min(values) >= -1
    assert max(values) < 3
    assert sum(values) / 4000 == pytest.approx(1, abs=0.1)


def test_uniform_never_reaches_its_upper_end() -> None:
    assert Scripted(LARGEST).uniform(0.5, 1.0) < 1.0


def test_chance() -> None:
    stream = Draws("chance")
    assert not any(stream.chance(0) for _ in range(200))
    assert all(stream.chance(1) for _ in range(200))
    assert sum(stream.chance(0.25) for _ in range(4000)) == pytest.approx(1000, abs=120)


def test_choice_reaches_every_item() -> None:
    stream = Draws("choice")
    assert {stream.choice("abc") for _ in range(60)} == set("abc")


def test_sample_by_hand() -> None:
    # Words 1, 1, 0 below 4, 3, 2: b of abcd, c of acd, a of ad.
    assert Scripted(1, 1, 0).sample("abcd", 3) == ["b", "c", "a"]


def test_sample_repeats_nothing_and_leaves_the_items_alone() -> None:
    items = list(range(10))
    for seed in range(50):
        assert len(set(Draws("sample", seed).sample(items, 6))) == 6
    assert items == list(range(10))
    assert Draws("sample").sample(items, 0) == []


def test_sample_gives_every_order_equally_often() -> None:
    stream = Draws("orders")
    seen = Counter(tuple(stream.sample("abc", 2)) for _ in range(3000))
    assert len(seen) == 6
    assert all(abs(count - 500) < 100 for count in seen.values())


@pytest.mark.parametrize("n", [0, -3])
def test_nothing_to_draw_below(n: int) -> None:
    with pytest.raises(ValueError, match=f"cannot draw below {n}"):
        Draws("x").below(n)


def test_more_values_than_a_word_has() -> None:
    with pytest.raises(ValueError, match="cannot draw below"):
        Scripted(1, 2, 3).below(2**64 + 1)


def test_a_choice_of_nothing() -> None:
    with pytest.raises(ValueError, match="cannot draw below 0"):
        Draws("x").choice([])


def test_a_sample_larger_than_its_items() -> None:
    with pytest.raises(ValueError, match="cannot draw 4 of 3 items"):
        Draws("x").sample("abc", 4)


def test_weighted_draws_come_as_often_as_their_weights_say() -> None:
    stream = Draws("weighted")
    counts = Counter(stream.weighted("abc", (1, 0, 3)) for _ in range(2000))
    assert counts["b"] == 0
    assert 400 < counts["a"] < 600
    with pytest.raises(ValueError, match="cannot draw below 0"):
        stream.weighted("ab", (0, 0))
