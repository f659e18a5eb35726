"""Conventions: each is its paper's formula, and every conversion comes back."""

import math

import pytest
import torch

from ddpm_lite import cosine_schedule, linear_schedule, predict_x0, v_target
from ddpm_lite.conventions import (
    LEVELS,
    PREDICTIONS,
    STATES,
    alpha_bar_at,
    convert_level,
    convert_prediction,
    convert_state,
    time_at,
)

ALPHA_BAR = torch.linspace(1e-4, 1 - 1e-4, 100, dtype=torch.float64)


def far(a, b):
    return (a - b).abs().max().item()


@pytest.mark.parametrize("to", LEVELS)
@pytest.mark.parametrize("of", LEVELS)
def test_a_level_comes_back(of, to):
    value = convert_level(ALPHA_BAR, "alpha_bar", of)
    assert far(convert_level(convert_level(value, of, to), to, of) / value, 1 + 0 * value) < 1e-5


@pytest.mark.parametrize("to", STATES)
@pytest.mark.parametrize("of", STATES)
def test_a_state_comes_back(of, to):
    x = torch.randn(100, 2, dtype=torch.float64)
    there = convert_state(x, ALPHA_BAR, of, to)
    assert far(convert_state(there, ALPHA_BAR, to, of), x) < 1e-5


@pytest.mark.parametrize("to", PREDICTIONS)
@pytest.mark.parametrize("of", PREDICTIONS)
def test_a_prediction_comes_back(of, to):
    p, x = torch.randn(2, 100, 3, dtype=torch.float64)
    there = convert_prediction(p, x, ALPHA_BAR, of, to)
    assert far(convert_prediction(there, x, ALPHA_BAR, to, of), p) < 1e-5


def test_levels_are_their_formulas():
    """At alpha_bar = 0.2, by hand: signal sqrt(0.2), noise sqrt(0.8), a ratio of 2."""
    right = {"alpha_bar": 0.2, "noise": 0.8**0.5, "lambda": -math.log(2), "edm": 2.0,
             "flow": 2 / 3, "angle": math.atan(2)}  # fmt: skip
    a = torch.tensor([0.2], dtype=torch.float64)
    assert {n: round(convert_level(a, "alpha_bar", n).item(), 9) for n in LEVELS} == {
        n: round(value, 9) for n, value in right.items()
    }


def test_small_noise_is_not_rounded_away():
    """In float32, alpha_bar of sigma = 1e-4 is 1, and lambda was infinite."""
    sigma = torch.tensor([1e-4, 2e-3, 80.0])
    right = {"lambda": -sigma.log(), "angle": sigma.atan(), "flow": sigma / (1 + sigma)}
    for to, value in right.items():
        got = convert_level(sigma, "edm", to)
        assert got.dtype == torch.float32 and far(got / value, torch.ones(3)) < 1e-6
    assert convert_level(torch.tensor(1), "flow", "noise") == 1  # a whole number, too


def test_states_and_predictions_are_those_of_their_papers():
    """From one x0 and eps: EDM's x0 + sigma eps, flow's (1 - u) x0 + u eps and eps - x0, …"""
    x0, eps = torch.randn(2, 100, 3, dtype=torch.float64)
    a = ALPHA_BAR[:, None]
    x = a.sqrt() * x0 + (1 - a).sqrt() * eps
    sigma, u = (convert_level(a, "alpha_bar", name) for name in ("edm", "flow"))
    assert far(convert_state(x, ALPHA_BAR, "vp", "edm"), x0 + sigma * eps) < 1e-9
    assert far(convert_state(x, ALPHA_BAR, "vp", "flow"), (1 - u) * x0 + u * eps) < 1e-9
    right = {"eps": eps, "x0": x0, "v": a.sqrt() * eps - (1 - a).sqrt() * x0, "velocity": eps - x0,
             "score": -eps / (1 - a).sqrt(), "edm_score": -eps / sigma}  # fmt: skip
    for name, value in right.items():
        got = convert_prediction(eps, x, ALPHA_BAR, "eps", name)
        assert far(got / value.abs().max(), value / value.abs().max()) < 1e-9, name


def test_predictions_agree_with_the_schedule_s():
    """x0 and v of a schedule's timesteps are predict_x0 and v_target."""
    schedule, t = linear_schedule(), torch.tensor([1, 300, 700, 1000])
    x, eps = torch.randn(2, 4, 3)
    x0 = predict_x0(schedule, x, t, eps)
    a = schedule.alpha_bar[t]
    assert far(convert_prediction(eps, x, a, "eps", "x0") / x0, torch.ones(4, 3)) < 1e-3
    assert far(convert_prediction(eps, x, a, "eps", "v"), v_target(schedule, x0, t, eps)) < 1e-3


@pytest.mark.parametrize("schedule", [linear_schedule(), cosine_schedule(40)], ids=["1000", "40"])
def test_a_time_comes_back(schedule):
    """Whole timesteps have the schedule's alpha_bar, and between them it falls."""
    whole = torch.arange(schedule.T + 1)
    assert far(alpha_bar_at(schedule, whole), schedule.alpha_bar) < 1e-7
    t = torch.linspace(0, schedule.T, 777, dtype=torch.float64)
    assert far(time_at(schedule, alpha_bar_at(schedule, t)), t) < 1e-5
    assert (alpha_bar_at(schedule, t).diff() < 0).all()
    u = t / schedule.T
    assert far(time_at(schedule, alpha_bar_at(schedule, schedule.T * u)) / schedule.T, u) < 1e-5


X, SIGMAS = torch.zeros(3, 2), torch.tensor([1.0, 2.0])


@pytest.mark.parametrize("of, value", [
    ("alpha_bar", 1.01), ("noise", 1.01), ("flow", 1.01), ("angle", 1.58), ("edm", -0.01),
    ("noise", -0.01),
])  # fmt: skip
def test_a_level_beyond_its_convention_is_refused(of, value):
    with pytest.raises(ValueError, match=f"a tensor of levels of the convention '{of}'"):
        convert_level(torch.tensor(value), of, "edm")


@pytest.mark.parametrize("do, sentence", [
    (lambda: convert_level(SIGMAS, "edm", "sigma"),
     "the convention is 'sigma'; expected one of alpha_bar, noise, lambda, edm, flow, angle"),
    (lambda: convert_state(X, SIGMAS, "ddpm", "vp"), "is 'ddpm'; expected one of vp, edm, flow"),
    (lambda: convert_prediction(X, X, SIGMAS, "eps", "D"), "is 'D'; expected one of eps, x0, v"),
])  # fmt: skip
def test_an_unknown_convention_is_refused(do, sentence):
    with pytest.raises(ValueError, match=sentence):
        do()
