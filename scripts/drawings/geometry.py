"""Drawings of vectors: the score, noise, DDIM's circle, Heun's method, guidance; the map of the
book."""

from __future__ import annotations

from math import asin, cos, dist, exp, radians, sin, sqrt

from .kit import Drawing, Point, drawing


@drawing(height=250)
def best_prediction(d: Drawing) -> None:
    """The best prediction, the score and the noise.

    Five blue points, the images of a data set, and one noisy point x_t. The dot of an image is as
    large as its probability given x_t: large near x_t, small far away. The mean of the images with
    these weights is the best prediction. An arrow from x_t to it is the score, and an arrow back
    is the best prediction of the noise.
    """
    xt, images = (440, 226), [(340, 66), (206, 52), (84, 92), (224, 190), (72, 196)]
    weights = [exp(-(dist(xt, image) ** 2) / 40_000) for image in images]
    mean = tuple(sum(w * image[i] for w, image in zip(weights, images, strict=True)) / sum(weights)
                 for i in (0, 1))  # fmt: skip
    for w, (x, y) in zip(weights, images, strict=True):
        d.dot(x, y, "data", r=round(26 * sqrt(w / sum(weights)), 1))
    x, y = (round(part, 1) for part in mean)
    d.arrow((xt[0] - 4, xt[1] - 8), (x - 4, y - 8), kind="exact", gap=6)
    d.arrow((x + 4, y + 8), (xt[0] + 4, xt[1] + 8), kind="noise", gap=6)
    d.dot(x, y, "exact")
    d.dot(*xt, "exact")
    d.text(xt[0] + 14, xt[1] - 12, "$x_t$", "start")
    d.text(362, 154, "$(1 − ᾱ_t) ∇$log $q(x_t)$", "start")
    d.text(344, 218, "$√(1 − ᾱ_t) E[ε | x_t]$", "noise end")
    d.text(182, 18, "the images, $√ᾱ_t x_0$", "data")
    d.text(x - 12, y + 2, "$√ᾱ_t E[x_0 | x_t]$", "end")


@drawing(height=290)
def noise_budget(d: Drawing) -> None:
    """The noise in x_s, old and fresh.

    A quarter of a circle whose radius is the standard deviation of the noise that x_s must have.
    The horizontal coordinate is the share b of old noise, the vertical one the share sigma of fresh
    noise. Any point of the circle has the right variance. DDIM, eta 0, is on the horizontal axis,
    and DDPM, eta 1, is further up, with more fresh noise and less of the old.
    """
    x, y, r = 96, 254, 210
    d.arrow((x, y), (x + 256, y), gap=0)
    d.arrow((x, y), (x, 18), gap=0)
    d.text(x + 236, y + 20, "$b$: old noise $ε$", "noise start")
    d.text(x + 12, 18, "$σ$: fresh noise $z$", "noise start")
    d.arc((x, y - r), (x + r, y), r)
    one = (x + r * cos(radians(52)), y - r * sin(radians(52)))
    d.line((x, y), one, kind="exact")
    d.line(one, (one[0], y), kind="grid dash")
    d.line(one, (x, one[1]), kind="grid dash")
    half = asin(sin(radians(52)) / 2)  # half as much fresh noise
    points = ((x + r, y), (x + r * cos(half), y - r * sin(half)), one)
    for (px, py), name in zip(points, ("0: DDIM", "½", "1: DDPM"), strict=True):
        d.dot(round(px, 1), round(py, 1), kind="model")
        d.text(round(px) + 14, round(py) - 16, f"$η$ = {name}", "model start")
    d.text(360, 40, "$b^2 + σ^2 = 1 − ᾱ_s$", "start")
    d.text(one[0], y + 18, "$b$")
    d.text(x - 16, one[1], "$σ$")


@drawing(height=284)
def ddim_circle(d: Drawing) -> None:
    """A DDIM step as a rotation.

    In the plane of the predicted x_0 and the predicted noise, x_t is a point on the unit circle at
    the angle phi_t, and a DDIM step turns it along the circle to the smaller angle phi_s.
    """
    t, s = _on_circle(62), _on_circle(26)
    for name, point in (("t", t), ("s", s)):
        d.line(_on_circle(0, 0), point, kind="grid")
        d.line(point, (point[0], 244), kind="grid dash")
        d.text(point[0], 266, f"$√ᾱ_{name}$", "data")
    d.arc(_on_circle(90), _on_circle(0), 190, "grid")
    d.arrow(_on_circle(0, 0), _on_circle(0, 222), kind="data", gap=0)
    d.arrow(_on_circle(0, 0), _on_circle(90, 222), kind="noise", gap=0)
    d.text(376, 244, "$x̂_0$", "data")
    d.text(162, 28, "$ε̂$", "noise")
    d.arc(_on_circle(62, 46), _on_circle(0, 46), 46)
    d.text(190, 200, "$φ_t$")
    d.arc(t, _on_circle(30), 190, "model")
    d.head(_on_circle(27.5), _on_circle(32, 191), "model")
    d.text(318, 92, "rotate by $φ_t − φ_s$", "model start")
    d.arrow(t, (t[0] - 62 * sin(radians(62)), t[1] - 62 * cos(radians(62))), kind="exact")
    d.text(t[0] - 30, t[1] - 34, "$v$")
    for name, (x, y) in (("t", t), ("s", s)):
        d.dot(x, y, "exact")
        d.text(x + 18, y - 12, f"$x_{name}$")


def _on_circle(degrees: float, r: float = 190) -> Point:
    return 140 + r * cos(radians(degrees)), 244 - r * sin(radians(degrees))


@drawing(height=276)
def heun_step(d: Drawing) -> None:
    """A step of Heun's method.

    It follows the velocity at x_t to a look-ahead point, takes the velocity there, and goes from
    x_t with the mean of both. That ends close to the true path, which curves downwards.
    """
    start, ahead, end = (64, 44), (356, 72), (356, 218)
    d.curve(start, (160, 53.5), (276, 118), (372, 246), "exact")
    d.arrow(start, ahead, kind="model dash", gap=0)
    d.arrow(ahead, (404, 152), kind="model", gap=0)
    d.arrow(start, end, kind="model")
    for x, y in (start, ahead, end):
        d.dot(x, y, "exact")
    d.text(44, 38, "$x_t$")
    d.text(372, 54, "$x̃_s$")
    d.text(332, 226, "$x_s$")
    d.text(214, 36, "1st velocity: looks ahead", "model")
    d.text(398, 104, "2nd velocity", "model start")
    d.text(180, 172, "mean of both", "model end")
    d.text(384, 252, "true path", "start")


@drawing(height=254)
def multistep(d: Drawing) -> None:
    """What DDIM and 2M take for the prediction during a step.

    Both panels show the predicted x_0 as a curve that rises with lambda, half the log SNR. Left:
    DDIM holds its value at the start of the step, which is too low all the way. Right: 2M draws a
    line through the last two predictions and holds its value in the middle of the step, which is
    too high at first and then too low, so the errors nearly cancel.
    """
    last, t, s = 26, 98, 202
    rise = (s - t) / (t - last) * (_x0_hat(t) - _x0_hat(last))  # of the line, over the step
    _hold(d, 6, t, s, _x0_hat(t), "DDIM: hold the start")
    _hold(d, 276, t, s, _x0_hat(t) + rise / 2, "2M: hold the middle")
    d.line((276 + last, _x0_hat(last)), (276 + s, round(_x0_hat(t) + rise, 1)), kind="dash")
    d.dot(276 + last, _x0_hat(last), "exact")
    d.dot(276 + (t + s) / 2, round(_x0_hat(t) + rise / 2, 1), "model")
    for x, y, word in ((206, 122, "too low"), (370, 66, "too high"), (476, 90, "too low")):
        d.text(x, y, word, "noise end")
    d.text(82, 84, "$x̂_0$")
    d.text(314, 168, "$x̂_0^{last}$", "start")
    for a, b, name in ((last, t, "h_{last}"), (t, s, "h")):
        d.line((276 + a + 3, 226), (276 + b - 3, 226))
        d.text(276 + (a + b) / 2, 240, f"${name}$")


def _hold(d: Drawing, left: float, t: int, s: int, held: float, title: str) -> None:
    """A step from t to s with a constant prediction, and its error as hatching."""
    d.text(left, 14, title, "bold start")
    for u, name in ((t, "t"), (s, "s")):
        d.line((left + u, 30), (left + u, 190), kind="grid dash")
        d.text(left + u, 206, f"$λ_{name}$")
    for u in range(t + 4, s, 8):
        d.line((left + u, round(held, 1)), (left + u, _x0_hat(u)), kind="noise")
    d.line(*((left + u, _x0_hat(u)) for u in range(8, 225, 6)), kind="exact")
    d.line((left + t, round(held, 1)), (left + s, round(held, 1)), kind="model")
    d.arrow((left, 190), (left + 236, 190))
    d.text(left + 232, 206, "$λ$")
    d.dot(left + t, _x0_hat(t), "exact")


def _x0_hat(u: float) -> float:
    """The height of a prediction that changes smoothly along the path."""
    return round(196 - 176 / (1 + exp((90 - u) / 60)), 1)


@drawing(height=296)
def guidance_vectors(d: Drawing) -> None:
    """Guidance as vectors.

    From one point go two predictions of the noise: without a condition and with it. Their
    difference, continued beyond the conditional prediction by the guidance scale w, leads to
    the guided prediction.
    """
    x, y = 36, 220
    ends = {w: (x + 218 + 92 * w, y - 142 + 34 * w) for w in (-1, 0, 1, 2)}
    d.line(ends[-1], (ends[2][0] + 40, ends[2][1] + 14.8), kind="dash")
    for w, kind in ((-1, ""), (0, "model"), (2, "model")):
        d.arrow((x, y), ends[w], kind=kind, gap=5)
    for w, (px, py) in ends.items():
        d.dot(px, py, "exact")
        d.text(px + 12, py - 20, f"$w = {w}$".replace("-", "−"), "muted")
    d.dot(x, y, "exact")
    d.text(106, 104, "$ε_∅$: no label", "muted end")
    d.text(184, 148, "$ε_y$: label $y$", "model start")
    d.text(330, 200, "$ε_w$: guided, $w = 2$", "model")
    d.text(36, 246, "$x_t$")
    d.text(260, 280, "$ε_w = ε_y + w (ε_y − ε_∅)$")


@drawing(height=408)
def whole_map(d: Drawing) -> None:
    """Where each chapter's functions belong.

    Data goes through q_sample, chapter 1, into the loss, chapter 3, together with the U-Net,
    chapter 4. Training, chapter 5, gives the trained network. Guidance, chapter 8, steers it,
    the samplers of chapters 2, 6 and 7 draw samples, and evaluation, chapter 9, compares them
    with data. Chapter 10 finds bugs in every part.
    """
    data = d.box(8, 24, 88, 60, "data", kind="data")
    q = d.chapter(128, 24, 112, 60, "1", "noise", "`q_sample`", kind="noise")
    loss = d.chapter(272, 24, 108, 60, "3", "loss", "`ddpm_loss`")
    unet = d.chapter(412, 24, 100, 60, "4", "network", "`UNet`", kind="model")
    score = d.chapter(8, 140, 160, 60, "9", "evaluation", "`frechet_distance`")
    train = d.chapter(272, 140, 240, 60, "5", "training", "`train`, `EMA`")
    samples = d.box(8, 256, 88, 60, "samples", kind="model")
    sampler = d.chapter(128, 256, 112, 60, "2, 6, 7", "sampler", "`sample`")
    guided = d.chapter(272, 256, 100, 60, "8", "guidance", "`guided`")
    net = d.box(404, 256, 108, 60, "trained", "$ε_θ(x_t, t)$", kind="model")
    d.chapter(8, 362, 504, 40, "10", "bugs: how each of these fails, and how to tell")
    d.arrow(unet.left, loss.right, kind="model")
    d.arrow(loss.bottom, (326, train.y))
    for a, b in ((data.right, q.left), ((52, 84), (52, score.y))):
        d.arrow(a, b, kind="data")
    d.arrow(q.right, loss.left, kind="noise")
    for a, b in (((462, 84), (462, 140)), ((458, 200), net.top), (samples.top, (52, 200))):
        d.arrow(a, b, kind="model")
    for a, b in ((net, guided), (guided, sampler), (sampler, samples)):
        d.arrow(a.left, b.right, kind="model")


@drawing(height=166)
def guidance_scales(d: Drawing) -> None:
    """Two rulers for the guidance scale.

    A line with two marked predictions, without a label and with it, and a third one beyond them.
    Above is the ruler of w: minus 1 without a label, 0 with it, 3 at the guided prediction. Below
    is the ruler of g, which is larger by 1: 0, 1 and 4 at the same places.
    """
    x = {w: 86 + 94 * (w + 1) for w in range(-1, 4)}
    d.text(20, 22, "$w$")
    d.text(20, 98, "$g$")
    d.arrow((x[-1] - 40, 60), (x[3] + 50, 60), gap=0)
    for w, place in x.items():
        d.line((place, 52), (place, 68))
        d.text(place, 22, f"{w}".replace("-", "−"), "model bold" if w == 3 else "")
        d.text(place, 98, f"{w + 1}", "model bold" if w == 3 else "")
    for w, lines, kind in ((-1, ("$ε_∅$:", "no label"), ""), (0, ("$ε_y$:", "label only"), "data"),
                           (3, ("$ε_w$:", "guided"), "model")):  # fmt: skip
        d.dot(x[w], 60, kind or "exact", 6)
        for i, line in enumerate(lines):
            d.text(x[w], 132 + 20 * i, line, kind)
