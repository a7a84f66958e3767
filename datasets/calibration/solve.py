"""A camera from clicks: PnP with RANSAC, then least squares with a robust loss over all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import scipy  # loads scipy.optimize at its first use, which help texts do not need
from jaxtyping import Bool, Float

from datasets.calibration.parts import transform
from datasets.errors import FormatError, MismatchError, MissingDataError, counted, require
from datasets.kinematics.rig import RigCamera
from datasets.lens import Lens

# A pose has 6 numbers and a click gives 2. Below 6 clicks, a wrong one cannot be found.
LEAST_CLICKS = 6
# All lengths are shares of the picture's longer side. People click to about 1 % of it: 2 of 224
# pixels. A click that is 4 % off is 4.5 times as far.
USUAL, _OUTLIER = 0.01, 0.04
# Clicks spread less across than along by this ratio lie on a line: the camera could turn around it.
_LINE = 0.05
# Fields of view of the picture's longer side at which an unknown focal length is looked for.
_FIELDS = np.radians([25, 35, 45, 55, 70, 90])
# Clicks far from the camera hardly tell its focal length, so it is drawn to that of a usual lens,
# 60 degrees, as by one click: by this deviation of the logarithm, two thirds have 42 to 82.
_USUAL_FIELD, _FOCAL_SPREAD = np.radians(60), 0.4
# No lens without distortion shows less or more of the longer side, in degrees.
_LEAST_FIELD, _MOST_FIELD = 5.0, 150.0
_ROUNDS = 2000  # of RANSAC; enough to draw 5 right clicks of which a third is wrong
# Fewer places on the robot than these leave several cameras, however often they are clicked.
LEAST_PLACES = 4
# SQPNP stops at points that are seen in one place: their variance, where the focal length is 1.
_ONE_PLACE = 1e-4
_LEAST_DEPTH = 1e-3  # metres; a point behind the camera counts as just before it
_FAR = 1e4  # pixels, for a point beyond what the lens can show


@dataclass(frozen=True, eq=False)
class Start:
    """The known parts of a camera before it is solved.

    Attributes:
        intrinsics: (3, 3); None where they are unknown.
        lens: Its distortion.
        size: Height and width of its pictures.
    """

    intrinsics: Float[np.ndarray, "3 3"] | None
    lens: Lens
    size: tuple[int, int]

    @property
    def side(self) -> int:
        """The longer side of the pictures."""
        return max(self.size)

    def cameras(self, focal: bool) -> list[RigCamera]:
        """Cameras to begin with: the known one, or several of which one has about the right focal.

        Args:
            focal: Whether the focal length is unknown, and only the principal point and the lens
                are taken over.
        """
        height, width = self.size
        matrix = np.array([[1.0, 0, width / 2], [0, 1, height / 2], [0, 0, 1]])
        matrix = matrix if self.intrinsics is None else self.intrinsics
        lengths = self.side / 2 / np.tan(_FIELDS / 2) if focal else matrix[:1, 0]
        scales = [np.array([[k, k, 1], [k, k, 1], [1, 1, 1]]) for k in lengths / matrix[0, 0]]
        return [RigCamera(matrix * k, np.eye(4), "", self.lens, self.size) for k in scales]


@dataclass(frozen=True, eq=False)
class Solved:
    """A camera and how well the clicks fit it.

    Attributes:
        camera: The camera, in the world.
        errors: Distance of each click from where the camera sees its point, in pixels.
        outliers: Clicks that were left out.
        focal_spread: Standard deviation of the focal length as a share of it; 0 if it was known.
    """

    camera: RigCamera
    errors: Float[np.ndarray, " clicks"]
    outliers: Bool[np.ndarray, " clicks"]
    focal_spread: float = 0.0


def solve_camera(
    name: str,
    points: Float[np.ndarray, "clicks 3"],
    pixels: Float[np.ndarray, "clicks 2"],
    start: Start,
    focal: bool = False,
) -> Solved:
    """The camera that sees points where they were clicked.

    Args:
        name: The view and the lines of its clicks, for messages.
        points: World coordinates in metres.
        pixels: Where they were clicked.
        start: What is known of the camera.
        focal: Whether the focal length is solved as well.

    Raises:
        MissingDataError: When there are too few clicks.
        FormatError: When they lie on one line.
        MismatchError: When they do not fit one camera.
        MissingLibraryError: When OpenCV is not installed.
    """
    _require_enough(name, points, pixels)
    best = _best(name, points, pixels, start, focal)
    inside = best.errors <= _OUTLIER * start.side
    for _ in range(2):  # the second time, clicks that the first camera left out may come back
        if inside.sum() < LEAST_CLICKS:
            raise MismatchError(
                f"{name}: only {inside.sum()} of {len(points)} clicks fit one camera. Check the "
                "links and frames of the clicks, the joints, and the intrinsics."
            )
        _require_spread(name, points[inside], pixels[inside])
        best = _refined(best.camera, points, pixels, start, focal, inside)
        inside = best.errors <= _OUTLIER * start.side
    _require_field(name, best.camera, start)
    return replace(best, outliers=~inside)


def _best(
    name: str,
    points: Float[np.ndarray, "clicks 3"],
    pixels: Float[np.ndarray, "clicks 2"],
    start: Start,
    focal: bool,
) -> Solved:
    """The best of the cameras that PnP proposes, refined by the robust loss."""
    limit, every = _OUTLIER * start.side, np.ones(len(points), bool)

    def misfit(errors: Float[np.ndarray, " clicks"]) -> float:
        return float(np.minimum(errors, limit).sum())

    found = []
    for begun in start.cameras(focal):
        proposals = sorted(
            _proposals(begun, points, pixels, start),
            key=lambda camera: misfit(np.linalg.norm(seen(camera, points) - pixels, axis=1)),
        )
        # Points in one plane have a second pose that is nearly as good, and may look better.
        found += [_refined(camera, points, pixels, start, focal, every) for camera in proposals[:2]]
    if not found:
        raise MismatchError(
            f"{name}: no camera sees the links where they were clicked. Check the links and frames "
            "of the clicks, the joints, the intrinsics, and the lens."
        )
    return min(found, key=lambda solved: misfit(solved.errors))


def _proposals(
    camera: RigCamera,
    points: Float[np.ndarray, "clicks 3"],
    pixels: Float[np.ndarray, "clicks 2"],
    start: Start,
) -> Iterator[RigCamera]:
    """Poses by PnP on all clicks, and on those that RANSAC keeps."""
    cv2 = require("cv2", "robosuite")
    # As seen by a camera with the focal length 1 and no lens, whose errors are shares of it.
    flat = np.ascontiguousarray(camera.rays(pixels)[:, :2])
    if not np.isfinite(flat).all():
        return  # with this focal length, the lens shows nothing where someone clicked
    straight, limit = np.eye(3), _OUTLIER * start.side / camera.intrinsics[0, 0]
    kept = [np.arange(len(points))]
    # Both solve from few clicks: AP3P from 4, EPNP from 5, which suffers less from their errors.
    for way in (cv2.SOLVEPNP_AP3P, cv2.SOLVEPNP_EPNP):
        ok, _, _, inliers = cv2.solvePnPRansac(
            points,
            flat,
            straight,
            None,
            iterationsCount=_ROUNDS,
            reprojectionError=limit,
            flags=way,
        )
        if ok and inliers is not None:
            kept.append(inliers[:, 0])
    for rows in kept:
        if flat[rows].var(axis=0).sum() < _ONE_PLACE:
            continue
        _, turns, shifts, _ = cv2.solvePnPGeneric(
            points[rows], flat[rows], straight, None, flags=cv2.SOLVEPNP_SQPNP
        )
        for turn, shift in zip(turns, shifts, strict=True):
            rotation = scipy.spatial.transform.Rotation.from_rotvec(turn[:, 0]).as_matrix()
            yield replace(camera, pose=transform(rotation, shift[:, 0]))


def _refined(
    camera: RigCamera,
    points: Float[np.ndarray, "clicks 3"],
    pixels: Float[np.ndarray, "clicks 2"],
    start: Start,
    focal: bool,
    inside: Bool[np.ndarray, " clicks"],
) -> Solved:
    """The camera moved so that the clicks inside fit best."""

    def residuals(move: Float[np.ndarray, " numbers"]) -> Float[np.ndarray, " twice"]:
        at = moved(camera, move)
        off = (seen(at, points[inside]) - pixels[inside]).ravel()
        return np.append(off, _unusual(at, start)) if focal else off

    numbers = 7 if focal else 6
    result = scipy.optimize.least_squares(
        residuals, np.zeros(numbers), loss="soft_l1", f_scale=USUAL * start.side, x_scale="jac"
    )
    found = moved(camera, result.x)
    errors = np.linalg.norm(seen(found, points) - pixels, axis=1)
    spread = spread_of(result, errors[inside], 6) if focal else 0.0
    return Solved(found, errors, ~inside, spread)


def moved(camera: RigCamera, move: Float[np.ndarray, " numbers"]) -> RigCamera:
    """A camera turned and shifted in its own frame, and with another focal length if there are 7.

    A small turn has no direction in which its three numbers fail, as those of a whole pose have.
    """
    turned = (
        transform(scipy.spatial.transform.Rotation.from_rotvec(move[:3]).as_matrix(), np.zeros(3))
        @ camera.pose
    )
    turned[:3, 3] = camera.pose[:3, 3] + move[3:6]
    longer = float(np.exp(move[6])) if len(move) == 7 else 1.0
    scale = np.array([[longer, longer, 1], [longer, longer, 1], [1, 1, 1]])
    return replace(camera, pose=turned, intrinsics=camera.intrinsics * scale)


def _unusual(camera: RigCamera, start: Start) -> float:
    """How unusual a focal length is, in pixels as of a click."""
    usual = start.side / 2 / np.tan(_USUAL_FIELD / 2)
    return float(np.log(camera.intrinsics[0, 0] / usual) / _FOCAL_SPREAD * USUAL * start.side)


def seen(camera: RigCamera, points: Float[np.ndarray, "clicks 3"]) -> Float[np.ndarray, "clicks 2"]:
    """Where a camera sees points, finite also behind it, so that least squares find back."""
    local = points @ camera.pose[:3, :3].T + camera.pose[:3, 3]
    flat = local[:, :2] / np.maximum(local[:, 2:], _LEAST_DEPTH)
    pixels = camera.lens.bend(flat) @ camera.intrinsics[:2, :2].T + camera.intrinsics[:2, 2]
    return np.nan_to_num(pixels, nan=_FAR)


def spread_of(
    result: scipy.optimize.OptimizeResult, errors: Float[np.ndarray, " clicks"], number: int
) -> float:
    """The standard deviation of one number that least squares found.

    It is by their covariance, with the error of a coordinate from the residuals.
    """
    numbers = result.jac.shape[1]
    variance = (errors**2).sum() / max(1, 2 * len(errors) - numbers)
    covariance = np.linalg.pinv(result.jac.T @ result.jac) * variance
    return float(np.sqrt(max(0.0, covariance[number, number])))


def _require_enough(
    name: str, points: Float[np.ndarray, "clicks 3"], pixels: Float[np.ndarray, "clicks 2"]
) -> None:
    if len(points) < LEAST_CLICKS:
        raise MissingDataError(
            f"{name}: {len(points)} clicks are too few for a camera. Click at least "
            f"{LEAST_CLICKS}, better 12, on several links in several frames."
        )
    _require_spread(name, points, pixels)
    places = len(np.unique(points.round(4), axis=0))  # to a tenth of a millimetre
    if places < LEAST_PLACES:
        raise MissingDataError(
            f"{name}: {len(points)} clicks are on {counted(places, 'place')} only, and leave "
            "several cameras. Click other links as well, and frames in which the robot stands "
            "elsewhere."
        )


def _require_spread(
    name: str, points: Float[np.ndarray, "clicks 3"], pixels: Float[np.ndarray, "clicks 2"]
) -> None:
    for places, where in ((points, "on the robot"), (pixels, "in the pictures")):
        spread = np.linalg.svd(places - places.mean(0), compute_uv=False)
        if spread[1] <= _LINE * spread[0]:
            raise FormatError(
                f"{name}: the clicks lie on one line {where}, and leave the camera free to turn. "
                "Click links beside it, and frames in which the robot stands elsewhere."
            )


def _require_field(name: str, camera: RigCamera, start: Start) -> None:
    field = np.degrees(2 * np.arctan(start.side / 2 / camera.intrinsics[0, 0]))
    if not _LEAST_FIELD < field < _MOST_FIELD:
        raise MismatchError(
            f"{name}: the clicks do not tell the focal length (it would be "
            f"{camera.intrinsics[0, 0]:.0f} pixels). Click links nearer to the camera and farther "
            "from it, or give the intrinsics: --cameras"
        )
