"""Scene files, URDF or MJCF, loaded into PyBullet, with errors that name what is wrong in them."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np
from scipy.spatial.transform import Rotation

from datasets.errors import FormatError
from datasets.kinematics.loading import require_expanded
from sims.bullet.client import BulletClient, captured, text_of
from sims.errors import OptionError

log = logging.getLogger(__name__)

# How PyBullet begins each complaint: the kind, and the place in its own code.
_COMPLAINT = r"b3(Warning|Error)\[[^\]]*\]:\s*"
_MISSING = "cannot find"
# Joints of these types do not move.
_RIGID = ("fixed",)
# Parts of a COLLADA file that PyBullet reads without looking whether they are there.
_COLLADA = ("COLLADA", "asset", "library_geometries")
# A message quotes so many letters of PyBullet's complaints at most.
_LONGEST = 300


class Placed(NamedTuple):
    """A URDF at a place in the world.

    Attributes:
        file: Its path.
        position: Position of its base, in metres.
        turn: Roll, pitch and yaw of its base, in degrees.
        fixed: Whether its base stays where it is; by default that of a body with joints.
        scale: Factor of all its lengths.
    """

    file: str | Path
    position: tuple[float, float, float] = (0.0, 0.0, 0.0)
    turn: tuple[float, float, float] = (0.0, 0.0, 0.0)
    fixed: bool | None = None
    scale: float = 1.0


def placed(name: str, given: Any) -> Placed:
    """A user's entry for a body, a path or `Placed`, checked.

    Raises:
        OptionError: When it is neither, or its numbers cannot be used; names the body.
    """
    if not isinstance(given, (str, Path, Placed)):
        raise OptionError(f"`bodies` has {given!r} for {name!r}: give a path, or Placed(path, …).")
    found = given if isinstance(given, Placed) else Placed(given)
    vector(found.position, 3, f"the position of {name!r}")
    vector(found.turn, 3, f"the turn of {name!r}")
    if not 0 < found.scale < np.inf:
        raise OptionError(f"the scale of {name!r} is {found.scale}: it must be above 0.")
    return found


def vector(values: Any, count: int, what: str) -> list[float]:
    """Numbers of a user as a list.

    Raises:
        OptionError: When they are not `count` finite numbers; says what they stand for.
    """
    try:
        numbers = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        numbers = np.empty(0)
    if numbers.shape != (count,) or not np.isfinite(numbers).all():
        raise OptionError(f"{what} is {values!r}: give {count} finite numbers.")
    found: list[float] = numbers.tolist()
    return found


def quaternion(turn: Sequence[float]) -> list[float]:
    """The quaternion x, y, z, w of roll, pitch and yaw in degrees, as a URDF means them."""
    found: list[float] = Rotation.from_euler("xyz", turn, degrees=True).as_quat().tolist()
    return found


def read_xml(path: Path) -> ElementTree.Element:
    """The root of a scene file, whose last byte may be zero, as some files of PyBullet end.

    Raises:
        FormatError: When the file is not XML; names it.
    """
    try:
        return ElementTree.fromstring(path.read_bytes().rstrip(b"\0\r\n\t "))
    except (ElementTree.ParseError, LookupError, ValueError) as error:  # also unknown encodings
        raise FormatError(f"{path} is not valid XML ({error}). Restore it.") from None


def is_mjcf(path: Path) -> bool:
    """Whether a scene file is MJCF; otherwise it is a URDF.

    Raises:
        FormatError: When it is neither, or no XML.
    """
    tag = read_xml(path).tag
    if tag not in ("robot", "mujoco"):
        raise FormatError(f"{path} begins with <{tag}>: it must be a URDF (<robot>) or MJCF.")
    return tag == "mujoco"


def load_urdf(client: BulletClient, placed: Placed) -> int:
    """Adds a URDF, whose path is found, to a simulation; returns the body's number.

    Raises:
        FormatError: When PyBullet cannot load it; names the file and PyBullet's complaint.
    """
    path = Path(placed.file)
    robot = read_xml(path)
    _require_one_root(robot, path)
    require_expanded(robot, path)
    _require_whole_collada(robot, path)
    moves = any(joint.get("type") not in _RIGID for joint in robot.iter("joint"))
    body: int = _load(
        client,
        path,
        "loadURDF",
        basePosition=list(placed.position),
        baseOrientation=quaternion(placed.turn),
        useFixedBase=moves if placed.fixed is None else placed.fixed,
        globalScaling=placed.scale,
    )
    return body


def load_mjcf(client: BulletClient, path: Path) -> tuple[int, ...]:
    """Adds an MJCF file to a simulation; returns the bodies' numbers.

    Raises:
        FormatError: When PyBullet cannot load it, or it holds no body; names the file.
    """
    bodies: tuple[int, ...] = _load(client, path, "loadMJCF")
    if not bodies:
        raise FormatError(f"{path} holds no body that PyBullet can load. Add one.")
    return bodies


def left_out(client: BulletClient, path: Path) -> None:
    """Warns of the parts of an MJCF file that PyBullet leaves out, when it is loaded."""
    with captured() as output:
        client.call("loadMJCF", str(path))
        said = text_of(output)
    unhandled = re.findall(r"(?:unhandled|unknown) ([\w ]+ '\w+')", said)
    if unhandled:
        log.warning(
            "PyBullet leaves out parts of %s: %s. sims.MujocoEnv reads all of MJCF.",
            path,
            ", ".join(sorted(set(unhandled))),
        )


def _load(client: BulletClient, path: Path, function: str, **options: Any) -> Any:
    with captured() as output:
        try:
            return client.call(function, str(path), **options)
        except client.api.error as error:
            said = text_of(output)
            reason = _complaint(said) or str(error)
    raise FormatError(f"PyBullet cannot load {path} ({reason}). Correct it there.") from None


def _complaint(said: str) -> str:
    """The errors that PyBullet found, without its many warnings."""
    pieces = re.split(_COMPLAINT, said)[1:]
    errors = [
        " ".join(text.split())
        for kind, text in zip(pieces[::2], pieces[1::2], strict=True)
        if kind == "Error" or _MISSING in text
    ]
    return " ".join(errors)[:_LONGEST].strip()


def _require_one_root(robot: ElementTree.Element, path: Path) -> None:
    """Refuses a URDF that falls apart, with which PyBullet would end this process."""
    if robot.tag != "robot":
        raise FormatError(
            f"{path} begins with <{robot.tag}>, and bodies are URDF files (<robot>). MJCF can be "
            "the `scene`."
        )
    carried = {child.get("link") for child in robot.iter("child")}
    links = [link.get("name", "") for link in robot.findall("link")]
    if not links:
        raise FormatError(f"{path} has no link. Add one.")
    roots = [link for link in links if link not in carried]
    if len(roots) > 1:
        raise FormatError(
            f"{path} has several links that no joint carries ({', '.join(roots)}). Join them by "
            "joints, or make files of their own."
        )


def _require_whole_collada(robot: ElementTree.Element, path: Path) -> None:
    """Refuses COLLADA meshes without the parts whose absence makes PyBullet end this process."""
    for name in {mesh.get("filename", "") for mesh in robot.iter("mesh")}:
        mesh = path.parent / name
        if mesh.suffix.lower() != ".dae" or not mesh.is_file():
            continue
        root = read_xml(mesh)
        tags = {element.tag.rpartition("}")[2] for element in (root, *root)}  # without namespace
        if lacking := [tag for tag in _COLLADA if tag not in tags]:
            raise FormatError(
                f"{mesh} is no whole COLLADA file: it lacks <{lacking[0]}>. Restore it."
            )
