"""The evaluation engine beside its floor and beside the plain way: `python benchmarks/evaluation.py --help`.

The floor is one plain batched bfloat16 pass of the backbone over the distinct photographs of the episodes. The plain
way encodes every photograph of every episode; it is timed on a few episodes in float32 and scaled.
"""

import torch
from harness import Report, Timing, measure, parser
from scoring import Workload, add_arguments, peak_gib

from episodes.scoring.metrics import confusion


def main() -> None:
    arguments = parser("evaluation", __doc__)
    add_arguments(arguments)
    arguments.add_argument("--episodes", type=int, default=1000)
    arguments.add_argument("--plain-episodes", type=int, default=20)
    arguments.add_argument("--repeats", type=int, default=3)
    given = arguments.parse_args()
    workload, report = Workload(given), Report("evaluation", ("what", "time", "beside the floor", "plain, beside it"))

    runs = {shot: workload.episodes(workload.sampler(shot)) for shot in (1, 5)}
    # The first run is not counted. Its peak is taken before the floor's photographs come into memory.
    for episodes in runs.values():
        workload.score(episodes, given.episodes)
    peak = peak_gib()

    times: dict[tuple[str, int], list[float]] = {}
    for _ in range(given.repeats):
        for shot, episodes in runs.items():
            seconds, photographs = workload.floor(episodes, given.episodes)
            times.setdefault(("floor", shot), []).append(seconds)
            shared = workload.score(episodes, given.episodes)
            times.setdefault(("shared", shot), []).append(shared.seconds)
            plain = workload.score(episodes, given.plain_episodes, "plain", "fp32")
            times.setdefault(("plain", shot), []).append(plain.seconds * given.episodes / given.plain_episodes)
    timings = {key: Timing(tuple(seconds)) for key, seconds in times.items()}

    for shot in runs:
        floor, shared, plain = (timings[name, shot] for name in ("floor", "shared", "plain"))
        report.add(f"floor of {shot}-shot: {photographs} photographs", floor.text(), "1", "", floor=floor)
        ratio, gain = shared.median / floor.median, plain.median / shared.median
        values = {"shared": shared, "ratio": ratio, "gain": gain, "photographs": photographs}
        report.add(f"{given.episodes} {shot}-shot episodes", shared.text(), f"{ratio:.2f}", f"{gain:.1f} x", **values)
        plainly = f"the same, the plain way in float32, {given.plain_episodes} episodes scaled"
        report.add(f"{plainly}, {shot}-shot", plain.text(), f"{plain.median / floor.median:.1f}", "1 x", plain=plain)
    maps = torch.randint(0, 2, (2, 417, 417), dtype=torch.uint8)
    counting = measure(lambda: confusion(maps[0], maps[1], 1), 20)
    report.add("counting an episode at 417 x 417", counting.text("ms"), "", "", counting=counting)
    report.add("most memory, 1-shot then 5-shot", f"{peak:.2f} GiB", "", "", peak=peak)
    report.finish(given)


if __name__ == "__main__":
    main()
