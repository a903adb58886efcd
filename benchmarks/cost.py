"""What evaluation costs against episodes, shots, ways, size and photographs: `python benchmarks/cost.py --help`.

Beside each run: one plain batched bfloat16 pass of the backbone over its distinct photographs, and what that pass would
take if all its operations went at the rate of a large matrix product on this machine.
"""

import torch
from harness import Report, measure, parser
from scoring import Workload, add_arguments, photographs_of
from torch.utils.flop_counter import FlopCounterMode

from srpnet.nn import device as runtime


def rate(side: int = 4096) -> float:
    """Operations a second (an addition or a multiplication each) of a bfloat16 matrix product."""
    device = runtime("auto", "bf16").device
    left, right = (torch.rand(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))

    def product() -> None:
        left @ right
        if device.type == "cuda":
            torch.cuda.synchronize()

    return 2 * side**3 / measure(product, 5).median


def operations(workload: Workload, size: int) -> int:
    """Operations of the backbone on one photograph."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        workload.network.cpu().backbone(torch.rand(1, 3, size, size))
    return int(counter.get_total_flops())


def main() -> None:
    arguments = parser("cost", __doc__)
    add_arguments(arguments)
    arguments.add_argument("--scale", type=float, default=1.0, help="of the numbers of episodes, for a quick look")
    given = arguments.parse_args()
    workload = Workload(given)
    report = Report(
        "cost",
        (
            "run",
            "photographs",
            "time",
            "backbone alone",
            "at the rate of a matrix product",
            "ms an episode beyond the backbone",
        ),
    )

    best = rate()
    usual = {"episodes": 1000, "shot": 1, "way": 1, "size": 400, "photographs": None}
    changes = [
        {"episodes": 100}, {}, {"episodes": 5000}, {"shot": 5}, {"shot": 10}, {"way": 2}, {"size": 321}, {"size": 473},
        {"photographs": 40}, {"photographs": 80},
    ]  # fmt: skip
    floors: dict[tuple[object, ...], float] = {}
    for change in changes:
        run = usual | change
        count = max(8, round(run["episodes"] * given.scale))
        episodes = workload.episodes(workload.sampler(run["shot"], run["way"], run["photographs"]), run["size"])
        ids = tuple(sorted(photographs_of(episodes.sampler, count)))
        if (*ids, run["size"]) not in floors:
            floors[*ids, run["size"]], _ = workload.floor(episodes, count)
        floor, photographs = floors[*ids, run["size"]], len(ids)
        seconds = workload.score(episodes, count).seconds
        ideal = photographs * operations(workload, run["size"]) / best
        beyond = 1000 * (seconds - floor) / count
        name = f"{count} episodes, {run['way']}-way {run['shot']}-shot, {run['size']} pixels"
        report.add(
            name + (f", {run['photographs']} photographs at most" if run["photographs"] else ""),
            str(photographs), f"{seconds:.1f} s", f"{floor:.1f} s", f"{ideal:.1f} s", f"{beyond:.1f} ms",
            seconds=seconds, floor=floor, ideal=ideal, photographs=photographs,
        )  # fmt: skip
    report.values["matrix product"] = {"operations a second": best}
    report.finish(given)


if __name__ == "__main__":
    main()
