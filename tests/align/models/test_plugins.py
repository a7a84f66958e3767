"""The plug-ins after each block: their order, their place and their names in checkpoints."""

from __future__ import annotations

from copy import deepcopy
from itertools import groupby

import pytest
import torch
from torch import Tensor

from align.models import (
    ModelConfig,
    PaabConfig,
    PaatConfig,
    PoseAware,
    PoseFreeConfig,
    Trl3dConfig,
    build_model,
)
from align.models.plugins import ForwardState, PoseAttention, PosePrediction, Recovery3d


def build(**options: object) -> PoseAware:
    torch.manual_seed(0)
    config = ModelConfig("test_vit", image_size=32, num_keypoints=5, depth=3, **options)
    return build_model(config)


def everything() -> PoseAware:
    return build(
        paab=PaabConfig(positions=(1, -1), blocks=2),
        paat=PaatConfig(positions=(1,), target="soft"),
        pose_free=PoseFreeConfig(top_k=2),
        trl3d=Trl3dConfig(position=1),
    )


def images() -> Tensor:
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_plugins_stand_in_the_order_in_which_they_run() -> None:
    kinds = [[type(plugin) for plugin in after] for after in everything().plugins]
    assert kinds == [[], [PosePrediction, PoseAttention, Recovery3d], [], [PoseAttention]]
    assert not any(build().plugins)


def test_any_function_of_the_signature_runs_after_its_block() -> None:
    model, layouts = build().eval(), []

    def plus_one(tokens: Tensor, state: ForwardState) -> Tensor:
        layouts.append(state.layout)
        return tokens + 1

    model.plugins[0].append(plus_one)
    model.plugins[2].append(plus_one)
    tokens = model.backbone.embed(images()) + 1
    for index, block in enumerate(model.backbone.blocks):
        tokens = block(tokens) + (index == 1)
    assert torch.equal(model(images()).tokens, model.backbone.norm(tokens))
    assert layouts == [model.layout] * 2


def test_parameters_have_the_names_and_the_order_of_earlier_checkpoints() -> None:
    names = [name for name, _ in everything().named_parameters()]
    inserted = [name.split(".") for name in names if not name.startswith("backbone.")]
    assert names[0].startswith("backbone.vit.")
    places = [place for place, _ in groupby(parts[0] for parts in inserted)]
    assert places == ["paab", "paat", "trl3d"]
    modules = {".".join(parts[:3]) for parts in inserted if parts[0] == "paab"}
    assert modules == {"paab.1.0", "paab.1.1", "paab.3.0", "paab.3.1"}
    assert {"paat.1.reduce.weight", "trl3d.1.class_embedding"} <= {*names}


@pytest.mark.slow
def test_a_copy_of_a_model_runs_its_own_modules() -> None:
    model = everything().eval()
    copy = deepcopy(model)
    with torch.no_grad():
        for parameter in copy.paab["3"].parameters():
            parameter.zero_()
    assert torch.equal(model(images()).tokens, everything().eval()(images()).tokens)
    assert not torch.equal(copy(images()).tokens, model(images()).tokens)
