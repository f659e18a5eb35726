"""Measure what a sampler costs beyond the network calls.

    python benchmarks/sampling.py [--rounds 25]

It takes 20 steps on one thread. The contestants take turns, and the times are processor time, the
median of the rounds. The columns are

    bare       time of one call of the network on the batch, without gradients
    sampler    time per step of the library's whole sampler, from noise to images
    own        time per step of the same sampler with a network that costs nothing
    overhead   own / bare, which the sampler adds. 0 % is perfect, and ours should be below 3 %. It
               varies less than sampler / bare - 1, a small difference of two large numbers

The networks have the same number of parameters, within a tenth.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from functools import partial

import torch
from peers import Contestant, contestants, interleaved

STEPS, SHAPE = 20, (1, 8, 8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=25)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    row = "{:6} {:15} {:8} {:>9} {:>10} {:>9} {:>9}".format
    print(row("batch", "library", "sampler", "bare ms", "sampler ms", "own ms", "overhead"))
    for batch in (16, 64):
        for c in contestants("S", SHAPE):
            for kind in ("ddpm", "ddim"):
                seconds = measured(c, kind, batch, rounds)
                each = [1000 * statistics.median(s) / STEPS for s in seconds]
                times = [f"{ms:.2f}" for ms in each]
                print(row(batch, c.name, kind, *times, f"{each[2] / each[0]:.1%}"), flush=True)


def measured(c: Contestant, kind: str, batch: int, rounds: int) -> list[list[float]]:
    """Seconds of the bare calls, of the sampler, and of the sampler with a free network."""
    c.net.eval()
    xT = torch.randn(batch, *SHAPE)
    draw = partial(c.draw, xT, STEPS, kind)
    works = {"bare": partial(bare, c, xT), "sampler": draw, "own": partial(free, c, xT, draw)}
    return list(interleaved(works, rounds).values())


def free(c: Contestant, x: torch.Tensor, draw: Callable) -> None:
    """The sampler with a network that returns the same tensor at once."""
    answer = (x,) if c.name == "diffusers" else x
    c.net.forward = lambda *_, **__: answer
    try:
        draw()
    finally:
        del c.net.forward  # back to the class's own


@torch.no_grad()
def bare(c: Contestant, x: torch.Tensor) -> None:
    """The evaluations without a sampler."""
    for t in range(STEPS, 0, -1):
        c.call(x, torch.full((len(x),), t))


if __name__ == "__main__":
    main()
