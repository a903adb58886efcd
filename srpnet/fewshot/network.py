"""SRPNet: one shared feature map, prototypes, similarity. After the feature map nothing is learned.

Letters in names: B images, S supports, Q queries, N ways, P = N + 1 classes with background, C channels, H W input
size, h w feature size.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from episodes.fewshot.geometry import Placement
from srpnet.fewshot.prototypes import Pooled, mean_prototypes, pool_supports
from srpnet.fewshot.query_inference import QueryInference, infer
from srpnet.fewshot.saving import SavedNetwork
from srpnet.fewshot.settings import NetworkSettings
from srpnet.nn import weights
from srpnet.nn.backbone import IMAGENET_MEAN, IMAGENET_STD, Backbone
from srpnet.nn.grid import average, label_maps, pixel_weights, upsample
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
        """Initialise the reduction anew, by the seed alone."""
        if self.reduce is not None:
            generator = torch.Generator().manual_seed(seed)
            nn.init.kaiming_normal_(self.reduce.weight, nonlinearity="relu", generator=generator)
            assert self.reduce.bias is not None
            nn.init.zeros_(self.reduce.bias)

    def encode(self, images_B3HW: Tensor) -> Tensor:
        """Images, RGB in [0, 1] -> the final feature map (B, C, h, w): the pyramid, reduced."""
        return in_parts(lambda some_B3HW: self._reduced(self._pyramid(some_B3HW)), images_B3HW)

    def pyramid(self, images_B3HW: Tensor) -> Tensor:
        """The backbone's levels, brought to the finest one's size and concatenated (B, C, h, w) (method, 2)."""
        return in_parts(self._pyramid, images_B3HW)

    def levels(self, images_B3HW: Tensor) -> list[Tensor]:
        """The backbone's levels, each (B, C, h, w) at its own stride, finest first, before they become a pyramid."""
        normalised = ((images_B3HW - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        levels: list[Tensor] = self.backbone(normalised)
        return levels

    def level_shapes(self, size: tuple[int, ...]) -> list[tuple[int, int, int]]:
        """(h, w, C) of each level of images of a size (H, W)."""
        strides = zip(self.backbone.strides, self.backbone.channels, strict=True)
        return [(-(-size[0] // stride), -(-size[1] // stride), channels) for stride, channels in strides]

    def reduced_levels(self, packed_BL: Tensor, size: tuple[int, ...]) -> Tensor:
        """What `encode` makes of images, up to rounding, from their levels: all that is trained in a head.

        A 1 x 1 convolution and an interpolation may change places. So each level is reduced on its own grid, which
        takes less than half of the time where the training stride is 16.

        Args:
            packed_BL: Of each image, its levels in the order (h, w, C), one after the other.
            size: (H, W) of the images.
        """
        return in_parts(lambda some_BL: self._reduced_levels(some_BL, self.level_shapes(size)), packed_BL)

    def reduced(self, pyramid_BChw: Tensor) -> Tensor:
        """The other half of `encode`."""
        return in_parts(self._reduced, pyramid_BChw)

    def _pyramid(self, images_B3HW: Tensor) -> Tensor:
        levels = self.levels(images_B3HW)
        size = (levels[0].shape[-2], levels[0].shape[-1])
        strides = self.backbone.strides
        return torch.cat([self._finest(*level, size) for level in zip(levels, strides, strict=True)], dim=1)

    def _finest(self, level_BChw: Tensor, stride: int, size: tuple[int, int]) -> Tensor:
        """A level on the grid of the finest one, which has so many cells."""
        return level_BChw if stride == self.stride else upsample(level_BChw, size, stride // self.stride)

    def _reduced_levels(self, packed_BL: Tensor, shapes: Sequence[tuple[int, int, int]]) -> Tensor:
        assert self.reduce is not None
        assert self.reduce.bias is not None
        packed = packed_BL.split([math.prod(shape) for shape in shapes], dim=1)
        kernels = self.reduce.weight.split(self.backbone.channels, dim=1)
        features_BChw: Tensor = self.reduce.bias[:, None, None]
        for part_BL, shape, kernel, stride in zip(packed, shapes, kernels, self.backbone.strides, strict=True):
            level_BChw = part_BL.unflatten(1, shape).permute(0, 3, 1, 2)
            features_BChw = features_BChw + self._finest(conv2d(level_BChw, kernel), stride, shapes[0][:2])
        return features_BChw.relu() if self.config.relu else features_BChw

    def _reduced(self, pyramid_BChw: Tensor) -> Tensor:
        if self.reduce is None:
            return pyramid_BChw
        features_BChw: Tensor = self.reduce(pyramid_BChw)
        return features_BChw.relu() if self.config.relu else features_BChw

    def prototypes(
        self,
        features_SChw: Tensor,
        labels_SHW: Tensor,
        membership_SN: Tensor,
        ids: Sequence[str] | None = None,
    ) -> Tensor:
        """Prototypes (P, C), background first; see `support_prototypes` for arguments and errors."""
        pooled = self.pool(features_SChw, labels_SHW, membership_SN.shape[1])
        return mean_prototypes(pooled, membership_SN, ids)

    def pool(self, features_SChw: Tensor, labels_SHW: Tensor, ways: int) -> Pooled:
        """What each support says of each class: the first half of `prototypes`, which needs no other support."""
        with _exact(features_SChw):
            return pool_supports(upcast(features_SChw), labels_SHW, ways, self.stride, self.config.pooling)

    def segment(
        self,
        features_BChw: Tensor,
        prototypes_PC: Tensor,
        valid_BHW: Tensor | None = None,
        iqi: QueryInference | None = None,
    ) -> Tensor:
        """Logits (B, P, h, w) of images by prototypes, with the rounds of `iqi` (None: none).

        Args:
            features_BChw: From `encode`.
            prototypes_PC: From `prototypes`; (B, P, C) where each image has its own.
            valid_BHW: bool at input size, False on padding; None if there is none.
            iqi: Usually `self.config.iqi`.
        """
        with _exact(features_BChw):
            features = upcast(features_BChw)
            if valid_BHW is not None:
                size = (features.shape[-2], features.shape[-1])
                valid_BHW = average(valid_BHW.to(features.dtype), size, self.stride)
            return infer(
                features,
                prototypes_PC,
                valid_BHW,
                similarity=self.config.similarity,
                alpha=self.config.alpha,
                iqi=iqi,
            )

    def upsample(self, logits_BPhw: Tensor, size: tuple[int, ...]) -> Tensor:
        """Logits on the feature grid -> at the pixels (B, P, H, W) of the photograph that was encoded, bilinear."""
        with _exact(logits_BPhw):
            return upsample(logits_BPhw, (size[-2], size[-1]), self.stride)

    def label_maps(self, logits_BPhw: Tensor, placement: Placement, original: bool) -> Tensor:
        """The best class at each pixel of the photograph that was encoded, or of the original: uint8 (B, H, W)."""
        size = (logits_BPhw.shape[-2], logits_BPhw.shape[-1])
        rows_Hh, columns_Ww = pixel_weights(size, self.stride, placement, original)
        with _exact(logits_BPhw):
            return label_maps(logits_BPhw, rows_Hh.to(logits_BPhw), columns_Ww.to(logits_BPhw))

    def answer(
        self,
        support_features_SChw: Tensor,
        support_labels_SHW: Tensor,
        membership_SN: Tensor,
        query_features_QChw: Tensor,
        query_valid_QHW: Tensor | None = None,
        iqi: QueryInference | None = None,
        ids: Sequence[str] | None = None,
    ) -> Logits:
        """One episode whose photographs are encoded; see `forward` for the arguments, and `prototypes` for `ids`."""
        prototypes_PC = self.prototypes(support_features_SChw, support_labels_SHW, membership_SN, ids)
        return Logits(
            self.segment(query_features_QChw, prototypes_PC, query_valid_QHW, iqi),
            self.segment(support_features_SChw, prototypes_PC),
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
            iqi: Rounds of query inference; None: none.
        """
        features_BChw = self.encode(torch.cat([support_images_S3HW, query_images_Q3HW]))
        supports, queries = features_BChw.tensor_split([len(support_images_S3HW)])
        return self.answer(supports, support_labels_SHW, membership_SN, queries, query_valid_QHW, iqi)

    def for_inference(self, device: torch.device) -> Self:
        """A copy on a device, in evaluation mode, channels last, with BatchNorm folded into the convolutions.

        Its features equal this network's up to rounding. It cannot be saved or trained.
        """
        network = copy.deepcopy(self).eval().requires_grad_(False)
        network.backbone.fold_batchnorm()
        return network.place(device)

    def place(self, device: torch.device) -> Self:
        """Move to a device, with weights channels last, as convolutions like them there."""
        return self.to(device).to(memory_format=torch.channels_last)


def build(config: NetworkSettings, file: Path | None = None, say: Callable[[str], None] = print) -> SRPNet:
    """An SRPNet with ImageNet weights in its backbone and a fresh head, in evaluation mode.

    Args:
        config: Its settings. If they carry a hash, the weights must have that very hash.
        file: The weights, instead of the cache or a download.
        say: Told in one line of every source of weights that fails.

    Raises:
        InputError: if the weights cannot be had, or are not the ones that are named.
    """
    name = None if config.backbone == "auto" else config.backbone
    found, state = weights.get_weights(name, file, sha256=config.backbone_sha256, say=say)
    network = SRPNet(replace(config, backbone=found.name, backbone_sha256=found.sha256))
    weights.load_backbone(network.backbone, state)
    return network.eval()


def in_parts(function: Callable[[Tensor], Tensor], batch: Tensor) -> Tensor:
    """`function(batch)`, on the CPU one image at a time, which is no slower there (benchmarks/inference.py).

    So what becomes of an image does not depend on those beside it, to the last bit.
    """
    if batch.device.type != "cpu" or len(batch) == 1:
        return function(batch)
    return torch.cat([function(image) for image in batch.split(1)])


def upcast(features: Tensor) -> Tensor:
    """Half precisions to float32; float32 and float64 as they are."""
    return features.float() if features.dtype in (torch.bfloat16, torch.float16) else features


def _exact(features: Tensor) -> torch.autocast:
    return torch.autocast(features.device.type, enabled=False)
