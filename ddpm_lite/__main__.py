"""Train a diffusion model on small images, sample from it, and score the samples.

python -m ddpm_lite train --data digits --minutes 1 --out runs/digits
python -m ddpm_lite sample --run runs/digits --n 64 --out grid.png
python -m ddpm_lite evaluate --run runs/digits
python -m ddpm_lite info --run runs/digits

Sample without training: python -m ddpm_lite sample --pretrained mnist --label 7 --out sevens.png
Train on your own images: python -m ddpm_lite train --data path/to/folder
Train on two devices: torchrun --nproc-per-node=2 -m ddpm_lite train --data cifar10
Get help on one command: python -m ddpm_lite train --help
"""

import argparse
import inspect
import os
import signal
import sys
import warnings
from dataclasses import fields
from pathlib import Path
from typing import Any

from . import __version__
from .cli.errors import tell
from .cli.evaluate import FEATURES, evaluate
from .cli.info import info
from .cli.recipes import RECIPES, Recipe, argument, count, number, place, real, shown
from .cli.sample import sample
from .cli.train import train
from .pretrained import NAMES


def path(text: str) -> Path:
    """An argument type: a path, which may begin with ~."""
    return Path(text).expanduser()


RUN = [("--run", path, None, "the run folder that train wrote")]
DATA = [("--data", place, None, "the images: a data set by name, a folder, or a .npy or .npz file")]
ROOT = [("--root", path, Path("data"), "the folder for downloaded data sets")]
DEVICE = [("--device", ("auto", "cuda", "mps", "cpu"), "auto", "the device to compute on")]
DRAWING = RUN + DEVICE + [
    ("--pretrained", NAMES, None, "use weights that come with the package instead of --run"),
    ("--steps", count, None, "number of sampling steps; by default 50"),
    ("--sampler", ("ddpm", "ddim", "dpm"), "ddpm", "which sampler to use"),
    ("--eta", number(0, 1, float), 0.0, "fresh noise of ddim, from 0 (none) to 1 (like ddpm)"),
    ("--label", str, (), "labels to draw in turn, by name or number; by default all"),
    ("--guidance", real, 0.0, "guidance scale; larger values follow the label more closely"),
    ("--seed", number(0, 2**32 - 1), 0, "seed of the noise"),
]  # fmt: skip
OPTIONS = {
    train: ROOT + DEVICE + [
        ("--out", path, None, "run folder; by default runs/NAME, where NAME is that of the data"),
        ("--resume", bool, False, "continue the run in --out; add a larger --steps to extend it"),
        ("--every", real, 60.0, "seconds between saves"),
        ("--grids", count, 1, "how many sample grids to save, including the final one"),
        ("--workers", number(0, 99), None, "processes that read images; 0 loads all into memory"),
    ],
    sample: DRAWING + [
        ("--n", count, 64, "number of images"),
        ("--out", path, Path("grid.png"), "the image, array or folder to write"),
        ("--overwrite", bool, False, "replace existing files"),
    ],
    evaluate: DRAWING + DATA + ROOT + [
        ("--n", count, 1000, "number of images"),
        ("--features", tuple(FEATURES), None, "which features to compare"),
    ],
    info: RUN + DATA + ROOT,
}  # fmt: skip


class Parser(argparse.ArgumentParser):
    """A parser that reports an error in one sentence, without the usage."""

    def __init__(self, **how: Any):
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **how)

    def error(self, message: str) -> Any:
        self.exit(2, f"{self.prog}: {message} (see --help)\n")


def parser() -> Parser:
    """The parser of all commands. Their docstrings are the help texts."""
    top = Parser(prog="python -m ddpm_lite", description=__doc__)
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(dest="command", required=True, metavar="command")
    for action, options in OPTIONS.items():
        text = inspect.getdoc(action)
        p = commands.add_parser(action.__name__, help=text.partition(".")[0], description=text)
        p.set_defaults(action=action)
        for flag, kind, default, help in options:
            help += "" if default in (None, ()) else f" ({shown(default)})"
            p.add_argument(flag, default=default, **argument(default, help, kind))
        p.add_argument("--debug", action="store_true", help="show the traceback of an error")
    add_recipe(commands.choices["train"])
    return top


def add_recipe(p: Parser) -> None:
    """Add the settings of a recipe as options. They have no default here, because it depends on the
    data."""
    group = p.add_argument_group("recipe")
    length = group.add_mutually_exclusive_group()
    for f in fields(Recipe):
        if how := dict(f.metadata):
            how["help"] += f" ({shown(getattr(RECIPES['digits'], f.name))})"
            flag = {"source": "from"}.get(f.name, f.name.replace("_", "-"))
            where = length if f.name in ("minutes", "steps") else group
            where.add_argument(f"--{flag}", dest=f.name, default=None, **how)


def main(argv: list[str] | None = None) -> int:
    """Run a command line and return its exit status: 0 for success, 1 for a failure, 2 for bad
    arguments, or 128 plus the number of the signal that stopped it."""
    args = parser().parse_args(argv)
    args.line = sys.argv[1:] if argv is None else argv
    try:
        return args.action(args)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:  # as in `info | head`: the reader has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        if args.debug:
            raise
        return tell(error, f"ddpm_lite {args.command}")


if __name__ == "__main__":
    if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:  # see __init__.py
        signal.signal(signal.SIGINT, signal.default_int_handler)
    warnings.formatwarning = lambda message, *_, **__: f"{message}\n"
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.reconfigure(errors="replace")  # for consoles that have no é
    sys.exit(main())
