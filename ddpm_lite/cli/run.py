"""A run: a recipe with its network, the average of its weights, and its optimizer."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import Dataset

from ..diffusion import TARGETS, Model
from ..pretrained import build, read_run
from ..sampling import FROM
from .distributed import averaged, rank, say, world
from .recipes import Recipe

from .. import (  # isort: skip
    EMA, CheckpointError, __version__, adamw, batches, ddpm_loss, ddpm_step, guided, sample,
    save_checkpoint, train, warmup_cosine,
)  # fmt: skip


class Run:
    """Everything in a checkpoint: recipe, weights and their average, optimizer, and step. With a
    ``source``, it starts from the averaged weights of that run. If the source has other classes,
    the labels are learned from scratch; without ``conditional``, they are left out."""

    def __init__(self, recipe: Recipe, device: str = "cpu", source: "Run | None" = None):
        self.recipe, self.device, self.step = recipe, device, 0
        self.about, self.data = {}, ()  # data: what ``advance`` is called with
        small = recipe.width * recipe.image_size[0] * recipe.image_size[1] < 10_000
        if threads := recipe.threads or small:  # a small network is faster on one thread
            torch.set_num_threads(int(threads))
        torch.manual_seed(recipe.seed)
        net, schedule = build(recipe.values())
        if recipe.channels_last:
            net.to(memory_format=torch.channels_last)
        if device == "cuda":
            torch.set_float32_matmul_precision("high")  # TF32: factors are rounded to 10 bits
            torch.backends.cudnn.benchmark = not torch.are_deterministic_algorithms_enabled()
        self.net, self.schedule = net.to(device), schedule.to(device)
        if source:
            weights = source.ema.model.state_dict()
            same = recipe.conditional and source.recipe.classes == recipe.classes
            known = {k: v for k, v in weights.items() if same or "condition.label" not in k}
            self.net.load_state_dict(self.net.state_dict() | known)
        self.ema = EMA(self.net, recipe.ema)
        self.optimizer = adamw(self.net)

    def save(self, path: Path) -> None:
        """Write a checkpoint."""
        parts = {name: getattr(self, name).state_dict() for name in ("net", "ema", "optimizer")}
        date = datetime.now().astimezone().isoformat(" ", "seconds")
        about = {"device": self.device, "date": date, "version": __version__}
        save_checkpoint(path, recipe=self.recipe.values(), step=self.step, about=about, **parts)

    @classmethod
    def load(cls, place: str | Path, device: str = "cpu") -> "Run":
        """The run in a folder, or one with the package's weights "digits" or "mnist"."""
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
        """Add the random parts of batch number ``step``: returns x, y, timesteps and noise for the
        rows of this process.

        Flips, dropped labels, timesteps and noise are drawn for the whole batch from a generator
        that is seeded by the recipe's seed and the step. So there's no random state to save, a
        resumed run continues exactly, and a run in several processes gets the same random numbers
        as in one.
        """
        recipe, n, device = self.recipe, self.recipe.batch, x.device
        torch.manual_seed(recipe.seed * 1_000_003 + step)
        dropped = torch.rand(n, device=device) < 0.1 * recipe.conditional  # so that guidance works
        t = torch.randint(1, recipe.T + 1, (n,), device=device)
        eps = torch.randn(n, *x.shape[1:], device=device)
        flipped = torch.rand(n, 1, 1, 1, device=device) < 0.5 * recipe.flip
        dropped, t, eps, flipped = (a.chunk(world())[rank()] for a in (dropped, t, eps, flipped))
        if rank():
            torch.manual_seed(torch.initial_seed() + 1_000_003 * 5000 * rank())  # for dropout
        x = torch.where(flipped, x.flip(3), x) if recipe.flip else x
        return [x, torch.where(dropped, recipe.num_classes, y), t, eps]

    def loss(self, net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        """The loss (Algorithm 1) of this process's rows in the next step. To save memory, the rows
        can be split into parts. This method calls ``backward`` for all parts but the last, and
        ``train`` calls it for the last one."""
        n, done, target = self.recipe.accumulate, 0.0, TARGETS[self.recipe.target]
        rows = self.chance(x.to(self.device), y.to(self.device), self.step + 1)
        for i, (x, y, t, eps) in enumerate(zip(*(part.chunk(n) for part in rows), strict=True)):
            model = partial(net, y=y) if self.recipe.conditional else net
            loss = ddpm_loss(model, self.schedule, x, target, t, eps) / n
            if i < n - 1:
                loss.backward()
                done += loss.detach()
        return done + loss

    def advance(self, x: Tensor | Dataset, y: Tensor | None = None,
                workers: int = 0) -> Iterator[tuple[int, float]]:  # fmt: skip
        """Train from the current step to the last one, and yield (step, loss). The data are a
        tensor x with labels y, or a dataset that ``workers`` processes read."""
        recipe, share = self.recipe, {"rank": rank(), "world": world()}
        if isinstance(x, Tensor):
            x, y = x.to(self.device), y.to(self.device)  # all data, once
        if recipe.compile:
            self.net.compile()
        net = DistributedDataParallel(self.net) if world() > 1 else self.net
        stream = batches(x, y, recipe.batch, recipe.seed, self.step, workers, **share)
        rest = {"ema": self.ema, "amp": recipe.amp, "optimizer": self.optimizer, "start": self.step}
        steps = train(net, stream, self.loss, recipe.steps, warmup_cosine(recipe.lr), **rest)
        for self.step, loss in steps:
            yield self.step, averaged(loss)

    def model(self, y: Tensor | None = None, w: float = 0.0) -> Model:
        """The model eps(x, t) with the averaged weights, for labels ``y`` and guidance scale
        ``w``."""
        eps = FROM[self.recipe.target](self.ema.model, self.schedule)
        if y is None:
            return eps
        return guided(eps, y, w) if w else partial(eps, y=y)

    def steps(self, given: int | None) -> int:
        """How many steps the sampler takes: ``given``, or 50 by default."""
        return given or min(50, self.recipe.T)

    def draw(self, n: int, steps: int | None = None, step=ddpm_step, seed: int = 0,
             labels: Sequence[int] = (), w: float = 0.0) -> Tensor:  # fmt: skip
        """Draw n images (n, C, H, W) and return them on the CPU. A conditional run draws the labels
        in turn. The starting noise is drawn on the CPU, so that it's the same on every device."""
        recipe = self.recipe
        torch.manual_seed(seed)
        xT = torch.randn(n, recipe.channels, *recipe.image_size).to(self.device)
        labels = torch.tensor(labels or range(recipe.num_classes), device=self.device)
        images, steps = [], self.steps(steps)
        for rows in torch.arange(n).split(500):
            model = self.model(labels[rows % len(labels)] if recipe.conditional else None, w)
            images.append(sample(model, self.schedule, xT[rows], steps, step).cpu())
        return torch.cat(images)


def clock() -> float:
    """The time in seconds, averaged over all processes so that they agree."""
    return averaged(time.perf_counter())


def plan(recipe: Recipe, data: tuple, device: str = "cpu", clock=clock, make=Run) -> int:
    """The number of steps that fit into ``recipe.minutes``, measured on a copy of the network. With
    a fixed number of steps, the learning rate reaches 0 at the end, and the run no longer depends
    on the clock. ``data`` has the arguments of ``Run.advance``."""
    begin, seconds = clock(), 60 * recipe.minutes
    for step, _ in make(replace(recipe, steps=10**9), device).advance(*data):
        if step == 5:  # the first steps are slow
            warm = clock()
        if step > 5 and clock() - warm > min(5, seconds / 30):
            break
    now = clock()
    left = seconds - (now - begin)
    if left < seconds / 2:
        say(f"Starting up took {now - begin:.0f} of the {seconds:.0f} seconds, so few are left to "
            "train: give more --minutes, or --no-compile.")  # fmt: skip
    return max(1, int(left * (step - 5) / (now - warm)))
