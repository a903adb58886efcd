"""Classes without photographs: enough to make a manifest of pair lists."""

from collections.abc import Mapping, Sequence
from typing import Literal

from episodes.data.source import PASCAL_CLASSES, Array, Split
from episodes.errors import InputError


class Names:
    """A `Source` that knows class names alone, and takes a pair list at its word.

    Args:
        name: `pascal`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.classes = PASCAL_CLASSES

    def ids(self, split: Split, role: Literal["support", "query"] = "query") -> Sequence[str]:
        """Not known.

        Raises:
            InputError: always.
        """
        raise self._absent()

    def classes_in(self, id: str) -> Mapping[int, int]:
        """Every class, with one pixel: a list that names a class for a photograph is believed."""
        return dict.fromkeys(range(1, len(self.classes) + 1), 1)

    def has(self, id: str) -> bool:
        """Believed."""
        return True

    def load(self, id: str) -> tuple[Array, Array]:
        """Not there.

        Raises:
            InputError: always.
        """
        raise self._absent()

    def _absent(self) -> InputError:
        return InputError(f"{self.name} without a folder is for manifests of `pairs` lists: use {self.name}:PATH")
