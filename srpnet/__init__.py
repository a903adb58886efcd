"""SRPNet: few-shot segmentation with self-regularized prototypes.

from srpnet import Segmenter

segmenter = Segmenter()  # the released model srpnet-base
segmenter.set_support(["cup1.jpg"], ["cup1-mask.png"])
mask = segmenter.predict("kitchen.jpg")
"""

from typing import TYPE_CHECKING

from episodes.lazy import import_lazily

if TYPE_CHECKING:
    from episodes.errors import InputError
    from srpnet.apps.face_segmenter import FaceSegmenter
    from srpnet.apps.segmenter import Segmenter
    from srpnet.fewshot.checkpoint import load_network
    from srpnet.fewshot.evaluation.evaluate import run_evaluation
    from srpnet.fewshot.evaluation.method import SRPNetMethod
    from srpnet.fewshot.evaluation.settings import EvalSettings
    from srpnet.fewshot.network import SRPNet, build
    from srpnet.fewshot.prototypes import masked_average_pooling, support_prototypes
    from srpnet.fewshot.query_inference import infer
    from srpnet.fewshot.settings import TRAINING_FREE, NetworkSettings, QueryInference
    from srpnet.fewshot.support_set import SupportSet
    from srpnet.fewshot.training.losses import segmentation_loss
    from srpnet.fewshot.training.settings import FewShotLoopSettings, FewShotTrainSettings
    from srpnet.fewshot.training.train import run_training
    from srpnet.fewshot.training.trainable import TrainableSRPNet
    from srpnet.nn.backbone import Backbone
    from srpnet.nn.device import runtime
    from srpnet.nn.similarity import cosine, fidelity
    from srpnet.nn.weight_sets import WEIGHT_SETS
    from srpnet.nn.weights import get_weights
    from srpnet.training.run import TrainingRun
    from srpnet.training.settings import LoopSettings
    from srpnet.version import __version__

__all__ = [
    "TRAINING_FREE",
    "WEIGHT_SETS",
    "Backbone",
    "EvalSettings",
    "FaceSegmenter",
    "FewShotLoopSettings",
    "FewShotTrainSettings",
    "InputError",
    "LoopSettings",
    "NetworkSettings",
    "QueryInference",
    "SRPNet",
    "SRPNetMethod",
    "Segmenter",
    "SupportSet",
    "TrainableSRPNet",
    "TrainingRun",
    "__version__",
    "build",
    "cosine",
    "fidelity",
    "get_weights",
    "infer",
    "load_network",
    "masked_average_pooling",
    "run_evaluation",
    "run_training",
    "runtime",
    "segmentation_loss",
    "support_prototypes",
]

import_lazily(__name__)
