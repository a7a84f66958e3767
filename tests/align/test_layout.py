import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from align.layout import KeptPatchesError, TokenLayout
from datasets.errors import OptionError

sizes = st.integers(1, 4)
layouts = st.builds(TokenLayout, sizes, sizes, sizes, st.integers(0, 3))


def numbered(layout: TokenLayout, batch: int = 2) -> torch.Tensor:
    """Tokens whose content says which they are."""
    count = batch * layout.tokens
    return torch.arange(count, dtype=torch.float32).view(batch, layout.tokens, 1)


@pytest.mark.slow
@given(layout=layouts)
def test_views_undo_each_other(layout: TokenLayout):
    prefix, patches = layout.split(numbered(layout))
    assert torch.equal(torch.cat([prefix, patches], dim=1), numbered(layout))
    assert torch.equal(layout.from_grid(layout.to_grid(patches)), patches)
    assert torch.equal(layout.from_frames(layout.to_frames(patches)), patches)
    assert torch.equal(layout.from_positions(layout.to_positions(patches)), patches)


@pytest.mark.slow
@given(layout=layouts, data=st.data())
def test_a_token_is_where_its_index_says(layout: TokenLayout, data: st.DataObject):
    frame = data.draw(st.integers(0, layout.frames - 1))
    patch = data.draw(st.integers(0, layout.patches - 1))
    tokens = numbered(layout)
    wanted = tokens[1, int(layout.token_index(frame, torch.tensor(patch)))]
    patches = layout.split(tokens)[1]
    assert torch.equal(layout.to_grid(patches)[1, frame, patch], wanted)
    assert torch.equal(layout.to_frames(patches)[layout.frames + frame, patch], wanted)
    assert torch.equal(layout.to_positions(patches)[layout.patches + patch, frame], wanted)


@pytest.mark.slow
@given(layout=layouts)
def test_a_flattened_map_is_in_the_order_of_the_patches(layout: TokenLayout):
    pose_map = torch.rand(2, layout.frames, layout.patches) < 0.5
    grid = layout.to_grid(layout.flatten_map(pose_map).unsqueeze(-1))
    assert torch.equal(grid.squeeze(-1), pose_map)


def test_kept_tokens_are_the_prefix_and_the_named_patches():
    tokens = numbered(TokenLayout(1, 2, 3, prefix=2))
    kept = TokenLayout(1, 2, 3, prefix=2).keep(tokens, torch.tensor([[0, 5], [4, 3]]))
    assert kept.squeeze(-1).tolist() == [[0, 1, 2, 7], [8, 9, 14, 13]]


def test_order_is_class_then_frame_row_column():
    layout = TokenLayout(frames=2, rows=3, cols=4)
    assert (layout.patches, layout.tokens) == (12, 25)
    assert int(layout.token_index(1, torch.tensor(1 * 4 + 2))) == 1 + 12 + 6
    assert layout.one_frame() == TokenLayout(1, 3, 4)


def test_mistakes_are_named():
    with pytest.raises(OptionError, match="rows"):
        TokenLayout(1, 0, 3)
    with pytest.raises(OptionError, match="prefix"):
        TokenLayout(1, 1, 3, prefix=-1)
    with pytest.raises(ValueError, match="7 tokens .* 5 in all"):
        TokenLayout(1, 2, 2).split(torch.zeros(1, 7, 3))
    with pytest.raises(KeptPatchesError):
        TokenLayout(2, 2, 2).keep(torch.zeros(1, 9, 3), torch.zeros(1, 2, dtype=torch.long))
    with pytest.raises(KeptPatchesError):
        TokenLayout(1, 2, 2).keep(torch.zeros(1, 5, 3), torch.zeros(2, 2, dtype=torch.long))
