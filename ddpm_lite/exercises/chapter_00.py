"""The check of the exercise of chapter 0."""

import torch

from ddpm_lite import cosine_schedule, q_sample


def exercise_1(clean):
    """x0 from a noisy image and its noise."""
    schedule = cosine_schedule()
    x0, eps = torch.randn(2, 5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    for t in (1, 300, 700):
        mine = clean(schedule, q_sample(schedule, x0, t, eps), t, eps)
        if mine is None:
            raise ValueError("it returns nothing")
        off = (mine - x0).abs().max()
        if not off < 1e-3:
            raise ValueError(f"at t = {t} your x0 is off by up to {off:.2f}")
