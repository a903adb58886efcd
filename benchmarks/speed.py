"""Print how fast the parts are on this machine: `python benchmarks/speed.py`. Ratios hold within one run only."""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable

import torch

from episodes import DataSettings, Task
from srpnet import NetworkSettings, SRPNet, runtime
from srpnet.method import highest
from srpnet.runtime import Precision


def seconds(call: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median and spread (largest minus smallest) of several timings, after one that is not counted."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times), max(times) - min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()

    network = SRPNet(NetworkSettings()).eval().place(torch.device("cpu"))
    folded = network.for_inference(torch.device("cpu"))
    photographs = torch.rand(4, 3, arguments.size, arguments.size)
    scores = torch.rand(1, 2, arguments.size, arguments.size)
    task = Task(DataSettings())
    sampler = task.novel_sampler(task.novel)

    def timed(call: Callable[[torch.Tensor], object], precision: Precision = "bf16") -> tuple[float, float]:
        machine = runtime("cpu", precision)

        def run() -> object:
            with torch.inference_mode(), machine.autocast():
                return call(photographs)

        return seconds(run, arguments.repeats)

    rows = {
        "encode 4 photographs, fp32": timed(network.encode, "fp32"),
        "encode 4 photographs, bf16": timed(network.encode),
        "the same, BatchNorm folded": timed(folded.encode),
        "backbone, 4 in one batch": timed(folded.backbone),
        "backbone, 4 one by one": timed(lambda batch: [folded.backbone(each) for each in batch.split(1)]),
        "best class, argmax": timed(lambda _: scores.argmax(1)),
        "best class, highest": timed(lambda _: highest(scores)),
        "draw 1000 episodes": seconds(lambda: [sampler.spec(index) for index in range(1000)], arguments.repeats),
    }
    print(f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    for name, (median, spread) in rows.items():
        print(f"{name:<30} {1000 * median:9.1f} ms  (spread {1000 * spread:.1f})")
    print(json.dumps({name: {"median": median, "spread": spread} for name, (median, spread) in rows.items()}))


if __name__ == "__main__":
    main()
