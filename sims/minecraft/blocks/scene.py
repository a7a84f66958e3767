"""The renderer of a world of blocks and its player, Panda3D's software renderer.

All views are tiles of one off-screen picture, so a state costs one pass and one copy. Pictures do
not depend on the graphics card, the driver or a clock: a state always gives the same bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8

from datasets.cameras import Camera
from datasets.storage.episode_file import EGO
from sims.errors import CLOSED, SimulatorError
from sims.minecraft.blocks.mesh import (
    block_quads,
    part_quads,
    shadow_picture,
    shadow_quads,
    skin_atlas,
)
from sims.minecraft.blocks.nodes import add_quads, import_panda3d, make_texture, software_pipe
from sims.minecraft.blocks.sky import clouds, dome
from sims.minecraft.blocks.textures import Kind, tiles
from sims.minecraft.blocks.world import ORIGIN, World
from sims.minecraft.player import PART_INDEX, PARTS, Boxes

NEAR, FAR = 0.08, 150.0  # metres
# A camera inside the head must not see the head, and sees only arms and legs of its body.
HIDDEN_FROM_EGO = ("head", "torso")
# The order in which nodes are drawn.
_SKY, _LAND, _SHADOW, _PLAYER = range(4)
# Background colour beyond the world's end and in the thin gaps between blocks.
_FAR_LAND = (92, 140, 80)
_CHUNK = 8  # columns along the edge of a square of land that is culled as one


class BlocksScene:
    """One world at a time, seen from several cameras."""

    def __init__(self, views: tuple[str, ...], size: int) -> None:
        """Opens an off-screen picture with a tile of `size` pixels for each view.

        Raises:
            SimulatorError: When Panda3D or a library of the system is missing.
        """
        self._core = core = import_panda3d()
        pipe = software_pipe()
        self.views, self.size = views, size
        self._columns = int(np.ceil(np.sqrt(len(views))))
        self._rows = int(np.ceil(len(views) / self._columns))
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
        # Nodes are drawn in the order of the tree: sorting would use addresses, which change.
        self._root.set_bin("unsorted", 0)
        self._land: Any = None
        self._goals: list[Any] = []
        self._tiles = {tile: make_texture(picture) for tile, picture in tiles().items()}
        self._shadow_texture = make_texture(shadow_picture())
        self._add_sky()
        self._shadow = self._root.attach_new_node("shadow", _SHADOW)
        self._player = self._add_player()
        self._aimed: dict[str, Camera] = {}
        self._regions: dict[str, Any] = {}
        self._cameras = {view: self._add_camera(i, view) for i, view in enumerate(views)}

    def load(self, world: World) -> None:
        """Replaces the world that is drawn."""
        self._require_open()
        if self._land is not None:
            for node in (self._land, *self._goals):
                node.remove_node()
        self._land = self._root.attach_new_node("land", _LAND)
        self._goals = [self._root.attach_new_node(name, _LAND) for name in ("goal", "struck goal")]
        for (kind, side), quads in block_quads(world.blocks, ORIGIN).items():
            if kind is Kind.GOAL:
                for node, look in zip(self._goals, (Kind.GOAL, Kind.STRUCK_GOAL), strict=True):
                    add_quads(node, quads, self._tiles[look, side])
                continue
            chunk = (quads.corners.mean(axis=1)[:, :2] - ORIGIN[:2]) // _CHUNK
            for one in np.unique(chunk, axis=0):
                part = quads.part((chunk == one).all(axis=1))
                add_quads(self._land, part, self._tiles[kind, side])
        self._ground = world.ground

    def render(
        self, boxes: Boxes, struck: bool, cameras: dict[str, Camera]
    ) -> dict[str, UInt8[np.ndarray, "height width 3"]]:
        """Draws a state from every view.

        Args:
            boxes: Boxes of the player.
            struck: Whether the goal looks struck.
            cameras: Camera of every view.
        """
        self._pose(boxes, struck, cameras)
        return self._draw()

    def render_view(
        self, boxes: Boxes, struck: bool, view: str, camera: Camera
    ) -> UInt8[np.ndarray, "height width 3"]:
        """Draws a state from one view alone; arguments as of `render`."""
        self._pose(boxes, struck, {view: camera})
        for name, region in self._regions.items():
            region.set_active(name == view)
        self._engine.render_frame()
        for region in self._regions.values():
            region.set_active(True)
        return self._tile(self._whole(), self.views.index(view))

    def masks(
        self, boxes: Boxes, struck: bool, cameras: dict[str, Camera]
    ) -> dict[str, Bool[np.ndarray, "height width"]]:
        """The pixels that show the player, from a pass that draws it white and all else black."""
        self._pose(boxes, struck, cameras)
        self._shadow.hide()
        for camera in self._cameras.values():
            node = camera.node()
            node.set_initial_state(self._flat((0, 0, 0, 1), override=10))
            node.set_tag_state("player", self._flat((1, 1, 1, 1), override=20))
        images = self._draw()
        for camera in self._cameras.values():
            camera.node().set_initial_state(self._core.RenderState.make_empty())
            camera.node().clear_tag_states()
        self._shadow.show()
        return {view: (image == 255).all(axis=-1) for view, image in images.items()}

    def _flat(self, colour: tuple[float, ...], override: int) -> Any:
        """A render state of one colour, which replaces the state of nodes with a lower override."""
        core = self._core
        return core.RenderState.make(
            core.ColorAttrib.make_flat(colour),
            core.TextureAttrib.make_all_off(),
            core.TransparencyAttrib.make(core.TransparencyAttrib.M_none),
            override,
        )

    def close(self) -> None:
        """Frees the off-screen picture; a second call does nothing."""
        if self._root.is_empty():
            return
        self._engine.remove_all_windows()
        self._root.remove_node()

    def _require_open(self) -> None:
        if self._root.is_empty():
            raise SimulatorError(CLOSED)

    def _pose(self, boxes: Boxes, struck: bool, cameras: dict[str, Camera]) -> None:
        self._require_open()
        core = self._core
        for i, name in enumerate(PARTS):
            matrix = np.eye(4)
            # Panda3D multiplies row vectors from the left, so its matrices are transposed.
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
        whole = self._whole()
        return {view: self._tile(whole, i) for i, view in enumerate(self.views)}

    def _whole(self) -> UInt8[np.ndarray, "rows columns 3"]:
        data = np.frombuffer(self._picture.get_ram_image_as("RGB"), np.uint8)
        return data.reshape(self._rows * self.size, self._columns * self.size, 3)[::-1]

    def _tile(
        self, whole: UInt8[np.ndarray, "rows columns 3"], i: int
    ) -> UInt8[np.ndarray, "height width 3"]:
        y, x = (self.size * n for n in divmod(i, self._columns))
        return whole[y : y + self.size, x : x + self.size].copy()

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
        self._regions[view] = region
        return path

    def _aim(self, view: str, camera: Camera) -> None:
        core = self._core
        lens = core.PerspectiveLens()
        # The renderer stretches a picture of n pixels over n - 0.5 pixels from the upper left on. A
        # film that is smaller by this half pixel and shifted by a quarter compensates for it.
        film, (middle_x, middle_y) = self.size - 0.5, camera.intrinsics[:2, 2]
        fx, fy = float(camera.intrinsics[0, 0]), float(camera.intrinsics[1, 1])
        # The lens has one focal length, that of y; the film's width and offset make up for x.
        right, up = self.size / 2 - middle_x - 0.25, middle_y - self.size / 2 + 0.25
        lens.set_film_size(film * fy / fx, film)
        lens.set_film_offset(float(right) * fy / fx, float(up))
        lens.set_focal_length(fy)
        lens.set_near_far(NEAR, FAR)
        path = self._cameras[view]
        path.node().set_lens(lens)
        rotation = camera.world_to_camera[:3, :3]
        matrix = np.eye(4)
        # Panda3D's cameras look along y with z up, `Camera` along z with y down.
        matrix[:3, :3] = rotation[0], rotation[2], -rotation[1]
        matrix[3, :3] = camera.position
        path.set_mat(core.Mat4(*matrix.ravel().tolist()))

    def _add_player(self) -> dict[str, Any]:
        skin, nodes = make_texture(skin_atlas()), {}
        for name in PARTS:
            node = self._root.attach_new_node(name, _PLAYER)
            add_quads(node, part_quads(name), skin)
            node.set_tag("actor", "player")
            if name in HIDDEN_FROM_EGO:
                node.hide(self._core.BitMask32.bit(0))
            nodes[name] = node
        return nodes

    def _add_sky(self) -> None:
        sky = self._root.attach_new_node("sky", _SKY)
        sky.set_depth_write(False)
        sky.set_depth_test(False)
        add_quads(sky, dome())
        add_quads(sky, clouds())

    def _cast_shadow(self, boxes: Boxes) -> None:
        self._shadow.node().remove_all_children()
        middle = boxes.centres[PART_INDEX["torso"], :2]
        feet = float((boxes.centres[:, 2] - boxes.sizes[:, 2] / 2).min())
        quads = shadow_quads(middle, feet, self._ground, ORIGIN)
        add_quads(self._shadow, quads, self._shadow_texture)
