"""Which classes look alike: by the deepest stage of the backbone, as ImageNet left it.

Letters in names: C classes, S photographs of one class, D channels and y x size of the deepest stage, H W pixels.
"""

from collections.abc import Callable

import torch

from episodes.draws import Draws
from episodes.fewshot.episode import episode_labels
from episodes.fewshot.sampler import Sampler
from episodes.fewshot.scenes.loading import Loader
from srpnet.fewshot.presence import Recogniser, examples

PHOTOGRAPHS = 3
"""How many photographs of each class are compared, if it has that many."""
MOST_ALIKE = 5
"""How many similar classes are kept for each: those with the highest cosine."""


@torch.no_grad()
def alike_classes(
    recogniser: Recogniser, sampler: Sampler, loader: Loader, on_done: Callable[[int, int], None] = lambda *_: None
) -> dict[int, tuple[int, ...]]:
    """Class -> those that look most like it, the nearest first.

    A class is described by the mean over a few of its photographs, as by its supports in `presence`.

    Args:
        recogniser: Describes photographs.
        sampler: Has the classes and their photographs; its seed draws which are looked at.
        loader: Loads them; what it augments or composes is left out.
        on_done: Called with the number of classes done, and of all.

    Raises:
        InputError: if a photograph cannot be loaded.
    """
    device, shown_CD = recogniser.mean.device, []
    for number, label in enumerate(sampler.classes, start=1):
        pool = sampler.supports.by_class[label]
        chosen = Draws("alike", sampler.seed, label).sample(pool, min(PHOTOGRAPHS, len(pool)))
        photographs = [loader.photograph(id) for id in chosen]
        deep_SDyx = recogniser.describe(torch.stack([photograph.image for photograph in photographs]).to(device))
        labels_SHW = torch.stack([episode_labels(photograph.labels, (label,)) for photograph in photographs])
        shown_S1D = recogniser.shown(deep_SDyx, labels_SHW.to(device), ways=1)
        shown_CD.append(examples(shown_S1D, torch.ones(len(chosen), 1, dtype=torch.bool, device=device))[0])
        on_done(number, len(sampler.classes))
    cosine_CC = torch.stack(shown_CD) @ torch.stack(shown_CD).T
    classes, count = sampler.classes, min(MOST_ALIKE, len(sampler.classes) - 1)
    nearest = cosine_CC.fill_diagonal_(-1).topk(count).indices.tolist()
    return {label: tuple(classes[index] for index in row) for label, row in zip(classes, nearest, strict=True)}
