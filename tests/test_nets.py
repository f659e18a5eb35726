"""Theorems about the networks: what they may depend on, and what they must."""

import copy
import math

import pytest
import torch

from ddpm_lite import (
    MLP,
    Attention,
    Downsample,
    ResBlock,
    UNet,
    Upsample,
    time_embedding,
)

UNETS = {
    "unet": lambda **more: UNet(1, 8, (1, 2, 2), attention=(1,), **more),
    "signals": lambda **more: UNet(1, 8, (1, 2), attention=(0,), dims=1, **more),
    "volumes": lambda **more: UNet(1, 8, (1, 2), attention=(1,), dims=3, **more),
    "points": lambda **more: MLP(2, 16, 2, **more),
}
SHAPES = {"unet": (1, 8, 8), "signals": (1, 10), "volumes": (1, 4, 2, 6), "points": (2,)}
each_net = pytest.mark.parametrize("kind", UNETS)


def awake(net):
    """As if trained a little: the layers that start at 0 no longer are."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return net


def batch(kind: str, n: int = 4):
    return torch.randn(n, *SHAPES[kind]), torch.randint(1, 1001, (n,))


def parameters(net) -> int:
    return sum(p.numel() for p in net.parameters())


# Size and shape


def test_the_cifar10_network_of_ddpm_has_35746307_parameters():
    """As Ho et al. report, 35.7M (DDPM, appendix B); built on "meta", so nothing is allocated."""
    with torch.device("meta"):
        net = UNet(3, 128, (1, 2, 2, 2), blocks=2, attention=(1,), dropout=0.1)
    assert parameters(net) == 35_746_307


def test_multipliers_do_not_compound():
    """Level i has mults[i] * width channels, not the product of all multipliers so far."""
    net = UNet(1, 8, (1, 2, 2, 4))
    entered = [layer.res.conv2.out_channels for layer in net.down if hasattr(layer, "res")]
    left = [layer.res.conv2.out_channels for layer in net.up if hasattr(layer, "res")]
    assert entered == [8, 16, 16, 32]
    assert left == [32, 32, 16, 16, 16, 16, 8, 8]


@pytest.mark.parametrize(
    "mults, size", [((1,), 5), ((1, 2), 6), ((1, 2, 2), 28), ((1, 1, 1, 1), 8)]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_unet_keeps_the_shape(channels, mults, size):
    """(B, C, H, W) to the same, for every size that its levels can halve; H and W may differ."""
    net = UNet(channels, 8, mults, attention=(len(mults) - 1,))
    for h, w in ((size, size), (size, 2 * size)):
        x = torch.randn(2, channels, h, w)
        assert net(x, torch.tensor([1, 9])).shape == x.shape


def test_the_blocks_halve_double_and_keep():
    """H / 2, 2 H, and H."""
    x, c = torch.randn(2, 8, 6, 4), torch.randn(2, 16)
    assert Downsample(8)(x, c).shape == (2, 8, 3, 2)
    assert Upsample(8)(x, c).shape == (2, 8, 12, 8)
    assert Attention(8)(x).shape == x.shape
    assert ResBlock(8, 12, 16)(x, c).shape == (2, 12, 6, 4)
    assert MLP(3)(torch.randn(5, 3), torch.arange(1, 6)).shape == (5, 3)


def test_a_new_unet_predicts_zero_and_its_blocks_are_the_identity():
    """Zero-initialised last layers: the loss starts at 1, each block at x (DDPM's code)."""
    x, t = batch("unet")
    h, c = torch.randn(2, 8, 6, 4), torch.randn(2, 16)
    assert not UNETS["unet"]()(x, t).any()
    assert torch.equal(ResBlock(8, 8, 16)(h, c), h)
    assert torch.equal(Attention(8)(h), h)


# Time


def test_near_times_have_near_embeddings_and_far_times_far_ones():
    """The distance |e(t) - e(t + d)| grows with d at first and is the same for every t."""
    e = time_embedding(torch.arange(1, 1001), 64)
    distance = torch.cdist(e, e)
    near, further, far = (distance.diagonal(d) for d in (1, 5, 50))
    assert near.min() > 0.1 and near.max() < further.min() < further.max() < far.min()
    assert torch.allclose(further, further.mean(), atol=1e-3)  # a circulant matrix
    off = distance + torch.eye(1000) * 9
    assert off.min() > 0.1  # no two times look alike


def test_embeddings_are_sines_and_cosines_of_geometric_frequencies():
    """sin(t w_i), cos(t w_i), w_i = 10000^(-i / (d/2 - 1)) (Vaswani et al. 2017, section 3.5)."""
    e, t = time_embedding(torch.tensor([1, 7, 1000]), 8), [1, 7, 1000]
    angles = torch.tensor([[u * 10000 ** (-i / 3) for i in range(4)] for u in t])
    assert torch.allclose(e, torch.cat([angles.sin(), angles.cos()], 1), atol=1e-4)
    assert torch.allclose(e.square().sum(1), torch.tensor(4.0))


def test_a_time_scaled_to_0_to_1_is_almost_the_same_vector_for_all_t():
    """t / T in a sinusoid made for 1 … T: the rows hardly differ, so the network cannot tell t."""
    t = torch.arange(1, 1001)
    spread, scaled = (time_embedding(u, 64).std(0).mean() for u in (t, t / 1000))
    assert scaled < spread / 5


@each_net
def test_time_changes_the_prediction(kind):
    """eps(x, t) is a function of t: for every pair of times, the first and the last levels too."""
    net = awake(UNETS[kind]())
    x = batch(kind, 1)[0].expand(4, *SHAPES[kind])
    answers = net(x, torch.tensor([1, 2, 500, 1000])).flatten(1)
    distances = torch.cdist(answers, answers)[~torch.eye(4, dtype=torch.bool)]
    assert distances.min() > 1e-3 * answers.norm(dim=1).mean()


# Attention


def attention_by_hand(layer, x):
    """x + out(softmax(Q K^T / sqrt(C)) V), the softmax over keys (Vaswani et al. 2017, Eq. 1)."""
    b, c, h, w = x.shape
    qkv = layer.qkv(layer.norm(x)).view(b, 3, c, h * w).transpose(2, 3)  # (b, 3, positions, c)
    q, k, v = qkv[:, 0], qkv[:, 1], qkv[:, 2]
    weight = (q @ k.transpose(1, 2) / math.sqrt(c)).softmax(dim=2)  # (b, queries, keys)
    assert torch.allclose(weight.sum(2), torch.ones(b, h * w))
    return x + layer.out((weight @ v).transpose(1, 2).reshape(b, c, h, w))


def test_attention_is_its_formula():
    """On an image that is not square, so that exchanged axes show."""
    layer, x = awake(Attention(8)), torch.randn(2, 8, 3, 5)
    assert torch.allclose(layer(x), attention_by_hand(layer, x), atol=1e-5)


def test_attention_over_signals_and_volumes_is_that_over_the_same_positions_of_an_image():
    """15 positions in a row, in a plane or in a box: with the same weights, the same answer."""
    image, x = awake(Attention(8)), torch.randn(2, 8, 3, 5)
    for conv, shape in ((torch.nn.Conv1d, (15,)), (torch.nn.Conv3d, (3, 5, 1))):
        layer = Attention(8, conv)
        for mine, theirs in zip(layer.parameters(), image.parameters(), strict=True):
            mine.data = theirs.data.reshape(mine.shape)
        out = layer(x.reshape(2, 8, *shape))
        assert torch.allclose(out.reshape(x.shape), image(x), atol=1e-6)


def test_attention_weights_of_a_query_sum_to_1():
    """If every value is 1, what is looked up is 1, wherever the queries look."""
    layer, x = awake(Attention(8)), torch.randn(2, 8, 3, 5)
    with torch.no_grad():
        layer.qkv.weight[16:], layer.qkv.bias[16:] = 0, 1  # v = 1
        layer.out.weight[:], layer.out.bias[:] = torch.eye(8)[..., None, None], 0
    assert torch.allclose(layer(x), x + 1, atol=1e-5)


def test_attention_does_not_know_where_the_positions_are():
    """Permuted positions give permuted answers."""
    layer, x, order = awake(Attention(8)), torch.randn(2, 8, 3, 5), torch.randperm(15)

    def permuted(x):
        return x.flatten(2)[..., order].view(x.shape)

    assert torch.allclose(layer(permuted(x)), permuted(layer(x)), atol=1e-5)


# Rows, labels, levels


@each_net
@pytest.mark.parametrize("training", [True, False])
def test_a_row_does_not_depend_on_the_other_rows(kind, training):
    """The answer to x_i is the same alone and in a batch of other noise levels, in training too:
    BatchNorm would mix them."""
    net = awake(UNETS[kind]()).train(training)
    x, t = batch(kind)
    alone = torch.cat([net(x[i : i + 1], t[i : i + 1]) for i in range(4)])
    assert torch.allclose(net(x, t), alone, atol=1e-5)
    assert not list(net.buffers())  # no running statistics of any kind


@each_net
def test_no_label_is_the_label_num_classes(kind):
    """y = None and y = num_classes both pick the row of "no label", which guidance needs."""
    net, (x, t) = awake(UNETS[kind](num_classes=3)), batch(kind)
    assert torch.equal(net(x, t), net(x, t, torch.full((4,), 3)))


@each_net
def test_a_label_changes_the_prediction(kind):
    """eps(x, t, y) differs for all labels and for none."""
    net, (x, t) = awake(UNETS[kind](num_classes=3)), batch(kind)
    answers = torch.stack([net(x, t, torch.full((4,), y)) for y in range(4)]).flatten(1)
    assert torch.cdist(answers, answers)[~torch.eye(4, dtype=torch.bool)].min() > 1e-2


@each_net
def test_a_vector_is_a_condition_and_nan_is_none(kind):
    """Each entry of y (B, 3) matters; a row with a NaN is a row without a condition, and the
    vector 0 is not."""
    net, (x, t) = awake(UNETS[kind](cond_dim=3)), batch(kind)
    y = torch.randn(4, 3)
    out, none = net(x, t, y), net(x, t)
    for entry in range(3):
        other = y.clone()
        other[:, entry] += 1
        assert (net(x, t, other) - out).flatten(1).norm(dim=1).min() > 1e-3
    y[1], y[2, 0] = 0, math.nan
    mixed = net(x, t, y)
    assert torch.allclose(mixed[[0, 3]], out[[0, 3]], atol=1e-6)
    assert torch.allclose(mixed[2], none[2], atol=1e-6) and (mixed[1] - none[1]).norm() > 1e-3


@pytest.mark.parametrize("kind", ["unet", "signals", "volumes"])
def test_a_second_image_is_a_condition_and_nan_is_none(kind):
    """y (B, 2, …) is concatenated to x; NaN counts as 0, and so does y = None. The output has as
    many channels as it is told."""
    net, (x, t) = awake(UNETS[kind](cond_channels=2, out_channels=5)), batch(kind)
    y = torch.randn(4, 2, *SHAPES[kind][1:])
    out = net(x, t, y)
    assert out.shape == (4, 5, *SHAPES[kind][1:]) == net(x, t).shape
    assert (out - net(x, t)).flatten(1).norm(dim=1).min() > 1e-2
    for channel in (0, 1):
        other = y.clone()
        other[:, channel] = other[:, channel].flip(-1)
        assert (net(x, t, other) - out).flatten(1).norm(dim=1).min() > 1e-3
    y[1] = math.nan
    assert torch.allclose(net(x, t, y)[1], net(x, t)[1], atol=1e-6)
    assert torch.allclose(net(x, t, y)[::2], out[::2], atol=1e-6)


@each_net
def test_the_gradient_reaches_every_parameter(kind):
    """No layer is built and left out, each label and both ends of each skip included."""
    net, (x, t) = awake(UNETS[kind](num_classes=3)), batch(kind)
    net(x, t, torch.arange(4)).square().sum().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_each_block_on_the_way_up_takes_the_latest_state_that_is_left():
    """The skips: every state on the way down arrives, unchanged, at a block of its size."""
    net, (x, t), states, taken = awake(UNETS["unet"]()), batch("unet"), [], []
    for layer in (net.conv_in, *net.down):
        layer.register_forward_hook(lambda module, given, out: states.append(out))
    for layer in net.up:
        if not isinstance(layer, Upsample):
            layer.register_forward_pre_hook(lambda module, given: taken.append(given[0]))
    net(x, t)
    assert len(states) == len(taken) == 6
    for given, state in zip(taken, reversed(states), strict=True):
        assert torch.equal(given[:, -state.shape[1] :], state)


def test_dropout_acts_in_training_only():
    """Two calls differ in training and agree in evaluation."""
    net, (x, t) = awake(UNETS["unet"](dropout=0.5)), batch("unet")
    assert not torch.equal(net(x, t), net(x, t))
    net.eval()
    assert torch.equal(net(x, t), net(x, t))


@each_net
@pytest.mark.parametrize("more", [{"num_classes": 3}, {"cond_dim": 3}], ids=["label", "vector"])
def test_a_network_computes_in_the_precision_of_its_weights(kind, more):
    """In float64 the answer is that in float32, for whole times and for times in float64, with a
    condition and without; in bfloat16 it's a rough one."""
    net, (x, t) = awake(UNETS[kind](**more)), batch(kind)
    for y in (torch.randn(4, 3) if "cond_dim" in more else torch.arange(4), None):
        out = net(x, t, y)
        for dtype, off in ((torch.float64, 1e-3), (torch.bfloat16, 0.3)):
            same = copy.deepcopy(net).to(dtype)
            for time in (t, t.double()):
                given = y.to(dtype) if y is not None and y.is_floating_point() else y
                answer = same(x.to(dtype), time, given)
                assert answer.dtype == dtype
                assert (answer.float() - out).norm() < off * out.norm()


@each_net
def test_copies_and_saved_states_answer_alike(kind):
    """deepcopy and state_dict carry all that the answer depends on."""
    net, (x, t) = awake(UNETS[kind](num_classes=3)), batch(kind)
    other = UNETS[kind](num_classes=3)
    other.load_state_dict(net.state_dict())
    y = torch.arange(4)
    assert torch.equal(copy.deepcopy(net)(x, t, y), net(x, t, y))
    assert torch.equal(other(x, t, y), net(x, t, y))
