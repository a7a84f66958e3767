"""Draws a world of blocks and its player with Panda3D's software renderer.

All views are tiles of one off-screen picture, so that a state costs one pass and one copy. Nothing
of the graphics card, the driver or a clock takes part: a state always gives the same bytes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8

from datasets.cameras import Camera
from sims.blocks_mesh import Quads, block_quads, part_quads, skin_atlas
from sims.blocks_textures import Kind, tiles
from sims.blocks_world import HALF, ORIGIN, World
from sims.env import EGO
from sims.errors import SimulatorError
from sims.player import PARTS, Boxes

INSTALL_PANDA3D = "pip install 'posealign[minecraft]'"
NEAR, FAR = 0.08, 150.0
# Who looks out of a head does not see it.
HIDDEN_FROM_EGO = ("head",)
SHADOW_RADIUS = 0.42
_HAZE, _ZENITH = (206, 226, 240), (112, 172, 232)
# Below the sky, where the world ends; it shows through the hair-lines between blocks, too.
_FAR_LAND = (92, 140, 80)
_CHUNK = 8  # columns along the edge of what is culled at once


@lru_cache(maxsize=1)
def _pipe() -> Any:
    """Panda3D and its software pipe, of which a process needs one.

    Raises:
        SimulatorError: When Panda3D or a library of the system is missing.
    """
    try:
        from panda3d import core
    except ImportError as error:
        raise SimulatorError(
            f"Panda3D, which draws the blocks, does not import ({error}). Run: {INSTALL_PANDA3D}"
        ) from error
    core.load_prc_file_data(
        "posealign",
        "load-display p3tinydisplay\nwindow-type offscreen\naudio-library-name null\n"
        "notify-level-display error\nnotify-level-tinydisplay error\n",
    )
    pipe = core.GraphicsPipeSelection.get_global_ptr().make_pipe(
        "TinyOffscreenGraphicsPipe", "p3tinydisplay"
    )
    if pipe is None:
        raise SimulatorError(
            "Panda3D's software renderer does not load; it needs libX11. "
            "On Debian or Ubuntu run: apt-get install -y libx11-6"
        )
    return core, pipe


class BlocksScene:
    """One world at a time, seen from several cameras."""

    def __init__(self, views: tuple[str, ...], size: int) -> None:
        """Opens an off-screen picture with a tile of `size` pixels for each view.

        Raises:
            SimulatorError: When Panda3D or a library of the system is missing.
        """
        self._core, pipe = _pipe()
        self.views, self.size = views, size
        self._columns = int(np.ceil(np.sqrt(len(views))))
        self._rows = int(np.ceil(len(views) / self._columns))
        core = self._core
        self._engine = core.GraphicsEngine(pipe)
        properties = core.WindowProperties.size(self._columns * size, self._rows * size)
        pixels = core.FrameBufferProperties()
        pixels.set_rgba_bits(8, 8, 8, 8)
        pixels.set_depth_bits(24)
        self._buffer = self._engine.make_output(
            pipe, "views", 0, pixels, properties, core.GraphicsPipe.BF_refuse_window
        )
        if self._buffer is None:
            raise SimulatorError(f"Panda3D could not open a picture for {len(views)} views.")
        self._picture = core.Texture()
        self._buffer.add_render_texture(self._picture, core.GraphicsOutput.RTM_copy_ram)
        self._buffer.set_clear_color(tuple(c / 255 for c in (*_FAR_LAND, 255)))
        self._root = core.NodePath("root")
        self._land: Any = None
        self._goals: list[Any] = []
        self._tiles = {tile: self._texture(picture) for tile, picture in tiles().items()}
        self._skin = self._texture(skin_atlas())
        self._sky = self._add_sky()
        self._shadow = self._root.attach_new_node("shadow")
        self._player = self._add_player()
        self._aimed: dict[str, Camera] = {}
        self._cameras = {view: self._add_camera(i, view) for i, view in enumerate(views)}

    def load(self, world: World) -> None:
        """Replaces the world."""
        if self._land is not None:
            for node in (self._land, *self._goals):
                node.remove_node()
        blocks = world.blocks.copy()
        goal = blocks == Kind.GOAL
        blocks[goal] = Kind.AIR
        self._land = self._root.attach_new_node("land")
        self._add_blocks(self._land, blocks)
        self._goals = []
        for kind in (Kind.GOAL, Kind.STRUCK_GOAL):
            node = self._root.attach_new_node(kind.name.lower())
            self._add_blocks(node, np.where(goal, kind, Kind.AIR).astype(np.uint8))
            self._goals.append(node)
        self._ground = world.ground

    def render(
        self, boxes: Boxes, struck: bool, cameras: dict[str, Camera]
    ) -> dict[str, UInt8[np.ndarray, "height width 3"]]:
        """Pictures of a state.

        Args:
            boxes: The player's.
            struck: Whether the goal looks struck.
            cameras: Of every view.
        """
        self._pose(boxes, struck, cameras)
        return self._draw()

    def masks(
        self, boxes: Boxes, struck: bool, cameras: dict[str, Camera]
    ) -> dict[str, Bool[np.ndarray, "height width"]]:
        """The pixels that show the player, from a pass in flat colours."""
        core = self._core
        self._pose(boxes, struck, cameras)
        self._shadow.hide()
        for camera in self._cameras.values():
            node = camera.node()
            node.set_initial_state(self._flat((0, 0, 0, 1), override=10))
            node.set_tag_state("player", self._flat((1, 1, 1, 1), override=20))
        images = self._draw()
        for camera in self._cameras.values():
            camera.node().set_initial_state(core.RenderState.make_empty())
            camera.node().clear_tag_states()
        self._shadow.show()
        return {view: (image == 255).all(axis=-1) for view, image in images.items()}

    def _flat(self, colour: tuple[float, ...], override: int) -> Any:
        """A state that draws in one colour whatever nodes of a lower override say."""
        core = self._core
        return core.RenderState.make(
            core.ColorAttrib.make_flat(colour),
            core.TextureAttrib.make_all_off(),
            core.TransparencyAttrib.make(core.TransparencyAttrib.M_none),
            override,
        )

    def close(self) -> None:
        """Frees the picture."""
        self._engine.remove_all_windows()
        self._root.remove_node()

    def _pose(self, boxes: Boxes, struck: bool, cameras: dict[str, Camera]) -> None:
        core = self._core
        for i, name in enumerate(PARTS):
            matrix = np.eye(4)
            # Panda3D multiplies rows from the left.
            matrix[:3, :3] = (boxes.rotations[i] * boxes.sizes[i]).T
            matrix[3, :3] = boxes.centres[i]
            self._player[name].set_mat(core.Mat4(*matrix.ravel().tolist()))
        for node, shown in zip(self._goals, (not struck, struck), strict=True):
            node.show() if shown else node.hide()
        self._cast_shadow(boxes)
        for view, camera in cameras.items():
            if self._aimed.get(view) is not camera:
                self._aim(view, camera)
                self._aimed[view] = camera

    def _draw(self) -> dict[str, UInt8[np.ndarray, "height width 3"]]:
        self._engine.render_frame()
        rows, columns = self._rows * self.size, self._columns * self.size
        data = np.frombuffer(self._picture.get_ram_image_as("RGB"), np.uint8)
        whole = data.reshape(rows, columns, 3)[::-1]
        images = {}
        for i, view in enumerate(self.views):
            y, x = (self.size * n for n in divmod(i, self._columns))
            images[view] = whole[y : y + self.size, x : x + self.size].copy()
        return images

    def _add_camera(self, i: int, view: str) -> Any:
        core = self._core
        row, column = divmod(i, self._columns)
        region = self._buffer.make_display_region(
            column / self._columns,
            (column + 1) / self._columns,
            1 - (row + 1) / self._rows,
            1 - row / self._rows,
        )
        node = core.Camera(view)
        node.set_tag_state_key("actor")
        node.set_camera_mask(core.BitMask32.bit(0 if view == EGO else 1))
        path = self._root.attach_new_node(node)
        region.set_camera(path)
        return path

    def _aim(self, view: str, camera: Camera) -> None:
        core = self._core
        lens = core.PerspectiveLens()
        # The renderer spreads a picture of n pixels over n - 0.5 of them from the upper left on:
        # a film that is smaller by as much, and shifted by half of that, undoes it.
        film = self.size - 0.5
        lens.set_film_size(film, film)
        lens.set_film_offset(-0.25, 0.25)
        lens.set_focal_length(float(camera.intrinsics[1, 1]))
        lens.set_near_far(NEAR, FAR)
        path = self._cameras[view]
        path.node().set_lens(lens)
        rotation = camera.world_to_camera[:3, :3]
        matrix = np.eye(4)
        # Panda3D's cameras look along y with z up, ours along z with y down.
        matrix[:3, :3] = rotation[0], rotation[2], -rotation[1]
        matrix[3, :3] = camera.position
        path.set_mat(core.Mat4(*matrix.ravel().tolist()))

    def _add_blocks(self, parent: Any, blocks: UInt8[np.ndarray, "x y z"]) -> None:
        for tile, quads in block_quads(blocks, ORIGIN).items():
            chunk = (quads.corners.mean(axis=1)[:, :2] - ORIGIN[:2]) // _CHUNK
            for one in np.unique(chunk, axis=0):
                self._mesh(parent, quads.part((chunk == one).all(axis=1)), self._tiles[tile])

    def _add_player(self) -> dict[str, Any]:
        core = self._core
        nodes = {}
        for name in PARTS:
            node = self._root.attach_new_node(name)
            self._mesh(node, part_quads(name), self._skin)
            node.set_tag("actor", "player")
            if name in HIDDEN_FROM_EGO:
                node.hide(core.BitMask32.bit(0))
            nodes[name] = node
        return nodes

    def _add_sky(self) -> Any:
        """A dome that pales towards the horizon, and some clouds."""
        sky = self._root.attach_new_node("sky")
        sky.set_bin("background", 0)
        sky.set_depth_write(False)
        sky.set_depth_test(False)
        azimuth = np.linspace(0, 2 * np.pi, 17)
        elevation = np.radians([-2.0, 2, 20, 50, 90])
        share = np.clip(elevation / np.radians(50), 0, 1)[:, None]
        tint = (1 - share) * np.array(_HAZE) + share * np.array(_ZENITH)
        corners, colours = [], []
        for a in range(len(elevation) - 1):
            for b in range(len(azimuth) - 1):
                ring, spoke = [a, a, a + 1, a + 1], [b + 1, b, b, b + 1]
                flat = np.cos(elevation[ring])
                direction = np.stack(
                    [
                        flat * np.cos(azimuth[spoke]),
                        flat * np.sin(azimuth[spoke]),
                        np.sin(elevation[ring]),
                    ],
                    axis=1,
                )
                corners.append(100 * direction)
                colours.append(np.append(tint[ring], np.full((4, 1), 255), axis=1))
        count = len(corners)
        dome = Quads(
            np.stack(corners),
            np.stack(colours).astype(np.uint8),
            np.zeros((count, 4, 2)),
            np.zeros(count, bool),
        )
        self._mesh(sky, dome, None)
        return sky

    def _cast_shadow(self, boxes: Boxes) -> None:
        """Lays a round shadow on the ground of each column below the player's feet."""
        middle = boxes.centres[list(PARTS).index("torso"), :2]
        feet = (boxes.centres[:, 2] - boxes.sizes[:, 2] / 2).min()
        corners, uv = [], []
        low = np.floor(middle - SHADOW_RADIUS).astype(int)
        high = np.floor(middle + SHADOW_RADIUS).astype(int)
        for x in range(low[0], high[0] + 1):
            for y in range(low[1], high[1] + 1):
                if not (-HALF <= x < HALF and -HALF <= y < HALF):
                    continue
                ground = self._ground[x + HALF, y + HALF]
                a = np.maximum(middle - SHADOW_RADIUS, [x, y])
                b = np.minimum(middle + SHADOW_RADIUS, [x + 1, y + 1])
                if ground > feet + 0.3:
                    continue
                square = np.array([a, [b[0], a[1]], b, [a[0], b[1]]])
                corners.append(np.column_stack([square, np.full(4, ground + 0.015)]))
                uv.append((square - middle) / (2 * SHADOW_RADIUS) + 0.5)
        self._shadow.node().remove_all_children()
        if corners:
            count = len(corners)
            quads = Quads(
                np.stack(corners),
                np.full((count, 4, 4), 255, np.uint8),
                np.stack(uv),
                np.zeros(count, bool),
            )
            self._mesh(self._shadow, quads, self._shadow_texture())

    @lru_cache(maxsize=1)  # noqa: B019  a scene lives as long as its process
    def _shadow_texture(self) -> Any:
        y, x = (np.indices((16, 16)) - 7.5) / 8
        inside = np.hypot(x, y) < 1
        picture = np.zeros((16, 16, 4), np.uint8)
        picture[inside, 3] = 105
        return self._texture(picture)

    def _texture(self, picture: UInt8[np.ndarray, "height width channels"]) -> Any:
        core = self._core
        texture = core.Texture()
        height, width, channels = picture.shape
        pixels = core.Texture.F_rgba if channels == 4 else core.Texture.F_rgb
        texture.setup_2d_texture(width, height, core.Texture.T_unsigned_byte, pixels)
        mode = "RGBA" if channels == 4 else "RGB"
        texture.set_ram_image_as(np.ascontiguousarray(picture[::-1]).tobytes(), mode)
        texture.set_minfilter(core.SamplerState.FT_nearest)
        texture.set_magfilter(core.SamplerState.FT_nearest)
        texture.set_wrap_u(core.SamplerState.WM_repeat)
        texture.set_wrap_v(core.SamplerState.WM_repeat)
        return texture

    def _mesh(self, parent: Any, quads: Quads, texture: Any) -> None:
        core = self._core
        form = core.GeomVertexFormat.get_v3c4t2()
        data = core.GeomVertexData("quads", form, core.Geom.UH_static)
        count = 4 * len(quads.corners)
        packed = np.zeros(count, [("v", "<f4", 3), ("c", "u1", 4), ("t", "<f4", 2)])
        packed["v"] = quads.corners.reshape(-1, 3)
        packed["c"] = quads.colours.reshape(-1, 4)
        packed["t"] = quads.uv.reshape(-1, 2)
        data.unclean_set_num_rows(count)
        data.modify_array(0).modify_handle().copy_data_from(packed.tobytes())
        triangles = core.GeomTriangles(core.Geom.UH_static)
        triangles.set_index_type(core.GeomEnums.NT_uint32)
        indices = quads.triangles().astype(np.uint32)
        array = triangles.modify_vertices()
        array.unclean_set_num_rows(indices.size)
        array.modify_handle().copy_data_from(indices.tobytes())
        geom = core.Geom(data)
        geom.add_primitive(triangles)
        node = core.GeomNode("quads")
        node.add_geom(geom)
        path = parent.attach_new_node(node)
        if texture is not None:
            path.set_texture(texture)
            if texture.get_num_components() == 4:
                path.set_transparency(core.TransparencyAttrib.M_alpha)
                path.set_depth_write(False)
