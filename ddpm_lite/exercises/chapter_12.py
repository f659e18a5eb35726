"""The checks of the exercises of chapter 12."""

import torch

from ddpm_lite.score import ve, vp


def exercise_1(score_from_velocity):
    """The score of x = (1 - u) x0 + u eps from v = eps - x0."""
    generator = torch.Generator().manual_seed(0)
    x0, eps = torch.randn(2, 6, 3, generator=generator)
    u = torch.tensor([[0.1], [0.3], [0.5], [0.7], [0.9], [1.0]])
    x = (1 - u) * x0 + u * eps
    yours = _given(score_from_velocity(x, u, eps - x0), x)
    for name, wrong in (("the score without its minus", eps / u), ("the noise, not the score", eps),
                        ("minus the noise, not divided by u", -eps)):  # fmt: skip
        if (yours - wrong).abs().max() < 1e-4:
            raise ValueError(f"what you return is {name}")
    off = (yours * u + eps).abs().max()
    if not off < 1e-4:
        raise ValueError(f"multiplied by u, it should be -eps; it's off by up to {off:.2g}")


def exercise_2(diffusion):
    """g² from f and the size of the noise."""
    for name, sde in (("the VE process, where f = 0", ve(0.1, 10.0)), ("the VP process", vp())):
        u = torch.linspace(0.1, 1, 10)
        yours, right = _given(diffusion(sde.f, sde.noise, u), u), sde.g2(u)
        ratio = (yours / right).mean()
        if not ((yours - right).abs() <= 1e-3 * right).all():
            raise ValueError(f"for {name} your g² is {ratio:.2f} times the right one on average")


def exercise_3(flow_map):
    """Compare with small steps of EDM's ODE, for Gaussian data."""
    x = torch.tensor([-3.0, 0.5, 4.0], dtype=torch.float64)
    for mean, std in ((0.0, 1.0), (2.0, 0.5)):
        for sigma, end in ((10.0, 0.0), (3.0, 1.0), (1.0, 3.0)):
            right, levels = x, torch.linspace(sigma, end, 2001, dtype=torch.float64)
            for a, b in zip(levels, levels[1:], strict=False):
                middle = (a + b) / 2
                slope = a * (right - mean) / (std**2 + a**2)
                half = right + (middle - a) * slope
                right = right + (b - a) * middle * (half - mean) / (std**2 + middle**2)
            off = (_given(flow_map(x, sigma, end, mean, std), x) - right).abs().max()
            if not off < 1e-3:
                raise ValueError(f"from level {sigma:g} to {end:g} with mean {mean:g} and std "
                                 f"{std:g} you're off by up to {off:.2g}")  # fmt: skip


def exercise_4(heun_step):
    """The step must be right, have second order, and be Heun's method rather than another one."""
    errors = [_error(heun_step, n) for n in (40, 80)]
    if not errors[0] < 0.2:
        raise ValueError(f"after 40 steps x is {errors[0]:.2g} away from the exact end")
    if not 3 < errors[0] / errors[1] < 5.5:
        raise ValueError(f"halving the steps makes the error {errors[0] / errors[1]:.1f} times "
                         f"smaller; Heun's method makes it 4 times smaller")  # fmt: skip
    sde, x = vp(), torch.tensor([[2.0], [-1.0]], dtype=torch.float64)
    u, s = torch.tensor([0.5, 0.4], dtype=torch.float64)

    def slope(x, u):
        return sde.f(u) * x + 2 * sde.g2(u) * x  # the score is -4x

    first = slope(x, u)
    heun = x + (s - u) * (first + slope(x + (s - u) * first, s)) / 2
    off = (_given(heun_step(sde, lambda x, u: -4 * x, x, u, s), x) - heun).abs().max()
    if not off < 1e-6:
        raise ValueError("it has second order, but it isn't Heun's method: average the slopes at "
                         "the two ends of the step")  # fmt: skip


def _error(step, n):
    """How far n steps end from the exact flow of N(0, ¼) under the VP process."""
    sde, start = vp(), torch.tensor([[2.0], [-1.0]], dtype=torch.float64)

    def variance(u):
        return (0.5 * sde.signal(u)) ** 2 + sde.noise(u) ** 2

    times, x = torch.linspace(1, 0.1, n + 1, dtype=torch.float64), start
    for u, s in zip(times, times[1:], strict=False):
        x = _given(step(sde, lambda x, u: -x / variance(u)[:, None], x, u, s), start)
    exact = start * (variance(times[-1]) / variance(times[0])).sqrt()
    return (x - exact).abs().max().item()


def _given(answer, like):
    if answer is None:
        raise ValueError("it returns nothing")
    if answer.shape != like.shape:
        raise ValueError(f"the shape is {tuple(answer.shape)}; expected {tuple(like.shape)}")
    return answer
