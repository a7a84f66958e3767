"""Conversion of the models in robosuite's demonstrations to the installed robosuite."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

# robosuite 1.5 added the arm to the names of grippers, renamed mounts, moved their meshes, and
# marks the arm's origin with a site. None of this changes the meaning of a state.
OLD_GRIPPER, GRIPPER = "gripper0_", "gripper0_right_"
OLD_MOUNT, MOUNT = "mount0_", "fixed_mount0_"
OLD_ASSETS, ASSETS = "/assets/mounts/", "/assets/bases/"
ARM_ORIGIN, FIRST_LINK = "robot0_right_center", "robot0_link0"


def with_present_names(model_file: str) -> str:
    """Renames the parts of a single-arm model of robosuite before 1.5 as 1.5 names them.

    A model of robosuite 1.5 is returned unchanged.
    """
    if f'"{GRIPPER}right_gripper"' in model_file:
        return model_file
    root = ElementTree.fromstring(model_file)
    for element in root.iter():
        for attribute, value in element.items():
            if value.startswith(OLD_GRIPPER):
                element.set(attribute, GRIPPER + value.removeprefix(OLD_GRIPPER))
            elif value.startswith(OLD_MOUNT):
                element.set(attribute, MOUNT + value.removeprefix(OLD_MOUNT))
            elif attribute == "file":
                element.set(attribute, value.replace(OLD_ASSETS, ASSETS))
    first = root.find(f".//body[@name='{FIRST_LINK}']")
    if first is not None:
        ElementTree.SubElement(first, "site", name=ARM_ORIGIN, size="0.01", rgba="0 0 0 0")
    return ElementTree.tostring(root, encoding="unicode")


def missing_files(model_file: str) -> list[str]:
    """The meshes and textures of a model that do not exist on this machine."""
    root = ElementTree.fromstring(model_file)
    files = {path for element in root.iterfind("asset/*") if (path := element.get("file"))}
    return sorted(path for path in files if not Path(path).is_file())


def loadable(edit: Callable[[str], str], model_file: str) -> str:
    """A recorded model in the names and paths of this machine.

    Args:
        edit: robosuite's own edit of models, for its paths.
        model_file: The model.

    Raises:
        ValueError: When it is no model of robosuite, or needs files that do not exist.
        ElementTree.ParseError: When it is not XML.
    """
    if "<asset>" not in model_file:  # robosuite assumes that there are assets
        raise ValueError("it has no assets, so it is no model of robosuite")
    model = edit(with_present_names(model_file))
    if missing := missing_files(model):
        raise ValueError(f"{missing[0]} is not there, nor are {len(missing) - 1} other files")
    return model
