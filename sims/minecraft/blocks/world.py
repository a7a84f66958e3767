"""Worlds of blocks: hilly ground, trees and obstacles around an arena, with a start and a goal.

The arena's middle is the world's origin, and a block's edge is a metre. Cameras stand inside
`CLEAR_RADIUS`, so only objects in the arena can hide the player.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy import ndimage

from sims.minecraft.blocks.textures import Kind

HALF = 22  # half of the world's edge, in blocks
DEPTH, SKY = 6, 16  # layers below and above z = 0
ORIGIN = np.array([-HALF, -HALF, -DEPTH], float)
ARENA_RADIUS = 3.6
CLEAR_RADIUS = 12.5
# Range of the distance from the start to the goal, in metres.
SHORTEST_WALK, LONGEST_WALK = 5.0, 6.8
TREES = 28
# Number of cells around the start and the goal without obstacles, in each direction.
ELBOW_ROOM = 1


@dataclass(frozen=True, eq=False)
class World:
    """A world, with arrays indexed by block along x, y (and z) from `ORIGIN`.

    Attributes:
        blocks: The `Kind` of each block.
        ground: Height of the walkable ground of each column, in metres.
        blocked: Whether an obstacle or the goal stands on each column.
        effort: Effort of crossing each column, at least 1. It varies because people do not walk
            straight.
        start: Initial position of the player's feet, in metres.
        start_yaw: Initial heading of the player, in radians.
        goal: The middle of the goal block, in metres.
    """

    blocks: UInt8[np.ndarray, "x y z"]
    ground: Float[np.ndarray, "x y"]
    blocked: Bool[np.ndarray, "x y"]
    effort: Float[np.ndarray, "x y"]
    start: Float[np.ndarray, 3]
    start_yaw: float
    goal: Float[np.ndarray, 3]


def cell_of(position: Float[np.ndarray, "*batch 3"]) -> np.ndarray:
    """Indices of the blocks that contain positions in metres; for (x, y), of the columns."""
    return np.floor(position - ORIGIN[: np.shape(position)[-1]]).astype(int)


def middle_of(cell: np.ndarray) -> Float[np.ndarray, "*batch axes"]:
    """The middles of blocks or columns, in metres, from their indices."""
    return cell + ORIGIN[: np.shape(cell)[-1]] + 0.5


def make_world(rng: np.random.Generator) -> World:
    """Draws a world."""
    heights = _heights(rng)
    blocks = _fill(heights)
    start, goal = _start_and_goal(rng)
    free = np.ones(heights.shape, bool)
    for cell in (start, goal):
        free[tuple(slice(i - ELBOW_ROOM, i + ELBOW_ROOM + 1) for i in cell)] = False
    blocked = _add_obstacles(blocks, heights, free, rng)
    _add_trees(blocks, heights, rng)
    top = heights[tuple(goal)]
    blocks[goal[0], goal[1], top] = Kind.GOAL
    blocked[tuple(goal)] = True
    ground = heights - float(DEPTH)
    return World(
        blocks=blocks,
        ground=ground,
        blocked=blocked,
        effort=1 + 1.2 * np.exp(_noise(rng, 1.5)),
        start=np.append(middle_of(start), ground[tuple(start)]),
        start_yaw=float(rng.uniform(-np.pi, np.pi)),
        goal=np.append(middle_of(goal), ground[tuple(goal)] + 0.5),
    )


def _radius() -> Float[np.ndarray, "x y"]:
    """Distance of each column's middle from the origin, in metres."""
    x, y = middle_of(np.indices((2 * HALF, 2 * HALF)).transpose(1, 2, 0)).transpose(2, 0, 1)
    return np.hypot(x, y)


def _noise(rng: np.random.Generator, smoothness: float) -> Float[np.ndarray, "x y"]:
    """Smooth noise over the columns, of zero mean and unit deviation; `smoothness` in metres."""
    noise = ndimage.gaussian_filter(rng.normal(size=(2 * HALF, 2 * HALF)), smoothness, mode="wrap")
    return (noise - noise.mean()) / noise.std()


def _heights(rng: np.random.Generator) -> np.ndarray:
    """Number of layers of ground in each column: gentle inside, hills towards the edge."""
    rise = np.maximum(_radius() - CLEAR_RADIUS, 0) * 0.55
    rolling = 0.75 * _noise(rng, 3.5)
    hills = rise * (1 + 0.45 * _noise(rng, 4.0))
    heights = np.round(DEPTH + np.clip(rolling, -1.4, 1.4) + hills).astype(int)
    # The median filter removes pits and posts of a single block.
    heights = ndimage.median_filter(np.clip(heights, DEPTH - 1, DEPTH + 8), 3)
    while True:  # no step is higher than a block
        lowered = np.minimum(heights, ndimage.minimum_filter(heights, 3) + 1)
        if (lowered == heights).all():
            return heights
        heights = lowered


def _fill(heights: np.ndarray) -> UInt8[np.ndarray, "x y z"]:
    layer = np.arange(DEPTH + SKY)
    below = heights[..., None] - layer  # 1 for the uppermost block of the ground
    kinds = np.select([below <= 0, below == 1, below <= 3], [Kind.AIR, Kind.GRASS, Kind.DIRT])
    kinds[below > 3] = Kind.STONE
    return kinds.astype(np.uint8)


def _start_and_goal(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Columns of start and goal, both in the arena, with a distance in the range of a walk."""
    while True:
        points = rng.uniform(-ARENA_RADIUS, ARENA_RADIUS, (2, 2))
        start, goal = cell_of(points)
        length = np.linalg.norm(start - goal)
        inside = np.linalg.norm(middle_of(np.stack([start, goal])), axis=1) <= ARENA_RADIUS
        if inside.all() and SHORTEST_WALK <= length <= LONGEST_WALK:
            return start, goal


def _add_obstacles(
    blocks: np.ndarray, heights: np.ndarray, free: np.ndarray, rng: np.random.Generator
) -> Bool[np.ndarray, "x y"]:
    """Adds boulders, bales, bushes and stumps to the arena.

    Returns:
        Whether each column is blocked.
    """
    blocked = np.zeros(heights.shape, bool)
    inside = np.argwhere(free & (_radius() < ARENA_RADIUS + 0.5))
    for x, y in rng.permutation(inside)[: rng.integers(2, 6)]:
        kind = rng.choice([Kind.STONE, Kind.HAY, Kind.LEAVES, Kind.BLOSSOM, Kind.LOG])
        high = 2 if rng.random() < 0.35 else 1
        blocks[x, y, heights[x, y] : heights[x, y] + high] = kind
        blocked[x, y] = True
    return blocked


def _add_trees(blocks: np.ndarray, heights: np.ndarray, rng: np.random.Generator) -> None:
    """Plants trees around the clear inside of the world, at least 4 blocks apart."""
    edge = 3  # a crown is 2 blocks wide on each side and must not cross the world's edge
    outside = _radius() > CLEAR_RADIUS + 2
    outside[:edge] = outside[-edge:] = outside[:, :edge] = outside[:, -edge:] = False
    planted = np.zeros((0, 2))
    for cell in rng.permutation(np.argwhere(outside)):
        if len(planted) == TREES:
            return
        if len(planted) and np.abs(planted - cell).max(axis=1).min() < 4:
            continue
        crown = Kind.BLOSSOM if rng.random() < 0.18 else Kind.LEAVES
        x, y = cell
        _plant(blocks, x, y, heights[x, y], crown, rng)
        planted = np.vstack([planted, cell])


def _plant(
    blocks: np.ndarray,
    x: int,
    y: int,
    ground: int,
    crown: Kind,
    rng: np.random.Generator,
) -> None:
    """Plants a tree: a trunk, and a crown of two wide layers below two narrow ones."""
    trunk = int(rng.integers(3, 5))
    top = ground + trunk
    for z, reach in ((top - 1, 2), (top, 2), (top + 1, 1), (top + 2, 1)):
        dx, dy = np.indices((2 * reach + 1,) * 2) - reach
        # The uppermost layer has no corners, other layers have some.
        corner = (np.abs(dx) == reach) & (np.abs(dy) == reach)
        kept = ~corner | ((z < top + 2) & (rng.random(corner.shape) < 0.4))
        layer = blocks[x - reach : x + reach + 1, y - reach : y + reach + 1, z]
        layer[kept & (layer == Kind.AIR)] = crown
    blocks[x, y, ground : top + 1] = Kind.LOG
