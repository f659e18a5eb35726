"""Fewer network calls: second-order steps, other times, and the way back up (needs torch alone).

Without fresh noise, sampling solves a differential equation: with the angle phi of
``cos(phi) = sqrt(alpha_bar)`` it is dx/dphi = v. ``ddim_step`` is its first-order step; the steps
here are of second order. They are used like it: ``sample(model, schedule, xT, 10, dpm_solver())``.
A ``schedule`` is used only through ``schedule.at(t, x)``, which is alpha_bar_t.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

Model = Callable[[Tensor, Tensor], Tensor]  # eps(x, t)
Step = Callable[..., Tensor]  # step(schedule, xt, t, s, eps), as ddim_step


def spaced(T: int, n: int, power: float = 1.0) -> list[int]:
    """n + 1 falling times from T to 0, near T (i / n)^power: power 1 is even, 2 is quadratic, with
    short steps near the data (DDIM, arXiv 2010.02502, appendix D.2). Where rounding makes two
    equal, there are fewer. Built in chapter 7."""
    if not (isinstance(n, int) and 1 <= n <= T and power > 0):
        raise ValueError(f"n is {n}, power {power}; expected n in 1 … T = {T} and a power above 0")
    return sorted({round(T * (i / n) ** power) for i in range(n)} | {T}, reverse=True)


def heun(model: Model) -> Step:
    """A step of Heun's method for dx/dphi = v, two calls of ``model``: go, look, and go again with
    the mean of both velocities (Heun 1900; for diffusion Karras et al. 2022, arXiv 2206.00364,
    Algorithm 1, in another variable). The step to s = 0 is ``ddim_step``. Built in chapter 7."""

    def step(schedule, xt: Tensor, t: int, s: int, eps: Tensor) -> Tensor:
        if s == 0:  # there the model has nothing to say
            return _x0(schedule, xt, t, eps)
        h = _angle(schedule, s, xt) - _angle(schedule, t, xt)
        v = _velocity(schedule, xt, t, eps)
        xs = xt + h * v
        eps_s = model(xs, torch.full(xt.shape[:1], s, device=xt.device))
        return xt + h * (v + _velocity(schedule, xs, s, eps_s)) / 2

    return step


def dpm_solver() -> Step:
    """DPM-Solver++(2M), one call of the model: the step of ``ddim_step`` with a guess of x0 that
    also uses the guess of the step before (Lu et al. 2022, arXiv 2211.01095, Algorithm 2).

    The step remembers; one that does not go on from where it was begins anew, with ``ddim_step``.
    Built in chapter 7.
    """
    last = None  # (t, s, x0) of the step before

    def step(schedule, xt: Tensor, t: int, s: int, eps: Tensor) -> Tensor:
        nonlocal last
        guess = x0 = _x0(schedule, xt, t, eps)
        if last and last[1] == t and s > 0:
            h, h_last = (_log_snr(schedule, a, b, xt) for a, b in ((t, s), last[:2]))
            guess = x0 + h / (2 * h_last) * (x0 - last[2])
        last = t, s, x0
        return _move(schedule, xt, t, s, guess)

    return step


@torch.no_grad()
def invert(model: Model, schedule, x0: Tensor, steps: Sequence[int], rounds: int = 1) -> Tensor:
    """The noise xT from which ``ddim_step`` over the same ``steps`` leads to x0 (B, …).

    Args:
        model: any ``eps(x, t)``, not clipped: what clipping removes cannot be found again.
        schedule: where the noise levels are.
        steps: falling times such as ``spaced(T, 50, 2)``; they are walked upwards.
        rounds: 1 asks the model at the state below (as DDIM, arXiv 2010.02502, section 4.3); more
            ask again at the state found, which for short steps converges to the exact inverse.

    Built in chapter 7.
    """
    xt = x0
    for s, t in pairwise(reversed(steps)):
        xs = xt
        for _ in range(rounds):
            eps = model(xt, torch.full(xt.shape[:1], t, device=xt.device))
            xt = _up(schedule, xs, s, xt, t, eps)
    return xt


def slerp(a: Tensor, b: Tensor, w: float) -> Tensor:
    """From a (w = 0) to b (w = 1) along the arc, rows (B, …): the mixture of two noises keeps its
    length, which a straight line cuts short (Shoemake 1985). Built in chapter 6."""
    cosine = F.cosine_similarity(a.flatten(1), b.flatten(1))
    angle = cosine.acos().reshape(-1, *[1] * (a.ndim - 1))
    mix = ((1 - w) * angle).sin() * a + (w * angle).sin() * b
    return mix / angle.sin()


def _x0(schedule, xt: Tensor, t: int, eps: Tensor) -> Tensor:
    alpha_bar = schedule.at(t, xt)
    return (xt - (1 - alpha_bar).sqrt() * eps) / alpha_bar.sqrt()


def _velocity(schedule, xt: Tensor, t: int, eps: Tensor) -> Tensor:
    """v = dx/dphi, with x0 and eps held."""
    alpha_bar = schedule.at(t, xt)
    return alpha_bar.sqrt() * eps - (1 - alpha_bar).sqrt() * _x0(schedule, xt, t, eps)


def _angle(schedule, t: int, x: Tensor) -> Tensor:
    alpha_bar = schedule.at(t, x)
    return torch.atan2((1 - alpha_bar).sqrt(), alpha_bar.sqrt())


def _log_snr(schedule, t: int, s: int, x: Tensor) -> Tensor:
    """How far log(SNR) / 2 rises from t down to s."""
    t, s = (schedule.at(time, x).logit() / 2 for time in (t, s))
    return s - t


def _move(schedule, xt: Tensor, t: int, s: int, x0: Tensor) -> Tensor:
    """``ddim_step``, told x0 and not eps."""
    alpha_bar, alpha_bar_s = schedule.at(t, xt), schedule.at(s, xt)
    eps = (xt - alpha_bar.sqrt() * x0) / (1 - alpha_bar).sqrt()
    return alpha_bar_s.sqrt() * x0 + (1 - alpha_bar_s).sqrt() * eps


def _up(schedule, xs: Tensor, s: int, xt: Tensor, t: int, eps: Tensor) -> Tensor:
    """The x_t from which ``ddim_step`` leads to x_s, if its velocity is the one seen at xt."""
    delta = _angle(schedule, t, xt) - _angle(schedule, s, xt)
    return (xs + delta.sin() * _velocity(schedule, xt, t, eps)) / delta.cos()
