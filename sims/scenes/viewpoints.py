"""Cameras of a scene: given by position and target, or carried by a body."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from datasets.cameras import Camera
from datasets.errors import shortened
from datasets.storage.episode_file import EGO
from sims.errors import OptionError

# A camera that a body carries, in multiples of the workspace's longest side: it stands behind and
# above the body, and looks at a point before it.
BEHIND, ABOVE, AHEAD = 0.3, 0.3, 0.15
# Its vertical field of view in degrees, wide enough for the body and what is before it.
EGO_FOVY = 75.0
UP = np.array([0.0, 0.0, 1.0])
# A message names so many points at most.
LISTED = 5


class Viewpoint(NamedTuple):
    """A camera that stands still.

    Attributes:
        position: In the world, in metres.
        target: The point that it looks at, in the world, in metres; not straight above or below.
        fovy: Vertical field of view in degrees.
    """

    position: tuple[float, float, float]
    target: tuple[float, float, float]
    fovy: float = 45.0

    def camera(self, size: int) -> Camera:
        """This camera with square pictures of `size` pixels.

        Raises:
            OptionError: When there is no such camera; names the viewpoint.
        """
        try:
            position, target = (np.array(point, float) for point in self[:2])
            if (
                not position.shape == target.shape == (3,)
                or not np.isfinite([position, target]).all()
            ):
                raise ValueError("position and target must be three finite numbers each")
            return Camera.look_at(position, target, UP, self.fovy, size, size)
        except (TypeError, ValueError) as error:
            raise OptionError(
                f"{self} is no camera ({error}). Give a list of positions and targets, such as "
                "[((1, 1, 1), (0, 0, 0))]."
            ) from None


def behind(
    body: Float[np.ndarray, "4 4"],
    middle: Float[np.ndarray, 3],
    length: float,
    size: int,
) -> Camera:
    """A first-person camera for a body, which looks outwards over it from behind and above.

    Args:
        body: Transform from the body's frame to the world.
        middle: World point away from which the camera looks; above the body, it looks along +x.
        length: Longest side of the workspace, in metres.
        size: Height and width of the images in pixels.
    """
    place = body[:3, 3]
    outwards = (place - middle) * (1.0, 1.0, 0.0)
    far = np.linalg.norm(outwards)
    # Below a hundredth of the workspace, the direction is that of rounding errors.
    outwards = outwards / far if far > 0.01 * length else np.array([1.0, 0.0, 0.0])
    position = place + length * (ABOVE * UP - BEHIND * outwards)
    return Camera.look_at(position, place + length * AHEAD * outwards, UP, EGO_FOVY, size, size)


def mounted(camera: Camera, body: Float[np.ndarray, "4 4"]) -> Float[np.ndarray, "4 4"]:
    """The transform from a body's frame to a camera's, for a camera that the body carries."""
    return camera.world_to_camera @ body


def require_in_view(
    scene: str,
    names: Sequence[str],
    points: Float[np.ndarray, "keypoints 3"],
    cameras: Mapping[str, Camera],
) -> None:
    """Checks that each keypoint lies in some picture, and that each picture shows one.

    Args:
        scene: The scene, for messages.
        names: Names of the keypoints.
        points: Their positions in the world, in metres.
        cameras: View to camera.

    Raises:
        OptionError: When a keypoint is in no picture, or none is in that of a third-person camera;
            names it.
    """
    shown = {view: camera.contains(camera.project(points)[0]) for view, camera in cameras.items()}
    seen = np.any(list(shown.values()), axis=0)
    if unseen := [name for name, known in zip(names, seen, strict=True) if not known]:
        place = np.round(points[~seen][0], 2).tolist()
        raise OptionError(
            f"no camera of {scene} shows {shortened(unseen, LISTED)} at the start ({unseen[0]} is "
            f"at {place}): turn `third_person` there, enlarge `workspace`, or leave these out of "
            "`points`."
        )
    if blind := [view for view in shown if view != EGO and not shown[view].any()]:
        raise OptionError(
            f"none of the points of {scene} is in the picture of {', '.join(blind)} at the start "
            f"({names[0]} is at {np.round(points[0], 2).tolist()}): turn `third_person` there, or "
            "move `workspace`."
        )
