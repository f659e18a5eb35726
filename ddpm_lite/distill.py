"""Train students that draw in one to four network calls what a teacher draws in fifty.

A student ``f(x, t)`` predicts x0, such as ``consistency(net, schedule)``. A teacher is a model
``eps(x, t)``. Mean flow has different times: u in [0, 1], with data at 0 and noise at 1. Its
network ``mean(x, u, s)`` predicts the mean velocity from u down to s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from .diffusion import Model, Schedule, Time, check, check_data, ddim_step, q_sample

Student = Callable[[Tensor, Tensor], Tensor]  # f(x, t)


def skip_out(sigma: Tensor, sigma_min: float = 0.0, sigma_data: float = 1.0) -> tuple:
    """c_skip and c_out of a consistency function at noise level sigma: 1 and 0 at sigma_min (Song
    et al. 2023, arXiv 2303.01469, appendix C). Built in chapter 19.

    Args:
        sigma: standard deviation of the noise in x0 + sigma eps, in any shape. On our schedules
            it's sqrt((1 - alpha_bar) / alpha_bar).
        sigma_min: the lowest noise level. It's 0 here because row 0 of our schedules is clean. The
            paper uses 0.002.
        sigma_data: standard deviation of the data. With 1, f is the x0 of v-prediction. The paper
            uses 0.5.
    """
    c_skip = sigma_data**2 / ((sigma - sigma_min) ** 2 + sigma_data**2)
    c_out = sigma_data * (sigma - sigma_min) / (sigma**2 + sigma_data**2) ** 0.5
    return c_skip, c_out


def consistency(net: Callable, schedule: Schedule, **condition: Tensor) -> Student:
    """The student f(x, t) = c_skip x / sqrt(alpha_bar) - c_out net(x, t), for which f(x, 0) = x
    (arXiv 2303.01469, Eq. 5).

    If the network predicts v, f is its prediction of x0. So the weights of a teacher are a good
    start. ``condition`` is passed on to the network, such as ``y=labels``. Built in chapter 19.
    """
    def f(x: Tensor, t: Tensor) -> Tensor:
        alpha_bar = schedule.at(t, x)
        c_skip, c_out = skip_out(((1 - alpha_bar) / alpha_bar).sqrt())
        return c_skip * x / alpha_bar.sqrt() - c_out * net(x, t, **condition)

    return f


def row_error(a: Tensor, b: Tensor) -> Tensor:
    """The mean squared error of each row of a and b (B, …), as (B,). Used in chapter 19."""
    _check_like("a", a, b)
    return (a - b).square().flatten(1).mean(1)


def random_step(times: Sequence[int], n: int) -> tuple[Tensor, Tensor]:
    """Draw a random step for each of n rows: its ends t > s, int64 (n,), are neighbours in
    ``times``, which falls to 0. Used in chapter 19."""
    _check_times(times)
    falling, i = torch.tensor(list(times)), torch.randint(len(times) - 1, (n,))
    return falling[i], falling[i + 1]


def x0_between(schedule: Schedule, xt: Tensor, t: Time, xs: Tensor, s: Time) -> Tensor:
    """The x0 for which one DDIM step leads from x_t to x_s, both (B, …) (Salimans and Ho 2022,
    arXiv 2202.00512, Algorithm 2). Built in chapter 19."""
    alpha_bar, alpha_bar_s = schedule.at(t, xt), schedule.at(s, xt)
    check(torch.as_tensor(s < t).all(), f"(t, s) is {t, s}"[:80] + "; expected s < t")
    _check_like("x_s", xs, xt)
    r = ((1 - alpha_bar_s) / (1 - alpha_bar)).sqrt()
    return (xs - r * xt) / (alpha_bar_s.sqrt() - r * alpha_bar.sqrt())


def two_steps(teacher: Model, schedule: Schedule, xt: Tensor, t: Tensor, s: Tensor) -> Tensor:
    """The x_s that two DDIM steps of the teacher reach from x_t, with a stop at (t + s) / 2.
    Built in chapter 19."""
    check(torch.as_tensor(t - s > 1).all(), "a step from t to t - 1 has no middle; expected times "
          "that are further apart, such as spaced(1000, 4)")  # fmt: skip
    middle = (t + s) // 2
    xm = ddim_step(schedule, xt, t, middle, teacher(xt, t))
    return ddim_step(schedule, xm, middle, s, teacher(xm, middle))


def progressive_loss(
    f: Student, teacher: Model, schedule: Schedule, x0: Tensor, times: Sequence[int],
    eps: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Progressive distillation: one step of the student should end where two steps of the teacher
    end (arXiv 2202.00512, Algorithm 2). The loss is the mean squared error of v, which is that of
    x0 divided by 1 - alpha_bar.

    Args:
        f: the student.
        teacher: ``eps(x, t)``, not clipped.
        schedule: the noise levels.
        x0: (B, …) data.
        times: the student's steps, falling to 0, such as ``spaced(1000, 4)``.
        eps: noise like x0, in place of fresh noise.

    Built in chapter 19.
    """
    check_data(x0)
    t, s = (k.to(x0.device) for k in random_step(times, len(x0)))
    xt = q_sample(schedule, x0, t, torch.randn_like(x0) if eps is None else eps)
    with torch.no_grad():
        xs = two_steps(teacher, schedule, xt, t, s)
        target = x0_between(schedule, xt, t, xs, s)
    return (row_error(f(xt, t), target) / (1 - schedule.alpha_bar[t])).mean()


def consistency_loss(
    f: Student, f_target: Student, schedule: Schedule, x0: Tensor, times: Sequence[int],
    teacher: Model | None = None,
) -> Tensor:  # fmt: skip
    """How much the student's answers differ between the two ends of a step, t and s < t.

    With a teacher, its DDIM step leads from x_t to x_s (consistency distillation). Without a
    teacher, x_s is the same image with the same noise at level s (consistency training; arXiv
    2303.01469, Eq. 7 and 10). As in ``progressive_loss``, the error is that of v. This weights low
    noise levels most, where the student's answer must be exact.

    Args:
        f: the student.
        f_target: f itself, or a slow average of it. It gets no gradient.
        schedule: the noise levels.
        x0: (B, …) data.
        times: the steps, falling to 0.
        teacher: ``eps(x, t)``, not clipped, or None.

    Built in chapter 19.
    """
    check_data(x0)
    t, s = (k.to(x0.device) for k in random_step(times, len(x0)))
    eps = torch.randn_like(x0)
    xt = q_sample(schedule, x0, t, eps)
    with torch.no_grad():
        xs = (q_sample(schedule, x0, s, eps) if teacher is None
              else ddim_step(schedule, xt, t, s, teacher(xt, t)))  # fmt: skip
        target = f_target(xs, s)
        _check_like("what the student gives", target, x0)
    return (row_error(f(xt, t), target) / (1 - schedule.alpha_bar[t])).mean()


@torch.no_grad()
def hops(f: Student, schedule: Schedule, xT: Tensor, times: Sequence[int]) -> Iterator[tuple]:
    """Sample in several calls: predict x0, noise it to the next time, and repeat (arXiv 2303.01469,
    Algorithm 1). Yields (t, x_t, f(x_t, t)) for each call. ``times`` falls to 0.
    Built in chapter 19."""
    _check_times(times)
    xt = xT
    for t, s in pairwise(times):
        x0 = f(xt, torch.full(xt.shape[:1], t, device=xt.device))
        yield t, xt, x0
        xt = q_sample(schedule, x0, s, torch.randn_like(x0))


def mean_velocity(net: Callable, y: Tensor) -> Callable:
    """Turn a network with vectors as conditions into a mean velocity ``mean(x, u, s)``. The length
    u - s is appended to the network's condition y (B, d).

    The network is called at t = 1.001 + 10 u, because it refuses times up to 1, which look like
    t / T. With 1000 u, as in flow matching, the sines of its time embedding would have derivatives
    of up to 1000 with respect to u, and ``mean_flow_loss`` differentiates with respect to u.

    Raises:
        ValueError: y isn't (B, d).

    Built in chapter 19.
    """
    check(y.ndim == 2, f"y has shape {tuple(y.shape)}; expected (B, d)")
    return lambda x, u, s: net(x, 1.001 + 10 * u, torch.cat([y, (u - s)[:, None]], dim=1))


def mean_flow_times(n: int, same: float = 0.5) -> tuple[Tensor, Tensor]:
    """Draw times u and s <= u for each of n rows, both logit-normal. In a share ``same`` of the
    rows, s equals u (arXiv 2505.13447, section 4.3). Built in chapter 19."""
    check(0 <= same <= 1, f"same is {same}; expected a share from 0 to 1")
    u, s = torch.sigmoid(torch.randn(2, n) - 0.4).sort(0, descending=True).values
    return u, torch.where(torch.rand(n) < same, u, s)


def mean_flow_loss(
    mean: Callable, x0: Tensor, u: Tensor, s: Tensor, x1: Tensor | None = None, p: float = 1.0
) -> Tensor:
    """The loss of mean flow: how far ``mean`` is from satisfying mean = v - (u - s) d mean / du
    (Geng et al. 2025, arXiv 2505.13447, Eq. 6 and 9).

    Args:
        mean: ``mean(x, u, s)``, differentiable in forward mode.
        x0: (B, …) data.
        u, s: (B,) times in [0, 1], with s <= u. Rows with s = u learn flow matching.
        x1: noise like x0, in place of fresh noise.
        p: each row's error e is divided by (e + 0.001)^p, which gets no gradient (Eq. 22).

    Built in chapter 19.
    """
    check_data(x0)
    x1 = torch.randn_like(x0) if x1 is None else x1
    _check_pair(x0, x1, u, s)
    wide = lambda a: a.reshape(-1, *[1] * (x0.ndim - 1))  # noqa: E731
    v = x1 - x0
    xu = x0 + wide(u) * v
    one, zero = torch.ones_like(u), torch.zeros_like(s)
    ours, slope = torch.func.jvp(mean, (xu, u, s), (v, one, zero))
    error = row_error(ours, (v - wide(u - s) * slope).detach())
    return (error / (error.detach() + 1e-3) ** p).mean()


def _check_pair(x0: Tensor, x1: Tensor, u: Tensor, s: Tensor) -> None:
    rows = isinstance(u, Tensor) and isinstance(s, Tensor) and u.shape == s.shape == x0.shape[:1]
    well = rows and (u.is_cuda or ((s >= 0) & (s <= u) & (u <= 1)).all())
    check(well, f"expected times u and s, {len(x0)} each, 0 <= s <= u <= 1: use mean_flow_times(B)")
    _check_like("x1", x1, x0)


def _check_like(name: str, a: Tensor, b: Tensor) -> None:
    check(a.shape == b.shape, f"{name} has shape {tuple(a.shape)}; expected {tuple(b.shape)}")


def _check_times(times: Sequence[int]) -> None:
    whole = isinstance(times, Sequence) and all(type(t) is int for t in times) and len(times) > 1
    falls = whole and times[-1] == 0 and [*times] == sorted({*times, 0}, reverse=True)
    given = [*times] if isinstance(times, range) else times
    hint = "expected whole numbers that fall to 0, such as spaced(1000, 4)"
    check(falls, f"times is {given!r:.80}; {hint}")
