"""The checks of the exercises of chapter 3."""

import math

import torch

from ddpm_lite import (
    cosine_schedule,
    ddpm_loss,
    linear_schedule,
    load_points,
    q_sample,
    v_target,
)


def _given(answer):
    """The answer, if there is one."""
    if answer is None:
        raise ValueError("it returns nothing")
    return answer


def exercise_1(x0_from_v):
    """The x0 that the true v implies is the true x0."""
    schedule, generator = cosine_schedule(), torch.Generator().manual_seed(0)
    x0, eps = torch.randn(2, 500, 2, generator=generator)
    t = torch.randint(0, 1001, (500,), generator=generator)
    v, xt = v_target(schedule, x0, t, eps), q_sample(schedule, x0, t, eps)
    mine = _given(x0_from_v(schedule, xt, t, v))
    if mine.shape != x0.shape:
        raise ValueError(f"your x0 has the shape {tuple(mine.shape)}; expected {tuple(x0.shape)}")
    off = (mine - x0).abs().max()
    if not off < 1e-4:
        raise ValueError(f"given the true v, your x0 is off by up to {off:.2f}")


def exercise_2(gaussian_floor):
    """Compare with the best linear prediction of the noise, by least squares on many draws."""
    schedule, generator = linear_schedule(), torch.Generator().manual_seed(0)
    eps, z = torch.randn(2, 200_000, generator=generator)
    for t, s in ((1, 0.5), (100, 0.5), (300, 2.0), (1000, 1.0)):
        xt = q_sample(schedule, s * z, t, eps)
        c = (eps * xt).mean() / (xt * xt).mean()
        floor = (eps - c * xt).square().mean().item()
        mine = float(_given(gaussian_floor(schedule, t, s)))
        if not abs(mine - floor) < 0.01:
            raise ValueError(
                f"at t = {t} with s = {s} you have {mine:.3f}; many draws give {floor:.3f}"
            )


def exercise_3(weighted_loss):
    """A huge gamma must change nothing, and a small one must reduce the weight of rows with little
    noise."""
    schedule, x0 = linear_schedule(), load_points("gaussians", 5000)

    def model(x, t):
        return (t[:, None] / 500 - 1) * x

    def loss(gamma):
        torch.manual_seed(0)
        return _given(weighted_loss(model, schedule, x0, gamma))

    torch.manual_seed(0)
    plain = ddpm_loss(model, schedule, x0)
    huge, usual, small = loss(1e9), loss(5.0), loss(0.5)
    if huge.shape != ():
        raise ValueError(f"your loss has the shape {tuple(huge.shape)}; expected a single number")
    if not abs(huge - plain) < 1e-4:
        raise ValueError("with a huge gamma your loss should be the plain loss")
    if not small < usual < plain:
        raise ValueError("a smaller gamma should give a smaller loss")
    if not abs(usual / plain - 0.86) < 0.01:
        raise ValueError("with gamma = 5 your loss is off: does each row have its own weight?")


def exercise_4(gaussian_bound):
    """Compare with the entropy of the data plus the divergences of all steps."""
    for T, s in ((20, 0.5), (50, 1.0), (200, 2.0)):
        schedule = cosine_schedule(T)
        mine = float(_given(gaussian_bound(schedule, s)))
        a = schedule.alpha_bar.double()
        beta, u = 1 - a[1:] / a[:-1], a * s**2 + 1 - a
        r = beta * u[:-1] / u[1:]  # variance of q(x_(t-1) | x_t)
        gap = 0.5 * ((beta / r).log() + r / beta - 1).sum() + 0.5 * (u[-1] - 1 - u[-1].log())
        bound = float(0.5 * math.log(2 * math.pi * math.e * s**2) + gap)
        if not abs(mine - bound) < 1e-4:
            raise ValueError(
                f"for T = {T} and s = {s} you have {mine:.4f}; expected {bound:.4f} nats"
            )
