"""Edit images and solve inverse problems with a model that was trained for neither.

You can start from a noised image (``sdedit``), paste the known pixels (``replaced``, ``repaint``),
or follow the gradient of a measurement y = A x0 + noise (``dps``, ``likelihood``). A is a matrix
(m, d) for flattened images, and ``matrix_of`` computes it for any linear function. For a Gaussian
mixture, the right answer is a formula (``mixture_model``, ``mixture_posterior``).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .diffusion import (
    Model,
    Schedule,
    check,
    check_data,
    ddpm_step,
    expect,
    predict_x0,
    q_sample,
    sample,
    spaced,
)

Step = Callable[..., Tensor]  # step(schedule, xt, t, s, eps), as ddpm_step


def sdedit(model: Model, schedule: Schedule, x0: Tensor, strength: float, n: int = 50,
           step: Step = ddpm_step, clip: float | None = 1.0) -> Tensor:  # fmt: skip
    """Noise x0 (B, …) up to t = strength T, and sample back from there (SDEdit, Meng et al. 2022,
    arXiv 2108.01073).

    Args:
        model, schedule, step, clip: as for ``sample``.
        x0: (B, …) images to start from, such as photos, scribbles or collages.
        strength: from 0, which returns x0 unchanged, to 1, which leaves nothing of it.
        n: how many steps the whole way from T to 0 would take. The way from t to 0 takes
            ``strength`` times as many, at least one.

    Returns:
        The edited images, in the shape of x0.

    Built in chapter 14.
    """
    expect(0 <= strength <= 1, "strength", strength, "0 (keep the image) to 1 (ignore it)")
    expect(type(n) is int and n > 0, "n", n, "a whole number of steps")
    check_data(x0)
    t = round(strength * schedule.T)
    if t == 0:
        return x0
    xt = q_sample(schedule, x0, t, torch.randn_like(x0))
    times = spaced(t, max(1, round(strength * n)))
    return sample(model, schedule, xt, times, step, clip)


def replaced(x0: Tensor, mask: Tensor, step: Step = ddpm_step) -> Step:
    """A step after which the kept pixels are those of x0, with as much noise as x_s has (RePaint,
    Lugmayr et al. 2022, arXiv 2201.09865, Eq. 8). At s = 0, they're exactly those of x0.

    Args:
        x0: (B, …) images whose known pixels are kept. The other pixels aren't used.
        mask: bool, in a shape that broadcasts to x0: True where a pixel is kept.
        step: ``ddpm_step`` or another one.

    Raises:
        ValueError: the mask isn't bool, or doesn't broadcast to x0.

    Built in chapter 14.
    """
    _check_mask(mask, x0)

    def paste(schedule: Schedule, xt: Tensor, t: int, s: int, eps: Tensor) -> Tensor:
        expect(x0.shape == xt.shape, "x0", tuple(x0.shape), f"{tuple(xt.shape)}: use x0.expand")
        kept = q_sample(schedule, x0, s, torch.randn_like(x0))
        return torch.where(mask, kept, step(schedule, xt, t, s, eps))

    return paste


def renoised(schedule: Schedule, xs: Tensor, s: int, t: int) -> Tensor:
    """Draw x_t from x_s (B, …) for t > s, by the forward process. Built in chapter 14."""
    expect(torch.as_tensor(s < t).all(), "(s, t)", (s, t), "s < t: noise is added from s up to t")
    alpha = schedule.at(t, xs) / schedule.at(s, xs)
    return alpha.sqrt() * xs + (1 - alpha).sqrt() * torch.randn_like(xs)


def repaint(model: Model, x0: Tensor, mask: Tensor, rounds: int = 10,
            step: Step = ddpm_step) -> Step:  # fmt: skip
    """Like ``replaced``, but each step is taken ``rounds`` times, with noise added again in
    between, so that the other pixels adapt to the kept ones (RePaint, Algorithm 1, with jumps of
    one step). So there are ``rounds`` model calls per step. ``sample`` clips only the first one, so
    for images give ``repaint(clipped(model, schedule), …)``. Built in chapter 14."""
    expect(type(rounds) is int and rounds >= 1, "rounds", rounds, "1 (replacement only) or more")
    paste = replaced(x0, mask, step)

    def again(schedule: Schedule, xt: Tensor, t: int, s: int, eps: Tensor) -> Tensor:
        for _ in range(rounds - 1):
            xt = renoised(schedule, paste(schedule, xt, t, s, eps), s, t)
            eps = model(xt, torch.full(xt.shape[:1], t, device=xt.device))
        return paste(schedule, xt, t, s, eps)

    return again


def matrix_of(f: Callable[[Tensor], Tensor], shape: tuple[int, ...]) -> Tensor:
    """The matrix A (m, d) of a linear function f of images (B, …). Each column is f of the image in
    which one pixel is 1 and the others are 0. ``shape`` is that of one image. Built in chapter 14.

    Raises:
        ValueError: f(0) isn't 0, so f isn't linear.
    """
    expect(isinstance(shape, (tuple, list)), "shape", shape, "an image's, such as (1, 8, 8)")
    check(not f(torch.zeros(1, *shape)).any(), "f(0) is not 0; expected a linear function")
    d = torch.Size(shape).numel()
    return f(torch.eye(d).reshape(d, *shape)).flatten(1).T


def residual(A: Tensor, y: Tensor, x0: Tensor) -> Tensor:
    """y - A x0, (B, m): the part of the measurement y (B, m) that the images x0 (B, …) don't
    explain. Built in chapter 14."""
    expect(A.shape == (len(A), x0[0].numel()) and y.shape == (len(x0), len(A)), "(A, y)",
           (tuple(A.shape), tuple(y.shape)),
           f"A (m, {x0[0].numel()}) and y ({len(x0)}, m)")  # fmt: skip
    return y - x0.flatten(1) @ A.T  # (B, m)


def dps(model: Model, A: Tensor, y: Tensor, scale: float = 1.0, step: Step = ddpm_step) -> Step:
    """A step, followed by a move against the gradient of ||y - A x0_hat(x_t)|| with respect to x_t.
    The gradient passes through the model (DPS, Chung et al. 2023, arXiv 2209.14687, Algorithm 1).

    Args:
        model: any ``eps(x, t)``. Each step calls it once more, with gradients.
        A: (m, d) the matrix of the measurement, for flattened images.
        y: (B, m) the measured values.
        scale: the size of the move, which you have to tune. It's twice the paper's zeta', because
            the paper divides the gradient of the squared norm by the norm.
        step: ``ddpm_step`` or another one.

    Built in chapter 14d.
    """
    expect(scale >= 0, "scale", scale, "a number of at least 0")

    def move(schedule: Schedule, xt: Tensor, t: int, s: int, eps: Tensor) -> Tensor:
        with torch.enable_grad():  # a sampler switches gradients off
            leaf = xt.detach().requires_grad_()
            time = torch.full(xt.shape[:1], t, device=xt.device)
            x0 = predict_x0(schedule, leaf, t, model(leaf, time))
            norm = residual(A, y, x0).norm(dim=1).sum()
            grad = torch.autograd.grad(norm, leaf)[0]
        return step(schedule, xt, t, s, eps) - scale * grad

    return move


def likelihood(model: Model, schedule: Schedule, A: Tensor, y: Tensor, sigma: float = 0.0,
               std: float = 1.0) -> Callable[[Tensor, Tensor], Tensor]:  # fmt: skip
    """A function ``log_p(x, t)`` that returns log p(y | x_t) up to a constant, (B,), if x0 given
    x_t is a Gaussian around its prediction. Use it in ``classifier_guided`` with scale 1.

    Args:
        model, schedule: as for ``sample``.
        A: (m, d) the matrix of the measurement, for flattened images.
        y: (B, m) the measured values.
        sigma: standard deviation of the measurement's noise, in the units of y.
        std: standard deviation of the data in each direction. The variance of x0 given x_t is then
            std^2 (1 - alpha_bar) / (alpha_bar std^2 + 1 - alpha_bar), which is exact for Gaussian
            data (PiGDM, Song et al. 2023, openreview.net/forum?id=9_gsMA8MRKQ, with std = 1). std =
            0 treats the prediction as the truth (DPS, arXiv 2209.14687, Theorem 1).

    Raises:
        ValueError: sigma and std are both 0, or one of them is negative.

    Built in chapter 14.
    """
    expect(min(sigma, std) >= 0 < max(sigma, std), "(sigma, std)", (sigma, std),
           "one of them above 0, none below 0")  # fmt: skip
    U, size, _ = torch.linalg.svd(A, full_matrices=False)
    seen = size > 1e-4 * size[0]  # directions of y that depend on x0

    def log_p(x: Tensor, t: Tensor) -> Tensor:
        a = schedule.at(t, x).flatten(1)  # (B, 1)
        spread = std**2 * (1 - a) / (a * std**2 + 1 - a)
        r = residual(A, y, predict_x0(schedule, x, t, model(x, t)))
        r = r @ U[:, seen]
        return -(r**2 / (spread * size[seen] ** 2 + sigma**2)).sum(1) / 2

    return log_p


def mixture_model(schedule: Schedule, means: Tensor, std: float) -> Model:
    """The exact model eps(x, t) for points x (B, d) from a mixture of K Gaussians with equal
    shares, means (K, d) and standard deviation std in every direction. Used from chapter 14 on."""
    _check_mixture(means, std)

    def eps(x: Tensor, t: Tensor) -> Tensor:
        expect(x.shape[1:] == means.shape[1:], "x", x, f"points (B, {means.shape[1]})")
        alpha_bar = schedule.at(t, x)  # (B, 1)
        variance = alpha_bar * std**2 + 1 - alpha_bar
        z = x[:, None] - alpha_bar.sqrt()[..., None] * means  # (B, K, d)
        share = (-z.square().sum(2) / (2 * variance)).softmax(1)
        return (1 - alpha_bar).sqrt() * (share[..., None] * z).sum(1) / variance

    return eps


def mixture_posterior(means: Tensor, std: float, A: Tensor, y: Tensor,
                      sigma: float = 0.0) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """The posterior of x0, which has the distribution of ``mixture_model``, given y = A x0 + sigma
    noise (m,). It's again a mixture: shares (K,), means (K, d), and one covariance (d, d) for all
    components. Used in chapter 14."""
    _check_mixture(means, std)
    fits = A.shape == (len(y), means.shape[1]) and y.ndim == 1
    expect(fits, "(A, y)", (tuple(A.shape), tuple(y.shape)), f"A (m, {means.shape[1]}) and y (m,)")
    S = std**2 * A @ A.T + sigma**2 * torch.eye(len(A)).to(A)  # covariance of y, given a component
    well = sigma >= 0 and torch.linalg.matrix_rank(S) == len(S)
    expect(well, "sigma", sigma, "a number above 0, as the rows of A depend on each other")
    gain = std**2 * A.T @ S.inverse()  # (d, m)
    r = y - means @ A.T  # (K, m)
    share = (-(r @ S.inverse() * r).sum(1) / 2).softmax(0)
    return share, means + r @ gain.T, std**2 * (torch.eye(A.shape[1]).to(A) - gain @ A)


def _check_mask(mask: Tensor, x0: Tensor) -> None:
    kind = getattr(mask, "dtype", mask)
    expect(kind == torch.bool, "mask", kind, "bool: True where a pixel is kept")
    pairs = zip(mask.shape[::-1], x0.shape[::-1], strict=False)
    fits = mask.ndim <= x0.ndim and all(m in (1, n) for m, n in pairs)
    expect(fits, "mask", mask, f"a shape that broadcasts to x0, {tuple(x0.shape)}")
    expect(x0.is_floating_point(), "x0", x0, "floats; for bytes, use x.float() / 127.5 - 1")


def _check_mixture(means: Tensor, std: float) -> None:
    expect(means.ndim == 2 and len(means), "means", means, "the means (K, d)")
    expect(std > 0, "std", std, "a number above 0")
