"""From a caption to an image: a text encoder, and a U-Net whose pixels read the words.

A caption is y, a row of token numbers (B, L), see ``tokenizer.py``. Token 0 is padding and is never
read. Every caption begins with token 1, so that the empty caption, which guidance needs, has a
token to read, too.
"""

from __future__ import annotations

import math
from contextlib import ExitStack
from functools import partial

import torch
from einops import rearrange
from torch import Tensor, nn

from .diffusion import expect
from .nets import Block, Conditioning, Ints, UNet, down_path, group_norm, mid_path, up_path, zero

PAD, START = 0, 1


def attention_weights(q: Tensor, k: Tensor, mask: Tensor) -> Tensor:
    """The attention weight of each key for each query: softmax(q k^T / sqrt(c)), and 0 where the
    mask is False (Vaswani et al. 2017, arXiv 1706.03762, Eq. 1).

    Args:
        q: queries (B, heads, N, c).
        k: keys (B, heads, L, c).
        mask: (B, L), False for padding. Each row needs at least one True.

    Returns:
        (B, heads, N, L), with a sum of 1 over the L keys. Built in chapter 17.
    """
    _check_mask(q, k, mask)
    score = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    return score.masked_fill(~mask[:, None, None, :], -math.inf).softmax(-1)


class CrossAttention(nn.Module):
    """Cross-attention from pixels to words: x (B, C, H, W) and words (B, L, dim) to (B, C, H, W).

    Queries come from the pixels, keys and values from the words (Rombach et al. 2022, arXiv
    2112.10752, section 3.3). The channels are split into ``heads`` independent parts. The layer
    starts as the identity. Built in chapter 17.
    """

    def __init__(self, channels: int, dim: int, heads: int = 4):
        super().__init__()
        expect(channels % heads == 0, "channels", channels, f"a multiple of heads = {heads}")
        self.heads, self.norm = heads, group_norm(channels)
        self.q = nn.Linear(channels, channels)
        self.kv = nn.Linear(dim, 2 * channels)
        self.out = zero(nn.Linear(channels, channels))

    def parts(self, x: Tensor, words: Tensor) -> list[Tensor]:
        """The queries of the pixels (B, heads, H W, c), and the keys and values of the words
        (B, heads, L, c)."""
        q = self.q(rearrange(self.norm(x), "b c h w -> b (h w) c"))
        parts = (q, *self.kv(words).chunk(2, dim=-1))
        return [rearrange(a, "b n (heads c) -> b heads n c", heads=self.heads) for a in parts]

    def forward(self, x: Tensor, words: Tensor, mask: Tensor) -> Tensor:
        q, k, v = self.parts(x, words)
        h = attention_weights(q, k, mask) @ v
        h = self.out(rearrange(h, "b heads n c -> b n (heads c)"))
        return x + rearrange(h, "b (h w) c -> b c h w", h=x.shape[2])


class TextLayer(nn.Module):
    """Self-attention among the words, then an MLP on each word alone: (B, L, dim) to the same shape
    (Vaswani et al. 2017, section 3.1, with the norms first). Built in chapter 17."""

    def __init__(self, dim: int, heads: int = 4):
        super().__init__()
        expect(dim % heads == 0, "dim", dim, f"a multiple of heads = {heads}")
        self.heads, self.norm1 = heads, nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.SiLU(), nn.Linear(4 * dim, dim))

    def forward(self, h: Tensor, mask: Tensor) -> Tensor:
        split = "b l (n heads c) -> n b heads l c"
        q, k, v = rearrange(self.qkv(self.norm1(h)), split, n=3, heads=self.heads)
        read = attention_weights(q, k, mask) @ v
        h = h + self.out(rearrange(read, "b heads l c -> b l (heads c)"))
        return h + self.mlp(self.norm2(h))


class TextEncoder(nn.Module):
    """Encode tokens y (B, L) as one vector each, (B, L, dim).

    Args:
        tokens: number of different tokens.
        dim: length of a vector, a multiple of ``heads``.
        length: maximum number of tokens in a caption.
        layers: number of transformer layers.
        heads: attention heads in each layer.
        positions: standard deviation of the position embeddings at the start. 0 leaves them out, so
            the encoder can't know the order of the words.

    Built in chapter 17.
    """

    def __init__(
        self, tokens: int, dim: int = 64, length: int = 16, layers: int = 2, heads: int = 4,
        positions: float = 1.0,
    ):  # fmt: skip
        super().__init__()
        expect(type(tokens) is int, "tokens", tokens, "their number, len(tokenizer.pieces)")
        self.embed = nn.Embedding(tokens, dim)
        start = positions * torch.randn(length, dim)
        self.positions = nn.Parameter(start, requires_grad=positions > 0)
        self.layers = nn.ModuleList([TextLayer(dim, heads) for _ in range(layers)])
        self.norm = nn.LayerNorm(dim)

    def forward(self, y: Tensor) -> Tensor:
        _check_tokens(y, self.embed.num_embeddings, len(self.positions))
        h = self.embed(y) + self.positions[: y.shape[1]]
        for layer in self.layers:
            h = layer(h, y != PAD)
        return self.norm(h)


class TextCondition(Conditioning):
    """Encode the timestep t (B,) and the caption, tokens y (B, L). The result is a vector for the
    timestep c (B, out), the words (B, L, dim), and the mask (B, L). y = None is the empty caption.
    Explained in chapter 17."""

    def __init__(self, width: int, out: int, text: TextEncoder):
        super().__init__(width, out)
        self.text = text

    def forward(self, t: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        y = torch.full((len(t), 1), START, device=t.device) if y is None else y
        expect(len(y) == len(t), "y", y, f"{len(t)} captions, one for each row")
        return super().forward(t), self.text(y), y != PAD


class TextBlock(Block):
    """A ``Block`` of the U-Net, followed by ``CrossAttention`` if ``attention`` is True.
    Built in chapter 17."""

    def __init__(self, c_in: int, c_out: int, c_dim: int, dim: int, heads: int, attention: bool):
        super().__init__(c_in, c_out, c_dim, 0.0, nn.Conv2d, attention)
        self.cross = CrossAttention(c_out, dim, heads) if attention else None

    def forward(self, x: Tensor, c: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        time, words, mask = c
        x = super().forward(x, time)
        return self.cross(x, words, mask) if self.cross else x


class TextUNet(UNet):
    """A U-Net with captions as conditions: ``net(x, t, y)`` with x (B, C, H, W) and tokens y
    (B, L).

    Args:
        tokens: number of different tokens, ``len(tokenizer.pieces)``.
        channels, width, mults: as in ``UNet``, with one block per level.
        attention: levels with self-attention and cross-attention. The middle always has both.
        dim, length, layers, positions: see ``TextEncoder``.
        heads: attention heads of the text encoder and of the cross-attention.

    ``y = None`` is the empty caption. The forward pass is that of ``UNet``. Explained in
    chapter 17.
    """

    def __init__(
        self, tokens: int, channels: int = 3, width: int = 32, mults: Ints = (1, 2, 2),
        attention: Ints = (1, 2), dim: int = 64, length: int = 16, layers: int = 2, heads: int = 4,
        positions: float = 1.0,
    ):  # fmt: skip
        super().__init__(channels, width, mults, attention=attention)
        text = TextEncoder(tokens, dim, length, layers, heads, positions)
        self.condition = TextCondition(width, 4 * width, text)
        block = partial(TextBlock, c_dim=4 * width, dim=dim, heads=heads)  # in the place of Block
        self.down, skips = down_path(block, nn.Conv2d, width, mults, 1, attention)
        self.mid = mid_path(block, skips[-1])
        self.up = up_path(block, nn.Conv2d, width, mults, 1, attention, skips)


@torch.no_grad()
def attention_maps(net: nn.Module, x: Tensor, t: Tensor, y: Tensor) -> list[Tensor]:
    """The attention weights (B, H, W, L) of each cross-attention in the network, averaged over the
    heads, in the order of the forward pass. They show which word each pixel attends to. Used in
    chapter 17."""
    found = []

    def keep(layer: CrossAttention, inputs: tuple, output: Tensor) -> None:
        x, words, mask = inputs
        q, k, _ = layer.parts(x, words)
        weights = attention_weights(q, k, mask).mean(1)
        found.append(rearrange(weights, "b (h w) l -> b h w l", h=x.shape[2]))

    with ExitStack() as hooks:
        for layer in net.modules():
            if isinstance(layer, CrossAttention):
                hooks.enter_context(layer.register_forward_hook(keep))
        net(x, t, y)
    expect(found, "net", type(net).__name__, "one with cross-attention, such as TextUNet")
    return found


def _check_tokens(y: Tensor, tokens: int, length: int) -> None:
    rows = isinstance(y, Tensor) and y.dtype == torch.int64 and y.ndim == 2
    well = rows and 0 < y.shape[1] <= length and ((y >= 0) & (y < tokens)).all()
    expect(well, "y", y, f"tokens 0 … {tokens - 1}, int64 (B, L) with L up to {length}")


def _check_mask(q: Tensor, k: Tensor, mask: Tensor) -> None:
    expect(q.ndim == k.ndim == 4, "q", q, "(B, heads, N, c), and k (B, heads, L, c)")
    rows = mask.dtype == torch.bool and mask.shape == (len(q), k.shape[2])
    hint = f"bool {len(q), k.shape[2]}, and in each row a True: a token that isn't padding"
    expect(rows and (mask.is_cuda or mask.any(1).all()), "the mask", mask, hint)
