"""Worlds of blocks: walkable, free where cameras look, and walked by the body's rules."""

from dataclasses import replace

import numpy as np
import pytest

from sims.errors import SimulatorError
from sims.minecraft.backend import FORWARD, LEFT, STRIKE, TURN
from sims.minecraft.blocks.backend import third_person_cameras
from sims.minecraft.blocks.mesh import block_quads
from sims.minecraft.blocks.route import CLEARANCE, find_route
from sims.minecraft.blocks.textures import Kind
from sims.minecraft.blocks.walk import HALF_WIDTH, STROKE_STEPS, Body, advance, footing
from sims.minecraft.blocks.world import (
    ARENA_RADIUS,
    HALF,
    LONGEST_WALK,
    ORIGIN,
    SHORTEST_WALK,
    World,
    cell_of,
    make_world,
)

SEEDS = range(12)


@pytest.fixture(scope="module")
def worlds():
    return [make_world(np.random.default_rng(seed)) for seed in SEEDS]


def plain(ground=(), blocked=(), goal=(3.5, 0.5, 0.5)):
    """A flat world but for the columns named, by the (x, y) of their lower corner."""
    heights = np.zeros((2 * HALF, 2 * HALF))
    walls = np.zeros(heights.shape, bool)
    for (x, y), height in dict(ground).items():
        heights[x + HALF, y + HALF] = height
    for x, y in blocked:
        walls[x + HALF, y + HALF] = True
    blocks = np.zeros((2 * HALF, 2 * HALF, 22), np.uint8)
    start = np.array([0.5, 0.5, 0])
    return World(blocks, heights, walls, np.ones(heights.shape), start, 0.0, np.array(goal))


def go(world, steps, body=None, **entries):
    """Repeats an action."""
    body = body or Body(0.5, 0.5, 0.0, 0.0)
    names = {"forward": FORWARD, "left": LEFT, "turn": TURN, "strike": STRIKE}
    action = np.zeros(5)
    for name, value in entries.items():
        action[names[name]] = value
    for _ in range(steps):
        body = advance(world, body, action)
    return body


@pytest.mark.slow
def test_a_world_is_walkable_and_its_goal_a_walk_away(worlds):
    for world in worlds:
        distance = np.linalg.norm(world.goal[:2] - world.start[:2])
        assert SHORTEST_WALK <= distance <= LONGEST_WALK
        for point in (world.start, world.goal):
            assert np.linalg.norm(point[:2]) <= ARENA_RADIUS
        assert footing(world, world.start[:2]) == world.start[2]
        assert world.blocks[tuple(cell_of(world.goal))] == Kind.GOAL
        for axis in (0, 1):
            assert np.abs(np.diff(world.ground, axis=axis)).max() <= 1
        # The ground is where the blocks say, below all air.
        column = cell_of(world.start)
        assert world.blocks[column[0], column[1], column[2] - 1] == Kind.GRASS
        assert world.blocks[tuple(column)] == Kind.AIR


def test_worlds_differ_between_seeds_and_are_made_again_by_one(worlds):
    again = make_world(np.random.default_rng(SEEDS[3]))
    assert np.array_equal(again.blocks, worlds[3].blocks)
    assert np.array_equal(again.effort, worlds[3].effort)
    assert len({world.blocks.tobytes() for world in worlds}) == len(worlds)


def test_nothing_stands_before_a_camera(worlds):
    """All blocks are below it on the way to the arena's rim, but for what is in the arena."""
    for camera in third_person_cameras(8, 64):
        to_rim = camera.position * (1 - (ARENA_RADIUS + 0.6) / np.linalg.norm(camera.position[:2]))
        along = camera.position - np.linspace(0, 1, 50)[:, None] * to_rim
        along[:, 2] = camera.position[2]
        for world in worlds:
            assert (world.blocks[tuple(cell_of(along).T)] == Kind.AIR).all()


def test_routes_keep_clear_of_obstacles(worlds):
    detours = []
    for world in worlds:
        route = np.concatenate([world.start[None, :2], find_route(world, world.start)])
        assert np.allclose(route[-1], world.goal[:2])
        free = world.blocked.copy()
        free[tuple(cell_of(world.goal[:2]))] = False
        for a, b in zip(route[:-1], route[1:], strict=True):
            along = a + np.linspace(0, 1, 60)[:, None] * (b - a)
            for corner in np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]]) * (CLEARANCE - 0.05):
                assert not free[tuple(cell_of(along + corner).T)].any()
        length = np.linalg.norm(np.diff(route, axis=0), axis=1).sum()
        detours.append(length / np.linalg.norm(route[-1] - route[0]))
    assert np.ptp(detours) > 0.05


def test_a_goal_that_is_walled_in_is_said_so():
    ring = [(x, y) for x in (2, 3, 4) for y in (-1, 0, 1) if (x, y) != (3, 0)]
    with pytest.raises(SimulatorError):
        find_route(plain(blocked=ring), np.array([0.5, 0.5, 0]))


def test_a_walk_is_as_fast_as_the_games_and_swings_the_limbs():
    body = go(plain(), 20, forward=1.0)
    assert np.isclose(body.x - 0.5, 4.317)
    assert np.isclose(body.y, 0.5)
    assert 0.8 < body.amplitude < 0.9
    assert go(plain(), 20, body).amplitude < 0.01


def test_strafing_forwards_is_no_faster():
    body = go(plain(), 20, forward=1.0, left=1.0)
    assert np.isclose(np.hypot(body.x - 0.5, body.y - 0.5), 4.317)
    assert body.y > 3


def test_a_wall_stops_the_body_at_its_surface_and_lets_it_slide():
    world = plain(blocked=[(2, y) for y in range(-5, 6)])
    body = go(world, 20, forward=1.0, left=0.5)
    assert body.x <= 2 - HALF_WIDTH
    assert body.x > 1.3
    assert body.y > 1.5


@pytest.mark.parametrize(("height", "climbs"), [(1.0, True), (2.0, False)])
def test_a_step_is_climbed_and_a_cliff_is_not(height, climbs):
    world = plain(ground={(x, y): height for x in range(2, 9) for y in range(-5, 6)})
    body = go(world, 25, forward=1.0)
    assert (body.x > 3) == climbs
    assert body.z == (height if climbs else 0)


def test_beyond_an_edge_the_body_falls_to_the_ground():
    world = plain(ground={(x, y): -2.0 for x in range(2, 9) for y in range(-5, 6)})
    heights, body = [], Body(0.5, 0.5, 0.0, 0.0)
    for _ in range(25):
        body = go(world, 1, body, forward=1.0)
        heights.append(body.z)
    assert body.z == -2
    falls = -np.diff(heights)
    assert (falls >= 0).all()
    assert np.count_nonzero(falls) > 3


def test_the_world_has_an_end():
    body = go(plain(), 400, forward=1.0)
    assert HALF - 1 < body.x <= HALF - HALF_WIDTH


@pytest.mark.parametrize(
    ("distance", "yaw", "struck"), [(1.5, 0.0, True), (1.5, 1.2, False), (4.5, 0.0, False)]
)
def test_a_stroke_counts_within_reach_and_facing_the_goal(distance, yaw, struck):
    world = plain()
    pitch = -np.arctan2(1.12, distance)
    body = Body(3.5 - distance, 0.5, 0.0, yaw, pitch)
    assert go(world, 1, body, strike=1.0).struck == struck
    assert not go(world, 1, body, strike=0.0).struck


def test_a_stroke_lasts_its_time_and_the_next_waits_for_it():
    body = go(plain(), 1, strike=1.0)
    assert body.stroke == 1
    assert go(plain(), STROKE_STEPS - 1, body).stroke == 0
    assert go(plain(), STROKE_STEPS - 2, body, strike=1.0).stroke == STROKE_STEPS - 1


def test_a_body_is_its_array():
    body = replace(go(plain(), 7, forward=0.7, turn=0.4, strike=1.0), struck=1.0)
    assert Body.from_array(body.to_array()) == body


def test_merged_faces_cover_what_single_ones_would():
    """The quads' area in square metres equals the number of exposed faces, counted by block."""
    world = make_world(np.random.default_rng(5))
    solid = world.blocks != Kind.AIR
    exposed = 0
    for axis in range(3):
        exposed += np.count_nonzero(np.diff(solid.astype(int), axis=axis))
    area, quads = 0.0, 0
    for part in block_quads(world.blocks, ORIGIN).values():
        edges = part.corners[:, [1, 3]] - part.corners[:, :1]
        area += np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1).sum()
        quads += len(part.corners)
    assert np.isclose(area, exposed)
    assert quads < 0.8 * exposed
