"""A scene file, MJCF or URDF, as a MuJoCo model that can be acted in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
from jaxtyping import Float

from datasets.errors import FormatError
from datasets.kinematics.loading import read_spec, visual_shapes
from sims.gl import import_mujoco
from sims.scenes.files import warn_of_mimics

if TYPE_CHECKING:
    import mujoco

# MuJoCo draws this group only when asked to.
HIDDEN_GROUP = 3
# A URDF has no motors: each joint gets one that pulls it to the action, as fast as an arm follows.
MOTOR_HZ = 2.0
# The sky of a URDF, which has none, as in MuJoCo's own examples.
SKY = {"rgb1": [0.6, 0.7, 0.8], "rgb2": [0.9, 0.92, 0.95], "width": 64, "height": 384}
# Hinges without limits have a motor for a turn in both directions.
ONE_TURN = (-2 * np.pi, 2 * np.pi)


def load_scene(scene: Path | str) -> tuple[mujoco.MjModel, str]:
    """Loads a scene.

    A URDF stands on the world. Its bodies do not fall, as a robot's own controller sees to, and
    each joint gets a motor whose input is the joint's position.

    Args:
        scene: Path of a file, or the text of a MJCF file.

    Returns:
        The model, and its MJCF as text.

    Raises:
        FormatError: When MuJoCo cannot read it; names the file and the place in it.
        SimulatorError: When MuJoCo or the graphics driver is missing.
    """
    engine = import_mujoco()
    name = str(scene) if isinstance(scene, Path) else "the scene's text"
    is_urdf = isinstance(scene, Path) and _is_urdf(scene)
    try:
        spec = engine.MjSpec.from_string(scene) if isinstance(scene, str) else read_spec(scene)
        if is_urdf:
            warn_of_mimics(ElementTree.parse(scene).getroot(), Path(scene))
            _add_motors(engine, spec)
        model = spec.compile()
        if is_urdf:
            _set_motors(model)
        return model, spec.to_xml()
    except ValueError as error:  # MuJoCo's own class of errors is one
        if isinstance(error, FormatError):
            raise
        reason = " ".join(str(error).split())
        raise FormatError(f"{name} cannot be loaded ({reason}). Correct it there.") from None


def _is_urdf(path: Path) -> bool:
    return b"<robot" in path.read_bytes()


def _add_motors(engine: Any, spec: Any) -> None:
    for body in spec.bodies:
        body.gravcomp = 1.0
    for joint in spec.joints:
        if joint.type in (engine.mjtJoint.mjJNT_HINGE, engine.mjtJoint.mjJNT_SLIDE):
            motor = spec.add_actuator(name=joint.name, target=joint.name)
            motor.trntype = engine.mjtTrn.mjTRN_JOINT
            motor.gaintype = engine.mjtGain.mjGAIN_FIXED
            motor.biastype = engine.mjtBias.mjBIAS_AFFINE
    spec.add_texture(
        name="sky",
        type=engine.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=engine.mjtBuiltin.mjBUILTIN_GRADIENT,
        **SKY,
    )
    # Explicit integration becomes unstable with stiff motors on light links.
    spec.option.integrator = engine.mjtIntegrator.mjINT_IMPLICITFAST


def _set_motors(model: mujoco.MjModel) -> None:
    """Makes each motor pull its joint to its input, without overshoot at the initial pose."""
    joints = model.actuator_trnid[:, 0]
    inertia = model.dof_M0[model.jnt_dofadr[joints]]
    rate = 2 * np.pi * MOTOR_HZ
    model.actuator_gainprm[:, 0] = inertia * rate**2
    model.actuator_biasprm[:, 1] = -inertia * rate**2
    model.actuator_biasprm[:, 2] = -2 * inertia * rate
    limited = model.jnt_limited[joints] != 0
    model.actuator_ctrllimited[:] = 1
    model.actuator_ctrlrange[:] = np.where(limited[:, None], model.jnt_range[joints], ONE_TURN)
    model.geom_group[:] = np.where(visual_shapes(model), 0, HIDDEN_GROUP)


def joint_spans(
    model: mujoco.MjModel, free_turn: float, most_slide: float = np.inf
) -> Float[np.ndarray, "joints 3"]:
    """The joints that move by one number: place in the state, least and greatest value.

    Args:
        model: The model.
        free_turn: How far a hinge without limits turns in both directions, in radians. Other joints
            without limits are left out.
        most_slide: How far a slide goes at most in both directions, in metres, whatever its limits.
    """
    engine = import_mujoco()
    spans = []
    for i, kind in enumerate(model.jnt_type):
        address, limited = model.jnt_qposadr[i], bool(model.jnt_limited[i])
        start = model.qpos0[address]
        if kind in (engine.mjtJoint.mjJNT_HINGE, engine.mjtJoint.mjJNT_SLIDE) and limited:
            low, high = model.jnt_range[i]
            if kind == engine.mjtJoint.mjJNT_SLIDE:
                low, high = max(low, start - most_slide), min(high, start + most_slide)
            spans.append((address, low, high))
        elif kind == engine.mjtJoint.mjJNT_HINGE:
            spans.append((address, start - free_turn, start + free_turn))
    return np.array(spans, float).reshape(-1, 3)
