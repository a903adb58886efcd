"""The ground of few-shot segmentation: what an episode is, how episodes are drawn, and how any method is scored."""

from typing import TYPE_CHECKING

from episodes.lazy import import_lazily

if TYPE_CHECKING:
    from episodes.comparison import Difference, compare
    from episodes.episode import Episode, EpisodeSpec, Photograph
    from episodes.errors import InputError
    from episodes.evaluation import Evaluation, Method, evaluate
    from episodes.folds import folds, novel_and_base
    from episodes.geometry import Geometry
    from episodes.intervals import Interval, Resampling
    from episodes.loading import Augmentation, EpisodeList, Loader
    from episodes.manifest import Header, Manifest
    from episodes.metrics import Score, confusion
    from episodes.plan import Outcome, Plan, PlanSettings, plans
    from episodes.predictions import Predictions
    from episodes.protocols import PROTOCOLS, Protocol, protocols
    from episodes.records import Record, Records
    from episodes.runs import Run
    from episodes.sampler import Sampler
    from episodes.scoring import Output, score
    from episodes.sources import open_source
    from episodes.sources.base import Source
    from episodes.sources.pairs import Pairs
    from episodes.task import DataSettings, Task
    from episodes.world import World, joined

__all__ = [
    "PROTOCOLS",
    "Augmentation",
    "DataSettings",
    "Difference",
    "Episode",
    "EpisodeList",
    "EpisodeSpec",
    "Evaluation",
    "Geometry",
    "Header",
    "InputError",
    "Interval",
    "Loader",
    "Manifest",
    "Method",
    "Outcome",
    "Output",
    "Pairs",
    "Photograph",
    "Plan",
    "PlanSettings",
    "Predictions",
    "Protocol",
    "Record",
    "Records",
    "Resampling",
    "Run",
    "Sampler",
    "Score",
    "Source",
    "Task",
    "World",
    "compare",
    "confusion",
    "evaluate",
    "folds",
    "joined",
    "novel_and_base",
    "open_source",
    "plans",
    "protocols",
    "score",
]

import_lazily(__name__)
