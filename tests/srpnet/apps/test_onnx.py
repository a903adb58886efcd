"""ONNX beside PyTorch, and the example of the guide."""

import json
import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from episodes.errors import InputError
from srpnet.apps.onnx import export
from srpnet.apps.segmenter import Segmenter
from srpnet.fewshot.network import SRPNet

GUIDE = Path(__file__).parents[3] / "docs" / "onnx.md"
pytestmark = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("onnx", "onnxscript", "onnxruntime")), reason="needs the extra onnx"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exported")


@pytest.fixture
def exported(network: SRPNet, folder: Path) -> Path:
    """The network, exported once for all tests: its weights are drawn by a seed."""
    if not (folder / "about.json").exists():
        export(network, folder)
    return folder


@pytest.mark.parametrize(("size", "classes"), [((33, 40), 2), ((64, 97), 2), ((130, 70), 4)])
def test_it_equals_pytorch_at_every_size(network: SRPNet, exported: Path, size: tuple[int, int], classes: int) -> None:
    import onnxruntime

    image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(1))
    prototypes = torch.rand(classes, network.channels, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        features = network.encode(image)
        logits = network.segment(features, prototypes, iqi=network.config.iqi)
    encoder, scorer = (onnxruntime.InferenceSession(exported / f"{name}.onnx") for name in ("encoder", "scorer"))
    (encoded,) = encoder.run(None, {"image": image.numpy()})
    (scored,) = scorer.run(None, {"features": encoded, "prototypes": prototypes.numpy()})
    assert np.abs(encoded - features.numpy()).max() < 1e-4
    assert np.abs(scored - logits.numpy()).max() < 1e-4


def test_it_says_what_it_is_of(network: SRPNet, exported: Path) -> None:
    about = json.loads((exported / "about.json").read_text())
    assert about["stride"] == network.stride
    assert about["channels"] == network.channels


def test_the_example_of_the_guide(
    network: SRPNet, exported: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In at most 30 lines, without PyTorch or this package, and it finds what `Segmenter` finds."""
    monkeypatch.chdir(tmp_path)
    photographs = []
    for name, left in (("cup.jpg", 8), ("kitchen.jpg", 30)):
        pixels = np.random.default_rng(left).integers(0, 60, (48, 64, 3), dtype=np.uint8)
        pixels[12:36, left : left + 24, 0] += 180
        Image.fromarray(pixels).resize((640, 480)).save(name, quality=95)
        photographs.append(name)
    mask = np.zeros((480, 640), dtype=np.uint8)
    mask[120:360, 80:320] = 1
    segmenter = Segmenter(network, size=417, device="cpu", precision="fp32", fit="none", closer="none", refine="none")
    segmenter.set_support(["cup.jpg"], [mask])
    segmenter.supports.save("cups.srp")
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(code.strip().splitlines()) <= 30
    assert not re.search(r"torch|srpnet\b|episodes", code)
    exec(code.replace('"exported/', f'"{exported.as_posix()}/'), {})
    found, expected = np.asarray(Image.open("kitchen-mask.png")) == 255, segmenter.predict("kitchen.jpg") == 1
    assert expected.any()
    assert (found == expected).mean() > 0.995


def test_without_the_extra(network: SRPNet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("srpnet.apps.onnx.find_spec", lambda name: None)
    with pytest.raises(InputError, match=re.escape("pip install 'srpnet[onnx]'")):
        export(network, tmp_path)
