"""The parser: croppers, twins, the merge beside a slow reference, and files."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from episodes.errors import InputError
from srpnet.faces.labels import CROPPED, LABELS
from srpnet.faces.parser import FaceParser
from srpnet.faces.saving import load_parser, write
from srpnet.faces.settings import ParserSettings
from srpnet.models import released
from srpnet.nn.crop import sample
from tests.srpnet.faces.conftest import SMALL


def test_shapes_of_every_stage(parser: FaceParser, noise: Callable[..., Tensor]) -> None:
    canvas = noise(2, 3, 96, 96).float()
    with torch.no_grad():
        coarse = parser.segment_coarsely(canvas)
        theta = parser.locate(coarse)
        parts = parser.segment_parts(canvas, theta)
        scores = parser.merge(parts, theta)
        same, again = parser(canvas)
    assert coarse.shape == (2, 9, 32, 32)
    assert theta.shape == (2, 6, 2, 3)
    sides = [33, 33, 25, 25, 33, 41]
    assert [part.shape for part in parts] == [(2, 4 if side == 41 else 2, side, side) for side in sides]
    assert scores.shape == (2, 9, 96, 96)
    assert torch.equal(scores, same)
    assert torch.equal(theta, again)


def test_twins_share_a_network_that_sees_one_of_them_mirrored(parser: FaceParser, noise: Callable[..., Tensor]) -> None:
    """In the mirror the right brow is a left one, at the mirrored place."""
    canvas = noise(1, 3, 96, 96).float()
    centres = torch.tensor([[[60.0, 40], [30, 42], [62, 50], [28, 50], [47, 60], [48, 75]]])
    mirrored = centres.clone()
    mirrored[..., 0] = 95 - centres[..., 0]
    twins = [1, 0, 3, 2]
    with torch.no_grad():
        parts = parser.segment_parts(canvas, parser.crops_around(centres))
        others = parser.segment_parts(canvas.flip(-1), parser.crops_around(mirrored[:, [*twins, 4, 5]]))
    for number, twin in enumerate(twins):
        assert (parts[number] - others[twin].flip(-1)).abs().max() < 1e-4
    direct = parser.parts[0](sample(canvas, parser.crops_around(centres)[:, 0], (33, 33)))
    assert (parts[0] - direct).abs().max() < 1e-4


def test_the_merge_equals_a_slow_one(parser: FaceParser, noise: Callable[..., Tensor]) -> None:
    """Crops at whole pixels: background is what no part claims, each label what its part says."""
    centres = torch.tensor([[[60, 40], [30, 42], [62, 50], [28, 50], [47, 60], [48, 75]]], dtype=torch.float64)
    sides = parser.sides
    parts = [noise(1, len(part.labels) + 1, side, side) for part, side in zip(CROPPED, sides, strict=True)]
    scores = parser.merge(parts, parser.crops_around(centres))[0]
    slow = torch.zeros(LABELS, 96, 96, dtype=torch.float64)
    slow[0] = 1
    for (x, y), side, part, logits in zip(centres[0].int().tolist(), sides, CROPPED, parts, strict=True):
        probabilities = logits[0].exp() / logits[0].exp().sum(0)
        for row in range(side):
            for column in range(side):
                down, across = y - side // 2 + row, x - side // 2 + column
                if 0 <= down < 96 and 0 <= across < 96:
                    slow[0, down, across] *= 1 - (1 - probabilities[0, row, column])
                    for own, label in enumerate(part.labels, start=1):
                        slow[label, down, across] = probabilities[own, row, column]
    assert (scores - slow).abs().max() < 1e-12


def test_a_centroid_is_that_of_the_canvas(parser: FaceParser) -> None:
    """The middle of a coarse pixel lies between those that it stands for."""
    labels = torch.zeros(1, 32, 32, dtype=torch.uint8)
    labels[0, 20, 10:13] = 5
    theta = parser.crops_by_centroid(labels)[0, 4]
    x, y = ((theta[axis, 2] + 1) / 2 * 95 for axis in (0, 1))
    assert (x.item(), y.item()) == pytest.approx((3 * 11 + 1, 3 * 20 + 1), abs=1e-4)
    assert theta[0, 0].item() == pytest.approx(32 / 95)


def test_gradients_of_the_parts_reach_localizer_and_coarse_network(noise: Callable[..., Tensor]) -> None:
    parser = FaceParser(SMALL)
    canvas = noise(2, 3, 96, 96).float()
    theta = parser.locate(parser.segment_coarsely(canvas))
    sum(part.square().mean() for part in parser.segment_parts(canvas, theta)).backward()  # type: ignore[union-attr]
    for network in (parser.coarse, parser.localizer, parser.parts):
        assert network is not None
        assert any(values.grad is not None and values.grad.abs().max() > 0 for values in network.parameters())


@pytest.mark.usefixtures("global_state")
def test_weights_follow_from_the_seed_alone() -> None:
    one, same, other = FaceParser(SMALL, 3), FaceParser(SMALL, 3), FaceParser(SMALL, 4)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not torch.equal(next(one.parameters()), next(other.parameters()))


@pytest.mark.parametrize("small", [False, True])
def test_it_is_written_and_loaded(parser: FaceParser, tmp_path: Path, small: bool) -> None:
    write(parser, tmp_path / "own", small)
    loaded = load_parser(tmp_path / "own")
    assert loaded.config == parser.config
    for name, value in loaded.state_dict().items():
        rounded = parser.state_dict()[name]
        rounded = rounded.half().float() if small and rounded.dim() > 1 else rounded
        assert torch.equal(value, rounded), name
    assert not loaded.training


def test_what_is_no_parser_says_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"nowhere/config.json cannot be read .*name a face parser of `srpnet models`, or a folder"
    ):
        load_parser(tmp_path / "nowhere")
    with pytest.raises(InputError, match="is not a face parser: name a face parser of `srpnet models`, or a folder"):
        load_parser(released()["srpnet-base"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"canvas": 10**9}, "`canvas` must be a whole number from 64 to 4096"),
        ({"crops": [32, 25, 33, 41]}, "`crops` must be 4 odd numbers"),
        ({"crops": "all"}, "`crops` must be whole numbers"),
        ({"input": 40}, "`input` must be a multiple of 16"),
        ({"cropper": "eyes"}, "`cropper` must be localizer or centroid"),
        ({"magic": 1}, "a setting unknown to this version"),
        ({"localizer_width": 8}, "does not fit its config.json"),
    ],
)
def test_a_strange_config_is_refused(
    parser: FaceParser, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    write(parser, tmp_path)
    content = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(content | change))
    with pytest.raises(InputError, match=message):
        load_parser(tmp_path)


def test_impossible_weights_are_refused(parser: FaceParser, tmp_path: Path) -> None:
    write(parser, tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    name = next(name for name in state if name.endswith("running_var"))
    for value in (torch.nan, -1.0):
        save_file(state | {name: torch.full_like(state[name], value)}, tmp_path / "model.safetensors")
        with pytest.raises(InputError, match="holds an impossible value in"):
            load_parser(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(InputError, match="train it again or download another copy"):
        load_parser(tmp_path)


def test_crops_must_fit_on_the_canvas() -> None:
    with pytest.raises(InputError, match="from 9 to below `canvas` \\(96\\)"):
        replace(SMALL, crops=(33, 25, 33, 97))
    assert ParserSettings().crops == (135, 87, 151, 167)
