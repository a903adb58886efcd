"""Does a photograph show the object at all? What is found in it becomes a risk.

Letters in names: N ways, P = N + 1 classes with background, h w feature size.
"""

from typing import NamedTuple

from srpnet.fewshot.predictor import Prediction


class Finding(NamedTuple):
    """What is found of a class in a photograph.

    Attributes:
        presence: See `Recogniser.presence`.
        area: Share of the photograph, 0 to 1.
        confidence: Mean probability of the class where it is found, 0 to 1; 0 if it is not found.
    """

    presence: float
    area: float
    confidence: float


def findings(prediction: Prediction) -> list[Finding]:
    """What a network found of each class in the first photograph of a prediction that has its presence."""
    assert prediction.presence_BN is not None
    probability_Phw = prediction.logits_BPhw[0].float().softmax(0)
    best_hw = probability_Phw.argmax(0)
    found = []
    for way, presence in enumerate(prediction.presence_BN[0].tolist()):
        where_hw = best_hw == way + 1
        confidence = float(probability_Phw[way + 1][where_hw].mean()) if where_hw.any() else 0.0
        found.append(Finding(presence, float(where_hw.float().mean()), confidence))
    return found
