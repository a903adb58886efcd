"""An example of which only the tag is known: students of DuPL say where its class is, or else what stands out."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from episodes.data.source import IGNORE, Array, same_name
from episodes.errors import InputError

if TYPE_CHECKING:
    from srpnet.weak.students import Students

LEAST = 0.005
"""Of the photograph: a mask that covers less is none."""


@dataclass(frozen=True)
class Tag:
    """A photograph shows the class somewhere; nobody says where.

    If the students know the class, what they segment as it is the object. Else it is whatever they take for no
    background: something that stands out.

    Attributes:
        run: A folder that `srpnet weak train` wrote.
        class_name: What the photograph shows; empty if it has no name.
    """

    run: Path
    class_name: str = ""

    def files(self) -> tuple[Path, ...]:
        """None: a run is a folder."""
        return ()

    @cached_property
    def known(self) -> int | None:
        """The position of the class among those of the students; None if they do not know it."""
        from srpnet.weak.saving import read_config

        names = [same_name(name) for name in read_config(self.run).classes]
        wanted = same_name(self.class_name)
        return names.index(wanted) if wanted in names else None

    @property
    def remark(self) -> str:
        """What the mask is made of."""
        if self.known is None:
            return f"{self.run} does not know {self.class_name or 'the object'}: what stands out is taken for it"
        return f"where {self.run} sees {self.class_name}"

    def check(self, name: str, size: tuple[int, int]) -> None:
        """The run must be one."""
        _ = self.known

    def labels(self, name: str, photograph: Image.Image) -> Array:
        """1 where the object is probable, 0 where it is not, 255 where it is unsure."""
        import torch

        from srpnet.nn.device import runtime
        from srpnet.weak.evaluate import look_at

        students, rgb = _loaded(self.run), np.array(photograph.convert("RGB"))
        tags_C = torch.zeros(len(students.config.classes))
        seen = look_at(students, rgb, tags_C, runtime(), scales=(1.0,))
        probabilities_PSS = seen.probabilities_IBPSS[:, 0].mean(0)
        chosen = 1 - probabilities_PSS[0]
        if self.known is not None:  # the photograph shows it: of other classes nobody speaks
            own = probabilities_PSS[self.known + 1]
            chosen = own / (own + probabilities_PSS[0]).clamp(min=1e-6)
        image = Image.fromarray(chosen.float().cpu().numpy()).resize(photograph.size, Image.Resampling.BILINEAR)
        likely = np.array(image)
        labels = np.where(likely > 0.5, 1, 0).astype(np.uint8)
        labels[np.abs(likely - 0.5) < 0.1] = IGNORE
        if (labels == 1).mean() < LEAST:
            raise InputError(f"{self.run} sees nothing in {name}: give a mask or a box with --support or --box")
        return labels


@lru_cache(maxsize=1)
def _loaded(run: Path) -> "Students":
    from srpnet.nn.device import runtime
    from srpnet.weak.saving import load_students

    return load_students(run).to(runtime().device)
