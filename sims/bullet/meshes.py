"""The Panda of pybullet_data as a URDF with lighter visual meshes in the original colours.

The time of PyBullet's software renderer depends on triangles, and the original arm has 120,000.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from jaxtyping import Float

from datasets.storage.atomic import atomic_path
from datasets.storage.user_cache import user_cache
from sims.arm import meshes
from sims.arm.meshes import LightMesh, simplified
from sims.bullet.client import INSTALL_PYBULLET, data_folder

PANDA_FOLDER = "franka_panda"
URDF = "panda.urdf"
PACKAGE = "package://"
# Colour of a mesh without a material, as in the URDF.
WHITE = (255, 255, 255, 255)
# Channels of colours are rounded to multiples of this, so that parts of similar colour become one
# mesh.
COLOR_STEP = 15
# Increase this when the written files change, so that an older cache is not used.
FORMAT = 2


def panda_folder() -> Path:
    """The folder of the Panda's URDF in pybullet_data.

    Raises:
        SimulatorError: When PyBullet is not installed.
    """
    return data_folder() / PANDA_FOLDER


def light_panda() -> Path:
    """The Panda's URDF with simplified visual meshes, made once and kept in the user's cache.

    Links, joints, masses and collision meshes are those of pybullet_data.

    Raises:
        SimulatorError: When PyBullet or a library that simplifies meshes is missing.
    """
    source = panda_folder()
    meshes.require_mesh_libraries(INSTALL_PYBULLET)
    folder = user_cache() / f"panda-{_digest(source)}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".panda-", dir=folder.parent))
        try:
            _write_panda(source, temporary)
            temporary.rename(folder)
        except OSError:
            if not folder.exists():  # else another process was first, with the same files
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return folder / URDF


def box_mesh(half: Float[np.ndarray, 3]) -> Path:
    """An OBJ file of a box around the origin with flat sides, kept in the user's cache.

    Under EGL, PyBullet shades its own boxes as if they were round, and draws a mesh file in one
    size whatever scale is given.

    Args:
        half: Half of the box's edges in metres, to the micrometre.
    """
    path = user_cache() / f"box-{'-'.join(str(round(1e6 * value)) for value in half)}.obj"
    if not path.exists():
        with atomic_path(path) as temporary:
            temporary.write_text(_obj(_box(half)))
    return path


def _digest(source: Path) -> str:
    """A digest of everything that the result depends on."""
    versions = [version(package) for package in ("pybullet", "trimesh", "fast-simplification")]
    said = f"{FORMAT} {source} {versions} {meshes.KEEP} {meshes.MIN_FACES} {meshes.CREASE_DEGREES}"
    return hashlib.blake2b(said.encode(), digest_size=8).hexdigest()


def _write_panda(source: Path, folder: Path) -> None:
    tree = ElementTree.parse(source / URDF)
    for link in tree.getroot().findall("link"):
        for visual in link.findall("visual"):
            position = list(link).index(visual)
            link.remove(visual)
            for part in reversed(_light_visuals(visual, source, folder)):
                link.insert(position, part)
    for mesh in tree.getroot().iter("mesh"):
        name = mesh.attrib["filename"]
        if name.startswith(PACKAGE):
            mesh.set("filename", str(source / name.removeprefix(PACKAGE)))
    tree.write(folder / URDF)


def _light_visuals(
    visual: ElementTree.Element, source: Path, folder: Path
) -> list[ElementTree.Element]:
    """One visual for each colour of a visual's mesh, since PyBullet supports one colour a mesh."""
    mesh = visual.find("geometry/mesh")
    assert mesh is not None
    path = source / mesh.attrib["filename"].removeprefix(PACKAGE)
    origin = visual.find("origin")
    made = []
    for color, light in _by_color(path):
        name = f"{path.stem}-{'-'.join(map(str, color))}.obj"
        (folder / name).write_text(_obj(light))
        part = ElementTree.Element("visual")
        if origin is not None:
            part.append(origin)
        ElementTree.SubElement(ElementTree.SubElement(part, "geometry"), "mesh", {"filename": name})
        material = ElementTree.SubElement(part, "material", {"name": f"{path.stem}{color}"})
        rgba = " ".join(f"{channel / 255:.4f}" for channel in color)
        ElementTree.SubElement(material, "color", {"rgba": rgba})
        made.append(part)
    return made


def _box(half: Float[np.ndarray, 3]) -> LightMesh:
    normals = np.concatenate([np.eye(3), -np.eye(3)])
    corners, faces = [], []
    for side, normal in enumerate(normals):
        # Two axes that form a right-handed frame with the normal, so that faces point outwards.
        a = np.roll(np.abs(normal), 1)
        b = np.cross(normal, a)
        corners += [
            half * (normal + i * a + j * b) for i, j in ((-1, -1), (1, -1), (1, 1), (-1, 1))
        ]
        faces += [[4 * side, 4 * side + 1, 4 * side + 2], [4 * side, 4 * side + 2, 4 * side + 3]]
    normal_faces = np.repeat(np.arange(len(normals)), 6).reshape(-1, 3)
    return LightMesh(np.array(corners), np.array(faces), normals, normal_faces)


def _by_color(path: Path) -> list[tuple[tuple[int, ...], LightMesh]]:
    """The simplified faces of an OBJ file by their diffuse colour, RGBA from 0 to 255."""
    import trimesh

    scene: Any = trimesh.load_scene(path, process=False)
    parts: dict[tuple[int, ...], list[Any]] = {}
    for part in scene.geometry.values():
        parts.setdefault(_color(part), []).append(part)
    whole: dict[tuple[int, ...], Any] = {
        color: trimesh.util.concatenate(found) for color, found in parts.items()
    }
    return [(color, simplified(mesh.vertices, mesh.faces)) for color, mesh in whole.items()]


def _color(part: Any) -> tuple[int, ...]:
    """A part's colour: the median of its texture on the part, or else its material's colour."""
    import trimesh

    material = getattr(part.visual, "material", None)
    if material is None:
        return WHITE
    color = material.main_color
    if material.image is not None and part.visual.uv is not None:
        texels = trimesh.visual.color.uv_to_color(part.visual.uv, material.image)
        color = np.median(texels, axis=0)
    return tuple(int(round(channel / COLOR_STEP) * COLOR_STEP) for channel in color)


def _obj(mesh: LightMesh) -> str:
    lines = [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in mesh.vertices]
    lines += [f"vn {x:.4f} {y:.4f} {z:.4f}" for x, y, z in mesh.normals]
    corners = np.stack([mesh.faces, mesh.normal_faces], axis=-1) + 1
    lines += ["f " + " ".join(f"{v}//{n}" for v, n in face) for face in corners.tolist()]
    return "\n".join(lines) + "\n"
