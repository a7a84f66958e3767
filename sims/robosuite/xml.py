"""Models of robosuite as text: the same in every process, and for the installed robosuite."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

# robosuite 1.5 added the arm to the names of grippers, renamed mounts, moved their meshes, and
# marks the arm's origin with a site. None of this changes the meaning of a state.
OLD_GRIPPER = re.compile(r"^(gripper\d+_)(?!right_|left_)")
OLD_NAMES = re.compile(r"^(gripper\d+_)"), re.compile(r"^(mount\d+_)")
NAMES = r"\1right_", r"fixed_\1"
OLD_ASSETS, ASSETS = "/assets/mounts/", "/assets/bases/"
MESH, FILE = re.compile(r"<mesh [^>]*>"), re.compile(r' file="([^"]*)"')
CONTENT_TYPE = re.compile(r' content_type="[^"]*"')
ARM_ORIGIN, FIRST_LINK = "robot0_right_center", "robot0_link0"


def without_history(model_file: str) -> str:
    """The text that MuJoCo writes of a model in a process that has loaded no other one.

    MuJoCo adds the content type to a mesh whose file its cache holds already. Within a model, that
    is so for a file's later meshes. A file's first mesh has it only by what was loaded before.
    """
    seen: set[str] = set()

    def of_mesh(match: re.Match[str]) -> str:
        mesh = match[0]
        file = FILE.search(mesh)
        if file is None or file[1] in seen:
            return mesh
        seen.add(file[1])
        return CONTENT_TYPE.sub("", mesh)

    return MESH.sub(of_mesh, model_file)


def with_present_names(model_file: str) -> str:
    """Renames the parts of single-arm robots of robosuite before 1.5 as 1.5 names them.

    A model of robosuite 1.5 is returned unchanged.
    """
    root = ElementTree.fromstring(model_file)
    if not any(OLD_GRIPPER.match(value) for part in root.iter() for value in part.attrib.values()):
        return model_file
    for element in root.iter():
        for attribute, value in element.items():
            if attribute == "file":
                element.set(attribute, value.replace(OLD_ASSETS, ASSETS))
            else:
                element.set(attribute, _present(value))
    first = root.find(f".//body[@name='{FIRST_LINK}']")
    if first is not None:
        ElementTree.SubElement(first, "site", name=ARM_ORIGIN, size="0.01", rgba="0 0 0 0")
    return ElementTree.tostring(root, encoding="unicode")


def _present(name: str) -> str:
    for old, new in zip(OLD_NAMES, NAMES, strict=True):
        name = old.sub(new, name)
    return name


def with_installed_files(model_file: str) -> str:
    """Names the meshes and textures of a model as the packages on this machine have them.

    A path of the machine that recorded the model names its package, and leads on from there.
    """
    root = ElementTree.fromstring(model_file)
    for element in root.iterfind("asset/*"):
        if file := element.get("file"):
            element.set("file", _installed(file))
    return ElementTree.tostring(root, encoding="unicode")


def _installed(file: str) -> str:
    # A path of Windows has other separators. MimicGen's own meshes lie in a folder `robosuite` of
    # its package, so the first part that is a package comes first.
    parts = PurePosixPath(file.replace("\\", "/")).parts
    for part in dict.fromkeys(parts):
        last = len(parts) - parts[::-1].index(part)
        folder = _folder(part)
        if folder is not None and (path := folder.joinpath(*parts[last:])).is_file():
            return str(path)
    return file


@cache
def _folder(package: str) -> Path | None:
    """The folder of an installed package, which is not imported; None when there is none."""
    try:
        spec = find_spec(package) if package.isidentifier() else None
    except ValueError:  # of a module that hides where it comes from
        return None
    return Path(spec.origin).parent if spec and spec.origin else None


def require_files(model_file: str) -> None:
    """Raises a ValueError when meshes or textures of a model do not exist on this machine."""
    if missing := missing_files(model_file):
        raise ValueError(f"{missing[0]} is not there, nor are {len(missing) - 1} other files")


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
    model = edit(with_installed_files(with_present_names(model_file)))
    require_files(model)
    return model
