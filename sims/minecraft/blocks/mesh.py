"""Meshes to draw: exposed faces of blocks with baked light, the player's boxes, its shadow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from sims.minecraft.blocks.textures import BOTTOM, FACES, SIDE, TILE, TOP, Kind, skin

# The axes of a face: right and up as seen from outside, and its normal. Each is an axis (x, y, z)
# and its sign.
_RIGHT_UP_NORMAL = {
    "front": ((1, 1), (2, 1), (0, 1)),
    "back": ((1, -1), (2, 1), (0, -1)),
    "left": ((0, -1), (2, 1), (1, 1)),
    "right": ((0, 1), (2, 1), (1, -1)),
    "top": ((1, -1), (0, 1), (2, 1)),
    "bottom": ((1, -1), (0, -1), (2, -1)),
}
# Brightness of each side, under light from above and a little from +x and +y.
_LIGHT = {"front": 0.84, "back": 0.68, "left": 0.77, "right": 0.62, "top": 1.0, "bottom": 0.5}
# Brightness of a face's corner with 0 to 3 open neighbours: ambient occlusion.
_OPENNESS = np.array([0.55, 0.72, 0.87, 1.0])
# Direction to the sun.
_SUN = np.array([0.45, 0.3, 1.0])
# Brightness of faces in the shade, relative to the sun.
_IN_SHADE = 0.7
# Texture coordinates of the skin lie this far inside a picture, in pixels, so that no colour of its
# neighbour appears at the edge.
_INSET = 0.02
CORNERS = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])  # right, up; counter-clockwise from outside


@dataclass(frozen=True, eq=False)
class Quads:
    """Textured quadrilaterals, their corners counter-clockwise as seen from the front.

    Attributes:
        corners: World coordinates in metres.
        colours: Light and tint of each corner, RGBA.
        uv: Texture coordinates, from the left and from below.
        turned: Whether each quad is cut along its other diagonal, (1, 3).
    """

    corners: Float[np.ndarray, "quads 4 3"]
    colours: UInt8[np.ndarray, "quads 4 4"]
    uv: Float[np.ndarray, "quads 4 2"]
    turned: Bool[np.ndarray, " quads"]

    @classmethod
    def plain(
        cls,
        corners: Float[np.ndarray, "quads 4 3"],
        colours: UInt8[np.ndarray, "quads 4 4"],
        uv: Float[np.ndarray, "quads 4 2"],
    ) -> Quads:
        """Quadrilaterals that may be cut along either diagonal."""
        return cls(corners, colours, uv, np.zeros(len(corners), bool))

    def triangles(self) -> Int[np.ndarray, "triangles 3"]:
        """Indices into the corners of all quads, flattened."""
        cut = np.where(self.turned[:, None], [[1, 2, 3, 1, 3, 0]], [[0, 1, 2, 0, 2, 3]])
        return (cut + 4 * np.arange(len(cut))[:, None]).reshape(-1, 3)

    def part(self, chosen: Bool[np.ndarray, " quads"]) -> Quads:
        """The chosen quads."""
        return Quads(
            self.corners[chosen], self.colours[chosen], self.uv[chosen], self.turned[chosen]
        )


def block_quads(
    blocks: UInt8[np.ndarray, "x y z"], origin: Float[np.ndarray, 3]
) -> dict[tuple[Kind, int], Quads]:
    """The faces of blocks that border on air, without the outer sides of the world.

    Neighbouring faces that look alike become one quadrilateral, over which their tile repeats.

    Args:
        blocks: The `Kind` of each block.
        origin: Corner of the first block, in metres.

    Returns:
        The quadrilaterals, by kind and side of their tile.
    """
    # The outside of the world counts as solid at the sides and below, and as air above.
    solid = np.pad(blocks != Kind.AIR, 1, constant_values=True)
    solid[:, :, -1] = False
    heights = np.arange(blocks.shape[2]) + origin[2] + 1  # heights of the blocks' upper sides
    quads = {}
    for row, faces in _FACES_OF_ROW.items():
        found = [_faces(blocks, solid, heights, face) for face in faces]
        kinds, corners, colours, uv, turned = (
            np.concatenate(part) for part in zip(*found, strict=True)
        )
        every = Quads(corners + origin, colours, uv, turned)
        for kind in np.unique(kinds):
            quads[Kind(kind), row] = every.part(kinds == kind)
    return quads


_FACES_OF_ROW = {
    SIDE: ("front", "back", "left", "right"),
    TOP: ("top",),
    BOTTOM: ("bottom",),
}


def _faces(
    blocks: UInt8[np.ndarray, "x y z"],
    solid: Bool[np.ndarray, "x2 y2 z2"],
    heights: Float[np.ndarray, " z"],
    face: str,
) -> tuple[np.ndarray, ...]:
    """The quads of one side: kinds, corners from the first block on, colours, uv and cuts."""
    right, up, normal = (_axis(*axis) for axis in _RIGHT_UP_NORMAL[face])
    cells = np.argwhere(solid[1:-1, 1:-1, 1:-1] & ~solid[_window(normal, solid.shape)])
    before = cells + 1 + normal  # the block in front, indexed as `solid`
    openness = np.stack(
        [
            _open_neighbours(before, right * (2 * a - 1), up * (2 * b - 1), solid)
            for a, b in CORNERS
        ],
        axis=1,
    )
    sunny = _is_sunny(before, solid)
    looks = np.column_stack([blocks[tuple(cells.T)], sunny, openness])
    cells, looks, extent = _merge(cells, looks, right, up)
    openness = looks[:, 2:]
    light = _LIGHT[face] * _OPENNESS[openness] * np.where(looks[:, 1:2], 1.0, _IN_SHADE)
    # Higher ground is lighter, so that edges are visible from above too.
    light = light * np.clip(0.93 + 0.07 * heights[cells[:, 2]], 0.8, 1.0)[:, None]
    colours = np.full((len(cells), 4, 4), 255, np.uint8)
    colours[..., :3] = (255 * light[..., None]).astype(np.uint8)
    first = cells + (1 - right - up + normal) / 2  # the lower left corner
    steps = CORNERS[None] * extent[:, None]
    corners = first[:, None] + steps[..., :1] * right + steps[..., 1:] * up
    # A cut along the brighter diagonal keeps dark corners small.
    turned = openness[:, [0, 2]].sum(axis=1) < openness[:, [1, 3]].sum(axis=1)
    return looks[:, 0], corners, colours, steps.astype(float), turned


def _open_neighbours(
    before: Int[np.ndarray, "faces 3"], along: np.ndarray, across: np.ndarray, solid: np.ndarray
) -> Int[np.ndarray, " faces"]:
    """Number of air blocks among the three that can darken a corner of a face: 0 to 3."""
    sides = [solid[tuple((before + step).T)] for step in (along, across, along + across)]
    # Two solid sides hide the block at the corner, which then does not matter.
    return 3 - np.where(sides[0] & sides[1], 3, np.sum(sides, axis=0))


def _merge(
    cells: Int[np.ndarray, "faces 3"],
    looks: Int[np.ndarray, "faces looks"],
    right: Int[np.ndarray, 3],
    up: Int[np.ndarray, 3],
) -> tuple[np.ndarray, np.ndarray, Int[np.ndarray, "fewer 2"]]:
    """Joins faces that look alike into rectangles.

    Args:
        cells: The block of each face.
        looks: Values that must be equal; the last four are the openness of the corners.
        right: Direction of the faces' first edge.
        up: Direction of the faces' second edge.

    Returns:
        The lower left block of each rectangle, its looks, and its edges along `right` and `up`.
    """
    extent = np.ones((len(cells), 2), int)
    # A face may be joined along an edge when its light does not change in that direction.
    for edge, step, pairs in ((0, right, ((0, 1), (3, 2))), (1, up, ((0, 3), (1, 2)))):
        place = cells @ step
        plane = np.delete(cells, int(np.abs(step).argmax()), axis=1)
        order = np.lexsort((place, *plane.T, *looks.T, extent[:, 1 - edge]))
        cells, looks, extent = cells[order], looks[order], extent[order]
        place, plane = place[order], plane[order]
        even = np.logical_and(*(looks[:, -4 + a] == looks[:, -4 + b] for a, b in pairs))
        same = (np.diff(plane, axis=0) == 0).all(axis=1) & (np.diff(looks, axis=0) == 0).all(axis=1)
        same &= (np.diff(extent[:, 1 - edge]) == 0) & (np.diff(place) == 1) & even[1:]
        starts = np.flatnonzero(np.append(True, ~same))
        extent[starts, edge] = np.diff(np.append(starts, len(cells)))
        cells, looks, extent = cells[starts], looks[starts], extent[starts]
    return cells, looks, extent


def _axis(axis: int, sign: int) -> Int[np.ndarray, 3]:
    return sign * np.eye(3, dtype=int)[axis]


def _window(step: np.ndarray, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """The inside of an array that has a border of one, shifted by a step."""
    return tuple(slice(1 + s, n - 1 + s) for s, n in zip(step, shape, strict=True))


def _is_sunny(
    cells: Int[np.ndarray, "faces 3"], solid: Bool[np.ndarray, "x y z"]
) -> Bool[np.ndarray, " faces"]:
    """Whether the sun shines on the middle of each cell of air."""
    # Steps of less than half a block towards the sun, up to 9 metres.
    steps = np.arange(0.5, 9, 0.45)[:, None, None] * _SUN / np.linalg.norm(_SUN)
    passed = np.floor(cells + 0.5 + steps).astype(int)
    inside = ((passed > 0) & (passed < np.array(solid.shape) - 1)).all(axis=-1)
    passed = np.clip(passed, 0, np.array(solid.shape) - 1)
    return ~(solid[passed[..., 0], passed[..., 1], passed[..., 2]] & inside).any(axis=0)


# The skin's pictures lie in a square of this many cells a side, each as large as a tile.
_SKIN_CELLS = 8


def skin_atlas() -> UInt8[np.ndarray, "128 128 3"]:
    """One picture of all of the skin's pictures, each in the upper left of its own cell."""
    picture = np.zeros((_SKIN_CELLS * TILE, _SKIN_CELLS * TILE, 3), np.uint8)
    for i, face in enumerate(skin().values()):
        y, x = TILE * (i // _SKIN_CELLS), TILE * (i % _SKIN_CELLS)
        picture[y : y + face.shape[0], x : x + face.shape[1]] = face
    return picture


def part_quads(part: str) -> Quads:
    """A part of the player as a textured box with edges of 1 and its middle at the origin."""
    corners, colours, uv = [], [], []
    names = list(skin())
    for face in FACES:
        right, up, normal = (_axis(*axis) for axis in _RIGHT_UP_NORMAL[face])
        signs = 2 * CORNERS - 1
        corners.append((signs[:, :1] * right + signs[:, 1:] * up + normal) / 2)
        light = np.full((4, 4), 255, np.uint8)
        light[:, :3] = round(255 * (0.35 + 0.65 * _LIGHT[face]))
        colours.append(light)
        height, width = skin()[part, face].shape[:2]
        cell = names.index((part, face))
        inset = np.abs(CORNERS * (width, height) - _INSET)
        x = TILE * (cell % _SKIN_CELLS) + inset[:, 0]
        y = TILE * (cell // _SKIN_CELLS) + height - inset[:, 1]
        side = _SKIN_CELLS * TILE
        uv.append(np.stack([x / side, 1 - y / side], axis=1))
    return Quads.plain(np.stack(corners), np.stack(colours), np.stack(uv))


SHADOW_RADIUS = 0.42
# Height of the shadow above the ground in metres, so that the ground does not cover it.
_SHADOW_LIFT = 0.015


def shadow_picture() -> UInt8[np.ndarray, "16 16 4"]:
    """A round shadow, transparent beyond its edge."""
    picture = np.zeros((TILE, TILE, 4), np.uint8)
    picture[np.hypot(*(np.indices((TILE, TILE)) - 7.5)) < TILE / 2, 3] = 105
    return picture


def shadow_quads(
    middle: Float[np.ndarray, 2],
    feet: float,
    ground: Float[np.ndarray, "x y"],
    origin: Float[np.ndarray, 3],
) -> Quads:
    """A round shadow on the ground of each column that it falls on.

    Args:
        middle: Middle of the shadow, in metres.
        feet: Height of the feet that cast it, in metres; higher ground gets no shadow.
        ground: Height of each column, in metres.
        origin: Corner of the first column, in metres.
    """
    low, high = middle - SHADOW_RADIUS, middle + SHADOW_RADIUS
    edges = [np.arange(np.floor(a), np.floor(b) + 1) for a, b in zip(low, high, strict=True)]
    columns = np.stack(np.meshgrid(*edges, indexing="ij"), axis=-1).reshape(-1, 2)
    index = (columns - origin[:2]).astype(int)
    inside = ((index >= 0) & (index < ground.shape)).all(axis=1)
    columns, index = columns[inside], index[inside]
    heights = ground[tuple(index.T)]
    lit = heights <= feet + 0.3
    first = np.maximum(low, columns[lit])
    size = np.minimum(high, columns[lit] + 1) - first
    corners = np.empty((len(first), 4, 3))
    corners[..., :2] = first[:, None] + size[:, None] * CORNERS
    corners[..., 2] = heights[lit, None] + _SHADOW_LIFT
    uv = (corners[..., :2] - low) / (2 * SHADOW_RADIUS)
    return Quads.plain(corners, np.full((len(first), 4, 4), 255, np.uint8), uv)
