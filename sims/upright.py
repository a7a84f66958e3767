"""Are pictures upright? They are held against the pixels that show the body.

Where the body comes or goes between two time steps, the picture of a camera that stands still must
change. Of a camera that moves with the body, everything changes; there, and where nothing moves,
colours must change along the outline of the body. Pictures for which this holds better when
they are turned over are wrong. Where the body is not seen, or looks the same when it is turned
over, nothing can be said.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, UInt8
from scipy.ndimage import maximum_filter, minimum_filter

from datasets.kinematics.silhouette import outline
from datasets.storage.episode_file import EGO

Mask = Bool[np.ndarray, "height width"]

# How a picture can be turned: steps through its rows and its columns.
TURNED = {"upside down": (-1, 1), "mirrored": (1, -1), "turned by 180 degrees": (-1, -1)}
# A turned picture must fit this much better. In Lift and Pick at 112 pixels, upright pictures
# fit by 0.99 and more, and turned ones by 0.46 and less, except for a hand that looks the same when
# it is mirrored.
CLEARLY = 0.25
# Colours that differ by fewer levels of 256 may be shades of one surface.
CONTRAST = 8
# From fewer pixels nothing is concluded.
FEWEST = 30


class Sightings:
    """Pictures of an episode, with the pixels that show the body."""

    def __init__(self) -> None:
        """Begins without any."""
        self._images: dict[str, list[UInt8[np.ndarray, "height width 3"]]] = defaultdict(list)
        self._masks: dict[str, list[Mask]] = defaultdict(list)

    def add(
        self, images: Mapping[str, UInt8[np.ndarray, "height width 3"]], masks: Mapping[str, Mask]
    ) -> None:
        """Keeps a copy of one time step."""
        for view, image in images.items():
            self._images[view].append(image.copy())
            self._masks[view].append(masks[view].copy())

    def fault(self, view: str) -> str | None:
        """The fault of the pictures of a view; None when there is none, or none can be named."""
        found, expected = self._moved(view) if view != EGO else ([], [])
        if sum(map(np.sum, expected)) < FEWEST:
            found, expected = self._edges(view)
        if sum(map(np.sum, expected)) < FEWEST:
            return None
        upright = _fit(found, expected, (1, 1))
        fits = {how: _fit(found, expected, steps) for how, steps in TURNED.items()}
        best = max(fits, key=lambda how: fits[how])
        if fits[best] - upright < CLEARLY:
            return None
        return (
            f"the pictures of {view} are {best}: they fit {upright:.0%} of the body's pixels as "
            f"they are, and {fits[best]:.0%} when they are {best}; their first row is the top"
        )

    def _moved(self, view: str) -> tuple[list[Mask], list[Mask]]:
        """Where pictures differ from the first one, and where the body does."""
        (first, *images), (body, *masks) = self._images[view], self._masks[view]
        return [(image != first).any(-1) for image in images], [mask ^ body for mask in masks]

    def _edges(self, view: str) -> tuple[list[Mask], list[Mask]]:
        """Where pictures have edges, and where the body has its outline."""
        images, masks = self._images[view], self._masks[view]
        return list(map(_contrasts, images)), list(map(outline, masks))


def _contrasts(image: UInt8[np.ndarray, "height width 3"]) -> Mask:
    """Where a pixel or one beside it has another colour."""
    around = (3, 3, 1)
    span = maximum_filter(image, around).astype(int) - minimum_filter(image, around)
    return (span >= CONTRAST).any(-1)


def _fit(found: Sequence[Mask], expected: Sequence[Mask], steps: tuple[int, int]) -> float:
    """The share of the expected pixels that are found in turned pictures."""
    rows, columns = steps
    pairs = zip(found, expected, strict=True)
    fitting = sum(int((mask[::rows, ::columns] & body).sum()) for mask, body in pairs)
    return fitting / sum(int(body.sum()) for body in expected)
