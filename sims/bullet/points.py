"""Keypoints at the links of a PyBullet scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from datasets.errors import FormatError
from datasets.kinematics.points import MAX_DEPTH_IN_LINK
from datasets.skeletons import Skeleton
from sims.bullet.bodies import Body, link_pose
from sims.bullet.client import BulletClient
from sims.bullet.views import segment
from sims.scenes.points import ROUNDING, require_points, scene_skeleton, shown_by

# PyBullet gives links without a collision shape a box of a few millimetres.
_NO_SHAPE = 0.005


@dataclass(frozen=True, eq=False)
class LinkPoints:
    """Keypoints of a scene, each at the origin of a link.

    Attributes:
        skeleton: Their names and bones.
        parts: Numbers of each one's body and link.
        own_segments: For each, the segments whose surface shows it; see `sims.scenes.points`.
        depth: How deep each may lie under such a surface, in metres: the radius of the sphere
            around the largest shape.
        actor: Numbers of the bodies that carry a keypoint.
    """

    skeleton: Skeleton
    parts: tuple[tuple[int, int], ...]
    own_segments: list[frozenset[int]]
    depth: list[float]
    actor: frozenset[int]

    def positions(self, client: BulletClient) -> Float[np.ndarray, "keypoints 3"]:
        """Where they are now, in world metres."""
        return np.stack([link_pose(client, *part)[:3, 3] for part in self.parts])


def find_points(
    client: BulletClient,
    bodies: Sequence[Body],
    scene: str,
    name: str,
    chosen: Sequence[str],
    bones: Sequence[tuple[str, str]],
) -> LinkPoints:
    """Keypoints by the names of links.

    Args:
        client: The physics server, whose simulation holds the bodies.
        bodies: The bodies of the scene.
        scene: The scene, for messages.
        name: Begins the skeleton's name.
        chosen: Names of links as `body/link`; none stands for all links, with a name and a shape,
            of the bodies that have joints, or of all bodies where none has.
        bones: Pairs of chosen names; none stands for the tree of links.

    Raises:
        FormatError: When nothing is chosen and no link has a name and a shape.
        OptionError: When something is chosen twice.
        UnknownNameError: For a link that does not exist.
    """
    owner = {link: body for body in bodies for link in body.links}
    acting = [body for body in bodies if body.joints] or list(bodies)
    chosen = list(chosen) or [point for body in acting for point in body.points]
    if not chosen:
        raise FormatError(f"{scene} has no link with a name and a shape: name links in `points`.")
    require_points(f"link of {scene}", chosen, list(owner))
    carried = {link: _carrier(body, link) for link, body in owner.items()}
    parts, own, depth = [], [], []
    for point in chosen:
        body, link = owner[point], owner[point].links[point]
        shown = shown_by(link, body.carriers(link), body.shown.__contains__)
        parts.append((body.number, link))
        own.append(frozenset(segment(body.number, part) for part in shown))
        depth.append(_depth(client, body, shown))
    actor = frozenset(number for number, _ in parts)
    return LinkPoints(scene_skeleton(name, carried, chosen, bones), tuple(parts), own, depth, actor)


def _carrier(body: Body, link: str) -> str | None:
    """The nearest link with a name of its own that carries a link."""
    names = {number: name for name, number in body.links.items()}
    return next((names[part] for part in body.carriers(body.links[link]) if part in names), None)


def _depth(client: BulletClient, body: Body, links: frozenset[int]) -> float:
    corners = [np.array(client.call("getAABB", body.number, link)) for link in links]
    largest = max(float(np.linalg.norm(high - low)) for low, high in corners)
    # What has no collision shape may be as thick as a link of an arm.
    return ROUNDING * largest / 2 if largest > _NO_SHAPE else MAX_DEPTH_IN_LINK
