"""PAAB as the paper defines it: attention over all tokens, with a mask (Eq. 5-6).

The slow form, the reference for the gathered one.
"""

import torch
from torch import Tensor

from align.layout import TokenLayout
from align.paab import PoseAwareAttentionBlock


def masked_paab(
    block: PoseAwareAttentionBlock, tokens: Tensor, pose_map: Tensor, layout: TokenLayout
) -> Tensor:
    """`block` applied to all tokens, for a layout with a class token alone before the patches."""
    batch, _, dim = tokens.shape
    class_token = tokens[:, :1]
    grid = tokens[:, 1:].reshape(batch, layout.frames, layout.patches, dim)
    if block.variant == "spatiotemporal":
        columns = grid.transpose(1, 2).reshape(-1, layout.frames, dim)
        columns = block.temporal_fc(block.temporal_attn(block.temporal_norm1(columns)))
        grid = grid + columns.view(batch, layout.patches, layout.frames, dim).transpose(1, 2)
    groups = 1 if block.variant == "joint" else layout.frames
    grid = grid.reshape(batch, groups, -1, dim)
    member = torch.ones(batch, groups, 1 + grid.shape[2], dtype=torch.bool, device=tokens.device)
    member[:, :, 1:] = pose_map.reshape(batch, groups, -1)
    mask = member.unsqueeze(-1) & member.unsqueeze(-2)
    # A token outside the set attends to itself: a row of the softmax without keys would be NaN.
    mask = mask | torch.eye(mask.shape[-1], dtype=torch.bool, device=tokens.device)
    sequences = torch.cat([class_token.unsqueeze(1).expand(-1, groups, -1, -1), grid], dim=2)
    residual = block.attn(
        block.norm1(sequences.flatten(0, 1)), attn_mask=mask.flatten(0, 1).unsqueeze(1)
    ).view_as(sequences)
    patches = (grid + residual[:, :, 1:]).flatten(1, 2)
    out = torch.cat([class_token + residual[:, :, :1].mean(dim=1), patches], dim=1)
    out = out + block.mlp(block.norm2(out))
    updated = torch.cat([member[:, 0, :1], member[:, :, 1:].flatten(1)], dim=1)
    return torch.where(updated.unsqueeze(-1), out, tokens)
