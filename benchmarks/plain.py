"""The way of published code to score SRPNet: the reference for `SRPNetMethod`, which equals it up to rounding.

Letters in names as in `srpnet/fewshot/evaluation/method.py`.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from episodes import Episode
from episodes.scoring.methods import Answer, BaseMethod
from srpnet import SRPNet
from srpnet.fewshot.evaluation.method import membership
from srpnet.fewshot.naming import name_regions
from srpnet.fewshot.presence import Recogniser, examples
from srpnet.fewshot.prototypes import joined, mean_prototypes, pool_supports
from srpnet.fewshot.settings import Naming, QueryInference
from srpnet.nn.device import Runtime
from srpnet.nn.grid import upsample


class PlainMethod(BaseMethod):
    """Encodes all photographs of each episode, and upsamples the logits of all classes. Arguments as `SRPNetMethod`."""

    def __init__(
        self,
        network: SRPNet,
        runtime: Runtime,
        iqi: QueryInference | None = None,
        presence: bool = False,
        naming: Naming = "pixels",
    ) -> None:
        self.network = network.for_inference(runtime.device)
        self.runtime = runtime
        self.iqi = iqi or network.config.iqi
        self.presence, self.naming = presence, naming
        self.recogniser = Recogniser(network, runtime.device) if presence or naming == "regions" else None

    def __call__(self, episode: Episode) -> Sequence[Tensor]:
        """Segment the queries: a uint8 label map for each, of the size of `episode.truth`."""
        return self._answer(episode).queries

    def restore_supports(self, episode: Episode) -> Sequence[Tensor]:
        """Segment the supports by their own prototypes, without query inference: (S) label maps at input size."""
        return self._answer(episode).supports

    def answer(self, episodes: Sequence[Episode]) -> list[Answer]:
        """Both, for several episodes, one after the other."""
        return [self._answer(episode) for episode in episodes]

    @torch.inference_mode()
    def _answer(self, episode: Episode) -> Answer:
        device, network = self.runtime.device, self.network
        supports, queries = episode.supports(), episode.queries()
        with self.runtime.autocast():
            images = [each.image[None].to(device) for each in (*supports, *queries)]
            features = [network.encode(image_13HW) for image_13HW in images]
            deep = [self.recogniser.describe(image_13HW) for image_13HW in images] if self.recogniser else []
        shown = features[: len(supports)]  # supports may differ in size
        labels = [episode.support_labels(support)[None].to(device) for support in supports]
        ways = len(episode.spec.classes)
        pooled = [
            pool_supports(*support, ways, network.stride, network.config.pooling)
            for support in zip(shown, labels, strict=True)
        ]
        ids = [support.id for support in supports]
        prototypes_PC = mean_prototypes(joined(pooled), membership(episode).to(device), ids)
        if self.recogniser is not None:
            of_supports = [
                self.recogniser.shown(*support, ways) for support in zip(deep[: len(supports)], labels, strict=True)
            ]
            examples_ND = examples(torch.cat(of_supports), membership(episode).to(device))
        maps, said = [], []
        for place, query in enumerate(queries, start=len(supports)):
            valid_1HW = query.valid[None].to(device)
            logits_1Phw = network.segment(features[place], prototypes_PC, valid_1HW, self.iqi)
            if self.recogniser is not None and self.naming == "regions":
                alpha = network.config.alpha
                logits_1Phw = name_regions(logits_1Phw, deep[place], examples_ND[None], self.recogniser, alpha)
            scores_1PHW = upsample(logits_1Phw, query.labels.shape, network.stride)
            if episode.score_at == "original":
                scores_1PHW = query.placement.restore(scores_1PHW)
            maps.append(scores_1PHW.argmax(1)[0].byte())
            if self.recogniser is not None and self.presence:
                presence_1N = self.recogniser.presence(deep[place], logits_1Phw, examples_ND[None], valid_1HW)
                said.append(presence_1N[0].tolist())
        restored = []
        for features_1Chw, labels_1HW in zip(shown, labels, strict=True):
            logits_1Phw = network.segment(features_1Chw, prototypes_PC)
            scores_1PHW = upsample(logits_1Phw, labels_1HW.shape[-2:], network.stride)
            restored.append(scores_1PHW.argmax(1)[0].byte())
        return Answer(maps, restored, said)
