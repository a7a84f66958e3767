"""Keypoints that a user chooses by name in a scene: their skeleton, and what shows them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from datasets.errors import require_known
from datasets.kinematics.points import linked_skeleton
from datasets.skeletons import Skeleton, add_skeleton
from sims.errors import OptionError

# Rounding makes the middle of a sphere lie a little deeper under its surface than its radius.
ROUNDING = 1.01


def require_points(kind: str, chosen: Sequence[str], known: Sequence[str]) -> None:
    """Checks that all chosen points exist and differ.

    Args:
        kind: What the names stand for, such as `body or site of arm.xml`.
        chosen: The names.
        known: All names that may be chosen.

    Raises:
        OptionError: When something is chosen twice.
        UnknownNameError: For a name that is not known.
    """
    for point in chosen:
        require_known(kind, point, known)
    if len(set(chosen)) < len(chosen):
        raise OptionError(f"the points {list(chosen)} name one thing twice; name each once.")


def scene_skeleton(
    name: str,
    parents: Mapping[str, str | None],
    chosen: Sequence[str],
    bones: Sequence[tuple[str, str]],
) -> Skeleton:
    """The skeleton of chosen points, registered under a name of its own.

    Args:
        name: Begins the skeleton's name. The rest of it follows from keypoints and bones, so that
            one program may look at several choices.
        parents: Each point of the scene to the point that carries it.
        chosen: Names of the keypoints.
        bones: Pairs of chosen names; none stands for the tree of `parents`.

    Raises:
        UnknownNameError: For the end of a bone that is not chosen.
    """
    skeleton = linked_skeleton(name, parents, chosen)
    for end in (end for bone in bones for end in bone):
        require_known("point", end, chosen)
    if bones:
        pairs = tuple((chosen.index(a), chosen.index(b)) for a, b in bones)
        skeleton = replace(skeleton, bones=pairs)
    digest = hashlib.blake2b(repr(skeleton).encode(), digest_size=2).hexdigest()
    return add_skeleton(replace(skeleton, name=f"{name}-{digest}"))


def shown_by(
    part: int, carriers: Iterable[int], has_shape: Callable[[int], bool]
) -> frozenset[int]:
    """The parts of a body whose surface shows a point of one of them.

    These are its own part and the one that carries it, which meet there. Where these have no shape,
    the nearest carrier that has one is added.

    Args:
        part: Number of the part that the point is fixed to.
        carriers: The parts that carry it, from the nearest on.
        has_shape: Whether a part can be seen.
    """
    own = {part}
    for count, above in enumerate(carriers):
        if count and any(map(has_shape, own)):
            break
        own.add(above)
    return frozenset(own)
