"""Make the weights that come with the package, and print their scores for book/results.md.

    python scripts/pretrain.py digits
    python scripts/pretrain.py mnist --root data

Digits take some minutes of one CPU core, MNIST about an hour. The same command gives the same
weights, up to rounding. A run may also be trained on its own, so that it can be stopped and go on,
and is handed over when it is finished:

    python -m ddpm_lite train --data mnist --conditional --width 24 --steps 8000 --threads 1 \\
        --lr 2e-3 --ema 0.999 --out runs/mnist
    python scripts/pretrain.py mnist --run runs/mnist
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

RECIPES = {
    "digits": replace(cli.RECIPES["digits"], minutes=None, steps=8000, ema=0.998),
    "mnist": replace(
        cli.RECIPES["mnist"], minutes=None, steps=8000, conditional=True, width=24, threads=1,
        lr=2e-3, ema=0.999,
    ),
}  # fmt: skip
DRAWINGS = {  # what is scored: sampler and guidance
    "digits": [("ddpm", 0.0)],
    "mnist": [("ddim", 0.0), ("ddim", 0.5)],
}


def trained(name: str, x: torch.Tensor, y: torch.Tensor) -> cli.Run:
    """A run of the recipe, from the first step to the last."""
    run, start = cli.Run(RECIPES[name]), time.perf_counter()
    losses = [loss for _, loss in run.advance(x, y)]
    minutes, last = (time.perf_counter() - start) / 60, torch.tensor(losses[-500:])
    print(f"{run.step} steps in {minutes:.1f} minutes, loss {last.mean():.3f} at the end")
    return run


def finished(name: str, folder: Path) -> cli.Run:
    """The run in a folder, if it is one of the recipe and has come to its end."""
    run, recipe = cli.Run.load(folder / "checkpoint.pt"), RECIPES[name]
    if (run.recipe, run.step) != (recipe, recipe.steps):
        raise SystemExit(f"{folder} holds step {run.step} of {run.recipe}, expected {recipe}")
    print(f"{run.step} steps, {run.about}")
    return run


def export(run: cli.Run, path: Path) -> None:
    """The averaged weights and what is needed to use them."""
    recipe = asdict(run.recipe) | {
        "channels": cli.SHAPES[run.recipe.data][0],
        "num_classes": cli.CLASSES if run.recipe.conditional else 0,
    }
    assert set(SIZES) <= set(recipe)
    save_checkpoint(path, recipe=recipe, net=run.ema.model.state_dict())


def held_out(reference: cli.Reference, n: int = 1000) -> str:
    """What n real images of the test part score, as many as are drawn: few images are farther away
    than many, so the distance of the two halves is no yardstick where these are much larger."""
    order = torch.randperm(len(reference.test), generator=torch.Generator().manual_seed(0))
    x = reference.test[order[:n]]
    features, confidence = reference.classifier.features(x), reference.classifier.probabilities(x)
    distances = [cli.frechet_distance(features, half) for half, _ in reference.halves]
    return (f"{len(x)} test images: Fréchet distance {sum(distances) / len(distances):.2f}, "
            f"confidence {confidence.amax(1).mean():.3f} on average")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("name", choices=RECIPES)
    parser.add_argument("--root", default="data", help=cli.ROOT)
    parser.add_argument("--run", type=Path, help="a finished run of the recipe, not to train again")
    args = parser.parse_args()
    x, y = load_images(args.name, args.root)
    run = finished(args.name, args.run) if args.run else trained(args.name, x, y)
    FOLDER.mkdir(exist_ok=True)
    export(run, FOLDER / f"{args.name}.pt")
    classifier = fit_classifier(x, y)
    sizes = {"channels": x.shape[1], "classes": int(y.max()) + 1}
    save_checkpoint(FOLDER / f"{args.name}_classifier.pt", sizes=sizes, net=classifier.state_dict())
    reference = cli.Reference(args.name, args.root)
    print(held_out(reference))
    for sampler, w in DRAWINGS[args.name]:
        how = {"n": 1000, "steps": 50, "sampler": sampler, "eta": 0.0, "guidance": w, "seed": 0}
        drawing = argparse.Namespace(**how, label=None, run=args.run)
        samples = cli.drawn(drawing, run)
        print(cli.report(reference, reference.score(samples), drawing), flush=True)


if __name__ == "__main__":
    main()
