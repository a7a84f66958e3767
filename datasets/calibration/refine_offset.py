"""How late a camera's pictures are, refined by the clicks in them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy  # loads scipy.optimize at its first use, which help texts do not need
from jaxtyping import Float

from datasets.calibration.solve import USUAL, Solved, moved, seen, spread_of
from datasets.kinematics.timing import ClockOffset

# Frames within which two thirds of the offsets lie where motion does not tell them.
_VAGUE = 10.0
# Half the width of a 95 % interval in standard deviations.
_WIDE = 1.96


def refine_offset(
    places: Callable[[float], Float[np.ndarray, "clicks 3"]],
    pixels: Float[np.ndarray, "clicks 2"],
    solved: Solved,
    late: float,
    by_motion: ClockOffset,
) -> ClockOffset:
    """The offset at which clicks fit best, drawn to what motion tells as far as that is certain.

    The camera's pose is solved with it. The interval is that of least squares.

    Args:
        places: Where the clicked links are in the world if the pictures are that many frames late.
        pixels: Where they were clicked.
        solved: The camera that was solved with the offset `late`.
        late: That offset, in frames.
        by_motion: The estimate from the motion in the pictures.
    """
    inside, size = ~solved.outliers, solved.camera.size
    usual = USUAL * max(size) if size is not None else 1.0
    middle = late if by_motion.problem else by_motion.frames
    certain = _VAGUE if by_motion.problem else (by_motion.high - by_motion.low) / (2 * _WIDE)

    def residuals(move: Float[np.ndarray, " 7"]) -> Float[np.ndarray, " numbers"]:
        camera = moved(solved.camera, move[:6])
        off = seen(camera, places(late + move[6])[inside]) - pixels[inside]
        return np.append(off.ravel(), (late + move[6] - middle) / certain * usual)

    result = scipy.optimize.least_squares(
        residuals, np.zeros(7), loss="soft_l1", f_scale=usual, x_scale="jac"
    )
    errors = np.linalg.norm(residuals(result.x)[:-1].reshape(-1, 2), axis=1)
    half, found = _WIDE * spread_of(result, errors, 6), late + float(result.x[6])
    return ClockOffset(found, found - half, found + half)
