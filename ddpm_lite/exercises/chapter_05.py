"""The checks of the exercises of chapter 5."""

import io
from collections.abc import Callable, Iterator
from itertools import islice

import torch
from torch import Tensor

from ddpm_lite import EMA, MLP, adamw, batches, train, warmup_cosine


def exercise_1(half_life: Callable, decay_for: Callable) -> None:
    """The half-life of an average, and the decay for a half-life."""
    for decay in (0.5, 0.99, 0.999, 0.9999):
        steps = _given("half_life", half_life(decay))
        share = decay**steps
        if abs(share - 0.5) > 1e-6:
            raise ValueError(f"after {steps:.0f} steps with the decay {decay} the share is "
                             f"{share:.2f}; expected 0.50")  # fmt: skip
        back = _given("decay_for", decay_for(steps))
        if abs(back - decay) > 1e-9:
            raise ValueError(f"decay_for({steps:.4g}) is {back:.4f}; expected {decay}")


def exercise_2(pack: Callable, unpack: Callable) -> None:
    """A run that continues from a packed state must equal one that never stopped."""
    torch.manual_seed(0)
    nets, file = [MLP(2, 16, 1) for _ in range(3)], io.BytesIO()
    nets[1].load_state_dict(nets[0].state_dict())
    runs = [(net, EMA(net, 0.9), adamw(net)) for net in nets]
    straight = _advance(*runs[0], 0, 6)
    _advance(*runs[1], 0, 3)
    torch.save(pack(*runs[1], 3), file)
    try:
        state = torch.load(io.BytesIO(file.getvalue()), weights_only=True)
    except Exception:  # whatever a safe load refuses
        sentence = "the packed dict holds whole objects; expected only tensors, numbers and dicts"
        raise ValueError(sentence) from None
    step = _given("unpack", unpack(state, *runs[2]))
    if step != 3:
        raise ValueError(f"unpack returns {step}; expected the step that was packed, 3")
    resumed = _advance(*runs[2], step, 6)
    for a, b, what in zip(straight, resumed, ("weights", "averages"), strict=True):
        if not all(map(torch.equal, a, b)):
            raise ValueError(f"six steps in one go and 3 + 3 steps give different {what}")


def exercise_3(step_in_parts: Callable) -> None:
    """One step in parts must equal the step with the whole batch."""
    x, t = torch.linspace(-1, 1, 40).view(20, 2).cos(), torch.arange(1, 21)
    for cuts in ([20], [10, 10], [5, 5, 5, 5], [12, 7, 1]):
        net, whole, seen = _small(), _small(), []
        loss = lambda net, x, t: seen.append(len(x)) or _loss(net, x, t)  # noqa: B023, E731
        _loss(net, x[:3], t[:3]).backward()  # left over from before
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        step_in_parts(net, optimizer, loss, list(zip(x.split(cuts), t.split(cuts), strict=True)))
        if max(seen, default=0) > max(cuts):
            raise ValueError(f"a loss is of {max(seen)} rows at once; expected parts of at most "
                             f"{max(cuts)}, since more don't fit into memory")  # fmt: skip
        _loss(whole, x, t).backward()
        for mine, p in zip(net.parameters(), whole.parameters(), strict=True):
            off = (mine - (p - 0.1 * p.grad)).abs().max()
            if not off < 1e-6:
                raise ValueError(f"with parts of {cuts} rows the weights are off by {off:.2g}")


def exercise_4(bucket_losses: Callable) -> None:
    """The expectation over all draws of t must be the mean over each bucket."""
    p = torch.tensor([0, 5, 1, 1, 1, 2, 2, 4, 1, 1, 1, 1, 4]).double() / 24
    e = torch.arange(13).double() ** 2  # the error at each timestep
    truth = e[1:].view(3, 4).mean(1)
    for n in (1, 2):
        mean = torch.zeros(3).double()
        for t in torch.cartesian_prod(*[torch.arange(1, 13)] * n).view(-1, n):
            mean += p[t].prod() * _given("bucket_losses", bucket_losses(t, e[t], p, 3))
        if not torch.allclose(mean, truth):
            numbers = " and ".join(str([round(v, 2) for v in a.tolist()]) for a in (mean, truth))
            raise ValueError(f"for N = {n}, your expected losses and the true ones are {numbers}")


def _given(name: str, answer):
    if answer is None:
        raise ValueError(f"{name} returns nothing")
    return answer


def _advance(net, ema, optimizer, start: int, stop: int) -> list[list[Tensor]]:
    """The weights and the averages after the steps from start to stop."""
    data, t = torch.linspace(-1, 1, 64).view(32, 2), torch.ones(8).long()
    run: Iterator = train(net, batches(data, size=8, start=start),
                          lambda net, x, y: (net(x, t) - 1).square().mean(), 6,
                          warmup_cosine(1e-2), ema, optimizer=optimizer, start=start)  # fmt: skip
    list(islice(run, stop - start))
    return [[*part.state_dict().values()] for part in (net, ema.model)]


def _small() -> MLP:
    torch.manual_seed(0)
    return MLP(2, 16, 1)


def _loss(net, x: Tensor, t: Tensor) -> Tensor:
    return (net(x, t) - x).square().mean()
