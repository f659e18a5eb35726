"""From a caption to an image: a tokeniser, a text encoder, and a U-Net whose pixels read the words.

A caption is y, a row of token numbers (B, L). Token 0 is padding and is never read. Every caption
begins with token 1, so that the empty caption, which guidance needs, has a token to read, too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import torch
from einops import rearrange
from torch import Tensor, nn

from .diffusion import check
from .nets import (
    Block,
    Conditioning,
    Ints,
    UNet,
    down_path,
    group_norm,
    mid_path,
    out_layers,
    up_path,
    zero,
)

PAD, START = 0, 1


class Tokenizer:
    """Turn captions into rows of token numbers (B, length), padded with 0.

    Args:
        pieces: the words and parts of words that it knows. Their tokens are 2, 3, …
        length: how many tokens a row has. Longer captions are refused.

    A word is split from the left into pieces, each as long as possible: "sevens" becomes "seven"
    and "s".

    Raises:
        ValueError, TypeError: a word can't be split, a caption is too long, or the captions aren't
            a list of texts.

    Built in chapter 17.
    """

    def __init__(self, pieces: Sequence[str], length: int = 16):
        _check_pieces(pieces, length)
        self.length, self.pieces = length, ("<pad>", "<start>", *pieces)

    def split(self, caption: str) -> list[str]:
        """The pieces of a caption, beginning with the start token."""
        found = ["<start>"]
        for word in caption.lower().split():
            while word:
                fits = [p for p in self.pieces if word.startswith(p)]
                if not fits:
                    raise ValueError(f"unknown word {word!r} in {caption!r}; {_known(self.pieces)}")
                found.append(max(fits, key=len))
                word = word[len(found[-1]) :]
        return found

    def __call__(self, captions: Sequence[str]) -> Tensor:
        _check_captions(captions)
        y = [[self.pieces.index(p) for p in self.split(c)] for c in captions]
        _check_length(captions, y, self.length)
        return torch.tensor([r + [PAD] * (self.length - len(r)) for r in y])


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
        _check_heads(channels, heads)
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
        _check_heads(dim, heads)
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
        check(positions >= 0, f"positions is {positions}; expected 0 or more")
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
        words = self.text(y)
        check(len(y) == len(t), f"y has {len(y)} captions; expected {len(t)}, one for each row")
        return super().forward(t), words, y != PAD


class TextBlock(Block):
    """A ``Block`` of the U-Net, followed by ``CrossAttention`` if ``attention`` is True.
    Built in chapter 17."""

    def __init__(
        self, c_in: int, c_out: int, c_dim: int, dim: int, heads: int, attention: bool
    ):  # fmt: skip
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
        _check_levels(tokens, mults, attention)
        nn.Module.__init__(self)  # the layers of UNet are built anew, from blocks that read
        self.channels, self.cond_channels, self.dropout = channels, 0, 0.0
        self.factor = 2 ** (len(mults) - 1)
        text = TextEncoder(tokens, dim, length, layers, heads, positions)
        block = partial(TextBlock, c_dim=4 * width, dim=dim, heads=heads)
        self.condition = TextCondition(width, 4 * width, text)
        self.conv_in = nn.Conv2d(channels, width, 3, padding=1)
        self.down, skips = down_path(block, nn.Conv2d, width, mults, 1, attention)
        self.mid = mid_path(block, skips[-1])
        self.up = up_path(block, nn.Conv2d, width, mults, 1, attention, skips)
        self.conv_out = out_layers(mults[0] * width, channels)


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

    hooks = [layer.register_forward_hook(keep) for layer in _readers(net)]
    try:
        net(x, t, y)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _readers(net: nn.Module) -> list[nn.Module]:
    layers = [layer for layer in net.modules() if hasattr(layer, "parts")]
    check(layers, "the network has no cross-attention; expected one that reads, as TextUNet")
    return layers


def _check_captions(captions: Sequence[str]) -> None:
    if isinstance(captions, str):
        raise TypeError(f"captions is the text {captions!r}; expected a list, [{captions!r}]")
    well = isinstance(captions, Sequence) and len(captions)
    texts = well and all(isinstance(caption, str) for caption in captions)
    check(texts, f"captions is {captions!r:.60}; expected a list of texts, one at least")


def _check_length(captions: Sequence[str], y: list[list[int]], length: int) -> None:
    for caption, row in zip(captions, y, strict=True):
        if len(row) > length:
            hint = f"expected at most {length}: use a shorter caption"
            raise ValueError(f"{caption!r} has {len(row)} tokens; {hint}")


def _known(pieces: Sequence[str]) -> str:
    return f"expected words made of {', '.join(pieces[2:])}"


def _check_tokens(y: Tensor, tokens: int, length: int) -> None:
    tensor = isinstance(y, Tensor)
    if not tensor or y.ndim != 2 or y.dtype != torch.int64 or not 0 < y.shape[1] <= length:
        given = f"y is {y.dtype} of shape {tuple(y.shape)}" if tensor else f"y is {y!r:.60}"
        raise TypeError(f"{given}; expected int64 (B, L) with L up to {length}")
    if len(y) and (not 0 <= y.min() <= y.max() < tokens or (y == PAD).all(1).any()):
        hint = f"expected 0 … {tokens - 1}, and not only padding: use the network's Tokenizer"
        raise ValueError(f"tokens are {y.min()} … {y.max()}; {hint}")


def _check_pieces(pieces: Sequence[str], length: int) -> None:
    texts = not isinstance(pieces, str) and all(isinstance(p, str) for p in pieces)
    hint = "expected a list of words in small letters, without blanks and each once"
    well = texts and all(p and p == "".join(p.lower().split()) for p in pieces)
    check(well and len({*pieces}) == len(pieces), f"pieces is {pieces!r:.60}; {hint}")
    check(type(length) is int and length > 1, f"length is {length}; expected a number of tokens")


def _check_heads(dim: int, heads: int) -> None:
    well = type(heads) is int and heads > 0 and dim % heads == 0
    check(well, f"there are {dim} channels; expected a multiple of heads = {heads}")


def _check_levels(tokens: int, mults: Ints, attention: Ints) -> None:
    check(type(tokens) is int and tokens > 1, f"tokens is {tokens!r:.60}; expected their number, "
           "len(tokenizer.pieces)")  # fmt: skip
    tuples = isinstance(mults, (tuple, list)) and isinstance(attention, (tuple, list))
    well = tuples and mults and {*attention} <= {*range(len(mults))}
    hint = "expected tuples such as (1, 2), and attention at levels that there are"
    check(well, f"mults is {mults}, attention {attention}; {hint}")


def _check_mask(q: Tensor, k: Tensor, mask: Tensor) -> None:
    fits = q.ndim == k.ndim == 4 and q.shape[:2] == k.shape[:2] and q.shape[3] == k.shape[3]
    given = f"q and k are {tuple(q.shape)} and {tuple(k.shape)}"
    check(fits, f"{given}; expected (B, heads, N, c) and (B, heads, L, c)")
    rows = isinstance(mask, Tensor) and mask.dtype == torch.bool
    well = rows and mask.shape == (len(k), k.shape[2]) and (mask.is_cuda or mask.any(1).all())
    hint = f"expected bool {len(k), k.shape[2]}, with a True at least in each row"
    check(well, f"the mask isn't one, or hides a whole row; {hint}")
