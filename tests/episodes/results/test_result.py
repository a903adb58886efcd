"""Results: the keys of schema 1, null instead of NaN, and a word of caution about stickers."""

import json
import math
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import torch

from episodes.data.sets.stickers import STICKERS
from episodes.files import write_json
from episodes.results.result import result, versions
from episodes.scoring.evaluate import Evaluation
from episodes.scoring.metrics import Score
from episodes.scoring.plans.plan import Outcome
from episodes.scoring.protocols import PROTOCOLS
from episodes.scoring.records import Records

KEYS = [
    "schema",
    "miou",
    "fb_iou",
    "per_class",
    "not_drawn",
    "support_miou",
    "support_fb_iou",
    "classes",
    "intervals",
    "seeds",
    "deviation",
    "episodes",
    "seconds",
    "protocol",
    "departures",
    "settings",
    "pairs",
    "weights",
    "versions",
]


def score(absent: Any = "zero") -> Score:
    total = Score({1: "ant", 2: "bee"}, absent=absent)
    total.add((1,), torch.tensor([[5, 1], [1, 3]]))
    return total


def content(queries: Score, supports: Score | None = None, **settings: Any) -> dict[str, Any]:
    outcome = Outcome({0: Evaluation(queries, supports, 1, 1.23456)}, Records(()))
    return result(
        outcome, PROTOCOLS["hsnet"], settings, {"rule": "min_pixels=1", "sha256": "ab"}, {"name": "torchvision-v1.5"}
    )


def test_schema_1() -> None:
    found = content(score(), score("skip"), data="pascal:VOC", seed=3)
    assert list(found) == KEYS
    assert found["schema"] == 1
    assert found["per_class"] == {"ant": 0.6, "bee": None}
    assert found["not_drawn"] == ["bee"]
    assert found["miou"] == 0.3  # where bee counts as 0
    assert found["fb_iou"] == (3 / 5 + 5 / 7) / 2
    assert (found["support_miou"], found["support_fb_iou"]) == (0.6, (3 / 5 + 5 / 7) / 2)
    assert (found["episodes"], found["seconds"]) == (1, 1.235)
    assert found["settings"] == {"data": "pascal:VOC", "seed": 3}
    assert found["pairs"] == {"rule": "min_pixels=1", "sha256": "ab"}
    assert found["weights"] == {"name": "torchvision-v1.5"}


def test_null_instead_of_nan() -> None:
    found = content(score("nan"), Score({1: "ant"}, absent="nan"))
    assert found["miou"] is None
    assert found["per_class"] == {"ant": 0.6, "bee": None}
    assert (found["support_miou"], found["support_fb_iou"]) == (None, None)
    assert content(Score({}))["fb_iou"] is None


def test_null_for_a_method_without_a_ceiling() -> None:
    found = content(score())
    assert list(found) == KEYS
    assert (found["support_miou"], found["support_fb_iou"]) == (None, None)


def test_a_note_for_stickers_alone() -> None:
    assert content(score(), data="stickers")["note"] == STICKERS.note
    assert "note" not in content(score(), data="coco:stickers")


def test_it_is_valid_json(tmp_path: Path) -> None:
    found = content(score("nan"), data="stickers", classes=["ant"])
    write_json(tmp_path / "result.json", found)
    assert json.loads((tmp_path / "result.json").read_text()) == found


def test_numbers_are_plain() -> None:
    found = content(score())
    assert type(found["miou"]) is float
    assert not math.isnan(found["miou"])


def test_versions_of_what_moves_a_score() -> None:
    assert sorted(versions()) == ["numpy", "pillow", "python", "srpnet", "torch", "torchvision"]
    assert versions()["torch"].split("+")[0] == torch.__version__.split("+")[0]


def test_a_checkout_that_is_not_installed_loses_no_score(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert versions()["srpnet"] == "not installed"
