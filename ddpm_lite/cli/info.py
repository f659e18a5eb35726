"""The command ``info``."""

import platform
from argparse import Namespace
from typing import Any

import torch

from .. import __version__
from .distributed import device_named, say
from .images import images
from .recipes import RECIPES, shown
from .run import Run


def info(args: Namespace) -> int:
    """Show what is in a run folder (--run) or a data set (--data).

    For a run, it prints the step, where and when it was trained, and the recipe. For a data set, it
    prints the number of images, their size and their classes. Without these options, it prints all
    recipes, the versions of the packages, and the devices of this machine.
    """
    say(about_run(args) if args.run else about_data(args) if args.data else about_here())
    return 0


def about_run(args: Namespace) -> str:
    run = Run.load(args.run)
    parameters = sum(p.numel() for p in run.net.parameters())
    facts = {"step": f"{run.step} of {run.recipe.steps}", "parameters": f"{parameters:,}"}
    return table(facts | run.about) + "\n\n" + table(run.recipe.values())


def about_data(args: Namespace) -> str:
    x, _, classes = images(args.data, args.root, workers=1)
    return table({"images": len(x), "shape": tuple(x.shape[-3:]), "classes": classes})


def about_here() -> str:
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    versions = {"ddpm_lite": __version__, "torch": torch.__version__}
    here = {"python": platform.python_version(), "device": " ".join([device_named("auto"), *gpus])}
    recipes = [recipe.values() | {"classes": len(recipe.classes)} for recipe in RECIPES.values()]
    return table(versions | here) + "\n\n" + table(*recipes)


def table(*columns: dict[str, Any]) -> str:
    """A table with a row for each key: its name, and its value in each column."""
    rows = [[name, *(shown(column[name]) for column in columns)] for name in columns[0]]
    return "\n".join("".join(f"{cell:<15}" for cell in row).rstrip() for row in rows)
