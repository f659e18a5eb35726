"""diagnose names what is broken, and accuses nothing that is healthy or merely young.

Three tables: BROKEN says which fault must be named first for each planted bug, REFUSED what the
sentence must say about a set-up that can't be examined, HEALTHY lists what must not be accused.
"""

import copy
import math
from functools import cache, partial
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from ddpm_lite import (
    EMA,
    MLP,
    Schedule,
    UNet,
    batches,
    cosine_schedule,
    ddim_step,
    ddpm_loss,
    ddpm_step,
    diagnose,
    dpmpp_2m,
    drop_labels,
    from_v,
    linear_schedule,
    load_images,
    load_points,
    load_pretrained,
    predict_eps,
    q_sample,
    sample,
    train,
    trajectory,
    warmup_cosine,
)
from ddpm_lite.diagnose import Finding, linear_error, told
from ddpm_lite.diffusion import TARGETS
from ddpm_lite.exercises import plant

COSINE, SHORT, LINEAR = cosine_schedule(), cosine_schedule(100), linear_schedule()


# Data and networks that several set-ups share


@cache
def data(name):
    """(N, …) training data of one kind, scaled as they should be."""
    x, g = load_images("digits")[0], torch.Generator().manual_seed(0)
    phase = 6.28 * torch.rand(1000, 1, 1, generator=g) + torch.linspace(0, 9, 16)
    colour = torch.rand(1000, 3, 1, 1, generator=g) * 2 - 1
    return {
        "digits": x, "narrow": 0.8 + 0.2 * x, "dark": -0.75 + 0.25 * x, "half": 0.3 + 0.7 * x,
        "sparse": torch.where(torch.rand(x.shape, generator=g) < 0.05, x.abs(), -1.0),
        "colour": torch.where(x[:1000] > 0, colour, -colour), "signals": phase.sin(),
        "series": 1.4 * phase.sin() + 0.2 * torch.randn(1000, 1, 16, generator=g),
        "latents": torch.randn(1000, 3, 8, 8, generator=g).cumsum(3) / 2,
        "volumes": x.reshape(-1, 1, 4, 4, 4), "flat": x.flatten(1),
        "moons": load_points("two_moons", 2000), "gaussians": load_points("gaussians", 2000),
    }[name]  # fmt: skip


@cache
def batch(n=64):
    """Digits and their labels."""
    x, y = load_images("digits")
    return x[:n], y[:n]


@cache
def digits_net():
    """Trained for v with labels, on COSINE."""
    return load_pretrained("digits")[0]


class Linear(nn.Module):
    """The best linear network for such data, and labels if given: as good as trained, for nothing.

    ``error`` spoils its predictions a little, as in a network that was trained.
    """

    def __init__(self, x, target="v", schedule=SHORT, y=None, error=0.0):
        super().__init__()
        self.target, self.schedule, self.error = target, schedule, error
        self.num_classes = 0 if y is None else int(y.max()) + 1
        x = x.flatten(1)
        means = [x[y == k].mean(0) for k in range(self.num_classes)]
        self.mean = torch.stack([*means, x.mean(0)])
        self.var, self.axes = torch.linalg.eigh((x if y is None else x - self.mean[y]).T.cov())

    def forward(self, x, t, y=None):
        xt, alpha_bar = x.flatten(1), self.schedule.at(t, x.flatten(1))
        mean = self.mean[-1 if y is None else y]
        gain = alpha_bar.sqrt() * self.var / (alpha_bar * self.var + 1 - alpha_bar)
        x0 = mean + gain * ((xt - alpha_bar.sqrt() * mean) @ self.axes) @ self.axes.T
        eps = predict_eps(self.schedule, xt, t, x0)
        out = TARGETS[self.target](self.schedule, x0, t, eps)
        return (out + self.error * (20 * xt).sin()).reshape(x.shape)


def loss_of(schedule, target):
    """The package's loss, as a student hands it in."""
    return lambda net, x, y=None: ddpm_loss(partial(net, y=y), schedule, x, TARGETS[target])


def drawn(steps=25, clip=1.0, step=ddim_step):
    """The package's sampler."""
    return lambda model, s, xT: sample(model, s, xT, min(steps, s.T), step, clip)


def of(name, target="v", schedule=SHORT, n=64, **changes):
    """The best linear network for such data, with all that can be handed in."""
    clip = 1.0 if data(name).abs().max() < 1.01 else None
    loss, net = loss_of(schedule, target), Linear(data(name), target, schedule)
    return {"net": net, "schedule": schedule, "batch": data(name)[:n], "target": target, "ema": net,
            "loss_fn": lambda net, x, y: loss(net, x), "sampler": drawn(clip=clip)} | changes


def fresh(x):
    """A small network for such data, untouched."""
    torch.manual_seed(0)
    return MLP(x.shape[1], 64, 3) if x.ndim == 2 else UNet(x.shape[1], 8, (1, 2), dims=x.ndim - 2)


@cache
def trained(name, target, steps, schedule=COSINE):
    """A small network and its average after a few steps."""
    net, loss = fresh(data(name)), loss_of(schedule, target)
    ema = EMA(net, 0.99)
    if steps:
        for _ in train(net, batches(data(name)), loss, steps, warmup_cosine(4e-3), ema):
            pass
    return net, ema.model


def run(name, target, steps, schedule=COSINE, **changes):
    """Such a network, with all that can be handed in."""
    net, ema = trained(name, target, steps, schedule)
    return of(name, target, schedule) | {"net": net, "ema": ema} | changes


def whole(**changes):
    """The trained digits with labels; a loss or a sampler only if given."""
    return {"net": digits_net(), "schedule": COSINE, "batch": batch(), "target": "v"} | changes


def cheap(**changes):
    """For bugs in a loss or in a sampler."""
    return {"net": Linear(data("digits"), "eps"), "schedule": SHORT, "batch": batch()[0]} | changes


class Changed(nn.Module):
    """The trained digits behind a function of their arguments."""

    def __init__(self, call):
        super().__init__()
        self.net, self.call = copy.deepcopy(digits_net()), call

    def forward(self, x, t, y=None):
        return self.call(self.net, x, t, y)


# Bugs


class Deaf(nn.Module):
    """A fresh network that is told t or y, but not both."""

    def __init__(self, hears_y):
        super().__init__()
        self.net, self.hears_y = UNet(1, 8, (1, 2), num_classes=10), hears_y

    def forward(self, x, t, y):
        return self.net(x, 0 * t + 5, y) if self.hears_y else self.net(x, t)


class Kept(nn.Module):
    """A schedule whose alpha_bar is handed over as it is."""

    def __init__(self, alpha_bar, T):
        super().__init__()
        self.alpha_bar, self.T = alpha_bar, T


def normalised(net, x, t, y):
    """BatchNorm in place of a fixed scale."""
    return net(F.batch_norm(x, None, None, training=True) if net.training else x, t, y)


def with_nan():
    net = copy.deepcopy(digits_net())
    net.conv_in.weight.data[0, 0, 0, 0] = math.nan
    return net


def counted(change):
    """A copy of the network with a buffer, and an average whose buffer is another."""
    net = copy.deepcopy(digits_net())
    net.register_buffer("seen", torch.tensor(3.0))
    ema = copy.deepcopy(net)
    change(ema)
    return {"net": net, "ema": ema}


def planted(low=1, high=101, rows=None, error=F.mse_loss, told_t=lambda t: t, other=None,
            weight=None, noise=torch.randn_like, factor=lambda a: (1 - a).sqrt()):  # fmt: skip
    """A loss for eps on SHORT with a bug in it."""

    def loss(net, x, y):
        t = torch.randint(low, high, (rows or len(x),)).expand(len(x))
        eps, alpha_bar = noise(x), SHORT.at(t, x)
        xt = alpha_bar.sqrt() * x + factor(alpha_bar) * eps
        w = 1 if weight is None else weight(t).reshape(alpha_bar.shape).sqrt()
        return error(w * net(xt, told_t(t)), w * (other(x) if other else eps))

    return {"loss_fn": loss}


def absolute_v(net, x, y):
    """Near enough to 1 in units of v that only its growth tells."""
    return plant(ddpm_loss, "F.mse_loss", "F.l1_loss").ddpm_loss(
        partial(net, y=y), COSINE, x, TARGETS["v"])  # fmt: skip


def once(x):
    return torch.randn(x.shape, generator=torch.Generator().manual_seed(0))


def loop(last=1, first=100, sigma=lambda var, beta: var.sqrt(), noise_at_end=0.0, tell=lambda t: t,
         mean=lambda x, a, b, eps: (x - (1 - a) / (1 - b).sqrt() * eps) / a.sqrt(),
         state=lambda x: x, end=lambda x: x):  # fmt: skip
    """DDPM's Algorithm 2 in every step of SHORT, with a bug in it."""

    def run(model, schedule, x):
        for t in range(first, last - 1, -1):
            a, b = schedule.alpha[t], schedule.alpha_bar[t]
            eps = model(x, torch.full((len(x),), tell(t)))
            x = mean(x, a, b, eps)
            scale = sigma((1 - schedule.alpha_bar[t - 1]) / (1 - b) * (1 - a), 1 - a)
            x = state(x + (scale if t > 1 else noise_at_end) * torch.randn_like(x))
        return end(x)

    return {"sampler": run}


def strided(model, schedule, x):
    """Twenty steps, each with the beta of one."""
    for t in range(100, 0, -5):
        a, b = schedule.alpha[t], schedule.alpha_bar[t]
        x = (x - (1 - a) / (1 - b).sqrt() * model(x, torch.full((len(x),), t))) / a.sqrt()
        x = x + (1 - a).sqrt() * torch.randn_like(x) * (t > 5)
    return x


def seen(change):
    """Other data, of which nothing else is looked at."""
    return whole(batch=(change(batch()[0]), batch()[1]))


def points(x):
    return {"net": MLP(x.shape[1]), "schedule": COSINE, "batch": x}


def relabelled(change, n=64):
    x, y = batch(n)
    return whole(batch=(x, change(y)))


def ordinal(n=256):
    """Digits labelled by how much ink they have, in ten steps; the network knows."""
    x = data("digits")
    y = (x.mean((1, 2, 3)).argsort().argsort() * 10 // len(x)).long()
    net = Linear(x, "v", COSINE, y)
    return {"net": net, "schedule": COSINE, "batch": (x[:n], y[:n]), "target": "v"}


def shuffled(setup):
    (x, y), g = setup["batch"], torch.Generator().manual_seed(0)
    return setup | {"batch": (x, y[torch.randperm(len(y), generator=g)])}


def spoilt(name):
    """It predicts eps on a cosine schedule, with a small error that nothing clips."""
    net = Linear(data(name), "eps", error=0.05)
    return of(name, "eps", net=net, sampler=drawn(clip=None), loss_fn=None, ema=None)


BETA = torch.linspace(1e-4, 0.02, 1000)
ALPHA_BAR = (1 - BETA).cumprod(0)

# What is broken: how the set-up is made, and the fault that must be named first.
DATA = {
    "E4 images in 0 … 1": (lambda: seen(lambda x: (x + 1) / 2), "data range"),
    "0 … 1 in signals": (lambda: seen(lambda x: (data("signals")[:64] + 1) / 2), "data range"),
    "0 … 1 in volumes": (lambda: seen(lambda x: (data("volumes")[:64] + 1) / 2), "data range"),
    "0 … 1 in flat images": (lambda: seen(lambda x: (x.flatten(1) + 1) / 2), "data range"),
    "0 … 1 in eight channels": (
        lambda: seen(lambda x: (x.expand(-1, 8, -1, -1) + 1) / 2), "data range"),
    "0 … 1 with the overshoot of a resize": (
        lambda: seen(lambda x: 0.53 * x + 0.5), "data range"),
    "0 … 2: the - 1 forgotten": (lambda: seen(lambda x: x + 1), "data range"),
    "-1 … 0: x / 255 - 1": (lambda: seen(lambda x: x / 2 - 0.5), "data range"),
    "scaled twice": (lambda: seen(lambda x: x / 127.5 - 1), "data range"),
    "scaled twice in eight channels": (
        lambda: seen(lambda x: x.expand(-1, 8, -1, -1) / 127.5 - 1), "data range"),
    "12 bits in 16": (lambda: seen(lambda x: (x + 1) * 4095 / 65535 - 1), "data range"),
    "bytes": (lambda: seen(lambda x: (x + 1) * 127.5), "data range"),
    "the digits of sklearn, 0 … 16": (lambda: seen(lambda x: (x.flatten(1) + 1) * 8), "data range"),
    "standardised images": (lambda: seen(lambda x: (x - x.mean()) / x.std()), "data range"),
    "standardised colour": (
        lambda: whole(batch=(data("colour")[:64] + 0.3) / 0.5), "data range"),
    "integer division": (lambda: seen(torch.zeros_like), "data range"),
    "a NaN pixel": (lambda: seen(lambda x: x.masked_fill(x == 1, math.nan)), "data range"),
    "one image, repeated": (lambda: seen(lambda x: x[:1].expand_as(x)), "data range"),
    "points of size 100": (lambda: points(100 * data("moons")), "data range"),
    "points of size 0.01": (lambda: points(0.01 * data("moons")), "data range"),
    "latents of size 5": (lambda: seen(lambda x: 5 * data("latents")[:64]), "data range"),
    "colours last": (lambda: seen(lambda x: x.permute(0, 2, 3, 1)), "data shape"),
}  # fmt: skip
SCHEDULES = {
    "E9 linear beta of 1000 steps, with 200": (
        lambda: whole(schedule=linear_schedule(200)), "signal at T"),
    "E11 squared, not rooted": (lambda: whole(schedule=Schedule(BETA**2)), "signal at T"),
    "beta upside down": (lambda: whole(schedule=Schedule(BETA.flip(0))), "first noise"),
    "no row for t = 0": (lambda: whole(schedule=Kept(ALPHA_BAR, 1000)), "clean start"),
    "E2 product from the wrong end": (
        lambda: whole(schedule=Kept((1 - BETA).flip(0).cumprod(0).flip(0), 999)), "clean start"),
}  # fmt: skip
NO_SIGNAL = Kept(torch.where(torch.arange(101) < 100, SHORT.alpha_bar, 0), 100)
SCHEDULES |= {
    "eps without any signal at T": (lambda: cheap(schedule=NO_SIGNAL), "signal at T"),
    "T = 50 with the betas of 1000": (
        lambda: of("digits", schedule=linear_schedule(50)), "signal at T"),
}  # fmt: skip
LOSSES = {
    "E3 uniform noise": (planted(noise=torch.rand_like), "noise in x_t"),
    "E3 uniform noise of variance 1": (
        planted(noise=lambda x: (torch.rand_like(x) - 0.5) * 12**0.5), "noise in x_t"),
    "E1 variance for deviation": (planted(factor=lambda a: 1 - a), "noise in x_t"),
    "E5 t from 0 … T - 1": (planted(0, 100), "range of t"),
    "E5 t = 0 is trained": (planted(0, 101), "range of t"),
    "E5 T is never trained": (planted(1, 100), "range of t"),
    "one noise for all rows": (
        planted(noise=lambda x: torch.randn_like(x[:1]).expand_as(x)), "independent noise"),
    "one number for all pixels": (
        planted(noise=lambda x: torch.randn(len(x), 1, 1, 1).expand_as(x)), "independent noise"),
    "the same noise in each step": (planted(noise=once), "independent noise"),
    "noise of another size": (planted(noise=lambda x: 1.2 * torch.randn_like(x)), "noise in x_t"),
    "one t for the batch": (planted(rows=1), "a t for each row"),
    "one t as a number": (planted(rows=1, told_t=lambda t: int(t[0])), "a t for each row"),
    "E13 t / T": (planted(told_t=lambda t: t / 100), "kind of t"),
    "the net is told another t": (
        planted(told_t=lambda t: torch.randint_like(t, 1, 101)), "noise in x_t"),
    "E17 absolute error": (planted(error=F.l1_loss), "loss of 0"),
    "E17 Huber": (planted(error=F.smooth_l1_loss), "loss of 0"),
    "E17 absolute error of v": (lambda: whole(loss_fn=absolute_v), "squared errors"),
    "a sum": (planted(error=partial(F.mse_loss, reduction="sum")), "loss of 0"),
    "half the square": (planted(error=lambda a, b: F.mse_loss(a, b) / 2), "loss of 0"),
    "another noise as target": (planted(other=torch.randn_like), "loss of the answer"),
    "x0 as target": (planted(other=lambda x: x), "loss of 0"),
    "another schedule than in the loss": (
        {"loss_fn": loss_of(linear_schedule(100, 1e-3, 0.2), "eps")}, "noise in x_t"),
    "a min-SNR weight": (planted(weight=lambda t: (5 / SHORT.snr[t]).clamp(max=1)), "weight of t"),
    "a weight of the SNR": (planted(weight=lambda t: SHORT.snr[t]), "weight of t"),
    "a weight of mean 1": (planted(weight=lambda t: t / 50.5), "weight of t"),
}  # fmt: skip
NETWORKS = {
    "t is ignored": (lambda: whole(net=Changed(lambda n, x, t, y: n(x, 0 * t + 500, y))),
                     "time matters"),
    "y is ignored": (lambda: whole(net=Changed(lambda n, x, t, y: n(x, t))), "labels matter"),
    "t is ignored, untouched": (lambda: whole(net=Deaf(hears_y=True)), "time matters"),
    "y is ignored, untouched": (lambda: whole(net=Deaf(hears_y=False)), "labels matter"),
    "y shifted by seven rows": (lambda: relabelled(lambda y: y.roll(7)), "labels are true"),
    "y shuffled": (lambda: shuffled(whole()), "labels are true"),
    "y of digits, but 9 - y": (lambda: relabelled(lambda y: 9 - y), "labels are true"),
    "ordinal y shuffled": (lambda: shuffled(ordinal()), "labels are true"),
    "labels 1 … K": (lambda: relabelled(lambda y: y + 1), "range of labels"),
    "E16 BatchNorm": (lambda: whole(net=Changed(normalised)), "rows are independent"),
    "dropout in evaluation": (
        lambda: whole(net=Changed(lambda n, x, t, y: n(F.dropout(x, 0.1), t, y))), "repeatable"),
    "a NaN weight": (lambda: whole(net=with_nan()), "finite numbers"),
    "v read as eps": (lambda: whole(target="eps"), "target"),
    "v read as x0": (lambda: whole(target="x0"), "target"),
    "the wrong sign": (lambda: whole(net=Changed(lambda n, x, t, y: -n(x, t, y))), "error by t"),
    "E12 averaged buffers": (lambda: whole(**counted(lambda ema: ema.seen.mul_(0.9))),
                             "EMA buffers"),
    "E12 never updated": (lambda: whole(ema=UNet(1, 16, (1, 2), num_classes=10)), "EMA is near"),
}  # fmt: skip
SAMPLERS = {
    "E6 noise at the last step": (loop(noise_at_end=0.01), "end of the sampler"),
    "E5 the last step is left out": (loop(last=2), "end of the sampler"),
    "E5 the model is asked for t - 1": (loop(tell=lambda t: t - 1), "times of the sampler"),
    "E24 the last ten steps alone": (loop(first=10), "times of the sampler"),
    "E1 variance for deviation in the step": (
        loop(sigma=lambda var, beta: var), "noise on the way"),
    "no 1 / sqrt(alpha)": (
        loop(mean=lambda x, a, b, eps: x - (1 - a) / (1 - b).sqrt() * eps), "noise on the way"),
    "E8 beta of one t for a stride": ({"sampler": strided}, "noise on the way"),
    "x_t clamped to 1 in each step": (loop(state=lambda x: x.clamp(-1, 1)), "states are free"),
    "x_t clamped to 3": (loop(state=lambda x: x.clamp(-3, 3)), "states are free"),
    "x_t divided by its deviation": (loop(state=lambda x: x / x.std()), "noise on the way"),
    "it never calls the model": (
        {"sampler": lambda m, s, xT: sample(lambda x, t: x, s, xT, 9)}, "times of the sampler"),
    "a spacing that starts below T": (
        {"sampler": lambda m, s, xT: sample(m, s, xT, [*range(91, 0, -10), 0])},
        "times of the sampler"),
    "it ends on 0 … 1": (loop(end=lambda x: (x + 1) / 2), "end of the sampler"),
    "it ends on bytes": (
        loop(end=lambda x: (x * 127.5 + 127.5).clamp(0, 255).byte()), "end of the sampler"),
}  # fmt: skip
SAMPLES = {
    "points clipped to 1": (
        lambda: of("gaussians", n=500, sampler=drawn()), "range of the sampler"),
    "standardised series clipped to 1": (lambda: of("series", sampler=drawn()),
                                         "range of the sampler"),
    "eps on a cosine schedule, unclipped": (
        lambda: run("digits", "eps", 120, sampler=drawn(clip=None)), "samples"),
    "the same, in DDPM": (
        lambda: run("digits", "eps", 120, sampler=drawn(200, None, ddpm_step)), "samples"),
    "the same in colour": (lambda: spoilt("colour"), "samples"),
    "the same in signals": (lambda: spoilt("signals"), "samples"),
    "the same in flat images": (lambda: spoilt("flat"), "samples"),
    "a network that is far off": (
        lambda: of("digits", net=Linear(data("digits"), error=9.0)), "error by t"),
}  # fmt: skip
BROKEN = DATA | SCHEDULES | LOSSES | NETWORKS | SAMPLERS | SAMPLES


@pytest.mark.parametrize("name", BROKEN)
def test_the_first_fault_is_the_one_that_was_planted(name):
    setup, fault = BROKEN[name]
    report = diagnose(**(setup() if callable(setup) else cheap(**setup)))
    assert report.verdict == "a bug" and report.faults[0].name == fault, report


# What can't be examined: the sentence that says what was expected.


class Output(SimpleNamespace):
    """As libraries return it."""


SCHEDULER = SimpleNamespace(betas=BETA, alphas_cumprod=ALPHA_BAR, timesteps=torch.arange(1000))
REFUSED = {
    "a scheduler of diffusers": (lambda: whole(schedule=SCHEDULER), r"Schedule\(betas\)"),
    "a table of beta": (lambda: whole(schedule=BETA), r"Schedule\(betas\)"),
    "bytes as they are": (lambda: whole(batch=torch.zeros(64, 1, 8, 8).byte()), "127.5"),
    "few rows": (lambda: whole(batch=batch(8)), "8 rows"),
    "fewer labels": (lambda: whole(batch=(batch()[0], batch(32)[1])), "64 rows.*32"),
    "three tensors": (lambda: whole(batch=(*batch(), batch()[1])), r"x or \(x, y\)"),
    "images of another library": (lambda: whole(batch=[object()] * 64), r"expected x or \(x, y\)"),
    "no such target": (lambda: whole(target="noise"), "'noise'"),
    "labels as floats": (lambda: relabelled(lambda y: y.float()), "y is torch.float32.*expected"),
    "labels in a column": (lambda: relabelled(lambda y: y[:, None]), "expected"),
    "labels as one-hot": (lambda: relabelled(lambda y: F.one_hot(y, 10)), "expected"),
    "negative labels": (lambda: relabelled(lambda y: y - 1), r"-1 … 8; expected 0 … 9"),
    "labels too large": (lambda: relabelled(lambda y: y + 9), r"expected 0 … 9"),
    "labels are needed": (
        lambda: whole(net=lambda x, t, y: digits_net()(x, t, y), batch=batch()[0]),
        "net.x, t. raised"),
    "a learned variance": (
        lambda: cheap(net=lambda x, t: torch.cat([x, x], 1)), r"\(64, 2, 8, 8\); expected.*chunk"),
    "a tuple": (lambda: cheap(net=lambda x, t: (x, t)), "tuple; expected"),
    "an object": (lambda: cheap(net=lambda x, t: Output(sample=x)), "Output; expected.*sample"),
    "nothing": (lambda: cheap(net=lambda x, t: None), "NoneType; expected"),
    "an average as a dict": (lambda: whole(ema=digits_net().state_dict()), "not callable"),
    "a loss of another network": (
        lambda: cheap(loss_fn=lambda net, x, y: ddpm_loss(Linear(x, "eps"), SHORT, x)),
        "never called the net"),
    "a loss that owns what is no module": (
        lambda: cheap(net=lambda x, t: x, loss_fn=lambda x: ddpm_loss(lambda x, t: x, SHORT, x)),
        "never called the net"),
    "a loss that fails": (
        lambda: cheap(loss_fn=lambda net, x, y: net(x, y)), "loss_fn.* failed.*a scalar"),
    "a step of training": (
        lambda: whole(loss_fn=lambda n, x, y: loss_of(COSINE, "v")(n, x, y).backward()),
        "expected the loss alone"),
    "a loss without a value": (
        lambda: cheap(loss_fn=lambda net, x, y: {"a": net(x, 5)}), "KeyError.*expected"),
    "a sampler that returns frames": (
        lambda: cheap(sampler=lambda m, s, xT: [x for _, x in trajectory(m, s, xT, 9)]),
        r"list; expected.*frames\[-1\]"),
    "a sampler that is a generator": (lambda: cheap(sampler=trajectory), "generator; expected"),
    "a sampler that returns a tuple": (
        lambda: cheap(sampler=lambda m, s, xT: (sample(m, s, xT, 9), [])), "tuple; expected"),
    "a sampler of another size": (
        lambda: cheap(sampler=lambda m, s, x: sample(m, s, x, 9)[:9]), r"\(9, 1, 8, 8\); expected"),
    "a sampler that wants a shape": (
        lambda: cheap(sampler=lambda m, shape: torch.randn(shape)), "sampler.* raised TypeError"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_examined_is_refused_in_a_sentence(name):
    setup, sentence = REFUSED[name]
    with pytest.raises((TypeError, ValueError), match=sentence):
        diagnose(**setup())


# Healthy: nothing may be accused


def dropout():
    net = UNet(1, 8, (1, 2), dropout=0.2)
    net.conv_out[-1].reset_parameters()
    return net.train()


def untouched(residual=False):
    """No zero layer at the end; perhaps the input is added to the output."""
    torch.manual_seed(0)
    net = UNet(1, 16, (1, 2))
    net.conv_out[-1].reset_parameters()
    return Residual(net) if residual else net


class Residual(nn.Module):
    """x + net(x, t)."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x, t):
        return x + self.net(x, t)


class Cast(nn.Module):
    """The best linear network, with weights of another type."""

    def __init__(self, dtype):
        super().__init__()
        self.net, self.scale = Linear(data("digits")), nn.Parameter(torch.ones(1, dtype=dtype))

    def forward(self, x, t):
        assert x.dtype == self.scale.dtype
        return self.net(x.float(), t).to(x) * self.scale


class Wrapped(nn.Module):
    """A network and its process in one module, whose forward is the loss."""

    def __init__(self, net):
        super().__init__()
        self.model = net

    def forward(self, img, *args, **kwargs):
        b, c, h, w = img.shape
        return ddpm_loss(self.model, SHORT, img, TARGETS["v"])


def habit(form):
    """A loss that is called, or returns its value, in another way than expected."""
    net = Linear(data("digits"))
    mean = lambda x, net=net: ddpm_loss(net, SHORT, x, TARGETS["v"])  # noqa: E731
    forms = {
        "x": mean, "x, y": lambda x, y: mean(x), "net, x": lambda net, x: mean(x, net),
        "x, labels=None": lambda x, labels=None: mean(x), "a module": Wrapped(net),
        "rows": lambda net, x, y: torch.stack([mean(x, net)] * len(x)),
        "dict": lambda net, x, y: {"loss": mean(x, net), "n": 1},
        "tuple": lambda net, x, y: (mean(x, net), {}),
        "float": lambda net, x, y: mean(x, net).item(),
        "other attributes": lambda net, x, y: mean(x, net.train()) * (net.num_classes == 0),
    }  # fmt: skip
    return of("digits", net=net, ema=None, loss_fn=forms[form])


def loaded(form):
    x, y = batch()
    forms = {
        "numpy": (x.numpy(), y.numpy()), "float64": (x.double(), y), "in a list": [x, y],
        "dict": {"label": y, "pixel_values": x}, "without y": (x, None), "alone": [x],
        "loader": DataLoader(TensorDataset(x, y), 64), "half": (x.half(), y),
        "huge": batch(1437), "sorted": (x[y.argsort()], y.sort().values),
    }  # fmt: skip
    return whole(batch=forms[form])


def asked_twice(net, x, y):
    """Self-conditioning: the network is asked once without gradients, then again."""
    t, eps = torch.randint(1, 101, (len(x),)), torch.randn_like(x)
    xt = q_sample(SHORT, x, t, eps)
    return F.mse_loss(net(xt + 0 * net(xt, t), t), eps)


def of_v_without_signal(net, schedule, x):
    """DDIM for v where nothing of the data is left at T."""
    for t in range(100, 0, -4):
        a, b = NO_SIGNAL.alpha_bar[t], NO_SIGNAL.alpha_bar[t - 4]
        v = net(x, torch.full((len(x),), t))
        x0, eps = a.sqrt() * x - (1 - a).sqrt() * v, (1 - a).sqrt() * x + a.sqrt() * v
        x = b.sqrt() * x0.clamp(-1, 1) + (1 - b).sqrt() * eps
    return x


def of_v(model, schedule, xT):
    """A loop that turns v into eps itself."""
    return sample(from_v(model, schedule), schedule, xT, 25)


WELL = {
    "trained, conditional digits": lambda: whole(
        ema=digits_net(), loss_fn=loss_of(COSINE, "v"), sampler=drawn(50)),
    "ten of DPM-Solver++": lambda: whole(sampler=lambda m, s, xT: sample(m, s, xT, 10, dpmpp_2m())),
    "half-trained digits, v": lambda: run("digits", "v", 120),
    "half-trained digits, x0": lambda: run("digits", "x0", 120),
    "half-trained digits, DDPM's schedule": lambda: run("digits", "eps", 120, LINEAR),
    "half-trained digits, eps, clipped": lambda: run("digits", "eps", 120),
    "two moons": lambda: run("moons", "v", 1500, batch=data("moons")),
    "two moons, x0": lambda: run("moons", "x0", 1500, batch=data("moons")),
    "two moons, eps, DDPM": lambda: run(
        "moons", "eps", 1500, batch=data("moons"), sampler=drawn(100, None, ddpm_step)),
    "labels, some dropped": lambda: relabelled(lambda y: drop_labels(y, 0.2, 10), 256),
    "ordinal labels": ordinal,
    "ordinal labels, few rows": lambda: ordinal(64),
    "one class": lambda: whole(batch=tuple(a[batch(999)[1] == 3][:64] for a in batch(999))),
    "labels for a function without": lambda: of(
        "digits", batch=batch(), ema=None, net=lambda x, t: Linear(data("digits"))(x, t)),
    "labels for a U-Net without": lambda: run("digits", "v", 120, batch=batch()),
    "a loop that takes v": lambda: whole(sampler=of_v),
    "v without any signal at T": lambda: of(
        "digits", schedule=NO_SIGNAL, sampler=of_v_without_signal, loss_fn=None, ema=None,
        net=Linear(data("digits"), "v", SHORT)),
    "a loss that asks twice": lambda: cheap(loss_fn=asked_twice),
    "beta for its tilde": lambda: of("digits", **loop(sigma=lambda var, beta: beta.sqrt())),
    "all steps of DDPM": lambda: of("colour", **loop()),
    "t as whole floats": lambda: cheap(**planted(told_t=lambda t: t.float())),
    "a network in float64": lambda: of("digits", net=Cast(torch.float64), ema=None),
    "a network in bfloat16": lambda: of("digits", net=Cast(torch.bfloat16), ema=None),
}  # fmt: skip
WELL |= {f"{name}, {target}": partial(of, name, target)
         for name in ("digits", "narrow", "dark", "half", "colour", "signals", "series", "latents",
                      "volumes", "flat") for target in TARGETS}  # fmt: skip
WELL |= {f"loss_fn: {form}": partial(habit, form) for form in (
    "x", "x, y", "net, x", "x, labels=None", "a module", "rows", "dict", "tuple", "float",
    "other attributes")}  # fmt: skip
WELL |= {f"batch: {form}": partial(loaded, form) for form in (
    "numpy", "float64", "in a list", "dict", "without y", "alone", "loader", "half", "huge",
    "sorted")}  # fmt: skip
YOUNG = {f"{name}, {target}, untouched": partial(run, name, target, 0)
         for name in ("digits", "narrow", "dark", "sparse", "colour", "signals", "moons")
         for target in TARGETS}  # fmt: skip
YOUNG |= {
    "short schedule": lambda: run("digits", "v", 0, cosine_schedule(50)),
    "very short schedule": lambda: run("digits", "v", 0, cosine_schedule(10)),
    "long linear schedule": lambda: run("digits", "v", 0, linear_schedule(600)),
    "digits after 20 steps": lambda: run("digits", "eps", 20),
    "dark digits after 20 steps": lambda: run("dark", "v", 20),
    "points, untouched, unclipped": lambda: run("moons", "eps", 0, sampler=drawn(clip=None)),
    "a head that is not zero": lambda: run("digits", "eps", 0, net=untouched(), ema=None),
    "a residual around all, v": lambda: run("digits", "v", 0, net=untouched(True), ema=None),
    "a residual around all, x0": lambda: run("digits", "x0", 0, net=untouched(True), ema=None),
    "dropout in training mode": lambda: run("digits", "v", 0, net=dropout(), ema=None),
    "a function that counts from 0": lambda: run("digits", "eps", 0, ema=None, net=shifted()),
    "pixels that don't go together": lambda: of("sparse"),
    "vectors as conditions": lambda: run("digits", "v", 0, net=UNet(1, 8, (1, 2), cond_dim=2),
                                         ema=None, batch=(batch()[0], torch.randn(64, 2))),
    "images as conditions": lambda: run("digits", "v", 0, net=UNet(1, 8, (1, 2), cond_channels=1),
                                        ema=None, batch=(batch()[0], torch.randn(64, 1, 8, 8))),
}  # fmt: skip


def shifted():
    """A lambda can't be copied and awakened."""
    net = UNet(1, 16, (1, 2))
    return lambda x, t: net(x, t - 1)


HEALTHY = ({name: (setup, "healthy") for name, setup in WELL.items()}
           | {name: (setup, "not trained yet") for name, setup in YOUNG.items()})  # fmt: skip


@pytest.mark.parametrize("name", HEALTHY)
def test_what_is_healthy_or_young_is_not_accused(name):
    """Images, signals and points; targets, samplers and schedules; habits; long or no training."""
    setup, verdict = HEALTHY[name]
    report = diagnose(**setup())
    assert report.verdict == verdict, report


@pytest.mark.parametrize("target", TARGETS)
def test_random_weights_are_not_accused(target):
    for seed in range(6):
        torch.manual_seed(seed)
        report = diagnose(MLP(), COSINE, load_points("two_moons", 500), target)
        assert report.verdict == "not trained yet", report


@pytest.mark.parametrize("seed", range(3))
def test_chance_accuses_nobody(seed):
    """Other noise for the checks, other numbers before: the same verdict."""
    torch.manual_seed(100 + seed)
    setup = of("digits", loss_fn=loss_of(SHORT, "v"), seed=seed)
    assert diagnose(**setup).verdict == "healthy"
    assert diagnose(**whole(seed=seed)).verdict == "healthy"


# The stand-ins and the yardstick


@pytest.mark.parametrize("target", TARGETS)
def test_the_told_network_answers_what_q_sample_added(target):
    """Its answer to q_sample(x0, t, eps) is the target, whatever t."""
    x0, eps, t = torch.randn(50, 3), torch.randn(50, 3), torch.randint(1, 1001, (50,))
    xt = q_sample(COSINE, x0, t, eps)
    truth = TARGETS[target](COSINE, x0, t, eps)
    assert (told(x0, COSINE, target)(xt, t) - truth).abs().max() < 1e-3


def test_the_yardstick_is_the_best_line():
    """Least squares of eps on x_t, pixel by pixel, leave the error that linear_error gives."""
    x0 = torch.rand(100_000, 2) * torch.tensor([1.0, 2.0])
    for t in 100, 500, 900:
        eps, alpha_bar = torch.randn_like(x0), COSINE.at(t, x0)
        xt = alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * eps
        for target, function in TARGETS.items():
            truth = function(COSINE, x0, t, eps)
            a, b = xt - xt.mean(0), truth - truth.mean(0)
            left = (b - (a * b).mean(0) / (a * a).mean(0) * a).square().mean()
            assert abs(linear_error(x0, alpha_bar, target) / left - 1) < 0.03


# Manners


def test_looking_changes_nothing():
    """Neither weights, buffers, gradients, modes and forward, nor the next random number."""
    net = Changed(normalised).train().requires_grad_()
    before, state = copy.deepcopy(net.state_dict()), torch.get_rng_state()
    loader = DataLoader(TensorDataset(*batch()), 64, shuffle=True)
    diagnose(net, COSINE, loader, "v", copy.deepcopy(net), loss_of(COSINE, "v"), drawn(10))
    assert net.training and all(w.grad is None and w.requires_grad for w in net.parameters())
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert torch.equal(state, torch.get_rng_state()) and "forward" not in vars(net)


def test_a_report_says_what_was_measured_expected_and_to_do():
    fault = diagnose(**whole(net=with_nan())).faults[0]
    assert str(fault).startswith(f"FAULT finite numbers: {fault.measured}; expected 0 and 0")
    assert str(fault).endswith(f"to do: {fault.to_do}") and fault.to_do
    assert "to do" not in str(Finding("target", True, "all fits", "a fit", "train"))
    report = diagnose(**whole(net=with_nan()))
    assert str(report).startswith("a bug") and str(fault) in str(report)
    early = str(diagnose(**whole(batch=batch()[0] / 2 + 0.5)))  # a fault of the data
    assert early.startswith("a bug: the network's error wasn't measured\n")


def test_advice_is_for_the_fault_that_was_planted():
    """Where one check has several causes, it says which one it is."""
    advice = {name: diagnose(**(setup() if callable(setup) else cheap(**setup))).faults[0].to_do
              for name, (setup, _) in BROKEN.items() if name in ADVICE}  # fmt: skip
    assert all(word in advice[name] for name, word in ADVICE.items()), advice


ADVICE = {
    "E4 images in 0 … 1": "2 * x - 1", "scaled twice": "twice", "12 bits in 16": "65535",
    "bytes": "127.5", "a NaN pixel": "NaN", "one image, repeated": "index",
    "x0 as target": "target='x0'", "E17 Huber": "Huber", "another noise as target": "belong",
    "v read as eps": "target='v'", "the wrong sign": "sign", "it ends on 0 … 1": "0.5 x0",
    "x_t clamped to 1 in each step": "clamp", "a min-SNR weight": "weight",
    "standardised series clipped to 1": "clip=None", "the same in colour": "clip",
}  # fmt: skip


def test_every_fault_is_named_by_a_planted_bug():
    """No check without a bug that only it finds."""
    report = diagnose(**WELL["trained, conditional digits"]())
    assert {f.name for f in report.findings} == {fault for _, fault in BROKEN.values()}


def test_a_weight_that_is_not_finite_is_counted():
    """Even one that no answer shows, as in a layer that is not used."""
    net = copy.deepcopy(digits_net())
    net.unused = nn.Linear(1, 1)
    nn.init.constant_(net.unused.weight, math.inf)
    assert "1 weights, 0 predictions" in str(diagnose(**whole(net=net)).faults[0])


def test_a_batch_of_one_class_says_nothing_of_labels():
    assert "labels" not in str(diagnose(**WELL["one class"]()))


def test_an_average_may_be_handed_over_as_it_is():
    """The EMA, its model, or a function."""
    net = fresh(data("digits"))
    for ema in (EMA(net), EMA(net).model, lambda x, t: net(x, t)):
        assert "ok    EMA is near" in str(diagnose(net, SHORT, batch()[0], "v", ema))


def test_int_times_of_a_loop_are_understood():
    """A loop may hand over t as a number."""

    def loop(model, schedule, x):
        for t in range(schedule.T, 0, -1):
            x = ddim_step(schedule, x, t, t - 1, model(x, t))
        return x

    assert diagnose(**of("digits", sampler=loop)).verdict == "healthy"


def test_a_second_is_enough():
    """The checks ask the network a few dozen times, however many steps there are."""
    asked = []
    net = digits_net()
    diagnose(**whole(net=lambda x, t, y=None: asked.append(len(x)) or net(x, t, y)))
    assert len(asked) < 35


def test_a_large_data_set_is_not_asked_as_a_whole():
    asked = []
    net = Linear(data("moons"))
    many = data("moons").repeat(100, 1)
    diagnose(lambda x, t: asked.append(len(x)) or net(x, t), SHORT, many, "v")
    assert max(asked) <= 8_000


def test_diagnose_needs_no_labels_of_a_network_that_has_a_place_for_them():
    assert diagnose(**whole(batch=batch()[0])).verdict == "healthy"
