"""Wrong supports: how they are drawn, what is counted under them, and what is kept and said of it."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from episodes.errors import InputError
from episodes.fewshot.episode import Episode, EpisodeSpec, Photograph
from episodes.fewshot.folds import Fold
from episodes.fewshot.pairs import pairs_from_areas
from episodes.fewshot.settings import DataSettings
from episodes.fewshot.wrong_supports import WrongSupports
from episodes.results.bootstrap import Resampling
from episodes.results.comparison import compare
from episodes.results.output import Output
from episodes.results.page import report
from episodes.results.run import Run
from episodes.score import score
from episodes.scoring.plans.plan import Plan
from episodes.scoring.plans.planning import plans
from episodes.scoring.plans.settings import PlanSettings
from episodes.scoring.records import WRONG, Records
from tests.episodes.fakes import Fake, label_map
from tests.episodes.scored import Threshold, perfect

# Ants have 400 pixels, bees 200, cats and dogs 300. Photograph v10 shows ant and bee.
AREAS = {1: 400, 2: 200, 3: 300, 4: 300, 5: 300, 6: 300, 7: 300, 8: 300}
MAPS = {
    **{f"{split}{label}{number}": label_map({label: area}) for split in "tv" for label, area in AREAS.items()
       for number in range(1, 6)},
}  # fmt: skip
BOTH = {"v10": label_map({1: 400, 2: 200})}
SPEC = EpisodeSpec(7, (1,), (("v11",),), ("v12",))
QUICK = Resampling(replicates=100)


def plan(maps: Any = MAPS, folds: int = 4, **settings: Any) -> Plan:
    data = DataSettings("fake", min_pixels=10, folds=folds)
    asked = PlanSettings(data, **{"episodes": 20, "size": 32, "wrong_support": True} | settings)
    (chosen,) = plans(asked, fold=Fold(data, Fake(maps))).values()
    return chosen


def maker(classes: Sequence[int], maps: Any = MAPS, replacement: bool = False) -> WrongSupports:
    source = Fake(maps)
    pairs = pairs_from_areas(source, "val", "support", range(1, 9), min_pixels=10)
    return WrongSupports(source, pairs, classes, replacement)


def found(method: Any, folder: Path | None = None, **settings: Any) -> dict[str, Any]:
    (content,) = score({"any": plan(**settings)}, method, {}, Output(folder), resampling=QUICK).values()
    return content


def by_support(episode: Episode) -> list[torch.Tensor]:
    """Shown an ant it finds all that is not background, shown anything else the first 100 pixels of that."""
    first = torch.arange(32 * 32).reshape(32, 32) < (400 if episode.spec.classes == (1,) else 100)
    return [((query.image[0] > 0.25) & first).byte() for query in episode.queries()]


def test_classes_and_supports_are_others_and_the_draw_is_fixed() -> None:
    drawn = [maker((1, 2, 3)).of(replace(SPEC, index=index), seed=0) for index in range(60)]
    assert drawn == [maker((1, 2, 3)).of(replace(SPEC, index=index), seed=0) for index in range(60)]
    assert drawn != [maker((1, 2, 3)).of(replace(SPEC, index=index), seed=1) for index in range(60)]
    for index, spec in enumerate(drawn):
        assert spec is not None
        assert (spec.index, spec.queries) == (index, SPEC.queries)
        assert spec.supports[0][0].startswith(f"v{spec.classes[0]}")
    assert {spec.classes for spec in drawn if spec} == {(2,), (3,)}
    assert len({spec.supports for spec in drawn if spec}) == 10
    # For good: an evaluation can be repeated by any later version.
    assert [spec.supports for spec in drawn[:4] if spec] == [(("v31",),), (("v25",),), (("v32",),), (("v31",),)]


def test_the_query_shows_none_of_the_classes() -> None:
    both = replace(SPEC, queries=("v10",))
    assert {spec.classes for seed in range(30) if (spec := maker((1, 2, 3), MAPS | BOTH).of(both, seed))} == {(3,)}
    assert maker((1, 2), MAPS | BOTH).of(both, 0) is None


def test_all_ways_and_shots_are_replaced() -> None:
    two = EpisodeSpec(0, (1, 2), (("v11", "v12"), ("v21", "v22")), ("v13", "v23"))
    spec = maker((1, 2, 3, 4)).of(two, 0)
    assert spec is not None
    assert {*spec.classes} == {3, 4}
    for label, ids in zip(spec.classes, spec.supports, strict=True):
        assert len(set(ids)) == 2
        assert all(id.startswith(f"v{label}") for id in ids)
    assert maker((1, 2, 3)).of(two, 0) is None


def test_with_replacement_a_support_may_come_twice() -> None:
    six = replace(SPEC, supports=(tuple(f"v1{number}" for number in (1, 3, 4, 5)) * 2,))
    assert maker((1, 2)).of(six, 0) is None  # five bees are no eight
    spec = maker((1, 2), replacement=True).of(six, 0)
    assert spec is not None
    assert len(spec.supports[0]) == 8


def test_a_plan_adds_them_and_changes_nothing_else() -> None:
    with_them, without = plan(seeds=2, negatives=0.1), plan(seeds=2, wrong_support=False)
    assert (without.count, with_them.count) == (40, 40 + 2 * 2 + 40)
    assert [list(specs) for _, specs in with_them.runs()] == [list(specs) for _, specs in without.runs()]
    assert with_them.header == without.header
    assert [spec.index for _, _, spec in with_them.wrong_supports] == list(range(40))
    assert [seed for seed, _, _ in with_them.wrong_supports] == [0] * 20 + [1] * 20
    assert without.wrong_supports == []


def test_known_values(tmp_path: Path) -> None:
    """Ants: right all of 400, wrong 100 of 400. Bees: right 100 of 200, wrong all of 200."""
    content = found(by_support, tmp_path)
    told = content["wrong_support"]
    assert (told["episodes"], told["left_out"]) == (20, 0)
    assert told["per_class"] == {
        "ant": {"right": 1.0, "wrong": 0.25, "gap": 0.75},
        "bee": {"right": 0.5, "wrong": 1.0, "gap": -0.5},
    }
    assert (told["right"], told["wrong"], told["gap"]) == (0.75, 0.625, 0.125)
    assert told["intervals"]["gap"] == [0.125, 0.125]  # photographs of a class are alike here
    assert told["intervals"]["per_class"]["bee"] == {"right": [0.5, 0.5], "wrong": [1, 1], "gap": [-0.5, -0.5]}
    assert told["right"] == content["miou"] == found(by_support, wrong_support=False)["miou"]
    assert "wrong_support" not in found(by_support, wrong_support=False)


def test_what_ignores_the_support_has_no_gap_and_what_asks_for_the_class_has_all() -> None:
    ignores, asks = found(perfect)["wrong_support"], found(Threshold())["wrong_support"]
    assert (ignores["right"], ignores["wrong"], ignores["gap"]) == (1, 1, 0)
    assert (asks["right"], asks["wrong"], asks["gap"]) == (1, 0, 1)


def test_ways_are_counted_one_by_one() -> None:
    told = found(perfect, folds=2, way=2, shot=2)["wrong_support"]
    assert (told["episodes"], told["gap"]) == (20, 0)


@pytest.mark.parametrize("protocol", ["panet", "ssp", "pfenet"])
def test_every_protocol_has_them(protocol: str) -> None:
    size = None if protocol == "ssp" else 32
    content = found(Threshold(), protocol=protocol, size=size, episodes=10)
    assert (content["wrong_support"]["right"], content["wrong_support"]["wrong"]) == (content["miou"], 0)


def test_queries_that_show_the_other_classes_are_left_out_of_both() -> None:
    content = found(perfect, maps=MAPS | BOTH, episodes=40)
    told = content["wrong_support"]
    assert told["left_out"] > 0
    assert told["episodes"] + told["left_out"] == content["episodes"] == 40


def test_photographs_are_prepared_once() -> None:
    class Counting(Threshold):
        def prepare(self, photographs: Sequence[Photograph]) -> list[Any]:
            prepared.extend(photograph.id for photograph in photographs)
            return super().prepare(photographs)

    prepared: list[str] = []
    found(Counting())
    assert len(prepared) == len(set(prepared)) == 10


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"classes": ("ant",)}, r"needs 2 classes for 1-way episodes: here is 1; test more"),
        ({"way": 2}, r"needs 4 classes for 2-way episodes: here are 2; test more"),
        ({"maps": {f"v{n}": BOTH["v10"] for n in range(9)}}, "every query shows the other tested classes too"),
        ({"wrong_support": 1}, "`wrong_support` must be true or false, not 1"),
    ],
)
def test_what_cannot_be(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        plan(**settings)


def test_a_run_is_kept_read_and_shown(tmp_path: Path) -> None:
    found(by_support, tmp_path / "run", seeds=2)
    run = Run.read(tmp_path / "run")
    assert len(run.wrong.rows) == 40
    # What was asked: an episode like any other. Its matrix: the truth of the ordinary one.
    row = run.wrong.rows[0]
    (ordinary,) = (each for each in run.records.rows if (each.seed, each.spec.index) == (row.seed, row.spec.index))
    assert row.spec.queries == ordinary.spec.queries
    assert set(row.spec.classes).isdisjoint(ordinary.spec.classes)
    assert int(row.matrix[1].sum()) == int(ordinary.matrix[1].sum()) > 0
    report([tmp_path / "run"], tmp_path / "page.html")
    page = " ".join((tmp_path / "page.html").read_text().split())
    assert "Under a wrong support" in page
    assert "mIoU, wrong support<b>62.5</b>" in page
    assert "<td>bee</td><td>50.0</td><td>100.0</td><td>\u221250.0</td>" in page
    found(by_support, tmp_path / "run", wrong_support=False)
    assert not (tmp_path / "run" / WRONG).exists()


def test_files_of_different_runs(tmp_path: Path) -> None:
    first, second, other = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    found(by_support, first)
    found(perfect, second)
    found(perfect, other, seed=9, episodes=30)
    for source, words in ((second, "mIoU under wrong supports is 1.0000"), (other, "of other episodes")):
        shutil.copy(source / WRONG, first)
        with pytest.raises(InputError, match=rf"{WRONG} is not the file that it names"):
            Run.read(first)
        content = json.loads((first / "result.json").read_text())
        (first / "result.json").write_text(json.dumps({**content, "files": {}}))
        with pytest.raises(InputError, match=words):
            Run.read(first)
        (first / "result.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("gap", -1.5, "wrong_support.gap is -1.5"),
        ("left_out", -1, "wrong_support.left_out is -1"),
        ("intervals", {}, "it has no wrong_support.intervals.right"),
        ("per_class", {"ant": {}}, "wrong_support.per_class is"),
        ("per_class", {"ant": {"right": 1, "wrong": 1, "gap": 0}}, "per_class does not match classes"),
    ],
)
def test_damaged_results(tmp_path: Path, field: str, value: Any, words: str) -> None:
    content = found(by_support, tmp_path)
    content["wrong_support"][field] = value
    (tmp_path / "result.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=words):
        Run.read(tmp_path)


def test_two_runs_are_compared_under_wrong_supports_too(tmp_path: Path) -> None:
    found(by_support, tmp_path / "a")
    found(Threshold(), tmp_path / "b")
    rows = compare(tmp_path / "a", tmp_path / "b", QUICK)
    assert [row.name for row in rows] == [
        "mIoU",
        "FB-IoU",
        "ant",
        "bee",
        "mIoU, wrong support",
        "gap to the wrong support",
    ]
    assert [(row.first, row.second) for row in rows[-2:]] == [(0.625, 0), (0.125, 1)]
    assert [row.interval for row in rows[-2:]] == [(-0.625, -0.625), (0.875, 0.875)]
    found(perfect, tmp_path / "c", wrong_support=False)
    assert len(compare(tmp_path / "a", tmp_path / "c", QUICK)) == 4


def test_from_python_by_hand() -> None:
    """`evaluate` counts any episode that has a target."""
    from episodes import Geometry, Loader, evaluate
    from episodes.scoring.protocols import PROTOCOLS

    right = EpisodeSpec(0, (1,), (("v11",),), ("v12",))
    loader = Loader(Fake(MAPS), Geometry(32))
    wrong = maker((1, 2)).of(right, seed=0)
    assert wrong is not None
    asked = replace(loader.build(wrong), target=right.classes)
    assert evaluate(by_support, [asked], PROTOCOLS["hsnet"], {1: "ant"}).queries.per_class == {"ant": 0.25}
    assert len(Records.of(evaluate(by_support, [asked], PROTOCOLS["hsnet"]).records).rows) == 1
