"""robosuite's tasks as multi-view environments."""

from __future__ import annotations

import multiprocessing
from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar
from xml.etree import ElementTree

import gymnasium
import numpy as np
from jaxtyping import Float

from datasets.errors import MismatchError
from sims.arguments import finite_action, picture_size, require_render_mode, view_names
from sims.arm import panda
from sims.gl import import_mujoco
from sims.memory import return_small_blocks
from sims.robosuite.package import import_robosuite, no_model_of_the_robot_alone
from sims.robosuite.views import PandaViews
from sims.robosuite.xml import loadable, without_history

if TYPE_CHECKING:
    import mujoco

ROBOMIMIC_ROBOSUITE_TYPE = 1  # robomimic.envs.env_base.EnvType.ROBOSUITE_TYPE
# robosuite adds concatenations of its observations. robomimic uses this one, and drops the suffix.
OBJECT_STATE = "object-state"
# Fingers that close faster than CLOSING, in metres a second, within AROUND metres of an object's
# middle are about to grasp it.
CLOSING = 0.02
AROUND = 0.035


class RobosuiteEnv(PandaViews):
    """A single-Panda task of robosuite, as robosuite defines it, under its default controller.

    Every seed makes a new task, so an episode does not depend on earlier episodes.

    Attributes:
        task: robosuite's name of the task.
        horizon: Time steps after which an episode is truncated.
    """

    control_hz = 20.0
    horizon = 200

    task: ClassVar[str]

    _env: Any = None

    def __init__(
        self,
        views: int = 4,
        size: int = 224,
        light_meshes: bool = True,
        render_mode: str | None = None,
    ) -> None:
        """Loads robosuite; the first episode begins at `reset`.

        Args:
            views: Number of third-person views.
            size: Height and width of the images in pixels.
            light_meshes: Whether to draw simplified meshes, which look the same and are faster.
            render_mode: `rgb_array` or None, which mean the same; Gymnasium gives it.

        Raises:
            SimulatorError: When robosuite, MuJoCo or the graphics driver is missing.
        """
        require_render_mode(render_mode)
        self.views, self.size = view_names(views), picture_size(size)
        self._robosuite = import_robosuite()
        self._mujoco = import_mujoco()
        self.prepare_pictures(light_meshes)
        self.begin(seed=0)
        low, high = self._env.action_spec
        self.action_space = gymnasium.spaces.Box(low, high, dtype=np.float64)
        self.observation_space = gymnasium.spaces.Dict(  # type: ignore[assignment]
            {
                name: gymnasium.spaces.Box(-np.inf, np.inf, value.shape, np.float64)
                for name, value in self.observe().items()
            }
        )

    def _kwargs(self) -> dict[str, Any]:
        return {
            "robots": ["Panda"],
            "has_renderer": False,
            "has_offscreen_renderer": False,
            "use_camera_obs": False,
            "use_object_obs": True,
            "ignore_done": True,
            "control_freq": int(self.control_hz),
            # `begin` makes a new environment for each seed, so a reset keeps its model.
            "hard_reset": False,
        }

    def begin(self, seed: int) -> None:
        """Makes a new robosuite environment whose models and placements come from the seed."""
        self._release()
        with no_model_of_the_robot_alone():
            self._env = self._robosuite.make(self.task, seed=seed, **self._kwargs())
        self._env.reset()
        self._look_again()
        self._find_parts()

    def _release(self) -> None:
        """Frees the models of the last episode, which the garbage collector would free late."""
        env, self._env, self._model, self._data = self._env, None, None, None
        if env is not None:
            env.close()

    def _find_parts(self) -> None:
        """Finds the parts of a new model by their names."""
        self._model_file = without_history(self._env.sim.model.get_xml())
        # MuJoCo keeps the parsed file of the model that was loaded last, for `get_xml` alone: 110
        # MB of meshes, which an empty model replaces. Only in a worker: elsewhere, other
        # environments of robosuite may ask for theirs.
        if multiprocessing.parent_process() is not None:
            self._mujoco.MjModel.from_xml_string("<mujoco/>")
        return_small_blocks()
        self._model = self._env.sim.model._model
        self._data = self._env.sim.data._data
        self._steps = 0
        self.find_panda()

    def step(
        self, action: Float[np.ndarray, " action"]
    ) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """Advances the physics by one control step.

        As in robosuite, solving the task does not end the episode; it sets `info["success"]`.
        """
        # Observations stay as robosuite gives them, since policies of robomimic's data expect the
        # same: poses are one physics step older than the state, and Can's pose in the hand's frame
        # is computed from the observation of the time step before.
        self._raw_observation, reward, _, _ = self._env.step(
            finite_action(action, self.action_space)
        )
        # robosuite leaves poses one physics step older than the state. Update them, without any
        # call that would change the dynamics, so that pictures and keypoints match the state.
        self._mujoco.mj_kinematics(self._model, self._data)
        self._mujoco.mj_comPos(self._model, self._data)
        self._mujoco.mj_camlight(self._model, self._data)
        self._steps += 1
        truncated = self._steps >= self.horizon
        return self.observe(), float(reward), False, truncated, {"success": self.success()}

    def observe(self) -> dict[str, np.ndarray]:
        """Proprioception and the objects' state, under robomimic's names."""
        raw: Mapping[str, np.ndarray] = self._raw_observation
        observation = {
            name: np.asarray(value, np.float64)
            for name, value in raw.items()
            if name.startswith("robot0_") and not name.endswith("-state")
        }
        observation["object"] = np.asarray(raw[OBJECT_STATE], np.float64)
        return observation

    def success(self) -> bool:
        """Whether the task is solved now, by robosuite's own rule."""
        return bool(self._env._check_success())

    def gripper_pose(self) -> tuple[Float[np.ndarray, 3], Float[np.ndarray, "3 3"]]:
        """Position in metres and rotation of the grip site; its x axis is the opening direction."""
        site = self._model.site(panda.GRIP_SITE).id
        return self._data.site_xpos[site].copy(), self._data.site_xmat[site].reshape(3, 3).copy()

    def reward(self) -> float:
        """The reward of the current state, by robosuite's own rule."""
        return float(self._env.reward())

    def solved(self, rewards: np.ndarray | None) -> bool:
        """Whether a recorded episode is solved, by its current last state or its last reward.

        People stop at the action that solves the task, so its outcome may be in no state.
        """
        return self.success() or (rewards is not None and bool(rewards[-1] >= 1))

    @abstractmethod
    def phase_now(self) -> int:
        """The phase of the current state, judged by this state alone; an index into `phases`.

        It serves recordings, which have no phases. A scripted expert knows its own plan and names
        a phase a few steps before it is visible.
        """

    def _holds(self, thing: Any) -> bool:
        """Whether pads of both fingers touch an object, given as robosuite's model of it."""
        return bool(self._env._check_grasp(self._env.robots[0].gripper, thing))

    def _closes_on(self, middle: Float[np.ndarray, 3]) -> bool:
        """Whether the fingers are near a point and closing."""
        opening = self._data.qvel[self._fingers] @ panda.FINGERS_OPEN
        near = np.linalg.norm(self.gripper_pose()[0] - middle) < AROUND
        return bool(near and opening < -CLOSING)

    def _upward(self, body: int) -> float:
        """Upward speed of a body, in metres a second."""
        velocity = np.zeros(6)
        kind = self._mujoco.mjtObj.mjOBJ_BODY
        self._mujoco.mj_objectVelocity(self._model, self._data, kind, body, velocity, 0)
        return float(velocity[5])

    def load_episode(self, model_file: str) -> None:
        """Loads the model of a recorded episode, also of an older robosuite.

        `set_state` then restores the states of that episode. `reset` begins another one.

        Args:
            model_file: Return value of `model_file`, or robomimic's attribute of that name.

        Raises:
            DataError: When the model cannot be loaded; gives the reason.
        """
        try:
            model = loadable(self._env.edit_model_xml, model_file)
            self._env.reset_from_xml_string(model)
            self._find_parts()
        except (ElementTree.ParseError, ValueError, KeyError) as error:
            # robosuite ends some of its errors with all names of the model.
            reason = str(error).split(" Available ")[0].rstrip(".")
            raise MismatchError(
                f"The model does not load as {self.task} with robosuite "
                f"{self._robosuite.__version__}: {reason}. Replay it with the robosuite and the "
                "robot's files that recorded it, or name its task and robots in env_args."
            ) from error

    @property
    def model(self) -> mujoco.MjModel:
        """MuJoCo's model of the current episode."""
        return self._model

    def state(self) -> Float[np.ndarray, " state"]:
        """Time, positions and velocities, as robomimic stores them."""
        return self._env.sim.get_state().flatten()

    def set_state(self, state: Float[np.ndarray, " state"]) -> None:
        """Restores a state of the current episode."""
        self._env.sim.set_state_from_flattened(state)
        self._env.sim.forward()
        self._look_again()

    def _look_again(self) -> None:
        """Observes the current state, independent of earlier observations."""
        # Can's pose in the hand's frame is computed from the observation before, so only the second
        # observation belongs to this state entirely.
        for _ in range(2):
            # An observation shortens the time to the next one by a physics step. Without the reset,
            # later time steps would be observed before their end.
            for observable in self._env._observables.values():
                observable.reset()
            self._raw_observation = self._env._get_observations(force_update=True)

    def model_file(self) -> str:
        """The episode's model as MJCF, which names its meshes by absolute paths."""
        return self._model_file

    def env_args(self) -> dict[str, Any]:
        """Arguments from which robomimic makes this environment."""
        return {
            "env_name": self.task,
            "type": ROBOMIMIC_ROBOSUITE_TYPE,
            "env_version": self._robosuite.__version__,
            "env_kwargs": self._kwargs(),
        }

    def close(self) -> None:
        """Frees the graphics context and the models."""
        self._renderer.close()
        self._release()
