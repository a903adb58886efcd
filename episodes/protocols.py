"""How published methods are scored: one entry a protocol, each a combination of named rules."""

from __future__ import annotations  # so that `srpnet protocols` need not import torch for the names of types

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from episodes.errors import InputError
from episodes.geometry import Geometry

if TYPE_CHECKING:
    from episodes.episode import ScoreAt, SupportIgnore
    from episodes.folds import Order
    from episodes.metrics import Absent, Vanished
    from episodes.sampler import Drawing
    from episodes.sources.base import Split


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
        lists: Which (image, class) pairs there are, see `pair_rule`; None if it is not fixed.
        drawing: How they are drawn, see `Sampler`.
        geometry: Size and shape of the photographs for the network.
        score_at: Where label maps are compared: at the network's `input` size or at the `original` size.
        support_ignore: Label 255 in a support, see `Episode`. In a query it never counts.
        vanished: False positives of a class that the query's truth lost, see `Score`.
        absent: A class that no episode drew, see `Score`.
        coco_order: How COCO's classes are dealt into folds; None if both ways are in use.
        fss_episodes: How many are scored on FSS-1000; None if as many as elsewhere.
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
    fss_episodes: int | None = None

    def on(self, data: str) -> Protocol:
        """The protocol for a source by its name: COCO and FSS-1000 may have a number of episodes of their own."""
        own = {"coco": self.coco_episodes, "fss": self.fss_episodes}.get(data.partition(":")[0])
        return self.counting(self.episodes if own is None else own)

    def counting(self, episodes: int) -> Protocol:
        """The same with another number of episodes, whatever the source."""
        return replace(self, episodes=episodes, coco_episodes=episodes, fss_episodes=None)

    def resized(self, size: int) -> Protocol:
        """The same with squares of another size.

        Raises:
            InputError: if photographs keep their own size in it, or the size is too small.
        """
        if self.geometry.resize == "native":
            raise InputError(f"protocol {self.name} keeps every photograph at its own size: leave out --size")
        return replace(self, geometry=replace(self.geometry, size=size))

    def table(self) -> dict[str, str]:
        """Every choice in a few words."""
        others = {"COCO": self.coco_episodes, "FSS-1000": self.fss_episodes}
        own = [f"{count} on {name}" for name, count in others.items() if count not in (None, self.episodes)]
        elsewhere = f" ({', '.join(own)})" if own else ""
        return {
            "episodes": f"{self.episodes}{elsewhere}",
            "seeds": "1" if self.seeds == 1 else f"{self.seeds}, mean and std",
            "split": self.split,
            "pairs": self.lists or "either",
            "drawing": DRAWINGS[self.drawing],
            "geometry": str(self.geometry),
            "scored at": {"input": "network size", "original": "own size"}[self.score_at],
            "255 in the support": {"ignore": "ignored", "background": "background"}[self.support_ignore],
            "255 in the query": "not counted",
            "class lost in the truth": {"count": "counted", "skip": "left out"}[self.vanished],
            "class never drawn": {"zero": "IoU 0", "nan": "no mIoU", "skip": "left out"}[self.absent],
            "COCO folds": self.coco_order or "either",
        }


def pair_rule(min_pixels: int | None) -> str:
    """Which (image, class) pairs there are, in words: those of pair lists if None, else those of so many pixels."""
    return "lists" if min_pixels is None else f"{min_pixels} pixels"


DRAWINGS: Mapping[Drawing, str] = {
    "random": "class, then image",
    "pairs": "pair",
    "list": "pairs in order",
    "images": "image, then class",
    "image-list": "images in order, then class",
}

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
            lists=None,
            drawing="random",
            geometry=Geometry(417, "stretch"),
            score_at="input",
            support_ignore="background",
            vanished="skip",
            absent="nan",
            coco_order="contiguous",
        ),
        Protocol(
            name="pfenet",
            source="Tian et al., Prior Guided Feature Enrichment Network for Few-Shot Segmentation, TPAMI 2020",
            episodes=5000,
            coco_episodes=20000,
            seeds=1,
            split="val",
            lists=pair_rule(2048),
            drawing="image-list",
            geometry=Geometry(473, "letterbox"),
            score_at="original",
            support_ignore="ignore",
            vanished="count",
            absent="zero",
            coco_order=None,
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
            geometry=Geometry(400, "stretch"),
            score_at="input",
            support_ignore="ignore",
            vanished="count",
            absent="zero",
            coco_order="interleaved",
            fss_episodes=2400,  # every pair of the test classes once
        ),
        Protocol(
            name="ssp",
            source="Fan et al., Self-Support Few-Shot Semantic Segmentation, ECCV 2022",
            episodes=1000,
            coco_episodes=4000,
            seeds=5,
            split="val",
            lists=None,
            drawing="images",
            geometry=Geometry.native(),
            score_at="input",
            support_ignore="ignore",
            vanished="count",
            absent="skip",
            coco_order="contiguous",
        ),
    )
}
"""By name. On ordinary episodes all four count alike; what else they choose moves a score by points."""


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
            raise InputError(f"protocol {name} stands twice: name it once")
    return [PROTOCOLS[name] for name in chosen]


def departures(protocol: Protocol, used: Protocol, data: str, order: Order) -> list[str]:
    """In what a run departs from the protocol whose name it bears, in words; the photographs are not judged.

    Args:
        protocol: From `PROTOCOLS`.
        used: What was done in fact.
        data: Name of the source.
        order: How its classes were dealt into folds.
    """
    asked, done = protocol.on(data).table(), used.counting(used.episodes).table()
    if protocol.lists is None:
        done["pairs"] = asked["pairs"]
    found = [f"{name}: {done[name]}, not {asked[name]}" for name in asked if done[name] != asked[name]]
    if data.startswith("coco:") and protocol.coco_order not in (None, order):
        found.append(f"COCO folds: {order}, not {protocol.coco_order}")
    return found
