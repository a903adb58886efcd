"""Processes that share work: sums, lists, common decisions and common failures, among three of them."""

import time
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import distributed as dist

from episodes.distributed import ALONE, World, joined
from episodes.errors import InputError
from tests import processes

SIZE = 3


def test_alone_everything_is_as_it_was() -> None:
    tensor = torch.ones(2)
    assert World() == ALONE == World(rank=0, size=1, local_rank=0)
    assert ALONE.first
    assert ALONE.sum(tensor) is tensor
    assert ALONE.gather("a") == ["a"]
    assert ALONE.any(True) is True
    assert ALONE.any(False) is False
    ALONE.agree(None)
    with ALONE.together(), ALONE.first_alone():
        pass
    for share in (ALONE.together, ALONE.first_alone):
        with pytest.raises(InputError, match="this one"), share():
            raise InputError("this one")
    with pytest.raises(FrozenInstanceError):
        ALONE.rank = 1  # type: ignore[misc]


@pytest.mark.parametrize("env", [{}, {"RANK": "0", "WORLD_SIZE": "2"}, {"RANK": "0", "WORLD_SIZE": "1"}])
def test_where_torchrun_started_nothing_or_one_process_it_is_alone(
    env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some schedulers set RANK and WORLD_SIZE for what they start, which may be one plain process."""
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    if env.get("WORLD_SIZE") == "1":
        monkeypatch.setenv("LOCAL_RANK", "0")
    with joined() as world:
        assert world is ALONE
    assert not dist.is_initialized()


def use_all(folder: Path) -> dict[str, Any]:
    """Every method once, in one process of three."""
    seen: dict[str, Any] = {}
    with joined() as world:
        rank = world.rank
        seen["world"] = (world.rank, world.size, world.local_rank, world.first)
        own = torch.tensor([rank, 2**40])
        seen["integers"] = world.sum(own)
        seen["own"] = own
        seen["floats"] = world.sum(torch.tensor([[0.5, rank]], dtype=torch.float64, requires_grad=True))
        seen["gathered"] = world.gather({"rank": rank})
        seen["any"] = [world.any(False), world.any(rank == 2), world.any(True)]
        for name, share in (("together", world.together), ("first_alone", world.first_alone)):
            try:
                with share():
                    if rank > 0:
                        raise InputError(f"{name} failed in {rank}")
            except InputError as error:
                seen[name] = str(error)
        try:
            with world.together():
                if rank == 1:
                    raise KeyError("lost")
        except (InputError, KeyError) as error:
            seen["foreign"] = repr(error)
        try:
            world.check_same({"seed": 0, "size": rank})
        except InputError as error:
            seen["unlike"] = str(error)
        world.check_same({"seed": 0})
        try:
            with world.first_alone():
                seen["second ran"] = rank > 0
                raise InputError("the first failed")
        except InputError as error:
            seen["first failed"] = str(error)
        with world.first_alone():
            seen["found"] = (folder / "made").exists()
            if world.local_rank == 0:
                time.sleep(0.1)
                (folder / "made").touch()
    seen["left"] = not dist.is_initialized()
    return seen


def test_three_processes_share(tmp_path: Path) -> None:
    found = processes.run(SIZE, use_all, tmp_path)
    for rank, seen in enumerate(found):
        assert isinstance(seen, dict), seen
        assert seen["world"] == (rank, SIZE, rank, rank == 0)
        assert seen["integers"].tolist() == [3, 3 * 2**40]
        assert seen["integers"].dtype == torch.int64
        assert seen["own"].tolist() == [rank, 2**40]
        assert torch.equal(seen["floats"], torch.tensor([[1.5, 3]], dtype=torch.float64))
        assert not seen["floats"].requires_grad
        assert seen["gathered"] == ([{"rank": each} for each in range(SIZE)] if rank == 0 else None)
        assert seen["any"] == [False, True, True]
        assert seen["together"] == "together failed in 1"
        assert seen["first_alone"] == "first_alone failed in 1"
        own = "KeyError('lost')"
        assert seen["foreign"] == (own if rank == 1 else f'InputError("process 1 failed: {own}")')
        assert seen["unlike"].startswith("process 1 has size = 1, and the first one 0: give all the same data")
        assert seen["first failed"] == "the first failed"
        assert seen.get("second ran", False) is False
        assert seen["found"] is (rank > 0)
        assert seen["left"]


def test_a_world_that_cannot_be_joined_is_an_input_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in processes.environment(1, 2, 29500).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MASTER_PORT")
    with pytest.raises(InputError, match="process 1 of 2 cannot reach the others"), joined():
        pass
