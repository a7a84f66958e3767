"""The base of worlds from scene files, whatever simulator loads the file."""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import MethodType
from typing import TYPE_CHECKING, Any, ClassVar, get_type_hints

import gymnasium
import numpy as np
from jaxtyping import Float

from datasets.errors import require_known
from sims.arguments import picture_size, view_names
from sims.env import Step
from sims.errors import HookError, OptionError
from sims.scenes.acting import checked_action, read_steps, source_of, user_code
from sims.scenes.cameras import RING_VIEWS, SceneCameras
from sims.scenes.files import find_file
from sims.scenes.settings import Settings, require_sound

if TYPE_CHECKING:
    from typing_extensions import Unpack

# robomimic.envs.env_base.EnvType.GYM_TYPE, the nearest that robomimic knows.
ROBOMIMIC_GYM_TYPE = 2


class SceneEnv(SceneCameras):
    """A world from a scene file: derive from it, or call it with the same names as keywords.

    Names of the scene stand for points and cameras. What is left out has a default, so a class
    needs no more than `scene` and `act`.

    Attributes:
        scene: Path of the file, relative to the file of the class or to the current folder.
        points: Names of the keypoints in the scene; by default all named bodies.
        bones: Pairs of points that are joined when drawn; by default along the scene's tree.
        third_person: Cameras, each a name or a `Viewpoint`; by default the rig of cameras around
            the workspace, which can be drawn at random as well.
        ego: The first-person camera: its name, the body that carries it, or a `Viewpoint`. By
            default, it is carried by the body of the last point. A camera on a body begins behind
            and above it and looks outwards.
        phases: Names of all phases that `act` names.
        control_hz: Actions per second.
        workspace: Lowest and highest corner, in metres, of the box that the rig's cameras show; by
            default where the joints take the bodies of the points.
        max_steps: Actions after which an episode is truncated.
        action_range: Least and greatest action; by default those of the scene's actuators.
        settings: Lists the names that may be given as keywords.
        rng: Source of randomness of the expert's current episode.
    """

    scene: str | Path = ""
    points: Sequence[str] = ()
    bones: Sequence[tuple[str, str]] = ()
    phases: tuple[str, ...] = ("act",)
    control_hz = 20.0
    max_steps = 1000
    action_range: tuple[Sequence[float], Sequence[float]] | None = None

    settings: ClassVar[type] = Settings
    action_space: gymnasium.spaces.Box
    rng: np.random.Generator

    def __init__(
        self,
        scene: str | Path | None = None,
        *,
        views: int | None = None,
        size: int = 224,
        **settings: Unpack[Settings],
    ) -> None:
        """Keeps the settings; a derived class loads the scene.

        Args:
            scene: In place of the attribute of that name.
            views: Number of third-person views: 4 of the rig's, or one for each of `third_person`.
            size: Height and width of the images in pixels.
            **settings: Attributes, and functions of this environment in place of the methods of
                their names.

        Raises:
            OptionError: For more views than `third_person` has cameras, or values out of range.
            UnknownNameError: For a setting that does not exist.
        """
        self.scene = self.scene if scene is None else scene
        for name, value in settings.items():
            require_known("setting", name, get_type_hints(self.settings))
            is_method = callable(getattr(type(self), name, None))
            if is_method and not callable(value):
                raise OptionError(f"{name} is {value!r}: give a function of the environment.")
            setattr(self, name, MethodType(value, self) if is_method else value)  # type: ignore[arg-type]
        require_sound(self)
        most = len(self.third_person)
        views = (most or RING_VIEWS) if views is None else views
        if most and views > most:
            raise OptionError(f"views: {views}, but third_person has {most} cameras; add more.")
        self.views, self.size = view_names(views), picture_size(size)
        if not hasattr(self, "name"):
            own = type(self).__module__.split(".")[0] != "sims"
            self.name = type(self).__name__ if own else Path(self.scene_name).stem
        self.rng = np.random.default_rng(0)  # that of the first episode replaces it

    @classmethod
    def usual_views(cls) -> int | None:
        """One view for each third-person camera that the class names, or else 4."""
        return len(cls.third_person) or RING_VIEWS

    # What a user may override.

    def act(self) -> Iterator[Any]:
        """Yields each action, or the action and the name of its phase, to the episode's end.

        Read the state between two actions; draw all variation from `self.rng`.
        """
        raise HookError(
            f"{type(self).__name__} has no expert: write a generator method `act` that yields "
            "actions, or give act=…."
        )

    def randomize(self, rng: np.random.Generator) -> None:
        """Changes the start of an episode by random numbers.

        By default, each joint is moved by up to 0.1 radians or metres within its range.
        """
        self.move_joints(rng)

    def solved(self) -> bool:
        """Whether the task is solved; by default every episode counts as solved."""
        return True

    def control(self, action: Float[np.ndarray, " action"]) -> Float[np.ndarray, " actuators"]:
        """The controller: what the actuators get in each physics step; by default the action."""
        return action

    # What a simulator must offer.

    @abstractmethod
    def move_joints(self, rng: np.random.Generator) -> None:
        """Moves each joint by up to 0.1 radians or metres within its range."""

    # What follows.

    def expert(self, rng: np.random.Generator) -> Iterator[Step]:
        """The steps of `act`, each checked."""
        self.rng = rng
        return read_steps(self.act, self.phases, self.action_space)

    def checked(self, action: Any) -> Float[np.ndarray, " action"]:
        """An action that is given to `step`; see `checked_action`."""
        return checked_action(action, self.action_space, self.scene_name)

    def controls(self, action: np.ndarray, count: int) -> Float[np.ndarray, " actuators"]:
        """The controls that `control` makes of an action, for a number of actuators.

        Raises:
            HookError: When it gives another number of values, or values that are not finite, or
                raises an exception.
        """
        with user_code(self.control):
            given = np.asarray(self.control(action), np.float64)
        if given.shape != (count,) or not np.isfinite(given).all():
            raise HookError(
                f"{source_of(self.control)}: it gave {given}; return {count} finite numbers, one "
                "for each actuator."
            )
        return given

    def success(self) -> bool:
        """Whether `solved` says so.

        Raises:
            HookError: When it says neither true nor false, or raises an exception.
        """
        with user_code(self.solved):
            says = self.solved()
        if not isinstance(says, bool | int | np.bool_ | np.integer):
            raise HookError(f"{source_of(self.solved)}: it gave {says!r}; return True or False.")
        return bool(says)

    @property
    def scene_name(self) -> str:
        """The scene for messages: the path of its file."""
        return f"the scene of {type(self).__name__}" if self.scene_is_text else str(self.scene)

    @property
    def scene_is_text(self) -> bool:
        """Whether `scene` is the text of a scene rather than a path."""
        return str(self.scene).lstrip().startswith("<")

    def find_scene(self) -> Path:
        """The path of the scene's file.

        Raises:
            OptionError: When the class names no scene.
            MissingDataError: When there is no such file; names the folders that were searched.
        """
        if not str(self.scene):
            raise OptionError(
                f"{type(self).__name__} names no scene: set `scene` to a file's path."
            )
        return self.find_file(self.scene, "scene")

    def find_file(self, file: str | Path, attribute: str) -> Path:
        """The path of a file that an attribute names.

        Raises:
            MissingDataError: When there is no such file; names the folders that were searched.
        """
        return find_file(file, self.folders(), f"`{attribute}` of {type(self).__name__}")

    def folders(self) -> list[Path]:
        """Where files are looked for: beside the class, and in the current folder."""
        module = getattr(sys.modules[type(self).__module__], "__file__", None)
        return [Path(module).parent, Path()] if module else [Path()]

    def env_args(self) -> dict[str, Any]:
        """The world's name and scene, in robomimic's format."""
        kwargs = {"scene": self.scene_name, "points": list(self.skeleton.keypoints)}
        return {"env_name": self.name, "type": ROBOMIMIC_GYM_TYPE, "env_kwargs": kwargs}
