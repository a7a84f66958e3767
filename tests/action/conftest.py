"""A tiny data set in NTU's layout: a square with its pose that moves right, down, or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from datasets.clips.mocap import MocapMeta
from datasets.clips.sets import get_format
from datasets.video import write_video

SIZE, FRAMES, SIDE = 96, 36, 20
DIRECTIONS = {1: (1.0, 0.0), 2: (0.0, 0.0), 3: (0.0, 1.0)}
# The size of clips of bodies with joints in space.
BODY_FRAMES, BODY_SIZE = 12, 32
SUBJECTS = (1, 2, 3, 4, 5, 6)  # of these, NTU's CS trains on 1, 2, 4 and 5


def write_clip(root: Path, subject: int, action: int, replication: int) -> None:
    fmt = get_format("ntu")
    clip = fmt.identify(Path(f"S001C001P{subject:03}R{replication:03}A{action:03}_rgb.avi"))
    assert clip is not None
    rng = np.random.default_rng([subject, action, replication])
    time = np.linspace(-1, 1, FRAMES)[:, None]
    centres = SIZE / 2 + 26 * time * np.array(DIRECTIONS[action]) + rng.uniform(-4, 4, 2)
    frames = np.full((FRAMES, SIZE, SIZE, 3), 40 + 10 * subject, np.uint8)
    for frame, (x, y) in zip(frames, centres.round().astype(int), strict=True):
        frame[y - SIDE // 2 : y + SIDE // 2, x - SIDE // 2 : x + SIDE // 2] = (220, 180, 90)
    offsets = rng.uniform(-SIDE / 2, SIDE / 2, (len(fmt.skeleton), 2))
    video, skeleton = root / fmt.video_name(clip), root / fmt.skeleton_name(clip)
    for path in (video, skeleton):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_video(video, frames, 30)
    fmt.write_keypoints(skeleton, (centres[:, None] + offsets).astype(np.float32), SIZE)


def write_squares(root: Path, replications: int) -> Path:
    """Clips of 3 actions by 6 subjects, as `--data mocap`."""
    for subject in SUBJECTS:
        for action in DIRECTIONS:
            for replication in range(1, replications + 1):
                write_clip(root, subject, action, replication)
    motions = dict(zip(get_format("ntu").classes, ("right", "still", "down"), strict=False))
    MocapMeta("ntu", motions, views=1, size=SIZE, seed=0, command="tests").save(root)
    return root


@pytest.fixture(scope="session")
def squares(tmp_path_factory) -> Path:
    """36 clips of 3 actions by 6 subjects."""
    return write_squares(tmp_path_factory.mktemp("squares"), replications=2)


def moving_body(action: int, rng: np.random.Generator) -> np.ndarray:
    """A body that moves a metre right or up, or that stands, three metres from the camera."""
    time = np.linspace(0, 1, BODY_FRAMES)[:, None]
    way = time * np.array([*DIRECTIONS[action], 0])
    body = np.random.default_rng(0).uniform(-0.5, 0.5, (25, 3)) + rng.normal(0, 0.1, 3) + (0, 0, 3)
    return way[:, None] + body + rng.normal(0, 0.02, (BODY_FRAMES, 25, 3))


@pytest.fixture(scope="session")
def bodies(tmp_path_factory) -> Path:
    """Clips of 3 actions by 6 subjects with joints in space."""
    root, fmt = tmp_path_factory.mktemp("bodies"), get_format("ntu")
    for subject in SUBJECTS:
        for action in DIRECTIONS:
            clip = fmt.identify(Path(f"S001C001P{subject:03}R001A{action:03}_rgb.avi"))
            video, skeleton = root / fmt.video_name(clip), root / fmt.skeleton_name(clip)
            for path in (video, skeleton):
                path.parent.mkdir(parents=True, exist_ok=True)
            # Each of a grey of its own: a run knows the videos that it has learned from.
            grey = 20 + 10 * (3 * subject + action)
            write_video(video, np.full((BODY_FRAMES, BODY_SIZE, BODY_SIZE, 3), grey, np.uint8), 30)
            joints = moving_body(action, np.random.default_rng([subject, action]))
            fmt.write_keypoints(skeleton, np.full((BODY_FRAMES, 25, 2), 9.0), BODY_SIZE, joints)
    motions = dict(zip(fmt.classes, ("right", "still", "up"), strict=False))
    MocapMeta("ntu", motions, views=1, size=BODY_SIZE, seed=0, command="tests").save(root)
    return root
