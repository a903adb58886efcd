"""What torchrun starts for a test: one of the processes that train a tiny network, with a mishap on the way.

    python -m tests.srpnet.launched SETTINGS OUT MISHAP [--resume]

SETTINGS is a pickled FewShotTrainSettings. MISHAP is `kill`: the first process dies in step 3 of the final run, once;
or `wait`: it waits after step 2 for a file OUT/go.
"""

import os
import pickle
import signal
import sys
import time
from pathlib import Path

import torch

from episodes.distributed import joined
from episodes.errors import InputError
from srpnet.fewshot.training.settings import FewShotTrainSettings
from srpnet.fewshot.training.train import run_training
from srpnet.nn import weights
from srpnet.training.interrupts import Interrupted
from srpnet.training.log import Progress
from tests.backbones import TinyWeights


def train(settings: FewShotTrainSettings, out: Path, mishap: str = "none", resume: bool = False) -> int:
    """Train among the processes that the environment describes; an exit code."""
    weights.get_weights = TinyWeights()  # type: ignore[assignment]
    first_attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") == "0"

    def on_log(phase: str, _: int, progress: Progress) -> None:
        if mishap == "kill" and first_attempt and (phase, progress.step) == ("train", 3):
            os.kill(os.getpid(), signal.SIGKILL)
        while mishap == "wait" and progress.step == 2 and not (out / "go").exists():
            time.sleep(0.05)

    try:
        with joined() as world:
            run_training(settings, out, resume, say=lambda _: None, on_log=on_log, world=world)
    except Interrupted:
        return 130
    except InputError as error:
        print(f"Error: {error}", flush=True)
        return 2
    return 0


if __name__ == "__main__":
    torch.set_num_threads(1)
    given, folder, mishap, *flags = sys.argv[1:]
    sys.exit(train(pickle.loads(Path(given).read_bytes()), Path(folder), mishap, "--resume" in flags))
