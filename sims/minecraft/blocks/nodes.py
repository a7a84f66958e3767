"""Panda3D's software renderer, and NumPy arrays as its textures and meshes."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import UInt8

from sims.errors import SimulatorError
from sims.minecraft.blocks.mesh import Quads

INSTALL_PANDA3D = "pip install 'posealign[minecraft]'"
INSTALL_X11 = "apt-get install -y libx11-6"
# Transforms of past frames are freed at once: only Panda3D's own main loop would collect them.
SETTINGS = """
garbage-collect-states 0
window-type offscreen
audio-library-name null
notify-level-display error
"""


@lru_cache(maxsize=1)
def import_panda3d() -> Any:
    """Imports `panda3d.core`, set up to draw without a screen.

    Raises:
        SimulatorError: When Panda3D is not installed.
    """
    try:
        from panda3d import core
    except ImportError as error:
        raise SimulatorError(
            f"Panda3D, which draws the blocks, does not import ({error}). Run: {INSTALL_PANDA3D}"
        ) from error
    core.load_prc_file_data("posealign", SETTINGS)
    return core


@lru_cache(maxsize=1)
def software_pipe() -> Any:
    """The pipe to the software renderer, one for all scenes of a process.

    Raises:
        SimulatorError: When Panda3D or a library of the system is missing.
    """
    core = import_panda3d()
    selection = core.GraphicsPipeSelection.get_global_ptr()
    pipe = selection.make_pipe("TinyOffscreenGraphicsPipe", "p3tinydisplay")
    if pipe is None:
        raise SimulatorError(
            "Panda3D's software renderer (p3tinydisplay) does not load, most often because libX11 "
            f"is missing. On Debian or Ubuntu run: {INSTALL_X11}"
        )
    return pipe


def make_texture(picture: UInt8[np.ndarray, "height width channels"]) -> Any:
    """A repeating texture of an upright RGB or RGBA picture, without interpolation."""
    core = import_panda3d()
    height, width, channels = picture.shape
    pixels, order = {3: (core.Texture.F_rgb, "RGB"), 4: (core.Texture.F_rgba, "RGBA")}[channels]
    texture = core.Texture()
    texture.setup_2d_texture(width, height, core.Texture.T_unsigned_byte, pixels)
    # Panda3D's first row is the lowest.
    texture.set_ram_image_as(np.ascontiguousarray(picture[::-1]).tobytes(), order)
    for set_filter in (texture.set_minfilter, texture.set_magfilter):
        set_filter(core.SamplerState.FT_nearest)
    for set_wrap in (texture.set_wrap_u, texture.set_wrap_v):
        set_wrap(core.SamplerState.WM_repeat)
    return texture


def add_quads(parent: Any, quads: Quads, texture: Any = None) -> None:
    """Adds quadrilaterals below a node; they are transparent where the texture is.

    Args:
        parent: A NodePath.
        quads: The quadrilaterals, visible from their front only.
        texture: A texture from `make_texture`; None for colours only.
    """
    core = import_panda3d()
    count = 4 * len(quads.corners)
    packed = np.zeros(count, [("corner", "<f4", 3), ("colour", "u1", 4), ("uv", "<f4", 2)])
    packed["corner"] = quads.corners.reshape(-1, 3)
    packed["colour"] = quads.colours.reshape(-1, 4)
    packed["uv"] = quads.uv.reshape(-1, 2)
    vertices = core.GeomVertexData("quads", core.GeomVertexFormat.get_v3c4t2(), core.Geom.UH_static)
    vertices.unclean_set_num_rows(count)
    vertices.modify_array(0).modify_handle().copy_data_from(packed.tobytes())
    corners = quads.triangles().astype(np.uint32)
    triangles = core.GeomTriangles(core.Geom.UH_static)
    triangles.set_index_type(core.GeomEnums.NT_uint32)
    indices = triangles.modify_vertices()
    indices.unclean_set_num_rows(corners.size)
    indices.modify_handle().copy_data_from(corners.tobytes())
    geom = core.Geom(vertices)
    geom.add_primitive(triangles)
    node = core.GeomNode("quads")
    node.add_geom(geom)
    path = parent.attach_new_node(node)
    if texture is not None:
        path.set_texture(texture)
        if texture.get_num_components() == 4:
            path.set_transparency(core.TransparencyAttrib.M_alpha)
            path.set_depth_write(False)  # transparent pixels must not hide what lies behind
