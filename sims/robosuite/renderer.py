"""A MuJoCo renderer of many views of one state: one OpenGL context, any pinhole camera."""

from __future__ import annotations

import atexit
import copy
import hashlib
import weakref
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, UInt8

from datasets.cameras import Camera
from sims.errors import SimulatorError
from sims.gl import INSTALL_DRIVER, import_mujoco
from sims.robosuite.light_meshes import lighten

if TYPE_CHECKING:
    import mujoco

# robosuite's group of collision geometry.
HIDDEN_GROUP = 0
# Prefixes of fields that MuJoCo reads when a scene is updated, not when a context is made, so they
# may differ between episodes that share a context.
_PER_EPISODE = ("geom", "mat", "site", "light", "body", "tendon")


class ViewRenderer:
    """Renders the views of an environment, fast also without a GPU.

    Shadows, reflections and multisampling are off and large meshes are simplified: in software
    rendering they take most of the time and change the picture little. Collision geometry is
    hidden. Context and meshes are kept over the episodes of a task; fields that differ between
    episodes (the size of an object, a colour) are copied from each new model.
    """

    def __init__(self, size: int, light_meshes: bool = True) -> None:
        """Prepares square images of `size` pixels; `load` makes the context."""
        self.size = size
        self.light_meshes = light_meshes
        self._mujoco = import_mujoco()
        self._option = self._mujoco.MjvOption()
        self._option.geomgroup[HIDDEN_GROUP] = 0
        self._digest: str | None = None
        self._renderer: mujoco.Renderer | None = None

    def load(self, model: mujoco.MjModel) -> None:
        """Loads the model of a new episode, which is not changed.

        Raises:
            SimulatorError: When the graphics driver provides no context.
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
        # A context that is still open after MuJoCo's own clean-up at exit causes a traceback.
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
            # MuJoCo sends every geom to OpenGL, also those behind the camera, which for the
            # first-person view are most of the arm. In the hidden group they cost nothing.
            renderer.model.geom_group[_out_of_sight(renderer.model, data, camera)] = HIDDEN_GROUP
            renderer.update_scene(data, scene_option=self._option)
            renderer.model.geom_group[:] = groups
            self._place(renderer, camera)
            images[view] = renderer.render()
        return images

    def segment(self, data: mujoco.MjData, cameras: dict[str, Camera]) -> dict[str, np.ndarray]:
        """The geom's number at each pixel, (height, width) by camera; -1 where there is none."""
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
        """Frees the context; `load` makes a new one."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def _loaded(self) -> mujoco.Renderer:
        if self._renderer is None:
            raise RuntimeError("ViewRenderer.load a model before rendering.")
        return self._renderer

    def _place(self, renderer: mujoco.Renderer, camera: Camera) -> None:
        """Writes a camera into the scene so that pixels agree with `Camera.project`."""
        visual, extent = renderer.model.vis, renderer.model.stat.extent
        near = visual.map.znear * extent
        top = near * camera.height / 2 / camera.intrinsics[1, 1]
        rotation = camera.world_to_camera[:3, :3]
        # The scene has a left and a right eye. MuJoCo averages them unless stereo is on, so both
        # get the same camera. Its axes are forward and up; the camera's y axis points down.
        for eye in renderer.scene.camera:
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


def visual_digest(model: mujoco.MjModel) -> str:
    """Digest of the data that a rendering context uploads; equal digests may share a context."""
    digest = hashlib.blake2b(digest_size=16)
    for name in (
        *("mesh_vert", "mesh_face", "mesh_normal", "mesh_facenormal", "mesh_texcoord"),
        *("tex_data", "tex_type", "tex_width", "tex_height", "mat_texid"),
        *("geom_type", "geom_dataid", "hfield_data", "hfield_size"),
    ):
        digest.update(np.ascontiguousarray(getattr(model, name)).tobytes())
    return digest.hexdigest()


def _close(reference: weakref.ref[mujoco.Renderer]) -> None:
    renderer = reference()
    if renderer is not None:
        renderer.close()


def _out_of_sight(
    model: mujoco.MjModel, data: mujoco.MjData, camera: Camera
) -> Bool[np.ndarray, " geoms"]:
    """Whether each geom's bounding sphere lies entirely outside a camera's view."""
    centers = data.geom_xpos @ camera.world_to_camera[:3, :3].T + camera.world_to_camera[:3, 3]
    # MuJoCo gives planes, which are infinite, a radius of 0.
    radius = np.where(model.geom_rbound > 0, model.geom_rbound, np.inf)
    slopes = np.array([camera.width, camera.height]) / (2 * np.diag(camera.intrinsics)[:2])
    # Distance outside the side planes, which pass through the camera's centre. The absolute value
    # treats left and right, top and bottom alike.
    beyond = (np.abs(centers[:, :2]) - slopes * centers[:, 2:]) / np.sqrt(1 + slopes**2)
    return (beyond > radius[:, None]).any(axis=1) | (centers[:, 2] < -radius)


def _copy_per_episode_fields(source: mujoco.MjModel, target: mujoco.MjModel) -> None:
    for name in dir(source):
        if name.startswith(tuple(f"{kind}_" for kind in _PER_EPISODE)):
            value = getattr(source, name)
            if isinstance(value, np.ndarray):
                getattr(target, name)[...] = value
