"""Drawings of a latent space: the VAE, the GAN, and diffusion between them."""

from __future__ import annotations

from .images import digit, generated, latent, sampled
from .kit import WIDTH, Drawing, drawing


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
