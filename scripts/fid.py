"""Calculate the FID of a run as papers report it, from its samples and the training images.

    pip install "torchmetrics[image]"       # Inception; its weights are fetched at the first use
    python scripts/fid.py --run runs/cifar10 --root data            # 50,000 samples: use a GPU
    python scripts/fid.py --run runs/digits --features random --n 100 --steps 5   # runs anywhere

With random features, an untrained network replaces Inception. The result isn't an FID, but it tests
all other steps. In both cases, images are first converted to 8-bit pixels, as in image files.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from ddpm_lite import ddim_step, ddpm_step, frechet_distance, load_images
from ddpm_lite.cli.distributed import device_named
from ddpm_lite.cli.errors import tell
from ddpm_lite.cli.recipes import count
from ddpm_lite.cli.run import Run

SAMPLERS = {"ddpm": ddpm_step, "ddim": ddim_step}


def pixels(images: Tensor) -> Tensor:
    """Images in [-1, 1] as 8-bit pixels with three channels, a grey one repeated."""
    return ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).expand(-1, 3, -1, -1)


class RandomFeatures(nn.Module):
    """16 numbers of each image, by an untrained network."""

    def __init__(self) -> None:
        super().__init__()
        draws = torch.Generator().manual_seed(0)
        self.kernel = nn.Parameter(torch.randn(16, 3, 4, 4, generator=draws) / 7, False)

    def forward(self, images: Tensor) -> Tensor:
        x = images.to(self.kernel) / 127.5 - 1
        return nn.functional.conv2d(x, self.kernel, stride=4).relu().mean((2, 3))


class Frechet(nn.Module):
    """The part of torchmetrics' FrechetInceptionDistance that we use, for any network of
    features."""

    def __init__(self, feature: nn.Module):
        super().__init__()
        self.feature, self.seen = feature, {True: [], False: []}

    def update(self, images: Tensor, real: bool) -> None:
        self.seen[real].append(self.feature(images).cpu())

    def compute(self) -> float:
        return frechet_distance(torch.cat(self.seen[True]), torch.cat(self.seen[False]))


def distance(kind: str, device: str) -> nn.Module:
    """The distance with Inception's features, or with random ones."""
    if kind == "random":
        return Frechet(RandomFeatures()).to(device)
    try:
        from torchmetrics.image.fid import FrechetInceptionDistance

        return FrechetInceptionDistance(feature=2048).to(device)
    except ModuleNotFoundError:
        sys.exit('Inception needs one more package: pip install "torchmetrics[image]"')


@torch.no_grad()
def score(fid: nn.Module, real: Tensor, samples: Tensor, device: str, size: int = 250) -> float:
    """The distance of the samples from the real images, both in [-1, 1]."""
    for images, is_real in ((real, True), (samples, False)):
        for part in images.split(size):
            fid.update(pixels(part).to(device), real=is_real)
    return float(fid.compute())


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", type=Path, required=True, help="the run folder that train wrote")
    parser.add_argument("--features", choices=["inception", "random"], default="inception")
    parser.add_argument("--root", default="data", help="where torchvision keeps its files")
    parser.add_argument("--n", type=count, default=50_000, help="number of samples")
    parser.add_argument("--steps", type=count, default=50, help="network calls per image")
    parser.add_argument("--sampler", choices=SAMPLERS, default="ddpm")
    parser.add_argument("--seed", type=int, default=0, help="seed of the noise")
    parser.add_argument("--device", default="auto", help="auto, cuda, mps or cpu")
    args = parser.parse_args(argv)
    device = device_named(args.device)
    there = "cuda" if device == "cuda" else "cpu"  # sums are in float64, which mps has not
    fid = distance(args.features, there)  # what is missing is missing before hours of drawing
    run = Run.load(args.run, device)
    how = {"size": run.recipe.image_size, "channels": run.recipe.channels}
    real, _ = load_images(run.recipe.data, args.root, **how)
    samples = run.draw(args.n, args.steps, SAMPLERS[args.sampler], args.seed)
    value = score(fid, real, samples, there)
    name = "FID" if args.features == "inception" else "Fréchet distance of random features, no FID:"
    print(f"{name} {value:.2f}")
    print(f"protocol: N = {args.n}, {args.steps} steps of {args.sampler}, seed {args.seed}; "
          f"{len(real)} training images of {run.recipe.data}, 8 bits, no flips; "
          f"{args.features} features; step {run.step} of {run.recipe.steps}")  # fmt: skip


if __name__ == "__main__":
    try:
        main()
    except Exception as error:
        sys.exit(tell(error, "fid"))
