"""Time TimeSformer against that of `transformers`, the cost of PAAB and PAAT, and a step's memory.

Run: python tests/benchmarks/bench_timesformer.py

One thread on a CPU; the compared forms take turns, so that other work on the machine affects all of
them. The default sizes are those of TimeSformer-Base with one clip a step; --depth and --clips
change them, and --parts runs only some of the measurements.
"""

import argparse
import subprocess
import sys

import torch
from measuring import Row, clock_of, in_turns, note, one_thread, peak_resident, times
from torch import Tensor, nn
from transformers import TimesformerConfig, TimesformerModel

from action.timesformer import TimeSformer
from align.models.pose_aware import PaabConfig, PaatConfig, PoseAware
from align.paab import PoseAwareAttentionBlock
from align.paat import mean_pose_loss
from align.pose import pose_map_3d
from tests.align.masked_paab import masked_paab

SIZE, PATCH, FRAMES, DIM, HEADS, KEYPOINTS = 224, 16, 8, 768, 12, 25
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
GIB = 2**30


def main() -> None:
    """Run the chosen measurements and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--depth", type=int, default=12)
    parser.add_argument("--clips", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--peak", choices=("plain", "checkpointing"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    one_thread()
    torch.manual_seed(0)
    if options.peak:
        print(peak_memory(options.depth, options.clips, options.peak == "checkpointing"))
        return
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
    took = in_turns(
        {
            "ours": lambda: step(ours, ours(clips)),
            "transformers": lambda: step(theirs, theirs(frames).last_hidden_state[:, 0]),
        },
        options.rounds,
        clock_of(DEVICE),
    )
    note(
        Row(
            f"training step of {size_of(options)}",
            "that of the transformers package",
            times(took["transformers"] / took["ours"]),
            f"{took['ours']:.2f} against {took['transformers']:.2f} s",
        )
    )


def joint_paab(options: argparse.Namespace) -> None:
    """PAAB over all frames at once, on pose tokens alone and masked over all tokens."""
    block = PoseAwareAttentionBlock(DIM, HEADS, "joint").to(DEVICE)
    layout = make_backbone(1).default_layout
    pose_map = make_pose_map(options.clips).any(-1)
    tokens = torch.randn(options.clips, layout.tokens, DIM, device=DEVICE, requires_grad=True)
    took = in_turns(
        {
            "masked": lambda: step(block, masked_paab(block, tokens, pose_map, layout)),
            "gathered": lambda: step(block, block(tokens, pose_map, layout)),
        },
        options.rounds,
        clock_of(DEVICE),
    )
    count = pose_map.sum().item() / options.clips
    note(
        Row(
            f"PAAB joint, {FRAMES} × {layout.patches} tokens, {count:.0f} of them with a pose, "
            f"width {DIM}, forward and backward",
            "its masked form",
            times(took["masked"] / took["gathered"]),
            f"{1000 * took['gathered']:.0f} against {1000 * took['masked']:.0f} ms",
        )
    )


def overheads(options: argparse.Namespace) -> None:
    """Time that PAAB and PAAT add to a training step and to inference."""
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
        took = in_turns(calls, options.rounds, clock_of(DEVICE))
        base = took.pop("baseline")
        added = ", ".join(f"{name} {100 * (t / base - 1):+.1f} %" for name, t in took.items())
        note(
            Row(
                f"{title} of {size_of(options)} with the pose modules",
                "without",
                added,
                f"{base:.2f} s without",
            )
        )


def memory(options: argparse.Namespace) -> None:
    """Peak memory of a training step in a separate process, with and without checkpointing.

    The difference between steps of two clips and of one is the memory that a clip adds; a batch of
    4 takes the memory of one clip plus three times the difference.
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
        note(
            Row(
                f"memory of a training step of {size_of(options)}, fp32, {kind}",
                "",
                f"{(one + 3 * (two - one)) / GIB:.2f} GiB for 4 clips",
                f"{one / GIB:.2f} GiB for 1 clip, {(two - one) / GIB:.2f} GiB for each more",
            )
        )


def peak_memory(depth: int, clips: int, checkpointing: bool) -> float:
    """Peak bytes of a step of SGD with momentum, without the libraries."""
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


def make_backbone(depth: int, **options: bool) -> TimeSformer:
    """TimeSformer-Base without stochastic depth, which would make times random."""
    return TimeSformer(SIZE, PATCH, FRAMES, depth=depth, drop_path=0.0, **options).to(DEVICE)


def make_clips(count: int) -> Tensor:
    """Clips of noise."""
    return torch.randn(count, 3, FRAMES, SIZE, SIZE, device=DEVICE)


def make_pose_map(count: int) -> Tensor:
    """P3D maps of a body in the middle of the frame, where a person crop puts it."""
    keypoints = SIZE / 2 + SIZE / 6 * torch.randn(count, FRAMES, KEYPOINTS, 2)
    return pose_map_3d(keypoints, (SIZE, SIZE), PATCH).to(DEVICE)


def step(module: nn.Module, output: Tensor) -> None:
    """Backward of any loss."""
    module.zero_grad()
    output.square().mean().backward()


def size_of(options: argparse.Namespace) -> str:
    """The model and its input, for a table."""
    return f"TimeSformer, {options.depth} blocks of {DIM}, {options.clips} × {FRAMES} × {SIZE}²"


PARTS = {
    "transformers": against_transformers,
    "paab": joint_paab,
    "overhead": overheads,
    "memory": memory,
}

if __name__ == "__main__":
    main()
