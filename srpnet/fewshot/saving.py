"""Saving a network as settings and weights, and reading what a stranger may have saved."""

import copy
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import torch
from huggingface_hub import PyTorchModelHubMixin, hf_hub_download
from torch import Tensor, nn

from episodes.errors import InputError
from srpnet.fewshot.compact import compact, expand, is_compact
from srpnet.fewshot.settings import NetworkSettings
from srpnet.nn import weights
from srpnet.nn.backbone import Backbone
from srpnet.nn.saved import CONFIG, WEIGHTS, read_weights, write_trained

MOST_PARAMETERS = 250_000_000
"""Of a network from a file; a ResNet-50 has 25 million."""


class SavedNetwork(nn.Module, PyTorchModelHubMixin):
    """A network with a backbone, in a folder or on Hugging Face: `config.json` and `model.safetensors`."""

    config: NetworkSettings
    backbone: Backbone

    def encode(self, images_B3HW: Tensor) -> Tensor:
        """Images, RGB in [0, 1] -> features (B, C, h, w)."""
        raise NotImplementedError

    def write(self, folder: Path | str, small: bool = False) -> None:
        """Write `config.json` and `model.safetensors`, each atomically.

        Args:
            folder: Made if need be.
            small: Round what was trained, see `srpnet.fewshot.compact`: 2 MB for a head, 14 MB for a fine-tuned
                network.

        Raises:
            InputError: if the folder cannot be written, or the ImageNet weights to start from cannot be had.
        """
        kept = ("reduce.",) if self.config.trained == "head" else ("reduce.", "backbone.")
        state = {name: value.contiguous().cpu() for name, value in self.state_dict().items() if name.startswith(kept)}
        if small:
            state = compact(state, _imagenet_state(self))
        write_trained(Path(folder), asdict(self.config), state)

    def _save_pretrained(self, save_directory: Path) -> None:
        self.write(save_directory)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **options: Any) -> Self:
        """A network that was trained, from a folder or from Hugging Face; the files are not trusted.

        Args:
            pretrained_model_name_or_path: A folder that `write` wrote, or a Hugging Face name.
            options: See `PyTorchModelHubMixin.from_pretrained`; `revision` names a branch, a tag or a commit.

        Raises:
            InputError: if settings or weights are wrong, absurd, NaN or infinite, or do not fit each other.
            OSError: if Hugging Face does not have it, or cannot be reached.
        """
        if (folder := Path(pretrained_model_name_or_path)).is_dir():
            NetworkSettings.read(folder / CONFIG)  # before the mixin opens it
        return super().from_pretrained(pretrained_model_name_or_path, **options)

    @classmethod
    def _from_pretrained(cls, *, model_id: str, map_location: str = "cpu", strict: bool = True, **options: Any) -> Self:
        if not isinstance(options.pop("config", None), NetworkSettings):
            raise InputError(f"{model_id} has no config.json of an SRPNet: name a folder that `srpnet train` wrote")
        folder = Path(model_id)
        described, file = (
            folder / name if folder.is_dir() else Path(hf_hub_download(model_id, name, **options))
            for name in (CONFIG, WEIGHTS)
        )
        config = NetworkSettings.read(described)  # the mixin's own reading skips settings that it does not know
        with torch.device("meta"):  # before any of it is allocated
            _check_room(cls(config))
        state = read_weights(file)
        network = cls(config)
        if config.trained == "head":
            network.load_state_dict(_imagenet_state(network), strict=False)
        elif is_compact(state):
            state = expand(state, _imagenet_state(network))
        try:
            missing, unexpected = network.load_state_dict(state, strict=False)
        except RuntimeError as error:  # a tensor of another shape
            reason = str(error).splitlines()[-1].strip()
            raise InputError(f"{file} does not fit its config.json: {reason}") from None
        if config.trained == "head":
            missing = [name for name in missing if not name.startswith("backbone.")]
            unexpected += [name for name in state if name.startswith("backbone.")]
        if missing or unexpected:
            wrong = f"lacks {missing[0]}" if missing else f"has an unexpected {unexpected[0]}"
            raise InputError(f"{file} does not fit its config.json: it {wrong}")
        _check_values(network, file)
        return network.to(map_location).eval()


def _imagenet_state(network: SavedNetwork) -> dict[str, Tensor]:
    """Name -> value of the ImageNet weights that a network started from, without its head."""
    config = network.config
    _, imagenet = weights.get_weights(config.backbone, sha256=config.backbone_sha256)
    start = copy.deepcopy(network.backbone)
    weights.load_backbone(start, imagenet)
    return {f"backbone.{name}": value.cpu() for name, value in start.state_dict().items()}


def _check_room(network: nn.Module) -> None:
    """`InputError` if a network would be absurdly large."""
    count = sum(parameter.numel() for parameter in network.parameters())
    if count > MOST_PARAMETERS:
        raise InputError(
            f"config.json describes a network of {count:,} parameters, more than {MOST_PARAMETERS:,}: name another"
        )


def _check_values(network: SavedNetwork, file: Path) -> None:
    """`InputError` if a weight or a feature is NaN or infinite: label maps would be wrong without a word."""
    for name, value in network.state_dict().items():
        if not value.isfinite().all():
            raise InputError(f"{file} holds NaN or infinity in {name}: train it again or download another copy")
        if name.endswith("running_var") and (value < 0).any():
            raise InputError(f"{file} holds a negative variance in {name}: train it again or download another copy")
    grey_ramp = torch.linspace(0, 1, 64).expand(1, 3, 64, 64)
    with torch.no_grad():
        if not network.eval().encode(grey_ramp).isfinite().all():
            raise InputError(f"{file} produces infinite features: train it again or download another copy")
