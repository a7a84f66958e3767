"""Embeddings of moments in motion: a frame's own, and how it changes around that moment.

One frame of a gripper half-way down looks like one half-way up: a single frame's embedding cannot
tell which way things go, a video's can. This goes beyond the paper, and works for any method, since
it needs nothing but the embeddings of a view's frames in order.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

# Chosen on validation episodes of Lift, Can and Minecraft. Times are shares of the episode.
SMOOTHING = 0.02
REACH = 0.15
WEIGHT = 0.5
# In frames: a Gaussian narrower than this touches no neighbour.
_LEAST_SMOOTHING = 0.3


def with_motion(z: Float[Tensor, "time dim"]) -> Float[Tensor, "time two_dim"]:
    """Smoothed embeddings, and beside them the weighted difference from before to after.

    The difference is between the frames `REACH` of the episode later and earlier, or the last and
    the first where there are none.

    Args:
        z: Of a view's frames, as distances are measured between them.
    """
    length = len(z)
    sigma = max(_LEAST_SMOOTHING, SMOOTHING * length)
    smooth = gaussian_filter1d(z.double().cpu().numpy(), sigma, axis=0, mode="nearest")
    reach, frame = max(1, round(REACH * length)), np.arange(length)
    later, earlier = np.minimum(frame + reach, length - 1), np.maximum(frame - reach, 0)
    joined = np.concatenate([smooth, WEIGHT * (smooth[later] - smooth[earlier])], axis=1)
    return torch.from_numpy(joined).to(z.device, z.dtype)
