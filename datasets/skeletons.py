"""Skeletons: which keypoints a body has, the bones to draw, and the pairs a mirror swaps."""

from __future__ import annotations

import difflib
import itertools
from dataclasses import dataclass


@dataclass(frozen=True)
class Skeleton:
    """The keypoints of a body.

    Attributes:
        name: Public name, stored with every data set.
        keypoints: Name of each keypoint, in storage order.
        bones: Pairs of keypoint indices joined by a line when drawn.
        flip_pairs: Pairs of keypoint indices that a horizontal flip of the image exchanges.
    """

    name: str
    keypoints: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]
    flip_pairs: tuple[tuple[int, int], ...] = ()

    def __len__(self) -> int:
        """Number of keypoints."""
        return len(self.keypoints)

    @classmethod
    def from_names(
        cls, name: str, bones: list[tuple[str, ...]], flip_pairs: list[tuple[str, str]]
    ) -> Skeleton:
        """Makes a skeleton from chains of keypoint names; keypoints are in order of appearance."""
        keypoints = tuple(dict.fromkeys(point for chain in bones for point in chain))
        index = {point: i for i, point in enumerate(keypoints)}
        return cls(
            name,
            keypoints,
            tuple((index[a], index[b]) for chain in bones for a, b in itertools.pairwise(chain)),
            tuple((index[a], index[b]) for a, b in flip_pairs),
        )


# A mirrored image of an arm shows the same arm: only the two fingers change places.
PANDA = Skeleton.from_names(
    "panda",
    bones=[
        ("base", *(f"joint{i}" for i in range(1, 8)), "hand", "left_finger"),
        ("hand", "right_finger"),
    ],
    flip_pairs=[("left_finger", "right_finger")],
)

# A mirrored player is a player: all that comes in pairs changes places.
PLAYER = Skeleton.from_names(
    "player",
    bones=[
        ("head", "neck"),
        *(
            chain
            for side in ("left", "right")
            for chain in (
                ("neck", *(f"{side}_{part}" for part in ("shoulder", "elbow", "hand"))),
                ("neck", *(f"{side}_{part}" for part in ("hip", "knee", "foot"))),
            )
        ),
    ],
    flip_pairs=[
        (f"left_{part}", f"right_{part}")
        for part in ("shoulder", "elbow", "hand", "hip", "knee", "foot")
    ],
)

SKELETONS = {skeleton.name: skeleton for skeleton in (PANDA, PLAYER)}


def get_skeleton(name: str) -> Skeleton:
    """Looks up a skeleton by its public name.

    Raises:
        KeyError: For an unknown name; the message names the nearest one.
    """
    if name not in SKELETONS:
        nearest = difflib.get_close_matches(name, SKELETONS, n=1, cutoff=0.0)[0]
        raise KeyError(f"unknown skeleton {name!r}; did you mean {nearest!r}?")
    return SKELETONS[name]
