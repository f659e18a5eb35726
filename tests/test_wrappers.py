"""Theorems about what wraps a network: targets, clipping, guidance, dropped labels."""

import math
from functools import partial

import pytest
import torch

from ddpm_lite import (
    MLP,
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
