"""Procedural textures of the block world and of the player's skin, from a few colours.

Every texture comes from a random generator with its own seed, so it is the same in every episode.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache

import numpy as np
from jaxtyping import Float, UInt8

from sims.minecraft.player import PARTS

TILE = 16  # pixels along a block's edge


class Kind(IntEnum):
    """The material of a block."""

    AIR = 0
    GRASS = 1
    DIRT = 2
    STONE = 3
    LOG = 4
    LEAVES = 5
    BLOSSOM = 6
    HAY = 7
    GOAL = 8
    STRUCK_GOAL = 9  # the look of a struck goal; no world contains it


Tile = Float[np.ndarray, "16 16 3"]
SIDE, TOP, BOTTOM = range(3)

_GRASS, _DIRT, _STONE = (106, 170, 84), (140, 103, 74), (138, 141, 146)
_BARK, _WOOD = (104, 77, 52), (186, 150, 102)
_LEAF, _PINK, _STRAW = (66, 130, 62), (238, 166, 190), (221, 184, 84)
_GOLD, _RED, _CREAM = (248, 200, 70), (214, 62, 56), (255, 246, 224)


@lru_cache(maxsize=1)
def tiles() -> dict[tuple[Kind, int], UInt8[np.ndarray, "16 16 3"]]:
    """Pictures of every kind of block: its SIDE, TOP and BOTTOM, with the first row uppermost."""
    return {
        (kind, side): np.clip(tile, 0, 255).astype(np.uint8)
        for kind in Kind
        if kind is not Kind.AIR
        for side, tile in enumerate(_tiles(kind))
    }


def _tiles(kind: Kind) -> tuple[Tile, Tile, Tile]:
    """Pictures of side, top and bottom of a kind of block."""
    rng = np.random.default_rng([20, int(kind)])
    if kind is Kind.GRASS:
        top, dirt = _speckled(rng, _GRASS, 0.10), _speckled(rng, _DIRT, 0.12)
        # Grass hangs over the edge in a ragged fringe.
        fringe = 3 + rng.integers(0, 3, TILE)
        hangs = np.arange(TILE)[:, None] < fringe
        return np.where(hangs[..., None], _speckled(rng, _GRASS, 0.10) * 0.96, dirt), top, dirt
    if kind is Kind.LOG:
        rings = np.maximum(*np.abs(np.indices((TILE, TILE)) - 7.5))
        end = _speckled(rng, _WOOD, 0.05) * (1 - 0.16 * (rings.astype(int) % 2))[..., None]
        end[rings > 6.9] = np.array(_BARK)
        stripes = rng.normal(0, 0.12, TILE)[None, :, None] + rng.normal(0, 0.04, (TILE, TILE, 1))
        return np.array(_BARK) * (1 + stripes), end, end
    if kind is Kind.HAY:
        straws = 1 + rng.normal(0, 0.09, (TILE, 1, 1)) + rng.normal(0, 0.05, (TILE, TILE, 1))
        side = np.array(_STRAW) * straws
        side[:, [3, 12]] = np.array(_RED) * 0.9
        top = _speckled(rng, _STRAW, 0.08)
        top[[3, 12], :] = np.array(_RED) * 0.9
        return side, top, top
    if kind in (Kind.GOAL, Kind.STRUCK_GOAL):
        tile = _target(rng, struck=kind is Kind.STRUCK_GOAL)
        return tile, tile, tile
    plain = {
        Kind.DIRT: (_DIRT, 0.12),
        Kind.STONE: (_STONE, 0.09),
        Kind.LEAVES: (_LEAF, 0.2),
        Kind.BLOSSOM: (_PINK, 0.12),
    }
    colour, contrast = plain[kind]
    tile = _speckled(rng, colour, contrast)
    return tile, tile, tile


def _speckled(rng: np.random.Generator, colour: tuple[int, int, int], contrast: float) -> Tile:
    """A colour whose brightness varies by pixel and by patches of four by four pixels."""
    fine = rng.normal(0, 0.7 * contrast, (TILE, TILE))
    coarse = rng.normal(0, 0.7 * contrast, (TILE // 4, TILE // 4)).repeat(4, 0).repeat(4, 1)
    return np.array(colour) * (1 + fine + coarse)[..., None]


def _target(rng: np.random.Generator, struck: bool) -> Tile:
    """Rings around a bull's eye in a golden frame; bright colours once it was struck."""
    rings = np.maximum(*np.abs(np.indices((TILE, TILE)) - 7.5)).astype(int)
    colours = np.array([_RED, _RED, _CREAM, _CREAM, _RED, _RED, _GOLD, _GOLD], float)
    if struck:
        colours = np.array([_CREAM, _CREAM, _GOLD, _GOLD, _CREAM, _CREAM, _GOLD, _GOLD], float)
    return colours[rings] * (1 + rng.normal(0, 0.025, (TILE, TILE, 1)))


# Faces of a box, named by their direction in the body's frame (x forward, y left, z up).
FACES = ("front", "back", "left", "right", "top", "bottom")

_SKIN, _HAIR, _EYE, _MOUTH = (226, 172, 132), (92, 56, 38), (58, 86, 150), (176, 104, 86)
_SHIRT, _STRIPE, _TROUSERS, _SHOE = (226, 104, 58), (250, 226, 180), (62, 76, 122), (58, 50, 52)


@lru_cache(maxsize=1)
def skin() -> dict[tuple[str, str], UInt8[np.ndarray, "height width 3"]]:
    """The player's skin: a picture for each part of `PARTS` and face of `FACES`.

    Pictures show faces from outside with the first row uppermost; the first row of top and bottom
    is at the front.
    """
    rng = np.random.default_rng(21)
    pictures = {}
    for part, (low, high, _) in PARTS.items():
        depth, width, height = (int(b - a) for a, b in zip(low, high, strict=True))
        for face in FACES:
            rows = depth if face in ("top", "bottom") else height
            columns = depth if face in ("left", "right") else width
            picture = _dressed(part, face, rows, columns)
            picture = picture * (1 + rng.normal(0, 0.035, (rows, columns, 1)))
            pictures[part, face] = np.clip(picture, 0, 255).astype(np.uint8)
    return pictures


def _dressed(part: str, face: str, rows: int, columns: int) -> np.ndarray:
    picture = np.empty((rows, columns, 3))
    if part == "head":
        picture[:] = _HAIR if face in ("top", "back") else _SKIN
        if face in ("left", "right"):
            # The hair is shorter towards the face.
            towards_face = np.arange(columns) if face == "left" else np.arange(columns)[::-1]
            picture[np.arange(rows)[:, None] < 3 + (towards_face[None, :] > 4) * 3] = _HAIR
        if face == "front":
            _draw_face(picture)
        return picture
    if part.endswith("leg"):
        picture[:] = _TROUSERS
        if face != "top":
            picture[-3:] = _SHOE
        return picture
    picture[:] = _SHIRT
    if part == "torso":
        if face not in ("top", "bottom"):
            picture[4:6] = _STRIPE
            picture[-1:] = _SHOE
        return picture
    if face == "bottom":
        picture[:] = _SKIN
    elif face != "top":
        picture[4:] = _SKIN  # short sleeves
    return picture


def _draw_face(picture: np.ndarray) -> None:
    picture[:2] = _HAIR
    picture[2, [0, 7]] = _HAIR
    picture[4, [1, 6]] = (250, 250, 250)
    picture[4, [2, 5]] = _EYE
    picture[6, 2:6] = _MOUTH
    picture[5, [2, 5]] = np.array(_SKIN) * 0.94
