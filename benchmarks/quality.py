"""Measure how good digits are after a given number of processor seconds of training.

    python benchmarks/quality.py --seconds 60 --seeds 0 1 2 [--peers]

It trains the recipe "digits" on one thread, with labels and without, draws 1,000 images in 50
steps, and scores them as `python -m ddpm_lite evaluate` does. With --peers, the other libraries
train too, with the same images, time, batches, optimiser, learning-rate schedule, average of the
weights and number of parameters. They draw with their own samplers in 50 steps. The columns are

    distance   Fréchet distance to random halves of the real digits; lower is better
    of real    distance divided by that between two random halves of the real digits: 1 means that
               the samples are as close to real digits as other real digits are
    entropy    entropy of the classes; 1 means that all ten are equally frequent
    nearness   distance to the nearest training image, relative to that of held-out digits; values
               far below 1, or copies, mean that the network has memorised images
    labels     whether the network learns labels. Then labels are drawn in turn, which balances the
               classes, so compare only networks of the same kind
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from peers import Contestant, contestants

from ddpm_lite import EMA, batches, load_classifier, load_images, train, warmup_cosine
from ddpm_lite.cli.recipes import RECIPES, Recipe
from ddpm_lite.cli.run import Run, plan
from ddpm_lite.metrics import score

CLASSES = 10

ROW = "{:15} {:>4} {:>6} {:>6} {:>8} {:>8} {:>7} {:>8} {:>10} {:>8} {:>6}".format


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--peers", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    real = scored(load_images("digits", train=False)[0])
    print(
        f"real from real: {real['real']:.3f} ± {real['real_std']:.3f} over 20 pairs of random "
        "halves; features of the classifier that comes with the package\n"
    )
    print(ROW("library", "seed", "CPU s", "steps", "distance", "of real", "entropy", "confid.",
              "nearness", "copies", "labels"))  # fmt: skip
    recipe = replace(RECIPES["digits"], minutes=args.seconds / 60)
    for labels in (True, False):
        compete("ddpm_lite", args.seeds, partial(ours, replace(recipe, conditional=labels)))
    if args.peers:
        for number, peer in enumerate(contestants("S", (1, 8, 8), CLASSES)):
            if number:
                compete(peer.name, args.seeds, partial(theirs, number, recipe))


def scored(samples: torch.Tensor) -> dict[str, float]:
    """As ``evaluate`` scores them."""
    train, test = (load_images("digits", train=part)[0] for part in (True, False))
    return score(samples, train, test, load_classifier("digits"))


def compete(name: str, seeds: list[int], attempt: Callable) -> None:
    """A line for every seed, and the median."""
    distances = []
    for seed in seeds:
        samples, seconds, steps, labelled = attempt(seed)
        result = scored(samples)
        distances.append(result["distance"])
        print(
            ROW(name, seed, f"{seconds:.0f}", steps, *cells(result), "yes" * labelled),
            flush=True,
        )
    middle = statistics.median(distances)
    ratio = middle / result["real"]
    print(f"{name}, median of {len(seeds)}: {middle:.3f}, {ratio:.2f} times real from real\n")


def cells(result: dict[str, float]) -> list[str]:
    ratio = result["distance"] / result["real"]
    numbers = result["distance"], ratio, *(result[k] for k in ("entropy", "confidence", "nearness"))
    return [*(f"{number:.3f}" for number in numbers), str(result["copies"])]


def ours(recipe: Recipe, seed: int) -> tuple[torch.Tensor, float, int, bool]:
    """Samples, seconds of training (finding the number of steps included), steps, labels or not."""
    x, y = load_images("digits")
    begin = time.process_time()
    steps = plan(recipe, (x, y), clock=time.process_time)
    run = Run(replace(recipe, seed=seed, steps=steps))
    for _ in run.advance(x, y):
        pass
    seconds = time.process_time() - begin
    return run.draw(1000, 50), seconds, steps, recipe.conditional


def theirs(number: int, recipe: Recipe, seed: int) -> tuple[torch.Tensor, float, int, bool]:
    """The same for a peer: its network, loss and sampler in our loop."""
    x, y = load_images("digits")
    begin = time.process_time()
    *_, seconds = fitted(fresh(number, 0), recipe, 15, x, y)
    steps = max(6, int((60 * recipe.minutes - (time.process_time() - begin)) / seconds))
    peer = fresh(number, seed)
    ema, _ = fitted(peer, recipe, steps, x, y, seed)
    seconds = time.process_time() - begin
    peer.net.load_state_dict(ema.model.state_dict())
    peer.net.eval()
    labels = torch.arange(500) % CLASSES
    parts = [peer.draw(torch.randn(500, *x.shape[1:]), 50, "ddpm", labels) for _ in range(2)]
    return torch.cat(parts).clamp(-1, 1), seconds, steps, peer.labelled


def fresh(number: int, seed: int) -> Contestant:
    """The contestant with new weights."""
    return contestants("S", (1, 8, 8), CLASSES, seed)[number]


def fitted(peer: Contestant, recipe: Recipe, steps: int, x, y, seed: int = 0):
    """The average of the weights, and the seconds of a step (the first five do not count)."""
    torch.manual_seed(seed)
    ema, stream = EMA(peer.net, recipe.ema), batches(x, y, recipe.batch, seed)
    rate, loss = warmup_cosine(recipe.lr), lambda net, x, y: peer.loss(x, y)
    for step, _ in train(peer.net, stream, loss, steps, rate, ema):
        if step == 5:
            begin = time.process_time()
    return ema, (time.process_time() - begin) / (steps - 5)


if __name__ == "__main__":
    main()
