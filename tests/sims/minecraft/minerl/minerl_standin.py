"""A stand-in for minerl 0.4.4 and its game. It is NOT the game: it only speaks minerl's API.

Copied as `minerl.py` to where `server.py` finds it. Old gym's ways (reset gives
observations alone, step a 4-tuple), mission XML as the real package writes it (test_minerl_package
compares the two), and a body that follows the mission: it walks, turns, and other agents see it
late. Pictures show two dots, at the middles of body and goal block, projected as OpenGL does it.

MINERL_STANDIN names a fault: launch, crash, hang, lost, over, fall, unseen.
"""

import json
import os
import re
import sys
import time
import types
import xml.etree.ElementTree as ElementTree
from copy import deepcopy
from pathlib import Path

import numpy as np

FAULT = os.environ.get("MINERL_STANDIN", "")
FAULT_AT_STEP = 25
AGENT, GOAL = (250, 40, 40), (40, 250, 40)
STATS = ("xpos", "ypos", "zpos", "yaw", "pitch")
NS = "{http://ProjectMalmo.microsoft.com}"
KEYS = ("forward", "left", "back", "right", "jump", "sneak", "sprint", "attack")


class InstanceManager:
    MINECRAFT_DIR = os.path.join(os.path.dirname(__file__), "Minecraft")


class Box:
    def __init__(self, low, high, shape=None, dtype=np.float32):
        self.shape, self.dtype = tuple(shape), np.dtype(dtype)

    def no_op(self):
        return np.zeros(self.shape, self.dtype)


class Discrete:
    shape = ()

    def __init__(self, n):
        self.n = n

    def no_op(self):
        return 0


class Dict:
    def __init__(self, spaces):
        self.spaces = spaces

    def __getitem__(self, name):
        return self.spaces[name]

    def no_op(self):
        return {name: space.no_op() for name, space in self.spaces.items()}


class TranslationHandler:
    def __init__(self, space):
        self.space = space

    def xml(self):
        return self.xml_template()


class _Handler(TranslationHandler):
    """Any of the real package's handlers: a name, an XML element, a space."""

    def __init__(self, name, xml, space=None, from_hero=None):
        super().__init__(space)
        self._name, self._xml, self.from_hero = name, xml, from_hero

    def to_string(self):
        return self._name

    def xml_template(self):
        return self._xml


def _lower(value):
    return str(value).lower()


def _pov(resolution):
    width, height = resolution
    xml = '<VideoProducer want_depth="false"><Width>{} </Width><Height>{}</Height></VideoProducer>'

    def from_hero(info):
        flipped = np.frombuffer(info["pov"], np.uint8).reshape(height, width, 3)
        return flipped[::-1, :, :]

    space = Box(0, 255, (height, width, 3), np.uint8)
    return _Handler("pov", xml.format(width, height), space, from_hero)


def _location():
    spaces = Dict({key: Box(-640000, 640000, (), np.float64) for key in STATS})
    return _Handler(
        "location_stats",
        "<ObservationFromFullStats/>",
        spaces,
        lambda info: {key: np.array(info[key]) for key in STATS},
    )


handlers = types.SimpleNamespace(
    ObservationFromCurrentLocation=_location,
    TimeInitialCondition=lambda allow_passage_of_time, start_time: _Handler(
        "time_initial_condition",
        f"<Time><StartTime>{start_time}</StartTime>"
        f"<AllowPassageOfTime>{_lower(allow_passage_of_time)}</AllowPassageOfTime></Time>",
    ),
    WeatherInitialCondition=lambda weather: _Handler("weather", f"<Weather>{weather}</Weather>"),
    SpawningInitialCondition=lambda allow: _Handler(
        "spawning", f"<AllowSpawning>{_lower(allow)}</AllowSpawning>"
    ),
    FlatWorldGenerator=lambda force_reset, generatorString: _Handler(  # noqa: N803
        "flat_world_generator",
        f'<FlatWorldGenerator forceReset="{_lower(force_reset)}" '
        f'generatorString="{generatorString}"/>',
    ),
    DrawingDecorator=lambda to_draw: _Handler(
        "drawing_decorator", f"<DrawingDecorator>{to_draw}</DrawingDecorator>"
    ),
    ServerQuitWhenAnyAgentFinishes=lambda: _Handler(
        "server_quit", "<ServerQuitWhenAnyAgentFinishes/>"
    ),
)


class SimpleEmbodimentEnvSpec:
    def __init__(self, name, resolution=(64, 64), agent_count=None):
        self.name, self.resolution, self.agent_count = name, resolution, agent_count
        self.agent_names = [f"agent_{i}" for i in range(agent_count)]
        self.reset()

    def reset(self):
        self.observables, self.actionables = self.create_observables(), self.create_actionables()
        self.initial = self.create_server_initial_conditions()
        self.server = [
            *self.create_server_world_generators(),
            *self.create_server_decorators(),
            *self.create_server_quit_producers(),
        ]
        self.rest = [
            *self.create_agent_start(),
            *self.create_agent_handlers(),
            *self.create_rewardables(),
            *self.create_monitors(),
        ]
        assert not self.rest, "the stand-in knows of no such handlers"
        self.observation_space, self.action_space = (
            Dict({name: Dict({h.to_string(): h.space for h in some}) for name in self.agent_names})
            for some in (self.observables, self.actionables)
        )

    def create_observables(self):
        return [_pov(self.resolution)]

    def create_actionables(self):
        keys = [_Handler(key, "<HumanLevelCommands/>", Discrete(2)) for key in KEYS]
        camera = _Handler("camera", "<CameraCommands/>", Box(-180, 180, (2,)))
        return [*keys, camera]

    def create_monitors(self):
        return []

    def to_xml(self):
        def joined(some):
            return "".join({re.match(r"<(\w+)", x)[1]: x for x in (h.xml() for h in some)}.values())

        agents = "".join(
            f'<AgentSection mode="Survival"><Name>MineRLAgent{i}</Name><AgentStart></AgentStart>'
            "<AgentHandlers><FileBasedPerformanceProducer/><ObservationFromDamage/><PauseCommand/>"
            f"{joined(self.observables)}{joined(self.actionables)}</AgentHandlers></AgentSection>"
            for i in range(self.agent_count)
        )
        return (
            f'<Mission xmlns="{NS[1:-1]}"><About><Summary>{self.name}</Summary></About>'
            "<ModSettings><MsPerTick>50</MsPerTick></ModSettings><ServerSection>"
            f"<ServerInitialConditions>{joined(self.initial)}</ServerInitialConditions>"
            f"<ServerHandlers>{joined(self.server)}</ServerHandlers></ServerSection>{agents}"
            "</Mission>"
        )

    def make(self):
        return _MultiAgentEnv(self)


class _MultiAgentEnv:
    def __init__(self, env_spec):
        self.task = env_spec
        self.action_space, self.observation_space = env_spec.action_space, None
        self.done = True

    def seed(self, seed=None):
        assert isinstance(seed, int), "Seed must be an int!"

    def reset(self):
        print("what the game prints must not disturb its client", flush=True)
        os.write(1, b"nor what its own processes print\n")
        if FAULT == "launch":
            raise EOFError("\n\nMinecraft process finished unexpectedly. There was an error.")
        options = (Path(InstanceManager.MINECRAFT_DIR) / "run" / "options.txt").read_text()
        self._fov = 70 + 40 * float(re.search(r"(?m)^fov:(.*)$", options)[1])
        self.task.reset()
        mission = ElementTree.fromstring(self.task.to_xml())
        self._flying, self._places = [], []
        for section in mission.iter(NS + "AgentSection"):
            place = section.find(f"{NS}AgentStart/{NS}Placement")
            self._flying.append(section.get("mode") == "Spectator")
            values = (float(place.get(key)) for key in ("x", "y", "z", "yaw", "pitch"))
            self._places.append(np.array(list(values)))
        blocks = mission.iter(NS + "DrawBlock")
        self._blocks = {tuple(int(b.get(a)) for a in "xyz"): b.get("type") for b in blocks}
        self._fall()
        self._seen, self._steps, self.done = self._places[0].copy(), 0, False
        return self._observe()

    def _fall(self):
        """Falls to the block below, as all agents do before a mission runs."""
        for place in self._places:
            x, _, z = np.floor(place[:3]).astype(int)
            while place[1] > 4 and (x, int(np.ceil(place[1])) - 1, z) not in self._blocks:
                place[1] -= 1
        if FAULT == "fall":
            self._places[1][1] -= 1

    def step(self, actions):
        if self.done:
            raise RuntimeError("Attempted to step an environment server with done=True")
        self._steps += 1
        late = self._steps >= FAULT_AT_STEP
        if late and FAULT == "crash":
            os._exit(3)
        if late and FAULT == "hang":
            time.sleep(60)
        names = self.task.agent_names
        if late and FAULT == "lost":
            self.done = True
            lost = {name: {"error": "Connection timed out!"} for name in names}
            return self._observe(), dict.fromkeys(names, 0), True, lost
        self._move(deepcopy(actions[names[0]]))
        self.done = late and FAULT == "over"
        return self._observe(), dict.fromkeys(names, 0.0), self.done, {name: {} for name in names}

    def _move(self, action):
        body = self._places[0]
        pitch, yaw = np.asarray(action["camera"], float)
        body[3] += yaw
        body[4] = np.clip(body[4] + pitch, -90, 90)
        # South at a yaw of 0, then clockwise: west.
        heading = np.radians(body[3])
        ahead = np.array([-np.sin(heading), np.cos(heading)])
        left = np.array([ahead[1], -ahead[0]])
        way = ahead * (action["forward"] - action["back"]) + left * (
            action["left"] - action["right"]
        )
        body[[0, 2]] += 4.317 / 20 * way
        self._seen += (body - self._seen) / 3

    def _observe(self):
        observed = {}
        for i, name in enumerate(self.task.agent_names):
            seen = self._places[0] if i == 0 else self._seen
            entity = dict(zip(("x", "y", "z", "yaw", "pitch"), seen.tolist(), strict=True))
            entity["name"] = "Pig" if FAULT == "unseen" and i else "MineRLAgent0"
            report = dict(zip(STATS, self._places[i].tolist(), strict=True))
            info = json.loads(json.dumps({**report, "entities": [entity]}))
            info["pov"] = self._picture(i)
            observed[name] = {h.to_string(): h.from_hero(info) for h in self.task.observables}
        return observed

    def _picture(self, agent):
        """Bytes of an RGB picture, lowest row first."""
        width, height = self.task.resolution
        image = np.full((height, width, 3), 20 * agent, np.uint8)
        image[0, :, :] = 255  # the lowest row
        goal = next(at for at, kind in self._blocks.items() if kind == "gold_block")
        self._dot(image, agent, np.array(goal) + 0.5, GOAL)
        if agent:
            self._dot(image, agent, self._seen[:3] + [0, 15 / 16, 0], AGENT)
        return image.tobytes()

    def _dot(self, image, agent, point, colour):
        x, y, z, yaw, pitch = self._places[agent]
        a, b = np.radians(pitch), np.radians(yaw + 180)
        turn_pitch = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
        turn_yaw = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
        right, up, back = turn_pitch @ turn_yaw @ (point - [x, y + 1.62, z])
        fov = self._fov * (1.1 if self._flying[agent] else 1.0)
        scale = 1 / np.tan(np.radians(fov) / 2) / -back
        if back > -0.05 or max(abs(right), abs(up)) * scale >= 1:
            return
        height, width = image.shape[:2]
        row, column = int((up * scale + 1) * height / 2), int((right * scale + 1) * width / 2)
        image[max(row - 1, 1) : row + 2, max(column - 1, 0) : column + 2] = colour

    def close(self):
        Path(__file__).with_name("closed").touch()


# The real package is a tree of modules.
_this = sys.modules[__name__]
for _name in (
    "env",
    "env.malmo",
    "herobraine",
    "herobraine.env_specs",
    "herobraine.env_specs.simple_embodiment",
    "herobraine.hero",
    "herobraine.hero.handlers",
    "herobraine.hero.handlers.translation",
):
    sys.modules[f"{__name__}.{_name}"] = _this
spaces = _this
