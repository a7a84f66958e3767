"""`BulletEnv`: a multi-view environment from scene files of PyBullet, in a few lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from jaxtyping import Float

from datasets.errors import require_known
from sims.bullet.bodies import Joint, load_bodies, require_names
from sims.bullet.client import BulletClient, choose_renderer, data_folder
from sims.bullet.files import Placed, is_mjcf, left_out, placed, quaternion, read_xml, vector
from sims.bullet.points import find_points
from sims.bullet.scene_views import SceneViews
from sims.bullet.world import BulletWorld
from sims.errors import OptionError
from sims.scenes.files import warn_of_mimics
from sims.scenes.settings import Settings, action_box

if TYPE_CHECKING:
    from typing_extensions import Unpack

Vector = Sequence[float] | np.ndarray
# PyBullet's usual physics step, for which its motors and contacts are tuned.
TIMESTEP = 1 / 240
GRAVITY = -9.81
# Accuracy of inverse kinematics in metres, and the most steps that it takes.
CLOSE_ENOUGH, MOST_STEPS = 1e-4, 200


class BulletSettings(Settings, total=False):
    """Further options of `BulletEnv`."""

    bodies: Mapping[str, str | Path | Placed]
    joints: Sequence[str]
    home: Sequence[float]
    draws_with: str


class BulletEnv(BulletWorld):
    """A world from URDF files, or from one MJCF file; its other attributes are those of `SceneEnv`.

    Files are looked for beside the class, in the current folder, and in pybullet_data. The points
    are links, named `body/link`. Actions are positions of joints, in radians and metres, to which
    motors pull them. An episode begins at `home`, changed by `randomize`; each one loads its files
    again. Third-person cameras are `Viewpoint`s, since the files hold none.

    Attributes:
        scene: A URDF, whose body has the name that the file gives it, or an MJCF, whose bodies have
            the names of their first links.
        bodies: Further URDFs by the names of their bodies, each a path or `Placed`.
        joints: Joints that actions move, named `body/joint`; by default all that have one number.
        home: Their positions at the start; by default 0, or the limit nearest to it.
        draws_with: `tiny` needs no graphics driver, `egl` uses a GPU, `auto` uses one if any.

    Example:
        class Arm(BulletEnv):
            bodies = {"arm": "kuka_iiwa/model.urdf", "floor": "plane.urdf"}

            def act(self):
                goal = self.rng.uniform(-1, 1, 7)
                for _ in range(40):
                    yield goal
    """

    bodies: Mapping[str, str | Path | Placed] = {}  # noqa: RUF012  as `points`, it is not changed
    joints: Sequence[str] = ()
    home: Sequence[float] = ()
    draws_with = "tiny"
    settings: ClassVar[type] = BulletSettings

    def __init__(
        self,
        scene: str | Path | None = None,
        *,
        views: int | None = None,
        size: int = 224,
        **settings: Unpack[BulletSettings],
    ) -> None:
        """Loads the scene; the first episode begins at `reset`.

        The arguments are those of `SceneEnv`, and the attributes of this class.

        Raises:
            MissingDataError: When a file does not exist.
            FormatError: When PyBullet cannot load a file.
            OptionError: When a setting does not fit the scene.
            UnknownNameError: For a link, joint or setting that does not exist.
            SimulatorError: When PyBullet or its renderer is missing.
        """
        super().__init__(scene, views=views, size=size, **settings)  # type: ignore[misc]
        self._find_files()
        self.client = BulletClient(choose_renderer(self.draws_with))
        try:
            self._prepare()
        except BaseException:
            self.client.close()
            raise

    def _find_files(self) -> None:
        self._file = self.find_scene() if str(self.scene) or not self.bodies else None
        self._is_mjcf = self._file is not None and is_mjcf(self._file)
        if not isinstance(self.bodies, Mapping):
            raise OptionError(
                f"`bodies` of {type(self).__name__} must be a dictionary of names and files, such "
                'as {"arm": "arm.urdf"}.'
            )
        given = {name: placed(name, each) for name, each in self.bodies.items()}
        self._placed = {
            name: each._replace(file=self.find_file(each.file, "bodies"))
            for name, each in given.items()
        }

    def folders(self) -> list[Path]:
        """Where files are looked for; the last is the folder of pybullet_data."""
        return [*super().folders(), data_folder()]

    def _prepare(self) -> None:
        if self._is_mjcf and self._file is not None:
            left_out(self.client, self._file)
        urdfs = [Path(each.file) for each in self._placed.values()]
        if self._file is not None and not self._is_mjcf:
            urdfs.append(self._file)
        for urdf in urdfs:
            warn_of_mimics(read_xml(urdf), urdf)
        self._views = SceneViews(self.client)
        self._substeps = self.physics_steps(TIMESTEP)
        self._load()
        self._motors = self._find_motors()
        self._points = find_points(
            self.client, self._bodies, self.scene_name, self.name, self.points, self.bones
        )
        require_names(self._bodies, self._points.actor)
        self.skeleton = self._points.skeleton
        self.start()
        self._make_spaces()
        self.find_cameras()

    def _load(self) -> None:
        call = self.client.call
        call("resetSimulation")
        call("setGravity", 0, 0, GRAVITY)
        call("setPhysicsEngineParameter", deterministicOverlappingPairs=1)
        self._bodies = load_bodies(self.client, self._file, self._is_mjcf, self._placed)

    def _find_motors(self) -> tuple[Joint, ...]:
        known = {joint.name: joint for body in self._bodies for joint in body.joints}
        if not known:
            raise OptionError(f"{self.scene_name} has no joint, so nothing can act in it: add one.")
        for name in self.joints:
            require_known(f"joint of {self.scene_name}", name, known)
        return tuple(known[name] for name in self.joints or known)

    def _make_spaces(self) -> None:
        least, greatest = self.action_range or (
            [motor.low for motor in self._motors],
            [motor.high for motor in self._motors],
        )
        low, high = np.array(least, float), np.array(greatest, float)
        if not low.shape == high.shape == (len(self._motors),):
            raise OptionError(
                f"action_range has {low.size} and {high.size} numbers, but actions move "
                f"{len(self._motors)} joints: {', '.join(joint.name for joint in self._motors)}."
            )
        self.action_space = action_box(low, high)
        self.set_observation_space()

    def start(self) -> None:
        """Loads the files, and puts the joints to `home`."""
        self._load()
        acting = {(motor.body, motor.number) for motor in self._motors}
        for body in self._bodies:
            for joint in body.joints:
                if (joint.body, joint.number) not in acting:  # PyBullet brakes all joints at first
                    self._drive(joint, self.client.api.VELOCITY_CONTROL, force=0.0)
        usual = [float(np.clip(0.0, joint.low, joint.high)) for joint in self._motors]
        self.set_joints(self.home if len(self.home) else usual)

    def advance(self, action: Float[np.ndarray, " action"]) -> None:
        """Advances the physics by one action."""
        for _ in range(self._substeps):
            targets = self.controls(action, len(self._motors))
            for joint, target in zip(self._motors, targets.tolist(), strict=True):
                self._drive(
                    joint,
                    self.client.api.POSITION_CONTROL,
                    targetPosition=target,
                    force=joint.force,
                    **({"maxVelocity": joint.speed} if joint.speed > 0 else {}),
                )
            self.client.call("stepSimulation")
        self._seen = None

    def _drive(self, joint: Joint, mode: int, **options: float) -> None:
        self.client.call("setJointMotorControl2", joint.body, joint.number, mode, **options)

    # What an expert or `randomize` may use.

    def joint_positions(self) -> Float[np.ndarray, " motors"]:
        """Positions of the joints that actions move, in radians and metres."""
        states = [
            self.client.call("getJointState", joint.body, joint.number) for joint in self._motors
        ]
        return np.array([state[0] for state in states])

    def set_joints(self, positions: Vector) -> None:
        """Puts the joints that actions move to positions, at rest.

        Raises:
            OptionError: When there are more or fewer positions than joints.
        """
        if len(positions) != len(self._motors):
            raise OptionError(
                f"{len(positions)} positions were given (`home`, or set_joints) for the "
                f"{len(self._motors)} joints {', '.join(joint.name for joint in self._motors)}."
            )
        numbers = vector(positions, len(self._motors), "a pose of the joints (`home`)")
        for joint, position in zip(self._motors, numbers, strict=True):
            self.client.call("resetJointState", joint.body, joint.number, position)
        self._seen = None

    def place(self, body: str, position: Vector, turn: Sequence[float] = (0.0, 0.0, 0.0)) -> None:
        """Puts a body's base somewhere, at rest.

        Args:
            body: Name of the body.
            position: In the world, in metres.
            turn: Roll, pitch and yaw in degrees.

        Raises:
            UnknownNameError: When there is no such body.
        """
        require_known(f"body of {self.scene_name}", body, [each.name for each in self._bodies])
        number, base = self.part(body)
        inertial = self.client.call("getDynamicsInfo", number, base)[3:5]
        pose = vector(position, 3, f"the place of {body}"), quaternion(turn)
        middle = self.client.api.multiplyTransforms(*pose, *inertial)
        self.client.call("resetBasePositionAndOrientation", number, *middle)
        self._seen = None

    def reach_for(
        self, link: str, position: Vector, turn: Sequence[float] | None = None
    ) -> Float[np.ndarray, " action"]:
        """The action that brings a link somewhere, by PyBullet's inverse kinematics.

        Joints that do not carry the link stay. What cannot be reached is approached.

        Args:
            link: `body/link`.
            position: Where the link's frame shall be in the world, in metres.
            turn: Roll, pitch and yaw that it shall have, in degrees; None for any.

        Raises:
            UnknownNameError: When there is no such link.
            OptionError: When its body has joints of several numbers.
        """
        number, part = self.part(link)
        body = next(each for each in self._bodies if each.number == number)
        if body.others or not body.joints:
            raise OptionError(f"{link} is not carried by joints of one number each: write actions.")
        orientation = [] if turn is None else [quaternion(turn)]
        low, high = np.array([(joint.low, joint.high) for joint in body.joints]).T
        found = self.client.call(
            "calculateInverseKinematics",
            number,
            part,
            vector(position, 3, f"the goal of {link}"),
            *orientation,
            lowerLimits=low.tolist(),
            upperLimits=high.tolist(),
            jointRanges=(high - low).tolist(),
            restPoses=[self.client.call("getJointState", number, j.number)[0] for j in body.joints],
            maxNumIterations=MOST_STEPS,
            residualThreshold=CLOSE_ENOUGH,
        )
        solution = {j.name: value for j, value in zip(body.joints, found, strict=True)}
        now = self.joint_positions().tolist()
        action = [solution.get(j.name, at) for j, at in zip(self._motors, now, strict=True)]
        return np.clip(action, self.action_space.low, self.action_space.high)

    # What is stored.

    @property
    def scene_name(self) -> str:
        """The scene for messages: the path of its file, or its class."""
        return str(self.scene) if str(self.scene) else f"the scene of {type(self).__name__}"

    def model_file(self) -> None:
        """None: several files may make the world."""
        return None

    def env_args(self) -> dict[str, Any]:
        """The world's name and files, in robomimic's format."""
        found = super().env_args()
        bodies = {name: str(getattr(each, "file", each)) for name, each in self.bodies.items()}
        kwargs = {**found["env_kwargs"], "bodies": bodies}
        return {**found, "env_version": version("pybullet"), "env_kwargs": kwargs}
