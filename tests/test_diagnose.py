"""diagnose names what is broken, and accuses nothing that is healthy or merely young."""

import copy
import math
from functools import cache, partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ddpm_lite import (
    EMA,
    MLP,
    Schedule,
    UNet,
    batches,
    clipped,
    cosine_schedule,
    ddim_step,
    ddpm_loss,
    diagnose,
    dpmpp_2m,
    eps_target,
    linear_schedule,
    load_images,
    load_points,
    load_pretrained,
    q_sample,
    sample,
    train,
    v_target,
    warmup_cosine,
    x0_target,
)
from ddpm_lite.diagnose import ADVICE, Finding, linear_error, told

COSINE = cosine_schedule()
TARGETS = {"eps": eps_target, "x0": x0_target, "v": v_target}


@cache
def batch(n=64):
    """Digits and their labels."""
    x, y = load_images("digits")
    return x[:n], y[:n]


def loss_of(schedule, target):
    """The package's loss, as a student would hand it in."""
    return lambda net, x, y: ddpm_loss(lambda x, t: net(x, t, y), schedule, x, TARGETS[target])


@cache
def digits_net():
    return load_pretrained("digits")[0]


@cache
def trained(target, steps, schedule=COSINE, points=None, width=8, seed=0):
    """A small network and its average, after some steps of training."""
    torch.manual_seed(seed)
    x = load_points(points, 2000) if points else load_images("digits")[0]
    net = MLP(2, 64, 3) if points else UNet(1, width, (1, 2))
    ema = EMA(net, 0.99)
    loss = lambda net, x, y: ddpm_loss(net, schedule, x, TARGETS[target])  # noqa: E731
    for _ in train(net, batches(x, None, 64), loss, steps, warmup_cosine(4e-3), ema):
        pass
    return net, ema.model, x[:2000]


# Healthy: nothing may be accused


def whole(target="v", **changes):
    """The trained conditional digits, with loss and sampler; some of it replaced."""
    setup = {
        "net": digits_net(), "schedule": COSINE, "batch": batch(), "target": target,
        "loss_fn": loss_of(COSINE, target), "sampler": lambda m, s, xT: sample(m, s, xT, 50),
    }  # fmt: skip
    return diagnose(**setup | changes)


def bare(target, steps, schedule=COSINE, points=None, width=8, n=64):
    net, ema, x = trained(target, steps, schedule, points, width)
    sampler = partial(sample, steps=min(40, schedule.T), step=ddim_step)
    loss = lambda net, x, y: ddpm_loss(net, schedule, x, TARGETS[target])  # noqa: E731
    return diagnose(net, schedule, x[:n], target, ema, loss, lambda m, s, xT: sampler(m, s, xT))


HEALTHY = {  # set-up: how it is examined
    "trained, conditional digits": whole,
    "the same, all steps of DDPM": partial(whole, sampler=sample),
    "the same, ten of DPM-Solver++": partial(
        whole, sampler=lambda m, s, xT: sample(m, s, xT, 10, dpmpp_2m())),
    "the same, clipped": partial(
        whole, sampler=lambda m, s, xT: sample(clipped(m, s), s, xT, 100)),
    "the same, beta for its tilde": partial(whole, sampler=lambda m, s, xT: loop(
        sigma=lambda variance, beta: beta.sqrt())(m, s, xT)),
    "half-trained digits, v": partial(bare, "v", 120),
    "half-trained digits, x0": partial(bare, "x0", 120),
    "half-trained digits, DDPM's schedule": partial(bare, "eps", 120, linear_schedule()),
    "two moons": partial(bare, "eps", 1000, COSINE, "two_moons", n=2000),
    "two moons, x0": partial(bare, "x0", 1000, COSINE, "two_moons", n=2000),
    "gaussians": partial(bare, "v", 1000, COSINE, "gaussians", n=2000),
}  # fmt: skip


class Residual(nn.Module):
    """x + net(x, t)."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x, t):
        return x + self.net(x, t)


def untouched(target, residual=False):
    """No zero layer at the end; perhaps the input added to the output."""
    torch.manual_seed(0)
    net = UNet(1, 16, (1, 2))
    net.conv_out[-1].reset_parameters()
    return diagnose(Residual(net) if residual else net, COSINE, batch()[0], target)


def seeds(target):
    """The worst of several random networks."""
    reports = []
    for seed in range(6):
        torch.manual_seed(seed)
        reports.append(diagnose(MLP(), COSINE, load_points("two_moons", 500), target))
    return max(reports, key=lambda report: len(report.faults))


def shifted(target):
    """A lambda cannot be copied and awakened."""
    net = UNet(1, 16, (1, 2))
    return diagnose(lambda x, t: net(x, t - 1), COSINE, batch()[0], target)


YOUNG = {
    "points, untouched": partial(bare, "eps", 0, COSINE, "two_moons"),
    "short schedule": partial(bare, "v", 0, cosine_schedule(50)),
    "very short schedule": partial(bare, "v", 0, cosine_schedule(10)),
    "long linear schedule": partial(bare, "v", 0, linear_schedule(600)),
    "digits, untouched": partial(bare, "v", 0),
    "digits, untouched, x0": partial(bare, "x0", 0),
    "points, untouched, x0": partial(bare, "x0", 0, COSINE, "two_moons"),
    "digits after 20 steps": partial(bare, "eps", 20),
    "a head that is not zero": partial(untouched, "eps"),
    "a residual around all, v": partial(untouched, "v", residual=True),
    "a residual around all, x0": partial(untouched, "x0", residual=True),
    "random weights, points, x0": partial(seeds, "x0"),
    "random weights, points, v": partial(seeds, "v"),
    "a function that counts from 0": partial(shifted, "eps"),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_what_is_trained_is_healthy(name):
    """Long or half; digits and points; each target; several samplers and schedules."""
    report = HEALTHY[name]()
    assert report.verdict == "healthy" and not report.faults, report


@pytest.mark.parametrize("name", YOUNG)
def test_what_is_young_is_not_accused(name):
    """Untouched or hardly trained: not trained yet, but nothing is wrong with it."""
    report = YOUNG[name]()
    assert report.verdict == "not trained yet" and not report.faults, report


@pytest.mark.parametrize("seed", range(5))
def test_chance_accuses_nobody(seed):
    """Other noise for the checks, other numbers before: the same verdict."""
    torch.manual_seed(100 + seed)
    assert whole(seed=seed).verdict == "healthy"


# Broken: the first fault that is named must be the one that was planted


class Kept(nn.Module):
    """A schedule whose alpha_bar is handed over as it is."""

    def __init__(self, alpha_bar, T):
        super().__init__()
        self.alpha_bar, self.T = alpha_bar, T

    def at(self, t, x):
        return self.alpha_bar[t].reshape(-1, *[1] * (x.ndim - 1))


class Changed(nn.Module):
    """The trained digits behind a function of their arguments."""

    def __init__(self, call):
        super().__init__()
        self.net, self.call = copy.deepcopy(digits_net()), call

    def forward(self, x, t, y=None):
        return self.call(self.net, x, t, y)


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


def noised(x0, t, factor=lambda a: (1 - a).sqrt(), noise=torch.randn_like, at=COSINE.at):
    eps, alpha_bar = noise(x0), at(t, x0)
    return alpha_bar.sqrt() * x0 + factor(alpha_bar) * eps, eps


def planted(low=1, high=1001, rows=None, error=F.mse_loss, told_t=lambda t: t, other=None, **noise):
    """A loss for eps with a bug in it."""

    def loss(net, x, y):
        t = torch.randint(low, high, (rows or len(x),)).expand(len(x))
        xt, eps = noised(x, t, **noise)
        return error(net(xt, told_t(t)), other(x) if other else eps)

    return loss


def loop(last=1, first=1000, sigma=lambda var, beta: var.sqrt(), noise_at_end=0.0, tell=lambda t: t,
         mean=lambda x, a, b, eps: (x - (1 - a) / (1 - b).sqrt() * eps) / a.sqrt()):  # fmt: skip
    """DDPM's Algorithm 2 in every step, with a bug in it."""

    def run(model, schedule, x):
        for t in range(first, last - 1, -1):
            a, b = schedule.alpha[t], schedule.alpha_bar[t]
            eps = model(x, torch.full((len(x),), tell(t)))
            x = mean(x, a, b, eps)
            scale = sigma((1 - schedule.alpha_bar[t - 1]) / (1 - b) * (1 - a), 1 - a)
            x = x + (scale if t > 1 else noise_at_end) * torch.randn_like(x)
        return x

    return run


def changed_batch(change):
    x, y = batch()
    return {"batch": (change(x), y)}


def strided(model, schedule, x):
    """Fifty steps, each with the beta of one."""
    times = [*range(1000, 0, -20), 0]
    for t, s in zip(times, times[1:], strict=False):
        a, b = schedule.alpha[t], schedule.alpha_bar[t]
        x = (x - (1 - a) / (1 - b).sqrt() * model(x, torch.full((len(x),), t))) / a.sqrt()
        x = x + (1 - a).sqrt() * torch.randn_like(x) * (s > 0)
    return x


BETA = torch.linspace(1e-4, 0.02, 1000)
# What is broken: (what differs from the healthy set-up, the finding that must come first).
DATA = {
    "E4 images in 0 … 1": (changed_batch(lambda x: (x + 1) / 2), "data range"),
    "bytes": (changed_batch(lambda x: (x + 1) * 127.5), "data range"),
    "standardised images": (changed_batch(lambda x: (x - x.mean()) / x.std()), "data range"),
    "integer division": (changed_batch(lambda x: torch.zeros_like(x)), "data range"),
    "a NaN pixel": (changed_batch(lambda x: x.masked_fill(x == 1, math.nan)), "data range"),
    "points of size 100": ({"batch": 100 * load_points("two_moons", 64)}, "data range"),
    "points of size 0.01": ({"batch": 0.01 * load_points("two_moons", 64)}, "data range"),
    "colours last": (changed_batch(lambda x: x.permute(0, 2, 3, 1)), "data shape"),
}  # fmt: skip
SCHEDULES = {
    "E9 linear beta of 1000 steps, with 200": (
        {"schedule": linear_schedule(200)}, "signal at T"),
    "E11 squared, not rooted": ({"schedule": Schedule(BETA**2)}, "signal at T"),
    "beta upside down": ({"schedule": Schedule(BETA.flip(0))}, "first noise"),
    "no row for t = 0": (
        {"schedule": Kept((1 - BETA).cumprod(0), 1000)}, "clean start"),
    "E2 product from the wrong end": (
        {"schedule": Kept((1 - BETA).flip(0).cumprod(0).flip(0), 999)}, "clean start"),
}  # fmt: skip
LOSSES = {
    "E3 uniform noise": ({"loss_fn": planted(noise=torch.rand_like)}, "noise in x_t"),
    "E3 uniform noise of variance 1": (
        {"loss_fn": planted(noise=lambda x: (torch.rand_like(x) - 0.5) * 12**0.5)}, "noise in x_t"),
    "E1 variance for deviation": ({"loss_fn": planted(factor=lambda a: 1 - a)}, "noise in x_t"),
    "E5 t from 0 … T - 1": ({"loss_fn": planted(0, 1000)}, "range of t"),
    "E5 t = 0 is trained": ({"loss_fn": planted(0, 1001)}, "range of t"),
    "one noise for all rows": (
        {"loss_fn": planted(noise=lambda x: torch.randn_like(x[:1]).expand_as(x))},
        "independent noise"),
    "one number for all pixels": (
        {"loss_fn": planted(noise=lambda x: torch.randn(len(x), 1, 1, 1).expand_as(x))},
        "independent noise"),
    "the same noise in each step": (
        {"loss_fn": planted(noise=lambda x: torch.randn(
            x.shape, generator=torch.Generator().manual_seed(0)))}, "independent noise"),
    "noise of another size": (
        {"loss_fn": planted(noise=lambda x: 1.2 * torch.randn_like(x))}, "noise in x_t"),
    "E5 T is never trained": ({"loss_fn": planted(1, 1000)}, "range of t"),
    "one t for the batch": ({"loss_fn": planted(rows=1)}, "a t for each row"),
    "E13 t / T": ({"loss_fn": planted(told_t=lambda t: t / 1000)}, "kind of t"),
    "the net is told another t": (
        {"loss_fn": planted(told_t=lambda t: torch.randint_like(t, 1, 1001))}, "noise in x_t"),
    "E17 absolute error": ({"loss_fn": planted(error=F.l1_loss)}, "loss of 0"),
    "E17 Huber": ({"loss_fn": planted(error=F.smooth_l1_loss)}, "loss of 0"),
    "a sum": ({"loss_fn": planted(error=partial(F.mse_loss, reduction="sum"))}, "loss of 0"),
    "another noise as target": ({"loss_fn": planted(other=torch.randn_like)}, "loss of the answer"),
    "x0 as target": ({"loss_fn": planted(other=lambda x: x)}, "loss of 0"),
    "another schedule than in the loss": (
        {"schedule": linear_schedule(), "loss_fn": loss_of(COSINE, "eps")}, "noise in x_t"),
}  # fmt: skip
NETWORKS = {
    "t is ignored": ({"net": Changed(lambda n, x, t, y: n(x, 0 * t + 500, y))}, "time matters"),
    "y is ignored": ({"net": Changed(lambda n, x, t, y: n(x, t))}, "labels matter"),
    "y shuffled": ({"batch": (batch()[0], batch()[1].roll(7))}, "labels are true"),
}
MIXERS = {
    "E16 BatchNorm": ({"net": Changed(normalised)}, "rows are independent"),
    "dropout in evaluation": (
        {"net": Changed(lambda n, x, t, y: n(F.dropout(x, 0.1), t, y))}, "repeatable"),
}  # fmt: skip
GUESSES = {
    "a NaN weight": ({"net": with_nan()}, "finite numbers"),
    "v read as eps": ({"target": "eps"}, "target"),
    "v read as x0": ({"target": "x0"}, "target"),
    "the wrong sign": ({"net": Changed(lambda n, x, t, y: -n(x, t, y))}, "error by t"),
}  # fmt: skip
AVERAGES = {
    "E12 averaged buffers": (counted(lambda ema: ema.seen.mul_(0.9)), "EMA buffers"),
    "E12 never updated": ({"ema": UNet(1, 16, (1, 2), num_classes=10)}, "EMA is near"),
}  # fmt: skip
SAMPLERS = {
    "E6 noise at the last step": ({"sampler": loop(noise_at_end=0.01)}, "end of the sampler"),
    "E5 the last step is left out": ({"sampler": loop(last=2)}, "end of the sampler"),
    "E5 the model is asked for t - 1": (
        {"sampler": loop(tell=lambda t: t - 1)}, "times of the sampler"),
    "E24 the last hundred steps alone": ({"sampler": loop(first=100)}, "times of the sampler"),
    "E1 variance for deviation in the step": (
        {"sampler": loop(sigma=lambda var, beta: var)}, "noise on the way"),
    "no 1 / sqrt(alpha)": (
        {"sampler": loop(mean=lambda x, a, b, eps: x - (1 - a) / (1 - b).sqrt() * eps)},
        "noise on the way"),
    "E8 beta of one t for a stride": ({"sampler": strided}, "noise on the way"),
}  # fmt: skip
ALL = DATA | SCHEDULES | LOSSES | NETWORKS | MIXERS | GUESSES | AVERAGES | SAMPLERS


def first_fault(setup, **base):
    """The report on the trained digits, changed; its first fault must be the one planted."""
    changes, finding = setup
    report = whole(**{"loss_fn": None, "sampler": None} | base | changes)
    assert report.verdict == "a bug", report
    assert report.faults[0].name == finding, report


def line(x, t):
    """The best linear guess of eps: a healthy network that costs nothing and knows no labels."""
    alpha_bar, data = COSINE.at(t, x), batch()[0]
    var = alpha_bar * data.var(0) + 1 - alpha_bar
    return (1 - alpha_bar).sqrt() * (x - alpha_bar.sqrt() * data.mean(0)) / var


@pytest.mark.parametrize("name", DATA)
def test_broken_data_are_named(name):
    first_fault(DATA[name])


@pytest.mark.parametrize("name", SCHEDULES)
def test_broken_schedules_are_named(name):
    first_fault(SCHEDULES[name])


@pytest.mark.parametrize("name", LOSSES)
def test_broken_losses_are_named(name):
    first_fault(LOSSES[name], net=line, batch=batch()[0], target="eps")


@pytest.mark.parametrize("name", NETWORKS)
def test_broken_networks_are_named(name):
    first_fault(NETWORKS[name])


@pytest.mark.parametrize("name", MIXERS)
def test_chance_and_company_are_named(name):
    first_fault(MIXERS[name])


@pytest.mark.parametrize("name", GUESSES)
def test_wrong_guesses_are_named(name):
    first_fault(GUESSES[name])


@pytest.mark.parametrize("name", AVERAGES)
def test_broken_averages_are_named(name):
    first_fault(AVERAGES[name])


@pytest.mark.parametrize("name", SAMPLERS)
def test_broken_samplers_are_named(name):
    first_fault(SAMPLERS[name], net=line, batch=batch()[0], target="eps")


def test_a_line_is_healthy_but_knows_no_pictures():
    """The control of the losses and the samplers: without a bug, nothing is accused."""
    loss = lambda net, x, y: ddpm_loss(net, COSINE, x)  # noqa: E731
    report = diagnose(line, COSINE, batch()[0], "eps", None, loss, loop())
    assert report.verdict == "not trained yet" and not report.faults, report


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
    """Neither weights, buffers, gradients and modes, nor the next random number."""
    net = Changed(normalised).train().requires_grad_()
    before, state = copy.deepcopy(net.state_dict()), torch.get_rng_state()
    whole(net=net, ema=copy.deepcopy(net))
    assert net.training and all(w.grad is None and w.requires_grad for w in net.parameters())
    assert all(
        torch.equal(a, b) for a, b in zip(before.values(), net.state_dict().values(), strict=True)
    )
    assert torch.equal(state, torch.get_rng_state())


def test_a_report_says_what_was_measured_expected_and_to_do():
    """Each finding has its advice; a fault's is printed."""
    report = whole(net=with_nan(), loss_fn=None)
    expected, to_do = ADVICE["finite numbers"]
    fault = str(report.faults[0])
    assert fault in str(report) and expected in fault and to_do in fault
    assert str(report).startswith("a bug") and {f.name for f in report.findings} <= set(ADVICE)
    assert "to do" not in str(Finding("target", True, "all fits"))


def test_every_advice_is_given_by_a_planted_bug():
    assert set(ADVICE) == {finding for _, finding in ALL.values()}


def test_a_weight_that_is_not_finite_is_counted():
    """Even one that no answer shows, as in a layer that is not used."""
    net = copy.deepcopy(digits_net())
    net.unused = nn.Linear(1, 1)
    nn.init.constant_(net.unused.weight, math.inf)
    assert "1 weights, 0 answers" in str(whole(net=net, loss_fn=None).faults[0])


def test_a_batch_of_one_class_says_nothing_of_labels():
    x, y = load_images("digits")
    report = diagnose(digits_net(), COSINE, (x[y == 3], y[y == 3]), "v")
    assert report.verdict == "healthy" and "labels" not in str(report)


def test_an_average_may_be_handed_over_as_it_is():
    """The EMA, its model, or a function."""
    net, _, x = trained("v", 0)
    for ema in (EMA(net), EMA(net).model, lambda x, t: net(x, t)):
        assert "ok    EMA is near" in str(diagnose(net, COSINE, x[:64], "v", ema))


def test_a_plain_function_can_be_examined():
    """It need not be a module, and labels need not be."""
    report = diagnose(lambda x, t: x, COSINE, batch()[0])
    assert "time matters" in [fault.name for fault in report.faults]


def test_int_times_of_a_loop_are_understood():
    """A loop may hand over t as a number."""

    def loop(model, schedule, x):
        for t in range(schedule.T, 0, -1):
            x = ddim_step(schedule, x, t, t - 1, model(x, t))
        return x

    assert diagnose(digits_net(), COSINE, batch(), "v", sampler=loop).verdict == "healthy"


@pytest.mark.parametrize(
    "bad, said",
    [
        ({"batch": torch.zeros(64, 1, 8, 8, dtype=torch.uint8)}, "floats"),
        ({"batch": batch(8)}, "8 rows"),
        ({"batch": (batch()[0], batch(32)[1])}, "32 labels for 64"),
        ({"target": "noise"}, "'noise'"),
        ({"net": lambda x, t, y: x[:, :, :4]}, "expected that shape"),
        ({"net": lambda x, t, y: None}, "NoneType"),
    ],
)
def test_what_cannot_be_examined_is_refused_in_a_sentence(bad, said):
    with pytest.raises((TypeError, ValueError), match=said):
        whole(**bad)


def test_a_second_is_enough(capsys):
    """The whole set of checks asks the network a few dozen times, however many steps there are."""
    asked = []
    net = digits_net()
    whole(net=lambda x, t, y=None: asked.append(len(x)) or net(x, t, y))
    assert len(asked) < 30
