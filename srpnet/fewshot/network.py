"""SRPNet: one shared feature map, prototypes, similarity. After the feature map nothing is learned.

Letters in names: B images, S supports, Q queries, N ways, P = N + 1 classes with background, C channels, H W input
size, h w feature size.
"""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple, Self

import torch
from torch import Tensor, nn

from srpnet.fewshot.prototypes import support_prototypes
from srpnet.fewshot.query_inference import infer
from srpnet.fewshot.saving import SavedNetwork
from srpnet.fewshot.settings import NetworkSettings, QueryInference
from srpnet.nn import weights
from srpnet.nn.backbone import IMAGENET_MEAN, IMAGENET_STD, Backbone
from srpnet.nn.grid import average, upsample
from srpnet.nn.weight_sets import WEIGHT_SETS


class Logits(NamedTuple):
    """Logits of an episode on the feature grid: queries (Q, P, h, w) and restored supports (S, P, h, w)."""

    queries: Tensor
    supports: Tensor


class SRPNet(
    SavedNetwork,
    library_name="srpnet",
    tags=["few-shot-segmentation", "image-segmentation"],
    license="mit",
    paper_url="https://arxiv.org/abs/2210.16829",
):
    """Self-Regularized Prototypical Network (Ding, Zhang, Jiang, Pattern Recognition 133, 2023).

    `SRPNet(config)` has random weights; use `build` for ImageNet weights and `from_pretrained` for a trained network.
    `save_pretrained(folder)` writes safetensors and the settings as JSON; with `trained="head"` it stores the head and
    names the backbone weights, which `from_pretrained` fetches again.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: NetworkSettings) -> None:
        super().__init__()
        self.config = config
        convention = "v1.5" if config.backbone == "auto" else WEIGHT_SETS[config.backbone].convention
        self.backbone = Backbone(
            convention,
            config.output_stride,
            config.stages,
            training_stride=config.training_stride,
            layers=config.layers,
            base_width=config.base_width,
            checkpointing=config.checkpointing,
        )
        if config.trained == "head":
            self.backbone.requires_grad_(False)
        self.backbone.freeze(config.frozen_stages)
        self.reduce: nn.Conv2d | None = None
        self.channels = sum(self.backbone.channels)
        if config.width is not None:
            with torch.random.fork_rng(devices=[]):  # the layer's own initialisation draws from the global state
                self.reduce = nn.Conv2d(self.channels, config.width, 1)
            self.channels = config.width
            self.reset_head(0)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD)[:, None, None], persistent=False)

    @property
    def stride(self) -> int:
        """Image pixels from one cell of the feature map to the next."""
        return self.backbone.strides[0]

    def reset_head(self, seed: int) -> None:
        """Initialise the reduction again, by the seed alone."""
        if self.reduce is not None:
            generator = torch.Generator().manual_seed(seed)
            nn.init.kaiming_normal_(self.reduce.weight, nonlinearity="relu", generator=generator)
            assert self.reduce.bias is not None
            nn.init.zeros_(self.reduce.bias)

    def encode(self, images_BCHW: Tensor, after: int = 0) -> Tensor:
        """Images -> features (B, C, h, w): the backbone's levels as one pyramid, reduced (method, 2).

        Args:
            images_BCHW: RGB in [0, 1]; or what stage `after` of the backbone made of them.
            after: 0 for images; none beyond the first of the pyramid.
        """
        if images_BCHW.device.type == "cpu" and len(images_BCHW) > 1:
            # One by one is no slower there (benchmarks/inference.py), and what becomes of an image then does not
            # depend on those beside it, to the last bit.
            return torch.cat([self.encode(image_1CHW, after) for image_1CHW in images_BCHW.split(1)])
        if not after:
            images_BCHW = ((images_BCHW - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        pyramid: list[Tensor] = []
        for level_BChw, stride in zip(self.backbone(images_BCHW, after=after), self.backbone.strides, strict=True):
            finer = stride // self.stride
            pyramid.append(level_BChw if finer == 1 else upsample(level_BChw, pyramid[0].shape[-2:], finer))
        features_BChw = torch.cat(pyramid, dim=1)
        if self.reduce is not None:
            features_BChw = self.reduce(features_BChw)
            if self.config.relu:
                features_BChw = features_BChw.relu()
        return features_BChw

    def segment(
        self,
        features_BChw: Tensor,
        prototypes_PC: Tensor,
        valid_BHW: Tensor | None = None,
        iqi: QueryInference | None = None,
    ) -> Tensor:
        """Logits (B, P, h, w) of images by prototypes, with the rounds of `iqi`, in float32 at least.

        Args:
            features_BChw: From `encode`.
            prototypes_PC: From `support_prototypes`; (B, P, C) where each image has its own.
            valid_BHW: bool at input size, False on padding; None if there is none.
            iqi: Usually `self.config.iqi`; None: no rounds.
        """
        with torch.autocast(features_BChw.device.type, enabled=False):
            features_BChw = features_BChw.to(torch.promote_types(features_BChw.dtype, torch.float32))
            valid_Bhw = None
            if valid_BHW is not None:
                valid_Bhw = average(valid_BHW.to(features_BChw.dtype), features_BChw.shape[-2:], self.stride)
            return infer(
                features_BChw,
                prototypes_PC,
                valid_Bhw,
                similarity=self.config.similarity,
                alpha=self.config.alpha,
                iqi=iqi,
                background_floor=self.config.background_floor,
            )

    def forward(
        self,
        support_images_S3HW: Tensor,
        support_labels_SHW: Tensor,
        membership_SN: Tensor,
        query_images_Q3HW: Tensor,
        query_valid_QHW: Tensor | None = None,
        iqi: QueryInference | None = None,
    ) -> Logits:
        """One episode, supports and queries of the same size, encoded in one pass of the shared backbone.

        Args:
            support_images_S3HW, query_images_Q3HW: RGB in [0, 1].
            support_labels_SHW: uint8, 0 background, 1..N, 255 neither.
            membership_SN: bool, whether support s is a shot of way n.
            query_valid_QHW: bool, False on padding.
            iqi: The recipe of query inference; None: no rounds.
        """
        features_BChw = self.encode(torch.cat([support_images_S3HW, query_images_Q3HW]))
        supports_SChw, queries_QChw = features_BChw.tensor_split([len(support_images_S3HW)])
        prototypes_PC = support_prototypes(
            supports_SChw, support_labels_SHW, membership_SN, self.stride, self.config.pooling
        )
        return Logits(
            self.segment(queries_QChw, prototypes_PC, query_valid_QHW, iqi), self.segment(supports_SChw, prototypes_PC)
        )

    def with_output_stride(self, stride: Literal[8, 16, 32]) -> Self:
        """A copy whose deeper features lie on a grid this coarse, or as they do if that is coarser: sooner, not finer.

        Its weights are the same, so prototypes of the one serve the other.
        """
        network = copy.deepcopy(self)
        stride = max(stride, self.config.output_stride)
        network.config = replace(self.config, output_stride=stride)
        network.backbone.output_stride = stride
        return network.train(self.training)

    def for_inference(self, device: torch.device) -> Self:
        """A copy on a device, in evaluation mode, channels last, with BatchNorm folded into the convolutions.

        Its features equal this network's up to rounding. It cannot be saved or trained.
        """
        network = copy.deepcopy(self).eval().requires_grad_(False)
        network.backbone.fold_batchnorm()
        return network.move_to(device)

    def move_to(self, device: torch.device) -> Self:
        """Move to a device, with weights channels last, as convolutions like them there."""
        return self.to(device).to(memory_format=torch.channels_last)


def build(config: NetworkSettings, file: Path | None = None, say: Callable[[str], None] = print) -> SRPNet:
    """An SRPNet with ImageNet weights in its backbone and a fresh head, in evaluation mode.

    Args:
        config: Its settings. If they carry a hash, the weights must have that very hash.
        file: The weights, instead of the cache or a download.
        say: Called with one line about every source of weights that fails.

    Raises:
        InputError: if the weights cannot be had, or are not the ones that are named.
    """
    name = None if config.backbone == "auto" else config.backbone
    imagenet, state = weights.get_weights(name, file, sha256=config.backbone_sha256, say=say)
    network = SRPNet(replace(config, backbone=imagenet.name, backbone_sha256=imagenet.sha256))
    weights.load_backbone(network.backbone, state)
    return network.eval()
