"""Where and in what precision the network runs."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal

import torch

from episodes.distributed import ALONE, World
from episodes.errors import InputError
from srpnet.nn.settings import DeviceName, Precision


@dataclass(frozen=True)
class Runtime:
    """A device and the precision of its convolutions. Similarities, pooling and losses are float32 in any case."""

    device: torch.device
    precision: Literal["fp32", "bf16"]

    def autocast(self) -> AbstractContextManager[object]:
        """The context in which features are computed."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")

    def __str__(self) -> str:
        return f"{self.device.type}, {self.precision}"


def runtime(device: DeviceName = "auto", precision: Precision = "auto", world: World = ALONE) -> Runtime:
    """Choose what the machine is good at, or take what is asked for.

    Args:
        device: `auto` takes CUDA, then MPS, then the processor. Of several processes on a machine each takes a CUDA
            device of its own, and MPS is for one process.
        precision: `auto` takes bfloat16 where the hardware multiplies in it, else float32.
        world: This process among those that run the network.

    Raises:
        InputError: if a device is asked for that is not there.
    """
    mps = torch.backends.mps.is_available() and world.size == 1  # gloo and NCCL know no MPS
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": mps}
    if device == "auto":
        device = "cuda" if present["cuda"] else "mps" if present["mps"] else "cpu"
    elif not present[device]:
        raise InputError(f"device {device} is not available here: use `device` auto")
    if precision == "auto":
        precision = "bf16" if _multiplies_bfloat16(device) else "fp32"
    if device == "cuda" and world.size > 1:
        return Runtime(_own_gpu(world), precision)
    return Runtime(torch.device(device), precision)


def _own_gpu(world: World) -> torch.device:
    """The GPU of this process, also made the current one, which NCCL and allocations without a device go by."""
    if world.local_rank >= (count := torch.cuda.device_count()):
        raise InputError(
            f"there is no GPU for process {world.local_rank} of this machine: use --nproc-per-node {count}"
        )
    torch.cuda.set_device(world.local_rank)
    return torch.device("cuda", world.local_rank)


def _multiplies_bfloat16(device: str) -> bool:
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Without AMX or AVX512-BF16, oneDNN emulates bfloat16 and is slower than float32. Older torch cannot tell.
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return device == "cpu" and any(capabilities.get(name, False) for name in ("amx_bf16", "avx512_bf16"))
