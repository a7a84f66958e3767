"""The writer of Rerun recordings (`.rrd`): views, cameras, keypoints and the skeleton in space.

Each episode becomes one recording; `rerun OUT/000000.rrd` shows it.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image

from datasets.draw import keypoint_colours
from datasets.errors import require
from datasets.frames import Picture
from datasets.storage.episode_file import Episode
from datasets.storage.meta import DatasetMeta

logger = logging.getLogger(__name__)

EXTRA = "rerun"
APPLICATION = "posealign"
JPEG_QUALITY = 95
# The 3-D view shows a camera's picture at this distance from its centre, in metres.
PICTURE_DISTANCE = 0.15
_HIDDEN_ALPHA = 90
_PARTS = ("keypoints", "bones")


def write_rerun(out: Path, meta: DatasetMeta, episodes: Iterable[tuple[str, Episode]]) -> None:
    """Writes a recording of each episode.

    Args:
        out: An empty folder.
        meta: Facts that the episodes have in common.
        episodes: Pairs of split and episode.

    Raises:
        DataError: When rerun is not installed.
    """
    rr = require("rerun", EXTRA)
    warned = False
    for index, (split, episode) in enumerate(episodes):
        if episode.lenses and not warned:
            _warn_of_lenses(out, episode)
            warned = True
        name = f"{meta.env} {index:06d} ({split})"
        recording = rr.RecordingStream(APPLICATION, recording_id=f"{meta.env}-{index:06d}")
        recording.save(out / f"{index:06d}.rrd", default_blueprint=_blueprint(meta, episode))
        recording.send_recording_name(name)
        _log_fixed(rr, recording, meta, episode)
        frames = {view: iter(episode.images[view]) for view in meta.views}
        for time in range(len(episode)):
            recording.set_time("step", sequence=time)
            recording.set_time("time", duration=time / meta.control_hz)
            pictures = {view: next(frames[view]) for view in meta.views}
            _log_step(rr, recording, meta, episode, time, pictures)
        recording.disconnect()


def _warn_of_lenses(out: Path, episode: Episode) -> None:
    logger.warning(
        "%s: Rerun's cameras have no lens, so in its 3-D view, pictures of %s are beside what they "
        "show by the distortion; keypoints in pictures are right",
        out,
        ", ".join(episode.lenses),
    )


def _place(episode: Episode, view: str) -> str:
    # Pictures of a view with a camera belong to the world: the 3-D view shows them at the camera.
    return f"world/cameras/{view}" if view in episode.intrinsics else f"views/{view}"


def _blueprint(meta: DatasetMeta, episode: Episode) -> Any:
    rrb = require("rerun.blueprint", EXTRA)
    pictures = [rrb.Spatial2DView(origin=_place(episode, v), name=v) for v in meta.views]
    left = [rrb.TextLogView(origin="phase", name="phases")]
    if episode.intrinsics:
        # The 3-D view leaves out keypoints in pixels: those outside a picture would be far from it.
        flat = [f"{_place(episode, v)}/{part}" for v in meta.views for part in _PARTS]
        contents = ["+ $origin/**", *(f"- /{path}/**" for path in flat)]
        left.insert(0, rrb.Spatial3DView(origin="world", name="world", contents=contents))
    return rrb.Blueprint(
        rrb.Horizontal(rrb.Vertical(*left, row_shares=[4, 1][-len(left) :]), rrb.Grid(*pictures))
    )


def _log_fixed(rr: Any, recording: Any, meta: DatasetMeta, episode: Episode) -> None:
    """Logs what stays the same over the episode: axes, intrinsics and fixed cameras."""
    recording.log("world", rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
    for view in meta.views:
        if view not in episode.intrinsics:
            continue
        height, width = episode.images[view].shape[1:3]
        pinhole = rr.Pinhole(
            image_from_camera=episode.intrinsics[view],
            resolution=[width, height],
            camera_xyz=rr.ViewCoordinates.RDF,
            image_plane_distance=PICTURE_DISTANCE,
        )
        recording.log(_place(episode, view), pinhole, static=True)
        if episode.world_to_camera[view].ndim == 2:
            recording.log(_place(episode, view), _pose(rr, episode, view, 0), static=True)


def _log_step(
    rr: Any,
    recording: Any,
    meta: DatasetMeta,
    episode: Episode,
    time: int,
    pictures: Mapping[str, Picture],
) -> None:
    phase = int(episode.phases[time])
    if time == 0 or phase != int(episode.phases[time - 1]):
        recording.log("phase", rr.TextLog(meta.phases[phase]))
    if episode.keypoints_world is not None:
        points = episode.keypoints_world[time]
        parts = _body(rr.Points3D, rr.LineStrips3D, points, np.ones(len(points), bool), meta, 0.01)
        for part, entity in parts.items():
            recording.log(f"world/skeleton/{part}", entity)
    for view in meta.views:
        place = _place(episode, view)
        jpeg = rr.EncodedImage(contents=_jpeg(pictures[view]), media_type="image/jpeg")
        recording.log(f"{place}/picture", jpeg)
        if view in episode.world_to_camera and episode.world_to_camera[view].ndim == 3:
            recording.log(place, _pose(rr, episode, view, time))
        if view in episode.keypoints:
            points, visible = episode.keypoints[view][time], episode.visible[view][time]
            radius = episode.images[view].shape[1] / 80
            parts = _body(rr.Points2D, rr.LineStrips2D, points, visible, meta, radius)
            for part, entity in parts.items():
                recording.log(f"{place}/{part}", entity)


def _body(
    points_of: Callable[..., Any],
    strips_of: Callable[..., Any],
    points: Float[np.ndarray, "keypoints dim"],
    visible: Bool[np.ndarray, " keypoints"],
    meta: DatasetMeta,
    radius: float,
) -> dict[str, Any]:
    """Keypoints and bones; hidden keypoints are faint, NaN keypoints are left out."""
    skeleton = meta.get_skeleton()
    known = np.isfinite(points).all(axis=1)
    alpha = np.where(visible, 255, _HIDDEN_ALPHA)
    colours = np.column_stack([keypoint_colours(skeleton), alpha]).astype(np.uint8)
    names = np.array(skeleton.keypoints)
    bones = np.array([bone for bone in skeleton.bones if known[list(bone)].all()], int)
    bones = bones.reshape(-1, 2)
    bone_colours = colours[bones[:, 1]]
    bone_colours[:, 3] = alpha[bones].min(axis=1)
    dots = points_of(
        points[known],
        radii=radius,
        colors=colours[known],
        labels=names[known].tolist(),
        show_labels=False,
    )
    lines = strips_of(points[bones], radii=radius / 2, colors=bone_colours)
    return dict(zip(_PARTS, (dots, lines), strict=True))


def _pose(rr: Any, episode: Episode, view: str, time: int) -> Any:
    """The transform from camera to world."""
    camera_to_world = np.linalg.inv(episode.camera(view, time).world_to_camera)
    return rr.Transform3D(translation=camera_to_world[:3, 3], mat3x3=camera_to_world[:3, :3])


def _jpeg(frame: UInt8[np.ndarray, "height width 3"]) -> bytes:
    content = io.BytesIO()
    Image.fromarray(frame).save(content, "JPEG", quality=JPEG_QUALITY)
    return content.getvalue()
