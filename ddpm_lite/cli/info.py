"""The command ``info``."""

from __future__ import annotations

import argparse
import platform
from typing import Any

import torch

from .. import __version__
from .distributed import device_named
from .images import images
from .recipes import RECIPES, Recipe, shown
from .run import Run


def info(args: argparse.Namespace) -> int:
    """Show what a run folder holds (--run) or what images there are (--data).

    Of a run: its step, where and when it was trained, and its recipe. Of images: how many, their
    size and their classes. Without either: all recipes, the versions, and the devices here.
    """
    print(about_run(args) if args.run else about_data(args) if args.data else about_here())
    return 0


def about_run(args: argparse.Namespace) -> str:
    run = Run.load(args.run)
    parameters = sum(p.numel() for p in run.net.parameters())
    facts = {"step": f"{run.step} of {run.recipe.steps}", "parameters": f"{parameters:,}"}
    return table(facts | run.about) + "\n\n" + table(settings(run.recipe))


def about_data(args: argparse.Namespace) -> str:
    data, _, facts = images(args.data, args.root, workers=1)
    return table({"images": len(data)} | facts | {"labels": len(facts["classes"])})


def about_here() -> str:
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    versions = {"ddpm_lite": __version__, "torch": torch.__version__}
    here = {"python": platform.python_version(), "device": " ".join([device_named("auto"), *gpus])}
    return table(versions | here) + "\n\n" + table(*map(settings, RECIPES.values()))


def settings(recipe: Recipe) -> dict[str, Any]:
    """The recipe with the number of its classes in place of their names."""
    return recipe.values() | {"classes": len(recipe.classes)}


def table(*columns: dict[str, Any]) -> str:
    """The keys, and beside them the values of each column."""
    rows = [[name, *(shown(column[name]) for column in columns)] for name in columns[0]]
    return "\n".join("".join(f"{cell:<15}" for cell in row).rstrip() for row in rows)
