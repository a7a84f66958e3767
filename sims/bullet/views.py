"""Pictures, segmentation and occlusion of a PyBullet scene, from many cameras at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from datasets.cameras import Camera
from datasets.kinematics.points import MAX_DEPTH_IN_LINK
from sims.bullet.client import BulletClient
from sims.bullet.lighting import LIGHT, USUAL_LIGHTING, Lighting

# Distances from the camera between which bodies are usually drawn, in metres.
SPAN = (0.01, 10.0)
# TinyRenderer samples a pixel at its corner, OpenGL in its middle. Moving the principal point by
# this many pixels makes its pictures agree with `Camera.project`, as masks of spheres showed.
TINY_SHIFT = (-0.5, 0.5)
# PyBullet stores a link's number from this bit on, above the body's number.
LINK_SHIFT = 24
# Position of the scenery while a picture is drawn without it: beyond every camera's range.
AWAY = (0.0, 0.0, -1000.0)
UPRIGHT = (0.0, 0.0, 0.0, 1.0)

Pose = tuple[tuple[float, float, float], tuple[float, float, float, float]]
# Adds bodies without collision shapes to a simulation and returns the position of each.
Scenery = Callable[[BulletClient], Mapping[int, tuple[float, float, float]]]


@dataclass(frozen=True, eq=False)
class View:
    """One camera's picture, segmentation and depth, from one pass of the renderer.

    Attributes:
        image: Upright RGB.
        segments: At each pixel -1 for no body, or else the body's number, with the link's number
            plus 1 in the bits from 24 on.
        buffer: OpenGL's depth buffer, 0 at the nearest distance that is drawn, 1 at the farthest.
        span: These two distances, in metres.
    """

    image: UInt8[np.ndarray, "height width 3"]
    segments: Int[np.ndarray, "height width"]
    buffer: Float[np.ndarray, "height width"]
    span: tuple[float, float] = SPAN

    def mask(self, body: int) -> Bool[np.ndarray, "height width"]:
        """The pixels that show a body."""
        return (self.segments >= 0) & (self.segments & ((1 << LINK_SHIFT) - 1) == body)

    def depth(self) -> Float[np.ndarray, "height width"]:
        """Distance along the optical axis in metres; 0 where there is no body."""
        return np.where(self.segments >= 0, _metres(self.buffer, self.span), 0.0)

    def instances(self, of_body: Mapping[int, int]) -> UInt8[np.ndarray, "height width"]:
        """The instance at each pixel, 0 where there is no body, from those of bodies by number."""
        found = np.zeros(self.segments.shape, np.uint8)
        for body, instance in of_body.items():
            found[self.mask(body)] = instance
        return found

    def over(self, backdrop: View) -> View:
        """This view in front of another one from the same camera, merged by depth."""
        front = self.buffer < backdrop.buffer
        image, segments, buffer = (
            value.copy() for value in (backdrop.image, backdrop.segments, backdrop.buffer)
        )
        image[front], segments[front] = self.image[front], self.segments[front]
        buffer[front] = self.buffer[front]
        return View(image, segments, buffer, self.span)

    def sees(
        self,
        camera: Camera,
        points: Float[np.ndarray, "keypoints 3"],
        own_segments: Sequence[frozenset[int]],
        max_depth: float | Sequence[float] = MAX_DEPTH_IN_LINK,
    ) -> Bool[np.ndarray, " keypoints"]:
        """Whether each keypoint is in the image and not hidden, as in `sims.mujoco.visibility`.

        Args:
            camera: The camera of this view.
            points: World coordinates in metres.
            own_segments: For each keypoint, the segments whose surface shows it.
            max_depth: How deep a keypoint may lie under such a surface, in metres.
        """
        deepest = np.broadcast_to(max_depth, len(points))
        pixels, depth = camera.project(points)
        seen = camera.contains(pixels)
        for i in np.flatnonzero(seen):
            column, row = np.floor(pixels[i]).astype(int)
            surface = float(_metres(self.buffer[row, column], self.span))
            own = int(self.segments[row, column]) in own_segments[i]
            seen[i] = own and depth[i] - surface <= deepest[i]
        return seen


def _metres(buffer: np.ndarray, span: tuple[float, float]) -> np.ndarray:
    """Depth in metres from OpenGL's depth buffer, which is linear in 1 / depth."""
    near, far = span
    return far * near / (far - (far - near) * np.asarray(buffer, np.float64))


def segment(body: int, link: int) -> int:
    """The number of a body's link in `View.segments`; link -1 is the base."""
    return body + ((link + 1) << LINK_SHIFT)


class LayeredViews:
    """Draws the views of episodes whose scenery and most cameras do not move.

    TinyRenderer spends most of its time on the pixels of floor and table. For the fixed cameras
    they are drawn once; moving bodies are drawn without them and merged by depth. A GPU draws the
    whole scene each time.
    """

    def __init__(self, client: BulletClient) -> None:
        """Draws nothing yet.

        Args:
            client: The physics server.
        """
        self._client = client
        self._span = SPAN
        self._fixed: Mapping[str, Camera] = {}
        self._lighting = USUAL_LIGHTING
        self._bodies: dict[int, Pose] = {}
        self._backdrops: dict[str, View] = {}

    def look(self, cameras: Mapping[str, Camera]) -> dict[str, View]:
        """Draws the current state; a camera that is no longer where it was fixed sees it whole."""
        backdrops = {
            view: backdrop
            for view, backdrop in self._backdrops.items()
            if cameras.get(view) is self._fixed[view]
        }
        with self._without(self._bodies if backdrops else {}):
            fixed = {
                view: self._front(self._fixed[view]).over(backdrop)
                for view, backdrop in backdrops.items()
            }
        return {
            view: fixed[view] if view in fixed else self._draw(camera)
            for view, camera in cameras.items()
        }

    @contextmanager
    def _without(self, bodies: Mapping[int, Pose]) -> Iterator[None]:
        """Takes bodies out of all pictures, and puts them back at their poses."""
        move = partial(self._client.call, "resetBasePositionAndOrientation")
        for body in bodies:
            move(body, AWAY, UPRIGHT)
        try:
            yield
        finally:
            for body, pose in bodies.items():
                move(body, *pose)

    def _front(self, camera: Camera) -> View:
        return draw(self._client, camera, self._lighting.light, self._span)

    def _draw(self, camera: Camera) -> View:
        view = self._front(camera)
        empty = (view.segments < 0)[..., None]
        return replace(view, image=np.where(empty, self._lighting.background, view.image))

    def _draw_backdrops(self) -> None:
        # EGL's shadows cannot be turned off, and would be missing on a backdrop.
        if self._client.renderer == "tiny":
            self._backdrops = {view: self._draw(camera) for view, camera in self._fixed.items()}


class BulletViews(LayeredViews):
    """Views of a world whose scenery is added first, and looks the same in many episodes."""

    def __init__(self, client: BulletClient, scenery: Scenery) -> None:
        """Keeps its arguments; nothing is drawn yet.

        Args:
            client: The physics server.
            scenery: Adds the bodies that never move to an empty simulation.
        """
        super().__init__(client)
        self._scenery = scenery

    def begin(self, fixed: Mapping[str, Camera], lighting: Lighting = USUAL_LIGHTING) -> None:
        """Adds the scenery to a simulation that was reset, and draws it for new cameras.

        Args:
            fixed: The cameras that do not move, by view.
            lighting: Light and background. If both arguments are the same objects as in the last
                call, the backdrops are reused: scenery that looks otherwise needs another lighting.
        """
        self._bodies = {
            body: (place, UPRIGHT) for body, place in self._scenery(self._client).items()
        }
        if fixed is self._fixed and lighting is self._lighting:
            return
        self._fixed, self._lighting = fixed, lighting
        self._draw_backdrops()

    @property
    def scenery(self) -> tuple[int, ...]:
        """Numbers of the bodies of the scenery, in the order in which they were added."""
        return tuple(self._bodies)


def draw(
    client: BulletClient,
    camera: Camera,
    light: Mapping[str, Any] = LIGHT,
    span: tuple[float, float] = SPAN,
) -> View:
    """Draws the whole scene from one camera, with a light given as PyBullet's options.

    Args:
        client: The physics server.
        camera: The camera.
        light: Options of PyBullet's function.
        span: Distances between which bodies are drawn, in metres.
    """
    api: Any = client.api
    tiny = client.renderer == "tiny"
    view, projection = matrices(camera, TINY_SHIFT if tiny else (0.0, 0.0), span)
    _, _, rgba, depth, segments = client.call(
        "getCameraImage",
        camera.width,
        camera.height,
        view,
        projection,
        shadow=0,
        renderer=api.ER_TINY_RENDERER if tiny else api.ER_BULLET_HARDWARE_OPENGL,
        flags=api.ER_SEGMENTATION_MASK_OBJECT_AND_LINKINDEX,
        **light,
    )
    return View(rgba[..., :3], segments, depth, span)


def matrices(
    camera: Camera, shift: tuple[float, float] = (0.0, 0.0), span: tuple[float, float] = SPAN
) -> tuple[list[float], list[float]]:
    """OpenGL's view and projection matrix of a camera, in column-major order.

    Args:
        camera: The camera.
        shift: Shift of the principal point, in pixels.
        span: Distances of the nearest and the farthest plane, in metres.
    """
    # OpenGL's camera looks along -z with y up, `Camera` along z with y down.
    view = np.diag([1.0, -1.0, -1.0, 1.0]) @ camera.world_to_camera
    near, far = span
    (fx, _, cx), (_, fy, cy) = camera.intrinsics[:2]
    cx, cy = cx + shift[0], cy + shift[1]
    width, height = camera.width, camera.height
    projection = np.array(
        [
            [2 * fx / width, 0, 1 - 2 * cx / width, 0],
            [0, 2 * fy / height, 2 * cy / height - 1, 0],
            [0, 0, (far + near) / (near - far), 2 * far * near / (near - far)],
            [0, 0, -1, 0],
        ]
    )
    return view.T.ravel().tolist(), projection.T.ravel().tolist()
