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

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from itertools import combinations

import numpy as np
import torch
from jaxtyping import Float, Int64
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from align.metrics.alignment import BLOCK, distances, row_blocks

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


Costs = Float[np.ndarray, "pairs rows columns"]
# Total costs by anti-diagonal, with a border of one row and one column: the total of the paths to
# (i, j) is at [i + j + 2, i + 1]. In this order the cells that are computed together are neighbours
# in memory.
Totals = Float[np.ndarray, "pairs rows+columns+1 rows+1"]


def dtw_picks(cost: Costs) -> Int64[np.ndarray, "pairs rows"]:
    """For each row the column that dynamic time warping pairs it with.

    The path of least total cost from the first to the last frames of both views moves by one row,
    one column or both. A move by both costs twice (Sakoe and Chiba's symmetric form): otherwise the
    diagonal, which is the true match of synchronized views, would win because it is short. On a tie
    the path prefers both, then the row. Where it pairs a row with several columns, the one of least
    cost counts, the first of equal ones.
    """
    pairs, rows, columns = cost.shape
    return warp(lambda block: cost[:, block], pairs, rows, columns)[0]


def warp(
    cost_of: Callable[[slice], Costs], pairs: int, rows: int, columns: int, open_end: bool = False
) -> tuple[Int64[np.ndarray, "pairs rows"], Float[np.ndarray, " pairs"]]:
    """`dtw_picks`, and the mean cost of each pair's path, weighted as its moves are.

    The totals of a long episode do not fit in memory. The way forth keeps those of each block's
    last row alone; the way back computes each block again from there.

    Args:
        cost_of: Returns the distances of some rows from all columns.
        pairs: Number of pairs of views.
        rows: Frames of the first views.
        columns: Frames of the second views.
        open_end: Whether a path may end at any column, that of the least mean cost; the last rows
            of a video that stops half-way are then not paired with the other video's end.
    """
    blocks = list(row_blocks(rows, pairs * columns))
    above = np.full((pairs, columns + 1), np.inf)
    above[:, 0] = 0
    borders = [above]
    for block in blocks[:-1]:
        total = _accumulated(cost_of(block), borders[-1])
        last = block.stop - block.start
        borders.append(total[:, last : last + columns + 1, last].copy())
    picks = np.zeros((pairs, rows), np.int64)
    place = np.full(pairs, rows - 1), np.full(pairs, columns - 1)
    mean = np.full(pairs, np.inf)
    for block, border in zip(reversed(blocks), reversed(borders), strict=True):
        cost = cost_of(block)
        total = _accumulated(cost, border)
        if block.stop == rows:
            height, ends = rows - block.start, np.arange(0 if open_end else columns - 1, columns)
            # A path to row i and column j has moves of the weight i + j + 2, both counted from 0.
            means = total[:, height + 1 + ends, height] / (rows + 1 + ends)
            place, mean = (place[0], ends[means.argmin(axis=1)]), means.min(axis=1)
        place = _walk_back(cost, total, block.start, place, picks)
    return picks, mean


def _walk_back(
    cost: Costs,
    total: Totals,
    first_row: int,
    place: tuple[Int64[np.ndarray, " pairs"], Int64[np.ndarray, " pairs"]],
    picks: Int64[np.ndarray, "pairs rows"],
) -> tuple[Int64[np.ndarray, " pairs"], Int64[np.ndarray, " pairs"]]:
    """Follows every pair's path back to the row before the block, or to its start.

    Args:
        cost: Costs of the block's rows.
        total: Their totals, from `_accumulated`.
        first_row: The block's first row among all.
        place: Row among all rows, and column, where each pair's path enters the block.
        picks: The rows of this block are filled in.

    Returns:
        Where each path enters the block before.
    """
    pairs, rows, columns = cost.shape
    every = np.arange(pairs)
    i, j = place[0] - first_row, place[1]
    least = np.full((pairs, rows), np.inf)
    for _ in range(rows + columns - 1):
        here = cost[every, i, j]
        better = (i >= 0) & (here <= least[every, i])  # walking back, an equal one comes earlier
        picks[every[better], i[better] + first_row] = j[better]
        least[every, i] = np.minimum(here, least[every, i])
        before = np.stack(
            [
                total[every, i + j, i] + here,
                total[every, i + j + 1, i],
                total[every, i + j + 1, i + 1],
            ]
        )
        move = before.argmin(axis=0)
        # A path that has left the block waits; one at the first frames of both views has ended.
        moving = (i >= 0) & ((i + first_row > 0) | (j > 0))
        i, j = i - (moving & (move != 2)), j - (moving & (move != 1))
    return i + first_row, j


def _accumulated(cost: Costs, above: Float[np.ndarray, "pairs columns+1"]) -> Totals:
    """Least total costs of the paths to each cell, below the totals of the row above."""
    pairs, rows, columns = cost.shape
    own = np.empty((pairs, rows + columns - 1, rows), cost.dtype)
    for i in range(rows):
        own[:, i : i + columns, i] = cost[:, i]
    total = np.full((pairs, rows + columns + 1, rows + 1), np.inf)
    total[:, : columns + 1, 0] = above
    # Cells of an anti-diagonal depend only on earlier ones, so all are filled at once.
    for d in range(rows + columns - 1):
        start, stop = max(0, d - columns + 1), min(rows, d + 1)
        here = own[:, d, start:stop]
        aside = np.minimum(total[:, d + 1, start:stop], total[:, d + 1, start + 1 : stop + 1])
        both = total[:, d, start:stop] + here
        total[:, d + 2, start + 1 : stop + 1] = here + np.minimum(both, aside)
    return total


def window_picks(
    cost: Costs,
    first_row: int = 0,
    length: int | None = None,
    radius: float = WINDOW_RADIUS,
) -> Int64[np.ndarray, "pairs rows"]:
    """For each row the nearest column at most `radius` of the episode from its relative time.

    Args:
        cost: Distances of all rows, or of some consecutive ones.
        first_row: Index of the first of these rows among all.
        length: Number of all rows, where these are some of them.
        radius: As a share of the episode.
    """
    _, rows, columns = cost.shape
    place = np.arange(columns) / columns
    own = (first_row + np.arange(rows)) / (rows if length is None else length)
    # At least half a frame, so that rounding and very short episodes leave a frame to choose.
    reach = max(radius, 0.5 / columns) + 1e-9
    outside = np.abs(place[None, :] - own[:, None]) > reach
    return np.where(outside, np.inf, cost).argmin(axis=2)


def episode_decodings(
    embeddings: Mapping[str, Float[Tensor, "time dim"]],
) -> dict[tuple[str, str], dict[str, float]]:
    """Alignment error of every pair of views i < j under each of DECODING_METRICS."""
    moving = {view: with_motion(z) for view, z in embeddings.items()}
    found = {}
    for pairs in _batches(list(combinations(embeddings, 2)), embeddings):
        still, in_motion = ([(of[a], of[b]) for a, b in pairs] for of in (embeddings, moving))
        for pair, *errors in zip(pairs, *_errors(still, in_motion), strict=True):
            found[pair] = dict(zip(DECODING_METRICS, errors, strict=True))
    return found


def _batches(
    pairs: Sequence[tuple[str, str]], embeddings: Mapping[str, Float[Tensor, "time dim"]]
) -> Iterator[Sequence[tuple[str, str]]]:
    """As many pairs of views at a time as BLOCK distances allow, and at least one."""
    cells = max((len(z) for z in embeddings.values()), default=1) ** 2
    many = max(1, BLOCK // cells)
    for start in range(0, len(pairs), many):
        yield pairs[start : start + many]


# Cells of random distances that are drawn at most for an episode's chance, but for the first draw:
# the errors of long episodes vary little from draw to draw.
_CHANCE_CELLS = 20 * 1000**2


def chance_errors(lengths: Sequence[int], seed: int = 0, draws: int = 20) -> dict[str, float]:
    """Errors of random embeddings under each decoding, by simulation.

    Args:
        lengths: Time steps of each episode that is averaged over.
        seed: Seed of the random embeddings.
        draws: Pairs of random views for each episode; fewer for episodes of over 1,000 steps.
    """
    generator = torch.Generator().manual_seed(seed)
    found = []
    for length in lengths:
        pairs = max(1, min(draws, _CHANCE_CELLS // length**2))
        views = torch.randn(2 * pairs, length, 32, generator=generator)
        moving = torch.stack([with_motion(z) for z in views])
        still, in_motion = (list(zip(z[:pairs], z[pairs:], strict=True)) for z in (views, moving))
        found.append([np.mean(errors) for errors in _errors(still, in_motion)])
    means = np.mean(found, axis=0)
    return {name: float(value) for name, value in zip(DECODING_METRICS, means, strict=True)}


Pairs = Sequence[tuple[Float[Tensor, "time dim"], Float[Tensor, "time dim"]]]


def _errors(still: Pairs, in_motion: Pairs) -> list[list[float]]:
    """Errors of every pair under DECODING_METRICS, from embeddings without and with motion."""
    pairs, length = len(still), len(still[0][0])
    blocks = list(row_blocks(length, pairs * length))
    # Where all rows are one block, the window and dynamic time warping share its distances.
    cost_of = lru_cache(maxsize=1)(partial(_costs, still))
    in_window = [window_picks(cost_of(b.start, b.stop), b.start, length) for b in blocks]
    warped, _ = warp(lambda b: cost_of(b.start, b.stop), pairs, length, length)
    nearest = [_costs(in_motion, b.start, b.stop).argmin(axis=2) for b in blocks]
    return [
        (np.abs(picks - np.arange(length)).mean(axis=1) / length).tolist()
        for picks in (np.concatenate(nearest, axis=1), warped, np.concatenate(in_window, axis=1))
    ]


def _costs(views: Pairs, start: int, stop: int) -> Costs:
    return np.stack([distances(z1[start:stop], z2).cpu().numpy() for z1, z2 in views])
