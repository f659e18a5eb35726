"""Make the weights that come with the package, and print their scores for book/results.md.

    python scripts/pretrain.py digits

Some minutes of one CPU core. The same command gives the same weights, up to rounding.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict, replace
from pathlib import Path

import torch

from ddpm_lite import __main__ as cli
from ddpm_lite import fit_classifier, load_images, save_checkpoint
from ddpm_lite.pretrained import FOLDER, SIZES

RECIPES = {"digits": replace(cli.RECIPES["digits"], minutes=None, steps=8000, ema=0.998)}


def export(run: cli.Run, path: Path) -> None:
    """The averaged weights and what is needed to use them."""
    recipe = asdict(run.recipe) | {
        "channels": cli.SHAPES[run.recipe.data][0],
        "num_classes": cli.CLASSES if run.recipe.conditional else 0,
    }
    assert set(SIZES) <= set(recipe)
    save_checkpoint(path, recipe=recipe, net=run.ema.model.state_dict())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=RECIPES)
    parser.add_argument("--root", default="data", help=cli.ROOT)
    args = parser.parse_args()
    run = cli.Run(RECIPES[args.name])
    x, y = load_images(run.recipe.data, args.root)
    start = time.perf_counter()
    losses = [loss for _, loss in run.advance(x, y)]
    minutes, last = (time.perf_counter() - start) / 60, torch.tensor(losses[-500:])
    print(f"{run.step} steps in {minutes:.1f} minutes, loss {last.mean():.3f} at the end")
    FOLDER.mkdir(exist_ok=True)
    export(run, FOLDER / f"{args.name}.pt")
    classifier = fit_classifier(x, y)
    sizes = {"channels": x.shape[1], "classes": int(y.max()) + 1}
    save_checkpoint(
        FOLDER / f"{args.name}_classifier.pt", sizes=sizes, net=classifier.state_dict()
    )
    drawing = argparse.Namespace(n=1000, steps=50, sampler="ddpm", seed=0)
    reference = cli.Reference(run.recipe.data, args.root)
    print(cli.report(reference, reference.score(run.draw(drawing.n)), drawing))


if __name__ == "__main__":
    main()
