"""The networks that predict the noise: an MLP for points and the U-Net for images (torch, einops).

A network is called as ``net(x, t, y=None)``, with floats x (B, …), timesteps t (B,) from 1 to T,
and a condition y: labels (B,), vectors (B, d), or a second image (B, C, …). "No condition" is the
label ``num_classes``, a vector or an image of NaN, or y = None for the whole batch.

U-Net of DDPM: Ho et al. 2020, arXiv 2006.11239, appendix B.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

Ints = tuple[int, ...]


def time_embedding(t: Tensor, dim: int) -> Tensor:
    """Embed times t (B,) as vectors (B, dim): sines and cosines with periods from 2 pi to 2 pi 10^4
    (Vaswani et al. 2017, arXiv 1706.03762, section 3.5, as used in DDPM).

    Pass t = 1 … T unscaled. With t / T, all embeddings would be nearly equal.

    Raises:
        ValueError: t isn't (B,), or dim isn't an even number from 4 on.

    Built in chapter 4.
    """
    if not isinstance(t, Tensor) or t.ndim != 1 or dim < 4 or dim % 2:
        raise ValueError(f"t is {_kind(t)}, dim {dim}; expected times (B,), and an even dim from 4")
    half = dim // 2
    frequency = torch.exp(-math.log(10000) * torch.arange(half, device=t.device) / (half - 1))
    angle = t[:, None] * frequency  # (B, half)
    return torch.cat([angle.sin(), angle.cos()], dim=1)


class Conditioning(nn.Module):
    """Turn the timestep t (B,), and the condition y if there is one, into one vector (B, out).

    Args:
        width: number of sines and cosines of t, an even number from 4 on.
        out: length of the vector.
        num_classes: for labels y (B,) from 0 to num_classes - 1. The label num_classes means "no
            label".
        cond_dim: for vectors y (B, cond_dim), such as a measured value, or several yes-or-no labels
            as 0 and 1. A vector with a NaN means "no condition".

    Classifier-free guidance needs these values for "no condition". Built in chapter 4.
    """

    def __init__(self, width: int, out: int, num_classes: int = 0, cond_dim: int = 0):
        super().__init__()
        if type(width) is not int or width < 4 or width % 2:
            raise ValueError(f"width is {width!r}; expected an even number, at least 4")
        if min(num_classes, cond_dim) < 0:
            raise ValueError(f"{num_classes} classes, cond_dim {cond_dim}; expected 0 or more")
        self.width, self.num_classes, self.cond_dim = width, num_classes, cond_dim
        self.time = nn.Sequential(nn.Linear(width, out), nn.SiLU(), nn.Linear(out, out))
        self.label = nn.Embedding(num_classes + 1, out) if num_classes else None
        self.vector = nn.Linear(cond_dim + 1, out) if cond_dim else None  # 1: "none"

    def forward(self, t: Tensor, y: Tensor | None = None) -> Tensor:
        dtype = next(self.parameters()).dtype
        c = self.time(time_embedding(t, self.width).to(dtype))
        if y is not None:
            _check_condition(y, t.shape[0], self.num_classes, self.cond_dim, dtype)
        if self.label is not None:
            none = torch.full(t.shape, self.num_classes, device=t.device)
            return c + self.label(none if y is None else y)
        if self.vector is not None:
            y = c.new_full((len(t), self.cond_dim), math.nan) if y is None else y
            none = y.isnan().any(1, keepdim=True)  # (B, 1)
            return c + self.vector(torch.cat([y.masked_fill(none, 0), none.to(y)], dim=1))
        return c


class MLP(nn.Module):
    """A residual network for points: x (B, dim) to (B, dim). Built in chapter 3.

    Args:
        dim: coordinates of a point.
        width: hidden units, even.
        depth: residual layers.
        num_classes, cond_dim: labels or vectors as conditions; see ``Conditioning``.
    """

    def __init__(
        self, dim: int = 2, width: int = 128, depth: int = 4, num_classes: int = 0,
        cond_dim: int = 0,
    ):  # fmt: skip
        super().__init__()
        self.channels = dim
        self.condition = Conditioning(width, width, num_classes, cond_dim)
        self.proj_in = nn.Linear(dim, width)
        self.inject = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])
        self.layers = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])
        self.proj_out = nn.Linear(width, dim)

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        _check_input(self, self.proj_in.weight, x, t)
        c = F.silu(self.condition(t, y))
        h = self.proj_in(x)
        for inject, layer in zip(self.inject, self.layers, strict=True):
            h = h + layer(F.silu(h + inject(c)))
        return self.proj_out(F.silu(h))


def group_norm(channels: int) -> nn.GroupNorm:
    """Group normalisation with 32 groups as in DDPM, or fewer if a group would have fewer than 4
    channels."""
    return nn.GroupNorm(math.gcd(min(32, max(1, channels // 4)), channels), channels)


def zero(layer: nn.Module) -> nn.Module:
    """Set the weights and the bias of a layer to 0, so that its block starts as the identity."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


class ResBlock(nn.Module):
    """A residual block: x (B, c_in, H, W) and the condition c (B, c_dim) to (B, c_out, H, W). It
    adds the output of two convolutions to x, and c is added between the two (He et al. 2016, arXiv
    1512.03385). Built in chapter 4."""

    def __init__(self, c_in: int, c_out: int, c_dim: int, dropout: float = 0.0, conv=nn.Conv2d):
        super().__init__()
        self.norm1, self.conv1 = group_norm(c_in), conv(c_in, c_out, 3, padding=1)
        self.inject = nn.Linear(c_dim, c_out)
        self.norm2, self.drop = group_norm(c_out), nn.Dropout(dropout)
        self.conv2 = zero(conv(c_out, c_out, 3, padding=1))
        self.skip = conv(c_in, c_out, 1) if c_in != c_out else nn.Identity()

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        c = self.inject(F.silu(c))  # (B, out)
        h = h + c.reshape(*c.shape, *[1] * (x.ndim - 2))
        h = self.conv2(self.drop(F.silu(self.norm2(h))))
        return self.skip(x) + h


class Attention(nn.Module):
    """Self-attention, in which every position attends to all positions: (B, C, H, W) to the same
    shape. It has one head, as in DDPM (Vaswani et al. 2017, arXiv 1706.03762, Eq. 1).
    Built in chapter 4."""

    def __init__(self, channels: int, conv=nn.Conv2d):
        super().__init__()
        self.norm = group_norm(channels)
        self.qkv = conv(channels, 3 * channels, 1)
        self.out = zero(conv(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = rearrange(self.qkv(self.norm(x)), "b (n c) ... -> n b 1 (...) c", n=3)
        h = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(rearrange(h, "b 1 n c -> b c n").reshape(x.shape))


class Downsample(nn.Module):
    """Halve the height and width: (B, C, H, W) to (B, C, H/2, W/2). Built in chapter 4."""

    def __init__(self, channels: int, conv=nn.Conv2d):
        super().__init__()
        self.conv = conv(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        return self.conv(x)


class Upsample(nn.Module):
    """Double the height and width: (B, C, H, W) to (B, C, 2H, 2W). Built in chapter 4."""

    def __init__(self, channels: int, conv=nn.Conv2d):
        super().__init__()
        self.conv = conv(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))


class Block(nn.Module):
    """A ResBlock, followed by attention if ``attention`` is True."""

    def __init__(self, c_in: int, c_out: int, c_dim: int, dropout: float, conv, attention: bool):
        super().__init__()
        self.res = ResBlock(c_in, c_out, c_dim, dropout, conv)
        self.attention = Attention(c_out, conv) if attention else nn.Identity()

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        return self.attention(self.res(x, c))


def down_path(
    block: Callable, conv, width: int, mults: Ints, blocks: int, attention: Ints
) -> tuple[nn.ModuleList, list[int]]:
    """The layers on the way down, and the channels of each skip."""
    layers, skips = nn.ModuleList(), [width]
    for level, mult in enumerate(mults):
        if level > 0:
            layers.append(Downsample(skips[-1], conv))
            skips.append(skips[-1])
        for _ in range(blocks):
            layers.append(block(skips[-1], mult * width, attention=level in attention))
            skips.append(mult * width)
    return layers, skips


def mid_path(block: Callable[..., nn.Module], c: int) -> nn.ModuleList:
    """The two layers at the coarsest size. The first one always has attention."""
    return nn.ModuleList([block(c, c, attention=a) for a in (True, False)])


def up_path(
    block: Callable, conv, width: int, mults: Ints, blocks: int, attention: Ints, skips: list[int]
) -> nn.ModuleList:
    """The layers on the way up. Each block takes the last remaining skip as a second input."""
    layers, c = nn.ModuleList(), skips[-1]
    for level, mult in reversed(list(enumerate(mults))):
        for _ in range(blocks + 1):
            layers.append(block(c + skips.pop(), mult * width, attention=level in attention))
            c = mult * width
        if level > 0:
            layers.append(Upsample(c, conv))
    return layers


def out_layers(c: int, channels: int, conv=nn.Conv2d) -> nn.Sequential:
    """The last layers: norm, activation and a convolution that starts at zero."""
    return nn.Sequential(group_norm(c), nn.SiLU(), zero(conv(c, channels, 3, padding=1)))


class UNet(nn.Module):
    """A U-Net: images (B, channels, H, W) to the same shape, down, through the middle and up, with
    skip connections.

    Args:
        channels: 1 for grey images, 3 for colour.
        width: channels of the first level, an even number.
        mults: channels of each level, as multiples of ``width`` (they don't compound). Each level
            after the first halves H and W, so these must be multiples of 2 ** (len(mults) - 1).
        blocks: residual blocks in each level on the way down; there's one more on the way up.
        attention: levels with self-attention. Level 0 is the finest, and the middle always has it.
        num_classes: for labels 0 … num_classes - 1. The label num_classes, or y = None, means "no
            label".
        dropout: probability of dropout inside each residual block.
        cond_dim: for conditions that are vectors (B, cond_dim); see ``Conditioning``.
        cond_channels: for a second image (B, cond_channels, H, W) as the condition. It's
            concatenated to x. An image of NaN means "no condition".
        out_channels: channels of the output, if not ``channels`` (a learned variance doubles them).
        dims: 2 for images, 1 for signals (B, C, L), 3 for volumes (B, C, D, H, W).

    ``UNet(3, 128, (1, 2, 2, 2), blocks=2, attention=(1,), dropout=0.1)`` is DDPM's network for
    CIFAR-10, with 35,746,307 parameters.

    Raises:
        TypeError, ValueError: a size is out of range, or several kinds of condition are set.

    Built in chapter 4.
    """

    image_size: tuple[int, ...] | None = None
    """The image size (H, W) that trained weights expect, or None for any size. Other sizes are
    refused."""

    def __init__(
        self,
        channels: int = 1,
        width: int = 32,
        mults: Ints = (1, 2, 2),
        blocks: int = 1,
        attention: Ints = (),
        num_classes: int = 0,
        dropout: float = 0.0,
        cond_dim: int = 0,
        cond_channels: int = 0,
        out_channels: int | None = None,
        dims: int = 2,
    ):
        super().__init__()
        _check_unet(mults, blocks, attention, (num_classes, cond_dim, cond_channels), dims)
        self.channels, self.cond_channels = channels, cond_channels
        self.dropout, self.factor, conv = dropout, 2 ** (len(mults) - 1), CONV[dims]
        block = partial(Block, c_dim=4 * width, dropout=dropout, conv=conv)
        self.condition = Conditioning(width, 4 * width, num_classes, cond_dim)
        self.conv_in = conv(channels + cond_channels, width, 3, padding=1)
        self.down, skips = down_path(block, conv, width, mults, blocks, attention)
        self.mid = mid_path(block, skips[-1])
        self.up = up_path(block, conv, width, mults, blocks, attention, skips)
        self.conv_out = out_layers(mults[0] * width, out_channels or channels, conv)

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        _check_input(self, self.conv_in.weight, x, t)
        if self.cond_channels:
            x, y = torch.cat([x, self.second_image(x, y)], dim=1), None
        c = self.condition(t, y)
        skips = [h := self.conv_in(x)]
        for layer in self.down:
            skips.append(h := layer(h, c))
        for layer in self.mid:
            h = layer(h, c)
        for layer in self.up:
            if isinstance(layer, Block):
                h = torch.cat([h, skips.pop()], dim=1)
            h = layer(h, c)
        return self.conv_out(h)

    def second_image(self, x: Tensor, y: Tensor | None) -> Tensor:
        """The condition (B, cond_channels, …), with NaN replaced by 0. It's all zeros if y is
        None."""
        expected = x.new_zeros(len(x), self.cond_channels, *x.shape[2:])
        if y is None:
            return expected
        if _kind(y) != _kind(expected):
            raise TypeError(f"y is {_kind(y)}; expected a second image, {_kind(expected)}")
        return y.masked_fill(y.isnan(), 0)


def _check_input(net: nn.Module, weight: Tensor, x: Tensor, t: Tensor) -> None:
    """Check that x fits the first layer, that its sides can be halved often enough, and that t has
    one timestep for each row, on the same device."""
    if getattr(net, "dropout", 0) and net.training and not torch.is_grad_enabled():
        warnings.warn("dropout is on: call net.eval() before sampling", stacklevel=3)
    sides = ["", ", L", ", H, W", ", D, H, W"][weight.ndim - 2]
    fits = isinstance(x, Tensor) and x.dtype == weight.dtype and x.ndim == weight.ndim
    if not fits or x.shape[1] != net.channels:
        expected = f"{weight.dtype} of shape (B, {net.channels}{sides})"
        raise ValueError(f"x is {_kind(x)}; expected {expected}")
    _check_time(t, x.shape[0])
    if not x.device == t.device == weight.device:
        devices = f"x is on {x.device}, t on {t.device}, and the network on {weight.device}"
        raise ValueError(f"{devices}; expected one device, such as t.to(x.device)")
    _check_size(x, getattr(net, "factor", 1), getattr(net, "image_size", None))  # not in an MLP


def _check_size(x: Tensor, factor: int, size: Ints | None) -> None:
    if size and x.shape[2:] != size:
        hint = f"these weights are for images of size {size}"
        raise ValueError(f"x has shape {tuple(x.shape)}; {hint}")
    if any(side % factor for side in x.shape[2:]):
        hint = f"expected multiples of {factor}: pad or resize the images, or use fewer mults"
        raise ValueError(f"x is {' x '.join(map(str, x.shape[2:]))} pixels; {hint}")


def _check_time(t: Tensor, rows: int) -> None:
    if not isinstance(t, Tensor) or t.shape != (rows,) or t.dtype == torch.bool:
        hint = f"expected {rows} timesteps 1 … T, one for each row of x"
        raise TypeError(f"t is {_kind(t)}; {hint}")
    if t.is_floating_point() and not t.is_cuda and t.max() <= 1:
        raise ValueError(f"t is at most {t.max():g}; expected timesteps 1 … T, not t / T")


def _check_condition(
    y: Tensor, rows: int, num_classes: int, cond_dim: int, dtype: torch.dtype
) -> None:
    if torch.compiler.is_exporting():  # a traced tensor has no values
        return
    if not num_classes and not cond_dim:
        raise ValueError("y is given to a network without conditions: set num_classes or cond_dim")
    shape = (rows,) if num_classes else (rows, cond_dim)
    expected = f"{torch.int64 if num_classes else dtype} of shape {shape}"
    if _kind(y) != expected:
        raise TypeError(f"y is {_kind(y)}; expected {expected}")
    if num_classes and not y.is_cuda and not 0 <= y.min() <= y.max() <= num_classes:
        hint = f"expected 0 … {num_classes - 1}, or {num_classes} for no label"
        raise ValueError(f"labels are {y.min()} … {y.max()}; {hint}")


def _check_unet(mults: Ints, blocks: int, attention: Ints, kinds: Ints, dims: int) -> None:
    if isinstance(mults, int) or isinstance(attention, int):
        raise TypeError(f"mults is {mults}, attention {attention}; expected tuples such as (1, 2)")
    if not mults or min(mults) < 1 or blocks < 1 or dims not in CONV:
        given = f"mults is {mults}, blocks {blocks}, dims {dims}"
        raise ValueError(f"{given}; expected numbers of at least 1, and dims 1, 2 or 3")
    if not set(attention) <= set(range(len(mults))):
        raise ValueError(f"attention is {attention}; expected levels among 0 … {len(mults) - 1}")
    if sum(map(bool, kinds)) > 1:
        raise ValueError("set only one of num_classes, cond_dim and cond_channels, not several")


def _kind(a: object) -> str:
    """A short description of a value, for error messages."""
    tensor = isinstance(a, Tensor)
    return f"{a.dtype} of shape {tuple(a.shape)}" if tensor else " ".join(repr(a).split())[:60]
