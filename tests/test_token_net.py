"""The transformer for tokens: what each position sees, places, masks and labels."""

import pytest
import torch

from ddpm_lite.token_net import TokenBlock, TokenNet, rotated
from ddpm_lite.tokens import MASK


def test_a_network_with_masks_sees_both_sides():
    torch.manual_seed(0)
    net = TokenNet(5, 6, 16, 2).eval()
    x, other = torch.randint(5, (2, 1, 6))
    other[0, 1:] = x[0, 1:]
    other[0, 0] = (x[0, 0] + 1) % 5
    assert ((net(x) - net(other)).abs().amax((0, 2)) > 1e-6).all()
    assert not torch.allclose(net(x), net(x.flip(1)).flip(1), atol=1e-3)  # places matter


def test_the_mask_has_an_entry_of_its_own_and_is_never_predicted():
    net = TokenNet(4, 3, 16, 1)
    assert net.token.weight.shape == (5, 16) and net(torch.full((2, 3), MASK)).shape == (2, 3, 4)
    seen, hidden = torch.randint(4, (2, 3)), torch.full((2, 3), MASK)
    before = net(seen), net(hidden)
    net.token.weight.data[4] = torch.randn(16)
    assert torch.equal(before[0], net(seen)) and not torch.allclose(before[1], net(hidden))


def test_a_label_reaches_the_network_and_wrong_input_is_refused():
    net = TokenNet(4, 3, 16, 1, num_classes=2)
    x = torch.zeros(2, 3, dtype=torch.long)
    out = net(x, torch.tensor([0, 1]))
    assert not torch.allclose(out[0], out[1], atol=1e-3)
    for wrong, sentence in (
        (lambda: net(x), "y is None; expected 2 labels 0 … 1"),
        (lambda: TokenNet(4, 3, 16, 1)(x, x[:, 0]), "None: this network takes no labels"),
        (lambda: net(torch.zeros(2, 4, dtype=torch.long)), r"\(B, L\) with L up to 3"),
        (lambda: net(x + 4, x[:, 0]), "expected tokens 0 … 3, or -1 for the mask"),
        (lambda: net(x - 2, x[:, 0]), "expected tokens 0 … 3, or -1 for the mask"),
    ):
        with pytest.raises(ValueError, match=sentence):
            wrong()


def test_a_block_mixes_places_and_keeps_its_shape():
    torch.manual_seed(0)
    x = torch.randn(2, 5, 8)
    block = TokenBlock(8, 2)
    assert block(x).shape == x.shape
    assert torch.allclose(block(x.flip(1)).flip(1), block(x), atol=1e-5)  # no places in a block
    other = x.clone()
    other[:, 4] = torch.randn(2, 8)
    assert ((block(x) - block(other)).abs().amax((0, 2)) > 1e-6).all()
    alone = TokenBlock(8, 2, causal=True)
    assert torch.equal(alone(x)[:, :4], alone(other)[:, :4])


def test_rotated_products_know_distances_alone():
    """The same two vectors, moved together, have the same product; apart, another one."""
    torch.manual_seed(0)
    q, k = torch.randn(2, 8, dtype=torch.float64)
    rows, columns = rotated(q.expand(6, 8)), rotated(k.expand(6, 8))
    products = rows @ columns.T  # (6, 6), from place to place
    for d in range(-4, 5):
        line = products.diagonal(d)
        assert (line - line[0]).abs().max() < 1e-6
    assert products[0].diff().abs().min() > 1e-3 and abs(products[0, 1] - products[1, 0]) > 1e-3
    assert products[0, 0] == pytest.approx((q @ k).item())
    assert torch.allclose(rows.norm(dim=1), q.norm())


def test_places_are_turned_by_one_radian_and_less():
    """In the pairs, from one radian a place down to 10^-2.5 (Eq. 34)."""
    x = torch.zeros(4, 6)
    x[:, :3] = 1  # (1, 0) in each of three pairs
    angle = torch.arange(4.0)[:, None] * torch.tensor([1, 10**-1.25, 10**-2.5])
    assert torch.allclose(rotated(x), torch.cat([angle.cos(), angle.sin()], 1), atol=1e-6)


def test_what_a_layer_computes_is_added():
    """With a sign that's wrong, a network learns all the same, but shipped weights are of no use.
    Layers without weights give their bias."""
    block, net, y = TokenBlock(8, 2), TokenNet(8, 5, 8, 1, num_classes=3), torch.tensor([2, 0])
    for layer in (block.out, block.mlp[2]):
        torch.nn.init.zeros_(layer.weight)
    x, tokens = torch.randn(2, 5, 8), torch.randint(-1, 8, (2, 5))
    assert torch.allclose(block(x), x + block.out.bias + block.mlp[2].bias)
    net.blocks = net.norm = net.proj_out = torch.nn.Identity()
    parts = net.token.weight[tokens % 9], net.place, net.label.weight[y][:, None]
    assert torch.allclose(net(tokens, y), sum(parts))


def test_a_rotary_block_runs_in_half_precision():
    block = TokenBlock(8, 2, rotary=True).bfloat16()
    assert block(torch.randn(2, 5, 8).bfloat16()).dtype == torch.bfloat16


def test_a_rotary_block_knows_places():
    torch.manual_seed(0)
    x, block = torch.randn(2, 5, 8), TokenBlock(8, 2, rotary=True)
    assert not torch.allclose(block(x.flip(1)).flip(1), block(x), atol=1e-3)
    other = x.clone()
    other[:, 4] = torch.randn(2, 8)
    alone = TokenBlock(8, 2, causal=True, rotary=True)
    assert torch.equal(alone(x)[:, :4], alone(other)[:, :4])
