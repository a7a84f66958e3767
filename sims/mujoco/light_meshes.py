"""Copies of MuJoCo models for drawing, whose large visual meshes have fewer faces."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np

from sims.arm.meshes import MIN_FACES, LightMesh, require_mesh_libraries, simplified
from sims.gl import INSTALL_ROBOSUITE

if TYPE_CHECKING:
    import mujoco

# robosuite's group of visual geometry.
VISUAL_GROUP = 1


def lighten(model: mujoco.MjModel) -> mujoco.MjModel:
    """Copies a model for drawing, with simplified large visual meshes.

    The copy has the same bodies, joints and geoms, so the original's data can update its scene.
    The original does not change. The copy's meshes are for drawing only: it must not be simulated.

    Raises:
        SimulatorError: When a library that simplifies meshes is missing.
    """
    import mujoco

    require_mesh_libraries(INSTALL_ROBOSUITE)
    light = copy.copy(model)
    drawn = (model.geom_type == mujoco.mjtGeom.mjGEOM_MESH) & (model.geom_group == VISUAL_GROUP)
    for mesh in np.unique(model.geom_dataid[drawn]):
        if model.mesh_facenum[mesh] >= MIN_FACES:
            _replace(light, mesh, _simplified(model, mesh))
    return light


def _simplified(model: mujoco.MjModel, mesh: int) -> LightMesh:
    first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
    vertices = model.mesh_vert[first : first + count]
    first, count = model.mesh_faceadr[mesh], model.mesh_facenum[mesh]
    faces = model.mesh_face[first : first + count]
    return simplified(vertices, faces)


def _replace(model: mujoco.MjModel, mesh: int, light: LightMesh) -> None:
    """Writes a mesh over the beginning of the arrays of the larger mesh that it replaces."""
    room = model.mesh_normalnum[mesh]
    if len(light.normals) > room or len(light.vertices) > model.mesh_vertnum[mesh]:
        return  # the lighter mesh does not fit, so the original is drawn
    vertex, face = model.mesh_vertadr[mesh], model.mesh_faceadr[mesh]
    normal = model.mesh_normaladr[mesh]
    model.mesh_vert[vertex : vertex + len(light.vertices)] = light.vertices
    model.mesh_face[face : face + len(light.faces)] = light.faces
    model.mesh_normal[normal : normal + len(light.normals)] = light.normals
    model.mesh_facenormal[face : face + len(light.faces)] = light.normal_faces
    model.mesh_facenum[mesh] = len(light.faces)
