"""Episodes over four small photographs, and simple methods to score on them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from episodes.fewshot.episode import Episode, EpisodeSpec, Photograph
from episodes.fewshot.geometry import Geometry
from episodes.fewshot.scenes.loading import Loader
from episodes.scoring.evaluate import Evaluation, evaluate
from episodes.scoring.methods import BaseMethod
from episodes.scoring.protocols import PROTOCOLS
from tests.episodes.fakes import Fake, label_map

NAMES = {1: "ant", 2: "bee"}
RULES = PROTOCOLS["hsnet"]

# 32 x 32 = 1024 pixels each, so that nothing is resized. va: 256 of ant, 24 of 255, 744 of background.
MAPS = {
    "va": label_map({1: 256, 255: 24}),
    "vb": label_map({1: 100}),
    "vc": label_map({2: 512}),
    "vd": label_map({2: 24, 1: 1000}),
    "wide": label_map({1: 1000}, 40, 60),
}
SPECS = [
    EpisodeSpec(0, (1,), (("vb",),), ("va",)),
    EpisodeSpec(1, (2,), (("vd",),), ("vc",)),
    EpisodeSpec(2, (1,), (("va",),), ("vb",)),
    EpisodeSpec(3, (2,), (("vc",),), ("vd",)),
]


def episodes(specs: Sequence[EpisodeSpec] = SPECS, **fields: Any) -> list[Episode]:
    loader = Loader(Fake(MAPS), Geometry(32), **fields)
    return [loader.build(spec) for spec in specs]


def run(method: Any, specs: Sequence[EpisodeSpec] = SPECS, **fields: Any) -> Evaluation:
    return evaluate(method, episodes(specs), RULES, NAMES, **fields)


def matrices(method: Any, drawn: Sequence[Episode], **fields: Any) -> list[list[list[int]]]:
    """Each episode's confusion counts, in order."""
    counted: list[list[list[int]]] = []
    evaluate(method, drawn, RULES, NAMES, on_episode=lambda *done: counted.append(done[2].tolist()), **fields)
    return counted


def perfect(episode: Episode) -> list[Tensor]:
    return [episode.truth(query) for query in episode.queries()]


def background(episode: Episode) -> list[Tensor]:
    return [torch.zeros_like(truth) for truth in perfect(episode)]


class Threshold(BaseMethod):
    """Calls a pixel foreground if its red is as in the first support's class; counts what it prepares."""

    def __init__(self, wrap: type | None = None) -> None:
        self.prepared: list[str] = []
        self.wrap = wrap

    def prepare(self, photographs: Sequence[Photograph]) -> list[Any]:
        self.prepared += [photograph.id for photograph in photographs]
        reds = [photograph.image[0].clone() for photograph in photographs]
        return reds if self.wrap is None else [self.wrap([red]) for red in reds]

    def _red(self, photograph: Photograph) -> Tensor:
        red: Tensor = photograph.prepared if self.wrap is None else photograph.prepared[0]
        return red

    def __call__(self, episode: Episode) -> list[Tensor]:
        (support,) = episode.supports()
        red = self._red(support)[episode.labels(support) == 1].mean()
        return [((self._red(query) - red).abs() < 0.01).byte() for query in episode.queries()]
