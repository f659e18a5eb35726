"""Diffusion for tokens: text and grey levels become masks one by one, and a network fills them in.

Tokens x0 (B, L) are whole numbers 0 … V - 1, and the mask is ``MASK``, which is none of them. Time
is u in [0, 1], data at 0 and nothing but masks at 1: u is the share of masks. With T steps,
u = t / T. A network is called as ``net(x, y=None)`` and gives logits (B, L, V), without a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from .diffusion import expect

#: The token that hides another one. No network predicts it, so it isn't in the vocabulary.
MASK = -1

#: The characters of the prose that comes with the package; token i is the i-th of them.
#:
#: :meta hide-value:
ALPHABET = " abcdefghijklmnopqrstuvwxyz0123456789.,:;'?()-"


def encode(text: str) -> Tensor:
    """Encode text as tokens (L,), where ``_`` becomes the mask.

    Raises:
        ValueError: a character isn't in ``ALPHABET``.

    Used in chapter 20.
    """
    expect(isinstance(text, str), "text", text, "one text, such as 'a mask'")
    other = "".join(sorted({*text} - {*ALPHABET, "_"}))
    expect(not other, "a part of the text", other, f"characters of {ALPHABET!r}, and _ for a mask")
    return torch.tensor([MASK if c == "_" else ALPHABET.index(c) for c in text], dtype=torch.long)


def decode(x: Tensor) -> str:
    """Decode tokens (L,) to text, where the mask becomes ``_``. Used in chapter 20."""
    _check_whole(x)
    well = x.ndim == 1 and ((x >= MASK) & (x < len(ALPHABET))).all()
    expect(well, "x", x, f"one row (L,) of 0 … {len(ALPHABET) - 1}, or {MASK}")
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
        ValueError: x0 isn't (B, L), or has numbers that aren't whole, such as pixels in [-1, 1].

    Built in chapter 20.
    """
    _check_rows(x0)
    r = torch.rand(x0.shape, device=x0.device) if r is None else r
    _check_shares(u, x0)
    return x0.masked_fill(r < u[:, None], MASK)


def token_posterior(p: Tensor, xu: Tensor, u: float, s: float) -> Tensor:
    """The distribution of x_s, (B, L, V + 1), for s < u. If p (B, L, V) is 1 at x0 and 0 elsewhere,
    it's q(x_s | x_u, x0). If p has the probabilities that a network predicts, it's the model's
    p(x_s | x_u).

    The last of the V + 1 entries is the mask. A visible token stays as it is, and a mask stays with
    probability s / u (arXiv 2107.03006, Eq. 3 and 4). Built in chapter 20.
    """
    expect((p.sum(-1) - 1).abs().max() < 1e-3, "p", p,
           "probabilities (B, L, V) with sum 1: for logits, use softmax(-1)")  # fmt: skip
    expect(0 <= s < u, "(u, s)", (u, s), "s < u, such as t / T and (t - 1) / T")
    visible = F.one_hot(xu.clamp(min=0), p.shape[-1]).to(p)
    hidden = (xu == MASK)[..., None]  # (B, L, 1)
    tokens = torch.where(hidden, (1 - s / u) * p, visible)
    return torch.cat([tokens, s / u * hidden.to(p)], -1)


def hidden_nats(net: Callable, x0: Tensor, xu: Tensor) -> Tensor:
    """-log p(x0 | x_u) of each token, (B, L), in nats. It's 0 for visible tokens.
    Built in chapter 20."""
    _check_clean(x0)
    nats = F.cross_entropy(net(xu).movedim(-1, 1), x0, reduction="none")
    return nats.masked_fill(xu != MASK, 0)


def even_times(n: int) -> Tensor:
    """Draw times u (n,) in (0, 1], one in each n-th of the interval, so that every batch has small
    and large shares of masks (Kingma et al. 2021, arXiv 2107.00630, appendix I.1).
    Built in chapter 20."""
    return (n - torch.arange(n) - torch.rand(1)) / n


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
    u = times(len(x0)).to(x0.device)
    expect(u.is_cuda or (u > 0).all(), "u", u, "times above 0, where something is hidden")
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
    drawn (Zheng et al. 2024, arXiv 2409.02908, section 4).

    Raises:
        ValueError: the logits of a token have a NaN, or are all -inf.

    Built in chapter 20.
    """
    expect(logits.is_cuda or logits.amax(-1).isfinite().all(), "logits", logits,
           "a finite one for each token: check the weights, and what is banned")  # fmt: skip
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
    expect(type(k) is int and k >= 1, "k", k, "at least 1 token a step, or it never ends")
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
        ValueError: k is below 1, or x isn't (B, L) or has numbers that aren't whole.

    Built in chapter 20.
    """
    _check_rows(x)
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
    _check_causal(net)
    _check_rows(x)
    x = x.clone()
    for i in range(x.shape[1]):
        drawn = gumbel_max(net(shifted(x))[:, i])
        x[:, i] = torch.where(x[:, i] == MASK, drawn, x[:, i])
    return x


def to_levels(images: Tensor, levels: int = 17) -> Tensor:
    """Turn grey images (B, 1, H, W) in [-1, 1] into tokens (B, H W), row by row, from 0 (black) to
    levels - 1 (white). Values up to 0.01 beyond this range are clipped. Used in chapter 20."""
    well = images.ndim == 4 and images.shape[1] == 1 and (images.abs() < 1.01).all()
    expect(well, "images", images, "grey images (B, 1, H, W) in [-1, 1]")
    images = images.clamp(-1, 1)  # a level of -1 would be the mask
    return rearrange((images + 1) / 2 * (levels - 1), "b 1 h w -> b (h w)").round().long()


def from_levels(x: Tensor, levels: int = 17, height: int = 8) -> Tensor:
    """Turn tokens (B, H W) back into images (B, 1, H, W) in [-1, 1]. A mask becomes NaN. Used in
    chapter 20."""
    well = x.shape[1] % height == 0 and ((x >= MASK) & (x < levels)).all()
    expect(well, "x", x, f"(B, H W) with H = height = {height}, and tokens below levels = {levels}")
    images = (2 * x.double() / (levels - 1) - 1).masked_fill(x == MASK, torch.nan).float()
    return rearrange(images, "b (h w) -> b 1 h w", h=height)


def _check_whole(x: Tensor) -> None:
    well = isinstance(x, Tensor) and x.dtype == torch.long
    expect(well, "x", x, "tokens (torch.long): for images, use to_levels first; for text, encode")


def _check_rows(x: Tensor) -> None:
    _check_whole(x)
    expect(x.ndim == 2, "x", x, "rows of tokens (B, L): for one text, encode(text)[None]")


def _check_clean(x0: Tensor) -> None:
    _check_rows(x0)
    clean = x0.numel() and (x0.is_cuda or x0.min() >= 0)
    expect(clean, "x0", x0, "tokens (B, L), not empty, and without masks")


def _check_shares(u: Tensor, x0: Tensor) -> None:
    rows = isinstance(u, Tensor) and u.is_floating_point() and u.shape == x0.shape[:1]
    well = rows and (u.is_cuda or ((u >= 0) & (u <= 1)).all())
    expect(well, "u", u, f"{len(x0)} floats from 0 to 1, one for each row (B, L)")


def _check_causal(net: Callable) -> None:
    causal = all(block.causal for block in getattr(net, "blocks", ()))
    expect(causal, "net", type(net).__name__, "causal=True: this one sees what comes after")
