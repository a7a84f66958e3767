"""List the content of an HDF5 file in robomimic's layout, and name the command to use it with.

    python examples/own_robomimic_file.py demos.hdf5 --picture first.png

A file with pictures can be read as it is, or converted. A file without, such as robomimic's
low-dimensional ones, still holds the simulator's states, from which all views can be rendered.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tyro
from PIL import Image

from datasets.command import command, parse
from datasets.formats.robomimic import RobomimicSource, open_demonstrations
from datasets.storage.index import demo_number
from sims.robosuite.demos import DemonstrationFile


def observations(path: Path) -> dict[str, dict[str, tuple[int, ...]]]:
    """Name and shape (time first) of each observation, by demonstration."""
    with open_demonstrations(path) as file:
        data = file["data"]  # files that robosuite collected have states only, and no `obs`
        demos = {name: data[name].get("obs", {}) for name in sorted(data, key=demo_number)}
        return {name: {key: obs[key].shape for key in obs} for name, obs in demos.items()}


def main(demos: tyro.conf.Positional[Path], picture: Path = Path("first.png")) -> None:
    """List a file's demonstrations, and show the first or say how to render it.

    Args:
        demos: robomimic's HDF5 file.
        picture: Output picture: all views half-way through the first demonstration.
    """
    found = observations(demos)
    for name, shapes in found.items():
        print(name, *(f"{key} {shape}" for key, shape in shapes.items()), sep="\n    ")
    if any(key.endswith("_image") for shapes in found.values() for key in shapes):
        source = RobomimicSource(demos)
        episode = source.episode(0)
        middle = [episode.images[view][len(episode) // 2] for view in source.views]
        Image.fromarray(np.concatenate(middle, axis=1)).save(picture)
        print(f"{picture}: {', '.join(source.views)} of {source.names[0]}")
        print(f"next: python -m datasets.convert {demos} data/{demos.stem} --to episodes")
    else:
        task = DemonstrationFile(demos).env_args["env_name"]  # checks that it can be restored
        print(f"{task} without pictures, but with the states to render them from")
        print(f"next: python -m sims.replay --demos {demos} --views 4")


if __name__ == "__main__":
    with command():
        parse(main, "python examples/own_robomimic_file.py")
