"""The bound and the likelihood against densities that are formulas."""

import math

import pytest
import torch

from ddpm_lite import MLP, cosine_schedule, ddpm_loss, linear_schedule, q_posterior, q_sample
from ddpm_lite.diffusion import Schedule
from ddpm_lite.likelihood import (
    bits_per_dim,
    bound,
    bound_term,
    decoder_log_prob,
    dequantise,
    exact_trace,
    fixed_variance,
    hutchinson_trace,
    hybrid_loss,
    kl_of_gaussians,
    learned_variance,
    ode_log_prob,
    reverse_step,
    variances,
)

COSINE = cosine_schedule(100).double()
MEANS, SHARES, STD = torch.tensor([-0.8, 0.8]).double(), torch.tensor([2 / 3, 1 / 3]).double(), 0.3


def log_normal(x, mean, variance):
    return -0.5 * ((x - mean) ** 2 / variance + math.log(2 * math.pi) + torch.log(variance))


def gaussian_eps(std):
    """The exact prediction of the noise for data N(0, std²)."""
    return lambda schedule: lambda x, t: (
        (1 - schedule.at(t, x)).sqrt()
        / (schedule.at(t, x) * std**2 + 1 - schedule.at(t, x)) * x
    )  # fmt: skip


def mixture_log_prob(x):
    """log of the mixture's density at x (B, 1)."""
    parts = log_normal(x, MEANS, torch.tensor(STD**2).double()) + SHARES.log()
    return parts.logsumexp(1)


def mixture_eps(schedule):
    """Its exact prediction of the noise."""

    def eps(x, t):
        a = schedule.at(t, x)
        v = a * STD**2 + 1 - a
        d = x - a.sqrt() * MEANS
        return (
            (1 - a).sqrt()
            / v
            * (((-(d**2) / (2 * v) + SHARES.log()).softmax(1) * d).sum(1, keepdim=True))
        )

    return eps


def rows(x, t):
    return torch.full((len(x),), t)


# Units


def test_bits_of_a_uniform_density_are_those_of_its_levels():
    """A density of ½ on [-1, 1] in bins of 2 / 256 gives 8 bits, and so does 1 on [0, 1]."""
    nats = torch.full((3,), 10 * math.log(2.0))
    assert torch.allclose(bits_per_dim(nats, 10, 2 / 256), torch.tensor(8.0))
    assert torch.allclose(bits_per_dim(0 * nats, 10, 1 / 256), torch.tensor(8.0))
    assert torch.allclose(bits_per_dim(nats, 10), torch.tensor(1.0))
    black_and_white = torch.full((3,), 10 * math.log(4.0))  # ¼ on [-2, 2], the bins of -1 and 1
    assert torch.allclose(bits_per_dim(black_and_white, 10, 2.0), torch.tensor(1.0))


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_dequantised_values_fill_their_bins_and_no_other(levels):
    values = torch.linspace(-1, 1, levels).double()
    torch.manual_seed(0)
    x = dequantise(values.expand(2000, levels), levels)
    off = (x - values) * (levels - 1)
    assert off.abs().max() <= 1 and off.min() < -0.99 and off.max() > 0.99
    assert off.mean().abs() < 0.02


# The decoder


@pytest.mark.parametrize("levels", [2, 17, 256])
@pytest.mark.parametrize("mean", [-1.3, -1.0, 0.01, 0.9, 2.0])
@pytest.mark.parametrize("std", [1e-3, 0.05, 1.0])
def test_the_bins_of_the_decoder_sum_to_1(levels, mean, std):
    values = torch.linspace(-1, 1, levels).double()
    log_p = decoder_log_prob(values, torch.tensor(mean).double(), torch.tensor(std**2), levels)
    assert abs(log_p.exp().sum().item() - 1) < 1e-6


def test_an_inner_bin_is_the_integral_of_the_density_and_the_edges_are_open():
    mean, variance = torch.tensor([0.3]).double(), torch.tensor([0.04]).double()
    values = torch.linspace(-1, 1, 17).double()
    mine = decoder_log_prob(values, mean, variance, 17).exp()
    grid = torch.linspace(-8, 8, 160_001).double()
    density = decoder_log_prob(grid, mean, variance, None).exp() * 1e-4
    for i, value in enumerate(values):
        low = -9 if i == 0 else value - 1 / 16
        high = 9 if i == 16 else value + 1 / 16
        assert abs(density[(grid > low) & (grid < high)].sum() - mine[i]) < 2e-4


def test_the_density_is_pytorchs():
    x, mean, variance = torch.randn(3, 50).double()
    variance = variance**2 + 0.1
    theirs = torch.distributions.Normal(mean, variance.sqrt()).log_prob(x)
    assert torch.allclose(decoder_log_prob(x, mean, variance, None), theirs)


# Divergences, variances, steps


def test_the_divergence_is_pytorchs():
    torch.manual_seed(0)
    m1, m2, v1, v2 = torch.randn(4, 50).double()
    v1, v2 = v1**2 + 0.1, v2**2 + 0.1
    p, q = (torch.distributions.Normal(m, v.sqrt()) for m, v in ((m1, v1), (m2, v2)))
    theirs = torch.distributions.kl_divergence(p, q)
    assert torch.allclose(kl_of_gaussians(m1, v1, m2, v2), theirs)


def test_the_variances_are_those_of_the_two_walks():
    """beta, and the posterior's, which at s = 0 gives way to beta."""
    x = torch.zeros(2, 1).double()
    t = torch.tensor([1, 60])
    low, high = variances(COSINE, x, t, t - 1)
    assert torch.allclose(high[:, 0], COSINE.beta[t], atol=1e-6)
    assert low[0] == high[0] and low[1] == q_posterior(COSINE, x, x, 60, 59)[1][0]


def test_a_step_interpolates_the_logarithms():
    xt, eps = torch.randn(2, 5, 1).double()
    mean, low = reverse_step(COSINE, xt, 3, 2, eps, 0.0)
    same, high = reverse_step(COSINE, xt, 3, 2, eps, 1.0)
    _, middle = reverse_step(COSINE, xt, 3, 2, eps, 0.5)
    assert torch.equal(mean, same) and (low < 0.8 * high).all()
    assert torch.allclose(middle, (low * high).sqrt())


# The bound


@pytest.mark.parametrize("T", [1, 5, 1000])
@pytest.mark.parametrize("make", [linear_schedule, cosine_schedule])
def test_the_terms_of_an_exact_model_add_to_minus_log_p(T, make):
    """For data N(0, 1), at every x0: 1.4189 at x = 1. Noise of -1 and 1 averages exactly what is
    quadratic in the noise."""
    schedule = make(T).double()
    reverse = fixed_variance(gaussian_eps(1)(schedule), schedule)
    x0 = torch.tensor([[0.0], [1.0], [-2.5]]).double()
    a = schedule.alpha_bar[-1]
    total = kl_of_gaussians(a.sqrt() * x0, 1 - a, 0.0, torch.ones(1).double()).sum(1)
    for t in range(1, T + 1):
        for sign in (-1.0, 1.0):
            eps = torch.full_like(x0, sign)
            total += bound_term(reverse, schedule, x0, rows(x0, t), rows(x0, t - 1), eps) / 2
    truth = -log_normal(x0, 0.0, torch.ones(1).double())[:, 0]
    assert (total - truth).abs().max() < 1e-4
    assert abs(truth[1].item() - 1.4189) < 1e-4


def test_the_bound_averages_to_the_entropy_and_a_little_more():
    """A mixture in 50 steps: E[L] = H + KL of the two walks (derivations, chapter 3)."""
    schedule = cosine_schedule(50).double()
    torch.manual_seed(0)
    x0 = MEANS[(torch.rand(100_000) > SHARES[0]).long()][:, None]
    x0 = x0 + STD * torch.randn(100_000, 1).double()
    terms = bound(fixed_variance(mixture_eps(schedule), schedule), schedule, x0)
    assert terms.shape == (51, len(x0))
    gap = terms.sum(0).mean() + mixture_log_prob(x0).mean()
    assert 0.005 < gap < 0.1


def test_the_rows_of_the_bound_begin_with_the_decoder_and_end_with_the_prior():
    x0 = torch.ones(3, 1).double()
    terms = bound(lambda x, t, s: (0 * x + 5.0, 0 * x + 1), COSINE, x0, times=[100, 50, 0])
    decoder = -log_normal(x0, 5.0, torch.ones(1).double())[:, 0]
    a = COSINE.alpha_bar[-1]
    assert terms.shape == (3, 3) and torch.allclose(terms[0], decoder)
    assert torch.allclose(terms[2], 0.5 * (-torch.log1p(-a) - a + a).expand(3), atol=1e-6)
    assert (terms[1] > terms[2]).all()


def test_with_the_posteriors_variance_a_term_is_the_fall_of_the_snr_times_the_error():
    """½ (SNR_s - SNR_t) |x0 - x0_hat|² (Kingma et al. 2021, Eq. 14)."""
    torch.manual_seed(0)
    x0, eps = torch.randn(2, 6, 3).double()
    wrong = 0.3 * torch.randn(6, 3).double()
    t, s = torch.tensor([2, 9, 30, 50, 77, 100]), torch.tensor([1, 4, 29, 2, 70, 99])
    noise, a = eps + wrong, COSINE.alpha_bar[t][:, None]
    term = bound_term(fixed_variance(lambda x, t: noise, COSINE, 0.0), COSINE, x0, t, s, eps)
    off = (1 - a).sqrt() / a.sqrt() * wrong
    fall = 0.5 * (COSINE.snr[s] - COSINE.snr[t])
    assert torch.allclose(term, fall * off.square().sum(1), rtol=1e-6)


def test_a_term_is_its_constant_and_the_weighted_error_of_the_noise():
    """C_t + beta² / (2 sigma² alpha (1 - alpha_bar)) |eps - eps_hat|² (DDPM, Eq. 12)."""
    torch.manual_seed(0)
    x0, eps, wrong = torch.randn(3, 5, 2).double()
    t = torch.tensor([2, 9, 30, 77, 100])
    a, a_s = COSINE.alpha_bar[t], COSINE.alpha_bar[t - 1]
    alpha, beta, tilde = a / a_s, 1 - a / a_s, (1 - a_s) / (1 - a) * (1 - a / a_s)
    reverse = fixed_variance(lambda x, t: eps + wrong, COSINE)
    term = bound_term(reverse, COSINE, x0, t, t - 1, eps)
    constant = tilde / beta - 1 - (tilde / beta).log()  # ½ for each of two dimensions
    weight = beta**2 / (2 * beta * alpha * (1 - a))
    assert torch.allclose(term, constant + weight * wrong.square().sum(1), rtol=1e-5)


def test_a_term_at_a_random_time_times_T_estimates_the_bound():
    schedule = cosine_schedule(20).double()
    reverse = fixed_variance(mixture_eps(schedule), schedule)
    x0 = torch.full((200_000, 1), 0.8).double()
    torch.manual_seed(0)
    terms = bound(reverse, schedule, x0[:20_000])
    t = torch.randint(1, 21, x0.shape[:1])
    one = 20 * bound_term(reverse, schedule, x0, t, t - 1, torch.randn_like(x0))
    assert abs(one.mean() - terms[:-1].sum(0).mean()) < 0.03


# A variance that is learned


def test_the_simple_loss_gives_the_variance_no_gradient_and_the_bound_does():
    """The channels of w learn nothing from L_simple, and those of the noise nothing from L_vlb."""
    x0 = torch.randn(64, 2) / 2
    schedule = cosine_schedule(50)
    w, noise = torch.zeros(64, 2, requires_grad=True), torch.zeros(64, 2, requires_grad=True)

    def net(x, t):
        return torch.cat([noise, w], 1)

    ddpm_loss(lambda x, t: net(x, t)[:, :2], schedule, x0).backward()
    assert w.grad is None or not w.grad.any()
    simple = []
    for weight in (0.0, 1.0):
        torch.manual_seed(0)
        w.grad = noise.grad = None
        hybrid_loss(net, schedule, x0, weight).backward()
        simple.append(noise.grad)
    assert w.grad.abs().max() > 0 and w.grad.isfinite().all()
    assert torch.equal(*simple)


def test_the_hybrid_loss_is_the_simple_one_and_the_weighted_bound():
    schedule, x0 = cosine_schedule(30), torch.randn(8, 2) / 2
    net = lambda x, t: torch.cat([0.5 * x, 0.2 + 0 * x], 1)  # noqa: E731
    torch.manual_seed(0)
    simple = ddpm_loss(lambda x, t: net(x, t)[:, :2], schedule, x0)
    torch.manual_seed(0)
    loss = hybrid_loss(net, schedule, x0, 0.1)
    torch.manual_seed(0)
    t, eps = torch.randint(1, 31, (8,)), torch.randn_like(x0)
    term = bound_term(learned_variance(net, schedule), schedule, x0, t, t - 1, eps)
    assert torch.allclose(loss, simple + 0.1 * 30 * term.mean() / 2, rtol=1e-5)


def test_a_constant_w_is_a_fixed_variance():
    x, t = torch.randn(4, 2).double(), torch.tensor([1, 2, 50, 100])
    learned = learned_variance(lambda x, t: torch.cat([x, 0.3 + 0 * x], 1), COSINE)
    fixed = fixed_variance(lambda x, t: x, COSINE, 0.3)
    for a, b in zip(learned(x, t, t - 1), fixed(x, t, t - 1), strict=True):
        assert torch.allclose(a, b)


# The likelihood itself


def test_the_ode_finds_a_mixtures_density():
    """Within 0.01 nats, at the humps and between them."""
    x = torch.linspace(-1.6, 1.6, 33).double()[:, None]
    schedule = cosine_schedule().double()
    log_p = ode_log_prob(mixture_eps(schedule), schedule, x, [*range(0, 1000, 10), 1000])
    assert (log_p - mixture_log_prob(x)).abs().max() < 0.01


def test_the_ode_counts_from_the_time_it_is_given():
    """x at t = 40 has the density of x_40, a Gaussian here, in three dimensions."""
    x = torch.randn(5, 3).double()
    schedule, std = cosine_schedule().double(), 0.5
    log_p = ode_log_prob(gaussian_eps(std)(schedule), schedule, x, [*range(40, 1001, 8)])
    variance = schedule.alpha_bar[40] * std**2 + 1 - schedule.alpha_bar[40]
    assert (log_p - log_normal(x, 0.0, variance).sum(1)).abs().max() < 0.01


def test_the_traces_agree_and_one_of_them_is_exact():
    torch.manual_seed(0)
    x = torch.randn(3, 1, 2, 2).double().requires_grad_()
    A = torch.randn(4, 4).double()
    y = (x.flatten(1) @ A.T).view_as(x) * (1 + torch.arange(3)).view(3, 1, 1, 1)
    trace = A.trace() * (1 + torch.arange(3))
    assert torch.allclose(exact_trace(y, x), trace)
    many = x.detach().repeat(4000, 1, 1, 1).requires_grad_()
    y = (many.flatten(1) @ A.T).view_as(many)
    assert abs(hutchinson_trace(y, many).mean() - A.trace()) < 0.1


def test_hutchinson_is_exact_for_a_diagonal():
    x = torch.randn(3, 5).double().requires_grad_()
    assert torch.allclose(hutchinson_trace(x**3, x), (3 * x**2).sum(1))


# What is refused


NET = MLP(2, 16, 1)
POINTS = torch.zeros(4, 2)
REFUSED = {
    "a width of 0": (lambda: bits_per_dim(POINTS, 2, 0.0), "width is 0.0; expected 1, or the"),
    "one level": (lambda: dequantise(POINTS, 1), "levels is 1; expected at least 2"),
    "levels by their distance": (
        lambda: decoder_log_prob(POINTS, POINTS, POINTS + 1, 0.125),
        "levels is 0.125; expected at least 2"),
    "a network with one output": (
        lambda: hybrid_loss(NET, cosine_schedule(9), POINTS),
        "the shape of the output is (4, 2); expected (4, 4): the noise, then w"),
    "a network with one output, as a step": (
        lambda: learned_variance(NET, cosine_schedule(9))(POINTS, rows(POINTS, 2), rows(POINTS, 1)),
        "the shape of the output is (4, 2); expected (4, 4)"),
    "times that rise, of a bound": (
        lambda: bound(None, cosine_schedule(9), POINTS, times=[0, 9]),
        "times is [0, 9]; expected whole numbers"),
    "times that stop early, of a bound": (
        lambda: bound(None, cosine_schedule(9), POINTS, times=[9, 1]),
        "times is [9, 1]; expected whole numbers"),
    "times that fall, of an ODE": (
        lambda: ode_log_prob(NET, cosine_schedule(9), POINTS, [9, 0]),
        "times is [9, 0]; expected whole numbers"),
}  # fmt: skip


@pytest.mark.parametrize("do, sentence", REFUSED.values(), ids=REFUSED)
def test_bad_input_is_refused_with_a_sentence(do, sentence):
    with pytest.raises(ValueError) as error:
        do()
    assert sentence in str(error.value)


def test_any_schedule_has_a_bound():
    """One made by hand, with a single step."""
    schedule = Schedule(torch.tensor([0.5])).double()
    terms = bound(fixed_variance(lambda x, t: x, schedule), schedule, torch.zeros(2, 1).double())
    assert terms.shape == (2, 2) and terms.isfinite().all()
    assert q_sample(schedule, POINTS.double(), 1, POINTS.double()).abs().max() == 0
