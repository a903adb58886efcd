"""Small files: what a rounded difference keeps, and what it may not be put on top of."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from episodes.errors import InputError
from srpnet.fewshot.compact import CODE, STEP, compact, expand, is_compact

Noise = Callable[..., Tensor]


@pytest.fixture
def start(noise: Noise) -> dict[str, Tensor]:
    return {
        "a.weight": noise(4, 3, 3, 3, seed=1, dtype=torch.float32),  # 108 numbers
        "b.weight": noise(5, 3, 1, 1, seed=2, dtype=torch.float32),  # 15: half a byte is left over
        "c.weight": noise(2, 2, 1, 1, seed=3, dtype=torch.float32),
    }


@pytest.fixture
def state(start: dict[str, Tensor], noise: Noise) -> dict[str, Tensor]:
    """`a` and `b` were trained, `c` was not, and the head is new."""
    moved = {
        "a.weight": start["a.weight"] + 0.01 * noise(4, 3, 3, 3, seed=4, dtype=torch.float32),
        "b.weight": start["b.weight"] + 0.01 * noise(5, 3, 1, 1, seed=5, dtype=torch.float32),
    }
    return start | moved | {"head.weight": noise(2, 4, 1, 1, seed=6, dtype=torch.float32)}


def test_expanding_restores_what_was_trained(state: dict[str, Tensor], start: dict[str, Tensor]) -> None:
    small = compact(state, start)
    back = expand(small, start)
    assert back.keys() == state.keys()
    for name in ("a.weight", "b.weight"):
        error = (back[name] - state[name]).norm() / (state[name] - start[name]).norm()
        assert 0 < error < 0.15
        assert back[name].dtype == torch.float32
    assert torch.equal(back["c.weight"], state["c.weight"])
    torch.testing.assert_close(back["head.weight"], state["head.weight"], rtol=1e-3, atol=0)


def test_it_is_small(state: dict[str, Tensor], start: dict[str, Tensor]) -> None:
    small = compact(state, start)
    assert small.keys() == {"a.weight" + CODE, "a.weight" + STEP, "b.weight" + CODE, "b.weight" + STEP, "head.weight"}
    assert small["a.weight" + CODE].dtype == torch.uint8
    assert small["a.weight" + CODE].numel() == 54
    assert small["b.weight" + CODE].numel() == 8
    assert small["head.weight"].dtype == torch.float16
    assert is_compact(small)
    assert not is_compact(state)


def test_differences_of_whole_steps_are_kept_exactly() -> None:
    """Steps of 1/8 and 1/2, which binary numbers hold."""
    levels = torch.tensor([[-7.0, 7, 0, 1], [3, -2, 7, -5]])[..., None, None]
    start = {"w": torch.ones(2, 4, 1, 1)}
    trained = {"w": start["w"] + levels * torch.tensor([0.125, 0.5]).view(2, 1, 1, 1)}
    small = compact(trained, start)
    assert small["w" + STEP].tolist() == [0.125, 0.5]
    assert small["w" + CODE].tolist() == [0 | 14 << 4, 7 | 8 << 4, 10 | 5 << 4, 14 | 2 << 4]
    assert torch.equal(expand(small, start)["w"], trained["w"])


def test_an_outlier_does_not_coarsen_the_rest(noise: Noise) -> None:
    """The step of the smallest squared error, by trying them one by one."""
    difference = noise(1, 400, 1, 1, dtype=torch.float32)
    difference[0, 0] = 6.0
    start = {"w": torch.zeros_like(difference)}
    restored = expand(compact({"w": difference}, start), start)["w"]
    errors = []
    for step in torch.linspace(0.1, 1, 200):
        tried = (difference / step).round().clamp(-7, 7) * step
        errors.append((tried - difference).square().sum())
    assert (restored - difference).square().sum() < 1.05 * min(errors)


def test_a_channel_that_did_not_move_stays(noise: Noise) -> None:
    start = {"w": noise(2, 3, 1, 1, dtype=torch.float32)}
    trained = {"w": start["w"].clone()}
    trained["w"][1] += 1
    assert torch.equal(expand(compact(trained, start), start)["w"][0], start["w"][0])


def test_other_weights_to_start_from_are_refused(state: dict[str, Tensor], start: dict[str, Tensor]) -> None:
    small = compact(state, start)
    for other in ({"a.weight": start["a.weight"]}, start | {"b.weight": torch.zeros(3, 3, 1, 1)}):
        with pytest.raises(InputError, match=r"b\.weight is stored as a difference to other weights"):
            expand(small, other)
    del small["a.weight" + STEP]
    with pytest.raises(InputError, match=r"a\.weight is stored as a difference"):
        expand(small, start)
