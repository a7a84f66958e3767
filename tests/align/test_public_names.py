"""The names that users import, and that options are read without loading torch."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from inspect import getmodule

import pytest

from tests import REPOSITORY

# docs and design promise these import paths.
PUBLIC = {
    "align.pose": ("pose_map_2d", "pose_map_3d"),
    "align.paab": ("PoseAwareAttentionBlock",),
    "align.paat": ("PoseAwareAuxiliaryTask",),
    "align.models": (
        "Backbone",
        "ModelConfig",
        "PaabConfig",
        "PaatConfig",
        "PoseAware",
        "PoseAwareOutput",
        "PoseFreeConfig",
        "Readout",
        "TimmBackbone",
        "Trl3dConfig",
        "build_model",
    ),
    "align.metrics": (
        "METRICS",
        "PairResult",
        "alignment_error",
        "cycle_error",
        "distances",
        "episode_metrics",
        "kendalls_tau",
        "kendalls_tau_b",
        "mean_metrics",
        "pair_metrics",
    ),
    "align.losses": (
        "LossConfig",
        "LossName",
        "build_loss",
        "contrastive",
        "contrastive_idm",
        "dtw_consistency",
        "lav",
        "margin_triplet",
        "n_pairs",
        "published_triplet",
        "single_view_triplet",
        "soft_dtw",
        "tcc",
        "time_reversed",
        "vava",
    ),
    "datasets.episodes": ("EpisodeDataset", "EpisodeWriter"),
    "datasets.cameras": ("Camera",),
    "datasets.skeletons": ("Skeleton",),
    "action.timesformer": ("TimeSformer",),
}
FACES = ("align.losses", "align.metrics", "align.models")
# Modules of options alone, which every `--help` reads.
LIGHT = ("align.models.config", "align.losses.config", "align.inputs.sampling", "align.methods")


@pytest.mark.parametrize("module", PUBLIC)
def test_public_names_are_where_users_import_them(module: str) -> None:
    assert set(PUBLIC[module]) <= set(dir(import_module(module)))


@pytest.mark.parametrize("module", FACES)
def test_a_face_shows_its_public_names_and_no_others(module: str) -> None:
    assert sorted(import_module(module).__all__) == sorted(PUBLIC[module])


@pytest.mark.parametrize("face", FACES)
def test_no_file_of_a_folder_hides_a_public_name(face: str) -> None:
    # An imported file becomes an attribute of its package, in the place of a function of that name.
    folder = REPOSITORY / face.replace(".", "/")
    assert not {path.stem for path in folder.glob("*.py")} & set(PUBLIC[face])


def test_sims_make_is_public() -> None:
    sims = import_module("sims")
    assert getmodule(sims.make) is import_module("sims.registry")


@pytest.mark.slow
@pytest.mark.parametrize("module", LIGHT)
def test_options_are_read_without_loading_torch(module: str) -> None:
    code = (
        f"import sys, {module}\n"
        "heavy = {'torch', 'torchvision', 'timm', 'sklearn', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True)
