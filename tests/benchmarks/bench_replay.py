"""Time replaying a recorded Lift episode against robomimic's `dataset_states_to_obs`.

Run: python tests/benchmarks/bench_replay.py

Both restore the same states of the same model and take five views at 224x224 of each: robomimic
through `extract_trajectory` of its script, which gives pictures and proprioception; ours through
`restore_episode`, which gives poses, visibility, cameras and phases besides. Writing is left out
of both. Each lives in a process of its own and takes its turn, with software rendering kept to
one thread, as the workers of `sims.replay` have it.
"""

import importlib
import multiprocessing
import os
import sys
import time
import types
from collections.abc import Callable
from itertools import islice
from multiprocessing.connection import Connection

import numpy as np
from measuring import note_rendering

os.environ.setdefault("LP_NUM_THREADS", "0")

SIZE = 224
SEED = 7
STEPS = slice(0, 48, 2)
ROUNDS = 3
CAMERAS = ("agentview", "frontview", "birdview", "sideview", "robot0_eye_in_hand")
BASELINE, OURS = "robomimic extract_trajectory", "sims.replay"


def main() -> None:
    """Print medians over interleaved rounds and their ratio."""
    context = multiprocessing.get_context("spawn")
    servers: dict[str, Connection] = {}
    processes = []
    for name in (BASELINE, OURS):
        ours, theirs = context.Pipe()
        processes.append(context.Process(target=serve, args=(name, theirs), daemon=True))
        processes[-1].start()
        servers[name] = ours
    notes = {name: connection.recv() for name, connection in servers.items()}
    times: dict[str, list[tuple[float, float, int]]] = {name: [] for name in servers}
    for round_index in range(ROUNDS + 1):
        for name, connection in servers.items():
            connection.send(True)
            measured = connection.recv()
            if round_index > 0:  # the first round warms up
                times[name].append(measured)
    for connection, process in zip(servers.values(), processes, strict=True):
        connection.send(False)
        process.join()
    frames = times[OURS][0][2]
    assert all(counted == frames for rounds in times.values() for *_, counted in rounds)
    if notes[BASELINE]:
        print(notes[BASELINE])
    spent = {name: [(cpu, wall) for cpu, wall, _ in rounds] for name, rounds in times.items()}
    note_rendering(f"Lift, 5 views, {SIZE}², {notes[OURS]}", BASELINE, spent, frames)


def serve(name: str, connection: Connection) -> None:
    """Restore the episode whenever asked; send CPU seconds, wall seconds and number of frames."""
    restore, note = baseline() if name == BASELINE else ours()
    connection.send(note)
    while connection.recv():
        start_cpu, start = time.process_time(), time.perf_counter()
        frames = restore()
        connection.send((time.process_time() - start_cpu, time.perf_counter() - start, frames))


def ours() -> tuple[Callable[[], int], str]:
    """A function that restores the episode and returns its frames, and the renderer's name."""
    from sims.gl import renderer_name
    from sims.robosuite.demos import Demonstration
    from sims.robosuite.restore import restore_episode

    env, states, actions = record()
    demo = Demonstration(states, actions, env.model_file())

    def restore() -> int:
        episode = restore_episode(env, demo, "the benchmark's episode")
        return sum(map(len, episode.images.values()))

    restore()
    return restore, renderer_name()


def baseline() -> tuple[Callable[[], int], str]:
    """robomimic's part of it, and what had to be done that it runs."""
    env, states, actions = record()
    model_file, env_args = env.model_file(), env.env_args()
    env.close()
    note = stand_in_for_mujoco_py()
    from robomimic.scripts.dataset_states_to_obs import extract_trajectory
    from robomimic.utils.env_utils import create_env_for_data_processing

    theirs = create_env_for_data_processing(env_args, list(CAMERAS), SIZE, SIZE, False)
    start = {"states": states[0], "model": model_file}

    def restore() -> int:
        made = extract_trajectory(theirs, start, states, actions, done_mode=2)
        pictures = [made["obs"][f"{camera}_image"] for camera in CAMERAS]
        assert all(picture.shape == (len(states), SIZE, SIZE, 3) for picture in pictures)
        return sum(map(len, pictures))

    return restore, note


def stand_in_for_mujoco_py() -> str:
    """Lets robomimic import its environment where `mujoco_py` is missing; says so."""
    try:
        importlib.import_module("robomimic.envs.env_robosuite")
    except ImportError as error:
        # It is imported for the name of an exception alone; the loop that is timed does not use it.
        sys.modules["mujoco_py"] = types.ModuleType("mujoco_py")
        importlib.import_module("robomimic.envs.env_robosuite")
        return (
            f"robomimic's script does not run here as it comes ({error}): its own code is timed "
            "with an empty module of that name"
        )
    return ""


def record() -> tuple:
    """Lift with some states that an expert passes through, and its actions there."""
    import sims

    env = sims.make("lift", views=len(CAMERAS) - 1, size=SIZE)
    env.reset(seed=SEED)
    states, actions = [], []
    for step in islice(env.expert(np.random.default_rng(SEED)), STEPS.stop):
        states.append(env.state())
        actions.append(step.action)
        env.step(step.action)
    return env, np.array(states)[STEPS], np.array(actions)[STEPS]


if __name__ == "__main__":
    main()
