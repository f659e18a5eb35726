"""Compare what a chapter builds with the package: both run on the same numbers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import ddpm_lite
from ddpm_lite import Schedule, cosine_schedule, ddim_step, likelihood, sample, vae
from ddpm_lite.score import SDE
from ddpm_lite.text import TextEncoder, TextUNet

TOLERANCE = 1e-5
PLACES = (
    "diagnose", "likelihood", "score", "flow", "editing", "vae", "gan", "transformer", "text",
    "audio", "distill", "tokens", "finetune",
)  # fmt: skip
"""Whose names aren't those of ddpm_lite: the leaves of part III, and the probes of diagnose."""


def same_as_package(*built: Any) -> None:
    """Compare functions or classes with the package's of the same name, and print the result.

    Raises:
        ValueError: one of them gives other numbers, or was imported instead of built.
    """
    for mine in built:
        name = mine.__name__
        theirs = of_package(name)
        if mine is theirs:
            raise ValueError(f"{name} is the package's own: run the cell that builds it first")
        _compare(name, _numbers(name, mine), _numbers(name, theirs))
        print(f"{name} agrees with ddpm_lite.{name}")


def of_package(name: str) -> Any:
    """The package's function or class of that name, in ``ddpm_lite`` or one of ``PLACES``."""
    if name in ddpm_lite.__all__:
        return getattr(ddpm_lite, name)
    for place in PLACES:
        if hasattr(leaf := import_module(f"ddpm_lite.{place}"), name):
            return getattr(leaf, name)
    raise ValueError(f"ddpm_lite has nothing called {name!r}")


def _compare(name: str, mine: list[Tensor], theirs: list[Tensor]) -> None:
    shapes = [[tuple(x.shape) for x in numbers] for numbers in (mine, theirs)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"{name} gives shapes {shapes[0]}; expected {shapes[1]}, as ddpm_lite has")
    for a, b in zip(mine, theirs, strict=True):
        if not torch.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True):
            off = (a - b).abs().max()
            raise ValueError(f"{name} differs from ddpm_lite.{name} by up to {off:.2g}")


def _numbers(name: str, thing: Any) -> list[Tensor]:
    """What its use computes, from the same seed each time."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        return [torch.as_tensor(x, dtype=torch.float64) for x in _flat(USES[name](thing))]


def _flat(result: Any) -> Iterator[Any]:
    """The tensors and numbers in a result, whatever it is made of."""
    if isinstance(result, Schedule) or hasattr(result, "alpha_bar"):
        yield from (result.beta, result.alpha, result.alpha_bar)
    elif isinstance(result, Iterable) and not isinstance(result, Tensor):
        for part in result:
            yield from _flat(part)
    else:
        yield result


S = cosine_schedule(100)
T = torch.tensor([1, 7, 50, 100])
Y = torch.tensor([0, 1, 2, 3])
LEVELS = torch.linspace(-1, 1, 17)


def x(*shape: int) -> Tensor:
    """Numbers like data and noise, for images (4, 1, 8, 8) unless another shape is given."""
    return torch.randn(shape or (4, 1, 8, 8))


def model(x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
    """Some eps(x, t) that depends on x, on t, and on y where there is one."""
    label = 0 if y is None else y.reshape(-1, *[1] * (x.ndim - 1)) / 10
    return (0.5 * x + label).tanh() * (t.reshape(-1, *[1] * (x.ndim - 1)) / 100 + 0.1)


def wrapped(wrap: Callable) -> Tensor:
    """What a model answers after it was wrapped."""
    return wrap(model, S)(x(), T)


def network(make: Callable, *inputs: Tensor) -> Iterator[Tensor]:
    """What a network answers when its weights, also those that start at zero, are the same."""
    torch.manual_seed(0)
    net = make()
    for weight in net.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    yield net.eval()(*inputs)


def twice(x: Tensor, t: Tensor) -> Tensor:
    """A network that predicts the noise and the share of a variance."""
    return torch.cat([model(x, t), 0.3 * x], 1)


def reverse(x: Tensor, t: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """A reverse step with some variance."""
    return 0.9 * x, 0.5 + 0 * x


def trace(of: Callable) -> Tensor:
    """The trace of a map that mixes the entries of each row."""
    with torch.enable_grad():
        start = x().requires_grad_()
        return of(start.tanh() * start.mean((1, 2, 3), keepdim=True), start)


def steps(make: Callable, **how: Any) -> Tensor:
    """Where a sampler ends."""
    return sample(model, S, x(), 5, make, **how)


def unet() -> torch.nn.Module:
    """A small U-Net of three labels, in which no layer is zero."""
    return shaken(ddpm_lite.UNet(1, 8, (1, 2), num_classes=3))


def shaken(net: Any) -> Any:
    """The same network with random weights everywhere."""
    for weight in net.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    return net


def relabelled(label: Any) -> list[Tensor]:
    """The new row at the start and after it moved, between the old ones."""
    start = label(torch.arange(5)).clone()
    torch.nn.init.normal_(label.row)
    return [start, label(torch.arange(5)), label.weight]


def adapted(lora: Any) -> Iterator[Tensor]:
    """A layer with LoRA, at the start and after it moved."""
    batch = x()
    yield lora(batch)
    for part in (lora.A, lora.B):
        torch.nn.init.normal_(part.weight)
    yield from (lora(batch), lora.weight)


def averaged(EMA: Any) -> list[Tensor]:
    """The average of the weights after three updates."""
    net = torch.nn.Linear(3, 2)
    ema = EMA(net, 0.5)
    for _ in range(3):
        net.weight.data.add_(torch.randn(2, 3))
        ema.update(net)
    return list(ema.model.parameters())


def trained(train: Callable) -> list[Any]:
    """The losses, weights and averages of six steps; some gradients are clipped."""
    net = torch.nn.Linear(3, 3)
    ema, data = ddpm_lite.EMA(net, 0.9), [x(4, 3), 20 * x(4, 3), x(4, 3)]
    rate = ddpm_lite.warmup_cosine(0.1)
    with torch.enable_grad():
        run = list(train(net, data, lambda net, x, y: (net(x) - x).square().mean(), 6, rate, ema))
    return [run, *net.parameters(), *ema.model.parameters()]


def written(write: Callable[[Path], Any], read: Callable[[Path], Any]) -> Any:
    """What one function reads of the file that another wrote."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        write(path)
        return read(path)


def slope(x: Tensor, u: Tensor) -> Tensor:
    """Some score(x, u)."""
    return -x * (1 + u.reshape(-1, *[1] * (x.ndim - 1)))


def small_vae(VAE: Any = None, std: float | None = None) -> Any:
    """A VAE of rows of three numbers, with latents of two, the same each time."""
    torch.manual_seed(0)
    made = (VAE or vae.VAE)(torch.nn.Linear(3, 4), torch.nn.Linear(2, 3), std)
    made.scale.fill_(0.5)
    return made


def rows_of(make: Callable) -> Iterator[Tensor]:
    """What a VAE gives for three rows, with noise of its own and with given noise."""
    for std in (None, 0.5):
        made = small_vae(make, std)
        yield from (*made.posterior(x(4, 3)), made(x(4, 3)), made(x(4, 3), x(4, 2)), made.log_std)


def duel(step: Callable) -> Iterator[Tensor]:
    """The loss of one step of a GAN, and the weights after it."""
    torch.manual_seed(0)
    g, d = torch.nn.Linear(2, 3), torch.nn.Sequential(torch.nn.Linear(3, 1), torch.nn.Flatten(0))
    first = step.__name__ == "discriminator_step"
    optimizer = torch.optim.SGD((d if first else g).parameters(), 0.5)
    with torch.enable_grad():
        yield step(g, d, optimizer, *([x(4, 3)] if first else []), x(4, 2))
    yield from (*g.parameters(), *d.parameters())


def fitted(learn: Callable) -> Iterator[Tensor]:
    """The losses of two steps, and the weight after them."""
    weight = torch.nn.Parameter(x(3))
    with torch.enable_grad():
        optimizer = torch.optim.SGD([weight], 0.1)
        yield from [learn(optimizer, weight.square().sum()) for _ in range(2)]
    yield weight


def normed(Spectral: Any) -> Iterator[Tensor]:
    """A weight after some calls in training, and one in evaluation."""
    norm, weight = Spectral(x(4, 3, 2)), x(4, 3, 2)
    yield from [norm(weight) for _ in range(3)]
    yield norm.eval()(weight)


def functions_of(sde: Any) -> list[Tensor]:
    """What the four functions of an SDE give."""
    return [part(torch.linspace(0.1, 1, 5)) for part in (sde.f, sde.g2, sde.signal, sde.noise)]


def hidden(n: int) -> Tensor:
    """Tokens (4, n) of five kinds, a part of them hidden."""
    return torch.randint(-1, 5, (4, n), generator=torch.Generator().manual_seed(n))


def filler(x: Tensor, y: Tensor | None = None) -> Tensor:
    """Some logits (B, L, 5) that depend on the tokens around."""
    return torch.stack([(x * (k + 1)).cumsum(1).double().sin() for k in range(5)], -1)


LINES = SDE(lambda u: -u, lambda u: 1 + u, lambda u: 1 - u / 2, lambda u: 1 + u)
FALLING = torch.tensor([1.0, 0.6, 0.3, 0.1])

TOKENS = torch.tensor([[1, 2, 3, 0], [1, 8, 0, 0], [1, 3, 2, 0], [1, 4, 4, 4]])
MASK = TOKENS != 0


def reading(make: Any) -> Any:
    """A small U-Net that reads captions, its weights filled."""
    torch.manual_seed(0)
    net = make(9, 1, 8, (1, 2), attention=(1,), dim=8, length=5)
    for weight in net.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    return net.eval()

def mean(x: Tensor, u: Tensor, s: Tensor) -> Tensor:
    """Some mean velocity that depends on x and both times."""
    return (0.5 * x + u.reshape(-1, 1, 1, 1)).tanh() * s.reshape(-1, 1, 1, 1).cos()


USES: dict[str, Callable[[Any], Any]] = {
    "Schedule": lambda f: f(torch.linspace(0.01, 0.5, 20)),
    "linear_schedule": lambda f: [f(), f(50)],
    "cosine_schedule": lambda f: [f(), f(50)],
    "q_sample": lambda f: [f(S, x(), T, x()), f(S, x(4, 2), 0, x(4, 2))],
    "predict_x0": lambda f: f(S, x(), T, x()),
    "predict_eps": lambda f: f(S, x(), T, x()),
    "posterior_variance": lambda f: [f(S, x(), T, T - 1), f(S, x(), 50, 20)],
    "q_posterior": lambda f: [f(S, x(), x(), T, T - 1), f(S, x(), x(), 50, 0)],
    "eps_target": lambda f: f(S, x(), T, x()),
    "x0_target": lambda f: f(S, x(), T, x()),
    "v_target": lambda f: f(S, x(), T, x()),
    "ddpm_loss": lambda f: [f(model, S, x()), f(model, S, x(), ddpm_lite.v_target)],
    "clipped": wrapped,
    "from_x0": wrapped,
    "from_v": wrapped,
    "guided": lambda f: f(model, Y, 1.5)(x(), T),
    "classifier_guided": lambda f: f(model, S, lambda x, t: -(x**2).flatten(1).sum(1), 2.0)(x(), T),
    "drop_labels": lambda f: f(Y.repeat(100), 0.3, 4),
    "ddpm_step": lambda f: [f(S, x(), 50, 20, x()), steps(f)],
    "ddim_step": lambda f: [f(S, x(), 50, 20, x()), f(S, x(), 50, 20, x(), 0.5), steps(f)],
    "heun": lambda f: sample(model, S, x(), 5, f(model), clip=None),
    "dpmpp_2m": lambda f: steps(f()),
    "trajectory": lambda f: [xt for _, xt in f(model, S, x(), 5, ddim_step)],
    "sample": lambda f: [f(model, S, x()), f(model, S, x(), 5, ddim_step)],
    "spaced": lambda f: [f(1000, 50), f(1000, 20, 2.0)],
    "ddim_invert": lambda f: f(model, S, x(), [100, 60, 20, 0], 2),
    "slerp": lambda f: f(x(), x(), 0.3),
    "sdedit": lambda f: [f(model, S, x(), 0.5, 10), f(model, S, x(4, 2), 0.3, 5, ddim_step, None)],
    "replaced": lambda f: steps(f(x(), x() > 0)),
    "renoised": lambda f: f(S, x(), 20, 60),
    "repaint": lambda f: steps(f(model, x(), x() > 0, 3)),
    "matrix_of": lambda f: f(lambda x: x.cumsum(3)[..., 1:], (1, 2, 3)),
    "residual": lambda f: f(x(3, 64), x(4, 3), x()),
    "dps": lambda f: steps(f(model, x(3, 64), x(4, 3), 0.1)),
    "likelihood": lambda f: [
        f(model, S, x(3, 64), x(4, 3), sigma, std)(x(), T) for sigma, std in ((0.1, 0), (0, 1))
    ],
    "mixture_model": lambda f: f(S, x(3, 2), 0.4)(x(4, 2), T),
    "mixture_posterior": lambda f: f(x(3, 2), 0.4, x(1, 2), x(1), 0.2),
    "time_embedding": lambda f: f(T, 16),
    "ResBlock": lambda f: network(partial(f, 8, 16, 12), x(4, 8, 6, 6), x(4, 12)),
    "Attention": lambda f: network(partial(f, 8), x(4, 8, 6, 6)),
    "Downsample": lambda f: network(partial(f, 8), x(4, 8, 6, 6)),
    "Upsample": lambda f: network(partial(f, 8), x(4, 8, 6, 6)),
    "MLP": lambda f: network(partial(f, 2, 16, 2), x(4, 2), T),
    "UNet": lambda f: [
        network(partial(f, 1, 8, (1, 2), 2, (1,), num_classes=4), x(), T, Y),
        network(partial(f, 2, 8, cond_dim=3, out_channels=4, dims=1), x(4, 2, 8), T, x(4, 3)),
        network(partial(f, 1, 8, cond_channels=1), x(), T, x()),
    ],
    "EMA": averaged,
    "warmup_cosine": lambda f: [f(0.004)(p / 10) for p in range(11)],
    "train": trained,
    "write_atomic": lambda f: written(lambda path: f(path, b"abc"), Path.read_bytes),
    "save_checkpoint": lambda f: written(lambda path: f(path, a=x(2), n=3), Path.read_bytes),
    "load_checkpoint": lambda f: written(
        lambda path: ddpm_lite.save_checkpoint(path, a=x(2), n=3), lambda path: f(path).values()
    ),
    "frechet_distance": lambda f: f(x(50, 3), x(60, 3) + 1),
    "frechet_gaussians": lambda f: f(x(3), torch.eye(3), x(3), 2 * torch.eye(3)),
    "mmd": lambda f: f(x(50, 3), x(60, 3)),
    "precision_recall": lambda f: f(x(50, 3), x(60, 3)),
    "nearest": lambda f: f(x(5, 3), x(60, 3), 2),
    "bits_per_dim": lambda f: [f(x(4), 64), f(x(4), 64, 0.125)],
    "dequantise": lambda f: f(x(), 17),
    "decoder_log_prob": lambda f: [
        f(LEVELS, x(17), 0.3 + x(17) ** 2, 17),
        f(x(), x(), x() ** 2, None),
    ],
    "kl_of_gaussians": lambda f: f(x(), x() ** 2, x(), x() ** 2),
    "variances": lambda f: [f(S, x(), T, T - 1), f(S, x(), 50, 20)],
    "reverse_step": lambda f: [f(S, x(), T, T - 1, x(), 0.3), f(S, x(), 50, 20, x(), x())],
    "fixed_variance": lambda f: f(model, S, 0.3)(x(), T, T - 1),
    "learned_variance": lambda f: f(twice, S)(x(), T, T - 1),
    "bound_term": lambda f: [
        f(reverse, S, x(), T, T - 1, x()),
        f(reverse, S, x(), T, T - 1, x(), 17),
    ],
    "bound": lambda f: f(reverse, S, x(), 17, [100, 60, 20, 0]),
    "hybrid_loss": lambda f: f(twice, S, x()),
    "exact_trace": lambda f: trace(f),
    "hutchinson_trace": lambda f: trace(f),
    "ode_slope": lambda f: f(model, S, x(), 50, likelihood.exact_trace),
    "ode_log_prob": lambda f: f(model, S, x(), [20, 60, 100]),
    "told": lambda f: [f(x(), S, target)(x(), T) for target in ("eps", "x0", "v")],
    "as_score": lambda f: f(model, S)(x(), T),
    "mixture_score": lambda f: [f(x(5, 2), x(3, 2), 0.5), f(x(5, 2), x(3, 2), 0.5, x(5, 1), 2.0)],
    "dsm_loss": lambda f: f(slope, x(), T / 10),
    "langevin": lambda f: f(lambda x: -x, x(), 0.1, 3),
    "annealed_langevin": lambda f: f(slope, x(), FALLING, 2, 0.01),
    "vp": lambda f: functions_of(f()),
    "ve": lambda f: functions_of(f()),
    "sde_step": lambda f: [f(LINES, slope, x(), FALLING[0], FALLING[1], k) for k in (0, 1)],
    "correct": lambda f: f(slope, x(), FALLING[0]),
    "reverse": lambda f: [f(LINES, slope, x(), FALLING), f(LINES, slope, x(), FALLING, 0, 0.1)],
    "edm_sigmas": lambda f: [f(5), f(9, 0.1, 10, 3)],
    "edm_coefficients": lambda f: f(FALLING, 0.7),
    "edm_denoiser": lambda f: f(slope, 0.7)(x(), FALLING),
    "edm_heun": lambda f: f(slope, x(), torch.cat([FALLING, torch.zeros(1)])),
    "zero_terminal_snr": lambda f: f(S.alpha_bar),
    "min_snr_weight": lambda f: [f(FALLING * 20, name) for name in ("eps", "x0", "v")],
    "linear_error": lambda f: [f(x(), torch.tensor(0.3), name) for name in ("eps", "x0", "v")],
    "interpolate": lambda f: f(x(), torch.rand(4), x()),
    "uniform": lambda f: f(5),
    "logit_normal": lambda f: [f(5), f(5, 1.0, 0.5)],
    "flow_loss": lambda f: [f(model, x()), f(model, x(), x(), lambda n: torch.full((n,), 0.3))],
    "flow_times": lambda f: f(S),
    "as_flow": lambda f: f(model, S)(x(), torch.rand(4)),
    "euler": lambda f: [xu for _, xu in f(lambda x, u: x.tanh() + u.view(-1, 1, 1, 1), x(), 5)],
    "sample_flow": lambda f: f(lambda x, u: x.tanh(), x(), torch.tensor([1.0, 0.4, 0.0])),
    "reparameterise": lambda f: [f(x(), x()), f(x(), x(), x())],
    "kl_to_prior": lambda f: f(x(), x()),
    "gaussian_nll": lambda f: f(x(), x(), x(1)[0]),
    "VAE": rows_of,
    "elbo_terms": lambda f: [f(small_vae(), x(4, 3)), f(small_vae(), x(4, 3), x(4, 2))],
    "vae_loss": lambda f: [f(small_vae(), x(4, 3)), f(small_vae(), x(4, 3), 0.3, x(4, 2))],
    "importance_bound": lambda f: f(small_vae(), x(4, 3), 5),
    "latent_scale": lambda f: f(small_vae(), x(40, 3)),
    "to_latent": lambda f: f(small_vae(), x(4, 3)),
    "from_latent": lambda f: f(small_vae(), x(4, 2)),
    "dense_vae": lambda f: network(partial(f, (1, 4, 4), 3, 8), x(4, 1, 4, 4)),
    "conv_vae": lambda f: network(partial(f, 1, 2, 4), x(4, 1, 8, 8)),
    "discriminator_loss": lambda f: f(x(5), x(5)),
    "minimax_loss": lambda f: f(x(5)),
    "nonsaturating_loss": lambda f: f(x(5)),
    "Spectral": normed,
    "spectral_norm": lambda f: network(lambda: f(torch.nn.Linear(3, 2)), x(4, 3)),
    "learn": fitted,
    "discriminator_step": duel,
    "generator_step": duel,
    "small_generator": lambda f: network(partial(f, 8, 4), x(4, 8)),
    "small_discriminator": lambda f: network(partial(f, 4), x(4, 1, 8, 8)),
    "straightness": lambda f: f(lambda x, u: x.tanh(), x(), 5),
    "patchify": lambda f: [f(x(), 2), f(x(2, 3, 4, 6), 2), f(x(2, 3, 4, 8), 4)],
    "unpatchify": lambda f: [f(x(2, 6, 12), 2, 2), f(x(2, 6, 4), 2, 3)],
    "position_embedding": lambda f: [f(4, 4, 16), f(2, 3, 8)],
    "layer_norm": lambda f: f(16)(x(4, 9, 16)),
    "from_condition": lambda f: network(partial(f, 16, 2), x(4, 16)),
    "modulate": lambda f: f(x(4, 9, 16), x(4, 1, 16), x(4, 1, 16)),
    "TokenAttention": lambda f: network(partial(f, 16, 4), x(4, 9, 16)),
    "DiTBlock": lambda f: network(partial(f, 16, 4), x(4, 9, 16), x(4, 16)),
    "DiT": lambda f: [
        network(partial(f, 1, 2, 16, 2, 4, num_classes=4), x(), T, Y),
        network(partial(f, 2, 1, 16, 1, 2, out_channels=4), x(4, 2, 4, 6), T),
    ],
    "drawings": lambda f: f("#. .+\n.. #.\n\n++ ##\n.. ##"),
    "NewLabel": lambda f: relabelled(f(torch.nn.Embedding(4, 3))),
    "add_label": lambda f: [f(net := unet()), net(x(), T, Y), net(x(), T, Y.clamp(max=2))],
    "LoRA": lambda f: [*adapted(f(torch.nn.Linear(8, 5), 2, 6.0)),
                       *adapted(f(torch.nn.Conv2d(1, 3, 3, stride=2, padding=1)))],
    "add_lora": lambda f: [len(f(net := unet(), ("conv1", "inject"), 2)), shaken(net)(x(), T)],
    "plain": lambda f: f(unet())(x(), T, Y.clamp(max=2)),
    "without_lora": lambda f: f(unet())(x(), T, Y.clamp(max=2)),
    "prior_loss": lambda f: f(model, S, (x(), Y), (x(), Y + 1), 0.5),
    "edges": lambda f: f(x()),
    "skip_widths": lambda f: f(unet()),
    "Branch": lambda f: shaken(f(unet()))(x(), torch.randn(4, 32), x()),
    "Control": lambda f: shaken(f(unet()))(x(), T, Y.clamp(max=2), x()),
    "playground_file": lambda f: len(f(ddpm_lite.load_pretrained("digits")[0], S)),
    "Tokenizer": lambda f: f(("red", "seven", "s", "six", "es"), 6)(["red sevens", "", "sixes"]),
    "attention_weights": lambda f: f(x(4, 2, 5, 3), x(4, 2, 4, 3), MASK),
    "CrossAttention": lambda f: network(partial(f, 8, 6), x(4, 8, 6, 5), x(4, 4, 6), MASK),
    "TextLayer": lambda f: network(partial(f, 8), x(4, 4, 8), MASK),
    "TextEncoder": lambda f: network(partial(f, 9, 8, 5), TOKENS),
    "TextCondition": lambda f: network(lambda: f(8, 16, TextEncoder(9, 8, 5)), T, TOKENS),
    "TextBlock": lambda f: network(
        partial(f, 8, 16, 12, 6, 4, True), x(4, 8, 6, 6), (x(4, 12), x(4, 4, 6), MASK)
    ),
    "TextUNet": lambda f: [reading(f)(x(), T, TOKENS), reading(f)(x(), T)],
    "attention_maps": lambda f: f(reading(TextUNet), x(), T, TOKENS),
    "skip_out": lambda f: [f(FALLING), f(FALLING, 0.002, 0.5)],
    "consistency": lambda f: [f(model, S)(x(), T), f(model, S, y=Y)(x(), T * 0)],
    "row_error": lambda f: f(x(), x()),
    "pseudo_huber": lambda f: [f(x(), x()), f(x(), x(), 2.0)],
    "random_step": lambda f: f([100, 60, 20, 0], 50),
    "x0_between": lambda f: [f(S, x(), T, x(), T - 1), f(S, x(), 50, x(), 20)],
    "two_steps": lambda f: f(model, S, x(), T.clamp(min=3), T // 3),
    "progressive_loss": lambda f: [
        f(model, model, S, x(), [100, 60, 20, 0]),
        f(model, model, S, x(), [100, 60, 20, 0], x()),
    ],
    "consistency_loss": lambda f: [
        f(model, model, S, x(), [100, 60, 20, 0], *more) for more in ((), (model,))
    ],
    "hops": lambda f: list(f(model, S, x(), [100, 60, 20, 0])),
    "mean_flow_times": lambda f: [*f(50), *f(50, 0.1)],
    "mean_flow_loss": lambda f: [
        f(mean, x(), *ends, *more)
        for ends in [(torch.tensor([1.0, 0.8, 0.5, 0.2]), torch.tensor([0.0, 0.5, 0.5, 0.1]))]
        for more in ((), (x(), 0.0))
    ],
    "encode": lambda f: f("a mask_ and 3"),
    "decode": lambda f: [ord(c) for c in f(hidden(3).clamp(max=1)[0])],
    "to_levels": lambda f: f(x().clamp(-1, 1)),
    "from_levels": lambda f: f(hidden(64)),
    "mask_tokens": lambda f: [
        f(hidden(9).clamp(min=0), torch.rand(4)),
        f(hidden(9).clamp(min=0), torch.rand(4), torch.rand(4, 9)),
    ],
    "token_posterior": lambda f: f(x(4, 9, 5).softmax(-1), hidden(9), 0.7, 0.2),
    "hidden_nats": lambda f: f(filler, hidden(9).clamp(min=0), hidden(9)),
    "steps_bound": lambda f: [f(filler, hidden(3).clamp(min=0), T) for T in (1, 5)],
    "even_times": lambda f: f(6),
    "masked_loss": lambda f: f(filler, hidden(9).clamp(min=0)),
    "gumbel_max": lambda f: f(x(4, 9, 5)),
    "at_random": lambda f: f(x(4, 9, 5), hidden(9)),
    "by_confidence": lambda f: f(x(4, 9, 5), hidden(9).clamp(min=0)),
    "reveal": lambda f: [f(filler, hidden(9)), f(filler, hidden(9), 3, lambda p, x: -x.double())],
    "unmask": lambda f: [f(filler, hidden(9), 2), f(filler, hidden(9), 3, lambda p, x: p[..., 0])],
    "shifted": lambda f: f(hidden(9)),
    "next_token_loss": lambda f: f(filler, hidden(9).clamp(min=0)),
    "left_to_right": lambda f: f(filler, hidden(9)),
    "rotated": lambda f: f(x(4, 2, 9, 6)),
    "TokenBlock": lambda f: [
        network(partial(f, 8, 2, causal, rotary), x(4, 9, 8))
        for causal, rotary in ((False, False), (True, True))
    ],
    "TokenNet": lambda f: [
        network(partial(f, 5, 9, 8, 2, 2), hidden(9)),
        network(partial(f, 5, 9, 8, 1, 2, 4, True, True), hidden(9), Y),
    ],
    "frames": lambda f: [f(x(2, 1600)), f(x(2, 24), 8, 4)],
    "overlap_add": lambda f: [f(x(2, 10, 512)), f(x(2, 5, 8), 4)],
    "stft": lambda f: [torch.view_as_real(f(x(2, 1600))), torch.view_as_real(f(x(1, 24), 8, 4))],
    "istft": lambda f: f(torch.complex(x(2, 10, 257), x(2, 10, 257))),
    "hz_to_mel": lambda f: f(100 * FALLING),
    "mel_to_hz": lambda f: f(100 * FALLING),
    "mel_filters": lambda f: [f(), f(10, 256, 16000)],
    "log_mel": lambda f: f(0.1 * x(2, 1600)),
    "magnitudes": lambda f: f(x(2, 1, 32, 10).tanh()),
    "griffin_lim": lambda f: [
        f(x(2, 10, 257).abs(), 3),
        f(x(2, 10, 257).abs(), 3, x(2, 10, 257), 0.0),
    ],
    "as_blocks": lambda f: [f(x(2, 32)), f(x(2, 32), 4)],
    "from_blocks": lambda f: f(x(2, 8, 4)),
    "to_int16": lambda f: [f(x(9)), f(x(9).half())],
    "mu_law": lambda f: f(x(9).tanh()),
    "from_mu_law": lambda f: f(torch.arange(-127, 128)),
}
