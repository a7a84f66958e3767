"""Robots that come along with other packages, by name; they are found without an import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from datasets.console.home import expanded
from datasets.errors import FormatError, MissingDataError, UnknownNameError, unknown_name

# Begins the names of the links and joints of a gripper that is attached to an arm.
GRIPPER = "gripper_"
# Endings of files that describe a robot: URDF, and MJCF under both of its names.
_ROBOT_FILES = (".urdf", ".xml", ".mjcf")


@dataclass(frozen=True)
class Listed:
    """A robot in the files of an installed package.

    Attributes:
        package: Name of the package.
        file: URDF or MJCF, relative to the package's folder.
        gripper: MJCF of the gripper on the link `mount`; empty where `file` has it already.
        mount: Link that carries the gripper.
        panda: For a Panda, the names of those links that have other names than in
            `datasets.kinematics.points`; None for other robots.
        visual_group: MuJoCo's group of the shapes that a camera sees, if there is one.
    """

    package: str
    file: str
    gripper: str = ""
    mount: str = "right_hand"
    panda: Mapping[str, str] | None = None
    visual_group: int | None = None


def _robosuite(arm: str, gripper: str, panda: Mapping[str, str] | None = None) -> Listed:
    assets = "models/assets"
    return Listed(
        "robosuite",
        f"{assets}/robots/{arm}/robot.xml",
        f"{assets}/grippers/{gripper}.xml",
        panda=panda,
        visual_group=1,
    )


# The grippers are those that robosuite gives each arm by default.
ROBOTS = {
    "panda": _robosuite(
        "panda",
        "panda_gripper",
        {
            "hand": f"{GRIPPER}right_gripper",
            **{f"{side}finger": f"{GRIPPER}{side}finger" for side in ("left", "right")},
        },
    ),
    "ur5e": _robosuite("ur5e", "robotiq_gripper_85"),
    "iiwa": _robosuite("iiwa", "robotiq_gripper_140"),
    "sawyer": _robosuite("sawyer", "rethink_gripper"),
    "jaco": _robosuite("jaco", "jaco_three_finger_gripper"),
    "kinova3": _robosuite("kinova3", "robotiq_gripper_85"),
    "xarm7": _robosuite("xarm7", "xarm7_gripper"),
    "panda_bullet": Listed(
        "pybullet_data",
        "franka_panda/panda.urdf",
        panda={
            **{f"link{i}": f"panda_link{i}" for i in range(8)},
            **{part: f"panda_{part}" for part in ("hand", "leftfinger", "rightfinger")},
        },
    ),
    "iiwa_bullet": Listed("pybullet_data", "kuka_iiwa/model.urdf"),
    "xarm6_bullet": Listed("pybullet_data", "xarm/xarm6_robot.urdf"),
}


@dataclass(frozen=True)
class Found:
    """The files of a robot.

    Attributes:
        name: Its name in the catalogue, or that of its file.
        file: URDF or MJCF.
        gripper: MJCF of its gripper, if it is in a file of its own.
        mount: Link that carries that gripper.
        panda: See `Listed`.
        visual_group: See `Listed`.
    """

    name: str
    file: Path
    gripper: Path | None = None
    mount: str = ""
    panda: Mapping[str, str] | None = None
    visual_group: int | None = None


def find_robot(robot: str) -> Found:
    """The files of a robot: of the catalogue, or a path of a URDF or MJCF file.

    Raises:
        MissingDataError: When the path does not exist, or no robot of the catalogue is installed.
        FormatError: When the path is of another kind of file, or of a folder.
        UnknownNameError: When no installed package has a robot of that name; lists those present.
    """
    path = expanded(Path(robot))
    if path.suffix.lower() in _ROBOT_FILES:
        if not path.is_file():
            raise MissingDataError(f"{path} does not exist. Check the path of --robot.")
        return Found(path.stem, path)
    if path.exists() or len(path.parts) > 1 or path.suffix:
        raise FormatError(_no_robot_file(path))
    present = present_robots()
    if robot in present:
        return present[robot]
    if not present:
        raise MissingDataError(
            f"there is no robot {robot!r}, and no package with robots is installed: give the path "
            "of a URDF or MJCF file, or pip install 'posealign[robosuite]'"
        )
    raise UnknownNameError(
        f"{unknown_name('robot', robot, list(present))} Or give the path of a .urdf or .xml file."
    )


def _no_robot_file(path: Path) -> str:
    """Why a path is no robot's file, and what to give in its place."""
    if path.suffix.lower() == ".xacro":
        return f"{path} holds macros of xacro. Expand them: xacro {path} > robot.urdf"
    kinds = " or ".join(_ROBOT_FILES)
    return f"{path} is no robot's file ({kinds}). Give the path of such a file to --robot."


def present_robots() -> dict[str, Found]:
    """The robots of the catalogue whose files are installed."""
    found = {}
    for name, listed in ROBOTS.items():
        folder = _folder(listed.package)
        if folder is None or not (folder / listed.file).is_file():
            continue
        gripper = folder / listed.gripper if listed.gripper else None
        found[name] = Found(
            name,
            folder / listed.file,
            gripper,
            listed.mount,
            listed.panda,
            listed.visual_group,
        )
    return found


def _folder(package: str) -> Path | None:
    spec = find_spec(package)
    return None if spec is None or spec.origin is None else Path(spec.origin).parent
