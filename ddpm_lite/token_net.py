"""The transformer that fills in tokens: ``net(x, y=None)`` with x (B, L) gives logits (B, L, V).

Tokens are whole numbers 0 … V - 1, and -1 is the mask (see ``tokens.py``).
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from .diffusion import expect


def rotated(x: Tensor) -> Tensor:
    """Rotate queries or keys (…, L, C) by angles proportional to their position. The positions then
    affect the product of a query and a key only through their distance (Su et al. 2021, arXiv
    2104.09864, Eq. 34). Used in chapter 20."""
    speed = torch.logspace(0, -2.5, x.shape[-1] // 2, device=x.device)
    angle = torch.arange(x.shape[-2], device=x.device)[:, None] * speed  # (L, C / 2)
    a, b = x.chunk(2, -1)
    cos, sin = angle.cos().to(x), angle.sin().to(x)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)


class TokenBlock(nn.Module):
    """x (B, L, C) to the same shape: attention, then an MLP at each position (Vaswani et al. 2017,
    arXiv 1706.03762, with the norms first). If ``causal``, a position sees only itself and earlier
    ones. If ``rotary``, attention depends on distances (see ``rotated``). Used in chapter 20."""

    def __init__(self, width: int, heads: int = 4, causal: bool = False, rotary: bool = False):
        super().__init__()
        even = width % (heads * (1 + rotary)) == 0
        expect(even, "width", width, f"a multiple of heads = {heads}, twice that with rotary")
        self.heads, self.causal, self.rotary = heads, causal, rotary
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = rearrange(self.qkv(self.norm1(x)), "b l (n h c) -> n b h l c", n=3, h=self.heads)
        q, k = (rotated(q), rotated(k)) if self.rotary else (q, k)
        h = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        x = x + self.out(rearrange(h, "b h l c -> b l (h c)"))
        return x + self.mlp(self.norm2(x))


class TokenNet(nn.Module):
    """A transformer for tokens: x (B, L) with masks to logits (B, L, V). It doesn't take the time
    as an input, because x already shows which tokens are hidden.

    Args:
        vocab: V, the number of different tokens, without the mask.
        length: the largest L.
        width, depth, heads: channels, blocks, and attention heads in each block.
        num_classes: for labels y (B,) in 0 … num_classes - 1. With 0, there are no labels.
        causal: each position sees only earlier ones. Then the input must be ``shifted`` tokens.
        rotary: attention depends on distances, which suits text.

    Raises:
        ValueError: a row is longer than ``length``, a token is V or more, or labels are missing.

    Built in chapter 20.
    """

    def __init__(self, vocab: int, length: int, width: int = 64, depth: int = 4, heads: int = 4,
                 num_classes: int = 0, causal: bool = False, rotary: bool = False):  # fmt: skip
        super().__init__()
        self.vocab, self.length = vocab, length
        self.token = nn.Embedding(vocab + 1, width)  # the last one is for the mask
        self.place = nn.Parameter(0.02 * torch.randn(length, width))
        self.label = nn.Embedding(num_classes, width) if num_classes else None
        args = width, heads, causal, rotary
        blocks = [TokenBlock(*args) for _ in range(depth)]
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.LayerNorm(width)
        self.proj_out = nn.Linear(width, vocab)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        _check_input(self, x, y)
        h = self.token(x % (self.vocab + 1)) + self.place[: x.shape[1]]  # -1 is the last entry
        h = h if y is None else h + self.label(y)[:, None]
        return self.proj_out(self.norm(self.blocks(h)))


def _check_input(net: TokenNet, x: Tensor, y: Tensor | None) -> None:
    rows = isinstance(x, Tensor) and x.dtype == torch.long and x.ndim == 2
    well = rows and 0 < x.shape[1] <= net.length and ((x >= -1) & (x < net.vocab)).all()
    hint = f"tokens 0 … {net.vocab - 1}, or -1 for the mask"
    expect(well, "x", x, f"{hint}, int64 (B, L) with L up to {net.length}")
    if net.label is None:
        expect(y is None, "y", y, "None: this network takes no labels")
        return
    n, rows = net.label.num_embeddings, isinstance(y, Tensor) and y.dtype == torch.long
    well = rows and y.shape == x.shape[:1] and (y.is_cuda or ((y >= 0) & (y < n)).all())
    expect(well, "y", y, f"{len(x)} labels 0 … {n - 1}, int64, one for each row")
