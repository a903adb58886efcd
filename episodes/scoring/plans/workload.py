"""What share of an evaluation is done after so many episodes: most of the work lies in photographs that are new."""

from collections.abc import Callable, Iterable
from itertools import accumulate

from episodes.scoring.plans.plan import Plan

OnEpisode = Callable[[int, int, float], None]
"""Called at the beginning and after each episode: with the number of episodes done, of all, and with the share of the
work that is done, in [0, 1]."""

PREPARING = 50
"""How many episodes take as long as to prepare one photograph, about (docs/performance.md)."""


class Workload:
    """The share of the work that is done after each episode of some plans, in their order.

    Args:
        plans: In the order in which they are scored; what was prepared is kept as long as the geometry is the same.
        prepares: Whether the method prepares photographs. Else all episodes are alike.
    """

    def __init__(self, plans: Iterable[Plan], prepares: bool) -> None:
        costs: list[int] = []
        known, geometry = set[str](), None
        for plan in plans:
            if plan.rules.geometry != geometry:
                known, geometry = set(), plan.rules.geometry
            for _, specs in plan.runs():
                for spec in specs:
                    new = set(spec.slots) - known if prepares else set()
                    costs.append(1 + PREPARING * len(new))
                    known |= new
            costs += [1] * (plan.negative * plan.rules.seeds)  # they show photographs that were met, and others
            costs += [1] * len(plan.wrong_supports)
        self._done = list(accumulate(costs))

    def share(self, episodes: int) -> float:
        """What share of the work the first so many episodes are."""
        return self._done[min(episodes, len(self._done)) - 1] / self._done[-1] if episodes else 0.0
