"""How published methods are scored: one entry a protocol, each a combination of named rules."""

from dataclasses import dataclass

from episodes.episode import ScoreAt
from episodes.geometry import Geometry
from episodes.metrics import Absent, Vanished
from episodes.sampler import Drawing


@dataclass(frozen=True)
class Protocol:
    """Every choice that moves a few-shot segmentation score.

    Attributes:
        name: As given to `srpnet eval --protocol`.
        episodes: How many are scored.
        drawing: How they are drawn, see `Sampler`.
        geometry: Size and shape of the photographs for the network.
        score_at: Where label maps are compared: at the network's `input` size or at the `original` size.
        vanished: False positives of a class that the query's truth lost, see `Score`.
        absent: A class that no episode drew, see `Score`.
    """

    name: str
    episodes: int
    drawing: Drawing
    geometry: Geometry
    score_at: ScoreAt
    vanished: Vanished
    absent: Absent


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        # Min et al., "Hypercorrelation Squeeze for Few-Shot Segmentation" (HSNet), ICCV 2021: the val (image, class)
        # pairs in list order, cycled; supports are other val pairs of the class; photographs and labels stretched to
        # 400 x 400 and compared there; label 255 ignored.
        Protocol("hsnet", 1000, "list", Geometry(400, "stretch"), "input", "count", "zero"),
    )
}
