"""Pick: a Panda in PyBullet takes a cube from a table and sets it down on a marked spot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import version
from itertools import product
from typing import Any

import gymnasium
import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy.spatial.transform import Rotation

from datasets.cameras import Camera
from datasets.skeletons import PANDA
from datasets.storage.episode_file import EGO
from sims import rig
from sims.arguments import finite_action, picture_size, require_render_mode, view_names
from sims.arm.approach import GRASP, REACH
from sims.arm.stages import carried, reached
from sims.bullet import pick_scene
from sims.bullet.client import BulletClient, choose_renderer
from sims.bullet.meshes import light_panda
from sims.bullet.panda import OPEN_FINGER, READY, BulletPanda
from sims.bullet.pick_expert import CARRY, LIFT, PHASES, pick_expert
from sims.bullet.views import UPRIGHT, BulletViews, View
from sims.env import MultiViewEnv, Step
from sims.failures import failing_steps
from sims.survey import BACKGROUND, ROBOT, Survey

ROBOMIMIC_GYM_TYPE = 2  # robomimic.envs.env_base.EnvType.GYM_TYPE
PHYSICS_HZ = 240
GRAVITY = -9.81
# The motion of the hand in a time step under an action of 1, in metres and radians.
TRANSLATION = 0.03
ROTATION = 0.25
# The task is solved when the cube's middle is at most this far from the spot's, and its height at
# most this far from that of a cube on the table, in metres.
SPOT_TOLERANCE = 0.03
HEIGHT_TOLERANCE = 0.01
# Clearance in metres below a cube that counts as lifted.
LIFTED = 0.04
# Joints at the start of an episode, to which noise is added, and open fingers.
HOME = np.append(READY, [OPEN_FINGER] * 2)
FAR_UP = (0.0, 0.0, 5.0)
CAMERA_DISTANCE = 1.8
# Cameras frame the arm from its mount to its elbow, and the table with the space of the hand.
WORKSPACE = np.array(
    [
        *product((-0.1,), (-0.1, 0.1), (0.0,)),
        *product((-0.1, 0.25), (-0.12, 0.12), (0.72,)),
        *product((0.72,), (-0.32, 0.32), (-0.02, 0.3)),
    ]
)


class PickEnv(MultiViewEnv):
    """The task Pick: lift a cube, carry it to the green spot and set it down there.

    An action is (dx, dy, dz, rotation vector, gripper) in [-1, 1], as in robosuite's tasks, in the
    frame of the world: 1 asks the hand to move by `TRANSLATION` metres and turn by `ROTATION`
    radians in a time step; the gripper's range is from -1, open, to 1, closed. Only the contact of
    the fingers holds the cube. The task is solved when the cube stands on the spot after both
    fingers have held it clear of the table.

    Attributes:
        horizon: Time steps after which an episode is truncated.
    """

    name = "pick"
    skeleton = PANDA
    phases = PHASES
    control_hz = 20.0
    horizon = 240
    cameras_can_move = True

    def __init__(
        self,
        views: int = 9,
        size: int = 224,
        renderer: str = "tiny",
        render_mode: str | None = None,
    ) -> None:
        """Starts PyBullet; the first episode begins at `reset`.

        Args:
            views: Number of third-person views.
            size: Height and width of the images in pixels.
            renderer: `tiny` needs no graphics driver, `egl` uses a GPU, `auto` uses one if any.
            render_mode: `rgb_array` or None, which mean the same; Gymnasium gives it.

        Raises:
            UnknownNameError: When the renderer is unknown.
            SimulatorError: When PyBullet, a library for meshes, or the renderer is missing.
        """
        require_render_mode(render_mode)
        self.views, self.size = view_names(views), picture_size(size)
        self._client = BulletClient(choose_renderer(renderer))
        self._urdf = light_panda()
        self._look_of_scene = pick_scene.USUAL_LOOK
        self._seen: dict[str, View] | None = None
        self._views = BulletViews(
            self._client, lambda client: pick_scene.add_scenery(client, self._look_of_scene)
        )
        self.place_cameras(None)
        self.begin(seed=0)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (7,), np.float64)
        self.observation_space = gymnasium.spaces.Dict(  # type: ignore[assignment]
            {
                name: gymnasium.spaces.Box(-np.inf, np.inf, value.shape, np.float64)
                for name, value in self.observe().items()
            }
        )

    def place_cameras(self, rng: np.random.Generator | None) -> None:
        """Draws the ring of cameras; None selects the fixed ring."""
        self._ring = rig.ring(self.views[1:], WORKSPACE, CAMERA_DISTANCE, self.size, rng)

    def set_cameras(self, cameras: Mapping[str, Camera]) -> None:
        """Moves the third-person cameras from now on."""
        self._ring = dict(cameras)
        self._seen = None

    def draw_scene(self, rng: np.random.Generator | None) -> None:
        """Draws the colours of all but the arm, and the light; None selects the usual ones."""
        self._look_of_scene = pick_scene.USUAL_LOOK if rng is None else pick_scene.Look.draw(rng)

    def begin(self, seed: int) -> None:
        """Builds a new world, which does not depend on earlier episodes."""
        rng = np.random.default_rng(seed)
        self._layout = pick_scene.Layout.draw(rng)
        call = self._client.call
        call("resetSimulation")
        call("setGravity", 0, 0, GRAVITY)
        call("setPhysicsEngineParameter", deterministicOverlappingPairs=1)
        look = self._look_of_scene
        self._views.begin(self._ring, look.lighting)
        pick_scene.add_table(self._client)
        self._panda = BulletPanda(self._client, self._urdf)
        self._cube = pick_scene.add_cube(self._client, self._layout, look)
        self._spot = pick_scene.add_spot(self._client, self._layout, look)
        joints = READY + rng.normal(0, [0.12, 0.08, 0.08, 0.08, 0.06, 0.08, 0.15])
        self._panda.set_joints(np.append(joints, HOME[len(READY) :]), np.zeros(9))
        self._steps = 0
        self._lifted = False
        self._seen = None

    def step(
        self, action: Float[np.ndarray, " action"]
    ) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """Advances the world by a time step; solving the task does not end the episode."""
        action = np.clip(finite_action(action, self.action_space), -1, 1)
        position, rotation = self._panda.gripper_pose()
        turn = Rotation.from_rotvec(ROTATION * action[3:6]).as_matrix()
        self._panda.control(
            position + TRANSLATION * action[:3],
            turn @ rotation,
            OPEN_FINGER * (1 - action[6]) / 2,
        )
        for _ in range(round(PHYSICS_HZ / self.control_hz)):
            self._client.call("stepSimulation")
        self._seen = None
        self._steps += 1
        self._lifted = self._lifted or self._held_clear()
        success = self.success()
        truncated = self._steps >= self.horizon
        return self.observe(), float(success), False, truncated, {"success": success}

    def _held_clear(self) -> bool:
        position, _ = self.cube_pose()
        clear = position[2] - self._layout.half_size > LIFTED
        return bool(clear) and self._panda.touched_by_both_fingers(self._cube)

    def observe(self) -> dict[str, np.ndarray]:
        """Proprioception under robosuite's names; the cube's pose, and hand and spot from it."""
        positions, velocities = self._panda.joints()
        hand, rotation = self._panda.gripper_pose()
        cube, cube_rotation = self.cube_pose()
        return {
            "robot0_joint_pos": positions[:7],
            "robot0_joint_vel": velocities[:7],
            "robot0_gripper_qpos": positions[7:],
            "robot0_eef_pos": hand,
            "robot0_eef_quat": Rotation.from_matrix(rotation).as_quat(),
            "object": np.concatenate(
                [
                    cube,
                    Rotation.from_matrix(cube_rotation).as_quat(),
                    hand - cube,
                    self.cube_on_spot() - cube,
                ]
            ),
        }

    def gripper_pose(self) -> tuple[Float[np.ndarray, 3], Float[np.ndarray, "3 3"]]:
        """Position in metres and rotation of the grip site; its x axis is the opening direction."""
        return self._panda.gripper_pose()

    def cube_pose(self) -> tuple[Float[np.ndarray, 3], Float[np.ndarray, "3 3"]]:
        """Position of the cube's middle in metres, and its rotation."""
        position, quaternion = self._client.call("getBasePositionAndOrientation", self._cube)
        return np.array(position), Rotation.from_quat(quaternion).as_matrix()

    def cube_on_spot(self) -> Float[np.ndarray, 3]:
        """Position of the middle of a cube that stands in the middle of the spot, in metres."""
        return np.append(self._layout.spot, self._layout.half_size)

    def render_views(self) -> dict[str, UInt8[np.ndarray, "height width 3"]]:
        """Renders the current state from every view, upright RGB."""
        self._seen = self._views.look(self.cameras())
        return {view: seen.image.copy() for view, seen in self._seen.items()}

    def render_view(self, view: str) -> UInt8[np.ndarray, "height width 3"]:
        """Renders the current state from one view, upright RGB."""
        return self._views.look({view: self.cameras()[view]})[view].image.copy()

    def actor_masks(self) -> dict[str, Bool[np.ndarray, "height width"]]:
        """The pixels of each view that show the arm or the gripper."""
        return {view: seen.mask(self._panda.body) for view, seen in self._look().items()}

    def instances(self) -> tuple[str, ...]:
        """The background, which is the floor too, the robot, the cube, its spot, the table."""
        return (BACKGROUND, ROBOT, "cube", "spot", "table")

    def survey_views(self) -> dict[str, Survey]:
        """Depth and instances of the current state, by the same pass that draws the pictures."""
        *table, _floor = self._views.scenery
        bodies = dict.fromkeys(table, "table")
        bodies |= {self._panda.body: ROBOT, self._cube: "cube", self._spot: "spot"}
        names = self.instances()
        of_body = {body: names.index(name) for body, name in bodies.items()}
        return {
            view: Survey(seen.depth(), seen.instances(of_body))
            for view, seen in self._look().items()
        }

    def visible(self) -> dict[str, Bool[np.ndarray, " keypoints"]]:
        """Whether each view sees each keypoint, by segmentation and depth of the same pictures."""
        points, cameras = self.keypoints(), self.cameras()
        return {
            view: seen.sees(cameras[view], points, self._panda.own_segments)
            for view, seen in self._look().items()
        }

    def _look(self) -> dict[str, View]:
        if self._seen is None:
            self._seen = self._views.look(self.cameras())
        return self._seen

    def keypoints(self) -> Float[np.ndarray, "keypoints 3"]:
        """World coordinates of the Panda's keypoints in metres."""
        return self._panda.keypoints()

    def cameras(self) -> dict[str, Camera]:
        """The hand-eye camera as it stands now, and the ring."""
        return {EGO: self._panda.ego_camera(self.size), **self._ring}

    def success(self) -> bool:
        """Whether the cube, once lifted, stands on the spot."""
        off = self.cube_pose()[0] - self.cube_on_spot()
        on_spot = np.linalg.norm(off[:2]) < SPOT_TOLERANCE and abs(off[2]) < HEIGHT_TOLERANCE
        return self._lifted and bool(on_spot)

    def progress(self) -> float:
        """Share of the way to the cube, up with it, and to the spot; 1 once it stands there."""
        if self.success():
            return 1.0
        cube, _ = self.cube_pose()
        if not self._panda.touched_by_both_fingers(self._cube):
            return reached(self.gripper_pose()[0], cube)
        height = float(cube[2] - self._layout.half_size)
        return carried(height / LIFTED, float(np.linalg.norm(cube - self.cube_on_spot())))

    def state(self) -> Float[np.ndarray, " state"]:
        """Steps taken, whether lifted, joints, their velocities, the cube's pose and velocity."""
        call = self._client.call
        position, quaternion = call("getBasePositionAndOrientation", self._cube)
        linear, angular = call("getBaseVelocity", self._cube)
        return np.concatenate(
            [
                [self._steps, self._lifted],
                *self._panda.joints(),
                position,
                quaternion,
                linear,
                angular,
            ]
        )

    def set_state(self, state: Float[np.ndarray, " state"]) -> None:
        """Restores a state of the current episode.

        Continuing from it gives the same states every time. Where bodies touch, they differ
        slightly from the original ones, since a state holds no contact forces.
        """
        values = np.asarray(state, np.float64).tolist()
        self._steps, self._lifted = int(values[0]), bool(values[1])
        call = self._client.call
        # PyBullet keeps contacts and their forces while two bodies stay close. Moving the bodies
        # far apart first removes the contacts of the earlier state.
        self._panda.set_joints(HOME, np.zeros(9))
        call("resetBasePositionAndOrientation", self._cube, FAR_UP, UPRIGHT)
        call("performCollisionDetection")
        self._panda.set_joints(np.array(values[2:11]), np.array(values[11:20]))
        call("resetBasePositionAndOrientation", self._cube, values[20:23], values[23:27])
        call("resetBaseVelocity", self._cube, values[27:30], values[30:33])
        self._seen = None

    def model_file(self) -> None:
        """None: the seed makes the world."""
        return None

    def env_args(self) -> dict[str, Any]:
        """Arguments from which robomimic makes this environment."""
        return {
            "env_name": self.name,
            "type": ROBOMIMIC_GYM_TYPE,
            "env_version": version("pybullet"),
            "env_kwargs": {"renderer": self._client.renderer},
        }

    def expert(self, rng: np.random.Generator) -> Iterator[Step]:
        """Reaches, grasps, lifts, carries and places; see `sims.bullet.pick_expert`."""
        return pick_expert(self, rng)

    def failing_expert(
        self, rng: np.random.Generator, failure: np.random.Generator
    ) -> Iterator[Step]:
        """Lets go, goes to the wrong place, or stops half-way; see `sims.failures`."""
        return failing_steps(
            self,
            lambda world: pick_expert(world, rng),
            failure,
            stops=(REACH, GRASP, LIFT, CARRY),
            slips=(LIFT, CARRY),
            places=("cube_on_spot",),
            distance=(0.08, 0.15),
        )

    def renderer(self) -> str:
        """Name of the renderer."""
        return self._client.driver

    def close(self) -> None:
        """Stops PyBullet."""
        self._client.close()
