"""The networks that guess the noise: an MLP for points and the U-Net for images (torch, einops).

A network is ``net(x, t, y=None)``: x (B, …) floats, t (B,) times 1 … T, y (B,) labels or None.
U-Net of DDPM: Ho et al. 2020, arXiv 2006.11239, appendix B.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

Ints = tuple[int, ...]


def time_embedding(t: Tensor, dim: int) -> Tensor:
    """(B,) times to (B, dim): sines and cosines with periods from 2 pi to 2 pi 10^4.

    It expects t = 1 … T as it is: t / T would make all rows nearly equal. Vaswani et al. 2017,
    section 3.5, as in DDPM. Built in chapter 4.
    """
    half = dim // 2
    frequency = torch.exp(-math.log(10000) * torch.arange(half, device=t.device) / (half - 1))
    angle = t[:, None] * frequency  # (B, half)
    return torch.cat([angle.sin(), angle.cos()], dim=1)


class Conditioning(nn.Module):
    """Time, and the label where there is one, as one vector: (B,) and (B,) to (B, out).

    Label ``num_classes``, like y = None, means "no label": the row that guidance needs.
    """

    def __init__(self, width: int, out: int, num_classes: int = 0):
        super().__init__()
        if width < 4 or width % 2:
            raise ValueError(f"width is {width}; expected an even number from 4 on: sines, cosines")
        self.width, self.num_classes = width, num_classes
        self.time = nn.Sequential(nn.Linear(width, out), nn.SiLU(), nn.Linear(out, out))
        self.label = nn.Embedding(num_classes + 1, out) if num_classes else None

    def forward(self, t: Tensor, y: Tensor | None = None) -> Tensor:
        c = self.time(time_embedding(t, self.width))
        if self.label is None:
            if y is not None:
                raise ValueError("y is given to a network without classes: set num_classes")
            return c
        return c + self.label(torch.full_like(t, self.num_classes) if y is None else y)


class MLP(nn.Module):
    """A residual network for points: x (B, dim) to (B, dim). Built in chapter 3.

    Args:
        dim: coordinates of a point.
        width: hidden units, even.
        depth: residual layers.
        num_classes: labels 0 … num_classes - 1; 0 for none.
    """

    def __init__(self, dim: int = 2, width: int = 128, depth: int = 4, num_classes: int = 0):
        super().__init__()
        self.dim = dim
        self.condition = Conditioning(width, width, num_classes)
        self.enter = nn.Linear(dim, width)
        self.inject = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])
        self.layers = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])
        self.leave = nn.Linear(width, dim)

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        if x.ndim != 2 or x.shape[1] != self.dim:
            raise ValueError(f"x has shape {tuple(x.shape)}; expected (B, {self.dim})")
        c = F.silu(self.condition(t, y))
        h = self.enter(x)
        for inject, layer in zip(self.inject, self.layers, strict=True):
            h = h + layer(F.silu(h + inject(c)))
        return self.leave(F.silu(h))


def group_norm(channels: int) -> nn.GroupNorm:
    """32 groups as in DDPM, fewer where a group would have less than 4 channels."""
    return nn.GroupNorm(math.gcd(min(32, max(1, channels // 4)), channels), channels)


def zero(layer: nn.Module) -> nn.Module:
    """The layer with weights and bias 0, so that its block starts as the identity."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


class ResBlock(nn.Module):
    """x (B, in, H, W) and c (B, dim) to (B, out, H, W): x plus two convolutions of it.
    He et al. 2016; the condition is added between them. Built in chapter 4."""

    def __init__(self, c_in: int, c_out: int, c_dim: int, dropout: float = 0.0):
        super().__init__()
        self.norm1, self.conv1 = group_norm(c_in), nn.Conv2d(c_in, c_out, 3, padding=1)
        self.inject = nn.Linear(c_dim, c_out)
        self.norm2, self.drop = group_norm(c_out), nn.Dropout(dropout)
        self.conv2 = zero(nn.Conv2d(c_out, c_out, 3, padding=1))
        self.skip = nn.Conv2d(c_in, c_out, 1) if c_in != c_out else nn.Identity()

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        h = h + self.inject(F.silu(c))[:, :, None, None]
        h = self.conv2(self.drop(F.silu(self.norm2(h))))
        return self.skip(x) + h


class Attention(nn.Module):
    """Every position looks at every other: (B, C, H, W) to the same. One head, as in DDPM;
    Vaswani et al. 2017, Eq. 1. Built in chapter 4."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = group_norm(channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = zero(nn.Conv2d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = rearrange(self.qkv(self.norm(x)), "b (n c) h w -> n b 1 (h w) c", n=3)
        h = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(rearrange(h, "b 1 (h w) c -> b c h w", h=x.shape[2]))


class Downsample(nn.Module):
    """Half the height and width: (B, C, H, W) to (B, C, H/2, W/2). Built in chapter 4."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        return self.conv(x)


class Upsample(nn.Module):
    """Twice the height and width: (B, C, H, W) to (B, C, 2H, 2W). Built in chapter 4."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))


class Block(nn.Module):
    """A ResBlock, and attention where its level has it."""

    def __init__(self, c_in: int, c_out: int, c_dim: int, dropout: float, attention: bool):
        super().__init__()
        self.res = ResBlock(c_in, c_out, c_dim, dropout)
        self.attention = Attention(c_out) if attention else nn.Identity()

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        return self.attention(self.res(x, c))


def down_path(
    block: Callable, width: int, mults: Ints, blocks: int, attention: Ints
) -> tuple[nn.ModuleList, list[int]]:
    """The layers on the way down, and the channels of the skip that each of them leaves."""
    layers, skips = nn.ModuleList(), [width]
    for level, mult in enumerate(mults):
        if level > 0:
            layers.append(Downsample(skips[-1]))
            skips.append(skips[-1])
        for _ in range(blocks):
            layers.append(block(skips[-1], mult * width, attention=level in attention))
            skips.append(mult * width)
    return layers, skips


def middle_path(block: Callable[..., nn.Module], c: int) -> nn.ModuleList:
    """The layers at the coarsest size; the first of them always with attention."""
    return nn.ModuleList([block(c, c, attention=a) for a in (True, False)])


def up_path(
    block: Callable, width: int, mults: Ints, blocks: int, attention: Ints, skips: list[int]
) -> nn.ModuleList:
    """The layers on the way up; each block takes the last skip that is left."""
    layers, c = nn.ModuleList(), skips[-1]
    for level, mult in reversed(list(enumerate(mults))):
        for _ in range(blocks + 1):
            layers.append(block(c + skips.pop(), mult * width, attention=level in attention))
            c = mult * width
        if level > 0:
            layers.append(Upsample(c))
    return layers


def output_layers(c: int, channels: int) -> nn.Sequential:
    """The last layers: norm, activation and a convolution that starts at zero."""
    return nn.Sequential(group_norm(c), nn.SiLU(), zero(nn.Conv2d(c, channels, 3, padding=1)))


class UNet(nn.Module):
    """Images (B, channels, H, W) to the same shape: down, through the middle, up, with skips.

    Args:
        channels: 1 for grey, 3 for colour.
        width: channels of the first level, even.
        mults: channels of each level, as multiples of ``width`` (they do not compound). Each level
            but the first halves H and W, which must be multiples of 2 ** (len(mults) - 1).
        blocks: residual blocks of a level on the way down; one more on the way up.
        attention: levels with self-attention, 0 the finest; the middle always has it.
        num_classes: labels 0 … num_classes - 1; label num_classes, or y = None, is "no label".
        dropout: probability, inside each residual block.

    ``UNet(3, 128, (1, 2, 2, 2), blocks=2, attention=(1,), dropout=0.1)`` is the network of DDPM for
    CIFAR-10, 35,746,307 parameters. Built in chapter 4.
    """

    def __init__(
        self,
        channels: int = 1,
        width: int = 32,
        mults: Ints = (1, 2, 2),
        blocks: int = 1,
        attention: Ints = (),
        num_classes: int = 0,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.channels, self.factor = channels, 2 ** (len(mults) - 1)
        block = partial(Block, c_dim=4 * width, dropout=dropout)
        self.condition = Conditioning(width, 4 * width, num_classes)
        self.enter = nn.Conv2d(channels, width, 3, padding=1)
        self.down, skips = down_path(block, width, mults, blocks, attention)
        self.middle = middle_path(block, skips[-1])
        self.up = up_path(block, width, mults, blocks, attention, skips)
        self.leave = output_layers(mults[0] * width, channels)

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        _check_images(x, self.channels, self.factor)
        c = self.condition(t, y)
        skips = [h := self.enter(x)]
        for layer in self.down:
            skips.append(h := layer(h, c))
        for layer in self.middle:
            h = layer(h, c)
        for layer in self.up:
            if isinstance(layer, Block):
                h = torch.cat([h, skips.pop()], dim=1)
            h = layer(h, c)
        return self.leave(h)


def _check_images(x: Tensor, channels: int, factor: int) -> None:
    if x.ndim != 4 or x.shape[1] != channels:
        hint = f"expected images (B, {channels}, H, W)"
        raise ValueError(f"x has shape {tuple(x.shape)}; {hint}")
    if x.shape[2] % factor or x.shape[3] % factor:
        hint = f"expected multiples of {factor}: pad the images, or use fewer mults"
        raise ValueError(f"x is {x.shape[2]} x {x.shape[3]} pixels; {hint}")
