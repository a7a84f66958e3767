"""Third-person cameras of files, in place of a world's own: read, checked, and moved on paths."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from datasets.cameras import Camera
from datasets.storage.episode_file import EGO
from sims.arguments import view_names
from sims.errors import OptionError

if TYPE_CHECKING:
    from datasets.calibration.parts import CameraParts
    from datasets.calibration.path import CameraPath
    from datasets.kinematics.rig import RigCamera
    from sims.rollout import Seen

log = logging.getLogger(__name__)

# Fields of view that lenses have, in degrees, from a telescope's to almost a half-space. A pinhole
# cannot show 180 degrees, and files in wrong units end far beyond either bound.
FIELD_OF_VIEW = (1.0, 170.0)
# Pixels within which all keypoints of a robot lie that is too far away, as in other units.
DOT = 2.0
# The axes of a pixel grid are at right angles to within this share of the focal length.
_SKEW_WITHIN = 1e-6


@dataclass(frozen=True)
class GivenCameras:
    """Cameras for pictures of one size, which stand still or move on paths.

    Attributes:
        digest: Digest of all their numbers. Two rigs with the same digest are equal.
        cameras: View to camera at the start of an episode, in the order of the views.
        paths: View to path, of those that move.
    """

    digest: str
    cameras: Mapping[str, Camera] = field(compare=False)
    paths: Mapping[str, CameraPath] = field(compare=False)

    @classmethod
    def of(cls, found: Mapping[str, CameraParts], size: int) -> GivenCameras:
        """The rig of these cameras; errors as of `read_given`."""
        cameras = {view: _pinhole(parts, view, size) for view, parts in found.items()}
        paths = {view: parts.path for view, parts in found.items() if parts.path is not None}
        digest = hashlib.blake2b(digest_size=8)
        for view, camera in cameras.items():
            digest.update(view.encode())
            digest.update(camera.intrinsics.tobytes() + camera.world_to_camera.tobytes())
        for view, path in paths.items():
            digest.update(view.encode() + path.times.tobytes() + path.poses.tobytes())
        return cls(digest.hexdigest(), cameras, paths)

    def at(self, seconds: float) -> dict[str, Camera]:
        """The cameras at a time since the start of the episode.

        Raises:
            MismatchError: When a path does not reach that far.
        """
        moved = {
            view: replace(self.cameras[view], world_to_camera=path.at(seconds))
            for view, path in self.paths.items()
        }
        return {**self.cameras, **moved}


def moving_rig(given: GivenCameras | None) -> GivenCameras | None:
    """The cameras where some of them move on paths; None where all stand still."""
    return given if given is not None and given.paths else None


def read_given(words: Sequence[str], size: int) -> GivenCameras:
    """Reads the third-person cameras of a world.

    Args:
        words: Files of cameras as `datasets.calibration.reading.read_cameras` takes them. The
            first-person camera of a file is left out: it belongs to the world.
        size: Height and width of the pictures in pixels.

    Raises:
        OptionError: When the views are not view_0, view_1 …, or a world cannot draw such a camera.
        DataError: When a file is missing, or holds a camera that cannot be, or a path that does
            not begin where episodes do.
    """
    from datasets.calibration.reading import read_cameras  # takes a second, and help needs none

    found = read_cameras(words)
    found.pop(EGO, None)
    if not found:
        raise OptionError("--cameras holds no third-person camera; call the first one view_0.")
    wanted = view_names(len(found))[1:]
    if strange := [name for name in found if name not in wanted]:
        free = next(name for name in wanted if name not in found)
        raise OptionError(
            f"--cameras must hold {', '.join(wanted)}, one after another, but has "
            f"{', '.join(found)}. Choose a name for each: --cameras {free}=FILE:{strange[0]}"
        )
    return GivenCameras.of({view: found[view] for view in wanted}, size)


def read_additional(words: Sequence[str], size: int) -> GivenCameras:
    """Reads third-person cameras that are views of their own names, beside those of a world.

    Args:
        words: Each `NAME=FILE`, or what `datasets.calibration.reading.read_cameras` takes besides.
        size: Height and width of the pictures in pixels.

    Raises:
        OptionError: When a view cannot have such a name, or a world cannot draw such a camera.
        DataError: When a file is missing, or holds a camera that cannot be.
    """
    from datasets.calibration.reading import read_cameras  # takes a second, and help needs none

    found = read_cameras(words)
    for name in found:
        if name == EGO or not name.isidentifier():
            raise OptionError(
                f"--camera {name!r} cannot be the name of a third-person view: it must be letters, "
                f"digits and _, and not {EGO}. Name it: --camera front=FILE:{name}"
            )
    return GivenCameras.of(found, size)


def _pinhole(parts: CameraParts, view: str, size: int) -> Camera:
    """A camera of square pictures that every renderer can draw, at the start of an episode."""
    camera = parts.at(0.0).camera(view)
    if camera.link:
        raise OptionError(
            f"{parts.source} moves with {camera.link!r}, and third-person cameras are in the "
            f"world. Leave {view} out, or give its pose or path there."
        )
    if not camera.lens.is_straight:
        raise OptionError(
            f"{parts.source} has a lens with distortion, and simulators draw without it. Leave out "
            '"lens" and "distortion", and undistort the pictures that it is compared with.'
        )
    scaled = _scaled(camera, parts.source, size)
    _require_drawable(scaled.intrinsics, parts.source, size)
    return Camera(scaled.intrinsics, scaled.pose, size, size)


def _scaled(camera: RigCamera, source: str, size: int) -> RigCamera:
    if camera.size is not None and camera.size[0] != camera.size[1]:
        height, width = camera.size
        cut, axis = abs(width - height) / 2, "cx" if width > height else "cy"
        side = min(height, width)
        raise OptionError(
            f"{source} is of pictures of {width} x {height} pixels, and those of episodes are "
            f"square. Cut out their middle: subtract {cut:g} from {axis}, and set "
            f'"size": [{side}, {side}].'
        )
    return camera.of_pictures((size, size), source)


def _require_drawable(intrinsics: np.ndarray, source: str, size: int) -> None:
    (fx, skew, _), (across, fy, _) = intrinsics[:2]
    if max(abs(skew), abs(across)) > _SKEW_WITHIN * fx or intrinsics[2].tolist() != [0, 0, 1]:
        raise OptionError(
            f"{source} has pixels whose sides are not at right angles. Its intrinsics must be "
            "[[fx, 0, cx], [0, fy, cy], [0, 0, 1]]."
        )
    for name, focal in (("horizontal", fx), ("vertical", fy)):
        angle = 2 * np.degrees(np.arctan(size / 2 / focal))
        if not FIELD_OF_VIEW[0] <= angle <= FIELD_OF_VIEW[1]:
            raise OptionError(
                f"{source} has a {name} field of view of {angle:.3g} degrees; it must be from "
                f"{FIELD_OF_VIEW[0]:g} to {FIELD_OF_VIEW[1]:g}. Intrinsics are in pixels of the "
                'pictures of "size": [width, height].'
            )


def warn_of_blind_views(env: Seen, rig: GivenCameras, option: str, first: str) -> None:
    """Warns of each camera of a rig that shows no keypoint of a world as it stands, or only a dot.

    Args:
        env: The world, which looks through the rig.
        rig: The cameras.
        option: The option that names them, for the message.
        first: What has begun: an episode or a demonstration.
    """
    seen, points, cameras = env.visible(), env.keypoints(), env.cameras()
    for view in rig.cameras:
        extent = np.ptp(cameras[view].project(points)[0], axis=0).max()
        if not seen[view].any() or (len(points) > 1 and extent < DOT):
            log.warning(
                "%s of %s sees %s of the robot at the start of the first %s: check its pose, "
                "which is from the world to the camera, in metres.",
                *(view, option, "no more than a dot" if seen[view].any() else "nothing", first),
            )
