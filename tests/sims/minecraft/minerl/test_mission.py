"""The game's missions, read back with an XML parser, and the places of cameras."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from sims.minecraft.minerl.mission import GROUND, NAMESPACE, drawing, place_agents, seen_player
from sims.minecraft.minerl.task import (
    ARENA_RADIUS,
    draw_task,
    place_of,
    pose_at,
    spectator_cameras,
    spectator_place,
)
from sims.minecraft.player import HEIGHT

NS = f"{{{NAMESPACE}}}"


def mission(agents, start=""):
    section = (
        f'<AgentSection mode="Survival"><Name>a</Name><AgentStart>{start}</AgentStart>'
        "<AgentHandlers><PauseCommand/></AgentHandlers></AgentSection>"
    )
    return f'<Mission xmlns="{NAMESPACE}"><About/>{section * agents}</Mission>'


PLACES = [[0.5, 4, 1.5, -90.0, 10.0], [7.5, 6, -0.5, 12.25, 33.0], [-7.5, 4, 3.5, 0.0, 0.0]]


@pytest.mark.parametrize("start", ["", '<Placement x="9" y="9" z="9" yaw="9" pitch="9"/>'])
def test_each_agent_gets_its_place_and_all_but_the_first_only_look(start):
    root = ElementTree.fromstring(place_agents(mission(3, start), PLACES))
    assert root.tag == NS + "Mission"
    sections = root.findall(NS + "AgentSection")
    assert [section.get("mode") for section in sections] == ["Survival", "Spectator", "Spectator"]
    for section, place in zip(sections, PLACES, strict=True):
        (found,) = section.findall(f"{NS}AgentStart/{NS}Placement")
        assert [float(found.get(key)) for key in ("x", "y", "z", "yaw", "pitch")] == place
        assert section.find(f"{NS}AgentHandlers/{NS}PauseCommand") is not None


def test_a_mission_for_another_number_of_agents_is_refused():
    with pytest.raises(ValueError, match="3 places for 2 agents"):
        place_agents(mission(2), PLACES)


def test_the_goal_is_built_and_something_to_stand_on_above_the_ground():
    root = ElementTree.fromstring(f"<d>{drawing([-1.5, 4.5, 2.5], PLACES)}</d>")
    blocks = [tuple(block.attrib.values()) for block in root]
    assert blocks == [("-2", "4", "2", "gold_block"), ("7", "5", "-1", "barrier")]


def test_the_player_is_found_among_what_a_game_knows():
    player = {"name": "MineRLAgent0", "x": 1, "y": 2, "z": 3, "yaw": 4, "pitch": 5, "life": 20}
    other = {**player, "name": "MineRLAgent3", "x": 8}
    assert seen_player({"entities": [other, player]}) == [1, 2, 3, 4, 5]
    for report in ({}, {"entities": [other]}):
        assert np.isnan(seen_player(report)).all()


def test_places_and_poses_convert_both_ways():
    place = [1.5, 4.0, -2.5, 120.0, 30.0]
    pose = pose_at(place)
    assert np.allclose(pose.position, [1.5, 2.5, 4.0])
    back = place_of(pose)
    assert np.allclose(back[:3], place[:3])
    assert np.allclose((np.array(back[3:]) - place[3:]) % 360 % 360, 0)


@pytest.mark.parametrize("views", [1, 4, 8, 20])
def test_cameras_stand_apart_on_whole_heights_and_see_the_whole_arena(views):
    cameras = spectator_cameras(views, 224)
    places = np.array([spectator_place(camera) for camera in cameras])
    assert len(np.unique(places[:, :3], axis=0)) == views
    assert (places[:, 1] == np.round(places[:, 1])).all() and (places[:, 1] >= GROUND).all()
    assert (places[:, [0, 2]] % 1 == 0.5).all()
    around = np.linspace(0, 2 * np.pi, 24)
    rim = [ARENA_RADIUS * np.cos(around), ARENA_RADIUS * np.sin(around)]
    for camera, place in zip(cameras, places, strict=True):
        assert np.allclose(pose_at(place).eyes, camera.position)
        assert np.allclose(pose_at(place).look, camera.world_to_camera[2, :3])
        for height in (0, HEIGHT):
            points = np.stack([*rim, np.full(24, GROUND + height)], axis=1)
            assert camera.contains(camera.project(points)[0]).all()


def test_tasks_are_walks_within_the_arena():
    for seed in range(200):
        start, goal = draw_task(np.random.default_rng(seed))
        assert start.position[2] == GROUND and goal[2] == GROUND + 0.5
        for point in (start.position, goal):
            assert (point[:2] % 1 == 0.5).all()
            assert np.linalg.norm(point[:2]) < ARENA_RADIUS + np.sqrt(0.5)
        assert 4 < np.linalg.norm(goal[:2] - start.position[:2]) < 8
    again, _ = draw_task(np.random.default_rng(199))
    assert np.array_equal(again.position, start.position) and again.yaw == start.yaw
