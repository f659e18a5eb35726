"""Drawings computed from a formula: the posterior as a product."""

from __future__ import annotations

from math import exp, sqrt

from ddpm_lite import linear_schedule

from .kit import Drawing, drawing


@drawing(height=366)
def posterior(d: Drawing) -> None:
    """The posterior as a product of two Gaussians.

    Two panels of bell curves over x_s. The posterior is narrower than both factors and lies
    between them, nearer to the narrower one. Far from the data that is the forward factor around
    x_t, and close to the data it is the jump from the known image x_0.
    """
    _product(d, 0, "From 430 to 400: far from the data", 430, 400, xt=1.8)
    _product(d, 186, "From 40 to 20: close to the data", 40, 20, xt=1.04)


def _product(d: Drawing, top: float, title: str, t: int, s: int, xt: float, x0: float = 0.8):
    """(2.5), with each bell as high as its density on a scale of its own panel."""
    end, start = (float(linear_schedule().alpha_bar[i]) for i in (t, s))
    alpha = end / start
    jump, forward = (sqrt(start) * x0, 1 - start), (xt / sqrt(alpha), (1 - alpha) / alpha)
    variance = 1 / (1 / jump[1] + 1 / forward[1])
    product = variance * (jump[0] / jump[1] + forward[0] / forward[1]), variance
    unit = 178 / (forward[0] - jump[0])  # of x_s, in units of the drawing
    axis, peak = top + 148, 96 * sqrt(variance)
    d.text(4, top + 14, title, "bold start")
    d.line((4, axis), (516, axis), kind="grid")
    for (mean, v), kind, name in (
        (jump, "data", "$√ᾱ_s x_0$"), (forward, "noise", "$x_t / √α$"), (product, "exact", "$μ̃$")
    ):  # fmt: skip
        at, high = 165 + unit * (mean - jump[0]), peak / sqrt(v)
        d.line((at, axis), (at, round(axis - high, 1)), kind=f"{kind} dash")
        xs = [x for x in range(4, 518, 4) if abs(x - at) < 3.4 * unit * sqrt(v)]
        d.line(*((x, round(axis - high * exp(-((x - at) ** 2) / (2 * v * unit**2)), 1))
                 for x in xs), kind=kind)  # fmt: skip
        d.text(round(at, 1), axis + 18, name, kind.replace("exact", ""))
    d.text(508, axis + 18, "$x_s$")
    near = forward[1] < jump[1]
    d.text(*((72, axis - 58) if near else (80, axis - 82)), "$q(x_s | x_0)$", "data")
    d.text(*((432, axis - 82) if near else (440, axis - 58)), "$q(x_t | x_s)$", "noise")
    d.text(*((206, axis - 94) if near else (312, axis - 94)), "$q(x_s | x_t, x_0)$")
