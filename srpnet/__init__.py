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
    from srpnet.backbone import Backbone
    from srpnet.checkpoints import load_network
    from srpnet.eval_fold import EvalSettings, run_evaluation
    from srpnet.inference import QueryInference, infer
    from srpnet.losses import segmentation_loss
    from srpnet.method import SRPNetMethod
    from srpnet.network import SRPNet, build
    from srpnet.prototypes import masked_average_pooling, support_prototypes
    from srpnet.recipe import TrainingSettings
    from srpnet.runtime import runtime
    from srpnet.segmenter import Segmenter
    from srpnet.settings import TRAINING_FREE, NetworkSettings
    from srpnet.similarity import cosine, fidelity
    from srpnet.train_fold import TrainSettings, run_training
    from srpnet.training import TrainingRun
    from srpnet.version import __version__
    from srpnet.weight_sets import WEIGHT_SETS
    from srpnet.weights import get_weights

__all__ = [
    "TRAINING_FREE",
    "WEIGHT_SETS",
    "Backbone",
    "EvalSettings",
    "InputError",
    "NetworkSettings",
    "QueryInference",
    "SRPNet",
    "SRPNetMethod",
    "Segmenter",
    "TrainSettings",
    "TrainingRun",
    "TrainingSettings",
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
