"""Rays of patches: their geometry, their control, and how they reach a network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

from align.config import BackboneConfig, Rays, TrainConfig
from align.embedder import FrameEmbedder
from align.evaluate import evaluate
from align.inputs.data import EpisodeSamples
from align.inputs.footage import video_files
from align.inputs.rays import EpisodeRays, exchanged_cameras, plucker_rays
from align.inputs.sampling import AugmentConfig, BatchConfig, TimeConfig
from align.layout import TokenLayout
from align.methods import Method
from align.models.config import ModelConfig, PaabConfig
from align.models.pose_aware import PoseAware, build_model
from align.models.ray_embedding import RAY_SIZE, RayEmbedding
from align.plan import RunPlan
from align.reward import AlignmentReward
from align.task import AlignmentTask
from align.train import make_trainer
from datasets.cameras import Camera
from datasets.episodes import EpisodeDataset, EpisodeWriter
from datasets.errors import FormatError, MismatchError, MissingDataError, OptionError
from datasets.lens import Lens
from tests.align.conftest import tiny_config
from tests.datasets.synthetic import default_splits, make_episode, make_meta

SIZE, ROWS, COLS = 48, 3, 4
SMALL = BackboneConfig(depth=1)


def camera(size: int = SIZE) -> Camera:
    up = np.array([0.0, 0.0, 1.0])
    return Camera.look_at(np.array([1.2, -0.7, 0.9]), np.array([0.1, 0.2, 0.0]), up, 50, size, size)


def rays_of_camera(size: int = SIZE) -> np.ndarray:
    seen = camera(size)
    return plucker_rays(seen.intrinsics, seen.world_to_camera[None], size, ROWS, COLS)[0]


@pytest.fixture(scope="module")
def blind(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set without cameras."""
    meta = make_meta()
    writer = EpisodeWriter(tmp_path_factory.mktemp("blind"), meta)
    for index in range(3):
        episode = make_episode(meta, index, 12)
        writer.write(index, replace(episode, intrinsics={}, world_to_camera={}))
    writer.write_index(default_splits(3))
    return writer.root


@pytest.mark.parametrize("distance", [0.3, 1.0, 40.0])
def test_points_of_a_ray_are_seen_in_the_middle_of_its_patch(distance: float) -> None:
    directions, moments = np.split(rays_of_camera(), 2, axis=-1)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=-1), 1)
    # d x m is the line's point next to the origin; the camera lies some way along from there.
    nearest = np.cross(directions, moments)
    along = (directions * camera().position).sum(axis=-1, keepdims=True)
    pixels, depth = camera().project(nearest + (along + distance) * directions)
    assert (depth > 0).all()
    middles = [[[(c + 0.5) * 12, (r + 0.5) * 16] for c in range(COLS)] for r in range(ROWS)]
    np.testing.assert_allclose(pixels, middles)


@pytest.mark.parametrize(
    "lens", [Lens("plumb_bob", (-0.2, 0.05, 0.001, -0.002)), Lens("fisheye", (-0.02, 0.01, 0, 0))]
)
def test_rays_follow_the_lens(lens: Lens) -> None:
    seen = replace(camera(), lens=lens)
    rays = plucker_rays(seen.intrinsics, seen.world_to_camera[None], SIZE, ROWS, COLS, lens)[0]
    directions, moments = np.split(rays, 2, axis=-1)
    pixels, _ = seen.project(seen.position + 2 * directions)
    middles = [[[(c + 0.5) * 12, (r + 0.5) * 16] for c in range(COLS)] for r in range(ROWS)]
    np.testing.assert_allclose(pixels, middles, atol=1e-3)
    np.testing.assert_allclose(moments, np.cross(seen.position, directions), atol=1e-12)
    assert np.abs(rays - rays_of_camera()).max() > 0.01


def test_patches_at_which_the_lens_shows_nothing_have_no_ray(tmp_path: Path) -> None:
    meta = make_meta()
    writer, episode = EpisodeWriter(tmp_path, meta), make_episode(meta, 0, 12)
    lenses = {"view_0": Lens("plumb_bob", (-0.9, 0, 0, 0)), "view_1": Lens("fisheye")}
    matrices = episode.intrinsics | {"view_1": np.diag([1e-3, 1e-3, 1.0])}
    seen = replace(episode, lenses=lenses, intrinsics=matrices, keypoints_world=None)
    writer.write(0, seen)
    writer.write_index({"train": [0]})
    data, rays = EpisodeDataset(tmp_path), EpisodeRays(6, 6)
    found = rays.of(data, 0, "view_0")
    nothing = (found == 0).all(dim=-1)
    assert nothing[0, 0, 0] and not nothing[0, 2, 2]
    lengths = found[..., :3].norm(dim=-1)
    torch.testing.assert_close(lengths[~nothing], torch.ones_like(lengths[~nothing]))
    with pytest.raises(FormatError, match=r"000000\.hdf5.*view_1.*fisheye 0 0 0 0.*nothing"):
        rays.of(data, 0, "view_1")


def test_rays_do_not_depend_on_the_size_of_the_frames() -> None:
    np.testing.assert_allclose(rays_of_camera(96), rays_of_camera(48))


def test_a_moving_camera_has_rays_of_its_own_at_each_time_step(dots: Path) -> None:
    data, rays = EpisodeDataset(dots, "train"), EpisodeRays(ROWS, COLS)
    length, times = data.lengths[0], np.array([0, 9, 9, 4])
    still, moving = rays.of(data, 0, "view_0"), rays.of(data, 0, "ego")
    assert still.shape == moving.shape == (length, ROWS, COLS, RAY_SIZE)
    assert torch.equal(still[0], still[-1]) and not torch.equal(moving[0], moving[-1])
    assert torch.equal(rays.of(data, 0, "ego", times), moving[times])
    episode = data.episode(0)
    expected = plucker_rays(
        episode.intrinsics["ego"], episode.world_to_camera["ego"][[9]], SIZE, ROWS, COLS
    )
    np.testing.assert_allclose(moving[9], expected[0], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("count", [2, 3, 7])
def test_no_view_keeps_its_camera_and_each_camera_is_given_once(count: int) -> None:
    views = [f"view_{i}" for i in range(count)]
    drawn = [exchanged_cameras(views, seed, "demo_3") for seed in range(20)]
    for given in drawn:
        assert sorted(given) == sorted(given.values()) == views
        assert all(view != other for view, other in given.items())
    assert drawn[4] == exchanged_cameras(views, 4, "demo_3")


def test_seeds_and_episodes_exchange_cameras_differently() -> None:
    views = [f"view_{i}" for i in range(7)]
    first = exchanged_cameras(views, 0, "demo_0")
    assert first != exchanged_cameras(views, 1, "demo_0")
    assert first != exchanged_cameras(views, 0, "demo_1")


def test_an_episode_has_the_same_exchange_in_any_split_and_among_any_views(dots: Path) -> None:
    rays = EpisodeRays(ROWS, COLS, shuffled_by=3)
    test, every = EpisodeDataset(dots, "test", ["view_1"]), EpisodeDataset(dots)
    i = every.names.index(test.names[1])
    given = rays.of(test, 1, "view_1")
    assert torch.equal(given, rays.of(every, i, "view_1"))
    own = EpisodeRays(ROWS, COLS)
    other = exchanged_cameras(every.views, 3, test.names[1])["view_1"]
    assert torch.equal(given, own.of(every, i, other))
    assert not torch.equal(given, own.of(every, i, "view_1"))


def build(rays: bool, **options: object) -> PoseAware:
    torch.manual_seed(0)
    name = "deit_tiny_distilled_patch16_224"  # with a second prefix token
    return build_model(ModelConfig(name, SIZE, depth=1, rays=rays, **options))  # type: ignore[arg-type]


@pytest.mark.parametrize("keep", [False, True])
def test_a_model_starts_as_without_rays(keep: bool) -> None:
    plain, model = build(False, paab=PaabConfig()), build(True, paab=PaabConfig())
    weights = model.state_dict()
    assert weights.pop("rays.weight").count_nonzero() == 0
    assert weights.keys() == plain.state_dict().keys()
    assert all(torch.equal(weights[name], value) for name, value in plain.state_dict().items())
    images, pose_map = torch.randn(2, 3, SIZE, SIZE), torch.rand(2, 9) < 0.5
    kept = torch.tensor([[0, 4], [7, 8]]) if keep else None
    shown = images if kept is None else model.cut(images, kept)
    output = model(shown, pose_map, kept, torch.randn(2, 9, RAY_SIZE))
    assert torch.equal(output.embedding, plain(shown, pose_map, kept).embedding)
    output.embedding.square().sum().backward()
    assert model.rays is not None and model.rays.weight.grad is not None
    assert model.rays.weight.grad.abs().max() > 0


def test_rays_reach_their_own_patches_alone() -> None:
    layer, layout = RayEmbedding(8), TokenLayout(1, 2, 3, prefix=2)
    torch.nn.init.normal_(layer.weight)
    tokens, rays = torch.randn(4, 8, 8), torch.randn(4, 6, RAY_SIZE)
    added = layer(tokens, rays, layout) - tokens
    assert not added[:, :2].any()
    torch.testing.assert_close(added[:, 2:], rays @ layer.weight.T)
    with pytest.raises(ValueError, match="are no rays of 6 patches in 4 images"):
        layer(tokens, rays[:, :5], layout)


def test_kept_patches_have_the_rays_of_their_places() -> None:
    model = build(True).eval()
    assert model.rays is not None
    torch.nn.init.normal_(model.rays.weight)
    images, rays = torch.randn(2, 3, SIZE, SIZE), torch.randn(2, 9, RAY_SIZE)
    every = torch.arange(9).flip(0).expand(2, -1)
    whole = model(images, rays=rays)
    kept = model(model.cut(images, every), kept=every, rays=rays)
    torch.testing.assert_close(kept.tokens[:, 2:].flip(1), whole.tokens[:, 2:])


def samples(root: Path, config: BatchConfig, time: TimeConfig) -> EpisodeSamples:
    data = EpisodeDataset(root, "train")
    rays = EpisodeRays(3, 3)
    return EpisodeSamples(data, config, SIZE, 2, 6, seed=3, time=time, rays=rays)


@pytest.mark.slow
@pytest.mark.parametrize("frames", [1, 3])
def test_samples_have_the_rays_of_the_moments_own_frames(dots: Path, frames: int) -> None:
    time = TimeConfig(frames=frames)
    plain = samples(dots, BatchConfig(times=8), time)
    mirrored = samples(dots, BatchConfig(times=8, flip=1.0), time)[0]
    item, data = plain[0], plain.data
    expected = [
        EpisodeRays(3, 3).of(data, item["episode"], view, item["times"].numpy())
        for view in data.views
    ]
    # Views come in any order.
    assert all(any(torch.equal(found, view) for view in expected) for found in item["rays"])
    assert item["rays"].shape == (3, 8, 3, 3, RAY_SIZE)
    assert torch.equal(mirrored["rays"], item["rays"].flip(3))
    assert torch.equal(mirrored["frames"], item["frames"].flip(-1))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("paab+paat", {}),
        ("late", {}),
        ("3dtrl", {}),
        ("deit", {"time": TimeConfig(3), "backbone": replace(SMALL, keep_patches=0.5)}),
        ("paab", {"pose_source": "motion"}),
    ],
)
def test_methods_learn_from_rays(
    dots: Path, tmp_path: Path, method: Method, changes: dict[str, object]
) -> None:
    options: dict[str, object] = {"backbone": SMALL, "rays": "own"} | changes
    config = tiny_config(dots, tmp_path / "run", method, **options)
    task = AlignmentTask(RunPlan.load(config))
    batch = default_collate([task._samples(1)[0]])
    task.loss(task.model, batch, 0)[0].backward()
    grad = dict(task.model.named_parameters())["backbone.rays.weight"].grad
    assert grad is not None and grad.abs().max() > 0
    side = task.embedder.view_inputs(task.valid, 0, "view_0", np.array([2, 5]))
    assert side.rays is not None and side.rays.shape == (2, 9, RAY_SIZE)


@pytest.fixture(scope="module")
def run(dots: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was trained for two steps on shuffled cameras."""
    out = tmp_path_factory.mktemp("rays") / "run"
    config = tiny_config(dots, out, backbone=SMALL, rays="shuffled", epochs=1, epoch_steps=2)
    make_trainer(config).fit()
    return out


@pytest.mark.slow
def test_a_trained_run_is_measured_with_the_cameras_that_it_is_given(run: Path, dots: Path) -> None:
    embedder = FrameEmbedder.load(run, "last", "cpu")
    network = embedder.model.backbone
    assert isinstance(network, PoseAware) and network.rays is not None
    assert network.rays.weight.count_nonzero() > 0
    assert embedder.rays == EpisodeRays(3, 3, shuffled_by=0)
    with torch.no_grad():
        network.rays.weight.normal_()
    data = EpisodeDataset(dots, "test")
    shuffled = embedder.encode_view(data, 0, "view_0")
    embedder.rays = EpisodeRays(3, 3)
    assert not torch.allclose(embedder.encode_view(data, 0, "view_0"), shuffled, atol=1e-3)
    assert 0 <= evaluate(run, progress=False).metrics["alignment_error"] <= 1


@pytest.mark.slow
def test_what_has_no_cameras_is_refused(run: Path, blind: Path) -> None:
    embedder = FrameEmbedder.load(run, "last", "cpu")
    with pytest.raises(MismatchError, match="--rays shuffled and needs the camera of every frame"):
        video_files(str(run), embedder, [Path("a.mp4")])
    world = SimpleNamespace(views=["ego"], size=SIZE, render_view=None)
    with pytest.raises(MismatchError, match="which a reward is not given"):
        AlignmentReward(SimpleNamespace(unwrapped=world), run)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="made with rays"):
        embedder.encode_frames(np.zeros((2, SIZE, SIZE, 3), np.uint8))
    with pytest.raises(MissingDataError, match=r"has no camera of .*sims\.generate"):
        evaluate(run, data=blind, progress=False)
    with pytest.raises(MissingDataError, match="has no camera of"):
        embedder.encode_view(EpisodeDataset(blind), 0, "ego")


def test_training_on_data_without_cameras_names_the_remedy(blind: Path, tmp_path: Path) -> None:
    config = tiny_config(blind, tmp_path / "run", rays="own")
    with pytest.raises(MissingDataError, match=r"000000\.hdf5 has no camera of ego.*Leave --rays"):
        AlignmentTask(RunPlan.load(config))


@pytest.mark.parametrize("method", ["tcn", "tcn+paat", "disentangle"])
def test_methods_without_tokens_are_refused(method: Method) -> None:
    with pytest.raises(OptionError, match=f"--method {method.replace('+', '.')} has none"):
        RunPlan.of(TrainConfig(method=method, rays="own"), make_meta())


def test_a_convolutional_backbone_is_refused() -> None:
    with pytest.raises(OptionError, match=r"--rays are added .*--backbone\.name"):
        build_model(ModelConfig("test_resnet", SIZE, readout="mean", rays=True))


@pytest.mark.parametrize("rays", ["own", "shuffled"])
def test_a_crop_is_refused(rays: Rays) -> None:
    config = TrainConfig(rays=rays, batch=BatchConfig(augment=AugmentConfig(crop=0.1)))
    with pytest.raises(OptionError, match=r"--batch\.augment\.crop moves .*--rays"):
        RunPlan.of(config, make_meta())


def test_one_view_alone_has_no_other_camera() -> None:
    meta = replace(make_meta(), views=["video"], viewpoints=["ego", "exo"])
    with pytest.raises(MismatchError, match="dots has one view"):
        RunPlan.of(TrainConfig(rays="shuffled"), meta)
