"""Diffusion for tokens: every number that can be enumerated, against the enumeration."""

import itertools
import math

import pytest
import torch
from torch.nn import functional as F

from ddpm_lite.token_net import TokenNet
from ddpm_lite.tokens import (
    ALPHABET,
    MASK,
    at_random,
    by_confidence,
    decode,
    encode,
    even_times,
    from_levels,
    gumbel_max,
    hidden_nats,
    left_to_right,
    mask_tokens,
    masked_loss,
    next_token_loss,
    reveal,
    shifted,
    steps_bound,
    to_levels,
    token_posterior,
    unmask,
)

JOINT = torch.tensor([[30, 5, 5], [5, 20, 5], [0, 10, 20]]).double() / 100
ROWS = torch.cartesian_prod(torch.arange(3), torch.arange(3))  # (9, 2)
P = JOINT.flatten()


def number(x):
    """Of the 16 states of two tokens that may be masks."""
    return 4 * (x[..., 0] + 1) + x[..., 1] + 1


def exact(x):
    """The logits of the true p(x0_i | x) of the two tokens of JOINT, for any x."""
    return TABLE[number(x)]


def states():
    return torch.cartesian_prod(*[torch.tensor([MASK, 0, 1, 2])] * 2)


def truth(a, b):
    """Both distributions (2, 3) given what's visible of a and b."""
    first = JOINT.sum(1) if b == MASK else JOINT[:, b]
    second = JOINT.sum(0) if a == MASK else JOINT[a]
    return torch.stack([first / first.sum(), second / second.sum()])


TABLE = torch.stack([truth(a, b) for a, b in states().tolist()]).log()  # (16, 2, 3)


def entropy(p):
    return -torch.special.xlogy(p, p).sum().item()


def information():
    """How much the two tokens tell about each other, in nats."""
    return entropy(JOINT.sum(0)) + entropy(JOINT.sum(1)) - entropy(JOINT)


def matrix(u, s):
    """The probabilities (16, 16) of one step of the sampler, from each state to each."""
    p = token_posterior(exact(states()).softmax(-1).nan_to_num(1 / 3), states(), u, s)
    first, second = (torch.cat([q[:, 3:], q[:, :3]], 1) for q in p.unbind(1))  # the mask first
    return torch.einsum("na,nb->nab", first, second).flatten(1)


def drawn_in(T):
    """The distribution (9,) of what T steps draw, exactly."""
    p = F.one_hot(torch.tensor(0), 16).double()
    for t in range(T, 0, -1):
        p = p @ matrix(t / T, (t - 1) / T)
    return p[number(ROWS)]


def test_each_token_is_hidden_on_its_own():
    """With probability u, whatever the token and its neighbours are."""
    torch.manual_seed(0)
    x0, u = torch.arange(4).repeat(20_000, 1), torch.tensor([0.0, 0.3, 1.0, 0.7]).repeat(5000)
    hidden = (mask_tokens(x0, u) == MASK).double()
    for value in (0.0, 0.3, 0.7, 1.0):
        rows = hidden[u == torch.tensor(value)]
        assert (rows.mean(0) - value).abs().max() < 0.02
        assert (torch.cov(rows.T) - value * (1 - value) * torch.eye(4)).abs().max() < 0.01
    xu = mask_tokens(x0, u)
    assert torch.equal(xu[xu != MASK], x0[xu != MASK])
    r = torch.tensor([[0.2, 0.5]])
    assert mask_tokens(torch.tensor([[7, 8]]), torch.tensor([0.4]), r).tolist() == [[MASK, 8]]


def test_pixels_are_refused():
    with pytest.raises(ValueError, match="use to_levels first"):
        mask_tokens(torch.zeros(2, 3), torch.rand(2))
    with pytest.raises(ValueError, match="use to_levels first"):
        list(unmask(exact, torch.zeros(2, 2)))


def test_the_posterior_is_that_of_bayes():
    """q(x_s | x_u, x0) = q(x_s | x0) q(x_u | x_s) / q(x_u | x0) for each value of one token."""
    V, u, s = 3, 0.8, 0.3
    forward = torch.zeros(V + 1, V + 1, dtype=torch.float64)  # from x_s to x_u
    forward[V, V] = 1  # a mask stays a mask
    for v in range(V):  # a visible token survives with (1 - u) / (1 - s)
        forward[v, v], forward[v, V] = (1 - u) / (1 - s), (u - s) / (1 - s)
    for v, seen in itertools.product(range(V), (False, True)):
        early = torch.zeros(V + 1, dtype=torch.float64)  # q(x_s | x0 = v)
        early[v], early[V] = 1 - s, s
        end = v if seen else V
        bayes = early * forward[:, end] / (early @ forward[:, end])
        xu = torch.tensor([[v if seen else MASK]])
        mine = token_posterior(F.one_hot(torch.tensor([[v]]), V).double(), xu, u, s)[0, 0]
        assert (mine - bayes).abs().max() < 1e-12


def test_a_network_needs_no_time():
    """p(x0 | x_u) is the same at every u, since u changes q(x_u | x0) by one factor for all x0."""
    for x in states():
        hidden = x == MASK
        for u in (0.1, 0.5, 0.9):
            n = hidden.sum()
            fits = ((ROWS == x) | hidden).all(1)  # (9,)
            p = P * fits * u**n * (1 - u) ** (2 - n)
            if p.sum() == 0:
                continue
            for i in (0, 1):
                if hidden[i]:
                    right = F.one_hot(ROWS[:, i], 3).double().T @ (p / p.sum())
                    assert (exact(x[None]).exp()[0, i] - right).abs().max() < 1e-12


@pytest.mark.parametrize("T", [1, 2, 5, 40])
def test_the_bound_of_T_steps_is_the_entropy_and_a_Tth_of_the_information(T):
    """Of the true conditionals, averaged over the joint: H + I / T. It's an upper bound, since it's
    never below the cross entropy of what the sampler draws."""
    possible = P > 0
    bound = P[possible] @ steps_bound(exact, ROWS[possible], T)
    assert bound.item() == pytest.approx(entropy(JOINT) + information() / T, abs=1e-9)
    assert bound >= -(P[possible] @ drawn_in(T)[possible].log()) - 1e-12


def test_with_many_steps_the_bound_is_the_likelihood():
    """Row by row, not only in the mean."""
    possible = P > 0
    bound = steps_bound(exact, ROWS[possible], 10**6)
    assert (bound + P[possible].log()).abs().max() < 1e-5


@pytest.mark.parametrize("T", [1, 2, 3, 10])
def test_T_steps_draw_the_joint_mixed_with_a_Tth_of_its_margins(T):
    """The chain of 16 states, step by step, against (1 - 1/T) p(a, b) + p(a) p(b) / T."""
    margins = torch.outer(JOINT.sum(1), JOINT.sum(0)).flatten()
    assert (drawn_in(T) - ((1 - 1 / T) * P + margins / T)).abs().max() < 1e-12


def test_the_loss_is_the_bound():
    """Its mean over times and masks, against the enumeration, in nats a token."""
    torch.manual_seed(0)
    x0 = torch.tensor([[0, 0]]).repeat(200_000, 1)
    truth = -JOINT[0, 0].log() / 2
    assert masked_loss(exact, x0).item() == pytest.approx(truth.item(), abs=0.01)


def test_the_loss_of_a_uniform_model_is_log_V():
    """Without the weight 1 / u it would be half of that, and with visible tokens it'd be more."""
    torch.manual_seed(0)
    x0 = torch.randint(17, (4000, 64))
    loss = masked_loss(lambda x: torch.zeros(*x.shape, 17), x0)
    assert loss.item() == pytest.approx(math.log(17), abs=0.08)


def test_visible_tokens_cost_nothing():
    x0 = torch.tensor([[0, 1, 2]])
    xu = torch.tensor([[0, MASK, 2]])
    nats = hidden_nats(lambda x: torch.zeros(*x.shape, 5), x0, xu)
    assert torch.allclose(nats, torch.tensor([[0, math.log(5), 0]]))


def test_even_times_are_never_0(monkeypatch):
    """The largest number that rand draws, 1 - 2^-24, isn't rounded up where it's added to n - 1."""
    monkeypatch.setattr(torch, "rand", lambda n: torch.full((n,), 1 - 2**-24))
    for n in (1, 64, 16384):
        assert 0 < even_times(n).min() and even_times(n).max() <= 1


def test_even_times_fill_the_interval():
    """One in each n-th, never 0, and uniform as a whole."""
    torch.manual_seed(0)
    for _ in range(50):
        u = even_times(8)
        assert ((u > 0) & (u <= 1)).all()
        assert sorted(torch.ceil(u * 8).tolist()) == list(range(1, 9))
    firsts = torch.stack([even_times(4)[0] for _ in range(4000)])
    assert firsts.min() < 0.76 and firsts.max() > 0.99
    assert firsts.mean().item() == pytest.approx(0.875, abs=0.01)


def test_gumbel_max_draws_from_the_softmax():
    torch.manual_seed(0)
    p = torch.tensor([0.5, 0.3, 0.15, 0.05, 0.0])
    drawn = gumbel_max((3 + p.log()).expand(200_000, 5))
    assert ((torch.bincount(drawn, minlength=5) / 200_000) - p).abs().max() < 0.005
    assert not (drawn == 4).any()


def test_rare_tokens_are_drawn():
    """One token has probability a half and 50,000 share the rest. With noise of few bits, the one
    would win each time."""
    torch.manual_seed(0)
    logits = torch.zeros(50_001)
    logits[0] = math.log(50_000)
    share = (gumbel_max(logits.half().expand(400, -1)) == 0).double().mean()
    assert 0.4 < share < 0.6


def valid(n, k, order=at_random):
    """The share of right strings among n: ABABABAB or BABABABA, k tokens a step."""

    def net(x):
        a, odd = torch.arange(8) % 2, x != MASK
        first = torch.where(odd, (x + a) % 2, -1).amax(1)  # the string's first token, if known
        logits = torch.zeros(len(x), 8, 2)
        known = first >= 0
        right = (first[:, None] + a) % 2
        logits[known] = logits[known].scatter(2, (1 - right[known])[..., None], -torch.inf)
        return logits

    *_, x = unmask(net, torch.full((n, 8), MASK), k, order)
    return (x[:, 1:] != x[:, :-1]).all(1).double().mean().item()


@pytest.mark.parametrize("k, truth", [(1, 1), (2, 1 / 2), (4, 1 / 8), (8, 1 / 128)])
def test_k_tokens_at_once_are_right_with_2_over_2_to_the_k(k, truth):
    """The first k are drawn without knowing each other. One at a time, all strings are right."""
    torch.manual_seed(0)
    assert valid(20_000, k) == pytest.approx(truth, abs=0.012)


def test_one_token_a_step_draws_the_joint():
    torch.manual_seed(0)
    *_, x = unmask(exact, torch.full((50_000, 2), MASK))
    share = torch.bincount(3 * x[:, 0] + x[:, 1], minlength=9) / 50_000
    assert (share - P).abs().max() < 0.01
    *_, x = unmask(exact, torch.full((50_000, 2), MASK), 2)
    margins = torch.outer(JOINT.sum(1), JOINT.sum(0)).flatten()
    share = torch.bincount(3 * x[:, 0] + x[:, 1], minlength=9) / 50_000
    assert (share - margins).abs().max() < 0.01


def test_each_step_reveals_k_masks_and_keeps_what_is_visible():
    torch.manual_seed(0)
    start = torch.full((6, 10), MASK)
    start[:3, 2:5] = 1
    flat = lambda x: torch.zeros(*x.shape, 4)  # noqa: E731
    seen = list(unmask(flat, start, 3))
    assert [(x == MASK).sum(1).tolist() for x in seen] == [
        [7] * 3 + [10] * 3, [4] * 3 + [7] * 3, [1] * 3 + [4] * 3, [0] * 3 + [1] * 3, [0] * 6
    ]  # fmt: skip
    for before, after in itertools.pairwise(seen):
        assert torch.equal(before[before != MASK], after[before != MASK])
    whole = reveal(flat, start, 99)
    assert not (whole == MASK).any() and (whole[:3, 2:5] == 1).all()
    with pytest.raises(ValueError, match="k is 0; expected at least 1"):
        list(unmask(flat, start, 0))


def test_masks_go_in_random_order_or_the_surest_first():
    torch.manual_seed(0)
    steep = lambda x: torch.tensor([1.0, 9.0, 4.0])[None, :, None] * torch.tensor([1.0, 0])  # noqa: E731
    net = lambda x: steep(x).expand(len(x), 3, 2)  # noqa: E731
    x = reveal(net, torch.full((3000, 3), MASK))
    first = (x != MASK).double().argmax(1)
    assert torch.bincount(first, minlength=3).min() > 900
    x = reveal(net, torch.full((3000, 3), MASK), 1, by_confidence)
    assert ((x != MASK).double().argmax(1) == 1).double().mean() > 0.9
    logits, drawn = torch.tensor([[[0.0, math.log(3)]]]), torch.tensor([[1]])
    assert by_confidence(logits, drawn).exp().item() == pytest.approx(0.75)


def test_a_causal_network_sees_only_what_came_before():
    torch.manual_seed(0)
    net = TokenNet(5, 6, 16, 2, causal=True).eval()
    x = torch.randint(5, (1, 6))
    for i in range(6):
        other = x.clone()
        other[0, i] = (x[0, i] + 1) % 5
        moved = (net(shifted(x)) - net(shifted(other))).abs().amax((0, 2)) > 1e-6
        assert not moved[: i + 1].any() and moved[i + 1 :].all()


def test_left_to_right_is_the_chain_rule():
    """Of a network that knows the joint: the loss is the entropy, and the samples are the joint."""

    def net(x):
        (start, a), out = x.T, torch.zeros(len(x), 2, 3, dtype=torch.float64)
        assert (start == MASK).all()
        out[:, 0] = JOINT.sum(1)
        out[:, 1] = torch.where(a[:, None] == MASK, 1 / 3, JOINT[a.clamp(min=0)])
        return out.log()

    torch.manual_seed(0)
    rows = ROWS[torch.multinomial(P, 100_000, replacement=True)]
    assert next_token_loss(net, rows).item() == pytest.approx(entropy(JOINT) / 2, abs=0.01)
    x = left_to_right(net, torch.full((50_000, 2), MASK))
    share = torch.bincount(3 * x[:, 0] + x[:, 1], minlength=9) / 50_000
    assert (share - P).abs().max() < 0.01
    given = torch.tensor([[2, MASK]]).repeat(500, 1)
    assert (left_to_right(net, given)[:, 0] == 2).all() and (given[:, 1] == MASK).all()


def test_text_and_tokens():
    text = "the noise, at t_ (3.1)?"
    assert decode(encode(text)) == text and encode("_ a").tolist() == [MASK, 0, 1]
    assert len(set(ALPHABET)) == len(ALPHABET) == 46
    with pytest.raises(ValueError, match="a part of the text is 'Té'; expected characters of"):
        encode("Thé noise")


def test_levels_and_images(digits):
    x = to_levels(digits[0])
    assert x.shape == (1437, 64) and x.min() == 0 and x.max() == 16
    assert torch.equal(from_levels(x), digits[0])  # the scans have 17 levels
    image = torch.tensor([[[[-1.0, 1.0], [0.0, 0.5]]]])
    assert to_levels(image, 5).tolist() == [[0, 4, 2, 3]]
    beyond = torch.tensor([-1.006, 1.006]).view(1, 1, 1, 2)  # -1 would be the mask
    assert to_levels(beyond, 256).tolist() == [[0, 255]]
    back = from_levels(torch.tensor([[0, MASK, 2, 3]]), 5, 2)
    assert back.isnan().flatten().tolist() == [False, True, False, False]
