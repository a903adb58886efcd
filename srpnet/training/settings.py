"""How to train: the settings of the loop."""

from dataclasses import dataclass
from typing import Literal

from episodes.errors import InputError
from episodes.settings import check, setting

MOST_STEPS = 10_000_000
MOST_BATCH = 10_000
MOST_WORKERS = 256


@dataclass(frozen=True)
class LoopSettings:
    """How to train, whatever the method.

    Raises:
        InputError: if one is out of its range.
    """

    steps: int = setting(500, "Optimizer steps.", low=1, high=MOST_STEPS)
    # The loss is the mean over them.
    batch: int = setting(4, "Items per step, over all processes.", low=1, high=MOST_BATCH)
    # More need less memory and give the same loss.
    accumulate: int = setting(
        1,
        "Backward passes per step of a process; must divide its share of `batch`.",
        low=1,
        high=MOST_BATCH,
        may_change="on resuming",
    )
    optimizer: Literal["adamw", "sgd"] = setting("adamw", "The optimizer.")
    lr: float = setting(1e-3, "Largest learning rate.", low=0, high=1000, above=True)
    weight_decay: float = setting(1e-4, "Weight decay.", low=0, high=1000)
    schedule: Literal["cosine", "poly"] = setting("cosine", "How the learning rate decays to zero.")
    warmup: int = setting(20, "Steps of linear warm-up.", low=0, high=MOST_STEPS)
    clip: float = setting(1.0, "Largest gradient norm; 0: no clipping.", low=0, high=1e6)
    # For each process that trains; with 0 that one loads by itself.
    workers: int = setting(
        1,
        "Processes that load photographs (not reused ones).",
        low=0,
        high=MOST_WORKERS,
        may_change="among processes",
    )
    log_every: int = setting(10, "Steps between log lines.", low=1, high=MOST_STEPS, may_change="on resuming")
    save_every: int = setting(50, "Steps between saves.", low=1, high=MOST_STEPS, may_change="on resuming")
    validate_every: int = setting(100, "Steps between validations.", low=1, high=MOST_STEPS)

    def __post_init__(self) -> None:
        check(self)
        if self.batch % self.accumulate:
            raise InputError(f"{self.accumulate} backward passes do not divide a batch of {self.batch}")

    def share(self, size: int) -> int:
        """Items of a step for each of `size` processes.

        Raises:
            InputError: if the batch cannot be cut into equal passes of all of them.
        """
        parts = size * self.accumulate
        if self.batch % parts:
            passes = f" with {self.accumulate} backward passes each" if self.accumulate > 1 else ""
            enough = -(-self.batch // parts) * parts
            raise InputError(f"{size} processes{passes} do not divide a batch of {self.batch}: use `batch` {enough}")
        return self.batch // size
