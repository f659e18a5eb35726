"""What a sampler costs beyond the calls of the network.

    python benchmarks/sampling.py [--rounds 25]

20 steps on one thread, processor time, in turns, median of the rounds. Read it so:

    bare       one plain evaluation of the network on the batch, without gradients
    sampler    the whole sampler of the library, from noise to images, for each step
    own        the same sampler with a network that costs nothing, for each step
    overhead   own / bare: what the sampler adds. 0 % is perfect, ours should be below 3 %.
               It is steadier than sampler / bare - 1, the difference of two large numbers

The networks have equal numbers of parameters (within a tenth).
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
