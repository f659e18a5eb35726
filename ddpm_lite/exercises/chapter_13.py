"""The checks of the exercises of chapter 13."""

import torch

from ddpm_lite.flow import interpolate


def exercise_1(velocity_from_eps):
    """The velocity from the path's point and its noise."""
    generator = torch.Generator().manual_seed(0)
    x0, eps = torch.randn(2, 6, 3, generator=generator)
    for value in (0.1, 0.5, 0.9):
        u = torch.full((6, 1), value)
        mine = velocity_from_eps(interpolate(x0, u[:, 0], eps), u, eps)
        if mine is None:
            raise ValueError("it returns nothing")
        off = (mine - (eps - x0)).abs().max()
        if not off < 1e-3:
            raise ValueError(f"at u = {value} your velocity is off by up to {off:.2f}")


def exercise_2(gaussian_velocity):
    """Compare with the regression of x1 - x0 on x_u, from many samples."""
    generator = torch.Generator().manual_seed(0)
    m, c = 1.5, 0.5
    x0, x1 = torch.randn(2, 200_000, generator=generator).double()
    x0 = m + c * x0
    for u in (0.2, 0.6, 1.0):
        xu = (1 - u) * x0 + u * x1
        slope = torch.cov(torch.stack([xu, x1 - x0]))[0, 1] / xu.var()
        for x in (-1.0, 0.5, 2.0):
            right = ((x1 - x0).mean() + slope * (x - xu.mean())).item()
            mine = gaussian_velocity(torch.tensor([x]), u, m, c)
            if mine is None:
                raise ValueError("it returns nothing")
            if not abs(float(mine) - right) < 0.03:
                raise ValueError(f"at x = {x}, u = {u} it gives {float(mine):.2f}, but the mean "
                                 f"velocity of 200,000 paths is {right:.2f}")  # fmt: skip


def exercise_3(heun_flow):
    """Check the size and order of the error for a Gaussian, whose flow is known."""
    m, c = 0.5, 0.3
    x1 = torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None]

    def velocity(x, u):
        u = u.reshape(-1, 1).double()
        variance = (1 - u) ** 2 * c**2 + u**2
        return -m + (u - (1 - u) * c**2) / variance * (x - (1 - u) * m)

    errors = []
    for steps in (20, 40):
        end = heun_flow(velocity, x1, steps)
        if end is None:
            raise ValueError("it returns nothing")
        errors.append((end - (m + c * x1)).abs().max().item())
    if not errors[1] < 0.02:
        raise ValueError(f"after 40 steps it ends {errors[1]:.3f} from where the flow leads")
    if not errors[0] / errors[1] > 3:
        raise ValueError(f"twice the steps divide the error by {errors[0] / errors[1]:.1f}; "
                         "a method of order 2 divides it by about 4")  # fmt: skip
    _check_times(heun_flow, x1)


def _check_times(heun_flow, x1):
    asked = []
    heun_flow(lambda x, u: asked.append(round(float(u.reshape(-1)[0]), 4)) or x, x1, 4)
    if sorted(asked) != [0.0, 0.25, 0.25, 0.5, 0.5, 0.75, 0.75, 1.0]:
        times = ", ".join(f"{u:g}" for u in asked)
        raise ValueError(f"in 4 steps it calls the velocity at u = {times}; expected both ends "
                         "of each step: 1, 0.75, 0.75, 0.5, 0.5, 0.25, 0.25, 0")  # fmt: skip
