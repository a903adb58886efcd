"""ViT-B/16 without its classifier, for photographs of any size, and torchvision's ImageNet weights for it."""

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
import torchvision
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.vision_transformer import VisionTransformer

from episodes.errors import InputError
from episodes.files import atomic_write
from srpnet.nn.fetching import StateDict, download, read_tensors
from srpnet.nn.weight_sets import cached_file
from srpnet.nn.weights import Weights, content_hash

# Shapes: B images, H x W pixels; h x w patches, n = 1 + h * w tokens, D channels.

PATCH = 16
"""Pixels of a patch's side."""
NAME = "torchvision-vit-b16"
FILE_DIGEST = "c867db91"
"""First digits of the SHA-256 of torchvision's file."""
DROPPED = "heads."
"""Names of the classifier."""


class PatchTransformer(nn.Module):
    """A vision transformer (Dosovitskiy et al., ICLR 2021) that gives its patch tokens as a feature map.

    Parameters carry torchvision's names. The position embedding is not trained; for other sizes than the one that it
    was learned at it is resized bicubically.

    Args:
        depth: Blocks.
        heads: Attention heads of each.
        head_width: Channels of a head; a token has heads * head_width.
        grid: Patches along a side, at which the position embedding was learned.
        seed: Draws the first weights. The global random state is neither read nor moved.
    """

    def __init__(self, depth: int = 12, heads: int = 12, head_width: int = 64, grid: int = 14, seed: int = 0) -> None:
        super().__init__()
        self.width, self.grid = heads * head_width, grid
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            whole = VisionTransformer(grid * PATCH, PATCH, depth, heads, self.width, 4 * self.width)
        self.class_token, self.conv_proj, self.encoder = whole.class_token, whole.conv_proj, whole.encoder
        self.encoder.pos_embedding.requires_grad_(False)

    @property
    def blocks(self) -> list[nn.Module]:
        """The transformer's blocks, in order: tokens (B, n, D) -> tokens."""
        return list(self.encoder.layers.children())

    def embed(self, images_B3HW: Tensor) -> Tensor:
        """Normalised images -> the tokens (B, n, D) that go into the first block, the class token first.

        Sides that are no multiple of a patch are padded with 0 on the right and at the bottom.
        """
        height, width = images_B3HW.shape[-2:]
        padded = F.pad(images_B3HW, (0, -width % PATCH, 0, -height % PATCH))
        patches_BDhw = self.conv_proj(padded)
        tokens_BnD = torch.cat(
            [self.class_token.expand(len(patches_BDhw), -1, -1), patches_BDhw.flatten(2).mT.to(self.class_token.dtype)],
            1,
        )
        return tokens_BnD + self.positions(patches_BDhw.shape[-2:])

    def positions(self, size: Sequence[int]) -> Tensor:
        """The position embedding of h x w patches and the class token: (1, n, D)."""
        embedding_1nD = self.encoder.pos_embedding
        if tuple(size) == (self.grid, self.grid):
            return embedding_1nD
        learned_1Dgg = embedding_1nD[:, 1:].mT.unflatten(2, (self.grid, self.grid))
        resized_1Dhw = F.interpolate(learned_1Dgg, tuple(size), mode="bicubic", align_corners=False)
        return torch.cat([embedding_1nD[:, :1], resized_1Dhw.flatten(2).mT], 1)

    def feature_map(self, tokens_BnD: Tensor, size: Sequence[int]) -> Tensor:
        """Tokens -> their patches as a map (B, D, h, w), for images of H x W pixels."""
        height, width = (math.ceil(side / PATCH) for side in size)
        return tokens_BnD[:, 1:].mT.unflatten(2, (height, width))


def vit_weights(file: Path | None = None, sha256: str | None = None) -> tuple[Weights, StateDict]:
    """ImageNet weights of ViT-B/16 from a file, else from the cache, else torchvision's download, which is kept.

    Args:
        file: `.safetensors`, `.pth` or `.pt` with torchvision's names.
        sha256: The `content_hash` that they must have.

    Raises:
        InputError: if they cannot be had, or are others.
    """
    cached = cached_file(NAME)
    if file is not None:
        state = read_tensors(file)[0]
    elif cached.exists():
        state = read_tensors(cached)[0]
    else:
        cached.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetching-", dir=cached.parent) as folder:
            url: str = torchvision.models.ViT_B_16_Weights.IMAGENET1K_V1.url
            try:
                state = read_tensors(download(url, FILE_DIGEST, Path(folder)))[0]
            except InputError as error:
                raise InputError(
                    f"torchvision's ViT-B/16 could not be fetched ({error}): connect to the internet, or name a file "
                    "that holds it as `weights_file`"
                ) from None
    state = {name: value for name, value in state.items() if not name.startswith(DROPPED)}
    found = Weights(NAME, "v1.5", content_hash(state))
    if sha256 not in (None, found.sha256):
        raise InputError(f"weights {NAME} have hash {found.sha256[:12]}, not the {str(sha256)[:12]} asked for")
    if not cached.exists() or file is not None:
        cached.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(cached) as temporary:
            temporary.write_bytes(save(state))
    return found, state


def load_vit(transformer: PatchTransformer, state: StateDict) -> None:
    """Put weights into a transformer, strictly.

    Raises:
        InputError: a tensor is missing, unexpected or of another shape.
    """
    try:
        transformer.load_state_dict({name: value for name, value in state.items() if not name.startswith(DROPPED)})
    except RuntimeError as error:
        raise InputError(f"the weights do not fit ViT-B/16: {str(error).splitlines()[-1].strip()}") from None
