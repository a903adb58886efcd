"""How published methods are scored: one entry a protocol, each a combination of named rules."""

from __future__ import annotations  # so that `srpnet protocols` need not import torch for the names of types

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from episodes.data import DATA_SETS, data_set
from episodes.errors import InputError
from episodes.fewshot.geometry import Geometry
from episodes.fewshot.pairs import ANY_SIZE

if TYPE_CHECKING:
    from episodes.data.source import Crowds, Split
    from episodes.fewshot.episode import ScoreAt, SupportIgnore
    from episodes.fewshot.fold_classes import Order
    from episodes.fewshot.geometry import Filter, Nearest
    from episodes.fewshot.settings import Drawing
    from episodes.scoring.metrics import Absent, Foreground, Score, Vanished


@dataclass(frozen=True)
class Protocol:
    """Every choice that moves a few-shot segmentation score.

    Attributes:
        name: As given to `srpnet eval --protocol`.
        source: Where it was published.
        episodes: How many are scored for each seed.
        coco_episodes: The same on COCO.
        seeds: How many times it is run, with other episodes each time; the scores are means over the runs.
        split: Whose images queries and supports are drawn from.
        lists: Which (image, class) pairs there are, in words, see `pair_rule`; None if it is not fixed.
        drawing: How they are drawn, see `Sampler`.
        geometry: Size and shape of the photographs for the network.
        score_at: Where label maps are compared: at the network's `input` size or at the `original` size.
        support_ignore: Label 255 in a support, see `Episode`. In a query it never counts.
        vanished: False positives of a class that the query's truth lost, see `Score`.
        absent: A class that no episode drew, see `Score`.
        coco_order: How COCO's classes are dealt into folds; None if both ways are in use.
        fss_episodes: How many are scored on FSS-1000; None if as many as elsewhere.
        min_pixels, any_size: Where there is no pair list, see `pairs_from_areas`; `any_size` is of queries.
        replacement: Whether the supports of an episode are drawn with replacement, so that one may come twice.
        foreground_of: See `Score`.
        crowds: What COCO's crowds are.
        coco_drawing, coco_size: Drawing and size on COCO; None if as elsewhere.
    """

    name: str
    source: str
    episodes: int
    coco_episodes: int
    seeds: int
    split: Split
    lists: str | None
    drawing: Drawing
    geometry: Geometry
    score_at: ScoreAt
    support_ignore: SupportIgnore
    vanished: Vanished
    absent: Absent
    coco_order: Order | None
    # What results before these fields did.
    fss_episodes: int | None = None
    min_pixels: int = 2048
    any_size: bool = False
    replacement: bool = False
    foreground_of: Foreground = "any"
    crowds: Crowds = "ignore"
    coco_drawing: Drawing | None = None
    coco_size: int | None = None

    def on(self, data: str) -> Protocol:
        """The protocol for a source by its name: COCO and FSS-1000 may have rules of their own."""
        own = self.only_on(data_set(data).name)
        rules = self.counting(own.get("episodes", self.episodes))
        rules = replace(rules, drawing=own.get("drawing", self.drawing))
        return rules.resized(own["size"]) if "size" in own else rules

    def only_on(self, name: str) -> dict[str, Any]:
        """What one data set has of its own: its `coco_size`, for instance, as `size`."""
        start = f"{name}_"
        own = {field.name: getattr(self, field.name) for field in fields(self) if field.name.startswith(start)}
        return {name.removeprefix(start): value for name, value in own.items() if value is not None}

    def counting(self, episodes: int) -> Protocol:
        """The same with another number of episodes, whatever the source."""
        return replace(self, episodes=episodes, coco_episodes=episodes, fss_episodes=None)

    def resized(self, size: int) -> Protocol:
        """The same with squares of another size.

        Raises:
            InputError: if photographs keep their own size in it, or the size is too small.
        """
        if self.geometry.resize == "native":
            raise InputError(f"protocol {self.name} keeps every photograph at its original size: leave out `size`")
        return replace(self, geometry=replace(self.geometry, size=size))

    def score(self, names: Mapping[int, str]) -> Score:
        """An empty score that counts by these rules.

        Args:
            names: Label of the source -> class name, for every class that is tested.
        """
        from episodes.scoring.metrics import Score

        return Score(names, self.vanished, self.absent, foreground_of=self.foreground_of)

    def table(self) -> dict[str, str]:
        """Every choice in a few words."""
        native = self.geometry.resize == "native"

        def elsewhere(choice: str, usual: object, words: Callable[[Any], object] = str) -> str:
            """The data sets on which a choice is another one, in words."""
            own = {record.title: self.only_on(record.name).get(choice, usual) for record in DATA_SETS.values()}
            others = [f"{words(value)} on {title}" for title, value in own.items() if value != usual]
            return f" ({', '.join(others)})" if others else ""

        return {
            "episodes": f"{self.episodes}{elsewhere('episodes', self.episodes)}",
            "seeds": "1" if self.seeds == 1 else f"{self.seeds}, mean and std",
            "split": self.split,
            "pairs": self.lists or "either",
            "drawing": DRAWINGS[self.drawing] + elsewhere("drawing", self.drawing, DRAWINGS.__getitem__),
            "supports": "with replacement" if self.replacement else "all different",
            "geometry": str(self.geometry) + elsewhere("size", self.geometry.size),
            "photographs": "as they are" if native else FILTERS[self.geometry.filter],
            "labels": "as they are" if native else NEAREST[self.geometry.nearest],
            "scored at": {"input": "network size", "original": "own size"}[self.score_at],
            "255 in the support": {"ignore": "ignored", "background": "background"}[self.support_ignore],
            "255 in the query": "not counted",
            "class lost in the truth": {"count": "counted", "skip": "left out"}[self.vanished],
            "FB-IoU foreground": {"any": "any way", "sum": "sum of the ways"}[self.foreground_of],
            "class never drawn": {"zero": "IoU 0", "nan": "no mIoU", "skip": "left out"}[self.absent],
            "COCO crowds": {"ignore": "ignored", "object": "foreground", "background": "background"}[self.crowds],
            "COCO folds": self.coco_order or "either",
        }


def pair_rule(min_pixels: int | None, any_size: bool = False) -> str:
    """Which (image, class) pairs there are, in words: those of pair lists if None, else those of so many pixels.

    >>> pair_rule(None), pair_rule(1), pair_rule(2048, any_size=True)
    ('lists', 'any pixel', '2048 pixels, queries of any size')
    """
    if min_pixels is None:
        return "lists"
    return ("any pixel" if min_pixels == 1 else f"{min_pixels} pixels") + (ANY_SIZE if any_size else "")


DRAWINGS: Mapping[Drawing, str] = {
    "random": "class, then image",
    "even": "class, then image, queries in turn",
    "pairs": "pair",
    "list": "pairs in order",
    "images": "image, then class",
    "image-list": "images in order, then class",
    "hsnet-seed0": "HSNet's own episodes",
}
FILTERS: Mapping[Filter, str] = {"smooth": "antialiased", "bytes": "antialiased, in bytes", "linear": "not antialiased"}
NEAREST: Mapping[Nearest, str] = {
    "floor": "nearest (floor)",
    "centre": "nearest (centre)",
    "opencv": "nearest (OpenCV)",
}

PFENET = Protocol(
    name="pfenet",
    source="Tian et al., Prior Guided Feature Enrichment Network for Few-Shot Segmentation, TPAMI 2020",
    episodes=5000,
    coco_episodes=20000,
    seeds=1,
    split="val",
    lists=pair_rule(2048, any_size=True),
    drawing="image-list",
    geometry=Geometry(473, "letterbox-8", "linear", "opencv"),
    score_at="original",
    support_ignore="ignore",
    vanished="count",
    absent="zero",
    coco_order=None,
    any_size=True,
    coco_size=641,
)

PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            name="panet",
            source="Wang et al., PANet: Few-Shot Image Semantic Segmentation with Prototype Alignment, ICCV 2019",
            episodes=1000,
            coco_episodes=1000,
            seeds=5,
            split="train",
            lists=pair_rule(1),
            drawing="random",
            geometry=Geometry(417, "stretch", "bytes", "centre"),
            score_at="input",
            support_ignore="background",
            vanished="skip",
            absent="nan",
            coco_order="contiguous",
            min_pixels=1,
            foreground_of="sum",
            crowds="object",
        ),
        PFENET,
        replace(
            PFENET,
            name="bam",
            source="Lang et al., Learning What Not to Segment: A New Perspective on Few-Shot Segmentation, CVPR 2022",
            episodes=1000,
            coco_episodes=1000,
            seeds=5,
            coco_order="interleaved",
        ),
        Protocol(
            name="hsnet",
            source="Min et al., Hypercorrelation Squeeze for Few-Shot Segmentation, ICCV 2021",
            episodes=1000,
            coco_episodes=1000,
            seeds=1,
            split="val",
            lists=pair_rule(None),
            drawing="list",
            geometry=Geometry(400, "stretch", "bytes", "floor"),
            score_at="input",
            support_ignore="background",
            vanished="count",
            absent="zero",
            coco_order="interleaved",
            fss_episodes=2400,  # every pair of the test classes once
            replacement=True,
            crowds="background",
            coco_drawing="random",
        ),
        Protocol(
            name="ssp",
            source="Fan et al., Self-Support Few-Shot Semantic Segmentation, ECCV 2022",
            episodes=1000,
            coco_episodes=4000,
            seeds=5,
            split="val",
            lists=pair_rule(2048, any_size=True),
            drawing="images",
            geometry=Geometry.native(),
            score_at="input",
            support_ignore="ignore",
            vanished="count",
            absent="skip",
            coco_order="contiguous",
            any_size=True,
        ),
    )
}
"""By name. On ordinary episodes all count alike; what else they choose moves a score by points."""


def protocols(names: str) -> list[Protocol]:
    """Entries of `PROTOCOLS` by name, with commas between, or `all`.

    Raises:
        InputError: if one does not exist, or stands twice.

    >>> [protocol.name for protocol in protocols("ssp, hsnet")]
    ['ssp', 'hsnet']
    """
    if names.strip() == "all":
        return list(PROTOCOLS.values())
    chosen = [name.strip() for name in names.split(",")]
    for name in chosen:
        if name not in PROTOCOLS:
            raise InputError(f"there is no protocol {name!r}: there are {', '.join(PROTOCOLS)}, and all")
        if chosen.count(name) > 1:
            raise InputError(f"protocol {name} is named twice: name it once")
    return [PROTOCOLS[name] for name in chosen]


def departures(protocol: Protocol, used: Protocol, data: str, order: Order) -> list[str]:
    """In what a run departs from the protocol whose name it bears, in words; the photographs are not judged.

    Args:
        protocol: From `PROTOCOLS`.
        used: What was done in fact.
        data: Name of the source.
        order: How its classes were dealt into folds.
    """
    here = [replace(rules, coco_drawing=None, coco_size=None) for rules in (protocol.on(data), used)]
    asked, done = here[0].table(), here[1].counting(used.episodes).table()
    if protocol.drawing == "list" and used.drawing == "hsnet-seed0":
        done["drawing"] = asked["drawing"]
    found = [f"{name}: {done[name]}, not {asked[name]}" for name in asked if done[name] != asked[name]]
    record = data_set(data)
    if (usual := protocol.only_on(record.name).get("order", order)) != order:
        found.append(f"{record.title} folds: {order}, not {usual}")
    return found
