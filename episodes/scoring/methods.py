"""What is scored: any callable that maps an Episode to label maps, and what more a method may offer."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, TypeGuard

from torch import Tensor

from episodes.fewshot.episode import Episode, Photograph

Method = Callable[[Episode], Sequence[Tensor] | Tensor]
"""An Episode in, one uint8 label map (0..N) for each query out, of the size of `episode.truth`."""


class Answer(NamedTuple):
    """The label maps of one episode: of its queries, and of its supports if the method restores them.

    A method may also say of each query how sure it is that the query shows each of the N ways at all: N finite numbers,
    the higher the surer, in every episode or in none. Of a method that does not, the share of the query that is
    labelled as the way is taken.
    """

    queries: Sequence[Tensor]
    supports: Sequence[Tensor] = ()
    presence: Sequence[Sequence[float]] = ()


class BaseMethod(ABC):
    """A method that offers more than its call: override what it can do, the evaluator asks for nothing else."""

    @abstractmethod
    def __call__(self, episode: Episode, /) -> Sequence[Tensor] | Tensor:
        """As `Method`."""

    def prepare(self, photographs: Sequence[Photograph], /) -> Sequence[Any]:
        """What is computed for each photograph alone, once for all its episodes.

        They find it in `PreparedPhotograph.prepared`; the pixels are not there any more by then.
        """
        raise NotImplementedError

    def restore_supports(self, episode: Episode, /) -> Sequence[Tensor]:
        """One label map for each support, at the network's input size: the ceiling of what its queries can reach."""
        return ()

    def answer(self, episodes: Sequence[Episode], /) -> Sequence[Answer]:
        """The answer to each of several episodes; override it for speed, or to say presence."""
        return [Answer(list(self(episode)), self.restore_supports(episode)) for episode in episodes]


def offers(method: Method, name: Literal["prepare", "restore_supports"]) -> TypeGuard[BaseMethod]:
    """Whether a method overrides that of `BaseMethod`."""
    return isinstance(method, BaseMethod) and getattr(type(method), name) is not getattr(BaseMethod, name)


def answers(method: Method, episodes: Sequence[Episode]) -> Sequence[Answer]:
    """What any method answers to episodes."""
    if isinstance(method, BaseMethod):
        return method.answer(episodes)
    return [Answer(list(method(episode))) for episode in episodes]
