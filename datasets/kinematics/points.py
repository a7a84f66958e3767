"""Keypoints fixed to the links of a robot: the Panda's own, or the origins of links."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from datasets.errors import OptionError, require_known
from datasets.skeletons import PANDA, Skeleton

# A keypoint lies inside its link, at most this far behind the link's surface, in metres. The
# longest distance through one of the Panda's links to its own joint is 0.14 m.
MAX_DEPTH_IN_LINK = 0.16


class Attachment(NamedTuple):
    """A point fixed to a body.

    Attributes:
        body: Name of the body.
        offset: Position in the body's own frame, in metres.
        own_bodies: Bodies whose surface shows the point.
    """

    body: str
    offset: tuple[float, float, float]
    own_bodies: tuple[str, ...]

    def renamed(self, names: Mapping[str, str]) -> Attachment:
        """The same point where some bodies have other names."""
        own = tuple(names.get(body, body) for body in self.own_bodies)
        return Attachment(names.get(self.body, self.body), self.offset, own)


def _joint(number: int, along_axis: float = 0.0) -> Attachment:
    parent, child = f"link{number - 1}", f"link{number}"
    return Attachment(child, (0.0, 0.0, along_axis), (parent, child))


# Links 1 and 2 have the same origin, and so have links 5 and 6. So that all keypoints differ,
# joints 1, 5 and 7 lie where their axis leaves the link before, at the seam between the two links.
# Finger tips lie in the middle of the lower end of each finger's visual mesh.
PANDA_POINTS = {
    "base": Attachment("link0", (0.0, 0.0, 0.06), ("link0",)),
    "joint1": _joint(1, -0.192),
    "joint2": _joint(2),
    "joint3": _joint(3),
    "joint4": _joint(4),
    "joint5": _joint(5, -0.259),
    "joint6": _joint(6),
    "joint7": _joint(7, 0.052),
    "hand": Attachment("hand", (0.0, 0.0, 0.03), ("hand", "link7")),
    "left_finger": Attachment("leftfinger", (0.0, 0.0072, 0.0535), ("leftfinger",)),
    "right_finger": Attachment("rightfinger", (0.0, -0.0072, 0.0535), ("rightfinger",)),
}
assert tuple(PANDA_POINTS) == PANDA.keypoints


def link_points(
    name: str, parents: Mapping[str, str | None], chosen: Sequence[str]
) -> tuple[Skeleton, list[Attachment]]:
    """Keypoints at the origins of links, and the skeleton that joins them along the robot.

    A keypoint counts as shown by its link and the link before it, which meet there.

    Args:
        name: Name of the robot, which names the skeleton.
        parents: Each link of the robot to the link that carries it.
        chosen: Links, each as `NAME` or `NAME:X,Y,Z` with a position in the link's own frame in
            metres.

    Raises:
        UnknownNameError: When the robot has no such link.
        OptionError: When a position is not three numbers, or a link is chosen twice.
    """
    points = {}
    for word in chosen:
        link, _, place = word.partition(":")
        require_known(f"link of {name}", link, parents)
        if link in points:
            raise OptionError(f"--links names {link} twice; name each link once.")
        before = parents[link]
        points[link] = Attachment(
            link, _offset(word, place), (link,) if before is None else (link, before)
        )
    return linked_skeleton(f"{name}_links", parents, list(points)), list(points.values())


def linked_skeleton(name: str, parents: Mapping[str, str | None], links: Sequence[str]) -> Skeleton:
    """The skeleton of some links, each joined to the nearest one that carries it.

    Links whose names differ by `left` and `right` are pairs that a mirror image swaps.

    Args:
        name: Name of the skeleton.
        parents: Each link of the robot to the link that carries it.
        links: The links, in the order of the keypoints.
    """
    order = list(links)
    bones = [
        (order.index(above), order.index(link))
        for link in order
        if (above := _chosen_above(link, parents, order)) is not None
    ]
    pairs = [
        (order.index(link), order.index(other))
        for link in order
        if "left" in link and (other := link.replace("left", "right")) in order
    ]
    return Skeleton(name, tuple(order), tuple(bones), tuple(pairs))


def _chosen_above(
    link: str, parents: Mapping[str, str | None], chosen: Sequence[str]
) -> str | None:
    above = parents[link]
    while above is not None and above not in chosen:
        above = parents[above]
    return above


def _offset(word: str, place: str) -> tuple[float, float, float]:
    if not place:
        return (0.0, 0.0, 0.0)
    try:
        x, y, z = (float(number) for number in place.split(","))
    except ValueError:
        x = y = z = math.nan
    if not all(map(math.isfinite, (x, y, z))):
        raise OptionError(f"--links {word!r} must be NAME or NAME:X,Y,Z, such as hand:0,0,0.1.")
    return x, y, z
