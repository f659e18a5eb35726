"""Students of few steps, against a Gaussian whose paths, ends and mean velocities are known."""

import pytest
import torch

from ddpm_lite import (  # isort: skip
    UNet, cosine_schedule, ddim_step, from_v, from_x0, load_classifier, predict_eps, predict_x0,
    q_sample, sample, spaced, v_target,
)  # fmt: skip
from ddpm_lite.distill import (
    consistency,
    consistency_loss,
    hops,
    mean_flow_loss,
    mean_flow_times,
    mean_velocity,
    progressive_loss,
    random_step,
    row_error,
    skip_out,
    two_steps,
    x0_between,
)
from ddpm_lite.pretrained import load_student

S = cosine_schedule(1000)
M, C = 0.5, 0.3  # data N(M, C²)


def spread(t, x):
    """The standard deviation of x_t."""
    bar = S.at(t, x)
    return (bar * C**2 + 1 - bar).sqrt()


def teacher(x, t):
    """The exact noise prediction of that data."""
    bar = S.at(t, x)
    return (1 - bar).sqrt() * (x - bar.sqrt() * M) / spread(t, x) ** 2


def ends(x, t):
    """The exact student: x keeps its distance from the mean in standard deviations."""
    return M + C * (x - S.at(t, x).sqrt() * M) / spread(t, x)


def mean_x0(x, t):
    return predict_x0(S, x, t, teacher(x, t))


def data(n=5000):
    return M + C * torch.randn(n, 1, dtype=torch.float64)


def rows(t, n):
    return torch.full((n,), t)


def test_the_factors_are_one_and_zero_at_the_lowest_level():
    for low, sd in ((0.0, 1.0), (0.002, 0.5), (0.1, 2.0)):
        c_skip, c_out = skip_out(torch.tensor([low, 1e6], dtype=torch.float64), low, sd)
        assert c_skip[0] == 1 and c_out[0] == 0  # x passes as it is
        assert c_skip[1] < 1e-6 and c_out[1] == pytest.approx(sd, rel=1e-4)  # only the network


def test_the_factors_are_those_of_the_paper():
    """At sigma = 1 with the paper's 0.002 and 0.5."""
    c_skip, c_out = skip_out(torch.tensor(1.0, dtype=torch.float64), 0.002, 0.5)
    assert c_skip == pytest.approx(0.25 / (0.998**2 + 0.25))
    assert c_out == pytest.approx(0.5 * 0.998 / 1.25**0.5)


def test_a_student_is_the_x0_of_v_prediction_and_leaves_clean_data_alone():
    net = lambda x, t: x.tanh() + t[:, None] / 1000  # noqa: E731
    x, t = torch.randn(4, 3), torch.tensor([1, 300, 900, 1000])
    f = consistency(net, S)
    assert torch.equal(f(x, rows(0, 4)), x)
    expected = predict_x0(S, x.double(), t, from_v(net, S)(x.double(), t))
    assert torch.allclose(f(x, t).double(), expected, atol=2e-3)  # expected loses digits at T
    assert torch.allclose(f(x[:2], t[:2]).double(), expected[:2], atol=1e-6)


def test_a_condition_reaches_the_student():
    f = consistency(lambda x, t, y: -y[:, None].expand_as(x), S, y=torch.tensor([3.0, 4.0]))
    assert torch.allclose(f(torch.zeros(2, 1), rows(1000, 2)), torch.tensor([[3.0], [4.0]]))


def test_the_target_makes_one_step_land_where_asked():
    x, xs = torch.randn(2, 6, 3, dtype=torch.float64)
    t, s = torch.tensor([1000, 1000, 700, 500, 2, 1]), torch.tensor([500, 0, 699, 0, 1, 0])
    x0 = x0_between(S, x, t, xs, s)
    landed = ddim_step(S, x, t, s, predict_eps(S, x, t, x0))
    assert torch.allclose(landed, xs, atol=1e-3)
    assert torch.allclose(x0[s == 0], xs[s == 0])  # a step to the data lands at its own target


def test_two_steps_are_two_steps():
    x, t, s = torch.randn(50, 1, dtype=torch.float64), rows(800, 50), rows(200, 50)
    by_sampling = sample(lambda x, t: teacher(x, t), S, x, [800, 500, 200, 0], ddim_step, clip=None)
    landed = two_steps(teacher, S, x, t, s)
    last = ddim_step(S, landed, 200, 0, teacher(landed, s))
    assert torch.allclose(last, by_sampling, atol=1e-6)


def test_the_progressive_loss_is_zero_for_the_student_that_lands_there():
    times = [1000, 600, 200, 0]

    def best(x, t):
        s = torch.tensor([{1000: 600, 600: 200, 200: 0}[k] for k in t.tolist()])
        return x0_between(S, x, t, two_steps(teacher, S, x, t, s), s)

    x0 = data()
    assert progressive_loss(best, teacher, S, x0, times) < 1e-10
    assert progressive_loss(mean_x0, teacher, S, x0, times) > 1e-3


def test_the_progressive_error_is_that_of_v():
    """A student that is off by v + 0.1 in v has the loss 0.01 at every time."""
    x0 = data()
    for t in (1000, 300, 20):

        def off(x, t):
            right = x0_between(S, x, t, two_steps(teacher, S, x, t, t * 0), t * 0)
            v = v_target(S, right, t, predict_eps(S, x, t, right)) + 0.1
            return S.at(t, x).sqrt() * x - (1 - S.at(t, x)).sqrt() * v

        loss = progressive_loss(off, teacher, S, x0, [t, 0])
        assert loss.item() == pytest.approx(0.01, rel=1e-3)


def test_the_progressive_loss_uses_the_given_noise():
    x0, eps, seen = data(3), torch.randn(3, 1, dtype=torch.float64), []
    f = lambda x, t: seen.append(x) or x  # noqa: E731
    progressive_loss(f, teacher, S, x0, [400, 0], eps)
    assert torch.equal(seen[0], q_sample(S, x0, rows(400, 3), eps))


def test_steps_are_drawn_from_the_list():
    t, s = random_step([1000, 600, 200, 0], 3000)
    pairs = set(zip(t.tolist(), s.tolist(), strict=True))
    assert pairs == {(1000, 600), (600, 200), (200, 0)} and t.dtype == torch.int64
    assert all(800 < (t == k).sum() < 1200 for k in (1000, 600, 200))


def test_the_exact_student_is_consistent():
    """Along short steps of the teacher, and the best prediction of x0 isn't."""
    x0, times = data(20_000), spaced(1000, 200)
    right, wrong = (consistency_loss(f, f, S, x0, times, teacher) for f in (ends, mean_x0))
    assert right < 1e-5 and wrong > 5 * right


def test_training_without_a_teacher_has_the_gradient_of_distillation():
    """The derivative of the error by a factor in f, which is linear in x (Song et al. 2023,
    theorem 2)."""
    x0, times = data(400_000), [1000, 990, 980, 600, 590, 200, 0]
    slope = {}
    for name, model in (("distillation", teacher), ("training", None)):
        scale = torch.tensor(1.2, dtype=torch.float64, requires_grad=True)
        f = lambda x, t, scale=scale: M + scale * (ends(x, t) - M)  # noqa: E731
        torch.manual_seed(0)
        loss = consistency_loss(f, f, S, x0, times, model)
        (slope[name],) = torch.autograd.grad(loss / 2 * 100, scale)
    assert slope["training"].item() == pytest.approx(slope["distillation"].item(), rel=0.03)


def test_both_ends_of_a_step_have_the_same_image_and_noise_and_the_target_is_below():
    seen, x0 = [], data(8)
    f = lambda x, t: seen.append(("student", x, t)) or x.detach().requires_grad_()  # noqa: E731
    g = lambda x, t: seen.append(("target", x, t)) or x  # noqa: E731
    consistency_loss(f, g, S, x0, [800, 300, 0])
    (_, xs, s), (_, xt, t) = sorted(seen, key=lambda call: call[0], reverse=True)
    assert {call[0] for call in seen} == {"student", "target"} and (s < t).all()
    keep = s > 0
    eps = [predict_eps(S, x[keep], time[keep], x0[keep]) for x, time in ((xt, t), (xs, s))]
    assert torch.allclose(*eps, atol=1e-5)
    assert torch.equal(xs[~keep], x0[~keep])


def test_the_consistency_error_is_that_of_v():
    """With one step to 0, where f returns its input: the target is x0, and f is off by v + 0.1."""
    x0 = data()
    for t in (1000, 300, 20):

        def off(x, t):
            if (t == 0).all():
                return x
            return x0 - 0.1 * (1 - S.at(t, x)).sqrt()

        loss = consistency_loss(off, off, S, x0, [t, 0])
        assert loss.item() == pytest.approx(0.01, rel=1e-3)


def test_the_target_gets_no_gradient():
    weight = torch.ones(1, dtype=torch.float64, requires_grad=True)
    f = lambda x, t: weight * x  # noqa: E731
    loss = consistency_loss(lambda x, t: x, f, S, data(9), [500, 200, 0])
    assert not loss.requires_grad
    assert consistency_loss(f, f, S, data(9), [500, 200, 0]).requires_grad


def test_hops_keep_the_distribution():
    """With the exact student, any list of times ends at the data's mean and spread."""
    xT = torch.randn(100_000, 1)
    for times in ([1000, 0], [1000, 500, 0], [1000, 700, 400, 100, 0]):
        calls = list(hops(ends, S, xT, times))
        assert [t for t, _, _ in calls] == times[:-1]
        x0 = calls[-1][2]
        assert x0.mean().item() == pytest.approx(M, abs=0.01)
        assert x0.std().item() == pytest.approx(C, abs=0.01)
        states = {t: x for t, x, _ in calls}
        assert states[times[-2]].std().item() == pytest.approx(
            spread(times[-2], xT).item(), abs=0.02)  # fmt: skip


def gaussian_mean(x, u, s):
    """The mean velocity of that data from u to s: where the point comes from, over the length."""
    x, u, s = (a.double() for a in (x, u, s))
    u, s = (a.reshape(-1, 1) for a in (u, s))
    sd = lambda w: ((1 - w) ** 2 * C**2 + w**2).sqrt()  # noqa: E731
    end = (1 - s) * M + sd(s) / sd(u) * (x - (1 - u) * M)
    return (x - end) / (u - s).clamp(min=1e-9)


def test_the_best_mean_velocity_is_the_exact_one():
    """The target has the exact mean velocity as its mean, so no other scale has a smaller loss."""
    torch.manual_seed(0)
    x0, x1 = data(100_000), torch.randn(100_000, 1, dtype=torch.float64)
    u, s = torch.full((2, 100_000), 0.8, dtype=torch.float64)
    for s in (u - 0.7, u - 0.1):
        v = x1 - x0
        xu = x0 + u[:, None] * v
        ours, slope = torch.func.jvp(
            gaussian_mean, (xu, u, s), (v, torch.ones_like(u), torch.zeros_like(s))
        )
        off = ours - (v - (u - s)[:, None] * slope)  # its mean given x_u is 0
        for weight in (1, xu, xu**2):
            assert abs((weight * off).mean()) < 0.02
        error = mean_flow_loss(gaussian_mean, x0, u, s, x1, p=0.0)
        assert error.item() == pytest.approx(off.square().mean().item())


def test_mean_flow_is_flow_matching_where_the_times_are_equal():
    x0, x1 = data(6), torch.randn(6, 1, dtype=torch.float64)
    u = torch.rand(6, dtype=torch.float64)
    mean = lambda x, u, s: x * u[:, None] - s[:, None]  # noqa: E731
    xu = (1 - u)[:, None] * x0 + u[:, None] * x1
    plain = row_error(mean(xu, u, u), x1 - x0)
    assert mean_flow_loss(mean, x0, u, u, x1, p=0.0).item() == pytest.approx(plain.mean().item())
    shared = (plain / (plain + 1e-3)).mean().item()
    assert mean_flow_loss(mean, x0, u, u, x1).item() == pytest.approx(shared)


def test_the_weight_of_mean_flow_gets_no_gradient():
    x0, x1, u = data(6), torch.randn(6, 1, dtype=torch.float64), torch.rand(6, dtype=torch.float64)
    w = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    mean = lambda x, u, s: w * x  # noqa: E731
    (slope,) = torch.autograd.grad(mean_flow_loss(mean, x0, u, u, x1), w)
    xu = (1 - u)[:, None] * x0 + u[:, None] * x1
    off = 0.3 * xu - (x1 - x0)
    assert slope.item() == pytest.approx((2 * off * xu / (off**2 + 1e-3)).mean().item())


def test_the_times_of_mean_flow():
    """More of them near the data than near the noise, and s never above u."""
    torch.manual_seed(0)
    u, s = mean_flow_times(50_000, 0.25)
    assert (s <= u).all() and (0 < s).all() and (u < 1).all()
    assert (s == u).double().mean().item() == pytest.approx(0.25, abs=0.01)
    both = torch.cat([u[u != s], s[u != s]])
    assert torch.logit(both).mean().item() == pytest.approx(-0.4, abs=0.02)
    assert torch.logit(both).std().item() == pytest.approx(1, abs=0.02)


def test_a_network_learns_which_stretch_is_asked_for():
    seen = []
    net = lambda x, t, y: seen.append((t, y)) or x  # noqa: E731
    labels = torch.eye(3)
    u, s = torch.tensor([1.0, 0.5, 0.0]), torch.tensor([0.0, 0.25, 0.0])
    mean_velocity(net, labels)(torch.zeros(3, 2), u, s)
    ((t, y),) = seen
    assert t.tolist() == pytest.approx([11.001, 6.001, 1.001])  # networks refuse t up to 1
    assert torch.equal(y[:, :3], labels) and y[:, 3].tolist() == [1, 0.25, 0]


def test_mean_flow_differentiates_a_unet():
    net = UNet(1, width=8, mults=(1, 2), cond_dim=3)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    x0, y = torch.randn(5, 1, 8, 8), torch.rand(5, 2)
    loss = mean_flow_loss(mean_velocity(net, y), x0, torch.rand(5) / 2 + 0.5, torch.rand(5) / 2)
    loss.backward()
    assert loss.isfinite() and all(p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize("times", [[1000, 500], [0, 1000], [1000, 1000, 0], [0], [10.0, 0], []])
def test_times_that_do_not_fall_to_zero_are_refused(times):
    with pytest.raises(ValueError, match="expected whole numbers that fall to 0"):
        list(hops(ends, S, torch.randn(2, 1), times))
    with pytest.raises(ValueError, match="expected whole numbers that fall to 0"):
        consistency_loss(ends, ends, S, data(3), times)
    with pytest.raises(ValueError, match="expected whole numbers that fall to 0"):
        progressive_loss(ends, teacher, S, data(3), times)


def test_the_shipped_students_draw_the_digits_asked_for_in_one_call():
    judge, y, xT = load_classifier("digits"), torch.arange(200) % 10, torch.randn(200, 1, 8, 8)
    for name in ("progressive", "consistency"):
        f = consistency(load_student(name), S, y=y)
        x = sample(from_x0(f, S), S, xT, 1, ddim_step)
        assert (judge.probabilities(x).argmax(1) == y).double().mean() > 0.9
    with pytest.raises(ValueError, match="there are no weights 'x'"):
        load_student("x")


def test_the_student_of_mnist_draws_the_digits_asked_for_in_two_calls():
    judge, y = load_classifier("mnist"), torch.arange(40) % 10
    f = consistency(load_student("mnist"), S, y=y)
    x = sample(from_x0(f, S), S, torch.randn(40, 1, 28, 28), 2, ddim_step)
    assert (judge.probabilities(x).argmax(1) == y).double().mean() > 0.9
