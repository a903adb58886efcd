"""Queries without the class: how they are drawn, and the figures against slow references."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from episodes.errors import InputError
from episodes.fewshot.episode import Episode, EpisodeSpec
from episodes.fewshot.folds import Fold
from episodes.fewshot.negatives import Negatives
from episodes.fewshot.settings import DataSettings
from episodes.results.bootstrap import Resampling
from episodes.results.output import Output
from episodes.results.presence import PresenceScores, presence
from episodes.score import score
from episodes.scoring.methods import Answer, BaseMethod
from episodes.scoring.metrics import confusion
from episodes.scoring.plans.plan import Plan
from episodes.scoring.plans.planning import plans
from episodes.scoring.plans.settings import PlanSettings
from episodes.scoring.records import Record, Records
from tests.episodes.fakes import Fake, label_map
from tests.episodes.scored import perfect

# Fold 0 has ant and bee. Photographs of number 0 show both; those of 9 a base class alone.
MAPS = {
    **{f"v{label}{number}": label_map({label: 300}) for label in (1, 2) for number in range(1, 5)},
    "v10": label_map({1: 300, 2: 3}),
    **{f"v{label}9": label_map({label: 300}) for label in range(3, 9)},
    **{f"t{label}{number}": label_map({label: 300}) for label in range(1, 9) for number in range(3)},
}
SPEC = EpisodeSpec(3, (1,), (("v11",),), ("v12",))


def plan(**settings: Any) -> Plan:
    data = DataSettings("fake", min_pixels=10)
    asked = PlanSettings(data, **{"episodes": 20, "size": 32} | settings)
    return plans(asked, fold=Fold(data, Fake(MAPS)))["hsnet"]


def record(presences: Sequence[float], shown: bool, query: str = "q", area: int = 0) -> Record:
    """A query of 100 pixels, of which `area` are labelled as the class."""
    truth = torch.zeros(100, dtype=torch.uint8)
    truth[:10] = int(shown)
    prediction = torch.zeros_like(truth)
    prediction[len(prediction) - area :] = 1
    return Record(EpisodeSpec(0, (1,), (("s",),), (query,)), 1, confusion(prediction, truth, 1), 0, tuple(presences))


def test_the_query_shows_none_of_the_classes() -> None:
    source = Fake(MAPS)
    for seed in range(30):
        drawn = Negatives(source, "val").of(SPEC, seed, 77)
        assert (drawn.index, drawn.classes, drawn.supports) == (77, SPEC.classes, SPEC.supports)
        assert all(query.startswith("v") and 1 not in source.classes_in(query) for query in drawn.queries)
    both = replace(SPEC, classes=(1, 2), supports=(("v11",), ("v21",)), queries=("v12", "v22"))
    drawn = Negatives(source, "val").of(both, 0, 0)
    assert len(set(drawn.queries)) == 2
    assert all(query[2] == "9" for query in drawn.queries)


def test_every_such_photograph_is_drawn_and_the_seed_decides() -> None:
    able = {id for id, labels in MAPS.items() if id.startswith("v") and not (labels == 1).any()}
    drawn = [Negatives(Fake(MAPS), "val").of(SPEC, seed, 0).queries[0] for seed in range(300)]
    assert set(drawn) == able
    assert drawn == [Negatives(Fake(MAPS), "val").of(SPEC, seed, 0).queries[0] for seed in range(300)]


def test_a_split_in_which_every_photograph_shows_the_class() -> None:
    source = Fake({id: labels for id, labels in MAPS.items() if id.startswith("v1")})
    with pytest.raises(InputError, match="too few val photographs do not show ant: leave out `negatives`"):
        Negatives(source, "val").of(SPEC, 0, 0)


@pytest.mark.parametrize("share", [-0.1, 1.5, math.nan])
def test_a_share_out_of_range(share: float) -> None:
    with pytest.raises(InputError, match="`negatives` must be a number from 0 to 1"):
        PlanSettings(negatives=share)


def test_a_plan_adds_them_after_the_others_and_changes_none_of_these() -> None:
    with_them, without = plan(negatives=0.25, seeds=2), plan(seeds=2)
    assert (without.count, with_them.count) == (40, 50)
    assert [list(specs) for _, specs in with_them.runs()] == [list(specs) for _, specs in without.runs()]
    negatives = [(seed, spec) for seed, specs in with_them.negatives() for spec in specs]
    assert [spec.index for _, spec in negatives] == list(range(40, 50))
    assert [seed for seed, _ in negatives] == [0] * 5 + [1] * 5
    spread = [spec for _, specs in with_them.runs() for spec in list(specs)[::4]]
    assert [spec.supports for _, spec in negatives] == [spec.supports for spec in spread]
    assert list(without.negatives()) == []
    assert plan(negatives=0.01).negative == 1


def test_figures_by_hand() -> None:
    positives = Records((record((0.9,), True, area=50), record((0.4,), True), record((0.5,), True)))
    negatives = Records((record((0.5,), False, area=30), record((0.1,), False)))
    found = presence(positives, negatives, Resampling(replicates=10), threshold=0.45)
    assert found["episodes"] == 1  # the helper gives all the same index
    assert found["false_positive_area"] == pytest.approx(0.15)
    assert found["found"] == 0.5
    assert found["auc"] == pytest.approx((2 + 1 + 1.5) / 6)  # 0.9 beats both, 0.4 one, 0.5 one and a half
    assert (found["rejected"], found["lost"]) == (pytest.approx(1 / 2), pytest.approx(1 / 3))
    assert found["score"] == "of the method"


def test_auc_equals_every_pair_compared() -> None:
    draws = np.random.default_rng(5)
    score = draws.integers(0, 6, 60) / 6
    shown, weights = draws.integers(0, 2, 60).astype(float), draws.integers(0, 3, (4, 60)).astype(float)
    found = PresenceScores(shown, 1 - shown, score, score).presence(weights, None)[:, 2]
    for own, auc in zip(weights, found, strict=True):
        won = total = 0.0
        for i in range(60):
            for j in range(60):
                if shown[i] and not shown[j]:
                    won += own[i] * own[j] * (1.0 if score[i] > score[j] else 0.5 if score[i] == score[j] else 0.0)
                    total += own[i] * own[j]
        assert auc == pytest.approx(won / total)


def test_without_a_score_of_the_method_the_area_is_taken() -> None:
    positives, negatives = Records((record((), True, area=20),)), Records((record((), False, area=10),))
    found = presence(positives, negatives, Resampling(replicates=10))
    assert (found["score"], found["auc"], found["threshold"]) == ("area", 1.0, None)
    assert found["rejected"] is None
    assert found["lost"] is None


def test_ways_that_a_query_does_not_show_are_absent() -> None:
    truth = torch.tensor([0, 0, 1, 1], dtype=torch.uint8)
    two = Record(EpisodeSpec(0, (1, 2), (("s",), ("t",)), ("q",)), 2, confusion(truth, truth, 2), 0, (0.8, 0.3))
    found = PresenceScores.of(Records((two,)), Records(()))
    assert found.shown.tolist() == [1, 0]
    assert found.negative.tolist() == [0, 0]
    assert found.score.tolist() == [0.8, 0.3]


def test_intervals_hold_the_figure_and_narrow_with_photographs() -> None:
    def interval(photographs: int) -> list[float]:
        draws = np.random.default_rng(1)
        rows = [
            record((float(draws.normal(shown)),), bool(shown), f"{shown}-{number}")
            for shown in (0, 1)
            for number in range(photographs)
        ]
        split = Records(tuple(rows[photographs:])), Records(tuple(rows[:photographs]))
        found = presence(*split, Resampling(replicates=300))
        low, high = found["intervals"]["auc"]
        assert low < found["auc"] < high
        return [low, high]

    few, many = interval(20), interval(200)
    assert many[1] - many[0] < (few[1] - few[0]) / 2


class Sure(BaseMethod):
    """Finds everything, and says of each class whether the red of the photograph is as of it."""

    def answer(self, episodes: Sequence[Episode]) -> list[Answer]:
        return [
            Answer(
                perfect(episode), (), [[float((query.image[0] > 0.27).float().mean())] for query in episode.queries()]
            )
            for episode in episodes
        ]

    def __call__(self, episode: Episode) -> Any:
        return self.answer([episode])[0].queries


@pytest.mark.parametrize(
    "said", [[[0.5, 0.5]], [[]], [[math.nan]], [[0.5], [0.5]], torch.tensor([[math.inf]])], ids=str
)
def test_presence_that_is_not_a_finite_number_for_each_way(said: Any) -> None:
    class Wrong(Sure):
        def answer(self, episodes: Sequence[Episode]) -> list[Answer]:
            return [Answer(perfect(episode), (), said) for episode in episodes]

    with pytest.raises(ValueError, match="presence must be 1 finite numbers for each of 1 queries"):
        score({"hsnet": plan(episodes=2)}, Wrong(), {})


def test_presence_as_a_tensor() -> None:
    class Tensors(Sure):
        def answer(self, episodes: Sequence[Episode]) -> list[Answer]:
            return [answer._replace(presence=torch.tensor(answer.presence)) for answer in super().answer(episodes)]

    found = [score({"hsnet": plan(negatives=0.5)}, method, {})["hsnet"]["negatives"] for method in (Sure(), Tensors())]
    assert found[0]["auc"] == pytest.approx(found[1]["auc"])


def test_scores_of_some_episodes_alone_do_not_count() -> None:
    positives = Records((record((0.9,), True, area=20), record((), True, area=20)))
    found = presence(positives, Records((record((0.1,), False, area=50),)), Resampling(replicates=10))
    assert (found["score"], found["auc"]) == ("area", 0)


def test_negatives_of_an_earlier_run_go(tmp_path: Path) -> None:
    for share in (0.5, 0.0):
        score({"hsnet": plan(negatives=share)}, Sure(), {}, Output(tmp_path))
    assert not (tmp_path / "negatives.npz").exists()


def test_runs_from_before_there_was_presence_are_read(tmp_path: Path) -> None:
    records = Records((record((), True),))
    records.write(tmp_path / "counts.npz")
    with np.load(tmp_path / "counts.npz") as arrays:
        np.savez(tmp_path / "old.npz", **{name: arrays[name] for name in arrays if name != "presence"})
    (row,) = Records.read(tmp_path / "old.npz").rows
    assert (row.presence, row.matrix.tolist()) == ((), records.rows[0].matrix.tolist())


def test_a_scored_run_keeps_them_apart(tmp_path: Path) -> None:
    runs = {
        share: score({"hsnet": plan(negatives=share, classes=("ant",))}, Sure(), {}, Output(tmp_path / str(share)))[
            "hsnet"
        ]
        for share in (0.0, 0.5)
    }
    assert "negatives" not in runs[0.0]
    assert runs[0.5]["miou"] == runs[0.0]["miou"] == 1
    assert (runs[0.0]["episodes"], runs[0.5]["episodes"]) == (20, 20)
    assert runs[0.5]["negatives"]["episodes"] == 10
    assert runs[0.5]["negatives"]["false_positive_area"] == 0
    kept = Records.read(tmp_path / "0.5" / "negatives.npz")
    assert len(kept.rows) == 10
    assert all(len(row.presence) == 1 for row in kept.rows)
    assert not (tmp_path / "0.0" / "negatives.npz").exists()
