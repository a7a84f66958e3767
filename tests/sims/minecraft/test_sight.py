"""Rays against boxes and blocks: known answers, and agreement with walking along the ray."""

import numpy as np
import pytest

from sims.minecraft.player import Boxes
from sims.minecraft.sight import blocks_hit, boxes_hit

UNIT = Boxes(np.zeros((1, 3)), np.eye(3)[None], np.full((1, 3), 2.0))


@pytest.mark.parametrize(
    ("origin", "point", "share"),
    [
        ((-3, 0, 0), (1, 0, 0), 0.5),
        ((-3, 0, 0), (-2, 0, 0), 2.0),  # the box lies behind the point
        ((0, 0.5, 0), (3, 0.5, 0), 0.0),  # from inside
        ((-3, 0, 0), (-4, 0, 0), np.inf),  # away from it
        ((-3, 1.5, 0), (3, 1.5, 0), np.inf),  # past it
        ((-3, -3, 0), (1, 1, 0), 0.5),  # into the corner
    ],
)
def test_known_boxes(origin, point, share):
    found = boxes_hit(np.array([origin], float), np.array([point], float), UNIT)
    assert np.allclose(found, share)


def test_a_turned_box_is_met_at_its_corner():
    cos = np.sqrt(0.5)
    turned = Boxes(
        np.zeros((1, 3)),
        np.array([[[cos, -cos, 0], [cos, cos, 0], [0, 0, 1]]]),
        np.full((1, 3), 2.0),
    )
    found = boxes_hit(np.array([[-4.0, 0, 0]]), np.array([[4.0, 0, 0]]), turned)
    assert np.isclose(found[0, 0], (4 - np.sqrt(2)) / 8)


def test_blocks_are_met_where_small_steps_meet_them():
    rng = np.random.default_rng(0)
    solid = rng.random((7, 8, 6)) < 0.06
    corner = np.array([-3.0, 2.0, -1.5])
    origins = corner + rng.uniform(-3, 10, (300, 3))
    points = corner + rng.uniform(-2, 9, (300, 3))
    found = blocks_hit(origins, points, solid, corner)
    shares = np.linspace(0, 1, 4001)
    along = origins[:, None] + shares[None, :, None] * (points - origins)[:, None]
    cells = np.floor(along - corner).astype(int)
    inside = ((cells >= 0) & (cells < solid.shape)).all(axis=-1)
    x, y, z = np.moveaxis(np.where(inside[..., None], cells, 0), -1, 0)
    met = solid[x, y, z] & inside
    expected = np.where(met.any(axis=1), shares[met.argmax(axis=1)], np.inf)
    # Steps may jump over a corner; nothing else may differ.
    both = np.isfinite(found) & np.isfinite(expected)
    assert both.sum() > 40
    assert (np.abs(found[both] - expected[both]) < 1e-3).mean() > 0.98
    assert np.mean(np.isfinite(found) == np.isfinite(expected)) > 0.99
    assert np.isinf(expected[np.isinf(found)]).all()


def test_a_ray_along_an_axis_meets_the_block_ahead():
    solid = np.zeros((5, 1, 1), bool)
    solid[3] = True
    there = np.array([[4.5, 0.5, 0.5]])
    here = np.array([[0.5, 0.5, 0.5]])
    assert np.isclose(blocks_hit(here, there, solid, np.zeros(3))[0], 2.5 / 4)
    assert np.isclose(blocks_hit(there, here, solid, np.zeros(3))[0], 0.5 / 4)
    assert np.isinf(blocks_hit(here, here + [2.0, 0, 0], solid, np.zeros(3))[0])
