"""A MuJoCo renderer of many views of one state, which draws what stands still only once."""

from __future__ import annotations

import atexit
import copy
import hashlib
import weakref
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, UInt8

from datasets.cameras import Camera
from sims.mujoco.canvas import ROBOSUITE_GROUPS, Canvas, Drawing
from sims.mujoco.instances import unseen
from sims.mujoco.light_meshes import lighten
from sims.survey import Survey

if TYPE_CHECKING:
    import mujoco


@dataclass(frozen=True)
class Backdrop:
    """The still part of the view of a camera.

    Attributes:
        camera: The camera.
        image: RGB.
        depth: Depth of what is opaque, as in `Drawing`.
        nearest: Depth that counts translucent things as well.
    """

    camera: Camera
    image: UInt8[np.ndarray, "height width 3"]
    depth: Float[np.ndarray, "height width"]
    nearest: Float[np.ndarray, "height width"]

    def behind(self, front: Drawing) -> UInt8[np.ndarray, "height width 3"] | None:
        """The picture with moving things before it; None where they are behind something glassy."""
        covers = front.depth > self.depth
        if (covers & (front.depth <= self.nearest)).any():
            return None
        image = self.image.copy()
        image[covers] = front.image[covers]
        return image


class ViewRenderer:
    """Renders the views of an environment, fast also without a GPU.

    Large meshes can be simplified: in software rendering they take most of the time and change the
    picture little. For cameras that stand still, the geoms that never move are drawn once; each
    state's other geoms are drawn alone and merged by depth, which gives the same picture, since no
    geom throws a shadow or a reflection on another one. The context is kept over the episodes of a
    task.
    """

    def __init__(
        self, size: int, light_meshes: bool = True, groups: Collection[int] = ROBOSUITE_GROUPS
    ) -> None:
        """Keeps its arguments; `load` makes the context.

        Args:
            size: Height and width of the images in pixels.
            light_meshes: Whether to simplify large meshes of robosuite's group of visual geometry.
            groups: The groups of geoms that are drawn.
        """
        self.size = size
        self.groups = groups
        self.light_meshes = light_meshes
        self._digest: str | None = None
        self._textures: str | None = None
        self._canvas: Canvas | None = None
        self._backdrops: dict[str, Backdrop] = {}

    def load(self, model: mujoco.MjModel) -> None:
        """Loads the model of a new episode, which is not changed.

        Raises:
            SimulatorError: When the graphics driver provides no context.
        """
        self._still = _belongs_to_backdrop(model)
        self._place = np.zeros(0)
        self._backdrops.clear()
        digest, textures = visual_digest(model), _digest_of(model, ("tex_data",))
        if self._canvas is not None and digest == self._digest:
            if textures != self._textures:
                self._canvas.upload_textures(model)
                self._textures = textures
            return
        self.close()
        self._canvas = Canvas(
            lighten(model) if self.light_meshes else copy.copy(model), self.size, self.groups
        )
        # A context that is still open after MuJoCo's own clean-up at exit causes a traceback.
        atexit.register(_close, weakref.ref(self._canvas))
        self._digest, self._textures = digest, textures

    def render(
        self, data: mujoco.MjData, cameras: dict[str, Camera], fixed: Collection[str] = ()
    ) -> dict[str, UInt8[np.ndarray, "height width 3"]]:
        """Renders one state from each camera.

        Args:
            data: The state.
            cameras: The camera of each view.
            fixed: Views whose camera stays where it is over many states.
        """
        canvas = self._loaded()
        self._forget_what_moved(data)
        nothing = np.zeros(len(self._still), bool)
        images = {}
        for view, camera in cameras.items():
            image = self._over_backdrop(data, view, camera) if view in fixed else None
            if image is None:
                image = canvas.draw(data, camera, hidden=nothing).image
            images[view] = image
        return images

    def segment(self, data: mujoco.MjData, cameras: dict[str, Camera]) -> dict[str, np.ndarray]:
        """The geom's number at each pixel, (height, width) by camera; -1 where there is none."""
        canvas = self._loaded()
        return {view: canvas.label(data, camera) for view, camera in cameras.items()}

    def survey(
        self, data: mujoco.MjData, cameras: dict[str, Camera], of_geom: UInt8[np.ndarray, " geoms"]
    ) -> dict[str, Survey]:
        """Depth and instances from each camera.

        Args:
            data: The state.
            cameras: The camera of each view.
            of_geom: The instance of each geom, and as a last entry that of no geom.
        """
        canvas, hidden, found = self._loaded(), unseen(data.model), {}
        for view, camera in cameras.items():
            geoms, depth = canvas.survey(data, camera, hidden)
            found[view] = Survey(depth, of_geom[geoms])
        return found

    def close(self) -> None:
        """Frees the context; `load` makes a new one."""
        if self._canvas is not None:
            self._canvas.close()
            self._canvas = None

    def _loaded(self) -> Canvas:
        if self._canvas is None:
            raise RuntimeError("ViewRenderer.load a model before rendering.")
        return self._canvas

    def _forget_what_moved(self, data: mujoco.MjData) -> None:
        """Drops the backdrops when something in them, or a light, is no longer where it was."""
        still = self._still
        poses = (data.geom_xpos[still], data.geom_xmat[still], data.light_xpos, data.light_xdir)
        place = np.concatenate([pose.ravel() for pose in poses])
        if not np.array_equal(place, self._place):
            self._place = place
            self._backdrops.clear()

    def _over_backdrop(
        self, data: mujoco.MjData, view: str, camera: Camera
    ) -> UInt8[np.ndarray, "height width 3"] | None:
        backdrop = self._backdrops.get(view)
        if backdrop is None or not _same(backdrop.camera, camera):
            backdrop = self._backdrops[view] = self._make_backdrop(data, camera)
        moving = self._loaded().draw(data, camera, hidden=self._still, sky=False)
        return backdrop.behind(moving)

    def _make_backdrop(self, data: mujoco.MjData, camera: Camera) -> Backdrop:
        canvas, moving = self._loaded(), ~self._still
        whole = canvas.draw(data, camera, hidden=moving)
        labels = canvas.draw(data, camera, hidden=moving, labels=True)
        return Backdrop(camera, whole.image, whole.depth, nearest=labels.depth)


def visual_digest(model: mujoco.MjModel) -> str:
    """Digest of the data that a rendering context uploads, but for what textures show.

    Models with equal digests may share a context, into which `load` uploads a model's textures.
    """
    names = (
        *("mesh_vert", "mesh_face", "mesh_normal", "mesh_facenormal", "mesh_texcoord"),
        *("tex_type", "tex_width", "tex_height", "tex_nchannel", "mat_texid"),
        *("geom_type", "geom_dataid", "hfield_data", "hfield_size"),
    )
    return _digest_of(model, names)


def _digest_of(model: mujoco.MjModel, names: Sequence[str]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name in names:
        digest.update(
            np.ascontiguousarray(getattr(model, name)).data
        )  # textures are large: no copy
    return digest.hexdigest()


def _close(reference: weakref.ref[Canvas]) -> None:
    canvas = reference()
    if canvas is not None:
        canvas.close()


def _same(first: Camera, second: Camera) -> bool:
    """Whether two cameras of one size see the same."""
    return np.array_equal(first.intrinsics, second.intrinsics) and np.array_equal(
        first.world_to_camera, second.world_to_camera
    )


def _belongs_to_backdrop(model: mujoco.MjModel) -> Bool[np.ndarray, " geoms"]:
    """The geoms that no joint moves, and the translucent ones, which leave no depth to merge by."""
    static = model.body_weldid[model.geom_bodyid] == 0
    # A geom without a material has the number -1, which indexes the additional last entry.
    alpha = np.minimum(model.geom_rgba[:, 3], np.append(model.mat_rgba[:, 3], 1)[model.geom_matid])
    return static | (alpha < 1)
