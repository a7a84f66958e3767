"""Take the keypoints of rendered episodes away, compute them from joints, and compare.

    python examples/keypoints_back.py data/lift --base -0.56 0 0.912
    python examples/keypoints_back.py data/pick --robot panda_bullet --lerobot
    python examples/keypoints_back.py data/lift --base -0.56 0 0.912 --conventions

It prints the largest distance from the simulator's keypoints inside of pictures, in pixels, and the
share of keypoints on whose visibility both agree. With --lerobot, the recordings go to LeRobot's
format and back in between. With --conventions, the cameras of the first episode are given in each
convention, and the silhouettes say which it is.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import tyro

from datasets.command import command, parse
from datasets.convert import ConvertConfig, convert
from datasets.episodes import EpisodeDataset, EpisodeWriter
from datasets.formats.detect import open_source
from datasets.keypoints import write_keypoints
from datasets.kinematics.maker import KeypointMaker, KeypointsConfig
from datasets.kinematics.rig import CONVENTIONS, Convention, RigCamera
from datasets.kinematics.silhouette import best_convention
from datasets.skeletons import NO_SKELETON

# The columns of robosuite's observations, which Pick's have too.
PARTS = ("robot0_joint_pos", "robot0_gripper_qpos")


def main(
    data: tyro.conf.Positional[Path],
    robot: str = "panda",
    base: tuple[float, ...] = (0.0, 0.0, 0.0),
    episodes: int = 3,
    lerobot: bool = False,
    conventions: bool = False,
) -> None:
    """Compare keypoints by kinematics with those of a simulator.

    Args:
        data: Rendered episodes with joints and cameras.
        robot: The robot in them.
        base: Where its base is.
        episodes: How many episodes are compared.
        lerobot: Whether they go through LeRobot's format.
        conventions: Whether to measure how camera conventions are told apart instead.
    """
    truth = EpisodeDataset(data, episodes=episodes)
    with TemporaryDirectory() as folder:
        source, columns = strip(truth, Path(folder) / truth.meta.env), PARTS
        if lerobot:
            exported = Path(folder) / "lerobot"
            convert(ConvertConfig(source, exported, "lerobot"))
            source, columns = exported, state_columns(truth)
        config = KeypointsConfig(
            data=source,
            robot=robot,
            joints=columns[0],
            gripper=columns[1],
            base=base,
            split=f"{len(truth)},0,0",
        )
        opened = open_source(source)
        maker = KeypointMaker(config, opened)
        if conventions:
            tell_apart(maker, truth)
            return
        write_keypoints(opened, maker, Path(folder) / "back")
        compare(truth, EpisodeDataset(Path(folder) / "back"))


def strip(data: EpisodeDataset, out: Path) -> Path:
    """Write the episodes without keypoints."""
    writer = EpisodeWriter(out, replace(data.meta, skeleton=NO_SKELETON.name, own_skeleton=None))
    for i in range(len(data)):
        bare = replace(data.episode(i), keypoints={}, visible={}, keypoints_world=None)
        writer.write(i, bare)
    writer.write_index({"train": range(len(data)), "valid": [], "test": []})
    return out


def state_columns(data: EpisodeDataset) -> tuple[str, str]:
    """Where LeRobot's one state holds the parts, which follow each other by name."""
    at, places = 0, {}
    for name, values in sorted(data.episode(0).observations.items()):
        places[name] = f"observation.state[{at}:{at + values.shape[1]}]"
        at += values.shape[1]
    return places[PARTS[0]], places[PARTS[1]]


def compare(truth: EpisodeDataset, back: EpisodeDataset) -> None:
    """Print the largest error in pixels and the agreement on visibility."""
    errors, agree, hidden = [], [], []
    for i in range(len(truth)):
        for view in truth.views:
            expected, found = truth.keypoints(i, view), back.keypoints(i, view)
            inside = ((expected >= 0) & (expected < truth.meta.image_size)).all(-1)
            errors.append(np.linalg.norm(found - expected, axis=-1)[inside])
            seen, computed = truth.visible(i, view), back.visible(i, view)
            agree.append((seen == computed).ravel())
            hidden.append((computed & ~seen).ravel())
    error = np.concatenate(errors)
    print(
        f"{len(truth)} episodes, {len(error)} keypoints in pictures: "
        f"largest error {error.max():.5f} pixels, visibility agrees on "
        f"{np.concatenate(agree).mean():.2%}, the simulator alone hides "
        f"{np.concatenate(hidden).mean():.2%}"
    )


def tell_apart(maker: KeypointMaker, truth: EpisodeDataset) -> None:
    """Print, for poses given in each convention, how well each reading of them fits."""
    episode = truth.episode(0)
    motion, _ = maker.motion(episode, "episode 0")
    times = np.linspace(0, len(episode) - 1, 4).astype(int).tolist()
    for given in CONVENTIONS:
        cameras = {
            view: given_in(camera, given)
            for view, camera in maker.cameras(episode, "episode 0").items()
        }
        scores = best_convention(episode, dict.fromkeys(cameras, motion), cameras, times)
        listed = ", ".join(f"{name} {score:.2f}" for name, score in scores.items())
        print(f"given {given}: best {max(scores, key=lambda name: scores[name])} ({listed})")


def given_in(camera: RigCamera, convention: Convention) -> RigCamera:
    """The camera with its pose in a convention; turning it twice undoes each of them but one."""
    turn = np.diag([1.0, -1.0, -1.0, 1.0]) if convention.endswith("opengl") else np.eye(4)
    pose = turn @ camera.pose
    return replace(camera, pose=np.linalg.inv(pose) if convention.startswith("camera") else pose)


if __name__ == "__main__":
    with command():
        parse(main, "python examples/keypoints_back.py")
