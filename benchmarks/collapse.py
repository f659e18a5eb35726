"""Measure how often a GAN loses some of eight clusters on a ring, with and without spectral norm.

    python benchmarks/collapse.py --steps 1500 --seeds 0 1 2 3 4

It trains the generator and the discriminator of Figure 15.5 with each variant and seed, on one
thread. Six times during training, it prints how many of the eight clusters have at least 2 % of
1,000 samples. At the end, it prints the share of samples within 0.6 of a cluster's centre.
"""

from __future__ import annotations

import argparse
import time

import torch
from torch import Tensor, nn

from ddpm_lite.gan import (
    discriminator_step,
    generator_step,
    minimax_loss,
    nonsaturating_loss,
    spectral_norm,
)

CENTRES = torch.view_as_real(torch.polar(torch.tensor(2.0), torch.arange(8) * torch.pi / 4))
WAYS = {  # spectral norm, the generator's loss, learning rate, Adam's first beta
    "no norm": (False, nonsaturating_loss, 1e-3, 0.5),
    "no norm, minimax": (False, minimax_loss, 1e-3, 0.5),
    "no norm, beta1 0": (False, nonsaturating_loss, 1e-3, 0.0),
    "spectral norm": (True, nonsaturating_loss, 1e-3, 0.5),
    "spectral norm, beta1 0": (True, nonsaturating_loss, 1e-3, 0.0),
    "spectral norm, slow": (True, nonsaturating_loss, 3e-4, 0.5),
}


def dense(a: int, b: int, width: int = 64) -> nn.Sequential:
    """A network with two hidden layers."""
    layers = [nn.Linear(a, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, b))


def ring(n: int, spread: float) -> Tensor:
    return CENTRES[torch.randint(8, (n,))] + spread * torch.randn(n, 2)


def found(points: Tensor) -> tuple[int, float]:
    """How many clusters have samples, and the share of samples in some cluster."""
    distance, index = torch.cdist(points, CENTRES).min(1)
    near = distance < 0.6
    counts = index[near].bincount(minlength=8)
    return int((counts >= 0.02 * len(points)).sum()), near.double().mean().item()


def duel(way: str, steps: int, spread: float, seed: int) -> tuple[list[int], float, float]:
    """The clusters found at four moments, the share of good samples, and the last mean loss."""
    spectral, loss_of, lr, beta = WAYS[way]
    torch.manual_seed(seed)
    g, d = dense(8, 2), dense(2, 1)
    d = spectral_norm(d) if spectral else d
    logit = lambda x: d(x).squeeze(1)  # noqa: E731
    to_d, to_g = (torch.optim.Adam(net.parameters(), lr, (beta, 0.99)) for net in (d, g))
    clusters, losses, share = [], [], 0.0
    for step in range(1, steps + 1):
        z = torch.randn(2, 128, 8)
        losses.append(discriminator_step(g, logit, to_d, ring(128, spread), z[0]))
        generator_step(g, logit, to_g, z[1], loss_of)
        if step % (steps // 6) == 0:
            with torch.no_grad():
                number, share = found(g(torch.randn(1000, 8)))
            clusters.append(number)
    return clusters, share, sum(losses[-100:]) / 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--spread", type=float, default=0.2, help="standard deviation of a cluster")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    args = parser.parse_args()
    torch.set_num_threads(1)
    for way in WAYS:
        for seed in args.seeds:
            begin = time.process_time()
            clusters, share, loss = duel(way, args.steps, args.spread, seed)
            print(f"{way:24} seed {seed}: clusters {clusters}, near one {share:.0%}, loss of the "
                  f"discriminator {loss:.2f}, {time.process_time() - begin:.1f} s",
                  flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
