"""How nearly the two engines, and the two precisions, agree: `python benchmarks/agreement.py --help`.

The shared engine against the plain one, pixel by pixel, in float32; bfloat16 against float32 by mIoU.
"""

from harness import Report, parser
from scoring import METHODS, RULES, Workload, add_arguments
from torch import Tensor

from episodes import EpisodeList, evaluate
from srpnet.nn import device as runtime


def maps(workload: Workload, episodes: EpisodeList, count: int, engine: str) -> list[Tensor]:
    """The label maps of the queries of the first episodes."""
    method, found = METHODS[engine](workload.network, runtime("auto", "fp32")), list[Tensor]()
    names = workload.fold.names(workload.classes)
    evaluate(method, episodes.first(count), RULES, names, on_episode=lambda _, predicted, __: found.extend(predicted))
    return found


def main() -> None:
    arguments = parser("agreement", __doc__)
    add_arguments(arguments)
    arguments.add_argument("--episodes", type=int, default=1000)
    arguments.add_argument("--plain-episodes", type=int, default=50)
    given = arguments.parse_args()
    workload, report = Workload(given), Report("agreement", ("what", "result"))
    for shot in (1, 5):
        episodes = workload.episodes(workload.sampler(shot))
        shared, plain = (maps(workload, episodes, given.plain_episodes, engine) for engine in ("shared", "plain"))
        differ = sum(int((one != other).sum()) for one, other in zip(shared, plain, strict=True))
        pixels = sum(one.numel() for one in plain)
        report.add(
            f"pixels that differ between the engines, float32, {len(plain)} queries, {shot}-shot",
            f"{differ} of {pixels}: {1e5 * differ / pixels:.2f} in 100,000",
            differ=differ,
            pixels=pixels,
        )
        fp32, bf16 = (workload.score(episodes, given.episodes, precision=each) for each in ("fp32", "bf16"))
        points = 100 * (bf16.queries.miou - fp32.queries.miou)
        report.add(
            f"mIoU in bfloat16 less mIoU in float32, {given.episodes} episodes, {shot}-shot",
            f"{points:+.2f} points ({100 * fp32.queries.miou:.2f} in float32)",
            fp32=fp32.queries.miou,
            bf16=bf16.queries.miou,
        )
    report.finish(given)


if __name__ == "__main__":
    main()
