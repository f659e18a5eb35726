"""Theorems about what wraps a network: targets, clipping, guidance, dropped labels."""

import math
from functools import partial

import pytest
import torch

from ddpm_lite import (
    MLP,
    classifier_guided,
    clipped,
    cosine_schedule,
    ddim_step,
    ddpm_step,
    drop_labels,
    from_v,
    from_x0,
    guided,
    predict_x0,
    q_sample,
    sample,
    v_target,
)

SCHEDULE = cosine_schedule()
T = torch.tensor([1, 300, 700, 990])


def test_from_x0_is_eq_4_solved_for_eps():
    """eps = (x_t - sqrt(alpha_bar) x0) / sqrt(1 - alpha_bar), whatever x0 the network guesses."""
    x, guess = torch.randn(2, 4, 3)
    eps = from_x0(lambda x, t: guess, SCHEDULE)(x, T)
    assert torch.allclose(q_sample(SCHEDULE, guess, T, eps), x, atol=1e-5)


def test_from_v_inverts_v_target():
    """eps = sqrt(alpha_bar) v + sqrt(1 - alpha_bar) x_t (arXiv 2202.00512, appendix D)."""
    x0, eps = torch.randn(2, 4, 3)
    xt, v = q_sample(SCHEDULE, x0, T, eps), v_target(SCHEDULE, x0, T, eps)
    assert torch.allclose(from_v(lambda x, t: v, SCHEDULE)(xt, T), eps, atol=1e-5)


def test_a_clipped_model_guesses_no_x0_outside_the_data():
    """predict_x0 of its eps is clamp(predict_x0 of the model's eps, low, high)."""
    x, eps = 3 * torch.randn(2, 4, 3)
    model = clipped(lambda x, t: eps, SCHEDULE, -1, 0.5)
    before, after = (predict_x0(SCHEDULE, x, T, e) for e in (eps, model(x, T)))
    assert before.abs().max() > 1
    assert torch.allclose(after, before.clamp(-1, 0.5), atol=1e-3)


def test_clipping_changes_the_step_and_not_only_what_follows_it():
    """Clipped after the mean is built, it would do nothing: the means must differ where x0 does."""
    x, eps, rows = 3 * torch.randn(8), torch.zeros(8), torch.full((8,), 500)
    model = clipped(lambda x, t: eps, SCHEDULE)
    outside = predict_x0(SCHEDULE, x, 500, eps).abs() > 1.01
    for step in (ddim_step, ddpm_step):
        torch.manual_seed(1)
        plain = step(SCHEDULE, x, 500, 480, eps)
        torch.manual_seed(1)
        moved = (step(SCHEDULE, x, 500, 480, model(x, rows)) - plain).abs() > 1e-4
        assert outside.any() and torch.equal(moved, outside)


def test_clipping_is_the_identity_where_x0_is_inside():
    """For a model whose x0 is in [-1, 1] nothing changes."""
    x0, eps = torch.rand(4, 3) * 2 - 1, torch.randn(4, 3)
    xt = q_sample(SCHEDULE, x0, T, eps)
    assert torch.allclose(clipped(lambda x, t: eps, SCHEDULE)(xt, T), eps, atol=1e-3)


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


def test_wrappers_nest():
    """clipped(guided(from_v(net), y, w)) is a model that samples, and its samples are in range."""
    net, y = MLP(num_classes=3), torch.tensor([0, 1, 2, 0])
    model = clipped(guided(from_v(net, SCHEDULE), y, w=1.0), SCHEDULE)
    x0 = sample(model, SCHEDULE, torch.randn(4, 2), 5)
    assert x0.shape == (4, 2) and x0.abs().max() <= 1 + 1e-3


def test_labels_pass_through_every_wrapper():
    """Each takes the arguments of its network: positional and named labels arrive."""
    net, x, y = MLP(num_classes=3), torch.randn(4, 2), torch.tensor([0, 1, 2, 0])
    for wrap in (from_x0, from_v, clipped):
        model = wrap(net, SCHEDULE)
        assert torch.equal(model(x, T, y), model(x, T, y=y))
        assert not torch.allclose(model(x, T, y), model(x, T))


MEANS, WIDTH = torch.tensor([[0.0, 0.6], [-0.5, -0.3], [0.5, -0.3]]), 0.35


def log_classes(x, t):
    """log p(k | x_t) of three Gaussians of one width, equally frequent: (B, 3)."""
    alpha_bar = SCHEDULE.at(t, x)
    z = x[:, None] - alpha_bar.sqrt()[..., None] * MEANS
    return (-z.square().sum(2) / (2 * (alpha_bar * WIDTH**2 + 1 - alpha_bar))).log_softmax(1)


def exact_eps(x, t, y=None):
    """E[eps | x_t, y] of the mixture, and E[eps | x_t] without a label."""
    alpha_bar = SCHEDULE.at(t, x)
    z = x[:, None] - alpha_bar.sqrt()[..., None] * MEANS
    r = log_classes(x, t).exp() if y is None else torch.eye(3)[y]
    variance = alpha_bar * WIDTH**2 + 1 - alpha_bar
    return (1 - alpha_bar).sqrt() * (r[..., None] * z).sum(1) / variance


@pytest.fixture
def mixture():
    """Points far and near (300, 2), times from 1 to T, labels, and log p(label | x_t)."""
    generator = torch.Generator().manual_seed(0)
    x = 2 * torch.randn(300, 2, generator=generator)
    t = torch.randint(1, SCHEDULE.T + 1, (300,), generator=generator)
    y = torch.arange(300) % 3
    return x, t, y, lambda x, t: log_classes(x, t)[torch.arange(len(x)), y[: len(x)]]


def test_scale_1_of_the_exact_classifier_is_bayes_rule(mixture):
    """The exact eps without a label, guided by the exact p(y | x_t), is the exact eps given y."""
    x, t, y, log_p = mixture
    guess = classifier_guided(exact_eps, SCHEDULE, log_p, 1.0)(x, t)
    assert torch.allclose(guess, exact_eps(x, t, y), atol=1e-5)
    assert (guess - exact_eps(x, t)).abs().max() > 0.5  # and that is another eps


@pytest.mark.parametrize("w", [-1.0, 0.0, 0.5, 3.0])
def test_a_classifier_and_the_difference_of_two_guesses_are_the_same_guidance(mixture, w):
    """guided(w) is the conditional model pushed by w, and the unconditional one pushed by w + 1."""
    x, t, y, log_p = mixture
    free = guided(exact_eps, y, w)(x, t)
    for model, scale in ((partial(exact_eps, y=y), w), (exact_eps, w + 1)):
        pushed = classifier_guided(model, SCHEDULE, log_p, scale)(x, t)
        assert torch.allclose(pushed, free, atol=1e-4)


def test_a_classifier_guides_each_row_of_images_by_its_own_gradient_and_noise_level():
    """With log p = <g, x>, whose gradient is g, eps falls by scale sqrt(1 - alpha_bar_t) g."""
    x, g, eps = torch.randn(3, 4, 2, 5, 5)
    model = classifier_guided(
        lambda x, t: eps, SCHEDULE, lambda x, t: (g * x).flatten(1).sum(1), 2.5
    )
    rows = zip(eps, SCHEDULE.alpha_bar[T], g, strict=True)
    right = torch.stack([e - 2.5 * (1 - a).sqrt() * grad for e, a, grad in rows])
    assert torch.allclose(model(x, T), right, atol=1e-6)


def test_a_classifier_guides_under_no_grad_and_leaves_no_graph_behind(mixture):
    """A sampler switches gradients off: the same eps comes out, and it asks for no gradient."""
    x, t, _, log_p = mixture
    model = classifier_guided(exact_eps, SCHEDULE, log_p, 1.0)
    with torch.no_grad():
        guess = model(x, t)
        assert not torch.is_grad_enabled()
    assert torch.equal(guess, model(x, t))
    assert not guess.requires_grad and not x.requires_grad


def test_guiding_by_a_classifier_trains_nothing():
    """Neither model nor classifier collects a gradient; the model is called once, without one."""
    net, judge, x, calls = MLP(num_classes=3), torch.nn.Linear(2, 3), torch.randn(4, 2), []

    def model(x, t):
        calls.append(torch.is_grad_enabled() or x.requires_grad)
        return net(x, t)

    with torch.no_grad():
        log_p = lambda x, t: judge(x).log_softmax(1)[:, 0]  # noqa: E731
        classifier_guided(model, SCHEDULE, log_p, 3.0)(x, T)
    assert calls == [False]
    assert all(p.grad is None for p in [*net.parameters(), *judge.parameters()])


def test_the_classifier_sees_the_noisy_x_and_its_time():
    """log_p is handed x_t and t as the sampler has them."""
    seen, x = [], torch.randn(4, 2)

    def log_p(x, t):
        seen.append((x.detach().clone(), t))
        return x.sum(1)

    classifier_guided(lambda x, t: x, SCHEDULE, log_p, 1.0)(x, T)
    assert torch.equal(seen[0][0], x) and torch.equal(seen[0][1], T)


def test_labels_pass_through_a_guide():
    """A model with a label of its own can be guided: positional and named labels arrive."""
    net, x, y = MLP(num_classes=3), torch.randn(4, 2), torch.tensor([0, 1, 2, 0])
    model = classifier_guided(net, SCHEDULE, lambda x, t: x.sum(1), 0.0)
    assert torch.equal(model(x, T, y), net(x, T, y))
    assert torch.equal(model(x, T, y=y), net(x, T, y))


def test_guidance_is_not_the_score_of_a_noised_density():
    """For N(0, 1), and N(0, c^2) given y, walks without fresh noise end with the deviation c^(1+w),
    which is less than that of p_w, c / sqrt(1 + w (1 - c^2)) (derived for chapter 8)."""
    c, start, label = 0.5, torch.tensor([[1.0]]), torch.zeros(1, dtype=torch.long)

    def eps(x, t, y=None):
        alpha_bar = SCHEDULE.at(t, x)
        variance = 1.0 if y is None else alpha_bar * c**2 + 1 - alpha_bar
        return (1 - alpha_bar).sqrt() * x / variance

    for w in (0.0, 1.0, 2.0):
        end = sample(guided(eps, label, w), SCHEDULE, start, 500, ddim_step).item()
        assert end == pytest.approx(c ** (1 + w), rel=0.02)


def test_dropped_labels_leave_the_data_as_they_are():
    """A label is hidden from this step only: the tensor that was handed in is not written to, and
    each row is dropped for itself."""
    y = torch.arange(1000) % 10
    kept = y.clone()
    dropped = drop_labels(y, 0.5, null=10)
    assert torch.equal(y, kept) and dropped.dtype == y.dtype
    assert 0 < (dropped == 10).sum() < 1000
