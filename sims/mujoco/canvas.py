"""One OpenGL context with the meshes and textures of a MuJoCo model, for any pinhole camera."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from datasets.cameras import Camera
from sims.errors import SimulatorError
from sims.gl import INSTALL_DRIVER, import_mujoco

if TYPE_CHECKING:
    import mujoco

# The groups of geoms that MuJoCo draws by default.
USUAL_GROUPS = (0, 1, 2)
# robosuite puts collision geometry into group 0.
ROBOSUITE_GROUPS = (1, 2)
# A tendon is drawn as several geoms between two of its points: more than this many is rare.
GEOMS_PER_TENDON_POINT = 10


class Drawing(NamedTuple):
    """A picture and its depth buffer.

    Attributes:
        image: RGB.
        depth: 0 where nothing is; a greater value is nearer to the camera.
    """

    image: UInt8[np.ndarray, "height width 3"]
    depth: Float[np.ndarray, "height width"]


class Canvas:
    """Draws any model that has the meshes and textures of the model that it was made with.

    Shadows, reflections, multisampling and marks (sites) are off.
    """

    def __init__(self, model: mujoco.MjModel, size: int, groups: Collection[int]) -> None:
        """Uploads meshes and textures.

        Args:
            model: Its options of quality are changed. It is not needed afterwards.
            size: Height and width of the images in pixels.
            groups: The groups of geoms that are drawn; at least one of MuJoCo's is not.

        Raises:
            SimulatorError: When the graphics driver provides no context.
        """
        self._mujoco = import_mujoco()
        self.size = size
        quality = model.vis.quality
        # The shadow map is reserved even when no shadow is drawn: 64 MB in robosuite's models.
        quality.offsamples = quality.shadowsize = 0
        model.vis.global_.offwidth = model.vis.global_.offheight = size
        try:
            self._gl = self._mujoco.GLContext(size, size)
            self._gl.make_current()
            scale = self._mujoco.mjtFontScale.mjFONTSCALE_100
            self._context = self._mujoco.MjrContext(model, scale)
        except (RuntimeError, ImportError, self._mujoco.FatalError) as error:
            raise SimulatorError(f"No graphics context ({error}). Run: {INSTALL_DRIVER}") from error
        self._mujoco.mjr_setBuffer(self._mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        # The buffer is stored in this direction, so it is read without a conversion that rounds.
        self._context.readDepthMap = self._mujoco.mjtDepthMap.mjDEPTH_ZEROFAR
        self._viewport = self._mujoco.MjrRect(0, 0, size, size)
        self._option = self._mujoco.MjvOption()
        self._option.geomgroup[:] = 0
        self._option.geomgroup[list(groups)] = 1
        self._hidden_group = int(np.argmin(self._option.geomgroup))
        self._option.sitegroup[:] = 0
        most = model.ngeom + GEOMS_PER_TENDON_POINT * model.nwrap
        self._scene = self._mujoco.MjvScene(model, most)
        self._set("SHADOW", False)
        self._set("REFLECTION", False)

    def draw(
        self,
        data: mujoco.MjData,
        camera: Camera,
        hidden: Bool[np.ndarray, " geoms"],
        sky: bool = True,
        labels: bool = False,
    ) -> Drawing:
        """Draws a state, upright.

        Args:
            data: The state of a model, which is not changed.
            camera: The camera.
            hidden: Geoms that are left out.
            sky: Whether to draw the sky; it is black otherwise.
            labels: Whether to draw each geom's number as its colour. Translucent geoms, which
                otherwise leave no depth, are opaque then.
        """
        self._set("SKYBOX", sky)
        self._set("SEGMENT", labels)
        self._set("IDCOLOR", labels)
        self._update(data, camera, hidden)
        self._gl.make_current()
        self._mujoco.mjr_render(self._viewport, self._scene, self._context)
        image = np.empty((self.size, self.size, 3), np.uint8)
        depth = np.empty((self.size, self.size), np.float32)
        self._mujoco.mjr_readPixels(image, depth, self._viewport, self._context)
        # OpenGL's first row is the lowest.
        return Drawing(image[::-1], depth[::-1])

    def label(self, data: mujoco.MjData, camera: Camera) -> Int[np.ndarray, "height width"]:
        """The geom's number at each pixel, -1 where there is none."""
        nothing = np.zeros(data.model.ngeom, bool)
        return self._geoms(self.draw(data, camera, hidden=nothing, labels=True))

    def survey(
        self, data: mujoco.MjData, camera: Camera, hidden: Bool[np.ndarray, " geoms"]
    ) -> tuple[Int[np.ndarray, "height width"], Float[np.ndarray, "height width"]]:
        """The geom's number at each pixel, and its depth in metres; -1 and 0 where nothing is.

        Translucent geoms count as opaque ones.
        """
        drawing = self.draw(data, camera, hidden, labels=True)
        eye = self._scene.camera[0]
        near, far = float(eye.frustum_near), float(eye.frustum_far)
        # The buffer is linear in 1 / depth, from 1 at the nearest distance to 0 at the farthest.
        buffer = drawing.depth.astype(np.float64)
        depth = near * far / (near + buffer * (far - near))
        return self._geoms(drawing), np.where(buffer > 0, depth, 0.0)

    def _geoms(self, drawing: Drawing) -> Int[np.ndarray, "height width"]:
        """The geoms in a drawing of labels that was just made."""
        image = drawing.image.astype(np.int64)
        geom = np.full(self._scene.ngeom + 1, -1)  # the first entry is that of no geom
        for drawn in self._scene.geoms[: self._scene.ngeom]:
            if drawn.objtype == self._mujoco.mjtObj.mjOBJ_GEOM:
                geom[drawn.segid + 1] = drawn.objid
        return geom[image @ (1, 1 << 8, 1 << 16)]

    def upload_textures(self, model: mujoco.MjModel) -> None:
        """Takes the textures of another model, which are as many and as large."""
        self._gl.make_current()
        for texture in range(model.ntex):
            self._mujoco.mjr_uploadTexture(model, self._context, texture)

    def close(self) -> None:
        """Frees the context; a second call does nothing."""
        if self._gl is not None:
            self._gl.make_current()
            self._context.free()
            self._gl.free()
            self._gl = None

    def _set(self, flag: str, value: bool) -> None:
        self._scene.flags[getattr(self._mujoco.mjtRndFlag, f"mjRND_{flag}")] = value

    def _update(
        self,
        data: mujoco.MjData,
        camera: Camera,
        hidden: Bool[np.ndarray, " geoms"],
    ) -> None:
        """Fills the scene with the geoms that the camera may see."""
        model = data.model
        groups = model.geom_group.copy()
        try:
            # MuJoCo sends every geom to OpenGL, also those behind the camera, which for the
            # first-person view are most of the arm. In the hidden group they cost nothing.
            model.geom_group[hidden | _out_of_sight(model, data, camera)] = self._hidden_group
            self._mujoco.mjv_updateScene(
                model,
                data,
                self._option,
                None,
                self._mujoco.MjvCamera(),
                self._mujoco.mjtCatBit.mjCAT_ALL,
                self._scene,
            )
        finally:
            model.geom_group[:] = groups
        self._place(model, camera)

    def _place(self, model: mujoco.MjModel, camera: Camera) -> None:
        """Writes a camera into the scene so that pixels agree with `Camera.project`."""
        visual, extent = model.vis, model.stat.extent
        near = visual.map.znear * extent
        (left, top), (right, bottom) = _borders(camera, near)
        rotation = camera.world_to_camera[:3, :3]
        # The scene has a left and a right eye. MuJoCo averages them unless stereo is on, so both
        # get the same camera. Its axes are forward and up; the camera's y axis points down.
        for eye in self._scene.camera:
            eye.pos = camera.position
            eye.forward = rotation[2]
            eye.up = -rotation[1]
            eye.frustum_near = near
            eye.frustum_far = visual.map.zfar * extent
            # MuJoCo's y points up, and its width is half of what it says.
            eye.frustum_center, eye.frustum_width = (left + right) / 2, (right - left) / 2
            eye.frustum_bottom, eye.frustum_top = -bottom, -top
            eye.orthographic = 0
        for i in range(self._scene.nlight):
            light = self._scene.lights[i]
            if light.headlight:
                light.pos = camera.position
                light.dir = rotation[2]


def _borders(camera: Camera, depth: float = 1.0) -> Float[np.ndarray, "2 2"]:
    """The x and y of the picture's upper left and lower right corner at a depth, y downwards."""
    (fx, _, cx), (_, fy, cy) = camera.intrinsics[:2]
    corners = np.array([[0.0, 0.0], [camera.width, camera.height]])
    return depth * (corners - [cx, cy]) / [fx, fy]


def _out_of_sight(
    model: mujoco.MjModel, data: mujoco.MjData, camera: Camera
) -> Bool[np.ndarray, " geoms"]:
    """Whether each geom's bounding sphere lies entirely outside a camera's view."""
    centers = data.geom_xpos @ camera.world_to_camera[:3, :3].T + camera.world_to_camera[:3, 3]
    # MuJoCo gives planes, which are infinite, a radius of 0.
    radius = np.where(model.geom_rbound > 0, model.geom_rbound, np.inf)
    # Distance outside the side planes, which pass through the camera's centre: left and top, then
    # right and bottom.
    sides, depth = centers[:, :2], centers[:, 2:]
    low, high = _borders(camera)
    before = (low * depth - sides) / np.sqrt(1 + low**2)
    behind = (sides - high * depth) / np.sqrt(1 + high**2)
    beyond = np.maximum(before, behind)
    return (beyond > radius[:, None]).any(axis=1) | (centers[:, 2] < -radius)
