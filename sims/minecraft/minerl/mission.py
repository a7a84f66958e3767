"""Additions to the mission XML that minerl 0.4.4 writes for the game's mod.

minerl gives all agents of a mission the same mode; here the first agent plays and the others are
spectators, each at its own place. This file also runs under minerl's own, older Python.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from typing import Any

NAMESPACE = "http://ProjectMalmo.microsoft.com"
# The mod's name of the first agent's player.
PLAYER_NAME = "MineRLAgent0"
# Bedrock, two layers of dirt, grass; plains. The grass ends at a height of 4.
FLAT_WORLD = "3;7,2*3,2;1;"
GROUND = 4
GOAL_BLOCK = "gold_block"
# An invisible block that a body can stand on.
UNSEEN_BLOCK = "barrier"


def place_agents(xml: str, places: Sequence[Sequence[float]]) -> str:
    """The mission with a start place for each agent, and all agents but the first as spectators.

    Args:
        xml: The mission.
        places: Place of every agent: x, y, z of its feet in the game's axes, yaw and pitch in
            degrees.

    Raises:
        ValueError: When the mission has another number of agents.
    """
    ElementTree.register_namespace("", NAMESPACE)
    root = ElementTree.fromstring(xml)
    sections = root.findall(_name("AgentSection"))
    if len(sections) != len(places):
        raise ValueError(f"{len(places)} places for {len(sections)} agents")
    for i, place in enumerate(places):
        sections[i].set("mode", "Survival" if i == 0 else "Spectator")
        start = sections[i].find(_name("AgentStart"))
        if start is None:
            raise ValueError(f"agent {i} has no AgentStart")
        for old in start.findall(_name("Placement")):
            start.remove(old)
        values = (repr(float(value)) for value in place)
        names = ("x", "y", "z", "yaw", "pitch")
        start.append(ElementTree.Element(_name("Placement"), dict(zip(names, values))))  # noqa: B905
    return ElementTree.tostring(root, encoding="unicode")


def _name(tag: str) -> str:
    return f"{{{NAMESPACE}}}{tag}"


def drawing(goal: Sequence[float], places: Sequence[Sequence[float]]) -> str:
    """The blocks on the open ground: the goal, and an invisible block below each spectator.

    Spectators can fly only once the mission runs; until then they would fall.

    Args:
        goal: The middle of the goal block in the game's axes.
        places: Place of every agent, with the spectators' feet at whole heights.
    """
    blocks = [(goal, GOAL_BLOCK)]
    for x, y, z, _, _ in places[1:]:
        if y > GROUND:
            blocks.append(((x, y - 1, z), UNSEEN_BLOCK))
    draw = '<DrawBlock x="%d" y="%d" z="%d" type="%s"/>'
    return "".join(draw % (*(int(axis // 1) for axis in at), kind) for at, kind in blocks)


def seen_player(report: Mapping[str, Any]) -> list[float]:
    """x, y, z, yaw and pitch of the player's body as an agent's own game draws it.

    Args:
        report: The mod's report to this agent.

    Returns:
        The five numbers; NaN where the agent's game has no player.
    """
    for entity in report.get("entities", ()):
        if entity["name"] == PLAYER_NAME:
            return [float(entity[key]) for key in ("x", "y", "z", "yaw", "pitch")]
    return [float("nan")] * 5
