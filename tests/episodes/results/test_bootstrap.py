"""Intervals and records: replicates against a slow reference, and files that come back as they were."""

from pathlib import Path

import numpy as np
import pytest
import torch

from episodes.errors import InputError
from episodes.fewshot.episode import EpisodeSpec
from episodes.results.bootstrap import AT_A_TIME, Resampling, figures, intervals
from episodes.scoring.metrics import Score
from episodes.scoring.protocols import PROTOCOLS
from episodes.scoring.records import Record, Records, difference

NAMES = {1: "ant", 2: "bee"}
RULES = PROTOCOLS["hsnet"]


def record(index: int, label: int, support: str, query: str, counts: list[list[int]], seed: int = 0) -> Record:
    return Record(EpisodeSpec(index, (label,), ((support,),), (query,)), 1, torch.tensor(counts), seed)


def random_records(seeds: int = 2, episodes: int = 30) -> list[Record]:
    """Queries a..j, each of one class; supports p..s."""
    rng = np.random.default_rng(5)
    rows = []
    for seed in range(seeds):
        for index in range(episodes):
            place = int(rng.integers(10))
            counts = rng.integers(1, 100, (2, 2)).tolist()
            rows.append(record(index, 1 + place % 2, "pqrs"[int(rng.integers(4))], "abcdefghij"[place], counts, seed))
    return rows


def slow_figures(rows: list[Record], weight: dict[str, int], supports: dict[str, int] | None) -> list[float]:
    """Each photograph's episodes counted one by one, as often as it was drawn."""
    found = []
    for seed in sorted({row.seed for row in rows}):
        score = Score(NAMES, RULES.vanished, RULES.absent)
        for row in rows:
            times = weight[row.photograph] * (1 if supports is None else supports[row.spec.supports[0][0]])
            for _ in range(times if row.seed == seed else 0):
                score.add(row.spec.classes, row.matrix)
        found.append(figures(score))
    return [sum(each) / len(each) for each in zip(*found, strict=True)]


@pytest.mark.parametrize("with_supports", [False, True])
def test_replicates_against_a_slow_reference(with_supports: bool) -> None:
    rows = random_records()
    found = Resampling(with_supports, replicates=20, seed=3).figures([rows], NAMES, RULES)
    stream = np.random.PCG64(3)

    def drawn(ids: list[str]) -> list[dict[str, int]]:
        picked = [[int(word) % len(ids) for word in stream.random_raw(len(ids))] for _ in range(AT_A_TIME)]
        return [{id: places.count(place) for place, id in enumerate(ids)} for places in picked]

    queries = drawn(list(dict.fromkeys(row.photograph for row in rows)))
    supports = drawn(list(dict.fromkeys(row.spec.supports[0][0] for row in rows))) if with_supports else [None] * 100
    both_seen = [
        all(
            any(weight[row.photograph] * (1 if more is None else more[row.spec.supports[0][0]]) for row in rows
                if row.seed == seed and row.spec.classes == (label,))
            for label in NAMES for seed in (0, 1)
        )
        for weight, more in zip(queries, supports, strict=True)
    ]  # fmt: skip
    kept = [place for place in range(AT_A_TIME) if both_seen[place]][:20]
    expected = [slow_figures(rows, queries[place], supports[place]) for place in kept]
    assert found is not None
    assert found[:, 0].tolist() == pytest.approx(np.array(expected), abs=1e-12)


def test_a_replicate_that_lost_a_class_is_drawn_again() -> None:
    rows = [record(0, 1, "p", "a", [[5, 1], [1, 3]]), record(1, 2, "p", "b", [[1, 1], [1, 1]])]
    found = Resampling(replicates=50).figures([rows], NAMES, RULES)
    assert found is not None
    # Only a draw of both, each once, keeps both classes.
    assert (found[:, 0] == figures(Records(tuple(rows)).scores(NAMES, RULES)[0])).all()


def test_too_few_photographs_have_no_interval() -> None:
    names = {label: str(label) for label in range(1, 13)}
    rows = [record(label, label, "p", str(label), [[5, 1], [1, 3]]) for label in names]
    assert Resampling().figures([rows], names, RULES) is None  # 12! / 12 ** 12 of all draws keep 12 classes
    assert intervals(None, ["mIoU"]) == {"mIoU": None}
    assert Resampling().figures([[]], names, RULES) is None


def test_intervals_are_the_middle_of_the_replicates() -> None:
    values = np.stack([np.arange(1001) / 1000, np.full(1001, np.nan)], axis=1)
    found = intervals(values, ["mIoU", "FB-IoU"])
    assert found["mIoU"] == pytest.approx((0.025, 0.975))
    assert found["FB-IoU"] is None


def test_two_methods_are_given_the_same_replicates() -> None:
    rows = random_records()
    found = Resampling(replicates=30).figures([rows, rows], NAMES, RULES)
    assert found is not None
    assert (found[:, 0] == found[:, 1]).all()
    assert found.std() > 0


def test_an_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """Photographs whose IoU is 0 or 1 by a coin of 0.7: the interval of 40 of them."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(100):
        coins = rng.random(40) < 0.7
        rows = [
            record(i, 1, "p", str(i), [[9, 0], [0, 1]] if coin else [[9, 0], [1, 0]]) for i, coin in enumerate(coins)
        ]
        found = Resampling(replicates=200).figures([rows], {1: "ant"}, RULES)
        spread = intervals(None if found is None else found[:, 0, :1], ["mIoU"])["mIoU"]
        assert spread is not None
        covered += spread.low <= 0.7 <= spread.high
    assert 88 <= covered <= 99


def test_records_come_back(tmp_path: Path) -> None:
    two_ways = EpisodeSpec(7, (2, 1), (("p",), ("q", "r")), ("a", "ü b"))
    rows = [
        *random_records(),
        Record(two_ways, 4, torch.arange(9).reshape(3, 3), 1),
        Record(two_ways, 0, torch.arange(9).reshape(3, 3), 1),
    ]
    records = Records.of(reversed(rows))
    records.write(tmp_path / "deep/counts.npz")
    found = Records.read(tmp_path / "deep/counts.npz")
    assert [row[:2] + row[3:] for row in found.rows] == [row[:2] + row[3:] for row in records.rows]
    assert all(own.matrix.equal(other.matrix) for own, other in zip(found.rows, records.rows, strict=True))
    assert [row.slot for row in found.rows if row.spec == two_ways] == [0, 4]
    assert [(row.photograph, row.role) for row in found.rows if row.spec == two_ways] == [
        ("p", "support"),
        ("ü b", "query"),
    ]
    assert len(found.role("support").rows) == 1


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 cut short", b"\x80\x04K\x01."])
def test_a_file_that_is_none(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "counts.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"there is no .*counts.npz" if content is None else "cannot be read"):
        Records.read(tmp_path / "counts.npz")


def test_records_of_other_episodes_differ() -> None:
    rows = random_records()
    assert difference(rows, random_records()) is None
    assert difference(rows, rows[:-1]) == "60 label maps were scored, and 59"
    other = [*rows[:40], rows[40]._replace(slot=0), *rows[41:]]
    assert difference(rows, other) == "the first difference is episode 10 of seed 1"
