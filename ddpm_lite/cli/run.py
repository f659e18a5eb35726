"""A run: a recipe with its network, the average of its weights, and its optimizer."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ..diffusion import TARGETS, Model
from ..pretrained import build, read_run
from ..sampling import FROM
from .distributed import averaged, rank, world
from .recipes import Recipe

from .. import (  # isort: skip
    EMA, CheckpointError, __version__, adamw, batches, ddpm_loss, ddpm_step, drop_labels, guided,
    sample, save_checkpoint, train, warmup_cosine,
)  # fmt: skip


class Run:
    """What a checkpoint holds: recipe, weights and their average, optimizer, and step."""

    def __init__(self, recipe: Recipe, device: str = "cpu"):
        self.recipe, self.device, self.step, self.about = recipe, device, 0, {}
        small = recipe.width * recipe.image_size[0] * recipe.image_size[1] < 10_000
        if threads := recipe.threads or small:  # a small network is faster on one thread
            torch.set_num_threads(int(threads))
        torch.manual_seed(recipe.seed)
        net, schedule = build(recipe.values())
        if recipe.channels_last:
            net.to(memory_format=torch.channels_last)
        if device == "cuda":
            torch.set_float32_matmul_precision("high")  # TF32: 10 bits of products, not 23
        self.net, self.schedule = net.to(device), schedule.to(device)
        self.ema = EMA(self.net, recipe.ema)
        self.optimizer = adamw(self.net)

    def save(self, path: Path) -> None:
        """Write all of it as a checkpoint."""
        parts = {name: getattr(self, name).state_dict() for name in ("net", "ema", "optimizer")}
        date = datetime.now().astimezone().isoformat(" ", "seconds")
        about = {"device": self.device, "date": date, "version": __version__}
        save_checkpoint(path, recipe=self.recipe.values(), step=self.step, about=about, **parts)

    @classmethod
    def load(cls, place: str | Path, device: str = "cpu") -> Run:
        """The run in a folder, or one with the weights "digits" or "mnist" of the package."""
        state = read_run(place, device)
        try:
            run = cls(Recipe.of(state["recipe"]), device)
            for name in {"net", "ema", "optimizer"} & set(state):
                getattr(run, name).load_state_dict(state[name])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"{place} is not a run of this version of ddpm_lite") from error
        run.step, run.about = state["step"], state["about"]
        return run

    def chance(self, x: Tensor, y: Tensor, step: int) -> list[Tensor]:
        """This process's rows of batch number ``step``: x, y, timesteps and noise.

        The random parts (flips, dropped labels, timesteps, noise) are drawn for the whole batch,
        with torch seeded by the seed and the step. So randomness has no state: a resumed run is the
        same run, and so is one that any number of processes shares.
        """
        torch.manual_seed(self.recipe.seed * 1_000_003 + step)
        if self.recipe.flip:
            x = torch.where(torch.rand(len(x), 1, 1, 1, device=x.device) < 0.5, x, x.flip(3))
        if self.recipe.conditional:
            y = drop_labels(y, 0.1, self.recipe.num_classes)  # so that guidance is possible
        t = torch.randint(1, self.recipe.T + 1, x.shape[:1], device=x.device)
        mine = [part.chunk(world())[rank()] for part in (x, y, t, torch.randn_like(x))]
        if rank():
            torch.manual_seed(torch.initial_seed() + 1_000_003 * 5000 * rank())  # of dropout
        return mine

    def loss(self, net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        """Algorithm 1 for the next step. To save memory a batch is taken in parts: the gradients of
        all but the last add up here, and those of the last in ``train``."""
        n, done, target = self.recipe.accumulate, 0.0, TARGETS[self.recipe.target]
        rows = self.chance(x, y, self.step + 1)
        *parts, last = zip(*(part.chunk(n) for part in rows), strict=True)

        def loss(x: Tensor, y: Tensor, t: Tensor, eps: Tensor) -> Tensor:
            model = partial(net, y=y) if self.recipe.conditional else net
            return ddpm_loss(model, self.schedule, x, target, t, eps) / n

        for part in parts:
            value = loss(*part)
            value.backward()
            done += value.detach()
        return done + loss(*last)

    def advance(self, x: Tensor, y: Tensor) -> Iterator[tuple[int, float]]:
        """Train from here to the last step, yielding (step, loss)."""
        recipe = self.recipe
        x, y = x.to(self.device), y.to(self.device)  # all of it, once
        if recipe.compile:
            self.net.compile()
        net = DistributedDataParallel(self.net) if world() > 1 else self.net
        stream = batches(x, y, recipe.batch, recipe.seed, self.step)
        rest = {"ema": self.ema, "amp": recipe.amp, "optimizer": self.optimizer, "start": self.step}
        steps = train(net, stream, self.loss, recipe.steps, warmup_cosine(recipe.lr), **rest)
        for self.step, loss in steps:
            yield self.step, averaged(loss)

    def model(self, y: Tensor | None = None, w: float = 0.0) -> Model:
        """The model eps(x, t) with the averaged weights, for labels ``y`` with guidance ``w``."""
        eps = FROM[self.recipe.target](self.ema.model, self.schedule)
        if y is None:
            return eps
        return guided(eps, y, w) if w else partial(eps, y=y)

    def draw(self, n: int, steps: int | None = None, step=ddpm_step, seed: int = 0,
             labels: Sequence[int] = (), w: float = 0.0) -> Tensor:  # fmt: skip
        """n images (n, C, H, W) on the CPU, in 50 steps where ``steps`` doesn't say otherwise. A
        conditional run draws the labels in turn. The first noise is drawn on the CPU, so that it is
        the same on every device."""
        recipe = self.recipe
        torch.manual_seed(seed)
        xT = torch.randn(n, recipe.channels, *recipe.image_size).to(self.device)
        labels = torch.tensor(labels or range(recipe.num_classes), device=self.device)
        images = []
        for rows in torch.arange(n).split(500):
            y = labels[rows % len(labels)] if recipe.conditional else None
            model, steps = self.model(y, w), steps or min(50, recipe.T)
            images.append(sample(model, self.schedule, xT[rows], steps, step).cpu())
        return torch.cat(images)


def clock() -> float:
    """Seconds, by a clock that all processes share."""
    return averaged(time.perf_counter())


def plan(recipe: Recipe, x: Tensor, y: Tensor, device: str = "cpu", clock=clock) -> int:
    """The number of steps that fits into ``recipe.minutes``, by timing some on a network like it.
    So the learning rate reaches 0 in time, and the run doesn't depend on the clock after that."""
    begin, seconds = clock(), 60 * recipe.minutes
    for step, _ in Run(replace(recipe, steps=10**9), device).advance(x, y):
        if step == 5:  # the first are slow
            warm = clock()
        if step > 5 and clock() - warm > min(5, seconds / 30):
            break
    now = clock()
    return max(1, int((seconds - (now - begin)) * (step - 5) / (now - warm)))
