"""Theorems about the schedule, the loss and the samplers. No network is trained here."""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from ddpm_lite import (
    Schedule,
    clipped,
    cosine_schedule,
    ddim_step,
    ddpm_loss,
    ddpm_step,
    eps_target,
    linear_schedule,
    predict_eps,
    predict_x0,
    q_posterior,
    q_sample,
    sample,
    trajectory,
    v_target,
    x0_target,
)

SCHEDULES = {"linear": linear_schedule(), "cosine": cosine_schedule()}
EXACT = {name: Schedule(s.beta[1:]).double() for name, s in SCHEDULES.items()}  # float64 buffers

each_schedule = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
each_exact = pytest.mark.parametrize("schedule", EXACT.values(), ids=EXACT)


def normal(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def is_normal(z: Tensor) -> bool:
    """Mean 0, variance 1 and kurtosis 3, each within five of its standard errors."""
    z, n = z.flatten().double(), z.numel()
    errors = z.mean(), z.var() - 1, (z**4).mean() / z.var() ** 2 - 3
    return all(abs(e) < 5 * math.sqrt(v / n) for e, v in zip(errors, (1, 2, 24), strict=True))


# The schedule


@each_schedule
def test_row_0_is_clean_data(schedule):
    """q_sample(x0, 0, eps) = x0 to the last bit, since alpha_bar_0 = 1 (time convention)."""
    x0, eps = torch.randn(4, 2), torch.randn(4, 2)
    assert [schedule.beta[0], schedule.alpha[0], schedule.alpha_bar[0]] == [0, 1, 1]
    assert len(schedule.alpha_bar) == schedule.T + 1 == 1001
    assert torch.equal(q_sample(schedule, x0, 0, eps), x0)


def test_alpha_bar_is_the_product_of_the_alphas_up_to_t_and_no_further():
    """alpha_bar_t = (1 - beta_1) … (1 - beta_t) (DDPM, Eq. 4), by hand in float64."""
    beta = [1e-4 + (0.02 - 1e-4) * i / 999 for i in range(1000)]  # beta_1 … beta_T
    for t in range(1001):
        by_hand = math.prod(1 - b for b in beta[:t])
        assert SCHEDULES["linear"].alpha_bar[t].item() == pytest.approx(by_hand, rel=1e-6)
    assert SCHEDULES["linear"].beta[1:].tolist() == pytest.approx(beta, rel=1e-6)


@pytest.mark.parametrize("T", [20, 1000])
def test_the_cosine_schedule_is_its_formula(T):
    """alpha_bar = f(t) / f(0), f(t) = cos^2((t/T + s) / (1 + s) pi/2) (arXiv 2102.09672 Eq. 17)."""

    def f(t):
        return math.cos((t / T + 0.008) / 1.008 * math.pi / 2) ** 2

    schedule = cosine_schedule(T)
    formula = [f(t) / f(0) for t in range(T)]
    assert schedule.alpha_bar[:T].tolist() == pytest.approx(formula, rel=1e-6)
    assert schedule.beta[T].item() == pytest.approx(0.999)  # where f(T) = 0


@pytest.mark.parametrize(
    "schedule", [*SCHEDULES.values(), *map(cosine_schedule, (10, 50, 250))], ids=lambda s: s.T
)
def test_almost_nothing_is_left_of_the_data_at_T(schedule):
    """SNR_T = alpha_bar_T / (1 - alpha_bar_T) < 1e-4, and the SNR falls strictly from infinity."""
    assert schedule.snr[-1] < 1e-4
    assert schedule.snr[0] == math.inf
    assert (schedule.snr[1:] < schedule.snr[:-1]).all()


def test_a_short_linear_schedule_leaves_signal_at_T():
    """The warning in its docstring: unscaled beta with T = 100 leaves sqrt(alpha_bar_T) = 0.6."""
    assert linear_schedule(100).alpha_bar[-1].sqrt().item() == pytest.approx(0.60, abs=0.01)


@pytest.mark.parametrize(
    "beta",
    [
        [1.0],
        [0.5, 1.5],
        [1.5, 1.5],
        [0.0, 0.1],
        [-0.1],
        [math.nan],
        [],
        [[0.1, 0.2]],
        0.1,
        [0.999] * 99,
    ],
    ids=str,
)
def test_a_beta_that_is_no_variance_is_refused(beta):
    """0 < beta < 1 and alpha_bar > 0, or the square roots and quotients are NaN."""
    with pytest.raises(ValueError, match="beta"):
        Schedule(torch.tensor(beta))


def test_a_linear_schedule_rescaled_to_few_steps_is_refused():
    """beta_T = 0.02 * 1000 / T passes 1 for T <= 20 (guided-diffusion, issue 137)."""
    with pytest.raises(ValueError, match="in \\(0, 1\\)"):
        linear_schedule(10, 1e-4 * 100, 0.02 * 100)


def test_a_schedule_moves_and_saves_with_the_network():
    """Its three rows are buffers: they follow .to(), and state_dict() has them."""
    assert set(SCHEDULES["linear"].state_dict()) == {"beta", "alpha", "alpha_bar"}
    assert not list(SCHEDULES["linear"].parameters())
    assert all(b.dtype == torch.float32 for b in SCHEDULES["linear"].buffers())


# The forward process


@each_schedule
def test_200_small_steps_are_one_big_step_by_algebra(schedule):
    """x_t = sqrt(1 - beta) x_{t-1} + sqrt(beta) eps has mean sqrt(alpha_bar), var 1 - alpha_bar."""
    mean, variance = 1.0, 0.0
    for beta in schedule.beta[1:201].tolist():
        mean, variance = math.sqrt(1 - beta) * mean, (1 - beta) * variance + beta
    assert mean**2 == pytest.approx(schedule.alpha_bar[200].item(), rel=1e-5)
    assert variance == pytest.approx(1 - schedule.alpha_bar[200].item(), rel=1e-5)


@each_schedule
def test_200_small_steps_are_one_big_step_by_simulation(schedule):
    """The same with noise: mean and variance of N chains within five standard errors of Eq. 4."""
    n, start = 20_000, 1.5
    chain = torch.full((n,), start)
    for beta in schedule.beta[1:201]:
        chain = (1 - beta).sqrt() * chain + beta.sqrt() * torch.randn(n)
    jump = q_sample(schedule, torch.full((n,), start), 200, torch.randn(n))
    mean, variance = schedule.alpha_bar[200].sqrt() * start, 1 - schedule.alpha_bar[200]
    for x in (chain, jump):
        assert abs(x.mean() - mean) < 5 * (variance / n).sqrt()
        assert abs(x.var() - variance) < 5 * variance * math.sqrt(2 / n)


@each_schedule
def test_each_row_has_its_own_time(schedule):
    """q_sample of a batch with times t is q_sample of each row with its t."""
    x0, eps, t = (
        torch.randn(5, 1, 3, 3),
        torch.randn(5, 1, 3, 3),
        torch.tensor([0, 1, 9, 500, 1000]),
    )
    rows = [q_sample(schedule, x0[i : i + 1], int(t[i]), eps[i : i + 1]) for i in range(5)]
    assert torch.equal(q_sample(schedule, x0, t, eps), torch.cat(rows))


# The posterior


@each_exact
def test_the_posterior_is_gaussian_conjugacy(schedule):
    """Prior N(sqrt(ab_s) x0, 1 - ab_s) times likelihood N(x_t; sqrt(a) x_s, 1 - a): the precisions
    add, and the mean is weighted by them (DDPM, Eq. 6 and 7)."""
    x0, xt = normal(50), normal(50)
    for t, s in [(2, 1), (10, 9), (1000, 999), (500, 20), (1000, 1)]:
        a, b = schedule.alpha_bar[s], schedule.alpha_bar[t] / schedule.alpha_bar[s]
        prior, likelihood = 1 / (1 - a), b / (1 - b)  # precisions of x_s
        precision = prior + likelihood
        mean = (prior * a.sqrt() * x0 + likelihood * xt / b.sqrt()) / precision
        ours, variance = q_posterior(schedule, x0, xt, t, s)
        assert torch.allclose(ours, mean, rtol=1e-9, atol=1e-9)
        assert variance.item() == pytest.approx(1 / precision.item(), rel=1e-9)


@each_exact
def test_the_posterior_is_bayes_rule_on_a_grid(schedule):
    """q(x_s | x_t, x0) ~ q(x_s | x0) q(x_t | x_s), multiplied and normalised as numbers."""
    x0, xt, t, s = torch.tensor([0.7]).double(), torch.tensor([-0.4]).double(), 300, 200
    grid = torch.linspace(-6, 6, 20_001, dtype=torch.float64)
    a, b = schedule.alpha_bar[s], schedule.alpha_bar[t] / schedule.alpha_bar[s]
    log = -((grid - a.sqrt() * x0) ** 2) / (1 - a) / 2 - (xt - b.sqrt() * grid) ** 2 / (1 - b) / 2
    p = log.softmax(0)
    mean = (p * grid).sum()
    ours, variance = q_posterior(schedule, x0, xt, t, s)
    assert ours.item() == pytest.approx(mean.item(), abs=1e-6)
    assert variance.item() == pytest.approx((p * (grid - mean) ** 2).sum().item(), rel=1e-6)


@each_schedule
def test_the_posterior_of_the_last_step_is_the_data(schedule):
    """At s = 0 the variance is 0 and the mean x0, with no special case."""
    x0, xt = torch.randn(6), torch.randn(6)
    for t in (1, 500, 1000):
        mean, variance = q_posterior(schedule, x0, xt, t, 0)
        assert torch.allclose(mean, x0) and variance == 0


# The loss and its targets


def zero_model(x, t):
    return torch.zeros_like(x)


def test_a_model_that_always_predicts_zero_has_loss_1():
    """E[eps^2] = 1; the mean of n squares is within five of its standard errors sqrt(2 / n)."""
    x0 = torch.rand(5000, 4) * 2 - 1
    loss = ddpm_loss(zero_model, SCHEDULES["linear"], x0)
    assert abs(loss - 1) < 5 * math.sqrt(2 / x0.numel())


def test_the_loss_takes_given_times_and_noise():
    """With t and eps given nothing is drawn, and the loss is the mean squared error by hand."""
    schedule, x0, eps, t = SCHEDULES["cosine"], torch.randn(3, 2), torch.randn(3, 2), [1, 50, 900]
    before, seen = torch.get_rng_state(), []

    def spy(x, t):
        seen.append((x, t))
        return 0.5 * x

    loss = ddpm_loss(spy, schedule, x0, t=torch.tensor(t), eps=eps)
    assert torch.equal(before, torch.get_rng_state())
    ((xt, times),) = seen
    assert times.tolist() == t and torch.equal(xt, q_sample(schedule, x0, times, eps))
    assert loss.item() == pytest.approx((0.5 * xt - eps).square().mean().item())


@each_schedule
def test_the_best_model_of_standard_normal_data_has_the_loss_that_theory_says(schedule):
    """For x0 ~ N(0, 1), E[eps | x_t] = sqrt(1 - alpha_bar) x_t leaves the variance alpha_bar_t."""

    def best(x, t):
        return (1 - schedule.at(t, x)).sqrt() * x

    loss = ddpm_loss(best, schedule, torch.randn(20_000, 2))
    assert loss.item() == pytest.approx(schedule.alpha_bar[1:].mean().item(), abs=0.02)


def test_the_times_drawn_are_1_to_T_equally_often():
    """Algorithm 1: t ~ Uniform({1, …, T}); never 0, and T, where sampling starts, is trained."""
    seen = []

    def spy(x, t):
        seen.append(t)
        return x

    schedule, n = linear_schedule(10), 10_000
    ddpm_loss(spy, schedule, torch.randn(n, 1))
    counts = torch.bincount(seen[0], minlength=11)
    assert counts[0] == 0 and len(counts) == 11
    assert ((counts[1:] - n / 10).abs() < 5 * math.sqrt(n / 10)).all()


def test_the_model_sees_q_sample_of_gaussian_noise():
    """For x0 = 0, x_t / sqrt(1 - alpha_bar_t) is eps: mean 0, variance 1, kurtosis 3."""
    seen = []

    def spy(x, t):
        seen.append(x / (1 - schedule.at(t, x)).sqrt())
        return x

    schedule = SCHEDULES["linear"]
    ddpm_loss(spy, schedule, torch.zeros(20_000, 1))
    assert is_normal(seen[0])


def test_the_gradient_of_the_loss_is_its_slope():
    """(L(a + h) - L(a - h)) / 2h for the model a x_t, with the noise held fixed."""
    schedule, x0 = EXACT["linear"], normal(64, 2)

    def loss(a):
        torch.manual_seed(1)
        return ddpm_loss(lambda x, t: a * x, schedule, x0)

    a = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    loss(a).backward()
    slope = (loss(a.detach() + 1e-5) - loss(a.detach() - 1e-5)) / 2e-5
    assert a.grad.item() == pytest.approx(slope.item(), rel=1e-6)


@each_exact
def test_the_three_targets_are_linear_maps_of_one_another(schedule):
    """Given x_t, each of eps, x0, v gives the others: (x_t, v) is (x0, eps) turned by an angle."""
    x0, eps, t = normal(9, 2), normal(9, 2), torch.arange(1, 1001, 120)
    xt = q_sample(schedule, x0, t, eps)
    v = v_target(schedule, x0, t, eps)
    alpha_bar = schedule.at(t, x0)
    assert torch.equal(eps_target(schedule, x0, t, eps), eps)
    assert torch.equal(x0_target(schedule, x0, t, eps), x0)
    assert torch.allclose(predict_x0(schedule, xt, t, eps), x0)
    assert torch.allclose(predict_eps(schedule, xt, t, x0), eps)
    assert torch.allclose(alpha_bar.sqrt() * xt - (1 - alpha_bar).sqrt() * v, x0)
    assert torch.allclose(xt**2 + v**2, x0**2 + eps**2)  # a rotation keeps the length


@pytest.mark.parametrize("target", [eps_target, x0_target, v_target])
def test_the_loss_compares_the_prediction_with_its_target(target):
    """A model that knows x0 and predicts the target has loss 0. If it negates it, it doesn't."""
    schedule, x0 = EXACT["linear"], torch.full((32, 2), 0.5, dtype=torch.float64)

    def oracle(x, t):
        return target(schedule, x0, t, predict_eps(schedule, x, t, x0))

    assert ddpm_loss(oracle, schedule, x0, target) < 1e-12
    assert ddpm_loss(lambda x, t: -oracle(x, t), schedule, x0, target) > 0.5


# One step back


def pairs(n: int) -> list[tuple[int, int]]:
    t = torch.randint(1, 1001, (n,)).tolist()
    return [(t, int(torch.randint(0, t, ()))) for t in t]


@each_exact
def test_ddpm_is_ddim_with_eta_1(schedule):
    """The same x_s from the same noise, for 100 pairs s < t (DDIM, Eq. 16)."""
    xt, eps = normal(8), normal(8)
    for t, s in pairs(100):
        torch.manual_seed(t)
        a = ddpm_step(schedule, xt, t, s, eps)
        torch.manual_seed(t)
        b = ddim_step(schedule, xt, t, s, eps, eta=1.0)
        assert torch.allclose(a, b, rtol=1e-6, atol=1e-9), (t, s)


@each_exact
def test_ddpm_draws_from_the_posterior_of_the_x0_that_eps_implies(schedule):
    """Algorithm 2's mean and sigma are those of Eq. 7 with x0 from Eq. 15."""
    xt, eps = normal(8), normal(8)
    for t, s in [(1, 0), (2, 1), (300, 299), (1000, 999), (1000, 500)]:
        mean, variance = q_posterior(schedule, predict_x0(schedule, xt, t, eps), xt, t, s)
        torch.manual_seed(t)
        ours = ddpm_step(schedule, xt, t, s, eps)
        torch.manual_seed(t)
        assert torch.allclose(ours, mean + variance.sqrt() * normal(8), rtol=1e-6, atol=1e-9)


@each_exact
def test_with_the_true_noise_one_ddim_jump_lands_on_the_exact_state(schedule):
    """ddim_step(x_t, t, s, eps) = q_sample(x0, s, eps); at s = 0 that is x0 (DDIM, Eq. 12)."""
    x0, eps = normal(8), normal(8)
    for t, s in [*pairs(50), (1000, 0), (1, 0)]:
        xt = q_sample(schedule, x0, t, eps)
        assert torch.allclose(
            ddim_step(schedule, xt, t, s, eps), q_sample(schedule, x0, s, eps), atol=1e-9
        )


@each_schedule
@pytest.mark.parametrize(
    "step", [ddpm_step, lambda *a: ddim_step(*a, eta=1.0)], ids=["ddpm", "ddim"]
)
def test_the_last_step_adds_no_noise(schedule, step):
    """sigma_t^2 at s = 0 is exactly 0, so two seeds agree and x0 is predict_x0 (Algorithm 2)."""
    xt, eps = torch.randn(8), torch.randn(8)
    for t in (1, 7):
        torch.manual_seed(1)
        first = step(schedule, xt, t, 0, eps)
        torch.manual_seed(2)
        assert torch.equal(first, step(schedule, xt, t, 0, eps))
        assert torch.allclose(first, predict_x0(schedule, xt, t, eps), atol=1e-5)


def test_ddim_without_eta_draws_nothing():
    """eta = 0 is deterministic: the state of the random generator does not move."""
    before = torch.get_rng_state()
    ddim_step(SCHEDULES["linear"], torch.ones(3), 500, 400, torch.ones(3))
    assert torch.equal(before, torch.get_rng_state())


@each_schedule
def test_the_noise_of_a_step_is_gaussian_with_the_posterior_variance(schedule):
    """x_s minus its mean, over sigma: mean 0, variance 1, kurtosis 3."""
    zero = torch.zeros(20_000)  # for x_t = eps = 0 the mean is 0
    variance = q_posterior(schedule, zero[:1], zero[:1], 500, 400)[1]
    for step in (ddpm_step, lambda *a: ddim_step(*a, eta=1.0)):
        assert is_normal(step(schedule, zero, 500, 400, zero) / variance.sqrt())


@each_schedule
def test_every_jump_is_finite_in_float32(schedule):
    """1 - alpha_bar_s - sigma^2 is >= 0, and must not round to less: its root is taken."""
    for t in (1, 2, 1000):
        s, x = torch.arange(t), torch.ones(t, 1)  # all s < t at once, a row for each
        rows = torch.full((t,), t)
        for eta in (0.0, 0.5, 1.0):
            assert ddim_step(schedule, x, rows, s, x, eta).isfinite().all(), (t, eta)
        assert ddpm_step(schedule, x, rows, s, x).isfinite().all(), t


@pytest.mark.parametrize("eta", [-0.1, 1.1, math.nan])
def test_an_eta_outside_0_to_1_is_refused(eta):
    """eta interpolates between DDIM, 0, and DDPM, 1."""
    with pytest.raises(ValueError, match="eta"):
        ddim_step(SCHEDULES["linear"], torch.ones(3), 2, 1, torch.ones(3), eta)


# Whole trajectories, with the exact eps of data whose law is known


def gaussian_eps(schedule, mean, std):
    """E[eps | x_t] for x0 ~ N(mean, std^2): x_t is Gaussian too, so it is one line."""

    def eps(x, t):
        alpha_bar = schedule.at(t, x)
        variance = alpha_bar * std**2 + 1 - alpha_bar
        return (1 - alpha_bar).sqrt() * (x - alpha_bar.sqrt() * mean) / variance

    return eps


def mixture_eps(schedule, means, stds, weights):
    """E[eps | x_t] for a mixture of Gaussians: theirs, weighted by who may have made x_t."""

    def eps(x, t):
        alpha_bar = schedule.at(t, x)
        m, v = alpha_bar.sqrt() * means, alpha_bar * stds**2 + 1 - alpha_bar  # (B, K)
        owner = (weights.log() - v.log() / 2 - (x - m) ** 2 / v / 2).softmax(1)
        return (owner * (1 - alpha_bar).sqrt() * (x - m) / v).sum(1, keepdim=True)

    return eps


@each_schedule
@pytest.mark.parametrize("step, steps", [(ddpm_step, 1000), (ddim_step, 250)])
def test_for_gaussian_data_the_exact_eps_makes_that_gaussian(schedule, step, steps):
    """N(2, 0.5^2) comes back from pure noise, without a network (Algorithm 2; DDIM, Eq. 12)."""
    n = 10_000
    eps = gaussian_eps(schedule, 2.0, 0.5)
    x0 = sample(eps, schedule, torch.randn(n, 1), steps, step, clip=None)
    assert abs(x0.mean() - 2) < 5 * 0.5 / math.sqrt(n) + 0.01  # chance, and finite steps
    assert abs(x0.std() - 0.5) < 5 * 0.5 / math.sqrt(2 * n) + 0.005


@each_schedule
@pytest.mark.parametrize("step, steps", [(ddpm_step, 250), (ddim_step, 100)])
def test_for_a_mixture_the_exact_eps_makes_that_mixture(schedule, step, steps):
    """Two Gaussians: total variation |p - q|/2 of the histograms is below 0.04."""
    n, edges = 10_000, torch.linspace(-2, 2, 33)
    means, stds, weights = (
        torch.tensor([-1.0, 0.7]),
        torch.tensor([0.2, 0.3]),
        torch.tensor([0.3, 0.7]),
    )
    eps = mixture_eps(schedule, means, stds, weights)
    x0 = sample(eps, schedule, torch.randn(n, 1), steps, step, clip=None)
    cdf = (weights * torch.special.ndtr((edges[:, None] - means) / stds)).sum(1)
    counts = torch.histogram(x0, edges).hist / n
    assert (counts - cdf.diff()).abs().sum() / 2 < 0.04


def test_the_posterior_variance_is_exact_when_the_data_are_one_point():
    """Then x_s | x_t is q_posterior, so each state has variance 1 - alpha_bar, in ten steps too.
    With the variance beta instead it would be too wide (DDPM, section 3.2)."""
    schedule, n = SCHEDULES["cosine"], 10_000
    eps = gaussian_eps(schedule, 1.0, 0.0)
    for t, xt in trajectory(eps, schedule, torch.randn(n, 1), 10):
        variance = 1 - schedule.alpha_bar[t]
        assert abs(xt.var() - variance) <= 5 * variance * math.sqrt(2 / n) + 1e-6, t


# How the samplers walk


def test_a_trajectory_is_lazy():
    """A generator: (T, xT) comes before the model is called."""

    def broken(x, t):
        raise AssertionError("the model was called")

    xT = torch.randn(3, 2)
    t, xt = next(trajectory(broken, SCHEDULES["linear"], xT))
    assert t == 1000 and xt is xT


@pytest.mark.parametrize("T", [1, 7, 1000])
def test_a_trajectory_starts_at_T_ends_at_0_and_visits_steps_plus_1_times(T):
    """However few the steps: from T, strictly down, to 0, in almost equal strides."""
    schedule = cosine_schedule(T)
    for steps in {1, 2, 3, T // 3, T - 1, T, None} - {0}:
        if steps is not None and steps > T:
            continue
        walk = trajectory(zero_model, schedule, torch.ones(1, 1), steps, clip=None)
        times = [t for t, _ in walk]
        strides = [t - s for t, s in pairwise(times)]
        assert times[0] == T and times[-1] == 0
        assert len(strides) == (steps or T)
        assert min(strides) >= 1 and max(strides) - min(strides) <= 1


def test_a_trajectory_calls_the_model_at_the_times_it_visits():
    """The model gets x_t and t (B,), int64, for each state but the last."""
    calls = []

    def spy(x, t):
        calls.append((x, t))
        return torch.zeros_like(x)

    states = list(trajectory(spy, SCHEDULES["linear"], torch.randn(3, 2), 4))
    assert [t for t, _ in states] == [1000, 750, 500, 250, 0]
    for (x, t), (time, state) in zip(calls, states[:-1], strict=True):
        assert torch.equal(x, state) and t.tolist() == [time] * 3 and t.dtype == torch.int64


def test_a_trajectory_visits_just_the_times_of_a_list():
    """One that starts below T edits a noised x_t (SDEdit)."""
    schedule, x = SCHEDULES["linear"], torch.randn(2, 2)
    for times in ([1000, 10, 0], [300, 200, 0], (5, 0), range(4, -1, -1)):
        assert [t for t, _ in trajectory(zero_model, schedule, x, times)] == [*times]


@pytest.mark.parametrize("step", [ddpm_step, ddim_step])
def test_sample_is_the_end_of_the_trajectory(step):
    """Algorithm 2 is the last (0, x0)."""
    schedule, xT = SCHEDULES["linear"], torch.randn(3, 2)
    eps = gaussian_eps(schedule, 1.0, 0.3)
    torch.manual_seed(1)
    *_, (t, last) = trajectory(eps, schedule, xT, 20, step)
    torch.manual_seed(1)
    assert t == 0 and torch.equal(sample(eps, schedule, xT, 20, step), last)


def test_sampling_records_no_gradients_and_leaves_xT_alone():
    """Else a trajectory would hold every activation of every step."""
    net, xT = torch.nn.Linear(2, 2), torch.randn(3, 2)
    before = xT.clone()
    x0 = sample(lambda x, t: net(x), SCHEDULES["linear"], xT, 3)
    assert not x0.requires_grad and torch.equal(xT, before)
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    "steps",
    [0, -1, 1001, True, 9.0, "950", [], [0], [5, 3], [3, 5, 0], [5, 5, 0], [1001, 0], [9.5, 0]]
    + [[True, 0], torch.tensor([9, 0])],
    ids=str,
)
def test_steps_that_lead_nowhere_are_refused(steps):
    """Times must fall, end at 0, and lie in 0 … T; a number must be 1 … T."""
    with pytest.raises(ValueError, match="expected"):
        sample(zero_model, SCHEDULES["linear"], torch.ones(1, 1), steps)


# Clipping


def test_a_clipped_model_predicts_no_x0_outside_the_data():
    """predict_x0 of its eps is clamp(predict_x0 of the model's eps, -limit, limit)."""
    x, eps = 3 * torch.randn(2, 4, 3)
    t, schedule = torch.tensor([1, 300, 700, 990]), SCHEDULES["cosine"]
    model = clipped(lambda x, t: eps, schedule, 0.5)
    before, after = (predict_x0(schedule, x, t, e) for e in (eps, model(x, t)))
    assert (before.abs() < 0.5).any() and before.abs().max() > 1
    assert torch.allclose(after, before.clamp(-0.5, 0.5), atol=1e-3)


@pytest.mark.parametrize("step", [ddim_step, ddpm_step])
def test_clipping_changes_the_step_and_not_only_what_follows_it(step):
    """Clipped after the mean is built, it would do nothing: the means must differ where x0 does."""
    x, eps, schedule = 3 * torch.randn(8), torch.zeros(8), SCHEDULES["cosine"]
    model = clipped(lambda x, t: eps, schedule)
    outside = predict_x0(schedule, x, 500, eps).abs() > 1.01
    torch.manual_seed(1)
    plain = step(schedule, x, 500, 480, eps)
    torch.manual_seed(1)
    moved = (step(schedule, x, 500, 480, model(x, torch.full((8,), 500))) - plain).abs() > 1e-4
    assert outside.any() and torch.equal(moved, outside)


@each_schedule
@pytest.mark.parametrize("step", [ddim_step, ddpm_step])
def test_samples_are_clipped_unless_one_says_otherwise(schedule, step):
    """By default x0 stays in [-1, 1], with clip in [-clip, clip], and with None anywhere: for the
    model eps = 0, x0 = x_T / sqrt(alpha_bar_T) is far outside."""
    xT = torch.randn(64, 2)
    largest = {clip: sample(zero_model, schedule, xT, 20, step, clip).abs().max()
               for clip in (1.0, 2.5, None)}  # fmt: skip
    assert sample(zero_model, schedule, xT, 20, step).abs().max() == pytest.approx(1, abs=1e-3)
    assert largest[1.0] < 1.001 and 2 < largest[2.5] < 2.501 and largest[None] > 100
