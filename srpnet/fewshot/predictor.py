"""A network that is ready to segment by example: what evaluation and `Segmenter` share.

Letters in names: B photographs, S supports, N ways, P = N + 1 classes with background, C channels, D channels of the
deepest stage, h w feature size, y x size of the deepest stage, H W pixels.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from srpnet.fewshot.fitted_head import Head, Lesson, Levels, areas, blend, fit
from srpnet.fewshot.naming import name_regions
from srpnet.fewshot.network import SRPNet
from srpnet.fewshot.presence import Recogniser
from srpnet.fewshot.prototypes import Pooled, pool_supports
from srpnet.fewshot.settings import Naming, QueryInference
from srpnet.fewshot.support_set import Shots, SupportSet
from srpnet.nn.device import Runtime
from srpnet.nn.weights import content_hash


class Encoded(NamedTuple):
    """Photographs of one size, encoded.

    Attributes:
        features_BChw: The final feature map, in bfloat16 or float32.
        deep_BDyx: What the `Recogniser` makes of them; None if neither presence nor regions are asked for.
        levels_BChw: All that it makes of them, for a fitted head; empty if there is none.
    """

    features_BChw: Tensor
    deep_BDyx: Tensor | None = None
    levels_BChw: tuple[Tensor, ...] = ()


class Prediction(NamedTuple):
    """The prediction for photographs of one size.

    Attributes:
        logits_BPhw: At the cells, background first.
        presence_BN: How much the predicted region of each class resembles the supports, see `Recogniser.presence`;
            None if it is not asked for.
    """

    logits_BPhw: Tensor
    presence_BN: Tensor | None = None


class Predictor:
    """A network on a device, in evaluation mode.

    Args:
        network: Copied for inference, and left as it is.
        runtime: Device and precision.
    """

    def __init__(self, network: SRPNet, runtime: Runtime) -> None:
        self.network = network.for_inference(runtime.device)
        self.runtime = runtime
        self._original = network

    @cached_property
    def recogniser(self) -> Recogniser:
        """Scores the presence of classes; made when first used, see `Recogniser` for errors."""
        return Recogniser(self.network, self.runtime.device)

    @cached_property
    def sha256(self) -> str:
        """Content hash of the weights, as in `result.json` under `trained_sha256`."""
        return content_hash(self._original.state_dict())

    @torch.inference_mode()
    def encode(self, images_B3HW: Tensor, deep: bool = False, fit: bool = False) -> Encoded:
        """Encode images, RGB in [0, 1].

        Args:
            images_B3HW: Of one size.
            deep: Whether presence is told, or regions are named.
            fit: Whether a head is fitted or used.

        Raises:
            InputError: if one of them is asked for, and the weights that it takes cannot be had.
        """
        images_BCHW, after = images_B3HW.to(self.runtime.device), 0
        with self.runtime.autocast():
            if deep or fit:  # what both have alike is computed once
                after = self.recogniser.shared
                images_BCHW = self.recogniser.begin(images_BCHW) if after else images_BCHW
            features_BChw = self.network.encode(images_BCHW, after)
            levels_BChw = tuple(self.recogniser.levels(images_BCHW, after)) if deep or fit else ()
        return Encoded(features_BChw, levels_BChw[-1] if deep else None, levels_BChw if fit else ())

    @torch.inference_mode()
    def levels(self, images_B3HW: Tensor) -> tuple[Tensor, ...]:
        """What the recogniser makes of images, see `encode`; presence takes the last."""
        with self.runtime.autocast():
            return tuple(self.recogniser.levels(images_B3HW.to(self.runtime.device)))

    @torch.inference_mode()
    def shots(self, encoded: Encoded, labels_SHW: Tensor, ways: int) -> Shots:
        """The masked averages of each support alone, and with presence its objects.

        Args:
            encoded: The supports.
            labels_SHW: uint8, 0 background, 1..N, 255 neither, at the size of the images that were encoded.
            ways: N.
        """
        labels_SHW = labels_SHW.to(self.runtime.device)
        network, deep_SDyx = self.network, encoded.deep_BDyx
        pooled = pool_supports(encoded.features_BChw, labels_SHW, ways, network.stride, network.config.pooling)
        objects_SND = None if deep_SDyx is None else self.recogniser.shown(deep_SDyx, labels_SHW, ways)
        areas_SPhw = (
            areas(labels_SHW, ways, encoded.features_BChw.shape[-2:], network.stride) if encoded.levels_BChw else None
        )
        return Shots(pooled, objects_SND, areas_SPhw)

    @torch.inference_mode()
    def fit(
        self,
        supports: Sequence[Encoded],
        shots: Sequence[Shots],
        membership_SN: Tensor,
        valid: Sequence[Tensor | None],
        iqi: QueryInference | None,
    ) -> Head | None:
        """The fitted head of a task, see `srpnet.fewshot.fitted_head.fit`.

        Args:
            supports: S photographs in all, encoded for it; those of one element have one size.
            shots: Of each element.
            membership_SN: bool, whether support s is a shot of way n.
            valid: Of each element, as for `segment`.
            iqi: The recipe that queries will be segmented by.
        """
        lessons: list[Lesson] = []
        for encoded, (pooled, _, areas_SPhw), valid_BHW in zip(supports, shots, valid, strict=True):
            maps, ratios = self._levels(encoded)
            assert areas_SPhw is not None  # as they were encoded for it
            for s in range(len(areas_SPhw)):
                one = slice(s, s + 1)
                levels = Levels(tuple(map_BChw[one] for map_BChw in maps), ratios)
                alone = Pooled(pooled.averages_SPC[one], pooled.shows_SP[one])
                valid_1HW = None if valid_BHW is None else valid_BHW[one].to(self.runtime.device)
                lessons.append(Lesson(levels, areas_SPhw[s], alone, valid_1HW))

        def segment(lesson: Lesson, prototypes_PC: Tensor) -> Tensor:
            return self.network.segment(lesson.levels.maps_BChw[0], prototypes_PC, lesson.valid_1HW, iqi)[0]

        return fit(lessons, membership_SN.to(self.runtime.device), segment)

    def _levels(self, encoded: Encoded) -> Levels:
        return Levels((encoded.features_BChw, *encoded.levels_BChw), (1, *self.recogniser.ratios))

    @torch.inference_mode()
    def segment(
        self,
        encoded: Encoded,
        supports: Sequence[SupportSet],
        valid_BHW: Tensor | None = None,
        iqi: QueryInference | None = None,
        naming: Naming = "pixels",
    ) -> Prediction:
        """Segment photographs, each by its own supports.

        Args:
            encoded: B photographs; if they were encoded with `deep`, presence is scored too.
            supports: B sets, then with examples; all of them have a fitted head, or none.
            valid_BHW: bool, False on padding; None if there is none.
            iqi: The recipe of query inference; None: no rounds.
            naming: How several ways are told apart; `regions` takes `deep`.
        """
        if valid_BHW is not None:
            valid_BHW = valid_BHW.to(self.runtime.device)
        prototypes_BPC = torch.stack([shown.prototypes_PC for shown in supports])
        logits_BPhw = self.network.segment(encoded.features_BChw, prototypes_BPC, valid_BHW, iqi)
        if heads := [shown.head for shown in supports if shown.head is not None]:
            logits_BPhw = blend(logits_BPhw, self._levels(encoded), heads)
        if encoded.deep_BDyx is None:
            return Prediction(logits_BPhw)
        examples_BND = torch.stack([shown_ND for shown in supports if (shown_ND := shown.examples_ND) is not None])
        if naming == "regions":
            alpha = self.network.config.alpha
            logits_BPhw = name_regions(logits_BPhw, encoded.deep_BDyx, examples_BND, self.recogniser, alpha)
        return Prediction(
            logits_BPhw, self.recogniser.presence(encoded.deep_BDyx, logits_BPhw, examples_BND, valid_BHW)
        )
