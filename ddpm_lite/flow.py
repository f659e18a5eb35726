"""Flow matching: straight paths from data to noise, and back by an ordinary differential equation.

Time is u in [0, 1], with data at 0 and noise at 1. A velocity is ``v(x, u)`` with u (B,). A network
is called at t = 1000 u, so that its inputs have the same range as in the other chapters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F

from .diffusion import Schedule, check_data, expect, predict_x0

Velocity = Callable[[Tensor, Tensor], Tensor]


def interpolate(x0: Tensor, u: Tensor, x1: Tensor) -> Tensor:
    """The point x_u on the straight path from x0 (B, …) to x1 (B, …), for u (B,) in [0, 1] (Lipman
    et al. 2023, arXiv 2210.02747, Eq. 22 with sigma_min = 0 and the time reversed).
    Built in chapter 13.
    """
    _check_ends(x0, x1)
    _check_time(u, x0)
    u = u.reshape(-1, *[1] * (x0.ndim - 1))  # (B, 1, …)
    return (1 - u) * x0 + u * x1


def uniform(n: int) -> Tensor:
    """Draw times u (n,), uniform in [0, 1). Built in chapter 13."""
    return torch.rand(n)


def logit_normal(n: int, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """Draw times u (n,) in (0, 1), more often from the middle than near the ends (Esser et al.
    2024, arXiv 2403.03206, Eq. 19). Built in chapter 13."""
    return torch.sigmoid(mean + std * torch.randn(n))


def flow_loss(net: Callable, x0: Tensor, x1: Tensor | None = None, times=uniform) -> Tensor:
    """The mean squared error of the velocity x1 - x0 (arXiv 2210.02747, Eq. 23).

    Args:
        net: called as ``net(x_u, 1000 u)``. As in ``velocity_of``, u stays above 0.001.
        x0: data (B, …), floats.
        x1: (B, …) where the paths end. None draws fresh noise. For reflow, give pairs (x0, x1) from
            a trained flow.
        times: a function from B to u (B,).

    Raises:
        ValueError: x0 and x1 have different shapes.

    Built in chapter 13.
    """
    check_data(x0)
    x1 = torch.randn_like(x0) if x1 is None else x1
    _check_ends(x0, x1)
    u = times(len(x0)).to(x0).clamp(min=1.001e-3)
    xu = interpolate(x0, u, x1)
    return F.mse_loss(net(xu, 1000 * u), x1 - x0)


def velocity_of(net: Callable, **condition: Tensor) -> Velocity:
    """The velocity v(x, u) that a network trained with ``flow_loss`` predicts.

    ``condition`` is passed on to the network, such as ``y=labels``. Networks refuse t up to 1,
    which looks like t / T, so t stays just above 1 even if u is 0. Built in chapter 13.
    """

    def velocity(x: Tensor, u: Tensor) -> Tensor:
        _check_time(u, x)
        return net(x, (1000 * u).clamp(min=1.001), **condition)

    return velocity


def as_flow(model: Callable, schedule: Schedule) -> Velocity:
    """The velocity of a diffusion model ``eps(x, t)``. The paths are the same, in other
    coordinates: x_u = x_t / (sqrt(ab) + sqrt(1 - ab)) and u = sqrt(1 - ab) / (sqrt(ab) + sqrt(1 -
    ab)), where ab is alpha_bar.

    For each u, the model is called at the timestep t whose own u is nearest. Built in chapter 13.
    """
    level = flow_times(schedule)

    def velocity(x: Tensor, u: Tensor) -> Tensor:
        _check_time(u, x)
        t = (level[1:, None] - u).abs().argmin(0) + 1  # (B,)
        alpha_bar = schedule.at(t, x)
        root = alpha_bar.sqrt() + (1 - alpha_bar).sqrt()
        eps = model(root * x, t)
        return eps - predict_x0(schedule, root * x, t, eps)

    return velocity


def flow_times(schedule: Schedule) -> Tensor:
    """The time u (T + 1,) of each timestep of a schedule: the share sqrt(1 - alpha_bar) /
    (sqrt(alpha_bar) + sqrt(1 - alpha_bar)) of the noise in x_t. Built in chapter 13."""
    signal = schedule.alpha_bar.sqrt()
    noise = (1 - schedule.alpha_bar).sqrt()
    return noise / (signal + noise)


@torch.no_grad()
def euler(
    velocity: Velocity, x1: Tensor, times: int | Tensor = 50
) -> Iterator[tuple[float, Tensor]]:
    """Euler's method: yield (u, x_u) from u = 1 to u = 0, by x_s = x_u + (s - u) v(x_u, u).

    Args:
        velocity: ``v(x, u)``.
        x1: where to start, (B, …): noise, or data of another kind.
        times: the number of equal steps from 1 to 0, or a tensor with the falling times themselves.

    Raises:
        ValueError: the times don't fall.

    Built in chapter 13.
    """
    expect(type(times) is not int or times > 0, "times", times, "a number of steps, or a tensor")
    if isinstance(times, int):
        times = torch.linspace(1, 0, times + 1)
    _check_falling(times)
    x = x1
    yield times[0].item(), x
    for u, s in pairwise(times):
        x = x + (s - u) * velocity(x, u.expand(len(x)).to(x))
        yield s.item(), x


def sample_flow(velocity: Velocity, x1: Tensor, times: int | Tensor = 50) -> Tensor:
    """Run ``euler`` to its end and return the samples x0 (B, …). Built in chapter 13."""
    *_, (_, x0) = euler(velocity, x1, times)
    return x0


def straightness(velocity: Velocity, x1: Tensor, steps: int = 50) -> float:
    """How far the paths from x1 (B, …) are from straight lines: the mean of |(x1 - x0) -
    v(x_u, u)|² over paths, steps and dimensions. 0 means straight (Liu et al. 2023, arXiv
    2209.03003, Eq. 7). Built in chapter 13."""
    if type(steps) is not int or not len(x1):
        raise ValueError(f"steps is {steps!r:.60}, x1 has {len(x1)} rows; expected 1 or more")
    path = list(euler(velocity, x1, steps))
    whole, size = path[0][1] - path[-1][1], 1 / steps
    moved = [(a - b) / size for (_, a), (_, b) in pairwise(path)]
    off = [(whole - v).square().mean() for v in moved]
    return torch.stack(off).mean().item()


def _check_ends(x0: Tensor, x1: Tensor) -> None:
    if x0.shape != x1.shape:
        sentence = "expected the same shape, since row i of x0 is paired with row i of x1"
        raise ValueError(f"x0 has shape {tuple(x0.shape)} and x1 {tuple(x1.shape)}; {sentence}")


def _check_time(u: Tensor, x: Tensor) -> None:
    rows = isinstance(u, Tensor) and u.is_floating_point() and u.shape == x.shape[:1]
    if not rows or not (u.is_cuda or ((u >= 0) & (u <= 1)).all()):
        given = f"{u.dtype} {tuple(u.shape)}" if isinstance(u, Tensor) else repr(u)
        raise ValueError(f"u is {given}; expected {len(x)} floats from 0 to 1, one for each row")


def _check_falling(times: Tensor) -> None:
    well = isinstance(times, Tensor) and times.is_floating_point() and times.ndim == 1
    well = well and len(times) > 1
    if not well or not (times[1:] < times[:-1]).all() or times[0] > 1 or times[-1] < 0:
        raise ValueError(f"times is {times!r:.60}; expected a number of steps, or a tensor that "
                         "must fall from at most 1 to at least 0")  # fmt: skip
