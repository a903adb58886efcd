"""Episodes once more, with supports of classes that their queries do not show."""

from collections.abc import Collection

from episodes.data.source import Source
from episodes.draws import Draws
from episodes.fewshot.episode import EpisodeSpec
from episodes.fewshot.pairs import Pairs
from episodes.fewshot.sampler import different


class WrongSupports:
    """Makes of an episode the same under a wrong support: other classes with supports of theirs, the same queries.

    The classes are drawn from the tested ones that no query of the episode shows and that are none of its own, all
    alike, and then their supports, as a sampler draws them. The draw of the ordinary episodes is not touched.

    Args:
        source: Has the photographs; asked which classes the queries show.
        supports: The pairs that supports come from.
        classes: Those that are tested.
        replacement: Draw the supports of a way with replacement, so that one may come twice.
    """

    def __init__(self, source: Source, supports: Pairs, classes: Collection[int], replacement: bool = False) -> None:
        self._source, self._replacement = source, replacement
        self._pools = {
            label: tuple(filter(source.has, ids)) for label, ids in supports.by_class.items() if label in classes
        }

    def of(self, spec: EpisodeSpec, seed: int) -> EpisodeSpec | None:
        """The episode under a wrong support, of the same index; None if too few classes are left to take it from.

        Args:
            spec: The ordinary one.
            seed: Of the draw.
        """
        shown = {*spec.classes}.union(*(self._source.classes_in(id) for id in spec.queries))
        needed = 1 if self._replacement else max(map(len, spec.supports))
        able = [label for label, pool in self._pools.items() if label not in shown and len(pool) >= needed]
        if len(able) < len(spec.classes):
            return None
        draws = Draws("wrong support", seed, spec.index, spec.line())
        classes = draws.sample(able, len(spec.classes))
        supports = [self._drawn(draws, label, len(own)) for label, own in zip(classes, spec.supports, strict=True)]
        return EpisodeSpec(spec.index, tuple(classes), tuple(supports), spec.queries)

    def _drawn(self, draws: Draws, label: int, shots: int) -> tuple[str, ...]:
        pool = self._pools[label]
        if self._replacement:
            return tuple(draws.choice(pool) for _ in range(shots))
        return tuple(different(draws, pool, shots, set()))
