"""Where videos change, and models that see only these patches."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from align.analyzing import analyze
from align.config import BackboneConfig, PoseMapConfig, TrainConfig
from align.embedder import FrameEmbedder
from align.engine.run_folder import RunFolder
from align.evaluate import evaluate
from align.inputs.augment import frames_to_tensor
from align.inputs.data import EpisodeSamples
from align.inputs.motion import (
    MOTION_FRAMES,
    EpisodeMotion,
    MotionUse,
    VideoMotion,
    most_active,
    motion_times,
    num_points,
)
from align.inputs.sampling import AugmentConfig, BatchConfig, TimeConfig
from align.methods import METHODS, Method
from align.models.config import LateConfig, PaatConfig
from align.models.encoder import SideInputs
from align.plan import RunPlan
from align.task import AlignmentTask
from align.train import make_trainer
from datasets.convert import ConvertConfig, convert
from datasets.episodes import EpisodeDataset
from datasets.errors import MismatchError, OptionError
from tests.align.conftest import tiny_config
from tests.datasets.synthetic import make_data_set

KEEP = BackboneConfig(depth=2, keep_patches=0.5)


def moving_square(size: int = 32, side: int = 8) -> Tensor:
    """Frames of a grey picture over which a white square moves along the diagonal."""
    frames = torch.full((4, 3, size, size), 100, dtype=torch.uint8)
    for time, frame in enumerate(frames):
        start = time * side
        frame[:, start : start + side, start : start + side] = 255
    return frames


def test_the_still_picture_is_without_what_moves() -> None:
    motion = VideoMotion.of(moving_square(), 4, 4)
    assert torch.equal(motion.still, torch.full((3, 16, 16), 100, dtype=torch.uint8))


def square_mask(cells: int = 4) -> Tensor:
    """The patches of the moving square, of so many cells, in its four frames."""
    eye = torch.eye(4).view(4, 4, 1) * torch.eye(4).view(4, 1, 4)
    return eye.repeat_interleave(cells, dim=1).repeat_interleave(cells, dim=2)


def test_cells_change_where_the_square_is() -> None:
    frames = moving_square()
    change = VideoMotion.of(frames, 4, 4).change(frames.unsqueeze(1))
    assert torch.equal(change, 155 * square_mask().unsqueeze(1))


def test_several_frames_tell_where_the_square_was_and_will_be() -> None:
    frames = moving_square()
    around = torch.stack([frames[:-2], frames[1:-1], frames[2:]], dim=1)
    change = VideoMotion.of(frames, 4, 4).change(around, own=1)
    mask = square_mask()
    assert torch.equal(change[:, 0], 155 * mask[1:-1])
    assert torch.equal(change[:, 1], 155 * (mask[:-2] + mask[2:]))


def test_a_quarter_of_a_patch_changes_it_by_a_quarter() -> None:
    frames = moving_square()
    change = VideoMotion.of(frames, 2, 2).change(frames.unsqueeze(1))
    for threshold, moves in ((155 / 4 - 0.1, 1), (155 / 4 + 0.1, 0)):
        pose_map = MotionUse(2, 2, threshold=threshold).pose_map(change)
        assert pose_map.sum(1).tolist() == [moves] * 4
        assert pose_map[:, 0].tolist() == [bool(moves)] * 2 + [False] * 2


def test_points_say_where_the_square_is_and_how_far_it_extends() -> None:
    frames = moving_square()  # of 8 pixels, in 32
    change = VideoMotion.of(frames, 4, 4).change(frames.unsqueeze(1))
    points = MotionUse(4, 4, threshold=6.0).points(change)
    assert points.shape == (4, num_points(TimeConfig()), 3) == (4, 5, 3)
    assert (points[..., 2] == 1).all()
    shares = torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95])
    for time in range(4):
        expected = 2 * (8 * time + 8 * shares) / 32 - 1
        torch.testing.assert_close(points[time, :, 0], expected)
        torch.testing.assert_close(points[time, :, 1], expected)
    # Down and to the right are not the same.
    wide = torch.zeros(1, 1, 16, 16)
    wide[0, 0, 2, 4:12] = 100
    (found,) = MotionUse(4, 4, threshold=6.0).points(wide)
    torch.testing.assert_close(found[:, 0], 2 * (4 + 8 * shares) / 16 - 1)
    torch.testing.assert_close(found[:, 1], 2 * (2 + shares) / 16 - 1)


def test_points_of_what_does_not_move_are_not_there() -> None:
    use = MotionUse(4, 4, threshold=6.0)
    change = torch.full((1, 2, 16, 16), 5.9)
    change[0, 1, 3, 3] = 7.0
    points = use.points(change)
    assert points.shape == (1, num_points(TimeConfig(frames=3)), 3) == (1, 10, 3)
    assert torch.equal(points[:, :5], torch.zeros(1, 5, 3)) and (points[:, 5:, 2] == 1).all()


def test_activity_is_the_mean_change() -> None:
    motion = VideoMotion.of(moving_square(), 4, 4)
    assert torch.equal(motion.activity, 155 / 4 * torch.eye(4))


def test_the_size_of_the_frames_does_not_matter() -> None:
    frames = moving_square()
    large = frames.repeat_interleave(3, dim=2).repeat_interleave(3, dim=3)
    change = VideoMotion.of(frames, 4, 4).change(frames.unsqueeze(1))
    found = VideoMotion.of(large, 4, 4).change(large.unsqueeze(1))
    torch.testing.assert_close(found, change)


def test_most_active_patches_are_in_order_and_at_least_one() -> None:
    change = torch.tensor([[[1.0, 5.0, 0.0], [4.0, 3.0, 2.0]]])
    assert most_active(change, 0.5).tolist() == [[1, 3, 4]]
    assert most_active(change, 0.01).tolist() == [[1]]
    assert most_active(change, 1.0).tolist() == [[0, 1, 2, 3, 4, 5]]


def test_motion_is_read_off_few_frames_of_a_long_video() -> None:
    assert len(motion_times(1000)) == MOTION_FRAMES
    assert motion_times(1000)[[0, -1]].tolist() == [0, 999]
    assert motion_times(3).tolist() == [0, 1, 2]


def samples(root: Path, by_frame: bool = False, **changes: object) -> EpisodeSamples:
    data = EpisodeDataset(root, "train")
    config = replace(BatchConfig(times=8), **changes)  # type: ignore[arg-type]
    motion = EpisodeMotion(data, 3, 3, by_frame)
    return EpisodeSamples(data, config, image_size=48, window=2, length=6, seed=3, motion=motion)


def test_samples_say_where_their_views_change(dots: Path) -> None:
    data, item = samples(dots).data, samples(dots)[0]
    views = [EpisodeMotion(data, 3, 3).of(item["episode"], view).activity for view in data.views]
    # Views come in any order.
    assert all(any(torch.equal(found, view) for view in views) for found in item["activity"])
    assert not torch.equal(*item["activity"][:2])


@pytest.mark.slow
def test_activity_is_mirrored_with_its_frames(dots: Path) -> None:
    plain, mirrored = samples(dots)[0], samples(dots, flip=1.0)[0]
    assert torch.equal(mirrored["activity"], plain["activity"].flip(-1))
    assert not torch.equal(mirrored["activity"], plain["activity"])


@pytest.mark.slow
def test_colours_do_not_count_as_activity(dots: Path) -> None:
    coloured = samples(dots, augment=AugmentConfig(brightness=0.5))[0]
    assert torch.equal(coloured["activity"], samples(dots)[0]["activity"])


def test_a_crop_is_refused(dots: Path) -> None:
    with pytest.raises(OptionError, match=r"--batch\.augment\.crop .*--backbone\.keep-patches"):
        samples(dots, augment=AugmentConfig(crop=0.2))


def test_motion_is_read_once(dots: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = EpisodeDataset(dots, "train")
    motion = EpisodeMotion(data, 3, 3)
    first = motion.of(0, "ego")
    monkeypatch.delattr(EpisodeDataset, "images")
    assert motion.of(0, "ego") is first


@pytest.mark.slow
@pytest.mark.parametrize("method", ["deit", "paab", "paat", "paab-free"])
def test_methods_train_and_are_measured_on_kept_patches(
    dots: Path, tmp_path: Path, method: Method
) -> None:
    config = tiny_config(dots, tmp_path / "run", method, epochs=1, backbone=KEEP)
    make_trainer(config, progress=False).fit()
    evaluation = evaluate(tmp_path / "run", "test", progress=False)
    assert evaluation.metrics["alignment_error"] < 0.1
    analysis, _ = analyze(tmp_path / "run", progress=False)
    assert len(analysis.pose_distance) == 2
    maps = json.loads(RunFolder(tmp_path / "run").attention("test").read_text())["views"]
    received = torch.tensor([frame for view in maps.values() for frame in view])
    assert ((received > 0).flatten(1).sum(1) == 4).all()  # of the 9 patches of a frame


def embedder(
    data: Path, backbone: BackboneConfig, method: Method = "deit", **changes: Any
) -> FrameEmbedder:
    config = TrainConfig(method=method, data=data, backbone=backbone, **changes)
    made = FrameEmbedder(RunPlan.load(config))
    made.model.eval()
    return made


@pytest.mark.slow
def test_an_episode_and_its_video_alone_have_the_same_embeddings(dots: Path) -> None:
    data, made = EpisodeDataset(dots, "valid"), embedder(dots, KEEP)
    of_episode = made.embed_episode(data, 0)["view_0"]
    alone = made.embed_frames(data.images(0, "view_0"))
    assert torch.equal(of_episode, alone)
    whole = embedder(dots, BackboneConfig(depth=2)).embed_frames(data.images(0, "view_0"))
    assert not torch.allclose(alone, whole, atol=1e-3)


def test_the_chunks_of_a_video_keep_the_same_patches(
    dots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, made = EpisodeDataset(dots, "valid").images(0, "view_0"), embedder(dots, KEEP)
    whole = made.embed_frames(images)
    monkeypatch.setattr("align.embedder.EVALUATION_BATCH", 5)
    torch.testing.assert_close(made.embed_frames(images), whole)


def test_patches_that_never_change_do_not_matter(dots: Path) -> None:
    made = embedder(dots, BackboneConfig(depth=2, keep_patches=1 / 9))
    images = np.full((6, 48, 48, 3), 90, np.uint8)
    images[:, 20:28, 20:28] = np.arange(0, 240, 40, dtype=np.uint8).reshape(6, 1, 1, 1)
    other = images.copy()
    other[:, :16] = 200
    assert torch.equal(made.embed_frames(images), made.embed_frames(other))


def test_whole_frames_need_no_motion(dots: Path) -> None:
    made = embedder(dots, BackboneConfig(depth=2, keep_patches=1.0))
    data = EpisodeDataset(dots, "valid")
    assert made.motion.of_episodes(data) is None
    assert made.motion.of_video(data.images(0, "ego")) is None
    assert made.motion.kept(torch.rand(2, 3, 3)) is None


def test_motion_is_not_read_off_cameras_that_move(dots: Path) -> None:
    data = EpisodeDataset(dots, "valid")
    data.meta = replace(data.meta, moving_cameras=True)
    assert MotionUse(3, 3).of_episodes(data) is None
    for use in (MotionUse(3, 3, share=0.5), MotionUse(3, 3, threshold=4.0)):
        with pytest.raises(MismatchError, match="--moving-cameras"):
            use.of_episodes(data)


@pytest.mark.parametrize(
    ("method", "late"), [("3dtrl", LateConfig()), ("late", LateConfig(encoder="tokens"))]
)
def test_methods_that_need_the_grid_refuse(dots: Path, method: Method, late: LateConfig) -> None:
    with pytest.raises(OptionError, match=rf"--backbone\.keep-patches 0\.5 .*{method}"):
        embedder(dots, KEEP, method, late=late)


@pytest.mark.slow
def test_convolutional_backbones_refuse(dots: Path) -> None:
    backbone = BackboneConfig("resnet10t", keep_patches=0.5)
    with pytest.raises(OptionError, match="resnet10t, a convolutional network, sees whole frames"):
        embedder(dots, backbone)


@pytest.mark.slow
def test_convolutional_methods_see_whole_frames(dots: Path) -> None:
    assert not embedder(dots, KEEP, "tcn").motion.any


def test_a_motion_map_marks_what_moves() -> None:
    frames = moving_square()
    use = MotionUse(4, 4, threshold=6.0)
    change = VideoMotion.of(frames, 4, 4).change(frames.unsqueeze(1))
    assert torch.equal(use.pose_map(change), torch.eye(16, dtype=torch.bool)[[0, 5, 10, 15]])


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Episodes without keypoints."""
    root = tmp_path_factory.mktemp("bare")
    splits = {"train": [0, 1], "valid": [2], "test": [3]}
    make_data_set(root / "dots", episodes=4, views=1, steps=12, size=32, splits=splits)
    convert(ConvertConfig(root / "dots", root / "ftpv", "ftpv"))
    convert(ConvertConfig(root / "ftpv", root / "episodes", "episodes"))
    return root / "episodes"


@pytest.mark.slow
@pytest.mark.parametrize(
    "method", ["paab", "paat", "paab+paat", "paab-free", "tcn+paat", "late", "late-distilled"]
)
@pytest.mark.parametrize("share", [1.0, 0.5])
def test_pose_methods_train_without_keypoints_where_motion_tells(
    bare: Path, tmp_path: Path, method: Method, share: float
) -> None:
    backbone = BackboneConfig(depth=2, keep_patches=share)
    config = tiny_config(
        bare, tmp_path / "run", method, epochs=1, pose_source="motion", backbone=backbone
    )
    make_trainer(config, progress=False).fit()
    evaluation = evaluate(tmp_path / "run", "test", progress=False)
    # Before training it is about 0.2. Statistics of TCN's batch norms take more steps than these.
    assert evaluation.metrics["alignment_error"] < (0.12 if METHODS[method].encoder == "vit" else 1)


def moved(data: Path, method: Method = "paab", **changes: Any) -> FrameEmbedder:
    """An embedder whose pose map is motion's."""
    options = {"pose_source": "motion", **changes}
    return embedder(data, BackboneConfig(depth=2), method, **options)


@pytest.mark.slow
def test_paab_attends_to_moving_patches_of_a_plain_video(dots: Path) -> None:
    made, images = moved(dots), EpisodeDataset(dots, "valid").images(0, "view_0")
    alone = made.embed_frames(images)
    motion = made.motion.of_video(images)
    assert motion is not None
    given = made.motion.pose_map(motion.change(frames_to_tensor(images).unsqueeze(1)))
    assert torch.equal(made.embed_frames(images, SideInputs(given)), alone)
    assert not torch.equal(made.embed_frames(images, SideInputs(~given)), alone)
    assert torch.equal(made.embed_episode(EpisodeDataset(dots, "valid"), 0)["view_0"], alone)


@pytest.mark.slow
@pytest.mark.parametrize("time", [TimeConfig(), TimeConfig(frames=3, step=2)])
def test_late_pose_reads_points_of_motion_off_a_plain_video(dots: Path, time: TimeConfig) -> None:
    made, data = moved(dots, "late", time=time), EpisodeDataset(dots, "valid")
    images = data.images(0, "view_0")
    points = made.video_inputs(images).points
    assert points is not None and points.shape == (len(images), num_points(time), 3)
    alone = made.embed_frames(images)
    assert torch.equal(made.embed_episode(data, 0)["view_0"], alone)
    assert torch.equal(made.embed_frames(images, SideInputs(points=points)), alone)
    assert not torch.equal(made.embed_frames(images, SideInputs(points=-points)), alone)
    some = made.view_inputs(data, 0, "view_0", np.array([4, 1])).points
    assert some is not None and torch.equal(some, points[[4, 1]])


@pytest.mark.slow
@pytest.mark.parametrize("method", ["late", "late-predicted"])
def test_late_pose_joins_keypoints_and_motion(
    dots: Path, bare: Path, tmp_path: Path, method: Method
) -> None:
    run = tmp_path / "run"
    config = tiny_config(dots, run, method, epochs=1, pose_source="both")
    make_trainer(config, progress=False).fit()
    assert evaluate(run, "test", progress=False).metrics["alignment_error"] < 0.12
    made, data = FrameEmbedder.load(run), EpisodeDataset(dots, "valid")
    side = made.view_inputs(data, 0, "view_0")
    assert side.points is not None and side.points.any()
    assert (side.keypoints is not None) == (method == "late")
    images, whole = data.images(0, "view_0"), made.embed_episode(data, 0)["view_0"]
    torch.testing.assert_close(made.embed_frames(images, side), whole)
    without = side._replace(points=torch.zeros_like(side.points))
    assert not torch.allclose(made.embed_frames(images, without), whole, atol=1e-3)
    if method == "late":
        with pytest.raises(ValueError, match="keypoints and points of motion of every frame, not"):
            made.embed_frames(images)
    else:
        torch.testing.assert_close(made.embed_frames(images), whole)


@pytest.mark.parametrize("frames", [1, 3])
def test_a_motion_map_takes_the_frames_that_were_read(
    dots: Path, frames: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, data = moved(dots, time=TimeConfig(frames=frames)), EpisodeDataset(dots, "valid")
    whole = made.encode_view(data, 0, "view_0")
    monkeypatch.setattr("align.embedder.EVALUATION_BATCH", 8)
    read: list[int] = []
    images = EpisodeDataset.images

    def counted(self: EpisodeDataset, i: int, view: str, times: np.ndarray) -> np.ndarray:
        read.extend(times.tolist())
        return images(self, i, view, times)

    monkeypatch.setattr(EpisodeDataset, "images", counted)
    torch.testing.assert_close(made.encode_view(data, 0, "view_0"), whole)
    length, chunks = data.lengths[0], range(0, data.lengths[0], 8)
    needed = [made.config.time.around(np.arange(t, min(t + 8, length)), length) for t in chunks]
    # The motion was known before. Neighbours beyond a chunk's ends are read for it as well.
    assert length <= len(read) <= sum(np.unique(moments).size for moments in needed)


def test_maps_of_a_view_are_those_of_its_moments(dots: Path) -> None:
    made, data = moved(dots), EpisodeDataset(dots, "valid")
    every = made.view_inputs(data, 0, "view_0").pose_map
    some = made.view_inputs(data, 0, "view_0", np.array([4, 1])).pose_map
    assert every is not None and some is not None and every.any()
    assert torch.equal(some, every[[4, 1]])


@pytest.mark.slow
def test_paat_learns_where_frames_move(dots: Path, tmp_path: Path) -> None:
    config = tiny_config(dots, tmp_path / "run", "paat", pose_source="motion")
    task = AlignmentTask(RunPlan.load(config))
    batch = next(iter(task.loader(0, 1)))
    target = task._target(batch, 0, "p2d")
    assert target.dtype == torch.bool and target.shape == (2 * 3 * 8, 9)
    assert batch["change"].shape == (2, 3, 8, 1, 12, 12)
    patches = batch["change"].view(2, 3, 8, 3, 4, 3, 4).mean(dim=(4, 6))
    assert torch.equal(target.view(2, 3, 8, 3, 3), patches > config.motion_threshold)
    assert task.plan.paat is not None and task.plan.paat.target == "p2d"


@pytest.mark.slow
def test_the_change_is_mirrored_with_its_frames(dots: Path) -> None:
    plain, mirrored = (samples(dots, by_frame=True, flip=flip)[0] for flip in (0.0, 1.0))
    assert plain["change"].shape == (3, 8, 1, 12, 12)
    assert torch.equal(mirrored["change"], plain["change"].flip(-1))


def test_without_motion_as_source_the_change_is_not_computed(dots: Path) -> None:
    assert "change" not in samples(dots)[0]
    with pytest.raises(ValueError, match="keypoints tell"):
        MotionUse(3, 3, share=0.5).pose_map(torch.zeros(1, 1, 12, 12))
    with pytest.raises(ValueError, match="keypoints tell"):
        MotionUse(3, 3, share=0.5).points(torch.zeros(1, 1, 12, 12))


@pytest.mark.parametrize(
    ("method", "changes", "named"),
    [
        ("late-predicted", {}, "nothing is left to predict: use --method late, or .* both"),
        ("paab", {"pose_source": "both"}, "as late pose alone can: use --method late"),
        ("paat+late", {"pose_source": "both"}, "as late pose alone can: use --method late"),
        ("paat", {"paat": PaatConfig(target="soft")}, "where single keypoints are"),
        ("paab", {"pose_map": PoseMapConfig(dilation=1)}, "--pose-map changes maps of keypoints"),
    ],
)
def test_options_of_keypoints_are_refused_with_motion(
    dots: Path, method: Method, changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(OptionError, match=named):
        moved(dots, method, **changes)
