"""Real images for the drawings: digits, their noise, and what the shipped networks make of them."""

from __future__ import annotations

from functools import cache, partial

import torch
from torch import Tensor

from ddpm_lite import load_images, load_pretrained
from ddpm_lite.diffusion import (
    cosine_schedule,
    ddim_step,
    linear_schedule,
    posterior_variance,
    predict_x0,
    q_sample,
    sample,
)
from ddpm_lite.pretrained import load_dit, load_gan, load_latent
from ddpm_lite.sampling import from_v

SEED = 1


@cache
def digit(number: int, which: int = 0) -> Tensor:
    """A real digit of 8 x 8 pixels, (8, 8) in [-1, 1]."""
    x, y = load_images("digits")
    return x[y == number][which, 0]


def noise(*shape: int, seed: int = SEED) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def noised(x0: Tensor, *times: int) -> list[Tensor]:
    """x_t of an image at several timesteps of the linear schedule, all with the same noise."""
    schedule, eps = linear_schedule(), noise(*x0.shape)
    return [q_sample(schedule, x0[None], t, eps[None])[0] for t in times]


@cache
def sampled(name: str, label: int, steps: int = 20) -> dict[int, tuple[Tensor, Tensor, Tensor]]:
    """x_t, the predicted noise and the predicted x0 at each t as a shipped network samples."""
    net, schedule, recipe = load_pretrained(name)
    states = {}

    def step(schedule, xt: Tensor, t: int, s: int, eps: Tensor) -> Tensor:
        x0 = predict_x0(schedule, xt, t, eps)
        states[t] = xt[0, 0], eps[0, 0], x0[0, 0]
        return ddim_step(schedule, xt, t, s, eps)

    model = partial(from_v(net, schedule), y=torch.tensor([label]))
    xT = noise(1, 1, *recipe["image_size"])
    x0 = sample(model, schedule, xT, steps, step, clip=None)[0, 0]
    return states | {0: (x0, torch.zeros_like(x0), x0)}


def stepped(name: str, label: int, t: int, s: int) -> tuple[Tensor, ...]:
    """The parts of a DDPM step (6.3): x_t, the noise that it removes, the mean, σz and x_s."""
    schedule, (xt, eps, _) = load_pretrained(name)[1], sampled(name, label)[t]
    alpha_bar = schedule.at(t, xt)
    alpha = alpha_bar / schedule.at(s, xt)
    removed = (1 - alpha) / (1 - alpha_bar).sqrt() * eps
    mean = (xt - removed) / alpha.sqrt()
    fresh = posterior_variance(schedule, xt, t, s).sqrt() * noise(*xt.shape, seed=s)
    return xt, removed, mean, fresh, mean + fresh


@cache
def pasted(number: int, t: int, steps: int = 20) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x_t, the known upper half at s, the rest at s, and both together, as ``replaced`` fills in
    the lower half of a digit. What a part leaves open is grey."""
    net, schedule, _ = load_pretrained("digits")
    x0, known = digit(number), torch.arange(8)[:, None] < 4
    states = {}

    def step(schedule, xt: Tensor, t: int, s: int, eps: Tensor) -> Tensor:
        kept = q_sample(schedule, x0.expand_as(xt), s, noise(8, 8, seed=s).expand_as(xt))
        rest = ddim_step(schedule, xt, t, s, eps)
        xs = torch.where(known, kept, rest)
        states[t] = xt, torch.where(known, kept, 0.0), torch.where(known, 0.0, rest), xs
        return xs

    sample(from_v(net, schedule), schedule, noise(1, 1, 8, 8), steps, step, clip=None)
    return tuple(x[0, 0] for x in states[t])


@cache
def velocity(number: int, t: int) -> tuple[Tensor, Tensor]:
    """x_t of a digit and the v that the shipped transformer predicts for it."""
    xt = q_sample(cosine_schedule(1000), digit(number)[None, None], t, noise(1, 1, 8, 8))
    with torch.no_grad():
        v = load_dit()(xt, torch.tensor([t]), torch.tensor([number]))
    return xt[0, 0], v[0, 0]


@cache
def generated(seed: int = SEED) -> Tensor:
    """A digit of the shipped GAN."""
    with torch.no_grad():
        return load_gan()(noise(1, 32, seed=seed))[0, 0]


@cache
def latent(label: int, steps: int = 20) -> tuple[Tensor, Tensor]:
    """A latent (4, 7, 7) of the shipped latent model and its image (28, 28)."""
    vae, net, schedule = load_latent()
    model = partial(from_v(net, schedule), y=torch.tensor([label]))
    z = sample(model, schedule, noise(1, 4, 7, 7), steps, ddim_step, clip=None)
    with torch.no_grad():
        return z[0], vae.decoder(z / vae.scale)[0, 0]


@cache
def with_and_without(label: int, steps: int = 10) -> dict[int, tuple[Tensor, Tensor]]:
    """The predicted x0 without and with a label at each t, as the network samples with it."""
    net, schedule, _ = load_pretrained("digits")
    model, y = from_v(net, schedule), torch.tensor([label])
    states = {}

    def step(schedule, xt: Tensor, t: int, s: int, eps: Tensor) -> Tensor:
        with torch.no_grad():
            both = [model(xt, torch.tensor([t]), given) for given in (None, y)]
        states[t] = tuple(predict_x0(schedule, xt, t, e).clamp(-1, 1)[0, 0] for e in both)
        return ddim_step(schedule, xt, t, s, eps)

    sample(partial(model, y=y), schedule, noise(1, 1, 8, 8), steps, step)
    return states
