"""Print how fast two small parts are on this machine: `python benchmarks/speed.py`. Ratios hold within one run only."""

import torch
from harness import Report, measure, parser

from episodes import DataSettings, Fold
from srpnet.training.log import highest


def main() -> None:
    arguments = parser("speed", __doc__)
    arguments.add_argument("--size", type=int, default=400)
    arguments.add_argument("--repeats", type=int, default=5)
    given = arguments.parse_args()
    scores = torch.rand(1, 2, given.size, given.size)
    fold = Fold(DataSettings())
    sampler = fold.novel_sampler(fold.novel)
    calls = {
        "best class, argmax": lambda: scores.argmax(1),
        "best class, highest": lambda: highest(scores),
        "draw 1000 episodes": lambda: [sampler.spec(index) for index in range(1000)],
    }
    report = Report("speed", ("what", "time"))
    for name, call in calls.items():
        timing = measure(call, given.repeats)
        report.add(name, timing.text("ms"), seconds=timing)
    report.finish(given)


if __name__ == "__main__":
    main()
