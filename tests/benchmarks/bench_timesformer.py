"""Time our TimeSformer against `transformers`', what PAAB and PAAT cost, and the memory of a step.

Run: python tests/benchmarks/bench_timesformer.py

One thread on a CPU; forms take turns, so that other work on the machine meets all alike. The
default sizes are TimeSformer-Base's with one clip a step; --depth and --clips change them, and
--parts runs only some of the measurements.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from transformers import TimesformerConfig, TimesformerModel  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from action.timesformer import TimeSformer  # noqa: E402
from align.models import PaabConfig, PaatConfig, PoseAware  # noqa: E402
from align.paab import PoseAwareAttentionBlock  # noqa: E402
from align.paat import mean_pose_loss  # noqa: E402
from align.pose import pose_map_3d  # noqa: E402
from tests.align.masked_paab import masked_paab  # noqa: E402

SIZE, PATCH, FRAMES, DIM, HEADS, KEYPOINTS = 224, 16, 8, 768, 12, 25
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
GIB = 2**30


def main() -> None:
    """Print what the chosen parts measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--depth", type=int, default=12)
    parser.add_argument("--clips", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--peak", choices=("plain", "checkpointing"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if options.peak:
        print(peak_memory(options.depth, options.clips, options.peak == "checkpointing"))
        return
    print(
        f"TimeSformer of width {DIM}, {options.depth} blocks, {options.clips} clips of {FRAMES} x "
        f"{SIZE}x{SIZE}, {DEVICE}, torch {torch.__version__}, load {os.getloadavg()[0]:.1f}"
    )
    for part in options.parts:
        PARTS[part](options)


def against_transformers(options: argparse.Namespace) -> None:
    """Forward and backward of both models."""
    clips = make_clips(options.clips)
    ours = make_backbone(options.depth).train()
    theirs = TimesformerModel(
        TimesformerConfig(num_hidden_layers=options.depth, num_frames=FRAMES)
    ).to(DEVICE)
    theirs.train()
    frames = clips.transpose(1, 2).contiguous()
    times = in_turns(
        {
            "ours": lambda: step(ours, ours(clips)),
            "transformers": lambda: step(theirs, theirs(frames).last_hidden_state[:, 0]),
        },
        options.rounds,
    )
    ratio = times["transformers"] / times["ours"]
    print(f"training step: ours {times['ours']:.2f} s, transformers {times['transformers']:.2f} s,")
    print(f"  ours is {ratio:.2f} times as fast")


def joint_paab(options: argparse.Namespace) -> None:
    """PAAB over all frames at once, on pose tokens alone and masked over all tokens."""
    block = PoseAwareAttentionBlock(DIM, HEADS, "joint").to(DEVICE)
    layout = make_backbone(1).default_layout
    pose_map = make_pose_map(options.clips).any(-1)
    tokens = torch.randn(options.clips, layout.tokens, DIM, device=DEVICE, requires_grad=True)
    times = in_turns(
        {
            "masked": lambda: step(block, masked_paab(block, tokens, pose_map, layout)),
            "gathered": lambda: step(block, block(tokens, pose_map, layout)),
        },
        options.rounds,
    )
    count = pose_map.sum().item() / options.clips
    print(
        f"PAAB joint, {FRAMES} x {layout.patches} tokens, {count:.0f} of them with a pose, forward "
        f"and backward: masked {times['masked']:.3f} s, gathered {times['gathered']:.3f} s, "
        f"{times['masked'] / times['gathered']:.1f} times as fast"
    )


def overheads(options: argparse.Namespace) -> None:
    """What PAAB and PAAT add to a step of training and to inference."""
    clips, pose = make_clips(options.clips), make_pose_map(options.clips)
    plain = make_backbone(options.depth)
    models = {
        "baseline": PoseAware(plain),
        "paab": PoseAware(plain, paab=PaabConfig()),
        "paat": PoseAware(plain, paat=PaatConfig(), num_keypoints=KEYPOINTS),
        "paab+paat": PoseAware(plain, PaabConfig(), PaatConfig(), KEYPOINTS),
    }

    def train(model: PoseAware) -> None:
        output = model.train()(clips, pose.any(-1))
        loss = output.embedding.square().mean()
        if output.pose_logits:
            loss = loss + 1.6 * mean_pose_loss(output.pose_logits, pose)
        step(model, loss)

    @torch.no_grad()
    def infer(model: PoseAware) -> None:
        model.eval()(clips, pose.any(-1))

    for title, form in {"training": train, "inference": infer}.items():
        calls = {name: (lambda m=model, f=form: f(m)) for name, model in models.items()}
        times = in_turns(calls, options.rounds)
        base = times.pop("baseline")
        added = ", ".join(f"{name} {100 * (t / base - 1):+.1f} %" for name, t in times.items())
        print(f"{title}: baseline {base:.2f} s, {added}")


def memory(options: argparse.Namespace) -> None:
    """Peak memory of a training step in a process of its own, with and without checkpointing.

    What one clip adds is the difference between steps of two clips and of one; batch 4 then takes
    the step of one clip and three times that.
    """
    for kind in ("plain", "checkpointing"):
        one, two = (
            float(
                subprocess.run(
                    [sys.executable, __file__, "--depth", str(options.depth), "--clips", clips]
                    + ["--peak", kind],
                    check=True,
                    capture_output=True,
                    text=True,
                ).stdout
            )
            for clips in ("1", "2")
        )
        print(
            f"memory in fp32, {kind}: {one / GIB:.2f} GiB for 1 clip, {(two - one) / GIB:.2f} GiB "
            f"for each more: {(one + 3 * (two - one)) / GIB:.2f} GiB for 4"
        )


def peak_memory(depth: int, clips: int, checkpointing: bool) -> float:
    """Bytes that a step of SGD with momentum takes at its peak, libraries not counted."""
    before = peak_resident()
    model = make_backbone(depth, checkpointing=checkpointing).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.005, momentum=0.9, nesterov=True)
    batch = make_clips(clips)
    for _ in range(2):
        optimizer.zero_grad()
        model(batch).square().mean().backward()
        optimizer.step()
    if DEVICE == "cuda":
        return float(torch.cuda.max_memory_allocated())
    return peak_resident() - before


def peak_resident() -> float:
    """Bytes that this process has had in memory at most; `getrusage` counts its parent's too."""
    status = Path("/proc/self/status").read_text()
    return 1024.0 * int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])


def make_backbone(depth: int, **options: bool) -> TimeSformer:
    """TimeSformer-Base, without random depth, which would make times random."""
    return TimeSformer(SIZE, PATCH, FRAMES, depth=depth, drop_path=0.0, **options).to(DEVICE)


def make_clips(count: int) -> Tensor:
    """Clips of noise."""
    return torch.randn(count, 3, FRAMES, SIZE, SIZE, device=DEVICE)


def make_pose_map(count: int) -> Tensor:
    """P3D of a body in the frame's middle, as a person crop shows it."""
    keypoints = SIZE / 2 + SIZE / 6 * torch.randn(count, FRAMES, KEYPOINTS, 2)
    return pose_map_3d(keypoints, (SIZE, SIZE), PATCH).to(DEVICE)


def step(module: nn.Module, output: Tensor) -> None:
    """Backward of any loss."""
    module.zero_grad()
    output.square().mean().backward()


def in_turns(forms: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Median seconds of each form; they take turns, after one round to warm up."""
    times: dict[str, list[float]] = {name: [] for name in forms}
    for round_index in range(rounds + 1):
        for name, form in forms.items():
            start = now()
            form()
            if round_index:
                times[name].append(now() - start)
    return {name: statistics.median(each) for name, each in times.items()}


def now() -> float:
    """Seconds: of the processor's own time on a CPU, so that a busy machine does not matter."""
    if DEVICE == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


PARTS = {
    "transformers": against_transformers,
    "paab": joint_paab,
    "overhead": overheads,
    "memory": memory,
}

if __name__ == "__main__":
    main()
