"""Wrap a network into the model that a sampler needs: other targets, clipping, guidance (torch).

Each function takes one ``net`` and gives another with the same arguments, so that they nest:
``clipped(guided(from_v(net, schedule), y, w=1), schedule)``. A ``schedule`` is used only through
``schedule.at(t, x)``, which is alpha_bar_t.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Net = Callable[..., Tensor]


def from_x0(net: Net, schedule) -> Net:
    """From a network that guesses x0 (trained with ``x0_target``) to one that guesses eps.
    Built in chapter 3."""

    def eps(x: Tensor, t: Tensor, *args, **kwargs) -> Tensor:
        alpha_bar = schedule.at(t, x)
        return (x - alpha_bar.sqrt() * net(x, t, *args, **kwargs)) / (1 - alpha_bar).sqrt()

    return eps


def from_v(net: Net, schedule) -> Net:
    """From a network that guesses v (trained with ``v_target``) to one that guesses eps
    (Salimans and Ho 2022, arXiv 2202.00512, appendix D). Built in chapter 3."""

    def eps(x: Tensor, t: Tensor, *args, **kwargs) -> Tensor:
        alpha_bar = schedule.at(t, x)
        return alpha_bar.sqrt() * net(x, t, *args, **kwargs) + (1 - alpha_bar).sqrt() * x

    return eps


def clipped(model: Net, schedule, low: float = -1.0, high: float = 1.0) -> Net:
    """The model whose guess of x0 never leaves [low, high], the range of the data: the eps that
    belongs to the clipped x0. Built in chapter 6."""

    def eps(x: Tensor, t: Tensor, *args, **kwargs) -> Tensor:
        alpha_bar = schedule.at(t, x)
        guess = model(x, t, *args, **kwargs)
        x0 = (x - (1 - alpha_bar).sqrt() * guess) / alpha_bar.sqrt()
        return (x - alpha_bar.sqrt() * x0.clamp(low, high)) / (1 - alpha_bar).sqrt()

    return eps


def guided(net: Net, y: Tensor, w: float, null: Tensor | None = None) -> Net:
    """Classifier-free guidance (Ho and Salimans 2022, arXiv 2207.12598, Eq. 6).

    Args:
        net: ``net(x, t, y)``, trained with some labels dropped (``drop_labels``).
        y: (B,) the labels to draw.
        w: strength as in the paper: 0 is the plain conditional model; libraries that call 1 "off"
            use w + 1.
        null: (B,) the label that means "no label"; None, as the networks here take it.

    Built in chapter 8.
    """

    def eps(x: Tensor, t: Tensor) -> Tensor:
        return (1 + w) * net(x, t, y) - w * net(x, t, null)

    return eps


def classifier_guided(
    model: Net, schedule, log_p: Callable[[Tensor, Tensor], Tensor], scale: float
) -> Net:
    """Guidance by the gradient of any log-probability: eps minus scale sqrt(1 - alpha_bar)
    grad log p(y | x_t) (Dhariwal and Nichol 2021, arXiv 2105.05233, Algorithm 2).

    Args:
        model: any ``eps(x, t)``, such as one without labels.
        schedule: where the noise levels are.
        log_p: ``log_p(x, t)``, (B,): how probable what is wanted is, seen in noisy x (B, …).
        scale: 1 is Bayes' rule, more is sharper; our w + 1.

    Built in chapter 8.
    """

    def eps(x: Tensor, t: Tensor, *args, **kwargs) -> Tensor:
        with torch.enable_grad():  # a sampler switches gradients off
            leaf = x.detach().requires_grad_()
            grad = torch.autograd.grad(log_p(leaf, t).sum(), leaf)[0]
        return model(x, t, *args, **kwargs) - scale * (1 - schedule.at(t, x)).sqrt() * grad

    return eps


def drop_labels(y: Tensor, p: float, null: int) -> Tensor:
    """Labels (B,), each replaced by ``null`` with probability p. Built in chapter 8."""
    return torch.where(torch.rand(y.shape, device=y.device) < p, null, y)
