"""Compare digits as tokens with Gaussian diffusion: the same data, labels and CPU seconds.

    python benchmarks/tokens.py --seconds 45 --seeds 0 1 2

It trains the masked transformer of chapter 20 and the U-Net of the recipe "digits" on one thread,
and draws 1,000 images with each. The columns are Fréchet distances to all training digits, with the
features of the package's classifier (the median over the seeds, and each of them), and the share of
samples that the classifier reads as their label.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from ddpm_lite import (  # isort: skip
    EMA, UNet, cosine_schedule, ddim_step, ddpm_loss, ddpm_step, frechet_distance, from_v,
    load_classifier, load_images, sample, v_target, warmup_cosine,
)  # fmt: skip
from ddpm_lite.token_net import TokenNet

from ddpm_lite.tokens import (  # isort: skip
    MASK, by_confidence, from_levels, masked_loss, to_levels, unmask,
)  # fmt: skip

SCHEDULE = cosine_schedule(1000)
N = 1000
Y = torch.arange(N) % 10


def by_tokens(net: nn.Module, k: int, **how) -> Tensor:
    *_, x = unmask(partial(net, y=Y), torch.full((N, 64), MASK), k, **how)
    return from_levels(x)


def by_noise(net: nn.Module, step: Callable, steps: int) -> Tensor:
    model = from_v(partial(net, y=Y), SCHEDULE)
    return sample(model, SCHEDULE, torch.randn(N, 1, 8, 8), steps, step)


WAYS = {  # a network, its learning rate and batch, its loss, and its samplers with their calls
    "masks": (
        lambda: TokenNet(17, 64, depth=2, num_classes=10), 3e-3, 16,
        lambda net, x: masked_loss(net, to_levels(x)),
        {"1 token a step, 64 calls": lambda net: by_tokens(net, 1),
         "4 tokens, 16 calls": lambda net: by_tokens(net, 4),
         "4 tokens, confident, 16 calls": lambda net: by_tokens(net, 4, order=by_confidence),
         "16 tokens, 4 calls": lambda net: by_tokens(net, 16),
         "64 tokens, 1 call": lambda net: by_tokens(net, 64)}),
    "Gaussian, v": (
        lambda: UNet(1, width=16, mults=(1, 2), num_classes=10), 4e-3, 64,
        lambda net, x: ddpm_loss(net, SCHEDULE, x, v_target),
        {"DDPM, 64 calls": lambda net: by_noise(net, ddpm_step, 64),
         "DDIM, 16 calls": lambda net: by_noise(net, ddim_step, 16),
         "DDIM, 4 calls": lambda net: by_noise(net, ddim_step, 4),
         "DDIM, 1 call": lambda net: by_noise(net, ddim_step, 1)}),
}  # fmt: skip


def batches(x: Tensor, y: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    while True:
        for pick in torch.randperm(len(x)).split(size):
            yield x[pick], y[pick]


def trained(way: str, seconds: float, seed: int) -> tuple[nn.Module, int]:
    """The averaged weights after so many seconds of this process, and the steps."""
    make, lr, size, loss, _ = WAYS[way]
    torch.manual_seed(seed)
    net, rate, begin = make(), warmup_cosine(lr), time.process_time()
    ema, optimizer = EMA(net, 0.99), torch.optim.AdamW(net.parameters(), betas=(0.9, 0.99))
    for step, (x, y) in enumerate(batches(*load_images("digits"), size), 1):
        part = (time.process_time() - begin) / seconds
        if part >= 1:
            return ema.model.eval(), step
        for group in optimizer.param_groups:
            group["lr"] = rate(part)
        value = loss(partial(net, y=y), x)
        optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        ema.update(net)


def scores(seconds: float, seeds: list[int]) -> dict[tuple[str, str], list[tuple[float, float]]]:
    """Distance and share of right digits, of each sampler and seed."""
    judge, found = load_classifier("digits"), {}
    real = judge.features(load_images("digits")[0])
    for seed, (way, (*_, samplers)) in itertools.product(seeds, WAYS.items()):
        net, steps = trained(way, seconds, seed)
        print(f"seed {seed}, {way}: {steps} steps", flush=True)
        for name, draw in samplers.items():
            torch.manual_seed(1000 + seed)
            x = draw(net)
            right = (judge.probabilities(x).argmax(1) == Y).double().mean().item()
            distance = frechet_distance(judge.features(x), real)
            found.setdefault((way, name), []).append((distance, right))
            print(f"  {name}: {distance:.2f}, {right:.0%} right", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=45)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    args = parser.parse_args()
    torch.set_num_threads(1)
    lines = []
    for (way, name), values in scores(args.seconds, args.seeds).items():
        distances, right = zip(*values, strict=True)
        each = " ".join(f"{value:.2f}" for value in distances)
        lines.append(f"{way:12} {name:32} {statistics.median(distances):6.2f}   ({each})   "
                     f"{statistics.median(right):.0%} right")  # fmt: skip
    print("\n".join(lines))
    if args.out:
        args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
