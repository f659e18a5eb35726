"""A branch that controls a trained U-Net with a second image (ControlNet: Zhang et al. 2023, arXiv
2302.05543)."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .diffusion import check, check_data
from .nets import Block, UNet, zero


def skip_widths(net: UNet) -> list[int]:
    """The channels of each skip of a U-Net, and then of its middle. Built in chapter 21d."""
    last = [layer.res.conv2 if isinstance(layer, Block) else layer.conv
            for layer in [*net.down, net.mid[-1]]]  # fmt: skip
    return [net.conv_in.out_channels, *(conv.out_channels for conv in last)]


class Branch(nn.Module):
    """A trainable copy of a U-Net's down path and middle, with a hint as an additional input
    (ControlNet, Eq. 2).

    Args:
        net: a ``UNet`` of images, without ``cond_channels``.
        channels: channels of the hint.

    The inputs are x (B, C, H, W), the condition's vector c (B, dim) and the hint
    (B, channels, H, W). The output is a list of what to add to each skip and, as the last entry, to
    the middle. Each entry comes from a 1 × 1 convolution that starts at zero. Built in chapter 21d.
    """

    def __init__(self, net: UNet, channels: int = 1):
        super().__init__()
        width, convs = net.conv_in.out_channels, skip_widths(net)
        last = zero(nn.Conv2d(width, width, 3, padding=1))
        self.see = nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), nn.SiLU(), last)
        parts = copy.deepcopy(nn.ModuleList([net.conv_in, net.down, net.mid]))
        self.conv_in, self.down, self.mid = parts.requires_grad_(True)
        self.zeros = nn.ModuleList([zero(nn.Conv2d(c, c, 1)) for c in convs])
        self.to(net.conv_in.weight)

    def forward(self, x: Tensor, c: Tensor, hint: Tensor) -> list[Tensor]:
        seen = [h := self.conv_in(x) + self.see(hint)]
        for layer in self.down:
            seen.append(h := layer(h, c))
        for layer in self.mid:
            h = layer(h, c)
        return [zeros(h) for zeros, h in zip(self.zeros, [*seen, h], strict=True)]


class Control(nn.Module):
    """A frozen U-Net with a ``Branch``: ``net(x, t, y, hint)``. Without a hint, or before the
    branch is trained, the output is that of the U-Net. Built in chapter 21d."""

    def __init__(self, net: UNet, channels: int = 1):
        super().__init__()
        _check_net(net)
        self.net = net.requires_grad_(False)
        self.branch = Branch(net, channels)

    def forward(
        self, x: Tensor, t: Tensor, y: Tensor | None = None, hint: Tensor | None = None
    ) -> Tensor:
        if hint is None:
            return self.net(x, t, y)
        _check_hint(x, hint, self.branch.see[0].in_channels)
        _check_input(self.net, x, t)
        c = self.net.condition(t, y)
        return self.added(x, c, list(self.branch(x, c, hint)))

    def added(self, x: Tensor, c: Tensor, extra: list[Tensor]) -> Tensor:
        """Run the U-Net, with ``extra`` from the branch added to its skips and, as the last entry,
        to its middle."""
        skips = [h := self.net.conv_in(x)]
        for layer in self.net.down:
            skips.append(h := layer(h, c))
        for layer in self.net.mid:
            h = layer(h, c)
        h = h + extra.pop()
        for layer in self.net.up:
            if isinstance(layer, Block):
                h = torch.cat([h, skips.pop() + extra.pop()], 1)
            h = layer(h, c)
        return self.net.conv_out(h)


def edges(x: Tensor) -> Tensor:
    """The outlines of strokes: images (B, C, H, W) in [-1, 1] to hints (B, C, H, W) in [0, 1]. A
    hint is bright at each pixel that has a brighter neighbour. Built in chapter 21."""
    check_data(x)
    return (F.max_pool2d(x, 3, stride=1, padding=1) - x) / 2


def _check_net(net: UNet) -> None:
    well = isinstance(net.conv_in, nn.Conv2d) and not net.cond_channels
    check(well, "expected a UNet of images (dims=2), without a second image (cond_channels=0)")


def _check_hint(x: Tensor, hint: Tensor, channels: int) -> None:
    expected = (len(x), channels, *x.shape[2:])
    given = f"the hint has shape {tuple(hint.shape)}"
    check(hint.shape == expected, f"{given}; expected {expected}, as x has")
    well = hint.dtype == x.dtype and (hint.is_cuda or hint.isfinite().all())
    check(well, f"the hint is {hint.dtype} or has a NaN; expected {x.dtype} without NaN")


def _check_input(net: UNet, x: Tensor, t: Tensor) -> None:
    """Refuse what the U-Net would refuse. Its own check doesn't run here, because ``added`` calls
    its layers one by one."""
    kind, factor = net.conv_in.weight.dtype, net.factor
    times = isinstance(t, Tensor) and t.shape == x.shape[:1] and t.dtype != torch.bool
    times = times and (t.is_cuda or not t.is_floating_point() or t.max() > 1)
    check(times, f"t isn't {len(x)} timesteps 1 … T; expected one for each row, not t / T")
    sides = net.image_size or x.shape[2:]
    well = x.dtype == kind and x.ndim == 4 and x.shape[1:] == (net.channels, *sides)
    well = well and not any(n % factor for n in sides)
    size = f"(H, W) = {net.image_size}" if net.image_size else f"multiples of {factor}"
    expected = f"expected {kind} (B, {net.channels}, H, W), with {size}"
    check(well, f"x is {x.dtype} of shape {tuple(x.shape)}; {expected}")
