"""Lens distortion in OpenCV's two models, and its inverse."""

from __future__ import annotations

from collections.abc import Mapping
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
# The inverse repeats its correction for the tangential part, which is small, until it converges.
_STEPS = 20
# A point that the lens shows farther than this from where it should, in focal lengths, is none that
# it shows there.
_MISSED = 1e-5
# Radii up to 89 degrees, in focal lengths, even in angle: between two, a straight line is within
# 1e-6 of what lenses do.
_RADII = np.tan(np.linspace(0, np.radians(89), 20_001))


@dataclass(frozen=True)
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
        """Raises a FormatError when the model has other coefficients."""
        counts = _COUNTS[self.name]
        if len(self.coefficients) not in counts:
            raise FormatError(
                f"a lens of {self.name} has {' or '.join(map(str, counts))} coefficients, got "
                f"{len(self.coefficients)}."
            )
        if not np.isfinite(self.coefficients).all():
            raise FormatError(f"a lens has finite coefficients, got {self.coefficients}.")
        if self.name == "fisheye" and not self.coefficients:
            object.__setattr__(self, "coefficients", (0.0,) * 4)

    @property
    def is_straight(self) -> bool:
        """Whether it shows all points where a pinhole does; without coefficients, fisheyes bend."""
        return self.name == "plumb_bob" and not any(self.coefficients)

    def __str__(self) -> str:
        """Its model and coefficients."""
        return " ".join([self.name, *(f"{number:g}" for number in self.coefficients)])

    def bend(self, points: Float[np.ndarray, "*batch 2"]) -> Float[np.ndarray, "*batch 2"]:
        """Where the lens shows points at depth 1.

        Points beyond the angle at which the model turns back inwards become NaN: no camera shows
        them, and the polynomial would put them inside the picture.
        """
        if self.is_straight:
            return points
        radius = np.linalg.norm(points, axis=-1, keepdims=True)
        bent = points * self._ratio(radius)
        if self.name == "plumb_bob":
            bent = bent + self._tangential(points, radius**2)
        return np.where(radius <= self._last_radius, bent, np.nan)

    def straighten(self, bent: Float[np.ndarray, "*batch 2"]) -> Float[np.ndarray, "*batch 2"]:
        """The points at depth 1 that the lens shows at `bent`; the inverse of `bend`.

        Where the model shows nothing, beyond the farthest point that it reaches, they are NaN.
        """
        points = np.array(bent, np.float64)
        if self.is_straight:
            return points
        target = points
        for _ in range(_STEPS if self.name == "plumb_bob" else 1):
            points = target * self._inverse_ratio(np.linalg.norm(target, axis=-1, keepdims=True))
            if self.name == "plumb_bob":
                square = np.square(points).sum(axis=-1, keepdims=True)
                target = bent - self._tangential(points, square)
        missed = np.linalg.norm(self.bend(points) - bent, axis=-1, keepdims=True)
        return np.where(missed < _MISSED, points, np.nan)

    def _inverse_ratio(self, bent: Float[np.ndarray, "*batch 1"]) -> Float[np.ndarray, "*batch 1"]:
        """How much farther from the middle a point is than where the lens shows it.

        Beyond the farthest point that the lens shows, it is that of this point: corrections may
        step over it on their way.
        """
        radii = _RADII[: np.searchsorted(_RADII, self._last_radius, side="right")]
        shown = radii * self._ratio(radii[:, None])[:, 0]
        radius = np.interp(bent, shown, radii)
        return np.divide(radius, bent, out=np.ones_like(radius), where=bent > 0)

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


def distorting(lenses: Mapping[str, Lens]) -> dict[str, Lens]:
    """The lenses that distort, by view."""
    return {view: lens for view, lens in lenses.items() if not lens.is_straight}
