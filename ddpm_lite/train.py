"""The training loop, the learning rate, and the average of the weights (needs only torch).

``train`` runs the loop with your loss: ``loss_fn(net, x, y)`` returns the loss of one batch.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

LearningRate = float | Callable[[float], float]


class NonFiniteLossError(ValueError):
    """The loss became infinite or NaN. The weights are still those from before that step."""


class EMA:
    """Exponential moving average of the weights, kept in ``.model``, a copy of the network.

    Args:
        net: the network whose weights are averaged.
        decay: such as 0.999, which averages over about the last 1 / (1 - decay) steps. At update n
            it's at most (1 + n) / (10 + n). This warm-up forgets the random first weights.

    Raises:
        ValueError: decay isn't in [0, 1).

    Buffers are copied, not averaged. Built in chapter 5.
    """

    def __init__(self, net: nn.Module, decay: float = 0.999):
        if not 0 <= decay < 1:
            raise ValueError(f"decay is {decay}; expected a number in [0, 1), such as 0.999")
        self.decay, self.n = decay, 0
        self.model = copy.deepcopy(net).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, net: nn.Module) -> None:
        """Move the average towards ``net``. Call it once after each step of the optimiser."""
        decay = min(self.decay, (1 + self.n) / (10 + self.n))
        averages, weights = list(self.model.parameters()), list(net.parameters())
        if [(w.shape, w.device) for w in averages] != [(w.shape, w.device) for w in weights]:
            hint = "expected the same net: make EMA(net) after net.to(device)"
            raise ValueError(f"the weights and their average differ in shape or device; {hint}")
        torch._foreach_lerp_(averages, weights, 1 - decay)
        for mine, theirs in zip(self.model.buffers(), net.buffers(), strict=True):
            mine.copy_(theirs)
        self.n += 1

    def state_dict(self) -> dict[str, Any]:
        """The average, its decay and the number of updates, for a checkpoint."""
        return {"decay": self.decay, "n": self.n, "model": self.model.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what ``state_dict`` returned."""
        self.decay, self.n = state["decay"], state["n"]
        self.model.load_state_dict(state["model"])


def warmup_cosine(peak: float, warmup: float = 0.05) -> Callable[[float], float]:
    """A learning rate as a function of progress 0 … 1. It rises linearly to ``peak`` during the
    share ``warmup`` of the run, then falls to 0 along half a cosine (Loshchilov and Hutter 2017,
    arXiv 1608.03983, Eq. 5). Built in chapter 5.

    Raises:
        ValueError: warmup isn't in [0, 1). It's a share, not a number of steps.
    """
    if not 0 <= warmup < 1:
        raise ValueError(f"warmup is {warmup}; expected a share of the run in [0, 1), such as 0.05")

    def rate(progress: float) -> float:
        if progress < warmup:
            return peak * progress / warmup
        return peak * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) / 2

    return rate


def adamw(net: nn.Module, betas: tuple[float, float] = (0.9, 0.99)) -> torch.optim.AdamW:
    """The optimiser that ``train`` uses by default: AdamW (Loshchilov and Hutter 2019, arXiv
    1711.05101). ``train`` sets its learning rate. Used from chapter 5 on."""
    return torch.optim.AdamW(net.parameters(), lr=0.0, betas=betas, fused=True)


def train(net: nn.Module, batches: Iterable, loss_fn: Callable[..., Tensor], steps: int,
          lr: LearningRate = 1e-3, ema: EMA | None = None, clip: float = 1.0, amp: bool = False,
          optimizer: torch.optim.Optimizer | None = None, start: int = 0
          ) -> Iterator[tuple[int, float]]:  # fmt: skip
    """Yield (step, loss) after each training step. This is a generator, so nothing runs until you
    iterate over it.

    Args:
        net: the network, which is trained in place. It's put into training mode once, at the start.
            If you call ``net.eval()`` along the way, call ``net.train()`` again.
        batches: one pair (x, y), or one tensor x, for each step. A ``DataLoader`` or a list is
            repeated. A generator must be endless.
        loss_fn: ``loss_fn(net, x, y)``, a scalar, such as ``ddpm_loss(net, schedule, x)``. To
            accumulate gradients, it may call ``backward`` itself for all parts of a batch but the
            last.
        steps: the number of the last step.
        lr: a number, or a function of progress 0 … 1 such as ``warmup_cosine(4e-3)``.
        ema: an average of the weights, updated after each step.
        clip: the largest norm of the gradient over all parameters. Longer gradients are scaled down
            to it.
        amp: compute in bfloat16 where that's safe.
        optimizer, start: the optimiser and the step from a checkpoint, to resume a run.

    Raises:
        TypeError, ValueError: the network has nothing to train, a batch isn't x or (x, y), the
            batches end, the loss isn't a scalar that depends on the weights, or a number is out of
            range.
        NonFiniteLossError: the loss is NaN or infinite. That step doesn't change the weights.

    Built in chapter 5.
    """
    _check_training(net, steps, lr, clip)
    optimizer = optimizer or adamw(net)
    device = next(net.parameters()).device
    net.train()
    for step, batch in zip(range(start + 1, steps + 1), _endless(batches), strict=False):
        x, y = _pair(batch)
        optimizer.zero_grad()
        with torch.autocast(device.type, torch.bfloat16, enabled=amp):
            loss = loss_fn(net, x, y)
        _check_scalar(loss)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(net.parameters(), clip)
        _check_finite(step, loss, norm)
        for group in optimizer.param_groups:
            group["lr"] = lr((step - 1) / steps) if callable(lr) else lr
        optimizer.step()
        if ema:
            ema.update(net)
        yield step, loss.item()


def _endless(batches: Iterable) -> Iterator:
    """The batches again and again. An iterator that ends can't be repeated, so it's refused."""
    while True:
        n = -1
        for n, batch in enumerate(batches):  # noqa: B007
            yield batch
        if n < 0 or batches is iter(batches):
            raise ValueError(f"the batches ended after {n + 1}; expected a DataLoader, a list, or "
                             "an endless generator such as ddpm_lite.batches(x, y)")  # fmt: skip


def _pair(batch: Any) -> tuple[Tensor, Tensor | None]:
    """x and y of a batch (x, y), (x,) or x."""
    x, *rest = batch if isinstance(batch, (tuple, list)) and batch else (batch,)
    if not isinstance(x, Tensor) or len(rest) > 1:
        hint = "expected tensors x or (x, y): for dicts, ((b['image'], b['label']) for b in loader)"
        raise TypeError(f"a batch is {type(batch).__name__} of {type(x).__name__}; {hint}")
    return x, rest[0] if rest else None


def _check_scalar(loss: Tensor) -> None:
    tensor = isinstance(loss, Tensor)
    if not tensor or loss.numel() != 1 or not loss.requires_grad:
        given = f"a tensor of shape {tuple(loss.shape)}" if tensor else f"{loss!r:.60}"
        raise TypeError(f"loss_fn returned {given}; expected a scalar that depends on the weights, "
                        "such as ddpm_loss(net, schedule, x)")  # fmt: skip


def _check_training(net: nn.Module, steps: int, lr: LearningRate, clip: float) -> None:
    if not isinstance(net, nn.Module):
        raise TypeError(f"net is a {type(net).__name__}; expected a network, before the batches")
    if not torch.is_grad_enabled():
        raise ValueError("gradients are off: call train outside torch.no_grad()")
    if not any(weight.requires_grad for weight in net.parameters()):
        raise ValueError("every weight of net is frozen: call net.requires_grad_(True) first")
    numbers = type(steps) is int and isinstance(clip, (int, float))
    numbers = numbers and (callable(lr) or isinstance(lr, (int, float)))
    if not numbers or steps < 1 or not (callable(lr) or lr > 0) or not clip > 0:
        raise ValueError(f"steps is {steps}, lr {lr!r}, clip {clip}; expected numbers above 0")


def _check_finite(step: int, loss: Tensor, norm: Tensor) -> None:
    if not (loss.isfinite() and norm.isfinite()):
        raise NonFiniteLossError(
            f"step {step}: the loss is {loss.item():g} and the gradient's norm {norm.item():g}. The"
            " weights are still those from before this step. Lower the learning rate, or look for"
            " NaN in the data."
        )
