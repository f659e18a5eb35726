"""Wrap a network into a model, guide it, and sample in fewer calls (needs torch, diffusion.py).

Each wrapper takes one ``net`` and returns another with the same arguments, so they nest:
``guided(from_v(net, schedule), y, w=1)``. The samplers are steps like ``ddim_step``:
``sample(model, schedule, xT, 10, dpmpp_2m())``.

Without fresh noise, sampling solves a differential equation. In terms of the angle phi, with
``cos(phi) = sqrt(alpha_bar)``, it is dx/dphi = v. ``ddim_step`` is its first-order step, and the
steps here are of second order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from .diffusion import Model, Schedule, check, ddim_step, predict_eps, predict_x0, v_target

Step = Callable[..., Tensor]  # step(schedule, xt, t, s, eps), as ddim_step


def from_x0(net: Model, schedule: Schedule) -> Model:
    """Turn a network that predicts x0 (trained with ``x0_target``) into a model that predicts eps.
    Built in chapter 3."""

    def eps(x: Tensor, t: Tensor, *args, **kwargs) -> Tensor:
        return predict_eps(schedule, x, t, net(x, t, *args, **kwargs))

    return eps


def from_v(net: Model, schedule: Schedule) -> Model:
    """Turn a network that predicts v (trained with ``v_target``) into a model that predicts eps
    (Salimans and Ho 2022, arXiv 2202.00512, appendix D). Built in chapter 3."""

    def eps(x: Tensor, t: Tensor, *args, **kwargs) -> Tensor:
        alpha_bar = schedule.at(t, x)
        return alpha_bar.sqrt() * net(x, t, *args, **kwargs) + (1 - alpha_bar).sqrt() * x

    return eps


FROM = {"eps": lambda net, schedule: net, "x0": from_x0, "v": from_v}
"""The wrapper that turns a network trained with ``TARGETS[name]`` into a model."""


def guided(net: Model, y: Tensor, w: float, null: Tensor | None = None) -> Model:
    """Classifier-free guidance (Ho and Salimans 2022, arXiv 2207.12598, Eq. 6).

    Args:
        net: ``net(x, t, y)``, trained with some conditions dropped (``drop_labels``).
        y: (B, …) the conditions to sample for, such as labels (B,).
        w: guidance scale as in the paper: 0 is the plain conditional model. Libraries in which 1
            means "off" use w + 1.
        null: (B, …) the value for "no condition"; None for the networks of this package.

    Built in chapter 8.
    """

    def eps(x: Tensor, t: Tensor) -> Tensor:
        _check_scale(w, x)
        return (1 + w) * net(x, t, y) - w * net(x, t, null)

    return eps


def classifier_guided(
    model: Model, schedule: Schedule, log_p: Callable[[Tensor, Tensor], Tensor], scale: float
) -> Model:
    """Guidance by the gradient of any log-probability: eps minus scale sqrt(1 - alpha_bar)
    grad log p(y | x_t) (Dhariwal and Nichol 2021, arXiv 2105.05233, Algorithm 2).

    Args:
        model: any ``eps(x, t)``, such as one without labels.
        schedule: the noise levels.
        log_p: ``log_p(x, t)``, (B,): for each noisy x (B, …), the log-probability of what you want.
        scale: 1 is Bayes' rule, and larger values are sharper. It corresponds to our w + 1.

    Built in chapter 8.
    """

    def eps(x: Tensor, t: Tensor, *args, **kwargs) -> Tensor:
        with torch.enable_grad():  # a sampler switches gradients off
            leaf = x.detach().requires_grad_()
            grad = torch.autograd.grad(log_p(leaf, t).sum(), leaf)[0]
        return model(x, t, *args, **kwargs) - scale * (1 - schedule.at(t, x)).sqrt() * grad

    return eps


def drop_labels(y: Tensor, p: float, null: float) -> Tensor:
    """Conditions (B, …), each row replaced by ``null`` with probability p. ``null`` is
    ``num_classes`` for labels, and NaN for vectors and images. Built in chapter 8."""
    _check_drop(y, p, null)
    drop = torch.rand(len(y), device=y.device) < p
    return torch.where(drop.reshape(-1, *[1] * (y.ndim - 1)), null, y)


def heun(model: Model) -> Step:
    """A step of Heun's method for dx/dphi = v with two calls of ``model``: it looks ahead, and then
    follows the mean of both velocities (Heun 1900; for diffusion Karras et al. 2022,
    arXiv 2206.00364, Algorithm 1, in another variable). The step to s = 0 is ``ddim_step``.
    Built in chapter 7."""

    def step(schedule, xt: Tensor, t: int, s: int, eps: Tensor) -> Tensor:
        if s == 0:  # no model call there: x0 has no noise to predict
            return predict_x0(schedule, xt, t, eps)
        h = _angle(schedule, s, xt) - _angle(schedule, t, xt)
        v = _velocity(schedule, xt, t, eps)
        xs = xt + h * v
        eps_s = model(xs, torch.full(xt.shape[:1], s, device=xt.device))
        return xt + h * (v + _velocity(schedule, xs, s, eps_s)) / 2

    return step


def dpmpp_2m() -> Step:
    """DPM-Solver++(2M), one call of the model: the step of ``ddim_step`` with a prediction of x0
    that also uses the step before (Lu et al. 2022, arXiv 2211.01095, Algorithm 2).

    The step remembers what it needs from the previous one. If it doesn't continue where that one
    ended, it starts again with ``ddim_step``. Built in chapter 7.
    """
    last = None  # (t, s, x0) of the step before

    def step(schedule, xt: Tensor, t: int, s: int, eps: Tensor) -> Tensor:
        nonlocal last
        prediction = x0 = predict_x0(schedule, xt, t, eps)
        if last and last[1] == t and s > 0:
            h, h_last = (_log_snr(schedule, a, b, xt) for a, b in ((t, s), last[:2]))
            prediction = x0 + h / (2 * h_last) * (x0 - last[2])
        last = t, s, x0
        return ddim_step(schedule, xt, t, s, predict_eps(schedule, xt, t, prediction))

    return step


@torch.no_grad()
def ddim_invert(
    model: Model, schedule: Schedule, x0: Tensor, steps: Sequence[int], rounds: int = 1
) -> Tensor:
    """The noise xT from which ``ddim_step`` over the same ``steps`` leads to x0 (B, …).

    Args:
        model: any ``eps(x, t)``, not clipped: what clipping removes can't be recovered.
        schedule: the noise levels.
        steps: falling timesteps such as ``spaced(T, 50, 2)``; they are visited upwards.
        rounds: 1 calls the model at the state below (DDIM, arXiv 2010.02502, section 4.3); more
            call it again at the state found, which for short steps converges to the exact inverse.

    Built in chapter 14.
    """
    if not isinstance(steps, Sequence) or any(t <= s for t, s in pairwise(steps)):
        raise ValueError(f"steps is {steps!r}; expected falling timesteps, such as spaced(T, 50)")
    xt = x0
    for s, t in pairwise(reversed(steps)):
        xs = xt
        for _ in range(rounds):
            eps = model(xt, torch.full(xt.shape[:1], t, device=xt.device))
            xt = _up(schedule, xs, s, xt, t, eps)
    return xt


def slerp(a: Tensor, b: Tensor, w: float) -> Tensor:
    """From a (w = 0) to b (w = 1) along the arc, rows (B, …): a mixture of two noises keeps its
    length, which a straight line would shorten (Shoemake 1985). Equal rows stay as they are.
    Built in chapter 14."""
    cosine = F.cosine_similarity(a.flatten(1), b.flatten(1)).clamp(-1, 1)
    angle = cosine.acos().reshape(-1, *[1] * (a.ndim - 1))
    mix = ((1 - w) * angle).sin() * a + (w * angle).sin() * b
    return torch.where(angle > 1e-3, mix / angle.sin(), torch.lerp(a, b, w))


def _velocity(schedule: Schedule, xt: Tensor, t: int, eps: Tensor) -> Tensor:
    """v = dx/dphi, with x0 and eps held fixed."""
    return v_target(schedule, predict_x0(schedule, xt, t, eps), t, eps)


def _angle(schedule: Schedule, t: int, x: Tensor) -> Tensor:
    alpha_bar = schedule.at(t, x)
    return torch.atan2((1 - alpha_bar).sqrt(), alpha_bar.sqrt())


def _log_snr(schedule: Schedule, t: int, s: int, x: Tensor) -> Tensor:
    """How far log(SNR) / 2 rises from t down to s."""
    t, s = (schedule.at(time, x).logit() / 2 for time in (t, s))
    return s - t


def _up(schedule: Schedule, xs: Tensor, s: int, xt: Tensor, t: int, eps: Tensor) -> Tensor:
    """The x_t from which ``ddim_step`` leads to x_s, if its velocity is the one at xt."""
    delta = _angle(schedule, t, xt) - _angle(schedule, s, xt)
    return (xs + delta.sin() * _velocity(schedule, xt, t, eps)) / delta.cos()


def _check_drop(y: Tensor, p: float, null: float) -> None:
    whole = y.is_floating_point() or isinstance(null, (int, Tensor))
    check(0 <= p <= 1 and whole, f"p is {p}, null {null}; expected a probability, then the value "
           "for no condition, of the kind of y")  # fmt: skip


def _check_scale(w: float, x: Tensor) -> None:
    tensor = isinstance(w, Tensor) and w.ndim in (0, x.ndim)
    well = tensor or isinstance(w, (int, float))
    check(well, f"w is {w!r:.60}; expected a number, or a tensor with {x.ndim} axes as x has")
