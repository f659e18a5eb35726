"""Text: padding is never read, and without positions a caption is a bag of words."""

from functools import partial

import pytest
import torch
from torch.nn import functional as F

from ddpm_lite import (  # isort: skip
    UNet, cosine_schedule, ddim_step, ddpm_loss, drop_labels, from_v, guided, sample, v_target,
)  # fmt: skip
from ddpm_lite.scenes import PIECES
from ddpm_lite.text import (
    CrossAttention,
    TextBlock,
    TextCondition,
    TextEncoder,
    TextLayer,
    TextUNet,
    attention_maps,
    attention_weights,
)
from ddpm_lite.tokenizer import Tokenizer

TOKENIZER = Tokenizer(PIECES)
PAIR = ["red seven above blue two", "blue seven above red two"]


def filled(net, seed=0):
    """With weights that are not zero, in evaluation mode."""
    torch.manual_seed(seed)
    for weight in net.parameters():
        if weight.requires_grad:
            torch.nn.init.normal_(weight, std=0.3)
    return net.eval().requires_grad_(False)


def weights(layer, x, words, mask):
    """Which word each pixel reads, (B, heads, H W, L)."""
    q, k, _ = layer.parts(x, words)
    return attention_weights(q, k, mask)


def small(**sizes):
    return TextUNet(len(PIECES) + 2, width=8, mults=(1, 2), attention=(1,), dim=16, **sizes)


# Attention


def test_the_weights_are_those_of_pytorch():
    q, k, v = (torch.randn(3, 2, n, 5) for n in (7, 4, 4))
    mask = torch.rand(3, 4) < 0.6
    mask[:, 0] = True
    theirs = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :])
    mine = attention_weights(q, k, mask)
    assert torch.allclose(mine @ v, theirs, atol=1e-6)
    assert torch.allclose(mine.sum(-1), torch.ones(3, 2, 7))
    assert mine.transpose(1, 3)[~mask].abs().max() == 0


def test_a_row_of_nothing_but_padding_has_no_weights():
    q = torch.randn(1, 1, 3, 4)
    with pytest.raises(ValueError, match="in each row a True"):
        attention_weights(q, q, torch.zeros(1, 3, dtype=torch.bool))


def test_cross_attention_starts_as_the_identity_and_then_reads_the_words():
    x, words, mask = torch.randn(2, 8, 4, 6), torch.randn(2, 5, 12), torch.ones(2, 5).bool()
    layer = CrossAttention(8, 12)
    assert torch.equal(layer(x, words, mask), x)
    layer = filled(layer)
    read = layer(x, words, mask)
    assert read.shape == x.shape and (read - layer(x, words + 1, mask)).abs().max() > 1e-3
    assert weights(layer, x, words, mask).shape == (2, 4, 24, 5)


def test_a_pixel_reads_a_weighted_sum_of_values():
    """By hand, for one pixel, with two heads and one word that has all the weight."""
    layer = filled(CrossAttention(8, 12, heads=2))
    x, words = torch.randn(1, 8, 2, 3), torch.randn(1, 4, 12)
    mask = torch.tensor([[False, False, True, False]])
    value = layer.kv(words[:, 2])[:, 8:]
    right = x + layer.out(value)[:, :, None, None]
    assert torch.allclose(layer(x, words, mask), right, atol=1e-5)


def test_pixels_keep_their_places():
    """What changes at one pixel after the norm changes only there (one group norm aside)."""
    layer = filled(CrossAttention(4, 12, heads=2))
    layer.norm = torch.nn.Identity()
    x, words, mask = torch.randn(1, 4, 3, 5), torch.randn(1, 6, 12), torch.ones(1, 6).bool()
    other = x.clone()
    other[0, :, 1, 3] += 1
    moved = (layer(other, words, mask) - layer(x, words, mask)).abs().amax(1)[0]
    assert moved[1, 3] > 1e-3 and (moved > 1e-6).sum() == 1


def test_each_head_reads_on_its_own():
    """Changing the keys of the first head leaves the values that the second one reads alone."""
    layer = filled(CrossAttention(8, 12, heads=2))
    layer.out = torch.nn.Identity()
    x, words, mask = torch.randn(1, 8, 2, 2), torch.randn(1, 4, 12), torch.ones(1, 4).bool()
    before = layer(x, words, mask)
    layer.kv.weight[:4] *= -1  # the keys of the first head
    moved = (layer(x, words, mask) - before).abs().amax((0, 2, 3))
    assert moved[:4].min() > 1e-4 and moved[4:].max() == 0


# The text encoder


def test_a_layer_without_positions_only_permutes():
    layer, h = filled(TextLayer(16)), torch.randn(1, 6, 16)
    order, mask = torch.tensor([3, 0, 5, 1, 4, 2]), torch.ones(1, 6).bool()
    assert torch.allclose(layer(h[:, order], mask), layer(h, mask)[:, order], atol=1e-5)
    assert (layer(h, mask) - layer(h, mask.clone().fill_(False).index_fill(1, order[:2], True))
            ).abs().max() > 1e-3  # fmt: skip


def test_a_layer_adds_to_what_it_gets():
    layer, h = TextLayer(16), torch.randn(2, 5, 16)
    for part in (layer.out, layer.mlp[2]):
        torch.nn.init.zeros_(part.weight), torch.nn.init.zeros_(part.bias)
    assert torch.equal(layer(h, torch.ones(2, 5).bool()), h)


@pytest.mark.parametrize("positions", [0.0, 1.0])
def test_without_positions_the_encoder_sees_a_bag_of_words(positions):
    """Captions with the same words have the same vectors, in another order; with positions not."""
    torch.manual_seed(0)
    encoder = TextEncoder(len(PIECES) + 2, positions=positions).eval()
    a, b = (encoder(y[None])[0, :6] for y in TOKENIZER(PAIR))
    order = [0, 4, 2, 3, 1, 5]  # red and blue change places
    off = (a[order] - b).abs().max()
    assert off < 1e-5 if positions == 0 else off > 0.1
    assert bool(encoder.positions.any()) == encoder.positions.requires_grad == (positions > 0)


def test_the_size_of_the_positions_is_what_was_asked_for():
    torch.manual_seed(0)
    encoder = TextEncoder(9, length=200, positions=0.5)
    assert encoder.positions.std().item() == pytest.approx(0.5, rel=0.05)


def test_padding_is_never_read():
    """Rows padded to 6 and to 16 give the same vectors and the same prediction."""
    net = filled(small())
    y = TOKENIZER(["red seven above blue two", "two red sixes"])
    x, t = torch.randn(2, 3, 8, 8), torch.tensor([30, 700])
    assert torch.allclose(net(x, t, y), net(x, t, y[:, :6]), atol=1e-5)
    encoder = net.condition.text
    assert torch.allclose(encoder(y)[:, :5], encoder(y[:, :6])[:, :5], atol=1e-5)


@pytest.mark.parametrize("y, message", [
    (torch.ones(2, 17, dtype=torch.int64), r"int64 \(B, L\) with L up to 16"),
    (torch.ones(2, 4), "y is torch.float32 of shape"),
    (torch.ones(4, dtype=torch.int64), r"int64 \(B, L\)"),
    (torch.full((1, 3), 99), "expected tokens 0 … 26"),
    (torch.tensor([[1, 2], [0, 0]]), "a token that isn't padding"),
])  # fmt: skip
def test_tokens_that_are_none_are_refused(y, message):
    with pytest.raises(ValueError, match=message):
        TextEncoder(27)(y)


# The U-Net


def test_no_caption_is_the_empty_caption():
    net, x, t = filled(small()), torch.randn(2, 3, 8, 8), torch.tensor([30, 700])
    empty = TOKENIZER(["", ""])
    assert torch.allclose(net(x, t), net(x, t, empty), atol=1e-5)
    assert (net(x, t) - net(x, t, TOKENIZER(PAIR))).abs().max() > 1e-3


def test_the_condition_is_the_timestep_the_words_and_the_mask():
    text = TextEncoder(27).eval()
    time, words, mask = TextCondition(8, 12, text)(torch.tensor([3, 9]), TOKENIZER(["red", "six"]))
    assert time.shape == (2, 12) and words.shape == (2, 16, 64)
    assert mask.sum(1).tolist() == [2, 2]
    assert (time[0] - time[1]).abs().max() > 1e-3


def test_a_new_network_does_not_read_yet_and_learns_to():
    """Zeros at the start, as everywhere in the U-Net; after a few steps every weight has a
    gradient, so that the text encoder is trained too."""
    torch.manual_seed(0)
    net, schedule = small(), cosine_schedule(100)
    x, y = torch.randn(4, 3, 8, 8), TOKENIZER(PAIR * 2)
    assert net(x, torch.full((4,), 50), y).abs().max() == 0
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(4):
        optimizer.zero_grad()
        ddpm_loss(partial(net, y=y), schedule, x, v_target).backward()
        optimizer.step()
    assert all(p.grad.abs().max() > 0 for p in net.parameters())


def test_blocks_without_attention_do_not_read():
    words, mask = torch.randn(2, 3, 12), torch.ones(2, 3).bool()
    x, c = torch.randn(2, 8, 4, 4), torch.randn(2, 6)
    for attention in (True, False):
        block = filled(TextBlock(8, 8, 6, 12, 4, attention))
        off = (block(x, (c, words, mask)) - block(x, (c, words + 1, mask))).abs().max()
        assert off > 1e-3 if attention else off == 0
        assert (block(x, (c, words, mask)) - block(x, (c + 1, words, mask))).abs().max() > 1e-3


def test_the_layers_are_those_of_the_unet_and_cross_attention():
    """Without the parts that read, it has the weights of UNet, in number and shape."""
    theirs = UNet(3, 24, (1, 2, 2), attention=(1, 2)).state_dict()
    mine = TextUNet(27, width=24).state_dict()
    rest = {k: v.shape for k, v in mine.items() if ".cross." not in k and ".text." not in k}
    assert rest == {k: v.shape for k, v in theirs.items()}
    assert sum("cross.q.weight" in k for k in mine) == 7


def test_it_is_trained_guided_and_sampled_like_any_network():
    torch.manual_seed(0)
    net, schedule = filled(small()), cosine_schedule(100)
    y = drop_labels(TOKENIZER(PAIR), 1.0, TOKENIZER([""]))
    assert torch.equal(y, TOKENIZER(["", ""]))
    model = guided(from_v(net, schedule), TOKENIZER(PAIR), 2.0)
    x = sample(model, schedule, torch.randn(2, 3, 8, 8), 3, ddim_step)
    assert x.shape == (2, 3, 8, 8) and x.isfinite().all()
    with pytest.raises(ValueError, match="multiples of 2"):
        net(torch.randn(2, 3, 7, 7), torch.tensor([3, 9]))


def test_the_maps_are_the_weights_of_each_layer():
    net, x, t = filled(small()), torch.randn(2, 3, 8, 8), torch.tensor([30, 700])
    maps = attention_maps(net, x, t, TOKENIZER(["red", "two red sixes"]))
    assert [m.shape for m in maps] == [(2, 4, 4, 16)] * 4
    for m in maps:
        assert torch.allclose(m.sum(-1), torch.ones(2, 4, 4), atol=1e-5)
        assert m[0, :, :, 2:].max() == 0 and m[1, :, :, 4].min() > 0
    assert not any(layer._forward_hooks for layer in net.modules())
    with torch.no_grad():  # the rows and columns of a map are those of the image
        layer = net.mid[0].cross
        h, words, mask = torch.randn(1, 16, 2, 6), torch.randn(1, 3, 16), torch.ones(1, 3).bool()
        flat = weights(layer, h, words, mask).mean(1)
    assert flat.shape == (1, 12, 3)


# What ships


def test_the_shipped_network_draws_its_captions_and_the_bag_of_words_mixes_them_up():
    from ddpm_lite.pretrained import load_reader, load_text
    from ddpm_lite.scenes import score_scenes

    reader, captions, scores = load_reader(), PAIR * 20, {}
    for name in ("text", "bag"):
        net, schedule, tokenizer = load_text(name)
        torch.manual_seed(0)
        model = guided(from_v(net, schedule), tokenizer(captions), 1.0)
        x = sample(model, schedule, torch.randn(40, 3, 16, 16), 15, ddim_step)
        scores[name] = score_scenes(reader.read(x), captions)
    assert scores["text"]["digits"] > 0.93 and scores["text"]["colours"] > 0.95
    assert scores["bag"]["scenes"] < 0.5 < scores["text"]["scenes"]
    with pytest.raises(ValueError, match="there are no weights 'x'; expected one of text, bag"):
        load_text("x")


def test_a_unet_of_diffusers_is_drawn_by_the_same_lines():
    """Chapter 17's code path, with random weights: their timestep is t - 1, their null is ours."""
    diffusers = pytest.importorskip("diffusers")
    torch.manual_seed(0)
    unet = diffusers.UNet2DConditionModel(
        block_out_channels=(32, 64), layers_per_block=1, cross_attention_dim=64,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D")).eval()  # fmt: skip
    text, schedule = TextEncoder(27).eval(), cosine_schedule(1000)

    def theirs(x, t, y=None):
        y = TOKENIZER([""]).expand(len(x), -1) if y is None else y
        return unet(x, t - 1, text(y), encoder_attention_mask=y != 0).sample

    with torch.no_grad():
        model = guided(theirs, TOKENIZER(PAIR), 6.5)
        x = sample(model, schedule, torch.randn(2, 4, 8, 8), 3, ddim_step)
        y, t, noise = TOKENIZER(PAIR), torch.tensor([5, 9]), torch.randn(2, 4, 8, 8)
        assert torch.allclose(theirs(noise, t, y), theirs(noise, t, y[:, :7]), atol=1e-4)
    assert x.shape == (2, 4, 8, 8) and x.isfinite().all()
