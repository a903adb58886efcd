"""What was shown is saved and loaded bit for bit, for one network alone; a stranger's file is checked."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from episodes.errors import InputError
from srpnet.apps.segmenter import Segmenter
from srpnet.fewshot.network import SRPNet
from srpnet.fewshot.support_set import ABOUT, SupportSet
from srpnet.nn.weights import content_hash

RANDOM = np.random.default_rng(0)
PHOTOGRAPHS = RANDOM.integers(0, 256, (3, 48, 64, 3), dtype=np.uint8)
MASKS = np.zeros((2, 48, 64), dtype=np.uint8)
MASKS[0, 10:30, 10:40], MASKS[1, 20:40, 30:60] = 1, 2


def segmenter(network: SRPNet) -> Segmenter:
    return Segmenter(network, size=64, device="cpu", precision="fp32", closer="none", refine="none")


@pytest.fixture
def network(tiny: Callable[..., Any]) -> SRPNet:
    return SRPNet(tiny(present_above=0.3)).eval()


@pytest.fixture
def shown(network: SRPNet) -> Segmenter:
    """Two classes, an example each."""
    made = segmenter(network)
    made.set_support(PHOTOGRAPHS[:2], MASKS, 2, ("cup", "plate"))
    return made


@pytest.fixture
def file(shown: Segmenter, tmp_path: Path) -> Path:
    shown.supports.save(tmp_path / "cups.safetensors")
    return tmp_path / "cups.safetensors"


def changed(file: Path, tensors: dict[str, Any] | None = None, **about: Any) -> Path:
    """The file with other content."""
    from safetensors import safe_open

    with safe_open(file, "pt") as saved:
        head = json.loads(saved.metadata()["about"]) | about
    content = load_file(file) | (tensors or {})
    save_file(
        {name: value for name, value in content.items() if value is not None},
        file,
        {"about": json.dumps({name: value for name, value in head.items() if value is not None})},
    )
    return file


def test_it_knows_what_was_shown_and_to_whom(shown: Segmenter, network: SRPNet) -> None:
    supports = shown.supports
    assert supports.names == ("cup", "plate")
    assert supports.size == 64
    assert supports.fingerprint == shown.fingerprint
    assert supports.network_sha256 == content_hash(network.state_dict())
    assert supports.prototypes_PC.shape == (3, network.channels)
    assert supports.examples_ND is not None
    assert supports.examples_ND.shape == (2, network.backbone.channels[-1])


def test_what_is_loaded_is_what_was_saved(shown: Segmenter, file: Path) -> None:
    before, loaded = shown.supports, SupportSet.load(file, shown.predictor)
    assert file.stat().st_size < 1_000_000
    assert all(getattr(before, name) == getattr(loaded, name) for name in ABOUT)
    assert torch.equal(before.prototypes_PC, loaded.prototypes_PC)
    assert before.examples_ND is not None
    assert loaded.examples_ND is not None
    assert torch.equal(before.examples_ND, loaded.examples_ND)


def test_another_session_finds_the_same(shown: Segmenter, file: Path, network: SRPNet, tmp_path: Path) -> None:
    later = Segmenter(copy.deepcopy(network), size=96, device="cpu", precision="fp32", closer="none", refine="none")
    later.load_supports(file)
    assert later.size == 64
    assert later.fingerprint == shown.fingerprint
    assert later.support_checks == ()
    photograph = PHOTOGRAPHS[2]
    assert np.array_equal(later.probabilities(photograph), shown.probabilities(photograph))
    assert np.array_equal(later.presence(photograph), shown.presence(photograph))
    later.supports.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == file.read_bytes()


@pytest.fixture
def fitted(network: SRPNet) -> Segmenter:
    """A class of three examples, to which a head is fitted: prototypes of such a network find little."""
    made = segmenter(network)
    made.set_support(PHOTOGRAPHS[[0, 1, 0]], np.minimum(MASKS[[0, 1, 0]], 1))
    return made


def test_a_fitted_head_is_saved_and_loaded(fitted: Segmenter, network: SRPNet, tmp_path: Path) -> None:
    head = fitted.supports.head
    assert head is not None
    assert 0 < head.share == fitted.fitted_share <= 1
    fitted.supports.save(tmp_path / "cup.safetensors")
    assert (tmp_path / "cup.safetensors").stat().st_size < 1_000_000
    later = segmenter(copy.deepcopy(network))
    later.load_supports(tmp_path / "cup.safetensors")
    again = later.supports.head
    assert again is not None
    assert torch.equal(again.weights_ND, head.weights_ND)
    assert again.share == head.share
    assert np.array_equal(later.probabilities(PHOTOGRAPHS[2]), fitted.probabilities(PHOTOGRAPHS[2]))


def test_without_a_head_examples_are_what_they_were(fitted: Segmenter, network: SRPNet, tmp_path: Path) -> None:
    plain = Segmenter(network, size=64, device="cpu", precision="fp32", fit="none")
    plain.set_support(PHOTOGRAPHS[[0, 1, 0]], np.minimum(MASKS[[0, 1, 0]], 1))
    assert plain.fitted_share == 0
    assert plain.supports.head is None
    assert plain.fingerprint != fitted.fingerprint
    assert torch.equal(plain.supports.prototypes_PC, fitted.supports.prototypes_PC)
    assert not np.array_equal(plain.probabilities(PHOTOGRAPHS[2]), fitted.probabilities(PHOTOGRAPHS[2]))
    plain.supports.save(tmp_path / "cup.safetensors")
    assert not {"head", "head_share"} & set(load_file(tmp_path / "cup.safetensors"))


def test_another_word_for_fit_is_refused(network: SRPNet) -> None:
    with pytest.raises(InputError, match="`fit` must be auto or none, not 'always'"):
        Segmenter(network, fit="always")  # type: ignore[arg-type]


@pytest.mark.parametrize("share", [0.0, 1.5, -0.5])
def test_a_head_of_an_impossible_share_is_refused(fitted: Segmenter, tmp_path: Path, share: float) -> None:
    fitted.supports.save(tmp_path / "cup.safetensors")
    damaged = changed(tmp_path / "cup.safetensors", {"head_share": torch.tensor([share])})
    with pytest.raises(InputError, match=f"the share of its head is {share}"):
        fitted.load_supports(damaged)


def test_another_network_refuses_it(file: Path, tiny: Callable[..., Any]) -> None:
    other = SRPNet(tiny()).eval()
    other.reset_head(1)
    with pytest.raises(InputError, match=r"cups\.safetensors holds examples of another network"):
        segmenter(other).load_supports(file)


def test_what_was_shown_stays_if_a_file_is_refused(shown: Segmenter, tmp_path: Path) -> None:
    before = shown.predict(PHOTOGRAPHS[2])
    with pytest.raises(InputError, match=r"[Nn]o such file"):
        shown.load_supports(tmp_path / "none.safetensors")
    assert np.array_equal(shown.predict(PHOTOGRAPHS[2]), before)
    assert len(shown.support_checks) == 2


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"format": "srpnet supports 2"}, "its format is 'srpnet supports 2'"),
        ({"names": None}, "its header has other fields"),
        ({"more": 1}, "its header has other fields"),
        ({"names": "cup"}, "not a list of 1 to 254 different names"),
        ({"names": []}, "not a list of 1 to 254"),
        ({"names": ["cup", "cup"]}, "not a list of 1 to 254 different names"),
        ({"names": ["cup", "\x1b[31m"]}, r"'\\x1b\[31m' is not a class name"),
        ({"names": ["cup", ""]}, "'' is not a class name"),
        ({"names": ["cup", "a" * 201]}, "is not a class name"),
        ({"names": ["cup", "plate", "fork"]}, r"'(prototypes|examples|afar)' is torch.float32 \("),
        ({"size": 31}, "its size is 31"),
        ({"size": 64.0}, "its size is 64.0"),
        ({"size": 10**30}, "its size is 10"),
        ({"fingerprint": "../../etc"}, "its fingerprint is"),
        ({"network_sha256": 3}, "its network_sha256 is 3"),
        ({"tensors": {"prototypes": None}}, "holds no prototypes"),
        ({"tensors": {"more": torch.ones(1)}}, r"'more' is torch.float32 \(1,\)"),
        ({"tensors": {"prototypes": torch.ones(3, 9)}}, r"'prototypes' is torch.float32 \(3, 9\)"),
        ({"tensors": {"prototypes": torch.ones(3, 8).double()}}, r"'prototypes' is torch.float64 \(3, 8\)"),
        ({"tensors": {"prototypes": torch.full((3, 8), torch.nan)}}, "prototypes holds NaN or infinity"),
        ({"tensors": {"prototypes": torch.ones(3_000_000, 2)}}, "it is too large"),
        ({"tensors": {"shots": torch.ones(2)}}, r"'shots' is torch.float32 \(2,\)"),
        ({"tensors": {"shots": -torch.ones(3)}}, "shots are out of range"),
    ],
)
def test_a_strangers_file_is_checked(shown: Segmenter, file: Path, change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint) as refused:
        SupportSet.load(changed(file, **change), shown.predictor)
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith(str(file))


def test_sets_that_are_joined_are_as_if_shown_together(network: SRPNet) -> None:
    """The class `plate` is new; of `cup` there are two examples, then a third."""
    cups = [(photograph, MASKS[0]) for photograph in PHOTOGRAPHS]
    plates = [(PHOTOGRAPHS[0][::-1].copy(), MASKS[0])]
    one = segmenter(network)
    one.show({"cup": cups[:2]})
    first = one.supports
    one.show({"plate": plates, "cup": cups[2:]})
    joined = first.joined_with(one.supports)
    one.show({"cup": cups, "plate": plates})
    together = one.supports
    assert joined.names == together.names == ("cup", "plate")
    for name in ("prototypes_PC", "examples_ND", "shots_P", "lengths_N"):
        torch.testing.assert_close(getattr(joined, name), getattr(together, name), rtol=1e-4, atol=1e-5)
    assert together.shots_P is not None
    assert together.shots_P.tolist() == [4, 3, 1]
    assert joined.fingerprint not in (first.fingerprint, together.fingerprint)


def test_files_of_earlier_versions_load_but_cannot_be_added_to(shown: Segmenter, file: Path) -> None:
    old = SupportSet.load(changed(file, {"shots": None, "lengths": None}), shown.predictor)
    assert torch.equal(old.prototypes_PC, shown.supports.prototypes_PC)
    with pytest.raises(InputError, match="saved by an earlier version, without their number"):
        old.joined_with(shown.supports)


@pytest.mark.parametrize("content", [b"", b"not a tensor", b"\xff" * 100])
def test_what_is_no_such_file_is_refused(shown: Segmenter, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "junk").write_bytes(content)
    with pytest.raises(InputError, match="junk cannot be read as saved examples"):
        shown.load_supports(tmp_path / "junk")
    with pytest.raises(InputError, match="is a folder, not a file"):
        shown.load_supports(tmp_path)


def test_there_is_a_name_for_each_class(network: SRPNet) -> None:
    with pytest.raises(InputError, match="give a name for each of 2 classes: there are 1"):
        segmenter(network).set_support(PHOTOGRAPHS[:2], MASKS, 2, ["cup"])


def test_a_network_without_a_threshold_saves_nothing_for_presence(tiny: Callable[..., Any], tmp_path: Path) -> None:
    shown = segmenter(SRPNet(tiny()).eval())
    with pytest.raises(InputError, match="no support is set"):
        _ = shown.supports
    shown.set_support(PHOTOGRAPHS[:1], MASKS[:1])
    shown.supports.save(tmp_path / "cup")
    shown.load_supports(tmp_path / "cup")
    assert shown.names == ("object",)
    assert shown.predict(PHOTOGRAPHS[2]).shape == (48, 64)
    with pytest.raises(InputError, match="saved without presence features: give the examples again"):
        shown.presence(PHOTOGRAPHS[2])
