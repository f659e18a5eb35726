"""Drawings of editing: replacement, RePaint, and a measurement."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from .images import digit, pasted, sampled
from .kit import Drawing, drawing


@drawing(height=262)
def replacement(d: Drawing) -> None:
    """One step of replacement.

    The known upper half of an image is noised to the level s. The sampler takes a step from x_t
    to the same level, and its lower half is kept. Both halves together are x_s, from which the
    next step starts.
    """
    x0, (xt, kept, rest, xs) = digit(3), pasted(3, 400)
    known = torch.where(torch.arange(8)[:, None] < 4, x0, 0.0)
    for x, y, image in ((24, 34, known), (24, 156, xt), (228, 34, kept), (228, 156, rest),
                        (420, 95, xs)):  # fmt: skip
        d.tile(x, y, 72, image)
    d.text(60, 24, "known", "data")
    d.text(264, 24, "noised to $s$", "data")
    d.text(60, 146, "$x_t$", "noise")
    d.text(264, 146, "the rest at $s$", "model")
    d.text(456, 85, "$x_s$", "noise")
    d.text(162, 57, "`q_sample`")
    d.text(162, 182, "step")
    for start, end, kind in (
        ((96, 70), (228, 70), "data"), ((96, 192), (228, 192), "model"),
        ((300, 70), (420, 118), "data"), ((300, 192), (420, 144), "model"),
    ):  # fmt: skip
        d.arrow(start, end, kind=kind)
    d.arrow((456, 167), (456, 252), (60, 252), (60, 228), kind="noise")
    d.text(264, 241, "the next step starts here, with $t = s$")


@drawing(height=206)
def repaint_rounds(d: Drawing) -> None:
    """RePaint with three rounds.

    A line of levels that falls from left to right in saws. Three times, a green step leads from
    one level to the next. After the first two, an orange arrow of fresh noise leads back up. After
    the third, the line stays at the lower level, where the next three rounds begin.
    """
    for k, name in enumerate(("t", "s", "0")):
        y = (30, 100, 170)[k]
        d.line((40, y), (516, y), kind="grid dash" if k < 2 else "grid")
        d.text(18, y, f"${name}$")
    x = 60
    for top in (30, 100):
        for k in range(3):
            d.arrow((x, top), (x + 40, top + 70), kind="model", gap=1)
            x += 40
            if k < 2:
                d.arrow((x, top + 70), (x + 40, top), kind="noise", gap=1)
                x += 40
    d.text(356, 54, "step", "model start")
    d.text(404, 54, "noise", "noise start")
    d.text(278, 195, "calls of the model, from left to right", "muted")


@drawing(height=236)
def measurement(d: Drawing) -> None:
    """Guidance by a measurement.

    A noisy image x_t goes through the network to the predicted image x_0, and through the matrix A
    to the small image that it would give. A residual compares it with the measurement y. A dashed
    arrow, the gradient, goes back from the residual to x_t.
    """
    states = sampled("digits", 4)
    seen, y = (F.avg_pool2d(x[None, None], 2)[0, 0] for x in (states[500][2], states[0][0]))
    d.tile(6, 70, 64, states[500][0])
    net = d.box(92, 80, 76, 44, "network", kind="model")
    d.tile(192, 70, 64, states[500][2])
    matrix = d.box(280, 80, 36, 44, "$A$")
    d.tile(344, 78, 48, seen)
    res = d.box(424, 80, 90, 44, "residual", kind="noise")
    d.tile(445, 150, 48, y)
    d.text(38, 150, "$x_t$", "noise")
    d.text(224, 150, "$x̂_0$", "model")
    d.text(368, 142, "$A x̂_0$", "model")
    d.text(469, 218, "measured $y$", "data")
    for start, end, kind in (
        ((70, 102), net.left, "noise"), (net.right, (192, 102), "model"),
        ((256, 102), matrix.left, "model"), (matrix.right, (344, 102), "model"),
        ((392, 102), res.left, "model"), ((469, 150), res.bottom, "data"),
    ):  # fmt: skip
        d.arrow(start, end, kind=kind)
    d.arrow(res.top, (469, 30), (38, 30), (38, 70), kind="noise dash")
    d.text(254, 14, "gradient, through $A$ and the network", "noise")
