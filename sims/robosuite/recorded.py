"""A recorded task of robosuite or MimicGen, restored from its file alone, without its class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
from jaxtyping import Bool, Float, UInt8

from datasets.cameras import Camera
from datasets.errors import MismatchError
from datasets.storage.episode_file import EGO
from sims.arguments import picture_size, view_names
from sims.arm import panda
from sims.gl import import_mujoco
from sims.memory import return_small_blocks
from sims.mujoco.renderer import ViewRenderer
from sims.mujoco.visibility import visible_keypoints
from sims.robosuite.demos import DemonstrationFile
from sims.robosuite.motion import ring_in_room, workspace
from sims.robosuite.robots import PART, Robots, find_robots
from sims.robosuite.states import state_size
from sims.robosuite.xml import require_files, with_installed_files, with_present_names
from sims.scenes.cameras import RING_DISTANCE
from sims.scenes.viewpoints import behind, mounted

if TYPE_CHECKING:
    import mujoco

HAND_CAMERA = "eye_in_hand"
FREE, HOLD = 0, 1


class RecordedScene:
    """A task as the demonstrations of a file have it: each brings its model and states along.

    The task's rules are not known, so a state's reward is 0. Phases tell whether a gripper holds
    something: two of its fingers touch one thing that can move.

    The third-person cameras stand on a ring around the space that robots and objects move through
    in the file's first demonstration, which all of them show. The first-person camera is on the
    first robot's first hand: that of Lift on a Panda, otherwise robosuite's `eye_in_hand`, or one
    that looks over the hand.

    Attributes:
        name: Name of the task, and of robots that are no Pandas.
        views: `ego`, `view_0` ….
        size: Height and width of the images in pixels.
        skeleton: Names and bones of the keypoints of all robots.
        phases: `free` and `hold`, or `act` alone where a gripper has fewer than two fingers.
        control_hz: Time steps per second, where the file does not say.
    """

    control_hz = 20.0
    phases: tuple[str, ...]
    _robots: Robots

    def __init__(self, file: DemonstrationFile, views: int, size: int) -> None:
        """Loads the first demonstration.

        Raises:
            DataError: When its model cannot be loaded, has no robot, or its states do not fit it.
            SimulatorError: When MuJoCo or the graphics driver is missing.
        """
        self.name, self._robot_names = file.world, file.robots
        self.views, self.size = view_names(views), picture_size(size)
        self._mujoco = import_mujoco()
        self._renderer = ViewRenderer(size)
        self._loaded = False
        number, name = next(iter(file.names.items()))
        first = file.read(number)
        try:
            self.load_episode(first.model_file)
        except MismatchError as error:
            raise MismatchError(f"{file.path}: {name}: {error}") from error
        self.skeleton = self._robots.skeleton
        counts = [len(fingers) for fingers in self._fingers_of_hands()]
        self.phases = ("free", "hold") if counts and min(counts) > 1 else ("act",)
        self._place_cameras(first.states)

    def load_episode(self, model_file: str) -> None:
        """Loads the model of a demonstration, also of an older robosuite.

        Raises:
            MismatchError: When it cannot be loaded, or has other robots than the first one.
        """
        model, text = self._compiled(model_file)
        robots = find_robots(model, "-".join(self._robot_names).lower())
        if self._loaded and robots.skeleton != self.skeleton:
            raise MismatchError(
                "its robots are not those of the first demonstration: split the file."
            )
        self._model, self._model_file, self._robots, self._loaded = model, text, robots, True
        self._data, self._is_drawn = self._mujoco.MjData(model), False
        self._mujoco.mj_forward(model, self._data)
        things = ~robots.own & (model.body_weldid > 0)
        self._thing = np.where(things, model.body_rootid, -1)
        return_small_blocks()

    def _compiled(self, model_file: str) -> tuple[mujoco.MjModel, str]:
        """The model, and its text with the names and meshes of this machine."""
        try:
            text = with_installed_files(with_present_names(model_file))
            require_files(text)
            return self._mujoco.MjModel.from_xml_string(text), text
        except (ElementTree.ParseError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise MismatchError(
                f"The model does not load: {reason.rstrip('.')}. Install the package that has its "
                "objects and robots (robosuite, mimicgen …), in the version that recorded it."
            ) from error

    def _fingers_of_hands(self) -> list[set[int]]:
        """The fingers of each hand, by the bodies that begin them."""
        fingers = np.unique(self._robots.finger[self._robots.finger >= 0]).tolist()
        names = {i: self._model.body(i).name for i in (*fingers, *self._robots.hands)}
        arm = {i: tuple(name.split("_")[:2]) for i, name in names.items()}
        return [{f for f in fingers if arm[f] == arm[hand]} for hand in self._robots.hands]

    def _place_cameras(self, states: Float[np.ndarray, "time state"]) -> None:
        """Places the cameras around where the first demonstration goes."""
        # States of other models are refused when the episode is restored.
        if states.shape[1] == state_size(self._model):
            self.set_state(states[0])
            points = workspace(self._model, self._robots, states)
        else:
            points = self._robots.positions(self._data)
        length = float(np.ptp(points, axis=0).max())
        views = self.views[1:]
        self._ring: Mapping[str, Camera]
        self.set_cameras(
            ring_in_room(self._model, self._data, views, points, RING_DISTANCE * length, self.size)
        )
        looking = behind(self._pose_of_hand(), points.mean(0), length, self.size)
        self._over_hand = looking.intrinsics, mounted(looking, self._pose_of_hand())

    def set_cameras(self, cameras: Mapping[str, Camera]) -> None:
        """Takes these third-person cameras instead of the ring."""
        self._ring = dict(cameras)
        self.views = (EGO, *cameras)
        self._still: tuple[str, ...] = self.views[1:]

    def move_cameras(self, cameras: Mapping[str, Camera]) -> None:
        """Takes these third-person cameras, and others for the next states."""
        self.set_cameras(cameras)
        self._still = ()

    def cameras(self) -> dict[str, Camera]:
        """The first-person camera as it stands now, and the others."""
        return {EGO: self._ego(), **self._ring}

    def _pose_of_hand(self) -> Float[np.ndarray, "4 4"]:
        """The transform from the first hand's frame to the world; the last link's without hands."""
        hand = self._robots.hands[0] if self._robots.hands else int(self._robots.bodies[-1])
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = self._data.xmat[hand].reshape(3, 3), self._data.xpos[hand]
        return pose

    def _ego(self) -> Camera:
        pose, size = self._pose_of_hand(), self.size
        if self._robots.are_pandas:
            return panda.ego_camera(pose[:3, 3], pose[:3, :3], size)
        names = [self._model.camera(i).name for i in range(self._model.ncam)]
        own = [i for i, name in enumerate(names) if PART.match(name) and name.endswith(HAND_CAMERA)]
        if not own:
            intrinsics, to_camera = self._over_hand
            return Camera(intrinsics, to_camera @ np.linalg.inv(pose), size, size)
        # MuJoCo's camera looks along -z with y up, `Camera` along z with y down.
        rotation = np.diag([1.0, -1.0, -1.0]) @ self._data.cam_xmat[own[0]].reshape(3, 3).T
        extrinsics = np.eye(4)
        extrinsics[:3, :3], extrinsics[:3, 3] = rotation, -rotation @ self._data.cam_xpos[own[0]]
        return Camera.from_fovy(float(self._model.cam_fovy[own[0]]), size, size, extrinsics)

    def keypoints(self) -> Float[np.ndarray, "keypoints 3"]:
        """World coordinates of the robots' keypoints, in metres."""
        return self._robots.positions(self._data)

    def visible(self) -> dict[str, Bool[np.ndarray, " keypoints"]]:
        """Whether each view sees each keypoint; see `sims.mujoco.visibility`."""
        points, robots = self.keypoints(), self._robots
        return {
            view: visible_keypoints(
                self._model,
                self._data,
                camera,
                points,
                robots.own_bodies,
                max_depth=robots.depth,
                # The Panda's keypoints lie inside its links; origins of links may lie beside them.
                must_touch=not robots.are_pandas,
            )
            for view, camera in self.cameras().items()
        }

    def render_views(self) -> dict[str, UInt8[np.ndarray, "height width 3"]]:
        """Renders the current state from every view, upright RGB."""
        self._draw()
        return self._renderer.render(self._data, self.cameras(), fixed=self._still)

    def actor_masks(self) -> dict[str, Bool[np.ndarray, "height width"]]:
        """The pixels of each view that show a robot or a gripper."""
        self._draw()
        # Pixels without a geom have the number -1, which indexes this additional last entry.
        is_robot = np.append(self._robots.own[self._model.geom_bodyid], False)
        geoms = self._renderer.segment(self._data, self.cameras())
        return {view: is_robot[geom] for view, geom in geoms.items()}

    def _draw(self) -> None:
        if not self._is_drawn:
            self._renderer.load(self._model)
            self._is_drawn = True

    @property
    def model(self) -> mujoco.MjModel:
        """MuJoCo's model of the current episode."""
        return self._model

    def state(self) -> Float[np.ndarray, " state"]:
        """Time, positions and velocities, as robomimic stores them."""
        return np.concatenate([[self._data.time], self._data.qpos, self._data.qvel])

    def set_state(self, state: Float[np.ndarray, " state"]) -> None:
        """Restores a state of the current episode."""
        data, places = self._data, self._model.nq
        data.time, data.qpos[:], data.qvel[:] = state[0], state[1 : 1 + places], state[1 + places :]
        self._mujoco.mj_forward(self._model, data)

    def observe(self) -> dict[str, np.ndarray]:
        """Positions and velocities of robots' and grippers' joints, by robosuite's names."""
        joints: dict[str, list[int]] = {}
        for i, body in enumerate(self._model.jnt_bodyid):
            if part := PART.match(self._model.body(body).name):
                kind = "joint" if part[1] == "robot" else "gripper"
                joints.setdefault(f"robot{part[2]}_{kind}", []).append(i)
        positions, velocities = self._model.jnt_qposadr, self._model.jnt_dofadr
        ends = {"joint": ("pos", "vel"), "gripper": ("qpos", "qvel")}
        observed = {}
        for name, numbers in joints.items():
            place, speed = ends[name.rpartition("_")[2]]
            observed[f"{name}_{place}"] = self._data.qpos[positions[numbers]]
            observed[f"{name}_{speed}"] = self._data.qvel[velocities[numbers]]
        return observed

    def phase_now(self) -> int:
        """The phase of the current state, judged by this state alone."""
        if len(self.phases) == 1:
            return FREE
        touching = self._model.geom_bodyid[self._data.contact.geom].reshape(-1, 2)
        touching = np.concatenate([touching, touching[:, ::-1]])
        finger, thing = self._robots.finger[touching[:, 0]], self._thing[touching[:, 1]]
        touched = {(int(f), int(t)) for f, t in zip(finger, thing, strict=True) if min(f, t) >= 0}
        hands = self._fingers_of_hands()
        held = any(
            len({f for f, other in touched if other == thing} & hand) > 1
            for hand in hands
            for thing in {other for _, other in touched}
        )
        return HOLD if held else FREE

    def reward(self) -> float:
        """Always 0, since the task's rule is not known."""
        return 0.0

    def solved(self, rewards: np.ndarray | None) -> bool:
        """Whether a demonstration solves its task.

        robosuite's collector and MimicGen keep those alone that do, so one without rewards does.
        """
        return rewards is None or bool(rewards[-1] >= 1)

    def model_file(self) -> str:
        """The episode's model as MJCF, which names its meshes by absolute paths."""
        return self._model_file

    def close(self) -> None:
        """Frees the graphics context."""
        self._renderer.close()
