"""A robot's file, URDF or MJCF, as a compiled model of MuJoCo."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from jaxtyping import Bool

from datasets.errors import FormatError
from datasets.kinematics.catalogue import GRIPPER, Found
from datasets.kinematics.engine import import_mujoco

logger = logging.getLogger(__name__)

# A joint that is followed: its name, and factor and offset of its value.
Follow = tuple[str, float, float]

# Formats of meshes that MuJoCo reads.
_MESHES = {".stl", ".obj", ".msh"}
# Begins what Git LFS leaves in place of a file that was not downloaded.
_POINTER = b"version https://git-lfs"
# Lines of OBJ files that begin another object, group or material.
_GROUPING = (b"o ", b"g ", b"usemtl ", b"mtllib ")
# A corner in a text STL, and a triangle in a binary one; readers compute the normal themselves.
_VERTEX = re.compile(rb"vertex\s+(\S+)\s+(\S+)\s+(\S+)")
_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
# Masses only matter to dynamics, and MuJoCo refuses links without any: a gram, and its inertia.
_LEAST = {"boundmass": "0.001", "boundinertia": "0.000001"}
_KEEP_ALL = {"strippath": "false", "fusestatic": "false", "discardvisual": "false"}


def load_model(found: Found) -> Any:
    """Compiles a robot with its gripper.

    Shapes that a camera sees get the group 0 and all others the group 5, so that a ray meets the
    first alone. Seen are the shapes of the robot's visual group; where it names none, those that
    collide with nothing, as URDF's visual ones; where there are none, all.

    Raises:
        FormatError: When MuJoCo cannot read the file; names it.
        MissingLibraryError: When MuJoCo is not installed.
    """
    mujoco = import_mujoco()
    try:
        spec = read_spec(found.file)
        if found.gripper is not None:
            frame = spec.body(found.mount).add_frame()
            spec.attach(read_spec(found.gripper), prefix=GRIPPER, frame=frame)
        model = spec.compile()
    except ValueError as error:  # MuJoCo's own class of errors is one
        if isinstance(error, FormatError):
            raise
        reason = " ".join(str(error).split())
        raise FormatError(
            f"{found.file} cannot be read as a robot ({reason}). Correct the file, or give another "
            "--robot."
        ) from None
    seen = visual_shapes(model)
    if found.visual_group is not None:
        seen = model.geom_group == found.visual_group
    seen &= of_robot(model)
    model.geom_group[:] = np.where(seen, 0, mujoco.mjNGROUP - 1)
    return model


def of_robot(model: Any) -> Bool[np.ndarray, " geoms"]:
    """The shapes of a compiled model that are no floor, and no object that moves by itself.

    Scenes hold such objects beside a robot, and where a recording has them is not known.
    """
    mujoco = import_mujoco()
    free = np.isin(model.jnt_type, [mujoco.mjtJoint.mjJNT_FREE, mujoco.mjtJoint.mjJNT_BALL])
    roots = model.body_rootid[model.jnt_bodyid]
    loose = np.setdiff1d(roots[free], roots[~free])
    floor = model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE
    return ~floor & ~np.isin(model.body_rootid[model.geom_bodyid], loose)


def visual_shapes(model: Any) -> Bool[np.ndarray, " geoms"]:
    """The shapes of a compiled model that collide with nothing; where there are none, all."""
    seen = (model.geom_contype == 0) & (model.geom_conaffinity == 0)
    return seen if seen.any() else np.ones(model.ngeom, bool)


def read_spec(file: Path) -> Any:
    """Reads a URDF or MJCF file as MuJoCo's specification of a model, with its meshes.

    Raises:
        FormatError: When the file is not XML; names it.
        ValueError: When MuJoCo cannot read it otherwise.
        MissingLibraryError: When MuJoCo is not installed.
    """
    mujoco = import_mujoco()
    try:
        tree = ElementTree.parse(file)
    except ElementTree.ParseError as error:
        raise FormatError(f"{file} is not valid XML ({error}). Restore it.") from None
    if tree.getroot().tag != "robot":
        return _read_mjcf(tree.getroot(), file)
    require_expanded(tree.getroot(), file)
    assets = _find_meshes(tree.getroot(), file)
    extension = tree.getroot().find("mujoco")
    if extension is None:
        extension = ElementTree.SubElement(tree.getroot(), "mujoco")
    compiler = extension.find("compiler")
    if compiler is None:
        compiler = ElementTree.SubElement(extension, "compiler")
    compiler.attrib.pop("meshdir", None)  # the paths are whole
    compiler.attrib.update(_KEEP_ALL | _LEAST | {"balanceinertia": "true"})
    text = ElementTree.tostring(tree.getroot(), encoding="unicode")
    return mujoco.MjSpec.from_string(text, assets=assets)


def require_expanded(robot: ElementTree.Element, file: Path) -> None:
    """Raises a FormatError for a URDF that still holds macros of xacro, which no reader knows."""
    for part in robot.iter():
        if "xacro}" in part.tag or any(value.startswith("${") for value in part.attrib.values()):
            raise FormatError(
                f"{file} holds macros of xacro. Expand them: xacro {file.name} > robot.urdf"
            )


def _read_mjcf(root: ElementTree.Element, file: Path) -> Any:
    """Reads MJCF, without two faults of robosuite's grippers, which robosuite removes as well."""
    mujoco = import_mujoco()
    faults = [default.attrib for default in root.iter("default") if "group" in default.attrib]
    meshes = [mesh for assets in root.iter("asset") for mesh in assets.findall("mesh")]
    first = {mesh.get("name"): mesh for mesh in reversed(meshes) if mesh.get("name")}
    repeated = [mesh for mesh in meshes if first.get(mesh.get("name"), mesh) is not mesh]
    if not faults and not repeated:
        return mujoco.MjSpec.from_file(str(file))  # which knows the place of included files
    for attributes in faults:
        attributes.pop("group")
    for assets in root.iter("asset"):
        for part in list(assets):
            if part in repeated:
                assets.remove(part)
    spec = mujoco.MjSpec.from_string(ElementTree.tostring(root, encoding="unicode"))
    spec.modelfiledir = str(file.resolve().parent)
    return spec


def _find_meshes(robot: ElementTree.Element, file: Path) -> dict[str, bytes]:
    """Reads the meshes and gives each a name of its own; removes those that MuJoCo cannot read.

    MuJoCo takes meshes of one file name for one mesh, as of a link's visual and collision shape.
    """
    names: dict[Path, str] = {}
    left_out = set()
    for link in robot.iter("link"):
        for part in (*link.findall("visual"), *link.findall("collision")):
            mesh = part.find("geometry/mesh")
            if mesh is None:
                continue
            path = _mesh_path(mesh.get("filename", ""), file)
            if path is None or path.suffix.lower() not in _MESHES:
                left_out.add(mesh.get("filename") or "one without a filename")
                link.remove(part)
                continue
            name = names.setdefault(path, f"{len(names)}_{path.stem}{path.suffix.lower()}")
            mesh.set("filename", name)
    if left_out:
        logger.warning(
            "%s: %d meshes are left out, such as %s, which is missing or of a format that MuJoCo "
            "does not read (it reads STL and OBJ): they hide nothing",
            file,
            len(left_out),
            min(left_out),
        )
    return {name: _content(path) for path, name in names.items()}


def _content(mesh: Path) -> bytes:
    """The content of a mesh as MuJoCo reads it: a binary STL, or an OBJ of one object.

    Raises:
        FormatError: When it is empty, or stands for a file that was not downloaded.
    """
    content = mesh.read_bytes()
    if content.startswith(_POINTER):
        raise FormatError(f"{mesh} is a pointer of Git LFS. Download the mesh: git lfs pull")
    if not content:
        raise FormatError(f"{mesh} is empty. Restore it, or remove it from the robot's file.")
    if mesh.suffix.lower() == ".stl":
        return _binary_stl(content)
    if mesh.suffix.lower() != ".obj":
        return content
    lines = (line for line in content.splitlines() if not line.startswith(_GROUPING))
    return b"\n".join(lines) + b"\n"


def _binary_stl(content: bytes) -> bytes:
    """An STL in its binary form, whose length follows from its count of triangles."""
    count = int.from_bytes(content[80:84], "little")
    numbers = [] if len(content) == 84 + 50 * count else _VERTEX.findall(content)
    if not numbers:
        return content
    triangles = np.zeros(len(numbers) // 3, _TRIANGLE)
    triangles["corners"] = np.array(numbers, float)[: 3 * len(triangles)].reshape(-1, 3, 3)
    return bytes(80) + len(triangles).to_bytes(4, "little") + triangles.tobytes()


def _mesh_path(name: str, file: Path) -> Path | None:
    """The file of a mesh; a package of ROS is looked for in all folders above the robot's file."""
    _, _, relative = name.rpartition("://")
    folders = file.resolve().parents
    # `package://arm/meshes/a.stl` may lie in a folder called arm or in any other.
    for tail in (relative, relative.partition("/")[2]) if "://" in name else (relative,):
        for folder in folders if "://" in name else folders[:1]:
            if tail and (folder / tail).is_file():
                return folder / tail
    return None


def read_mimics(file: Path) -> dict[str, Follow]:
    """Joints of a URDF that follow another one; see `mimics_of`."""
    return mimics_of(ElementTree.parse(file).getroot(), file)


def mimics_of(robot: ElementTree.Element, file: Path) -> dict[str, Follow]:
    """Joints that follow another one: that joint, the factor and the offset.

    Args:
        robot: The root of a URDF.
        file: The URDF, for messages.

    Raises:
        FormatError: When a joint follows one that does not exist, or itself, or a number is none.
    """
    try:
        return _mimics(robot)
    except ValueError as error:
        raise FormatError(f"{file}: {error}. Correct the file.") from None


def _mimics(robot: ElementTree.Element) -> dict[str, Follow]:
    mimics = {}
    joints = {joint.get("name", ""): joint.find("mimic") for joint in robot.findall("joint")}
    for name, mimic in joints.items():
        if mimic is None:
            continue
        leader = mimic.get("joint", "")
        if leader not in joints:
            raise ValueError(f"the joint {name} mimics {leader!r}, which is none of its joints")
        mimics[name] = (
            leader,
            _number(name, mimic, "multiplier", 1),
            _number(name, mimic, "offset"),
        )
    return {name: _followed(name, mimics) for name in mimics}


def _number(joint: str, mimic: ElementTree.Element, key: str, default: float = 0) -> float:
    try:
        return float(mimic.get(key, default))
    except ValueError:
        raise ValueError(
            f"the joint {joint} has the {key} {mimic.get(key)!r}, which is no number"
        ) from None


def _followed(name: str, mimics: Mapping[str, Follow]) -> Follow:
    """The joint at the end of a chain of mimics, which moves by itself."""
    leader, factor, offset = mimics[name]
    passed = {name}
    while leader in mimics:
        if leader in passed:
            raise ValueError(f"the joint {name} mimics itself by way of {leader}")
        passed.add(leader)
        leader, more, shift = mimics[leader]
        factor, offset = factor * more, offset + factor * shift
    return leader, factor, offset
