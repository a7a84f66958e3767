"""AssembleNet++ agrees with the published parts, and runs as a whole with and without objects."""

import pytest
import torch
from einops import rearrange

from action.models.assemblenet import WITH_OBJECTS, WITHOUT_OBJECTS, AssembleNetPlusPlus
from action.models.assemblenet_parts import Connection, FlowStem, Gate, Node, Peers, RgbStem
from action.models.representation_flow import representation_flow
from tests.action.models.reference import assert_agrees, difference, fill, load, tensors_of

GAIN = 3.0


@pytest.fixture(scope="module")
def oracle():
    return load("assemblenet_plus")


def ours(maps: torch.Tensor, batch: int = 1) -> torch.Tensor:
    return rearrange(maps, "(b t) h w c -> b c t h w", b=batch)


def theirs(maps: torch.Tensor) -> torch.Tensor:
    return rearrange(maps, "b c t h w -> (b t) h w c")


@pytest.mark.parametrize("iterations", [1, 5, 40])
def test_flow_agrees(oracle, iterations):
    flow = representation_flow(ours(oracle["flow.input"]), iterations)
    assert_agrees(theirs(flow), oracle[f"flow.output_{iterations}"], 1e-6)


@torch.no_grad()
def test_attention_agrees(oracle):
    rows = oracle.parameters
    peers, gate, own = Peers([12, 20, 12]), Gate(3, 20, 12), Gate(1, 12, 12)
    fill(tensors_of(peers, gate), rows[:9], GAIN)
    fill(tensors_of(own)[1:], rows[9:11], GAIN)
    pooled = [
        rearrange(oracle[f"attention.node{i}_pooled"], "(b t) c -> b t c", b=2) for i in range(3)
    ]
    said = peers(pooled)
    assert_agrees(said.flatten(1, 2), oracle["attention.peers"], 1e-6)
    x = ours(oracle["attention.input"], 2)
    assert_agrees(theirs(gate(x, said)), oracle["attention.output"], 1e-6)
    mean = x.mean(dim=(3, 4)).transpose(1, 2)[None]
    assert_agrees(theirs(own(x, mean)), oracle["attention.output_self"], 1e-6)


@pytest.mark.parametrize("drop_equals", [False, True])
@torch.no_grad()
def test_connection_agrees(oracle, drop_equals):
    connection = Connection(
        [12, 20, 12, 9], [False, False, False, True], 3, 20, drop_equals=drop_equals
    )
    # The published code gates the inputs of one width after each other.
    gates = [connection.gates[i] for i in (0, 2, 1, 3)]
    fill(tensors_of(*gates, connection.maps), oracle.parameters[11:25], GAIN)
    connection.learned.copy_(oracle["connection.edge_weights"])
    inputs = [ours(oracle[f"connection.input{i}"], 2) for i in range(4)]
    said = rearrange(oracle["attention.peers"], "p (b t) c -> p b t c", b=2)
    output = theirs(connection(inputs, said))
    name = "published" if drop_equals else "sum"
    assert_agrees(output, oracle[f"connection.output_{name}"], 1e-6)
    other = "sum" if drop_equals else "published"
    assert difference(output, oracle[f"connection.output_{other}"]) > 1


@torch.no_grad()
def test_node_and_stems_agree(oracle):
    node = Node(10, 8, 16, 4, 2, 2).eval()
    rgb, flow = RgbStem(6, 2).eval(), FlowStem(6).eval()
    fill(tensors_of(node, rgb, flow), oracle.parameters[25:], GAIN)
    assert_agrees(theirs(node(ours(oracle["node.input"]))), oracle["node.output"], 1e-6)
    assert_agrees(theirs(rgb(ours(oracle["stem.input"]))), oracle["stem.rgb_output"], 1e-6)
    seen = flow(representation_flow(ours(oracle["flow.input"])))
    assert_agrees(theirs(seen), oracle["stem.flow_output"], 1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("objects", [0, 9])
def test_the_whole_network_learns(objects):
    torch.manual_seed(0)
    model = AssembleNetPlusPlus(4, objects)
    clips = torch.rand(1, 3, 3, 32, 32)
    maps = torch.rand(1, objects, 3, 32, 32) if objects else None
    model(clips, maps).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    if objects:
        with pytest.raises(ValueError, match="objects"):
            model(clips)


@pytest.mark.parametrize("structure", [WITH_OBJECTS, WITHOUT_OBJECTS])
def test_structures_read_only_what_comes_before(structure):
    for place, block in enumerate(structure.blocks, len(structure.stems)):
        assert max(block.inputs) < place
        assert block.shares is None or len(block.shares) == len(block.inputs)
