"""Composed training scenes: which photographs of an episode are made of several, and of which ones; names only.

Episodes of one large object never ask which object is meant. Here a support or a query also shows an object of another
class, the class stands in another photograph than the one it comes from, or is not there at all.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import NamedTuple

from episodes.data.source import UNNAMED, Source
from episodes.draws import Draws
from episodes.errors import InputError
from episodes.fewshot.episode import EpisodeSpec
from episodes.fewshot.pairs import Pair, Pairs
from episodes.fewshot.sampler import Sampler
from episodes.fewshot.settings import Composition

LEAST_UNNAMED = 1024
"""Pixels of an unnamed object that is worth an episode."""
TRIES = 50
"""So many photographs of other classes are drawn to find one that does not show the episode's classes too."""


class Scene(NamedTuple):
    """What a photograph is composed of.

    Attributes:
        id: The photograph into which the rest is pasted.
        pasted: (image id, class) of each object that is cut out and pasted into it, in this order.
    """

    id: str
    pasted: tuple[Pair, ...] = ()


class Composer:
    """Decides what each photograph of a training episode is composed of.

    Other photographs come from the pairs that the sampler draws from, so from base classes alone: a class that is
    none of the episode's, as the sampler draws it, then a photograph of it that shows none of the episode's classes.

    Args:
        settings: How often.
        sampler: Draws the episodes.
        source: Has the photographs.
        seed: Seeds the draws, with the episode's index and the photograph's slot.

    Raises:
        InputError: if there is no other class than those of an episode, or there are no unnamed objects for `views`.
    """

    def __init__(self, settings: Composition, sampler: Sampler, source: Source, seed: int) -> None:
        if len(sampler.classes) <= sampler.way:
            raise InputError(
                f"composed scenes need classes beside the {sampler.way} of an episode: there are {len(sampler.classes)}"
            )
        self._settings, self._sampler, self._source, self._seed = settings, sampler, source, seed
        self._crowded: dict[int, tuple[str, ...]] = {}
        self._unnamed, self.unnamed_ids = self._unnamed_objects() if settings.views else (0, ())

    def episode(self, spec: EpisodeSpec) -> EpisodeSpec:
        """The episode that comes in a drawn one's place; itself, but for the share of `views`.

        There the last way is an unnamed object, the same in all its supports; its queries are photographs of other
        classes, into which `scene` pastes it.
        """
        draws = Draws("views", self._seed, spec.index)
        if not self._settings.views or not draws.chance(self._settings.views):
            return spec
        way = len(spec.classes) - 1
        classes, shots = (*spec.classes[:way], self._unnamed), len(spec.supports[way])
        supports = (*spec.supports[:way], (draws.choice(self.unnamed_ids),) * shots)
        queries = list(spec.queries)
        for index in range(way, len(queries), len(classes)):
            other = self._other(self._sampler.queries, replace(spec, classes=classes), draws)
            if other is None or other[0] in {*queries, *(id for ids in supports for id in ids)}:
                return spec
            queries[index] = other[0]
        return EpisodeSpec(spec.index, classes, supports, tuple(queries))

    def _unnamed_objects(self) -> tuple[int, tuple[str, ...]]:
        """Their label, and the photographs of the train split that show enough of one."""
        classes, ids = self._source.classes, self._source.ids("train", "support")
        label = classes.index(UNNAMED) + 1 if UNNAMED in classes else 0
        shown = tuple(id for id in ids if self._source.classes_in(id).get(label, 0) >= LEAST_UNNAMED)
        if not shown:
            raise InputError(f"{self._source.name} has no unnamed objects: leave out `views`, or add masks:PATH")
        return label, shown

    def scene(self, spec: EpisodeSpec, slot: int) -> Scene:
        """What the photograph in a slot of an episode is composed of; itself alone, where nothing is to be composed."""
        settings, draws = self._settings, Draws("scene", self._seed, spec.index, slot)
        id, first = spec.slots[slot], len(spec.slots) - len(spec.queries)
        query = slot >= first
        pool = self._sampler.queries if query else self._sampler.supports
        kind, distracted = draws.uniform(), draws.uniform()
        if query and self._unnamed in spec.classes and (slot - first) % len(spec.classes) == len(spec.classes) - 1:
            scene = Scene(id, ((spec.supports[-1][0], self._unnamed),))
        else:
            scene = self._query(id, kind, spec, draws) if query else Scene(id)
        share = settings.distractors if query else settings.support_distractors
        if distracted < share:
            rival = self._rival(pool, spec, slot, draws) if draws.chance(settings.rivals) else None
            if other := rival or self._other(pool, spec, draws):
                scene = scene._replace(pasted=(*scene.pasted, other))
        return scene

    def _query(self, id: str, kind: float, spec: EpisodeSpec, draws: Draws) -> Scene:
        """What comes in a query's place, by a number in [0, 1) that says which share it falls into."""
        settings, pool = self._settings, self._sampler.queries
        moved = settings.absent + settings.transplant
        if kind < moved and (other := self._other(pool, spec, draws)):
            return Scene(other[0], () if kind < settings.absent else ((id, self._largest(id, spec.classes)),))
        if moved <= kind < moved + settings.several:
            return Scene(self._with_others(pool, spec, draws) or id)
        return Scene(id)

    def _other(self, pool: Pairs, spec: EpisodeSpec, draws: Draws) -> Pair | None:
        """A pair of another class, whose photograph shows none of the episode's; None if TRIES draws find none."""
        for number in range(TRIES):
            # Classes that look alike may always come together: then any other class will do.
            label = self._sampler.other_class(spec.classes, draws, hard=number < TRIES // 2)
            id = draws.choice(pool.by_class[label])
            if self._source.classes_in(id).keys().isdisjoint(spec.classes):
                return id, label
        return None

    def _rival(self, pool: Pairs, spec: EpisodeSpec, slot: int, draws: Draws) -> Pair | None:
        """A pair of a class of the episode that the photograph in this slot does not show; None if it shows all."""
        shown = self._source.classes_in(spec.slots[slot])
        if not (rivals := [label for label in spec.classes if label not in shown]):
            return None
        label = draws.choice(rivals)
        if label == self._unnamed:
            return spec.supports[-1][0], label
        others = [id for id in pool.by_class[label] if id not in spec.slots]
        return (draws.choice(others), label) if others else None

    def _with_others(self, pool: Pairs, spec: EpisodeSpec, draws: Draws) -> str | None:
        """A photograph of one of the classes that shows another one too and is not in the episode; None if none."""
        label = draws.choice([label for label in spec.classes if label != self._unnamed] or spec.classes)
        if label not in self._crowded:
            shown = ((id, self._source.classes_in(id)) for id in pool.by_class[label])
            trained = {*self._sampler.classes}
            self._crowded[label] = tuple(id for id, areas in shown if len(trained & areas.keys()) > 1)
        there = [id for id in self._crowded[label] if id not in spec.slots]
        return draws.choice(there) if there else None

    def _largest(self, id: str, classes: Collection[int]) -> int:
        """Of these classes the one that a query shows most of."""
        areas = self._source.classes_in(id)
        return max(classes, key=lambda label: areas.get(label, 0))
