"""Time rendering ten views of Pick at 224x224 against PyBullet's own `getCameraImage` of them.

Run: python tests/benchmarks/bench_pick.py

The baseline draws the same states from the same cameras, with PyBullet's defaults and the arm as
pybullet_data has it; ours gives segmentation and depth too. Both draw by TinyRenderer, in turn.
"""

import time
from collections.abc import Callable
from itertools import islice

import numpy as np
from measuring import ROOT, note_rendering
from PIL import Image

from sims.bullet import pick_scene
from sims.bullet.client import BulletClient
from sims.bullet.meshes import panda_folder
from sims.bullet.panda import BulletPanda
from sims.bullet.pick import PickEnv
from sims.bullet.views import matrices

SIZE = 224
VIEWS = 9
SEED = 7
STATES = (0, 25, 50, 75)
ROUNDS = 7
BASELINE = "PyBullet getCameraImage"
OUTPUT = ROOT / "runs" / "bench_pick.png"

Images = list[np.ndarray]


def main() -> None:
    """Print medians over interleaved rounds and their ratios; write a side-by-side picture."""
    env = PickEnv(views=VIEWS, size=SIZE)
    states = visit(env)
    renderers = {BASELINE: baseline(env), "lighter meshes, no shadow": lambda: ours(env)}
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
    what = f"{VIEWS + 1} views of Pick, {SIZE}², TinyRenderer"
    note_rendering(what, BASELINE, times, len(STATES) * (VIEWS + 1))
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


if __name__ == "__main__":
    main()
