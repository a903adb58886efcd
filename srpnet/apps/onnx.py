"""A network as ONNX, for whatever runs that: the encoder, and the scorer that compares features with prototypes.

The two hold what `srpnet.fewshot.network` does: the weights, normalisation, query inference. Photographs are placed and
logits brought to their pixels outside, see docs/onnx.md, where an example does so with NumPy.
"""

import warnings
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim

from episodes.errors import InputError
from episodes.files import atomic_write, check_folder, write_json
from srpnet.fewshot.network import SRPNet
from srpnet.nn.weights import content_hash

ENCODER, SCORER, ABOUT = "encoder.onnx", "scorer.onnx", "about.json"
OPSET = 18
EXAMPLE_SIZE = (97, 129)
"""Height and width that the encoder is traced at; it takes any."""


class Encoder(nn.Module):
    """Images (1, 3, H, W), RGB in [0, 1] -> features (1, C, h, w)."""

    def __init__(self, network: SRPNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        return self.network.encode(image)


class Scorer(nn.Module):
    """Features (1, C, h, w) and prototypes (P, C), background first -> logits (1, P, h, w), with query inference."""

    def __init__(self, network: SRPNet) -> None:
        super().__init__()
        self.network = network
        # A background that is missing is made up in Python; here the supports must show one.
        self.iqi = replace(network.config.iqi, own_background=False)

    def forward(self, features: Tensor, prototypes: Tensor) -> Tensor:
        return self.network.segment(features, prototypes, iqi=self.iqi)


def export(network: SRPNet, folder: Path) -> None:
    """Write `encoder.onnx`, `scorer.onnx` and `about.json`, in float32.

    Args:
        network: Copied, and left as it is.
        folder: Made if need be.

    Raises:
        InputError: if the extra is missing, or a file cannot be written.
    """
    check_possible(folder)
    copy = network.for_inference(torch.device("cpu")).to(memory_format=torch.contiguous_format)
    image = torch.rand(1, 3, *EXAMPLE_SIZE, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        features = copy.encode(image).clone()
    prototypes = torch.rand(3, copy.channels, generator=torch.Generator().manual_seed(0))
    sides = {2: Dim("height", min=33, max=8192), 3: Dim("width", min=33, max=8192)}
    cells = {2: Dim("rows", min=2, max=2048), 3: Dim("columns", min=2, max=2048)}
    ways = {0: Dim("classes", min=2, max=255)}
    _write(Encoder(copy), (image,), {"image": sides}, "features", folder / ENCODER)
    _write(Scorer(copy), (features, prototypes), {"features": cells, "prototypes": ways}, "logits", folder / SCORER)
    about = {
        "stride": network.stride,
        "channels": network.channels,
        "network_sha256": content_hash(network.state_dict()),
    }
    write_json(folder / ABOUT, about)


def check_possible(folder: Path) -> None:
    """See whether a network can be exported to a folder.

    Raises:
        InputError: if the extra is missing, or the folder cannot be written to.
    """
    if find_spec("onnx") is None or find_spec("onnxscript") is None:
        raise InputError("ONNX needs the packages onnx and onnxscript: pip install 'srpnet[onnx]'")
    check_folder(folder)


def _write(module: nn.Module, given: tuple[Tensor, ...], shapes: dict[str, Any], output: str, file: Path) -> None:
    with atomic_write(file) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter about itself
        program = torch.onnx.export(
            module.eval(),
            given,
            input_names=list(shapes),
            output_names=[output],
            dynamic_shapes=shapes,
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
        assert program is not None  # as nothing is said of a file
        temporary.write_bytes(program.model_proto.SerializeToString())
