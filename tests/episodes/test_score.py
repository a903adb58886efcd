"""Scoring by several protocols: photographs are prepared once where the geometry is the same."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from episodes.fewshot.episode import EpisodeSpec, Photograph
from episodes.fewshot.folds import Fold
from episodes.fewshot.geometry import Geometry
from episodes.fewshot.settings import DataSettings
from episodes.results.output import Output, Scored
from episodes.score import WRITERS, score
from episodes.scoring.plans.planning import plans
from episodes.scoring.plans.settings import PlanSettings
from episodes.scoring.plans.workload import PREPARING, Workload
from tests.episodes.fakes import Fake, label_map
from tests.episodes.scored import Threshold

MAPS = {
    f"{split}{label}{place}": label_map({label: 400 + place})
    for split in "tv"
    for label in (1, 2)
    for place in range(4)
}
SETTINGS = PlanSettings(DataSettings("fake", min_pixels=10), episodes=8, classes=("ant", "bee"))


class Counting(Threshold):
    """Notes what it prepares, and at what size."""

    def prepare(self, photographs: Sequence[Photograph]) -> list[Any]:
        reds = super().prepare(photographs)
        self.prepared[-len(reds) :] = [f"{photograph.id} {photograph.image.shape[-1]}" for photograph in photographs]
        return reds


def scored(protocol: str, output: Output | None = None, **changes: Any) -> tuple[dict[str, Any], list[str]]:
    settings = replace(SETTINGS, protocol=protocol, **changes)
    method = Counting()
    chosen = plans(settings, fold=Fold(settings.data, source=Fake(MAPS)))
    return score(chosen, method, {"name": "threshold"}, output or Output()), method.prepared


def test_several_protocols_find_what_each_finds_alone() -> None:
    together, _ = scored("ssp,panet,hsnet")
    assert list(together) == ["ssp", "panet", "hsnet"]
    for name, found in together.items():
        alone, _ = scored(name)
        for kept in ("miou", "fb_iou", "per_class", "seeds", "intervals", "deviation", "departures"):
            assert found[kept] == alone[name][kept]


def test_seeds_and_protocols_of_one_geometry_share_what_was_prepared() -> None:
    _, prepared = scored("ssp")
    assert len(prepared) == len(set(prepared)) == 8  # five seeds
    _, apart = scored("panet,hsnet")
    assert {int(name.split()[1]) for name in apart} == {400, 417}
    _, shared = scored("panet,hsnet", size=40)
    assert len(shared) == len(set(shared)) == 16  # panet asks for the train split


def test_each_protocol_has_a_folder_of_its_own(tmp_path: Path) -> None:
    scored("panet,hsnet", Output(tmp_path / "two", pictures=1))
    assert sorted(str(file.relative_to(tmp_path / "two")) for file in (tmp_path / "two").glob("*/*")) == [
        f"{name}/{file}" for name in ("hsnet", "panet") for file in ("counts.npz", "pictures", "result.json")
    ]
    scored("hsnet", Output(tmp_path / "one"))
    assert sorted(file.name for file in (tmp_path / "one").iterdir()) == ["counts.npz", "result.json"]


def test_a_new_output_is_one_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_table(folder: Path, scored: Scored) -> None:
        (folder / "table.csv").write_text(f"{scored.content['miou']},{len(scored.outcome.records.rows)}")

    monkeypatch.setattr(sys.modules["episodes.score"], "WRITERS", (*WRITERS, write_table))
    found, _ = scored("hsnet", Output(tmp_path))
    assert (tmp_path / "table.csv").read_text() == f"{found['hsnet']['miou']},8"


def test_progress_counts_the_episodes_of_all() -> None:
    settings = replace(SETTINGS, protocol="hsnet,ssp", seeds=2)
    done: list[tuple[int, int, float]] = []
    chosen = plans(settings, fold=Fold(settings.data, source=Fake(MAPS)))
    score(chosen, Threshold(), {}, on_episode=lambda *counts: done.append(counts))
    assert [counts[:2] for counts in done] == [(count, 32) for count in range(33)]
    shares = [share for *_, share in done]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert shares[0] == 0
    assert shares[4] > 4 / 32  # the first photographs are all new


def test_the_share_of_the_work_counts_photographs_that_are_new() -> None:
    """By hand: what was prepared serves later plans of the same geometry; without that all episodes are alike."""

    def plan(size: int, *episodes: str) -> Any:
        specs = [EpisodeSpec(index, (1,), ((ids[0],),), (ids[1],)) for index, ids in enumerate(episodes)]
        rules = SimpleNamespace(geometry=Geometry(size), seeds=1)
        return SimpleNamespace(rules=rules, runs=lambda: [(0, specs)], negative=0, wrong_supports=[])

    chosen = [plan(400, "ab", "ac"), plan(400, "cb"), plan(417, "ab")]
    shares = [Workload(chosen, prepares=True).share(episodes) for episodes in (0, 1, 2, 3, 4, 9)]
    work = [0, 1 + 2 * PREPARING, 2 + 3 * PREPARING, 3 + 3 * PREPARING, 4 + 5 * PREPARING, 4 + 5 * PREPARING]
    assert shares == pytest.approx([done / work[-1] for done in work])
    assert Workload(chosen, prepares=False).share(3) == 0.75


@pytest.mark.parametrize("seed", [0, 4])
def test_the_deviation_is_that_of_the_seeds(seed: int) -> None:
    found, _ = scored("ssp", seed=seed)
    mious = [each["miou"] for each in found["ssp"]["seeds"].values()]
    assert list(found["ssp"]["seeds"]) == [str(seed + run) for run in range(5)]
    mean = sum(mious) / 5
    assert found["ssp"]["miou"] == pytest.approx(mean)
    assert found["ssp"]["deviation"]["miou"] == pytest.approx((sum((miou - mean) ** 2 for miou in mious) / 5) ** 0.5)
    low, high = found["ssp"]["intervals"]["miou"]
    assert low <= mean <= high
