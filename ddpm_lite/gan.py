"""Generative adversarial networks: a generator, a discriminator, and a training step for each.

A generator is ``g(z)`` with z (B, d) from N(0, I). A discriminator ``d(x)`` returns logits (B,),
which are above 0 for "real". The losses take logits and are in nats.

Goodfellow et al. 2014, arXiv 1406.2661; Miyato et al. 2018, arXiv 1802.05957 (spectral norm).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from .diffusion import check, check_data


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """The discriminator's -log D(x) - log(1 - D(G(z))), averaged over a batch, from the logits (B,)
    of real and fake images (arXiv 1406.2661, Eq. 1). If it can't tell them apart, the loss is 2 log
    2 = 1.39. Built in chapter 15."""
    _check_logits(real, fake)
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def minimax_loss(fake: Tensor) -> Tensor:
    """The generator's log(1 - D(G(z))), from logits (B,) (arXiv 1406.2661, Eq. 1). Its gradient
    vanishes if the discriminator is sure that the images are fake. Built in chapter 15d."""
    _check_logits(fake)
    return -F.softplus(fake).mean()


def nonsaturating_loss(fake: Tensor) -> Tensor:
    """The generator's -log D(G(z)), from logits (B,) (arXiv 1406.2661, section 3). Its gradient is
    largest if the discriminator is sure that the images are fake. Built in chapter 15."""
    _check_logits(fake)
    return F.softplus(-fake).mean()


class Spectral(nn.Module):
    """Divide a weight by its largest singular value. ``u`` approximates the left singular vector.
    In training mode, each call improves it by one step of the power method (arXiv 1802.05957,
    Algorithm 1). Built in chapter 15d."""

    def __init__(self, weight: Tensor):
        super().__init__()
        u = F.normalize(torch.randn(len(weight)), dim=0)
        self.register_buffer("u", u)

    def forward(self, weight: Tensor) -> Tensor:
        matrix = weight.flatten(1)  # (out, in · k · k)
        with torch.no_grad():
            v = F.normalize(matrix.T @ self.u, dim=0)
            u = F.normalize(matrix @ v, dim=0)
            if self.training:
                self.u.copy_(u)
        return weight / (u @ matrix @ v)


def spectral_norm(net: nn.Module) -> nn.Module:
    """Put ``Spectral`` on the weight of each ``nn.Linear`` and ``nn.Conv2d``, and return the
    network.

    Raises:
        ValueError: there is no such layer, one has spectral norm already, or one is all zeros.

    Used in chapter 15.
    """
    layers = [part for part in net.modules() if isinstance(part, (nn.Linear, nn.Conv2d))]
    _check_layers(layers)
    for layer in layers:
        norm = Spectral(layer.weight).to(layer.weight)  # on its device, in its precision
        parametrize.register_parametrization(layer, "weight", norm)
    return net


def learn(optimizer: torch.optim.Optimizer, loss: Tensor) -> float:
    """Take one optimiser step on the loss, and return the loss before it. Built in chapter 15."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def discriminator_step(
    g: nn.Module, d: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, z: Tensor
) -> float:
    """Take one discriminator step on real x (B, …) and on G(z), and return the loss. The fakes are
    detached, so only ``d`` learns. Built in chapter 15."""
    check_data(x)
    _check_optimizer(optimizer, d)
    return learn(optimizer, discriminator_loss(d(x), d(g(z).detach())))


def generator_step(
    g: nn.Module, d: nn.Module, optimizer: torch.optim.Optimizer, z: Tensor,
    loss_of: Callable[[Tensor], Tensor] = nonsaturating_loss,
) -> float:  # fmt: skip
    """Take one generator step, and return the loss. The gradient passes through ``d``, but the
    optimiser changes only the weights of ``g``. Built in chapter 15."""
    _check_optimizer(optimizer, g)
    return learn(optimizer, loss_of(d(g(z))))


def small_generator(latent: int = 32, width: int = 24, channels: int = 1) -> nn.Sequential:
    """A generator: z (B, latent) to images (B, channels, 8, 8) in [-1, 1]. Without batch norm, an
    image depends on its own z alone. Used in chapter 15."""
    conv = lambda a, b: nn.Conv2d(a, b, 3, padding=1)  # noqa: E731
    return nn.Sequential(
        nn.Linear(latent, 2 * width * 16), nn.Unflatten(1, (2 * width, 4, 4)), nn.ReLU(),
        conv(2 * width, 2 * width), nn.ReLU(), nn.Upsample(scale_factor=2),
        conv(2 * width, width), nn.ReLU(), conv(width, width), nn.ReLU(),
        conv(width, channels), nn.Tanh(),
    )  # fmt: skip


def small_discriminator(width: int = 32, channels: int = 1, spectral: bool = True) -> nn.Module:
    """A discriminator: images (B, channels, 8, 8) to logits (B,), with or without spectral norm.
    Used in chapter 15."""
    conv, act = lambda a, b, s: nn.Conv2d(a, b, 3, s, 1), nn.LeakyReLU(0.2)  # noqa: E731
    net = nn.Sequential(
        conv(channels, width, 1), act, conv(width, 2 * width, 2), act,
        conv(2 * width, 2 * width, 1), act, conv(2 * width, 2 * width, 2), act,
        nn.Flatten(), nn.Linear(2 * width * 4, 1), nn.Flatten(0),
    )  # fmt: skip
    return spectral_norm(net) if spectral else net


def _check_logits(*logits: Tensor) -> None:
    well = all(a.is_floating_point() and a.numel() for a in logits)
    check(well, "the logits are empty, or not floats; expected (B,) from the discriminator")


def _check_layers(layers: list[nn.Module]) -> None:
    check(layers, "the network has no nn.Linear or nn.Conv2d; expected at least one")
    twice = any(parametrize.is_parametrized(layer) for layer in layers)
    check(not twice, "the network has spectral norm already; expected one without")
    zeros = sum(not layer.weight.any() for layer in layers)
    check(not zeros, f"{zeros} layers have only zeros, so their norm is 0; expected other weights")


def _check_optimizer(optimizer: torch.optim.Optimizer, net: nn.Module) -> None:
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    right = held <= {id(p) for p in net.parameters()}
    check(right, "the optimiser has weights of another network; expected those of the network "
           "that learns in this step")  # fmt: skip
