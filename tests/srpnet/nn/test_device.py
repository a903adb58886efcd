"""Where and in what precision the network runs."""

import pytest
import torch

from episodes.errors import InputError
from srpnet.nn.device import Runtime, runtime


def machine(monkeypatch: pytest.MonkeyPatch, cuda: bool = False, mps: bool = False, bfloat16: bool = False) -> None:
    """Pretend to be a machine with these parts."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": bfloat16}, raising=False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: bfloat16)


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")]
)
def test_auto_takes_the_fastest_device(monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, expected: str) -> None:
    machine(monkeypatch, cuda, mps)
    assert runtime().device.type == expected


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_an_absent_device_is_an_input_error(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    machine(monkeypatch)
    with pytest.raises(InputError, match=f"device {device} is not available here: use `device` auto"):
        runtime(device)  # type: ignore[arg-type]


@pytest.mark.parametrize(("bfloat16", "expected"), [(True, "bf16"), (False, "fp32")])
def test_auto_precision_is_what_the_hardware_multiplies(
    monkeypatch: pytest.MonkeyPatch, bfloat16: bool, expected: str
) -> None:
    machine(monkeypatch, bfloat16=bfloat16)
    assert runtime("cpu").precision == expected
    assert runtime("cpu", "fp32").precision == "fp32"
    assert runtime("cpu", "bf16").precision == "bf16"


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [({"amx_bf16": True}, "bf16"), ({"avx512_bf16": True}, "bf16"), ({"avx2": True, "amx_bf16": False}, "fp32")],
)
def test_a_processor_is_asked_for_bfloat16(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], expected: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert runtime("cpu").precision == expected


def test_an_older_torch_that_cannot_tell_means_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert runtime("cpu").precision == "fp32"


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_features_are_computed_in_the_precision(precision: str, dtype: torch.dtype) -> None:
    chosen = Runtime(torch.device("cpu"), precision)  # type: ignore[arg-type]
    with chosen.autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype
    assert str(chosen) == f"cpu, {precision}"
