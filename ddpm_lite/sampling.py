"""Turn a network into a model, guide it, and sample in fewer calls (needs torch, diffusion.py).

Each wrapper takes one ``net`` and returns another with the same arguments, so they nest:
``guided(from_v(net, schedule), y, w=1)``. The samplers are steps like ``ddim_step``:
``sample(model, schedule, xT, 10, dpmpp_2m())``.

Without fresh noise, sampling solves a differential equation: dx/dphi = v, where phi is the angle
with ``cos(phi) = sqrt(alpha_bar)``. ``ddim_step`` is a first-order step along it, and the steps
here are of second order.
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
        y: (B, …) the conditions to sample with, such as labels (B,).
        w: guidance scale as in the paper. 0 is the plain conditional model. In libraries where 1
            means "off", the scale is w + 1.
        null: (B, …) the value for "no condition". The networks of this package take None.

    Raises:
        ValueError: w isn't a number, or a tensor with as many axes as x (on the first call).

    Built in chapter 8.
    """

    def eps(x: Tensor, t: Tensor) -> Tensor:
        _check_scale(w, x)
        return (1 + w) * net(x, t, y) - w * net(x, t, null)

    return eps


def classifier_guided(
    model: Model, schedule: Schedule, log_p: Callable[[Tensor, Tensor], Tensor], scale: float
) -> Model:
    """Guidance by the gradient of any log-probability. The model becomes eps - scale sqrt(1 -
    alpha_bar) grad log p(y | x_t) (Dhariwal and Nichol 2021, arXiv 2105.05233, Algorithm 2).

    Args:
        model: any ``eps(x, t)``, such as one without labels.
        schedule: the noise levels.
        log_p: ``log_p(x, t)`` gives (B,), the log-probability of what you want for each noisy x
            (B, …).
        scale: 1 is Bayes' rule. Larger values follow the classifier more closely. It corresponds to
            w + 1 in ``guided``.

    Built in chapter 8.
    """

    def eps(x: Tensor, t: Tensor, *args, **kwargs) -> Tensor:
        with torch.enable_grad():  # a sampler switches gradients off
            leaf = x.detach().requires_grad_()
            wanted = log_p(leaf, t)
            check(
                wanted.shape == x.shape[:1],
                f"log_p gives the shape {tuple(wanted.shape)}; "
                f"expected {len(x)} numbers, that of the class you want in each row",
            )
            grad = torch.autograd.grad(wanted.sum(), leaf)[0]
        return model(x, t, *args, **kwargs) - scale * (1 - schedule.at(t, x)).sqrt() * grad

    return eps


def drop_labels(y: Tensor, p: float, null: float) -> Tensor:
    """Replace each row of the conditions y (B, …) by ``null`` with probability p. ``null`` is
    ``num_classes`` for labels, and NaN for vectors and images. Built in chapter 8."""
    _check_drop(y, p, null)
    drop = torch.rand(len(y), device=y.device) < p
    return torch.where(drop.reshape(-1, *[1] * (y.ndim - 1)), null, y)


def heun(model: Model) -> Step:
    """Heun's method for dx/dphi = v: each step calls ``model`` a second time, at the end of an
    Euler step, and then follows the mean of the two velocities (Heun 1900; for diffusion Karras et
    al. 2022, arXiv 2206.00364, Algorithm 1, in another variable). The step to s = 0 is
    ``ddim_step``. ``sample`` clips the predictions of the model that it's given, but not those of
    this ``model``, so for images give ``heun(clipped(model, schedule))``. Built in chapter 7."""

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
    """DPM-Solver++(2M), with one model call per step: ``ddim_step`` with a prediction of x0 that
    also uses the previous step (Lu et al. 2022, arXiv 2211.01095, Algorithm 2).

    The returned step remembers the last prediction. If a step doesn't begin where the last one
    ended, it starts over with a plain ``ddim_step``. Built in chapter 7.
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
        model: any ``eps(x, t)``, not clipped. What clipping removes can't be recovered.
        schedule: the noise levels.
        steps: falling timesteps such as ``spaced(T, 50, 2)``, visited from the last to the first.
        rounds: model calls per step. 1 predicts the noise from the state before the step (DDIM,
            arXiv 2010.02502, section 4.3). More rounds predict it again from the state just found.
            If the steps are short, this converges to the exact inverse.

    Raises:
        ValueError: the steps don't fall, or rounds is below 1.

    Built in chapter 14.
    """
    check(type(rounds) is int and rounds > 0, f"rounds is {rounds!r}; expected 1 or more")
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
    """Interpolate between the rows of a (at w = 0) and b (at w = 1), both (B, …), along an arc. A
    mixture of two noises keeps its length this way, while a straight line would shorten it
    (Shoemake 1985). Equal rows stay as they are. Built in chapter 14."""
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
    check(0 <= p <= 1 and whole, f"p is {p}, null {null}; expected a probability, and the value "
           "for no condition, of the same kind as y")  # fmt: skip


def _check_scale(w: float, x: Tensor) -> None:
    tensor = isinstance(w, Tensor) and w.ndim in (0, x.ndim)
    well = tensor or isinstance(w, (int, float))
    check(well, f"w is {w!r:.60}; expected a number, or a tensor with {x.ndim} axes as x has")
