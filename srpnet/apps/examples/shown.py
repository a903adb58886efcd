"""Examples as a network sees them: what segments other photographs, and what is known of how good they are."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple, Self

import torch
from torch import Tensor

from episodes.errors import InputError
from srpnet.apps.examples.checks import SupportCheck, border_share, looks_like_strokes, mistaken_share, restoration
from srpnet.apps.examples.judgement import Tile, judge, presence_of_others, presence_thresholds, row_of
from srpnet.apps.examples.reading import Example, class_names
from srpnet.apps.looks.placing import place_photograph
from srpnet.apps.looks.search import describe_objects
from srpnet.apps.pictures.reading import described
from srpnet.fewshot.predictor import Predictor
from srpnet.fewshot.settings import Naming
from srpnet.fewshot.support_set import SupportSet


class Inputs(NamedTuple):
    """What was shown: images of one size, in [0, 1], their label maps, which ways each shows, where it has no padding.

    Attributes:
        logits_others: Of each by the others, see `Judgement`.
        presence_SN: Of each by the others, once that was asked for.
        deep_SDyx: Their deepest stage, where it was computed for a fitted head.
    """

    images_S3HW: Tensor
    labels_SHW: Tensor
    membership_SN: Tensor
    valid_SHW: Tensor
    logits_others: tuple[Tensor | None, ...] = ()
    presence_SN: Tensor | None = None
    deep_SDyx: Tensor | None = None


@dataclass
class Shown:
    """What was shown to a predictor.

    Attributes:
        predictor: It.
        supports: What segments other photographs.
        files: Of the examples, which nothing may overwrite.
        checks: Of each example, see `SupportCheck`; empty if they were saved.
        pictures: Of each example a row of `sheet`; likewise.
        inputs: The examples themselves; None if they were saved.
    """

    predictor: Predictor
    supports: SupportSet
    files: frozenset[Path]
    checks: tuple[SupportCheck, ...] = ()
    pictures: tuple[list[Tile], ...] = ()
    inputs: Inputs | None = None

    @classmethod
    @torch.inference_mode()
    def of(
        cls,
        predictor: Predictor,
        shown: Sequence[Example],
        names: tuple[str, ...],
        size: int,
        fits: bool,
        naming: Naming,
    ) -> Self:
        """Show examples.

        Args:
            predictor: To whom.
            shown: What was read of each.
            names: Of the classes.
            size: Longer side for the network, in pixels.
            fits: Whether a head is fitted, if there are several.
            naming: How several classes are told apart, which is part of the fingerprint.
        """
        classes, network = len(names), predictor.network
        placed = [place_photograph(example.photograph, size, "letterbox") for example in shown]
        labels = [
            each.placement.labels(torch.from_numpy(example.labels)) for each, example in zip(placed, shown, strict=True)
        ]
        labels_SHW = torch.stack(labels).to(predictor.runtime.device)
        membership_SN = torch.stack([(labels_SHW == way + 1).flatten(1).any(1) for way in range(classes)], dim=1)
        valid_SHW = torch.stack([each.placement.valid() for each in placed]).to(labels_SHW.device)
        inputs = Inputs(torch.stack([each.image for each in placed]), labels_SHW, membership_SN, valid_SHW)
        several = fits and len(shown) > 1
        encoded = predictor.encode(inputs.images_S3HW, fit=several)
        shots = predictor.shots(encoded, labels_SHW, classes)
        head = None
        if several:
            head = predictor.fit([encoded], [shots], membership_SN, [valid_SHW], network.config.iqi)
        supports = SupportSet.of(
            [shots],
            membership_SN,
            [example.id for example in shown],
            head=head,
            afar_ND=describe_objects(predictor, inputs.images_S3HW, labels_SHW, membership_SN),
            names=names,
            size=size,
            fingerprint=digest(predictor, inputs, size, naming, head is not None),
        )
        restored_SN = restoration(network, encoded.features_BChw, labels_SHW, supports.prototypes_PC).cpu().numpy()
        judged = judge(network, encoded.features_BChw, labels_SHW, valid_SHW, shots.pooled, membership_SN)
        checks = []
        for s, (example, judgement) in enumerate(zip(shown, judged, strict=True)):
            mask, mistaken = described(example.labels, names), None
            if not ((example.labels > 0) & (example.labels <= classes)).any():
                mask = f"without {'the ' if names == class_names(1) else ''}{' and '.join(names)}"
                one = encoded.features_BChw[s : s + 1]
                mistaken = mistaken_share(network, one, labels_SHW[s], supports.prototypes_PC)
            border, strokes = border_share(example.labels), looks_like_strokes(example.labels)
            found = judgement.alone, judgement.others
            checks.append(SupportCheck(example.id, mask, restored_SN[s], border, mistaken, strokes, *found))
        pictures = [
            row_of(check, each, labels_HW, judgement)
            for check, each, labels_HW, judgement in zip(checks, placed, labels, judged, strict=True)
        ]
        files = frozenset(file for example in shown for file in example.files)
        deep_SDyx = encoded.levels_BChw[-1] if encoded.levels_BChw else None
        inputs = inputs._replace(logits_others=tuple(each.logits_others for each in judged), deep_SDyx=deep_SDyx)
        return cls(predictor, supports, files, tuple(checks), tuple(pictures), inputs)

    @classmethod
    def load(cls, predictor: Predictor, path: Path | str) -> Self:
        """Examples that were saved.

        Raises:
            InputError: if it is no such file, or was shown to another network.
        """
        return cls(predictor, SupportSet.load(path, predictor), frozenset({Path(path).resolve()}))

    @property
    def names_regions(self) -> bool:
        """Whether there is anything to name, and examples to name it by: files saved without them still serve."""
        known = self.supports.examples_ND is not None or self.inputs is not None
        return len(self.supports.names) > 1 and known

    @property
    def present_above(self) -> float | None:
        """The network's threshold of presence for a single example, if it has one."""
        return self.predictor.network.config.present_above

    @torch.inference_mode()
    def with_examples(self) -> SupportSet:
        """The supports with what presence and regions take, which is computed when it is first asked for.

        Raises:
            InputError: if they were saved without, or the ImageNet weights cannot be had.
        """
        if self.supports.examples_ND is None:
            if self.inputs is None:
                raise InputError("these examples were saved without presence features: give the examples again")
            images_S3HW, labels_SHW, membership_SN, valid_SHW, logits, _, deep_SDyx = self.inputs
            recogniser = self.predictor.recogniser
            if deep_SDyx is None:
                deep_SDyx = self.predictor.levels(images_S3HW)[-1]
            objects_SND = recogniser.shown(deep_SDyx, labels_SHW, membership_SN.shape[1])
            supports = self.supports.with_examples(objects_SND, membership_SN)
            presence_SN = presence_of_others(recogniser, logits, deep_SDyx, objects_SND, valid_SHW, membership_SN)
            if self.present_above is not None:
                above_N = presence_thresholds(presence_SN, membership_SN, self.present_above)
                supports = replace(supports, present_above_N=above_N.to(deep_SDyx.device))
            self.inputs = self.inputs._replace(presence_SN=presence_SN)
            self.supports = supports
        return self.supports

    def thresholds(self) -> tuple[float, ...] | None:
        """See `Segmenter.thresholds`."""
        if self.present_above is None:
            return None
        above_N = self.with_examples().present_above_N
        names = self.supports.names
        return (self.present_above,) * len(names) if above_N is None else tuple(above_N.tolist())


def digest(predictor: Predictor, inputs: Inputs, size: int, naming: Naming, fitted: bool) -> str:
    """See `Segmenter.fingerprint`."""
    network, classes = predictor.network, inputs.membership_SN.shape[1]
    choices = [asdict(network.config), size, classes] + fitted * ["fitted"]
    if naming == "regions" and classes > 1:
        choices.append("regions")
    settings = json.dumps(choices, sort_keys=True, default=str)
    digest = hashlib.sha256(settings.encode())
    reduction = [] if network.reduce is None else list(network.reduce.parameters())
    for tensor in (*reduction, inputs.images_S3HW, inputs.labels_SHW):
        digest.update(tensor.detach().cpu().numpy().tobytes())
    return digest.hexdigest()[:12]
