"""How to train: the settings of the loop."""

from dataclasses import dataclass
from typing import Literal

from episodes.checks import check_choice, check_number, check_whole
from episodes.errors import InputError

MOST_STEPS = 10_000_000
MOST_BATCH = 10_000
MOST_WORKERS = 256


@dataclass(frozen=True)
class LoopSettings:
    """How to train, whatever the method.

    Attributes:
        steps: Optimizer steps, up to 10 million.
        batch: Items a step, up to 10,000, over all processes together; the loss is the mean over items.
        accumulate: Backward passes of each process in a step; divides its share of `batch`. More need less memory and
            give the same loss.
        optimizer: `adamw` or `sgd` (momentum 0.9).
        lr: Largest learning rate, above 0 and up to 1000.
        weight_decay: As the optimizer defines it, up to 1000.
        schedule: After the warm-up, `cosine` to zero, or `poly` with power 0.9.
        warmup: Steps of linear warm-up, up to 10 million.
        clip: Largest norm of the gradient, up to a million; 0 does not clip.
        workers: Processes that load photographs, up to 256, for each process that trains; 0 loads in that one.
        log_every, save_every, validate_every: In steps, up to 10 million.

    Raises:
        InputError: if one is out of its range.
    """

    steps: int = 500
    batch: int = 4
    accumulate: int = 1
    optimizer: Literal["adamw", "sgd"] = "adamw"
    lr: float = 1e-3
    weight_decay: float = 1e-4
    schedule: Literal["cosine", "poly"] = "cosine"
    warmup: int = 20
    clip: float = 1.0
    workers: int = 1
    log_every: int = 10
    save_every: int = 50
    validate_every: int = 100

    def __post_init__(self) -> None:
        check_whole(self, 1, MOST_STEPS, "steps", "log_every", "save_every", "validate_every")
        check_whole(self, 0, MOST_STEPS, "warmup")
        check_whole(self, 1, MOST_BATCH, "batch", "accumulate")
        check_whole(self, 0, MOST_WORKERS, "workers")
        check_number(self, 0, 1000, "weight_decay")
        check_number(self, 0, 1000, "lr", above=True)
        check_number(self, 0, 1e6, "clip")
        check_choice(self, ("adamw", "sgd"), "optimizer")
        check_choice(self, ("cosine", "poly"), "schedule")
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
            raise InputError(f"{size} processes{passes} do not divide a batch of {self.batch}: use --batch {enough}")
        return self.batch // size
