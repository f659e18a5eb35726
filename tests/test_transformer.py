"""The transformer: patches lose nothing, places are all that orders them, and blocks start as the
identity."""

import math

import pytest
import torch
from einops import rearrange
from torch import nn
from torch.nn import functional as F

from ddpm_lite import cosine_schedule, guided, time_embedding
from ddpm_lite.transformer import (
    DiT,
    DiTBlock,
    TokenAttention,
    modulate,
    patchify,
    position_embedding,
    unpatchify,
)


def shaken(net, seed=0, std=0.3):
    """The same network with random weights everywhere, also where it starts at zero."""
    torch.manual_seed(seed)
    for weight in net.parameters():
        nn.init.normal_(weight, std=std)
    return net.eval()


def norm(h):
    """Layer norm, from its formula."""
    mean, variance = h.mean(-1, keepdim=True), h.var(-1, correction=0, keepdim=True)
    return (h - mean) / (variance + 1e-6).sqrt()


# Patches


@pytest.mark.parametrize("shape", [(2, 1, 8, 8), (2, 3, 4, 12), (1, 4, 6, 2)])
@pytest.mark.parametrize("patch", [1, 2])
def test_patches_lose_nothing_also_on_images_that_are_not_square(shape, patch):
    x = torch.randn(shape)
    tokens = patchify(x, patch)
    assert tokens.shape[1:] == (shape[2] * shape[3] // patch**2, shape[1] * patch**2)
    assert torch.equal(unpatchify(tokens, patch, shape[2] // patch), x)


def test_a_token_is_a_patch_row_by_row_with_its_channels_last():
    """By slices: token (i, j) is the patch in row i and column j."""
    x = torch.randn(2, 3, 4, 6)
    tokens = patchify(x, 2)
    for i in range(2):
        for j in range(3):
            block = x[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]  # (B, C, p, q)
            assert torch.equal(tokens[:, 3 * i + j], block.permute(0, 2, 3, 1).flatten(1))


def test_other_orders_of_the_axes_scramble_the_image():
    """What a wrong pair returns: (p q c) read as (c p q) keeps 1/6 of the pixels of each patch."""
    x = torch.randn(20, 3, 8, 8)
    wrong = rearrange(patchify(x, 2), "b (h w) (c p q) -> b c (h p) (w q)", p=2, q=2, h=4)
    assert (wrong == x).double().mean().item() == pytest.approx(1 / 6, abs=1e-9)


def test_images_that_cannot_be_cut_are_refused():
    with pytest.raises(ValueError, match="x is 8 x 6 pixels; expected multiples of the patch size"):
        patchify(torch.zeros(1, 1, 8, 6), 4)


# Places


def test_each_place_has_the_sines_of_its_row_and_its_column():
    places = position_embedding(3, 5, 16)
    assert places.shape == (15, 16)
    for i in range(3):
        for j in range(5):
            half = [time_embedding(torch.tensor([k]), 8)[0] for k in (i, j)]
            assert torch.allclose(places[5 * i + j], torch.cat(half))


def test_all_places_differ_and_their_products_know_only_the_offset():
    """sin a sin b + cos a cos b = cos(a - b): two places a step apart are alike everywhere."""
    places = position_embedding(8, 8, 32)
    near = rearrange(places @ places.T, "(i j) (k l) -> i j k l", i=8, k=8)
    assert torch.allclose(near[:-1, :, 1:].diagonal(0, 0, 2).diagonal(0, 0, 1),
                          near[0, 0, 1, 0].expand(7, 8), atol=1e-5)  # fmt: skip
    assert (near[0, 0].flatten()[1:] < 15.99).all()  # a place with itself: 16


def test_permuting_patches_with_their_places_changes_nothing():
    """And patches alone: the network sees another image."""
    net, x = shaken(DiT(1, 2, 16, 2, 2)), torch.randn(3, 1, 8, 8)
    c = net.condition(torch.tensor([1, 5, 9]))
    h, order = net.tokens(x), torch.randperm(16)

    def through(h):
        for block in net.blocks:
            h = block(h, c)
        return h

    assert torch.allclose(through(h)[:, order], through(h[:, order]), atol=1e-4)
    bare = h - position_embedding(4, 4, 16)
    moved = through(bare[:, order] + position_embedding(4, 4, 16))
    assert not torch.allclose(through(h)[:, order], moved, atol=0.1)


# Attention


def test_the_attention_is_pytorchs():
    """The same weights in nn.MultiheadAttention give the same output and the same weights."""
    mine, h = shaken(TokenAttention(12, 3)), torch.randn(2, 7, 12)
    theirs = nn.MultiheadAttention(12, 3, batch_first=True)
    theirs.in_proj_weight, theirs.in_proj_bias = mine.qkv.weight, mine.qkv.bias
    theirs.out_proj.weight, theirs.out_proj.bias = mine.out.weight, mine.out.bias
    expected, weights = theirs(h, h, h, average_attn_weights=False)
    assert torch.allclose(mine(h), expected, atol=1e-5)
    assert torch.allclose(mine.weights(h), weights, atol=1e-5)


def test_each_token_looks_somewhere_with_weights_that_sum_to_one():
    weights = shaken(TokenAttention(12, 3)).weights(torch.randn(2, 7, 12))
    assert weights.shape == (2, 3, 7, 7)
    assert torch.allclose(weights.sum(-1), torch.ones(2, 3, 7))


# Blocks


def test_modulate_with_zeros_changes_nothing():
    h, zeros, two = torch.randn(2, 5, 4), torch.zeros(2, 1, 4), torch.full((2, 1, 4), 2.0)
    assert torch.equal(modulate(h, zeros, zeros), h)
    assert torch.allclose(modulate(h, two, zeros), 3 * h)
    assert torch.allclose(modulate(h, zeros, two), h + 2)


def test_a_block_starts_as_the_identity():
    """For any tokens and any condition, and a whole network starts at 0."""
    block, h = DiTBlock(16, 4), torch.randn(3, 9, 16)
    assert torch.equal(block(h, torch.randn(3, 16)), h)
    net = DiT(1, 2, 16, 2, num_classes=3)
    assert not net(torch.randn(3, 1, 8, 8), torch.tensor([1, 5, 9])).any()


def test_a_block_is_its_formula():
    """h + g1 attention((1 + s1) norm(h) + b1), then h + g2 MLP((1 + s2) norm(h) + b2)."""
    block = shaken(DiTBlock(16, 4))
    h, c = torch.randn(3, 9, 16), torch.randn(3, 16)
    linear = block.modulation[1]
    six = F.linear(F.silu(c), linear.weight, linear.bias).reshape(3, 6, 1, 16)
    s1, b1, g1, s2, b2, g2 = six.unbind(1)
    first = h + g1 * block.attention((1 + s1) * norm(h) + b1)
    inner = block.mlp[0]((1 + s2) * norm(first) + b2)
    cube = math.sqrt(2 / math.pi) * (inner + 0.044715 * inner**3)
    expected = first + g2 * block.mlp[2](inner / 2 * (1 + torch.tanh(cube)))
    assert torch.allclose(block(h, c), expected, atol=1e-4)


def test_the_gradient_passes_the_gates_that_are_zero():
    """At the first step only the gates learn. After three steps, everything does."""
    torch.manual_seed(0)
    net = DiT(1, 2, 16, 2, num_classes=3)
    x, y = torch.randn(8, 1, 8, 8), torch.arange(8) % 4
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    moved = []
    for _ in range(4):
        optimizer.zero_grad()
        (net(x, torch.arange(1, 9), y) - x.flip(3)).square().mean().backward()
        moved.append({name: bool(p.grad.any()) for name, p in net.named_parameters()})
        optimizer.step()
    assert moved[0]["out.weight"] and not moved[0]["embed.weight"]
    still = [name for name, learns in moved[3].items() if not learns]
    assert still == []


def test_two_zeros_in_a_row_never_learn():
    """A gate of 0 in front of a layer of 0: neither gets a gradient. Hence one zero only."""
    block = DiTBlock(16, 4)
    nn.init.zeros_(block.attention.out.weight), nn.init.zeros_(block.attention.out.bias)
    h, c = torch.randn(3, 9, 16), torch.randn(3, 16)
    (block(h, c) * torch.randn(3, 9, 16)).sum().backward()
    gates = block.modulation[1].weight.grad.reshape(6, 16, 16)
    assert not gates[2].any() and not block.attention.out.weight.grad.any()
    assert gates[5].any()  # the MLP has one zero


# The network


def test_the_network_is_its_parts():
    """Patches, places, blocks, a last norm with scale and shift, a linear layer, and back."""
    net, x = shaken(DiT(2, 2, 16, 2, 4, num_classes=3)), torch.randn(4, 2, 4, 6)
    t, y = torch.tensor([1, 20, 300, 1000]), torch.tensor([0, 1, 2, 3])
    c = net.condition(t, y)
    h = net.embed(patchify(x, 2)) + position_embedding(2, 3, 16)
    for block in net.blocks:
        h = block(h, c)
    scale, shift = net.modulation[1](F.silu(c))[:, None].chunk(2, dim=-1)
    h = net.out((1 + scale) * norm(h) + shift)
    assert torch.allclose(net(x, t, y), unpatchify(h, 2, 2), atol=1e-4)


def test_timesteps_and_labels_reach_every_pixel_of_their_image_only():
    net, x = shaken(DiT(1, 2, 16, 2, num_classes=3)), torch.randn(2, 1, 8, 8)
    t, y = torch.tensor([10, 10]), torch.tensor([0, 0])
    before = net(x, t, y)
    for after in (net(x, torch.tensor([10, 900]), y), net(x, t, torch.tensor([0, 2]))):
        assert torch.allclose(after[0], before[0], atol=1e-5)
        assert ((after[1] - before[1]).abs() > 1e-4).double().mean() > 0.9
    assert torch.equal(net(x, t, torch.tensor([3, 3])), net(x, t))  # label 3: none


def test_every_patch_sees_every_other():
    """In one block: one pixel changes the whole output, unlike in one convolution."""
    net, x = shaken(DiT(1, 2, 16, 1)), torch.randn(1, 1, 8, 8)
    other = x.clone()
    other[..., 0, 0] += 1
    t = torch.tensor([5])
    assert (net(other, t) != net(x, t)).double().mean() > 0.9


def test_images_of_any_size_and_more_channels_out():
    net = DiT(1, 2, 16, 1, out_channels=2)
    assert net(torch.randn(2, 1, 4, 10), torch.tensor([1, 2])).shape == (2, 2, 4, 10)


def test_the_sizes_of_dit_xl():
    """675 million parameters and 118.6 billion multiply-adds on 32 x 32 x 4 latents (DiT, tables 1
    and 4); with patches of 4 and 8, 29.1 and 7.4."""
    from torch.utils.flop_counter import FlopCounterMode

    for patch, expected in ((2, 118.64), (4, 29.05), (8, 7.39)):
        with torch.device("meta"):
            net = DiT(4, patch, 1152, 28, 16, 1000, out_channels=8)
            with FlopCounterMode(display=False) as counter:
                net(torch.zeros(1, 4, 32, 32), torch.ones(1, dtype=torch.int64))
        assert counter.get_total_flops() / 2e9 == pytest.approx(expected, rel=0.005)
        assert sum(p.numel() for p in net.parameters()) == pytest.approx(675e6, rel=0.005)


def test_guidance_moves_every_channel_of_a_latent():
    """DiT's code guides three of four channels, as if they were colours."""
    net, x = shaken(DiT(4, 2, 16, 1, num_classes=3)), torch.randn(2, 4, 8, 8)
    t, y = torch.tensor([500, 500]), torch.tensor([0, 1])
    with torch.no_grad():
        plain, more = (guided(net, y, w)(x, t) for w in (0.0, 2.0))
        c, u = net(x, t, y), net(x, t)
    assert ((more - plain).abs() > 1e-4).flatten(2).any(2).all()
    assert torch.allclose(more, u + 3 * (c - u), atol=1e-4)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda net: net(torch.zeros(2, 3, 8, 8), torch.ones(2)), r"expected \(B, 1, H, W\)"),
        (lambda net: net(torch.zeros(2, 1, 8, 8), torch.ones(3)), "expected 2 timesteps"),
        (lambda net: net(torch.zeros(2, 1, 8, 8), torch.rand(2)), r"timesteps 1 … T, not t / T"),
        (lambda net: net(torch.zeros(2, 1, 8, 7), torch.tensor([1, 2])), "8 x 7 pixels"),
        (lambda net: DiT(dim=30), "dim is 30; expected a multiple of 4"),
        (lambda net: DiT(dim=20, heads=3), "of heads = 3"),
    ],
)
def test_wrong_input_is_refused_with_a_sentence(call, words):
    with pytest.raises(ValueError, match=words):
        call(DiT(1, 2, 16, 1))


def test_time_between_0_and_1_looks_all_alike():
    """Why t / T is refused: the embeddings of 0 and 1 are almost parallel, those of 0 and
    1000 aren't."""
    u = F.normalize(time_embedding(torch.tensor([0.0, 1.0, 1000.0]), 48), dim=1)
    assert u[0] @ u[1] > 0.9 and u[0] @ u[2] < 0.7


def test_it_is_a_model_like_any_other():
    from functools import partial

    from ddpm_lite import ddim_step, ddpm_loss, sample

    net, schedule = DiT(1, 2, 16, 1, num_classes=3), cosine_schedule(100)
    model = partial(net, y=torch.tensor([0, 1]))
    assert ddpm_loss(model, schedule, torch.zeros(2, 1, 8, 8)).item() == pytest.approx(1, abs=0.3)
    assert sample(model, schedule, torch.randn(2, 1, 8, 8), 5, ddim_step).shape == (2, 1, 8, 8)
