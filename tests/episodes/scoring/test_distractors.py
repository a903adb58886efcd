"""Queries of an evaluation into which an object of another tested class is pasted."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from episodes.errors import InputError
from episodes.fewshot.episode import Episode
from episodes.fewshot.folds import Fold
from episodes.fewshot.settings import DataSettings
from episodes.results.bootstrap import Resampling
from episodes.results.output import Output
from episodes.score import score, score_predictions
from episodes.scoring.plans.plan import Plan
from episodes.scoring.plans.planning import plans
from episodes.scoring.plans.settings import PlanSettings
from tests.episodes.fakes import Fake, label_map
from tests.episodes.scored import perfect

MAPS = {f"v{label}{number}": label_map({label: 300}, 48, 48) for label in range(1, 9) for number in range(3)}


def plan(**settings: Any) -> Plan:
    data = DataSettings("fake", min_pixels=10)
    asked = PlanSettings(data, **{"episodes": 12, "size": 48} | settings)
    (chosen,) = plans(asked, fold=Fold(data, Fake(MAPS))).values()
    return chosen


def found(method: Any, folder: Path | None = None, **settings: Any) -> dict[str, Any]:
    (content,) = score(
        {"any": plan(**settings)}, method, {}, Output(folder), resampling=Resampling(replicates=10)
    ).values()
    return content


def everything(episode: Episode) -> list[Tensor]:
    """Any object: all that some class covers."""
    return [((query.labels > 0) & (query.labels != 255)).byte() for query in episode.queries()]


def test_what_finds_any_object_is_caught() -> None:
    alone, beside = found(everything), found(everything, distractors=1.0)
    assert alone["miou"] == 1
    assert beside["miou"] < 0.8
    assert found(perfect, distractors=1.0)["miou"] == 1
    assert "queries: into 100 % of them an object of another tested class is pasted" in beside["departures"]
    assert beside["settings"]["distractors"] == 1
    assert "distractors" not in alone["settings"]


def test_supports_stay_and_queries_get_one_object_more() -> None:
    plain, composed = (
        [*map(chosen.loader().build, chosen_specs(chosen))] for chosen in (plan(), plan(distractors=0.5))
    )
    changed = 0
    for before, after in zip(plain, composed, strict=True):
        assert before.spec == after.spec
        assert torch.equal(before.supports()[0].image, after.supports()[0].image)
        (old,), (new,) = before.queries(), after.queries()
        pasted = {*new.labels.unique().tolist()} - {*old.labels.unique().tolist()}
        assert pasted <= {1, 2, 3, 4, 5}
        changed += bool(pasted)
        again = after.queries()[0]
        assert torch.equal(new.image, again.image)
    assert 0 < changed < len(plain)


def chosen_specs(chosen: Plan) -> list[Any]:
    return [spec for _, specs in chosen.runs() for spec in specs]


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"distractors": 1.5}, "`distractors` must be a number from 0 to 1"),
        ({"distractors": 1.0, "wrong_support": True}, "leave out `wrong_support` or `distractors`"),
        ({"distractors": 1.0, "classes": ("ant",)}, "composed scenes need classes beside the 1 of an episode"),
    ],
)
def test_what_cannot_be_composed_is_refused(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        plan(**settings).loader()


def test_predictions_are_of_photographs_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="leave out `distractors`"):
        score_predictions(PlanSettings(manifest="m", distractors=1.0), tmp_path, Output(None))
