"""What ``diagnose`` examines, and the stand-ins (needs torch, diffusion.py)."""

import copy
import math
import re
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from ..diffusion import TARGETS, Schedule, predict_eps, q_sample

Net = Callable[..., Tensor]
Asked = list[tuple[Tensor, Tensor]]  # the inputs of a stand-in: xt and t (B,)
LEARNED = 0.9  # a network has learned if its error is below this share of the best line's
ENOUGH = 4_000  # numbers at each level, so that a mean square scatters by 0.02
LEVELS = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.97, 1.0)  # timesteps, as shares of T

# fmt: off


def linear_error(x: Tensor, alpha_bar: Tensor, target: str = "eps") -> Tensor:
    """The smallest mean squared error of a prediction that is linear in the pixel itself and uses
    no other pixels. For eps, it's alpha_bar var(x0) / (alpha_bar var(x0) + 1 - alpha_bar), averaged
    over the pixels of x (B, …). Explained in chapter 10."""
    alpha_bar, var = alpha_bar.squeeze(), x.var(0)
    share = {"eps": alpha_bar, "x0": 1 - alpha_bar, "v": 1}[target]
    return (share * var / (alpha_bar * var + 1 - alpha_bar)).mean()


def told(x0: Tensor, schedule: Any, target: str = "eps") -> Net:
    """A stand-in for a network, which knows x0 and so can compute the right prediction, by solving
    Eq. 4 of DDPM for the noise. Explained in chapter 10."""

    def answer(xt: Tensor, t: Any, *labels: Any, **named: Any) -> Tensor:
        eps = predict_eps(schedule, xt, t, x0)
        return TARGETS[target](schedule, x0, t, eps)

    return answer


class Case:
    """Everything that is examined: the batch, its noisy versions at several levels, and the
    predictions of the network for them.

    A case also works as a schedule, with the user's alpha_bar on the device of the batch.
    """

    at, ratio = Schedule.at, math.nan

    def __init__(self, net, schedule, batch, target, ema, loss_fn, sampler):
        if not hasattr(schedule, "alpha_bar") or not hasattr(schedule, "T"):
            raise TypeError(f"schedule is {kind_of(schedule)} without .T and .alpha_bar; expected "
                            "Schedule(betas), and for a network that counts t from 0, such as one "
                            "of diffusers, lambda x, t: net(x, t - 1)")
        self.data, y = _pair(batch)
        self.given, self.net, self.ema = net, _still(net), _still(ema)
        self.modules = [*self.net.modules()] if isinstance(net, nn.Module) else []
        self.schedule, self.target, self.loss_fn, self.sampler = schedule, target, loss_fn, sampler
        weight = next(net.parameters(), self.data) if self.modules else self.data
        self.dtype, self.T, D = weight.dtype, int(schedule.T), self.data[0].numel()
        rows = torch.randperm(len(self.data))[: max(128, 4 * ENOUGH // D)].sort().values
        rows = rows.repeat(math.ceil(ENOUGH / (len(rows) * D)))
        self.x, self.y, self.alpha_bar = (
            None if a is None else torch.as_tensor(a).detach().to(weight.device)
            for a in (self.data[rows], y if y is None else y[rows], schedule.alpha_bar))
        self.alpha_bar = self.alpha_bar.float()

    def look(self) -> None:
        """Noise the batch to each level, and store the network's predictions (levels, B, …)."""
        self.times = [max(1, round(share * self.T)) for share in LEVELS]
        levels = [(self, self.x, t, torch.randn_like(self.x)) for t in self.times]
        self.noisy = torch.stack([q_sample(*level) for level in levels])
        self.truth = {name: torch.stack([f(*level) for level in levels])
                      for name, f in TARGETS.items()}
        self.label = self._label()
        self.predictions = self.predict(self.net)
        self.ratio = self.over_line()
        self.trained = self.ratio < LEARNED

    def _label(self) -> Tensor | None:
        """The labels, or None if the network takes none."""
        try:
            self.label = self.y
            self.ask(self.net, self.noisy[0], 1)
        except ValueError as error:
            if self.y is None or not re.search(TAKES_NONE, str(error)):
                raise
            return None
        return self.y

    @cached_property
    def awake(self) -> Net:
        """The network if it has learned something, otherwise a copy in which zero matrices are
        replaced by random ones. With a zero last layer, the output would be 0 for any input, and
        checks could not see which inputs matter."""
        if self.trained or not self.modules:
            return self.net
        net = copy.deepcopy(self.net)
        for weight in net.parameters():
            if weight.ndim > 1 and not weight.any():
                nn.init.normal_(weight, std=0.1)
        return net

    def ask(self, net: Net, xt: Tensor, t: Any, y: Tensor | None = None) -> Tensor:
        """The prediction of a network for labels y, by default those of the batch."""
        y = self.label if y is None else y
        args = xt.to(self.dtype), rows_of(t, xt).long(), *([] if y is None else [y[: len(xt)]])
        return _called("net(x, t, y)" if args[2:] else "net(x, t)", net, args, xt,
                       "give lambda x, t: net(x, t).sample, net(x, t)[0], or for a learned "
                       "variance net(x, t).chunk(2, dim=1)[0]")

    def predict(self, net: Net) -> Tensor:
        """The predictions of a network at all levels, (levels, B, …)."""
        return torch.stack([*map(partial(self.ask, net), self.noisy, self.times)])

    def errors(self, predictions: Tensor | int, target: str = "") -> Tensor:
        """The mean squared error at each level, (levels,). For the prediction 0, it's the mean
        square of the target."""
        return (predictions - self.truth[target or self.target]).square().flatten(1).mean(1)

    def over_line(self, target: str = "", sign: int = 1) -> float:
        """The error of the network divided by that of the best straight line, at the level where
        it's smallest."""
        lines = [linear_error(self.x, self.alpha_bar[t], target or self.target) for t in self.times]
        return (self.errors(sign * self.predictions, target) / torch.stack(lines)).min().item()

    def stand_in(self, answer: Net) -> tuple[Net, Asked]:
        """A stand-in for the network, and a list that records its inputs."""
        asked: Asked = []

        def net(xt: Tensor, t: Any, *labels: Any, **named: Any) -> Tensor:
            asked.append((xt, rows_of(t, xt)))
            return answer(xt, asked[-1][1].long().clamp(1, self.T))

        return net, asked

    def loss(self, answer: Net) -> tuple[float, Asked]:
        """The loss with a stand-in for the network, and the inputs of the stand-in."""
        net, asked = self.stand_in(answer)
        if not self.modules:
            return self._loss_of(net, asked)
        with mock.patch.object(self.given, "forward", net):  # for a loss that has its own network
            return self._loss_of(self.given, asked)

    def _loss_of(self, net: Net, asked: Asked) -> tuple[float, Asked]:
        """The loss of a network that records its inputs. It tries all the ways in which the loss
        may be called."""
        x, y, failed = self.x, self.y, ValueError("it never called the net; if it has its own, "
                                                  "give that module itself as net")
        for args in (net, x, y), (net, x), (x, y), (x,):
            try:
                loss = _number(self.loss_fn(*args))
                if asked:
                    return loss, asked
            except Exception as error:
                failed = failed if re.search(TAKES_NONE, str(error)) else error
                asked.clear()
        raise ValueError(f"loss_fn(net, x, y) failed: {failed!r}; expected the loss alone, a "
                         "scalar, from a function that calls net(x, t)") from failed

    def draw(self, model: Net, n: int) -> Tensor:
        """n samples (n, …) that the sampler draws from noise."""
        xT = torch.randn_like(self.x[:n])
        return _called("sampler(model, schedule, xT)", self.sampler, (model, self.schedule, xT), xT,
                       "return x0 alone, such as frames[-1]")


TAKES_NONE = "positional argument|without conditions|class_embedding needs to be"


def _pair(batch: Any) -> tuple[Tensor, Tensor | None]:
    """x and y of a batch, which may be x, (x, y), a dict, or a DataLoader that yields one of
    these."""
    try:
        if not isinstance(batch, (tuple, list, Mapping)) and not hasattr(batch, "__array__"):
            batch = next(iter(batch))
        if isinstance(batch, Mapping):  # the images are the larger tensor
            batch = sorted(map(torch.as_tensor, batch.values()), key=lambda a: -a.numel())
        x, *y = batch if isinstance(batch, (tuple, list)) else [batch]
        x, y = torch.as_tensor(x), [torch.as_tensor(a) for a in y if a is not None]
    except Exception as error:
        raise TypeError(f"the batch is {kind_of(batch)}; expected x or (x, y)") from error
    _check_batch(x, y)
    return x.float(), *(y or [None])


def _check_batch(x: Tensor, y: list[Tensor]) -> None:
    if len(y) > 1 or not x.is_floating_point() or x.ndim < 2:
        raise TypeError(f"the batch is {x.dtype} {kind_of(x)} with {len(y)} more parts; expected x "
                        "or (x, y), floats as the network sees them: x / 127.5 - 1 for bytes")
    if len(x) < 32 or y and y[0].shape[:1] != x.shape[:1]:
        raise ValueError(f"the batch has {len(x)} rows, the labels are {[*map(kind_of, y)]}; "
                         "expected 32 rows or more, and a label for each")


def _called(call: str, f: Callable, args: tuple, like: Tensor, to_do: str) -> Tensor:
    """The tensor that f returns. If f fails or returns something else, an error says in a sentence
    what was expected."""
    try:
        out = f(*args)
    except Exception as error:
        raise ValueError(f"{call} raised {type(error).__name__}: {error}. diagnose calls it like "
                         "this, for this batch; wrap yours if it takes other arguments.") from error
    if getattr(out, "shape", None) != like.shape:
        raise ValueError(f"{call} returned {kind_of(out)}; expected {kind_of(like)}: {to_do}")
    return out.float()


def _number(loss: Any) -> float:
    """The loss as a number: the mean of a tensor, the entry "loss" of a dict, or the first entry of
    a tuple."""
    while isinstance(loss, (Mapping, tuple, list)):
        loss = loss["loss"] if isinstance(loss, Mapping) else loss[0]
    return torch.as_tensor(loss, dtype=torch.float64).mean().item()


def _still(net: Any) -> Any:
    """A copy of the network, or of the model of an EMA, in evaluation mode."""
    net = getattr(net, "model", net) if not isinstance(net, nn.Module) else net
    return copy.deepcopy(net).eval() if isinstance(net, nn.Module) else net


def rows_of(t: Any, xt: Tensor) -> Tensor:
    """The timestep of each row (B,), from one number or from one for each row."""
    return torch.as_tensor(t, device=xt.device).reshape(-1).expand(len(xt))


def kind_of(a: Any) -> str:
    """The shape of a tensor, or the type of anything else, for error messages."""
    return f"{tuple(a.shape)}" if isinstance(a, Tensor) else type(a).__name__


def apart(a: Tensor, b: Tensor) -> float:
    """The root mean square of the difference of two predictions, relative to their size."""
    size = (a.square().mean() + b.square().mean()).item() / 2
    return ((a - b).square().mean().item() / size) ** 0.5 if size else 0.0
