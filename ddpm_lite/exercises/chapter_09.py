"""The checks of the exercises of chapter 9."""

import math

import torch

from ddpm_lite import frechet_distance


def exercise_1(scaled_distance):
    """The Fréchet distance between x and s x."""
    draws = torch.Generator().manual_seed(0)
    x = torch.randn(200, 5, generator=draws).double() + 2
    x = x @ torch.randn(5, 5, generator=draws).double()
    for s in (0.0, 0.5, 1.0, 1.7):
        right = frechet_distance(x, s * x)
        yours = float(_given(scaled_distance(x, s)))
        if not abs(yours - right) < 1e-6 + 1e-6 * right:
            raise ValueError(f"with s = {s} you get {yours:.4f}; the distance is {right:.4f}")


def exercise_2(at_infinity):
    """A straight line in 1 / N must be extrapolated to 1 / N = 0."""
    ns = [500, 1000, 2000, 5000]
    for limit, slope in ((3.2, 0), (0.5, 900), (0, 4000)):
        yours = float(_given(at_infinity(ns, [limit + slope / n for n in ns])))
        if not abs(yours - limit) < 1e-3:
            raise ValueError(f"for points on a line in 1 / N you get {yours:.4f}, not {limit}")
    bent = float(at_infinity([1, 2, 4], [2.0, 1.0, 1.0]))
    if not abs(bent - 0.5) < 1e-3:
        raise ValueError(f"if no line fits exactly, you get {bent:.3f}; least squares gives 0.5")


def exercise_3(gaussian_mmd):
    """The unbiased MMD with a Gaussian kernel."""
    a, b = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [2.0], [3.0]])
    k = [math.exp(-(d**2) / 8) for d in range(4)]  # at distances 0 to 3, h = 2
    across = (k[0] + k[2] + k[3] + k[1] + k[1] + k[2]) / 6
    right = k[1] + (k[2] + k[3] + k[1]) / 3 - 2 * across
    yours = float(_given(gaussian_mmd(a, b, 2.0)))
    if not abs(yours - right) < 1e-5:
        raise ValueError(f"for two tiny sets you get {yours:.4f}; expected {right:.4f}")
    draws = torch.Generator().manual_seed(0)
    pairs = [torch.randn(2, 20, 3, generator=draws) for _ in range(200)]
    values = torch.tensor([float(gaussian_mmd(a, b, 1.0)) for a, b in pairs])
    if not values.mean().abs() < 5 * values.std() / len(values) ** 0.5:
        raise ValueError(f"it is biased: for equal distributions its mean is {values.mean():.3f}")


def exercise_4(density_coverage):
    """Density and coverage of Naeem et al."""
    real = torch.tensor([[0.0], [1.0], [3.0], [7.0]])  # radii for k = 1: 1, 1, 2, 4
    fake = torch.tensor([[0.5], [0.6], [20.0]])
    density, coverage = map(float, _given(density_coverage(real, fake, 1)))
    if not abs(density - 4 / 3) < 1e-6:
        raise ValueError(f"for three samples the density is {density:.3f}; it should be 4/3")
    if not abs(coverage - 0.5) < 1e-6:
        raise ValueError(f"for three samples the coverage is {coverage:.3f}; it should be 1/2")
    draws = torch.Generator().manual_seed(0)
    real, fake = torch.randn(2, 1000, 4, generator=draws)
    density, coverage = map(float, density_coverage(real, fake, 5))
    if not abs(density - 1) < 0.1:
        raise ValueError(f"for equal distributions the density is {density:.2f}; expected about 1")
    if not coverage > 0.9:
        raise ValueError(f"for equal distributions the coverage is only {coverage:.2f}")
    lone = torch.cat([real, torch.full((1, 4), 50.0)])
    density = float(density_coverage(lone, fake + 25, 5)[0])
    if not density < 0.3:
        raise ValueError(f"a single outlier lifts the density of bad samples to {density:.2f}")


def _given(answer):
    if answer is None:
        raise ValueError("it returns nothing")
    return answer
