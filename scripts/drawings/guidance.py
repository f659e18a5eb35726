"""Drawings for guidance: labels that are dropped, a sharpened density, an interval of timesteps,
and the order of guiding and clipping."""

from __future__ import annotations

from math import exp, hypot, pi, sqrt

from .images import digit, with_and_without
from .kit import Drawing, drawing


@drawing(height=222)
def dropped_labels(d: Drawing) -> None:
    """The labels of ten digits in three epochs.

    A row of the ten digits. Below, their labels in three epochs. In each epoch the null label
    replaces a few of them, about one in ten, and each time it meets other digits.
    """
    for i in range(10):
        d.tile(100 + 42 * i, 8, 36, digit(i))
    for k, dropped in enumerate(((4,), (1, 7), (8,))):
        y = 62 + 42 * k
        d.text(6, y + 16, f"epoch {k + 1}", "start")
        for i in range(10):
            null = i in dropped
            d.box(102 + 42 * i, y, 32, 32, "$∅$" if null else f"{i}",
                  kind="noise" if null else "data")  # fmt: skip
    d.text(102, 206, "label: teaches $ε_y$", "data start")
    d.text(514, 206, "no label: teaches $ε_∅$", "noise end")


@drawing(height=258)
def sharpened_density(d: Drawing) -> None:
    """The sharpened density as a product.

    Three curves over the height in the plane. A blue bell is the density of the top class. An
    orange curve that rises from 0 to 1 in the middle of the bell is the probability of the
    label, to the power 8. Their product, rescaled, is a black bell. It is narrower than the blue
    one, and a little farther up.
    """
    axis, c = 208, 0.35
    heights = [-0.6 + 0.025 * i for i in range(105)]  # of points on the line through the top mean
    p = [exp(-(((h - 0.6) / c) ** 2) / 2) / (c * sqrt(2 * pi)) for h in heights]
    other = [exp(-((hypot(0.5, h + 0.3) / c) ** 2) / 2) / (c * sqrt(2 * pi)) for h in heights]
    label = [(a / (a + 2 * b)) ** 8 for a, b in zip(p, other, strict=True)]
    product = [a * b for a, b in zip(p, label, strict=True)]
    product = [a / (0.025 * sum(product)) for a in product]

    def curve(values: list[float], scale: float, kind: str) -> None:
        places = zip(heights, values, strict=True)
        d.line(*((round(x(h), 1), round(axis - scale * v, 1)) for h, v in places), kind=kind)

    def x(height: float) -> float:
        return 20 + 184 * (height + 0.6)

    for h in (0, 1):
        d.text(x(h), axis + 18, f"{h}")
        d.line((x(h), axis - 4), (x(h), axis + 4))
    d.line((12, axis), (512, axis))
    d.text(x(0.5), axis + 36, "height in the plane", "muted")
    curve(p, 110, "data")
    curve(label, 110, "noise")
    curve(product, 110, "exact")
    d.text(x(0.16), axis - 76, "class: $p(x_0 | y)$", "data end")
    d.text(x(1.36), axis - 128, "label: $p(y | x_0)^8$", "noise start")
    d.text(x(0.98), 36, "product: $p_8(x_0 | y)$", "start")


@drawing(height=282)
def guided_steps(d: Drawing) -> None:
    """What the label changes in each of ten steps, and three intervals that can be guided.

    Ten columns from t = 1000 to t = 100. Each shows two predicted images from the same noisy
    image: one without a label and one with the label 7. They differ at large t, and look alike at
    small t. Below, dots mark the calls of the network: one for each step, and a second where it
    is guided. Guiding all steps takes 20 calls, the first four 14, the next three 13 and the last
    three 13.
    """
    pairs = with_and_without(7)
    place = {t: 118 + 37 * i for i, t in enumerate(pairs)}
    d.text(6, 14, "$t$", "start")
    for t, (without, label) in pairs.items():
        if t % 300 == 100:
            d.text(place[t] + 16, 14, f"{t}")
        d.tile(place[t], 32, 32, without, 6)
        d.tile(place[t], 72, 32, label, 6)
    d.text(6, 48, "no label", "start")
    d.text(6, 88, "label 7", "data start")
    d.text(514, 128, "calls", "muted end")
    d.text(6, 128, "guided steps", "muted start")
    for k, (name, low, high) in enumerate((
        ("all", 0, 1000), ("first four", 600, 1000),
        ("middle three", 300, 600), ("last three", 0, 300),
    )):  # fmt: skip
        y, guided = 152 + 34 * k, [t for t in pairs if low < t <= high]
        d.text(6, y, name, "start")
        d.lane(place[guided[0]] - 1, y - 15, 37 * len(guided) - 3, 30, "model")
        for t in pairs:
            if t in guided:
                d.dot(place[t] + 16, y - 6, "exact", 4)
            d.dot(place[t] + 16, y + (6 if t in guided else 0), "data", 4)
        d.text(514, y, f"{len(pairs) + len(guided)}", "end")


@drawing(height=272)
def clip_order(d: Drawing) -> None:
    """One pixel, guided with w = 2 in three ways.

    Three rows with the values of one pixel, and the range from -1 to 1 behind them. Without a
    label the prediction is 0.6, with it 1.2. Right: guidance leads to 2.4, and clipping back to
    1. Clipped first: the two predictions are 0.6 and 1, and guidance leads to 1.8, outside the
    range. Swapped: guidance goes the other way, to -0.6.
    """
    d.lane(x := 130, 8, 200, 240, "data")
    one = x + 200
    for value in (-1, 0, 1, 2):
        d.text(x + 100 * (value + 1), 258, f"{value}".replace("-", "−"), "muted")
    for k, (lines, none, label, result) in enumerate((
        (("right:", "guide, clip"), 0.6, 1.2, 2.4),
        (("wrong:", "clip, guide"), 0.6, 1.0, 1.8),
        (("wrong:", "swapped"), 0.6, 1.2, -0.6),
    )):  # fmt: skip
        y = 62 + 76 * k
        a, b, c = (x + 100 * (value + 1) for value in (none, label, result))
        for i, line in enumerate(lines):
            d.text(4, y - 10 + 20 * i, line, "start")
        d.arrow((min(a, b) if c > b else max(a, b), y), (c, y), kind="model", gap=6)
        for place, kind, name in ((a, "exact", "$x̂_∅$"), (b, "data", "$x̂_y$")):
            d.dot(place, y, kind)
            d.text(place, y + 20, name, kind.replace("exact", ""))
        d.dot(c, y, "model")
    d.curve((x + 340, 54), (x + 310, 26), (one + 50, 26), (one + 3, 56), kind="exact")
    d.text(one + 78, 16, "clip")
