"""What turns a network into a model, and what samples in fewer calls: against formulas by hand."""

import math
from functools import partial
from itertools import pairwise

import pytest
import torch

from ddpm_lite import (
    MLP,
    classifier_guided,
    clipped,
    cosine_schedule,
    ddim_invert,
    ddim_step,
    dpmpp_2m,
    drop_labels,
    from_v,
    from_x0,
    guided,
    heun,
    linear_schedule,
    predict_eps,
    q_sample,
    sample,
    slerp,
    spaced,
    trajectory,
    v_target,
)

COSINE = cosine_schedule()
T = torch.tensor([1, 300, 700, 990])

# Networks as models


def test_from_x0_is_eq_4_solved_for_eps():
    """eps = (x_t - sqrt(alpha_bar) x0) / sqrt(1 - alpha_bar), whatever x0 the network predicts."""
    x, x0 = torch.randn(2, 4, 3)
    eps = from_x0(lambda x, t: x0, COSINE)(x, T)
    assert torch.allclose(q_sample(COSINE, x0, T, eps), x, atol=1e-5)


def test_from_v_inverts_v_target():
    """eps = sqrt(alpha_bar) v + sqrt(1 - alpha_bar) x_t (arXiv 2202.00512, appendix D)."""
    x0, eps = torch.randn(2, 4, 3)
    xt, v = q_sample(COSINE, x0, T, eps), v_target(COSINE, x0, T, eps)
    assert torch.allclose(from_v(lambda x, t: v, COSINE)(xt, T), eps, atol=1e-5)


@pytest.mark.parametrize("w", [0.0, 1.0, 3.5])
def test_guidance_is_its_formula(w):
    """(1 + w) eps(x, t, y) - w eps(x, t, none) (arXiv 2207.12598, Eq. 6)."""
    net, x, y = MLP(num_classes=3), torch.randn(4, 2), torch.tensor([0, 1, 2, 0])
    expected = (1 + w) * net(x, T, y) - w * net(x, T)
    assert torch.allclose(guided(net, y, w)(x, T), expected)
    assert torch.allclose(guided(net, y, w, null=torch.full((4,), 3))(x, T), expected)


def test_guidance_0_is_the_plain_conditional_model():
    """w = 0 in the paper's convention; libraries that call 1 "off" use w + 1."""
    net, x, y = MLP(num_classes=3), torch.randn(4, 2), torch.tensor([0, 1, 2, 0])
    assert torch.equal(guided(net, y, 0)(x, T), partial(net, y=y)(x, T))
    assert torch.allclose(guided(net, y, -1)(x, T), net(x, T), atol=1e-6)  # the label has no say


def test_labels_are_dropped_with_probability_p():
    """The share of nulls is p within five standard errors; the other labels stay."""
    n, p = 20_000, 0.2
    y = torch.arange(n) % 10
    dropped = drop_labels(y, p, null=10)
    share = (dropped == 10).double().mean()
    assert abs(share - p) < 5 * math.sqrt(p * (1 - p) / n)
    assert ((dropped == y) | (dropped == 10)).all()
    assert torch.equal(drop_labels(y, 0.0, 10), y) and (drop_labels(y, 1.0, 10) == 10).all()


@pytest.mark.parametrize("shape", [(3,), (2, 4, 4)], ids=["vectors", "images"])
def test_a_condition_is_dropped_as_a_whole(shape):
    """A row of vectors or images turns to NaN in every entry, or stays as it is."""
    y = torch.randn(200, *shape)
    none = drop_labels(y, 0.5, math.nan).isnan().flatten(1)
    assert torch.equal(none.any(1), none.all(1)) and 50 < none.all(1).sum() < 150


def test_wrappers_nest():
    """clipped(guided(from_v(net), y, w)) is a model that samples, and its samples are in range."""
    net, y = MLP(num_classes=3), torch.tensor([0, 1, 2, 0])
    model = clipped(guided(from_v(net, COSINE), y, w=1.0), COSINE)
    x0 = sample(model, COSINE, torch.randn(4, 2), 5, clip=None)
    assert x0.shape == (4, 2) and x0.abs().max() <= 1 + 1e-3


def test_labels_pass_through_every_wrapper():
    """Each takes the arguments of its network: positional and named labels arrive."""
    net, x, y = MLP(num_classes=3), torch.randn(4, 2), torch.tensor([0, 1, 2, 0])
    for wrap in (from_x0, from_v, clipped):
        model = wrap(net, COSINE)
        assert torch.equal(model(x, T, y), model(x, T, y=y))
        assert not torch.allclose(model(x, T, y), model(x, T))


MEANS, WIDTH = torch.tensor([[0.0, 0.6], [-0.5, -0.3], [0.5, -0.3]]), 0.35


def log_classes(x, t):
    """log p(k | x_t) of three Gaussians of one width, equally frequent: (B, 3)."""
    alpha_bar = COSINE.at(t, x)
    z = x[:, None] - alpha_bar.sqrt()[..., None] * MEANS
    return (-z.square().sum(2) / (2 * (alpha_bar * WIDTH**2 + 1 - alpha_bar))).log_softmax(1)


def exact_eps(x, t, y=None):
    """E[eps | x_t, y] of the mixture, and E[eps | x_t] without a label."""
    alpha_bar = COSINE.at(t, x)
    z = x[:, None] - alpha_bar.sqrt()[..., None] * MEANS
    r = log_classes(x, t).exp() if y is None else torch.eye(3)[y]
    variance = alpha_bar * WIDTH**2 + 1 - alpha_bar
    return (1 - alpha_bar).sqrt() * (r[..., None] * z).sum(1) / variance


@pytest.fixture
def mixture():
    """Points far and near (300, 2), times from 1 to T, labels, and log p(label | x_t)."""
    generator = torch.Generator().manual_seed(0)
    x = 2 * torch.randn(300, 2, generator=generator)
    t = torch.randint(1, COSINE.T + 1, (300,), generator=generator)
    y = torch.arange(300) % 3
    return x, t, y, lambda x, t: log_classes(x, t)[torch.arange(len(x)), y[: len(x)]]


def test_scale_1_of_the_exact_classifier_is_bayes_rule(mixture):
    """The exact eps without a label, guided by the exact p(y | x_t), is the exact eps given y."""
    x, t, y, log_p = mixture
    eps = classifier_guided(exact_eps, COSINE, log_p, 1.0)(x, t)
    assert torch.allclose(eps, exact_eps(x, t, y), atol=1e-5)
    assert (eps - exact_eps(x, t)).abs().max() > 0.5  # which differs from the one without a label


@pytest.mark.parametrize("w", [-1.0, 0.0, 0.5, 3.0])
def test_a_classifier_and_the_difference_of_two_predictions_guide_alike(mixture, w):
    """guided(w) is the conditional model pushed by w, and the unconditional one pushed by w + 1."""
    x, t, y, log_p = mixture
    free = guided(exact_eps, y, w)(x, t)
    for model, scale in ((partial(exact_eps, y=y), w), (exact_eps, w + 1)):
        pushed = classifier_guided(model, COSINE, log_p, scale)(x, t)
        assert torch.allclose(pushed, free, atol=1e-4)


def test_a_classifier_guides_each_row_of_images_by_its_own_gradient_and_noise_level():
    """With log p = <g, x>, whose gradient is g, eps falls by scale sqrt(1 - alpha_bar_t) g."""
    x, g, eps = torch.randn(3, 4, 2, 5, 5)
    model = classifier_guided(lambda x, t: eps, COSINE, lambda x, t: (g * x).flatten(1).sum(1), 2.5)
    rows = zip(eps, COSINE.alpha_bar[T], g, strict=True)
    right = torch.stack([e - 2.5 * (1 - a).sqrt() * grad for e, a, grad in rows])
    assert torch.allclose(model(x, T), right, atol=1e-6)


def test_a_classifier_guides_under_no_grad_and_leaves_no_graph_behind(mixture):
    """A sampler switches gradients off: the same eps comes out, and it asks for no gradient."""
    x, t, _, log_p = mixture
    model = classifier_guided(exact_eps, COSINE, log_p, 1.0)
    with torch.no_grad():
        eps = model(x, t)
        assert not torch.is_grad_enabled()
    assert torch.equal(eps, model(x, t))
    assert not eps.requires_grad and not x.requires_grad


def test_guiding_by_a_classifier_trains_nothing():
    """Neither model nor classifier collects a gradient; the model is called once, without one."""
    net, judge, x, calls = MLP(num_classes=3), torch.nn.Linear(2, 3), torch.randn(4, 2), []

    def model(x, t):
        calls.append(torch.is_grad_enabled() or x.requires_grad)
        return net(x, t)

    with torch.no_grad():
        log_p = lambda x, t: judge(x).log_softmax(1)[:, 0]  # noqa: E731
        classifier_guided(model, COSINE, log_p, 3.0)(x, T)
    assert calls == [False]
    assert all(p.grad is None for p in [*net.parameters(), *judge.parameters()])


def test_the_classifier_sees_the_noisy_x_and_its_time():
    """log_p is handed x_t and t as the sampler has them."""
    seen, x = [], torch.randn(4, 2)

    def log_p(x, t):
        seen.append((x.detach().clone(), t))
        return x.sum(1)

    classifier_guided(lambda x, t: x, COSINE, log_p, 1.0)(x, T)
    assert torch.equal(seen[0][0], x) and torch.equal(seen[0][1], T)


def test_labels_pass_through_a_guide():
    """A model with a label of its own can be guided: positional and named labels arrive."""
    net, x, y = MLP(num_classes=3), torch.randn(4, 2), torch.tensor([0, 1, 2, 0])
    model = classifier_guided(net, COSINE, lambda x, t: x.sum(1), 0.0)
    assert torch.equal(model(x, T, y), net(x, T, y))
    assert torch.equal(model(x, T, y=y), net(x, T, y))


def test_guidance_is_not_the_score_of_a_noised_density():
    """For N(0, 1), and N(0, c^2) given y, walks without fresh noise end with the deviation c^(1+w),
    which is less than that of p_w, c / sqrt(1 + w (1 - c^2)) (derived for chapter 8)."""
    c, start, label = 0.5, torch.tensor([[1.0]]), torch.zeros(1, dtype=torch.long)

    def eps(x, t, y=None):
        alpha_bar = COSINE.at(t, x)
        variance = 1.0 if y is None else alpha_bar * c**2 + 1 - alpha_bar
        return (1 - alpha_bar).sqrt() * x / variance

    for w in (0.0, 1.0, 2.0):
        end = sample(guided(eps, label, w), COSINE, start, 500, ddim_step).item()
        assert end == pytest.approx(c ** (1 + w), rel=0.02)


def test_dropped_labels_leave_the_data_as_they_are():
    """A label is hidden from this step only: the tensor that was handed in is not written to, and
    each row is dropped for itself."""
    y = torch.arange(1000) % 10
    kept = y.clone()
    dropped = drop_labels(y, 0.5, null=10)
    assert torch.equal(y, kept) and dropped.dtype == y.dtype
    assert 0 < (dropped == 10).sum() < 1000


# Samplers of second order

M, C = 0.4, 0.7  # the data are N(M, C^2), so the flow is a formula
free = partial(sample, clip=None)  # and they have no limits
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
    walk = dict(trajectory(gaussian, SCHEDULE, points(), inner(n), SOLVERS[name](gaussian), None))
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
        x0 = free(one_point, SCHEDULE, points(), n, SOLVERS[name](one_point))
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
    seen = []

    def model(x, t):
        seen.append(int(t[0]))
        return gaussian(x, t)

    free(model, SCHEDULE, points(), 10, SOLVERS[name](model))
    assert len(seen) == calls and min(seen) > 0


def test_2m_aims_at_the_x0_expected_for_the_middle_of_the_step():
    """x0 + h / (2 h_last) (x0 - x0_last), h along log(SNR) / 2; with any two predictions."""
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
    walk = dict(trajectory(gaussian, SCHEDULE, points(), 10, dpmpp_2m(), None))
    x100 = walk[100]
    last = ddim_step(SCHEDULE, x100, 100, 0, gaussian(x100, 100))
    assert torch.equal(walk[0], last) or (walk[0] - last).abs().max() < 1e-12


def test_2m_begins_anew_with_each_walk_and_where_it_does_not_go_on():
    """A second walk with the same step is the first one again; so is one after half a walk."""
    step = dpmpp_2m()
    first = free(gaussian, SCHEDULE, points(), 8, step)
    assert torch.equal(first, free(gaussian, SCHEDULE, points(), 8, step))
    walk = trajectory(gaussian, SCHEDULE, points() + 1, 8, step, None)
    for _ in range(4):
        next(walk)
    assert torch.equal(first, free(gaussian, SCHEDULE, points(), 8, step))
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


@pytest.mark.parametrize(
    "n, power, name",
    [(0, 1, "steps"), (1001, 1, "steps")]
    + [(10.0, 1, "steps"), (True, 1, "steps"), (10, 0, "power"), (10, -1, "power")],
)
def test_impossible_spacing_is_refused_in_a_sentence(n, power, name):
    with pytest.raises(ValueError, match=f"{name} is .*; expected a"):
        spaced(1000, n, power)


def test_quadratic_times_give_heun_its_order_back_over_the_whole_way():
    """From T to 0: even times lose some of it at the last step, quadratic ones do not."""

    def slope(power):
        ends = [
            free(gaussian, SCHEDULE, points(), spaced(1000, n, power), heun(gaussian))
            for n in (20, 40)
        ]
        far = [(x - flow(points(), 1000, 0)).abs().mean() for x in ends]
        return math.log2(far[0] / far[1])

    assert slope(1) < 1.8 < 1.9 < slope(2) < 2.2


def test_the_inverse_is_exact_with_enough_rounds():
    """Down again by ddim_step over the same times: machine precision, and the start is right."""
    times, x0 = spaced(1000, 50, 2), 0.5 * points()
    xT = ddim_invert(gaussian, SCHEDULE, x0, times, rounds=60)
    assert (free(gaussian, SCHEDULE, xT, times, ddim_step) - x0).abs().max() < 1e-8


def test_each_round_of_the_inverse_shrinks_the_error_by_a_factor():
    times, x0 = spaced(1000, 50, 2), 0.5 * points()
    far = []
    for rounds in (1, 2, 4, 8):
        xT = ddim_invert(gaussian, SCHEDULE, x0, times, rounds)
        far.append((free(gaussian, SCHEDULE, xT, times, ddim_step) - x0).abs().max())
    assert far[1] < far[0] / 2 and far[2] < far[1] / 2 and far[3] < far[2] / 2


def test_the_noise_of_gaussian_data_is_what_the_flow_says():
    """The inverse finds the x_T from which the exact flow leads to x0, up to the step size."""
    x0 = 0.5 * points()
    xT = ddim_invert(gaussian, SCHEDULE, x0, spaced(1000, 500, 2), rounds=4)
    assert (xT - flow(x0, 0, 1000)).abs().max() < 0.03


def test_the_inverse_calls_the_model_at_the_upper_times_without_gradients():
    calls, net = [], torch.nn.Linear(1, 1)

    def model(x, t):
        calls.append(int(t[0]))
        return net(x)

    xT = ddim_invert(model, linear_schedule(), torch.zeros(3, 1), [1000, 600, 200, 0], rounds=2)
    assert calls == [200, 200, 600, 600, 1000, 1000] and not xT.requires_grad


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


@pytest.mark.parametrize("w", [0.0, 0.3, 1.0])
def test_slerp_of_equal_rows_is_that_row(w):
    """The angle is 0 there, and 0 / 0 would be NaN; other rows of the batch still move."""
    a, b = torch.randn(2, 3, 8)
    b[1] = a[1]
    mixed = slerp(a, b, w)
    assert mixed.isfinite().all() and torch.allclose(mixed[1], a[1])
    assert torch.allclose(mixed[::2], slerp(a[::2], b[::2], w))


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
