"""The cameras of worlds from scene files: the rig, the scene's own, or given ones."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from datasets.cameras import Camera
from datasets.errors import require_known
from datasets.storage.episode_file import EGO
from sims import rig
from sims.env import MultiViewEnv
from sims.errors import OptionError
from sims.scenes.settings import Point
from sims.scenes.viewpoints import Viewpoint, behind, mounted, require_in_view

RING_VIEWS = 4
# Distance from the ring's cameras to the middle of the workspace, relative to its longest side. At
# twice that side, perspective is as in robosuite's worlds.
RING_DISTANCE = 2.0
# A workspace this many times larger than what the joints reach is one in other units than metres.
MOST_ROOM = 100.0


class SceneCameras(MultiViewEnv):
    """The cameras of a world from a scene file; see `SceneEnv` for the settings."""

    third_person: Sequence[str | Viewpoint] = ()
    ego: str | Viewpoint = ""
    workspace: tuple[Point, Point] | None = None
    cameras_can_move = True

    # What a simulator must offer.

    @property
    @abstractmethod
    def scene_name(self) -> str:
        """The scene for messages."""

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
            OptionError: When a third-person camera moves, no camera sees a point, a third-person
                camera sees none, or the workspace has no size or is far too large.
        """
        low, high = self._corners()
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

    def _corners(self) -> tuple[Float[np.ndarray, 3], Float[np.ndarray, 3]]:
        """The lowest and the highest corner of the workspace."""
        reach = self.reach()
        if self.workspace is None:
            return reach.min(0), reach.max(0)
        corners = np.array(self.workspace, float)
        low, high = corners.min(0), corners.max(0)
        length = float((high - low).max())
        if low.shape != (3,) or not 0 < length < np.inf:
            raise OptionError(
                f"the workspace of {self.scene_name} has no size: give two corners that are apart, "
                "in metres, such as workspace = ((-0.5, -0.5, 0), (0.5, 0.5, 1))."
            )
        own = float(np.ptp(reach, axis=0).max())
        if length > MOST_ROOM * own:
            raise OptionError(
                f"the workspace of {self.scene_name} is {length:g} m long, and its joints reach "
                f"{own:.2g} m, which would be no more than a dot: give its corners in metres."
            )
        return low, high

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
