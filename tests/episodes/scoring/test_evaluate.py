"""Evaluation: scores of simple methods by hand, several processes, and methods that break their promise."""

import time
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from episodes.distributed import joined
from episodes.fewshot.episode import Episode, EpisodeSpec
from episodes.scoring.evaluate import evaluate
from episodes.scoring.methods import BaseMethod
from episodes.scoring.metrics import confusion
from tests.episodes.scored import NAMES, RULES, SPECS, Threshold, background, episodes, matrices, perfect, run
from tests.processes import run as run_processes


class Ceiling(BaseMethod):
    """Misses every query, and on a support finds the first of its rows that show the class."""

    def __call__(self, episode: Episode) -> list[Tensor]:
        return background(episode)

    def restore_supports(self, episode: Episode) -> list[Tensor]:
        maps = []
        for support in episode.supports():
            found = torch.zeros_like(support.labels)
            found[0] = 1
            maps.append(found)
        return maps


def test_a_perfect_method() -> None:
    found = run(perfect)
    assert (found.queries.miou, found.queries.fb_iou) == (1, 1)
    assert found.queries.per_class == {"ant": 1, "bee": 1}
    assert found.episodes == 4
    assert found.supports is None
    assert found.seconds > 0


def test_a_method_that_sees_background_alone() -> None:
    found = run(background)
    assert found.queries.miou == 0
    # Background: va 744, vb 924, vc 512, vd 0 of class bee's view 1000. Foreground missed: 256, 100, 512, 24.
    right, missed = 744 + 924 + 512 + 1000, 256 + 100 + 512 + 24
    assert found.queries.fb_iou == pytest.approx(right / (right + missed) / 2)
    counted = matrices(background, episodes())
    assert counted[0] == [[744, 0], [256, 0]]
    assert torch.tensor(counted).sum() == 4 * 1024 - 24


def test_a_method_may_return_one_tensor() -> None:
    assert run(lambda episode: torch.stack(perfect(episode))).queries.miou == 1


def test_two_ways_and_two_queries_by_hand() -> None:
    spec = EpisodeSpec(0, (2, 1), (("vc",), ("va",)), ("vb", "vd"))

    def all_ant(episode: Episode) -> list[Tensor]:
        return [torch.full_like(truth, 2) for truth in perfect(episode)]

    found = run(all_ant, [spec])
    # Way 2 is ant: 100 of vb and 1000 of vd, all else is taken for it.
    assert matrices(all_ant, episodes([spec])) == [[[0, 0, 924], [0, 0, 24], [0, 0, 1100]]]
    assert found.queries.per_class == {"ant": 1100 / 2048, "bee": 0}
    assert found.queries.fb_iou == pytest.approx(1124 / 2048 / 2)


def test_no_episodes() -> None:
    found = run(perfect, [])
    assert (found.episodes, found.queries.miou) == (0, 0)


def test_the_protocol_decides_about_absent_classes() -> None:
    ants = [SPECS[0], SPECS[2]]
    for absent, miou in (("zero", 0.5), ("skip", 1.0)):
        assert evaluate(perfect, episodes(ants), replace(RULES, absent=absent), NAMES).queries.miou == miou


def test_the_protocol_decides_about_vanished_classes() -> None:
    vanished = EpisodeSpec(0, (1,), (("va",),), ("vc",))  # vc shows no ant
    for rule, iou in (("count", 256 / (256 + 512)), ("skip", 1.0)):
        found = evaluate(
            lambda episode: perfect(episode) if "va" in episode.spec.queries else [half()],
            episodes([SPECS[0], vanished]),
            replace(RULES, vanished=rule),
            NAMES,
        )
        assert found.queries.per_class["ant"] == iou


def half() -> Tensor:
    """The upper half is foreground."""
    prediction = torch.zeros(32, 32, dtype=torch.uint8)
    prediction[:16] = 1
    return prediction


def test_vanished_is_asked_of_each_query() -> None:
    spec = EpisodeSpec(0, (1,), (("vb",),), ("va", "vc"))  # vc shows no ant
    found = evaluate(
        lambda episode: [perfect(episode)[0], half()], episodes([spec]), replace(RULES, vanished="skip"), NAMES
    )
    assert found.queries.per_class["ant"] == 1


@pytest.mark.parametrize("count", [0, 2])
def test_another_number_of_maps(count: int) -> None:
    with pytest.raises(ValueError, match=f"the method returned {count} label maps for 1 queries"):
        run(lambda episode: perfect(episode) * count)


def test_maps_of_another_size() -> None:
    with pytest.raises(ValueError, match=r"prediction \(16, 32\) and truth \(32, 32\) differ"):
        run(lambda episode: [truth[:16] for truth in perfect(episode)])


def test_labels_of_no_way() -> None:
    with pytest.raises(ValueError, match=r"labels must lie in 0\.\.1"):
        run(lambda episode: [truth * 0 + 2 for truth in perfect(episode)])


def test_the_ceiling_on_supports() -> None:
    found = run(Ceiling())
    assert found.queries.miou == 0
    assert found.supports is not None
    # Row 0 of 32 pixels is found. Supports: vb 100 and va 256 of ant; vd shows 24 of bee first, vc 512.
    assert found.supports.per_class == {"ant": 64 / 356, "bee": pytest.approx((24 + 32) / (24 + 512 + 8))}


def test_supports_are_scored_at_input_size_whatever_the_queries() -> None:
    spec = EpisodeSpec(0, (1,), (("wide",),), ("va",))
    found = evaluate(Ceiling(), episodes([spec], score_at="original"), RULES, NAMES)
    assert found.supports is not None
    assert found.supports.foreground.tp == 32


def test_another_number_of_restored_supports() -> None:
    class Short(Ceiling):
        def restore_supports(self, episode: Episode) -> list[Tensor]:
            return []

    with pytest.raises(ValueError, match="zip"):
        run(Short())


def test_on_episode_hears_of_each_in_order() -> None:
    heard: list[tuple[int, list[Tensor], Tensor]] = []
    run(perfect, on_episode=lambda episode, *rest: heard.append((episode.spec.index, *rest)))
    assert [index for index, _, _ in heard] == [0, 1, 2, 3]
    for index, predictions, matrix in heard:
        (truth,) = perfect(episodes()[index])
        assert torch.equal(predictions[0], truth)
        assert torch.equal(matrix, confusion(truth, truth, 1))


def test_the_time_of_on_episode_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock by hand: loading and segmenting take 1 second an episode, drawing a picture takes 100."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def slow(episode: Episode) -> list[Tensor]:
        now[0] += 1
        return perfect(episode)

    def draw(*_: Any) -> None:
        now[0] += 100

    assert run(slow, on_episode=draw).seconds == 4


def test_scores_at_the_original_size() -> None:
    spec = EpisodeSpec(0, (1,), (("va",),), ("wide",))
    for score_at, pixels in (("input", 32 * 32), ("original", 40 * 60)):
        drawn = episodes([spec], score_at=score_at)
        (matrix,) = matrices(perfect, drawn)
        assert sum(map(sum, matrix)) == pixels
        assert evaluate(perfect, drawn, RULES, NAMES).queries.per_class["ant"] == 1
    assert matrix == [[1400, 0], [0, 1000]]
    with pytest.raises(ValueError, match=r"prediction \(32, 32\) and truth \(40, 60\) differ"):
        evaluate(
            lambda episode: [episode.labels(query) for query in episode.queries()],
            episodes([spec], score_at="original"),
            RULES,
            NAMES,
        )


def in_one_of_several(count: int) -> Any:
    """The scores of the first episodes, and which of them this process was told of."""
    heard: list[int] = []
    with joined() as world:
        drawn = episodes([replace(SPECS[index % 4], index=index) for index in range(count)])
        found = evaluate(
            Threshold(), drawn, RULES, NAMES, batch=2, world=world, on_episode=lambda *e: heard.append(e[0].spec.index)
        )
    return found.queries, found.episodes, heard


def with_a_photograph_missing() -> None:
    with joined() as world:
        evaluate(perfect, episodes([SPECS[0], EpisodeSpec(1, (1,), (("va",),), ("gone",))]), RULES, NAMES, world=world)


@pytest.mark.parametrize("size", [2, 3])
def test_several_processes_share_the_episodes_and_count_the_same(size: int) -> None:
    alone, _, _ = in_one_of_several(10)
    for rank, (queries, done, heard) in enumerate(run_processes(size, in_one_of_several, 10)):
        assert queries == alone
        assert done == 10
        assert heard == list(range(rank, 10, size))


def test_more_processes_than_episodes() -> None:
    assert [found[0] for found in run_processes(3, in_one_of_several, 1)] == [in_one_of_several(1)[0]] * 3


def test_an_error_of_one_process_ends_all() -> None:
    errors = run_processes(2, with_a_photograph_missing)
    assert [str(error) for error in errors] == ["gone is not there"] * 2
