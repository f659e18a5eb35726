"""Scores and differential equations, against densities and moments that are known as formulas."""

import math

import pytest
import torch

from ddpm_lite import cosine_schedule, ddim_step, linear_schedule, mmd
from ddpm_lite.score import (
    annealed_langevin,
    as_score,
    correct,
    dsm_loss,
    edm_coefficients,
    edm_denoiser,
    edm_heun,
    edm_sigmas,
    langevin,
    min_snr_weight,
    mixture_score,
    reverse,
    sde_step,
    ve,
    vp,
    zero_terminal_snr,
)

MEANS, STD = torch.tensor([[-1.2, -0.4], [-1.2, -0.4], [1.2, 0.6]]), 0.25  # two thirds at the left
ALPHA_BAR = torch.linspace(1e-4, 1 - 1e-4, 100, dtype=torch.float64)


def data(n=2000):
    return MEANS[torch.randint(3, (n,))] + STD * torch.randn(n, 2)


def log_density(x, signal=1.0, noise=0.0):
    """Up to a constant, in the simplest form."""
    variance = (signal * STD) ** 2 + noise**2
    return (-(x[:, None] - signal * MEANS.double()).square().sum(2) / (2 * variance)).logsumexp(1)


def score_of(sde):
    """The exact score of the mixture under an SDE."""
    return lambda x, u: mixture_score(x, MEANS, STD, sde.signal(u)[:, None], sde.noise(u)[:, None])


def score_at_sigma(x, sigma):
    return mixture_score(x, MEANS, STD, 1, sigma[:, None])


def gaussian(std):
    """The exact score of N(0, std²) under an SDE."""
    return lambda sde: (
        lambda x, u: -x / ((sde.signal(u) * std) ** 2 + sde.noise(u) ** 2).reshape(-1, 1)
    )


def far(a, b):
    return (a - b).abs().max().item()


# Scores


@pytest.mark.parametrize("signal, noise", [(1.0, 0.0), (0.8, 0.6), (0.1, 0.995), (1.0, 5.0)])
def test_the_score_of_a_mixture_is_the_slope_of_its_log_density(signal, noise):
    """By central differences in float64."""
    x, h = 2 * torch.randn(50, 2, dtype=torch.float64), 1e-5
    slopes = [
        (log_density(x + d, signal, noise) - log_density(x - d, signal, noise)) / (2 * h)
        for d in h * torch.eye(2, dtype=torch.float64)
    ]
    score = mixture_score(x, MEANS.double(), STD, signal, noise)
    assert far(score, torch.stack(slopes, 1)) < 1e-6


def test_a_score_is_minus_the_noise_over_its_size():
    """The best eps, E[eps | x_t] by Bayes' rule over the components, gives the mixture's score."""
    schedule, x, t = linear_schedule(), torch.randn(40, 2), torch.randint(1, 1001, (40,))

    def best(x, t):
        ab = schedule.at(t, x)
        v = ab * STD**2 + 1 - ab
        z = x[:, None] - ab.sqrt()[..., None] * MEANS
        share = (-z.square().sum(2) / (2 * v)).softmax(1)
        return (1 - ab).sqrt() * (share[..., None] * z).sum(1) / v

    ab = schedule.at(t, x)
    right = mixture_score(x, MEANS, STD, ab.sqrt(), (1 - ab).sqrt())
    assert far(as_score(best, schedule)(x, t) / right, torch.ones(40, 2)) < 1e-3


def test_denoising_score_matching_differs_from_the_true_loss_by_a_constant():
    """Two wrong scores: the difference of their losses is that of their distances to the score."""
    x0, sigma = data(100000), torch.full((100000,), 0.5)
    wrong = [lambda x, s: 0 * x, lambda x, s: -x]
    x = x0 + 0.5 * torch.randn_like(x0)
    true = [(0.25 * (w(x, sigma) - score_at_sigma(x, sigma)).square()).mean() for w in wrong]
    dsm = []
    for w in wrong:
        torch.manual_seed(1)
        dsm.append(dsm_loss(w, x0, sigma))
    assert abs((dsm[0] - dsm[1]) - (true[0] - true[1])) < 0.01
    torch.manual_seed(1)
    assert dsm_loss(score_at_sigma, x0, sigma) < min(dsm)


# Langevin


@pytest.mark.parametrize("step", [0.1, 0.5, 1.0])
def test_langevin_on_a_gaussian_has_the_variance_of_its_recursion(step):
    """x -> (1 - step) x + sqrt(2 step) z settles at 1 / (1 - step / 2), not at 1."""
    x = langevin(lambda x: -x, torch.randn(40000, 1), step, 60)
    assert abs(x.var() * (1 - step / 2) - 1) < 0.03


def test_langevin_keeps_the_shares_it_starts_with_and_annealed_langevin_finds_them():
    start = torch.randn(2000, 2)
    plain = langevin(lambda x: mixture_score(x, MEANS, STD), start, 0.01, 300)
    sigmas = torch.logspace(1, -2, 20)
    annealed = annealed_langevin(score_at_sigma, 10 * start, sigmas, 20, 2e-5)
    left = [(x[:, 0] < 0).double().mean().item() for x in (plain, annealed)]
    assert abs(left[0] - 1 / 2) < 0.08 and abs(left[1] - 2 / 3) < 0.04
    assert abs((annealed[annealed[:, 0] > 0][:, 0]).std() - STD) < 0.05


def test_a_correction_moves_by_the_ratio_it_was_given():
    """snr: the size of its drift over that of its noise, for a unit score."""
    x, score = torch.zeros(40000, 8), lambda x, u: torch.ones_like(x)
    moved = correct(score, x, torch.tensor(0.5), 0.2)
    assert abs(moved.mean() / moved.std() - 0.2) < 0.01


# Differential equations


@pytest.mark.parametrize("sde", [vp(), ve()], ids=["vp", "ve"])
def test_an_sde_is_the_derivative_of_its_signal_and_noise(sde):
    """f = d ln signal / du, and g² = d noise² / du - 2 f noise², by central differences."""
    u, h = torch.linspace(0.05, 0.95, 19, dtype=torch.float64), 1e-5
    slope = lambda q: (q(u + h) - q(u - h)) / (2 * h)  # noqa: E731
    assert far(sde.f(u), slope(lambda u: sde.signal(u).log())) < 1e-5
    g2 = slope(lambda u: sde.noise(u) ** 2) - 2 * sde.f(u) * sde.noise(u) ** 2
    assert far(sde.g2(u) / g2, torch.ones(19)) < 1e-5


def test_vp_is_the_limit_of_the_chain():
    """T beta_t is beta(t / T), and alpha_bar approaches exp(-∫ beta) like 1 / T."""
    gaps = []
    for T in (100, 1000, 10000):
        u = torch.arange(1, T + 1) / T
        product = (1 - (vp().g2(u.double()) / T)).log().sum()
        gaps.append((2 * vp().signal(torch.ones(1, dtype=torch.float64)).log() - product).item())
    assert 7 < gaps[1] / gaps[2] < 13 and gaps[2] < 0.02
    assert far(linear_schedule().beta[1:] * 1000, vp().g2(torch.linspace(0, 1, 1000))) < 1e-4


def run(sde, score, eta=1.0, snr=0.0, steps=500, n=4000, columns=2):
    """Samples from noise of the right size."""
    noise = sde.noise(torch.ones(1)) * torch.randn(n, columns)
    return reverse(sde, score, noise, torch.linspace(1, 1e-3, steps + 1), eta, snr)


@pytest.mark.parametrize("sde", [vp(), ve()], ids=["vp", "ve"])
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_every_eta_ends_at_the_variance_of_the_data(sde, eta):
    x = run(sde, gaussian(0.5)(sde), eta, steps=1000, columns=1)
    assert abs(x.std() / 0.5 - 1) < 0.05


def test_without_the_half_the_variance_is_wrong():
    """reverse with a score twice or half as large, N(0, ¼): each ends at the variance that the
    recursion of its linear step gives, and that is far from the data's."""
    sde, score = vp(), gaussian(0.5)(vp())
    u = torch.linspace(1, 1e-3, 501, dtype=torch.float64)
    p = (sde.signal(u) * 0.5) ** 2 + sde.noise(u) ** 2
    for eta, factor, low, high in ((0.0, 2.0, 0.0, 0.01), (1.0, 0.5, 1.6, 1.9)):
        v = torch.ones((), dtype=torch.float64)
        for i in range(500):
            h, s = u[i] - u[i + 1], factor * (1 + eta**2) / 2 * sde.g2(u[i])
            v = (1 + h * (-sde.f(u[i]) - s / p[i])) ** 2 * v + eta**2 * sde.g2(u[i]) * h
        end = 1 - factor * sde.noise(u[-1]) ** 2 / p[-1]  # the last prediction of x0
        right = v.sqrt() * end / sde.signal(u[-1])
        wrong = run(sde, lambda x, u, k=factor: k * score(x, u), eta, columns=1).std()
        assert low < right < high and abs(wrong / right - 1) < 0.05


@pytest.mark.parametrize(
    "how", [dict(eta=1.0), dict(eta=0.0), dict(snr=0.16)], ids=["sde", "ode", "corrected"]
)
@pytest.mark.parametrize("sde", [vp(), ve()], ids=["vp", "ve"])
def test_a_mixture_is_sampled_as_well_as_fresh_data(sde, how):
    x = run(sde, score_of(sde), n=2000, **how)
    assert abs((x[:, 0] < 0).double().mean() - 2 / 3) < 0.05
    assert mmd(x, data()) < 0.1


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_the_steps_of_the_chain_are_those_of_the_reverse_equation(eta):
    """ddim_step is sde_step up to terms of second order: with twice the T, and so half the
    step, they differ by a quarter. The noise is the same."""
    gaps = []
    for T in (1000, 2000):
        schedule = linear_schedule(T, 0.1 / T, 20 / T)
        sde, x, u = vp(), torch.randn(200, 2).double(), torch.tensor(0.5, dtype=torch.float64)
        a = schedule.alpha_bar[T // 2].double()
        exact = mixture_score(x, MEANS.double(), STD, a.sqrt(), (1 - a).sqrt())
        torch.manual_seed(1)
        ours = sde_step(sde, lambda x, u, s=exact: s, x, u, u - 1 / T, eta)
        torch.manual_seed(1)
        chain = ddim_step(schedule, x, T // 2, T // 2 - 1, -(1 - a).sqrt() * exact, eta)
        gaps.append((ours - chain).mean(0).norm() + (ours - chain - (ours - chain).mean(0)).norm())
    assert gaps[1] < 0.4 * gaps[0], gaps


def test_a_step_to_the_same_time_changes_nothing():
    x, u = torch.randn(5, 2), torch.tensor(0.4)
    assert far(sde_step(vp(), score_of(vp()), x, u, u), x) == 0


# EDM


def test_the_grid_is_that_of_the_paper():
    """Between two levels, sigma^(1/7) is the mean of its neighbours."""
    sigmas = edm_sigmas(18).double()
    root = sigmas[:-1] ** (1 / 7)
    assert far(root[1:-1], (root[2:] + root[:-2]) / 2) < 1e-5
    assert (sigmas[[0, -2, -1]] - torch.tensor([80, 0.002, 0])).abs().max() < 1e-5


@pytest.mark.parametrize("std", [0.25, 1.0, 3.0])
def test_preconditioning_gives_input_and_target_the_variance_1(std):
    """The three requirements: both variances are 1, and c_out is as small as it can be."""
    sigma = torch.logspace(-2, 2, 9)[:, None]
    x0, eps = std * torch.randn(9, 20000), torch.randn(9, 20000)
    skip, out, scale, _ = edm_coefficients(sigma, std)
    x = x0 + sigma * eps
    assert far((scale * x).std(1), torch.ones(9)) < 0.03
    assert far(((x0 - skip * x) / out).std(1), torch.ones(9)) < 0.03
    for other in (skip + 0.05, skip - 0.05):
        size = ((1 - other) * std) ** 2 + (other * sigma) ** 2  # c_out² that another c_skip needs
        assert (size > out**2).all()


def test_a_denoiser_of_a_gaussian_needs_no_network():
    """For N(0, std²) the best D is c_skip x, so the network's target is 0 on average."""
    x, sigma = torch.randn(6, 1, 4, 4), torch.logspace(-1, 1, 6)
    denoise = edm_denoiser(lambda x, label: 0 * x, 0.5)
    assert far(denoise(x, sigma), 0.25 / (0.25 + sigma[:, None, None, None] ** 2) * x) < 1e-6
    ones = edm_denoiser(lambda x, label: x * 0 + label[:, None, None, None], 0.5)
    assert far(ones(0 * x, sigma)[:, 0, 0, 0],
               (sigma * 0.5 / (sigma**2 + 0.25).sqrt() * sigma.log() / 4)) < 1e-6  # fmt: skip


def denoise(x, sigma):
    """The best D of the mixture, by Tweedie."""
    return x + sigma[:, None] ** 2 * score_at_sigma(x, sigma)


def test_heun_gains_a_factor_four_from_halved_steps():
    """N(0, 1): x goes from sigma = 10 to 0.1 by the factor sqrt(1.01 / 101)."""

    def error(n):
        x = edm_heun(lambda x, s: x / (1 + s[:, None] ** 2), torch.ones(1, 1, dtype=torch.float64),
                     torch.logspace(1, -1, n + 1, dtype=torch.float64))  # fmt: skip
        return abs(x.item() - math.sqrt(1.01 / 101))

    assert 3.5 < error(40) / error(80) < 4.5


def test_heun_samples_the_mixture_in_18_steps():
    x = edm_heun(denoise, 80 * torch.randn(2000, 2), edm_sigmas(18))
    assert abs((x[:, 0] < 0).double().mean() - 2 / 3) < 0.05 and mmd(x, data()) < 0.1


# The end of the schedule, and weights


@pytest.mark.parametrize("schedule", [linear_schedule(), cosine_schedule(50)], ids=["linear", "50"])
def test_zero_terminal_snr_keeps_the_first_rows_and_ends_at_0(schedule):
    new, old = zero_terminal_snr(schedule.alpha_bar), schedule.alpha_bar
    assert new[0] == 1 and abs(new[1] - old[1]) < 1e-6 and new[-1] == 0
    steps = (new.sqrt()[1:-1] - new.sqrt()[2:]) / (old.sqrt()[1:-1] - old.sqrt()[2:])
    assert steps.std() / steps.mean() < 0.02  # one factor for all


def test_min_snr_is_one_loss_in_three_forms():
    """weight * squared error is the same number for eps, x0 and v of one prediction."""
    snr = torch.tensor([0.01, 1.0, 5.0, 100.0])
    x0 = torch.randn(4, 3, dtype=torch.float64)  # an error of x0
    eps = -x0 * snr[:, None].sqrt()  # x_t is given, so one error implies the others
    a = (snr / (1 + snr))[:, None]
    v = a.sqrt() * eps - (1 - a).sqrt() * x0
    losses = [
        min_snr_weight(snr, name)[:, None] * error**2
        for name, error in (("eps", eps), ("x0", x0), ("v", v))
    ]
    assert far(losses[0] / losses[1], torch.ones(4, 3)) < 1e-6
    assert far(losses[2] / losses[1], torch.ones(4, 3)) < 1e-6
    assert far(min_snr_weight(snr, "x0"), torch.tensor([0.01, 1, 5, 5])) < 1e-6
    ends = torch.tensor([0.0, torch.inf])  # pure noise, and clean data
    assert min_snr_weight(ends, "eps").tolist() == [1, 0]


# Bad inputs: one clear sentence

X, SIGMAS = torch.zeros(3, 2), torch.tensor([1.0, 2.0])
FAULTS = {
    "a step of 0": (lambda: langevin(lambda x: x, X, 0.0, 1), "step is 0.0; expected a positive"),
    "levels that end at 0, for Langevin": (
        lambda: annealed_langevin(score_at_sigma, X, edm_sigmas(5), 2, 0.1),
        "sigmas[-1] is 0.0; expected a level above 0, unlike edm_sigmas'",
    ),
    "rising times": (
        lambda: reverse(vp(), score_at_sigma, X, SIGMAS),
        "times is [1.0, 2.0]; expected a tensor of falling values",
    ),
    "rising sigmas": (
        lambda: edm_heun(denoise, X, SIGMAS), "sigmas is [1.0, 2.0]; expected a tensor of fall"),
    "one time": (lambda: reverse(vp(), score_at_sigma, X, SIGMAS[:1]), "times is [1.0]; expected"),
    "a grid of one": (lambda: edm_sigmas(1), "(n, low, high) is (1, 0.002, 80.0); expected n > 1"),
    "a grid upside down": (lambda: edm_sigmas(9, 80, 0.002), "expected n > 1 and 0 < low < high"),
    "data without spread": (
        lambda: edm_coefficients(SIGMAS, 0.0), "data_std is 0.0; expected the standard deviation"),
    "alpha_bar that begins at t = 1": (
        lambda: zero_terminal_snr(linear_schedule().alpha_bar[1:]), "expected 1, with T + 1 rows"),
    "an unknown target": (
        lambda: min_snr_weight(SIGMAS, "x"), "target is 'x'; expected 'eps', 'x0' or 'v'"),
}  # fmt: skip


@pytest.mark.parametrize("do, sentence", FAULTS.values(), ids=FAULTS)
def test_a_wrong_input_gets_one_sentence(do, sentence):
    with pytest.raises(ValueError) as error:
        do()
    assert sentence in str(error.value) and "\n" not in str(error.value)
