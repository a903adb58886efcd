"""The ground of few-shot segmentation: what an episode is, how episodes are drawn, and how any method is scored."""

from episodes.episode import Episode, EpisodeSpec, Photograph
from episodes.errors import InputError
from episodes.evaluation import Evaluation, Method, evaluate
from episodes.folds import folds, novel_and_base
from episodes.geometry import Geometry
from episodes.loading import Augmentation, EpisodeList, Loader
from episodes.metrics import Score, confusion
from episodes.protocols import PROTOCOLS, Protocol
from episodes.sampler import Sampler
from episodes.sources import open_source
from episodes.sources.base import Source
from episodes.sources.pairs import Pairs
from episodes.task import DataSettings, Task
from episodes.world import World, joined

__all__ = [
    "PROTOCOLS",
    "Augmentation",
    "DataSettings",
    "Episode",
    "EpisodeList",
    "EpisodeSpec",
    "Evaluation",
    "Geometry",
    "InputError",
    "Loader",
    "Method",
    "Pairs",
    "Photograph",
    "Protocol",
    "Sampler",
    "Score",
    "Source",
    "Task",
    "World",
    "confusion",
    "evaluate",
    "folds",
    "joined",
    "novel_and_base",
    "open_source",
]
