"""A single Panda in a model of robosuite, seen from all views: pictures, cameras and keypoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Float, UInt8

from datasets.cameras import Camera
from datasets.skeletons import PANDA
from datasets.storage.episode_file import EGO
from sims import rig
from sims.arm import panda
from sims.env import MultiViewEnv
from sims.mujoco.look import RandomLook
from sims.mujoco.renderer import ViewRenderer
from sims.mujoco.visibility import visible_keypoints
from sims.robosuite.instances import arm_bodies, task_instances
from sims.survey import Survey


class PandaViews(MultiViewEnv):
    """What is read from the state of a model with one Panda, and the cameras that see it.

    Attributes:
        camera_distance: Distance from the third-person cameras to the middle of the workspace, in
            metres.
        workspace: World points in metres that every third-person view shows.
    """

    skeleton = PANDA
    cameras_can_move = True

    camera_distance: ClassVar[float]
    workspace: ClassVar[Float[np.ndarray, "points 3"]]

    _model: Any = None
    _data: Any = None
    _loaded = False

    def prepare_pictures(self, light_meshes: bool) -> None:
        """Prepares drawing, and places the fixed ring of cameras."""
        self._renderer, self._look = ViewRenderer(self.size, light_meshes), RandomLook()
        self.place_cameras(None)

    def find_panda(self) -> None:
        """Finds the arm's parts in a new model by their names."""
        body = {self._model.body(i).name: i for i in range(self._model.nbody)}
        self._bodies = np.array([body[p.body] for p in panda.KEYPOINTS.values()])
        self._offsets = np.array([p.offset for p in panda.KEYPOINTS.values()])
        self._own_bodies = [
            frozenset(body[name] for name in p.own_bodies) for p in panda.KEYPOINTS.values()
        ]
        self._hand = body[panda.HAND]
        self._fingers = np.array(
            [self._model.joint(name).dofadr[0] for name in panda.FINGER_JOINTS]
        )
        self._loaded = False

    def place_cameras(self, rng: np.random.Generator | None) -> None:
        """Draws the ring of cameras; None selects the fixed ring."""
        self._ring = rig.ring(self.views[1:], self.workspace, self.camera_distance, self.size, rng)

    def set_cameras(self, cameras: Mapping[str, Camera]) -> None:
        """Moves the third-person cameras from now on; new names are new views."""
        self._ring = dict(cameras)
        self.views = (EGO, *cameras)

    def draw_scene(self, rng: np.random.Generator | None) -> None:
        """Draws textures, colours and lights of all but the arm; None selects robosuite's own."""
        self._look.draw(rng)

    def render_views(self) -> dict[str, UInt8[np.ndarray, "height width 3"]]:
        """Renders the current state from every view, upright RGB."""
        self._load_renderer()
        return self._renderer.render(self._data, self.cameras(), fixed=self.still_views())

    def render_view(self, view: str) -> UInt8[np.ndarray, "height width 3"]:
        """Renders the current state from one view, upright RGB."""
        self._load_renderer()
        camera = {view: self.cameras()[view]}
        return self._renderer.render(self._data, camera, fixed=self.still_views())[view]

    def actor_masks(self) -> dict[str, Bool[np.ndarray, "height width"]]:
        """The pixels of each view that show the arm or the gripper."""
        self._load_renderer()
        # Pixels without a geom have the number -1, which indexes this additional last entry.
        is_arm = np.append(arm_bodies(self._model)[self._model.geom_bodyid], False)
        geoms = self._renderer.segment(self._data, self.cameras())
        return {view: is_arm[geom] for view, geom in geoms.items()}

    def instances(self) -> tuple[str, ...]:
        """The background, the robot with its mount, and robosuite's furniture and objects."""
        return task_instances(self._model).names

    def survey_views(self) -> dict[str, Survey]:
        """Depth and instances of the current state, from every view."""
        self._load_renderer()
        return self._renderer.survey(
            self._data, self.cameras(), task_instances(self._model).of_geom
        )

    def _load_renderer(self) -> None:
        if not self._loaded:
            self._look.apply(self._model, self._data, arm_bodies(self._model))
            self._renderer.load(self._model)
            self._loaded = True

    def keypoints(self) -> Float[np.ndarray, "keypoints 3"]:
        """World coordinates of the Panda's keypoints in metres."""
        rotations = self._data.xmat[self._bodies].reshape(-1, 3, 3)
        return self._data.xpos[self._bodies] + np.einsum("kij,kj->ki", rotations, self._offsets)

    def cameras(self) -> dict[str, Camera]:
        """The hand-eye camera as it stands now, and the ring."""
        rotation = self._data.xmat[self._hand].reshape(3, 3)
        position = self._data.xpos[self._hand]
        return {EGO: panda.ego_camera(position, rotation, self.size), **self._ring}

    def visible(self) -> dict[str, Bool[np.ndarray, " keypoints"]]:
        """Whether each view sees each keypoint; see `sims.mujoco.visibility`."""
        points = self.keypoints()
        return {
            view: visible_keypoints(self._model, self._data, camera, points, self._own_bodies)
            for view, camera in self.cameras().items()
        }
