"""Is it a bug, or not trained yet? Every piece of a diffusion model, examined alone (needs torch).

Grey pictures do not say where the fault is. A piece can be examined without the others if stand-ins
take their places whose right answer is known: a network that answers 0, and one that was told x0.
Each check asks one such question; it yields a name, whether all is well, and what was measured.
What was expected, and what to do, is in ``ADVICE``. Chapter 10 takes the probes apart.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Net = Callable[..., Tensor]
Seen = Iterator[tuple[str, bool, str]]  # name, is it well, what was measured

# Limits, with room on both sides: what is healthy measures far below, what is broken far above.
SIGNAL = 0.1  # sqrt(alpha_bar_T): 0.006 for DDPM's schedule, 0.07 for Stable Diffusion's
SAME = 1e-3  # answers that differ by less, relative to their size, are the same
LEARNED = 0.9  # of the error of the best linear guess: below it, pictures have been seen
WORSE = 3  # times the error of the answer 0; random weights reach 2.5, a wrong sign nearly 4
FITS = 2.0  # times as good must another target fit before it is the true one
BEHIND = 1.3  # times the error of the network: no average of a good run is so far behind
MEAN = 0.1  # relative error of a mean over thousands of numbers: far more than chance makes
GREY = 0.004  # in a range of 2, half a level of 255: noise that is left, and that an eye can see
NOISY = 0.75, 4  # of the mean square 1 of noise in a state; beta for its tilde reaches 3
SHARED = 1.7  # times the chance value may a mean of noise be; in a plane, sharing makes it 2
ENOUGH = 4_000  # numbers at each level: chance moves a mean square by 0.02
LEVELS = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.97, 1.0)  # times, as shares of T
CHOSEN = 0.3  # of the rows must have their own label as the best of ten; chance gives 0.1 to 0.2

TARGETS = {
    "eps": lambda alpha_bar, x0, eps: eps,
    "x0": lambda alpha_bar, x0, eps: x0,
    "v": lambda alpha_bar, x0, eps: alpha_bar.sqrt() * eps - (1 - alpha_bar).sqrt() * x0,
}


@dataclass(frozen=True)
class Finding:
    """What one check saw."""

    name: str
    well: bool
    measured: str

    def __str__(self) -> str:
        expected, to_do = ADVICE[self.name]
        mark = "ok   " if self.well else "FAULT"
        text = f"{mark} {self.name}: {self.measured}; expected {expected}"
        return text if self.well else f"{text}\n      to do: {to_do}"


@dataclass(frozen=True)
class Report:
    """All findings, in the order in which data flow, and ``ratio``: the error of the network over
    that of the best linear guess, at the level where it is best (NaN: it was not asked)."""

    findings: list[Finding]
    ratio: float = math.nan

    @property
    def faults(self) -> list[Finding]:
        """What is wrong however long the training; repair the first one and ask again."""
        return [finding for finding in self.findings if not finding.well]

    @property
    def verdict(self) -> str:
        """ "a bug", "not trained yet" or "healthy"."""
        if self.faults:
            return "a bug"
        return "healthy" if self.ratio < LEARNED else "not trained yet"

    def __str__(self) -> str:
        lines = [f"{self.verdict}: error / that of the best line = {self.ratio:.2f}"]
        return "\n".join([*lines, *map(str, self.findings)])


def diagnose(
    net: Net,
    schedule: Any,
    batch: Tensor | tuple[Tensor, Tensor | None],
    target: str = "eps",
    ema: Any = None,
    loss_fn: Callable[..., Tensor] | None = None,
    sampler: Callable[..., Tensor] | None = None,
    seed: int = 0,
) -> Report:
    """Look for the fault in a set-up whose samples are grey; ``print`` the report.

    Args:
        net: the raw network, ``net(x, t)`` or ``net(x, t, y)`` with t = 1 … T, trained or not. A
            function will do, such as ``lambda x, t: net(x, t - 1)`` for one that counts from 0;
            only a module can be examined in training mode, too.
        schedule: with ``.T``, ``.alpha_bar`` (T + 1 rows, row 0 clean) and ``.at(t, x)``; betas of
            your own become one by ``Schedule(beta)``.
        batch: images (B, C, H, W) or points (B, D) as the training sees them, or a pair of them and
            their labels (B,). B is at least 32.
        target: what you believe that the network guesses: "eps", "x0" or "v".
        ema: the averaged network, or an ``EMA``.
        loss_fn: your loss of one batch, ``loss_fn(net, x, y)``, without weights and augmentation;
            it is called with functions in place of the network.
        sampler: your loop, ``sampler(model, schedule, xT)`` with a model ``eps(x, t)``, from noise
            to x0; it is called with a model that knows the pictures.
        seed: of the noise that the checks draw.

    Raises:
        TypeError, ValueError: the batch or the target is not of this kind.

    What is not given is not examined. Nothing is changed by looking: not the weights, their
    gradients and modes, nor the random numbers that follow. Taken apart in chapter 10.
    """
    x, y = batch if isinstance(batch, (tuple, list)) else (batch, None)
    _check_arguments(x, y, target)
    x, y = (_often(one, ENOUGH / x.numel()) for one in (x, y))
    ground = [*check_data(x), *check_schedule(schedule)]
    if not all(well for _, well, _ in ground):
        return Report([Finding(*seen) for seen in ground])  # what follows would only repeat it
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(seed)
        case = Case(_still(net), schedule, x, y, target, _still(ema), loss_fn, sampler)
        seen = [*ground, *(one for check in CHECKS for one in check(case))]
        return Report([Finding(*one) for one in seen], case.ratio())


class Case:
    """What is examined, with the batch at each noise level and the network's guesses there."""

    def __init__(self, net, schedule, x, y, target, ema, loss_fn, sampler):
        self.net, self.schedule, self.x, self.y, self.target = net, schedule, x, y, target
        self.ema, self.loss_fn, self.sampler = ema, loss_fn, sampler
        self.times = [max(1, round(share * schedule.T)) for share in LEVELS]
        self.eps = [torch.randn_like(x) for _ in self.times]
        self.noisy = [
            schedule.at(t, x).sqrt() * x + (1 - schedule.at(t, x)).sqrt() * eps
            for t, eps in zip(self.times, self.eps, strict=True)
        ]
        self.guesses = self.ask_everywhere(net)

    def ask(self, net: Net, xt: Tensor, t: int, y: Tensor | None = None) -> Tensor:
        """The answer of a network, for one time and the batch's labels if no others are given."""
        y = self.y if y is None else y
        time = torch.full(xt.shape[:1], t, device=xt.device)
        return net(xt, time) if y is None else net(xt, time, y)

    def ask_everywhere(self, net: Net) -> list[Tensor]:
        guesses = [self.ask(net, *one) for one in zip(self.noisy, self.times, strict=True)]
        _check_guess(guesses[0], self.x)
        return guesses

    def error(self, i: int, guess: Tensor, target: str = "", rows: bool = False) -> Tensor:
        """The mean squared error of a guess at level i, over all or of each row."""
        alpha_bar = self.schedule.at(self.times[i], self.x)
        truth = TARGETS[target or self.target](alpha_bar, self.x, self.eps[i])
        error = (guess - truth).square().flatten(1).mean(1)
        return error if rows else error.mean()

    def errors(self, guesses: list[Tensor], target: str = "") -> Tensor:
        """The same at each level."""
        return torch.stack([self.error(i, guess, target) for i, guess in enumerate(guesses)])

    def of_zero(self, target: str = "") -> Tensor:
        """The error of the answer 0 at each level."""
        return self.errors([torch.zeros_like(self.x)] * len(self.times), target)

    def ratio(self, target: str = "") -> float:
        """The error of the network over that of the best linear guess, at its best level."""
        return min(self.error(i, guess, target).item() / self.linear(i, target)
                   for i, guess in enumerate(self.guesses))  # fmt: skip

    def linear(self, i: int, target: str = "") -> float:
        alpha_bar = self.schedule.at(self.times[i], self.x)
        return linear_error(self.x, alpha_bar, target or self.target).item()


def linear_error(x: Tensor, alpha_bar: Tensor, target: str = "eps") -> Tensor:
    """The error that is left if each pixel is guessed from itself alone by the best straight line:
    for eps, alpha_bar var(x0) / (alpha_bar var(x0) + 1 - alpha_bar), averaged over pixels."""
    noise, signal = 1 - alpha_bar.squeeze(), alpha_bar.squeeze() * x.var(0)
    per_eps = {"eps": 1, "x0": noise / alpha_bar.squeeze(), "v": 1 / alpha_bar.squeeze()}
    return (signal / (signal + noise)).mean() * per_eps[target]


def told(x0: Tensor, schedule: Any, target: str = "eps") -> Net:
    """A network that was told x0: DDPM's Eq. 4, solved for the noise."""

    def answer(xt: Tensor, t: Tensor, *labels: Any, **named: Any) -> Tensor:
        alpha_bar = schedule.at(t, xt)
        eps = (xt - alpha_bar.sqrt() * x0) / (1 - alpha_bar).sqrt()
        return TARGETS[target](alpha_bar, x0, eps)

    return answer


def _overheard(answer: Net) -> tuple[Net, list[tuple[Tensor, Any]]]:
    """A stand-in for a network, and the list of what it is asked: xt and t."""
    asked: list[tuple[Tensor, Any]] = []

    def net(xt: Tensor, t: Any, *labels: Any, **named: Any) -> Tensor:
        asked.append((xt, t))
        return answer(xt, t)

    return net, asked


# The ground: data and schedule


def check_data(x: Tensor) -> Seen:
    """The noise has size 1, so the data must have it too; images are clipped to -1 … 1."""
    images = x.ndim == 4 and (x.shape[1] in (1, 3) or x.shape[3] in (1, 3))
    if images:
        yield "data shape", x.shape[1] in (1, 3), f"{tuple(x.shape)}"
    low, high, rms = x.min().item(), x.max().item(), x.square().mean().sqrt().item()
    well = low < high and 0.2 < rms < 2
    if images:
        well = well and low < -0.5 and max(-low, high) < 1.01
    yield "data range", well, f"{low:.2f} … {high:.2f}, root mean square {rms:.2f}"


def check_schedule(schedule: Any) -> Seen:
    """From clean data to noise in which no data are left, in steps that begin small."""
    alpha_bar, T = schedule.alpha_bar.double(), schedule.T
    clean = len(alpha_bar) == T + 1 and alpha_bar[0].item() == 1
    yield "clean start", clean, f"{len(alpha_bar)} rows for T = {T}, the first {alpha_bar[0]:.4f}"
    first = (1 - alpha_bar[1]).sqrt().item()
    yield "first noise", first < max(0.1, 8 / T), f"{first:.3f} at t = 1"
    left, falls = alpha_bar[-1].clamp(min=0).sqrt().item(), bool((alpha_bar.diff() < 0).all())
    yield "signal at T", falls and left < SIGNAL, f"sqrt(alpha_bar) {left:.3f}, falling: {falls}"


# The network


def check_numbers(case: Case) -> Seen:
    """One NaN in a weight is a NaN in every pixel, and training never leaves it."""
    weights = case.net.parameters() if isinstance(case.net, nn.Module) else []
    weights = sum(not weight.isfinite().all() for weight in weights)
    guesses = sum(not guess.isfinite().all() for guess in case.guesses)
    yield "finite numbers", weights + guesses == 0, f"not in {weights} weights, {guesses} answers"


def check_time(case: Case) -> Seen:
    """The same picture at another time is another question."""
    net, xt, T = _awake(case), case.noisy[5], case.schedule.T
    if net is None:
        return
    first, *others = (case.ask(net, xt, t) for t in (1, T // 2, T))
    apart = max(_apart(first, other) for other in others)
    yield "time matters", apart > SAME, f"answers differ by {apart:.1%}"


def check_labels(case: Case) -> Seen:
    """Another label, another answer; and once trained, the true label gives the better one."""
    net, i = _awake(case), 6
    if net is None or case.y is None or case.y.unique().numel() == 1:
        return
    labels = [case.y.roll(k * len(case.y) // 10) for k in range(10)]
    guesses = [case.ask(net, case.noisy[i], case.times[i], y) for y in labels]
    apart = max(_apart(guesses[0], guess) for guess in guesses[1:])
    yield "labels matter", apart > SAME, f"answers differ by {apart:.1%}"
    errors = torch.stack([case.error(i, guess, rows=True) for guess in guesses])
    best = errors.amin(0)
    if best.mean() < LEARNED * case.linear(i):
        chosen = (errors[0] <= 1.0001 * best).double().mean().item()
        measured = f"{chosen:.0%} of the rows fit their own best"
        yield "labels are true", chosen > CHOSEN, measured


def check_company(case: Case) -> Seen:
    """An answer depends neither on chance nor, in training mode, on the pictures beside it."""
    net, xt, t, half = _awake(case), case.noisy[5], case.times[5], len(case.x) // 2
    net = case.net if net is None else net  # a module may be empty, and false
    apart = _apart(case.ask(net, xt, t), case.ask(net, xt, t))
    yield "repeatable", apart < SAME, f"two answers differ by {apart:.1%}"
    answers = []
    for neighbours in xt[half:], case.noisy[-1][half:]:
        net = copy.deepcopy(net).train() if isinstance(net, nn.Module) else net
        torch.manual_seed(0)  # the same dropout
        answers.append(case.ask(net, torch.cat([xt[:half], neighbours]), t)[:half])
    apart = _apart(*answers)
    yield "rows are independent", apart < SAME, f"other neighbours change an answer by {apart:.1%}"


def check_target(case: Case) -> Seen:
    """The answers fit what they are said to be better than what they are not."""
    fits = {name: (case.errors(case.guesses, name) / case.of_zero(name)).mean().item()
            for name in TARGETS}  # fmt: skip
    best = min(fits, key=fits.__getitem__)
    clear = fits[best] < LEARNED and case.ratio(best) < LEARNED
    well = not clear or fits[case.target] < FITS * fits[best]
    shares = ", ".join(f"{name} {fit:.2f}" for name, fit in fits.items())
    yield "target", well, f"error / that of the answer 0, as {shares}"


def check_errors(case: Case) -> Seen:
    """At no level far worse than the answer 0: training starts about there, and only improves."""
    shares = case.errors(case.guesses) / case.of_zero()
    worst = int(shares.argmax())
    measured = f"{shares[worst]:.2f} times that of the answer 0 at t = {case.times[worst]}"
    yield "error by t", bool((shares < WORSE).all()), measured


def check_ema(case: Case) -> Seen:
    """The average has the network's buffers, and is about as good."""
    if case.ema is None:
        return
    mine, theirs = ({} if not isinstance(net, nn.Module) else dict(net.named_buffers())
                    for net in (case.ema, case.net))  # fmt: skip
    differ = [name for name in mine.keys() & theirs.keys()
              if not torch.equal(mine[name], theirs[name])]  # fmt: skip
    yield "EMA buffers", not differ, f"differ: {', '.join(differ[:3]) or 'none'}"
    behind = case.errors(case.ask_everywhere(case.ema)) / case.errors(case.guesses)
    behind = behind.mean().item()
    yield "EMA is near", behind < BEHIND, f"its error is {behind:.2f} times that of the network"


# The loss and the sampler, called with stand-ins for the network


def check_loss(case: Case) -> Seen:
    """Asked about the answer 0, a loss tells the size of its target; about the right one, 0."""
    if case.loss_fn is None:
        return
    zero, asked = _overheard(lambda xt, t: torch.zeros_like(xt))
    wanted = max(30, 10 * case.schedule.T / len(case.x))  # each time ten times, on average
    calls = math.ceil(min(wanted, 3e7 / case.x.numel()))
    mean = sum(case.loss_fn(zero, case.x, case.y).item() for _ in range(calls)) / calls
    times = [*_check_times(case, [t for _, t in asked])]
    yield from times
    if not all(well for _, well, _ in times):
        return
    yield from _check_noise(case, asked[:50])
    size = _size_of_target(case)
    yield "loss of 0", abs(mean / size - 1) < MEAN, f"{mean:.3f} where the target has {size:.3f}"
    right = case.loss_fn(told(case.x, case.schedule, case.target), case.x, case.y).item()
    yield "loss of the answer", right < 1e-3 * size, f"{right:.4f}"


def _check_times(case: Case, times: list[Any]) -> Seen:
    """What is not trained cannot be sampled, and each row has a time of its own."""
    first, T = torch.as_tensor(times[0]), case.schedule.T
    well = first.shape == case.x.shape[:1] and not first.is_floating_point()
    yield "kind of t", well, f"{first.dtype}, shape {tuple(first.shape)}"
    if not well:
        return
    drawn = torch.stack(times)
    yield "a t for each row", not (drawn == drawn[:, :1]).all(), f"such as {drawn[0, :4].tolist()}"
    low, high, slack = drawn.min().item(), drawn.max().item(), 7 * T // drawn.numel()
    well = 1 <= low <= 1 + slack and T - slack <= high <= T
    yield "range of t", well, f"{low} … {high} where T = {T}"


def _check_noise(case: Case, asked: list[tuple[Tensor, Tensor]]) -> Seen:
    """What was added to x0 has the variance 1 - alpha_bar_t, the kurtosis of a Gaussian, and is
    another for each picture, pixel and call: else means over these would not be small."""
    find = told(case.x, case.schedule)
    eps = torch.stack([find(xt, t).flatten(1) for xt, t in asked])  # (calls, B, D)
    eps = eps - eps.mean()
    variance = eps.var().item()
    kurtosis = (eps**4).mean().item() / variance**2
    well = abs(variance - 1) < MEAN and abs(kurtosis / 3 - 1) < MEAN
    yield "noise in x_t", well, f"variance {variance:.2f}, kurtosis {kurtosis:.2f}"
    means = [eps.mean(dim).square().mean().item() * eps.shape[dim] for dim in range(3)]
    measured = f"means over calls, rows, pixels: {', '.join(f'{m:.1f}' for m in means)}"
    yield "independent noise", max(means) < SHARED, measured


def _size_of_target(case: Case) -> float:
    """Its mean square over all times: 1 for eps."""
    signal, size = case.schedule.alpha_bar[1:].mean().item(), case.x.square().mean().item()
    return {"eps": 1.0, "x0": size, "v": signal + (1 - signal) * size}[case.target]


def check_sampler(case: Case) -> Seen:
    """With a model that was told the pictures, the loop passes through x_t of them, to them."""
    if case.sampler is None:
        return
    T, knows = case.schedule.T, told(case.x, case.schedule)
    model, asked = _overheard(lambda xt, t: knows(xt, _rows(t, xt).clamp(1, T)))
    x0 = case.sampler(model, case.schedule, torch.randn_like(case.x))
    times = [int(_rows(t, xt)[0]) for xt, t in asked]
    well = times[0] == T and times == sorted(times, reverse=True) and times[-1] > 0
    yield "times of the sampler", well, f"{times[0]} … {times[-1]}, {len(times)} calls"
    if well:
        sizes = [knows(xt, _rows(t, xt)).square().mean().item() for xt, t in asked]
        well = NOISY[0] < min(sizes) and max(sizes) < NOISY[1]
        yield "noise on the way", well, f"mean square {min(sizes):.2f} … {max(sizes):.2f}"
    rms = (x0 - case.x).square().mean().sqrt().item()
    yield "end of the sampler", rms < GREY, f"{rms:.4f} from the pictures that the model knows"


CHECKS = (check_numbers, check_time, check_labels, check_company, check_target, check_errors,
          check_ema, check_loss, check_sampler)  # fmt: skip

ADVICE = {  # what is expected, and what to do
    "data shape": ("(B, C, H, W)", "put the channels first: x.permute(0, 3, 1, 2)"),
    "data range": ("images -1 … 1, others of size about 1, no NaN",
                   "scale once, where they are loaded: x / 127.5 - 1, or 2 * x - 1"),
    "clean start": ("T + 1 rows, the first 1", "put a 1 in front: row t belongs to t steps"),
    "first noise": ("at most 0.1, or 8 / T", "is beta upside down? It begins small and grows"),
    "signal at T": (f"falling, below {SIGNAL}",
                    "beta's end points belong to their T: more steps, or a cosine schedule"),
    "finite numbers": ("0 and 0", "an earlier checkpoint; then a lower rate, no float16"),
    "time matters": (f"more than {SAME:.1%}",
                     "is t used in forward? Is it 1 … T there, and not divided by T?"),
    "labels matter": (f"more than {SAME:.1%}", "does y reach the layers through an embedding?"),
    "labels are true": (f"more than {CHOSEN:.0%} of ten labels", "shuffle them like the pictures"),
    "repeatable": (f"at most {SAME:.1%}", "use nn.Dropout, which net.eval() switches off"),
    "rows are independent": (f"at most {SAME:.1%}", "no BatchNorm, which mixes noise levels"),
    "target": ("the best fit as the target that was named",
               "sample through from_x0 or from_v, whichever it fits; or train for the other"),
    "error by t": (f"below {WORSE}", "another sign, range, schedule or t than in training?"),
    "EMA buffers": ("none", "average parameters, copy buffers"),
    "EMA is near": (f"below {BEHIND}", "update it after each step; a lower decay for a short run"),
    "kind of t": ("integers of shape (B,)", "t = torch.randint(1, T + 1, (B,)), as it is"),
    "a t for each row": ("different ones", "t = torch.randint(1, T + 1, (B,))"),
    "range of t": ("1 … T", "torch.randint(1, T + 1, …): the upper end is exclusive"),
    "noise in x_t": ("1 and 3", "x_t = √ᾱ x0 + √(1 - ᾱ) randn, of this x0 and this t"),
    "independent noise": ("about 1 each", "torch.randn_like(x0): nothing drawn once for many"),
    "loss of 0": ("the same, the mean square of the target",
                  "mean squared error, mean over all: no L1, no Huber, no sum, no other target"),
    "loss of the answer": ("0", "the noise in x_t, the t and the target must belong together"),
    "times of the sampler": ("from T down, never 0",
                             "counted from 0? A spacing that starts below T?"),
    "noise on the way": (f"1; at least {NOISY[0]}, at most {NOISY[1]}",
                         "deviation or variance? The beta of one t for a stride over many?"),
    "end of the sampler": (f"below {GREY}",
                           "the last step goes to t = 0 and adds no noise; nothing is rescaled"),
}  # fmt: skip


def _often(rows: Any, times: float) -> Any:
    """A small batch several times, so that it meets enough noise."""
    return None if rows is None else torch.cat([rows] * math.ceil(times))


def _still(net: Any) -> Any:
    """A copy that is asked in its place, in evaluation mode."""
    net = getattr(net, "model", net) if not isinstance(net, nn.Module) else net  # of an EMA
    return copy.deepcopy(net).eval() if isinstance(net, nn.Module) else net


def _awake(case: Case) -> Any:
    """The network, if it has learned; else one in which no matrix is zero, so that what reaches
    the output can be seen; None if it answers 0 to everything and cannot be changed."""
    if not isinstance(case.net, nn.Module):
        return case.net if any(guess.any() for guess in case.guesses) else None
    if case.ratio() < LEARNED:
        return case.net
    net = copy.deepcopy(case.net)
    for weight in net.parameters():
        if weight.ndim > 1 and not weight.any():
            nn.init.normal_(weight, std=0.1)
    return net


def _rows(t: Any, xt: Tensor) -> Tensor:
    """The time of each row, given as one number or as many."""
    return torch.as_tensor(t, device=xt.device).long().expand(len(xt))


def _apart(a: Tensor, b: Tensor) -> float:
    """The distance of two answers, relative to their size."""
    size = (a.square().mean() + b.square().mean()).item() / 2
    return ((a - b).square().mean().item() / size) ** 0.5 if size else 0.0


def _check_guess(guess: Any, x: Tensor) -> None:
    if not isinstance(guess, Tensor) or guess.shape != x.shape:
        made = tuple(guess.shape) if isinstance(guess, Tensor) else type(guess).__name__
        raise ValueError(f"the network made {made} of x {tuple(x.shape)}; expected that shape")


def _check_arguments(x: Any, y: Any, target: str) -> None:
    if not isinstance(x, Tensor) or not x.is_floating_point() or x.ndim < 2:
        raise TypeError("the batch is no tensor of floats (B, …); give what the training sees")
    if len(x) < 32:
        raise ValueError(f"the batch has {len(x)} rows; expected 32 or more, to average over")
    if y is not None and len(y) != len(x):
        raise ValueError(f"there are {len(y)} labels for {len(x)} rows; expected one for each")
    if target not in TARGETS:
        raise ValueError(f"target is {target!r}; expected eps, x0 or v")
