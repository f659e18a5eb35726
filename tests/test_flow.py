"""Flow matching: the mean velocity carries the whole distribution, and DDIM is its Euler method."""

import math

import pytest
import torch
from torch.nn import functional as F

from ddpm_lite import (  # isort: skip
    MLP, cosine_schedule, ddim_step, linear_schedule, q_sample, sample, spaced,
)  # fmt: skip
from ddpm_lite.flow import (
    as_flow,
    euler,
    flow_loss,
    flow_times,
    interpolate,
    logit_normal,
    sample_flow,
    straightness,
    uniform,
    velocity_of,
)

M, C = 0.5, 0.3  # data N(M, C²)


def gaussian(x, u):
    """The mean velocity of that data, E[x1 - x0 | x_u]."""
    u = u.reshape(-1, *[1] * (x.ndim - 1)).to(x)
    variance = (1 - u) ** 2 * C**2 + u**2
    return -M + (u - (1 - u) * C**2) / variance * (x - (1 - u) * M)


def eps_of_gaussian(schedule):
    """The exact denoiser of the same data."""

    def eps(x, t):
        bar = schedule.at(t, x)
        return (1 - bar).sqrt() * (x - bar.sqrt() * M) / (bar * C**2 + 1 - bar)

    return eps


def test_paths_lead_from_the_data_to_the_noise():
    x0, x1 = torch.randn(2, 3, 1, 4, 4)
    assert torch.equal(interpolate(x0, torch.zeros(3), x1), x0)
    assert torch.equal(interpolate(x0, torch.ones(3), x1), x1)
    u = torch.tensor([0.25, 0.5, 0.75])
    assert torch.allclose(interpolate(x0, u, x1)[1], (x0[1] + x1[1]) / 2)
    assert torch.allclose(interpolate(x0, u, x1)[2], 0.25 * x0[2] + 0.75 * x1[2])


def test_the_loss_is_the_error_of_the_velocity():
    """Of a network that says 0: E |x1 - x0|². The network is told 1000 u, and pairs stay pairs."""
    x0, x1 = torch.full((4000, 2), 2.0), torch.full((4000, 2), 5.0)
    asked = []

    def net(x, t):
        asked.append((x, t))
        return torch.zeros_like(x)

    assert flow_loss(net, x0, x1).item() == pytest.approx(9)
    ((x, t),) = asked
    assert torch.allclose(x, 2 + 3 * (t / 1000)[:, None], atol=1e-4)
    assert 1 < t.min() < 10 and 990 < t.max() < 1000
    assert flow_loss(net, x0).item() == pytest.approx(4 + 1, rel=0.05)  # fresh noise
    assert flow_loss(lambda x, t: x1 - x0, x0, x1) == 0
    flow_loss(net, x0[:1], x1[:1], times=lambda n: torch.zeros(n))
    assert asked[-1][1] > 1  # a network refuses a batch whose t is at most 1


def test_the_best_velocity_is_the_mean():
    """No other answer than E[x1 - x0 | x_u] has a smaller loss, at any time."""
    x0 = M + C * torch.randn(100_000, 1)
    for u in (0.2, 0.7, 0.95):
        torch.manual_seed(1)
        best, *others = (
            flow_loss(lambda x, t, a=a, b=b: a * gaussian(x, t / 1000) + b, x0,
                      times=lambda n, u=u: torch.full((n,), u))
            for a, b in ((1, 0), (0.9, 0), (1.1, 0), (1, 0.1), (1, -0.1))
            for _ in [torch.manual_seed(1)]
        )  # fmt: skip
        assert all(best < other for other in others)


def test_the_flow_of_a_gaussian_ends_at_its_quantiles_with_an_error_of_order_one():
    """Noise at z standard deviations becomes the data at z standard deviations."""
    z = torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None]
    errors = [
        (sample_flow(gaussian, z, n) - (M + C * z)).abs().max().item() for n in (25, 50, 100, 200)
    ]
    orders = [math.log2(a / b) for a, b in zip(errors, errors[1:], strict=False)]
    assert errors[-1] < 0.01 and all(0.8 < order < 1.25 for order in orders)


def test_the_times_are_those_asked_for():
    states = list(euler(gaussian, torch.randn(5, 1), 4))
    assert [u for u, _ in states] == [1, 0.75, 0.5, 0.25, 0]
    own = torch.tensor([1.0, 0.9, 0.3, 0.0])
    assert [u for u, _ in euler(gaussian, torch.randn(5, 1), own)] == pytest.approx(own.tolist())
    asked = []  # the velocity is that of the beginning of each step
    sample_flow(lambda x, u: asked.append(u.tolist()) or x, torch.randn(2, 1), 4)
    assert asked == [[1, 1], [0.75, 0.75], [0.5, 0.5], [0.25, 0.25]]


def test_the_mean_of_all_paths_passes_the_mean_velocity():
    """Two data points: the formula of (13.6) against samples in a narrow window."""
    x0 = torch.randint(2, (2_000_000,)) * 2.0 - 1
    x1 = torch.randn_like(x0)
    for u, x in ((0.4, 0.3), (0.7, -0.5)):
        xu = (1 - u) * x0 + u * x1
        near = (xu - x).abs() < 0.01
        exact = (x - math.tanh((1 - u) * x / u**2)) / u
        assert (x1 - x0)[near].mean().item() == pytest.approx(exact, abs=0.03)


@pytest.mark.parametrize("schedule", [cosine_schedule(1000), linear_schedule(1000)])
@pytest.mark.parametrize("steps", [1, 7, 50])
def test_ddim_is_eulers_method(schedule, steps):
    """In the coordinates of (13.7), on the same timesteps."""
    xT = torch.randn(20, 3, dtype=torch.float64)
    model = eps_of_gaussian(schedule)
    by_ddim = sample(model, schedule, xT, steps, ddim_step, clip=None)
    root = schedule.alpha_bar[-1].sqrt() + (1 - schedule.alpha_bar[-1]).sqrt()
    times = flow_times(schedule)[list(spaced(1000, steps))]
    by_flow = sample_flow(as_flow(model, schedule), xT / root, times)
    assert (by_ddim - by_flow).abs().max() < 1e-5


def test_a_diffusion_model_has_the_velocity_of_the_flow():
    """Of the exact denoiser and of the exact mean velocity, at every timestep."""
    schedule, x = cosine_schedule(1000), torch.randn(200, 2, dtype=torch.float64)
    u = flow_times(schedule)[torch.randint(1, 1000, (200,))].double()
    assert (as_flow(eps_of_gaussian(schedule), schedule)(x, u) - gaussian(x, u)).abs().max() < 1e-4


def test_flow_times_are_the_share_of_the_noise():
    """x_t of the schedule, divided by the sum of its roots, is on the straight path at that u."""
    schedule, x0, eps = linear_schedule(), torch.randn(4, 2), torch.randn(4, 2)
    t = torch.tensor([1, 300, 700, 1000])
    bar = schedule.alpha_bar[t][:, None]
    xu = q_sample(schedule, x0, t, eps) / (bar.sqrt() + (1 - bar).sqrt())
    assert torch.allclose(xu, interpolate(x0, flow_times(schedule)[t], eps), atol=1e-5)
    u = flow_times(schedule)
    assert u[0] == 0 and u[-1] > 0.99 and (u[1:] > u[:-1]).all()


def test_straight_paths_are_straight_and_bent_ones_are_not():
    x1 = torch.randn(500, 1)
    assert straightness(lambda x, u: torch.full_like(x, 3.0), x1) < 1e-9
    bent = straightness(lambda x, u: 2 * u[:, None].expand_as(x), x1, 200)
    assert bent == pytest.approx(1 / 3, rel=0.02)  # of v = 2u: the variance of 2u is 1/3


def test_reflow_pairs_have_a_straight_flow():
    """Pairs (M + C z, z) are deterministic: their mean velocity is z (1 - C) - M, and one step of
    size 1 is exact."""
    z = torch.randn(500, 1, dtype=torch.float64)

    def velocity(x, u):
        u = u[:, None]
        noise = (x - (1 - u) * M) / (u + (1 - u) * C)
        return noise * (1 - C) - M

    assert straightness(velocity, z) < 1e-12
    assert torch.allclose(sample_flow(velocity, z, 1), M + C * z)
    x0 = M + C * z
    assert flow_loss(lambda x, t: velocity(x, t / 1000), x0, z) < 1e-12


def test_logit_normal_times():
    """Half of them are below sigmoid(mean), and the logit has the mean and the spread."""
    torch.manual_seed(0)
    u = logit_normal(100_000, 0.5, 0.8)
    assert ((0 < u) & (u < 1)).all()
    logit = torch.log(u / (1 - u))
    assert logit.mean().item() == pytest.approx(0.5, abs=0.01)
    assert logit.std().item() == pytest.approx(0.8, abs=0.01)
    assert uniform(9).shape == (9,)


def test_a_condition_reaches_the_network():
    velocity = velocity_of(lambda x, t, y: x * 0 + y[:, None] + t[:, None], y=torch.tensor([1, 2]))
    assert velocity(torch.zeros(2, 1), torch.tensor([0.5, 0.5])).tolist() == [[501], [502]]


def test_a_network_can_be_asked_at_the_data():
    """At u = 0, as Heun's method does, and in a thousand steps. Networks refuse t up to 1."""
    velocity = velocity_of(MLP(width=8))
    x = torch.randn(2, 2)
    with torch.no_grad():
        near = velocity(x, torch.full((2,), 0.0011))
        for u in (0.0, 0.0005, 0.001):
            assert torch.allclose(velocity(x, torch.full((2,), u)), near, atol=1e-3)


@pytest.mark.parametrize(
    "times", [torch.tensor([0.0, 1.0]), torch.tensor([1.0]), torch.tensor([1.5, 0.0]),
              torch.tensor([1.0, 0.5, 0.5]), torch.tensor([1.0, -0.1])]
)  # fmt: skip
def test_times_that_do_not_fall_are_refused(times):
    with pytest.raises(ValueError, match="must fall from at most 1 to at least 0"):
        sample_flow(gaussian, torch.randn(3, 1), times)


def test_pairs_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"x0 has shape \(3, 2\) and x1 \(4, 2\)"):
        flow_loss(lambda x, t: x, torch.zeros(3, 2), torch.zeros(4, 2))


def test_the_shipped_networks_draw_digits_and_reflow_needs_one_step(digits):
    """One step: most digits are the ones asked for after reflow, and few before."""
    from ddpm_lite import load_classifier
    from ddpm_lite.pretrained import load_flow

    judge, y, x1 = load_classifier("digits"), torch.arange(200) % 10, torch.randn(200, 1, 8, 8)
    images = {
        name: sample_flow(velocity_of(load_flow(name), y=y), x1, 1) for name in ("flow", "reflow")
    }
    right = {n: (judge.probabilities(x).argmax(1) == y).double().mean() for n, x in images.items()}
    bent = {n: straightness(velocity_of(load_flow(n), y=y), x1, 20) for n in images}
    assert right["reflow"] > 0.8 and bent["reflow"] < 0.5 * bent["flow"]
    error = [
        F.mse_loss(images[n], sample_flow(velocity_of(load_flow(n), y=y), x1, 50)) for n in images
    ]
    assert error[1] < 0.5 * error[0]
    with pytest.raises(ValueError, match="there are no weights 'x'"):
        load_flow("x")
