"""Does a photograph show the object at all? Presence becomes a risk, over all photographs of a run.

The p-value of a photograph in which something is found is the share of photographs without the object, of classes that
are not tested, in which what is found resembles the examples as much. Of many photographs some would be accepted by
chance: so the risk of one is the share of wrong ones that is to be expected among it and all that are less risky
(Benjamini and Hochberg, JRSS B 1995; with conformal p-values Bates, Candès, Lei, Romano and Sesia, Annals of Statistics
2023; how many do not show it, after Storey, JRSS B 2002).
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence

from srpnet.apps.trust.calibration import Group, calibration, group_name

LEAST_WITHOUT = 0.5
"""Of the photographs in which something is found at least this share is taken not to show the object: where things that
look like it abound, an estimate of that share comes out too low."""


PRIOR = 4
"""As so many of a person's own photographs without the object counts what is known of other classes."""


def p_value(
    presence: float, examples: int, own: Sequence[float] = (), groups: Mapping[str, Group] | None = None
) -> float | None:
    """How often what is found in a photograph without the object resembles the examples as much, above 0 and up to 1.

    None if nothing is found.

    Args:
        presence: See `Recogniser.presence`; 0 if nothing is found.
        examples: How many there are of the class.
        own: The presence in photographs of the person's own that do not show it, see `Evidence.absent`.
        groups: What is known of tasks; by default the `calibration` that comes with the package.
    """
    if presence <= 0:
        return None
    absent = (groups or calibration())[group_name(examples)].absent
    of_others = (1 + len(absent) - bisect_left(absent, presence)) / (1 + len(absent))
    return (PRIOR * of_others + sum(value >= presence for value in own)) / (PRIOR + len(own))


def risks(p_values: Sequence[float | None]) -> list[float]:
    """The risk of each photograph of a run, 0 to 1: among it and those that are less risky, so many may be wrong.

    Whoever accepts all photographs with a risk up to 5 % may expect that 5 % of them at most do not show the object.

    Args:
        p_values: Of each; None where nothing is found, whose risk is 1.

    >>> [round(risk, 2) for risk in risks([0.01, 0.6, 0.02, 0.9, None])]
    [0.04, 0.8, 0.04, 0.9, 1.0]
    """
    known = {number: value for number, value in enumerate(p_values) if value is not None}
    order = sorted(known, key=known.__getitem__)
    # Of those that do not show it half are above 0.5, and hardly any that does.
    without = min(1.0, 2 * (1 + sum(value > 0.5 for value in known.values())) / max(1, len(known)))
    expected = max(LEAST_WITHOUT, without) * len(known)
    found, least = [1.0] * len(p_values), 1.0
    for rank in range(len(order), 0, -1):
        least = min(least, known[order[rank - 1]] * expected / rank)
        found[order[rank - 1]] = least
    return found
