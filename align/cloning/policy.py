"""A policy of robomimic that is trained by behaviour cloning."""

from __future__ import annotations

import contextlib
import io
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_model
from torch.utils.data import DataLoader

from align.cloning.config import PolicyConfig
from align.cloning.demonstrations import TRAIN
from align.cloning.observers import Observer
from datasets.errors import MissingDataError
from datasets.progress import ProgressBar
from datasets.storage.atomic import atomic_path

INSTALL = "pip install 'posealign[robomimic]'"
Policy = Callable[[Mapping[str, np.ndarray]], np.ndarray]
# Steps between two reports of the loss; robomimic trains for that many at a time.
_STEPS_A_REPORT = 100


def train_policy(
    demonstrations: Path, observer: Observer, config: PolicyConfig, seed: int, out: Path
) -> Policy:
    """Trains robomimic's BC on demonstrations, and stores its weights.

    Vectors are normalised by their statistics over the demonstrations. An image is read by
    robomimic's usual ResNet-18 with a spatial softmax, which learns with the policy.

    Args:
        demonstrations: A file that `write_demonstrations` wrote.
        observer: Names what is observed.
        config: How to train.
        seed: Seed of weights and batches.
        out: Folder for `policy.safetensors`, and `policy.json` with robomimic's configuration.

    Returns:
        The policy: observation to action.

    Raises:
        MissingDataError: When robomimic is not installed.
    """
    robomimic = _import_robomimic()
    _seed(seed)
    settings = _settings(robomimic, observer, config)
    normalised = not observer.rgb
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its settings
        robomimic.obs.initialize_obs_utils_with_config(settings)
        data = robomimic.SequenceDataset(
            str(demonstrations),
            obs_keys=(*observer.low_dim, *observer.rgb),
            dataset_keys=("actions",),
            load_next_obs=False,
            hdf5_cache_mode="all",
            hdf5_use_swmr=False,
            hdf5_normalize_obs=normalised,
            filter_by_attribute=TRAIN,
        )
        shapes = {
            name: list(robomimic.obs.get_processed_shape(_modality(observer, name), one.shape[1:]))
            for name, one in data[0]["obs"].items()
        }
        model = robomimic.algo_factory("bc", settings, shapes, data[0]["actions"].shape[-1], "cpu")
    loader = DataLoader(data, config.batch, shuffle=True, drop_last=True)
    _fit(robomimic, model, loader, config.steps)
    _save(out, model, config, settings)
    statistics = data.get_obs_normalization_stats() if normalised else None
    return _acting(robomimic, model, statistics, observer)


class _Robomimic:
    """The parts of robomimic that are used, imported when they are needed."""

    def __init__(self) -> None:
        from robomimic.algo import RolloutPolicy, algo_factory
        from robomimic.config import config_factory
        from robomimic.utils import obs_utils, train_utils
        from robomimic.utils.dataset import SequenceDataset

        self.RolloutPolicy, self.algo_factory = RolloutPolicy, algo_factory
        self.config_factory, self.SequenceDataset = config_factory, SequenceDataset
        self.obs, self.training = obs_utils, train_utils


def _import_robomimic() -> Any:
    try:
        return _Robomimic()
    except ImportError as error:
        raise MissingDataError(f"robomimic does not import ({error}). Run: {INSTALL}") from error


def _modality(observer: Observer, name: str) -> str:
    return "rgb" if name in observer.rgb else "low_dim"


def _seed(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)  # robomimic draws from it
    torch.manual_seed(seed)


def _settings(robomimic: Any, observer: Observer, config: PolicyConfig) -> Any:
    settings = robomimic.config_factory("bc")
    with settings.unlocked():
        settings.observation.modalities.obs.low_dim = list(observer.low_dim)
        settings.observation.modalities.obs.rgb = list(observer.rgb)
        settings.algo.actor_layer_dims = (config.width, config.width)
        settings.algo.optim_params.policy.learning_rate.initial = config.lr
        # As in robomimic's own configurations for images.
        kwargs = settings.observation.encoder.rgb.core_kwargs
        kwargs.feature_dimension = 64
        kwargs.backbone_class = "ResNet18Conv"
        kwargs.backbone_kwargs = {"pretrained": False, "input_coord_conv": False}
        kwargs.pool_class = "SpatialSoftmax"
        kwargs.pool_kwargs = {"num_kp": 32, "learnable_temperature": False, "temperature": 1.0}
    return settings


def _fit(robomimic: Any, model: Any, loader: Any, steps: int) -> None:
    with ProgressBar(total=steps, desc="cloning", unit="step") as bar:
        while bar.n < steps:
            some = min(_STEPS_A_REPORT, steps - bar.n)
            with contextlib.redirect_stdout(io.StringIO()):  # its own bar
                log = robomimic.training.run_epoch(model, loader, epoch=1, num_steps=some)
            bar.update(some)
            bar.set_postfix(loss=f"{log['Loss']:.4f}")


def _save(out: Path, model: Any, config: PolicyConfig, settings: Any) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with atomic_path(out / "policy.safetensors") as temporary:
        save_model(model.nets, str(temporary))  # robomimic's parts share tensors
    stored = {"training": asdict(config), "robomimic": json.loads(settings.dump())}
    with atomic_path(out / "policy.json") as temporary:
        temporary.write_text(json.dumps(stored, indent=1) + "\n")


def _acting(robomimic: Any, model: Any, statistics: Any, observer: Observer) -> Policy:
    policy = robomimic.RolloutPolicy(model, statistics)
    policy.start_episode()

    def act(observation: Mapping[str, np.ndarray]) -> np.ndarray:
        seen = dict(observation)
        for name in observer.rgb:
            seen[name] = robomimic.obs.process_obs(seen[name], obs_modality="rgb")
        return policy(seen)

    return act
