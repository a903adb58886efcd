"""Protocols: the published facts, the rules that move a score, and what a run says that it did otherwise."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from episodes.errors import InputError
from episodes.fewshot.episode import Episode, EpisodeSpec
from episodes.fewshot.geometry import Geometry
from episodes.fewshot.scenes.loading import Loader
from episodes.scoring.evaluate import evaluate
from episodes.scoring.protocols import PROTOCOLS, departures, pair_rule, protocols
from tests.episodes.fakes import Fake, label_map
from tests.episodes.scored import MAPS, NAMES, SPECS, background, episodes, perfect

GEOMETRIES = {
    "panet": Geometry(417, "stretch", "bytes", "centre"),
    "pfenet": Geometry(473, "letterbox-8", "linear", "opencv"),
    "bam": Geometry(473, "letterbox-8", "linear", "opencv"),
    "hsnet": Geometry(400, "stretch", "bytes", "floor"),
    "ssp": Geometry.native(),
}


def test_published_facts() -> None:
    """Episodes, on COCO, seeds, split, 255 in the support, vanished, absent, folds of COCO."""
    assert {
        protocol.name: (
            *(protocol.episodes, protocol.coco_episodes, protocol.seeds, protocol.split),
            *(protocol.support_ignore, protocol.vanished, protocol.absent, protocol.coco_order),
        )
        for protocol in PROTOCOLS.values()
    } == {
        "panet": (1000, 1000, 5, "train", "background", "skip", "nan", "contiguous"),
        "pfenet": (5000, 20000, 1, "val", "ignore", "count", "zero", None),
        "bam": (1000, 1000, 5, "val", "ignore", "count", "zero", "interleaved"),
        "hsnet": (1000, 1000, 1, "val", "background", "count", "zero", "interleaved"),
        "ssp": (1000, 4000, 5, "val", "ignore", "count", "skip", "contiguous"),
    }
    assert {name: protocol.geometry for name, protocol in PROTOCOLS.items()} == GEOMETRIES
    assert [name for name, protocol in PROTOCOLS.items() if protocol.score_at == "original"] == ["pfenet", "bam"]
    assert {
        protocol.name: (
            *(protocol.lists, protocol.drawing, protocol.replacement),
            *(protocol.foreground_of, protocol.crowds),
        )
        for protocol in PROTOCOLS.values()
    } == {
        "panet": ("any pixel", "random", False, "sum", "object"),
        "pfenet": ("2048 pixels, queries of any size", "image-list", False, "any", "ignore"),
        "bam": ("2048 pixels, queries of any size", "image-list", False, "any", "ignore"),
        "hsnet": ("lists", "list", True, "any", "background"),
        "ssp": ("2048 pixels, queries of any size", "images", False, "any", "ignore"),
    }


def test_rules_of_their_own_on_coco() -> None:
    assert {name: protocol.on("coco:COCO").geometry.size for name, protocol in PROTOCOLS.items()} == {
        **{"panet": 417, "pfenet": 641, "bam": 641, "hsnet": 400, "ssp": 0},
    }
    assert {name: protocol.on("coco:COCO").drawing for name, protocol in PROTOCOLS.items()} == {
        **{"panet": "random", "pfenet": "image-list", "bam": "image-list", "hsnet": "random", "ssp": "images"},
    }


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_perfect_method_scores_1_by_each(name: str) -> None:
    rules = PROTOCOLS[name]
    loader = Loader(Fake(MAPS), rules.geometry, score_at=rules.score_at, support_ignore=rules.support_ignore)
    drawn = [loader.build(spec) for spec in SPECS]
    assert evaluate(perfect, drawn, rules, NAMES).queries.miou == 1
    assert evaluate(background, drawn, rules, NAMES).queries.miou == 0


def test_the_first_case_in_which_evaluators_differ() -> None:
    """A query whose class became 255 altogether: PANet leaves its false positives out."""
    source = Fake({"s": label_map({1: 512}), "kept": label_map({1: 512}), "lost": label_map({255: 512})})
    specs = [EpisodeSpec(0, (1,), (("s",),), ("kept",)), EpisodeSpec(1, (1,), (("s",),), ("lost",))]
    drawn = [Loader(source, Geometry(32)).build(spec) for spec in specs]

    def everything(episode: Episode) -> list[Tensor]:
        return [torch.ones_like(truth) for truth in perfect(episode)]

    # kept: 512 found, 512 too many. lost: 512 too many, on the background that is left.
    expected = dict.fromkeys(PROTOCOLS, 512 / 1536) | {"panet": 512 / 1024}
    found = {name: evaluate(everything, drawn, rules, {1: "ant"}).queries.miou for name, rules in PROTOCOLS.items()}
    assert found == expected


def test_the_second_case_in_which_evaluators_differ() -> None:
    """A class that no episode drew: no mIoU in PANet, 0 in PFENet and HSNet, left out in SSP."""
    ants = episodes([SPECS[0], SPECS[2]])
    found = {name: evaluate(perfect, ants, rules, NAMES).queries.miou for name, rules in PROTOCOLS.items()}
    assert str(found) == "{'panet': nan, 'pfenet': 0.5, 'bam': 0.5, 'hsnet': 0.5, 'ssp': 1.0}"


def test_255_in_the_support_is_background_in_panet_and_hsnet() -> None:
    source = Fake({"va": MAPS["va"], "vb": MAPS["vb"]})
    for rules in PROTOCOLS.values():
        loader = Loader(source, Geometry(32), support_ignore=rules.support_ignore)
        episode = loader.build(EpisodeSpec(0, (1,), (("va",),), ("vb",)))
        (support,) = episode.supports()
        taught = episode.support_labels(support)
        ignored = 0 if rules.name in ("panet", "hsnet") else 24
        assert [(taught == label).sum().item() for label in (0, 1, 255)] == [768 - ignored, 256, ignored]
        assert (episode.labels(support) == 255).sum() == 24  # in a query it never counts


def test_padding_of_a_support_is_no_background() -> None:
    loader = Loader(Fake(MAPS), Geometry(60, "letterbox"), support_ignore="background")
    episode = loader.build(EpisodeSpec(0, (1,), (("wide",),), ("vb",)))
    (support,) = episode.supports()
    assert (episode.support_labels(support) == 255).equal(~support.valid)


def test_by_name() -> None:
    assert [protocol.name for protocol in protocols("all")] == list(PROTOCOLS)
    assert protocols(" panet,ssp ") == [PROTOCOLS["panet"], PROTOCOLS["ssp"]]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("hsnet,blind", "there is no protocol 'blind': there are panet, pfenet, bam, hsnet, ssp, and all"),
        ("", "there is no protocol ''"),
        ("ssp,ssp", "protocol ssp is named twice: name it once"),
    ],
)
def test_names_that_do_not_exist(names: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        protocols(names)


def test_native_photographs_have_no_size() -> None:
    with pytest.raises(InputError, match="ssp keeps every photograph at its original size: leave out `size`"):
        PROTOCOLS["ssp"].resized(400)
    with pytest.raises(InputError, match="that keep their own size have no size 400"):
        Geometry(400, "native")


def test_a_run_as_published_departs_in_nothing() -> None:
    for protocol in PROTOCOLS.values():
        for data in ("pascal:VOC", "coco:COCO"):
            assert departures(protocol, protocol.on(data), data, protocol.coco_order or "contiguous") == []


def test_what_is_otherwise_is_said() -> None:
    hsnet = PROTOCOLS["hsnet"]
    used = replace(hsnet.on("coco:COCO").resized(321), episodes=200, lists=pair_rule(100))
    assert departures(hsnet, used, "coco:COCO", "contiguous") == [
        "episodes: 200, not 1000",
        "pairs: 100 pixels, not lists",
        "geometry: 321 x 321, not 400 x 400",
        "COCO folds: contiguous, not interleaved",
    ]
    pfenet = PROTOCOLS["pfenet"]
    assert departures(pfenet, replace(pfenet.on("coco:COCO"), episodes=5000), "coco:COCO", "interleaved") == [
        "episodes: 5000, not 20000"
    ]
    assert departures(PROTOCOLS["ssp"], replace(PROTOCOLS["ssp"], lists=pair_rule(5)), "pascal:VOC", "contiguous") == [
        "pairs: 5 pixels, not 2048 pixels, queries of any size"
    ]


def test_hsnet_s_own_episodes_are_no_departure_of_hsnet() -> None:
    used = replace(PROTOCOLS["hsnet"], drawing="hsnet-seed0")
    assert departures(PROTOCOLS["hsnet"], used, "pascal:VOC", "contiguous") == []
    used = replace(PROTOCOLS["ssp"], drawing="hsnet-seed0")
    assert departures(PROTOCOLS["ssp"], used, "pascal:VOC", "contiguous") == [
        "drawing: HSNet's own episodes, not image, then class"
    ]


def test_a_way_taken_for_another_is_an_error_in_the_fb_iou_of_panet_alone() -> None:
    matrix = torch.tensor([[50, 0, 0], [0, 10, 10], [0, 0, 30]])  # 10 pixels of way 1 are called way 2
    found = {}
    for name, rules in PROTOCOLS.items():
        score = rules.score({4: "elk", 2: "bee"})
        score.add((4, 2), matrix)
        found[name] = score.fb_iou
    # Summed: 40 right, 10 missed of way 1, 10 too many of way 2.
    assert found == dict.fromkeys(PROTOCOLS, 1.0) | {"panet": (1 + 40 / 60) / 2}
