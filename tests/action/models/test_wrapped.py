"""torchvision's networks have the published sizes, and take small clips."""

import pytest
import torch
from torchvision.models.video import s3d

from action.models.wrapped import resnet50_3d, separable_3d, video_swin
from tests.action.models.reference import parameters

COUNTS = {video_swin: 27_896_610, separable_3d: 7_971_548, resnet50_3d: 46_284_284}


@pytest.mark.slow
@pytest.mark.parametrize("build", COUNTS, ids=lambda build: build.__name__)
def test_parameters_and_small_clips(build):
    model = build(60).eval()
    assert parameters(model) == COUNTS[build]
    with torch.no_grad():
        assert model(torch.randn(2, 3, 8, 64, 64)).shape == (2, 60)


@pytest.mark.slow
def test_the_base_size_is_larger():
    with torch.device("meta"):
        model = video_swin(60, base=True)
    assert model.num_classes == 60
    assert parameters(model) > 3 * COUNTS[video_swin]


def test_the_adaptive_pool_changes_nothing_where_the_published_one_has_one_place():
    with torch.device("meta"):
        published, ours = s3d(num_classes=5), separable_3d(5)
    features = torch.randn(1, 1024, 2, 7, 7)
    assert torch.allclose(ours.avgpool(features), published.avgpool(features), atol=1e-6)
    with pytest.raises(RuntimeError):
        published.avgpool(features[..., :4, :4])
