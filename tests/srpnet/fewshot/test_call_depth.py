"""The method can be read: a forward pass goes through few functions, in few files."""

import torch

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
        "SRPNet.segment",
        "infer",
        "fidelity",
        "cosine",
    ]
