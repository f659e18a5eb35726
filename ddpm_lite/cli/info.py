"""The command ``info``."""

from __future__ import annotations

import argparse
import platform

import torch

from .. import __version__
from .recipes import RECIPES, Recipe
from .run import Run
from .words import device_named, table


def info(args: argparse.Namespace) -> int:
    """Show what a run folder holds: its step, where and when it was trained, and its recipe.

    Without --run: all recipes, the versions, and the devices that PyTorch finds here.
    """
    print(about_run(args) if args.run else about_here())
    return 0


def about_run(args: argparse.Namespace) -> str:
    run = Run.load(args.run)
    parameters = sum(p.numel() for p in run.net.parameters())
    facts = {"step": f"{run.step} of {run.recipe.steps}", "parameters": f"{parameters:,}"}
    return table(facts | run.about) + "\n\n" + table(settings(run.recipe))


def about_here() -> str:
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    versions = {"ddpm_lite": __version__, "torch": torch.__version__}
    here = {"python": platform.python_version(), "device": " ".join([device_named("auto"), *gpus])}
    return table(versions | here) + "\n\n" + table(*map(settings, RECIPES.values()))


def settings(recipe: Recipe) -> dict:
    """The recipe with the number of its classes in place of their names."""
    return recipe.values() | {"classes": len(recipe.classes)}
