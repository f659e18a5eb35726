"""How much better do digits become with more training?

    python benchmarks/compute.py

Trains the shipped recipe "digits" from the start for 250, 500, ... 8,000 steps, each length with
its own annealing of the learning rate and with three seeds, and scores 1,000 samples of each as
`python -m ddpm_lite evaluate` does. Prints a table and draws it: book/images/compute.png. About
twenty minutes of one core. The seconds are processor time of the training alone.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]
from ddpm_lite import load_images  # noqa: E402
from ddpm_lite.__main__ import Reference, Run  # noqa: E402
from pretrain import RECIPES  # noqa: E402

PICTURE = ROOT / "book" / "images" / "compute.png"
ROW = "| {:>6} | {:>7} | {:>7} | {} | {:>6} | {:>8} |".format


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, nargs="+", default=[250 * 2**i for i in range(6)])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=PICTURE)
    args = parser.parse_args()
    torch.set_num_threads(1)
    reference = Reference("digits")
    print(f"real from real: {reference.real.mean():.2f} ± {reference.real.std():.2f}", flush=True)
    names = " | ".join(f"seed {seed}" for seed in args.seeds)
    print(ROW("steps", "images", "CPU s", names, "median", "of real"))
    print("|--:" * (5 + len(args.seeds)) + "|", flush=True)
    rows = [(steps, *measured(steps, args.seeds, reference)) for steps in args.steps]
    draw(rows, reference, args.out)


def measured(steps: int, seeds: list[int], reference: Reference) -> tuple[float, list[float]]:
    """Seconds of a run (the median) and the distance of each seed; prints their line."""
    seconds, distances = zip(*(attempt(steps, seed, reference) for seed in seeds), strict=True)
    middle, second = statistics.median(distances), statistics.median(seconds)
    each = " | ".join(f"{distance:6.2f}" for distance in distances)
    ratio = f"{middle / reference.real.mean():.2f}"
    images = f"{steps * RECIPES['digits'].batch:,}"
    print(ROW(f"{steps:,}", images, f"{second:.0f}", each, f"{middle:.2f}", ratio), flush=True)
    return second, list(distances)


def attempt(steps: int, seed: int, reference: Reference) -> tuple[float, float]:
    """Train once: seconds of the processor, and the Fréchet distance of 1,000 samples."""
    run, (x, y) = Run(replace(RECIPES["digits"], steps=steps, seed=seed)), load_images("digits")
    start = time.process_time()
    for _ in run.advance(x, y):
        pass
    return time.process_time() - start, reference.score(run.draw(1000))["distance"]


def draw(rows: list, reference: Reference, path: Path) -> None:
    """The distances over the images seen, with those of real from real images as a band."""
    import matplotlib.pyplot as plt

    from ddpm_lite.plot import EXACT, MODEL, STYLE

    plt.rcParams.update(STYLE)
    batch, (low, middle, high) = RECIPES["digits"].batch, limits(reference)
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


def limits(reference: Reference) -> tuple[float, float, float]:
    """The mean distance of real from real images, and a standard deviation to either side."""
    mean, std = reference.real.mean().item(), reference.real.std().item()
    return mean - std, mean, mean + std


if __name__ == "__main__":
    main()
