"""Measure a training step at several image sizes, for the table on the page "Your own data".

    python benchmarks/sizes.py [--steps 10]

It uses one thread. "s a step" is the processor time of the fastest of this many steps in seconds,
because other work on the machine can only make a step slower. "T4" isn't measured. It's the number
of floating-point operations of a step divided by 3 TFLOP/s, which is 40 % of that GPU's peak (8.1
in float32), but at least 20 ms, because small networks wait for their kernels to start.
"""

from __future__ import annotations

import argparse
import sys
import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from ddpm_lite import EMA, UNet, adamw, cosine_schedule, ddpm_loss, v_target

SIZES = [  # side, channels, width, mults, batch: the recipes of the command
    (8, 1, 16, (1, 2), 64),
    (16, 3, 32, (1, 2), 64),
    (28, 1, 32, (1, 2, 2), 64),
    (32, 3, 32, (1, 2, 2), 64),
    (64, 3, 32, (1, 2, 2, 2), 32),
    (128, 3, 32, (1, 1, 2, 2, 4), 16),
]


def measure(net: torch.nn.Module, x: torch.Tensor, steps: int) -> tuple[float, int]:
    """Seconds of the fastest of so many training steps, and the operations of one."""
    schedule, optimizer, ema, seconds = cosine_schedule(), adamw(net), EMA(net), []
    with FlopCounterMode(display=False) as counter:
        ddpm_loss(net, schedule, x, v_target).backward()
    for _ in range(steps):
        begin = time.process_time()
        optimizer.zero_grad()
        ddpm_loss(net, schedule, x, v_target).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        ema.update(net)
        seconds.append(time.process_time() - begin)
    return min(seconds), counter.get_total_flops()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=10)
    args = parser.parse_args()
    torch.set_num_threads(1)
    print("| images | network | parameters | batch | GFLOP a step | s a step | 1,000 steps | T4 |")
    print("|---|---|--:|--:|--:|--:|--:|--:|")
    for side, channels, width, mults, batch in SIZES:
        net = UNet(channels, width, mults)
        x = torch.rand(batch, channels, side, side) * 2 - 1
        seconds, operations = measure(net, x, args.steps)
        gpu = max(0.02, operations / 3e12)
        parameters = sum(p.numel() for p in net.parameters())
        print(f"| {channels}×{side}×{side} | {width}, {mults} | {parameters:,} | {batch} | "
              f"{operations / 1e9:.1f} | {seconds:.3f} | {1000 * seconds / 60:.1f} min | "
              f"{1000 * gpu / 60:.1f} min |", flush=True)  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
