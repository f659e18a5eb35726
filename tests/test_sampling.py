"""Fast samplers: their order is measured where the flow is a formula, and the way back is exact."""

import math
from itertools import pairwise

import pytest
import torch

from ddpm_lite import (
    cosine_schedule,
    ddim_step,
    dpmpp_2m,
    heun,
    linear_schedule,
    predict_eps,
    sample,
    slerp,
    spaced,
    trajectory,
)

M, C = 0.4, 0.7  # the data are N(M, C^2), so the flow is a formula
SOLVERS = {"ddim": lambda _: ddim_step, "heun": heun, "2M": lambda _: dpmpp_2m()}
each_solver = pytest.mark.parametrize("name", ["ddim", "heun", "2M"])


def in_double(schedule):
    """The same schedule without the rounding of float32."""
    schedule = schedule.double()
    schedule.alpha_bar = (1 - schedule.beta).cumprod(0)
    return schedule


SCHEDULE = in_double(cosine_schedule())


def variance(t, x):
    alpha_bar = SCHEDULE.at(t, x)
    return alpha_bar * C**2 + 1 - alpha_bar


def gaussian(x, t):
    """The exact denoiser of N(M, C^2)."""
    alpha_bar = SCHEDULE.at(t, x)
    return (1 - alpha_bar).sqrt() * (x - alpha_bar.sqrt() * M) / variance(t, x)


def flow(xt, t, s):
    """Where the flow through x_t is at time s: mean to mean, stretched like the deviations."""
    stretch = (variance(s, xt) / variance(t, xt)).sqrt()
    return SCHEDULE.at(s, xt).sqrt() * M + stretch * (xt - SCHEDULE.at(t, xt).sqrt() * M)


def points(n=9):
    return torch.linspace(-2, 2, n, dtype=torch.float64)[:, None]


def one_point(x, t):
    """The exact denoiser if all data are 0.5."""
    return predict_eps(SCHEDULE, x, t, torch.full_like(x, 0.5))


def inner(n):
    return [900 - 800 * i // n for i in range(n + 1)] + [0]


def error(name, n):
    """Mean error at t = 100 after n steps from t = 900."""
    walk = dict(trajectory(gaussian, SCHEDULE, points(), inner(n), SOLVERS[name](gaussian)))
    return (walk[100] - flow(points(), 900, 100)).abs().mean().item()


@pytest.mark.parametrize("name, order", [("ddim", 1), ("heun", 2), ("2M", 2)])
def test_the_order_is_what_the_name_says(name, order):
    """Twice as many steps, 2^-order of the error (against the flow in closed form)."""
    errors = [error(name, n) for n in (20, 40, 80)]
    for coarse, fine in pairwise(errors):
        assert abs(math.log2(coarse / fine) - order) < 0.25
    assert errors[-1] < {1: 0.02, 2: 1e-3}[order]


@each_solver
def test_one_data_point_is_found_by_any_number_of_steps(name):
    """If x0 stands still, DDIM and 2M are exact; Heun's last step is x0 too."""
    for n in (1, 2, 7):
        x0 = sample(one_point, SCHEDULE, points(), n, SOLVERS[name](one_point))
        assert (x0 - 0.5).abs().max() < 1e-7


def test_ddim_is_the_rotation_by_the_angle_between_the_times():
    """x_s = cos(delta) x_t - sin(delta) v."""
    for t, s in ((1000, 500), (700, 699), (300, 0)):
        xt, eps = points(), gaussian(points(), t)
        a_t, a_s = SCHEDULE.at(t, xt), SCHEDULE.at(s, xt)
        delta = a_t.sqrt().acos() - a_s.sqrt().acos()
        v = (eps - (1 - a_t).sqrt() * xt) / a_t.sqrt()
        rotated = delta.cos() * xt - delta.sin() * v
        assert (ddim_step(SCHEDULE, xt, t, s, eps) - rotated).abs().max() < 1e-9


def test_heun_is_the_trapezium_rule_in_the_angle():
    """One step, written out; the second call sees time s and the state to which v leads."""
    seen = []

    def model(x, t):
        seen.append((x, t))
        return gaussian(x, t)

    t, s, xt = 700, 600, points()
    a_t, a_s = SCHEDULE.at(t, xt), SCHEDULE.at(s, xt)
    h = a_s.sqrt().acos() - a_t.sqrt().acos()
    v = (gaussian(xt, t) - (1 - a_t).sqrt() * xt) / a_t.sqrt()
    there = xt + h * v
    v_s = (gaussian(there, s) - (1 - a_s).sqrt() * there) / a_s.sqrt()
    xs = heun(model)(SCHEDULE, xt, t, s, gaussian(xt, t))
    assert (xs - xt - h * (v + v_s) / 2).abs().max() < 1e-9
    assert len(seen) == 1 and (seen[0][0] - there).abs().max() < 1e-9
    assert seen[0][1].tolist() == [s] * len(xt)


@pytest.mark.parametrize("name, calls", [("ddim", 10), ("heun", 19), ("2M", 10)])
def test_ten_steps_cost_so_many_calls_and_none_at_t_0(name, calls):
    asked = []

    def model(x, t):
        asked.append(int(t[0]))
        return gaussian(x, t)

    sample(model, SCHEDULE, points(), 10, SOLVERS[name](model))
    assert len(asked) == calls and min(asked) > 0


def test_2m_aims_at_the_x0_expected_for_the_middle_of_the_step():
    """x0 + h / (2 h_last) (x0 - x0_last), h along log(SNR) / 2; with any two guesses."""
    step, xt = dpmpp_2m(), points()
    eps_last, eps = torch.sin(3 * xt), torch.cos(2 * xt)
    x700 = step(SCHEDULE, xt, 800, 700, eps_last)
    assert (x700 - ddim_step(SCHEDULE, xt, 800, 700, eps_last)).abs().max() < 1e-9
    lam = {t: SCHEDULE.snr[t].log() / 2 for t in (800, 700, 400)}
    a8, a7, a4 = (SCHEDULE.at(t, xt) for t in (800, 700, 400))
    x0_last = (xt - (1 - a8).sqrt() * eps_last) / a8.sqrt()
    x0 = (x700 - (1 - a7).sqrt() * eps) / a7.sqrt()
    ratio = (lam[400] - lam[700]) / (lam[700] - lam[800])
    aim = x0 + ratio / 2 * (x0 - x0_last)
    right = a4.sqrt() * aim + ((1 - a4) / (1 - a7)).sqrt() * (x700 - a7.sqrt() * aim)
    assert (step(SCHEDULE, x700, 700, 400, eps) - right).abs().max() < 1e-9


def test_the_last_step_of_2m_is_x0_and_everything_stays_finite():
    walk = dict(trajectory(gaussian, SCHEDULE, points(), 10, dpmpp_2m()))
    x100 = walk[100]
    last = ddim_step(SCHEDULE, x100, 100, 0, gaussian(x100, 100))
    assert torch.equal(walk[0], last) or (walk[0] - last).abs().max() < 1e-12


def test_2m_begins_anew_with_each_walk_and_where_it_does_not_go_on():
    """A second walk with the same step is the first one again; so is one after half a walk."""
    step = dpmpp_2m()
    first = sample(gaussian, SCHEDULE, points(), 8, step)
    assert torch.equal(first, sample(gaussian, SCHEDULE, points(), 8, step))
    walk = trajectory(gaussian, SCHEDULE, points() + 1, 8, step)
    for _ in range(4):
        next(walk)
    assert torch.equal(first, sample(gaussian, SCHEDULE, points(), 8, step))
    a, b = dpmpp_2m(), dpmpp_2m()
    a(SCHEDULE, points(), 900, 800, gaussian(points(), 900))
    alone = b(SCHEDULE, points(), 500, 400, gaussian(points(), 500))
    assert torch.equal(a(SCHEDULE, points(), 500, 400, gaussian(points(), 500)), alone)


def test_spaced_times_fall_from_T_to_0_and_even_ones_are_those_of_trajectory():
    for T in (10, 1000):
        for n in (1, 2, 3, 7, 10):
            for power in (0.5, 1.0, 2.0, 3.0):
                times = spaced(T, n, power)
                assert times[0] == T and times[-1] == 0 and len(times) <= n + 1
                assert all(t > s for t, s in pairwise(times))
    walk = trajectory(gaussian, SCHEDULE, points(), 50)
    assert spaced(1000, 50) == [t for t, _ in walk]
    assert spaced(1000, 10, 2) == [1000, 810, 640, 490, 360, 250, 160, 90, 40, 10, 0]
    assert spaced(1000, 1000) == list(range(1000, -1, -1))


@pytest.mark.parametrize("n, power", [(0, 1), (1001, 1), (10.0, 1), (10, 0), (10, -1)])
def test_impossible_spacing_is_refused_in_a_sentence(n, power):
    with pytest.raises(ValueError, match=r"expected n in 1 … T = 1000 and a power above 0"):
        spaced(1000, n, power)


def test_quadratic_times_give_heun_its_order_back_over_the_whole_way():
    """From T to 0: even times lose some of it at the last step, quadratic ones do not."""

    def slope(power):
        ends = [
            sample(gaussian, SCHEDULE, points(), spaced(1000, n, power), heun(gaussian))
            for n in (20, 40)
        ]
        far = [(x - flow(points(), 1000, 0)).abs().mean() for x in ends]
        return math.log2(far[0] / far[1])

    assert slope(1) < 1.8 < 1.9 < slope(2) < 2.2


def test_the_inverse_is_exact_with_enough_rounds():
    """Down again by ddim_step over the same times: machine precision, and the start is right."""
    times, x0 = spaced(1000, 50, 2), 0.5 * points()
    xT = ddim_invert(gaussian, SCHEDULE, x0, times, rounds=60)
    assert (sample(gaussian, SCHEDULE, xT, times, ddim_step) - x0).abs().max() < 1e-8


def test_each_round_of_the_inverse_shrinks_the_error_by_a_factor():
    times, x0 = spaced(1000, 50, 2), 0.5 * points()
    far = []
    for rounds in (1, 2, 4, 8):
        xT = ddim_invert(gaussian, SCHEDULE, x0, times, rounds)
        far.append((sample(gaussian, SCHEDULE, xT, times, ddim_step) - x0).abs().max())
    assert far[1] < far[0] / 2 and far[2] < far[1] / 2 and far[3] < far[2] / 2


def test_the_noise_of_gaussian_data_is_what_the_flow_says():
    """The inverse finds the x_T from which the exact flow leads to x0, up to the step size."""
    x0 = 0.5 * points()
    xT = ddim_invert(gaussian, SCHEDULE, x0, spaced(1000, 500, 2), rounds=4)
    assert (xT - flow(x0, 0, 1000)).abs().max() < 0.03


def test_the_inverse_asks_rounds_times_for_each_step_at_the_upper_time_without_gradients():
    asked, net = [], torch.nn.Linear(1, 1)

    def model(x, t):
        asked.append(int(t[0]))
        return net(x)

    xT = ddim_invert(model, linear_schedule(), torch.zeros(3, 1), [1000, 600, 200, 0], rounds=2)
    assert asked == [200, 200, 600, 600, 1000, 1000] and not xT.requires_grad


def test_slerp_keeps_the_length_and_reaches_both_ends():
    """Rows of any shape, one angle each; the straight line would cut the length to 0.7."""
    a, b = torch.randn(2, 50, 1, 8, 8)
    a, b = (8 * x / x.flatten(1).norm(dim=1).reshape(-1, 1, 1, 1) for x in (a, b))
    for w in (0.0, 0.3, 0.5, 1.0):
        assert (slerp(a, b, w).flatten(1).norm(dim=1) - 8).abs().max() < 1e-4
    assert (slerp(a, b, 0.0) - a).abs().max() < 1e-5
    assert (slerp(a, b, 1.0) - b).abs().max() < 1e-5
    quarter = (slerp(a, b, 0.25).flatten(1) * a.flatten(1)).sum(1) / 64
    whole = (a.flatten(1) * b.flatten(1)).sum(1) / 64
    assert (quarter.acos() - whole.acos() / 4).abs().max() < 1e-4


@each_solver
def test_solvers_work_on_images_in_float32_and_leave_their_input_alone(name):
    schedule, xT = cosine_schedule(), torch.randn(4, 1, 8, 8)

    def model(x, t):
        alpha_bar = schedule.at(t, x)
        return (1 - alpha_bar).sqrt() * x

    before = xT.clone()
    x0 = sample(model, schedule, xT, spaced(1000, 10, 2), SOLVERS[name](model))
    assert x0.shape == xT.shape and x0.dtype == torch.float32 and x0.isfinite().all()
    assert torch.equal(xT, before)
