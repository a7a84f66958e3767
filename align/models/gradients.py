"""Where an auxiliary task branches off: what of its gradient the backbone gets to see.

Both losses pull at the tokens that they share. Where the two gradients point against each other,
what the auxiliary task gains the primary one loses; gradient surgery takes that part out. It is
done here at the shared tokens, as in multi-task learning by the gradients of the representation
(Sener and Koltun 2018), image by image: one backward pass does, on any number of processes.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

AuxiliaryGradient = Literal["sum", "pcgrad", "cosine", "detach"]


def branch(
    tokens: Float[Tensor, "batch tokens dim"], rule: AuxiliaryGradient
) -> tuple[Float[Tensor, "batch tokens dim"], Float[Tensor, "batch tokens dim"]]:
    """The tokens twice: for what the primary loss sees, and for the auxiliary task.

    Args:
        tokens: What both share.
        rule: What becomes of the auxiliary gradient g, given the primary one p. "sum" adds it;
            "pcgrad" takes out what of g points against p (Yu et al. 2020, with the primary task
            always first); "cosine" drops g where it points against p (Du et al. 2018); "detach"
            drops it everywhere: the auxiliary task then only reads.

    Raises:
        ValueError: An unknown rule.
    """
    match rule:
        case "sum":
            return tokens, tokens
        case "detach":
            return tokens, tokens.detach()
        case "pcgrad" | "cosine":
            primary, auxiliary = _Surgery.apply(tokens, rule == "pcgrad")
            return primary, auxiliary
        case _:
            raise ValueError(f"gradients must be sum, pcgrad, cosine or detach, not {rule!r}")


def without_conflict(
    auxiliary: Float[Tensor, "batch tokens dim"],
    primary: Float[Tensor, "batch tokens dim"],
    project: bool,
) -> Float[Tensor, "batch tokens dim"]:
    """Auxiliary gradients that do not point against the primary ones, image by image.

    Args:
        auxiliary: Left as they are where their dot product with the primary ones is not negative.
        primary: Never changed.
        project: Project conflicting ones onto the plane across the primary one; else drop them.
    """
    g, p = auxiliary.flatten(1).float(), primary.flatten(1).float()
    dot = (g * p).sum(dim=1, keepdim=True)
    # Gradients can be so small that their squares vanish in float32.
    square = p.square().sum(dim=1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)
    kept = g - dot / square * p if project else torch.zeros_like(g)
    return torch.where(dot < 0, kept, g).view_as(auxiliary).to(auxiliary.dtype)


class _Surgery(torch.autograd.Function):
    """Forwards the identity, twice; backwards the primary gradient plus what does not conflict."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, project: bool) -> tuple[Tensor, Tensor]:
        ctx.project = project
        return tokens.view_as(tokens), tokens.view_as(tokens)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        primary, auxiliary = gradients
        return primary + without_conflict(auxiliary, primary, ctx.project), None
