"""Optical flow inside a network: TV-L1 without warping, for a fixed number of iterations.

Piergiovanni and Ryoo, "Representation Flow for Action Recognition", CVPR 2019, after Zach et al.,
"A Duality Based Approach for Realtime TV-L1 Optical Flow", 2007.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

# As published, with its names in the papers: lambda, tau, theta.
_FIDELITY, _STEP, _TIGHTNESS = 0.15, 0.25, 0.3
FLOW_ITERATIONS = 40
_TINY = 1e-12


@torch.no_grad()
def representation_flow(
    clips: Float[Tensor, "batch 3 frames height width"], iterations: int = FLOW_ITERATIONS
) -> Float[Tensor, "batch 2 frames height width"]:
    """The flow from each frame to the next along x and y; the last frame's is repeated.

    Args:
        clips: RGB in any range, which is stretched to 0 … 255 over the batch.
        iterations: Steps of the solver.
    """
    grey = clips.mean(dim=1)
    low, high = grey.min(), grey.max()
    grey = 255 * (grey - low) / (high - low).clamp_min(_TINY)
    flow = _solve(grey[:, :-1], grey[:, 1:], iterations)
    return torch.cat([flow, flow[:, :, -1:]], dim=2)


def _solve(
    first: Float[Tensor, "batch pairs height width"],
    second: Float[Tensor, "batch pairs height width"],
    iterations: int,
) -> Float[Tensor, "batch 2 pairs height width"]:
    slope = torch.stack([_central(second, -1), _central(second, -2)])
    steepness = slope.square().sum(dim=0) + _TINY
    flow = torch.zeros_like(slope)
    # The dual variable of each component's slope along x and along y.
    dual = torch.zeros(2, *slope.shape, device=slope.device, dtype=slope.dtype)
    for _ in range(iterations):
        residual = second - first + (slope * flow).sum(dim=0)
        target = flow + _data_step(residual, slope, steepness)
        flow = target + _TIGHTNESS * (_backward(dual[0], -1) + _backward(dual[1], -2))
        rise = torch.stack([_forward(flow, -1), _forward(flow, -2)])
        length = rise.square().sum(dim=0).add(_TINY).sqrt()
        rate = _STEP / _TIGHTNESS
        dual = (dual + rate * rise) / (1 + rate * length)
    return flow.transpose(0, 1)


def _data_step(residual: Tensor, slope: Tensor, steepness: Tensor) -> Tensor:
    """How far flow moves along the slope of brightness: to where it fits, or as far as it may."""
    reach = _FIDELITY * _TIGHTNESS
    share = (-residual / steepness).clamp(-reach, reach)
    return share * slope


def _central(x: Tensor, axis: int) -> Tensor:
    """Half the difference of both neighbours; zero lies outside."""
    padded = F.pad(x, (1, 1) if axis == -1 else (0, 0, 1, 1))
    size = x.shape[axis]
    return (padded.narrow(axis, 2, size) - padded.narrow(axis, 0, size)) / 2


def _forward(x: Tensor, axis: int) -> Tensor:
    """The difference to the next value; zero lies behind the last."""
    padded = F.pad(x, (0, 1) if axis == -1 else (0, 0, 0, 1))
    return padded.narrow(axis, 1, x.shape[axis]) - x


def _backward(x: Tensor, axis: int) -> Tensor:
    """The difference to the value before, where the last value counts as zero."""
    inside = x.narrow(axis, 0, x.shape[axis] - 1)
    after = F.pad(inside, (0, 1) if axis == -1 else (0, 0, 0, 1))
    before = F.pad(inside, (1, 0) if axis == -1 else (0, 0, 1, 0))
    return after - before
