"""What torchrun starts for a test: one of the processes that train a tiny network, with a mishap on the way.

    python -m tests.srpnet.launched SETTINGS OUT MISHAP

SETTINGS is a pickled TrainSettings. MISHAP is `kill`: the second process dies in step 3 of the final run, once; or
`wait`: the first one waits after step 2 for a file OUT/go.
"""

import os
import pickle
import signal
import sys
import time
from pathlib import Path

import torch

from episodes.distributed import joined
from srpnet.fewshot.train import TrainSettings, run_training
from srpnet.nn import weights
from srpnet.training.interrupts import Interrupted
from srpnet.training.log import Progress
from srpnet.training.run import TrainingRun
from tests.srpnet.conftest import PhotographCache


def train(settings: TrainSettings, out: Path, mishap: str = "none") -> int:
    """Train among the processes that the environment describes; an exit code."""
    weights.get_weights = PhotographCache()  # type: ignore[assignment]
    learn = TrainingRun._learn

    def die(run: TrainingRun, *args: object) -> float:
        if run.folder == out and run.step == 2 and run.world.rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return learn(run, *args)  # type: ignore[arg-type]

    if mishap == "kill" and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
        TrainingRun._learn = die  # type: ignore[method-assign, assignment]

    def wait(_: str, __: int, progress: Progress) -> None:
        while mishap == "wait" and progress.step == 2 and not (out / "go").exists():
            time.sleep(0.05)

    try:
        with joined() as world:
            run_training(settings, out, say=lambda _: None, on_log=wait, world=world)
    except Interrupted:
        return 130
    return 0


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(train(pickle.loads(Path(sys.argv[1]).read_bytes()), Path(sys.argv[2]), sys.argv[3]))
