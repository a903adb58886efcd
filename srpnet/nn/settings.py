"""What is said of devices and similarities, without torch."""

from dataclasses import KW_ONLY, dataclass
from typing import Literal

from episodes.settings import setting

DeviceName = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "fp32", "bf16"]
Similarity = Literal["fidelity", "cosine"]


@dataclass(frozen=True)
class RuntimeSettings:
    """Where a network runs, see `srpnet.nn.device.runtime`."""

    _: KW_ONLY
    device: DeviceName = setting("auto", "auto: a GPU if there is one.", may_change="among processes")
    precision: Precision = setting("auto", "auto: bfloat16 where the hardware supports it.")
