"""The checks of the exercises of chapter 20."""

import math

import torch

from ddpm_lite.tokens import MASK


def exercise_1(without):
    """Forbidden tokens must have probability 0, and the others must keep their ratios."""
    logits = torch.randn(4, 6, 9, generator=torch.Generator().manual_seed(0))
    before = logits.clone()
    net = without(lambda x: logits, torch.tensor([2, 5]))
    if net is None or not callable(net):
        raise ValueError("it returns no network; expected a function of x that gives logits")
    p = _given(net(torch.full((4, 6), MASK))).softmax(-1)
    if not torch.equal(logits, before):
        raise ValueError("it changes the logits of the original network; make new ones instead")
    if p.shape != logits.shape:
        raise ValueError(f"the logits have shape {tuple(p.shape)}; expected {(4, 6, 9)}, with all "
                         "tokens in their places")  # fmt: skip
    if p[..., [2, 5]].max() > 0:
        raise ValueError("tokens 2 and 5 are forbidden, but still have a probability of up to "
                         f"{p[..., [2, 5]].max():.1g}")  # fmt: skip
    right = before.softmax(-1)
    right[..., [2, 5]] = 0
    right = right / right.sum(-1, keepdim=True)
    if not (p - right).abs().max() < 1e-5:
        raise ValueError("the tokens that are allowed no longer have the same ratios")


def exercise_2(count_loss):
    """Check the loss of two networks, and which sets of masks they get."""
    seen = []

    def flat(x):
        seen.append(x)
        return torch.zeros(*x.shape, 7)

    torch.manual_seed(0)
    value = float(_given(count_loss(flat, torch.randint(7, (6000, 5)))))
    _check_sets(torch.cat(seen) == MASK)
    if not abs(value - math.log(7)) < 0.02:
        raise ValueError(f"a network that knows nothing gets {value:.3f} nats a token; expected "
                         f"ln 7 = {math.log(7):.3f}")  # fmt: skip
    _check_bound(count_loss)


def _check_sets(hidden):
    """In rows of five, each number of masks from 1 on, and each place, must be equally likely."""
    n = hidden.sum(1)
    if n.min() < 1:
        raise ValueError("some rows have no mask at all; n starts at 1")
    shares = torch.bincount(n, minlength=6)[1:] / len(n)
    if (shares - 0.2).abs().max() > 0.05:
        raise ValueError("n = 1 … 5 have the shares " + ", ".join(f"{s:.2f}" for s in shares)
                         + "; expected 0.20 each")  # fmt: skip
    if (hidden.double().mean(0) - 0.6).abs().max() > 0.05:
        raise ValueError("not every place is hidden equally often")
    two = hidden[n == 2].double()
    pairs = (two.T @ two / len(two)).triu(1)  # (5, 5): how often both are hidden, of ten pairs
    if (pairs[pairs > 0] - 0.1).abs().max() > 0.05 or (pairs > 0).sum() < 10:
        raise ValueError("with n = 2, some pairs of places are hidden more often than others; "
                         "all sets of n places are equally likely")  # fmt: skip


def _check_bound(count_loss):
    """Two tokens that are always equal: revealing the first costs ln 2, and the second costs
    nothing."""

    def copy(x):
        other = x.flip(1)[..., None]
        return torch.where(other == MASK, 0, 1e3 * (other == torch.arange(2)))

    torch.manual_seed(0)
    coins = torch.randint(2, (20_000, 1)).repeat(1, 2)
    value = float(count_loss(copy, coins))
    if not abs(value - math.log(2) / 2) < 0.02:
        raise ValueError(f"two tokens that are always equal cost {value:.3f} nats a token; "
                         f"expected (ln 2) / 2 = {math.log(2) / 2:.3f}")  # fmt: skip


def exercise_3(token_step):
    """Check how many masks are replaced, by which tokens, and what stays."""
    net = lambda x: torch.tensor([0.0, math.log(3)]).expand(*x.shape, 2)  # noqa: E731
    torch.manual_seed(0)
    x = torch.full((4000, 8), MASK)
    x[:, 0] = 0
    for t, T in ((1, 4), (2, 4), (10, 10)):
        new = _given(token_step(net, x, t, T))
        if not torch.isin(new, torch.tensor([MASK, 0, 1])).all():
            raise ValueError(f"it returns {new.max().item()}, which is neither a token nor MASK")
        if not (new[:, 0] == 0).all():
            raise ValueError("a visible token changed")
        share = (new[:, 1:] != MASK).double().mean().item()
        if abs(share - 1 / t) > 0.03:
            raise ValueError(f"at t = {t} of {T}, it reveals {share:.2f} of the masks; "
                             f"expected 1 / t = {1 / t:.2f}")  # fmt: skip
        if t > 1 and (new[:, 1] != MASK).eq(new[:, 2] != MASK).all():
            raise ValueError("the masks of a row disappear together; decide each independently")
        ones = (new[:, 1:] == 1).sum() / (new[:, 1:] != MASK).sum()
        if abs(ones - 0.75) > 0.04:
            raise ValueError(f"token 1 has probability 0.75, but its share is {ones:.2f}")


def exercise_4(in_blocks):
    """Check the order of the blocks, the masks of each step, and the inputs of the network."""
    start = torch.full((5, 10), MASK)
    start[:, 8] = 2
    seen = _seen(in_blocks, start, 0)
    if (seen[-1] == MASK).any():
        raise ValueError("there are masks left at the end")
    if not (seen[-1][:, 8] == 2).all():
        raise ValueError("a visible token changed")
    if any(x.shape != start.shape for x in seen):
        raise ValueError("the network must always see the whole row")
    hidden = torch.stack(seen) == MASK  # (steps + 1, 5, 10)
    _check_steps(hidden[:-1], hidden[:-1] & ~hidden[1:])
    if len(seen) != 6:
        raise ValueError(f"it calls the network {len(seen) - 1} times; expected 5, since blocks of "
                         "4, 4 and 1 masks take 2, 2 and 1 steps of k = 2")  # fmt: skip
    firsts = [(seen[1] != MASK) & (start == MASK)
              for seen in (_seen(in_blocks, start, seed) for seed in range(20))]  # fmt: skip
    if not (torch.cat(firsts).sum(0)[:4] > 20).all():
        raise ValueError("within a block, every mask must be equally likely to be revealed first")
    _check_draws(in_blocks)


def _check_draws(in_blocks):
    """Check how often tokens are drawn in four places with different probabilities."""
    logits = torch.tensor([[0, 0], [0, 1], [0, 2], [0, 4.0]])
    net = lambda x: logits.repeat(len(x), 1, 1)  # noqa: E731
    torch.manual_seed(0)
    new = _given(in_blocks(net, torch.full((2000, 4), MASK), 2, 1))
    for share, p in zip(new.double().mean(0), logits.softmax(-1)[:, 1], strict=True):
        if not abs(share - p) < 0.06:
            raise ValueError(f"a token of probability {p:.2f} has the share {share:.2f}; draw each "
                             "token from the logits of its own place")  # fmt: skip


def _seen(in_blocks, start, seed):
    """The inputs of the network, and the result."""
    seen = []
    torch.manual_seed(seed)
    net = lambda x: seen.append(x.clone()) or torch.zeros(*x.shape, 3)  # noqa: E731
    end = _given(in_blocks(net, start.clone(), 4, 2))
    return [*seen, end]


def _check_steps(hidden, gone):
    for row, now in zip(hidden.flatten(0, 1), gone.flatten(0, 1), strict=True):
        block = row.long().argmax() // 4
        if row.any() and (now.nonzero()[:, 0] // 4 != block).any():
            raise ValueError("it reveals a token of a later block too early")
        if now.sum() > 2:
            raise ValueError(f"it reveals {now.sum()} tokens in one step; expected at most 2")


def _given(value):
    if value is None:
        raise ValueError("it returns nothing")
    return value
