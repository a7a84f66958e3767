"""Decodings: which frame of one view is matched to a frame of another.

`align.metrics.alignment` takes the nearest frame, as the published metric does. The three decodings
here use more information: the frame nearest in content and motion (`with_motion`), dynamic time
warping, whose matches never go back in time (`dtw_picks`), and the nearest frame around the same
relative time (`window_picks`). The last two exploit that synchronized views are equally long, so
random embeddings score far better under them than under the plain metric, and a little better under
the first. Compare errors under one decoding only, beside those of random embeddings under it
(`chance_errors`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import torch
from jaxtyping import Float, Int64
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from align.metrics.alignment import distances

# Width of the smoothing Gaussian and reach of the difference, as shares of the episode, and weight
# of the difference; chosen on validation episodes of Lift, Can and Minecraft.
SMOOTHING = 0.02
REACH = 0.15
WEIGHT = 0.5
# In frames: a narrower Gaussian leaves neighbouring frames out, so smoothing would do nothing.
_LEAST_SMOOTHING = 0.3


def with_motion(z: Float[Tensor, "time dim"]) -> Float[Tensor, "time two_dim"]:
    """Smoothed embeddings, concatenated with their weighted change over time.

    The change is the difference between the frames `REACH` of the episode later and earlier, or the
    last and the first frame where the episode ends.

    Args:
        z: Embeddings of a view's frames, between which distances are measured.
    """
    length = len(z)
    sigma = max(_LEAST_SMOOTHING, SMOOTHING * length)
    smooth = gaussian_filter1d(z.double().cpu().numpy(), sigma, axis=0, mode="nearest")
    reach, frame = max(1, round(REACH * length)), np.arange(length)
    later, earlier = np.minimum(frame + reach, length - 1), np.maximum(frame - reach, 0)
    joined = np.concatenate([smooth, WEIGHT * (smooth[later] - smooth[earlier])], axis=1)
    return torch.from_numpy(joined).to(z.device, z.dtype)


DECODING_METRICS = ("alignment_error_motion", "alignment_error_dtw", "alignment_error_window")
# Half the width of the window, as a share of the episode.
WINDOW_RADIUS = 0.1


def dtw_picks(
    cost: Float[np.ndarray, "pairs rows columns"],
) -> Int64[np.ndarray, "pairs rows"]:
    """For each row the column that dynamic time warping pairs it with.

    The path of least total cost from the first to the last frames of both views moves by one row,
    one column or both. A move by both costs twice (Sakoe and Chiba's symmetric form): otherwise the
    diagonal, which is the true match of synchronized views, would win because it is short. On a tie
    the path prefers both, then the row. Where it pairs a row with several columns, the one of least
    cost counts, the first of equal ones.
    """
    total = _accumulated(cost)
    pairs, rows, columns = cost.shape
    every = np.arange(pairs)
    i, j = np.full(pairs, rows - 1), np.full(pairs, columns - 1)
    picks = np.zeros((pairs, rows), np.int64)
    least = np.full((pairs, rows), np.inf)
    for _ in range(rows + columns - 1):
        here = cost[every, i, j]
        better = here <= least[every, i]  # walking back, an equal one comes earlier
        picks[every[better], i[better]] = j[better]
        least[every, i] = np.minimum(here, least[every, i])
        # `total` has a border of one, so total[i, j] is the cell before (i, j) in both.
        before = np.stack(
            [total[every, i, j] + here, total[every, i, j + 1], total[every, i + 1, j]]
        )
        move = before.argmin(axis=0)
        moving = (i > 0) | (j > 0)
        i, j = i - (moving & (move != 2)), j - (moving & (move != 1))
    return picks


def _accumulated(
    cost: Float[np.ndarray, "pairs rows columns"],
) -> Float[np.ndarray, "pairs rows+1 columns+1"]:
    pairs, rows, columns = cost.shape
    total = np.full((pairs, rows + 1, columns + 1), np.inf)
    total[:, 0, 0] = 0
    # Cells of an anti-diagonal depend only on earlier ones, so all are filled at once.
    for diagonal in range(rows + columns - 1):
        i = np.arange(max(0, diagonal - columns + 1), min(rows, diagonal + 1))
        j = diagonal - i
        own = cost[:, i, j]
        aside = np.minimum(total[:, i, j + 1], total[:, i + 1, j])
        total[:, i + 1, j + 1] = own + np.minimum(total[:, i, j] + own, aside)
    return total


def window_picks(
    cost: Float[np.ndarray, "pairs rows columns"], radius: float = WINDOW_RADIUS
) -> Int64[np.ndarray, "pairs rows"]:
    """For each row the nearest column at most `radius` of the episode from its relative time."""
    _, rows, columns = cost.shape
    place, own = np.arange(columns) / columns, np.arange(rows) / rows
    # At least half a frame, so that rounding and very short episodes leave a frame to choose.
    reach = max(radius, 0.5 / columns) + 1e-9
    outside = np.abs(place[None, :] - own[:, None]) > reach
    return np.where(outside, np.inf, cost).argmin(axis=2)


def episode_decodings(
    embeddings: Mapping[str, Float[Tensor, "time dim"]],
) -> dict[tuple[str, str], dict[str, float]]:
    """Alignment error of every pair of views i < j under each of DECODING_METRICS."""
    pairs = list(combinations(embeddings, 2))
    if not pairs:
        return {}
    moving = {view: with_motion(z) for view, z in embeddings.items()}
    still, in_motion = (
        np.stack([distances(views[a], views[b]).cpu().numpy() for a, b in pairs])
        for views in (embeddings, moving)
    )
    return {
        pair: dict(zip(DECODING_METRICS, errors, strict=True))
        for pair, *errors in zip(pairs, *_errors(still, in_motion), strict=True)
    }


def chance_errors(lengths: Sequence[int], seed: int = 0, draws: int = 20) -> dict[str, float]:
    """Errors of random embeddings under each decoding, by simulation.

    Args:
        lengths: Time steps of each episode that is averaged over.
        seed: Seed of the random embeddings.
        draws: Pairs of random views for each episode.
    """
    generator = torch.Generator().manual_seed(seed)
    found = []
    for length in lengths:
        views = torch.randn(2 * draws, length, 32, generator=generator)
        moving = torch.stack([with_motion(z) for z in views])
        still, in_motion = (torch.cdist(z[:draws], z[draws:]).numpy() for z in (views, moving))
        found.append([np.mean(errors) for errors in _errors(still, in_motion)])
    means = np.mean(found, axis=0)
    return {name: float(value) for name, value in zip(DECODING_METRICS, means, strict=True)}


def _errors(
    still: Float[np.ndarray, "pairs time time"], in_motion: Float[np.ndarray, "pairs time time"]
) -> list[list[float]]:
    """Errors of every pair under DECODING_METRICS, from distances without and with motion."""
    length = still.shape[1]
    return [
        (np.abs(picks - np.arange(length)).mean(axis=1) / length).tolist()
        for picks in (in_motion.argmin(axis=2), dtw_picks(still), window_picks(still))
    ]
