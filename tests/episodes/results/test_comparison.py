"""Comparisons: the paired difference of two runs, and runs that do not compare."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from episodes.errors import InputError
from episodes.fewshot.folds import Fold
from episodes.fewshot.settings import DataSettings
from episodes.results.bootstrap import Resampling
from episodes.results.comparison import compare, differing
from episodes.results.output import Output
from episodes.results.run import Run
from episodes.score import score
from episodes.scoring.plans.planning import plans
from episodes.scoring.plans.settings import PlanSettings
from episodes.scoring.records import COUNTS
from tests.episodes.fakes import Fake, label_map
from tests.episodes.scored import background, perfect

QUICK = Resampling(replicates=100)


def write_run(folder: Path, method: Any, **changes: Any) -> Path:
    maps = {
        f"{split}{label}{place}": label_map({label: 300 + place})
        for split in "tv"
        for label in (1, 2)
        for place in range(6)
    }
    settings = replace(
        PlanSettings(DataSettings("fake", min_pixels=10), episodes=30, size=32, classes=("ant", "bee")), **changes
    )
    fold = Fold(settings.data, source=Fake(maps))
    (plan,) = plans(settings, fold=fold).values()
    score({plan.rules.name: plan}, method, {}, Output(folder), resampling=QUICK)
    return folder


def ants_alone(episode: Any) -> Any:
    return perfect(episode) if episode.spec.classes == (1,) else background(episode)


def test_a_run_against_itself(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", ants_alone)
    rows = compare(run, run, QUICK)
    assert [row.name for row in rows] == ["mIoU", "FB-IoU", "ant", "bee"]
    assert [row.difference for row in rows] == [0, 0, 0, 0]
    assert all(row.interval == (0, 0) and not row.sure for row in rows)
    assert [row.first for row in rows] == [0.5, pytest.approx(Run.read(run).content["fb_iou"]), 1, 0]


def test_settings_that_differ_are_told_with_several_ways(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name, perfect, way=2) for name in ("before", "pixels", "regions")]
    for run in runs[1:]:
        content = json.loads((run / "result.json").read_text(encoding="utf-8"))
        content["settings"]["naming"] = run.name
        (run / "result.json").write_text(json.dumps(content), encoding="utf-8")
    assert differing(runs[0], runs[1]) == {}
    assert differing(runs[0], runs[2]) == {"naming": ("pixels", "regions")}


def test_the_better_one_is_told_class_by_class(tmp_path: Path) -> None:
    worse, better = write_run(tmp_path / "a", ants_alone), write_run(tmp_path / "b", perfect)
    miou, _, ant, bee = compare(worse, better, QUICK)
    assert (miou.difference, ant.difference, bee.difference) == (0.5, 0, 1)
    assert (miou.sure, ant.sure, bee.sure) == (True, False, True)
    assert compare(better, worse, QUICK)[0].interval == (-0.5, -0.5)


def test_several_seeds_are_compared_by_their_means(tmp_path: Path) -> None:
    worse = write_run(tmp_path / "a", ants_alone, protocol="ssp", size=None)
    better = write_run(tmp_path / "b", perfect, protocol="ssp", size=None)
    assert compare(worse, better, QUICK)[0].difference == 0.5
    assert len(json.loads((worse / "result.json").read_text())["seeds"]) == 5


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": 1}, "scored different episodes .the first difference is episode 0 of seed 0"),
        ({"shot": 2}, "scored different episodes"),
        ({"episodes": 29}, r"were scored by different rules \(episodes\)"),
        ({"original_size": True}, r"were scored by different rules \(scored at\)"),
        ({"classes": ("ant",)}, "tested different classes"),
    ],
)
def test_runs_that_do_not_compare(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    first, second = write_run(tmp_path / "a", perfect), write_run(tmp_path / "b", perfect, **changes)
    with pytest.raises(InputError, match=words):
        compare(first, second, QUICK)


def test_folders_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no result.json: name one of `srpnet eval --out`"):
        Run.read(tmp_path)
    write_run(tmp_path / "hsnet", perfect)
    with pytest.raises(InputError, match=r"holds no result.json: name one of its runs: hsnet"):
        Run.read(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "cannot be read"),
        ("[]", "from before runs kept their counts"),
        ('{"schema": 1, "miou": 0.5}', "from before runs kept their counts"),
        ('{"schema": 2}', "is of version 2, and this program reads version 1"),
    ],
)
def test_results_that_are_none(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "result.json").write_text(content)
    with pytest.raises(InputError, match=words):
        Run.read(tmp_path)


def test_a_run_without_its_counts(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", perfect)
    (run / COUNTS).unlink()
    with pytest.raises(InputError, match=f"there is no .*{COUNTS}"):
        Run.read(run)
