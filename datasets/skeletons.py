"""Skeletons: a body's keypoints, the bones to draw, and the pairs that a mirror image swaps.

First the class and the functions that make skeletons, then the built-in skeletons and their
registry, then the mirroring of frames and keypoints.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from datasets.errors import require_known


@dataclass(frozen=True)
class Skeleton:
    """The keypoints of a body.

    Attributes:
        name: Public name, stored with every data set.
        keypoints: Name of each keypoint, in storage order.
        bones: Pairs of keypoint indices joined by a line when drawn.
        flip_pairs: Pairs of keypoint indices that a horizontal flip of the image exchanges.
        centre: Name of the joint between the shoulders, from which networks on joints measure how
            far the others are; empty where the skeleton has none.
    """

    name: str
    keypoints: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]
    flip_pairs: tuple[tuple[int, int], ...] = ()
    centre: str = ""

    def __post_init__(self) -> None:
        """Raises a ValueError when a bone, a flip pair or the centre is no keypoint."""
        for pair in (*self.bones, *self.flip_pairs):
            if any(not 0 <= point < len(self.keypoints) for point in pair):
                raise ValueError(
                    f"skeleton {self.name!r} has keypoints 0 to {len(self.keypoints) - 1}, but "
                    f"joins {pair}"
                )
        if self.centre and self.centre not in self.keypoints:
            raise ValueError(f"skeleton {self.name!r} has no keypoint {self.centre!r}, its centre")

    def __len__(self) -> int:
        """Number of keypoints."""
        return len(self.keypoints)

    @property
    def mirrored(self) -> list[int]:
        """For each keypoint of a mirror image, the index of that keypoint in the original."""
        order = list(range(len(self)))
        for a, b in self.flip_pairs:
            order[a], order[b] = b, a
        return order

    @classmethod
    def from_names(
        cls, name: str, bones: list[tuple[str, ...]], flip_pairs: list[tuple[str, str]]
    ) -> Skeleton:
        """Makes a skeleton from chains of keypoint names, in order of first appearance."""
        keypoints = tuple(dict.fromkeys(point for chain in bones for point in chain))
        index = {point: i for i, point in enumerate(keypoints)}
        return cls(
            name,
            keypoints,
            tuple((index[a], index[b]) for chain in bones for a, b in itertools.pairwise(chain)),
            tuple((index[a], index[b]) for a, b in flip_pairs),
        )

    @classmethod
    def from_body(
        cls,
        name: str,
        keypoints: tuple[str, ...],
        bones: list[tuple[str, ...]],
        centre: str = "",
    ) -> Skeleton:
        """Makes a skeleton with a given storage order; `left_x` and `right_x` are flip pairs."""
        index = {point: i for i, point in enumerate(keypoints)}
        lefts = [point.removeprefix("left_") for point in keypoints if point.startswith("left_")]
        return cls(
            name,
            keypoints,
            tuple((index[a], index[b]) for chain in bones for a, b in itertools.pairwise(chain)),
            tuple((index[f"left_{part}"], index[f"right_{part}"]) for part in lefts),
            centre,
        )


# The mirror image of an arm shows the same arm: only the two fingers swap.
PANDA = Skeleton.from_names(
    "panda",
    bones=[
        ("base", *(f"joint{i}" for i in range(1, 8)), "hand", "left_finger"),
        ("hand", "right_finger"),
    ],
    flip_pairs=[("left_finger", "right_finger")],
)

# The mirror image of a player is a player: every left part swaps with its right part.
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

# Recordings without poses use this skeleton, which has no keypoints.
NO_SKELETON = Skeleton("none", (), ())


def _limbs(*chains: tuple[str, ...], roots: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Chains of parts on both sides, from a root in the middle."""
    return [
        tuple(part if part in roots else f"{side}_{part}" for part in chain)
        for chain in chains
        for side in ("left", "right")
    ]


_ARM, _LEG = ("shoulder", "elbow", "wrist", "hand"), ("hip", "knee", "ankle", "foot")
# The 25 joints of the Kinect v2, in the order of NTU RGB+D.
NTU25 = Skeleton.from_body(
    "ntu25",
    (
        *("base_spine", "mid_spine", "neck", "head"),
        *(f"left_{part}" for part in ("shoulder", "elbow", "wrist", "hand")),
        *(f"right_{part}" for part in ("shoulder", "elbow", "wrist", "hand")),
        *(f"left_{part}" for part in ("hip", "knee", "ankle", "foot")),
        *(f"right_{part}" for part in ("hip", "knee", "ankle", "foot")),
        "spine",
        *("left_hand_tip", "left_thumb", "right_hand_tip", "right_thumb"),
    ),
    bones=[
        ("base_spine", "mid_spine", "spine", "neck", "head"),
        *_limbs(
            ("spine", "shoulder", "elbow", "wrist", "hand", "hand_tip"),
            ("wrist", "thumb"),
            ("base_spine", "hip", "knee", "ankle", "foot"),
            roots=("spine", "base_spine"),
        ),
    ],
    centre="spine",
)

# The 20 joints of the Kinect v1, in the order of N-UCLA, by the names of NTU25.
NUCLA20 = Skeleton.from_body(
    "nucla20",
    (
        *("base_spine", "mid_spine", "spine", "head"),
        *(f"{side}_{part}" for side in ("left", "right") for part in _ARM),
        *(f"{side}_{part}" for side in ("left", "right") for part in _LEG),
    ),
    bones=[
        ("base_spine", "mid_spine", "spine", "head"),
        *_limbs(("spine", *_ARM), ("base_spine", *_LEG), roots=("spine", "base_spine")),
    ],
    centre="spine",
)

# The 13 joints of LCR-Net, in the order of Toyota-Smarthome.
SMARTHOME13 = Skeleton.from_body(
    "smarthome13",
    (
        *(
            f"{side}_{part}"
            for part in ("ankle", "knee", "hip", "wrist", "elbow", "shoulder")
            for side in ("right", "left")
        ),
        "head",
    ),
    bones=_limbs(
        ("head", "shoulder", "elbow", "wrist"),
        ("shoulder", "hip", "knee", "ankle"),
        roots=("head",),
    ),
)

# The same joints for networks on joints in space, in the order of VPN++, from head to feet. The
# middle of the shoulders (spine) and that of the hips (base_spine) follow. VPN++ names no centre:
# the middle of the shoulders is where the other skeletons have theirs.
SMARTHOME15 = Skeleton.from_body(
    "smarthome15",
    (*reversed(SMARTHOME13.keypoints), "spine", "base_spine"),
    bones=[
        ("head", "spine", "base_spine"),
        *_limbs(
            ("spine", "shoulder", "elbow", "wrist"),
            ("base_spine", "hip", "knee", "ankle"),
            roots=("spine", "base_spine"),
        ),
    ],
    centre="spine",
)

# OpenPose's COCO model: COCO's 17 keypoints and the neck.
COCO18 = Skeleton.from_body(
    "coco18",
    (
        *("nose", "neck"),
        *(f"right_{part}" for part in ("shoulder", "elbow", "wrist")),
        *(f"left_{part}" for part in ("shoulder", "elbow", "wrist")),
        *(f"right_{part}" for part in ("hip", "knee", "ankle")),
        *(f"left_{part}" for part in ("hip", "knee", "ankle")),
        *("right_eye", "left_eye", "right_ear", "left_ear"),
    ),
    bones=[
        ("neck", "nose"),
        *_limbs(
            ("nose", "eye", "ear"),
            ("neck", "shoulder", "elbow", "wrist"),
            ("neck", "hip", "knee", "ankle"),
            roots=("nose", "neck"),
        ),
    ],
    centre="neck",
)

SKELETONS = {
    skeleton.name: skeleton
    for skeleton in (
        *(PANDA, PLAYER, NO_SKELETON),
        *(NTU25, SMARTHOME13, COCO18, NUCLA20, SMARTHOME15),
    )
}
# These skeletons ship with the project, so data sets need not store their definition.
BUILT_IN = frozenset(SKELETONS)


def add_skeleton(skeleton: Skeleton) -> Skeleton:
    """Registers your own skeleton under its name; data sets that use it store its definition.

    Raises:
        ValueError: When a different skeleton already has that name.
    """
    if SKELETONS.setdefault(skeleton.name, skeleton) != skeleton:
        raise ValueError(
            f"there is another skeleton {skeleton.name!r}, with other keypoints, bones or flip "
            "pairs: give yours another name"
        )
    return skeleton


def get_skeleton(name: str) -> Skeleton:
    """Looks up a skeleton by its public name.

    Raises:
        KeyError: For an unknown name; the message names the nearest one.
    """
    require_known("skeleton", name, SKELETONS, KeyError)
    return SKELETONS[name]


def mirror(
    frames: UInt8[np.ndarray, "time height width 3"],
    keypoints: Float[np.ndarray, "time *persons keypoints 2"],
    skeleton: Skeleton,
) -> tuple[
    UInt8[np.ndarray, "time height width 3"], Float[np.ndarray, "time *persons keypoints 2"]
]:
    """Mirrors frames left to right.

    Args:
        frames: RGB.
        keypoints: Pixels of `frames`, x right, y down.
        skeleton: The skeleton of the keypoints. Reorder other arrays that are stored for each
            keypoint, such as its visibility, by `skeleton.mirrored`.
    """
    flipped = keypoints[..., skeleton.mirrored, :].copy()
    # Pixel edges lie at whole numbers, so x maps to width - x, without a half pixel.
    flipped[..., 0] = frames.shape[2] - flipped[..., 0]
    return np.ascontiguousarray(frames[:, :, ::-1]), flipped


def mirror_joints(
    joints: Float[np.ndarray, "*batch joints 3"], skeleton: Skeleton
) -> Float[np.ndarray, "*batch joints 3"]:
    """Mirrors joints in space as a camera's picture is mirrored: negates x, swaps left and right.

    Args:
        joints: x to the right as the camera sees it.
        skeleton: The skeleton of the joints.
    """
    return joints[..., skeleton.mirrored, :] * np.array([-1, 1, 1], joints.dtype)
