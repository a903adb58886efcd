"""Episodes whose query does not show the class."""

from dataclasses import replace

from episodes.data.source import Source, Split
from episodes.draws import Draws
from episodes.errors import InputError
from episodes.fewshot.episode import EpisodeSpec


class Negatives:
    """Makes negative episodes of ordinary ones: classes and supports stay, the queries have no pixel of the classes.

    They are drawn from all such photographs of a split, all alike. Where a mask says nothing, which is label 255
    (borders, and COCO's crowds) and in FSS-1000 whatever is not the photograph's one class, the class may still be
    there.

    Args:
        source: Has the photographs.
        split: Which of them.
    """

    def __init__(self, source: Source, split: Split) -> None:
        self._source, self._split = source, split
        self._shown: dict[str, frozenset[int]] = {}
        self._without: dict[tuple[int, ...], tuple[str, ...]] = {}

    def of(self, spec: EpisodeSpec, seed: int, index: int) -> EpisodeSpec:
        """The negative episode of an ordinary one.

        Args:
            spec: The ordinary one.
            seed: Of the draw.
            index: Of the negative one.

        Raises:
            InputError: if there are fewer such photographs than queries.
        """
        able = self._able(spec.classes)
        if len(able) < len(spec.queries):
            names = ", ".join(self._source.classes[label - 1] for label in spec.classes)
            raise InputError(f"too few {self._split} photographs do not show {names}: leave out `negatives`")
        queries = Draws("negative", seed, spec.index, spec.line()).sample(able, len(spec.queries))
        return replace(spec, index=index, queries=tuple(queries))

    def _able(self, classes: tuple[int, ...]) -> tuple[str, ...]:
        """The photographs that have no pixel of these classes, in the order of the source."""
        if not self._shown:
            ids = [id for id in self._source.ids(self._split, "query") if self._source.has(id)]
            self._shown = {id: frozenset(self._source.classes_in(id)) for id in ids}
        if classes not in self._without:
            self._without[classes] = tuple(id for id, shown in self._shown.items() if shown.isdisjoint(classes))
        return self._without[classes]
