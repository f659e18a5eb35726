"""Variational autoencoders: a bound on the likelihood, and small latents for a diffusion model.

An encoder turns an image into the mean and the log-variance of its latent z. A decoder turns z back
into an image, and the prior of z is N(0, I). Losses are in nats and summed over the numbers of a
row. Averaging one of them instead would change its weight relative to the other, which amounts to a
hidden beta.

Kingma and Welling 2014, arXiv 1312.6114; Rombach et al. 2022, arXiv 2112.10752 (latent diffusion).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .diffusion import check, check_data
from .nets import Downsample, Upsample, group_norm


def reparameterise(mean: Tensor, logvar: Tensor, eps: Tensor | None = None) -> Tensor:
    """Draw z = mean + exp(logvar / 2) eps in the shape of mean, so that gradients reach mean and
    logvar (arXiv 1312.6114, section 2.4). ``eps`` is noise like mean. None draws it.
    Built in chapter 15."""
    eps = torch.randn_like(mean) if eps is None else eps
    _check_alike(mean, logvar, eps)
    return mean + (0.5 * logvar).exp() * eps


def kl_to_prior(mean: Tensor, logvar: Tensor) -> Tensor:
    """KL divergence of N(mean, exp(logvar)) from N(0, 1), in nats for each entry (arXiv 1312.6114,
    appendix B). Built in chapter 15."""
    _check_alike(mean, logvar)
    return 0.5 * (mean.square() + logvar.exp() - 1 - logvar)


def gaussian_nll(x: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """-log N(x; mean, exp(log_std)²), in nats for each entry of x. Built in chapter 15."""
    _check_image(mean, x)
    z = (x - mean) / log_std.exp()
    return 0.5 * z.square() + log_std + 0.5 * math.log(2 * math.pi)


class VAE(nn.Module):
    """A variational autoencoder: an encoder and a decoder, with the standard deviation of the
    pixels and the scale of the latents.

    Args:
        encoder: images (B, …) to (B, 2 c, …), the means and then the log-variances. Both can be
            negative, so its last layer has no activation.
        decoder: latents (B, c, …) to the means of the pixels.
        std: standard deviation of a pixel around its mean, or None to learn it. With 1, the
            reconstruction term is half the squared error plus a constant.

    Built in chapter 15.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, std: float | None = None):
        super().__init__()
        _check_std(std)
        self.encoder, self.decoder = encoder, decoder
        start = torch.tensor(math.log(std or 1.0))
        self.log_std = nn.Parameter(start, requires_grad=std is None)
        self.register_buffer("scale", torch.ones(()))

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The mean and the log-variance of q(z | x), each (B, c, …)."""
        mean, logvar = self.encoder(x).chunk(2, 1)
        return mean, logvar

    def forward(self, x: Tensor, eps: Tensor | None = None) -> Tensor:
        """Reconstruct x from one sample of its latent."""
        return self.decoder(reparameterise(*self.posterior(x), eps))


def elbo_terms(vae: VAE, x: Tensor, eps: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The two parts of the negative bound for images x, (B,) each: -log p(x | z) for one sample of
    z, and the KL divergence. On average, their sum is at least -log p(x) (arXiv 1312.6114, Eq. 3).

    Raises:
        ValueError: the decoder's images don't have the shape of x.

    Built in chapter 15.
    """
    check_data(x)
    mean, logvar = vae.posterior(x)
    image = vae.decoder(reparameterise(mean, logvar, eps))
    rebuild = gaussian_nll(x, image, vae.log_std).flatten(1).sum(1)
    return rebuild, kl_to_prior(mean, logvar).flatten(1).sum(1)


def vae_loss(vae: VAE, x: Tensor, beta: float = 1.0, eps: Tensor | None = None) -> Tensor:
    """The loss of a VAE: the negative bound with the KL divergence multiplied by beta (Higgins et
    al. 2017, Eq. 4), averaged over rows. At beta = 1 it's a bound on -log p(x).
    Built in chapter 15."""
    check(beta >= 0, f"beta is {beta}; expected 0 or more")
    rebuild, kl = elbo_terms(vae, x, eps)
    return (rebuild + beta * kl).mean()


@torch.no_grad()
def importance_bound(vae: VAE, x: Tensor, k: int = 100) -> Tensor:
    """A bound on -log p(x) for each row, (B,), that gets tighter with k: -log of the mean of
    p(x, z) / q(z | x) over k samples of z (Burda et al. 2016, arXiv 1509.00519, Eq. 8). Exercise of
    chapter 15."""
    check_data(x)
    check(type(k) is int and k > 0, f"k is {k}; expected a whole number of samples")
    mean, logvar = vae.posterior(x)
    weights = []
    for _ in range(k):
        eps = torch.randn_like(mean)
        z = reparameterise(mean, logvar, eps)
        rebuild = gaussian_nll(x, vae.decoder(z), vae.log_std).flatten(1).sum(1)
        ratio = 0.5 * (z.square() - eps.square() - logvar).flatten(1).sum(1)  # log q - log p
        weights.append(-rebuild - ratio)
    return math.log(k) - torch.stack(weights).logsumexp(0)


@torch.no_grad()
def latent_scale(vae: VAE, x: Tensor) -> Tensor:
    """The scale of the latents, 1 divided by the standard deviation of all latents of training
    images x. Scaled latents have standard deviation 1 (arXiv 2112.10752, appendix G).
    Built in chapter 15."""
    check_data(x)
    return 1 / reparameterise(*vae.posterior(x)).std()


@torch.no_grad()
def to_latent(vae: VAE, x: Tensor) -> Tensor:
    """Images x to scaled latents: a fresh sample of z, multiplied by the scale.
    Built in chapter 15."""
    check_data(x)
    return vae.scale * reparameterise(*vae.posterior(x))


@torch.no_grad()
def from_latent(vae: VAE, z: Tensor) -> Tensor:
    """Scaled latents z back to images: the decoder of z, divided by the scale.
    Built in chapter 15."""
    return vae.decoder(z / vae.scale)


def dense_vae(size: tuple[int, ...] = (1, 8, 8), latent: int = 8, width: int = 128,
              std: float | None = None) -> VAE:  # fmt: skip
    """A VAE of small images of the given size (C, H, W), whose latents are vectors (B, latent).
    Used in chapter 15."""
    check(isinstance(size, (tuple, list)), f"size is {size}; expected (C, H, W)")
    dim = math.prod(size)
    inner = lambda a, b: [nn.Linear(a, b), nn.SiLU(), nn.Linear(b, b), nn.SiLU()]  # noqa: E731
    encoder = nn.Sequential(nn.Flatten(), *inner(dim, width), nn.Linear(width, 2 * latent))
    decoder = nn.Sequential(*inner(latent, width), nn.Linear(width, dim), nn.Unflatten(1, size))
    return VAE(encoder, decoder, std)


def conv_vae(channels: int = 1, latent: int = 4, width: int = 16, levels: int = 2,
             std: float | None = 1.0) -> VAE:  # fmt: skip
    """A VAE whose latents are small images, as in latent diffusion: (B, channels, H, W) to (B,
    latent, H / 2^levels, W / 2^levels). The width doubles with each level. Used in chapter 15."""
    conv = lambda a, b: nn.Conv2d(a, b, 3, padding=1)  # noqa: E731
    act = lambda c: [group_norm(c), nn.SiLU()]  # noqa: E731
    down, up, c = [conv(channels, width)], [], width
    for _ in range(levels):
        down += [*act(c), Downsample(c), *act(c), conv(c, 2 * c)]
        up = [*act(2 * c), conv(2 * c, c), *act(c), Upsample(c), *up]
        c *= 2
    encoder = nn.Sequential(*down, *act(c), conv(c, c), *act(c), conv(c, 2 * latent))
    decoder = nn.Sequential(conv(latent, c), *act(c), conv(c, c), *up, *act(width),
                            conv(width, channels))  # fmt: skip
    return VAE(encoder, decoder, std)


def _check_std(std: float | None) -> None:
    well = std is None or std > 0
    check(well, f"std is {std}; expected a number above 0, or None to learn it")


def _check_alike(mean: Tensor, *others: Tensor) -> None:
    given = [tuple(a.shape) if isinstance(a, Tensor) else a for a in (mean, *others)]
    same = all(shape == given[0] for shape in given) and mean.is_floating_point()
    check(same, f"mean, logvar and eps are {given}; expected floats of the same shape")


def _check_image(image: Tensor, x: Tensor) -> None:
    given = f"the decoder gives {tuple(image.shape)} for images {tuple(x.shape)}"
    hint = "expected the same shape: check its last layer, or pad x"
    check(image.shape == x.shape, f"{given}; {hint}")
