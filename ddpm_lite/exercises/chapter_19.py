"""The checks of the exercises of chapter 19."""

import torch

from ddpm_lite import cosine_schedule, ddim_step, predict_eps, q_sample

S = cosine_schedule(100)


def exercise_1(eps_between):
    """A DDIM step with the answer must lead from x_t to x_s."""
    xt, xs = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for t, s in ((90, 40), (50, 49), (30, 0)):
        eps = eps_between(S, xt, t, xs, s)
        if eps is None:
            raise ValueError("it returns nothing")
        off = (ddim_step(S, xt, t, s, eps) - xs).abs().max()
        if not off < 1e-3:
            raise ValueError(f"from t = {t} to s = {s}, the step ends {off:.2f} away from x_s")


def exercise_2(consistency_error):
    """Check the value and the gradient for a student with one weight."""
    generator = torch.Generator().manual_seed(0)
    x0, eps = torch.randn(2, 4, 3, generator=generator, dtype=torch.float64)
    t, s = torch.tensor([[90, 60, 30, 20], [40, 59, 1, 0]])
    weight = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    f = lambda x, t: weight * x + t[:, None] / 100  # noqa: E731
    mine = consistency_error(f, S, x0, t, s, eps)
    _check_rows(mine)
    xt, xs = q_sample(S, x0, t, eps), q_sample(S, x0, s, eps)
    off = f(xt, t) - f(xs, s)
    if not torch.allclose(mine, off.square().mean(1)):
        raise ValueError("the error isn't the mean of (f(x_t, t) - f(x_s, s))² for the same x0 and "
                         "eps")  # fmt: skip
    if not mine.requires_grad:
        raise ValueError("there is no gradient: f(x_t, t) has to keep its own")
    (slope,) = torch.autograd.grad(mine.sum(), weight)
    if not torch.isclose(slope, (2 * off * xt).mean(1).sum()):
        raise ValueError("the gradient isn't that of f(x_t, t) alone: the target at the lower "
                         "noise level must not get one")  # fmt: skip


def _check_rows(mine):
    if mine is None:
        raise ValueError("it returns nothing")
    if mine.shape != (4,):
        raise ValueError(f"its shape is {tuple(mine.shape)}; expected one number for each row")


def exercise_3(shortcut_target):
    """Compare with the mean velocity of a Gaussian's flow, which is known."""
    m, c = 0.5, 0.3
    sd = lambda u: ((1 - u) ** 2 * c**2 + u**2).sqrt()  # noqa: E731

    def mean(x, u, s):
        return (x - (1 - s) * m - sd(s) / sd(u) * (x - (1 - u) * m)) / (u - s)

    x = torch.linspace(-2, 2, 5, dtype=torch.float64)[:, None]
    u = torch.tensor([1.0, 0.9, 0.7, 0.5, 0.4], dtype=torch.float64)[:, None]
    for d in (0.5 * u, 0.2 * u):
        lengths = []
        mine = shortcut_target(lambda x, u, s: lengths.append(u - s) or mean(x, u, s), x, u, d)  # noqa: B023
        if mine is None:
            raise ValueError("it returns nothing")
        if len(lengths) != 2 or not all(torch.allclose(length, d) for length in lengths):
            raise ValueError("expected a target from two calls of `mean` over the length d each")
        off = (mine - mean(x, u, u - 2 * d)).abs().max()
        if not off < 1e-6:
            raise ValueError(f"for an exact `mean`, your target is off by up to {off:.2f}")


def exercise_4(gaussian_consistency):
    """Compare with the end of a path of many DDIM steps."""
    schedule = cosine_schedule(2000)
    x = torch.linspace(-2, 2, 7, dtype=torch.float64)[:, None]
    for m, c, begin in ((0.5, 0.3, 2000), (-1.0, 1.5, 1400), (0.0, 1.0, 900)):
        end = x
        for t in range(begin, 0, -1):
            bar = schedule.at(t, x)
            x0 = m + bar.sqrt() * c**2 / (bar * c**2 + 1 - bar) * (end - bar.sqrt() * m)
            end = ddim_step(schedule, end, t, t - 1, predict_eps(schedule, end, t, x0))
        mine = gaussian_consistency(schedule, x, begin, m, c)
        if mine is None:
            raise ValueError("it returns nothing")
        off = (mine - end).abs().max()
        if not off < 0.03:
            raise ValueError(f"for N({m:g}, {c:g}²), 2,000 short steps end up to {off:.2f} away "
                             "from your answer")  # fmt: skip
