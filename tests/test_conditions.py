"""Every kind of condition is obeyed: labels of signals, a value, several labels, a coarse image.

Each example trains for a few seconds on data whose condition can be read off a sample. The control
is the same measurement against conditions that were not asked for.
"""

import math
from functools import partial

import torch
import torch.nn.functional as F

from ddpm_lite import (
    UNet,
    batches,
    cosine_schedule,
    ddim_step,
    ddpm_loss,
    drop_labels,
    from_v,
    guided,
    load_images,
    sample,
    train,
    v_target,
    warmup_cosine,
)

SCHEDULE = cosine_schedule()


def fit(net, x, y, null, steps=200):
    """Train with one condition in ten dropped, so that guidance works."""

    def loss(net, x, y):
        return ddpm_loss(partial(net, y=drop_labels(y, 0.1, null)), SCHEDULE, x, v_target)

    for _ in train(net, batches(x, y, size=32), loss, steps, warmup_cosine(5e-3)):
        pass
    return net.eval()


def draw(net, y, shape, w=0.0):
    """One sample for each condition."""
    model = guided(from_v(net, SCHEDULE), y, w)
    return sample(model, SCHEDULE, torch.randn(len(y), *shape), 10, ddim_step)


def waves(x):
    """(N,) the periods of signals (N, 1, L)."""
    return torch.fft.rfft(x[:, 0]).abs().argmax(1)


def brightest(x):
    """(N,) where the light is in images (N, 1, H, W), from -1 (left) to 1 (right)."""
    return x.mean((1, 2)).mul(8).softmax(1) @ torch.linspace(-1, 1, x.shape[3])


def bars(x):
    """(N, 2) whether images (N, 1, 8, 8) have a horizontal and a vertical bar."""
    bright = (x[:, 0] > 0).float()
    return torch.stack([bright.mean(axis).amax(1) > 0.7 for axis in (2, 1)], 1).float()


def coarse(x):
    """Images (N, 1, H, W) without detail, constant over 4 x 4 pixels."""
    return F.interpolate(F.avg_pool2d(x, 4), scale_factor=4)


def test_signals_of_the_frequency_that_the_label_asks_for():
    """dims=1: waves of 2 or 5 periods; both come without a label."""
    y = torch.arange(512) % 2
    phase, time = torch.rand(512, 1) * 2 * math.pi, torch.arange(32) / 32
    periods = torch.tensor([2.0, 5.0])
    x = 0.8 * torch.sin(2 * math.pi * periods[y, None] * time + phase)[:, None]  # (512, 1, 32)
    net = fit(UNet(1, 16, (1, 2), num_classes=2, dims=1), x, y, null=2)
    wanted = torch.arange(40) % 2
    for w in (0.0, 1.0):
        found = waves(draw(net, wanted, (1, 32), w))
        assert (found == periods[wanted]).float().mean() > 0.85
    either = waves(draw(net, torch.full((40,), 2), (1, 32)))
    assert 5 < (either == 5).sum() < 35


def test_an_image_is_lit_where_the_value_says():
    """cond_dim=1: the place of a column of light is a number. No value near 0 was trained."""
    y = torch.rand(512, 1) * 0.7 + 0.2
    y[::2] *= -1
    x = 2 * torch.exp(-(((torch.linspace(-1, 1, 8) - y) / 0.3) ** 2)) - 1
    x = x[:, None, None].repeat(1, 1, 8, 1)  # (512, 1, 8, 8)
    net = fit(UNet(1, 16, (1, 2), cond_dim=1), x, y, null=math.nan)
    wanted = torch.linspace(-0.8, 0.8, 40)[:, None]
    for w in (0.0, 2.0):
        found = brightest(draw(net, wanted, (1, 8, 8), w))
        assert (found - wanted[:, 0]).abs().mean() < 0.15 < (found + wanted[:, 0]).abs().mean() / 3
    assert brightest(draw(net, wanted * math.nan, (1, 8, 8))).std() > 0.3


def test_an_image_has_the_bars_that_several_labels_ask_for():
    """cond_dim=2: a horizontal bar or none, a vertical bar or none. Guidance is stricter."""
    y, place = (torch.rand(512, 2) < 0.5).float(), F.one_hot(torch.randint(0, 8, (512, 2)), 8)
    across, down = (y[..., None] * place).unbind(1)  # each (512, 8)
    x = 2 * torch.maximum(across[:, :, None], down[:, None, :])[:, None] - 1  # (512, 1, 8, 8)
    net = fit(UNet(1, 16, (1, 2), cond_dim=2), x, y, null=math.nan)
    wanted = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]).repeat(16, 1)
    obeyed = {}
    for w in (0.0, 3.0):
        found = bars(draw(net, wanted, (1, 8, 8), w))
        obeyed[w] = (found == wanted).all(1).float().mean()
        assert (found == wanted.roll(1, 0)).all(1).float().mean() < 0.3
    assert obeyed[3.0] > 0.75 and obeyed[3.0] > obeyed[0.0]


def test_a_coarse_image_gets_the_details_of_a_digit(digits):
    """cond_channels=1: the mean of each quarter is known, and a sample keeps it."""
    net = fit(UNet(1, 16, (1, 2), cond_channels=1), digits[0], coarse(digits[0]), null=math.nan)
    wanted = coarse(load_images("digits", train=False)[0][:40])
    for w in (0.0, 1.0):
        found = draw(net, wanted, (1, 8, 8), w)
        wrong = (coarse(found) - wanted.roll(1, 0)).abs().mean()
        assert (coarse(found) - wanted).abs().mean() < 0.08 < wrong / 2
        assert (found - wanted).abs().mean() > 0.2  # there is detail
    free = draw(net, wanted * math.nan, (1, 8, 8))
    assert (coarse(free) - wanted).abs().mean() > 0.15
