import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from align.pose import (
    pose_map_2d,
    pose_map_3d,
)
from datasets.errors import OptionError

SIZE = (48, 80)  # 3 rows and 5 columns of 16
NAN = float("nan")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@st.composite
def keypoints(draw: st.DrawFn) -> Tensor:
    """A few frames of keypoints, some of them outside the image or missing."""
    coordinate = st.one_of(st.floats(-100, 200, width=32), st.just(NAN), st.just(float("inf")))
    frames, count = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    flat = draw(st.lists(coordinate, min_size=frames * count * 2, max_size=frames * count * 2))
    return torch.tensor(flat).view(frames, count, 2)


def looped_map(points: Tensor, visible: Tensor | None = None) -> Tensor:
    """The definition, one keypoint at a time."""
    rows, cols = SIZE[0] // 16, SIZE[1] // 16
    expected = torch.zeros(points.shape[0], rows * cols, points.shape[1], dtype=torch.bool)
    for frame in range(points.shape[0]):
        for k in range(points.shape[1]):
            x, y = points[frame, k].tolist()
            shown = visible is None or bool(visible[frame, k])
            if shown and 0 <= x < SIZE[1] and 0 <= y < SIZE[0]:
                expected[frame, int(y) // 16 * cols + int(x) // 16, k] = True
    return expected


def test_a_keypoint_at_an_asymmetric_pixel_marks_its_row_major_patch():
    pose_map = pose_map_3d(torch.tensor([[70.0, 20.0]]), SIZE, 16)
    assert pose_map.shape == (15, 1)
    assert pose_map.nonzero().tolist() == [[1 * 5 + 4, 0]]


@pytest.mark.slow
@given(points=keypoints(), data=st.data())
def test_maps_agree_with_the_definition(points: Tensor, data: st.DataObject):
    bits = st.lists(st.booleans(), min_size=points[..., 0].numel(), max_size=points[..., 0].numel())
    visible = torch.tensor(data.draw(bits)).view(points.shape[:-1])
    expected = looped_map(points, visible)
    assert torch.equal(pose_map_3d(points, SIZE, 16, visible), expected)
    assert torch.equal(pose_map_2d(points, SIZE, 16, visible), expected.any(dim=-1))


@pytest.mark.parametrize("dilation", [0, 1])
@pytest.mark.parametrize(
    ("x", "y"), [(NAN, 5), (5, NAN), (-0.1, 5), (5, -1), (80, 5), (5, 48), (-1, -1)]
)
def test_missing_and_outside_keypoints_mark_nothing(x: float, y: float, dilation: int):
    point = torch.tensor([[x, y], [0.0, 47.9]])
    pose_map = pose_map_3d(point, SIZE, 16, dilation=dilation)
    assert not pose_map[:, 0].any()
    assert pose_map[10, 1]


def test_a_hidden_keypoint_marks_nothing():
    points = torch.tensor([[8.0, 8.0], [24.0, 8.0]])
    pose_map = pose_map_2d(points, SIZE, 16, torch.tensor([False, True]))
    assert pose_map.nonzero().flatten().tolist() == [1]


@pytest.mark.parametrize("make", [pose_map_2d, pose_map_3d])
def test_a_map_is_on_the_device_of_its_keypoints(make):
    points = torch.empty(4, 7, 2, device="meta")
    assert make(points, SIZE, 16).device.type == "meta"
    random = make(points, SIZE, 16, noise=3, random=True, generator=seeded())
    assert random.device.type == "meta"


def test_any_leading_axes():
    points = torch.rand(2, 3, 4, 7, 2, generator=seeded()) * 48
    assert pose_map_3d(points, SIZE, 16).shape == (2, 3, 4, 15, 7)
    assert torch.equal(
        pose_map_2d(points, SIZE, 16)[1, 2, 3], pose_map_2d(points[1, 2, 3], SIZE, 16)
    )


def test_dilation_marks_the_square_around_and_stops_at_the_border():
    points = torch.tensor([[70.0, 20.0], [NAN, NAN]])
    pose_map = pose_map_3d(points, SIZE, 16, dilation=1)
    assert torch.equal(pose_map_2d(points, SIZE, 16, dilation=1), pose_map.any(dim=-1))
    corner = torch.zeros(3, 5, dtype=torch.bool)
    corner[:, 3:] = True
    assert torch.equal(pose_map[:, 0].view(3, 5), corner)
    assert not pose_map[:, 1].any()


def test_noise_moves_each_coordinate_by_an_integer_up_to_the_level():
    points = torch.zeros(4000, 1, 2)
    pixel = pose_map_3d(points, (8, 8), 1, noise=3, generator=seeded())[..., 0]
    row, col = pixel.nonzero()[:, 1] // 8, pixel.nonzero()[:, 1] % 8
    for axis in (row, col):
        share = axis.bincount(minlength=4) / 4000
        assert axis.max() == 3
        assert torch.allclose(share, torch.full((4,), 0.25), atol=0.04)
    assert not torch.equal(row, col)


def test_noise_can_push_a_keypoint_out_of_the_image():
    points = torch.full((200, 1, 2), 47.0)
    pose_map = pose_map_2d(points, (48, 48), 16, noise=1, generator=seeded())
    assert 0 < pose_map.any(dim=-1).sum() < 200


def test_random_maps_keep_the_number_of_marks_and_lose_their_place():
    points = torch.rand(300, 6, 2, generator=seeded()) * 100
    true_3d, true_2d = pose_map_3d(points, SIZE, 16), pose_map_2d(points, SIZE, 16)
    random_3d = pose_map_3d(points, SIZE, 16, random=True, generator=seeded(1))
    random_2d = pose_map_2d(points, SIZE, 16, random=True, generator=seeded(1))
    assert torch.equal(random_3d.sum(dim=-2), true_3d.sum(dim=-2))
    assert torch.equal(random_2d.sum(dim=-1), true_2d.sum(dim=-1))
    one_frame = pose_map_3d(points[0], SIZE, 16, random=True, generator=seeded(1))
    assert torch.equal(one_frame.sum(dim=-2), true_3d[0].sum(dim=-2))
    # A mark meets the true patch about once in 15.
    overlap = (random_3d & true_3d).sum() / true_3d.sum()
    assert 0.03 < overlap < 0.11
    # And falls evenly, also where the true keypoints never are.
    assert random_3d.sum(dim=(0, 2)).min() > 0.5 * random_3d.sum() / 15


@pytest.mark.parametrize("control", [{"noise": 20}, {"random": True}])
@pytest.mark.parametrize("make", [pose_map_2d, pose_map_3d])
def test_controls_depend_on_the_generator_alone(make, control):
    points = torch.rand(5, 11, 2, generator=seeded()) * 48
    first = make(points, SIZE, 16, generator=seeded(3), **control)
    torch.rand(7)  # the global state moves on, and must not matter
    assert torch.equal(first, make(points, SIZE, 16, generator=seeded(3), **control))
    assert not torch.equal(first, make(points, SIZE, 16, generator=seeded(4), **control))
    with pytest.raises(ValueError, match="Generator"):
        make(points, SIZE, 16, **control)


def test_making_a_map_leaves_the_keypoints_alone():
    points = torch.rand(5, 11, 2, generator=seeded()) * 48
    before = points.clone()
    pose_map_3d(points, SIZE, 16, noise=3, generator=seeded())
    assert torch.equal(points, before)


def test_mistakes_are_named():
    points = torch.zeros(3, 2)
    with pytest.raises(ValueError, match="50 x 80.*16"):
        pose_map_3d(points, (50, 80), 16)
    for size, patch in (((0, 80), 16), ((48, 0), 16), (SIZE, 0)):
        with pytest.raises(ValueError, match=f"{size[0]} x {size[1]}.* {patch}:"):
            pose_map_3d(points, size, patch)
    assert pose_map_3d(points, (1, 1), 1).tolist() == [[True, True, True]]
    with pytest.raises(ValueError, match="visible"):
        pose_map_3d(points, SIZE, 16, torch.ones(4, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"\(x, y\)"):
        pose_map_3d(torch.zeros(3, 3), SIZE, 16)
    with pytest.raises(OptionError, match="-1"):
        pose_map_3d(points, SIZE, 16, dilation=-1)
