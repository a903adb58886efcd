"""The settings of `srpnet eval`. Nothing here needs torch."""

from dataclasses import dataclass

from episodes.checks import GIGABYTES
from episodes.scoring.plans.settings import PlanSettings
from episodes.settings import setting
from srpnet.fewshot.settings import MOST_ROUNDS, Fit, NamingSettings
from srpnet.nn.settings import RuntimeSettings


@dataclass(frozen=True)
class EvalSettings(NamingSettings, RuntimeSettings, PlanSettings):
    """All settings of `srpnet eval`: which episodes (see `PlanSettings`), and what segments them.

    Raises:
        InputError: if one is of another type or out of its range, or two contradict each other.
    """

    checkpoint: str | None = setting(
        None,
        "A model of `srpnet models`, a folder that `srpnet train` wrote, a Hugging Face name, or training-free: "
        "ImageNet features without training.",
        shown="training-free",
        may_change="among processes",  # of paths the content counts: the weights are compared by hash
    )
    iqi_rounds: int | None = setting(
        None, "Rounds of query inference.", low=0, high=MOST_ROUNDS, shown="the checkpoint's"
    )
    fit: Fit = setting(
        "none",
        "auto: fit a head to the supports of each episode, where there are several of a class and it does better on "
        "them.",
    )
    resample_supports: bool = setting(False, "Intervals resample the supports too, not only the queries.")
    cache_limit: float = setting(
        2.0,
        "Gigabytes of encoded photographs that are kept in memory.",
        low=0,
        high=GIGABYTES,
        may_change="among processes",
    )
