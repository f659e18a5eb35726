"""The checks of the exercises of chapter 14."""

import torch

from ddpm_lite import cosine_schedule, predict_x0
from ddpm_lite.editing import mixture_posterior


def exercise_1(edit_times):
    """The timesteps of an edit."""
    for strength in (0.0, 0.0004):
        if list(_given(edit_times(1000, strength, 50))) != [0]:
            raise ValueError(f"strength {strength} is t = 0 and must not change the image: "
                             "expected the list [0]")  # fmt: skip
    cases = (1000, 0.5, 50), (1000, 0.05, 15), (1000, 0.01, 10), (400, 1.0, 20)
    for T, strength, n in (*cases, (1000, 0.6, 7), (100, 0.29, 10)):  # 4.2 and 2.9 steps
        times, t, steps = list(edit_times(T, strength, n)), round(strength * T), strength * n
        case = f"T = {T}, strength {strength}, n = {n}"
        if len(times) < 2:
            raise ValueError(f"{case}: there is no step, so the image comes back unchanged")
        if times[0] != t or times[-1] != 0:
            raise ValueError(f"{case}: it goes from {times[0]} to {times[-1]}, not from {t} to 0")
        if len(times) - 1 != max(1, round(steps)) or times != sorted(set(times), reverse=True):
            raise ValueError(f"{case}: expected {max(1, round(steps))} falling steps, "
                             f"got {len(times) - 1}")  # fmt: skip


def exercise_2(data_gradient):
    """The gradient of half the squared residual, through the model."""
    schedule, generator = cosine_schedule(), torch.Generator().manual_seed(0)
    x, t = torch.randn(3, 1, 2, 2, generator=generator), torch.tensor([100, 400, 700])
    A = torch.randn(2, 4, generator=generator)
    y = torch.randn(3, 2, generator=generator)

    def model(x, t):
        return torch.tanh(x + x.flip(3))

    def half(x):
        x0 = predict_x0(schedule, x, t, model(x, t)).flatten(1)
        return (y - x0 @ A.T).square().sum(1) / 2

    yours = _as_in_a_sampler(data_gradient, model, schedule, A, y, x, t)
    if yours.shape != x.shape:
        raise ValueError(f"the shape is {tuple(yours.shape)}; expected {tuple(x.shape)}")
    moves = 1e-2 * torch.eye(4).reshape(4, 1, 2, 2)
    right = torch.stack([(half(x + m) - half(x - m)) / 2e-2 for m in moves], 1).reshape(x.shape)
    if not (yours - right).norm() < 0.02 * right.norm():
        ratio = (yours * right).sum() / right.square().sum()
        raise ValueError(f"it differs from the slope that small changes of x_t give (it has "
                         f"{ratio:.2f} times the right size in that direction)")  # fmt: skip


def _as_in_a_sampler(answer, *arguments):
    """What it returns where gradients are switched off."""
    try:
        with torch.no_grad():
            return _given(answer(*arguments))
    except RuntimeError as error:
        if "does not require grad" not in str(error):
            raise
        sentence = "samplers switch gradients off: compute yours inside `with torch.enable_grad():`"
        raise ValueError(sentence) from None


def exercise_3(null_space):
    """A prediction that agrees with the measurement."""
    schedule, generator = cosine_schedule(), torch.Generator().manual_seed(0)
    t = torch.tensor([100, 400, 700])

    def model(x, t):
        return torch.tanh(x)

    for shape in ((3, 4), (3, 1, 2, 2)):
        x = torch.randn(shape, generator=generator)
        A = torch.randn(2, 4, generator=generator)
        y = torch.randn(3, 2, generator=generator)
        eps = _given(_given(null_space(model, schedule, A, y))(x, t))
        if eps.shape != x.shape:
            raise ValueError(f"for x of shape {shape} the result has shape {tuple(eps.shape)}")
        x0 = predict_x0(schedule, x, t, eps).flatten(1)
        plain = predict_x0(schedule, x, t, model(x, t)).flatten(1)
        if not (y - x0 @ A.T).abs().max() < 1e-2:
            raise ValueError("the prediction of x0 that it implies doesn't agree with y")
        unseen = torch.eye(4) - torch.linalg.pinv(A) @ A
        if not ((x0 - plain) @ unseen).abs().max() < 1e-2:
            raise ValueError("it also changes the part of x0 that the measurement doesn't see")


def exercise_4(condition):
    """Condition a Gaussian on a measurement."""
    generator = torch.Generator().manual_seed(0)
    root, A = torch.randn(3, 3, generator=generator), torch.randn(2, 3, generator=generator)
    mean, y = torch.randn(3, generator=generator), torch.randn(2, generator=generator)
    cov = root @ root.T + torch.eye(3)
    for sigma in (0.5, 2.0):
        precision = cov.inverse() + A.T @ A / sigma**2  # the same by another way
        right = precision.inverse()
        where = right @ (cov.inverse() @ mean + A.T @ y / sigma**2)
        yours = _given(condition(mean, cov, A, y, sigma))
        if not (yours[0] - where).abs().max() < 1e-3:
            raise ValueError(f"with sigma = {sigma} the mean is off by "
                             f"{(yours[0] - where).abs().max():.2g}")  # fmt: skip
        if not (yours[1] - right).abs().max() < 1e-3:
            raise ValueError(f"with sigma = {sigma} the covariance is off by "
                             f"{(yours[1] - right).abs().max():.2g}")  # fmt: skip
    sure = condition(mean, 0.25 * torch.eye(3), A[:1], y[:1], 0.0)
    _, means, cov = mixture_posterior(mean[None], 0.5, A[:1], y[:1])
    if not (sure[0] - means[0]).abs().max() < 1e-4 or not (sure[1] - cov).abs().max() < 1e-4:
        raise ValueError("without noise (sigma = 0), it should give (14.2)")


def _given(answer):
    if answer is None:
        raise ValueError("it returns nothing")
    return answer
