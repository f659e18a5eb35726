"""The checks of the exercises of chapter 1."""

import math

import torch

from ddpm_lite import Schedule, cosine_schedule, linear_schedule, q_sample


def exercise_1(tipping_point):
    """The first timestep with at least as much noise as signal."""
    for name, schedule, right in (
        ("the linear schedule", linear_schedule(), 260),
        ("the cosine schedule with T = 100", cosine_schedule(100), 50),
    ):
        t = tipping_point(schedule)
        if not isinstance(t, int):
            raise ValueError(f"it returns a {type(t).__name__}; expected an int")
        if t != right:
            raise ValueError(f"for {name} you return {t}; compare snr[{t}] and snr[{t - 1}] with 1")


def exercise_2(q_between):
    """Jumping from x_0 to x_s and then to x_t gives the same mean and variance as one jump to
    x_t."""
    x0 = torch.full((50_000,), 0.8)
    e1, e2 = torch.randn(2, 50_000, generator=torch.Generator().manual_seed(0))
    for T, s, t in ((1000, 300, 600), (10, 3, 6)):  # with few steps, one too many shows
        schedule = cosine_schedule(T)
        xs = q_sample(schedule, x0, s, e1)
        xt = q_between(schedule, xs, s, t, e2)
        if xt is None:
            raise ValueError("it returns nothing")
        a = schedule.alpha_bar[t].item()
        for name, seen, right in (("mean", xt.mean(), 0.8 * a**0.5), ("variance", xt.var(), 1 - a)):
            if not abs(seen - right) < 0.02:
                raise ValueError(f"with T = {T}, the {name} of x_{t} is {seen:.2f}; a jump from "
                                 f"x_0 has {right:.2f}")  # fmt: skip
        if not torch.equal(xt, q_between(schedule, xs, s, t, e2)):
            raise ValueError("with the same eps it returns another x_t: draw no noise of your own")


def exercise_3(log_snr_schedule):
    """ln SNR must be a straight line in t."""
    for T, high, low in ((500, 10.0, -10.0), (50, 6.0, -8.0)):
        beta = log_snr_schedule(T, high, low)
        if beta is None or len(beta) != T:
            given = "nothing" if beta is None else f"{len(beta)} numbers"
            raise ValueError(f"it returns {given} for T = {T}; expected T betas")
        log_snr = Schedule(beta).snr[1:].log()
        off = (log_snr - torch.linspace(high, low, T)).abs().max()
        if not off < 0.02:
            raise ValueError(f"with T = {T}, ln SNR is off the straight line by up to {off:.2f}")


def exercise_4(gaussian_kl):
    """Compare the formula with the integral on a fine grid."""
    x = torch.linspace(-30, 30, 600_001, dtype=torch.float64)
    for case in ((0.0, 1.0, 0.0, 1.0), (0.8, 0.3, -1.0, 2.0)):
        p, r = (
            torch.exp(-((x - m) ** 2) / (2 * v)) / (2 * math.pi * v) ** 0.5
            for m, v in (case[:2], case[2:])
        )
        exact = float((p * (p / r).log()).nan_to_num().sum() * 1e-4)
        mine = float(gaussian_kl(*map(torch.tensor, case)))
        if not abs(mine - exact) < 1e-3:
            raise ValueError(f"for m1, v1, m2, v2 = {case} it is {exact:.3f}, not {mine:.3f}")
