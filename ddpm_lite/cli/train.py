"""The command ``train``."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from .. import NonFiniteLossError, load_images
from .distributed import averaged, check_shares, first, rank, say, team, world
from .folder import RunFolder
from .recipes import ADAPT, RECIPES, Recipe
from .run import Run, plan
from .words import device_named, shown


class StoppedError(RuntimeError):
    """The disk failed during the training."""


def train(args: argparse.Namespace) -> int:
    """Train a network to predict the noise in noisy images (DDPM, Algorithm 1).

    This writes a run folder: checkpoint.pt, log.jsonl with the loss of every step, and samples.png
    at the end. The settings default to the recipe of --data. This help shows those of digits in
    brackets, and `info` prints all recipes.

    Minutes first become a number of steps, by timing a few. So the learning rate reaches 0 when the
    time is over, and the same settings, steps and seed give the same weights. Press Ctrl-C to
    finish the step and save. --resume then goes on from there, or from the last save of a run that
    was killed, bit for bit.

    Several GPUs or processes: `torchrun --nproc-per-node=4 -m ddpm_lite train ...` trains the same
    run, each process with its share of every batch. A run may go on with another number of them.
    """
    args.out = args.out or Path("runs", Path(args.data or "digits").stem)
    device, given = device_named(args.device), chosen(args)
    with team(device), RunFolder(args.out, args.resume) as folder:
        run = resumed(args.out, device, given) if args.resume else begun(device, given)
        check_shares(run.recipe.batch, run.recipe.accumulate)
        x, y = images(run.recipe.data, args.root)
        if not run.recipe.steps:
            run.recipe = replace(run.recipe, steps=plan(run.recipe, x, y, device))
        with saving(run, folder, again(args)):
            if number := fit(run, x, y, folder, args):
                say(f"stopped at step {run.step} of {run.recipe.steps}; go on with: {again(args)}")
                return 128 + number
            folder.samples(run)
        say(f"trained for {run.step} steps: {folder.path / 'checkpoint.pt'} and samples.png")
    return 0


def chosen(args: argparse.Namespace) -> dict[str, Any]:
    """The settings of a recipe that were given on the command line."""
    given = {f.name: getattr(args, f.name) for f in fields(Recipe) if f.metadata}
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items() if v is not None}
    return given | ({"minutes": None} if "steps" in given else {})


def begun(device: str, given: dict[str, Any]) -> Run:
    """A new run."""
    return Run(replace(RECIPES[given.get("data", "digits")], **given), device)


def resumed(path: Path, device: str, given: dict[str, Any]) -> Run:
    """The run in the folder, unless other settings than its own were given."""
    run = Run.load(path, device)
    run.recipe = replace(run.recipe, **{k: v for k, v in given.items() if k in ADAPT})
    old = run.recipe.values() | ({"minutes": None} if "steps" in given else {})
    differences = [f"{k} {shown(old[k])}, now {shown(v)}" for k, v in given.items() if v != old[k]]
    if differences:
        hint = "leave these options out, or choose another --out"
        raise ValueError(f"{path} was trained with {'; '.join(differences)}: {hint}")
    return run


def images(name: str, root: str) -> tuple[Tensor, Tensor]:
    """The training images. Where several processes need them, the first downloads them."""
    if world() > 1:
        first(lambda: load_images(name, root))
    return load_images(name, root)


def again(args: argparse.Namespace) -> str:
    """The command that goes on with this run."""
    start = ["python"] if world() == 1 else ["torchrun", f"--nproc-per-node={world()}"]
    defaults = {"root": Path("data"), "device": "auto", "every": 60.0, "grids": 1}
    given = {k: getattr(args, k) for k in ("out", *defaults) if getattr(args, k) != defaults.get(k)}
    options = [part for k, v in given.items() for part in (f"--{k}", str(v))]
    return shlex.join([*start, "-m", "ddpm_lite", "train", "--resume", *options])


@contextmanager
def saving(run: Run, folder: RunFolder, again: str) -> Iterator[None]:
    """If the loss becomes NaN, the disk is full, or nobody reads what this prints, save the run as
    it was after its last whole step."""
    try:
        yield
    except (NonFiniteLossError, OSError) as error:
        state = "nothing is saved yet"
        with suppress(OSError):
            if run.step:
                folder.save(run)
                state = f"the run is saved at step {run.step}"
        if isinstance(error, (BrokenPipeError, NonFiniteLossError)):
            raise
        raise StoppedError(f"{error.filename or folder.path}: {error.strerror}; {state}. Once that "
                           f"is solved, go on with: {again}") from error  # fmt: skip


def fit(run: Run, x: Tensor, y: Tensor, folder: RunFolder, args: argparse.Namespace) -> int:
    """Train to the end; save after the first step, then every so many seconds. The signal that
    stopped it, or 0. A signal to one process stops all of them, after the same step."""
    steps, due = run.recipe.steps, time.monotonic() + args.every if run.step else 0.0
    marks = {steps * i // args.grids for i in range(1, args.grids)}
    with stopping() as caught, progress(run.step, steps) as show:
        for step, loss in run.advance(x, y):
            folder.log(run, loss)
            show(step, loss)
            if step in marks:
                folder.samples(run, f"samples-{step:07d}.png")
            if averaged(len(caught)):
                break
            if time.monotonic() > due:
                folder.save(run)
                due = time.monotonic() + args.every
        folder.save(run)
    return 0 if run.step == steps else caught[0] if caught else signal.SIGTERM


@contextmanager
def stopping() -> Iterator[list[int]]:
    """A list of the SIGINT, SIGTERM and SIGHUP that came, to act on after a step. A second one
    stops at once, but not under torchrun, which hands on what the terminal has sent already."""
    caught: list[int] = []

    def note(number: int, frame: Any) -> None:
        caught.append(number)
        if len(caught) > 1 and world() == 1:
            raise KeyboardInterrupt

    numbers = {signal.SIGINT, signal.SIGTERM}
    if signal.getsignal(hangup := getattr(signal, "SIGHUP", signal.SIGTERM)) != signal.SIG_IGN:
        numbers.add(hangup)  # nohup has it ignored
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
