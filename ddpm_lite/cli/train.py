"""The command ``train``."""

import math
import shlex
import signal
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from ..data import IMAGES
from .distributed import averaged, check_shares, device_named, rank, say, team, world
from .folder import RunFolder
from .images import images
from .recipes import ADAPT, Recipe, recipe_for, shown
from .run import Run, plan

FIXED = {"width", "mults", "blocks", "attention", "channels"}  # the weights of --from fix these


def train(args: Namespace) -> int:
    """Train a network to predict the noise in noisy images (DDPM, Algorithm 1).

    The command writes a run folder with checkpoint.pt, log.jsonl (the loss of every step) and
    samples.png (at the end). To draw more images, use `sample --run OUT`. The default settings are
    a recipe that suits the data. The defaults for the digits are in brackets below, and `info`
    prints all recipes.

    The command first times a few steps and converts the minutes to a number of steps, so the
    learning rate reaches 0 when the time is up. The same settings, steps and seed give the same
    weights.

    Press Ctrl-C to finish the current step and save. --resume then continues bit for bit, also from
    the last save of a killed run. With a larger --steps, it extends a run, even a finished one.

    To use several GPUs or processes, run `torchrun --nproc-per-node=4 -m ddpm_lite train ...`. Each
    process takes its share of every batch. You can resume with a different number of processes.
    """
    args.out = args.out or folder_for(args)
    device, given = device_named(args.device), chosen(args)
    with team(device), RunFolder.entered(args.out, args.resume) as folder:
        run = resumed(args, given, device) if args.resume else begun(args, given, device)
        check_shares(run.recipe.batch, run.recipe.accumulate, len(run.data[0]))
        if not run.recipe.steps:
            run.recipe = replace(run.recipe, steps=plan(run.recipe, run.data, device))
        with saving(run, folder, again(args)):
            if number := fit(run, folder, args):
                steps = f"step {run.step} of {run.recipe.steps}"
                say(f"stopped at {steps}; continue with: {again(args)}")
                return 128 + number
            folder.samples(run)
        say(f"trained for {run.step} steps: {args.out / 'checkpoint.pt'} and samples.png")
    return 0


def folder_for(args: Namespace) -> Path:
    """The folder of a run without ``--out``."""
    if args.source and not args.data:
        raise ValueError("--from without --data needs --out, the folder of the new run")
    return Path("runs", Path(args.data or "digits").stem)


def chosen(args: Namespace) -> dict[str, Any]:
    """The settings of a recipe that were given on the command line."""
    given = {f.name: getattr(args, f.name) for f in fields(Recipe) if f.metadata}
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items() if v is not None}
    if len(given.get("image_size", ())) == 1:
        given["image_size"] *= 2  # one number means a square
    return given | ({"minutes": None} if "steps" in given else {})


def begun(args: Namespace, given: dict[str, Any], device: str) -> Run:
    """A new run, with the recipe that suits its images, or with the settings of ``--from``."""
    source = Run.load(args.source, device) if args.source else None
    if source and (fixed := FIXED & set(given)):
        raise ValueError(f"--from keeps the network as it is: leave out {', '.join(fixed)}")
    wanted = (source.recipe.values() if source else {}) | given
    name, how = wanted.get("data", "digits"), {"channels": wanted.get("channels")}
    x, y, classes = images(name, args.root, args.workers, size=wanted.get("image_size"), **how)
    recipe = recipe_for(name, tuple(x.shape[-3:]), classes)
    if source:
        recipe = replace(source.recipe, classes=classes, minutes=recipe.minutes, steps=None)
    run = Run(replace(recipe, **given), device, source)
    run.data = x, y, args.workers or 2
    describe(run.recipe, run, len(x))
    return run


def describe(recipe: Recipe, run: Run, n: int) -> None:
    """Print the data, the network's size and the training length. Warn if sampling would fail."""
    shape, parameters = (recipe.channels, *recipe.image_size), run.net.parameters()
    length = f"{recipe.steps} steps" if recipe.steps else f"{recipe.minutes:g} minutes"
    say(f"{n} images of {' x '.join(map(str, shape))}, {len(recipe.classes)} classes; a network of "
        f"{sum(p.numel() for p in parameters):,} parameters; {length}")  # fmt: skip
    if (left := run.schedule.alpha_bar[-1].sqrt()) > 0.05 and not rank():
        print(f"the {recipe.schedule} schedule leaves {left:.0%} of the signal at T = {recipe.T}, "
              "but sampling starts from noise alone: use --schedule cosine", file=sys.stderr)


def resumed(args: Namespace, given: dict[str, Any], device: str) -> Run:
    """Load the run in the folder. Refuse settings that differ from its own."""
    run = Run.load(args.out, device)
    old, may = run.recipe, {*ADAPT, "steps", "minutes"} if "steps" in given else {*ADAPT}
    if not (old.data in IMAGES or Path(old.data).exists()):
        may.add("data")  # the data have moved
    changed = {k: v for k, v in given.items() if v != getattr(old, k) and k not in may}
    if changed:
        was = "; ".join(f"{k} {shown(getattr(old, k))}, now {shown(v)}" for k, v in changed.items())
        raise ValueError(f"{args.out} was trained with {was}: leave these options out, or choose "
                         "another --out")  # fmt: skip
    run.recipe = replace(old, **{k: v for k, v in given.items() if k in may})
    prolong(run, old.steps)
    run.data = data_again(run.recipe, args)
    return run


def data_again(recipe: Recipe, args: Namespace) -> tuple:
    """Load the data of a run once more. Refuse them if their labels now mean other classes."""
    how = {"size": recipe.image_size, "channels": recipe.channels}
    x, y, classes = images(recipe.data, args.root, args.workers, **how)
    if recipe.conditional and classes != recipe.classes:
        raise ValueError(f"the data now have the classes {shown(classes)}, but the run was trained "
                         f"with {shown(recipe.classes)}: restore them, or begin a new run with "
                         f"--from {args.out}")  # fmt: skip
    return x, y, args.workers or 2


def prolong(run: Run, before: int) -> None:
    """Print what a different number of steps changes, or refuse one that has already passed."""
    steps = run.recipe.steps
    if steps < run.step:
        raise ValueError(f"the run is at step {run.step} already: give more --steps than {steps}")
    if steps != before:
        say(f"the run now ends at step {steps}, not {before}: from here on, the learning rate "
            "follows the schedule of a run of that length")  # fmt: skip


def again(args: Namespace) -> str:
    """The command that continues this run: the same command, with --resume."""
    start = ["python"] if world() == 1 else ["torchrun", f"--nproc-per-node={world()}"]
    more = [] if args.resume else ["--resume"]
    return shlex.join([*start, "-m", "ddpm_lite", *args.line, *more])


@contextmanager
def saving(run: Run, folder: RunFolder, again: str) -> Iterator[None]:
    """Save the run as it was after its last complete step if an error occurs: the loss becomes NaN,
    an image can't be read, the disk is full, or the output is closed."""
    try:
        yield
    except (ValueError, OSError) as error:
        state = "nothing is saved yet"
        with suppress(OSError):
            if run.step:
                folder.save(run)
                state = f"the run is saved at step {run.step}"
        if isinstance(error, (BrokenPipeError, ValueError)):
            raise
        raise OSError(f"{error.filename or folder.path}: {error.strerror}; {state}. Once that is "
                      f"solved, continue with: {again}") from error  # fmt: skip


def fit(run: Run, folder: RunFolder, args: Namespace) -> int:
    """Train to the end, and save after the first step and then every ``--every`` seconds. Returns
    the signal that stopped training, or 0. A signal to one process stops all processes after the
    same step."""
    steps, saved = run.recipe.steps, time.monotonic() if run.step else -math.inf
    with stopping() as caught, progress(run.step, steps) as show:
        for step, loss in run.advance(*run.data):
            folder.log(run, loss)
            show(step, loss)
            if step in {steps * i // args.grids for i in range(1, args.grids)}:
                folder.samples(run, f"samples-{step:07d}.png")
            if averaged(len(caught)):
                break
            if time.monotonic() > saved + args.every:
                folder.save(run)
                saved = time.monotonic()
        folder.save(run)
    return 0 if run.step == steps else caught[0] if caught else signal.SIGTERM


@contextmanager
def stopping() -> Iterator[list[int]]:
    """Collect SIGINT, SIGTERM and SIGHUP in a list, so that training stops after the current step.
    A second signal stops it at once. Under torchrun it doesn't, because torchrun forwards signals
    that the processes have already got from the terminal."""
    caught: list[int] = []

    def note(number: int, frame: Any) -> None:
        caught.append(number)
        if len(caught) > 1 and world() == 1:
            raise KeyboardInterrupt

    hangup = getattr(signal, "SIGHUP", signal.SIGTERM)
    ignored = signal.getsignal(hangup) == signal.SIG_IGN  # such as by nohup
    numbers = {signal.SIGINT, signal.SIGTERM} | (set() if ignored else {hangup})
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def progress(start: int, steps: int) -> Iterator[Callable[[int, float], None]]:
    """On a terminal, show a progress bar with the loss. Elsewhere, print a line after each tenth of
    the run. Both show the remaining time."""
    from tqdm import tqdm

    begin = time.monotonic()
    with tqdm(total=steps, initial=start, unit=" steps", disable=True if rank() else None) as bar:

        def show(step: int, loss: float) -> None:
            bar.set_postfix_str(f"loss {loss:.3f}", refresh=False)
            bar.update()
            if bar.disable and not rank() and 10 * step % steps < 10:
                left = (time.monotonic() - begin) / (step - start) * (steps - step)
                text = f"step {step} of {steps}, loss {loss:.3f}, {bar.format_interval(left)} left"
                print(text, file=sys.stderr, flush=True)

        yield show
