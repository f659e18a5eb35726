"""Drawings of the process: noise forward, samples backward, and the loops around the network."""

from __future__ import annotations

from .images import digit, noise, noised, sampled
from .kit import WIDTH, Drawing, drawing


@drawing(height=252)
def chain(d: Drawing) -> None:
    """The chain from data to noise, and back.

    A handwritten digit at six timesteps, from x_0 to x_T. Each arrow to the right, q, adds a
    little noise. Each arrow to the left, p_theta, removes it and is learned.
    """
    times = (0, 100, 200, 300, 500, 1000)
    names = [f"$x_{{{t}}}$" for t in times[:-1]] + ["$x_T$"]
    centers = [44 + 86.4 * i for i in range(6)]
    d.text(WIDTH / 2, 16, "$q(x_t | x_{t−1})$ adds noise: fixed", "noise")
    for i, (name, x) in enumerate(zip(names, centers, strict=True)):
        d.tile(x - 35, 74, 70, noised(digit(0), *times)[i])
        d.text(x, 161, name, {0: "data", 5: "noise"}.get(i, ""))
        if i < 5:
            right = centers[i + 1]
            d.curve((x + 8, 68), (x + 24, 40), (right - 24, 40), (right - 8, 68), "noise")
            d.curve((right - 8, 178), (right - 24, 206), (x + 24, 206), (x + 8, 178), "model")
    d.text(WIDTH / 2, 232, "$p_θ(x_{t−1} | x_t)$ removes noise: learned", "model")


@drawing(height=276)
def bound_terms(d: Drawing) -> None:
    """The terms of the variational bound.

    A digit at x_0, x_1, x_t-1, x_t and x_T. Green arrows lead back from x_1 to x_0 and from x_t
    to x_t-1, and an orange one shows the right step if x_0 is known. Boxes below ask what each
    term measures: L_0 the mass in the right bins, L_t-1 whether the two steps are close, and L_T
    whether the end is pure noise.
    """
    places = (("0", 36, 0, "data"), ("1", 132, 30, ""), ("{t−1}", 246, 200, ""),
              ("t", 342, 300, ""), ("T", 484, 1000, "noise"))  # fmt: skip
    for name, x, t, kind in places:
        d.tile(x - 32, 70, 64, noised(digit(0), t)[0])
        d.text(x, 151, f"$x_{name}$", kind)
    d.text(189, 102, "…")
    d.text(413, 102, "…")
    d.curve((334, 64), (318, 34), (270, 34), (254, 64), "noise")
    d.text(294, 18, "$q(x_{t−1} | x_t, x_0)$: right if $x_0$ is known", "noise")
    for a, b in ((342, 246), (132, 36)):
        d.curve((a - 8, 166), (a - 24, 192), (b + 24, 192), (b + 8, 166), "model")
    d.text(84, 170, "$p_θ$", "model")
    d.text(294, 170, "$p_θ$", "model")
    d.box(2, 206, 166, 64, "$L_0$: the mass", "in the right bins", kind="data")
    d.box(178, 206, 220, 64, "$L_{t−1}$: are the two steps", "from $x_t$ close?", kind="model")
    d.box(408, 206, 110, 64, "$L_T$: is it", "pure noise?", kind="noise")


@drawing(height=344)
def forward_reverse(d: Drawing) -> None:
    """The forward and the reverse process.

    Two lanes. In the forward lane a real digit turns into noise by a fixed rule that needs no
    network. In the reverse lane a trained network turns fresh noise into a new digit.
    """
    states = sampled("digits", 4)
    forward = noised(digit(0), 0, 100, 250, 1000)
    reverse = [states[t][0] for t in (0, 300, 600, 1000)]
    _lane(d, 2, "Forward process: fixed, nothing to learn", "noise", forward)
    _lane(d, 178, "Reverse process: learned by the network", "model", reverse)
    for i in range(3):
        x = 92 + 136 * i
        d.arrow((x, 82), (x + 64, 82), kind="noise")
        d.text(x + 32, 64, "$q$", "noise")
        d.arrow((x + 64, 258), (x, 258), kind="model")
        d.text(x + 32, 240, "$p_θ$", "model")
    d.text(260, 143, "$x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε$")
    d.text(260, 319, "$x_s$ from $x_t$ and $ε_θ(x_t, t)$")


def _lane(d: Drawing, y: float, title: str, kind: str, images: list) -> None:
    d.lane(2, y, WIDTH - 4, 164, kind)
    d.text(20, y + 22, title, "bold start")
    for i, image in enumerate(images):
        d.tile(20 + 136 * i, y + 44, 72, image)
    d.text(56, y + 141, "data $x_0$" if kind == "noise" else "new $x_0$", "data")
    d.text(464, y + 141, "noise $x_T$", "noise")


@drawing(height=196)
def flow_path(d: Drawing) -> None:
    """The path of flow matching.

    A straight green line from an image x_0 at u = 0 through the mixture x_u to noise x_1 at
    u = 1. An arrow along it is the velocity x_1 - x_0. Above, the forward process of chapter 1 is
    a dashed arc between the same ends.
    """
    x0, x1 = digit(0), noise(8, 8)
    d.arc((72, 80), (448, 80), 300, "noise dash")
    d.text(260, 38, "the arc of", "noise")
    d.text(260, 58, "chapter 1", "noise")
    for x, u, image in ((6, "0", x0), (224, "u", (x0 + x1) / 2), (442, "1", x1)):
        d.tile(x, 84, 72, image)
        d.text(x + 36, 174, f"$x_{u}$", {"0": "data", "1": "noise"}.get(u, ""))
    d.arrow((78, 120), (224, 120), kind="model")
    d.arrow((296, 120), (442, 120), kind="model")
    d.text(151, 104, "$x_1 − x_0$", "model")
    d.text(369, 104, "$x_1 − x_0$", "model")
    d.text(151, 140, "velocity", "model")
    d.text(369, 140, "velocity", "model")


@drawing(height=250)
def token_chain(d: Drawing) -> None:
    """Two tokens on their way back from two masks.

    On the left, two masks. On the right, the words rain and umbrella. One path reveals rain
    first and one reveals umbrella first, so that the second word knows the first. A straight
    path reveals both in the same step, independently of each other.
    """
    start = d.box(6, 104, 104, 44, "mask  mask", kind="noise")
    above = d.box(196, 22, 128, 44, "rain  mask", kind="model")
    below = d.box(190, 184, 140, 44, "mask  umbrella", kind="model")
    end = d.box(384, 104, 130, 44, "rain  umbrella", kind="data")
    d.arrow(start.top, (58, 44), above.left, kind="model")
    d.arrow(above.right, (449, 44), end.top, kind="model")
    d.arrow(start.bottom, (58, 206), below.left, kind="model")
    d.arrow(below.right, (449, 206), end.bottom, kind="model")
    d.arrow(start.right, end.left, kind="noise")
    d.text(247, 112, "both in one step:", "noise")
    d.text(247, 146, "drawn independently", "noise")
    d.text(128, 26, "$p($rain$)$", "model")
    d.text(420, 26, "$p($umbrella$|$rain$)$", "model")
    d.text(118, 234, "$p($umbrella$)$", "model")
    d.text(420, 234, "$p($rain$|$umbrella$)$", "model")
