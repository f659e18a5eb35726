"""The checks of the exercises of chapter 7."""

import torch

from ddpm_lite import (
    cosine_schedule,
    heun,
    linear_schedule,
    posterior_variance,
    predict_x0,
    trajectory,
    v_target,
)  # fmt: skip


def gaussian(schedule, m=0.4, c=0.3):
    """The exact denoiser of data N(m, c²)."""

    def eps(x, t):
        bar = schedule.at(t, x)
        return (1 - bar).sqrt() * (x - bar.sqrt() * m) / (bar * c**2 + 1 - bar)

    return eps


def exercise_1(largest_eta):
    """The largest eta for which the root is real."""
    for schedule in (linear_schedule(), cosine_schedule()):
        for t, s in ((1000, 1), (700, 690), (40, 20), (2, 1)):
            tilde = posterior_variance(schedule, torch.zeros(1), t, s)
            right = ((1 - schedule.alpha_bar[s]) / tilde).sqrt().item()
            yours = largest_eta(schedule, t, s)
            if yours is None:
                raise ValueError("it returns nothing")
            if not abs(float(yours) - right) < 1e-3 * right:
                raise ValueError(f"from t = {t} to s = {s} it gives {float(yours):.3f}, "
                                 f"but the root stays real up to {right:.3f}")  # fmt: skip


def exercise_2(flow):
    """The probability flow of Gaussian data."""
    schedule, m, c = cosine_schedule(), 0.4, 0.3
    eps, xT = gaussian(schedule, m, c), torch.linspace(-2, 2, 9)[:, None]
    walk = dict(trajectory(eps, schedule, xT, 500, heun(eps), clip=None))
    for t, s in ((900, 300), (500, 100), (300, 20)):
        yours = flow(schedule, walk[t], t, s, m, c)
        if yours is None:
            raise ValueError("it returns nothing")
        off = (yours - walk[s]).abs().max()
        if not off < 3e-3:
            raise ValueError(f"from t = {t} to s = {s} it is off by up to {off:.3f}")


def exercise_3(adams):
    """A multistep method in the angle must have order 2, and end at the predicted x0."""
    fine = cosine_schedule().double()
    fine.alpha_bar = (1 - fine.beta).cumprod(0)
    eps, xT, ends = gaussian(fine), torch.linspace(-2, 2, 9).double()[:, None], []
    if adams() is None:
        raise ValueError("adams() returns nothing; it must return the step")
    for n in (20, 40, 400):
        times = [900 - 800 * i // n for i in range(n + 1)] + [0]
        walk = dict(trajectory(eps, fine, xT, times, adams(), clip=None))
        ends.append(walk[100])
    x0 = predict_x0(fine, walk[100], 100, eps(walk[100], torch.full((9,), 100)))
    if not (walk[0] - x0).abs().max() < 1e-9:
        raise ValueError("the step to s = 0 must return the predicted x0")
    coarse, half = ((x - ends[2]).abs().mean() for x in ends[:2])
    order = (coarse / half).log2().item()
    if not (half < 0.01 and 1.7 < order < 2.4):
        raise ValueError(f"doubling the steps gives order {order:.1f} with an error of "
                         f"{half:.2g}; expected order 2 and less than 0.01")  # fmt: skip
    _check_lengths(adams())


def _check_lengths(step):
    """Two steps of different lengths. The order alone doesn't show how these enter."""
    schedule = linear_schedule()
    xt, e_t, e_s = torch.randn(3, 5, 1, generator=torch.Generator().manual_seed(0))
    angle = schedule.alpha_bar.sqrt().acos()
    h_last, h = angle[300] - angle[600], angle[200] - angle[300]

    def v(x, t, eps):
        return v_target(schedule, predict_x0(schedule, x, t, eps), t, eps)

    xs, v_last = step(schedule, xt, 600, 300, e_t), v(xt, 600, e_t)
    if not (xs - xt - h_last * v_last).abs().max() < 1e-3:
        raise ValueError("the first step, with nothing to remember, isn't an Euler step")
    middle = v(xs, 300, e_s) + h / (2 * h_last) * (v(xs, 300, e_s) - v_last)
    if not (step(schedule, xs, 300, 200, e_s) - xs - h * middle).abs().max() < 1e-3:
        raise ValueError("its order is 2 only if all steps have the same length: the factor of "
                         "v - v_last is h / (2 h_last)")  # fmt: skip
