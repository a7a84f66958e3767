"""`MujocoEnv`: a multi-view environment from a scene file of MuJoCo, in a few lines."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from sims.errors import OptionError
from sims.mujoco.points import find_points
from sims.mujoco.scene import load_scene
from sims.mujoco.world import MujocoWorld
from sims.scenes.physics import SteppedScene
from sims.scenes.settings import action_box

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from sims.scenes.settings import Settings


class MujocoEnv(MujocoWorld, SteppedScene):
    """A world from a scene file, MJCF or URDF; its attributes are those of `SceneEnv`.

    An episode begins in the scene's first keyframe, or else in its initial pose, which `randomize`
    changes. `randomize` may change the model too: each episode begins with that of the file.
    Third-person cameras that are named must stand still in the scene.

    Example:
        class Arm(MujocoEnv):
            scene = "arm.xml"
            points = ("shoulder", "elbow", "hand")

            def act(self):
                goal = self.rng.uniform(-1, 1, 2)
                for _ in range(40):
                    yield 5 * (goal - self.data.qpos)
    """

    finer_physics = ", or a smaller timestep there"

    def __init__(
        self,
        scene: str | Path | None = None,
        *,
        views: int | None = None,
        size: int = 224,
        **settings: Unpack[Settings],
    ) -> None:
        """Loads the scene; the first episode begins at `reset`.

        The arguments are those of `SceneEnv`; `scene` may also be the text of an MJCF file.

        Raises:
            MissingDataError: When the scene does not exist.
            FormatError: When MuJoCo cannot load the scene.
            OptionError: When a setting does not fit the scene.
            UnknownNameError: For a body, site, camera or setting that does not exist.
            SimulatorError: When MuJoCo or the graphics driver is missing.
        """
        super().__init__(scene, views=views, size=size, **settings)
        scene = str(self.scene) if self.scene_is_text else self.find_scene()
        self._original, self._xml = load_scene(scene)
        self.prepare_pictures()
        # A state that breaks down is an error here, rather than a silent new start.
        self._original.opt.disableflags |= self._engine.mjtDisableBit.mjDSBL_AUTORESET
        self._points = find_points(
            self._original, self.scene_name, self.name, self.points, self.bones
        )
        self.skeleton = self._points.skeleton
        self._substeps = self.physics_steps(self._original.opt.timestep)
        self.start()
        self._make_spaces()
        self.find_cameras()

    def _make_spaces(self) -> None:
        if self.action_range is None and not self._original.nu:
            raise OptionError(
                f"{self.scene_name} has no actuators, so nothing can act in it: add an <actuator> "
                'section, such as <position joint="elbow"/>.'
            )
        low, high = self.action_range or self._actuator_range()
        self.action_space = action_box(low, high)
        self.set_observation_space()

    def _actuator_range(self) -> tuple[Any, Any]:
        limited = self._original.actuator_ctrllimited.astype(bool)[:, None]
        unlimited = np.array([-np.inf, np.inf])
        low, high = np.where(limited, self._original.actuator_ctrlrange, unlimited).T
        return low, high

    def start(self) -> None:
        """Puts the file's model into its initial pose."""
        self.model = copy.copy(self._original)
        self.data = self._engine.MjData(self.model)
        if self.model.nkey:
            self._engine.mj_resetDataKeyframe(self.model, self.data, 0)
        self._is_loaded = False
        self.refresh()

    def advance(self, action: Float[np.ndarray, " action"]) -> None:
        """Advances the physics by one action."""
        for _ in range(self._substeps):
            self.data.ctrl[:] = self.controls(action, self.model.nu)
            self._engine.mj_step(self.model, self.data)
        # MuJoCo leaves poses one physics step older than the state.
        self.refresh()

    def model_file(self) -> str:
        """The scene as MJCF, without what `randomize` changes in it."""
        return self._xml
