"""Time rendering five views of Lift at 224x224 against robosuite's own `sim.render` of them.

Run: python tests/benchmarks/bench_rendering.py

Each renderer lives in a process of its own, for robosuite's and MuJoCo's graphics contexts do not
share one, and draws the same states from the same cameras in turn with the others. Software
rendering is kept to one thread, as the generator's workers have it. Ours draws what stands still in
the four fixed views in the first round, which warms up; in an episode that happens once.
"""

import multiprocessing
import os
import time
from collections.abc import Callable
from itertools import islice
from multiprocessing.connection import Connection

import numpy as np
from measuring import ROOT, note_rendering
from PIL import Image, ImageDraw

os.environ.setdefault("LP_NUM_THREADS", "0")

SIZE = 224
SEED = 7
STATES = (0, 15, 30, 45)
ROUNDS = 9
BASELINE = "robosuite sim.render"
FULL = "backdrops kept"
LIGHT = "backdrops kept and lighter meshes"
OUTPUT = ROOT / "runs" / "bench_rendering.png"


def main() -> None:
    """Print medians over interleaved rounds and their ratios; write a side-by-side picture."""
    context = multiprocessing.get_context("spawn")
    renderers: dict[str, Connection] = {}
    processes = []
    for name in (BASELINE, FULL, LIGHT):
        ours, theirs = context.Pipe()
        processes.append(context.Process(target=serve, args=(name, theirs), daemon=True))
        processes[-1].start()
        renderers[name] = ours
    driver = {name: connection.recv() for name, connection in renderers.items()}[LIGHT]
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in renderers}
    pictures: dict[str, dict[str, np.ndarray]] = {}
    for round_index in range(ROUNDS + 1):
        for name, connection in renderers.items():
            connection.send(True)
            cpu, wall, pictures[name] = connection.recv()
            if round_index > 0:  # the first round warms up
                times[name].append((cpu, wall))
    for connection, process in zip(renderers.values(), processes, strict=True):
        connection.send(False)
        process.join()
    what = f"five views of Lift, {SIZE}², {driver}"
    note_rendering(what, BASELINE, times, len(STATES) * 5)
    write_side_by_side(pictures)


def serve(name: str, connection: Connection) -> None:
    """Render a round whenever asked; send CPU seconds, wall seconds and the last pictures."""
    render, driver = baseline() if name == BASELINE else ours(light_meshes=name == LIGHT)
    connection.send(driver)
    while connection.recv():
        cpu = wall = 0.0
        for index in range(len(STATES)):
            draw = render(index)
            start_cpu, start = time.process_time(), time.perf_counter()
            images = draw()
            cpu += time.process_time() - start_cpu
            wall += time.perf_counter() - start
        connection.send((cpu, wall, images))


Draw = Callable[[], dict[str, np.ndarray]]


def ours(light_meshes: bool) -> tuple[Callable[[int], Draw], str]:
    """Our renderer: for a state, the function that draws it."""
    import sims
    from sims.gl import renderer_name

    env = sims.make("lift", views=4, size=SIZE, light_meshes=light_meshes)
    states = visit(env)

    def prepare(index: int) -> Draw:
        env.set_state(states[index])
        return env.render_views

    prepare(0)()
    return prepare, renderer_name()


def baseline() -> tuple[Callable[[int], Draw], str]:
    """robosuite's own off-screen renderer, its cameras moved to where ours are."""
    import sims

    env = sims.make("lift", views=4, size=SIZE)
    states = visit(env)
    kwargs = {**env.env_args()["env_kwargs"], "has_offscreen_renderer": True}
    import robosuite
    from scipy.spatial.transform import Rotation

    theirs = robosuite.make("Lift", seed=SEED, **kwargs)
    theirs.reset()
    sim = theirs.sim
    model = sim.model._model
    # A camera of theirs for each of our views, taken off the body that carries it.
    names = {view: model.camera(i).name for i, view in enumerate(env.views)}

    def prepare(index: int) -> Draw:
        env.set_state(states[index])
        sim.set_state_from_flattened(states[index])
        for i, camera in enumerate(env.cameras().values()):
            # MuJoCo's cameras look along -z with y up, ours along z with y down.
            axes = camera.world_to_camera[:3, :3].T @ np.diag([1.0, -1.0, -1.0])
            model.cam_bodyid[i] = 0
            model.cam_pos[i] = camera.position
            model.cam_quat[i] = Rotation.from_matrix(axes).as_quat(scalar_first=True)
            focal = camera.intrinsics[1, 1]
            model.cam_fovy[i] = 2 * np.degrees(np.arctan(camera.height / 2 / focal))
        sim.forward()
        return draw

    def draw() -> dict[str, np.ndarray]:
        return {
            view: sim.render(width=SIZE, height=SIZE, camera_name=name)[::-1]
            for view, name in names.items()
        }

    return prepare, ""


def visit(env) -> list[np.ndarray]:
    """The states that an expert passes through at the times in `STATES`."""
    env.reset(seed=SEED)
    states = [env.state()]
    for step in islice(env.expert(np.random.default_rng(SEED)), max(STATES)):
        env.step(step.action)
        states.append(env.state())
    return [states[time_step] for time_step in STATES]


def write_side_by_side(pictures: dict[str, dict[str, np.ndarray]]) -> None:
    """Write a row of the five views for each renderer."""
    rows = []
    for name, images in pictures.items():
        row = Image.fromarray(np.concatenate(list(images.values()), axis=1))
        ImageDraw.Draw(row).text((4, 4), name, fill=(255, 60, 60))
        rows.append(np.asarray(row))
    OUTPUT.parent.mkdir(exist_ok=True)
    Image.fromarray(np.concatenate(rows)).save(OUTPUT)
    print(f"side by side: {OUTPUT}")


if __name__ == "__main__":
    main()
