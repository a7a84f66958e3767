"""Lens distortion in OpenCV's two models, and its inverse."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

from datasets.errors import FormatError

LensName = Literal["plumb_bob", "fisheye"]
LENSES: tuple[LensName, ...] = get_args(LensName)
# How many coefficients each model may have; missing ones are 0.
_COUNTS = {"plumb_bob": (0, 4, 5, 8), "fisheye": (0, 4)}
# The inverse repeats its correction until it converges, which takes most steps at wide angles.
_STEPS = 60
# Radii between which the image must move outwards, in focal lengths; 20 are 87 degrees.
_RADII = np.linspace(0, 20, 20_001)


@dataclass(frozen=True, eq=False)
class Lens:
    """The distortion of a camera, on points at depth 1.

    `plumb_bob` is Brown's model with k1, k2, p1, p2, k3 and the denominator's k4, k5, k6 (OpenCV,
    "Camera Calibration and 3D Reconstruction", calib3d). `fisheye` is Kannala and Brandt's model
    with k1 to k4 (the same manual, cv::fisheye).

    Attributes:
        name: `plumb_bob` or `fisheye`.
        coefficients: In OpenCV's order.
    """

    name: LensName = "plumb_bob"
    coefficients: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Raises a FormatError when the model does not have so many coefficients."""
        counts = _COUNTS[self.name]
        if len(self.coefficients) not in counts:
            raise FormatError(
                f"a lens of {self.name} has {' or '.join(map(str, counts))} coefficients, got "
                f"{len(self.coefficients)}."
            )

    def bend(self, points: Float[np.ndarray, "*batch 2"]) -> Float[np.ndarray, "*batch 2"]:
        """Where the lens shows points at depth 1.

        Points beyond the angle at which the model turns back inwards become NaN: no camera shows
        them, and the polynomial would put them inside the picture.
        """
        if not any(self.coefficients) and self.name == "plumb_bob":
            return points
        radius = np.linalg.norm(points, axis=-1, keepdims=True)
        bent = points * self._ratio(radius)
        if self.name == "plumb_bob":
            bent = bent + self._tangential(points, radius**2)
        return np.where(radius <= self._last_radius, bent, np.nan)

    def straighten(self, bent: Float[np.ndarray, "*batch 2"]) -> Float[np.ndarray, "*batch 2"]:
        """The points at depth 1 that the lens shows at `bent`; the inverse of `bend`."""
        points = np.array(bent, np.float64)
        if not any(self.coefficients) and self.name == "plumb_bob":
            return points
        for _ in range(_STEPS):
            radius = np.linalg.norm(points, axis=-1, keepdims=True)
            shift = self._tangential(points, radius**2) if self.name == "plumb_bob" else 0.0
            points = (bent - shift) / self._ratio(radius)
        return points

    def _ratio(self, radius: Float[np.ndarray, "*batch 1"]) -> Float[np.ndarray, "*batch 1"]:
        """How much farther from the middle the lens shows a point at a radius."""
        k = np.zeros(8)
        k[: len(self.coefficients)] = self.coefficients
        if self.name == "fisheye":
            angle = np.arctan(radius)
            bent = angle * (1 + sum(k[i] * angle ** (2 * i + 2) for i in range(4)))
            return np.divide(bent, radius, out=np.ones_like(bent), where=radius > 0)
        square = radius**2
        outer = 1 + square * (k[0] + square * (k[1] + square * k[4]))
        return outer / (1 + square * (k[5] + square * (k[6] + square * k[7])))

    def _tangential(
        self, points: Float[np.ndarray, "*batch 2"], square: Float[np.ndarray, "*batch 1"]
    ) -> Float[np.ndarray, "*batch 2"]:
        p = np.array([*self.coefficients, 0, 0, 0, 0])[2:4]
        x, y = points[..., :1], points[..., 1:]
        return np.concatenate(
            [
                2 * p[0] * x * y + p[1] * (square + 2 * x**2),
                p[0] * (square + 2 * y**2) + 2 * p[1] * x * y,
            ],
            axis=-1,
        )

    @cached_property
    def _last_radius(self) -> float:
        radii = _RADII[:, None]
        falling = np.flatnonzero(np.diff((radii * self._ratio(radii))[:, 0]) <= 0)
        return float(_RADII[falling[0]]) if len(falling) else np.inf
