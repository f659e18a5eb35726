"""Checks of the data, the schedule, the network and its average (needs torch, diffusion.py).

For each finding, a check yields its name, whether all is well, what it measured, what it expected,
and what to do. The limits leave a margin on both sides: the values of healthy set-ups are far
below, and those of broken ones far above.
"""

import copy
import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ..diffusion import TARGETS
from .case import LEARNED, Case, apart, kind_of, linear_error

Seen = Iterator[tuple[str, bool, str, str, str]]  # a Finding
SIGNAL = 0.1  # sqrt(alpha_bar_T): 0.006 for DDPM's schedule, 0.07 for Stable Diffusion's
SAME = 1e-3  # predictions that differ by less, relative to their size, are the same
WORSE = 3  # times the error of predicting 0; random weights reach 2.5, a wrong sign nearly 4
FITS = 2  # another target is reported only if it fits this many times as well
TRUE = 0.4  # share of the expected cost of a wrong label: 0.66 early on, 0.2 for shuffled labels
BEHIND = 1.3  # times the error of the network; averages in good runs are below this

# fmt: off


def check_data(case: Case) -> Seen:
    """The range of the data. The schedule assumes data of about the same size as the noise, which
    is 1, and samplers clip images to -1 … 1."""
    x = case.data
    if x.ndim == 4 and {x.shape[1], x.shape[3]} & {1, 3}:
        yield ("data shape", x.shape[1] in (1, 3), kind_of(x), "(B, C, H, W)",
               "put the channels first: x.permute(0, 3, 1, 2)")
    low, high, rms = map(float, (x.min(), x.max(), x.square().mean().sqrt()))
    to_do = _advice(case, x, low, high, rms)
    yield ("data range", not to_do, f"{low:.2f} … {high:.2f}, root mean square {rms:.2f}",
           "images in -1 … 1, others of size about 1, no NaN, different rows", to_do)


def _advice(case: Case, x: Tensor, low: float, high: float, rms: float) -> str:
    """What to do about the data. It's empty if they have no fault."""
    return next((to_do for fault, to_do in (
        (not math.isfinite(low + high), "look for the NaN where the data are loaded"),
        (high - low < 0.2, "scaled twice, divided as integers, or 12 bits divided by 65535?"),
        (rms > 2 or case.sampler is None and _beyond(x),
         "scale once: bytes by x / 127.5 - 1, 0 … 1 by 2 * x - 1, other data by x / x.std()"),
        (_unscaled(x, low, high), "use 2 * x - 1; if the network does that, pass its result"),
        ((x == x[:1]).all(), "all rows are equal: does your dataset use the index?"),
    ) if fault), "")


def _beyond(x: Tensor) -> bool:
    """Whether many pixels share a smallest or largest value other than -1 or 1. A sampler that
    clips to -1 … 1 would change them. If a sampler is given, ``_check_clip`` measures this
    instead."""
    if x.ndim != 4 or x.shape[1] not in (1, 3) or x.abs().max() < 1.01:
        return False
    ends = (x == x.amin((0, 2, 3), True)) | (x == x.amax((0, 2, 3), True))
    return ends.float().mean().item() > 0.001


def _unscaled(x: Tensor, low: float, high: float) -> bool:
    """Whether pixels have the range 0 … 1, 0 … 2 or -1 … 0. Coordinates of points may have such a
    range."""
    pixels = x.ndim > 2 or x.shape[1] >= 16
    return pixels and (abs(low) < 0.1 and high < 2.1 or (low, high) == (-1, 0))


def check_schedule(case: Case) -> Seen:
    """The schedule must begin with clean data, take small steps at first, and leave almost no
    signal at T. Sampling starts from pure noise, which is wrong if signal is left at T."""
    alpha_bar, T = case.alpha_bar.double(), case.T
    measured = f"{len(alpha_bar)} rows for T = {T}, the first {alpha_bar[0]:.4f}"
    yield ("clean start", len(alpha_bar) == T + 1 and alpha_bar[0].item() == 1, measured,
           "T + 1 rows, the first 1", "put a 1 in front: row t belongs to t steps")
    first = (1 - alpha_bar[1]).sqrt().item()
    yield ("first noise", first < max(0.1, 8 / T), f"{first:.3f} at t = 1",
           "at most 0.1, or 8 / T", "is beta reversed? It should start small and grow")
    left, falls = alpha_bar[-1].clamp(min=0).sqrt().item(), bool((alpha_bar.diff() < 0).all())
    blind = left == 0 and case.target == "eps"
    yield ("signal at T", falls and left < SIGNAL and not blind,
           f"sqrt(alpha_bar) {left:.2g}, falling: {falls}",
           f"falling, below {SIGNAL}, and not 0 if the network predicts eps",
           "with no signal left at T, eps doesn't determine x0: train for v" if blind else
           "these betas are made for a larger T: use more steps, or a cosine schedule")


# The network


def check_numbers(case: Case) -> Seen:
    """Weights and predictions must be finite. One NaN in a weight can make all predictions NaN, and
    training can't remove it."""
    parameters = case.net.parameters() if case.modules else []
    weights, predictions = (sum(not a.isfinite().all() for a in many)
                            for many in (parameters, case.predictions))
    yield ("finite numbers", weights + predictions == 0,
           f"NaN or infinite in {weights} weights, {predictions} predictions", "0 and 0",
           "use an earlier checkpoint, a lower learning rate, and no float16")


def check_time(case: Case) -> Seen:
    """The prediction for the same image must change with the timestep."""
    first, *others = (case.ask(case.awake, case.noisy[5], t) for t in (1, case.T // 2, case.T))
    moved = max(apart(first, other) for other in others)
    yield ("time matters", moved > SAME or not first.any(), f"predictions differ by {moved:.1%}",
           f"more than {SAME:.1%}", "is t used in forward, and is it 1 … T there, not t / T?")


def check_target(case: Case) -> Seen:
    """The predictions must fit the stated target about as well as the best-fitting one of eps, x0
    and v. If another one fits much better, the network was trained for that one."""
    fits = {name: (case.errors(case.predictions, name) / case.errors(0, name)).mean().item()
            for name in TARGETS}
    best = min(fits, key=fits.__getitem__)
    clear = fits[best] < LEARNED and case.over_line(best) < LEARNED
    shares = ", ".join(f"{name} {fit:.2f}" for name, fit in fits.items())
    yield ("target", not clear or fits[case.target] < FITS * fits[best],
           f"error relative to that of predicting 0: {shares}",
           f"no other target fits {FITS} times as well as {case.target}",
           f"it predicts {best}: give target={best!r} and sample through from_{best}")


def check_labels(case: Case) -> Seen:
    """Other labels must change the prediction. In a trained network, they must also make it worse,
    or else the labels don't belong to the images."""
    y, i, n = case.label, 6, len(case.x)
    if y is None or (y == y[:1]).all():
        return
    yield from _check_range(case, y)
    own, *others = (case.ask(case.awake, case.noisy[i], case.times[i], y.roll(k * n // 10, 0))
                    for k in range(10))
    moved = max(apart(own, other) for other in others)
    yield ("labels matter", moved > SAME or not own.any(), f"predictions differ by {moved:.1%}",
           f"more than {SAME:.1%}", "does y reach the layers through an embedding?")
    if moved > SAME:
        yield from _check_truth(case, i, own, torch.stack(others))


def _check_range(case: Case, y: Tensor) -> Seen:
    """Labels must begin at 0. With labels 1 … K, the network would take the class K for "no
    label"."""
    K = max([getattr(module, "num_classes", None) or 0 for module in case.modules], default=0)
    if K and y.ndim == 1:
        used = y.unique().tolist()
        yield ("range of labels", used[0] != 1 or used[-1] != K or len(used) <= K / 2,
               f"{used[0]} … {used[-1]}", f"0 … {K - 1}, and {K} for no label",
               "count from 0, y - 1: the network takes the last class for no label")


def _check_truth(case: Case, i: int, own: Tensor, others: Tensor) -> Seen:
    """Check that labels belong to their images. The right prediction is the mean over all images
    with that label. So, on average, another label must raise the squared error by the square of how
    far it moves the prediction."""
    truth = case.truth[case.target][i]
    errors = [(a - truth).square().flatten(2).mean(2) for a in (own[None], others)]  # (…, B)
    gain = (errors[1] - errors[0]).mean(0)
    shift = (others - own).square().mean(0).flatten(1).mean(1)
    best = torch.cat(errors).amin(0).mean()
    if best < LEARNED * linear_error(case.x, case.alpha_bar[case.times[i]], case.target):
        share = (gain.sum() / shift.sum()).item()
        chance = 3 * ((gain - share * shift).std() / shift.mean()).item() / len(gain) ** 0.5
        yield ("labels are true", share + chance > TRUE,
               f"another label costs {share:.0%} ± {chance:.0%} of what it should",
               f"about 100%, at least {TRUE:.0%}", "shuffle the labels together with the images")


def check_company(case: Case) -> Seen:
    """A prediction must not be random. Even in training mode, it must not depend on the other
    images in the batch, which it does with BatchNorm."""
    net, xt, t, half = case.awake, case.noisy[5], case.times[5], len(case.x) // 2
    moved = apart(case.ask(net, xt, t), case.ask(net, xt, t))
    yield ("repeatable", moved < SAME, f"two predictions differ by {moved:.1%}",
           f"at most {SAME:.1%}", "use nn.Dropout, and call net.eval() if it is inside a function")
    beside = []
    for neighbours in xt[half:], case.noisy[-1][half:]:
        net = copy.deepcopy(net).train() if isinstance(net, nn.Module) else net
        torch.manual_seed(0)  # the same dropout in both calls
        beside.append(case.ask(net, torch.cat([xt[:half], neighbours]), t)[:half])
    moved = apart(*beside)
    yield ("rows are independent", moved < SAME, f"other neighbours change it by {moved:.1%}",
           f"at most {SAME:.1%}", "use GroupNorm: BatchNorm mixes the noise levels of a batch")


def check_errors(case: Case) -> Seen:
    """No error may be far above that of predicting 0, which is about where training starts. A
    larger one means a wrong sign, or inputs that differ from training."""
    shares = case.errors(case.predictions) / case.errors(0).clamp(min=0.5)
    worst, flipped = int(shares.argmax()), case.over_line(sign=-1) < LEARNED
    yield ("error by t", bool((shares < WORSE).all()),
           f"{shares[worst]:.2f} times the error of predicting 0, at t = {case.times[worst]}",
           f"below {WORSE}", "the sign is wrong: -net(x, t) fits" if flipped else
           "do the range of the data, the schedule or t differ from training?")


def check_ema(case: Case) -> Seen:
    """The average must have the same buffers as the network, and its error must be about as
    small."""
    if case.ema is None:
        return
    theirs = dict(case.ema.named_buffers()) if isinstance(case.ema, nn.Module) else {}
    mine = dict(case.net.named_buffers()) if case.modules else {}
    differ = [name for name in mine.keys() & theirs if (mine[name] != theirs[name]).any()]
    yield ("EMA buffers", not differ, f"differ: {', '.join(differ[:3]) or 'none'}", "none",
           "average the parameters, and copy the buffers")
    behind = case.errors(case.predict(case.ema)) / case.errors(case.predictions)
    behind = behind.mean().item()
    yield ("EMA is near", behind < BEHIND, f"its error is {behind:.2f} times that of the network",
           f"below {BEHIND}", "update it after each step, with a lower decay for a short run")


GROUND = (check_data, check_schedule)
NETWORK = (check_numbers, check_time, check_target, check_labels, check_company, check_errors,
           check_ema)
