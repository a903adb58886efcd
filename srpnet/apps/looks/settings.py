"""How photographs are looked at. Nothing here needs torch."""

from dataclasses import KW_ONLY, dataclass
from typing import Literal

from episodes.settings import setting

Closer = Literal["auto", "none"]
Refine = Literal["auto", "none", "grabcut"]


@dataclass(frozen=True)
class LookSettings:
    """What follows the first look of a `Segmenter` at a photograph, and how fine that is."""

    _: KW_ONLY
    closer: Closer = setting(
        "auto",
        "auto: what fills only a part of the photograph is cropped from it at full resolution, and segmented there, "
        "too; none: the whole photograph is looked at, once.",
    )
    refine: Refine = setting(
        "auto",
        "How edges are drawn anew by the photograph's colours. auto: by GrabCut if OpenCV is installed (pip install "
        "'srpnet[edges]'); grabcut: by it in any case; none: as the network has them.",
    )
    fast: bool = setting(False, "Deeper features on a grid half as fine: sooner, for slightly worse masks.")
