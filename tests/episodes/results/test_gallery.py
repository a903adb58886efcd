"""The pictures of a run: which episodes are drawn, and under which names."""

from pathlib import Path

import torch
from PIL import Image

from episodes.fewshot.episode import EpisodeSpec
from episodes.fewshot.folds import Fold
from episodes.fewshot.geometry import Geometry
from episodes.fewshot.scenes.loading import Loader
from episodes.fewshot.settings import DataSettings
from episodes.results.gallery import chosen, draw, ranked
from episodes.scoring.evaluate import cache_for
from episodes.scoring.metrics import confusion
from episodes.scoring.records import Record, Records
from tests.episodes.fakes import Fake, label_map
from tests.episodes.scored import perfect


class Things(Fake):
    """COCO's class names have spaces."""

    classes = ("traffic light", "dog")


SOURCE = Things({id: label_map({1: 300, 2: 300}) for id in ("va", "vb", "vc")})
TASK = Fold(DataSettings("fake", min_pixels=1, folds=2), SOURCE)
LOADER = Loader(SOURCE, Geometry(32))


def records(*missed: float) -> Records:
    """An episode each, of which a share of the query's rows is answered with background, or all is ignored (2.0)."""
    rows = []
    for index, share in enumerate(missed):
        seen = LOADER.build(spec(index))
        (truth,) = (seen.truth(query) for query in seen.queries())
        answer, truth = truth.clone(), torch.full_like(truth, 255) if share == 2.0 else truth
        answer[: round(share * len(answer))] = 0
        rows.append(Record(spec(index), 2, confusion(answer, truth, 2)))
    return Records(tuple(rows))


def spec(index: int) -> EpisodeSpec:
    return EpisodeSpec(index, (2, 1), (("va",), ("vb",)), ("vc",))


def test_episodes_are_ranked_from_the_lowest_iou() -> None:
    """Those without anything to find are no failures."""
    order = ranked(records(0.5, 0.0, 0.9, 0.2, 2.0, 0.9, 0.7))
    assert [each.spec.index for each in order] == [2, 5, 6, 0, 3, 1]
    assert order[-1].ious == (1, 1)
    assert order[0].iou == sum(order[0].ious) / 2


def test_what_is_drawn() -> None:
    order = ranked(records(*(index / 20 for index in range(10))))  # episode 9 is the worst
    for pictures, indices in ((0, []), (1, [0]), (2, [0, 9]), (4, [0, 3, 6, 9]), (99, [*range(10)])):
        assert [each.spec.index for each in chosen(order, pictures, 0)["pictures"]] == indices
    assert [each.spec.index for each in chosen(order, 0, 3)["worst"]] == [9, 8, 7]
    assert chosen([], 5, 5) == {"pictures": [], "worst": []}


def test_pictures_are_named_by_place_episode_and_classes(tmp_path: Path) -> None:
    old = tmp_path / "worst/002-000050-dog.png"
    for file in (old, tmp_path / "worst/notes.png"):
        file.parent.mkdir(exist_ok=True)
        file.write_text("old")
    drawn = chosen(ranked(records(0.5, 0.9)), 2, 1)
    with cache_for(perfect, 0) as cache:
        draw(tmp_path, TASK, LOADER, perfect, cache, drawn)
    assert sorted(str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*.png")) == [
        "pictures/001-000000-dog-traffic_light.png",
        "pictures/002-000001-dog-traffic_light.png",
        "worst/001-000001-dog-traffic_light.png",
        "worst/notes.png",
    ]
    picture = Image.open(tmp_path / "pictures/001-000000-dog-traffic_light.png")
    assert picture.width > picture.height
