"""The task held against the real minerl 0.4.4, and the stand-in's missions against its missions.

Needs minerl's own environment, with or without the game: POSEALIGN_MINERL_PYTHON names its python.
"""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from sims.minecraft.minerl import process as minerl_process
from sims.minecraft.minerl.process import PYTHON_VARIABLE, MinerlProcess, shortcomings
from sims.minecraft.minerl.task import place_of, pose_at, spectator_cameras, spectator_place
from tests.sims.minecraft.minerl.minerl_standin import STATS

PYTHON = os.environ.get(PYTHON_VARIABLE)
pytestmark = pytest.mark.skipif(
    not PYTHON, reason=f"{PYTHON_VARIABLE} names no environment with minerl 0.4.4"
)
SIZE, VIEWS = 224, 8
START = place_of(pose_at([0.5, 4.0, 0.5, 90.0, 0.0]))
PLACES = [START, *map(spectator_place, spectator_cameras(VIEWS, SIZE))]
AGENTS = [f"agent_{i}" for i in range(1 + VIEWS)]

# This program describes either package.
DESCRIBE = """
import json, sys
given = json.loads(sys.argv[1])
sys.path.insert(0, given["sims"])
from spec import ReachGoalSpec
sys.path.pop(0)
spec = ReachGoalSpec(given["size"], given["places"], [2.5, 4.5, -1.5])
found = {"xml": spec.to_xml()}
for kind in ("observation_space", "action_space"):
    agents = getattr(spec, kind).spaces
    found[kind] = {
        agent: {name: list(getattr(one, "shape", None) or ()) for name, one in space.spaces.items()}
        for agent, space in agents.items() if agent in spec.agent_names
    }
found["stats"] = list(spec.observation_space["agent_0"]["location_stats"].spaces)
no_op = spec.action_space.no_op()
found["no_op"] = {name: value.tolist() if name == "camera" else value
                 for name, value in no_op["agent_8"].items()}
"""
# What only the real one can: the missions that it would send, and the game's schema.
VALIDATE = """
from lxml import etree
from pathlib import Path
import minerl
env = spec.make()
env.seed(2**32 - 1)
schema = Path(minerl.__file__).with_name("Malmo") / "Schemas" / "MissionInit.xsd"
schema = etree.XMLSchema(etree.parse(str(schema)))
found["complaints"] = []
for mission in env._setup_agent_xmls("an episode"):
    schema.validate(mission)
    found["complaints"] += [str(error) for error in schema.error_log]
found["missions"] = len(env._setup_agent_xmls("an episode"))
"""

# Two episodes through all of the real one but the game itself.
PLAY = """
import json, os, sys
given = json.loads(sys.argv[1])
sys.path.insert(0, given["sims"])
import server
from minerl.env.malmo import InstanceManager
InstanceManager.MINECRAFT_DIR = given["game"]
game = server.Game(16, given["places"], 70.0)
options = open(os.path.join(InstanceManager.MINECRAFT_DIR, "run", "options.txt")).read()
found = {"fov": [line for line in options.splitlines() if line.startswith("fov:")], "looks": []}
looks = [game.reset(seed, given["places"][seed], [2.5, 4.5, -1.5]) for seed in (0, 1)]
looks.append(game.step({"forward": 1, "attack": 1, "camera": [1.5, -9.0]}))
game.close()
found["looks"] = [{**look, "data": list(data[::16 * 16 * 3])} for look, data in looks]
"""


def describe(python, program, places=PLACES, game="", **variables):
    given = {"sims": str(minerl_process.SERVER.parent), "size": SIZE, "places": places}
    given["game"] = game
    done = subprocess.run(
        [python, "-c", program + "\nprint(json.dumps(found))", json.dumps(given)],
        capture_output=True,
        text=True,
        env={**os.environ, **variables},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def real():
    return describe(PYTHON, DESCRIBE + VALIDATE)


def test_the_games_schema_accepts_the_mission_of_each_of_nine_agents(real):
    assert real["missions"] == 1 + VIEWS
    assert real["complaints"] == []


def test_its_spaces_are_those_that_the_server_reads_and_writes(real):
    observations, actions = real["observation_space"], real["action_space"]
    assert sorted(observations) == sorted(actions) == AGENTS
    for agent in AGENTS:
        assert observations[agent]["pov"] == [SIZE, SIZE, 3]
        assert observations[agent]["seen_player"] == [5]
        assert {"forward", "back", "left", "right", "attack", "camera"} <= set(actions[agent])
    assert set(STATS) <= set(real["stats"])
    assert real["no_op"]["camera"] == [0, 0] and real["no_op"]["forward"] == 0


def test_the_standin_speaks_as_the_real_package_does(real, tmp_path):
    standin = Path(__file__).with_name("minerl_standin.py")
    (tmp_path / "minerl.py").symlink_to(standin)
    fake = describe(sys.executable, DESCRIBE, PYTHONPATH=str(tmp_path))
    canonical = [
        ElementTree.canonicalize(found["xml"], strip_text=True, with_comments=False)
        for found in (real, fake)
    ]
    assert canonical[0] == canonical[1]
    assert set(fake.pop("stats")) <= set(real["stats"])
    # The spaces, with what other shapes the real one counts for its groups.
    for kind in ("observation_space", "action_space"):
        for agent in AGENTS:
            shapes = [dict(sorted(found[kind][agent].items())) for found in (real, fake)]
            for shape in shapes:
                shape.pop("location_stats", None)
            assert shapes[0] == shapes[1]
    assert real["no_op"] == fake["no_op"]


def test_the_server_imports_it_and_sets_the_task_up():
    process = MinerlProcess(PYTHON)
    found = process.ask("probe").header
    assert found["minerl"].startswith("0.4.")
    if found["jar"] is None:
        assert any("its game was not built" in lack for lack in shortcomings(found))
    assert process.ask("make", size=SIZE, places=PLACES, fov_degrees=70.0).header == {"bytes": 0}
    process.close()
    assert process._process.returncode == 0


@pytest.mark.slow
def test_episodes_run_through_the_real_package_down_to_its_sockets(tmp_path):
    log, game = tmp_path / "log", tmp_path / "Minecraft"
    (game / "run").mkdir(parents=True)
    (game / "run/options.txt").write_text("fov:1.5\nbobView:false\n")
    mod = Path(__file__).with_name("minerl_mod_standin.py")
    launch = game / "launchClient.sh"
    launch.write_text(f'#!/bin/sh\nexec {PYTHON} {mod} "$@"\n')
    launch.chmod(0o755)
    places = [[float(value) for value in place] for place in PLACES[:3]]
    found = describe(PYTHON, PLAY, places=places, game=str(game), MINERL_MOD_LOG=str(log))
    assert found["fov"] == ["fov:0"]
    for look, start in zip(found["looks"], (0, 1, 1), strict=True):
        assert look["places"] == [places[start], *places[1:]]
        assert look["seen"] == [[1, 4, 2, 3, 4]] * 3
        assert look["data"] == [0, 10, 20]
    notes = [json.loads(line) for line in log.read_text().splitlines()]
    assert [seed for kind, role, seed in notes if (kind, role) == ("seed", 0)] == [0, 1]
    moves = [set(keys) for kind, role, keys in notes if (kind, role) == ("step", 0)]
    assert {"forward 1", "attack 1", "back 0", "camera 1.5 -9.0"} <= moves[-1]
    assert {"forward 0", "attack 0", "camera 0.0 0.0"} <= moves[-2]
    last = [keys for kind, role, keys in notes if (kind, role) == ("step", 1)][-1]
    assert {"forward 0", "attack 0", "camera 0.0 0.0"} <= set(last)
