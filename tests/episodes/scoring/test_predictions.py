"""Label maps of other code: scored as the method that wrote them would be, and refused when they are wrong."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from episodes.data import DATA_SETS
from episodes.data.data_set import DataSet
from episodes.data.source import Array
from episodes.errors import InputError
from episodes.fewshot.folds import Fold
from episodes.fewshot.settings import DataSettings
from episodes.results.output import Output
from episodes.score import score_predictions
from episodes.scoring.plans.plan import Plan
from episodes.scoring.plans.planning import plans
from episodes.scoring.plans.settings import PlanSettings
from episodes.scoring.predictions import Predictions
from episodes.scoring.protocols import PROTOCOLS
from tests.episodes.fakes import Fake, label_map

MAPS = {f"{split}{place}": label_map({1: 600 + 90 * place, 255: 40}, 40, 60) for split in "tv" for place in range(4)}
SETTINGS = PlanSettings(DataSettings("fake", min_pixels=10), episodes=6, classes=("ant",), query_count=2)


def planned(**changes: Any) -> Plan:
    settings = replace(SETTINGS, **changes)
    (plan,) = plans(settings, fold=Fold(settings.data, source=Fake(MAPS))).values()
    return plan


def shifted(labels: Array) -> Array:
    """A label map that is wrong at some pixels, in the way of one that somebody predicted: no 255."""
    return np.where(np.roll(labels, 3, axis=0) == 1, 1, 0).astype(np.uint8)


def write(plan: Plan, folder: Path, predict: Callable[[Array], Array] = shifted) -> Path:
    folder.mkdir()
    for _, specs in plan.runs():
        for spec in specs:
            for place, query in enumerate(spec.queries):
                Image.fromarray(predict(MAPS[query])).save(folder / f"{spec.index:06d}_{place}.png")
    return folder


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_they_score_as_the_method_that_wrote_them(tmp_path: Path, protocol: str) -> None:
    plan = planned(protocol=protocol)

    def method(episode: Any) -> Any:
        maps = []
        for query in episode.queries():
            labels = query.original.new_tensor(shifted(MAPS[query.id]))
            maps.append(labels if episode.score_at == "original" else query.placement.labels(labels))
            maps[-1][maps[-1] == 255] = 0  # padding
        return maps

    found = plan.evaluate(Predictions(write(plan, tmp_path / "maps")))
    expected = plan.evaluate(method)
    assert [run.queries for run in found.runs.values()] == [run.queries for run in expected.runs.values()]
    assert 0 < found.runs[0].queries.miou < 1


def test_the_truth_itself_may_keep_its_255(tmp_path: Path) -> None:
    plan = planned(protocol="pfenet")
    assert plan.evaluate(Predictions(write(plan, tmp_path / "maps", lambda labels: labels))).runs[0].queries.miou == 1


def test_a_whole_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned()
    plan.export().write(tmp_path / "m.jsonl")
    write(plan, tmp_path / "maps")
    monkeypatch.setitem(DATA_SETS, "fake", DataSet("fake", open_alone=lambda _: Fake(MAPS)))
    settings = PlanSettings(SETTINGS.data, manifest=str(tmp_path / "m.jsonl"))
    done: list[tuple[int, int, float]] = []
    output = Output(tmp_path / "out", worst=1)
    results = score_predictions(settings, tmp_path / "maps", output, lambda *counts: done.append(counts))
    assert results["hsnet"]["weights"] == {"predictions": "maps"}
    assert results["hsnet"]["miou"] == plan.evaluate(Predictions(tmp_path / "maps")).runs[0].queries.miou
    assert results["hsnet"]["support_miou"] is None
    assert done[-1] == (6, 6, 1.0)
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["counts.npz", "result.json", "worst"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda labels: np.where(labels == 0, 255, labels), "holds 255 where the truth does not: write 0"),
        (lambda labels: labels + (labels < 255), "holds label 2: write 0, or a way, 1..1"),
        (lambda labels: labels[1:], "is 60 x 39 pixels, its photograph 60 x 40: make them one size"),
        (lambda labels: np.stack([labels] * 3, axis=2), "is a colour picture .RGB.: write a greyscale PNG"),
    ],
)
def test_label_maps_that_are_wrong(tmp_path: Path, wrong: Callable[[Array], Array], words: str) -> None:
    plan = planned()
    with pytest.raises(InputError, match=f"000000_0.png {words}"):
        plan.evaluate(Predictions(write(plan, tmp_path / "maps", wrong)))


def test_label_maps_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no folder .*maps"):
        Predictions(tmp_path / "maps")
    plan = planned()
    folder = write(plan, tmp_path / "maps")
    (folder / "000001_1.png").unlink()
    with pytest.raises(InputError, match=r"there is no .*000001_1.png: every query of the manifest needs"):
        plan.evaluate(Predictions(folder))
    (folder / "000001_1.png").write_text("no picture")
    with pytest.raises(InputError, match=r"000001_1.png cannot be read as a picture"):
        plan.evaluate(Predictions(folder))
