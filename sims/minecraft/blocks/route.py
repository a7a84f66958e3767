"""A path on foot through a world of blocks: least effort around obstacles, then straightened."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from sims.errors import SimulatorError
from sims.minecraft.blocks.world import World, cell_of, middle_of

# Distance that a walker keeps from obstacles, in metres: more than half of the body's width.
CLEARANCE = 0.42


def find_route(world: World, position: Float[np.ndarray, 3]) -> Float[np.ndarray, "points 2"]:
    """Waypoints from a position to the goal; the last one is the goal's middle.

    Raises:
        SimulatorError: When no path leads to the goal.
    """
    start, goal = cell_of(position[:2]), cell_of(world.goal[:2])
    walkable = ~world.blocked
    walkable[tuple(goal)] = walkable[tuple(start)] = True
    shape = walkable.shape
    graph = _graph(walkable, world.effort)
    source, target = (np.ravel_multi_index(tuple(cell), shape) for cell in (start, goal))
    _, before = dijkstra(graph, indices=source, return_predecessors=True)
    if before[target] < 0:
        raise SimulatorError(f"no way leads from {position[:2]} to the goal at {world.goal[:2]}.")
    cells = [target]
    while cells[-1] != source:
        cells.append(before[cells[-1]])
    points = middle_of(np.stack(np.unravel_index(cells[::-1], shape), axis=1))
    points[0] = position[:2]
    return _straighten(points, walkable)[1:]


def _graph(walkable: Bool[np.ndarray, "x y"], effort: Float[np.ndarray, "x y"]) -> coo_array:
    """Effort between neighbouring columns; a diagonal step needs both corner columns free."""
    index = np.arange(walkable.size).reshape(walkable.shape)
    parts = []
    for dx, dy in ((1, 0), (0, 1), (1, 1), (1, -1)):
        a, b = _shifted(dx, dy)
        ok = walkable[a] & walkable[b]
        if dx and dy:
            c, d = (a[0], b[1]), (b[0], a[1])
            ok = ok & walkable[c] & walkable[d]
        cost = np.hypot(dx, dy) * (effort[a] + effort[b]) / 2
        parts.append((index[a][ok], index[b][ok], cost[ok]))
    rows, columns, costs = (np.concatenate(part) for part in zip(*parts, strict=True))
    both = (np.append(rows, columns), np.append(columns, rows))
    return coo_array((np.tile(costs, 2), both), shape=(walkable.size,) * 2).tocsr()


def _shifted(dx: int, dy: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Slices that pair each column with its neighbour at (dx, dy)."""
    rows = (slice(None, -1), slice(1, None)) if dx else (slice(None), slice(None))
    columns = (slice(None, -1), slice(1, None)) if dy else (slice(None), slice(None))
    if dy < 0:
        columns = columns[::-1]
    return (rows[0], columns[0]), (rows[1], columns[1])


def _straighten(
    points: Float[np.ndarray, "points 2"], walkable: Bool[np.ndarray, "x y"]
) -> Float[np.ndarray, "fewer 2"]:
    """Removes points that a straight walk can skip, at most three in a row."""
    kept, at = [0], 0
    while at < len(points) - 1:
        ahead = range(min(at + 4, len(points) - 1), at + 1, -1)
        at = next((i for i in ahead if _is_clear(points[at], points[i], walkable)), at + 1)
        kept.append(at)
    return points[kept]


def _is_clear(a: np.ndarray, b: np.ndarray, walkable: Bool[np.ndarray, "x y"]) -> bool:
    """Whether a body of `CLEARANCE` can walk straight from a to b."""
    along = a + np.linspace(0, 1, 2 + int(np.linalg.norm(b - a) / 0.1))[:, None] * (b - a)
    corners = CLEARANCE * np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])
    cells = cell_of((along[:, None] + corners).reshape(-1, 2))
    return bool(walkable[cells[:, 0], cells[:, 1]].all())
