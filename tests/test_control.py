"""The control branch: it starts as the network alone, and every connection learns."""

import pytest
import torch
from test_finetune import inputs, shaken
from torch import nn
from torch.nn import functional as F

from ddpm_lite import UNet
from ddpm_lite.control import Control, edges


def small():
    return shaken(UNet(1, 8, (1, 2), num_classes=3))


def test_with_its_zero_convolutions_the_branch_changes_nothing_and_learns():
    """S17: control(x, hint) = base(x) at the start, and every zero convolution has a gradient."""
    net, (x, t, y) = small(), inputs()
    right, control = net(x, t, y), Control(net)
    hint = edges(x)
    out = control(x, t, y, hint)
    assert torch.equal(out, right)
    out.square().mean().backward()
    for zeros in control.branch.zeros:
        assert zeros.weight.grad.abs().max() > 0
    assert all(p.grad is None for p in control.net.parameters())
    assert (
        control.branch.see[2].weight.grad.abs().max() == 0
    )  # behind a zero: it waits for one step


def test_two_zeros_in_series_learn_after_a_step():
    """S17: the last convolution of the hint is zero and behind another zero."""
    control, (x, t, y) = Control(small()), inputs()
    optimizer = torch.optim.SGD([p for p in control.parameters() if p.requires_grad], lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        control(x, t, y, edges(x)).square().mean().backward()
        optimizer.step()
    assert control.branch.see[2].weight.abs().max() > 0


def test_every_connection_of_the_branch_reaches_the_output():
    """One for each skip, and one for the middle. The hint reaches all of them."""
    net, (x, t, y) = small(), inputs()
    right = net(x, t, y)
    for i in range(len(Control(net).branch.zeros)):
        control = Control(net)
        nn.init.normal_(control.branch.zeros[i].weight)
        first = control(x, t, y, edges(x))
        assert (first - right).abs().max() > 1e-3
        nn.init.normal_(control.branch.see[2].weight)
        assert (control(x, t, y, edges(x)) - first).abs().max() > 1e-4
    assert len(control.branch.zeros) == len(net.down) + 2


def test_what_the_branch_gives_is_added():
    """A branch of constants is the same as constants that are added inside the network."""
    net, (x, t, y) = small(), inputs()
    control, width = Control(net), net.conv_in.out_channels
    nn.init.constant_(control.branch.zeros[0].bias, 0.3)
    nn.init.constant_(control.branch.zeros[-1].bias, 0.5)
    mine = control(x, t, y, edges(x))
    plus = torch.zeros(1, net.up[-1].res.norm1.num_channels, 1, 1)
    plus[:, -width:] = 0.3  # the first skip is the last one to be used
    net.mid[-1].register_forward_hook(lambda layer, given, h: h + 0.5)
    net.up[-1].register_forward_pre_hook(lambda layer, given: (given[0] + plus, *given[1:]))
    assert torch.allclose(mine, net(x, t, y), atol=1e-5)


def test_the_branch_is_a_copy_that_learns_and_the_network_is_frozen():
    net = small()
    control = Control(net)
    assert all(p.requires_grad for name, p in control.named_parameters() if name[:4] != "net.")
    assert not any(p.requires_grad for p in control.net.parameters())
    assert torch.equal(control.branch.down[0].res.conv1.weight, net.down[0].res.conv1.weight)
    assert control.branch.down[0] is not net.down[0]


def test_the_branch_has_the_precision_of_the_network():
    """And so it's on the same device, too."""
    control = Control(small().double())
    assert {p.dtype for p in control.parameters()} == {torch.float64}


def test_without_a_hint_it_is_the_network():
    net, (x, t, y) = small(), inputs()
    right, control = net(x, t, y), shaken_branch(Control(net))
    assert torch.equal(control(x, t, y), right)
    assert not torch.allclose(control(x, t, y, edges(x)), right)


def shaken_branch(control):
    for name, weight in control.named_parameters():
        if not name.startswith("net."):
            nn.init.normal_(weight, std=0.2)
    return control


def test_edges_are_the_outline():
    """A white square of 2 × 2 has the 12 pixels around it, and a hint is in [0, 1]."""
    x = torch.full((1, 1, 6, 6), -1.0)
    x[..., 2:4, 2:4] = 1
    hint = edges(x)
    assert hint.sum() == 12 and hint[..., 2:4, 2:4].sum() == 0 and hint[0, 0, 1, 1] == 1
    assert 0 <= edges(torch.rand(5, 1, 8, 8) * 2 - 1).min()
    assert edges(torch.zeros(1, 1, 4, 4)).abs().max() == 0


def test_what_the_network_refuses_is_refused_with_a_hint_too():
    (x, t, y), net = inputs(), small()
    net.image_size = (8, 8)
    big, coloured = F.interpolate(x, scale_factor=2), x.repeat(1, 3, 1, 1)
    for wrong, given in ((big, "16, 16"), (coloured, "4, 3, 8"), (x.double(), "float64")):
        for hint in (None, wrong[:, :1]):
            with pytest.raises(ValueError, match=given):
                Control(net)(wrong, t, y, hint)
    net.image_size = None
    with pytest.raises(ValueError, match=r"\(4, 1, 7, 7\); expected .* with multiples of 2"):
        Control(net)(x[..., :7, :7], t, y, x[..., :7, :7])


def test_a_hint_of_another_size_is_refused():
    x, t, y = inputs()
    with pytest.raises(ValueError, match=r"shape \(4, 1, 4, 4\); expected \(4, 1, 8, 8\)"):
        Control(small())(x, t, y, F.avg_pool2d(edges(x), 2))
