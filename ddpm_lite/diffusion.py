"""A diffusion model's schedule, forward process, loss and samplers (needs only torch).

Timesteps are the paper's: t = 1 … T, and row 0 is clean data, so ``alpha_bar[0] == 1``. A model is
any callable ``eps(x, t)`` that predicts the noise in ``x``. If your network counts timesteps from
0, as in some libraries, wrap it: ``lambda x, t: net(x, t - 1)``.

DDPM: Ho et al. 2020, arXiv 2006.11239. DDIM: Song et al. 2021, arXiv 2010.02502.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Model = Callable[..., Tensor]  # eps(x, t)
Time = int | Tensor  # one for all rows, or (B,) int64
Steps = int | Sequence[int] | None


class Schedule(nn.Module):
    """How much noise there is at each timestep: three float32 buffers with rows 0 … T.

    Args:
        beta: (T,) the variances beta_1 … beta_T, each in (0, 1). With beta_T = 1, ``predict_x0``
            would divide by sqrt(alpha_bar) = 0.

    ``beta``, ``alpha = 1 - beta`` and ``alpha_bar`` have T + 1 rows; ``alpha_bar[t]`` is the
    product of alpha_1 … alpha_t (DDPM, Eq. 4).

    Raises:
        ValueError: beta isn't (T,) numbers in (0, 1), or alpha_bar falls to 0.

    Built in chapter 1.
    """

    def __init__(self, beta: Tensor):
        super().__init__()
        beta = torch.as_tensor(beta, dtype=torch.float64)
        expect(beta.ndim == 1 and len(beta) and ((beta > 0) & (beta < 1)).all()
               and (1 - beta).prod().float() > 0, "beta[:3]", beta.flatten()[:3].tolist(),
               "T numbers in (0, 1), small enough that alpha_bar stays above 0")
        beta = torch.cat([beta.new_zeros(1), beta])
        self.register_buffer("beta", beta.float())
        self.register_buffer("alpha", (1 - beta).float())
        self.register_buffer("alpha_bar", (1 - beta).cumprod(0).float())

    @property
    def T(self) -> int:
        """The last timestep, where (almost) nothing is left of the data."""
        return len(self.beta) - 1

    @property
    def snr(self) -> Tensor:
        """(T + 1,) signal-to-noise ratio alpha_bar / (1 - alpha_bar); infinite at t = 0."""
        return self.alpha_bar / (1 - self.alpha_bar)

    def at(self, t: Time, x: Tensor) -> Tensor:
        """alpha_bar_t in a shape that multiplies ``x``: (B, 1, …), or (1, 1, …) for an int."""
        _check_time(self.T, self.alpha_bar.device, t, x)
        return self.alpha_bar[t].reshape(-1, *[1] * (x.ndim - 1))


def linear_schedule(T: int = 1000, beta_1: float = 1e-4, beta_T: float = 0.02) -> Schedule:
    """beta grows linearly from beta_1 to beta_T (DDPM, section 4). The default end points are made
    for T = 1000. With fewer steps, they leave some signal at T, so sampling would start from the
    wrong noise. Built in chapter 1."""
    expect(type(T) is int and beta_1 <= beta_T, "T", T, "a whole number, and beta_1 <= beta_T")
    return Schedule(torch.linspace(beta_1, beta_T, T, dtype=torch.float64))


def cosine_schedule(T: int = 1000, s: float = 0.008, max_beta: float = 0.999) -> Schedule:
    """alpha_bar falls like a squared cosine (Improved DDPM, arXiv 2102.09672, Eq. 17).

    Args:
        T: number of steps. Any number works, since the curve is stretched to it.
        s: offset that keeps beta_1 from vanishing.
        max_beta: upper limit of beta near T, where the curve reaches 0.

    Built in chapter 1.
    """
    expect(type(T) is int and T > 0, "T", T, "a whole number of steps, 1 or more")
    t = torch.arange(T + 1, dtype=torch.float64)
    f = torch.cos((t / T + s) / (1 + s) * torch.pi / 2) ** 2
    return Schedule((1 - f[1:] / f[:-1]).clamp(max=max_beta))


def q_sample(schedule: Schedule, x0: Tensor, t: Time, eps: Tensor) -> Tensor:
    """The noisy x_t = sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) eps (DDPM, Eq. 4), in the shape of
    x0 (B, …), for t an int or (B,). Built in chapter 1."""
    _check_like(eps, x0)
    alpha_bar = schedule.at(t, x0)
    return alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * eps


def predict_x0(schedule: Schedule, xt: Tensor, t: Time, eps: Tensor) -> Tensor:
    """The x0 that ``eps`` implies: Eq. 4 solved for x0 (DDPM, Eq. 15). Built in chapter 2."""
    _check_like(eps, xt)
    alpha_bar = schedule.at(t, xt)
    return (xt - (1 - alpha_bar).sqrt() * eps) / alpha_bar.sqrt()


def predict_eps(schedule: Schedule, xt: Tensor, t: Time, x0: Tensor) -> Tensor:
    """The noise that ``x0`` implies: Eq. 4 solved for eps; t >= 1. Built in chapter 2."""
    _check_like(x0, xt)
    alpha_bar = schedule.at(t, xt)
    _check_later(t, 0)
    return (xt - alpha_bar.sqrt() * x0) / (1 - alpha_bar).sqrt()


def posterior_variance(schedule: Schedule, xt: Tensor, t: Time, s: Time) -> Tensor:
    """Variance of q(x_s | x_t, x0) for s < t, in a shape that multiplies ``xt`` (DDPM, Eq. 7, where
    s = t - 1). It is 0 at s = 0, so the last step adds no noise. Built in chapter 2."""
    alpha_bar, alpha_bar_s = schedule.at(t, xt), schedule.at(s, xt)
    _check_later(t, s)
    return (1 - alpha_bar_s) / (1 - alpha_bar) * (1 - alpha_bar / alpha_bar_s)


def q_posterior(schedule: Schedule, x0: Tensor, xt: Tensor, t: Time, s: Time) -> tuple:
    """Mean (B, …) and variance of q(x_s | x_t, x0) for s < t (DDPM, Eq. 6 and 7, where s = t - 1).

    The variance has a shape that multiplies ``xt``. At s = 0 it's 0, and the mean is x0.
    Built in chapter 2.
    """
    _check_like(x0, xt)
    alpha_bar, alpha_bar_s = schedule.at(t, xt), schedule.at(s, xt)
    alpha = alpha_bar / alpha_bar_s
    mean = alpha_bar_s.sqrt() * (1 - alpha) * x0 + alpha.sqrt() * (1 - alpha_bar_s) * xt
    return mean / (1 - alpha_bar), posterior_variance(schedule, xt, t, s)


def eps_target(schedule: Schedule, x0: Tensor, t: Time, eps: Tensor) -> Tensor:
    """ε-prediction: the network learns the noise (DDPM, Eq. 14). Built in chapter 3."""
    return eps


def x0_target(schedule: Schedule, x0: Tensor, t: Time, eps: Tensor) -> Tensor:
    """x0-prediction: the network learns the data. To sample, wrap the network with ``from_x0``.
    Built in chapter 3."""
    return x0


def v_target(schedule: Schedule, x0: Tensor, t: Time, eps: Tensor) -> Tensor:
    """v-prediction: v = sqrt(alpha_bar) eps - sqrt(1 - alpha_bar) x0 (Salimans and Ho 2022,
    arXiv 2202.00512, section 4). To sample, wrap the network with ``from_v``.
    Built in chapter 3."""
    _check_like(eps, x0)
    alpha_bar = schedule.at(t, x0)
    return alpha_bar.sqrt() * eps - (1 - alpha_bar).sqrt() * x0


TARGETS = {"eps": eps_target, "x0": x0_target, "v": v_target}


def ddpm_loss(model: Model, schedule: Schedule, x0: Tensor, target=eps_target,
              t: Tensor | None = None, eps: Tensor | None = None) -> Tensor:  # fmt: skip
    """Algorithm 1: draw a timestep and noise for each row, and take the mean squared error of the
    prediction (DDPM, Eq. 14).

    Args:
        model: ``model(xt, t)``, which predicts the target; for labels, ``partial(net, y=y)``.
        schedule: the noise levels.
        x0: (B, …) data in about [-1, 1].
        target: what the network learns: ``eps_target``, ``x0_target`` or ``v_target``.
        t, eps: timesteps (B,) and noise like x0, in place of random ones.

    Raises:
        TypeError, ValueError: x0 isn't a batch of floats in about [-1, 1]. The values are looked at
            on a CPU only.

    Built in chapter 3.
    """
    check_data(x0)
    expect(callable(target), "target", target, "a function, such as v_target", TypeError)
    t = torch.randint(1, schedule.T + 1, x0.shape[:1], device=x0.device) if t is None else t
    eps = torch.randn_like(x0) if eps is None else eps
    prediction = model(q_sample(schedule, x0, t, eps), t)
    _check_like(prediction, x0)
    return F.mse_loss(prediction, target(schedule, x0, t, eps))


def clipped(model: Model, schedule: Schedule, limit: float = 1.0) -> Model:
    """The same model with its prediction of x0 clipped to [-limit, limit], the range of the data.
    It still returns eps: the one that the clipped x0 implies. Built in chapter 6."""
    expect(limit > 0, "clip", limit, "the largest value of the data, such as 1")

    def eps(x: Tensor, t: Tensor, *args, **kwargs) -> Tensor:
        x0 = predict_x0(schedule, x, t, model(x, t, *args, **kwargs))
        return predict_eps(schedule, x, t, x0.clamp(-limit, limit))

    return eps


def ddpm_step(schedule: Schedule, xt: Tensor, t: int, s: int, eps: Tensor) -> Tensor:
    """A sampling step from x_t to x_s (DDPM, Eq. 11 and Algorithm 2, where s = t - 1).

    The variance is the posterior's, so the step to s = 0 adds no noise. Built in chapter 6.
    """
    _check_like(eps, xt)
    alpha_bar, alpha_bar_s = schedule.at(t, xt), schedule.at(s, xt)
    alpha = alpha_bar / alpha_bar_s
    mean = (xt - (1 - alpha) / (1 - alpha_bar).sqrt() * eps) / alpha.sqrt()
    sigma = posterior_variance(schedule, xt, t, s).sqrt()
    return mean + sigma * torch.randn_like(xt)


def ddim_step(schedule: Schedule, xt: Tensor, t: int, s: int, eps: Tensor,
              eta: float = 0.0) -> Tensor:  # fmt: skip
    """A sampling step from x_t to x_s (DDIM, Eq. 12 and 16). It's deterministic at eta = 0, and
    equal to ``ddpm_step`` at eta = 1. Built in chapter 7."""
    expect(0 <= eta <= 1, "eta", eta, "0 (deterministic) to 1 (as random as DDPM)")
    x0, alpha_bar_s = predict_x0(schedule, xt, t, eps), schedule.at(s, xt)
    sigma = eta * posterior_variance(schedule, xt, t, s).sqrt()
    mean = alpha_bar_s.sqrt() * x0 + (1 - alpha_bar_s - sigma**2).clamp(min=0).sqrt() * eps
    return mean + sigma * torch.randn_like(xt) if eta else mean


@torch.no_grad()
def trajectory(model: Model, schedule: Schedule, xT: Tensor, steps: Steps = None, step=ddpm_step,
               clip: float | None = 1.0) -> Iterator[tuple[int, Tensor]]:  # fmt: skip
    """Yield (t, x_t) from (T, xT) down to (0, x0). This is a generator, so nothing runs until you
    iterate over it.

    Args:
        model: any ``eps(x, t)`` with x (B, …) and t (B,).
        schedule: the noise levels.
        xT: (B, …) noise, ``torch.randn(…)``.
        steps: None takes every step. A number takes that many, evenly spaced from T to 0. A
            decreasing list such as [T, …, 0] visits exactly these times; to begin with x_t, start
            the list at t.
        step: ``ddpm_step`` or ``ddim_step``, or a function like them.
        clip: predictions of x0 are clipped to [-clip, clip], the range of images. Use None for data
            without a range, such as points.

    Raises:
        ValueError: the steps don't fall to 0, or the model predicts NaN or another shape. NaN is
            looked for on a CPU only, since reading a value stops a GPU's queue.

    Built in chapter 6.
    """
    times = _times(schedule.T, steps)
    model = model if clip is None else clipped(model, schedule, clip)
    xt = xT
    yield times[0], xt
    for t, s in pairwise(times):
        eps = model(xt, torch.full(xt.shape[:1], t, device=xt.device))
        _check_like(eps, xt)
        expect(eps.is_cuda or eps.isfinite().all(), "eps", torch.nan, "numbers: check the weights")
        xt = step(schedule, xt, t, s, eps)
        yield s, xt


def sample(model: Model, schedule: Schedule, xT: Tensor, steps: Steps = None, step=ddpm_step,
           clip: float | None = 1.0) -> Tensor:  # fmt: skip
    """Algorithm 2: run ``trajectory`` to its end and return x0, in the shape of xT.
    Built in chapter 6."""
    for _, xt in trajectory(model, schedule, xT, steps, step, clip):
        x0 = xt  # the last one stays
    return x0


def spaced(T: int, n: int, power: float = 1.0) -> list[int]:
    """n + 1 decreasing timesteps from T to 0, close to T (i / n)^power. Power 1 spaces them evenly,
    and power 2 is quadratic, with short steps near the data (DDIM, appendix D.2). Timesteps that
    become equal by rounding appear once. Built in chapter 7."""
    expect(type(n) is int and 1 <= n <= T, "steps", n, f"a whole number from 1 to T = {T}")
    expect(power > 0, "power", power, "a number above 0, such as 1 (even) or 2 (quadratic)")
    return sorted({round(T * (i / n) ** power) for i in range(n)} | {T}, reverse=True)


def _times(T: int, steps: Steps) -> list[int]:
    """The timesteps to visit, falling to 0."""
    if steps is None or isinstance(steps, int):
        return spaced(T, T if steps is None else steps)
    whole = isinstance(steps, Sequence) and all(type(t) is int for t in steps) and len(steps) > 1
    falls = whole and [*steps] == sorted({*steps, 0}, reverse=True)
    expect(falls, "steps", steps, f"a number up to T = {T}, or whole numbers that fall to 0")
    return [*steps]


# Checks: each error says in one sentence what was given, what was expected, and what to do

FLOATS = "a tensor of floats; for bytes, use x.float() / 127.5 - 1"


def check_data(x0: Tensor) -> None:
    """Refuse training data (B, …) that is empty, has a NaN, or isn't scaled to about [-1, 1].

    Raises:
        TypeError: it isn't a tensor of floats with at least one row.
        ValueError: it has a NaN or values such as 0 … 255, and isn't on a GPU.
    """
    well = isinstance(x0, Tensor) and x0.is_floating_point() and x0.numel()
    expect(well, "x0", x0, "at least one row in " + FLOATS, TypeError)
    low, high = (-1, 1) if x0.is_cuda else map(float, x0.detach().aminmax())
    unscaled = x0.ndim > 2 and 0 <= low < high
    expect(max(-low, high) < (1.5 if unscaled else 20), "the range of x0", (low, high),
           "about -1 … 1 without NaN; for 0 … 255, use x / 127.5 - 1")
    if unscaled:
        warnings.warn(f"x0 has values {low:g} … {high:g}: scale [0, 1] by 2 * x - 1", stacklevel=3)


def _check_time(T: int, device: torch.device, t: Time, x: Tensor) -> None:
    """Refuse x that isn't floats or is on another device than the schedule, and timesteps t of the
    wrong type, shape or range."""
    expect(isinstance(x, Tensor) and x.is_floating_point(), "x", x, FLOATS, TypeError)
    expect(x.device == device, "x.device", x.device, f"{device}, where the schedule is: use .to(…)")
    rows = isinstance(t, Tensor) and t.dtype == torch.int64 and t.shape == x.shape[:1]
    expect(rows or type(t) is int, "t", t, f"an int, or {len(x)} int64, one per row", TypeError)
    if not rows or len(t) and not t.is_cuda:  # reading a value stops a GPU's queue
        low, high = map(int, t.aminmax()) if rows else (t, t)
        expect(0 <= low <= high <= T, "t", low if low < 0 else high, f"0 … T = {T}")


def _check_later(t: Time, s: Time) -> None:
    expect(getattr(t, "is_cuda", 0) or torch.as_tensor(s < t).all(), "(t, s)", (t, s), "s < t")


def _check_like(a: Tensor, x: Tensor) -> None:
    expect(getattr(a, "shape", None) == x.shape, "eps or x0", a, f"the shape {tuple(x.shape)}")


def expect(well: object, name: str, given: object, expected: str, kind=ValueError) -> None:
    """Unless ``well``, raise ``kind`` with a sentence: what was given, and what is expected."""
    if not well:
        tensor = isinstance(given, Tensor) and f"{given.dtype} of shape {tuple(given.shape)}"
        raise kind(f"{name} is {tensor or ' '.join(repr(given).split())[:80]}; expected {expected}")


def check(well: object, sentence: str, kind: type[Exception] = ValueError) -> None:
    """Unless ``well``, raise ``kind`` with this sentence."""
    if not well:
        raise kind(sentence)
