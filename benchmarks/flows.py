"""Compare flow matching with DDPM on the digits: the same network, batches and CPU seconds.

    python benchmarks/flows.py --seconds 60 --seeds 0 1 2

It trains the network of the recipe "digits" with each objective on one thread, and draws 1,000
images with 50 network calls: DDPM by ancestral steps and by DDIM, flow matching by Euler's method.
The columns are Fréchet distances to all training digits, with the features of the package's
classifier: the median over the seeds, and each of them.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch

from ddpm_lite import (  # isort: skip
    EMA, UNet, batches, cosine_schedule, ddim_step, ddpm_loss, ddpm_step, eps_target,
    frechet_distance, from_v, load_classifier, load_images, sample, train, v_target, warmup_cosine,
)  # fmt: skip
from ddpm_lite.flow import flow_loss, logit_normal, sample_flow, velocity_of

SCHEDULE = cosine_schedule(1000)
WAYS = {  # what is learned, and the samplers
    "DDPM, ε": (lambda net, x: ddpm_loss(net, SCHEDULE, x, eps_target), ("DDPM", "DDIM")),
    "DDPM, v": (lambda net, x: ddpm_loss(net, SCHEDULE, x, v_target), ("DDPM", "DDIM")),
    "flow": (flow_loss, ("Euler",)),
    "flow, logit-normal": (partial(flow_loss, times=logit_normal), ("Euler",)),
}
N, CALLS = 1000, 50


def trained(loss: Callable, seconds: float, seed: int) -> tuple[UNet, int]:
    """The averaged weights after so many seconds of this process, and the steps."""
    x, y = load_images("digits")
    torch.manual_seed(seed)
    net = UNet(1, width=16, mults=(1, 2), num_classes=10)
    ema = EMA(net, 0.99)
    begin, rate = time.process_time(), warmup_cosine(1.0)
    optimizer = torch.optim.AdamW(net.parameters(), betas=(0.9, 0.99))
    objective = lambda net, x, y: loss(partial(net, y=y), x)  # noqa: E731
    progress = lambda _: 4e-3 * rate(min(1.0, (time.process_time() - begin) / seconds))  # noqa: E731
    stream = batches(x, y, 64, seed)
    steps = train(net, stream, objective, 10**6, progress, ema=ema, optimizer=optimizer)
    done = next(step for step, _ in steps if time.process_time() - begin > seconds)
    return ema.model, done


def drawn(way: str, sampler: str, net: UNet, seed: int) -> torch.Tensor:
    torch.manual_seed(1000 + seed)
    x1, y = torch.randn(N, 1, 8, 8), torch.arange(N) % 10
    if sampler == "Euler":
        return sample_flow(velocity_of(net, y=y), x1, CALLS)
    model = partial(net, y=y)
    model = from_v(model, SCHEDULE) if way.endswith("v") else model
    return sample(model, SCHEDULE, x1, CALLS, ddim_step if sampler == "DDIM" else ddpm_step)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    args = parser.parse_args()
    torch.set_num_threads(1)
    judge = load_classifier("digits")
    real, test = (judge.features(load_images("digits", train=part)[0]) for part in (True, False))
    print(f"test digits from training digits: {frechet_distance(test, real):.2f}")
    scores: dict[tuple[str, str], list[float]] = {}
    for seed, (way, (loss, samplers)) in itertools.product(args.seeds, WAYS.items()):
        net, steps = trained(loss, args.seconds, seed)
        for sampler in samplers:
            features = judge.features(drawn(way, sampler, net, seed))
            scores.setdefault((way, sampler), []).append(frechet_distance(features, real))
        print(f"seed {seed}, {way}: {steps} steps", flush=True)
    for (way, sampler), values in scores.items():
        each = " ".join(f"{value:.2f}" for value in values)
        print(f"{way:20} {sampler:6} {statistics.median(values):6.2f}   ({each})")


if __name__ == "__main__":
    main()
