"""Print how fast the parts are on this machine: `python benchmarks/speed.py`. Ratios hold within one run only."""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable

import torch

from episodes import DataSettings, Geometry, Loader, Task
from srpnet import NetworkSettings, SRPNet, runtime


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

    network = SRPNet(NetworkSettings()).eval().to(memory_format=torch.channels_last)
    photographs = torch.rand(4, 3, arguments.size, arguments.size)
    task = Task(DataSettings())
    sampler = task.novel_sampler(task.novel)
    loader = Loader(task.source, Geometry(arguments.size))
    ids = task.source.ids("val")

    def encode(precision: str) -> Callable[[], object]:
        machine = runtime("cpu", precision)

        def call() -> object:
            with torch.inference_mode(), machine.autocast():
                return network.encode(photographs)

        return call

    rows = {
        "encode 4 photographs, fp32": seconds(encode("fp32"), arguments.repeats),
        "encode 4 photographs, bf16": seconds(encode("bf16"), arguments.repeats),
        "load 20 sticker scenes": seconds(lambda: [loader.photograph(id) for id in ids[:20]], arguments.repeats),
        "draw 1000 episodes": seconds(lambda: [sampler.spec(index) for index in range(1000)], arguments.repeats),
    }
    print(f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    for name, (median, spread) in rows.items():
        print(f"{name:<28} {median:8.3f} s  (spread {spread:.3f})")
    print(json.dumps({name: {"median": median, "spread": spread} for name, (median, spread) in rows.items()}))


if __name__ == "__main__":
    main()
