"""DuPL as the training loop takes it: what learns, and from which losses.

Letters: B images, C classes, P = C + 1 with background, S S pixels of the input, h w fewer pixels or cells.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from episodes.data.source import IGNORE
from srpnet.nn.device import Runtime
from srpnet.training.run import Losses, Trainable
from srpnet.weak.cam import activation_maps
from srpnet.weak.saving import write
from srpnet.weak.settings import WeakLoopSettings, WeakMethodSettings
from srpnet.weak.students import Features, Student, Students
from srpnet.weak.training import losses
from srpnet.weak.training.batches import Views, views_of
from srpnet.weak.training.items import TaggedItem
from srpnet.weak.training.kept_features import KeptFeatures
from srpnet.weak.training.noise_filter import noisy_pixels
from srpnet.weak.training.pseudo_labels import dynamic_threshold, pseudo_labels
from srpnet.weak.views import View

REFINED = 2
"""Maps are refined at one over this of the input's size (paper, implementation)."""


class Lesson(NamedTuple):
    """What a student says of a batch.

    Attributes:
        student: Who.
        features: F_aux and F.
        classification_B: Loss of both classifiers.
        cams_BChw: Of F, in [0, 1], where they are refined.
        contrast_B: Loss of the patch-token contrast.
        logits_BPSS: Of the segmentation head; None before it learns.
    """

    student: Student
    features: Features
    classification_B: Tensor
    cams_BChw: Tensor
    contrast_B: Tensor
    logits_BPSS: Tensor | None


class TrainableStudents(Trainable):
    """Students that learn classes from tags, and segmentation from each other's class activation maps.

    Args:
        students: Trained in place; they are moved to the device.
        settings: How they are trained.
        method: The parts of DuPL.
        runtime: Device and precision.
        given: What else must be the same to resume: the tags.
        kept: Features in memory; None if photographs come with their pixels.
    """

    module: Students
    settings: WeakLoopSettings
    unit = "photographs"

    def __init__(
        self,
        students: Students,
        settings: WeakLoopSettings,
        method: WeakMethodSettings,
        runtime: Runtime,
        given: Mapping[str, Any] | None = None,
        kept: KeptFeatures | None = None,
    ) -> None:
        self.module, self.settings, self.method, self.runtime = students.to(runtime.device), settings, method, runtime
        self.given, self.kept = given or {}, kept

    def identity(self) -> Mapping[str, Any]:
        """Settings of students, method and training, and the tags."""
        return {"network": self.module.config, "method": self.method, "training": self.settings, "given": self.given}

    def groups(self) -> list[dict[str, Any]]:
        """Heads and backbones, with a learning rate each."""
        groups = [
            {"params": self.module.heads(), "peak": self.settings.lr * self.settings.head_lr},
            {"params": self.module.backbones(), "peak": self.settings.lr},
        ]
        return [group for group in groups if group["params"]]

    @staticmethod
    def load(item: TaggedItem) -> TaggedItem:
        """As it is."""
        return item

    def write(self, folder: Path) -> None:
        """See `srpnet.weak.saving`."""
        write(self.module, folder)

    def losses(self, batch: Sequence[TaggedItem]) -> Losses:
        """All losses that are switched on, and have begun, of each image.

        The log also has the shares of pixels with a label, and of those that the noise filter took.
        """
        method = self.method
        done = int(batch[0].item) // self.settings.batch / self.settings.steps
        segments = done >= method.segmentation_from
        trusts = segments and done >= method.trust_from
        with self.runtime.autocast():
            views = views_of(
                batch,
                self.module,
                method.scales,
                trusts and method.consistency == "on",
                self.runtime.device,
                self.kept,
            )
            lessons = [self._lesson(student, views, segments) for student in self.module]
        parts = {"classification": total(lesson.classification_B for lesson in lessons)}
        nothing_B = torch.zeros_like(parts["classification"])
        parts |= dict.fromkeys(
            ("discrepancy", "contrast", "segmentation", "consistency", "labelled", "noisy"), nothing_B
        )
        parts["contrast"] = total(lesson.contrast_B for lesson in lessons)
        if len(lessons) == 2:
            first, second = (lesson.features.main for lesson in lessons)
            parts["discrepancy"] = losses.discrepancy_loss(first, second, method.discrepancy)
        if segments:
            labels = [self._labels(lesson, views, done) for lesson in lessons]
            crossed = zip(lessons, reversed(labels), strict=True)  # a single student learns from its own
            learned = [self._segmentation(lesson, own, views, trusts) for lesson, own in crossed]
            parts |= {name: total(each[name] for each in learned) for name in learned[0]}
        loss_B = (
            parts["classification"]
            + method.discrepancy_weight * parts["discrepancy"]
            + method.contrast_weight * parts["contrast"]
            + method.segmentation_weight * parts["segmentation"]
            + method.consistency_weight * parts["consistency"]
        )
        if not segments:  # several processes exchange the gradients of all parameters, and wait for each
            loss_B = loss_B + 0 * total(
                weights.sum() for lesson in lessons for weights in lesson.student.head.parameters()
            )
        return Losses(loss_B, {"loss": loss_B, **parts})

    def _lesson(self, student: Student, views: Views, segments: bool) -> Lesson:
        (plain, mirrored), *others = views.scales
        features = student(*plain)
        with torch.no_grad():
            pairs = [(features, student(*mirrored))] + [(student(*one), student(*other)) for one, other in others]
            maps = [[student.class_maps(each) for each in pair] for pair in pairs]
        half = [side // REFINED for side in plain.size]

        def refinable(main_BChw: Tensor, view: View) -> Tensor:
            upsampled = student.encoder.upsample(main_BChw.float(), view.size)
            return F.interpolate(upsampled, half, mode="bilinear", align_corners=False)

        located = [
            (refinable(one, view), refinable(other, view))
            for ((one, _), (other, _)), (view, _) in zip(maps, views.scales, strict=True)
        ]
        tags_BC = views.tags_BC
        classification_B = total(
            losses.classification_loss(logits, tags_BC) for logits in student.class_logits(features)
        )
        contrast_B = torch.zeros_like(classification_B)
        if self.method.contrast_weight:
            aux_BChw = activation_maps([(maps[0][0][1], maps[0][1][1])], tags_BC)
            contrast_B = losses.patch_contrast(features.main, self._cell_labels(aux_BChw, views))
        logits = student.encoder.upsample(student.segment(features).float(), plain.size) if segments else None
        return Lesson(student, features, classification_B, activation_maps(located, tags_BC), contrast_B, logits)

    def _cell_labels(self, aux_BChw: Tensor, views: Views) -> Tensor:
        """Labels of cells by the auxiliary CAMs, uint8 (B, h, w); 255 between the thresholds and on padding."""
        score_Bhw, class_Bhw = aux_BChw.max(1)
        labels_Bhw = torch.where(score_Bhw > self.method.high, class_Bhw + 1, IGNORE)
        labels_Bhw = labels_Bhw.masked_fill(score_Bhw < self.method.low, 0)
        valid_B1hw = F.interpolate(views.valid_BSS[:, None].float(), labels_Bhw.shape[-2:], mode="area")
        return labels_Bhw.masked_fill(valid_B1hw[:, 0] < 1, IGNORE).to(torch.uint8)

    def _labels(self, lesson: Lesson, views: Views, done: float) -> Tensor:
        """Pseudo-labels by a student's CAMs: uint8 (B, S, S)."""
        method, size = self.method, views.valid_BSS.shape[-2:]
        end = method.high_end if method.threshold == "dynamic" else method.high
        high = dynamic_threshold(done, method.high, end)
        half_B3hw = F.interpolate(views.images_B3SS, lesson.cams_BChw.shape[-2:], mode="bilinear", align_corners=False)
        labels_BSS = pseudo_labels(
            lesson.cams_BChw, views.tags_BC, half_B3hw, (high, method.low), size, method.refinement == "par"
        )
        return labels_BSS.masked_fill(~views.valid_BSS, IGNORE)

    def _segmentation(self, lesson: Lesson, labels_BSS: Tensor, views: Views, trusts: bool) -> dict[str, Tensor]:
        """What a student learns of segmentation from the other's labels."""
        method, logits_BPSS = self.method, lesson.logits_BPSS
        assert logits_BPSS is not None
        losses_BSS = losses.pixel_losses(logits_BPSS, labels_BSS)
        labelled_BSS, noisy_BSS = labels_BSS != IGNORE, torch.zeros_like(views.valid_BSS)
        if trusts and method.noise_filter == "gmm":
            noisy_BSS = noisy_pixels(
                losses_BSS.detach(), labels_BSS, method.noise_probability, method.noise_gap, method.noise_least
            )
            labels_BSS = labels_BSS.masked_fill(noisy_BSS, IGNORE)
        learned = {
            "segmentation": losses.balanced(losses_BSS, labels_BSS),
            "labelled": labelled_BSS.float().mean((1, 2)) / self.module.config.students,
            "noisy": noisy_BSS.float().mean((1, 2)) / self.module.config.students,
        }
        if views.strong is not None:
            left_out_BSS = (labels_BSS == IGNORE) & views.valid_BSS
            learned["consistency"] = losses.consistency_loss(
                self._strong_logits(lesson.student, views), logits_BPSS, left_out_BSS, method.consistency_above
            )
        return learned

    def _strong_logits(self, student: Student, views: Views) -> Tensor:
        """Logits of the strong views, laid over the images: (B, P, S, S)."""
        assert views.strong is not None
        with self.runtime.autocast():
            logits_BPhw = student.segment(student(*views.strong)).float()
        logits_BPTT = student.encoder.upsample(logits_BPhw, views.strong.size)
        size = list(views.valid_BSS.shape[-2:])
        logits_BPSS = F.interpolate(logits_BPTT, size, mode="bilinear", align_corners=False)
        return torch.where(views.strong_flipped_B[:, None, None, None], logits_BPSS.flip(-1), logits_BPSS)


def total(terms: Any) -> Tensor:
    """The sum of terms of one shape, at least one."""
    return torch.stack(list(terms)).sum(0)
