"""Is it a bug, or not trained yet? Checks each piece of a diffusion model, then the whole.

Grey samples don't tell you which piece is broken. You can test a piece alone if stand-ins with a
known right answer replace the others: a network that predicts 0, and one that knows x0. At the end,
the real network goes through the real sampler. ``case.py`` holds what is examined, ``network.py``
and ``process.py`` the checks, each with its advice. Chapter 10 takes them apart.
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
    """What one check saw, what it expected, and what to do if that isn't met."""

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
    """All findings, in the order in which data flow, and ``ratio``: the error of the network over
    that of the best straight line, at the level where it is best (NaN: not measured)."""

    findings: list[Finding]
    ratio: float = math.nan

    @property
    def faults(self) -> list[Finding]:
        """What training can't fix. Repair the first one, then run ``diagnose`` again."""
        return [finding for finding in self.findings if not finding.well]

    @property
    def verdict(self) -> str:
        """ "a bug", "not trained yet" or "healthy"."""
        healthy = "healthy" if self.ratio < LEARNED else "not trained yet"
        return "a bug" if self.faults else healthy

    def __str__(self) -> str:
        error = f"the network's error is {self.ratio:.2f} times that of the best straight line"
        lines = [f"{self.verdict}: {error}"]
        return "\n".join([*lines, *map(str, self.findings)])


def diagnose(
    net: Net, schedule: Any, batch: Any, target: str = "eps", ema: Any = None,
    loss_fn: Callable[..., Any] | None = None, sampler: Callable[..., Tensor] | None = None,
    seed: int = 0,
) -> Report:  # fmt: skip
    """Look for the fault in a set-up whose samples are bad; ``print`` the report.

    Args:
        net: the raw network, ``net(x, t)`` or ``net(x, t, y)`` with t = 1 … T, trained or not. A
            function works, such as ``lambda x, t: net(x, t - 1)`` for a network that counts from
            0; only a module can be examined in training mode, too.
        schedule: with ``.T`` and ``.alpha_bar`` (T + 1 rows, row 0 clean). ``Schedule(beta)``
            makes one from a table of betas.
        batch: images (B, C, H, W), signals (B, C, L) or vectors (B, D) as the network sees them, at
            least 32 rows; or (x, y) with their labels or other conditions. Also as a dict, as NumPy
            arrays, or as a ``DataLoader``, whose first batch is used.
        target: what you believe the network predicts: "eps", "x0" or "v".
        ema: the averaged network, or an ``EMA``.
        loss_fn: your loss of one batch, ``loss_fn(net, x, y)``, without weights and augmentation;
            it is called with stand-ins for the network. A loss that owns its network,
            ``loss_fn(x, y)``, works if ``net`` is that module.
        sampler: your loop, ``sampler(model, schedule, xT)``, which returns x0 in the shape of xT.
            The model is an ``eps(x, t)``, or predicts the target itself if the loop expects that.
        seed: of the noise that the checks draw.

    Raises:
        TypeError, ValueError: a piece can't be used or called; the sentence says what to give.

    Pieces that you don't pass aren't examined. Nothing is changed: the weights, their gradients,
    the training modes and the random state stay as they are. Taken apart in chapter 10.
    """
    if target not in TARGETS:
        raise ValueError(f"target is {target!r}; expected one of {', '.join(TARGETS)}")
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(seed)
        case = Case(net, schedule, batch, target, ema, loss_fn, sampler)
        findings = [Finding(*seen) for check in GROUND for seen in check(case)]
        if all(finding.well for finding in findings):  # else what follows would only repeat it
            case.look()
            findings += [Finding(*seen) for check in NETWORK + PROCESS for seen in check(case)]
        return Report(findings, case.ratio)
