"""Interface of every simulated environment: one state, seen from many synchronized cameras."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from inspect import signature
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from jaxtyping import Bool, Float, UInt8

from datasets.cameras import Camera
from datasets.errors import require_known
from datasets.skeletons import Skeleton
from sims.arguments import view_names as view_names
from sims.errors import SimulatorError
from sims.gl import renderer_name
from sims.survey import Survey

# Each use of an episode's seed has its own stream of random numbers, so that drawing cameras does
# not change what the expert does.
EXPERT_STREAM, CAMERA_STREAM, FAILURE_STREAM, SCENE_STREAM, MOTION_STREAM = 1, 2, 3, 4, 5

RESET_OPTIONS = ("random_cameras", "random_scenes")


class Step(NamedTuple):
    """The next step of an expert.

    Attributes:
        action: Action in the environment's action space.
        phase: Index into the environment's `phases`.
    """

    action: Float[np.ndarray, " action"]
    phase: int


class MultiViewEnv(gymnasium.Env[dict[str, np.ndarray], np.ndarray]):
    """An environment whose state is rendered from a first-person and several fixed cameras.

    The third-person cameras do not move by themselves: `move_cameras` moves them during an episode.
    They have the same poses at the start of every episode, unless `reset` draws new ones.

    `step` advances the physics once; the methods below it read the current state. Images come from
    `render_views` only, so that an agent that needs none does not pay for rendering.

    Attributes:
        name: Public name, for `sims.make`.
        skeleton: Names and bones of the keypoints.
        phases: Name of each phase of the task.
        control_hz: Time steps per second.
        views: `ego`, `view_0` ….
        size: Height and width of the images in pixels.
        cameras_can_move: Whether what `set_cameras` takes is seen at once, also during an episode.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012
    render_mode = "rgb_array"

    name: str
    skeleton: Skeleton
    phases: tuple[str, ...]
    control_hz: float

    views: tuple[str, ...]
    size: int
    cameras_can_move = False
    _cameras_are_elsewhere = False
    _cameras_move = False
    _scene_is_random = False
    _given_cameras: Mapping[str, Camera] | None = None

    @classmethod
    def usual_views(cls) -> int | None:
        """Return the number of third-person views when none is asked for, if the class says so."""
        views = signature(cls).parameters.get("views")
        return views.default if views is not None and isinstance(views.default, int) else None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Start a new episode, which depends only on the seed and the options.

        Args:
            seed: Seed of the episode.
            options: `{"random_cameras": True}` draws the poses of the third-person cameras from the
                seed; otherwise they have the environment's default poses.
                `{"random_scenes": True}` draws textures, colours and lights from the seed.

        Raises:
            SimulatorError: When the cameras cannot be moved, or the scene cannot be drawn.
            UnknownNameError: For another option.
        """
        for name in options or {}:
            require_known("option of reset", name, RESET_OPTIONS)
        super().reset(seed=seed)
        seed = int(self.np_random.integers(2**32)) if seed is None else seed
        if (options or {}).get("random_cameras", False):
            self.place_cameras(np.random.default_rng([seed, CAMERA_STREAM]))
            self._cameras_are_elsewhere = True
        elif self._cameras_are_elsewhere:
            self._place_usual_cameras()
            self._cameras_are_elsewhere = False
        self._cameras_move = False
        if (options or {}).get("random_scenes", False):
            self.draw_scene(np.random.default_rng([seed, SCENE_STREAM]))
            self._scene_is_random = True
        elif self._scene_is_random:
            self.draw_scene(None)
            self._scene_is_random = False
        self.begin(seed)
        return self.observe(), {"success": self.success()}

    def draw_scene(self, rng: np.random.Generator | None) -> None:
        """Draw how the next episodes look, but not how they move; None restores the usual look.

        Raises:
            SimulatorError: In an environment that does not override this method.
        """
        raise SimulatorError(
            f"The scenes of {self.name} cannot be drawn at random: leave out --random-scenes, or "
            "override MultiViewEnv.draw_scene."
        )

    def use_cameras(self, cameras: Mapping[str, Camera]) -> None:
        """Take these third-person cameras instead of the environment's own, from `reset` on.

        Args:
            cameras: Every third-person view to its camera, in the order of the views.

        Raises:
            SimulatorError: When the cameras cannot be moved, or have lenses that distort.
        """
        self._require_pinholes(cameras)
        self.set_cameras(cameras)
        self._given_cameras = cameras

    def _require_pinholes(self, cameras: Mapping[str, Camera]) -> None:
        if bent := [view for view, camera in cameras.items() if not camera.lens.is_straight]:
            raise SimulatorError(
                f"{self.name} draws without distortion, and the lenses of {', '.join(bent)} "
                "distort: give cameras without lenses."
            )

    def _place_usual_cameras(self) -> None:
        if self._given_cameras is None:
            self.place_cameras(None)
        else:
            self.set_cameras(self._given_cameras)

    def set_cameras(self, cameras: Mapping[str, Camera]) -> None:
        """Move the third-person cameras of the next episodes; see `use_cameras`.

        Raises:
            SimulatorError: In an environment that does not override this method.
        """
        raise SimulatorError(
            f"The third-person cameras of {self.name} cannot be moved: leave out --cameras, or "
            "override MultiViewEnv.set_cameras."
        )

    def move_cameras(self, cameras: Mapping[str, Camera]) -> None:
        """Move the third-person cameras now, during an episode; the next `reset` puts them back.

        Args:
            cameras: Every third-person view to its camera, in the order of the views.

        Raises:
            SimulatorError: When the cameras cannot be moved during an episode, or have lenses that
                distort.
        """
        self._require_pinholes(cameras)
        if not self.cameras_can_move:
            raise SimulatorError(
                f"The third-person cameras of {self.name} cannot be moved during an episode: leave "
                "out --moving-cameras and paths in --cameras, or override MultiViewEnv.set_cameras "
                "so that it takes effect at once, and set cameras_can_move = True."
            )
        self.set_cameras(cameras)
        self._cameras_are_elsewhere = self._cameras_move = True

    def still_views(self) -> tuple[str, ...]:
        """Return the third-person views whose camera stands still in the current episode."""
        return () if self._cameras_move else self.views[1:]

    def place_cameras(self, rng: np.random.Generator | None) -> None:
        """Draw the third-person cameras of the next episodes; None restores the default ones.

        Raises:
            SimulatorError: In an environment that does not override this method.
        """
        raise SimulatorError(
            f"The third-person cameras of {self.name} cannot be moved: leave out --random-cameras, "
            "or override MultiViewEnv.place_cameras."
        )

    @abstractmethod
    def begin(self, seed: int) -> None:
        """Put the simulator at the start of an episode, which depends only on the seed."""

    @abstractmethod
    def observe(self) -> dict[str, np.ndarray]:
        """Return the low-dimensional observation of `reset` and `step`, which episodes record."""

    def policy_state(self) -> Float[np.ndarray, " state"]:
        """Return the state as the input of a policy: by default the observation's entries.

        A world overrides it where its own observation is a poor input, such as a place in the
        world's frame for a player who acts in its own frame.
        """
        return np.concatenate([np.ravel(entry) for entry in self.observe().values()])

    @abstractmethod
    def render_views(self) -> dict[str, UInt8[np.ndarray, "height width 3"]]:
        """Render the current state from every view, as upright RGB images."""

    def render_view(self, view: str) -> UInt8[np.ndarray, "height width 3"]:
        """Render the current state from one view; an environment that can skips the others.

        Raises:
            KeyError: When there is no such view.
        """
        return self.render_views()[view]

    @abstractmethod
    def keypoints(self) -> Float[np.ndarray, "keypoints 3"]:
        """Return the world coordinates of the skeleton's keypoints, in metres."""

    @abstractmethod
    def cameras(self) -> dict[str, Camera]:
        """Return the current camera of every view."""

    @abstractmethod
    def visible(self) -> dict[str, Bool[np.ndarray, " keypoints"]]:
        """Return which keypoints each view sees: inside the image and not occluded."""

    @abstractmethod
    def actor_masks(self) -> dict[str, Bool[np.ndarray, "height width"]]:
        """Return the pixels of each view that show the skeleton's body."""

    def instances(self) -> tuple[str, ...]:
        """Return the names of the things that `survey_views` tells apart, the same for every seed.

        The first is the background, the second the robot.

        Raises:
            SimulatorError: In an environment that does not override it and `survey_views`.
        """
        raise SimulatorError(
            f"{self.name} measures neither depth nor masks: leave out --depth and --masks, or "
            "override MultiViewEnv.instances and MultiViewEnv.survey_views."
        )

    def survey_views(self) -> dict[str, Survey]:
        """Return depth and instances of the current state, from every view.

        Raises:
            SimulatorError: In an environment that does not override it and `instances`.
        """
        self.instances()
        raise SimulatorError(
            f"{self.name} names instances, but does not override MultiViewEnv.survey_views."
        )

    @abstractmethod
    def success(self) -> bool:
        """Return whether the task is solved now, by the environment's own rule."""

    def progress(self) -> float:
        """Return how far the task has come by the simulator's state, from 0 to 1 when solved.

        Raises:
            SimulatorError: In an environment that does not override this method.
        """
        raise SimulatorError(
            f"{self.name} does not say how far its task has come: override MultiViewEnv.progress."
        )

    @abstractmethod
    def state(self) -> Float[np.ndarray, " state"]:
        """Return the simulator's state, from which `set_state` restores this time step."""

    @abstractmethod
    def set_state(self, state: Float[np.ndarray, " state"]) -> None:
        """Restore a state of the current episode."""

    @abstractmethod
    def model_file(self) -> str | None:
        """Return the simulator's model of this episode as text, if it has one."""

    @abstractmethod
    def env_args(self) -> dict[str, Any]:
        """Return the arguments that make this environment again, in robomimic's format."""

    def renderer(self) -> str:
        """Return the name of the renderer, as its library or driver gives it.

        It is known after the first image. The default is the driver of the current OpenGL context.
        """
        return renderer_name()

    @abstractmethod
    def expert(self, rng: np.random.Generator) -> Iterator[Step]:
        """Yield the steps of a scripted expert, from the current state to the end of its task.

        Step the environment with each action before taking the next one, because the expert reads
        the state. All of its variation comes from `rng`.
        """

    def failing_expert(
        self, rng: np.random.Generator, failure: np.random.Generator
    ) -> Iterator[Step]:
        """Return the steps of an expert that is made to fail; see `sims.failures`.

        Args:
            rng: Source of the expert's variation, as in `expert`.
            failure: Source of the failure.

        Raises:
            SimulatorError: In an environment that does not override this method.
        """
        raise SimulatorError(
            f"The expert of {self.name} cannot be made to fail: leave out --keep-failures, or "
            "override MultiViewEnv.failing_expert."
        )

    def render(self) -> UInt8[np.ndarray, "height width 3"]:  # type: ignore[override]
        """Render all views side by side."""
        return np.concatenate(list(self.render_views().values()), axis=1)
