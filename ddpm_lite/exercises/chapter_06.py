"""The checks of the exercises of chapter 6."""

import torch

from ddpm_lite import cosine_schedule, linear_schedule, q_posterior, trajectory


def exercise_1(quadratic_times):
    """The times must fall, be dense near 0, and contain no time twice."""
    times = quadratic_times(1000, 10)
    right = [1000, 810, 640, 490, 360, 250, 160, 90, 40, 10, 0]
    if times is None or list(times) != right:
        raise ValueError(f"quadratic_times(1000, 10) gives {times}; expected {right}")
    times = list(quadratic_times(100, 50))
    if len(set(times)) < len(times):
        twice = next(t for t in times if times.count(t) > 1)
        raise ValueError(f"quadratic_times(100, 50) has the time {twice} more than once")
    walk = trajectory(lambda x, t: 0 * x, cosine_schedule(100), torch.zeros(1, 1), times)
    seen = [t for t, _ in walk]
    if seen[0] != 100 or seen[-1] != 0 or len(seen) != 45:
        raise ValueError(f"quadratic_times(100, 50) visits {seen}; expected 45 times, 100 to 0")


def exercise_2(variance_from_snr):
    """The posterior's variance from two signal-to-noise ratios."""
    xt = torch.zeros(1, 1)
    for schedule in (linear_schedule(), cosine_schedule(200)):
        for t, s in ((2, 1), (100, 80), (schedule.T, 20), (50, 0), (1, 0)):
            right = q_posterior(schedule, xt, xt, t, s)[1].item()
            yours = variance_from_snr(schedule.snr[t], schedule.snr[s])
            if yours is None:
                raise ValueError("it returns nothing")
            if not abs(float(yours) - right) < 1e-3 * right + 1e-9:
                raise ValueError(f"from t = {t} to s = {s} it gives {float(yours):.5f}, "
                                 f"and the variance is {right:.5f}")  # fmt: skip


def exercise_3(mixed_std, mix):
    """The standard deviation of a linear mixture of two noises, and the mixture rescaled to 1."""
    a, b = torch.randn(2, 200_000, generator=torch.Generator().manual_seed(0))
    for w in (0.0, 0.25, 0.5, 0.9):
        line = (1 - w) * a + w * b
        seen, said, mixed = line.std().item(), mixed_std(w), mix(a, b, w)
        if said is None or mixed is None:
            raise ValueError("mixed_std and mix must both return something")
        if not abs(said - seen) < 0.01:
            raise ValueError(f"mixed_std({w}) is {said:.3f}, but the mixture has {seen:.3f}")
        if not abs(mixed.std() - 1) < 0.01:
            raise ValueError(f"mix at w = {w} has the standard deviation {mixed.std():.3f}, not 1")
        if not (mixed * seen - line).abs().max() < 0.05:
            raise ValueError(f"mix at w = {w} isn't on the straight line from a to b")


def exercise_4(reverse_variance):
    """The variance of the true reverse step for Gaussian data."""
    schedule = cosine_schedule()
    for t, s in ((500, 499), (500, 300), (100, 20)):
        a_t, a_s = schedule.alpha_bar[[t, s]].double().tolist()
        for c in (0.0, 0.5, 1.0, 2.0):
            v_t, v_s = (a * c**2 + 1 - a for a in (a_t, a_s))
            right = v_s - (a_t / a_s) * v_s**2 / v_t  # both are Gaussian
            yours = reverse_variance(schedule, t, s, c)
            if yours is None:
                raise ValueError("it returns nothing")
            if not abs(float(yours) - right) < 1e-3 * right:
                raise ValueError(f"for t = {t}, s = {s}, c = {c} it gives {float(yours):.5f}, "
                                 f"and the variance is {right:.5f}")  # fmt: skip
