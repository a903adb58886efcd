"""The ground of few-shot segmentation: what an episode is, how episodes are drawn, and how any method is scored."""

from typing import TYPE_CHECKING

from episodes.lazy import import_lazily

if TYPE_CHECKING:
    from episodes.data import open_source
    from episodes.data.source import Source
    from episodes.distributed import World, joined
    from episodes.errors import InputError
    from episodes.fewshot.episode import Episode, EpisodeSpec, Photograph
    from episodes.fewshot.fold_classes import folds, novel_and_base
    from episodes.fewshot.folds import Fold
    from episodes.fewshot.geometry import Geometry
    from episodes.fewshot.pairs import Pairs
    from episodes.fewshot.sampler import Sampler
    from episodes.fewshot.scenes.augmentation import Augmentation
    from episodes.fewshot.scenes.loading import EpisodeList, Loader
    from episodes.fewshot.settings import DataSettings
    from episodes.results.bootstrap import Interval, Resampling
    from episodes.results.comparison import Difference, compare
    from episodes.results.output import Output
    from episodes.results.run import Run
    from episodes.score import score
    from episodes.scoring.evaluate import Evaluation, evaluate
    from episodes.scoring.methods import BaseMethod, Method
    from episodes.scoring.metrics import Score, confusion
    from episodes.scoring.plans.manifest import Header, Manifest
    from episodes.scoring.plans.plan import Outcome, Plan
    from episodes.scoring.plans.planning import plans
    from episodes.scoring.plans.settings import PlanSettings
    from episodes.scoring.predictions import Predictions
    from episodes.scoring.protocols import PROTOCOLS, Protocol, protocols
    from episodes.scoring.records import Record, Records

__all__ = [
    "PROTOCOLS",
    "Augmentation",
    "BaseMethod",
    "DataSettings",
    "Difference",
    "Episode",
    "EpisodeList",
    "EpisodeSpec",
    "Evaluation",
    "Fold",
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
