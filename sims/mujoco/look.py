"""The look of a MuJoCo model, drawn at random: textures, colours, lights and the sky.

Only what is drawn changes. Physics does not read it, so states and keypoints stay as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool

from sims.gl import import_mujoco
from sims.paint import random_colour, random_texture

if TYPE_CHECKING:
    import mujoco

# What is changed, by its name in the model and in its headlight.
_FIELDS = (
    *("tex_data", "mat_rgba", "geom_rgba"),
    *("light_diffuse", "light_pos", "light_dir"),
)
_HEADLIGHT = ("ambient", "diffuse")
# Brightness of the lights. In robosuite's worlds the headlight has 0.1 and 0.4, the lamp 0.7.
AMBIENT, HEADLIGHT, LAMP = (0.1, 0.4), (0.3, 0.6), (0.5, 0.9)
# Share of the light's colour that is drawn; the rest is white.
TINT = 0.3
# A lamp is moved by up to this many metres along each axis, and points elsewhere by this much.
LAMP_SHIFT = 0.5


class RandomLook:
    """Gives models a drawn look, and their own look back."""

    def __init__(self) -> None:
        """Begins with the look of the models themselves."""
        self._seed: int | None = None
        self._model: mujoco.MjModel | None = None
        self._own: dict[str, np.ndarray] = {}

    def draw(self, rng: np.random.Generator | None) -> None:
        """Draws the look of the models that `apply` gets from now on; None is their own."""
        self._seed = None if rng is None else int(rng.integers(2**63))

    def apply(
        self, model: mujoco.MjModel, data: mujoco.MjData, is_actor: Bool[np.ndarray, " bodies"]
    ) -> None:
        """Changes the look of a model and the lights of its state.

        Args:
            model: The model, which keeps the robot's own colours.
            data: Its state, whose poses are up to date.
            is_actor: The bodies of the robot.
        """
        if model is not self._model:
            self._model, self._own = model, {}
        if not self._own and self._seed is None:
            return
        self._own = self._own or {name: array.copy() for name, array in _arrays(model).items()}
        for name, array in _arrays(model).items():
            array[:] = self._own[name]
        if self._seed is not None:
            _paint(model, is_actor[model.geom_bodyid], np.random.default_rng(self._seed))
        import_mujoco().mj_camlight(model, data)


def _arrays(model: mujoco.MjModel) -> dict[str, np.ndarray]:
    """The arrays that a look consists of; writing to them changes the model."""
    headlight: Any = model.vis.headlight
    return {name: getattr(model, name) for name in _FIELDS} | {
        f"headlight {name}": getattr(headlight, name) for name in _HEADLIGHT
    }


def _paint(
    model: mujoco.MjModel, of_actor: Bool[np.ndarray, " geoms"], rng: np.random.Generator
) -> None:
    kept_materials = set(model.geom_matid[of_actor].tolist())
    kept_textures = {t for m in kept_materials if m >= 0 for t in model.mat_texid[m].tolist()}
    for texture in set(range(model.ntex)) - kept_textures:
        _paint_texture(model, texture, rng)
    for material in set(range(model.nmat)) - kept_materials:
        # A texture is multiplied by its material's colour, so it gets a pale one.
        textured = (model.mat_texid[material] >= 0).any()
        colour = random_colour(rng)
        model.mat_rgba[material, :3] = (1 + colour) / 2 if textured else colour
    for geom in np.flatnonzero(~of_actor & (model.geom_matid < 0)):
        model.geom_rgba[geom, :3] = random_colour(rng)
    _light(model, rng)


def _paint_texture(model: mujoco.MjModel, texture: int, rng: np.random.Generator) -> None:
    height, width = int(model.tex_height[texture]), int(model.tex_width[texture])
    channels, first = int(model.tex_nchannel[texture]), int(model.tex_adr[texture])
    # Cubes and skies are columns of square faces, which get the same pattern.
    side = min(height, width) if height % width == 0 else height
    painted = np.tile(random_texture(rng, side, width), (height // side, 1, 1))
    pixels = model.tex_data[first : first + height * width * channels]
    shaped = pixels.reshape(height, width, channels)
    shaped[..., :3] = painted if channels >= 3 else painted.mean(-1, keepdims=True)


def _light(model: mujoco.MjModel, rng: np.random.Generator) -> None:
    def lamp(brightness: tuple[float, float]) -> np.ndarray:
        return rng.uniform(*brightness) * (1 - TINT + TINT * random_colour(rng))

    headlight = model.vis.headlight
    headlight.ambient[:], headlight.diffuse[:] = rng.uniform(*AMBIENT), lamp(HEADLIGHT)
    for light in range(model.nlight):
        model.light_diffuse[light] = lamp(LAMP)
        model.light_pos[light] += rng.uniform(-LAMP_SHIFT, LAMP_SHIFT, 3)
        direction = model.light_dir[light] + rng.uniform(-LAMP_SHIFT, LAMP_SHIFT, 3)
        model.light_dir[light] = direction / np.linalg.norm(direction)
