"""The checks of the exercises of chapter 11."""

import math

import torch

from ddpm_lite import cosine_schedule
from ddpm_lite.likelihood import bound, fixed_variance


def _given(answer):
    """The answer, if there is one."""
    if answer is None:
        raise ValueError("it returns nothing")
    return answer


def exercise_1(bits_of_bytes):
    """A uniform density over 255 bins must cost log2(255) bits, in any range."""
    for low, high, dims in ((-1, 1, 64), (0, 1, 3), (0, 255, 10)):
        nats = torch.full((4,), dims * math.log(high - low))
        mine = torch.as_tensor(_given(bits_of_bytes(nats, dims, low, high)))
        if mine.shape != (4,):
            raise ValueError(f"the shape is {tuple(mine.shape)}; expected a number for each row")
        if not (mine - math.log2(255)).abs().max() < 1e-3:
            raise ValueError(
                f"a density that is uniform on [{low}, {high}] gives {mine[0]:.2f} bits; expected "
                f"{math.log2(255):.2f}, whatever the range"
            )


def exercise_2(one_term):
    """The average must be the sum of the terms, and each row must have its own timestep."""
    schedule = cosine_schedule(10)
    reverse = fixed_variance(lambda x, t: (1 - schedule.at(t, x)).sqrt() * x, schedule, 0.5)
    x0 = torch.full((40_000, 2), 1.5)
    torch.manual_seed(0)
    total = bound(reverse, schedule, x0)[:-1].sum(0).mean().item()
    mine = _given(one_term(reverse, schedule, x0))
    if mine.shape != (len(x0),):
        raise ValueError(f"the shape is {tuple(mine.shape)}; expected a number for each row")
    if len(mine.unique()) < 20_000 or not mine.std() > 5:
        raise ValueError("the rows scatter too little: does each have its own time and noise?")
    if not abs(mine.mean() - total) < 0.25:
        raise ValueError(
            f"on average you have {mine.mean():.1f} nats; the terms sum to {total:.1f}"
        )


def exercise_3(ode_drift):
    """Follow the drift from data with standard deviation 0.5 to noise, by small Euler steps."""
    beta = torch.linspace(0.1, 20, 4000)
    dt, variance = 1 / 4000, torch.tensor(0.25)
    x = torch.tensor([-0.5, 0.5, 1.0])
    for b in beta:
        x = x + dt * _given(ode_drift(b, x, -x / variance))
        variance = variance + dt * b * (1 - variance)
    if not (x - torch.tensor([-1.0, 1.0, 2.0])).abs().max() < 0.01:
        raise ValueError(
            f"a point one standard deviation from the mean ends at {x[1]:.3f}; expected 1.000, "
            "one standard deviation of the noise"
        )


def exercise_4(best_shares):
    """The probabilities must give the smallest possible second moment."""
    torch.manual_seed(0)
    terms = torch.rand(6, 500) ** 3 * torch.tensor([9.0, 1.0, 0.5, 4.0, 0.1, 2.0])[:, None]
    terms[2] -= 3  # L_0 of a density may be negative
    mine = _given(best_shares(terms))
    if mine.shape != (6,) or not abs(mine.sum() - 1) < 1e-4 or not (mine > 0).all():
        raise ValueError("expected T positive numbers that sum to 1")
    moments = terms.square().mean(1)
    best, yours = moments.sqrt().sum() ** 2, (moments / mine).sum()
    if not yours < best * 1.0001:
        raise ValueError(f"the estimate's mean square is {yours:.1f}; it can be {best:.1f}")
