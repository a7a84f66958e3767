"""Files of demonstrations as robosuite's and robomimic's own tools write them, and older ones."""

from __future__ import annotations

import json
import runpy
import sys
import warnings
from pathlib import Path
from unittest import mock

import h5py
import numpy as np

import sims
from sims.robosuite.xml import ARM_ORIGIN, FIRST_LINK

ELSEWHERE = "/elsewhere/robosuite/"
# What robomimic's files of robosuite 1.4.1 say of the controller: flat, where 1.5 has parts.
OLD_CONTROLLER = {
    "type": "OSC_POSE",
    "input_max": 1,
    "input_min": -1,
    "output_max": [0.05, 0.05, 0.05, 0.5, 0.5, 0.5],
    "output_min": [-0.05, -0.05, -0.05, -0.5, -0.5, -0.5],
    "kp": 150,
    "damping": 1,
    "impedance_mode": "fixed",
    "uncouple_pos_ori": True,
    "control_delta": True,
}


def collect(folder: Path, episodes: int) -> Path:
    """Lift by our expert, recorded by robosuite's collector and gathered by its script."""
    env = sims.make("lift", views=1, size=32)
    from robosuite.controllers import load_composite_controller_config
    from robosuite.scripts.collect_human_demonstrations import gather_demonstrations_as_hdf5
    from robosuite.wrappers import DataCollectionWrapper

    raw = folder / "raw"
    collector = DataCollectionWrapper(env._env, str(raw))
    for seed in range(episodes):
        collector.reset()
        env._find_parts()  # the collector loads a new model
        for step in env.expert(np.random.default_rng(seed)):
            collector.step(step.action)
    collector._flush()
    info = {
        "env_name": "Lift",
        "robots": ["Panda"],
        "controller_configs": load_composite_controller_config(robot="Panda"),
    }
    gather_demonstrations_as_hdf5(str(raw), str(folder), json.dumps(info))
    env.close()
    return folder / "demo.hdf5"


def convert(path: Path, valid: float) -> None:
    """Makes a collected file one of robomimic's, with a share for validation, by its scripts."""
    for script, options in (
        ("conversion.convert_robosuite", []),
        ("split_train_val", ["--ratio", str(valid)]),
    ):
        # Run as commands, but here: a process of their own would import torch again.
        words = [script, "--dataset", str(path), *options]
        with mock.patch.object(sys, "argv", words), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they average the lengths of no demonstrations
            runpy.run_module(f"robomimic.scripts.{script}", run_name="__main__")


def make_old(path: Path) -> None:
    """Rewrites a file in place as robosuite 1.4.1 would have written it on another machine.

    A stand-in, for robosuite 1.4.1 cannot be installed beside 1.5: the names, paths and arguments
    that differ were taken from a file that 1.4.1 has written.
    """
    with h5py.File(path, "a") as file:
        env_args = json.loads(file["data"].attrs["env_args"])
        env_args["env_version"] = "1.4.1"
        env_args["env_kwargs"] = {
            "robots": ["Panda"],
            "controller_configs": OLD_CONTROLLER,
            "control_freq": 20,
            "gripper_types": "PandaGripper",
        }
        file["data"].attrs["env_args"] = json.dumps(env_args)
        for demo in file["data"].values():
            demo.attrs["model_file"] = _old_model(demo.attrs["model_file"])


def act_randomly(path: Path, task: str, robots: list[str], steps: int, episodes: int = 1) -> Path:
    """Demonstrations of one of robosuite's tasks in robomimic's form, by slowly varying actions."""
    from sims.robosuite.package import import_robosuite, no_model_of_the_robot_alone

    options = {"robots": robots, "control_freq": 20, "use_camera_obs": False}
    hidden = {"has_renderer": False, "has_offscreen_renderer": False, "ignore_done": True}
    rng = np.random.default_rng(0)
    robosuite = import_robosuite()
    with no_model_of_the_robot_alone():
        env = robosuite.make(task, seed=0, **options, **hidden)
    low, high = env.action_spec
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        version = {"env_version": robosuite.__version__}
        made_by = {"env_name": task, "type": 1, "env_kwargs": options, **version}
        data.attrs["env_args"] = json.dumps(made_by)
        for episode in range(episodes):
            env.reset()
            demo = data.create_group(f"demo_{episode}")
            demo.attrs["model_file"] = env.sim.model.get_xml()
            action, states = rng.uniform(low, high), []
            for _ in range(steps):
                states.append(env.sim.get_state().flatten())
                env.step(action)
            demo["states"] = np.stack(states)
            demo["actions"] = np.tile(action, (steps, 1))
    env.close()
    return path


def _old_model(model: str) -> str:
    import robosuite

    site = next(line for line in model.splitlines() if f'site name="{ARM_ORIGIN}"' in line)
    assert FIRST_LINK in model
    for new, old in (
        (site, ""),
        ('"gripper0_right_', '"gripper0_'),
        ('"fixed_mount0_', '"mount0_'),
        ("/assets/bases/", "/assets/mounts/"),
        (str(Path(robosuite.__file__).parent) + "/", f"{ELSEWHERE}robosuite/"),
    ):
        assert new in model
        model = model.replace(new, old)
    return model
