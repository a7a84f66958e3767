"""Time a training step in bfloat16 on a CPU: attention written out, convolutions channels last.

Worth running where `lscpu` lists avx512_bf16 or amx_bf16; other processors may be slower in
bfloat16.

Run: python tests/benchmarks/bench_precision.py
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from measuring import Row, in_turns, note, one_thread, times

from align.config import recipe
from align.engine.device import attend_plainly, keep_freed_memory
from align.engine.optim import build_optimizer
from align.methods import Method
from align.models.encoder import FrameEncoder
from align.networks import build_network
from align.plan import RunPlan
from datasets.storage.meta import DatasetMeta

FRAMES, SIZE, ROUNDS = 120, 112, 5
DEIT = "four blocks of DeiT-Tiny"


def main() -> None:
    """Print a line a method: a step as `--precision bf16` does it, against float32's."""
    one_thread()
    keep_freed_memory()
    print(f"a step of {FRAMES} frames of {SIZE} x {SIZE} pixels: forward, backward, AdamW")
    names: dict[Method, str] = {"deit": DEIT, "tcn": "TCN's network", "disentangle": "disentangle"}
    for method, name in names.items():
        compare(name, "float32", step(method, bf16=True), step(method, bf16=False))
    fused = step("deit", bf16=True, written_out=False)
    compare(
        f"{DEIT}, attention written out,", "torch's fused attention", step("deit", bf16=True), fused
    )


def compare(name: str, baseline: str, ours: Callable[[], None], theirs: Callable[[], None]) -> None:
    """Times two forms of a step in turns and notes their ratio."""
    took = in_turns({"ours": ours, "theirs": theirs}, ROUNDS)
    note(
        Row(
            f"a step of {name} in bfloat16",
            baseline,
            times(took["theirs"] / took["ours"]),
            f"{took['ours']:.2f} against {took['theirs']:.2f} s",
        )
    )


def step(method: Method, bf16: bool, written_out: bool = True) -> Callable[[], None]:
    """A step of a method on random frames, its network from scratch."""
    config = recipe("full")
    config = replace(config, method=method, backbone=replace(config.backbone, depth=4))
    torch.manual_seed(0)
    meta = DatasetMeta("noise", ["ego", "view_0"], "panda", SIZE, 0, ["all"], 20.0)
    network = build_network(RunPlan.of(config, meta))
    if bf16 and written_out:
        attend_plainly(network)
    if not bf16:
        network = network.to(memory_format=torch.contiguous_format)
    model = FrameEncoder(network, config.head).train()
    optimizer = build_optimizer(model, config.optim)
    frames = torch.randint(0, 256, (FRAMES, 3, SIZE, SIZE), dtype=torch.uint8)

    def run() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            embedding = model(frames).embedding
        embedding.square().mean().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return run


if __name__ == "__main__":
    main()
