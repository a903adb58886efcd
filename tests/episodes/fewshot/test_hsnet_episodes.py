"""HSNet's own episodes: its test loader's stream, the bytes of a manifest, and a part of it on part of the data."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from episodes.errors import InputError
from episodes.fewshot.episode import EpisodeSpec
from episodes.fewshot.hsnet_episodes import PUBLISHED
from episodes.fewshot.settings import DataSettings
from episodes.scoring.plans.manifest import Manifest
from episodes.scoring.plans.plan import Plan
from episodes.scoring.plans.planning import plans
from episodes.scoring.plans.settings import PlanSettings
from tests.episodes.fewshot.test_sampler import TINY, sampler

IDS = [f"2007_{number:06d}" for number in range(60)]
PAIRS = [(id, 6 + (7 * number) % 5) for number, id in enumerate(IDS)] + [(id, 8) for id in IDS[:40:5]]


@pytest.fixture
def data(tmp_path: Path) -> DataSettings:
    """Made lists of fold 1, 68 pairs of names."""
    (tmp_path / "val_fold1.txt").write_text("".join(f"{id}__{label:02d}\n" for id, label in PAIRS))
    return DataSettings("pascal", str(tmp_path), fold=1)


def planned(data: DataSettings, **more: object) -> Plan:
    (plan,) = plans(replace(PlanSettings(data, drawing="hsnet-seed0", episodes=200), **more)).values()
    return plan


@pytest.mark.parametrize("shot", [1, 5])
def test_they_are_what_a_loader_draws_from_the_stream(shot: int) -> None:
    drawn = sampler(drawing="hsnet-seed0", shot=shot)
    stream = np.random.RandomState(0)
    for index in range(50):
        query, label = TINY.items[index % len(TINY.items)]
        supports: list[str] = []
        while len(supports) < shot:
            if (support := str(stream.choice(TINY.by_class[label], 1, replace=False)[0])) != query:
                supports.append(support)
        assert drawn.spec(index) == EpisodeSpec(index, (label,), (tuple(supports),), (query,))


def test_an_episode_is_the_same_whichever_was_asked_for_before() -> None:
    forward, backward = (sampler(drawing="hsnet-seed0", shot=2) for _ in range(2))
    expected = [forward.spec(index) for index in range(20)]
    assert [backward.spec(index) for index in reversed(range(20))] == expected[::-1]


@pytest.mark.parametrize(
    ("shot", "sha256"),
    [
        (1, "fbb4ff65ca24324d6cb4c1dfab3d98001c89dd0975f28ab262ffecb6ddf8e2df"),
        (5, "29a627c6eed7bb369b3554a2421566fc44d25e58ddea87a53f3245fc64110598"),
    ],
)
def test_golden_manifests(data: DataSettings, tmp_path: Path, shot: int, sha256: str) -> None:
    """The same bytes under numpy 1.26, 2.1 and 2.4."""
    planned(data, shot=shot).export().write(tmp_path / "m.jsonl")
    assert hashlib.sha256((tmp_path / "m.jsonl").read_bytes()).hexdigest() == sha256
    assert any(len(set(spec.supports[0])) < shot for spec in Manifest.read(tmp_path / "m.jsonl").specs) == (shot > 1)


def test_of_some_classes_they_are_those_of_the_whole_fold(data: DataSettings, tmp_path: Path) -> None:
    whole = planned(data, shot=2).export().specs
    plan = planned(data, shot=2, classes=("cat", "bus"))
    own = [spec for spec in whole if spec.classes[0] in (6, 8)]
    assert plan.export().specs == [replace(spec, index=index) for index, spec in enumerate(own)]
    assert plan.rules.episodes == len(own) < 200
    assert plan.names == {6: "bus", 8: "cat"}
    plan.export().write(tmp_path / "m.jsonl")
    (again,) = plans(PlanSettings(data, manifest=str(tmp_path / "m.jsonl"))).values()
    assert again.export() == plan.export()
    assert again.names == plan.names


def test_another_list_is_named(data: DataSettings) -> None:
    assert planned(data).departures == ["drawing: HSNet's stream over another pair list than its own"]
    assert sorted(PUBLISHED) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"way": 2}, "hsnet-seed0 has 1 way, 1 query and seed 0, not 2, 1 and 0"),
        ({"seed": 4}, "hsnet-seed0 has 1 way, 1 query and seed 0, not 1, 1 and 4"),
        ({"seeds": 2}, "hsnet-seed0 is one run, not 2: use `protocol` hsnet, or `seeds` 1"),
        ({"protocol": "ssp"}, "hsnet-seed0 is one run, not 5"),
        ({"data": DataSettings("stickers")}, "draws from HSNet's pair lists of PASCAL-5i"),
    ],
)
def test_what_hsnet_does_not_have(data: DataSettings, fields: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        planned(**{"data": data} | fields)
