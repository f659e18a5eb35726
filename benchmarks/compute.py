"""Measure how much better digits become with more training.

    python benchmarks/compute.py

It trains the recipe "digits" from scratch for 250, 500, ... 8,000 steps with three seeds. In each
run, the learning rate falls to 0 at the end. It scores 1,000 samples of each run as `python -m
ddpm_lite evaluate` does, prints a table, and draws it in book/images/compute.png. This takes about
twenty minutes on one core. The seconds in the table are processor time of the training alone.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace
from pathlib import Path

import torch

from ddpm_lite import load_classifier, load_images, load_pretrained
from ddpm_lite.cli.recipes import Recipe
from ddpm_lite.cli.run import Run
from ddpm_lite.metrics import score

PICTURE = Path(__file__).resolve().parents[1] / "book" / "images" / "compute.png"
RECIPE = Recipe.of(load_pretrained("digits")[2])
ROW = "| {:>6} | {:>7} | {:>7} | {} | {:>6} | {:>8} |".format


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, nargs="+", default=[250 * 2**i for i in range(6)])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=PICTURE)
    args = parser.parse_args()
    torch.set_num_threads(1)
    real = scored(load_images("digits", train=False)[0])
    print(f"real from real: {real['real']:.2f} ± {real['real_std']:.2f}", flush=True)
    names = " | ".join(f"seed {seed}" for seed in args.seeds)
    print(ROW("steps", "images", "CPU s", names, "median", "of real"))
    print("|--:" * (5 + len(args.seeds)) + "|", flush=True)
    rows = [(steps, *measured(steps, args.seeds, real["real"])) for steps in args.steps]
    draw(rows, real, args.out)


def scored(samples: torch.Tensor) -> dict[str, float]:
    """As ``evaluate`` scores them."""
    train, test = (load_images("digits", train=part)[0] for part in (True, False))
    return score(samples, train, test, load_classifier("digits"))


def measured(steps: int, seeds: list[int], real: float) -> tuple[float, list[float]]:
    """Seconds of a run (the median) and the distance of each seed; prints their line."""
    seconds, distances = zip(*(attempt(steps, seed) for seed in seeds), strict=True)
    middle, second = statistics.median(distances), statistics.median(seconds)
    each = " | ".join(f"{distance:6.2f}" for distance in distances)
    ratio = f"{middle / real:.2f}"
    images = f"{steps * RECIPE.batch:,}"
    print(ROW(f"{steps:,}", images, f"{second:.0f}", each, f"{middle:.2f}", ratio), flush=True)
    return second, list(distances)


def attempt(steps: int, seed: int) -> tuple[float, float]:
    """Train once: seconds of the processor, and the Fréchet distance of 1,000 samples."""
    run, (x, y) = Run(replace(RECIPE, steps=steps, seed=seed)), load_images("digits")
    start = time.process_time()
    for _ in run.advance(x, y):
        pass
    return time.process_time() - start, scored(run.draw(1000))["distance"]


def draw(rows: list, real: dict[str, float], path: Path) -> None:
    """Draw the distances against the images seen, with a band for the distance between real
    images."""
    import matplotlib.pyplot as plt

    from ddpm_lite.plot import EXACT, MODEL, STYLE

    plt.rcParams.update(STYLE)
    batch, (low, middle, high) = RECIPE.batch, limits(real)
    fig, ax = plt.subplots(figsize=(8, 4))
    images = [steps * batch for steps, _, _ in rows]
    for image, (_, _, distances) in zip(images, rows, strict=True):
        ax.plot([image] * len(distances), distances, "o", color=MODEL, alpha=0.5, mew=0)
    ax.plot(images, [statistics.median(d) for _, _, d in rows], "-", color=MODEL, label="median")
    ax.axhline(middle, color=EXACT, ls="--", label="real from real")
    ax.axhspan(low, high, color=EXACT, alpha=0.08, lw=0)
    ax.set(xscale="log", yscale="log", xlabel="images seen in training", ylabel="Fréchet distance")
    ax.set_xticks(images, [f"{image // 1000}k" for image in images], minor=False)
    ax.minorticks_off()
    ax.set_yticks([0.5, 1, 2, 5, 10, 20], ["0.5", "1", "2", "5", "10", "20"])
    ax.set_ylim(0.4, 1.3 * max(max(d) for _, _, d in rows))
    ax.legend(frameon=False)
    fig.savefig(path, dpi=120, bbox_inches="tight")


def limits(real: dict[str, float]) -> tuple[float, float, float]:
    """The mean distance between real images, plus and minus a standard deviation."""
    mean, std = real["real"], real["real_std"]
    return mean - std, mean, mean + std


if __name__ == "__main__":
    main()
