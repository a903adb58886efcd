"""What the recipe of query inference is worth on base classes held back: `python benchmarks/recipe.py --help`.

A network that was trained without some base classes (`srpnet train --hold-back`, folder `select`) is scored on these,
its features computed once. No novel class of the fold is read or scored.
"""

import copy
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness import Report, parser

from episodes import PROTOCOLS, DataSettings, Episode, EpisodeList, Fold, Loader, Photograph, evaluate
from srpnet import SRPNet, SRPNetMethod, load_network, runtime
from srpnet.fewshot.evaluation.method import Kept
from srpnet.fewshot.support_set import SupportSet

RULES = PROTOCOLS["hsnet"]
CHANGES: dict[str, dict[str, Any]] = {
    **{f"{rounds} rounds": {"rounds": rounds} for rounds in (0, 1, 2, 5)},
    "thresholds 0.5 and 0.5": {"foreground": 0.5, "background": 0.5},
    "thresholds 0.8 and 0.7": {"foreground": 0.8, "background": 0.7},
    "query prototypes weigh a half": {"weight": 0.5},
    "query prototypes weigh 2": {"weight": 2.0},
    "every confident pixel alike": {"soft": False},
}


class Remembering(SRPNetMethod):
    """Encodes each photograph once for all rows.

    Args:
        memory: Features by photograph, to be shared by methods of the same weights.
        hide: Take the supports' background away, as if each were a close-up.
    """

    def __init__(self, network: SRPNet, memory: dict[str, Kept], hide: bool = False) -> None:
        super().__init__(network, runtime("auto", "auto"))
        self.memory, self.hide = memory, hide

    def prepare(self, photographs: Sequence[Photograph]) -> list[Kept]:
        """Features that were computed before, or now."""
        new = [photograph for photograph in photographs if photograph.id not in self.memory]
        self.memory |= zip([photograph.id for photograph in new], super().prepare(new), strict=True)
        return [self.memory[photograph.id] for photograph in photographs]

    def supports(self, episode: Episode, shown: Sequence[tuple[Photograph, Kept]]) -> SupportSet:
        """What they teach, without their background if that is hidden."""
        supports = super().supports(episode, shown)
        prototypes_PC = supports.prototypes_PC
        kept = prototypes_PC * prototypes_PC.new_tensor([[0.0], [1.0]]) if self.hide else prototypes_PC
        return replace(supports, prototypes_PC=kept)


def main() -> None:
    arguments = parser("recipe", __doc__)
    arguments.add_argument("--data", required=True, help="pascal:PATH")
    arguments.add_argument("--pairs", required=True, help="folder of the pair lists")
    arguments.add_argument("--checkpoint", required=True, help="the folder `select` of a run with classes held back")
    arguments.add_argument("--fold", type=int, default=1)
    arguments.add_argument("--hold-back", default="horse,sheep")
    arguments.add_argument("--episodes", type=int, default=1000)
    given = arguments.parse_args()
    fold = Fold(DataSettings(given.data, given.pairs, allow_missing=True, fold=given.fold))
    classes = fold.labels(given.hold_back.split(","), fold.base, "base class")
    names = fold.names(classes)
    network = load_network(given.checkpoint)
    report = Report("recipe", ("what", "shot", *names.values(), "mIoU"))

    def score(what: str, network: SRPNet, memory: dict[str, Kept], shot: int = 1, hide: bool = False) -> None:
        sampler = fold.validation_sampler(classes, drawing=RULES.drawing, shot=shot)
        episodes = EpisodeList(sampler, Loader(fold.source, RULES.geometry))
        found = evaluate(Remembering(network, memory, hide), episodes.first(given.episodes), RULES, names).queries
        shown = [f"{100 * iou:.2f}" for iou in (*found.per_class.values(), found.miou)]
        report.add(what, str(shot), *shown, shot=shot, per_class=dict(found.per_class), miou=found.miou)

    def changed(**changes: Any) -> SRPNet:
        other = copy.copy(network)
        other.config = replace(network.config, **changes)
        return other

    memory: dict[str, Kept] = {}
    score("as configured", network, memory)
    score("as configured, 5-shot", network, memory, shot=5)
    for what, changes in CHANGES.items():
        score(what, changed(iqi=replace(network.config.iqi, **changes)), memory)
    for alpha in (10.0, 40.0):
        score(f"alpha {alpha:g}", changed(alpha=alpha), memory)
    without = changed(iqi=replace(network.config.iqi, own_background=False))
    score("supports' background hidden, nothing in its place", without, memory, hide=True)
    score("supports' background hidden, the query's own", network, memory, hide=True)
    with tempfile.TemporaryDirectory() as folder:
        network.write(Path(folder), small=True)
        score("weights rounded to four bits", load_network(folder), {})
    coarse = SRPNet(replace(network.config, output_stride=16))
    coarse.load_state_dict(network.state_dict())
    score("output stride 16", coarse.eval(), {})
    report.finish(given)


if __name__ == "__main__":
    main()
