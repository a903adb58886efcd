"""The method can be read: a forward pass goes through few functions, in few files."""

import numpy as np
import torch
from PIL import Image

from srpnet.apps.segmenter import Segmenter
from srpnet.fewshot.network import SRPNet
from tests.srpnet.call_depth import passed


def test_a_prototypical_forward(network: SRPNet) -> None:
    """From images to logits: the backbone, prototypes and similarity, each function once and no detour."""
    images, labels = torch.rand(1, 3, 64, 64), torch.zeros(1, 64, 64, dtype=torch.uint8)
    labels[:, 10:40, 10:40] = 1
    functions = passed(lambda: network(images, labels, torch.ones(1, 1, dtype=torch.bool), images))
    assert [function.name for function in functions] == [
        "SRPNet.forward",
        "SRPNet.encode",
        "Backbone.forward",
        "support_prototypes",
        "pool_supports",
        "average",
        "masked_average_pooling",
        "mean_prototypes",
        "counted",
        "SRPNet.segment",
        "infer",
        "fidelity",
        "cosine",
    ]


def test_a_photograph_segmented_by_example(network: SRPNet) -> None:
    """It is read and shrunk, segmented by the predictor that evaluation uses too, and its pixels get labels.

    Looked at once, without closer looks and new edges.
    """
    segmenter = Segmenter(network, size=64, device="cpu", precision="fp32", closer="none", refine="none")
    photograph = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    segmenter.set_support([photograph], [np.eye(48, 64, dtype=np.uint8)])
    segmenter.predict(photograph)  # pixel weights are kept from now on
    functions = passed(lambda: segmenter.predict(Image.fromarray(photograph)))
    assert [function.name for function in functions] == [
        "Segmenter.predict",
        "read_photograph",
        "_opened",
        "place_photograph",
        "Segmenter._look",
        "look",
        "Segmenter._segment",
        "Segmenter._encode",
        "Predictor.encode",
        "Runtime.autocast",
        "SRPNet.encode",
        "Backbone.forward",
        "Segmenter._segment_encoded",
        "Predictor.segment",
        "SRPNet.segment",
        "infer",
        "fidelity",
        "cosine",
        "Segmenter._labels",
        "Looks.labels",
        "label_maps",
        "pixel_weights",
        "groups",
    ]
