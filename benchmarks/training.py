"""Measure images per second in a training step: forward, loss, backward and AdamW (always fused).

    python benchmarks/training.py [--rounds 15]

It uses one thread, and processor time, so that other work on the machine matters little. The
contestants take turns, and each number is the median of the rounds. The columns are

    images/s   more is better, with the same number of parameters (within a tenth) and batch size
    of ours    images/s divided by those of ddpm_lite in the same round; above 1 is faster
    of peak    operations per second of the step (convolutions and matrix products, counted by
               PyTorch), relative to the fastest convolution measured in this run. Small networks
               are far below 1, because they mostly wait for memory and for operations to start
"""

from __future__ import annotations

import argparse
import statistics

import torch
from peers import Contestant, contestants, interleaved, median_ratio
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

LEVERS = {  # of our network: what each of them gains, as images/s over those of plain float32
    "channels_last": {"channels_last": True},
    "bfloat16": {"amp": True},
    "both": {"channels_last": True, "amp": True},
}
CASES = [
    ("S", (1, 8, 8), 64),
    ("M", (1, 8, 8), 64),
    ("M", (1, 16, 16), 32),
    ("M", (3, 32, 32), 16),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    peak = convolution_peak()
    print(f"convolution peak: {peak / 1e9:.0f} GFLOP/s, one thread\n")
    row = "{:15} {:6} {:15} {:>9} {:>9} {:>9} {:>8} {:>8}".format
    print(row("images", "batch", "library", "params", "MFLOP/im", "images/s", "of ours", "of peak"))
    for size, shape, batch in CASES:
        steppers = {c.name: Stepper(c, shape, batch) for c in contestants(size, shape)}
        seconds = interleaved(steppers, rounds)
        for name, stepper in steppers.items():
            speed = batch * stepper.steps / statistics.median(seconds[name])
            ratio = median_ratio(seconds["ddpm_lite"], seconds[name])
            image = stepper.flops / batch
            print(row(
                "x".join(map(str, shape)), batch, name, f"{stepper.parameters / 1e6:.3f}M",
                f"{image / 1e6:.1f}", f"{speed:.0f}", f"{ratio:.2f}", f"{image * speed / peak:.0%}",
            ))  # fmt: skip
    print("\nlevers of ddpm_lite, times as fast as plain float32")
    for size, shape, batch in CASES[1:]:
        ours = {"plain": {}} | LEVERS
        steppers = {k: Stepper(contestants(size, shape, only="ours")[0], shape, batch, **how)
                    for k, how in ours.items()}  # fmt: skip
        seconds = interleaved(steppers, rounds)
        gains = [f"{k} {median_ratio(seconds['plain'], seconds[k]):.2f}" for k in LEVERS]
        print("x".join(map(str, shape)), *gains)


class Stepper:
    """Some training steps on one batch."""

    def __init__(
        self, contestant: Contestant, shape: tuple[int, ...], batch: int, steps: int = 2,
        channels_last: bool = False, amp: bool = False,
    ):  # fmt: skip
        layout = torch.channels_last if channels_last else torch.contiguous_format
        contestant.net.to(memory_format=layout)
        self.loss, self.parameters, self.steps = contestant.loss, contestant.parameters, steps
        self.amp = torch.autocast("cpu", torch.bfloat16, enabled=amp)
        self.x = (torch.rand(batch, *shape) * 2 - 1).to(memory_format=layout)
        self.optimizer = torch.optim.AdamW(contestant.net.parameters(), lr=1e-4, fused=True)
        with FlopCounterMode(display=False) as counter:
            self.loss(self.x).backward()
        self.flops = counter.get_total_flops()

    def __call__(self) -> None:
        for _ in range(self.steps):
            self.optimizer.zero_grad()
            with self.amp:
                loss = self.loss(self.x)
            loss.backward()
            self.optimizer.step()


def convolution_peak() -> float:
    """Operations a second of the fastest 3 x 3 convolution among a few, forward only."""
    best = 0.0
    for channels, side, batch in ((64, 32, 8), (128, 16, 16), (256, 16, 8)):
        layer, x = (
            nn.Conv2d(channels, channels, 3, padding=1),
            torch.randn(batch, channels, side, side),
        )
        operations = 2 * 9 * channels**2 * side**2 * batch
        with torch.no_grad():
            seconds = interleaved({"": lambda layer=layer, x=x: layer(x)}, rounds=20)[""]
        best = max(best, operations / min(seconds))
    return best


if __name__ == "__main__":
    main()
