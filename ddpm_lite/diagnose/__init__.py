"""Find out whether bad samples come from a bug or from too little training.

Bad samples don't tell you which piece of your code is wrong. To test the loss or the sampler alone,
``diagnose`` replaces the network by a stand-in for which the right result is known: one that
predicts 0, or one that knows x0. At the end, it runs your sampler with your network. ``case.py``
has what is examined, and ``network.py`` and ``process.py`` have the checks with their advice.
Chapter 10 explains them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..diffusion import TARGETS
from .case import LEARNED, Case, Net, linear_error, told
from .network import GROUND, NETWORK
from .process import PROCESS

__all__ = ["Finding", "Report", "diagnose", "linear_error", "told"]


@dataclass(frozen=True)
class Finding:
    """The result of one check: what it measured, what it expected, and what to do if the two
    disagree."""

    name: str
    well: bool
    measured: str
    expected: str
    to_do: str

    def __str__(self) -> str:
        mark = "ok   " if self.well else "FAULT"
        text = f"{mark} {self.name}: {self.measured}; expected {self.expected}"
        return text if self.well else f"{text}\n      to do: {self.to_do}"


@dataclass(frozen=True)
class Report:
    """All findings, in the order in which the data pass through the code. ``ratio`` is the error of
    the network, divided by that of the best straight line, at the noise level where it's smallest.
    NaN means that it wasn't measured."""

    findings: list[Finding]
    ratio: float = math.nan

    @property
    def faults(self) -> list[Finding]:
        """The findings that more training can't fix. Repair the first one, then run ``diagnose``
        again."""
        return [finding for finding in self.findings if not finding.well]

    @property
    def verdict(self) -> str:
        """ "a bug", "not trained yet" or "healthy"."""
        healthy = "healthy" if self.ratio < LEARNED else "not trained yet"
        return "a bug" if self.faults else healthy

    def __str__(self) -> str:
        error = f"is {self.ratio:.2f} times that of the best straight line"
        error = "wasn't measured" if math.isnan(self.ratio) else error
        first = f"{self.verdict}: the network's error {error}"
        return "\n".join([first, *map(str, self.findings)])


def diagnose(
    net: Net, schedule: Any, batch: Any, target: str = "eps", ema: Any = None,
    loss_fn: Callable[..., Any] | None = None, sampler: Callable[..., Tensor] | None = None,
    seed: int = 0,
) -> Report:  # fmt: skip
    """Examine your network, schedule, data, loss and sampler, and report faults. ``print`` the
    report.

    Args:
        net: the network itself, trained or not, called as ``net(x, t)`` or ``net(x, t, y)`` with t
            = 1 … T. A function works too, such as ``lambda x, t: net(x, t - 1)`` for a network that
            counts from 0, but only a module can also be examined in training mode.
        schedule: an object with ``.T`` and ``.alpha_bar`` (T + 1 rows, row 0 clean).
            ``Schedule(beta)`` makes one from a table of betas.
        batch: at least 32 rows of images (B, C, H, W), signals (B, C, L) or vectors (B, D), scaled
            as the network gets them, or (x, y) with labels or other conditions. A dict or NumPy
            arrays work too, and so does a ``DataLoader``, whose first batch is used.
        target: what the network is supposed to predict: "eps", "x0" or "v".
        ema: the averaged network, or an ``EMA``.
        loss_fn: your loss of one batch, ``loss_fn(net, x, y)``, without weights and augmentation.
            It's called with stand-ins for the network. A loss with its own network,
            ``loss_fn(x, y)``, works if ``net`` is that module.
        sampler: your sampling loop, ``sampler(model, schedule, xT)``, which returns x0 in the shape
            of xT. The model is an ``eps(x, t)``, or predicts the target itself if the loop expects
            that.
        seed: seed of the noise that the checks draw.

    Raises:
        TypeError, ValueError: a piece can't be used or called. The message says what to give.

    Pieces that you don't pass aren't examined. Weights, gradients, training modes and the random
    state stay as they are. Explained in chapter 10.
    """
    if target not in TARGETS:
        raise ValueError(f"target is {target!r}; expected one of {', '.join(TARGETS)}")
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(seed)
        case = Case(net, schedule, batch, target, ema, loss_fn, sampler)
        findings = [Finding(*seen) for check in GROUND for seen in check(case)]
        if all(finding.well for finding in findings):  # else checks would repeat it
            case.look()
            findings += [Finding(*seen) for check in NETWORK + PROCESS for seen in check(case)]
        return Report(findings, case.ratio)
