"""Fine-tuning: nothing changes at the start, only what should learn learns, and nothing is lost."""

import copy
from functools import partial

import pytest
import torch
from torch import nn

from ddpm_lite import MLP, UNet, cosine_schedule, ddpm_loss, load_pretrained, v_target
from ddpm_lite.finetune import (
    HEARTS,
    LoRA,
    NewLabel,
    add_label,
    add_lora,
    drawings,
    plain,
    prior_loss,
    without_lora,
)

S = cosine_schedule(100)
LAYERS = ("conv1", "conv2", "inject", "qkv", "out")


def shaken(net):
    """The network with random weights everywhere, also where layers start at zero."""
    torch.manual_seed(0)
    for weight in net.parameters():
        nn.init.normal_(weight, std=0.2)
    return net.eval()


def small():
    return shaken(UNet(1, 8, (1, 2), num_classes=3))


def inputs(n=4):
    return torch.randn(n, 1, 8, 8), torch.arange(1, n + 1) * 20, torch.arange(n) % 3


def layers():
    """A linear layer, and convolutions with a stride, with padding, and of another shape."""
    yield nn.Linear(5, 7), torch.randn(3, 5)
    yield nn.Conv2d(3, 4, 3, stride=2, padding=1), torch.randn(2, 3, 8, 8)
    yield nn.Conv2d(2, 6, 1), torch.randn(2, 2, 4, 4)


def moved(lora):
    """As after some training: neither A nor B is 0."""
    for part in (lora.A, lora.B):
        nn.init.normal_(part.weight)
    return lora


# LoRA


def test_at_the_start_lora_changes_nothing_and_then_both_matrices_move():
    """S19: with B = 0 and A random, the first step moves B, and from the second on both move."""
    for layer, x in layers():
        right, lora = layer(x), LoRA(copy.deepcopy(layer))
        assert torch.equal(lora(x), right)
        optimizer = torch.optim.SGD([p for p in lora.parameters() if p.requires_grad], lr=0.1)
        start, gradients = [lora.A.weight.clone(), lora.B.weight.clone()], []
        for _ in range(2):
            optimizer.zero_grad()
            lora(x).square().mean().backward()
            gradients.append([part.weight.grad.abs().max().item() for part in (lora.A, lora.B)])
            optimizer.step()
        assert gradients[0][0] == 0 and gradients[0][1] > 0 and gradients[1][0] > 0
        assert not torch.equal(lora.A.weight, start[0])
        assert not torch.equal(lora.B.weight, start[1])


def test_an_adapter_has_the_precision_of_its_layer():
    """And so it's on the same device, too: a network on a GPU can get one."""
    for layer in (nn.Linear(3, 2, dtype=torch.float64), nn.Conv2d(3, 2, 1, dtype=torch.float64)):
        assert {p.dtype for p in LoRA(layer).parameters()} == {torch.float64}


def test_lora_freezes_its_layer():
    lora = LoRA(nn.Linear(5, 7))
    assert [name for name, p in lora.named_parameters() if p.requires_grad] == [
        "A.weight", "B.weight",
    ]  # fmt: skip


def test_the_scale_is_alpha_over_the_rank():
    """S18: alpha and the rank differ, and B isn't 0. W x + (alpha / rank) B A x, by hand."""
    lora, x = moved(LoRA(nn.Linear(5, 7), rank=2, alpha=6.0)), torch.randn(3, 5)
    W, A, B = lora.layer.weight, lora.A.weight, lora.B.weight
    assert torch.allclose(lora(x), x @ (W + 3 * B @ A).T + lora.layer.bias, atol=1e-5)
    assert A.shape == (2, 5) and B.shape == (7, 2)


def test_a_merged_layer_is_the_unmerged_one():
    """Linear layers and convolutions: W + (alpha / rank) B A gives the same as the detour."""
    for layer, x in layers():
        lora, x = moved(LoRA(layer, rank=2, alpha=0.5)).double(), x.double()
        before, W = lora(x), lora.layer.weight.clone()
        merged = plain(nn.Sequential(lora))[0]
        assert type(merged) is type(layer) and torch.allclose(merged(x), before, atol=1e-12)
        assert not torch.equal(merged.weight, W) and torch.equal(merged.weight, lora.weight)
        assert torch.equal(lora.layer.weight, W) and torch.equal(lora(x), before)


def test_taking_an_adapter_out_gives_the_same_bits_back():
    """S20: W is kept. In half precision, W + D - D would differ in many weights, and an adapter of
    NaN would stay for ever."""
    lora = moved(LoRA(nn.Linear(50, 50))).half()
    W = lora.layer.weight.clone()
    D = lora.weight - W
    assert not torch.equal(W + D - D, W)
    assert torch.equal(without_lora(nn.Sequential(lora))[0].weight, W)
    lora.B.weight.data.fill_(torch.nan)
    assert plain(nn.Sequential(lora))[0].weight.isnan().any()
    assert torch.equal(without_lora(nn.Sequential(lora))[0].weight, W)
    assert torch.equal(lora.layer.weight, W)


def test_lora_is_wired_in_at_each_layer_of_the_name_and_nowhere_else():
    """S20: each adapter that is found changes what the network says."""
    net, (x, t, y) = small(), inputs()
    right = net(x, t, y)
    found = add_lora(net, ("conv1", "qkv"), rank=2)
    assert sum("conv1" in name for name in found) == 8 and "mid.0.attention.qkv" in found
    assert {n for n, part in net.named_modules() if isinstance(part, LoRA)} == set(found)
    assert torch.equal(net(x, t, y), right)
    for name in found:
        one = copy.deepcopy(net)
        nn.init.normal_(one.get_submodule(name).B.weight)
        assert (one(x, t, y) - right).abs().max() > 1e-3, name


def test_only_the_adapters_learn():
    net = small()
    add_lora(net, LAYERS, rank=2, alpha=1.0)
    learn = {name for name, p in net.named_parameters() if p.requires_grad}
    assert learn and all(name.endswith((".A.weight", ".B.weight")) for name in learn)


def test_the_first_layer_can_have_an_adapter():
    """The network looks at its weights to check x."""
    net, (x, t, y) = small(), inputs()
    right = net(x, t, y)
    add_lora(net, ("conv_in",))
    assert torch.equal(net(x, t, y), right)
    assert (plain(net)(x, t, y) - right).abs().max() < 1e-6


# A new label


def test_a_new_label_leaves_the_old_ones_as_they_were():
    net, (x, t, y) = small(), inputs()
    old, none = net(x, t, y), net(x, t)
    assert add_label(net) == 3 and net.condition.num_classes == 4
    assert torch.equal(net(x, t, y), old) and torch.equal(net(x, t), none)
    assert torch.equal(net(x, t, torch.full((4,), 4)), none)  # "no label" has moved
    assert torch.equal(net(x, t, torch.full((4,), 3)), none)  # the new label starts there
    with pytest.raises(ValueError, match="expected 0 … 3, or 4 for no label"):
        net(x, t, torch.full((4,), 5))


def test_only_the_new_row_learns():
    """Also with weight decay, which changes every weight that the optimiser has."""
    net, (x, t, _) = small(), inputs()
    heart = add_label(net.requires_grad_(False))
    before = {k: v.clone() for k, v in net.state_dict().items()}
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        net(x, t, torch.full((4,), heart)).square().mean().backward()
        optimizer.step()
    changed = {k for k, v in net.state_dict().items() if not torch.equal(v, before[k])}
    assert changed == {"condition.label.row"}


def test_the_old_rows_are_frozen():
    label = NewLabel(nn.Embedding(4, 2))
    assert [name for name, p in label.named_parameters() if p.requires_grad] == ["row"]


def test_the_row_is_the_one_that_is_looked_up():
    label = NewLabel(nn.Embedding(4, 2))
    label.row.data.fill_(7.0)
    assert label(torch.tensor([3])).tolist() == [[7.0, 7.0]]
    assert torch.equal(label(torch.tensor([0, 1, 2, 4])), label.table.weight)


# After the lesson


def test_a_plain_copy_answers_the_same_with_ordinary_layers():
    net, (x, t, y) = small(), inputs()
    names, none = {*net.state_dict()}, net(x, t)
    add_lora(net, LAYERS, rank=3, alpha=1.0)
    heart = add_label(net)
    shaken(net)
    copied = plain(net)
    assert {*copied.state_dict()} == names
    for label in (y, torch.full((4,), heart), torch.full((4,), heart + 1)):
        assert torch.allclose(copied(x, t, label), net(x, t, label), atol=1e-4)
    assert any(isinstance(part, LoRA) for part in net.modules())  # the original is as it was
    assert not any(isinstance(part, LoRA) for part in without_lora(net).modules())
    assert add_label(copied) == 4
    assert none.shape == x.shape


@pytest.fixture
def doubles():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def test_the_shipped_digits_merged_are_the_unmerged_ones(doubles):
    """Far below the bar of 1e-6, which is also the size of float32's own rounding."""
    net, (x, t, y) = load_pretrained("digits")[0].double(), inputs(8)
    add_lora(net, LAYERS)
    for part in net.modules():
        if isinstance(part, LoRA):
            nn.init.normal_(part.B.weight, std=0.02)
    assert (net(x, t, y) - load_pretrained("digits")[0].double()(x, t, y)).abs().max() > 0.01
    assert (plain(net)(x, t, y) - net(x, t, y)).abs().max() < 1e-12


def test_the_prior_s_loss_is_the_sum_of_two_with_their_own_labels():
    """S21: the old images are shown with their labels, not with the new one."""
    seen = []

    def net(x, t, y):
        seen.append((x.shape, y.tolist()))
        return 0 * x

    new = torch.full((5000, 1, 2, 2), 0.5), torch.full((5000,), 9)
    old = torch.full((2000, 1, 2, 2), -1.0), torch.arange(2000) % 3
    loss = prior_loss(net, S, new, old, 2.0)
    assert seen == [((5000, 1, 2, 2), [9] * 5000), ((2000, 1, 2, 2), old[1].tolist())]
    torch.manual_seed(1)
    parts = [ddpm_loss(partial(net, y=y), S, x, v_target) for x, y in (new, old)]
    torch.manual_seed(1)
    assert prior_loss(net, S, new, old, 2.0) == parts[0] + 2 * parts[1]
    assert loss.item() == pytest.approx((parts[0] + 2 * parts[1]).item(), rel=0.1)
    torch.manual_seed(1)
    assert prior_loss(net, S, new, old, 0.0) == parts[0]


# Drawings


def test_drawings_are_read_from_text():
    x = drawings("#. .+\n.. #.\n\n++ ##\n.. ##")
    assert x.shape == (4, 1, 2, 2)
    assert x[:, 0].tolist() == [
        [[1, -1], [-1, -1]], [[-1, 0], [1, -1]], [[0, 0], [-1, -1]], [[1, 1], [1, 1]],
    ]  # fmt: skip
    assert drawings(HEARTS).shape == (10, 1, 8, 8)
    assert torch.equal(drawings("\n#. .+\n.. #.\n \n\n++ ##\n.. ##\n"), x)  # more empty lines
    for ragged in ("#. .+\n.. ", "#. .+\n.. #.\n\n++ ##", ""):
        with pytest.raises(ValueError, match="all of the same width and height"):
            drawings(ragged)


# What is refused


@pytest.mark.parametrize("layer", [
    nn.Conv1d(1, 1, 1), nn.Conv2d(4, 4, 1, groups=2), nn.Conv2d(2, 2, 3, dilation=2),
    nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular"), MLP(),
])  # fmt: skip
def test_other_layers_are_refused(layer):
    with pytest.raises(TypeError, match=f"the layer is {type(layer).__name__}"):
        LoRA(layer)


@pytest.mark.parametrize("rank", [0, 2.0])
def test_a_rank_is_a_whole_number(rank):
    with pytest.raises(ValueError, match=f"is \\({rank}, 4.0\\); expected a whole number"):
        LoRA(nn.Linear(2, 2), rank)


def test_names_that_do_not_occur_are_refused():
    """S20: an adapter that is never wired in."""
    with pytest.raises(ValueError, match=r"names is \('to_q', 'to_k'\); expected .* of \['0', '2'"):
        add_lora(small(), ("to_q", "to_k"))
    with pytest.raises(ValueError, match="names is 'conv1'; expected a tuple"):
        add_lora(small(), "conv1")
    with pytest.raises(ValueError, match="names is 'q'; expected a tuple"):  # a layer of TextUNet
        add_lora(nn.ModuleDict({"q": nn.Linear(2, 2)}), "q")


def test_a_network_without_labels_gets_no_new_one():
    for net in (UNet(1, 8, (1, 2)), nn.Linear(2, 2)):
        with pytest.raises(ValueError, match="expected that of a network with num_classes"):
            add_label(net)
    net = small()
    add_label(net)
    with pytest.raises(ValueError, match="without a new label"):
        add_label(net)
