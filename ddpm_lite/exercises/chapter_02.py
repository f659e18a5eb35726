"""The checks of the exercises of chapter 2."""

import math

import torch

from ddpm_lite import cosine_schedule, linear_schedule, load_images, predict_x0, q_posterior


def exercise_1(step_noise):
    """The root of the posterior variance for any t and s."""
    if not isinstance(mine := step_noise(linear_schedule(), 100, 99), float):
        raise ValueError(f"it returns a {type(mine).__name__}; expected a float")
    if (last := step_noise(linear_schedule(), 1, 0)) != 0:
        raise ValueError(f"the step from 1 to 0 adds no noise, but you return {last:.4f}")
    schedule, one = cosine_schedule(), torch.zeros(1)
    for t, s in ((2, 1), (500, 499), (500, 100)):
        right = q_posterior(schedule, one, one, t, s)[1].sqrt().item()
        if not abs((mine := step_noise(schedule, t, s)) / right - 1) < 1e-3:
            raise ValueError(f"from {t} to {s} the deviation is {right:.4f}, not {mine:.4f}")


def exercise_2(mean_from_eps):
    """The posterior mean, written with the noise."""
    schedule = linear_schedule()
    xt, eps = torch.randn(2, 5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    for t, s in ((700, 699), (700, 300), (5, 0)):
        right = q_posterior(schedule, predict_x0(schedule, xt, t, eps), xt, t, s)[0]
        mine = mean_from_eps(schedule, xt, t, s, eps)
        if mine is None:
            raise ValueError("it returns nothing")
        if not (off := (mine - right).abs().max()) < 1e-3:
            raise ValueError(f"from {t} to {s} the mean is off by up to {off:.3f}")


def exercise_3(class_probabilities):
    """Softmax weights, summed over each class."""
    schedule, labels = linear_schedule(), torch.tensor([3, 7, 7])
    data, xt = torch.tensor([[0.5], [-0.5], [-0.5]]), torch.tensor([[0.4]])
    p = class_probabilities(schedule, xt, 300, data, labels)
    if p is None or p.shape != (1, 10):
        given = "nothing" if p is None else f"the shape {tuple(p.shape)}"
        raise ValueError(f"it returns {given}; expected (B, 10), here (1, 10)")
    a = schedule.alpha_bar[300].item()
    odds = math.exp(a**0.5 * 0.4 / (1 - a))  # of the first point against each of the others
    right = torch.zeros(1, 10)
    right[0, [3, 7]] = torch.tensor([odds, 2.0]) / (odds + 2)
    if not (off := (p - right).abs().max()) < 1e-4:
        raise ValueError(f"for three points the probabilities are off by up to {off:.3f}")
    x, y = load_images("digits")
    z, truth = load_images("digits", train=False)
    p = class_probabilities(schedule, z, 50, x, y)
    if p.isnan().any():
        raise ValueError("held-out digits give nan: see the last pitfall of section 2.9")
    if not (share := (p.argmax(1) == truth).float().mean()) > 0.9:
        raise ValueError(f"only {share:.0%} of the held-out digits are recognised at t = 50")


def exercise_4(reverse_variance):
    """Compare the formula with a sum on a fine grid."""
    schedule, data = linear_schedule(), torch.tensor([-0.8, 0.1, 0.8])
    z = torch.linspace(-5, 5, 200_001, dtype=torch.float64)
    for xt, t, s in ((0.3, 200, 199), (0.3, 200, 100), (-1.0, 900, 500)):
        a, b = (schedule.alpha_bar[k].double() for k in (t, s))
        m = b.sqrt() * data[:, None].double()
        p = torch.exp(-((z - m) ** 2) / (2 * (1 - b))).sum(0)
        p = p * torch.exp(-((xt - (a / b).sqrt() * z) ** 2) / (2 * (1 - a / b)))
        p = p / p.sum()
        right = float((p * z**2).sum() - (p * z).sum() ** 2)
        mine = reverse_variance(schedule, xt, t, s, data)
        if mine is None:
            raise ValueError("it returns nothing")
        if not abs(mine / right - 1) < 0.01:
            raise ValueError(f"from {t} to {s} at x_t = {xt} it is {right:.4f}, not {mine:.4f}")
