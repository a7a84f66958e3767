"""The base of worlds from scene files, whatever simulator loads the file."""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MethodType
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict, get_type_hints

import gymnasium
import numpy as np
from jaxtyping import Float

from datasets.cameras import Camera
from datasets.errors import require_known
from datasets.storage.episode_file import EGO
from sims import rig
from sims.env import MultiViewEnv, Step, view_names
from sims.errors import HookError, OptionError
from sims.scenes.acting import checked_action, read_steps, source_of, user_code
from sims.scenes.files import find_file
from sims.scenes.viewpoints import Viewpoint, behind, mounted, require_in_view

if TYPE_CHECKING:
    from typing_extensions import Unpack

RING_VIEWS = 4
# Distance from the ring's cameras to the middle of the workspace, relative to its longest side. At
# twice that side, perspective is as in robosuite's worlds.
RING_DISTANCE = 2.0
# robomimic.envs.env_base.EnvType.GYM_TYPE, the nearest that robomimic knows.
ROBOMIMIC_GYM_TYPE = 2

Point = tuple[float, float, float]


class Settings(TypedDict, total=False):
    """The attributes and methods of `SceneEnv` that its constructor takes in their place."""

    points: Sequence[str]
    bones: Sequence[tuple[str, str]]
    third_person: Sequence[str | Viewpoint]
    ego: str | Viewpoint
    phases: tuple[str, ...]
    control_hz: float
    workspace: tuple[Point, Point] | None
    max_steps: int
    action_range: tuple[Sequence[float], Sequence[float]] | None
    act: Callable[[Any], Iterator[Any]]
    randomize: Callable[[Any, np.random.Generator], None]
    solved: Callable[[Any], bool]
    control: Callable[[Any, np.ndarray], np.ndarray]


class SceneEnv(MultiViewEnv):
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
    third_person: Sequence[str | Viewpoint] = ()
    ego: str | Viewpoint = ""
    phases: tuple[str, ...] = ("act",)
    control_hz = 20.0
    workspace: tuple[Point, Point] | None = None
    max_steps = 1000
    cameras_can_move = True
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
            setattr(self, name, MethodType(value, self) if is_method else value)  # type: ignore[arg-type]
        most = len(self.third_person)
        views = (most or RING_VIEWS) if views is None else views
        if most and views > most:
            raise OptionError(f"views: {views}, but third_person has {most} cameras; add more.")
        if not self.control_hz > 0 or self.max_steps < 1:
            raise OptionError(
                f"control_hz must be above 0 and max_steps at least 1, got {self.control_hz} and "
                f"{self.max_steps}."
            )
        self.views, self.size = view_names(views), size
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

    @abstractmethod
    def body_pose(self, body: str) -> Float[np.ndarray, "4 4"]:
        """The transform from a body's frame to the world, in metres."""

    @abstractmethod
    def scene_camera(self, name: str) -> Camera:
        """A camera of the scene by its name, in the current state."""

    @abstractmethod
    def require_still(self, name: str) -> None:
        """Raises an OptionError for a camera of the scene that moves."""

    @abstractmethod
    def camera_names(self) -> Sequence[str]:
        """The names of the scene's cameras."""

    @abstractmethod
    def body_names(self) -> Sequence[str]:
        """The names of the scene's bodies."""

    @abstractmethod
    def last_body(self) -> str:
        """The body of the last point."""

    @abstractmethod
    def reach(self) -> Float[np.ndarray, "corners 3"]:
        """World points in metres around the places that the joints take the bodies of points to."""

    # What follows.

    def find_cameras(self) -> None:
        """Finds the cameras in a loaded scene, in its initial state.

        Raises:
            UnknownNameError: For a name that the scene does not have.
            OptionError: When a third-person camera moves, no camera sees a point, or the workspace
                has no size.
        """
        corners = self.reach() if self.workspace is None else np.array(self.workspace, float)
        low, high = corners.min(0), corners.max(0)
        if low.shape != (3,) or not 0 < (high - low).max() < np.inf:
            raise OptionError(
                f"the workspace of {self.scene_name} has no size: give two corners that are apart, "
                "in metres, such as workspace = ((-0.5, -0.5, 0), (0.5, 0.5, 1))."
            )
        self._box = np.stack(np.meshgrid(*zip(low, high, strict=True)), -1).reshape(-1, 3)
        self._length = float((high - low).max())
        for camera in self.third_person:
            if isinstance(camera, str):
                self._require_camera(camera)
        self.place_cameras(None)
        self._mount_ego()
        if self.third_person or self.workspace is not None:  # the rig shows the whole reach
            require_in_view(
                self.scene_name, self.skeleton.keypoints, self.keypoints(), self.cameras()
            )

    def _require_camera(self, name: str) -> None:
        if not self.camera_names():
            raise OptionError(
                f"{self.scene_name} holds no camera, and so none is called {name!r}. Give the "
                "camera's position and target: third_person = [((1, 1, 1), (0, 0, 0))]."
            )
        require_known(f"camera of {self.scene_name}", name, self.camera_names())
        self.require_still(name)

    def _mount_ego(self) -> None:
        self._carrier, self._to_ego = "", np.eye(4)
        if not isinstance(self.ego, str) or self.ego in self.camera_names():
            self._ego = self._camera(self.ego)
            return
        body = self.ego or self.last_body()
        known = [*self.camera_names(), *self.body_names()]
        require_known(f"camera or body of {self.scene_name}", body, known)
        pose = self.body_pose(body)
        camera = behind(pose, self._box.mean(0), self._length, self.size)
        self._carrier, self._to_ego, self._ego = body, mounted(camera, pose), camera

    def place_cameras(self, rng: np.random.Generator | None) -> None:
        """Draws the rig's cameras; None selects the fixed rig or the scene's own cameras.

        Raises:
            SimulatorError: When the class names its cameras.
        """
        views = self.views[1:]
        if not self.third_person:
            distance = RING_DISTANCE * self._length
            self._third = rig.ring(views, self._box, distance, self.size, rng)
        elif rng is not None:
            super().place_cameras(rng)
        else:
            named = zip(views, self.third_person, strict=False)
            self._third = {view: self._camera(which) for view, which in named}

    def set_cameras(self, cameras: Mapping[str, Camera]) -> None:
        """Moves the third-person cameras from now on."""
        self._third = dict(cameras)

    def _camera(self, which: str | Viewpoint) -> Camera:
        if isinstance(which, str):
            return self.scene_camera(which)
        return Viewpoint(*which).camera(self.size)

    def cameras(self) -> dict[str, Camera]:
        """The first-person camera as it stands now, and the others."""
        if not self._carrier:
            return {EGO: self._camera(self.ego), **self._third}
        to_camera = self._to_ego @ np.linalg.inv(self.body_pose(self._carrier))
        size = self.size
        return {EGO: Camera(self._ego.intrinsics, to_camera, size, size), **self._third}

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
        """Whether `solved` says so."""
        with user_code(self.solved):
            return bool(self.solved())

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
