"""How ``same_as_package`` calls the functions of parts I to III."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import ddpm_lite
from ddpm_lite import cosine_schedule, ddim_step, likelihood, sample
from ddpm_lite.score import SDE

S = cosine_schedule(100)
T = torch.tensor([1, 7, 50, 100])
Y = torch.tensor([0, 1, 2, 3])
LEVELS = torch.linspace(-1, 1, 17)


def x(*shape: int) -> Tensor:
    """Random numbers to use as data or noise, in the shape of four images (4, 1, 8, 8) by
    default."""
    return torch.randn(shape or (4, 1, 8, 8))


def model(x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
    """An arbitrary eps(x, t) that depends on x, on t, and on y if it's given."""
    label = 0 if y is None else y.reshape(-1, *[1] * (x.ndim - 1)) / 10
    return (0.5 * x + label).tanh() * (t.reshape(-1, *[1] * (x.ndim - 1)) / 100 + 0.1)


def wrapped(wrap: Callable) -> Tensor:
    """The output of a wrapped model."""
    return wrap(model, S)(x(), T)


def network(make: Callable, *inputs: Tensor) -> Iterator[Tensor]:
    """The output of a network with random weights, the same for equal networks. Layers that start
    at zero get random weights too."""
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
    """The samples that a sampling step leads to."""
    return sample(model, S, x(), 5, make, **how)


def pulled(loss: Callable, net: Callable, *rest: Any) -> list[Tensor]:
    """A loss of ``net`` with one weight before it, and the gradient of this weight."""
    weight = torch.tensor(0.7, requires_grad=True)
    with torch.enable_grad():
        value = loss(lambda *inputs: weight * net(*inputs), *rest)
    return [value.detach(), *torch.autograd.grad(value, weight)]


def trainable(net: torch.nn.Module) -> int:
    """How many numbers of a network learn."""
    return sum(weight.numel() for weight in net.parameters() if weight.requires_grad)


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
    """What ``read`` returns for a file that ``write`` wrote."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        write(path)
        return read(path)


def slope(x: Tensor, u: Tensor) -> Tensor:
    """An arbitrary score(x, u)."""
    return -x * (1 + u.reshape(-1, *[1] * (x.ndim - 1)))


def functions_of(sde: Any) -> list[Tensor]:
    """The values of an SDE's four functions."""
    return [part(torch.linspace(0.1, 1, 5)) for part in (sde.f, sde.g2, sde.signal, sde.noise)]


LINES = SDE(lambda u: -u, lambda u: 1 + u, lambda u: 1 - u / 2, lambda u: 1 + u)
FALLING = torch.tensor([1.0, 0.6, 0.3, 0.1])


def mean(x: Tensor, u: Tensor, s: Tensor) -> Tensor:
    """An arbitrary mean velocity that depends on x and both times."""
    return (0.5 * x + u.reshape(-1, 1, 1, 1)).tanh() * s.reshape(-1, 1, 1, 1).cos()


USES: dict[str, Callable[[Any], Any]] = {
    "Schedule": lambda f: [
        s := f(torch.linspace(0.01, 0.5, 20)), s.T, s.snr, s.at(T.clamp(max=20), x()), s.at(3, x())
    ],
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
        f(model, S, x(3, 64), x(4, 3), sigma, std)(x(), T) for sigma, std in ((0.1, 0), (0, 0.7))
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
    "bound": lambda f: [
        f(reverse, S, x(), 17, [100, 60, 20, 0]),
        f(reverse, ddpm_lite.linear_schedule(50), x(), None, [50, 20, 0]),  # with signal at T
    ],
    "hybrid_loss": lambda f: pulled(f, twice, S, x()),
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
    "straightness": lambda f: f(lambda x, u: x.tanh(), x(), 5),
}
