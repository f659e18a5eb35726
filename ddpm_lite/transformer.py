"""A diffusion transformer (DiT), a network on tokens that stand for patches of an image.

Peebles and Xie 2023, arXiv 2212.09748. A network is called as ``net(x, t, y=None)``, as in
``nets.py``, with images x (B, C, H, W), timesteps t (B,) from 1 to T, and labels y (B,).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from .diffusion import check
from .nets import Conditioning, time_embedding, zero


def patchify(x: Tensor, p: int) -> Tensor:
    """Images (B, C, H, W) to tokens (B, N, p · p · C), one for each of the N patches of p x p
    pixels. The patches are in row order, and so are the pixels in a patch (Dosovitskiy et al. 2021,
    arXiv 2010.11929, section 3.1). Built in chapter 16.

    Raises:
        ValueError: H or W isn't a multiple of p.
    """
    _check_patches(x, p)
    return rearrange(x, "b c (h p) (w q) -> b (h w) (p q c)", p=p, q=p)


def unpatchify(tokens: Tensor, p: int, rows: int) -> Tensor:
    """The inverse of ``patchify``, for an image with this many rows of patches: tokens
    (B, N, p · p · C) to (B, C, H, W). Built in chapter 16."""
    return rearrange(tokens, "b (h w) (p q c) -> b c (h p) (w q)", p=p, q=p, h=rows)


def position_embedding(rows: int, columns: int, dim: int) -> Tensor:
    """Position embeddings (rows · columns, dim): for each patch, the ``time_embedding`` of its row,
    and then of its column, in the order of ``patchify``. ``dim`` is a multiple of 4, at least 8.
    Built in chapter 16."""
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    halves = [time_embedding(k.flatten(), dim // 2) for k in (row, column)]
    return torch.cat(halves, dim=1)


def modulate(h: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Multiply h (B, N, dim) by 1 + ``scale`` and add ``shift``, both (B, 1, dim). If both are 0, h
    doesn't change. Built in chapter 16."""
    return h * (1 + scale) + shift


class TokenAttention(nn.Module):
    """Multi-head self-attention: tokens (B, N, dim) to the same shape. In each head, the output for
    a token is a weighted mean over all tokens (Vaswani et al. 2017, arXiv 1706.03762, section 3.2).
    Built in chapter 16.
    """

    def __init__(self, dim: int, heads: int):
        super().__init__()
        _check_heads(dim, heads)
        self.heads = heads
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def split(self, h: Tensor) -> Tensor:
        """Queries, keys and values, each (B, heads, N, dim / heads)."""
        return rearrange(self.qkv(h), "b m (n k d) -> n b k m d", n=3, k=self.heads)

    def weights(self, h: Tensor) -> Tensor:
        """The attention weights (B, heads, N, N). Row i has the weights of token i, which sum to
        1."""
        q, k, _ = self.split(h)
        return torch.softmax(q @ k.mT / q.shape[-1] ** 0.5, dim=-1)

    def forward(self, h: Tensor) -> Tensor:
        mean = F.scaled_dot_product_attention(*self.split(h))
        return self.out(rearrange(mean, "b k m d -> b m (k d)"))


def layer_norm(dim: int) -> nn.LayerNorm:
    """A layer that normalises each token to mean 0 and variance 1. It learns no scale and shift,
    because the condition sets them."""
    return nn.LayerNorm(dim, elementwise_affine=False, eps=1e-6)


def from_condition(dim: int, n: int) -> nn.Sequential:
    """Layers that turn c (B, dim) into n concatenated vectors (B, n · dim), which are all 0 before
    training."""
    return nn.Sequential(nn.SiLU(), zero(nn.Linear(dim, n * dim)))


class DiTBlock(nn.Module):
    """Tokens h (B, N, dim) and the condition c (B, dim) to (B, N, dim): attention, then an MLP on
    each token. The condition scales and shifts the inputs of both, and gates what they add to h
    (adaLN-Zero; DiT, section 3.2). All gates start at 0, so the block starts as the identity.
    Built in chapter 16."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.norm1, self.norm2 = layer_norm(dim), layer_norm(dim)
        self.attention = TokenAttention(dim, heads)
        self.mlp = nn.Sequential(
            nn.Linear(dim, 4 * dim), nn.GELU(approximate="tanh"), nn.Linear(4 * dim, dim)
        )
        self.modulation = from_condition(dim, 6)

    def forward(self, h: Tensor, c: Tensor) -> Tensor:
        scale1, shift1, gate1, scale2, shift2, gate2 = rearrange(
            self.modulation(c), "b (n d) -> n b 1 d", n=6
        )
        h = h + gate1 * self.attention(modulate(self.norm1(h), scale1, shift1))
        return h + gate2 * self.mlp(modulate(self.norm2(h), scale2, shift2))


class DiT(nn.Module):
    """Images (B, channels, H, W) to the same shape, by a transformer over their patches.

    Args:
        channels: 1 for grey images, 3 for colour, more for latents.
        patch: side of a patch. H and W must be multiples of it. Half the side means four times as
            many tokens.
        dim: how many numbers a token has, a multiple of 4 and of ``heads``, at least 8.
        depth: number of blocks.
        heads: attention heads in each block.
        num_classes: for labels 0 … num_classes - 1. The label num_classes, or y = None, means "no
            label".
        out_channels: channels of the output, if not ``channels`` (a learned variance doubles them).

    ``DiT(4, 2, 1152, 28, 16, 1000, out_channels=8)`` has the sizes of DiT-XL/2.
    Built in chapter 16.
    """

    def __init__(
        self, channels: int = 1, patch: int = 2, dim: int = 48, depth: int = 4, heads: int = 4,
        num_classes: int = 0, out_channels: int | None = None,
    ):  # fmt: skip
        super().__init__()
        if dim % 4 or dim % heads or dim < 8:
            hint = f"expected a multiple of 4 and of heads = {heads}, at least 8"
            raise ValueError(f"dim is {dim}; {hint}")
        self.channels, self.patch, self.dim = channels, patch, dim
        self.condition = Conditioning(dim, dim, num_classes)
        self.embed = nn.Linear(patch**2 * channels, dim)
        self.blocks = nn.ModuleList([DiTBlock(dim, heads) for _ in range(depth)])
        self.norm, self.modulation = layer_norm(dim), from_condition(dim, 2)
        self.out = zero(nn.Linear(dim, patch**2 * (out_channels or channels)))

    def tokens(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) to tokens (B, N, dim), with their positions added."""
        rows, columns = x.shape[2] // self.patch, x.shape[3] // self.patch
        places = position_embedding(rows, columns, self.dim).to(x)
        return self.embed(patchify(x, self.patch)) + places

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        _check_input(self, x, t)
        h, c = self.tokens(x), self.condition(t, y)
        for block in self.blocks:
            h = block(h, c)
        scale, shift = rearrange(self.modulation(c), "b (n d) -> n b 1 d", n=2)
        h = self.out(modulate(self.norm(h), scale, shift))
        return unpatchify(h, self.patch, x.shape[2] // self.patch)


def _check_patches(x: Tensor, p: int) -> None:
    shape = tuple(x.shape)
    check(x.ndim == 4, f"x has shape {shape}; expected images (B, C, H, W)")
    check(type(p) is int and p > 0, f"the patch size is {p}; expected a whole number above 0")
    hint = f"expected multiples of the patch size {p}: crop or pad x"
    check(not (shape[2] % p or shape[3] % p), f"x is {shape[2]} x {shape[3]} pixels; {hint}")


def _check_heads(dim: int, heads: int) -> None:
    well = type(dim) is type(heads) is int and heads > 0 and dim % heads == 0
    check(well, f"dim is {dim}; expected a multiple of heads = {heads}, both whole numbers")


def _check_input(net: DiT, x: Tensor, t: Tensor) -> None:
    """Check that x fits the first layer, and that t has one timestep for each row."""
    kind, rows = net.embed.weight.dtype, x.shape[:1]
    fits = isinstance(x, Tensor) and x.ndim == 4 and x.shape[1] == net.channels
    check(fits and x.dtype == kind, f"x has shape {tuple(x.shape)} and is {x.dtype}; "
           f"expected (B, {net.channels}, H, W) and {kind}")  # fmt: skip
    times = isinstance(t, Tensor) and t.shape == rows and t.dtype != torch.bool
    given = f"has shape {tuple(t.shape)}, {t.dtype}" if isinstance(t, Tensor) else f"is {t!r}"
    check(times, f"t {given}; expected {len(x)} timesteps 1 … T, one for each row of x")
    scaled = t.is_floating_point() and not t.is_cuda and len(t) and t.max() <= 1
    check(not scaled, "t is at most 1; expected timesteps 1 … T, not t / T")
