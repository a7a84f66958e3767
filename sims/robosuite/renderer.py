"""A MuJoCo renderer for many views of one state: one context, any pinhole camera."""

from __future__ import annotations

import atexit
import copy
import hashlib
import weakref
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, UInt8

from datasets.cameras import Camera
from sims.arm.meshes import MIN_FACES, LightMesh, require_mesh_libraries, simplified
from sims.errors import SimulatorError
from sims.gl import INSTALL_DRIVER, INSTALL_ROBOSUITE, import_mujoco

if TYPE_CHECKING:
    import mujoco

VISUAL_GROUP = 1


def lighten(model: mujoco.MjModel) -> mujoco.MjModel:
    """Copies a model for drawing, its large visual meshes cut to a fraction of their faces.

    The copy has the same bodies, joints and geoms, so a scene can be updated from the data of the
    original, whose physics is untouched. Its meshes serve drawing alone: the copy must not be
    simulated.

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
    """Writes a mesh over the front of the slots of the larger one it replaces."""
    room = model.mesh_normalnum[mesh]
    if len(light.normals) > room or len(light.vertices) > model.mesh_vertnum[mesh]:
        return  # drawn as it is: a lighter mesh that needs more room is none
    vertex, face = model.mesh_vertadr[mesh], model.mesh_faceadr[mesh]
    normal = model.mesh_normaladr[mesh]
    model.mesh_vert[vertex : vertex + len(light.vertices)] = light.vertices
    model.mesh_face[face : face + len(light.faces)] = light.faces
    model.mesh_normal[normal : normal + len(light.normals)] = light.normals
    model.mesh_facenormal[face : face + len(light.faces)] = light.normal_faces
    model.mesh_facenum[mesh] = len(light.faces)


def visual_digest(model: mujoco.MjModel) -> str:
    """Digest of what a rendering context uploads; equal digests may share one context."""
    digest = hashlib.blake2b(digest_size=16)
    for name in (
        *("mesh_vert", "mesh_face", "mesh_normal", "mesh_facenormal", "mesh_texcoord"),
        *("tex_data", "tex_type", "tex_width", "tex_height", "mat_texid"),
        *("geom_type", "geom_dataid", "hfield_data", "hfield_size"),
    ):
        digest.update(np.ascontiguousarray(getattr(model, name)).tobytes())
    return digest.hexdigest()


# robosuite's group of collision geometry.
HIDDEN_GROUP = 0
# Read when a scene is updated, not when a context is made: these may differ between episodes.
_PER_EPISODE = ("geom", "mat", "site", "light", "body", "tendon")


class ViewRenderer:
    """Renders the views of an environment, quickly where the GPU is a CPU.

    Shadows, reflections and multisampling are off and large meshes are simplified: in software
    rendering they take most of the time and change little of the picture. Collision geometry is
    hidden. Context and meshes are kept over the episodes of a task; what differs between episodes
    (the size of an object, a colour) is copied from each new model.
    """

    def __init__(self, size: int, light_meshes: bool = True) -> None:
        """Prepares for square images of `size` pixels; the context is made by `load`."""
        self.size = size
        self.light_meshes = light_meshes
        self._mujoco = import_mujoco()
        self._option = self._mujoco.MjvOption()
        self._option.geomgroup[HIDDEN_GROUP] = 0
        self._digest: str | None = None
        self._renderer: mujoco.Renderer | None = None

    def load(self, model: mujoco.MjModel) -> None:
        """Takes up the model of a new episode, untouched itself.

        Raises:
            SimulatorError: When the graphics driver does not give a context.
        """
        digest = visual_digest(model)
        if self._renderer is not None and digest == self._digest:
            _copy_per_episode_fields(model, self._renderer.model)
            return
        self.close()
        drawn = lighten(model) if self.light_meshes else copy.copy(model)
        drawn.vis.quality.offsamples = 0
        drawn.vis.global_.offwidth = drawn.vis.global_.offheight = self.size
        try:
            self._renderer = self._mujoco.Renderer(drawn, self.size, self.size)
        except (RuntimeError, ImportError, self._mujoco.FatalError) as error:
            raise SimulatorError(f"No graphics context ({error}). Run: {INSTALL_DRIVER}") from error
        # A context that outlives MuJoCo's own clean-up at exit would end in a traceback.
        atexit.register(_close, weakref.ref(self._renderer))
        flags = self._renderer.scene.flags
        flags[self._mujoco.mjtRndFlag.mjRND_SHADOW] = False
        flags[self._mujoco.mjtRndFlag.mjRND_REFLECTION] = False
        self._digest = digest

    def render(
        self, data: mujoco.MjData, cameras: dict[str, Camera]
    ) -> dict[str, UInt8[np.ndarray, "height width 3"]]:
        """Renders one state from each camera."""
        renderer = self._loaded()
        images = {}
        groups = renderer.model.geom_group.copy()
        for view, camera in cameras.items():
            # MuJoCo sends every geom to OpenGL, also those behind the camera: most of the arm, for
            # the first-person view. Moved to the hidden group, they cost nothing.
            renderer.model.geom_group[_out_of_sight(renderer.model, data, camera)] = HIDDEN_GROUP
            renderer.update_scene(data, scene_option=self._option)
            renderer.model.geom_group[:] = groups
            self._place(renderer, camera)
            images[view] = renderer.render()
        return images

    def segment(self, data: mujoco.MjData, cameras: dict[str, Camera]) -> dict[str, np.ndarray]:
        """Geom number at each pixel from each camera, (height, width), -1 for none."""
        renderer = self._loaded()
        renderer.enable_segmentation_rendering()
        try:
            labels = self.render(data, cameras)
        finally:
            renderer.disable_segmentation_rendering()
        is_geom = int(self._mujoco.mjtObj.mjOBJ_GEOM)
        return {
            view: np.where(label[..., 1] == is_geom, label[..., 0], -1)
            for view, label in labels.items()
        }

    def close(self) -> None:
        """Frees the context; `load` makes another."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def _loaded(self) -> mujoco.Renderer:
        if self._renderer is None:
            raise RuntimeError("ViewRenderer.load a model before rendering.")
        return self._renderer

    def _place(self, renderer: mujoco.Renderer, camera: Camera) -> None:
        """Writes a pinhole camera into the scene, so that pixels agree with `Camera.project`."""
        visual, extent = renderer.model.vis, renderer.model.stat.extent
        near = visual.map.znear * extent
        top = near * camera.height / 2 / camera.intrinsics[1, 1]
        rotation = camera.world_to_camera[:3, :3]
        for eye in renderer.scene.camera:  # left and right, averaged unless stereo is on
            eye.pos = camera.position
            eye.forward = rotation[2]
            eye.up = -rotation[1]
            eye.frustum_near = near
            eye.frustum_far = visual.map.zfar * extent
            eye.frustum_center = eye.frustum_width = 0
            eye.frustum_bottom, eye.frustum_top = -top, top
            eye.orthographic = 0
        for i in range(renderer.scene.nlight):
            light = renderer.scene.lights[i]
            if light.headlight:
                light.pos = camera.position
                light.dir = rotation[2]


def _close(reference: weakref.ref[mujoco.Renderer]) -> None:
    renderer = reference()
    if renderer is not None:
        renderer.close()


def _out_of_sight(
    model: mujoco.MjModel, data: mujoco.MjData, camera: Camera
) -> Bool[np.ndarray, " geoms"]:
    """Which geoms have their bounding sphere wholly outside what a camera sees."""
    centers = data.geom_xpos @ camera.world_to_camera[:3, :3].T + camera.world_to_camera[:3, 3]
    radius = np.where(model.geom_rbound > 0, model.geom_rbound, np.inf)  # 0: an endless plane
    slopes = np.array([camera.width, camera.height]) / (2 * np.diag(camera.intrinsics)[:2])
    # Distance beyond the side planes, which go through the camera's centre; mirrored left to right.
    beyond = (np.abs(centers[:, :2]) - slopes * centers[:, 2:]) / np.sqrt(1 + slopes**2)
    return (beyond > radius[:, None]).any(axis=1) | (centers[:, 2] < -radius)


def _copy_per_episode_fields(source: mujoco.MjModel, target: mujoco.MjModel) -> None:
    for name in dir(source):
        if name.startswith(tuple(f"{kind}_" for kind in _PER_EPISODE)):
            value = getattr(source, name)
            if isinstance(value, np.ndarray):
                getattr(target, name)[...] = value
