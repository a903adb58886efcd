"""Several processes for a test, in the environment that torchrun gives to its workers."""

import multiprocessing
import os
import pickle
import socket
from collections.abc import Callable
from typing import Any

FORKS = multiprocessing.get_context("forkserver")
# Imported once, not by each.
FORKS.set_forkserver_preload(["torch", "torchvision", "episodes", "srpnet.fewshot.training.train"])
TIMEOUT = 300


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("localhost", 0))
        return int(found.getsockname()[1])


def environment(rank: int, size: int, port: int) -> dict[str, str]:
    """What torchrun tells a worker, on one machine."""
    known = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "MASTER_ADDR": "localhost", "MASTER_PORT": port}
    return {name: str(value) for name, value in known.items()} | {"OMP_NUM_THREADS": "1"}


def run(size: int, work: Callable[..., Any], *args: Any, **env: str) -> list[Any]:
    """What `work(*args)` returns in each of `size` processes, in order of rank; an exception comes as a value.

    `work` must be a function of a module that can be imported.
    """
    port = free_port()
    answers = [FORKS.Pipe(duplex=False) for _ in range(size)]
    processes = [
        FORKS.Process(target=_answer, args=(answers[rank][1], environment(rank, size, port) | env, work, args))
        for rank in range(size)
    ]
    for process in processes:
        process.start()
    for _, own_end in answers:
        own_end.close()
    try:
        return [pickle.loads(end.recv_bytes()) if end.poll(TIMEOUT) else TimeoutError() for end, _ in answers]
    finally:
        for process in processes:
            process.join(TIMEOUT)
            process.kill()


def _answer(connection: Any, env: dict[str, str], work: Callable[..., Any], args: tuple[Any, ...]) -> None:
    import torch

    os.environ.update(env)
    torch.set_num_threads(1)
    try:
        answer = work(*args)
    except BaseException as error:
        answer = error
    connection.send_bytes(pickle.dumps(answer))  # `send` would pass tensors as memory of a process that ends
