"""Every recogniser of the registry is built by its name and classifies what it says it takes."""

from typing import get_args

import pytest
import torch

from action.config import ModelName, StageModelName
from action.models.graphs import NTU25
from action.models.normalisation import IMAGENET, TIMESFORMER
from action.models.paper import PAPER
from action.models.registry import ARCHITECTURES, architecture, build, logits_of, paper_table, table
from action.models.vpn import VPN_STEPS
from datasets.errors import UnknownNameError
from tests import REPOSITORY

FRAMES, SIDE = 8, 64
INPUTS = {
    "clips": (2, 3, FRAMES, SIDE, SIDE),
    "joints": (2, 3, VPN_STEPS, NTU25.joints, 2),
    "pictures": (2, 3, 225, 225),
}


def test_every_model_has_an_entry_and_the_papers_numbers():
    # The paper has no rows of those that others learn from.
    others = {"agcn", *get_args(StageModelName)}
    assert set(ARCHITECTURES) == set(get_args(ModelName)) == {*PAPER, *others}
    with pytest.raises(UnknownNameError, match="motionformer"):
        architecture("motion_former")


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
@torch.no_grad()
def test_every_model_is_built_and_classifies(name):
    known = ARCHITECTURES[name]
    # The large ones take seconds on a processor, and none where there are shapes alone.
    with torch.device("meta"):
        model = build(name, 7, FRAMES, SIDE if known.image_size else None).eval()
        inputs = [torch.rand(INPUTS[kind]) for kind in known.inputs]
        assert logits_of(model(*inputs)).shape == (2, 7)


def test_poses_are_needed_where_the_paper_says_so():
    assert ARCHITECTURES["st_gcn"].modality == "3D pose"
    assert ARCHITECTURES["vpn"].modality == "RGB + 3D pose"
    assert ARCHITECTURES["glimpse_clouds"].modality == "RGB"
    for known in ARCHITECTURES.values():
        assert known.trained_with or not known.recognises_with
        assert ("joints" in known.inputs) == ("3D" in known.recognises_with)


@pytest.mark.slow
def test_the_page_shows_the_registry():
    page = (REPOSITORY / "docs" / "recognisers.md").read_text()
    assert table() in page
    assert paper_table() in page


def test_pixels_are_normalised_by_channel():
    frames = torch.randint(0, 256, (2, 3, 4, 8, 8), dtype=torch.uint8)
    assert torch.equal(TIMESFORMER.apply(frames), (frames / 255 - 0.45) / 0.225)
    red = (frames[:, 0] / 255 - 0.485) / 0.229
    assert torch.allclose(IMAGENET.apply(frames)[:, 0], red)
