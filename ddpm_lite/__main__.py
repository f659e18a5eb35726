"""Train a diffusion model on small images, draw with it, and say how good the drawings are.

python -m ddpm_lite train --data digits --minutes 1 --out runs/digits
python -m ddpm_lite sample --run runs/digits --n 64 --out grid.png
python -m ddpm_lite evaluate --run runs/digits
python -m ddpm_lite info --run runs/digits

Each explains itself: python -m ddpm_lite train --help
"""

from __future__ import annotations

import argparse
import inspect
import io
import math
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import (  # isort: skip
    EMA, CheckpointError, DataError, NonFiniteLossError, UNet, __version__, adamw, annealed,
    batches, clipped, cosine_schedule, ddim_step, ddpm_loss, ddpm_step, dpm_solver, drop_labels,
    eps_target, fit_classifier, frechet_distance, from_v, from_x0, guided, linear_schedule,
    load_checkpoint, load_classifier, load_images, nearest, sample, save_checkpoint, train,
    v_target, x0_target,
)  # fmt: skip

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


count, share = number(1, 10**9, int), number(0, 1)


@dataclass(frozen=True)
class Recipe:
    """All that decides what a run becomes. Weights are a function of it, and of nothing else."""

    data: str = option("digits", "images to learn", choices=list(SHAPES))
    width: int = option(16, "channels of the finest level, even", type=even)
    mults: tuple = option((1, 2), "channels of each level, times width", type=count, nargs="+")
    blocks: int = option(1, "residual blocks of a level", type=count)
    attention: tuple = option((), "levels with attention", type=number(0, 9, int), nargs="*")
    conditional: bool = option(
        False, "learn the labels, so that sample can choose", action=argparse.BooleanOptionalAction
    )
    dropout: float = option(0.0, "probability of dropping a unit", type=share)
    schedule: str = option("cosine", "how noise grows with t", choices=list(SCHEDULES))
    T: int = option(1000, "number of noise levels", type=count)
    target: str = option("v", "what the network guesses", choices=list(TARGETS))
    batch: int = option(64, "images of a step", type=count)
    lr: float = option(4e-3, "peak learning rate; it ends at 0", type=number(0, 1e9))
    ema: float = option(0.99, "decay of the averaged weights, which sample", type=share)
    seed: int = option(0, "of weights, order, times and noise", type=number(0, 4000, int))
    threads: int = option(0, "CPU threads, 0 for all", type=number(0, 1024, int))
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
        schedule="linear", target="eps", batch=128, lr=2e-4, ema=0.9999, minutes=600,
    ),
}  # fmt: skip


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

    def loss(self, net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        """Algorithm 1; a tenth of the labels is dropped, so that guidance is possible."""
        labels = drop_labels(y, 0.1, CLASSES) if self.recipe.conditional else None
        return ddpm_loss(partial(net, y=labels), self.schedule, x, TARGETS[self.recipe.target][0])

    def advance(self, x: Tensor, y: Tensor) -> Iterator[tuple[int, float]]:
        """Train from here to the last step, yielding (step, loss). Randomness has no state: it
        follows from the seed and the number of the step, so that a resumed run is the same run."""
        recipe, start = self.recipe, self.step
        x, y = x.to(self.device), y.to(self.device)
        stream = seeded(batches(x, y, recipe.batch, recipe.seed, start), recipe.seed, start)
        rest = {"ema": self.ema, "optimizer": self.optimizer, "start": start}
        steps = train(self.net, stream, self.loss, recipe.steps, annealed(recipe.lr), **rest)
        for self.step, loss in steps:
            yield self.step, loss

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


def plan(recipe: Recipe, x, y, device: str = "cpu", clock=time.perf_counter) -> int:
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
    """A list of the SIGINT and SIGTERM that came, to act on after a step; a second one stops."""
    caught: list[int] = []

    def note(number: int, frame: Any) -> None:
        caught.append(number)
        for name, handler in before.items():
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
    """On a terminal a bar with the loss, elsewhere a line at every tenth of the way."""
    from tqdm import tqdm

    with tqdm(total=steps, initial=start, unit=" steps", disable=None) as bar:

        def show(step: int, loss: float) -> None:
            bar.set_postfix_str(f"loss {loss:.3f}", refresh=False)
            bar.update()
            if bar.disable and 10 * step // steps > 10 * (step - 1) // steps:
                print(f"step {step} of {steps}, loss {loss:.3f}", file=sys.stderr, flush=True)

        yield show


@contextmanager
def saved(run: Run, path: Path) -> Iterator[None]:
    """Save the run afterwards, and also where the loss has become NaN: as it was before that."""
    try:
        yield
    except NonFiniteLossError:
        if run.step:
            run.save(path)
        raise
    run.save(path)


def fit(run: Run, x: Tensor, y: Tensor, path: Path, every: float) -> int:
    """Train to the end, saving every so many seconds. The signal that stopped it, or 0."""
    bar, due = progress(run.step, run.recipe.steps), time.monotonic() + every
    with signals_noted() as caught, bar as show, saved(run, path):
        for step, loss in run.advance(x, y):
            show(step, loss)
            if caught:
                break
            if time.monotonic() > due:
                run.save(path)
                due = time.monotonic() + every
    return caught[0] if caught else 0


# Scores


class Reference:
    """Real images to hold samples against, and a classifier fitted on their training part: the
    one that comes with the package where there is one."""

    def __init__(self, name: str, root: str = "data"):
        self.train, labels = load_images(name, root)
        self.test, answers = load_images(name, root, train=False)
        shipped = name == "digits"
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

    n, c, h, w = images.shape
    columns, factor = math.isqrt(n - 1) + 1, max(1, pixels // w)
    big = F.interpolate(images.clamp(-1, 1), scale_factor=factor, mode="nearest")
    tiles = F.pad(big, (1, 1, 1, 1), value=1.0)  # a white line around each
    tiles = torch.cat([tiles, tiles.new_ones(-n % columns, *tiles.shape[1:])])
    rows = [torch.cat(list(row), dim=2) for row in tiles.split(columns)]
    grid = ((torch.cat(rows, dim=1) + 1) * 127.5).round().byte().permute(1, 2, 0)
    buffer = io.BytesIO()
    Image.fromarray(grid.squeeze(2).numpy()).save(buffer, format="png")
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

    Writes a run folder: checkpoint.pt, and samples.png at the end. The settings default to the
    recipe of --data; those of digits stand in brackets, and `info` prints all recipes.

    Minutes become a number of steps first, by timing a few: so the learning rate has come down to
    0 when the time is over, and the same settings, steps and seed give the same weights. Ctrl-C
    finishes the step and saves; --resume goes on from there, bit for bit.
    """
    args.out = args.out or Path("runs", args.data or "digits")
    device, path = device_named(args.device), args.out / "checkpoint.pt"
    run = (resumed if args.resume else begun)(path, device, chosen(args))
    x, y = load_images(run.recipe.data, args.root)
    check_writable(args.out)
    if not run.recipe.steps:
        run.recipe = replace(run.recipe, steps=plan(run.recipe, x, y, device))
    if number := fit(run, x, y, path, args.every):
        again = f"python -m ddpm_lite train --resume --out {args.out}"
        print(f"stopped at step {run.step} of {run.recipe.steps}; go on with: {again}")
        return 128 + number
    save_grid(args.out / "samples.png", run.draw(64))
    print(f"trained for {run.step} steps: {path} and {args.out / 'samples.png'}")
    return 0


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
    return f"""\
Fréchet distance  {score["distance"]:.2f}, which is {ratio:.2f} times that of real from real images
real from real    {real.mean():.2f} ± {real.std():.2f} between two random halves
classes           entropy {score["entropy"]:.3f} (1: all equally often)
confidence        {score["confidence"]:.3f} on average
nearest image     {score["nearness"]:.2f} times as far in the training part as for held-out images
copies            {score["copies"]} (nearest training image at a third of the next one's distance)
protocol          N = {args.n}, {args.steps} steps of {args.sampler}, seed {args.seed};
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
    step = {"ddpm": ddpm_step, "dpm": dpm_solver(), "ddim": partial(ddim_step, eta=args.eta)}
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
    group = p.add_argument_group("recipe")
    length = group.add_mutually_exclusive_group()
    for f in fields(Recipe):
        value = shown(getattr(RECIPES["digits"], f.name))
        how = {**f.metadata, "help": f"{f.metadata['help']} ({value})"}
        where = length if f.name in ("minutes", "steps") else group
        where.add_argument(f"--{f.name}", default=None, **how)


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
EXPECTED = (DataError, OSError, ValueError, ModuleNotFoundError, *OUT_OF_MEMORY)
FAILURES = (CheckpointError, NonFiniteLossError)  # the ValueErrors that no argument could avoid


def main(argv: list[str] | None = None) -> int:
    """Run a command line; 0, or 2 for bad arguments, 1 for a failure, 128 + the signal."""
    args = parser().parse_args(argv)
    try:
        return args.action(args)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except EXPECTED as error:
        if args.debug:
            raise
        print(f"ddpm_lite {args.command}: {sentence(error, args)}", file=sys.stderr)
        return 2 if isinstance(error, ValueError) and not isinstance(error, FAILURES) else 1


def sentence(error: BaseException, args: argparse.Namespace) -> str:
    """What went wrong, and what to do."""
    if isinstance(error, ModuleNotFoundError):
        return f"{error.name} is not installed: pip install -r requirements.txt"
    if isinstance(error, OUT_OF_MEMORY):
        return "out of memory: try a smaller --batch, --width or --n, or --device cpu"
    if isinstance(error, OSError) and error.strerror:
        place = error.filename or getattr(args, "out", "")
        return f"{place}: {error.strerror}; nothing was overwritten. Choose another place"
    return str(error)


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")  # consoles without é
    sys.exit(main())
