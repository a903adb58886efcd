"""Backbones of students: whatever gives a feature map F and an earlier one, F_aux, and can keep its first blocks.

Letters: B images, D channels, H W pixels, h w cells.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srpnet.nn import grid, vit, weights
from srpnet.nn.backbone import Backbone
from srpnet.nn.weight_sets import WEIGHT_SETS
from srpnet.nn.weights import Weights
from srpnet.weak.settings import Architecture, StudentSettings

Levels = tuple[Tensor, ...]
"""What the frozen blocks make of images, from which the others go on: (B, ...) each; the images, if none is frozen."""


class Encoder(nn.Module, ABC):
    """A backbone in two parts: `upper(lower(images))` are F_aux and F, and `lower` is not trained.

    Attributes:
        channels: Of F_aux and F.
    """

    channels: tuple[int, int]

    @abstractmethod
    def lower(self, images_B3HW: Tensor) -> Levels:
        """Normalised images -> what the frozen blocks make of them."""

    @abstractmethod
    def upper(self, levels: Levels, size: Sequence[int]) -> tuple[Tensor, Tensor]:
        """F_aux and F, (B, D, h, w) each, of images of H x W pixels."""

    @abstractmethod
    def load(self, state: dict[str, Tensor]) -> None:
        """Take ImageNet weights, see `imagenet_weights`, strictly.

        Raises:
            InputError: if they do not fit.
        """

    @abstractmethod
    def upsample(self, maps_BDhw: Tensor, size: Sequence[int]) -> Tensor:
        """Values at the cells -> values at H x W pixels, bilinear."""


class ResNetEncoder(Encoder):
    """ResNet-50 at stride 16: F is stage 4, F_aux stage 3."""

    STRIDE: Literal[16] = 16

    def __init__(self, config: StudentSettings) -> None:
        super().__init__()
        convention = "v1.5" if config.weights == "auto" else WEIGHT_SETS[config.weights].convention
        self.backbone = Backbone(convention, self.STRIDE, (3, 4), layers=config.depths, base_width=config.base_width)
        self.channels = cast(tuple[int, int], self.backbone.channels)
        self.frozen, self._aux_after = config.frozen_blocks, sum(config.depths[:3])
        if self.frozen:
            for module in (self.backbone.conv1, *self._blocks()[: self.frozen]):
                module.requires_grad_(False)

    def _blocks(self) -> list[nn.Module]:
        return [block for stage in range(1, 5) for block in self.backbone.get_submodule(f"layer{stage}").children()]

    def lower(self, images_B3HW: Tensor) -> Levels:
        """The images; or the last frozen block, with F_aux before it if that lies further down."""
        if not self.frozen:
            return (images_B3HW,)
        with torch.no_grad():
            backbone = self.backbone
            features = backbone.maxpool(backbone.relu(backbone.bn1(backbone.conv1(images_B3HW))))
            return self._run(features, 0, self.frozen)

    def upper(self, levels: Levels, size: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Stages 3 and 4."""
        if not self.frozen:
            aux, main = self.backbone(levels[0])
            return aux, main
        *passed, features = levels
        reached = self._run(features, self.frozen, len(self._blocks()))
        return (*passed, *reached)[0], reached[-1]

    def _run(self, features: Tensor, first: int, end: int) -> Levels:
        """The features after blocks first .. end - 1, and before them F_aux if these go beyond it."""
        aux = features if first == self._aux_after else None
        for number, block in enumerate(self._blocks()[first:end], start=first + 1):
            features = block(features)
            aux = features if number == self._aux_after and number < end else aux
        return (features,) if aux is None or aux is features else (aux, features)

    def load(self, state: dict[str, Tensor]) -> None:
        """Into the backbone."""
        weights.load_backbone(self.backbone, state)

    def upsample(self, maps_BDhw: Tensor, size: Sequence[int]) -> Tensor:
        """Cell i is centred on pixel 16 * i."""
        return grid.upsample(maps_BDhw, size, self.STRIDE)


class ViTEncoder(Encoder):
    """ViT-B/16: F are the patch tokens after the last norm, F_aux those after the last block but two."""

    def __init__(self, config: StudentSettings) -> None:
        super().__init__()
        (depth,) = config.depths
        heads = 12 if config.base_width == 64 else 2
        self.transformer = vit.PatchTransformer(depth, heads, config.base_width)
        self.channels = self.transformer.width, self.transformer.width
        self.frozen, self._aux_after = config.frozen_blocks, max(1, depth - 2)
        if self.frozen:
            self.transformer.class_token.requires_grad_(False)
            for module in (self.transformer.conv_proj, *self.transformer.blocks[: self.frozen]):
                module.requires_grad_(False)

    def lower(self, images_B3HW: Tensor) -> Levels:
        """The images; or the tokens after the frozen blocks, with those of F_aux before them if frozen too."""
        if not self.frozen:
            return (images_B3HW,)
        with torch.no_grad():
            return self._run(self.transformer.embed(images_B3HW), 0, self.frozen)

    def upper(self, levels: Levels, size: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Patch tokens as maps."""
        *passed, tokens = levels if self.frozen else (self.transformer.embed(levels[0]),)
        reached = self._run(tokens, self.frozen, len(self.transformer.blocks))
        aux, main = (*passed, *reached)[0], self.transformer.encoder.ln(reached[-1])
        return self.transformer.feature_map(aux, size), self.transformer.feature_map(main, size)

    def _run(self, tokens: Tensor, first: int, end: int) -> Levels:
        aux = tokens if first == self._aux_after else None
        for number, block in enumerate(self.transformer.blocks[first:end], start=first + 1):
            tokens = block(tokens)
            aux = tokens if number == self._aux_after and number < end else aux
        return (tokens,) if aux is None or aux is tokens else (aux, tokens)

    def load(self, state: dict[str, Tensor]) -> None:
        """Into the transformer."""
        vit.load_vit(self.transformer, state)

    def upsample(self, maps_BDhw: Tensor, size: Sequence[int]) -> Tensor:
        """A cell covers its patch; what lies on the padding is cut off."""
        whole = [vit.PATCH * cells for cells in maps_BDhw.shape[-2:]]
        pixels = F.interpolate(maps_BDhw.float(), whole, mode="bilinear", align_corners=False)
        return pixels[..., : size[0], : size[1]]


ENCODERS: dict[Architecture, Callable[[StudentSettings], Encoder]] = {
    "resnet50": ResNetEncoder,
    "vit-b16": ViTEncoder,
}


def imagenet_weights(
    config: StudentSettings, file: Path | None = None, say: Callable[[str], None] = print
) -> tuple[Weights, dict[str, Tensor]]:
    """The ImageNet weights of an architecture, and which they are.

    Raises:
        InputError: if they cannot be had, or are not those of the settings.
    """
    if config.architecture == "vit-b16":
        return vit.vit_weights(file, config.weights_sha256)
    name = None if config.weights == "auto" else config.weights
    return weights.get_weights(name, file, sha256=config.weights_sha256, say=say)
