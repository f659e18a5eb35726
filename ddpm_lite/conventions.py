"""Conventions for noise levels, noisy data and predictions, with functions to convert between them.

Each convention is converted to ours and back. The page "Notation" of the book lists them. See
chapter 12.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .diffusion import Schedule, expect

# fmt: off
LEVELS = {  # name: to alpha_bar, from alpha_bar
    "alpha_bar": (lambda a: a, lambda a: a),
    "noise": (lambda s: 1 - s**2, lambda a: (1 - a).sqrt()),
    "lambda": (lambda n: torch.sigmoid(2 * n), lambda a: (a / (1 - a)).log() / 2),
    "edm": (lambda s: 1 / (1 + s**2), lambda a: ((1 - a) / a).sqrt()),
    "flow": (lambda u: (1 - u) ** 2 / ((1 - u) ** 2 + u**2),
             lambda a: (1 - a).sqrt() / (a.sqrt() + (1 - a).sqrt())),
    "angle": (lambda p: p.cos() ** 2, lambda a: a.sqrt().acos()),
}
STATES = {  # name: what x_t is divided by
    "vp": lambda a: 1 + 0 * a,
    "edm": lambda a: a.sqrt(),  # and VE
    "flow": lambda a: a.sqrt() + (1 - a).sqrt(),
}
PREDICTIONS = {  # name: to eps, from eps; r and n are the sizes of signal and noise
    "eps": (lambda p, x, r, n: p, lambda e, x, r, n: e),
    "x0": (lambda p, x, r, n: (x - r * p) / n, lambda e, x, r, n: (x - n * e) / r),  # also EDM's D
    "v": (lambda p, x, r, n: n * x + r * p, lambda e, x, r, n: (e - n * x) / r),
    "score": (lambda p, x, r, n: -n * p, lambda e, x, r, n: -e / n),
    "edm_score": (lambda p, x, r, n: -n / r * p, lambda e, x, r, n: -r / n * e),  # and VE's
    "velocity": (lambda p, x, r, n: (x + r * p) / (r + n),
                 lambda e, x, r, n: ((r + n) * e - x) / r),
}
LIMITS = {"alpha_bar": (0, 1), "noise": (0, 1), "lambda": (-math.inf, math.inf),
          "edm": (0, math.inf), "flow": (0, 1), "angle": (0, 1.5708)}
# fmt: on


def convert_level(value: Tensor, of: str, to: str) -> Tensor:
    """Convert a noise level, a tensor of any shape, from the convention ``of`` to ``to``. Both are
    keys of ``LEVELS``. It computes in float64, since alpha_bar can be very near to 1. Used in
    chapter 12."""
    _check_names(LEVELS, of, to)
    _check_between(value, *LIMITS[of], "value", f"a tensor of levels of the convention {of!r}")
    converted = LEVELS[to][1](LEVELS[of][0](value.double()))
    return converted.to(torch.promote_types(value.dtype, torch.float32))


def convert_state(x: Tensor, alpha_bar: Tensor, of: str, to: str) -> Tensor:
    """Rescale noisy data x (B, …) from the convention ``of`` to ``to``. Both are keys of
    ``STATES``. Used in chapter 12."""
    _check_names(STATES, of, to)
    _check_level(alpha_bar, x, x)
    a = alpha_bar.reshape(-1, *[1] * (x.ndim - 1))
    return x * STATES[of](a) / STATES[to](a)


def convert_prediction(p: Tensor, xt: Tensor, alpha_bar: Tensor, of: str, to: str) -> Tensor:
    """Convert a prediction p (B, …) from the quantity ``of`` to ``to``. Both are keys of
    ``PREDICTIONS``. ``xt`` is x_t on our scale, so convert it first with ``convert_state``. Used in
    chapter 12."""
    _check_names(PREDICTIONS, of, to)
    _check_level(alpha_bar, xt, p)
    a = alpha_bar.reshape(-1, *[1] * (xt.ndim - 1))
    r, n = a.sqrt(), (1 - a).sqrt()
    return PREDICTIONS[to][1](PREDICTIONS[of][0](p, xt, r, n), xt, r, n)


def alpha_bar_at(schedule: Schedule, t: Tensor) -> Tensor:
    """alpha_bar (float64) at times t from 0 to T that needn't be whole numbers, by linear
    interpolation of log alpha_bar. For u in [0, 1], use t = T u. Used in chapter 12."""
    _check_between(t, 0, schedule.T, "t", f"a tensor in 0 … T = {schedule.T}")
    log, k = schedule.alpha_bar.double().log(), t.long().clamp(0, schedule.T - 1)
    return torch.lerp(log[k], log[k + 1], t.double() - k).exp()


def time_at(schedule: Schedule, alpha_bar: Tensor) -> Tensor:
    """The time t (float64) at which the schedule has this alpha_bar, the inverse of
    ``alpha_bar_at``. Values below that at T have no time, and are refused. Used in chapter 12."""
    last = (1 - 1e-6) * schedule.alpha_bar[-1].item()
    _check_between(alpha_bar, last, 1, "alpha_bar", f"a tensor of levels in {last:.3g} … 1")
    log, y = -schedule.alpha_bar.double().log(), -alpha_bar.double().log()
    k = (torch.searchsorted(log, y, right=True) - 1).clamp(0, schedule.T - 1)
    return k + (y - log[k]) / (log[k + 1] - log[k])


def _check_names(table: dict, *names: str) -> None:
    for name in names:
        expect(name in table, "the convention", name, "one of " + ", ".join(table))


def _check_between(value: Tensor, low: float, high: float, name: str, expected: str) -> None:
    expect(isinstance(value, Tensor), name, value, expected)
    out = value[~((value >= low) & (value <= high))]
    expect(not len(out), name, out[:1].tolist(), expected)


def _check_level(alpha_bar: Tensor, x: Tensor, p: Tensor) -> None:
    _check_between(alpha_bar, 0, 1, "alpha_bar", "a tensor of levels from 0 to 1")
    rows = alpha_bar.shape in ((), x.shape[:1]) or alpha_bar.numel() == len(x)
    shapes = [tuple(a.shape) for a in (x, p, alpha_bar)]
    hint = "x and p of the same shape, and a level for each row"
    expect(rows and p.shape == x.shape, "(x, p, alpha_bar)", shapes, hint)
