"""Measure how probable data are under a model: the terms of the bound, and the exact likelihood.

Results are in nats per row, unless a name says bits. A reverse step is any function
``reverse(xt, t, s)`` that returns the mean and the variance of p(x_s | x_t).

Ho et al. 2020, arXiv 2006.11239 (the bound); Nichol and Dhariwal 2021, arXiv 2102.09672 (learned
variances); Song et al. 2021, arXiv 2011.13456 (the ODE).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F

from .diffusion import (
    Model,
    Schedule,
    Time,
    check_data,
    expect,
    posterior_variance,
    predict_x0,
    q_posterior,
    q_sample,
    v_target,
)

Reverse = Callable[..., tuple[Tensor, Tensor]]  # reverse(xt, t, s) -> mean, variance
Trace = Callable[[Tensor, Tensor], Tensor]  # trace(y, x)


def bits_per_dim(nats: Tensor, dims: int, width: float = 1.0) -> Tensor:
    """Convert nats per row to bits per dimension.

    Args:
        nats: (B,) the negative logarithm of a probability or of a density.
        dims: how many numbers a row has, such as 64 for 8×8 pixels.
        width: 1 for a probability. For a density, the distance between neighbouring values of the
            data: 2 / 255 for bytes scaled to [-1, 1], 1 / 255 for [0, 1], and 2 for -1 and 1 alone.

    Raises:
        ValueError: width isn't in (0, 2], or dims is below 1.

    Built in chapter 11.
    """
    expect(0 < width <= 2, "width", width, "1, or the distance between two neighbours")
    expect(dims >= 1, "dims", dims, "how many numbers a row has, such as 64")
    return (nats / dims - math.log(width)) / math.log(2)


def dequantise(x0: Tensor, levels: int) -> Tensor:
    """Add uniform noise to x0 (B, …), whose values are ``levels`` evenly spaced numbers in [-1, 1],
    so that each value is spread over its bin (Uria et al. 2013, arXiv 1306.0186).
    Built in chapter 11."""
    _check_levels(levels, x0)
    return x0 + 2 / (levels - 1) * (torch.rand_like(x0) - 0.5)


def decoder_log_prob(x0: Tensor, mean: Tensor, variance: Tensor, levels: int | None) -> Tensor:
    """log p(x0 | x_t) of each entry under a Gaussian (DDPM, Eq. 13).

    Args:
        x0: (B, …) data in [-1, 1].
        mean, variance: those of the Gaussian, in a shape that broadcasts to x0.
        levels: how many values the data can have, 17 for the digits and 256 for bytes. The result
            is then the probability of the bin around x0. The first and the last bin are open. With
            None, it's the density at x0.

    Built in chapter 11.
    """
    _check_variance(variance)
    if levels is None:
        return -0.5 * ((x0 - mean) ** 2 / variance + (2 * math.pi * variance).log())
    _check_levels(levels, x0)
    half, std, cdf = 1 / (levels - 1), variance.sqrt(), torch.special.ndtr
    upper = torch.where(x0 + half > 1, 1.0, cdf((x0 + half - mean) / std))
    lower = torch.where(x0 - half < -1, 0.0, cdf((x0 - half - mean) / std))
    return (upper - lower).clamp(min=1e-12).log()


def kl_of_gaussians(mean_1: Tensor, variance_1: Tensor, mean_2: Tensor,
                    variance_2: Tensor) -> Tensor:  # fmt: skip
    """KL divergence of N(mean_1, variance_1) from N(mean_2, variance_2), in nats for each entry.
    Built in chapter 11."""
    ratio = variance_1 / variance_2
    _check_variance(ratio)
    return 0.5 * (ratio - 1 - ratio.log() + (mean_1 - mean_2) ** 2 / variance_2)


def variances(schedule: Schedule, xt: Tensor, t: Time, s: Time) -> tuple[Tensor, Tensor]:
    """The two limits for the variance of a step from t to s: that of the posterior, beta tilde, and
    that of the forward step, beta. At s = 0, beta tilde is 0 and has no logarithm, so both are beta
    there. Built in chapter 11."""
    high = 1 - schedule.at(t, xt) / schedule.at(s, xt)
    low = posterior_variance(schedule, xt, t, s)
    return torch.where(low > 0, low, high), high


def reverse_step(
    schedule: Schedule, xt: Tensor, t: Time, s: Time, eps: Tensor, w: Tensor | float
) -> tuple[Tensor, Tensor]:
    """Mean and variance of p(x_s | x_t) from a prediction of the noise. The variance is beta tilde
    at w = 0 and beta at w = 1. In between, its logarithm is linear in w (Improved DDPM, Eq. 15).
    Built in chapter 11."""
    _check_share(w, xt)
    x0 = predict_x0(schedule, xt, t, eps)
    mean, _ = q_posterior(schedule, x0, xt, t, s)
    low, high = variances(schedule, xt, t, s)
    return mean, low ** (1 - w) * high**w


def fixed_variance(model: Model, schedule: Schedule, w: float = 1.0) -> Reverse:
    """The reverse step of a model, with the same ``w`` for every entry and step.
    Built in chapter 11."""

    def reverse(xt: Tensor, t: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        return reverse_step(schedule, xt, t, s, model(xt, t), w)

    return reverse


def learned_variance(net: Model, schedule: Schedule) -> Reverse:
    """The reverse step of a network whose output (B, 2C, …) has the predicted noise and then ``w``.
    Built in chapter 11.

    Raises:
        ValueError: the network's output doesn't have twice the channels.
    """

    def reverse(xt: Tensor, t: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        output = net(xt, t)
        _check_halves(output, xt)
        return reverse_step(schedule, xt, t, s, *output.chunk(2, 1))

    return reverse


def bound_term(
    reverse: Reverse, schedule: Schedule, x0: Tensor, t: Tensor, s: Tensor, eps: Tensor,
    levels: int | None = None,
) -> Tensor:  # fmt: skip
    """One term of the bound for each row, (B,), at x_t from the noise ``eps`` (DDPM, Eq. 5).

    Args:
        reverse: the reverse step.
        schedule: the noise levels.
        x0: (B, …) data.
        t, s: (B,) the step from t to s < t. For s = 0, it's the term of the decoder.
        eps: noise like x0.
        levels: as for ``decoder_log_prob``.

    Built in chapter 11.
    """
    xt = q_sample(schedule, x0, t, eps)
    mean, variance = reverse(xt, t, s)
    posterior, _ = q_posterior(schedule, x0, xt, t, s)
    kl = kl_of_gaussians(posterior, variances(schedule, xt, t, s)[0], mean, variance)
    decoder = -decoder_log_prob(x0, mean, variance, levels)
    last = (s == 0).reshape(-1, *[1] * (x0.ndim - 1))
    return torch.where(last, decoder, kl).flatten(1).sum(1)


@torch.no_grad()
def bound(
    reverse: Reverse, schedule: Schedule, x0: Tensor, levels: int | None = None,
    times: Sequence[int] | None = None,
) -> Tensor:  # fmt: skip
    """All terms of the bound (n + 1, B) for n steps, from L_0 to the term of the prior. Their sum
    is at least -log p(x0), on average over the noise.

    Args:
        reverse, schedule, x0, levels: as for ``bound_term``.
        times: the timesteps, falling from T to 0. None takes every step.

    Raises:
        ValueError: the times don't fall from T to 0.

    Built in chapter 11.
    """
    check_data(x0)
    times = range(schedule.T, -1, -1) if times is None else times
    _check_times(times, schedule.T, falls=True)
    rows = [torch.full(x0.shape[:1], t, device=x0.device) for t in times]
    a = schedule.alpha_bar[-1]
    prior = kl_of_gaussians(a.sqrt() * x0, 1 - a, 0.0, a.new_ones(()))
    terms = [bound_term(reverse, schedule, x0, t, s, torch.randn_like(x0), levels)
             for t, s in pairwise(rows)]  # fmt: skip
    return torch.stack([prior.flatten(1).sum(1), *terms]).flip(0)


def hybrid_loss(net: Model, schedule: Schedule, x0: Tensor, weight: float = 0.001) -> Tensor:
    """L_simple + weight · L_vlb (Improved DDPM, Eq. 16) for data x0 (B, …). L_vlb, in nats per
    dimension, is estimated by T times one random term. The mean is detached in it, so only the
    variance learns from L_vlb.

    Raises:
        ValueError: the network's output doesn't have twice the channels.

    Built in chapter 11.
    """
    check_data(x0)
    t = torch.randint(1, schedule.T + 1, x0.shape[:1], device=x0.device)
    eps = torch.randn_like(x0)
    output = net(q_sample(schedule, x0, t, eps), t)
    _check_halves(output, x0)
    prediction, w = output.chunk(2, 1)

    def reverse(xt: Tensor, t: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        return reverse_step(schedule, xt, t, s, prediction.detach(), w)

    term = bound_term(reverse, schedule, x0, t, t - 1, eps)
    vlb = schedule.T * term.mean() / x0[0].numel()
    return F.mse_loss(prediction, eps) + weight * vlb


def exact_trace(y: Tensor, x: Tensor) -> Tensor:
    """The trace of dy/dx for each row, (B,), by one derivative for each of the D entries. Row i of
    y must depend on row i of x alone. Built in chapter 11."""
    total = y.flatten(1).sum(0)  # (D,)
    slopes = torch.autograd.grad(total, x, torch.eye(len(total)).to(x), is_grads_batched=True)[0]
    return torch.einsum("ibi->b", slopes.flatten(2))


def hutchinson_trace(y: Tensor, x: Tensor) -> Tensor:
    """An unbiased estimate of the trace of dy/dx for each row, (B,), by a single derivative with
    random signs (Hutchinson 1990). Built in chapter 11."""
    sign = torch.randint(0, 2, x.shape).to(x) * 2 - 1
    (slope,) = torch.autograd.grad((y * sign).sum(), x)
    return (slope * sign).flatten(1).sum(1)


def ode_slope(model: Model, schedule: Schedule, x: Tensor, t: int, trace: Trace) -> tuple:
    """The velocity of the ODE, v = dx/dphi (B, …) with the angle phi of ``ode_log_prob``, and its
    divergence (B,). Built in chapter 11."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        eps = model(x, torch.full(x.shape[:1], t, device=x.device))
        expect(eps.requires_grad, "eps", eps, "a gradient: call the model without torch.no_grad()")
        v = v_target(schedule, predict_x0(schedule, x, t, eps), t, eps)
        divergence = trace(v, x)
    return v.detach(), divergence


def ode_log_prob(
    model: Model, schedule: Schedule, x: Tensor, times: Sequence[int], trace: Trace = exact_trace
) -> Tensor:
    """log p(x_s) for each row, (B,), by the probability-flow ODE and Heun's method (Song et al.
    2021, arXiv 2011.13456, Eq. 39). The time of the ODE is the angle phi whose cosine is
    sqrt(alpha_bar), so its velocity is v.

    Args:
        model: ``eps(x, t)``.
        schedule: the noise levels.
        x: (B, …) data at the timestep ``times[0]``, which is 0 for clean data.
        times: the timesteps, rising to T. The model is called at each of them, and networks aren't
            trained at t = 0. For a network, begin at a later timestep, with noise of that level.
        trace: ``exact_trace`` or ``hutchinson_trace``.

    Raises:
        ValueError: the times don't rise to T.

    Built in chapter 11.
    """
    _check_times(times, schedule.T)
    angle = torch.atan2((1 - schedule.alpha_bar).sqrt(), schedule.alpha_bar.sqrt())
    gained = 0.0
    for s, t in pairwise(times):
        h = angle[t] - angle[s]
        v, d = ode_slope(model, schedule, x, s, trace)
        v_next, d_next = ode_slope(model, schedule, x + h * v, t, trace)
        x, gained = x + h * (v + v_next) / 2, gained + h * (d + d_next) / 2
    log_p = decoder_log_prob(x, 0 * x, 0 * x + 1, None)
    return log_p.flatten(1).sum(1) + gained


def _check_halves(output: Tensor, x: Tensor) -> None:
    given, twice = tuple(output.shape), (len(x), 2 * x.shape[1], *x.shape[2:])
    expect(given == twice, "the shape of the output", given, f"{twice}: the noise, then w")


def _check_share(w: Tensor | float, x: Tensor) -> None:
    each = isinstance(w, Tensor) and w.ndim in (0, x.ndim)
    well = each or isinstance(w, (int, float)) and 0 <= w <= 1
    expect(well, "w", w, f"a number in [0, 1], or a tensor with {x.ndim} axes, as x has")


def _check_variance(variance: Tensor) -> None:
    tensor = isinstance(variance, Tensor)  # reading a value stops a GPU's queue
    well = tensor and (variance.is_cuda or not ((variance <= 0) | variance.isinf()).any())
    expect(well, "the variance", variance, "a tensor of numbers above 0")


def _check_levels(levels: int, x0: Tensor) -> None:
    expect(type(levels) is int and levels > 1, "levels", levels, "at least 2, 256 for bytes")
    check_data(x0)


def _check_times(times: Sequence[int], T: int, falls: bool = False) -> None:
    whole = isinstance(times, Sequence) and len(times) > 1 and all(type(t) is int for t in times)
    ends = whole and times[0 if falls else -1] == T and (times[-1] == 0 if falls else times[0] >= 0)
    well = ends and [*times] == sorted({*times}, reverse=falls)
    expect(well, "times", times, f"whole numbers in order between 0 and T = {T}")
