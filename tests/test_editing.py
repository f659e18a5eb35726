"""editing.py against the posteriors of Gaussians and mixtures, which are formulas."""

import pytest
import torch
from torch.nn import functional as F

from ddpm_lite import (
    Schedule,
    classifier_guided,
    cosine_schedule,
    ddim_step,
    ddpm_step,
    linear_schedule,
    predict_x0,
    sample,
    spaced,
)
from ddpm_lite.editing import (
    dps,
    likelihood,
    matrix_of,
    mixture_model,
    mixture_posterior,
    renoised,
    repaint,
    replaced,
    residual,
    sdedit,
)

S = linear_schedule()
HALF = Schedule(torch.tensor([0.2, 0.375, 0.1]))  # alpha_bar is 0.8, 0.5, 0.45
MEANS, C = torch.tensor([[-1.0, 1.0], [0.0, -1.0], [1.0, 0.5]]), 0.35
MODEL = mixture_model(S, MEANS, C)
FIRST = torch.tensor([[1.0, 0.0]])  # the first of two coordinates
MASK = torch.tensor([True, False])
Y = torch.tensor([0.4])
KNOWN = torch.tensor([0.4, 0.0]).expand(2000, 2)


def normal(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def moments(share, means, cov):
    mean = share @ means
    return mean, cov.diag() + share @ (means - mean) ** 2


def second(step, model=MODEL, n=200):
    """Mean and variance of the second coordinate, and how far the first is from 0.4."""
    torch.manual_seed(0)
    x = sample(model, S, torch.randn(2000, 2), n, step, clip=None)
    return x[:, 1].mean(), x[:, 1].var(), (x[:, 0] - 0.4).square().mean().sqrt()


def test_the_mixture_model_is_the_score_of_the_noised_mixture():
    x, t = normal(50, 2).double(), torch.full((50,), 300)
    a = S.at(t, x).double()
    x.requires_grad_()
    z = x[:, None] - a.sqrt()[..., None] * MEANS
    log_p = (-z.square().sum(2) / (2 * (a * C**2 + 1 - a))).logsumexp(1).sum()
    eps = -(1 - a).sqrt() * torch.autograd.grad(log_p, x)[0]
    assert (MODEL(x, t) - eps).abs().max() < 1e-5


def test_the_posterior_of_a_mixture_is_bayes_rule_on_a_grid():
    g = torch.linspace(-4, 4, 401)
    grid = torch.cartesian_prod(g, g)
    A, y, sigma = torch.tensor([[0.6, -0.3]]), torch.tensor([0.2]), 0.4
    prior = (-(grid[:, None] - MEANS).square().sum(2) / (2 * C**2)).logsumexp(1)
    p = (prior - (y - grid @ A.T).square().sum(1) / (2 * sigma**2)).softmax(0)
    mean, variance = p @ grid, p @ (grid - p @ grid) ** 2
    ours = moments(*mixture_posterior(MEANS, C, A, y, sigma))
    assert (ours[0] - mean).abs().max() < 1e-3 and (ours[1] - variance).abs().max() < 1e-3


def test_a_noise_free_measurement_is_kept_by_the_posterior():
    _, means, cov = mixture_posterior(MEANS, C, FIRST, Y)
    assert (means[:, 0] - 0.4).abs().max() < 1e-5 and cov[0].abs().max() < 1e-6
    assert (means[:, 1] - MEANS[:, 1]).abs().max() < 1e-6 and abs(cov[1, 1] - C**2) < 1e-6


def test_sdedit_samples_the_data_that_may_have_become_x_t():
    """From one point, over many noises: the mean of the posterior means, by (14.2)."""
    x0, a = torch.tensor([0.3, -0.2]), S.alpha_bar[400]
    torch.manual_seed(0)
    x = sdedit(MODEL, S, x0.expand(3000, 2), 0.4, 250, clip=None)
    xt = a.sqrt() * x0 + (1 - a).sqrt() * torch.randn(500, 2)
    seen = a.sqrt() * torch.eye(2)
    means = [s @ m for s, m, _ in
             (mixture_posterior(MEANS, C, seen, y, (1 - a).sqrt()) for y in xt)]  # fmt: skip
    assert (x.mean(0) - torch.stack(means).mean(0)).abs().max() < 0.08


def test_strength_0_returns_the_image_and_a_small_one_takes_a_step():
    x, calls = normal(2, 1, 4, 4), []

    def model(x, t):
        calls.append(int(t[0]))
        return 0 * x

    assert torch.equal(sdedit(model, S, x, 0.0), x) and calls == []
    sdedit(model, S, x, 0.05, 9)  # 0.45 of a step
    assert calls == [50]
    calls.clear()
    sdedit(model, S, x, 0.5, 11, ddim_step)  # 5.5 steps
    assert calls == spaced(500, 6)[:-1]


def test_kept_pixels_have_the_noise_of_their_level_and_are_exact_at_the_end():
    """At alpha_bar = 0.5 the standard deviation is 0.71; 0.5 would be the variance."""
    x0 = torch.ones(20000, 2)
    torch.manual_seed(0)
    step = replaced(x0, MASK)
    xs = step(HALF, torch.zeros(20000, 2), 3, 2, torch.zeros(20000, 2))
    assert abs(xs[:, 0].std() - 0.5**0.5) < 0.01 and abs(xs[:, 0].mean() - 0.5**0.5) < 0.02
    end = step(HALF, torch.zeros(20000, 2), 1, 0, torch.zeros(20000, 2))
    assert torch.equal(end[:, 0], x0[:, 0]) and end[:, 1].abs().max() < 1e-6


def test_noise_added_later_gives_the_level_of_the_later_time():
    torch.manual_seed(0)
    x0 = torch.full((20000, 1), 2.0)
    xs = HALF.at(1, x0).sqrt() * x0 + (1 - HALF.at(1, x0)).sqrt() * torch.randn(20000, 1)
    xt = renoised(HALF, xs, 1, 3)
    assert abs(xt.mean() - 2 * 0.45**0.5) < 0.02 and abs(xt.var() - 0.55) < 0.02


def test_repaint_calls_the_model_at_the_upper_time_once_a_round():
    calls = []

    def model(x, t):
        calls.append(int(t[0]))
        return 0 * x

    x0 = torch.zeros(3, 2)
    sample(model, S, normal(3, 2), [1000, 500, 0], repaint(model, x0, MASK, 3), clip=None)
    assert calls == [1000] * 3 + [500] * 3


def test_rounds_bring_repaint_to_the_posterior():
    mean, variance = (v[1] for v in moments(*mixture_posterior(MEANS, C, FIRST, Y)))
    off = []
    for rounds in (1, 4, 20):
        m, v, x1 = second(repaint(MODEL, KNOWN, MASK, rounds), n=100)
        off.append(abs(m - mean))
        assert x1 == 0
    assert 0.4 < off[0] and off[1] < 0.8 * off[0] and off[2] < 0.15 and abs(v - variance) < 0.08


def test_the_matrix_of_a_function_does_what_the_function_does():
    x = normal(5, 1, 6, 8)
    for f in (lambda x: F.avg_pool2d(x, 2), lambda x: x[:, :, :3], lambda x: x.flip(3).cumsum(2)):
        A = matrix_of(f, (1, 6, 8))
        assert (residual(A, f(x).flatten(1), x)).abs().max() < 1e-5


@pytest.mark.parametrize("sigma", [0.2, 0.5, 1.0])
def test_pigdm_is_exact_for_gaussian_data(sigma):
    """Standard normal data, any matrix: the score of p(x_t | y) is in closed form."""
    A, y = torch.tensor([[1.0, 0.5, 0.0], [0.0, 2.0, 0.0]]), torch.tensor([[0.4, -1.0]] * 4)
    model, x = mixture_model(S, torch.zeros(1, 3), 1.0), normal(4, 3)
    t = torch.tensor([20, 200, 500, 900])
    told = classifier_guided(model, S, likelihood(model, S, A, y, sigma), 1.0)(x, t)
    _, mean, cov = mixture_posterior(torch.zeros(1, 3), 1.0, A, y[0], sigma)
    for i, a in enumerate(S.alpha_bar[t]):
        score = -(a * cov + (1 - a) * torch.eye(3)).inverse() @ (x[i] - a.sqrt() * mean[0])
        assert (told[i] + (1 - a).sqrt() * score).abs().max() < 1e-3


def test_the_spread_of_the_data_makes_it_exact_for_other_gaussians():
    model, x, t = mixture_model(S, torch.zeros(1, 2), C), normal(3, 2), torch.tensor([50, 400, 800])
    told = classifier_guided(
        model, S, likelihood(model, S, FIRST, Y.expand(3, 1), 0.3, C), 1.0)(x, t)  # fmt: skip
    _, mean, cov = mixture_posterior(torch.zeros(1, 2), C, FIRST, Y, 0.3)
    for i, a in enumerate(S.alpha_bar[t]):
        score = -(a * cov + (1 - a) * torch.eye(2)).inverse() @ (x[i] - a.sqrt() * mean[0])
        assert (told[i] + (1 - a).sqrt() * score).abs().max() < 1e-3


def test_a_certain_prediction_gives_the_likelihood_of_dps():
    x, t, y = normal(3, 2), torch.tensor([50, 400, 800]), Y.expand(3, 1)
    r = residual(FIRST, y, predict_x0(S, x, t, MODEL(x, t)))
    ours = likelihood(MODEL, S, FIRST, y, 0.3, std=0.0)(x, t)
    assert (ours + r.square().sum(1) / (2 * 0.3**2)).abs().max() < 1e-4


def test_what_a_matrix_does_not_see_does_not_matter():
    """A row twice, without noise: the singular value of 0 is left out, not divided by."""
    x, t = normal(3, 2), torch.tensor([50, 400, 800])
    once = likelihood(MODEL, S, FIRST, Y.expand(3, 1))(x, t)
    twice = likelihood(MODEL, S, FIRST.repeat(2, 1), Y.expand(3, 2))(x, t)
    assert (once - twice).abs().max() < 1e-3 * once.abs().max()


def test_dps_moves_against_the_slope_of_the_norm_found_by_finite_differences():
    x, A, y = normal(4, 2), torch.tensor([[1.0, 0.5], [0.0, 1.0]]), normal(4, 2) + 1
    t, eps = torch.full((4,), 300), MODEL(x, torch.full((4,), 300))

    def norm(x):
        return residual(A, y, predict_x0(S, x, 300, MODEL(x, t))).norm(dim=1)

    moved = dps(MODEL, A, y, 0.5, ddim_step)(S, x, 300, 200, eps)
    push = (ddim_step(S, x, 300, 200, eps) - moved) / 0.5
    for i in range(2):
        h = 1e-2 * torch.eye(2)[i]
        assert (push[:, i] - (norm(x + h) - norm(x - h)) / 2e-2).abs().max() < 0.02
    assert not moved.requires_grad


def test_on_the_mixture_guidance_keeps_the_measurement_and_misses_the_shares():
    """Even with an exact model: the formula's mean is -0.54, and guidance stays well above it."""
    mean = moments(*mixture_posterior(MEANS, C, FIRST, Y))[0][1]
    log_p = likelihood(MODEL, S, FIRST, Y.expand(2000, 1))
    m, _, x1 = second(ddpm_step, classifier_guided(MODEL, S, log_p, 1.0))
    assert x1 < 0.01 and 0.2 < m - mean < 0.6


def test_images_work_and_stay_in_range():
    schedule, x0 = cosine_schedule(50), normal(2, 1, 4, 4).clamp(-1, 1)

    def model(x, t):
        return x.tanh()

    A = matrix_of(lambda x: F.avg_pool2d(x, 2), (1, 4, 4))
    y = residual(A, torch.zeros(2, 4), -x0)
    mask = torch.zeros(4, 4, dtype=torch.bool)
    told = classifier_guided(model, schedule, likelihood(model, schedule, A, y, 0.1), 1.0)
    ways = (told, ddim_step), (model, dps(model, A, y)), (model, repaint(model, x0, mask, 2))
    for net, step in ways:
        x = sample(net, schedule, torch.randn(2, 1, 4, 4), 5, step)
        assert x.shape == x0.shape and x.isfinite().all()
