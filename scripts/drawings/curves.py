"""Drawings computed from a formula: the posterior as a product, what an average remembers, and the
Fréchet distance."""

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


@drawing(height=330)
def ema_shares(d: Drawing) -> None:
    """What an average of 500 steps consists of.

    Three rows of bars, one bar for the random start and one for every 25 steps. With the decay
    0.99 the bars grow towards the last steps. With 0.999 from the start, the random start has 61
    per cent and all other bars are low. With 0.999 and a decay that starts low, the random start
    has nothing and the last bars are the highest.
    """
    warm = [min(0.999, (1 + n) / (10 + n)) for n in range(500)]
    for i, (title, decays) in enumerate((
        ("$d = 0.99$", [0.99] * 500), ("$d = 0.999$ from the start", [0.999] * 500),
        ("$d = 0.999$, starting low", warm),
    )):  # fmt: skip
        _bars(d, 100 * i + 88, title, decays)
    d.text(48, 310, "start", "noise")
    for step in (0, 100, 200, 300, 400, 500):
        d.text(92 + 0.8 * step, 310, f"{step}")


def _bars(d: Drawing, axis: float, title: str, decays: list[float]) -> None:
    """The shares of the start and of every 25 steps, as in (5.2)."""
    shares, left = [], 1.0
    for decay in reversed(decays):
        shares.insert(0, (1 - decay) * left)
        left *= decay
    d.text(96, axis - 70, title, "start")
    d.line((24, axis), (500, axis), kind="grid")
    bars = [(28, 40, left, "noise")]
    bars += [(93 + 20 * k, 18, sum(shares[25 * k : 25 * k + 25]), "model") for k in range(20)]
    for x, w, share, kind in bars:
        if (high := round(110 * share, 1)) >= 0.5:
            d.rect(x, round(axis - high, 1), w, high, kind)
    d.text(48, axis - round(110 * left) - 12, f"{100 * left:.0f} %", "noise")
    d.text(482, axis - round(110 * bars[-1][2]) - 12, f"{100 * bars[-1][2]:.0f} %", "model")


@drawing(height=226)
def moments_plane(d: Drawing) -> None:
    """The Fréchet distance of two Gaussians in one dimension.

    Left: two bell curves over a line, one narrow, and one further right and wider. Right: each is a
    point with its mean as the one coordinate and its standard deviation as the other. The Fréchet
    distance is the straight distance between the two points.
    """
    for name, mean, sd, kind in (("1", 68, 22, "data"), ("2", 168, 40, "model")):
        high = 2600 / sd  # of the bell
        d.line(*((x, round(172 - high * exp(-(((x - mean) / sd) ** 2) / 2), 1))
                 for x in range(8, 249, 4)), kind=kind)  # fmt: skip
        d.line((mean, 172), (mean, 180))
        d.text(mean, 196, f"$m_{name}$", kind)
        y = round(172 - high * exp(-1 / 2), 1)
        d.line((mean, y), (mean + sd, y), kind="exact")
        d.text(mean + sd / 2, y + 15, f"$s_{name}$", kind)
    d.arrow((2, 172), (252, 172), gap=0)
    d.text(6, 14, "two clouds", "bold start")
    d.text(296, 14, "two points", "bold start")
    d.arrow((300, 196), (300, 34), gap=0)
    d.arrow((300, 196), (512, 196), gap=0)
    d.text(486, 213, "mean")
    d.text(310, 40, "standard deviation", "start")
    one, two = (336, 164), (436, 86)
    d.line(one, (two[0], one[1]), two, kind="grid dash")
    d.line(one, two, kind="exact")
    d.dot(*one, kind="data")
    d.dot(*two, kind="model")
    d.text(386, 180, "$m_2 − m_1$", "muted")
    d.text(443, 128, "$s_2 − s_1$", "muted start")
    d.text(376, 108, "$d$", "bold")
