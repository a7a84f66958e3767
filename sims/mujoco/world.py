"""Any MuJoCo model as a multi-view environment: pictures, cameras, keypoints, state."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from gymnasium.spaces import Box, Dict
from jaxtyping import Bool, Float, UInt8

from datasets.cameras import Camera
from sims.errors import OptionError, SimulatorError
from sims.gl import import_mujoco
from sims.mujoco.canvas import USUAL_GROUPS
from sims.mujoco.instances import find_instances
from sims.mujoco.look import RandomLook
from sims.mujoco.points import ModelPoints
from sims.mujoco.renderer import ViewRenderer
from sims.mujoco.scene import joint_spans
from sims.mujoco.visibility import visible_keypoints
from sims.scenes.env import SceneEnv
from sims.survey import Survey

if TYPE_CHECKING:
    import mujoco

# Radians or metres by which a joint is moved at most at the start of an episode.
JITTER = 0.1
# Poses of all joints by which their reach is judged.
POSES = 64


class MujocoWorld(SceneEnv):
    """A world of one MuJoCo model.

    Attributes:
        model: The model of the current episode.
        data: Its state.
    """

    model: mujoco.MjModel
    data: mujoco.MjData
    _points: ModelPoints

    def prepare_pictures(self) -> None:
        """Prepares drawing; the graphics context is made with the first picture."""
        self._engine = import_mujoco()
        self._renderer = ViewRenderer(self.size, light_meshes=False, groups=USUAL_GROUPS)
        self._is_loaded = False
        self._look = RandomLook()

    def draw_scene(self, rng: np.random.Generator | None) -> None:
        """Draws textures, colours and lights of all but the actor; None selects the scene's own."""
        self._look.draw(rng)

    def refresh(self) -> None:
        """Updates all that follows from the state, such as poses, contacts and sensors."""
        self._engine.mj_forward(self.model, self.data)

    def require_stable(self, cause: str) -> None:
        """Raises a SimulatorError when the state is not finite, or physics broke down."""
        kinds = self._engine.mjtWarning
        bad = (kinds.mjWARN_BADQPOS, kinds.mjWARN_BADQVEL, kinds.mjWARN_BADQACC)
        finite = np.isfinite(self.data.qpos).all() and np.isfinite(self.data.qvel).all()
        if not finite or any(self.data.warning[int(kind)].number for kind in bad):
            raise SimulatorError(
                f"{self.scene_name} became unstable {cause}: its positions are no longer numbers "
                'or grow without end. Set a smaller <option timestep="…"/> or act more gently.'
            )

    def render_views(self) -> dict[str, UInt8[np.ndarray, "height width 3"]]:
        """Renders the current state from every view, upright RGB."""
        return self._render(self.cameras())

    def render_view(self, view: str) -> UInt8[np.ndarray, "height width 3"]:
        """Renders the current state from one view, upright RGB."""
        return self._render({view: self.cameras()[view]})[view]

    def _render(self, cameras: dict[str, Camera]) -> dict[str, UInt8[np.ndarray, "height width 3"]]:
        self._load_renderer()
        # What is no geom leaves no trace in the list of things that stand still.
        soft = self.model.ntendon + self.model.nskin + self.model.nflex
        return self._renderer.render(self.data, cameras, fixed=() if soft else self.still_views())

    def actor_masks(self) -> dict[str, Bool[np.ndarray, "height width"]]:
        """The pixels of each view that show the bodies whose trees carry the points."""
        self._load_renderer()
        # Pixels without a geom have the number -1, which indexes this additional last entry.
        is_actor = np.append(self._points.actor[self.model.geom_bodyid], False)
        geoms = self._renderer.segment(self.data, self.cameras())
        return {view: is_actor[geom] for view, geom in geoms.items()}

    def instances(self) -> tuple[str, ...]:
        """The background, the actor, and the first body of each other tree of bodies."""
        return find_instances(self.model, self._points.actor, USUAL_GROUPS).names

    def survey_views(self) -> dict[str, Survey]:
        """Depth and instances of the current state, from every view."""
        self._load_renderer()
        found = find_instances(self.model, self._points.actor, USUAL_GROUPS)
        return self._renderer.survey(self.data, self.cameras(), found.of_geom)

    def _load_renderer(self) -> None:
        if not self._is_loaded:
            self._look.apply(self.model, self.data, self._points.actor)
            self._renderer.load(self.model)
            self._is_loaded = True

    def keypoints(self) -> Float[np.ndarray, "keypoints 3"]:
        """World coordinates of the points, in metres."""
        return self._points.positions(self.data)

    def visible(self) -> dict[str, Bool[np.ndarray, " keypoints"]]:
        """Whether each view sees each keypoint, on a body's surface or shallow under it."""
        points, found = self.keypoints(), self._points
        return {
            view: visible_keypoints(
                self.model,
                self.data,
                camera,
                points,
                found.own_bodies,
                groups=USUAL_GROUPS,
                max_depth=found.depth,
                must_touch=True,
            )
            for view, camera in self.cameras().items()
        }

    def move_joints(self, rng: np.random.Generator) -> None:
        """Moves each joint by up to `JITTER` within its range; free bodies stay."""
        for address, low, high in joint_spans(self.model, np.inf):
            moved = self.data.qpos[int(address)] + rng.uniform(-JITTER, JITTER)
            self.data.qpos[int(address)] = np.clip(moved, low, high)

    def body_pose(self, body: str) -> Float[np.ndarray, "4 4"]:
        """The transform from a body's frame to the world, in metres."""
        pose, part = np.eye(4), self.data.body(body)
        pose[:3, :3], pose[:3, 3] = part.xmat.reshape(3, 3), part.xpos
        return pose

    def scene_camera(self, name: str) -> Camera:
        """A camera of the model by its name, in the current state, with square pictures.

        Raises:
            OptionError: When it is no pinhole camera with its middle in that of the picture.
        """
        number = self.model.camera(name).id
        parallel = self.model.cam_projection[number] != 0  # mjPROJ_PERSPECTIVE
        if parallel or (self.model.cam_sensorsize[number] > 0).any():
            raise OptionError(
                f"the camera {name!r} of {self.scene_name} is drawn by its field of view alone: "
                "leave out its projection, sensorsize, focal and principal, and give it a fovy."
            )
        # MuJoCo's camera looks along -z with y up, `Camera` along z with y down.
        rotation = np.diag([1.0, -1.0, -1.0]) @ self.data.cam_xmat[number].reshape(3, 3).T
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = rotation, -rotation @ self.data.cam_xpos[number]
        return Camera.from_fovy(float(self.model.cam_fovy[number]), self.size, self.size, pose)

    def require_still(self, name: str) -> None:
        """Raises an OptionError for a camera that moves with a body or turns to one."""
        number, modes = self.model.camera(name).id, self._engine.mjtCamLight
        turns = self.model.cam_mode[number] != modes.mjCAMLIGHT_FIXED
        if turns or self.model.body_weldid[self.model.cam_bodyid[number]]:
            raise OptionError(
                f"the camera {name!r} of {self.scene_name} moves, and third-person cameras stand "
                f"still. Use it as the first-person one (ego = {name!r}), or fix it to the world."
            )

    def camera_names(self) -> Sequence[str]:
        """The names of the model's cameras."""
        return [name for i in range(self.model.ncam) if (name := self.model.camera(i).name)]

    def body_names(self) -> Sequence[str]:
        """The names of the model's bodies."""
        return [name for i in range(1, self.model.nbody) if (name := self.model.body(i).name)]

    def last_body(self) -> str:
        """The body of the last point."""
        return self.model.body(int(self._points.bodies[-1])).name

    def reach(self) -> Float[np.ndarray, "corners 3"]:
        """Corners of the box that holds the actor's shapes in many poses of its joints.

        Raises:
            OptionError: When the points belong to bodies without any shape.
        """
        model, scratch = self.model, self._engine.MjData(self.model)
        shapes = self._points.actor[model.geom_bodyid] & (model.geom_rbound > 0)
        if not shapes.any():
            raise OptionError(f"no body of the points in {self.scene_name} has a shape to be seen.")
        radius = model.geom_rbound[shapes, None]
        # Objects that are pushed often have slides with limits far beyond the scene.
        address, low, high = joint_spans(model, np.pi, model.stat.extent / 2).T
        rng, corners = np.random.default_rng(0), []
        for pose in range(POSES):
            scratch.qpos[:] = self.data.qpos
            if pose:  # the first one is that of the scene
                scratch.qpos[address.astype(int)] = rng.uniform(low, high)
            self._engine.mj_kinematics(model, scratch)
            places = scratch.geom_xpos[shapes]
            corners += [(places - radius).min(0), (places + radius).max(0)]
        return np.stack(corners)

    def state(self) -> Float[np.ndarray, " state"]:
        """All numbers from which MuJoCo continues in the same way."""
        kind = self._engine.mjtState.mjSTATE_INTEGRATION
        state = np.empty(self._engine.mj_stateSize(self.model, kind))
        self._engine.mj_getState(self.model, self.data, state, kind)
        return state

    def set_state(self, state: Float[np.ndarray, " state"]) -> None:
        """Restores a state of the current episode."""
        kind = self._engine.mjtState.mjSTATE_INTEGRATION
        self._engine.mj_setState(self.model, self.data, state, kind)
        self.refresh()
        # The solver begins from its last result, which `refresh` has just replaced.
        self._engine.mj_setState(self.model, self.data, state, kind)

    def observe(self) -> dict[str, np.ndarray]:
        """Positions and velocities of the joints, and what the model's sensors measure."""
        data = self.data
        parts = {"qpos": data.qpos, "qvel": data.qvel, "sensors": data.sensordata}
        return {name: part.copy() for name, part in parts.items() if part.size}

    def set_observation_space(self) -> None:
        """Describes what `observe` returns, in a loaded scene."""
        self.observation_space = Dict(  # type: ignore[assignment]
            {
                name: Box(-np.inf, np.inf, value.shape, np.float64)
                for name, value in self.observe().items()
            }
        )

    @abstractmethod
    def model_file(self) -> str | None:
        """The model as MJCF, if its file can be read."""

    def close(self) -> None:
        """Frees the graphics context."""
        self._renderer.close()
