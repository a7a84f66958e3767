"""Measure what recognisers cost: parameters, multiply-adds, clips a second, memory of a step.

Run: python tests/benchmarks/bench_recognisers.py
     python tests/benchmarks/bench_recognisers.py --models swin3d_t i3d --side 112

One clip at a time in float32, as large as its authors trained with, on NTU's 60 classes; one thread
on a CPU, or the GPU where there is one. --frames and --side lessen the clips whose speed and memory
are measured. The recognisers take turns, and their speeds stand beside TimeSformer's. A training
step is forward pass, loss and backward pass, without an optimiser's; networks that learn from
earlier ones ask them in each step. Its memory is measured in a process of its own, without the
libraries. `make bench` leaves this out: it takes half an hour of a CPU.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, get_args

import torch
import tyro
from measuring import (
    Row,
    apart,
    clock_of,
    in_turns,
    machine,
    note,
    one_thread,
    peak_resident,
    times,
)
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from action.config import ActionConfig, ActionMethod, ModelName
from action.inputs.joints import JointSampling, joint_sampling
from action.models.features import require_size
from action.models.mmnet_roi import PICTURE_SIDE
from action.models.registry import ARCHITECTURES, architecture
from action.models.vpn import VPN_STEPS
from action.plan import LearnedClips, RecognizerPlan
from action.recognizer import ClipRecognizer
from action.training.objectives import objective_of, training_loss
from action.training.recipes import action_recipe
from action.training.stages import stages_of
from align.engine.device import keep_freed_memory
from align.results.text import NO_VALUE, markdown
from datasets.clips.sets import get_format
from datasets.command import command
from datasets.errors import OptionError, require_known
from datasets.skeletons import Skeleton

BASELINE = "timesformer"
# Name to network and method.
FORMS: Mapping[str, tuple[ModelName, ActionMethod]] = {
    BASELINE: ("timesformer", "baseline"),
    "timesformer + PAAB": ("timesformer", "paab"),
    "timesformer + PAAT": ("timesformer", "paat"),
    **{name: (name, "baseline") for name in ARCHITECTURES if name != BASELINE},
}
NAMES = {name.replace(" ", "").lower(): name for name in FORMS}
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
# Batch norms in training need several places, and smaller frames of one clip leave I3D with one.
LEAST_SIDE = 64
GB = 1e9
Batch = dict[str, Tensor]
Part = Literal["memory", "speed"]
PARTS: tuple[Part, ...] = get_args(Part)


@dataclass(frozen=True)
class Options:
    """Measure what recognisers cost.

    Attributes:
        models: Which, such as i3d or timesformer+paab; TimeSformer comes with them.
        parts: What to measure beside parameters and multiply-adds, which take no time.
        rounds: Rounds of speed that count, after one that warms up.
        frames: Frames of pixels at most; the authors' by default.
        side: Pixels of a frame's side at most, 64 or more; the authors' by default.
    """

    models: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME")] = tuple(NAMES)
    parts: tuple[Part, ...] = PARTS
    rounds: int = 3
    frames: int | None = None
    side: int | None = None

    @property
    def chosen(self) -> tuple[str, ...]:
        """The recognisers in the order of the table.

        Raises:
            UnknownNameError: An unknown name.
        """
        for name in self.models:
            require_known("model", name, NAMES)
        return tuple(name for key, name in NAMES.items() if key in {BASELINE, *self.models})


@dataclass
class Cost:
    """What a recogniser costs.

    Attributes:
        parameters: Numbers in the network, with those of layers that training alone has.
        gflops: Billions of multiply-adds of a forward pass of the authors' clip.
        memory: Bytes of a training step; None where it was not measured.
        seconds: Of a clip in inference and in training; None where they were not measured.
    """

    parameters: int
    gflops: float
    memory: float | None = None
    seconds: tuple[float, float] | None = None


def main() -> None:
    """Measure all that are chosen, and print their table."""
    options = tyro.cli(Options, prog="tests/benchmarks/bench_recognisers.py")
    with command():
        costs = measured(options)
        for name, cost in costs.items():
            note(row(name, cost, costs[BASELINE]))
        print(f"\n{table(costs)}\n\n{machine()}")


def measured(options: Options) -> dict[str, Cost]:
    """The cost of each recogniser by its name.

    Raises:
        OptionError: Clips that are too small for a recogniser.
        UnknownNameError: An unknown name.
    """
    if options.side is not None and options.side < LEAST_SIDE:
        raise OptionError(f"--side is {options.side}: give {LEAST_SIDE} or more.")
    for name in options.chosen:
        config = config_of(*FORMS[name], options)
        require_size(config.model, config.backbone.frames or 1, config.backbone.image_size)
    costs = {name: size_of(name) for name in options.chosen}
    if "memory" in options.parts:
        for name, cost in costs.items():
            cost.memory = apart(peak_memory, name, options)
    if "speed" in options.parts:
        one_thread()
        keep_freed_memory()
        steps = {name: Step(name, options) for name in costs}
        forms = ({n: s.infer for n, s in steps.items()}, {n: s.train for n, s in steps.items()})
        inference, training = (in_turns(f, options.rounds, clock_of(DEVICE)) for f in forms)
        for name, cost in costs.items():
            cost.seconds = (inference[name], training[name])
    return costs


def row(name: str, cost: Cost, base: Cost) -> Row:
    """A line of the table of `make bench`."""
    figures = [f"{cost.parameters / 1e6:.1f} M parameters", f"{cost.gflops:.1f} GFLOPs"]
    figures += [f"{cost.memory / GB:.2f} GB a step"] if cost.memory is not None else []
    ratio = NO_VALUE
    if cost.seconds is not None and base.seconds is not None:
        figures.insert(0, f"{cost.seconds[0]:.3g} and {cost.seconds[1]:.3g} s")
        ratio = ", ".join(times(b / s) for b, s in zip(base.seconds, cost.seconds, strict=True))
    what = f"a clip through {name}, inference and training"
    return Row(what, "TimeSformer", ratio, ", ".join(figures))


def table(costs: Mapping[str, Cost]) -> str:
    """The costs as Markdown; a dash stands for what was not measured."""
    header = ["", "M parameters", "GFLOPs", "GB in training"]
    header += ["inference, clips/s", "", "training, clips/s", ""]
    return markdown(header, [[f"`{n}`", *cells(c, costs[BASELINE])] for n, c in costs.items()])


def cells(cost: Cost, base: Cost) -> list[str]:
    """A recogniser's columns: sizes, then speeds, each with its ratio to TimeSformer's."""
    speeds = [NO_VALUE] * 4
    if cost.seconds is not None and base.seconds is not None:
        pairs = zip(cost.seconds, base.seconds, strict=True)
        speeds = [text for s, b in pairs for text in (f"{1 / s:.3g}", times(b / s))]
    return [
        f"{cost.parameters / 1e6:.1f}",
        f"{cost.gflops:.1f}",
        NO_VALUE if cost.memory is None else f"{cost.memory / GB:.2f}",
        *speeds,
    ]


class Step:
    """A recogniser with a clip of noise to recognise and to learn.

    Args:
        name: A name of `FORMS`.
        options: How large clips may be.
    """

    def __init__(self, name: str, options: Options) -> None:
        """Build the network with random weights, and those that it learns from."""
        config = config_of(*FORMS[name], options)
        self.recognizer = made(config)
        self.model = self.recognizer.model.to(DEVICE)
        networks = {
            stage.name: made(stage.config).model.eval().requires_grad_(False)
            for stage in stages_of(config)
        }
        self.objective = objective_of(config, networks)
        self.batch = {name: value.to(DEVICE) for name, value in noise(self.recognizer).items()}

    @torch.no_grad()
    def infer(self) -> None:
        """Recognise the clip."""
        self.model.eval()(*self.recognizer.inputs(self.batch, 0))

    def train(self) -> None:
        """Learn from the clip."""
        model, batch = self.model.train(), self.batch
        training_loss(self.recognizer, self.objective, model, batch, 0)[0].backward()
        model.zero_grad(set_to_none=True)


@torch.no_grad()
def size_of(name: str) -> Cost:
    """Parameters, and multiply-adds of matrix products and convolutions at inference.

    A multiply-add counts once, as in the papers; torch counts it twice. Of shapes alone, which take
    neither time nor memory; each keypoint has a patch of its own.
    """
    config, fmt = config_of(*FORMS[name], Options()), get_format("ntu")
    config = replace(config, paab=replace(config.paab, capacity=len(fmt.skeleton)))
    with torch.device("meta"):
        recognizer = made(config)
    inputs = recognizer.inputs(noise(recognizer), 0)
    fake = FakeTensorMode(allow_non_fake_inputs=True)
    # Torch does not count what a processor's fused attention does.
    with fake, FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        model = recognizer.model.to_empty(device="cpu").eval()
        model(*map(fake.from_tensor, inputs))
    parameters = sum(weights.numel() for weights in model.parameters())
    return Cost(parameters, counter.get_total_flops() / 2e9)


def config_of(model: ModelName, method: ActionMethod, options: Options) -> ActionConfig:
    """The published settings of a network, on clips of the authors' size at most."""
    config, known = action_recipe("paper", "ntu", model), architecture(model)
    frames = min(known.frames, options.frames or known.frames)
    frames = frames if config.sees_pixels else known.frames
    side = min(known.image_size, options.side or known.image_size) or config.backbone.image_size
    backbone = replace(config.backbone, frames=frames, image_size=side)
    # Its stages need the folder that they would lie in.
    return replace(config, method=method, out=Path("runs"), backbone=backbone)


def made(config: ActionConfig) -> ClipRecognizer:
    """A recogniser of NTU's classes with random weights."""
    fmt = get_format("ntu")
    learned = LearnedClips(fmt.name, fmt.protocols[0], fmt.classes, fmt.skeleton)
    return ClipRecognizer(RecognizerPlan.new(config, learned))


def noise(recognizer: ClipRecognizer) -> Batch:
    """A batch of one clip of noise, with all that the recogniser sees and learns from."""
    config = recognizer.config
    joints = joint_sampling(config, recognizer.sample, learning=True)
    generator = torch.Generator().manual_seed(0)
    batch = {"label": torch.zeros(1, dtype=torch.long)}
    if config.sees_clips:
        batch |= noisy_frames(recognizer, generator)
    if config.model == "mmnet":
        batch["pictures"] = torch.randn(1, 3, PICTURE_SIDE, PICTURE_SIDE, generator=generator)
    if joints is not None:
        shape = joint_shape(joints, recognizer.plan.learned.skeleton)
        batch["joints"] = torch.randn(shape, generator=generator)
    return batch


def noisy_frames(recognizer: ClipRecognizer, generator: torch.Generator) -> Batch:
    """Frames of noise with one body in the middle, where a cut to the person puts it."""
    size, count = recognizer.sample.size, recognizer.sample.frames
    joints = len(recognizer.plan.learned.skeleton)
    spread = torch.randn(1, count, joints, 2, generator=generator)
    shape = (1, 3, count, size, size)
    return {
        "frames": torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator),
        "keypoints": size / 2 + size / 6 * spread,
        "visible": torch.ones(1, count, joints, dtype=torch.bool),
    }


def joint_shape(joints: JointSampling, skeleton: Skeleton) -> tuple[int, int, int, int, int]:
    """The shape of a batch of one clip's joints in space; VPN sees one person."""
    if joints.moments:
        return 1, 3, VPN_STEPS, len(skeleton), 1
    return 1, 3, joints.frames, len(skeleton), joints.persons


def peak_memory(name: str, options: Options) -> float:
    """Bytes that a recogniser and a training step take at most, without the libraries."""
    one_thread()
    before = peak_resident()
    Step(name, options).train()
    if DEVICE == "cuda":
        return float(torch.cuda.max_memory_allocated())
    return peak_resident() - before


if __name__ == "__main__":
    main()
