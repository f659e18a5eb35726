"""Train a diffusion model on small images, sample from it, and score the samples.

python -m ddpm_lite train --data digits --minutes 1 --out runs/digits
python -m ddpm_lite sample --run runs/digits --n 64 --out grid.png
python -m ddpm_lite evaluate --run runs/digits
python -m ddpm_lite info --run runs/digits

On two devices: torchrun --nproc-per-node=2 -m ddpm_lite train --data cifar10
Each command explains itself: python -m ddpm_lite train --help
"""

from __future__ import annotations

import argparse
import inspect
import os
import signal
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from . import __version__
from .cli.evaluate import evaluate
from .cli.info import info
from .cli.recipes import RECIPES, Recipe, count, number
from .cli.sample import sample
from .cli.train import train
from .cli.words import FAILURES, sentence, shown


def path(text: str) -> Path:
    """An argument type: a path, also one that begins with ~."""
    return Path(text).expanduser()


RUN = {"--run": dict(type=path, help="the run folder that train wrote")}
ROOT = {"--root": dict(type=path, default="data", help="where torchvision keeps its files (data)")}
DEVICE = {"--device": dict(choices=("auto", "cuda", "mps", "cpu"), default="auto",
                           help="where to compute; auto takes the fastest (auto)")}  # fmt: skip
DRAWING = RUN | {
    "--n": dict(type=count, default=64, help="number of images (64; evaluate: 1000)"),
    "--steps": dict(type=count, default=50, help="network calls for each image (50)"),
    "--sampler": dict(choices=["ddpm", "ddim", "dpm"], default="ddpm", help="(ddpm)"),
    "--eta": dict(type=number(0, 1, float), default=0.0, help="fresh noise of ddim: 0 none, 1 as much as ddpm"),
    "--label": dict(type=number(0, 9), nargs="+", help="labels to draw, in turn (all)"),
    "--guidance": dict(type=number(0, 100, float), default=0.0,
                       help="guidance scale; larger values follow the label more closely (0)"),
    "--seed": dict(type=number(0, 2**32 - 1), default=0, help="seed of the noise (0)"),
} | DEVICE  # fmt: skip
OPTIONS = {
    train: {
        "--out": dict(type=path, help="run folder (runs/ and the name of the data)"),
        "--resume": dict(action="store_true", help="go on with the run in --out"),
        "--every": dict(type=number(0, 1e6, float), default=60.0, help="seconds between saves (60)"),
        "--grids": dict(type=count, default=1, help="how many sample grids to save, the last at "
                        "the end (1)"),
    } | ROOT | DEVICE,
    sample: {
        "--out": dict(type=path, default="grid.png", help="image to write (grid.png)"),
    } | DRAWING,
    evaluate: ROOT | DRAWING | {"--n": DRAWING["--n"] | {"default": 1000}},
    info: RUN,
}  # fmt: skip


class Parser(argparse.ArgumentParser):
    """One that says what is wrong in a sentence, without the usage."""

    def __init__(self, **how: Any):
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **how)

    def error(self, message: str) -> Any:
        self.exit(2, f"{self.prog}: {message} (--help explains)\n")


def parser() -> Parser:
    """All of the command line. The docstrings of the commands are its help."""
    top = Parser(prog="python -m ddpm_lite", description=__doc__)
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(dest="command", required=True, metavar="command")
    for action, options in OPTIONS.items():
        text = inspect.getdoc(action)
        summary = text.splitlines()[0].rstrip(".")
        p = commands.add_parser(action.__name__, help=summary, description=text)
        p.set_defaults(action=action)
        for flag, how in options.items():
            p.add_argument(flag, **how)
        if action is train:
            add_recipe(p)
        p.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return top


def add_recipe(p: Parser) -> None:
    """The settings of a recipe as options; no default, since that depends on the data."""
    group = p.add_argument_group("recipe")
    length = group.add_mutually_exclusive_group()
    for f in fields(Recipe):
        if how := dict(f.metadata):
            how["help"] += f" ({shown(getattr(RECIPES['digits'], f.name))})"
            flag = how.pop("flag", f.name).replace("_", "-")
            where = length if f.name in ("minutes", "steps") else group
            where.add_argument(f"--{flag}", dest=f.name, default=None, **how)


def main(argv: list[str] | None = None) -> int:
    """Run a command line; 0, or 2 for bad arguments, 1 for a failure, 128 + the signal."""
    args = parser().parse_args(argv)
    try:
        code = args.action(args)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:  # as of `info | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        if args.debug or not (text := sentence(error)):
            raise
        if os.environ.get("RANK", "0") == "0":  # one voice for all processes
            print(f"ddpm_lite {args.command}: {text}", file=sys.stderr)
        return status(error)


def status(error: Exception) -> int:
    """2 if other arguments would avoid it."""
    return 2 if isinstance(error, ValueError) and not isinstance(error, FAILURES) else 1


if __name__ == "__main__":
    for stream in sys.stdout, sys.stderr:
        stream.reconfigure(errors="replace")  # consoles without é
    sys.exit(main())
