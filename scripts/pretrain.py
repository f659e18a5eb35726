"""Train the networks and classifiers that come with the package, and print their scores.

    python scripts/pretrain.py digits
    python scripts/pretrain.py mnist --root data

The digits take a few minutes on one CPU core, and MNIST takes about an hour. The same command gives
the same weights, up to rounding. book/results.md quotes the scores. You can also train with the
command line, which can be stopped and resumed, and then use the finished run:

    python -m ddpm_lite train --data mnist --conditional --width 24 --steps 8000 --threads 1 \\
        --lr 2e-3 --ema 0.999 --out runs/mnist
    python scripts/pretrain.py mnist --run runs/mnist
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ddpm_lite import ddim_step, ddpm_step, fit_classifier, load_images, save_checkpoint
from ddpm_lite.cli.evaluate import report
from ddpm_lite.cli.recipes import RECIPES as DEFAULTS
from ddpm_lite.cli.run import Run
from ddpm_lite.metrics import score
from ddpm_lite.pretrained import FOLDER

RECIPES = {
    "digits": replace(DEFAULTS["digits"], minutes=None, steps=8000, ema=0.998, threads=1),
    "mnist": replace(
        DEFAULTS["mnist"], minutes=None, steps=8000, conditional=True, width=24, threads=1,
        lr=2e-3, ema=0.999,
    ),
}  # fmt: skip
DRAWINGS = {  # what is scored: sampler and guidance
    "digits": [(ddpm_step, 0.0)],
    "mnist": [(partial(ddim_step, eta=0.0), 0.0), (partial(ddim_step, eta=0.0), 0.5)],
}


def trained(name: str, x: Tensor, y: Tensor) -> Run:
    """A run of the recipe, from the first step to the last."""
    run, start = Run(RECIPES[name]), time.perf_counter()
    losses = [loss for _, loss in run.advance(x, y)]
    minutes, last = (time.perf_counter() - start) / 60, torch.tensor(losses[-500:])
    print(f"{run.step} steps in {minutes:.1f} minutes, loss {last.mean():.3f} at the end")
    return run


def finished(name: str, folder: Path) -> Run:
    """The run in a folder, if it has the recipe and is finished."""
    run, recipe = Run.load(folder), RECIPES[name]
    if (run.recipe, run.step) != (recipe, recipe.steps):
        raise SystemExit(f"{folder} holds step {run.step} of {run.recipe}, expected {recipe}")
    print(f"{run.step} steps, {run.about}")
    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("name", choices=RECIPES)
    parser.add_argument("--root", default="data", help="where torchvision keeps its files")
    parser.add_argument(
        "--run", type=Path, help="use this finished run of the recipe instead of training"
    )
    args = parser.parse_args()
    x, y = load_images(args.name, args.root)
    run = finished(args.name, args.run) if args.run else trained(args.name, x, y)
    weights = run.ema.model.state_dict()
    save_checkpoint(FOLDER / f"{args.name}.pt", recipe=run.recipe.values(), net=weights)
    classifier = fit_classifier(x, y)
    sizes = {"channels": x.shape[1], "classes": int(y.max()) + 1}
    save_checkpoint(FOLDER / f"{args.name}_classifier.pt", sizes=sizes, net=classifier.state_dict())
    test, _ = load_images(args.name, args.root, train=False)
    order = torch.randperm(len(test), generator=torch.Generator().manual_seed(0))
    print("as many real images of the test part, for comparison:")
    print(report(score(test[order[:1000]], x, test, classifier)))
    for step, w in DRAWINGS[args.name]:
        print(f"1000 samples, 50 steps of {step}, guidance {w:g}:")
        print(report(score(run.draw(1000, 50, step, w=w), x, test, classifier)), flush=True)


if __name__ == "__main__":
    main()
