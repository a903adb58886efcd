"""Does a photograph show the object at all? Presence becomes a risk, over all photographs of a run.

The p-value of a photograph is the share of photographs without the object, of classes that are not tested, in which
what is found resembles the examples as much. Of many photographs some would be accepted by chance: so the risk of one
is the share of wrong ones that is to be expected among it and all that are less risky (Benjamini and Hochberg, JRSS B
1995; with conformal p-values Bates, Candès, Lei, Romano and Sesia, Annals of Statistics 2023).
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence

from srpnet.apps.trust.calibration import Group, calibration, group_name


def p_value(presence: float, examples: int, groups: Mapping[str, Group] | None = None) -> float:
    """How often what is found in a photograph without the object resembles the examples as much, above 0 and up to 1.

    Args:
        presence: See `Recogniser.presence`.
        examples: How many there are of the class.
        groups: What is known of tasks; by default the `calibration` that comes with the package.
    """
    absent = (groups or calibration())[group_name(examples)].absent
    return (1 + len(absent) - bisect_left(absent, presence)) / (1 + len(absent))


def risks(p_values: Sequence[float]) -> list[float]:
    """The risk of each photograph of a run, 0 to 1: among it and those that are less risky, so many may be wrong.

    Whoever accepts all photographs with a risk up to 5 % may expect that 5 % of them at most do not show the object.

    >>> [round(risk, 2) for risk in risks([0.01, 0.5, 0.02, 0.9])]
    [0.04, 0.67, 0.04, 0.9]
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    found, least = [1.0] * len(p_values), 1.0
    for rank in range(len(order), 0, -1):
        least = min(least, p_values[order[rank - 1]] * len(order) / rank)
        found[order[rank - 1]] = least
    return found
