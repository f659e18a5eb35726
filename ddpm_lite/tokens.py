"""Diffusion for tokens: text and grey levels become masks one by one, and a network fills them in.

Tokens x0 (B, L) are whole numbers 0 … V - 1, and the mask is ``MASK``, which is none of them. Time
is u in [0, 1], data at 0 and nothing but masks at 1: u is the share of masks. With T steps,
u = t / T. A network is called as ``net(x, y=None)`` and gives logits (B, L, V), without a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from .diffusion import check

MASK = -1
"""The token that hides another one. No network predicts it, so it isn't in the vocabulary."""

ALPHABET = " abcdefghijklmnopqrstuvwxyz0123456789.,:;'?()-"
"""The characters of the prose that comes with the package; token i is the i-th of them.

:meta hide-value:
"""


def encode(text: str) -> Tensor:
    """Encode text as tokens (L,), where ``_`` becomes the mask.

    Raises:
        ValueError: a character isn't in ``ALPHABET``.

    Used in chapter 20.
    """
    _check_alphabet(text)
    tokens = [MASK if c == "_" else ALPHABET.index(c) for c in text]
    return torch.tensor(tokens, dtype=torch.long)


def decode(x: Tensor) -> str:
    """Decode tokens (L,) to text, where the mask becomes ``_``. Used in chapter 20."""
    _check_whole(x)
    well = x.ndim == 1 and ((x >= MASK) & (x < len(ALPHABET))).all()
    check(well, f"x has shape {tuple(x.shape)} and tokens that may be no characters; expected one "
           f"row (L,) of 0 … {len(ALPHABET) - 1}, or {MASK}")  # fmt: skip
    return "".join("_" if token == MASK else ALPHABET[token] for token in x.tolist())


def mask_tokens(x0: Tensor, u: Tensor, r: Tensor | None = None) -> Tensor:
    """The forward process: hide each token of x0 (B, L) independently with probability u (B,),
    which gives x_u (B, L) (Austin et al. 2021, arXiv 2107.03006, section 3.1, with beta_t = 1 / (T
    - t + 1)).

    Args:
        x0: tokens (B, L).
        u: times (B,) in [0, 1].
        r: uniform random numbers (B, L). A token is hidden where r < u. None draws them.

    Raises:
        ValueError: x0 has numbers that aren't whole, such as pixels in [-1, 1].

    Built in chapter 20.
    """
    _check_whole(x0)
    r = torch.rand(x0.shape, device=x0.device) if r is None else r
    _check_shares(u, x0)
    check(r.shape == x0.shape, f"r has shape {tuple(r.shape)}; expected {tuple(x0.shape)}")
    return x0.masked_fill(r < u[:, None], MASK)


def token_posterior(p: Tensor, xu: Tensor, u: float, s: float) -> Tensor:
    """The distribution of x_s, (B, L, V + 1), for s < u. If p (B, L, V) is 1 at x0 and 0 elsewhere,
    it's q(x_s | x_u, x0). If p has the probabilities that a network predicts, it's the model's
    p(x_s | x_u).

    The last of the V + 1 entries is the mask. A visible token stays as it is, and a mask stays with
    probability s / u (arXiv 2107.03006, Eq. 3 and 4). Built in chapter 20.
    """
    _check_probabilities(p, xu)
    visible = F.one_hot(xu.clamp(min=0), p.shape[-1]).to(p)
    hidden = (xu == MASK)[..., None]  # (B, L, 1)
    tokens = torch.where(hidden, (1 - s / u) * p, visible)
    return torch.cat([tokens, s / u * hidden.to(p)], -1)


def hidden_nats(net: Callable, x0: Tensor, xu: Tensor) -> Tensor:
    """-log p(x0 | x_u) of each token, (B, L), in nats. It's 0 for visible tokens.
    Built in chapter 20."""
    _check_clean(x0)
    check(xu.shape == x0.shape, f"x_u has shape {tuple(xu.shape)}; expected {tuple(x0.shape)}")
    nats = F.cross_entropy(net(xu).movedim(-1, 1), x0, reduction="none")
    return nats.masked_fill(xu != MASK, 0)


def even_times(n: int) -> Tensor:
    """Draw times u (n,) in (0, 1], one in each n-th of the interval, so that every batch has small
    and large shares of masks (Kingma et al. 2021, arXiv 2107.00630, appendix I.1).
    Built in chapter 20."""
    return 1 - (torch.arange(n) + torch.rand(1)) / n


def masked_loss(net: Callable, x0: Tensor, times: Callable = even_times) -> Tensor:
    """The bound on -log p(x0), in nats per token: -log p of the hidden tokens, summed over a row,
    weighted by 1 / u, and averaged (Shi et al. 2024, arXiv 2406.04329, Eq. 5, for the linear
    schedule).

    Args:
        net: ``net(x)`` gives logits (B, L, V).
        x0: tokens (B, L).
        times: a function from B to u (B,), uniform in (0, 1].

    Built in chapter 20.
    """
    _check_clean(x0)
    u = times(len(x0)).to(x0.device)
    check(u.is_cuda or (u > 0).all(), "a time u is 0, where nothing is hidden; expected u > 0")
    nats = hidden_nats(net, x0, mask_tokens(x0, u))
    return (nats.sum(1) / u).mean() / x0.shape[1]


def steps_bound(net: Callable, x0: Tensor, T: int) -> Tensor:
    """The exact bound on -log p(x0) for a sampler with T equal steps, in nats per row, (B,). It
    sums over t = 1 … T and over all 2^L sets of masks, so use it only for small L. Each term is the
    probability of the set at u = t / T, times 1 / t, times the sum of -log p over the masks (arXiv
    2107.03006, section 3.4, for the mask). Built in chapter 20.
    """
    L, bound = x0.shape[1], 0
    t = torch.arange(1, T + 1, dtype=torch.float64)
    choices = [torch.tensor([False, True])] * L
    for hidden in torch.cartesian_prod(*choices).reshape(-1, L):
        n = hidden.sum()
        weight = ((t / T) ** n * (1 - t / T) ** (L - n) / t).sum().item()
        nats = hidden_nats(net, x0, x0.masked_fill(hidden, MASK))
        bound = bound + weight * nats.sum(1)
    return bound


def gumbel_max(logits: Tensor) -> Tensor:
    """Draw tokens (…,) from softmax(logits), for logits (…, V): the largest of logits + Gumbel
    noise, in float64. In low precision, the tail of the noise is cut off, so rare tokens are never
    drawn (Zheng et al. 2024, arXiv 2409.02908, section 4). Built in chapter 20."""
    r = torch.rand(logits.shape, dtype=torch.float64, device=logits.device)
    return (logits.double() - torch.log(-torch.log(r))).argmax(-1)


def at_random(logits: Tensor, drawn: Tensor) -> Tensor:
    """A score (B, L) that decides which masks are revealed first: all equally likely. Used in
    chapter 20."""
    return torch.rand(drawn.shape, device=drawn.device)


def by_confidence(logits: Tensor, drawn: Tensor) -> Tensor:
    """A score (B, L) that decides which masks are revealed first: those whose drawn tokens are most
    probable (Chang et al. 2022, arXiv 2202.04200, section 3.2). Used in chapter 20."""
    return logits.log_softmax(-1).gather(-1, drawn[..., None])[..., 0]


@torch.no_grad()
def reveal(net: Callable, x: Tensor, k: int = 1, order: Callable = at_random) -> Tensor:
    """Replace k of the masks in each row of x (B, L) by tokens drawn from net(x), independently of
    each other. Visible tokens stay. Built in chapter 20."""
    _check_steps(k)
    logits = net(x)
    drawn = gumbel_max(logits)
    score = order(logits, drawn).masked_fill(x != MASK, -torch.inf)
    chosen = score.topk(min(k, x.shape[1])).indices  # (B, k)
    first = torch.zeros_like(x, dtype=torch.bool).scatter(1, chosen, True)
    return torch.where(first & (x == MASK), drawn, x)


def unmask(net: Callable, x: Tensor, k: int = 1, order: Callable = at_random) -> Iterator[Tensor]:
    """Yield x (B, L), then a state with k more tokens in each row, and so on until no mask is left.

    Args:
        net: ``net(x)`` gives logits (B, L, V).
        x: tokens and masks (B, L). If it's all masks, the result is samples. If it has some tokens,
            the others are filled in.
        k: how many masks of each row are replaced in one step. k = 1 with ``at_random`` has no
            error beyond that of the network.
        order: ``at_random``, ``by_confidence``, or another function of logits and drawn tokens.

    Raises:
        ValueError: k is below 1, or x has numbers that aren't whole.

    Built in chapter 20.
    """
    _check_whole(x)
    _check_steps(k)
    yield x
    while (x == MASK).any():
        yield (x := reveal(net, x, k, order))


def shifted(x: Tensor) -> Tensor:
    """Shift x (B, L) one place to the right, with a mask in the first place. This is the input of a
    causal network. Used in chapter 20."""
    return F.pad(x, (1, -1), value=MASK)


def next_token_loss(net: Callable, x0: Tensor) -> Tensor:
    """-log p(x0) of tokens x0 (B, L) in nats per token, where a causal ``net`` predicts each token
    from those before it. Built in chapter 20."""
    _check_clean(x0)
    _check_causal(net)
    return F.cross_entropy(net(shifted(x0)).movedim(-1, 1), x0)


@torch.no_grad()
def left_to_right(net: Callable, x: Tensor) -> Tensor:
    """Fill the masks of x (B, L) from left to right with a causal network, which doesn't see later
    tokens. Used in chapter 20."""
    _check_whole(x)
    _check_causal(net)
    x = x.clone()
    for i in range(x.shape[1]):
        drawn = gumbel_max(net(shifted(x))[:, i])
        x[:, i] = torch.where(x[:, i] == MASK, drawn, x[:, i])
    return x


def rotated(x: Tensor) -> Tensor:
    """Rotate queries or keys (…, L, C) by angles proportional to their position. The positions then
    affect the product of a query and a key only through their distance (Su et al. 2021, arXiv
    2104.09864, Eq. 34). Used in chapter 20."""
    speed = torch.logspace(0, -2.5, x.shape[-1] // 2, device=x.device)
    angle = torch.arange(x.shape[-2], device=x.device)[:, None] * speed  # (L, C / 2)
    a, b = x.chunk(2, -1)
    return torch.cat([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()], -1)


class TokenBlock(nn.Module):
    """x (B, L, C) to the same shape: attention, then an MLP at each position (Vaswani et al. 2017,
    arXiv 1706.03762, with the norms first). If ``causal``, a position sees only itself and earlier
    ones. If ``rotary``, attention depends on distances (see ``rotated``). Used in chapter 20."""

    def __init__(self, width: int, heads: int = 4, causal: bool = False, rotary: bool = False):
        super().__init__()
        whole = type(heads) is int and heads > 0 and width % (heads * (1 + rotary)) == 0
        check(whole, f"width is {width}; expected a multiple of heads = {heads}, with rotary "
               "an even number for each")  # fmt: skip
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
        _check_tokens(self, x, y)
        h = self.token(x % (self.vocab + 1)) + self.place[: x.shape[1]]  # -1 is the last entry
        h = h if y is None else h + self.label(y)[:, None]
        return self.proj_out(self.norm(self.blocks(h)))


def to_levels(images: Tensor, levels: int = 17) -> Tensor:
    """Turn grey images (B, 1, H, W) in [-1, 1] into tokens (B, H W), row by row, from 0 (black) to
    levels - 1 (white). Used in chapter 20."""
    well = images.ndim == 4 and images.shape[1] == 1 and type(levels) is int and levels > 1
    hint = "expected grey images (B, 1, H, W) in [-1, 1], and 17 levels or another number"
    well = well and images.is_floating_point() and (images.abs() < 1.01).all()
    check(well, f"images are {images.dtype} {tuple(images.shape)}, levels {levels}; {hint}")
    return rearrange((images + 1) / 2 * (levels - 1), "b 1 h w -> b (h w)").round().long()


def from_levels(x: Tensor, levels: int = 17, height: int = 8) -> Tensor:
    """Turn tokens (B, H W) back into images (B, 1, H, W) in [-1, 1]. A mask becomes NaN. Used in
    chapter 20."""
    _check_whole(x)
    well = x.ndim == 2 and levels > 1 and ((x >= MASK) & (x < levels)).all() and height > 0
    check(well and x.shape[1] % height == 0, f"x has shape {tuple(x.shape)}; expected (B, H W) "
           f"with H = height = {height}, and tokens below levels = {levels}")  # fmt: skip
    images = (2 * x.double() / (levels - 1) - 1).masked_fill(x == MASK, torch.nan).float()
    return rearrange(images, "b (h w) -> b 1 h w", h=height)


def _check_whole(x: Tensor) -> None:
    kind = x.dtype if isinstance(x, Tensor) else repr(x)[:60]
    check(kind == torch.long, f"tokens must be whole numbers (torch.long); got {kind}. "
           "For images, use to_levels first; for text, encode")  # fmt: skip


def _check_clean(x0: Tensor) -> None:
    _check_whole(x0)
    well = x0.ndim == 2 and x0.numel() and (x0.is_cuda or x0.min() >= 0)
    check(well, f"x0 has shape {tuple(x0.shape)}, or masks; expected (B, L), not empty, without")


def _check_shares(u: Tensor, x0: Tensor) -> None:
    rows = isinstance(u, Tensor) and u.is_floating_point() and u.shape == x0.shape[:1]
    well = rows and x0.ndim == 2 and (u.is_cuda or ((u >= 0) & (u <= 1)).all())
    given = f"{u.dtype} {tuple(u.shape)}" if isinstance(u, Tensor) else repr(u)
    check(well, f"u is {given}; expected {len(x0)} floats from 0 to 1, one for each row (B, L)")


def _check_probabilities(p: Tensor, xu: Tensor) -> None:
    _check_whole(xu)
    fits = p.ndim == 3 and p.shape[:2] == xu.shape and xu.max() < p.shape[2]
    given = f"p has shape {tuple(p.shape)} for x_u {tuple(xu.shape)}"
    check(fits, f"{given}; expected (B, L, V), and tokens below V")
    well = (p >= 0).all() and (p.sum(-1) - 1).abs().max() < 1e-3
    check(well, "p doesn't sum to 1; expected probabilities: for logits, use softmax(-1)")


def _check_causal(net: Callable) -> None:
    blocks = net.blocks if isinstance(net, TokenNet) else []
    check(all(b.causal for b in blocks), "the network sees what comes after; expected causal=True")


def _check_alphabet(text: str) -> None:
    check(isinstance(text, str), f"text is {text!r:.60}; expected one text, such as 'a mask'")
    if other := sorted(set(text) - set(ALPHABET) - {"_"}):
        raise ValueError(f"no tokens for {' '.join(map(repr, other))}; expected lower-case text of "
                         f"the characters {ALPHABET!r}, and _ for a mask")  # fmt: skip


def _check_steps(k: int) -> None:
    whole = type(k) is int and k >= 1
    check(whole, f"k is {k}; expected at least 1 token a step, or it never ends")


def _check_tokens(net: TokenNet, x: Tensor, y: Tensor | None) -> None:
    _check_whole(x)
    check(x.ndim == 2 and x.numel(), f"x has shape {tuple(x.shape)}; expected (B, L), not empty")
    if x.shape[1] > net.length:
        raise ValueError(f"a row has {x.shape[1]} tokens, and this network takes {net.length}")
    if x.max() >= net.vocab or x.min() < MASK:
        raise ValueError(f"tokens must be 0 … {net.vocab - 1}, or {MASK} for the mask; these go "
                         f"from {x.min().item()} to {x.max().item()}")  # fmt: skip
    if (y is None) != (net.label is None):
        raise ValueError("this network needs labels y" if y is None else "it takes no labels")
    if y is not None:
        n, rows = net.label.num_embeddings, isinstance(y, Tensor) and y.shape == x.shape[:1]
        well = rows and y.dtype == torch.long and (y.is_cuda or 0 <= y.min() <= y.max() < n)
        check(well, f"y isn't {len(x)} labels 0 … {n - 1}; expected torch.long, one for each row")
