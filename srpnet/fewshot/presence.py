"""Does a photograph show the class at all? The predicted region is compared with the supports' object, by ImageNet.

The features that prototypes are made of were trained to separate an object from its background, whatever the object is,
on episodes whose query always shows the class: they hardly tell a sheep from a horse. The deepest stage of the
backbone, as ImageNet left it and at the stride that it was trained at, tells them better (docs/results.md).

Letters in names: B photographs, S supports, N ways, P = N + 1 classes with background, D channels of the deepest stage,
h w feature size, y x size of the deepest stage, H W pixels.
"""

import copy
from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import normalize

from srpnet.fewshot.network import SRPNet
from srpnet.nn import weights
from srpnet.nn.backbone import Backbone
from srpnet.nn.grid import average


class Recogniser:
    """Scores whether photographs show the classes that a network predicts in them.

    Args:
        network: Its backbone is used, with the ImageNet weights that it was trained from. May be `for_inference`.
        device: Where it runs.

    Attributes:
        shared: How many of the first stages are the same as the network's, up to the first that this uses.

    Raises:
        InputError: if a network whose backbone was fine-tuned comes from weights that cannot be had.
    """

    def __init__(self, network: SRPNet, device: torch.device) -> None:
        self.config = config = network.config
        if config.trained == "all":
            convention = network.backbone.convention
            backbone = Backbone(convention, 32, config.stages, layers=config.layers, base_width=config.base_width)
            weights.load_backbone(backbone, weights.get_weights(config.backbone, sha256=config.backbone_sha256)[1])
        else:
            backbone = copy.deepcopy(network.backbone)
            backbone.output_stride = 32
        backbone.requires_grad_(False).fold_batchnorm()
        self.backbone = backbone.to(device).to(memory_format=torch.channels_last)
        self.stride = self.backbone.strides[-1]
        finest = min(config.output_stride, *(2 ** (stage + 1) for stage in config.stages))
        self.ratios = tuple(stride // finest for stride in self.backbone.strides)
        self.ratio = self.ratios[-1]
        self.mean, self.std = network.mean.to(device), network.std.to(device)
        self.shared = min(config.stages[0], shared_stages(self.backbone, network.backbone))

    def levels(self, images_BCHW: Tensor, after: int = 0) -> list[Tensor]:
        """Images -> the network's stages (B, C, h, w), the deepest last.

        Args:
            images_BCHW: RGB in [0, 1]; or what stage `after` made of them.
            after: 0 for images; none beyond the first of the network's.
        """
        return self._stages(images_BCHW, self.config.stages, after)

    def begin(self, images_B3HW: Tensor) -> Tensor:
        """Images, RGB in [0, 1] -> what stage `shared` makes of them, here and in the network: (B, C, h, w)."""
        return self._stages(images_B3HW, (self.shared,), 0)[0]

    def _stages(self, images_BCHW: Tensor, stages: Sequence[int], after: int) -> list[Tensor]:
        if images_BCHW.device.type == "cpu" and len(images_BCHW) > 1:  # as in `SRPNet.encode`
            each = [self._stages(image_1CHW, stages, after) for image_1CHW in images_BCHW.split(1)]
            return [torch.cat(level) for level in zip(*each, strict=True)]
        if not after:
            images_BCHW = ((images_BCHW - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        levels: list[Tensor] = self.backbone(images_BCHW, stages, after)
        return levels

    @cached_property
    def classifier_KD(self) -> Tensor | None:
        """ImageNet's classifier of the deepest stage, centred over its K classes; None if the weights have none.

        Raises:
            InputError: if the weights cannot be had.
        """
        if self.config.backbone_sha256 is None:  # weights that are drawn, not named
            return None
        _, state = weights.get_weights(self.config.backbone, sha256=self.config.backbone_sha256)
        classifier_KD = state.get("fc.weight")
        if classifier_KD is None or classifier_KD.shape[1] != self.backbone.channels[-1]:
            return None
        return (classifier_KD - classifier_KD.mean(0)).to(self.mean)

    def describe(self, images_B3HW: Tensor) -> Tensor:
        """Images, RGB in [0, 1] -> the deepest stage (B, D, y, x)."""
        return self.levels(images_B3HW)[-1]

    def shown(self, deep_SDyx: Tensor, labels_SHW: Tensor, ways: int) -> Tensor:
        """What each support shows of each way: unit vectors (S, N, D), 0 where it shows nothing.

        Args:
            deep_SDyx: From `describe`.
            labels_SHW: uint8, 0 background, 1..N, 255 neither.
            ways: N.
        """
        masks_SNHW = labels_SHW[:, None] == torch.arange(1, ways + 1, device=labels_SHW.device)[:, None, None]
        return described(deep_SDyx, average(masks_SNHW.float(), deep_SDyx.shape[-2:], self.stride))

    def presence(
        self, deep_BDyx: Tensor, logits_BPhw: Tensor, examples_BND: Tensor, valid_BHW: Tensor | None = None
    ) -> Tensor:
        """The cosine between predicted region and supports' object, (B, N) in [0, 1]; 0 where nothing is predicted.

        Args:
            deep_BDyx: From `describe`.
            logits_BPhw: The network's, of the photographs.
            examples_BND: From `examples`.
            valid_BHW: bool, False on padding; None if there is none.
        """
        return (self.found(deep_BDyx, logits_BPhw, valid_BHW) * examples_BND).sum(2).clamp(0, 1)

    def found(self, deep_BDyx: Tensor, logits_BPhw: Tensor, valid_BHW: Tensor | None = None) -> Tensor:
        """What is predicted of each way, as unit vectors (B, N, D); 0 where nothing is. Arguments as for `presence`."""
        size = deep_BDyx.shape[-2:]
        weights_BNyx = average(way_weights(logits_BPhw), size, self.ratio)
        if valid_BHW is not None:
            weights_BNyx = weights_BNyx * average(valid_BHW.float(), size, self.stride)[:, None]
        return described(deep_BDyx, weights_BNyx)

    def resemblance(self, deep_Dyx: Tensor, weights_Ryx: Tensor, examples_ND: Tensor) -> Tensor:
        """The cosine of what regions of a photograph show and what the supports show of each way: (R, N).

        ImageNet's classifier, where the weights have one, says what counts in a comparison: cosines are those of its
        scores, less their mean over the classes, which tells ways apart better than the stage as it is
        (docs/results.md).

        Args:
            deep_Dyx: Of one photograph, from `describe`.
            weights_Ryx: How much each cell counts in each region.
            examples_ND: From `examples`.
        """
        shown_RD = described(deep_Dyx[None], weights_Ryx[None])[0]
        if self.classifier_KD is not None:
            shown_RD, examples_ND = (normalize(each @ self.classifier_KD.T, dim=1) for each in (shown_RD, examples_ND))
        return shown_RD @ examples_ND.T


def shared_stages(one: Backbone, other: Backbone) -> int:
    """How many of the first stages of two backbones give the same, to the last bit."""
    states = [backbone.state_dict() for backbone in (one, other)]
    parts: tuple[str, ...] = ("conv1.", "bn1.")
    for stage in range(1, min(one.stages[-1], other.stages[-1]) + 1):
        parts += (f"layer{stage}.",)
        mine, others = ({name: state[name] for name in state if name.startswith(parts)} for state in states)
        strides = {min(2 ** (stage + 1), backbone.output_stride) for backbone in (one, other)}
        if len(strides) > 1 or mine.keys() != others.keys():
            return stage - 1
        if any(mine[name].dtype != others[name].dtype or not mine[name].equal(others[name]) for name in mine):
            return stage - 1
    return stage


def described(deep_BDyx: Tensor, weights_BNyx: Tensor) -> Tensor:
    """The weighted mean of each photograph's cells for each way, as a unit vector (B, N, D); 0 where none counts."""
    deep_BDyx = deep_BDyx.to(torch.promote_types(deep_BDyx.dtype, torch.float32))
    return normalize(torch.einsum("bdyx,bnyx->bnd", deep_BDyx, weights_BNyx), dim=2)


def way_weights(logits_BPhw: Tensor) -> Tensor:
    """The probability of each way where it is the most probable class, else 0: (B, N, h, w)."""
    probability_BPhw = logits_BPhw.softmax(1)
    best_BPhw = probability_BPhw == probability_BPhw.amax(1, keepdim=True)
    return (probability_BPhw * best_BPhw)[:, 1:]


def examples(shown_SND: Tensor, membership_SN: Tensor) -> Tensor:
    """What the supports show of each way together, as unit vectors (N, D).

    Args:
        shown_SND: What each support shows of each way, see `Recogniser.shown`.
        membership_SN: bool, whether support s is a shot of way n.
    """
    return normalize((shown_SND * membership_SN[..., None]).sum(0), dim=1)
