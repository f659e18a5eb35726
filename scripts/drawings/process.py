"""Drawings of the process: noise forward, samples backward, and the loops around the network."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from .images import digit, generated, latent, noise, noised, pasted, sampled
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


@drawing(height=340)
def training_loop(d: Drawing) -> None:
    """The training loop.

    A batch of data x_0, random timesteps t and noise epsilon go through q_sample to x_t. The
    network predicts the noise, the loss is the mean squared error, and a gradient step changes
    the weights. Then the next batch comes. Beside the loop, an exponential moving average of
    the weights is kept for sampling.
    """
    d.text(46, 18, "batch $x_0$", "data")
    d.tile(12, 34, 68, digit(0))
    q = d.box(120, 46, 112, 44, "`q_sample`")
    d.text(306, 18, "$x_t$")
    d.tile(272, 34, 68, noised(digit(0), 200)[0])
    net = d.box(384, 36, 128, 64, "network", "$ε_θ(x_t, t)$", kind="model")
    d.arrow((80, 68), q.left, kind="data")
    d.arrow(q.right, (272, 68))
    d.arrow((340, 68), net.left)
    draw = d.box(112, 148, 128, 56, "random $t$", "random $ε$", kind="noise")
    d.arrow(draw.top, q.bottom, kind="noise")
    loss = d.box(352, 148, 160, 56, "loss", "$‖ε − ε_θ(x_t, t)‖^2$")
    d.arrow(draw.right, loss.left, kind="noise")
    d.text(296, 162, "$ε$", "noise")
    d.arrow(net.bottom, (448, 148), kind="model")
    step = d.box(352, 252, 160, 52, "gradient step", "on the weights")
    d.arrow((432, 204), step.top)
    ema = d.box(112, 252, 188, 52, "EMA of the weights,", "for sampling", kind="model")
    d.arrow(step.left, ema.right, kind="dash")
    d.arrow((432, 304), (432, 330), (46, 330), (46, 105), gap=0)
    d.text(58, 226, "next batch", "muted start")


@drawing(height=366)
def sampler_loop(d: Drawing) -> None:
    """The sampler loop.

    Start with noise x_T. The network predicts the noise in x_t, which implies a prediction of
    x_0. A step mixes that prediction with x_t, and in DDPM with fresh noise, to x_s. The loop
    repeats from there until s is 0.
    """
    states = sampled("digits", 4)
    for x, y, name, image, kind in (
        (12, 34, "noise $x_T$", states[1000][0], "noise"), (136, 34, "$x_t$", states[500][0], ""),
        (444, 34, "$x̂_0$", states[500][2], "model"), (212, 172, "", states[300][0], ""),
        (212, 292, "", states[0][0], ""),
    ):  # fmt: skip
        d.tile(x, y, 68, image)
        d.text(x + 34, 18, name, kind) if name else None
    net = d.box(256, 36, 136, 64, "network", "$ε_θ(x_t, t)$", kind="model")
    d.arrow((80, 68), (136, 68), kind="noise")
    d.arrow((204, 68), net.left)
    d.arrow(net.right, (444, 68), kind="model")
    step = d.box(340, 174, 172, 64, "step from $t$ to $s$:", "mix $x̂_0$ and $x_t$")
    d.arrow((478, 102), (478, 174), kind="model")
    d.arrow(step.left, (280, 206))
    d.arrow((426, 300), step.bottom, kind="noise")
    d.text(426, 316, "fresh noise", "noise")
    d.text(426, 338, "(DDPM)", "noise")
    d.arrow((212, 206), (170, 206), (170, 102))
    d.text(246, 154, "$x_s$")
    d.text(158, 160, "repeat with", "muted end")
    d.text(158, 182, "$t = s$", "muted end")
    d.arrow((246, 240), (246, 292), kind="data")
    d.text(200, 326, "at $s = 0$: the sample $x_0$", "data end")


@drawing(height=330)
def latent_diffusion(d: Drawing) -> None:
    """Latent diffusion.

    An encoder turns the image into a small latent z_0. Diffusion adds noise to the latent and
    a network learns to remove it. To sample, noise z_T becomes a new z_0 step by step, and the
    decoder turns it into an image.
    """
    d.lane(212, 2, 306, 326)
    d.text(365, 24, "small latent space", "bold")
    d.text(104, 24, "pixels", "bold")
    for y, image in ((60, digit(0)), (222, sampled("digits", 4)[0][0])):
        d.tile(16, y, 72, image)
        d.stack(240, y + 16, 44, 4, "data")
        d.stack(444, y + 16, 44, 4, "noise")
        new = "new " * (y > 60)
        d.text(52, y + 90, f"{new}$x_0$", "data")
        d.text(268, y + 90, f"{new}$z_0$", "data")
        d.text(472, y + 90, "$z_T$", "noise")
    encoder = d.box(116, 74, 88, 44, "encoder", kind="model")
    decoder = d.box(116, 236, 88, 44, "decoder", kind="model")
    net = d.box(324, 232, 96, 52, "denoise,", "repeat", kind="model")
    d.text(372, 78, "`q_sample`")
    for start, end, kind in (
        ((88, 96), encoder.left, "data"), (encoder.right, (240, 96), "data"),
        ((300, 96), (444, 96), "noise"), ((444, 258), net.right, "model"),
        (net.left, (300, 258), "model"), ((240, 258), decoder.right, "data"),
        (decoder.left, (88, 258), "data"),
    ):  # fmt: skip
        d.arrow(start, end, kind=kind)


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


@drawing(height=372)
def latent_scale(d: Drawing) -> None:
    """An image and its latent, to scale.

    Above, this chapter: an image of 784 numbers and a latent of 196 in four small squares. Below,
    Stable Diffusion 1: three large squares with 786,432 numbers and four tiny ones with 16,384.
    An encoder leads from the image to the latent, a decoder back. A network is called again and
    again, on the latent only.
    """
    z, image = latent(0)
    d.tile(28, 30, 112, image)
    d.stack(28, 230, 112, 3, "data")
    for y, side, title, pixels, numbers, fewer in (
        (86, 28, "this chapter", "784", "196", 4),
        (276, 14, "Stable Diffusion 1", "786,432", "16,384", 48),
    ):
        d.text(28, y - 72, title, "bold start")
        left, right = 280 - side, 284 + side
        for k in range(4):
            at = left + (side + 4) * (k % 2), y - side - 2 + (side + 4) * (k // 2), side
            if fewer == 4:
                d.tile(*at, z[k] / 2)
            else:
                d.rect(*at, side, "data")
        net = d.box(396, y - 24, 96, 48, "network", kind="model")
        for dy, a, b, kind in ((-10, 154, left, "data"), (-10, right, net.x, "model"),
                               (10, left, 154, "data"), (10, net.x, right, "model")):  # fmt: skip
            d.arrow((a, y + dy), (b, y + dy), kind=kind)
        d.text(198, y - 26, "encoder", "muted")
        d.text(198, y + 26, "decoder", "muted")
        d.text(84, y + 80, f"{pixels} numbers", "data")
        d.text(282, y + 60, f"{numbers} numbers,", "data")
        d.text(282, y + 80, f"{fewer} times fewer", "data")
        d.text(444, y + 40, "dozens of calls", "model")


@drawing(height=312)
def first_stage(d: Drawing) -> None:
    """The two stages of Stable Diffusion.

    Above, the first stage: an encoder and a decoder are trained by how close their image is to the
    original, in pixels and in the features of a network, and by a discriminator. Below, the second
    stage: diffusion learns the latents, and a text says what to draw. The decoder of the first
    stage turns a sampled latent into an image.
    """
    new, old = sampled("digits", 4)[0][0], digit(0)
    d.lane(2, 2, WIDTH - 4, 148)
    d.text(14, 22, "first: a VAE, trained with a GAN's loss", "bold start")
    d.lane(2, 160, WIDTH - 4, 150)
    d.text(14, 180, "then: diffusion in its latent", "bold start")
    d.tile(14, 50, 60, old)
    encoder = d.box(94, 58, 80, 44, "encoder", kind="model")
    d.stack(196, 68, 28, 4, "data")
    decoder = d.box(258, 58, 80, 44, "decoder", kind="model")
    d.tile(358, 50, 60, old)
    d.text(44, 128, "$x$", "data")
    d.text(218, 112, "$z$", "data")
    d.text(388, 128, "decoded", "model")
    d.box(434, 42, 78, 34, "real?", kind="noise")
    d.box(434, 92, 78, 34, "close?")
    d.stack(24, 234, 28, 4, "noise")
    d.text(46, 280, "$z_T$", "noise")
    net = d.box(94, 222, 100, 52, "denoise,", "repeat", kind="model")
    d.text(144, 296, "text", "muted")
    d.stack(216, 234, 28, 4, "data")
    d.text(238, 280, "new $z_0$", "data")
    again = d.box(278, 226, 80, 44, "decoder", kind="model")
    d.tile(380, 218, 60, new)
    d.text(410, 296, "new image", "data")
    for start, end, kind in (
        ((74, 80), encoder.left, "data"), (encoder.right, (196, 80), "data"),
        ((239, 80), decoder.left, "data"), (decoder.right, (358, 80), "model"),
        ((418, 68), (434, 60), "model"), ((418, 92), (434, 106), "model"),
        ((67, 248), net.left, "noise"), (net.right, (216, 248), "model"),
        ((259, 248), again.left, "data"), (again.right, (380, 248), "model"),
        ((144, 289), net.bottom, ""),
    ):  # fmt: skip
        d.arrow(start, end, kind=kind)
    d.arrow((298, 102), (298, 226), kind="model dash")


@drawing(height=170)
def vae(d: Drawing) -> None:
    """A variational autoencoder.

    An encoder predicts a mean and a standard deviation from an image. A latent z is drawn as the
    mean plus the standard deviation times noise. A decoder turns z into the mean of an image.
    """
    d.tile(4, 66, 60, digit(0))
    d.tile(452, 66, 60, sum(digit(0, k) for k in range(4)) / 4)
    d.text(34, 142, "$x$", "data")
    d.text(482, 142, "mean", "model")
    encoder = d.box(86, 74, 76, 44, "encoder", kind="model")
    mean = d.box(186, 48, 36, 36, "$μ$", kind="data")
    std = d.box(186, 108, 36, 36, "$σ$", kind="data")
    z = d.box(248, 74, 84, 44, "$μ + σε$", kind="noise")
    d.text(290, 136, "$z$", "noise")
    decoder = d.box(356, 74, 76, 44, "decoder", kind="model")
    d.text(290, 16, "$ε$ is normal noise", "noise")
    for start, end, kind in (
        ((64, 96), encoder.left, "data"), (encoder.right, mean.left, "model"),
        (encoder.right, std.left, "model"), (mean.right, z.left, "data"),
        (std.right, z.left, "data"), ((290, 26), z.top, "noise"),
        (z.right, decoder.left, "noise"), (decoder.right, (452, 96), "model"),
    ):  # fmt: skip
        d.arrow(start, end, kind=kind)


@drawing(height=218)
def gan(d: Drawing) -> None:
    """A generative adversarial network.

    A generator turns noise z into an image. A discriminator gets generated images and real ones,
    and predicts for each the probability that it is real. The gradient for the generator comes
    back through the discriminator.
    """
    d.text(14, 84, "$z$", "noise")
    generator = d.box(44, 62, 96, 44, "generator", kind="model")
    d.tile(182, 52, 64, generated())
    d.tile(182, 138, 64, digit(5))
    d.text(132, 170, "real", "data")
    judge = d.box(296, 104, 124, 44, "discriminator", kind="noise")
    d.text(478, 126, "$D(x)$", "noise")
    for start, end, kind in (
        ((20, 84), generator.left, "noise"), (generator.right, (182, 84), "model"),
        ((246, 84), (296, 118), "model"), ((246, 170), (296, 134), "data"),
        (judge.right, (456, 126), "noise"),
    ):  # fmt: skip
        d.arrow(start, end, kind=kind)
    d.arrow(judge.top, (358, 30), (92, 30), generator.top, kind="model dash")
    d.text(225, 16, "gradient for the generator", "model")


@drawing(height=238)
def shared_batch(d: Drawing) -> None:
    """Two devices share a batch.

    The batch is cut into two equal parts, one for each device. Each device has a copy of the same
    weights and computes the gradient of its part. The mean of both gradients goes back to both
    devices, which take the same step.
    """
    batch = d.box(4, 86, 84, 64, "batch of", "$B$ images", kind="data")
    mean = d.box(412, 92, 102, 52, "all-reduce:", "the mean", kind="noise")
    d.text(330, 106, "the same step", "muted")
    for k, top in ((1, 2), (2, 142)):
        d.lane(104, top, 286, 92)
        d.text(116, top + 18, f"device {k}", "bold start")
        part = d.box(116, top + 34, 64, 44, f"part {k}", kind="data")
        net = d.box(208, top + 34, 88, 44, "weights $θ$", kind="model")
        slope = d.box(324, top + 34, 52, 44, f"$g_{k}$", kind="noise")
        d.arrow(batch.right, (97, 118), (97, part.left[1]), part.left)
        d.arrow(part.right, net.left)
        d.arrow(net.right, slope.left)
        d.arrow(slope.right, (463, slope.right[1]), mean.top if k == 1 else mean.bottom)
        d.arrow(mean.left, (252, 118), net.bottom if k == 1 else net.top)


@drawing(height=292)
def train_turn(d: Drawing) -> None:
    """One turn of the function train.

    Inside train: a batch, clear the gradients, the loss, backward, clip the gradient, check that
    it is finite, set the rate, step, average the weights. Clipping, the check, the rate and the
    average are new. Then train yields the step and the loss to your loop and waits, until your
    loop asks for the next turn.
    """
    d.lane(2, 2, WIDTH - 4, 196)
    d.text(14, 22, "`train`", "bold start")
    d.text(506, 22, "green: not in the five lines", "model end")
    names = [("batch",), ("clear", "gradients"), ("loss",), ("backward", "$g$"), ("clip $g$",)]
    names += [("finite?",), ("rate $r$",), ("step", "on $θ$"), ("average", "of $θ$")]
    boxes = []
    for k, lines in enumerate(names):
        column, y = (k, 42) if k < 5 else (9 - k, 130)
        kind = {0: "data", 4: "model", 5: "model", 6: "model", 8: "model"}.get(k, "")
        boxes.append(d.box(14 + 103 * column, y, 80, 50, *lines, kind=kind))
    for k, (a, b) in enumerate(zip(boxes, boxes[1:], strict=False)):
        ends = (a.right, b.left) if k < 4 else (a.bottom, b.top) if k == 4 else (a.left, b.right)
        d.arrow(*ends)
    yours = d.box(2, 246, WIDTH - 4, 44, "your loop: print, measure, draw, save or stop")
    d.arrow(boxes[8].bottom, (boxes[8].bottom[0], yours.y))
    d.text(boxes[8].bottom[0] + 10, 219, "`yield step, loss`", "start")
    d.arrow((54, yours.y), boxes[0].bottom)
    d.text(64, 219, "next", "muted start")
    d.arrow(boxes[5].bottom, (466, 212))
    d.text(466, 222, "no: error", "muted")


@drawing(height=282)
def resume(d: Drawing) -> None:
    """A run that stops and resumes.

    Above, a run takes twenty steps in one go. Below, a run stops after ten steps. Its checkpoint
    holds the weights, their average with its counter, the optimiser's memory, the step and the
    seed. A new process reads it and takes the other ten steps. Both end with the same weights.
    """
    d.text(4, 14, "never stopped", "bold start")
    d.text(4, 148, "stopped,", "bold start")
    d.text(4, 170, "then resumed", "bold start")
    first, second = (d.box(x, 34, 132, 44, text, kind="model")
                     for x, text in ((4, "steps 1 … 10"), (384, "steps 11 … 20")))  # fmt: skip
    before, after = (d.box(x, 190, 132, 44, text, kind="model")
                     for x, text in ((4, "steps 1 … 10"), (384, "steps 11 … 20")))  # fmt: skip
    d.arrow(first.right, second.left, kind="model")
    d.rect(174, 132, 172, 148, "data", 7)
    d.text(260, 116, "checkpoint", "data bold")
    for i, line in enumerate(("weights $θ$", "average $θ̄$ and its $n$", "optimiser’s memory",
                              "step", "seed")):  # fmt: skip
        d.text(260, 152 + 27 * i, line)
    d.arrow(before.right, (174, 212), kind="data")
    d.arrow((346, 212), after.left, kind="data")
    for start, end in ((118, 78), (150, 190)):
        d.arrow((450, start), (450, end), kind="exact")
    d.text(450, 134, "same weights", "bold")


@drawing(height=268)
def bug_route(d: Drawing) -> None:
    """The pieces of a diffusion program, and a test for each.

    In a row, from left to right: the data, the schedule, the network and the loss. Back in a second
    row, from right to left: training, the average of the weights, the sampler and the samples. Each
    piece but the samples has its test written in it and the number of the section that does it.
    """
    data = _piece(d, 4, 20, "10.2", "data", "shape and", "range?", kind="data")
    schedule = _piece(d, 136, 20, "10.2", "schedule", "clean at 0,", "noise at $T$?", kind="noise")
    net = _piece(d, 268, 20, "10.4", "network", "change one", "input", kind="model")
    loss = _piece(d, 400, 20, "10.3", "loss", "two answers", "you know")
    train = _piece(d, 400, 160, "10.5", "training", "below the", "best line?")
    ema = _piece(d, 268, 160, "10.5", "average", "near the", "network?", kind="model")
    sampler = _piece(d, 136, 160, "10.6", "sampler", "a model told", "the images")
    samples = d.box(4, 160, 112, 92, "samples", kind="data")
    for a, b in ((data, schedule), (schedule, net), (net, loss)):
        d.arrow(a.right, b.left)
    d.arrow(loss.bottom, train.top)
    for a, b in ((train, ema), (ema, sampler), (sampler, samples)):
        d.arrow(a.left, b.right)


def _piece(d: Drawing, x: float, y: float, number: str, name: str, *test: str, kind: str = ""):
    box = d.chapter(x, y, 112, 92, number, kind=kind)
    d.text(x + 56, y + 26, name, "bold")
    for i, line in enumerate(test):
        d.text(x + 56, y + 50 + 20 * i, line)
    return box


@drawing(height=382)
def read_report(d: Drawing) -> None:
    """How to read a report of diagnose.

    Run it. If there is a fault, repair the first one and run it again. If there is none and the
    ratio is above 0.9, train on. If the ratio is lower and the samples are still bad, hand in the
    loss and the sampler, too, and run it again. Otherwise the model is healthy.
    """
    run = d.box(4, 6, 176, 44, "run the tests")
    fault = d.box(4, 84, 176, 44, "any FAULT?", kind="noise")
    ratio = d.box(4, 166, 176, 44, "ratio above 0.9?", kind="noise")
    bad = d.box(4, 248, 176, 44, "samples still bad?", kind="noise")
    repair = d.box(246, 80, 216, 52, "repair the first one,", "and no other")
    train = d.box(246, 162, 216, 52, "not trained yet:", "go on training")
    more = d.box(246, 244, 216, 52, "hand in more: your", "loss and your sampler")
    for question, answer in ((fault, repair), (ratio, train), (bad, more)):
        d.arrow(question.right, answer.left)
        d.text(212, question.y + 10, "yes", "muted")
    done = d.box(4, 330, 176, 44, "healthy", kind="model")
    for a, b in ((run, fault), (fault, ratio), (ratio, bad), (bad, done)):
        d.arrow(a.bottom, b.top)
    for question in (fault, ratio, bad):
        d.text(112, question.y + 60, "no", "muted")
    d.arrow(more.right, (496, 270), (496, 28), run.right)
    for box in (repair, train):
        d.line(box.right, (496, box.y + 26))


@drawing(height=342)
def fid_pipeline(d: Drawing) -> None:
    """How a FID is computed, and where two of them may differ.

    Two columns, one for the samples and one for the reference. Each goes from images to a size and
    a file format, through Inception to 2,048 numbers an image, and to a mean and a covariance. The
    FID is the Fréchet distance of the two. Beside each step is what has to be the same.
    """
    rows = (("as 8 bits,", "resized"), ("Inception:", "2,048 numbers"), ("mean and", "covariance"))
    for x, name, kind in ((4, "samples", "model"), (162, "reference", "data")):
        above = d.box(x, 6, 142, 40, name, kind=kind)
        for i, lines in enumerate(rows):
            box = d.box(x, 72 + 76 * i, 142, 50, *lines)
            d.arrow(above.bottom, box.top)
            above = box
        d.arrow(above.bottom, (x + 71, 300))
    d.box(4, 300, 300, 36, "Fréchet distance $d^2$")
    for y, lines in ((26, ("number, labels, flips,", "the set and its split")),
                     (97, ("file format and how", "they are resized")),
                     (173, ("the same weights,", "in the same tool")),
                     (318, ("one seed, or the mean", "of several"))):  # fmt: skip
        for i, line in enumerate(lines):
            d.text(322, y - 10 + 20 * i, line, "start")
