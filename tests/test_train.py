"""Theorems about the training loop and the average of the weights."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader

from ddpm_lite import (
    EMA,
    MLP,
    NonFiniteLossError,
    adamw,
    batches,
    ddpm_loss,
    linear_schedule,
    load_checkpoint,
    load_points,
    save_checkpoint,
    train,
    warmup_cosine,
)

X = load_points("gaussians", 64)
SCHEDULE = linear_schedule()


def loss_fn(net, x, y):
    return ddpm_loss(net, SCHEDULE, x)


def state(net) -> list[torch.Tensor]:
    return [tensor.clone() for tensor in net.state_dict().values()]


def same(a, b) -> bool:
    return all(torch.equal(x, y) for x, y in zip(state(a), state(b), strict=True))


# The loop


def test_training_lowers_the_loss():
    """Gradient descent on Eq. 14: the mean of the last 20 losses is below that of the first 20."""
    steps = train(MLP(2, 32, 2), batches(X, size=32), loss_fn, 100, lr=1e-2)
    losses = [loss for _, loss in steps]
    assert sum(losses[-20:]) < 0.8 * sum(losses[:20])


def test_nothing_runs_until_one_iterates():
    """train is a generator: one next() is one step of the optimiser, taken before the yield."""
    net, drawn = MLP(2, 8, 1), []

    def spy():
        for batch in batches(X, size=8):
            drawn.append(batch)
            yield batch

    before = copy.deepcopy(net)
    steps = train(net, spy(), loss_fn, 3)
    assert same(net, before) and not drawn
    assert next(steps)[0] == 1
    assert not same(net, before) and len(drawn) == 1
    assert [step for step, _ in steps] == [2, 3] and len(drawn) == 3


def test_the_loss_that_is_yielded_is_that_of_the_batch():
    """(step, loss_fn(net, x, y)), the loss before the step, as a number."""
    net, y = MLP(2, 8, 1), torch.arange(64)
    before, seen = copy.deepcopy(net), []

    def spy(net, x, y):
        seen.append((x, y))
        return net(x, y + 1).square().mean()

    _, loss = next(train(net, batches(X, y, size=8), spy, 1))
    (x, y) = seen[0]
    assert isinstance(loss, float) and loss == before(x, y + 1).square().mean().item()
    assert torch.equal(X[y], x)  # the labels came with their rows


def test_a_long_gradient_is_cut_to_the_length_clip():
    """Plain gradient descent with rate 1 moves the weights by the clipped gradient."""
    net = MLP(2, 8, 1)
    for clip, bound in ((0.01, 0.01), (1e9, math.inf)):
        before = copy.deepcopy(net)
        optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
        next(train(net, batches(X), loss_fn, 1, lr=1.0, clip=clip, optimizer=optimizer))
        moves = zip(net.parameters(), before.parameters(), strict=True)
        length = sum((p - q).square().sum() for p, q in moves).sqrt()
        assert min(bound, 0.05) * 0.99 < length < bound * 1.001


def test_a_warmed_up_rate_rises_in_a_line_and_falls_as_a_half_cosine():
    """peak p / warmup, then peak (1 + cos(pi q)) / 2 (arXiv 1608.03983, Eq. 5)."""
    rate = warmup_cosine(4e-3, warmup=0.1)
    assert [rate(0.0), rate(0.05), rate(0.1)] == pytest.approx([0, 2e-3, 4e-3])
    assert rate(0.55) == pytest.approx(2e-3) and rate(1.0) == pytest.approx(0)
    falling = [rate(p / 100) for p in range(10, 101)]
    assert falling == sorted(falling, reverse=True)


def test_the_rate_follows_the_progress_of_the_whole_run():
    """lr((step - 1) / steps), from 0 to almost 1, also when a run goes on from its middle."""
    used = []

    def spy(progress):
        used.append(progress)
        return 1e-3

    net = MLP(2, 8, 1)
    optimizer = adamw(net)
    for _ in train(net, batches(X), loss_fn, 4, lr=spy, optimizer=optimizer):
        assert optimizer.param_groups[0]["lr"] == 1e-3
    list(train(net, batches(X), loss_fn, 4, lr=spy, start=2))
    assert used == [0, 0.25, 0.5, 0.75, 0.5, 0.75]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_before_the_weights_change(bad):
    """Neither the weights, nor the average, nor the optimiser ever sees it; the step is named."""
    net = MLP(2, 8, 1)
    ema, optimizer, before = EMA(net), adamw(net), None

    def poisoned(net, x, y):
        return loss_fn(net, x, y) * (bad if ema.n == 2 else 1)

    steps = train(net, batches(X), poisoned, 5, ema=ema, optimizer=optimizer)
    with pytest.raises(NonFiniteLossError, match="step 3"):
        for _ in steps:
            before, average = copy.deepcopy(net), copy.deepcopy(ema.model)
            moments = copy.deepcopy(optimizer.state_dict()["state"])
    assert same(net, before) and same(ema.model, average) and ema.n == 2
    for mine, theirs in zip(
        optimizer.state_dict()["state"].values(), moments.values(), strict=True
    ):
        assert all(torch.equal(mine[k], theirs[k]) for k in mine)


def test_a_gradient_that_is_not_finite_stops_too():
    """sqrt has an infinite slope at 0 though its value is finite."""
    net = MLP(2, 8, 1)
    before = copy.deepcopy(net)

    def steep(net, x, y):
        return (0 * net(x, y)).sum().sqrt()

    with pytest.raises(NonFiniteLossError, match="gradient"):
        next(train(net, batches(X, torch.arange(64)), steep, 1))
    assert same(net, before)


def test_mixed_precision_computes_in_bfloat16_and_keeps_float32_weights():
    """amp=True: activations of linear layers are bfloat16, weights and their average are not."""
    net, kinds = MLP(2, 8, 1), []
    ema = EMA(net)
    net.proj_out.register_forward_hook(lambda module, args, out: kinds.append(out.dtype))
    for amp in (True, False):
        next(train(net, batches(X), loss_fn, 1, ema=ema, amp=amp))
    assert kinds == [torch.bfloat16, torch.float32]
    assert {p.dtype for m in (net, ema.model) for p in m.parameters()} == {torch.float32}


def test_the_average_is_taken_after_the_step():
    """With decay 0 it is the network as the step left it, not as the step found it."""
    net = MLP(2, 8, 1)
    ema, before = EMA(net, 0.0), copy.deepcopy(net)
    next(train(net, batches(X), loss_fn, 1, ema=ema))
    assert same(ema.model, net) and not same(net, before)


def test_a_loss_function_may_add_up_gradients_of_parts_itself():
    """Gradient accumulation: it calls backward for one half and returns the rest; one step of this
    is one step of the whole batch."""
    t = torch.arange(1, 65)

    def half(net, x, y):
        return (net(x, y) - x).square().mean() / 2

    def in_parts(net, x, y):
        first = half(net, x[:32], y[:32])
        first.backward()
        return first.detach() + half(net, x[32:], y[32:])

    def at_once(net, x, y):
        return 2 * half(net, x, y)

    nets = [MLP(2, 8, 1)]
    nets.append(copy.deepcopy(nets[0]))
    losses = [[loss for _, loss in train(net, [(X, t)] * 5, loss_fn, 5)]
              for net, loss_fn in zip(nets, (in_parts, at_once), strict=True)]  # fmt: skip
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    pairs = zip(state(nets[0]), state(nets[1]), strict=True)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in pairs)


@pytest.mark.parametrize("kind", [list, tuple, lambda b: DataLoader(b, batch_size=None)])
def test_batches_begin_again_at_their_end(kind):
    """A list or a DataLoader of three batches serves seven steps."""
    seen, sets = [], [(X[i : i + 8], torch.tensor([i])) for i in range(3)]

    def spy(net, x, y):
        seen.append(int(y))
        return loss_fn(net, x, y)

    assert len(list(train(MLP(2, 8, 1), kind(sets), spy, 7))) == 7
    assert seen == [0, 1, 2, 0, 1, 2, 0]


@pytest.mark.parametrize("make", [
    lambda: (X for _ in range(3)), lambda: zip([X] * 3, [None] * 3, strict=True),
])  # fmt: skip
def test_a_generator_that_ends_too_early_is_refused(make):
    """It cannot begin again: one sentence after its last batch, not a run that is too short."""
    steps = train(MLP(2, 8, 1), make(), loss_fn, 7)
    assert [next(steps)[0] for _ in range(3)] == [1, 2, 3]
    with pytest.raises(ValueError, match="the batches ended after 3; expected a DataLoader"):
        next(steps)


def test_a_generator_that_is_long_enough_may_end():
    """No batch is drawn beyond the last step."""
    assert len(list(train(MLP(2, 8, 1), (X for _ in range(3)), loss_fn, 3))) == 3


@pytest.mark.parametrize("batch", [X, [X], (X,), (X, None), [X, None]], ids=str)
def test_a_batch_may_come_without_labels(batch):
    """x, (x,) and (x, None) are the same batch, in a list or a tuple."""

    def spy(net, x, y):
        assert torch.equal(x, X) and y is None
        return loss_fn(net, x, y)

    assert len(list(train(MLP(2, 8, 1), [batch], spy, 2))) == 2


def test_training_puts_the_network_into_training_mode():
    """Dropout must act, whatever mode the network was left in by sampling."""
    net = MLP(2, 8, 1).eval()
    next(train(net, batches(X), loss_fn, 1))
    assert net.training


# The average of the weights


def net_with_buffers():
    return nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))


def walk(net, steps):
    """Random weights and moving statistics, as if training."""
    for _ in range(steps):
        with torch.no_grad():
            for p in net.parameters():
                p += torch.randn_like(p)
        net(torch.randn(16, 2))
        yield


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.999])
def test_ema_is_torchs_averaged_model_with_the_same_decays(decay):
    """a <- d a + (1 - d) w with d = min(decay, (1 + n) / (10 + n)) (AveragedModel as a referee)."""
    net = net_with_buffers()
    ema = EMA(net, decay)

    def average(a, w, n):
        d = min(decay, n / (9 + n))  # its n is one more, since its first update would only copy
        return d * a + (1 - d) * w

    referee = AveragedModel(net, avg_fn=average)
    referee.n_averaged += 1
    for _ in walk(net, 30):
        ema.update(net)
        referee.update_parameters(net)
    for a, b in zip(
        ema.model.state_dict().values(), referee.module.state_dict().values(), strict=True
    ):
        assert torch.allclose(a, b, atol=1e-5)


def test_ema_copies_buffers_and_does_not_average_them():
    """Running statistics and counters are bit-identical to those of the network."""
    net = net_with_buffers()
    ema = EMA(net, 0.9)
    for _ in walk(net, 5):
        ema.update(net)
        pairs = zip(ema.model.buffers(), net.buffers(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
    assert ema.model[1].num_batches_tracked == 5


def test_ema_forgets_the_random_start():
    """After 100 updates with constant weights w the average is w, though decay is 0.9999."""
    net = nn.Linear(2, 2)
    ema = EMA(net, 0.9999)
    nn.init.constant_(net.weight, 5.0)
    for _ in range(100):
        ema.update(net)
    assert torch.allclose(ema.model.weight, net.weight, atol=1e-3)


def test_ema_is_a_copy_that_does_not_train():
    """Its own tensors, in evaluation mode, without gradients."""
    net = net_with_buffers()
    ema = EMA(net)
    assert not ema.model.training and not any(p.requires_grad for p in ema.model.parameters())
    assert same(ema.model, net)
    assert {p.data_ptr() for p in ema.model.parameters()}.isdisjoint(
        p.data_ptr() for p in net.parameters()
    )


@pytest.mark.parametrize("decay", [-0.1, 1.0, 10, math.nan])
def test_a_decay_that_averages_nothing_is_refused(decay):
    """decay lies in [0, 1)."""
    with pytest.raises(ValueError, match="decay"):
        EMA(nn.Linear(1, 1), decay)


# Resuming


def seeded(net, x, y):
    """Noise from (seed, step) alone, so that nothing else has to be saved."""
    torch.manual_seed(int(seeded.step))
    seeded.step += 1
    return ddpm_loss(net, SCHEDULE, x)


def run(path, stops):
    """Train to the last of ``stops``, through a checkpoint and new objects at the others."""
    torch.manual_seed(0)
    net = MLP(2, 8, 1)
    ema, optimizer, start, losses = EMA(net, 0.9), adamw(net), 0, []
    for stop in stops:
        seeded.step = start
        stream = batches(X, size=24, seed=3, start=start)  # 2 batches an epoch
        rate = warmup_cosine(1e-2)
        for step, loss in train(
            net, stream, seeded, stops[-1], rate, ema, optimizer=optimizer, start=start
        ):
            losses.append(loss)
            if step == stop:
                break
        parts = {"net": net, "ema": ema, "optimizer": optimizer}
        save_checkpoint(path, step=stop, **{k: v.state_dict() for k, v in parts.items()})
        saved = load_checkpoint(path)
        net = MLP(2, 8, 1)
        ema, optimizer, start = EMA(net), adamw(net), saved["step"]
        for part, into in (("net", net), ("ema", ema), ("optimizer", optimizer)):
            into.load_state_dict(saved[part])
    return net, ema, losses


def test_a_resumed_run_is_bit_for_bit_the_run_that_never_stopped(tmp_path):
    """9 steps = 4 + 3 + 2 through save and load: weights, average and every loss."""
    net, ema, losses = run(tmp_path / "a.pt", [9])
    again, ema_again, losses_again = run(tmp_path / "b.pt", [4, 7, 9])
    assert same(net, again) and same(ema.model, ema_again.model)
    assert losses == losses_again and ema.n == ema_again.n == 9
