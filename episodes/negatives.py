"""Episodes whose query does not show the class."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property

from episodes.draws import Draws
from episodes.episode import EpisodeSpec
from episodes.errors import InputError
from episodes.sources.base import Source, Split


@dataclass(frozen=True)
class Negatives:
    """Makes negative episodes of ordinary ones: classes and supports stay, the queries show none of the classes.

    Attributes:
        source: Has the photographs.
        split: They are drawn from all photographs of this split that have no pixel of the classes, all alike.
        seed: Of the draws.
    """

    source: Source
    split: Split
    seed: int

    def of(self, spec: EpisodeSpec, index: int) -> EpisodeSpec:
        """The negative episode of an ordinary one.

        Args:
            spec: The ordinary one.
            index: Of the negative one.

        Raises:
            InputError: if there are fewer such photographs than queries.
        """
        supports = {id for way in spec.supports for id in way}
        able = [id for id in self._without(spec.classes) if id not in supports]
        if len(able) < len(spec.queries):
            names = ", ".join(self.source.classes[label - 1] for label in spec.classes)
            raise InputError(f"too few {self.split} photographs do not show {names}: leave out --negatives")
        queries = Draws("negative", self.seed, spec.index, spec.line()).sample(able, len(spec.queries))
        return replace(spec, index=index, queries=tuple(queries))

    def _without(self, classes: Collection[int]) -> list[str]:
        """The photographs that have no pixel of these classes, in the order of the source."""
        return [id for id, shown in self._shown.items() if shown.isdisjoint(classes)]

    @cached_property
    def _shown(self) -> dict[str, frozenset[int]]:
        ids = [id for id in self.source.ids(self.split, "query") if self.source.has(id)]
        return {id: frozenset(self.source.classes_in(id)) for id in ids}
