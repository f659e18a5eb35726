"""Checks of the loss, the sampler and the samples (needs torch, diffusion.py).

The network is replaced by stand-ins for which the right result is known.
"""

import math

import torch
from torch import Tensor

from ..diffusion import TARGETS, predict_eps, v_target
from .case import ENOUGH, Asked, Case, Net, apart, rows_of, told
from .network import Seen

MEAN = 0.1  # tolerated relative error of a mean over thousands of numbers, far above its scatter
GREY = 0.004  # tolerated difference, half a grey level of bytes, in a range of 2
NOISY = 0.75, 4  # limits of the mean square of a state's noise; beta for beta tilde gives 3
SHARED = 1.7  # limit of n times the mean square of a mean of n noises; about 1 if independent
REACH, SPREAD = 3, (0.3, 3)  # limits of largest value and deviation, relative to the data

# fmt: off


def check_loss(case: Case) -> Seen:
    """The loss of predicting 0 must be the mean square of the target, and that of the right
    prediction must be 0. The inputs of the stand-ins also show how the loss draws its timesteps and
    noise."""
    if case.loss_fn is None:
        return
    wanted = max(30, 10 * case.T / len(case.x))  # ten draws of each timestep, on average
    calls = math.ceil(min(wanted, 3e7 / case.x.numel()))
    runs = [case.loss(lambda xt, t: torch.zeros_like(xt)) for _ in range(calls)]
    asked = [each[-1] for _, each in runs]
    times = [*_check_times(case, torch.stack([t for _, t in asked]))]
    yield from times
    if not _faults(times):
        yield from _check_noise(case, asked[:50])
        *weight, squared = _check_weight(case)
        size = _check_size(case, sum(loss for loss, _ in runs) / calls)
        yield from (*weight, *size, squared)


def _check_times(case: Case, t: Tensor) -> Seen:
    """The loss must draw whole timesteps from 1 to T, one for each row. A sampler can't use
    timesteps that weren't trained."""
    T, whole = case.T, bool((t == t.round()).all())
    yield ("kind of t", whole, f"{t.dtype}, such as {t[0, 0].item():.4g}",
           "whole numbers, one for each row", "use t = torch.randint(1, T + 1, (B,)), not t / T")
    if whole:
        yield ("a t for each row", not (t == t[:, :1]).all(), f"{t[0, :4].long().tolist()} …",
               "different ones", "t = torch.randint(1, T + 1, (B,))")
        low, high, slack = int(t.min()), int(t.max()), 7 * T // t.numel()
        yield ("range of t", 1 <= low <= 1 + slack and T - slack <= high <= T,
               f"{low} … {high} where T = {T}", "1 … T",
               "torch.randint(1, T + 1, …); call net(xt, t + 1) if you count from 0")


def _check_noise(case: Case, asked: Asked) -> Seen:
    """The noise in x_t must have the variance 1 - alpha_bar_t and the kurtosis of a Gaussian. It
    must also be independent for each image, pixel and call: if it's shared, means over these aren't
    small."""
    eps = torch.stack([told(case.x, case)(xt, t.long()).flatten(1) for xt, t in asked])
    eps = eps - eps.mean()  # (calls, B, D)
    variance = eps.var().item()
    kurtosis = (eps**4).mean().item() / variance**2
    yield ("noise in x_t", abs(variance - 1) < MEAN and abs(kurtosis / 3 - 1) < MEAN,
           f"variance {variance:.2f}, kurtosis {kurtosis:.2f}", "1 and 3",
           "use x_t = √ᾱ x0 + √(1 - ᾱ) randn, with this x0 (not augmented) and this t")
    means = [eps.mean(dim).square().mean().item() * eps.shape[dim] for dim in range(3)]
    yield ("independent noise", max(means) < SHARED,
           f"means over calls, rows, pixels: {', '.join(f'{m:.1f}' for m in means)}",
           "about 1 each", "use torch.randn_like(x0), which draws a number for each pixel")


def _check_weight(case: Case) -> Seen:
    """The loss must be a squared error without a weight: the same error costs the same at every t,
    and twice the error costs four times as much."""
    one, two, *parts = (_costs(case, *wrong) for wrong in (
        (1, 0, 1), (2, 0, 1), (1, 0, 1 / 3), (1, 1 / 3, 2 / 3), (1, 2 / 3, 1)))
    squared = 3.8 < two / one < 4.2
    if squared:
        yield ("weight of t", max(parts) < 1.02 * min(parts),
               f"{', '.join(f'{part:.2g}' for part in parts)} at small, middle and large t",
               "the same", "remove the weight, or give diagnose the loss without it")
    yield ("squared errors", squared, f"twice the error costs {two / one:.2g} times as much",
           "4 times", "use F.mse_loss: no L1, no Huber")


def _costs(case: Case, by: float, low: float, high: float) -> float:
    """The loss of a prediction that is wrong by ``by`` for t between the shares ``low`` and
    ``high`` of T, and right elsewhere, divided by the share of rows in that range."""
    right = told(case.x, case, case.target)

    def wrong(t: Tensor) -> Tensor:
        return ((low * case.T < t) & (t <= high * case.T)).float()

    torch.manual_seed(0)  # the same timesteps and noise in all calls
    loss, asked = case.loss(
        lambda xt, t: right(xt, t) + by * wrong(t).reshape(-1, *[1] * (xt.ndim - 1)))
    return loss / wrong(asked[0][1]).mean().clamp(min=1e-9).item()


def _check_size(case: Case, zero: float) -> Seen:
    """The loss must be the mean squared error of the stated target. If not, find out which target
    it trains."""
    signal, size = case.alpha_bar[1:].mean().item(), case.x.square().mean().item()
    size = {"eps": 1.0, "x0": size, "v": signal + (1 - signal) * size}[case.target]
    costs = {name: case.loss(told(case.x, case, name))[0] for name in TARGETS}
    best = min(costs, key=costs.__getitem__)
    to_do = "use the mean of squared errors over all entries: no L1, no Huber, no sum, no factor"
    if costs[best] > 1e-3 * size:
        to_do = "the noise in x_t, the t and the target must belong together"
    elif best != case.target:
        to_do = f"the loss trains {best}: give target={best!r}, or train for {case.target}"
    yield ("loss of 0", abs(zero / size - 1) < MEAN, f"{zero:.3f} where the target has {size:.3f}",
           "the same, the mean square of the target", to_do)
    yield ("loss of the answer", costs[case.target] < 1e-3 * size, f"{costs[case.target]:.4f}", "0",
           to_do)


def check_sampler(case: Case) -> Seen:
    """With a model that knows the images, the loop must pass through valid x_t of these images and
    end with the images. With the network, it must end with values of about their size."""
    if case.sampler is None:
        return
    x, ways = case.x[: max(16, ENOUGH // case.x[0].numel())], []
    for kind in dict.fromkeys(["eps", case.target]):  # some loops expect the target itself, not eps
        ways.append([*_check_way(case, x, kind)])
        if not _faults(ways[-1]):
            break
    yield from min(ways, key=_faults)
    if not _faults(ways[-1]):
        yield from _check_samples(case, kind)


def _check_way(case: Case, x: Tensor, kind: str) -> Seen:
    """With a stand-in that knows the images, check the timesteps of the loop, the noise in its
    states, and its end."""
    model, asked = case.stand_in(told(x, case, kind))
    x0 = case.draw(model, len(x))
    times = [int(t[0]) for _, t in asked]
    well = times[:1] == [case.T] and times == sorted(times, reverse=True) and times[-1] > 0
    yield from _check_clip(x, x0)
    yield ("times of the sampler", well, " … ".join(map(str, times[:1] + times[-1:])),
           "from T down, never 0", "call the given model, count from 1, and "
           "begin at T (in diffusers, use timestep_spacing='trailing')")
    if well:
        yield from _check_states(case, x, asked)
    yield from _check_end(x, x0)


def _check_clip(x: Tensor, x0: Tensor) -> Seen:
    """The loop must not clip values that occur in the data."""
    reach, most = x0.abs().max().item(), x.abs().max().item()
    cut = 0 < reach < most - 0.01 and apart(x.clamp(-reach, reach), x0) < 0.02
    yield ("range of the sampler", not cut, f"up to {reach:.3g}", f"up to {most:.3g}, as the data",
           "don't clip below the range of the data: clip=None, or scale the data")


def _check_states(case: Case, x: Tensor, asked: Asked) -> Seen:
    """Each state must have as much noise as x_t at its timestep. Clipped states, or steps with
    wrong coefficients, have too little or too much."""
    held = max((xt.abs() == xt.abs().max()).float().mean().item()
               for xt, t in asked if case.alpha_bar[int(t[0])] < 0.8)
    yield ("states are free", held < 0.001, f"{held:.1%} of a state is at its largest value",
           "below 0.1%", "don't clamp x_t, which carries noise; clip the prediction of x0")
    sizes = [told(x, case)(xt, t.long()).square().mean().item() for xt, t in asked]
    yield ("noise on the way", NOISY[0] < min(sizes) and max(sizes) < NOISY[1],
           f"mean square {min(sizes):.2f} … {max(sizes):.2f}", f"{NOISY[0]} … {NOISY[1]}",
           "is a variance used for a standard deviation, or one step's beta for a longer step?")


def _check_end(x: Tensor, x0: Tensor) -> Seen:
    """The loop must return the images that the stand-in knows, without noise and without scaling
    for display."""
    off = (x0 - x).square().mean().sqrt().item()
    x, x0 = x - x.mean(), x0 - x0.mean()
    slope = ((x * x0).mean() / x.square().mean()).item()
    scaled = abs(slope - 1) > 0.02 and apart(slope * x, x0) < 0.02
    yield ("end of the sampler", off < GREY, f"{off:.4f} from the images it was told",
           f"below {GREY}", f"it ends on {slope:.3g} x0 + …: give the loop without that scaling"
           if scaled else "the last step must go to t = 0 and add no noise")


def _check_samples(case: Case, kind: str) -> Seen:
    """Sample with the network itself. A trained network must give values of about the same size as
    the data."""
    n = max(8, 600 // case.x[0].numel())
    x, x0 = case.x[:n], case.draw(_model(case, kind), n)
    reach, spread = (x0.abs().max() / case.x.abs().max()).item(), (x0.std() / x.std()).item()
    shift = abs((x0.mean() - x.mean()) / x.std()).item()
    young = "" if case.trained else " (not trained yet)"
    yield ("samples", bool(young) or reach < REACH and SPREAD[0] < spread < SPREAD[1] and shift < 2,
           f"largest {reach:.3g}, deviation {spread:.3g} times those of the data{young}",
           f"below {REACH}, {SPREAD[0]} … {SPREAD[1]}",
           "clip the prediction of x0, or train for v: near T, errors in eps are amplified")


def _model(case: Case, kind: str) -> Net:
    """The network as a model that predicts what the sampler expects: eps, or the network's own
    target."""

    def model(xt: Tensor, t, *labels, **named) -> Tensor:
        t = rows_of(t, xt).long().clamp(1, case.T)
        out = case.ask(case.net, xt, t)
        if kind == case.target:
            return out
        return predict_eps(case, xt, t, out) if case.target == "x0" else v_target(case, -xt, t, out)

    return model


def _faults(seen: list) -> int:
    return sum(not well for _, well, *_ in seen)


PROCESS = (check_loss, check_sampler)
