"""Train a diffusion model on small images, draw with it, and say how good the drawings are.

python -m ddpm_lite train --data digits --minutes 1 --out runs/digits
python -m ddpm_lite sample --run runs/digits --n 64 --out grid.png
python -m ddpm_lite evaluate --run runs/digits
python -m ddpm_lite info --run runs/digits

On two devices: torchrun --nproc-per-node=2 -m ddpm_lite train --data cifar10
Each explains itself: python -m ddpm_lite train --help
"""

from __future__ import annotations

import argparse
import inspect
import io
import json
import math
import os
import platform
import re
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from . import (  # isort: skip
    EMA, CheckpointError, DataError, NonFiniteLossError, UNet, __version__, adamw, warmup_cosine,
    batches, clipped, cosine_schedule, ddim_step, ddpm_step, dpmpp_2m, drop_labels, eps_target,
    fit_classifier, frechet_distance, from_v, from_x0, guided, linear_schedule, load_checkpoint,
    load_classifier, load_images, nearest, q_sample, sample, save_checkpoint, train, v_target,
    x0_target,
)  # fmt: skip
from .pretrained import NAMES  # isort: skip

GREY, COLOUR = (1, 28, 28), (3, 32, 32)
SHAPES = {"digits": (1, 8, 8), "mnist": GREY, "fashion_mnist": GREY, "cifar10": COLOUR}
CLASSES = 10
SCHEDULES = {"linear": linear_schedule, "cosine": cosine_schedule}
TARGETS = {  # what the network learns, and how its guess becomes a guess of the noise
    "eps": (eps_target, lambda net, schedule: net),
    "x0": (x0_target, from_x0),
    "v": (v_target, from_v),
}


# The recipes


def number(low: float, high: float, kind: type = float) -> Callable[[str], float]:
    """An argument type: a number from ``low`` to ``high``."""

    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan  # in no interval
        if not low <= value <= high:
            noun = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"got {text}, expected {noun} {low:g} to {high:g}")
        return value

    return parse


def even(text: str) -> int:
    """An argument type: an even number of channels, half of them sines and half cosines."""
    value = number(4, 4096, int)(text)
    if value % 2:
        raise argparse.ArgumentTypeError(f"got {text}, expected an even number")
    return value


def option(default: Any, help: str, **how: Any) -> Any:
    """A field of ``Recipe`` that is an option of ``train`` too."""
    return field(default=default, metadata={"help": help, **how})


def switch(default: bool, help: str) -> Any:
    """A field that is on or off: --name and --no-name."""
    return option(default, help, action=argparse.BooleanOptionalAction)


count, share = number(1, 10**9, int), number(0, 1)


@dataclass(frozen=True)
class Recipe:
    """All that decides what a run becomes. Weights are a function of it, and of nothing else."""

    data: str = option("digits", "images to learn", choices=list(SHAPES))
    width: int = option(16, "channels of the finest level, even", type=even)
    mults: tuple = option((1, 2), "channels of each level, times width", type=count, nargs="+")
    blocks: int = option(1, "residual blocks of a level", type=count)
    attention: tuple = option((), "levels with attention", type=number(0, 9, int), nargs="*")
    conditional: bool = switch(False, "learn the labels, so that sample can choose")
    dropout: float = option(0.0, "probability of dropping a unit", type=share)
    schedule: str = option("cosine", "how noise grows with t", choices=list(SCHEDULES))
    T: int = option(1000, "number of noise levels", type=count)
    target: str = option("v", "what the network guesses", choices=list(TARGETS))
    flip: bool = switch(False, "mirror every other image, left for right")
    batch: int = option(64, "images of a step, on all devices together", type=count)
    lr: float = option(4e-3, "peak learning rate; it ends at 0", type=number(0, 1e9))
    ema: float = option(0.99, "decay of the averaged weights, which sample", type=share)
    seed: int = option(0, "of weights, order, times and noise", type=number(0, 4000, int))
    threads: int = option(0, "CPU threads, 0 for all", type=number(0, 1024, int))
    accumulate: int = option(1, "parts of a batch, one by one, to save memory", type=count)
    amp: bool = switch(False, "bfloat16 where that is safe: faster on a GPU")
    channels_last: bool = switch(False, "colours side by side in memory: faster on a GPU")
    compile: bool = switch(False, "compile the network: faster after a slow first step")
    minutes: float | None = option(1.0, "time to train for", type=number(1e-3, 1e6))
    steps: int | None = option(None, "steps to train for, instead of minutes", type=count)


RECIPES = {
    "digits": Recipe(
        data="digits", width=16, mults=(1, 2), blocks=1, conditional=True, schedule="cosine",
        target="v", batch=64, lr=6e-3, ema=0.99, threads=1, minutes=1,
    ),
    "mnist": Recipe(
        data="mnist", width=32, mults=(1, 2, 2), blocks=1, schedule="cosine", target="v",
        batch=64, lr=2e-3, ema=0.995, minutes=10,
    ),
    "fashion_mnist": Recipe(
        data="fashion_mnist", width=32, mults=(1, 2, 2), blocks=1, schedule="cosine", target="v",
        batch=64, lr=2e-3, ema=0.995, minutes=10,
    ),
    "cifar10": Recipe(  # the network of the DDPM paper, for a GPU
        data="cifar10", width=128, mults=(1, 2, 2, 2), blocks=2, attention=(1,), dropout=0.1,
        schedule="linear", target="eps", flip=True, batch=128, lr=2e-4, ema=0.9999, amp=True,
        channels_last=True, compile=True, minutes=600,
    ),
}  # fmt: skip
ADAPT = ("accumulate", "amp", "compile")  # to the machine: these may change when a run goes on


# Several processes, as torchrun starts them


@contextmanager
def team(device: str) -> Iterator[None]:
    """Join the processes that torchrun started; without it this one is alone."""
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        yield
        return
    if device == "mps":
        raise ValueError("several processes need cuda or cpu, not mps: use --device cpu")
    if device == "cuda":
        local, here = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if local >= here:
            raise ValueError(f"torchrun starts more processes than the {here} GPUs here: "
                             f"use --nproc-per-node={here}, or --device cpu")  # fmt: skip
        torch.cuda.set_device(local)  # "cuda" is this one from now on
    dist.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def rank() -> int:
    """The number of this process; 0 reads, writes and speaks for all."""
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def averaged(value: float) -> float:
    """The mean of a number over all processes, the same in each. They wait for one another."""
    if world() == 1:
        return value
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    total = torch.tensor(value, dtype=torch.float64, device=device)
    dist.all_reduce(total)
    return total.item() / world()


def check_shares(recipe: Recipe) -> None:
    """Every part of every process has as many rows: a mean of means is then the mean."""
    if recipe.batch % (world() * recipe.accumulate):
        parts = f"{world()} process{'es' * (world() > 1)} of {recipe.accumulate} parts (accumulate)"
        raise ValueError(f"a batch of {recipe.batch} cannot be shared equally by {parts}: "
                         "choose another --batch or --accumulate")  # fmt: skip


# A run: a recipe at work


class Run:
    """A recipe, its network, the average of the weights and the optimiser: what a checkpoint is."""

    def __init__(self, recipe: Recipe, device: str = "cpu"):
        self.recipe, self.device, self.step, self.about = recipe, device, 0, {}
        if recipe.threads:
            torch.set_num_threads(recipe.threads)
        torch.manual_seed(recipe.seed)
        self.schedule = SCHEDULES[recipe.schedule](recipe.T).to(device)
        self.net = UNet(
            SHAPES[recipe.data][0], recipe.width, recipe.mults, recipe.blocks, recipe.attention,
            CLASSES if recipe.conditional else 0, recipe.dropout,
        ).to(device)  # fmt: skip
        if recipe.channels_last:
            self.net.to(memory_format=torch.channels_last)
        if device == "cuda":
            torch.set_float32_matmul_precision("high")  # TF32: 10 bits of products, not 23
        self.ema = EMA(self.net, recipe.ema)
        self.optimizer = adamw(self.net)

    def save(self, path: Path) -> None:
        """Write all of it as a checkpoint."""
        parts = {name: getattr(self, name).state_dict() for name in ("net", "ema", "optimizer")}
        date = datetime.now().astimezone().isoformat(" ", "seconds")
        about = {"device": self.device, "date": date, "version": __version__}
        save_checkpoint(path, recipe=asdict(self.recipe), step=self.step, about=about, **parts)

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> Run:
        """The run that ``save`` wrote."""
        state = load_checkpoint(path, device)
        try:
            run = cls(Recipe(**state["recipe"]), device)
            for name in ("net", "ema", "optimizer"):
                getattr(run, name).load_state_dict(state[name])
            run.step, run.about = state["step"], state["about"]
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            hint = f"(its keys: {', '.join(map(str, state))})" if isinstance(state, dict) else ""
            raise CheckpointError(f"{path} is not a run of this ddpm_lite {hint}") from error
        return run

    def chances(self, stream: Iterator, start: int) -> Iterator:
        """To each batch what chance adds: mirroring, the labels that are dropped so that guidance
        is possible, times and noise. All processes draw for the whole batch, and each keeps its
        own rows; so any number of them trains the same run."""
        recipe = self.recipe
        for x, y in seeded(stream, recipe.seed, start):
            if recipe.flip:
                x = torch.where(torch.rand(len(x), 1, 1, 1, device=x.device) < 0.5, x, x.flip(3))
            if recipe.conditional:
                y = drop_labels(y, 0.1, CLASSES)
            t = torch.randint(1, recipe.T + 1, x.shape[:1], device=x.device)
            rows = [part.chunk(world())[rank()] for part in (x, y, t, torch.randn_like(x))]
            if rank():
                torch.manual_seed(torch.initial_seed() + 1_000_003 * 5000 * rank())  # of dropout
            yield rows[0], rows[1:]

    def loss(self, net: nn.Module, x: Tensor, rest: list[Tensor]) -> Tensor:
        """Algorithm 1 on the rows of this process. To save memory the batch is taken in parts: the
        gradients of all but the last add up here, those of the last in ``train``."""
        n, done = self.recipe.accumulate, 0.0
        *parts, last = zip(*(rows.chunk(n) for rows in (x, *rest)), strict=True)
        for part in parts:
            loss = self.error(net, *part) / n
            loss.backward()
            done += loss.detach()
        return done + self.error(net, *last) / n

    def error(self, net: nn.Module, x: Tensor, y: Tensor, t: Tensor, eps: Tensor) -> Tensor:
        """The squared error of the guess, a mean over all entries (DDPM, Eq. 14)."""
        guess = net(q_sample(self.schedule, x, t, eps), t, y if self.recipe.conditional else None)
        return F.mse_loss(guess, TARGETS[self.recipe.target][0](self.schedule, x, t, eps))

    def advance(self, x: Tensor, y: Tensor) -> Iterator[tuple[int, float]]:
        """Train from here to the last step, yielding (step, loss). Randomness has no state: it
        follows from the seed and the number of the step, so that a resumed run is the same run."""
        recipe, start = self.recipe, self.step
        x, y = x.to(self.device), y.to(self.device)  # all of it, once
        if recipe.compile:
            self.net.compile()
        net = DistributedDataParallel(self.net) if world() > 1 else self.net
        stream = self.chances(batches(x, y, recipe.batch, recipe.seed, start), start)
        rest = {"ema": self.ema, "amp": recipe.amp, "optimizer": self.optimizer, "start": start}
        steps = train(net, stream, self.loss, recipe.steps, warmup_cosine(recipe.lr), **rest)
        for self.step, loss in steps:
            yield self.step, averaged(loss)

    def model(self, y: Tensor | None = None, w: float = 0.0):
        """The model eps(x, t) with the averaged weights, for labels ``y`` with guidance ``w``."""
        eps = TARGETS[self.recipe.target][1](self.ema.model, self.schedule)
        if y is not None:
            eps = guided(eps, y, w) if w else partial(eps, y=y)
        return clipped(eps, self.schedule)

    def draw(
        self, n: int, steps: int = 50, step=ddpm_step, seed: int = 0, labels=range(CLASSES), w=0.0
    ) -> Tensor:
        """n images (n, C, H, W); a conditional run draws the labels in turn. The first noise is
        drawn on the CPU, so that it is the same on every device."""
        torch.manual_seed(seed)
        xT = torch.randn(n, *SHAPES[self.recipe.data]).to(self.device)
        y = torch.tensor(labels, device=self.device)[torch.arange(n) % len(labels)]
        images = []
        for part, rows in zip(xT.split(500), y.split(500), strict=True):
            model = self.model(rows if self.recipe.conditional else None, w)
            images.append(sample(model, self.schedule, part, steps, step).cpu())
        return torch.cat(images)


def seeded(stream: Iterator, seed: int, start: int) -> Iterator:
    """The batches of steps start + 1, …, each with torch seeded by the seed and the step."""
    for step, batch in enumerate(stream, start + 1):
        torch.manual_seed(seed * 1_000_003 + step)
        yield batch


def clock() -> float:
    """Seconds, by a clock that all processes share."""
    return averaged(time.perf_counter())


def plan(recipe: Recipe, x, y, device: str = "cpu", clock=clock) -> int:
    """The number of steps that fits into ``recipe.minutes``, by timing some on a network like it.
    So the learning rate reaches 0 in time, and the run does not depend on the clock after that."""
    begin, seconds = clock(), 60 * recipe.minutes
    for step, _ in Run(replace(recipe, steps=10**9), device).advance(x, y):
        if step == 5:  # the first are slow
            warm = clock()
        if step > 5 and clock() - warm > min(5, seconds / 30):
            break
    now = clock()
    return max(1, int((seconds - (now - begin)) * (step - 5) / (now - warm)))


@contextmanager
def signals_noted() -> Iterator[list[int]]:
    """A list of the SIGINT and SIGTERM that came, to act on after a step; a second one stops, but
    not under torchrun, which hands on what the terminal has sent already."""
    caught: list[int] = []

    def note(number: int, frame: Any) -> None:
        caught.append(number)
        for name, handler in before.items() if world() == 1 else ():
            signal.signal(name, handler)

    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        for name in before:
            signal.signal(name, note)
        yield caught
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


@contextmanager
def progress(start: int, steps: int) -> Iterator[Callable[[int, float], None]]:
    """On a terminal a bar with the loss, elsewhere a line at every tenth of the way; both with the
    time that is left."""
    from tqdm import tqdm

    begin = time.monotonic()
    with tqdm(total=steps, initial=start, unit=" steps", disable=True if rank() else None) as bar:

        def show(step: int, loss: float) -> None:
            bar.set_postfix_str(f"loss {loss:.3f}", refresh=False)
            bar.update()
            if bar.disable and not rank() and 10 * step // steps > 10 * (step - 1) // steps:
                left = (time.monotonic() - begin) / (step - start) * (steps - step)
                text = f"step {step} of {steps}, loss {loss:.3f}, {bar.format_interval(left)} left"
                print(text, file=sys.stderr, flush=True)

        yield show


class Log:
    """log.jsonl, a line for each step from ``start`` + 1 on; nothing in it depends on the clock, so
    that a resumed run has the log of one that never stopped. And TensorBoard, where it is."""

    def __init__(self, folder: Path, start: int):
        self.folder, self.start = folder, start

    @cached_property
    def file(self) -> Any:
        """The log, opened at the first line, without those of steps that are made once more."""
        path = self.folder / "log.jsonl"
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        steps = [re.fullmatch(rb'\{"step": (\d+), .*\}\n', line) for line in lines]
        kept = [m[0] for m in steps if m and int(m[1]) <= self.start]
        write_whole(path, b"".join(kept))
        return open(path, "ab")

    @cached_property
    def board(self) -> Any:
        """TensorBoard's writer, or None."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return None
        return SummaryWriter(self.folder / "tensorboard", purge_step=self.start + 1)

    def add(self, step: int, **numbers: float) -> None:
        """A line."""
        self.file.write(json.dumps({"step": step, **numbers}).encode() + b"\n")
        for name, value in numbers.items() if self.board else ():
            self.board.add_scalar(name, value, step)

    def flush(self) -> None:
        """All lines are in the file now: a checkpoint never has more steps than the log."""
        if "file" in vars(self):
            self.file.flush()
            os.fsync(self.file.fileno())

    def close(self) -> None:
        for thing in filter(None, (vars(self).get("file"), vars(self).get("board"))):
            thing.close()


class Keeper:
    """What the process of rank 0 writes into the run folder; the others write nothing."""

    def __init__(self, run: Run, folder: Path, grids: int = 1):
        steps = run.recipe.steps
        self.run, self.folder, self.log = run, folder, Log(folder, run.step)
        self.marks = {steps * i // grids for i in range(1, grids)} if steps else set()

    def save(self) -> None:
        """The checkpoint, and before it the log."""
        if not rank():
            self.log.flush()
            self.run.save(self.folder / "checkpoint.pt")

    def note(self, step: int, loss: float) -> None:
        """A line of the log, and at the marks a picture."""
        if not rank():
            self.log.add(step, loss=loss, lr=self.run.optimizer.param_groups[0]["lr"])
            if step in self.marks:
                self.picture(f"samples-{step:07d}.png")

    def picture(self, name: str = "samples.png") -> None:
        """Samples of the average of the weights as it is now."""
        if not rank():
            save_grid(self.folder / name, self.run.draw(64))


@contextmanager
def kept(keeper: Keeper) -> Iterator[None]:
    """Save the run afterwards, and also where the loss has become NaN: as it was before that."""
    try:
        yield
    except NonFiniteLossError:
        if keeper.run.step:
            keeper.save()
        raise
    else:
        keeper.save()
    finally:
        keeper.log.close()


def fit(run: Run, x: Tensor, y: Tensor, keeper: Keeper, every: float) -> int:
    """Train to the end; save after the first step, then every so many seconds. The signal that
    stopped it, or 0. A signal to one process stops all of them, after the same step."""
    due = time.monotonic() + every if run.step else 0.0
    bar = progress(run.step, run.recipe.steps)
    with signals_noted() as caught, bar as show, kept(keeper):
        for step, loss in run.advance(x, y):
            show(step, loss)
            keeper.note(step, loss)
            if averaged(len(caught)):
                return caught[0] if caught else signal.SIGTERM
            if time.monotonic() > due:
                keeper.save()
                due = time.monotonic() + every
    return 0


# The run folder


class RunLockedError(RuntimeError):
    """Another process trains in this folder."""


@contextmanager
def owned(folder: Path) -> Iterator[None]:
    """Nobody else trains in the folder meanwhile. The lock is the system's: it goes with the
    process, however that ends, and then the file that it leaves says nothing."""
    made, refused = not rank() and not folder.exists(), None
    try:
        with ExitStack() as stack:
            if not rank():
                folder.mkdir(parents=True, exist_ok=True)
                try:
                    stack.enter_context(locked(folder / "lock"))
                    tidy(folder)
                except RunLockedError as error:
                    refused = error
            if averaged(float(refused is not None)):  # the others learn of it here
                raise refused or RunLockedError(f"{folder} is in use")
            yield
    finally:
        if made and folder.exists() and not any(folder.iterdir()):
            folder.rmdir()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """The lock of one file, which says whose it is."""
    with opened_and_locked(path) as file:
        file.truncate(0)
        since = datetime.now().astimezone().isoformat(" ", "seconds")
        file.write(f"process {os.getpid()} on {socket.gethostname()} since {since}")
        file.flush()
        try:
            yield
        finally:
            with suppress(OSError):  # Windows keeps a file that is open
                path.unlink()


def opened_and_locked(path: Path) -> Any:
    """The file with its lock, or the sentence that says who has it."""
    while True:
        file = open(path, "a+", encoding="utf-8")
        try:
            lock(file)
        except (BlockingIOError, PermissionError) as error:
            file.seek(0)
            with file:
                holder = file.read().strip() or "another process"
            raise RunLockedError(f"{path.parent} is in use by {holder}: wait until it ends, or "
                                 "choose another --out") from error  # fmt: skip
        with suppress(FileNotFoundError):  # its owner may have removed it just now
            if os.path.samestat(path.stat(), os.fstat(file.fileno())):
                return file
        file.close()


def lock(file: Any) -> None:
    """Take the lock of a file, or raise."""
    try:
        from fcntl import LOCK_EX, LOCK_NB, flock
    except ImportError:  # Windows
        from msvcrt import LK_NBLCK, locking

        file.seek(2**30)  # a place without bytes: the others may read the rest
        locking(file.fileno(), LK_NBLCK, 1)
    else:
        flock(file, LOCK_EX | LOCK_NB)


def tidy(folder: Path) -> None:
    """Remove the halves of files that a killed process left."""
    for path in folder.glob("*.part"):
        if re.fullmatch(r"(checkpoint\.pt|log\.jsonl|samples.*\.png)\.\d+\.part", path.name):
            path.unlink()


# Scores


class Reference:
    """Real images to hold samples against, and a classifier fitted on their training part: the
    one that comes with the package where there is one."""

    def __init__(self, name: str, root: str = "data"):
        self.train, labels = load_images(name, root)
        self.test, answers = load_images(name, root, train=False)
        shipped = name in NAMES
        self.classifier = load_classifier(name) if shipped else fit_classifier(self.train, labels)
        guesses = self.classifier.probabilities(self.test).argmax(1)
        self.accuracy = (guesses == answers).double().mean().item()
        features = self.classifier.features(torch.cat([self.train, self.test]))
        draws, half = torch.Generator().manual_seed(0), len(features) // 2
        orders = [torch.randperm(len(features), generator=draws) for _ in range(20)]
        self.halves = [(features[order[:half]], features[order[half:]]) for order in orders]
        self.real = torch.tensor([frechet_distance(a, b) for a, b in self.halves])

    def score(self, samples: Tensor) -> dict[str, float]:
        """What ``evaluate`` prints, by name."""
        features = self.classifier.features(samples)
        probabilities = self.classifier.probabilities(samples)
        shares = probabilities.argmax(1).bincount(minlength=CLASSES) / len(samples)
        near = nearest(samples, self.train, 2)[0]  # (N, 2): nearest and second nearest
        usual = nearest(self.test[:1000], self.train)[0].mean()
        distances = [frechet_distance(features, half) for half, _ in self.halves]
        return {
            "distance": sum(distances) / len(distances),
            "entropy": torch.special.entr(shares).sum().item() / math.log(CLASSES),
            "confidence": probabilities.amax(1).mean().item(),
            "nearness": (near[:, 0].mean() / usual).item(),
            "copies": int((near[:, 0] < near[:, 1] / 3).sum()),
        }


# Pictures


def save_grid(path: Path, images: Tensor, pixels: int = 64) -> None:
    """Images (N, C, H, W) as a PNG of about sqrt(N) columns, magnified to about ``pixels`` each."""
    from PIL import Image
    from torchvision.utils import make_grid

    n, c, h, w = images.shape
    big = F.interpolate(images.clamp(-1, 1), scale_factor=max(1, pixels // w), mode="nearest")
    grid = make_grid(big, nrow=math.isqrt(n - 1) + 1, pad_value=1.0)[:c]  # (c, H, W)
    buffer, data = io.BytesIO(), ((grid + 1) * 127.5).round().byte().permute(1, 2, 0)
    Image.fromarray(data.squeeze(2).numpy()).save(buffer, format="png")
    write_whole(path, buffer.getvalue())


def write_whole(path: Path, data: bytes) -> None:
    """The file is whole, or it is the old one."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


# The commands


def train_command(args: argparse.Namespace) -> int:
    """Learn to guess the noise in noisy images (DDPM, Algorithm 1).

    Writes a run folder: checkpoint.pt, log.jsonl with the loss of every step, and samples.png at
    the end. The settings default to the recipe of --data; those of digits stand in brackets, and
    `info` prints all recipes.

    Minutes become a number of steps first, by timing a few: so the learning rate has come down to
    0 when the time is over, and the same settings, steps and seed give the same weights. Ctrl-C
    finishes the step and saves; --resume goes on from there, or from the last save of a run that
    was killed, bit for bit.

    On several GPUs, or processes: torchrun --nproc-per-node=4 -m ddpm_lite train ... trains the
    same run, each process with its share of every batch; a run may go on with another number.
    """
    args.out = args.out or Path("runs", args.data or "digits")
    device, path = device_named(args.device), args.out / "checkpoint.pt"
    with team(device), owned(args.out):
        run = (resumed if args.resume else begun)(path, device, chosen(args))
        check_shares(run.recipe)
        x, y = images_for_all(run.recipe.data, args.root)
        check_writable(args.out)
        if not run.recipe.steps:
            run.recipe = replace(run.recipe, steps=plan(run.recipe, x, y, device))
        keeper = Keeper(run, args.out, args.grids)
        if number := fit(run, x, y, keeper, args.every):
            again = f"python -m ddpm_lite train --resume --out {args.out}"
            say(f"stopped at step {run.step} of {run.recipe.steps}; go on with: {again}")
            return 128 + number
        keeper.picture()
        say(f"trained for {run.step} steps: {path} and {args.out / 'samples.png'}")
    return 0


def say(text: str) -> None:
    """Print it, once for all processes."""
    if not rank():
        print(text, flush=True)


def images_for_all(name: str, root: str) -> tuple[Tensor, Tensor]:
    """The training images; where several processes want them, the first fetches them."""
    if rank():
        averaged(0.0)  # wait
    images = load_images(name, root)
    if not rank():
        averaged(0.0)
    return images


def sample_command(args: argparse.Namespace) -> int:
    """Draw images: start from noise, take away what the network thinks is noise (Algorithm 2).

    The sampler ddpm adds a little fresh noise at each step. ddim adds none unless --eta is given,
    so that one first noise gives (nearly) one image whatever the number of steps. dpm is
    DPM-Solver++(2M), for few steps: ten or twenty.
    """
    run = Run.load(args.run / "checkpoint.pt", device_named(args.device))
    check_writable(args.out.parent)
    save_grid(args.out, drawn(args, run))
    print(f"{args.n} images: {args.out}")
    return 0


def evaluate_command(args: argparse.Namespace) -> int:
    """Hold samples of a run against real images, and print scores and their protocol.

    The Fréchet distance compares features of a small classifier. Two halves of the real images
    are not at distance 0 either: that distance stands beside it, and no score is good or bad
    without it. Scores compare only within one data set.
    """
    run = Run.load(args.run / "checkpoint.pt", device_named(args.device))
    reference = Reference(run.recipe.data, args.root)
    print(report(reference, reference.score(drawn(args, run)), args))
    return 0


def info_command(args: argparse.Namespace) -> int:
    """Tell what a run folder holds: how far it is, where and when it was trained, its recipe.

    Without --run: the recipes, the versions, and the devices that PyTorch finds here.
    """
    print(about_run(args.run) if args.run else about_here())
    return 0


def report(reference: Reference, score: dict[str, float], args: argparse.Namespace) -> str:
    """The scores in sentences, with the protocol without which they mean nothing."""
    real, n = reference.real, len(reference.train) + len(reference.test)
    ratio = score["distance"] / real.mean()
    guidance = f" with guidance {args.guidance:g}" if args.guidance else ""
    return f"""\
Fréchet distance  {score["distance"]:.2f}, which is {ratio:.2f} times that of real from real images
real from real    {real.mean():.2f} ± {real.std():.2f} between two random halves
classes           entropy {score["entropy"]:.3f} (1: all equally often)
confidence        {score["confidence"]:.3f} on average
nearest image     {score["nearness"]:.2f} times as far in the training part as for held-out images
copies            {score["copies"]} (nearest training image at a third of the next one's distance)
protocol          N = {args.n}, {args.steps} steps of {args.sampler}{guidance}, seed {args.seed};
                  mean over 20 random halves of {n} real images;
                  64 features of a classifier fitted on {len(reference.train)} of them,
                  which is right on {reference.accuracy:.2%} of the others"""


def drawn(args: argparse.Namespace, run: Run) -> Tensor:
    """The images that the options of ``sample`` and ``evaluate`` ask for."""
    if (args.label or args.guidance) and not run.recipe.conditional:
        raise ValueError(f"{args.run} knows no labels: leave out --label and --guidance, "
                         "or train with --conditional")  # fmt: skip
    if args.eta and args.sampler != "ddim":
        raise ValueError("--eta is an option of the other sampler: add --sampler ddim")
    step = {"ddpm": ddpm_step, "dpm": dpmpp_2m(), "ddim": partial(ddim_step, eta=args.eta)}
    labels = args.label or range(CLASSES)
    return run.draw(args.n, args.steps, step[args.sampler], args.seed, labels, args.guidance)


def chosen(args: argparse.Namespace) -> dict[str, Any]:
    """The settings of a recipe that were given on the command line."""
    given = {f.name: getattr(args, f.name) for f in fields(Recipe)}
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items() if v is not None}
    return given | ({"minutes": None} if "steps" in given else {})


def begun(path: Path, device: str, given: dict[str, Any]) -> Run:
    """A new run for ``path``, where none must be."""
    if path.exists():
        hint = "add --resume to go on with it, or choose another --out"
        raise FileExistsError(f"{path} holds a run already: {hint}")
    return Run(replace(RECIPES[given.get("data", "digits")], **given), device)


def resumed(path: Path, device: str, given: dict[str, Any]) -> Run:
    """The run at ``path``, unless other settings than its own were given."""
    run = Run.load(path, device)
    run.recipe = replace(run.recipe, **{k: v for k, v in given.items() if k in ADAPT})
    old = asdict(run.recipe) | ({"minutes": None} if "steps" in given else {})
    differences = [f"{k} {shown(old[k])}, now {shown(v)}" for k, v in given.items() if v != old[k]]
    if differences:
        hint = "leave these options out, or choose another --out"
        raise ValueError(f"{path} was made with {'; '.join(differences)}: {hint}")
    return run


def check_writable(folder: Path) -> None:
    """Find out before the training, not after it."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


def device_named(name: str) -> str:
    """The device of ``--device``; auto is the first that is there."""
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    there = ["cuda"] * cuda + ["mps"] * mps + ["cpu"]
    if name not in ("auto", *there):
        raise ValueError(f"PyTorch finds no {name} device here: use --device cpu, or auto")
    return there[0] if name == "auto" else name


def about_run(folder: Path) -> str:
    """What ``info`` says about a run."""
    run = Run.load(folder / "checkpoint.pt")
    parameters = sum(p.numel() for p in run.net.parameters())
    facts = {"step": f"{run.step} of {run.recipe.steps}", "parameters": f"{parameters:,}"}
    return table(facts | run.about) + "\n\n" + table(asdict(run.recipe))


def about_here() -> str:
    """What ``info`` says without a run."""
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    versions = {"ddpm_lite": __version__, "torch": torch.__version__}
    here = {"python": platform.python_version(), "device": " ".join([device_named("auto"), *gpus])}
    return table(versions | here) + "\n\n" + table(*map(asdict, RECIPES.values()))


def table(*columns: dict[str, Any]) -> str:
    """The keys, and beside them the values of each column."""
    rows = [[name, *(shown(column[name]) for column in columns)] for name in columns[0]]
    return "\n".join("".join(f"{cell:<15}" for cell in row).rstrip() for row in rows)


def shown(value: Any) -> str:
    """A setting as one would type it."""
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "none"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return {"None": "none", "False": "no", "True": "yes"}.get(text, text)


# The command line

DEVICES = ("auto", "cuda", "mps", "cpu")
ROOT = "where torchvision keeps its files (data)"


class Parser(argparse.ArgumentParser):
    """One that says what is wrong in a sentence, without the usage."""

    def __init__(self, **how: Any):
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **how)

    def error(self, message: str) -> Any:
        self.exit(2, f"{self.prog}: {message} (--help explains)\n")


def parser() -> Parser:
    """All of the command line; the docstrings of the commands are its help."""
    top = Parser(prog="python -m ddpm_lite", description=__doc__)
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(dest="command", required=True, metavar="command")
    for name, (action, add_options) in COMMANDS.items():
        text = inspect.getdoc(action)
        p = commands.add_parser(name, help=text.splitlines()[0].rstrip("."), description=text)
        p.set_defaults(action=action)
        add_options(p)
        p.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return top


def add_train(p: Parser) -> None:
    """The options of ``train``: a few, and those of a recipe."""
    p.add_argument("--out", type=Path, help="run folder (runs/ and the name of the data)")
    p.add_argument("--resume", action="store_true", help="go on with the run in --out")
    p.add_argument("--every", type=number(0, 1e6), default=60.0, help="seconds to a save (60)")
    p.add_argument("--root", default="data", help=ROOT)
    p.add_argument("--device", choices=DEVICES, default="auto", help="auto: the fastest here")
    p.add_argument("--grids", type=count, default=1, help="pictures, the last at the end (1)")
    group = p.add_argument_group("recipe")
    length = group.add_mutually_exclusive_group()
    for f in fields(Recipe):
        value = shown(getattr(RECIPES["digits"], f.name))
        how = {**f.metadata, "help": f"{f.metadata['help']} ({value})"}
        where = length if f.name in ("minutes", "steps") else group
        where.add_argument(f"--{f.name.replace('_', '-')}", default=None, **how)


def add_sample(p: Parser) -> None:
    """The options of ``sample``."""
    p.add_argument("--out", type=Path, default="grid.png", help="the PNG to write (grid.png)")
    add_drawing(p, n=64)


def add_evaluate(p: Parser) -> None:
    """The options of ``evaluate``."""
    p.add_argument("--root", default="data", help=ROOT)
    add_drawing(p, n=1000)


def add_info(p: Parser) -> None:
    """The options of ``info``."""
    p.add_argument("--run", type=Path, help="a run folder")


def add_drawing(p: Parser, n: int) -> None:
    """The options of all that draws."""
    p.add_argument("--run", type=Path, required=True, help="the run folder that train wrote")
    p.add_argument("--n", type=count, default=n, help=f"number of images ({n})")
    p.add_argument("--steps", type=count, default=50, help="network calls for an image (50)")
    p.add_argument("--sampler", choices=["ddpm", "ddim", "dpm"], default="ddpm", help="(ddpm)")
    p.add_argument("--eta", type=share, default=0.0, help="fresh noise of ddim: 0 none, 1 as ddpm")
    label = number(0, CLASSES - 1, int)
    p.add_argument("--label", type=label, nargs="+", help="labels to draw, in turn (all)")
    p.add_argument("--guidance", type=number(0, 100), default=0.0, help="w; more obeys the label")
    p.add_argument("--seed", type=number(0, 2**32 - 1, int), default=0, help="of the noise (0)")
    p.add_argument("--device", choices=DEVICES, default="auto", help="auto: the fastest here")


COMMANDS = {
    "train": (train_command, add_train),
    "sample": (sample_command, add_sample),
    "evaluate": (evaluate_command, add_evaluate),
    "info": (info_command, add_info),
}

# Errors of these kinds are expected: one sentence, no traceback. The others are bugs.
OUT_OF_MEMORY = (MemoryError, torch.OutOfMemoryError)
EXPECTED = (DataError, RunLockedError, OSError, ValueError, ModuleNotFoundError, *OUT_OF_MEMORY)
FAILURES = (CheckpointError, NonFiniteLossError)  # the ValueErrors that no argument could avoid


def main(argv: list[str] | None = None) -> int:
    """Run a command line; 0, or 2 for bad arguments, 1 for a failure, 128 + the signal."""
    args = parser().parse_args(argv)
    try:
        return args.action(args)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except (*EXPECTED, RuntimeError) as error:
        text = sentence(error, args)
        if args.debug or not text:
            raise
        if os.environ.get("RANK", "0") == "0":  # one voice for all processes
            print(f"ddpm_lite {args.command}: {text}", file=sys.stderr)
        return 2 if isinstance(error, ValueError) and not isinstance(error, FAILURES) else 1


def sentence(error: BaseException, args: argparse.Namespace) -> str:
    """What went wrong, and what to do; nothing for what nobody expected."""
    if isinstance(error, ModuleNotFoundError):
        return f"{error.name} is not installed: pip install -r requirements.txt"
    if isinstance(error, OUT_OF_MEMORY) or "can't allocate memory" in str(error):
        return "out of memory: try a smaller --batch, --width or --n, or a larger --accumulate"
    if isinstance(error, OSError) and error.strerror:
        place = error.filename or getattr(args, "out", "")
        return f"{place}: {error.strerror}; nothing was overwritten. Choose another place"
    if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
        return "PyTorch cannot compile the network here: add --no-compile"
    if "RANK" in os.environ and re.search("gloo|NCCL", str(error)):
        return "another process of this run has stopped; --resume goes on from the last save"
    return str(error) if isinstance(error, EXPECTED) else ""


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")  # consoles without é
    sys.exit(main())
