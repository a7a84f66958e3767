"""What every simulated environment offers: one state seen from many synchronized cameras."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

import gymnasium
import numpy as np
from jaxtyping import Bool, Float, UInt8

from datasets.cameras import Camera
from datasets.skeletons import Skeleton
from datasets.storage.episode_file import EGO
from sims.errors import SimulatorError
from sims.gl import renderer_name

# An episode's seed has several uses, each with random numbers of its own.
EXPERT_STREAM, CAMERA_STREAM = 1, 2


class Step(NamedTuple):
    """What an expert does next.

    Attributes:
        action: The action, as the environment's action space has it.
        phase: Index into the environment's `phases`.
    """

    action: Float[np.ndarray, " action"]
    phase: int


def view_names(num_third_person: int) -> tuple[str, ...]:
    """`ego`, then `view_0` … for that many third-person cameras.

    Raises:
        ValueError: For a number below 1.
    """
    if num_third_person < 1:
        raise ValueError(f"views must be at least 1 third-person view, got {num_third_person}.")
    return (EGO, *(f"view_{i}" for i in range(num_third_person)))


class MultiViewEnv(gymnasium.Env[dict[str, np.ndarray], np.ndarray]):
    """An environment whose state is rendered from a first-person and several fixed cameras.

    The third-person cameras stand still during an episode, and between episodes unless `reset` is
    asked to draw their places.

    `step` advances the physics once; everything below it looks at the state as it is. Images are
    asked for with `render_views`, so that an agent which needs none does not pay for them.

    Attributes:
        name: Public name, as `sims.make` takes it.
        skeleton: Names and bones of the keypoints.
        phases: Name of each phase of the task.
        control_hz: Time steps a second.
        views: `ego`, `view_0` ….
        size: Height and width of the images in pixels.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012
    render_mode = "rgb_array"

    name: ClassVar[str]
    skeleton: ClassVar[Skeleton]
    phases: ClassVar[tuple[str, ...]]
    control_hz: ClassVar[float]

    views: tuple[str, ...]
    size: int
    _cameras_are_random = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Begins a new episode; the seed and the options fix it entirely.

        Args:
            seed: Of the episode.
            options: `{"random_cameras": True}` draws the places of the third-person cameras from
                the seed; they are the environment's own otherwise.

        Raises:
            SimulatorError: When its cameras cannot be moved.
        """
        super().reset(seed=seed)
        seed = int(self.np_random.integers(2**32)) if seed is None else seed
        if (options or {}).get("random_cameras", False):
            self.place_cameras(np.random.default_rng([seed, CAMERA_STREAM]))
            self._cameras_are_random = True
        elif self._cameras_are_random:
            self.place_cameras(None)
            self._cameras_are_random = False
        self.begin(seed)
        return self.observe(), {"success": self.success()}

    def place_cameras(self, rng: np.random.Generator | None) -> None:
        """Draws the third-person cameras of the episodes to come; None: where they usually stand.

        Raises:
            SimulatorError: By an environment that does not override this.
        """
        raise SimulatorError(
            f"The third-person cameras of {self.name} stand where they are: leave out "
            "--random-cameras, or override MultiViewEnv.place_cameras."
        )

    @abstractmethod
    def begin(self, seed: int) -> None:
        """Puts the simulator at the start of the episode that this seed fixes entirely."""

    @abstractmethod
    def observe(self) -> dict[str, np.ndarray]:
        """What `reset` and `step` return: the low-dimensional state that episodes record."""

    @abstractmethod
    def render_views(self) -> dict[str, UInt8[np.ndarray, "height width 3"]]:
        """Renders the present state from every view, upright RGB."""

    @abstractmethod
    def keypoints(self) -> Float[np.ndarray, "keypoints 3"]:
        """World coordinates of the skeleton's keypoints in metres."""

    @abstractmethod
    def cameras(self) -> dict[str, Camera]:
        """The camera of every view as it stands now."""

    @abstractmethod
    def visible(self) -> dict[str, Bool[np.ndarray, " keypoints"]]:
        """Which keypoints each view sees: inside the image and not hidden behind something."""

    @abstractmethod
    def actor_masks(self) -> dict[str, Bool[np.ndarray, "height width"]]:
        """The pixels of each view that show the body which the skeleton belongs to."""

    @abstractmethod
    def success(self) -> bool:
        """Whether the task is solved now, by the environment's own rule."""

    @abstractmethod
    def state(self) -> Float[np.ndarray, " state"]:
        """The simulator's state, enough for `set_state` to restore this time step."""

    @abstractmethod
    def set_state(self, state: Float[np.ndarray, " state"]) -> None:
        """Restores a state of the present episode."""

    @abstractmethod
    def model_file(self) -> str | None:
        """The simulator's model of this episode as text, where it has one."""

    @abstractmethod
    def env_args(self) -> dict[str, Any]:
        """What makes this environment again, in robomimic's form."""

    def renderer(self) -> str:
        """What draws the pictures, as the library or the driver names it; after a first picture.

        The default is the driver of the OpenGL context that is current.
        """
        return renderer_name()

    @abstractmethod
    def expert(self, rng: np.random.Generator) -> Iterator[Step]:
        """A scripted expert that acts on this environment from its present state.

        Take a step with each action before asking for the next: the expert looks at the state.
        It ends by itself. All of its variation comes from `rng`.
        """

    def render(self) -> UInt8[np.ndarray, "height width 3"]:  # type: ignore[override]
        """All views side by side."""
        return np.concatenate(list(self.render_views().values()), axis=1)
