"""Scores and differential equations: Langevin dynamics, SDEs, probability flow, and EDM.

A score is a function ``score(x, u)`` that returns the gradient of log p_u at x (B, …), with one u
or sigma for each row. Continuous time is u in [0, 1], with data at 0 and noise at 1. Give the
samplers times and noise levels on the device of x. Call them under ``torch.no_grad()``, or they
keep the activations of every step for a gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from .diffusion import Model, Schedule, check_data, expect

Score = Callable[[Tensor, Tensor], Tensor]


def as_score(model: Model, schedule: Schedule) -> Score:
    """The score that a model ``eps(x, t)`` implies: -eps / sqrt(1 - alpha_bar_t) (Song et al. 2021,
    arXiv 2011.13456, section 3), for t >= 1. Built in chapter 12."""
    return lambda x, t: -model(x, t) / (1 - schedule.at(t, x)).sqrt()


def mixture_score(x: Tensor, means: Tensor, std: float, signal: Tensor | float = 1,
                  noise: Tensor | float = 0) -> Tensor:  # fmt: skip
    """The exact score (B, D) of ``signal * x0 + noise * eps`` at x (B, D). x0 comes from a mixture
    of K Gaussians with equal shares, means (K, D) and the same standard deviation. ``signal`` and
    ``noise`` are numbers or (B, 1). On a GPU, ``signal`` has to be a tensor there.
    Built in chapter 12."""
    variance = (signal * std) ** 2 + noise**2
    _check_mixture(x, means, variance)
    away = torch.as_tensor(signal)[..., None] * means - x[:, None]  # (B, K, D)
    share = (-away.square().sum(2) / (2 * variance)).softmax(1)
    return (share[..., None] * away).sum(1) / variance


def dsm_loss(score: Score, x0: Tensor, sigma: Tensor) -> Tensor:
    """Denoising score matching for data x0 (B, …) at noise levels sigma (B,): the mean of |sigma
    score(x0 + sigma eps, sigma) + eps|² (Vincent 2011; Song and Ermon 2019, arXiv 1907.05600, Eq. 5
    and 6). Built in chapter 12."""
    check_data(x0)
    _check_sigma(sigma, x0)
    eps = torch.randn_like(x0)
    s = sigma.reshape(-1, *[1] * (x0.ndim - 1))
    return (s * score(x0 + s * eps, sigma) + eps).square().mean()


def langevin(score: Callable[[Tensor], Tensor], x: Tensor, step: Tensor | float, n: int) -> Tensor:
    """Langevin dynamics: take n steps x + step * score(x) + sqrt(2 step) z from x (B, …) (Song and
    Ermon 2019, arXiv 1907.05600, Eq. 4, where our step is epsilon / 2). Built in chapter 12."""
    expect(type(n) is int and n > 0, "n", n, "a whole number of steps")
    expect(step > 0, "step", step, "a positive size, far below the smallest variance of the data")
    for _ in range(n):
        x = x + step * score(x) + (2 * step) ** 0.5 * torch.randn_like(x)
    return x


def annealed_langevin(score: Score, x: Tensor, sigmas: Tensor, n: int, step: float) -> Tensor:
    """Take n Langevin steps at each of the falling noise levels, of size step * (sigma /
    sigmas[-1])² (arXiv 1907.05600, Algorithm 1). x (B, …) is noise of the first level.
    Built in chapter 12."""
    _check_falling(sigmas, "sigmas")
    expect(sigmas[-1] > 0, "sigmas[-1]", sigmas[-1].item(), "a level above 0, unlike edm_sigmas'")
    for s in sigmas:
        size = step * (s / sigmas[-1]) ** 2
        x = langevin(lambda x, s=s: score(x, s.expand(len(x))), x, size, n)
    return x


class SDE(NamedTuple):
    """The SDE dx = f(u) x du + g(u) dw (Song et al. 2021, arXiv 2011.13456, Eq. 5). At time u, x_u
    is signal(u) x0 + noise(u) eps. The four functions take tensors, and ``g2`` is g². ``vp`` and
    ``ve`` make one. Used in chapter 12."""

    f: Callable[[Tensor], Tensor]
    g2: Callable[[Tensor], Tensor]
    signal: Callable[[Tensor], Tensor]
    noise: Callable[[Tensor], Tensor]


def vp(beta_0: float = 0.1, beta_1: float = 20.0) -> SDE:
    """The variance-preserving SDE, the limit of DDPM's forward process for many steps: f = -beta /
    2 and g² = beta, where beta grows linearly from beta_0 to beta_1 (arXiv 2011.13456, Eq. 11 and
    33). Built in chapter 12."""
    expect(0 <= beta_0 <= beta_1 and beta_1 >= 1, "(beta_0, beta_1)", (beta_0, beta_1),
           "0 <= beta_0 <= beta_1, T times the betas of a schedule with T steps")  # fmt: skip

    def beta(u):
        return beta_0 + u * (beta_1 - beta_0)

    def signal(u):
        return (-u * (beta_0 + beta(u)) / 4).exp()  # exp(-½ ∫ beta)

    return SDE(lambda u: -beta(u) / 2, beta, signal, lambda u: (1 - signal(u) ** 2).sqrt())


def ve(low: float = 0.01, high: float = 50.0) -> SDE:
    """The variance-exploding SDE, the limit of NCSN: x0 isn't scaled, and sigma grows exponentially
    from low to high (arXiv 2011.13456, Eq. 9 and 30). Start sampling from ``high * randn``.
    Built in chapter 12."""
    expect(0 < low < high, "(low, high)", (low, high), "0 < low < high")
    rate = torch.tensor(high / low).log()

    def noise(u):
        return low * (rate * u).exp()

    return SDE(lambda u: 0 * u, lambda u: 2 * rate * noise(u) ** 2, lambda u: u**0, noise)


def sde_step(sde: SDE, score: Score, x: Tensor, u: Tensor, s: Tensor, eta: float = 1.0) -> Tensor:
    """A step of Euler's method from u down to s <= u. eta = 1 is the reverse SDE, eta = 0 the
    probability-flow ODE, and all values of eta lead to the same p_u (arXiv 2011.13456, Eq. 6 and
    13; Karras et al. 2022, arXiv 2206.00364, Eq. 103). Built in chapter 12."""
    expect(isinstance(u, Tensor) and u.ndim == 0 and s <= u, "(u, s)", (u, s), "tensors, s <= u")
    pull = (1 + eta**2) / 2 * sde.g2(u) * score(x, u.expand(len(x)))
    noise = eta * (sde.g2(u) * (u - s)).sqrt() * torch.randn_like(x)
    return x + (s - u) * (sde.f(u) * x - pull) + noise


def correct(score: Score, x: Tensor, u: Tensor, snr: float = 0.16) -> Tensor:
    """A Langevin step at a fixed u. Its move along the score is ``snr`` times as long as its noise
    (arXiv 2011.13456, Algorithms 4 and 5). Built in chapter 12."""
    s = score(x, u.expand(len(x)))
    step = 2 * snr**2 * x[0].numel() / s.flatten(1).norm(dim=1).mean() ** 2
    return x + step * s + (2 * step).sqrt() * torch.randn_like(x)


def reverse(sde: SDE, score: Score, x: Tensor, times: Tensor, eta: float = 1.0,
            snr: float = 0.0) -> Tensor:  # fmt: skip
    """Sample x0 (B, …) from noise x. It takes an ``sde_step`` between each two of the falling
    times, followed by a ``correct`` step if snr > 0, and ends with the best prediction of x0.
    Built in chapter 12."""
    _check_falling(times, "times")
    expect(times[0] <= 1, "times[0]", times[0].item(), "at most 1: u is t / T")
    for u, s in pairwise(times):
        x = sde_step(sde, score, x, u, s, eta)
        x = correct(score, x, s, snr) if snr else x
    clean = x + sde.noise(s) ** 2 * score(x, s.expand(len(x)))
    return clean / sde.signal(s)


def edm_sigmas(n: int, low: float = 0.002, high: float = 80.0, rho: float = 7.0) -> Tensor:
    """n noise levels from high to low, evenly spaced in sigma^(1 / rho), and a final 0: (n + 1,) in
    all (Karras et al. 2022, arXiv 2206.00364, Eq. 5). Built in chapter 12."""
    expect(type(n) is int and n > 1 and 0 < low < high, "(n, low, high)", (n, low, high),
           "n > 1 and 0 < low < high")  # fmt: skip
    expect(rho > 0, "rho", rho, "a number above 0, such as 7")
    grid = torch.linspace(high ** (1 / rho), low ** (1 / rho), n, dtype=torch.float64) ** rho
    return torch.cat([grid, grid.new_zeros(1)]).float()


def edm_coefficients(sigma: Tensor, data_std: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """c_skip, c_out, c_in and c_noise, in the shape of sigma (arXiv 2206.00364, Table 1), for data
    with standard deviation data_std. Built in chapter 12."""
    expect(data_std > 0, "data_std", data_std, "the standard deviation of the data, x0.std()")
    expect(isinstance(sigma, Tensor), "sigma", sigma, "a tensor of noise levels")
    total = (sigma**2 + data_std**2).sqrt()
    return data_std**2 / total**2, sigma * data_std / total, 1 / total, sigma.log() / 4


def edm_denoiser(net: Callable, data_std: float) -> Callable[[Tensor, Tensor], Tensor]:
    """The denoiser D(x, sigma) = c_skip x + c_out net(c_in x, c_noise), which predicts x0 from x =
    x0 + sigma eps (arXiv 2206.00364, Eq. 7). x is (B, …) and sigma is (B,). Built in chapter 12."""

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        sigma = sigma.reshape(-1, *[1] * (x.ndim - 1))  # (B, 1, …)
        skip, out, scale, label = edm_coefficients(sigma, data_std)
        return skip * x + out * net(scale * x, label.flatten())

    return denoise


def edm_heun(denoise: Callable[[Tensor, Tensor], Tensor], x: Tensor, sigmas: Tensor) -> Tensor:
    """Sample x0 (B, …) by Heun's method for dx / d sigma = (x - D) / sigma, with an Euler step to 0
    (arXiv 2206.00364, Algorithm 1). x is ``sigmas[0] * noise``. Built in chapter 12."""
    _check_falling(sigmas, "sigmas")
    for sigma, end in pairwise(sigmas):
        slope = (x - denoise(x, sigma.expand(len(x)))) / sigma
        new = x + (end - sigma) * slope
        if end > 0:
            again = (new - denoise(new, end.expand(len(x)))) / end
            new = x + (end - sigma) * (slope + again) / 2
        x = new
    return x


def zero_terminal_snr(alpha_bar: Tensor) -> Tensor:
    """Change alpha_bar (T + 1,) so that it's 0 at T: sqrt(alpha_bar) is shifted, and scaled so that
    row 1 stays as it is (Lin et al. 2024, arXiv 2305.08891, Algorithm 1). Row 0 stays 1. Use the
    result to train and sample with v- or x0-prediction. ``Schedule`` refuses it, because at T the
    noise doesn't determine x0. Built in chapter 12."""
    expect(alpha_bar[0] == 1, "alpha_bar[0]", alpha_bar[0].item(), "1, with T + 1 rows")
    root = alpha_bar.double().sqrt()
    new = (root - root[-1]) * root[1] / (root[1] - root[-1])
    return torch.cat([root[:1], new[1:]]).square().to(alpha_bar)


def min_snr_weight(snr: Tensor, target: str = "eps", gamma: float = 5.0) -> Tensor:
    """The weight of the squared error at each ``snr``, in its shape: min(snr, gamma) for x0, and
    the weights that give the same loss for eps or v (Hang et al. 2023, arXiv 2303.09556, section
    3.4). Built in chapter 12."""
    expect(target in ("eps", "x0", "v"), "target", target, "'eps', 'x0' or 'v'")
    expect(gamma > 0, "gamma", gamma, "a number above 0, such as 5")
    expect((snr >= 0).all(), "snr", snr, "ratios of signal and noise, such as schedule.snr")
    if target == "eps":
        return (gamma / snr).clamp(max=1)  # 1 also where the SNR is 0
    return snr.clamp(max=gamma) / (snr + 1 if target == "v" else 1)


def _check_mixture(x: Tensor, means: Tensor, variance: Tensor | float) -> None:
    fits = x.ndim == means.ndim == 2 and x.shape[1] == means.shape[1]
    expect(fits, "means", means, f"(K, D) with D as in x {tuple(x.shape)}")
    positive = torch.as_tensor(variance > 0).all()
    expect(positive, "the variance", variance, "a number above 0, or (B, 1) of them")


def _check_sigma(sigma: Tensor, x: Tensor) -> None:
    rows = isinstance(sigma, Tensor) and sigma.shape == x.shape[:1]
    well = rows and (sigma.is_cuda or (sigma > 0).all())
    expect(well, "sigma", sigma, f"{len(x)} numbers above 0, one for each row")


def _check_falling(values: Tensor, name: str) -> None:
    falls = isinstance(values, Tensor) and values.ndim == 1 and len(values) > 1
    falls = falls and (values[1:] < values[:-1]).all() and values[-1] >= 0
    given = [round(v, 4) for v in values[:3].tolist()] if isinstance(values, Tensor) else values
    expect(falls, name, given, "a tensor of falling values, 0 or more")
