"""The task as a specification of minerl 0.4.4, for minerl's own, older Python only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from minerl.herobraine.env_specs.simple_embodiment import SimpleEmbodimentEnvSpec
from minerl.herobraine.hero import handlers, spaces
from minerl.herobraine.hero.handlers.translation import TranslationHandler
from mission import FLAT_WORLD, drawing, place_agents, seen_player

NOON = 6000


class SeenPlayer(TranslationHandler):
    """The place of the player's body in an agent's own game: x, y, z, yaw, pitch."""

    def __init__(self) -> None:
        """Makes the observation's space."""
        super().__init__(spaces.Box(low=-np.inf, high=np.inf, shape=(5,), dtype=np.float64))

    def to_string(self) -> str:
        """Its name among the observations."""
        return "seen_player"

    def xml_template(self) -> str:
        """Requests all entities within 64 m from the mod, at each time step."""
        return (
            "<ObservationFromNearbyEntities>"
            '<Range name="entities" xrange="64" yrange="64" zrange="64" update_frequency="1"/>'
            "</ObservationFromNearbyEntities>"
        )

    def from_hero(self, report: Any) -> np.ndarray:
        """The observation from the mod's report."""
        return np.array(seen_player(report))


class ReachGoalSpec(SimpleEmbodimentEnvSpec):
    """Open ground and a goal block, as in MineRL's ReachGoal: one agent plays, the others watch.

    The next reset uses `places` and `goal`.
    """

    def __init__(self, size: int, places: Sequence[Sequence[float]], goal: Sequence[float]) -> None:
        """Specifies a first episode.

        Args:
            size: Height and width of the images in pixels.
            places: Place of every agent, the player first.
            goal: The middle of the goal block in the game's axes.
        """
        self.places, self.goal = places, goal
        super().__init__("PoseAlignReachGoal-v0", resolution=(size, size), agent_count=len(places))

    def to_xml(self) -> str:
        """The mission."""
        return place_agents(super().to_xml(), self.places)

    def create_observables(self) -> list:
        """Picture, the agent's own place, and the player's place in the agent's game."""
        own_place = handlers.ObservationFromCurrentLocation()
        return [*super().create_observables(), own_place, SeenPlayer()]

    def create_server_initial_conditions(self) -> list:
        """Constant noon, clear weather and no animals."""
        return [
            handlers.TimeInitialCondition(allow_passage_of_time=False, start_time=NOON),
            handlers.WeatherInitialCondition("clear"),
            handlers.SpawningInitialCondition(False),
        ]

    def create_server_world_generators(self) -> list:
        """A new flat world for each episode."""
        return [handlers.FlatWorldGenerator(force_reset=True, generatorString=FLAT_WORLD)]

    def create_server_decorators(self) -> list:
        """The blocks on the ground."""
        return [handlers.DrawingDecorator(drawing(self.goal, self.places))]

    def create_server_quit_producers(self) -> list:
        """Ends the mission with its player."""
        return [handlers.ServerQuitWhenAnyAgentFinishes()]

    def create_agent_start(self) -> list:
        """No items; `to_xml` writes the places."""
        return []

    def create_agent_handlers(self) -> list:
        """None: the client of `server.py` ends an episode."""
        return []

    def create_rewardables(self) -> list:
        """None: the client computes rewards."""
        return []

    def is_from_folder(self, folder: str) -> bool:
        """False: there are no recorded episodes of this task."""
        return False

    def determine_success_from_rewards(self, rewards: list) -> bool:
        """False: there are no rewards."""
        return False

    def get_docstring(self) -> str:
        """The description of the task."""
        return str(self.__doc__)
