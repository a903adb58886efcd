"""The shared feature extractor: torchvision's ResNet-50 without its classifier, dilated, BatchNorm frozen."""

from collections.abc import Sequence
from typing import Literal, Self

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.utils.checkpoint import checkpoint
from torchvision.models.resnet import Bottleneck, ResNet

from episodes.errors import InputError
from srpnet.nn.weight_sets import Convention

# Shapes: B images, 3 colours, H x W pixels; C channels, h x w cells of a feature map.

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Mean of ImageNet's red, green and blue on a 0..1 scale."""
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Standard deviation of ImageNet's red, green and blue on a 0..1 scale."""


class Backbone(nn.Module):
    """ResNet-50 (He et al., CVPR 2016, section 4) that returns the feature maps of chosen stages.

    Parameters and buffers carry torchvision's names, so its weights load as they are. The first weights are
    random; `srpnet.nn.weights` fetches trained ones.

    Args:
        convention: where the first block of stages 2..4 strides. It belongs to the weights.
        output_stride: the most image pixels from one feature cell to the next. Stages that would stride
            further are dilated instead (Yu and Koltun, ICLR 2016): at 8, stage 3 by 2 and stage 4 by 4;
            at 16, stage 4 by 2; at 32 none. SRPNet's paper leaves it open.
        stages: which of the stages 1..4 (torchvision's `layer1`..`layer4`) to return. Stages beyond the last
            of them are left out of the network.
        training_stride: the same while in training mode; None is no other. Dilating changes where features are
            computed and not what they are, so a network may be trained on a coarse grid and used on a fine one.
        layers: blocks in each of the four stages; (3, 4, 6, 3) is ResNet-50.
        base_width: channels inside the blocks of stage 1, 64 in ResNet-50.
        checkpointing: keep only each block's input while training and compute the rest again on the way back
            (Chen et al. 2016): slower, in far less memory, with the same gradients.
        seed: draws the first weights. The global random state is neither read nor moved.

    Raises:
        InputError: an option is not one of those above.

    >>> backbone = Backbone(stages=(2, 3), layers=(1, 1, 1, 1), base_width=8)
    >>> [tuple(features.shape) for features in backbone(torch.zeros(1, 3, 64, 48))]
    [(1, 512, 8, 6), (1, 1024, 8, 6)]
    """

    strides: tuple[int, ...]
    """Image pixels from one cell to the next, for each of `stages`, in the present mode."""

    def __init__(
        self,
        convention: Convention = "v1.5",
        output_stride: Literal[8, 16, 32] = 8,
        stages: Sequence[int] = (2, 3, 4),
        *,
        training_stride: Literal[8, 16, 32] | None = None,
        layers: Sequence[int] = (3, 4, 6, 3),
        base_width: int = 64,
        checkpointing: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if convention not in ("v1", "v1.5"):
            raise InputError(f"convention {convention!r} does not exist: choose v1 or v1.5")
        for stride in (output_stride, training_stride or output_stride):
            if stride not in (8, 16, 32):
                raise InputError(f"output stride {stride} does not exist: choose 8, 16 or 32")
        if not stages or not set(stages) <= {1, 2, 3, 4}:
            raise InputError(f"stages {tuple(stages)} do not exist: choose one or more of 1, 2, 3, 4")
        self.convention = convention
        self.output_stride = output_stride
        self.stages = tuple(sorted(set(stages)))
        self.channels = tuple(256 * 2 ** (stage - 1) for stage in self.stages)
        self.training_stride = training_stride or output_stride
        self.checkpointing = checkpointing

        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            resnet = ResNet(Bottleneck, list(layers), width_per_group=base_width)
        self.conv1 = resnet.conv1
        self.bn1 = resnet.bn1
        self.relu = resnet.relu
        self.maxpool = resnet.maxpool
        for stage in range(1, self.stages[-1] + 1):
            self.add_module(f"layer{stage}", resnet.get_submodule(f"layer{stage}"))
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.requires_grad_(False)
        self.train(self.training)

    def _stride_or_dilate(self, output_stride: int) -> None:
        """Let the first block of each stage stride, or, where that would exceed the output stride, dilate the stage.

        With the stride on `conv1` (v1), the first 3x3 convolution already reads the stage's own, coarser grid, so it
        carries the stage's new dilation. With the stride on `conv2` (v1.5) it still reads the grid of the stage before
        and keeps that dilation, as torchvision's `replace_stride_with_dilation` has it.
        """
        dilation = 1
        for stage in range(2, self.stages[-1] + 1):
            before, step = dilation, 2 if 2 ** (stage + 1) <= output_stride else 1
            dilation *= 2 // step
            blocks = [
                block for block in self.get_submodule(f"layer{stage}").children() if isinstance(block, Bottleneck)
            ]
            for block in blocks:
                block.conv2.dilation = block.conv2.padding = (dilation, dilation)
            first = blocks[0]
            shortcut = first.downsample.get_submodule("0")
            first.conv1.stride, first.conv2.stride = (1, 1), (1, 1)
            shortcut.stride = (step, step)
            if self.convention == "v1":
                first.conv1.stride = (step, step)
            else:
                first.conv2.stride = (step, step)
                first.conv2.dilation = first.conv2.padding = (before, before)

    def fold_batchnorm(self) -> Self:
        """Fold each BatchNorm into the convolution before it: the same features up to rounding, sooner.

        For inference and for a backbone that is not trained; names and shapes of its state change. In place.
        """
        self.eval()
        parents = [module for module in self.modules() if isinstance(module, Bottleneck | Backbone)]
        pairs = [(parent, f"conv{i}", f"bn{i}") for parent in parents for i in (1, 2, 3) if hasattr(parent, f"conv{i}")]
        pairs += [
            (parent.downsample, "0", "1") for parent in parents if getattr(parent, "downsample", None) is not None
        ]
        for parent, conv, norm in pairs:
            if isinstance(batchnorm := getattr(parent, norm), nn.BatchNorm2d):
                setattr(parent, conv, fuse_conv_bn_eval(getattr(parent, conv), batchnorm))
                setattr(parent, norm, nn.Identity())
        return self

    def train(self, mode: bool = True) -> Self:
        """Set the mode, and the output stride that belongs to it.

        BatchNorm stays in eval: a few episodes are too small a batch.
        """
        super().train(mode)
        most = self.training_stride if mode else self.output_stride
        self._stride_or_dilate(most)
        self.strides = tuple(min(2 ** (stage + 1), most) for stage in self.stages)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def freeze(self, stages: int) -> None:
        """Keep the weights of the first so many stages, and of what comes before stage 1, out of training."""
        if stages > 0:
            for part in (self.conv1, *(self.get_submodule(f"layer{stage}") for stage in range(1, stages + 1))):
                part.requires_grad_(False)

    def forward(self, images_BCHW: Tensor, stages: Sequence[int] | None = None, after: int = 0) -> list[Tensor]:
        """Feature maps (B, C, h, w) of the chosen stages, finest first, all values >= 0.

        C is in `channels`; h and w are H and W, rounded up, over the stage's stride: 4, 8, 16, 32 for stages
        1..4, but no more than `output_stride`.

        Args:
            images_BCHW: RGB images, scaled to 0..1, then normalised with `IMAGENET_MEAN` and `IMAGENET_STD`; or what
                stage `after` made of them.
            stages: Others than `stages`, none of them beyond the last of those or before `after`.
            after: 0 for images.
        """
        stages = stages or self.stages
        features_BChw = images_BCHW if after else self.maxpool(self.relu(self.bn1(self.conv1(images_BCHW))))
        chosen = [features_BChw] if after in stages else []
        for stage in range(after + 1, stages[-1] + 1):
            for block in self.get_submodule(f"layer{stage}").children():
                if self.checkpointing and torch.is_grad_enabled():
                    features_BChw = checkpoint(block, features_BChw, use_reentrant=False)
                else:
                    features_BChw = block(features_BChw)
            if stage in stages:
                chosen.append(features_BChw)
        return chosen
