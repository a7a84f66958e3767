"""Time rendering ten views of Pick at 224x224 against PyBullet's own `getCameraImage` of them.

Run: python tests/benchmarks/bench_pick.py

The baseline draws the same states from the same cameras, with PyBullet's defaults and the arm as
pybullet_data has it; ours gives segmentation and depth too. Both draw by TinyRenderer, in turn.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from sims import pick_scene  # noqa: E402
from sims.bullet import BulletClient  # noqa: E402
from sims.bullet_meshes import panda_folder  # noqa: E402
from sims.bullet_panda import BulletPanda  # noqa: E402
from sims.bullet_views import matrices  # noqa: E402
from sims.pick import PickEnv  # noqa: E402

SIZE = 224
VIEWS = 9
SEED = 7
STATES = (0, 25, 50, 75)
ROUNDS = 7
OUTPUT = ROOT / "runs" / "bench_pick.png"

Images = list[np.ndarray]


def main() -> None:
    """Print medians over interleaved rounds and their ratios; write a side-by-side picture."""
    env = PickEnv(views=VIEWS, size=SIZE)
    states = visit(env)
    renderers = {"PyBullet getCameraImage": baseline(env), "ours": lambda: ours(env)}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in renderers}
    pictures: dict[str, Images] = {}
    for round_index in range(ROUNDS + 1):
        for name, render in renderers.items():
            cpu = wall = 0.0
            for state in states:
                env.set_state(state)
                start_cpu, start = time.process_time(), time.perf_counter()
                pictures[name] = render()
                cpu += time.process_time() - start_cpu
                wall += time.perf_counter() - start
            if round_index > 0:  # the first round warms up
                times[name].append((cpu, wall))
    env.close()
    report(times)
    OUTPUT.parent.mkdir(exist_ok=True)
    Image.fromarray(np.concatenate([np.concatenate(p, axis=1) for p in pictures.values()])).save(
        OUTPUT
    )
    print(f"side by side: {OUTPUT}")


def visit(env: PickEnv) -> list[np.ndarray]:
    """The states that an expert passes through at the times in `STATES`."""
    env.reset(seed=SEED)
    states = [env.state()]
    for step in islice(env.expert(np.random.default_rng(SEED)), max(STATES)):
        env.step(step.action)
        states.append(env.state())
    return [states[min(time_step, len(states) - 1)] for time_step in STATES]


def ours(env: PickEnv) -> Images:
    """Our pictures of the present state."""
    return list(env.render_views().values())


def baseline(env: PickEnv) -> Callable[[], Images]:
    """A function that draws the environment's present state in a scene of PyBullet's own means."""
    client = BulletClient("tiny")
    pick_scene.add_scenery(client)
    arm = BulletPanda(client, panda_folder() / "panda.urdf")
    cube = pick_scene.add_cube(client, env._layout)
    pick_scene.add_spot(client, env._layout)

    def draw() -> Images:
        arm.set_joints(*env._panda.joints())
        pose = env._client.call("getBasePositionAndOrientation", env._cube)
        client.call("resetBasePositionAndOrientation", cube, *pose)
        images = []
        for camera in env.cameras().values():
            view, projection = matrices(camera)
            _, _, rgba, _, _ = client.call("getCameraImage", SIZE, SIZE, view, projection)
            images.append(rgba[..., :3])
        return images

    return draw


def report(times: dict[str, list[tuple[float, float]]]) -> None:
    """Print a line for each renderer."""
    frames = len(STATES) * (VIEWS + 1)
    print(f"Pick, ego and {VIEWS} third-person views, {SIZE}x{SIZE}, PyBullet's TinyRenderer")
    print(f"{frames} frames a round, medians of {ROUNDS} rounds; load {os.getloadavg()[0]:.1f}")
    print(f"{'':30}{'CPU ms':>8}{'wall ms':>9}{'frames/s':>10}{'CPU ratio':>11}{'wall ratio':>12}")
    medians = {
        name: [statistics.median(value) for value in zip(*rounds, strict=True)]
        for name, rounds in times.items()
    }
    base_cpu, base_wall = next(iter(medians.values()))
    for name, (cpu, wall) in medians.items():
        print(
            f"{name:30}{1000 * cpu / frames:8.1f}{1000 * wall / frames:9.1f}{frames / wall:10.1f}"
            f"{base_cpu / cpu:11.1f}{base_wall / wall:12.1f}"
        )


if __name__ == "__main__":
    main()
