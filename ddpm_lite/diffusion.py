"""Schedule, loss and samplers of a Denoising Diffusion Probabilistic Model (needs torch alone).

Time is the paper's, t = 1 … T, and row 0 is clean data: ``alpha_bar[0] == 1``. A model is any
``eps(x, t)`` that guesses the noise in ``x``; this file never looks inside it. A checkpoint of a
library that counts from 0 wants ``t - 1``.

DDPM: Ho et al. 2020, arXiv 2006.11239. DDIM: Song et al. 2021, arXiv 2010.02502.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Model = Callable[[Tensor, Tensor], Tensor]  # eps(x, t)
Time = int | Tensor  # one for all rows, or (B,) integers
Steps = int | Sequence[int] | None


class Schedule(nn.Module):
    """How much noise there is at each time; three float32 buffers with rows 0 … T.

    Args:
        beta: (T,) the variances beta_1 … beta_T, each in (0, 1).

    ``alpha = 1 - beta``, and ``alpha_bar[t]`` is the product of alpha_1 … alpha_t (DDPM, Eq. 4).
    Built in chapter 1.
    """

    def __init__(self, beta: Tensor):
        super().__init__()
        beta = torch.as_tensor(beta, dtype=torch.float64)
        if beta.ndim != 1 or not len(beta) or not ((beta > 0) & (beta < 1)).all():
            hint = "expected T numbers in (0, 1): one rescaled to few steps needs a larger T"
            raise ValueError(f"beta has shape {tuple(beta.shape)}, values {_span(beta)}; {hint}")
        beta = torch.cat([beta.new_zeros(1), beta])
        self.register_buffer("beta", beta.float())
        self.register_buffer("alpha", (1 - beta).float())
        self.register_buffer("alpha_bar", (1 - beta).cumprod(0).float())

    @property
    def T(self) -> int:
        """The last time, at which (almost) nothing is left of the data."""
        return len(self.beta) - 1

    @property
    def snr(self) -> Tensor:
        """(T + 1,) signal-to-noise ratio alpha_bar / (1 - alpha_bar); infinite at t = 0."""
        return self.alpha_bar / (1 - self.alpha_bar)

    def at(self, t: Time, x: Tensor) -> Tensor:
        """alpha_bar_t in a shape that multiplies ``x``: (B, 1, …), or (1, 1, …) for an int."""
        _check_time(self.T, t, x)
        return self.alpha_bar[t].reshape(-1, *[1] * (x.ndim - 1))


def linear_schedule(T: int = 1000, beta_1: float = 1e-4, beta_T: float = 0.02) -> Schedule:
    """beta grows linearly (DDPM, section 4). The end points suit T = 1000: with fewer steps some
    of the signal is left at T, and sampling starts from the wrong noise. Built in chapter 1."""
    return Schedule(torch.linspace(beta_1, beta_T, T, dtype=torch.float64))


def cosine_schedule(T: int = 1000, s: float = 0.008, max_beta: float = 0.999) -> Schedule:
    """alpha_bar falls like a squared cosine (Improved DDPM, arXiv 2102.09672, Eq. 17).

    Args:
        T: number of steps; any number works, the curve is stretched.
        s: offset that keeps beta_1 from vanishing.
        max_beta: upper limit of beta near T, where the curve reaches 0.

    Built in chapter 1.
    """
    t = torch.arange(T + 1, dtype=torch.float64)
    f = torch.cos((t / T + s) / (1 + s) * math.pi / 2) ** 2
    return Schedule((1 - f[1:] / f[:-1]).clamp(max=max_beta))


def q_sample(schedule: Schedule, x0: Tensor, t: Time, eps: Tensor) -> Tensor:
    """x_t = sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) eps (DDPM, Eq. 4). Built in chapter 1."""
    alpha_bar = schedule.at(t, x0)
    return alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * eps


def predict_x0(schedule: Schedule, xt: Tensor, t: Time, eps: Tensor) -> Tensor:
    """The x0 that ``eps`` implies: Eq. 4 solved for x0 (DDPM, Eq. 15). Built in chapter 2."""
    alpha_bar = schedule.at(t, xt)
    return (xt - (1 - alpha_bar).sqrt() * eps) / alpha_bar.sqrt()


def predict_eps(schedule: Schedule, xt: Tensor, t: Time, x0: Tensor) -> Tensor:
    """The noise that ``x0`` implies: Eq. 4 solved for eps; t >= 1. Built in chapter 2."""
    alpha_bar = schedule.at(t, xt)
    return (xt - alpha_bar.sqrt() * x0) / (1 - alpha_bar).sqrt()


def q_posterior(
    schedule: Schedule, x0: Tensor, xt: Tensor, t: Time, s: Time
) -> tuple[Tensor, Tensor]:
    """Mean and variance of q(x_s | x_t, x0) for s < t (DDPM, Eq. 6 and 7, where s = t - 1).

    At s = 0 the variance is 0 and the mean is x0. Built in chapter 2.
    """
    alpha_bar, alpha_bar_s = schedule.at(t, xt), schedule.at(s, xt)
    alpha = alpha_bar / alpha_bar_s
    beta = 1 - alpha
    mean = alpha_bar_s.sqrt() * beta * x0 + alpha.sqrt() * (1 - alpha_bar_s) * xt
    return mean / (1 - alpha_bar), (1 - alpha_bar_s) / (1 - alpha_bar) * beta


def eps_target(schedule: Schedule, x0: Tensor, t: Time, eps: Tensor) -> Tensor:
    """The network learns the noise (DDPM, Eq. 14). Built in chapter 3."""
    return eps


def x0_target(schedule: Schedule, x0: Tensor, t: Time, eps: Tensor) -> Tensor:
    """The network learns the data; wrap it with ``from_x0`` to sample. Built in chapter 3."""
    return x0


def v_target(schedule: Schedule, x0: Tensor, t: Time, eps: Tensor) -> Tensor:
    """v = sqrt(alpha_bar) eps - sqrt(1 - alpha_bar) x0 (Salimans and Ho 2022, arXiv 2202.00512,
    section 4); wrap the network with ``from_v`` to sample. Built in chapter 3."""
    alpha_bar = schedule.at(t, x0)
    return alpha_bar.sqrt() * eps - (1 - alpha_bar).sqrt() * x0


def ddpm_loss(model: Model, schedule: Schedule, x0: Tensor, target=eps_target) -> Tensor:
    """Algorithm 1: a random time for each row, noise, and the squared error of the guess
    (DDPM, Eq. 14; a mean over all entries). x0 is (B, …), about [-1, 1]. Built in chapter 3."""
    _check_data(x0)
    t = torch.randint(1, schedule.T + 1, x0.shape[:1], device=x0.device)
    eps = torch.randn_like(x0)
    guess = model(q_sample(schedule, x0, t, eps), t)
    if guess.shape != x0.shape:
        raise ValueError(f"the model made {tuple(guess.shape)} of x of shape {tuple(x0.shape)}")
    return F.mse_loss(guess, target(schedule, x0, t, eps))


def ddpm_step(schedule: Schedule, xt: Tensor, t: int, s: int, eps: Tensor) -> Tensor:
    """From x_t to x_s as the paper samples (DDPM, Eq. 11 and Algorithm 2, there s = t - 1).

    The variance is the posterior's, so the step to s = 0 adds no noise. Built in chapter 6.
    """
    alpha_bar, alpha_bar_s = schedule.at(t, xt), schedule.at(s, xt)
    alpha = alpha_bar / alpha_bar_s
    mean = (xt - (1 - alpha) / (1 - alpha_bar).sqrt() * eps) / alpha.sqrt()
    sigma = ((1 - alpha_bar_s) / (1 - alpha_bar) * (1 - alpha)).sqrt()
    return mean + sigma * torch.randn_like(xt)


def ddim_step(
    schedule: Schedule, xt: Tensor, t: int, s: int, eps: Tensor, eta: float = 0.0
) -> Tensor:
    """From x_t to x_s (DDIM, Eq. 12 and 16): deterministic at eta = 0; eta = 1 is ``ddpm_step``.
    Built in chapter 7."""
    if not 0 <= eta <= 1:
        raise ValueError(f"eta is {eta}; expected 0 (deterministic) to 1 (as random as DDPM)")
    alpha_bar, alpha_bar_s = schedule.at(t, xt), schedule.at(s, xt)
    x0 = predict_x0(schedule, xt, t, eps)
    sigma = eta * ((1 - alpha_bar_s) / (1 - alpha_bar) * (1 - alpha_bar / alpha_bar_s)).sqrt()
    mean = alpha_bar_s.sqrt() * x0 + (1 - alpha_bar_s - sigma**2).clamp(min=0).sqrt() * eps
    return mean + sigma * torch.randn_like(xt) if eta else mean


@torch.no_grad()
def trajectory(
    model: Model, schedule: Schedule, xT: Tensor, steps: Steps = None, step=ddpm_step
) -> Iterator[tuple[int, Tensor]]:
    """Yield (t, x_t) from (T, xT) down to (0, x0). A generator: it works as you iterate over it.

    Args:
        model: any ``eps(x, t)`` with x (B, …) and t (B,).
        schedule: where the noise levels are.
        xT: (B, …) noise, ``torch.randn(…)``.
        steps: None makes every step; a number makes so many, evenly spaced from T to 0; a
            falling list such as [T, …, 0] visits just those (one that starts lower edits x_t).
        step: ``ddpm_step`` or ``ddim_step``, or a function like them.

    Built in chapter 6.
    """
    times = _times(schedule.T, steps)
    xt = xT
    yield times[0], xt
    for t, s in pairwise(times):
        eps = model(xt, torch.full(xt.shape[:1], t, device=xt.device))
        xt = step(schedule, xt, t, s, eps)
        yield s, xt


def sample(
    model: Model, schedule: Schedule, xT: Tensor, steps: Steps = None, step=ddpm_step
) -> Tensor:
    """Algorithm 2: the end of ``trajectory``, x0 of the shape of xT. Built in chapter 6."""
    for _, xt in trajectory(model, schedule, xT, steps, step):
        x0 = xt  # the last one stays
    return x0


def _times(T: int, steps: Steps) -> list[int]:
    """The times to visit, falling to 0."""
    steps = T if steps is None else steps
    if isinstance(steps, int) and 1 <= steps <= T:
        return [T * (steps - i) // steps for i in range(steps + 1)]
    times = [] if isinstance(steps, int) else [int(t) for t in steps]
    if len(times) < 2 or times[-1] != 0 or any(t <= s for t, s in pairwise(times)):
        raise ValueError(f"steps is {steps}; expected 1 … T = {T}, or times that fall to 0")
    return times


def _check_time(T: int, t: Time, x: Tensor) -> None:
    """Every time passes here. On a GPU the values are not read: each read would stop the queue."""
    _check_float(x)
    rows = isinstance(t, Tensor) and t.dtype == torch.int64 and t.shape == x.shape[:1]
    if not rows and (isinstance(t, bool) or not isinstance(t, int)):
        kind = f"{t.dtype} of shape {tuple(t.shape)}" if isinstance(t, Tensor) else repr(t)
        raise TypeError(f"t is {kind}; expected an int, or {len(x)} int64, one for each row of x")
    for value in t.tolist() if rows and not t.is_cuda else [] if rows else [t]:
        if not 0 <= value <= T:
            raise ValueError(f"t is {value}; expected 0 … T = {T}")


def _check_float(x: Tensor) -> None:
    if not x.is_floating_point():
        raise TypeError(f"x is {x.dtype}; expected floats: for bytes, x.float() / 127.5 - 1")


def _check_data(x0: Tensor) -> None:
    """Training data enters here: refuse what is empty, not finite, or plainly not scaled."""
    _check_float(x0)
    if not x0.numel():
        raise ValueError(f"x0 is empty: its shape is {tuple(x0.shape)}; expected (B, …), B >= 1")
    if not x0.is_cuda and not x0.abs().max() < 20:
        hint = "expected about -1 … 1 and no NaN: for images in 0 … 255, x0 / 127.5 - 1"
        raise ValueError(f"x0 has values {_span(x0)}; {hint}")


def _span(x: Tensor) -> str:
    return f"{x.min():g} … {x.max():g}" if x.numel() else "(none)"
