"""The training loop, the average of the weights, and checkpoints (needs torch alone).

``train`` owns the loop, not the objective: ``loss_fn(net, x, y)`` gives the loss of one batch.
"""

from __future__ import annotations

import copy
import hashlib
import io
import math
import os
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

LearningRate = float | Callable[[float], float]


class CheckpointError(ValueError):
    """A file that is no checkpoint of ours, or is damaged."""


class NonFiniteLossError(ValueError):
    """The loss became infinite or NaN; the weights are those before that step."""


class EMA:
    """Exponential moving average of the weights: ``.model`` is a copy of the network that holds it.

    Args:
        net: the network whose weights are averaged.
        decay: of the average, such as 0.999: about 1 / (1 - decay) steps are remembered. It starts
            low, (1 + n) / (10 + n) at update n, so that the random first weights are forgotten.

    Buffers are copied, not averaged. Built in chapter 5.
    """

    def __init__(self, net: nn.Module, decay: float = 0.999):
        if not 0 <= decay < 1:
            raise ValueError(f"decay is {decay}; expected a number in [0, 1), such as 0.999")
        self.decay, self.n = decay, 0
        self.model = copy.deepcopy(net).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, net: nn.Module) -> None:
        """Move the average towards ``net``; once after each step of the optimiser."""
        decay = min(self.decay, (1 + self.n) / (10 + self.n))
        averages, weights = list(self.model.parameters()), list(net.parameters())
        torch._foreach_lerp_(averages, weights, 1 - decay)
        for mine, theirs in zip(self.model.buffers(), net.buffers(), strict=True):
            mine.copy_(theirs)
        self.n += 1

    def state_dict(self) -> dict[str, Any]:
        return {"decay": self.decay, "n": self.n, "model": self.model.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.decay, self.n = state["decay"], state["n"]
        self.model.load_state_dict(state["model"])


def annealed(peak: float, warmup: float = 0.05) -> Callable[[float], float]:
    """A learning rate over progress 0 … 1: up to ``peak`` in a line, down to 0 in a half cosine
    (Loshchilov and Hutter 2017, arXiv 1608.03983, Eq. 5). Built in chapter 5."""

    def rate(progress: float) -> float:
        if progress < warmup:
            return peak * progress / warmup
        return peak * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) / 2

    return rate


def adamw(net: nn.Module, betas: tuple[float, float] = (0.9, 0.99)) -> torch.optim.AdamW:
    """The optimiser that ``train`` makes: AdamW (arXiv 1711.05101), its learning rate set later."""
    return torch.optim.AdamW(net.parameters(), lr=0.0, betas=betas, fused=True)


def train(
    net: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor | None]],
    loss_fn: Callable[[nn.Module, Tensor, Tensor | None], Tensor],
    steps: int,
    lr: LearningRate = 1e-3,
    ema: EMA | None = None,
    clip: float = 1.0,
    amp: bool = False,
    optimizer: torch.optim.Optimizer | None = None,
    start: int = 0,
) -> Iterator[tuple[int, float]]:
    """Yield (step, loss) after each step of the optimiser. A generator: iterate, or nothing runs.

    Args:
        net: trained in place.
        batches: endless (x, y); each step takes one.
        loss_fn: ``loss_fn(net, x, y)``, a scalar; such as ``ddpm_loss(net, schedule, x)``. It may
            call ``backward`` for parts of the batch itself, and return the rest (accumulation).
        steps: the number of the last step.
        lr: a number, or a function of progress 0 … 1 such as ``annealed(4e-3)``.
        ema: updated after each step.
        clip: longest gradient (its norm over all parameters).
        amp: compute in bfloat16 where that is safe.
        optimizer, start: to go on from a checkpoint: its optimiser and its step.

    Raises:
        NonFiniteLossError: before the weights are touched.

    Built in chapter 5.
    """
    optimizer = optimizer or adamw(net)
    device = next(net.parameters()).device
    net.train()
    for step, (x, y) in zip(range(start + 1, steps + 1), batches, strict=False):
        optimizer.zero_grad()
        with torch.autocast(device.type, torch.bfloat16, enabled=amp):
            loss = loss_fn(net, x, y)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(net.parameters(), clip)
        _check_finite(step, loss, norm)
        for group in optimizer.param_groups:
            group["lr"] = lr((step - 1) / steps) if callable(lr) else lr
        optimizer.step()
        if ema:
            ema.update(net)
        yield step, loss.item()


def _check_finite(step: int, loss: Tensor, norm: Tensor) -> None:
    if not (loss.isfinite() and norm.isfinite()):
        raise NonFiniteLossError(
            f"step {step}: the loss is {loss.item():g} and the gradient's norm {norm.item():g}; "
            "the weights are those before it. Lower the learning rate, or look for NaN in the data."
        )


def save_checkpoint(path: str | os.PathLike, **state: Any) -> None:
    """Write tensors, numbers, strings, lists and dicts; the file is whole or it is the old one.

    The bytes of ``torch.save`` and then their SHA-256, so that damage is found on loading.
    Raises:
        TypeError: there is something in it that ``load_checkpoint`` would refuse.

    Built in chapter 5.
    """
    _check_state(state, "the state")
    path, buffer = Path(path), io.BytesIO()
    torch.save(state, buffer)
    data = buffer.getvalue()
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with open(part, "wb") as file:
            file.write(data + hashlib.sha256(data).digest())
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def load_checkpoint(path: str | os.PathLike, device: str = "cpu") -> dict[str, Any]:
    """The state that ``save_checkpoint`` wrote. Nothing in the file is executed.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: it is cut, changed, or not one of ours.
        ValueError: there is no such device here.

    Built in chapter 5.
    """
    _check_device(device)
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file; `python -m ddpm_lite train` makes one")
    blob = path.read_bytes()
    if hashlib.sha256(blob[:-32]).digest() != blob[-32:]:
        raise CheckpointError(f"{path} is damaged or no checkpoint of ddpm_lite: checksum differs")
    _check_size(path, blob)
    try:
        return torch.load(io.BytesIO(blob[:-32]), map_location=device, weights_only=True)
    except Exception as error:  # a forged file makes the unpickler stumble in any way
        raise CheckpointError(f"{path} holds more than tensors, numbers and strings") from error


def _check_state(value: Any, name: str) -> None:
    """Refuse on saving what would be refused on loading, such as a number of numpy's."""
    if type(value) in (dict, OrderedDict):
        for key, part in value.items():
            _check_state(key, f"a key of {name}")
            _check_state(part, f"{name}[{key!r}]")
    elif type(value) in (list, tuple):
        for i, part in enumerate(value):
            _check_state(part, f"{name}[{i}]")
    elif type(value) not in (int, float, str, bool, type(None)) and not isinstance(value, Tensor):
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        hint = "expected tensors, numbers, strings, lists and dicts: convert it, as by float(x)"
        raise TypeError(f"{name} is a {kind}; {hint}")


def _check_device(device: str) -> None:
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        message = f'PyTorch finds no device "{device}" here: load to another, such as "cpu"'
        raise ValueError(message) from error


def _check_size(path: Path, blob: bytes) -> None:
    """A forged file may hold little that unpacks to much; ours are not packed."""
    try:
        members = zipfile.ZipFile(io.BytesIO(blob[:-32])).infolist()
    except Exception as error:  # whatever a forged file makes it stumble over
        raise CheckpointError(f"{path} is no checkpoint of ddpm_lite: not an archive") from error
    if sum(member.file_size for member in members) > len(blob):
        raise CheckpointError(f"{path} is no checkpoint of ddpm_lite: it unpacks to more bytes")
