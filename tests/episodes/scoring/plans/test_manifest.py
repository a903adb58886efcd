"""Manifests: the same bytes everywhere, exactly those episodes scored, and another list refused with the difference."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from episodes.errors import InputError
from episodes.fewshot.folds import Fold, Pools
from episodes.fewshot.settings import DataSettings
from episodes.results.pictures import draw_manifest
from episodes.score import score
from episodes.scoring.plans.manifest import Header, Manifest
from episodes.scoring.plans.plan import Plan
from episodes.scoring.plans.planning import plans
from episodes.scoring.plans.settings import PlanSettings
from episodes.scoring.protocols import PROTOCOLS, departures
from tests.episodes.fakes import Fake, label_map, painted
from tests.episodes.scored import perfect

GOLDEN = Path(__file__).parent / "golden.jsonl"
LISTED = ("2007_000042", "2007_000661", "2008_000073", "2008_000096", "2009_000012")


@pytest.fixture
def lists(tmp_path: Path) -> DataSettings:
    """A pair list of fold 0 alone: aeroplane 3 and bicycle 2 photographs, which are nowhere."""
    pairs = [*(f"{id}__01" for id in LISTED[:3]), *(f"{id}__02" for id in LISTED[3:])]
    (tmp_path / "lists").mkdir()
    for split in ("train", "val"):
        (tmp_path / f"lists/{split}_fold0.txt").write_text("\n".join(pairs))
    return DataSettings("pascal", str(tmp_path / "lists"))


def planned(settings: PlanSettings) -> Plan:
    (plan,) = plans(settings).values()
    return plan


def of_lists(lists: DataSettings, **more: object) -> PlanSettings:
    return replace(PlanSettings(lists, episodes=4, classes=("aeroplane", "bicycle")), **more)


def export_changed(lists: DataSettings, folder: Path, old: str, new: str) -> Path:
    """A manifest in whose episodes, not in the header, a text is replaced."""
    file = folder / "m.jsonl"
    planned(of_lists(lists, seed=1)).export().write(file)
    head, *lines = file.read_text().splitlines()
    assert old in "".join(lines)
    file.write_text("\n".join([head, *(line.replace(old, new) for line in lines)]))
    return file


def test_golden_bytes_from_a_pair_list_alone(lists: DataSettings, tmp_path: Path) -> None:
    planned(of_lists(lists, way=2)).export().write(tmp_path / "m.jsonl")
    assert (tmp_path / "m.jsonl").read_bytes() == GOLDEN.read_bytes()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_manifest_comes_back_and_holds_what_the_protocol_draws(
    lists: DataSettings, tmp_path: Path, protocol: str
) -> None:
    plan = planned(of_lists(lists, protocol=protocol, seed=3))
    manifest = plan.export()
    manifest.write(tmp_path / "m.jsonl")
    assert Manifest.read(tmp_path / "m.jsonl") == manifest
    assert len(manifest.specs) == 4 * PROTOCOLS[protocol].seeds
    again = planned(of_lists(lists, manifest=str(tmp_path / "m.jsonl"), episodes=None, classes=()))
    drawn = [(seed, list(specs)) for seed, specs in plan.runs()]
    assert [(seed, list(specs)) for seed, specs in again.runs()] == drawn
    assert [seed for seed, _ in drawn] == [3 + run for run in range(PROTOCOLS[protocol].seeds)]
    assert again.rules == plan.rules


def test_exactly_those_episodes_are_scored(tmp_path: Path) -> None:
    """A manifest that somebody else wrote, whose episodes no sampler would draw."""
    fold, plan = faked()
    manifest = plan.export()
    odd = replace(manifest, specs=[replace(spec, index=index) for index, spec in enumerate([manifest.specs[3]] * 4)])
    odd.write(tmp_path / "m.jsonl")
    (again,) = plans(replace(plan.settings, manifest=str(tmp_path / "m.jsonl")), fold=fold).values()
    asked = []
    outcome = again.evaluate(lambda episode: asked.append(episode.spec) or perfect(episode))
    assert asked == odd.specs
    assert outcome.runs[0].queries.miou == 0.5  # the other class has no episode
    assert [row.spec for row in outcome.records.rows] == odd.specs


def faked() -> tuple[Fold, Plan]:
    maps = {f"v{label}{place}": label_map({label: 300 + place}) for label in (1, 2) for place in range(3)}
    settings = PlanSettings(DataSettings("fake", min_pixels=10), episodes=4, size=32)
    fold = Fold(settings.data, source=Fake(maps | {f"t{id}": labels for id, labels in maps.items()}))
    (plan,) = plans(replace(settings, classes=("ant", "bee")), fold=fold).values()
    return fold, plan


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"pairs": {"rule": "pair list: val_fold0.txt", "sha256": "no"}}, "is of other episodes: here is pairs"),
        ({"source": "coco"}, "is of other episodes: here is source pascal, not coco"),
        ({"split": "train"}, "is of other episodes: here is split val, not train"),
        ({"protocol": "blind"}, "there is no protocol 'blind'"),
        ({"manifest": 2}, "is of version 2, and this program reads version 1"),
        ({"episodes": 5}, "says 1 x 5 episodes and holds 4: export it again"),
        ({"fold": 9}, "fold 9 does not exist"),
        ({"classes": {"1": "unicorn", "2": "bicycle"}}, "'unicorn' is not a novel class of fold 0"),
        ({"classes": {"1": "bicycle", "2": "aeroplane"}}, "here is classes .*, not"),
        ({"fold": 1, "classes": {"1": "aeroplane", "2": "bicycle"}}, "'aeroplane' is not a novel class of fold 1"),
    ],
)
def test_another_list_is_refused_with_the_difference(
    lists: DataSettings, tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    manifest = planned(of_lists(lists)).export()
    replace(manifest, header=replace(manifest.header, **changes)).write(tmp_path / "m.jsonl")
    with pytest.raises(InputError, match=words):
        plans(of_lists(lists, manifest=str(tmp_path / "m.jsonl"), episodes=None))


def test_a_pair_less_in_the_list_is_another_list(lists: DataSettings, tmp_path: Path) -> None:
    planned(of_lists(lists)).export().write(tmp_path / "m.jsonl")
    file = tmp_path / "lists/val_fold0.txt"
    file.write_text("\n".join(file.read_text().splitlines()[1:]))
    with pytest.raises(InputError, match="here is pairs queries 4, not 5"):
        plans(of_lists(lists, manifest=str(tmp_path / "m.jsonl"), episodes=None))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (None, "cannot be read"),
        ("", "is not a manifest"),
        ("[1]", "is not a manifest"),
        ('{"manifest": 1}', "is not a manifest"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, line: str | None, words: str) -> None:
    if line is not None:
        (tmp_path / "m.jsonl").write_text(line)
    with pytest.raises(InputError, match=words):
        Manifest.read(tmp_path / "m.jsonl")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"index": 1', '"index": 3', "line 3: episode 3 is out of order"),
        ('{"index": 1', '{ "index": 1', "line 3: episode 1 is invalid"),
        ('"queries"', '"query"', "line 2: not an episode"),
        ('["2007_000661"]', '["2007_000661", "2007_000661"]', "2 supports of a class, where the header says shot 1"),
        (
            '"queries": ["2008_000073"]',
            '"queries": ["2008_000073", "2007_000042"]',
            "2 queries, where the header says 1",
        ),
        ('"index": 0', '"index": false', "line 2: episode 0 is invalid"),
        ('"index": 0', '"index": 0.0', "line 2: episode 0 is invalid"),
        ('"index": 0', '"index": NaN', "line 2: NaN is not a JSON number"),
        ('"index": 0', '"index": 1e999', "line 2: not an episode"),
        ('"index": 0', f'"index": {"9" * 5000}', "line 2: Exceeds the limit"),
        ('"index": 0', f'"index": {10**4000}', "line 2: episode an integer of 13288 bits is out of order"),
        ('"index": 0', '"index": ' + "[" * 5000, "line 2: .*nested lists or tables"),
        ('"classes": [1]', '"classes": [0]', "line 2: episode 0: 0 is not a class"),
        ('"classes": [1]', '"classes": [255]', "line 2: episode 0: 255 is not a class"),
        ('"classes": [1]', '"classes": [true]', "line 2: episode 0 is invalid"),
        ('"classes": [1]', '"classes": [3]', "line 2: class 3 is not among the header's classes"),
        (
            '"classes": [1], "supports": [["2007_000661"]]',
            '"classes": [1, 2], "supports": [["2007_000661"], ["2008_000096"]]',
            "line 2: 2 classes, where the header says way 1",
        ),
    ],
)
def test_a_line_that_is_wrong_is_named(tmp_path: Path, lists: DataSettings, old: str, new: str, words: str) -> None:
    file = export_changed(lists, tmp_path, old, new)
    with pytest.raises(InputError, match=words):
        Manifest.read(file)


def test_photographs_that_are_not_there_are_asked_for() -> None:
    with pytest.raises(InputError, match="pascal without a folder is for manifests of `pairs` lists: use pascal:PATH"):
        plans(PlanSettings(DataSettings("pascal")))


def test_headers_that_differ_in_nothing() -> None:
    _, plan = faked()
    assert isinstance(plan.header, Header)
    assert plan.header.difference(plan.header) is None


def test_pictures_of_a_manifest(tmp_path: Path) -> None:
    fold, plan = faked()
    files = draw_manifest(plan.export(), fold.source, 3, tmp_path)
    assert [file.name for file in files] == ["000000-ant.png", "000001-ant.png", "000002-ant.png"]
    assert all(file.is_file() for file in files)
    assert len(draw_manifest(plan.export(), fold.source, 9, tmp_path)) == 4


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('["2007_000661"]', '["2008_000096"]', "line 2: '2008_000096' is no support of aeroplane by the pairs"),
        ('["2007_000661"]', '["../elsewhere"]', "line 2: '../elsewhere' is no support of aeroplane"),
        ('"queries": ["2007_000042"]', '"queries": ["2009_000012"]', "line 2: '2009_000012' is no query of aeroplane"),
    ],
)
def test_photographs_show_their_classes_by_the_pair_list(
    tmp_path: Path, lists: DataSettings, old: str, new: str, words: str
) -> None:
    file = export_changed(lists, tmp_path, old, new)
    with pytest.raises(InputError, match=words):
        plans(of_lists(lists, manifest=str(file), episodes=None))


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("way", True, "`header.way` must be a whole number from 1 to 1000, not True"),
        ("shot", 1.0, "`header.shot` must be a whole number"),
        ("queries", "1", "`header.queries` must be a whole number"),
        ("seeds", 0, "`header.seeds` must be a whole number"),
        ("episodes", 10**100, "`header.episodes` must be a whole number"),
        ("seed", None, "`header.seed` must be a whole number"),
        ("fold", [0], "`header.fold` must be a whole number"),
        ("source", 1, "`header.source` must be text"),
        ("classes", ["aeroplane"], "`header.classes` must be a Mapping"),
        ("classes", {"one": "aeroplane"}, "`header.classes` must be numbers with names, not 'one': 'aeroplane'"),
        ("classes", {"1": None}, "`header.classes` must be numbers with names"),
        ("pairs", [], "`header.pairs` must be a Mapping"),
        (
            "pairs",
            {"rule": f"min_pixels={'9' * 5000}"},
            "`header.pairs` must be whole numbers and text, not rule",
        ),
        ("pairs", {"queries": 1.5}, "`header.pairs` must be whole numbers and text, not queries: 1.5"),
        ("replacement", "no", "`header.replacement` must be true or false, not 'no'"),
        ("more", 1, "unexpected keyword argument 'more'"),
    ],
)
def test_a_header_of_other_types_is_refused(
    tmp_path: Path, lists: DataSettings, monkeypatch: pytest.MonkeyPatch, field: str, value: object, words: str
) -> None:
    planned(of_lists(lists)).export().write(tmp_path / "m.jsonl")
    head, *lines = (tmp_path / "m.jsonl").read_text().splitlines()
    head = json.dumps({**json.loads(head), field: value})
    (tmp_path / "m.jsonl").write_text("\n".join([head, *lines]))
    with pytest.raises(InputError, match=rf"m\.jsonl is not a manifest.*{words}"):
        Manifest.read(tmp_path / "m.jsonl")


def test_a_support_may_come_twice(tmp_path: Path, lists: DataSettings) -> None:
    """As where supports are drawn with replacement."""
    plan = planned(of_lists(lists, shot=2, classes=("aeroplane",)))
    manifest = plan.export()
    twice = [replace(spec, supports=((spec.supports[0][0],) * 2,)) for spec in manifest.specs]
    replace(manifest, specs=twice).write(tmp_path / "m.jsonl")
    again = planned(of_lists(lists, manifest=str(tmp_path / "m.jsonl"), episodes=None, classes=()))
    assert again.export().specs == twice


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_bytes(b"\xff\xfe")
    os.mkfifo(tmp_path / "pipe")
    for name, words in (("m.jsonl", "cannot be read"), ("pipe", "is a named pipe, not a file"), (".", "is a folder")):
        with pytest.raises(InputError, match=words):
            Manifest.read(tmp_path / name)


def test_pictures_of_a_manifest_of_other_classes(tmp_path: Path) -> None:
    fold, plan = faked()
    manifest = plan.export()
    for classes in ({"1": "unicorn", "2": "bee"}, {"1": "ant", "2": "bee", "99": "unicorn"}):
        other = replace(manifest, header=replace(manifest.header, classes=classes))
        with pytest.raises(InputError, match=r"the manifest calls class .* 'unicorn', and fake"):
            draw_manifest(other, fold.source, 1, tmp_path)


def test_a_support_may_come_twice_where_the_header_says_so(lists: DataSettings, tmp_path: Path) -> None:
    plan = planned(of_lists(lists, shot=2, episodes=20))
    assert plan.header.replacement
    plan.export().write(tmp_path / "m.jsonl")
    text = (tmp_path / "m.jsonl").read_text()
    assert '"replacement": true}\n' in text
    assert any(len(set(spec.supports[0])) == 1 for spec in Manifest.read(tmp_path / "m.jsonl").specs)
    (tmp_path / "m.jsonl").write_text(text.replace(', "replacement": true', ""))
    with pytest.raises(InputError, match=r"line \d+: .*the same support twice, where the header says without"):
        Manifest.read(tmp_path / "m.jsonl")


def test_a_manifest_of_before_means_what_it_meant(lists: DataSettings, tmp_path: Path) -> None:
    """Drawn without replacement, which `hsnet` did not do then: scored as it stands, and the result says so."""
    old = plans(of_lists(lists, shot=2, protocol="ssp", drawing="list", seeds=1, classes=("aeroplane",)))[
        "ssp"
    ].export()
    replace(old, header=replace(old.header, protocol="hsnet")).write(tmp_path / "m.jsonl")
    assert "replacement" not in (tmp_path / "m.jsonl").read_text()
    plan = planned(of_lists(lists, manifest=str(tmp_path / "m.jsonl"), episodes=None, classes=()))
    assert [spec for _, specs in plan.runs() for spec in specs] == list(old.specs)
    assert not plan.rules.replacement
    assert "supports: all different, not with replacement" in departures(
        plan.protocol, plan.rules, "pascal", "contiguous"
    )


@pytest.mark.parametrize("rule", ["min_pixels=2048", "min_pixels=2048, queries of any size"])
def test_the_pair_rule_of_a_manifest_is_its_header_s(tmp_path: Path, rule: str) -> None:
    """`pfenet` drew the class of a query from those of 2048 pixels once."""
    maps = {f"v{place}": label_map({1: 3000 + place, 2: 50}, 60, 60) for place in range(4)}
    maps |= {f"vb{place}": label_map({2: 3000 + place}, 60, 60) for place in range(4)}
    settings = PlanSettings(DataSettings("fake"), "pfenet", episodes=30, classes=("ant", "bee"))
    fold = Fold(settings.data, source=Fake(maps))
    drawn = plans(settings, fold=fold)["pfenet"].export()
    assert drawn.header.pairs["rule"] == "min_pixels=2048, queries of any size"
    assert (2,) in {spec.classes for spec in drawn.specs if len(spec.queries[0]) == 2}
    if rule == "min_pixels=2048":
        sampler = fold.novel_sampler((1, 2), drawing="image-list", min_pixels=2048)
        header = replace(drawn.header, pairs=Pools(sampler.supports, sampler.queries).record())
        drawn = Manifest(header, [sampler.spec(index) for index in range(30)])
    drawn.write(tmp_path / "m.jsonl")
    asked = replace(settings, manifest=str(tmp_path / "m.jsonl"), episodes=None, classes=())
    plan = plans(asked, fold=fold)["pfenet"]
    assert plan.export() == drawn
    found = departures(plan.protocol, plan.rules, "fake", "contiguous")
    assert ("pairs: 2048 pixels, not 2048 pixels, queries of any size" in found) == (rule == "min_pixels=2048")


def partial(lists: DataSettings, tmp_path: Path, absent: str) -> DataSettings:
    """A VOC folder with all photographs of the lists but one."""
    root = tmp_path / "VOC"
    for name in ("JPEGImages", "SegmentationClassAug", "ImageSets/Segmentation"):
        (root / name).mkdir(parents=True)
    for number, id in enumerate(LISTED):
        if id != absent:
            labels = label_map({1 if number < 3 else 2: 300})
            Image.fromarray(painted(labels)).save(root / f"JPEGImages/{id}.jpg")
            Image.fromarray(labels).save(root / f"SegmentationClassAug/{id}.png")
    for split in ("trainaug", "val"):
        (root / f"ImageSets/Segmentation/{split}.txt").write_text("\n".join(LISTED))
    return replace(lists, data=f"pascal:{root}", allow_missing=True)


def test_what_was_drawn_from_names_is_scored_as_far_as_photographs_are_there(
    lists: DataSettings, tmp_path: Path
) -> None:
    drawn = planned(of_lists(lists, episodes=10)).export()
    drawn.write(tmp_path / "m.jsonl")
    data = partial(lists, tmp_path, "2008_000073")
    plan = planned(PlanSettings(data, manifest=str(tmp_path / "m.jsonl")))
    lacking = [spec.index for spec in drawn.specs if "2008_000073" in spec.slots]
    assert 0 < len(lacking) < 10
    assert list(plan.left_out) == lacking
    content = score({"hsnet": plan}, perfect, {})["hsnet"]
    assert content["episodes"] == plan.count == 10 - len(lacking)
    assert content["left_out"] == {"episodes": len(lacking), "of": 10, "photographs": ["2008_000073"]}
    said = f"{len(lacking)} of 10 episodes left out: their photographs are missing, for example 2008_000073"
    assert said in content["departures"]
    assert content["miou"] == 1
    with pytest.raises(InputError, match="lacks the photograph or mask of 1 of 5 listed pairs"):
        plans(PlanSettings(replace(data, allow_missing=False), manifest=str(tmp_path / "m.jsonl")))


def test_what_was_drawn_from_a_part_is_scored_on_that_part(lists: DataSettings, tmp_path: Path) -> None:
    data = partial(lists, tmp_path, "2007_000042")
    plan = planned(of_lists(data, episodes=6))
    assert plan.header.pairs["missing"] == 1
    plan.export().write(tmp_path / "m.jsonl")
    again = planned(PlanSettings(data, manifest=str(tmp_path / "m.jsonl")))
    assert again.export() == plan.export()
    content = score({"hsnet": again}, perfect, {})["hsnet"]
    assert (content["episodes"], content["pairs"]["missing"]) == (6, 1)
    assert "left_out" not in content


def test_nothing_can_be_scored(lists: DataSettings, tmp_path: Path) -> None:
    drawn = planned(of_lists(lists, episodes=1)).export()
    drawn.write(tmp_path / "m.jsonl")
    data = partial(lists, tmp_path, drawn.specs[0].queries[0])
    with pytest.raises(InputError, match="every episode needs a photograph that is missing, for example 2007_000042"):
        planned(PlanSettings(data, manifest=str(tmp_path / "m.jsonl")))
