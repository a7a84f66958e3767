"""Keypoints at the named bodies and sites of a MuJoCo model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Int

from datasets.errors import FormatError
from datasets.skeletons import Skeleton
from sims.scenes.points import ROUNDING, require_points, scene_skeleton, shown_by

if TYPE_CHECKING:
    import mujoco


@dataclass(frozen=True, eq=False)
class ModelPoints:
    """Keypoints of a model.

    Attributes:
        skeleton: Their names and bones.
        bodies: The body that carries each, by number.
        sites: The site of each, by number; -1 where the body's own origin is the keypoint.
        own_bodies: For each, the bodies whose surface shows it: its own and the one that carries
            it, which meet there. Where these have no shape, the nearest one that has.
        depth: How deep each may lie under such a surface, in metres: the radius of the sphere
            around the largest shape.
        actor: Whether each body belongs to the actor: to the trees that carry a keypoint.
    """

    skeleton: Skeleton
    bodies: Int[np.ndarray, " keypoints"]
    sites: Int[np.ndarray, " keypoints"]
    own_bodies: list[frozenset[int]]
    depth: Float[np.ndarray, " keypoints"]
    actor: Bool[np.ndarray, " bodies"]

    def positions(self, data: mujoco.MjData) -> Float[np.ndarray, "keypoints 3"]:
        """Where they are in a state, in world metres."""
        if not data.model.nsite:
            return data.xpos[self.bodies]
        is_site = (self.sites >= 0)[:, None]
        return np.where(is_site, data.site_xpos[self.sites], data.xpos[self.bodies])


def find_points(
    model: mujoco.MjModel,
    scene: str,
    name: str,
    chosen: Sequence[str],
    bones: Sequence[tuple[str, str]],
) -> ModelPoints:
    """Keypoints by name, of a body or else of a site.

    Args:
        model: The model.
        scene: The model's file, for messages.
        name: Begins the skeleton's name. The rest of it follows from keypoints and bones, so that
            one program may look at several choices.
        chosen: Names of bodies and sites; none stands for all named bodies.
        bones: Pairs of chosen names; none stands for the tree of bodies.

    Raises:
        FormatError: When nothing is chosen and no body has a name.
        OptionError: When something is chosen twice.
        UnknownNameError: For a name that the model or the choice does not have.
    """
    bodies = {body: i for i in range(1, model.nbody) if (body := model.body(i).name)}
    sites = {site: i for i in range(model.nsite) if (site := model.site(i).name)}
    sites = {site: i for site, i in sites.items() if site not in bodies}
    chosen = list(chosen) or list(bodies)
    if not chosen:
        raise FormatError(f'{scene} has no body with a name: give bodies a name="…" there.')
    require_points(f"body or site of {scene}", chosen, [*bodies, *sites])
    body_of = {site: int(model.site_bodyid[i]) for site, i in sites.items()} | bodies
    carriers = np.array([body_of[point] for point in chosen])
    own = [
        shown_by(body, _ancestors(model, body), lambda part: bool(model.body_geomnum[part]))
        for body in carriers.tolist()
    ]
    trees = model.body_rootid[carriers]
    return ModelPoints(
        scene_skeleton(name, _parents(model, bodies, sites), chosen, bones),
        bodies=carriers,
        sites=np.array([sites.get(point, -1) for point in chosen]),
        own_bodies=own,
        depth=ROUNDING * np.array([_largest(model, each) for each in own]),
        actor=np.isin(model.body_rootid, trees),
    )


def _parents(
    model: mujoco.MjModel, bodies: dict[str, int], sites: dict[str, int]
) -> dict[str, str | None]:
    """Each named body or site to the nearest named body that carries it."""
    names = {number: body for body, number in bodies.items()}

    def first_named(numbers: Iterator[int]) -> str | None:
        return next((names[number] for number in numbers if number in names), None)

    above = {body: first_named(_ancestors(model, number)) for body, number in bodies.items()}
    for site, number in sites.items():
        body = int(model.site_bodyid[number])
        above[site] = names.get(body) or first_named(_ancestors(model, body))
    return above


def _ancestors(model: mujoco.MjModel, body: int) -> Iterator[int]:
    """The bodies that carry a body, from the nearest to that on the world."""
    while (body := int(model.body_parentid[body])) > 0:
        yield body


def _largest(model: mujoco.MjModel, bodies: frozenset[int]) -> float:
    return float(model.geom_rbound[np.isin(model.geom_bodyid, list(bodies))].max(initial=0.0))
