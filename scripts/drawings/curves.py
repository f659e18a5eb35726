"""Drawings computed from a formula: Gaussians, mean and median, what an average remembers, one
noise level in six conventions, and the Fréchet distance."""

from __future__ import annotations

from math import exp, pi, sqrt, tanh

import torch

from ddpm_lite import linear_schedule
from ddpm_lite.conventions import convert_level

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


def _bell(mean: float, sd: float, area: float, axis: float) -> list[tuple[float, float]]:
    """The points of a bell above the axis."""
    xs = range(round(mean - 3.2 * sd), round(mean + 3.2 * sd) + 1, 4)
    return [(x, round(axis - area / sd * exp(-((x - mean) ** 2) / (2 * sd**2)), 1)) for x in xs]


@drawing(height=290)
def two_means(d: Drawing) -> None:
    """One term of the bound compares two Gaussians of equal width.

    Two bells over x_{t-1}, as wide as each other. Both means begin at x_t and go left: the mean of
    the posterior by the true noise, the mean of the model by the predicted noise, each times the
    same factor. So the distance of the means is the error of the noise, times that factor.
    """
    axis, start, true, guess, sd = 168, 478, 178, 268, 50
    d.line((4, axis), (516, axis), kind="grid")
    for mean, kind, y in ((true, "data", 226), (guess, "model", 266)):
        d.line(*_bell(mean, sd, 5900, axis), kind=kind)
        d.line((mean, axis - 117), (mean, y + 6), kind=f"{kind} dash")
        d.arrow((start, y), (mean, y), kind=kind, gap=1)
    d.line((start, axis), (start, 272), kind="dash")
    d.dot(start, axis, "exact")
    d.text(start, axis - 20, "$x_t / √α_t$")
    d.text(true - 28, axis + 18, "$μ̃_t$", "data")
    d.text(guess + 28, axis + 18, "$μ_θ$", "model")
    d.text(364, 212, "true noise $ε$", "data")
    d.text(364, 252, "predicted noise $ε_θ$", "model")
    for a, b in ((true, guess), (guess, true)):
        d.arrow((a, 36), (b, 36), kind="exact", gap=1)
    d.text((true + guess) / 2, 14, "error of the noise, times a factor")
    d.text(112, 92, "posterior", "data end")
    d.text(336, 92, "model", "model start")


@drawing(height=252)
def mean_median(d: Drawing) -> None:
    """What squared and absolute error predict for a pixel that is dark or bright.

    The prediction of x_0 over x_t. The mean rises smoothly from dark to bright. The median jumps
    from dark to bright where both are equally likely, so to the left of the jump it says dark even
    if the pixel is bright in nearly one half of the cases.
    """
    place = [(x, x / 78 - 3.2) for x in range(12, 509, 4)]  # x_t, where half of x_t is noise
    mean = [(x, round(116 - 76 * tanh(sqrt(2) * xt - 0.3466), 1)) for x, xt in place]
    for y, name in ((40, "bright"), (192, "dark")):
        d.line((12, y), (508, y), kind="grid")
        d.text(506 if y > 100 else 14, y - 14, name, "muted end" if y > 100 else "muted start")
    jump = round(78 * (3.2 + 0.3466 / sqrt(2)))
    d.line((12, 193), (jump, 193), (jump, 39), (508, 39), kind="noise")
    d.line(*mean, kind="exact")
    d.arrow((12, 222), (512, 222))
    d.text(500, 240, "$x_t$")
    d.text(jump + 10, 168, "median: absolute error", "noise start")
    d.text(jump - 18, 100, "mean: squared error", "end")


@drawing(height=252)
def step_variance(d: Drawing) -> None:
    """The variance of a step has two parts.

    Five narrow blue bells side by side over x_s, one for each x_0 that is possible. Their sum is
    the true step, a wide black bell. The sampler's step, in green, is as narrow as one blue bell.
    """
    axis, middle, sd, area = 210, 260, 30, 5600
    means = [middle + 58 * z for z in (-1.28, -0.52, 0, 0.52, 1.28)]
    d.line((4, axis), (516, axis), kind="grid")
    bells = [_bell(round(mean), sd, area / 5, axis) for mean in means]
    for bell in bells:
        d.line(*bell, kind="data")
    high = [sum(exp(-((x - round(mean)) ** 2) / (2 * sd**2)) for mean in means)
            for x in range(60, 461, 4)]  # fmt: skip
    d.line(*((60 + 4 * i, round(axis - area / 5 / sd * h, 1)) for i, h in enumerate(high)),
           kind="exact")  # fmt: skip
    d.line(*_bell(middle, sd, area, axis), kind="model")
    d.text(middle + 44, 52, "sampler: one step with $β̃$", "model start")
    d.text(middle + 78, 122, "true step: all $x_0$", "start")
    d.text(middle + 92, 144, "$q(x_s | x_t)$", "start")
    d.text(152, 166, "one $x_0$ each: $β̃$", "data end")
    d.text(500, axis + 18, "$x_s$")


@drawing(height=324)
def level_rulers(d: Drawing) -> None:
    """One noise level in six conventions.

    Six rulers, one above another, from data on the left to noise on the right: alpha-bar, the
    noise, lambda, the sigma of EDM, the time of flow matching and the angle. A dashed line marks
    the level with alpha-bar 0.2, at which the noise is 0.894, lambda is -0.693, sigma is 2, the
    time is 0.667 and the angle is 1.107.
    """
    d.text(100, 16, "data", "data start")
    d.text(506, 16, "noise", "noise end")
    d.line((_place("alpha_bar", 0.2), 36), (_place("alpha_bar", 0.2), 320), kind="model dash")
    for k, (name, label, ticks) in enumerate((
        ("alpha_bar", "$ᾱ$", (0.99, 0.8, 0.5, 0.01)),
        ("noise", "$√(1 − ᾱ)$", (0.1, 0.4, 0.7, 0.99)),
        ("lambda", "$λ$", (2, 1, 0, -3)),
        ("edm", "EDM $σ$", (0.1, 0.5, 1, 10)),
        ("flow", "flow $u$", (0.1, 0.3, 0.5, 0.9)),
        ("angle", "angle $φ$", (0, 0.4, 0.8, 1.5)),
    )):  # fmt: skip
        y = 44 + 48 * k
        d.text(4, y, label, "start")
        d.line((100, y), (506, y), kind="grid")
        for value in ticks:
            x = _place(name, value)
            d.line((x, y - 5), (x, y + 5))
            d.text(x, y + 18, f"{value:g}".replace("-", "−"))
        here = convert_level(torch.tensor(0.2, dtype=torch.double), "alpha_bar", name).item()
        d.dot(_place(name, here), y, "model")
        label = f"{here:.3f}".rstrip("0").rstrip(".").replace("-", "−")
        d.text(_place(name, here) + 6, y + 18, label, "model bold start")


def _place(name: str, value: float) -> float:
    """Where a level is on its ruler: evenly spaced in the angle."""
    angle = convert_level(torch.tensor(value, dtype=torch.double), name, "angle").item()
    return round(100 + 406 * angle / (pi / 2), 1)


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
