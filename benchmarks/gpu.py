"""How fast the U-Net of the DDPM paper trains on a GPU, and what it has learned after 20 minutes.

    python benchmarks/gpu.py --root data             # all of it on one GPU, planned for 25 minutes
    python benchmarks/gpu.py --only speed            # the table alone, a few minutes
    python benchmarks/gpu.py --only training --stop-after 500    # again to go on, until it is done
    python benchmarks/gpu.py --tiny                  # every line of it on a CPU, within a minute

Where --root has no CIFAR-10 and it cannot be downloaded, random images take its place: the speed is
the same, losses and scores mean nothing. The contestants take turns, round by round. Read it so:

    images/s   of the whole training step: batch, noise, forward, loss, backward, clipping, AdamW,
               average of the weights and the look at the loss; the median of the rounds
    ratio      to the plain loop (TF32, fused AdamW, data on the device), in the same round
    MFU        model-FLOP utilisation: operations of convolutions and matrix products (counted by
               PyTorch, forward and backward) a second, divided by the card's dense bfloat16 peak
               of its data sheet; of the product of two large matrices measured here where the card
               is not in the list below
    memory     the most that the contestant's step needed beyond what lay there before

The training is that of ``TIMED`` below, with planning and compiling in its time, without drawing
and scoring. Its scores are Fréchet distances of the features of a small classifier that is fitted
here, to 20 random halves of the real images; halves from halves stand beside them. They are no FID.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ddpm_lite.cli.distributed import device_named
from ddpm_lite.cli.folder import RunFolder
from ddpm_lite.cli.recipes import RECIPES, Recipe
from ddpm_lite.cli.run import Run, plan

from ddpm_lite import (  # isort: skip
    EMA, DataError, UNet, adamw, batches, fit_classifier, frechet_distance, load_images,
    save_images, train, warmup_cosine,
)  # fmt: skip

PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12}  # bfloat16
CIFAR10 = replace(RECIPES["cifar10"], minutes=None, steps=10**9, batch=256)
PLAIN = replace(CIFAR10, amp=False, channels_last=False, compile=False)
TIMED = replace(  # what 20 minutes allow: larger batches and rate, a shorter average, no dropout
    CIFAR10, schedule="cosine", target="v", dropout=0.0, lr=5e-4, ema=0.9995
)


# The contestants


class FromHost(Run):
    """Each batch is copied from the memory of the host, as a loader would bring it."""

    def advance(self, x: Tensor, y: Tensor) -> Iterator[tuple[int, float]]:
        recipe = self.recipe
        stream = batches(x.cpu(), y.cpu(), recipe.batch, recipe.seed)
        moved = ((a.to(self.device), b.to(self.device)) for a, b in stream)
        rest = {"ema": self.ema, "optimizer": self.optimizer}
        rate = warmup_cosine(recipe.lr)
        steps = train(self.net, moved, self.loss, recipe.steps, rate, **rest)
        for self.step, loss in steps:
            yield self.step, loss


class Diffusers(nn.Module):
    """Its UNet2DModel in the configuration of google/ddpm-cifar10-32: as many parameters."""

    def __init__(self, recipe: Recipe):
        from diffusers import UNet2DModel

        super().__init__()
        widths = tuple(recipe.width * m for m in recipe.mults)
        kinds = ["AttnDownBlock2D" if i in recipe.attention else "DownBlock2D" for i in range(4)]
        self.net = UNet2DModel(
            sample_size=32, block_out_channels=widths, layers_per_block=recipe.blocks,
            down_block_types=kinds, up_block_types=[k.replace("Down", "Up") for k in kinds[::-1]],
            dropout=recipe.dropout, attention_head_dim=None, downsample_padding=0,
            flip_sin_to_cos=False, freq_shift=1, norm_eps=1e-6, norm_num_groups=8,
        )  # fmt: skip

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        return self.net(x, t - 1, return_dict=False)[0]


def diffusers(recipe: Recipe, device: str) -> Run:
    """Its network in our loop, so that only the networks differ."""
    run = Run(recipe, device)
    run.net = Diffusers(recipe).to(device)
    if recipe.channels_last:
        run.net.to(memory_format=torch.channels_last)
    run.ema, run.optimizer = EMA(run.net, recipe.ema), adamw(run.net)
    return run


def unfused(recipe: Recipe, device: str) -> Run:
    """The optimiser as a loop over lists of tensors, which is PyTorch's default."""
    run = Run(recipe, device)
    run.optimizer = torch.optim.AdamW(run.net.parameters(), lr=0.0, betas=(0.9, 0.99))
    return run


CONTESTANTS: dict[str, tuple[Callable, dict, bool]] = {  # how to make it, with what, and TF32
    "plain": (Run, {}, True),
    "no TF32": (Run, {}, False),
    "AdamW not fused": (unfused, {}, True),
    "data from the host": (FromHost, {}, True),
    "bfloat16": (Run, {"amp": True}, True),
    "channels last": (Run, {"channels_last": True}, True),
    "compiled": (Run, {"compile": True}, True),
    "in 2 parts": (Run, {"accumulate": 2}, True),
    "all together": (Run, {"amp": True, "channels_last": True, "compile": True}, True),
    "diffusers, plain": (diffusers, {}, True),
    "diffusers, all": (diffusers, {"amp": True, "channels_last": True, "compile": True}, True),
}


# Measuring


def wait(device: str) -> None:
    """Until the device has done what it was told."""
    if device == "cuda":
        torch.cuda.synchronize()


def seconds(work: Callable[[], object], device: str) -> float:
    wait(device)
    begin = time.perf_counter()
    work()
    wait(device)
    return time.perf_counter() - begin


def tf32(on: bool) -> None:
    torch.set_float32_matmul_precision("high" if on else "highest")
    torch.backends.cudnn.allow_tf32 = on


def flops(recipe: Recipe) -> float:
    """Operations of one image, forward and backward; a multiply and an add are two."""
    with torch.device("meta"):
        shape = (recipe.channels, *recipe.image_size)
        net = UNet(shape[0], recipe.width, recipe.mults, recipe.blocks, recipe.attention)
        x, t = torch.empty(2, *shape), torch.ones(2, dtype=torch.int64)
        with FlopCounterMode(display=False) as counter:
            net(x, t).sum().backward()
    return counter.get_total_flops() / 2


def peak(device: str, side: int) -> tuple[float, str]:
    """Operations a second that MFU is a share of, and where the number is from."""
    a = torch.randn(side, side, device=device, dtype=torch.bfloat16)
    a @ a
    measured = 2 * side**3 / min(seconds(lambda: a @ a, device) for _ in range(20))
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    print(
        f"{name}, torch {torch.__version__}; bfloat16 matrix product: {measured / 1e12:.1f} TFLOP/s"
    )
    for key, value in PEAKS.items():
        if key in name:
            return value, "data sheet"
    return measured, "measured"


def speed(x: Tensor, y: Tensor, args: argparse.Namespace) -> None:
    """The table."""
    per_image, (most, source) = flops(shrunk(PLAIN, args)), peak(args.device, args.side)
    runs, memory = {}, {}
    for name, (make, options, fast) in CONTESTANTS.items():
        tf32(fast)
        try:
            run = make(shrunk(replace(PLAIN, **options), args), args.device)
        except ImportError as error:
            print(f"({name} is left out: {error})")
            continue
        steps, before = run.advance(x, y), memory_now(args.device, reset=True)
        took = seconds(lambda steps=steps: [next(steps) for _ in range(3)], args.device)
        memory[name] = memory_now(args.device) - before
        print(f"({name}: the first 3 steps took {took:.0f} s)", flush=True)
        runs[name] = (run, steps, fast)
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(args.rounds):
        for name, (_, steps, fast) in runs.items():
            tf32(fast)
            work = lambda steps=steps: [next(steps) for _ in range(args.each)]  # noqa: E731
            taken[name].append(seconds(work, args.device) / args.each)
    parameters = sum(p.numel() for p in runs["plain"][0].net.parameters())
    batch = runs["plain"][0].recipe.batch
    print(f"\n{parameters:,} parameters, batch {batch}, {per_image / 1e9:.1f} GFLOP an image, "
          f"peak {most / 1e12:.1f} TFLOP/s ({source})")  # fmt: skip
    row = "{:20} {:>9} {:>7} {:>7} {:>9}".format
    print(row("", "images/s", "ratio", "MFU", "memory"))
    for name, times in taken.items():
        rate = batch / statistics.median(times)
        ratio = statistics.median(a / b for a, b in zip(taken["plain"], times, strict=True))
        print(row(name, f"{rate:.0f}", f"{ratio:.2f}", f"{rate * per_image / most:.1%}",
                  f"{memory[name] / 2**30:.1f} GiB"))  # fmt: skip
    tf32(True)


def memory_now(device: str, reset: bool = False) -> int:
    """The most memory that was allocated since the last reset."""
    if device != "cuda":
        return 0
    if reset:
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    return torch.cuda.max_memory_allocated()


# The timed training


class Real:
    """Real images, and the features in which samples are held against them."""

    def __init__(self, train: list[Tensor], test: list[Tensor], steps: int, device: str):
        with torch.device(device):  # where it is made, and where it draws
            self.classifier, self.device = fit_classifier(*train, steps=steps), device
        answers = self.classifier.probabilities(test[0]).argmax(1)
        self.right = (answers == test[1]).double().mean().item()
        features = self.classifier.features(torch.cat([train[0], test[0]])).cpu()
        draws, half = torch.Generator().manual_seed(0), len(features) // 2
        orders = [torch.randperm(len(features), generator=draws) for _ in range(20)]
        self.halves = [(features[order[:half]], features[order[half:]]) for order in orders]
        real = torch.tensor([frechet_distance(a, b) for a, b in self.halves])
        print(f"classifier: {self.right:.1%} of the test part right; halves of the real images are "
              f"{real.mean():.3f} ± {real.std():.3f} apart")  # fmt: skip

    def distance(self, samples: Tensor) -> float:
        features = self.classifier.features(samples.to(self.device)).cpu()
        return statistics.mean(frechet_distance(features, half) for half, _ in self.halves)


def training(images: list[Tensor], real: Real, args: argparse.Namespace) -> None:
    """From where the last call stopped to the end, or for ``--stop-after`` seconds."""
    begin, there = time.perf_counter(), (args.out / "checkpoint.pt").exists()
    if there:
        run = Run.load(args.out, args.device)
    else:
        recipe = replace(shrunk(TIMED, args), steps=None, minutes=args.seconds / 60)
        recipe = replace(recipe, steps=plan(recipe, tuple(images), args.device))
        run = Run(recipe, args.device)
    with RunFolder.entered(args.out, resume=there) as folder:
        timed(run, images, folder, real, begin, args)
        folder.save(run)


def timed(run: Run, images: list[Tensor], folder: RunFolder, real: Real, begin: float,
          args: argparse.Namespace) -> None:  # fmt: skip
    """The steps, with a line at every tenth of the way and scores at the middle and the end."""
    steps, batch, pause = run.recipe.steps, run.recipe.batch, 0.0
    print(f"training: {steps} steps of {batch} images, from step {run.step}", flush=True)
    first, losses, went = run.step, [], time.perf_counter()
    for step, loss in run.advance(*images):
        folder.log(run, loss)
        losses.append(loss)
        now = time.perf_counter()
        if 10 * step // steps > 10 * (step - 1) // steps:
            rate = (step - first) * batch / (now - went - pause)
            print(f"step {step}, {step * batch / 1e6:.2f}M images, loss "
                  f"{statistics.mean(losses):.4f}, {rate:.0f} images/s", flush=True)  # fmt: skip
            losses = []
        if step in (steps // 2, steps):
            samples = run.draw(args.n)
            save_images(args.out / f"samples-{step:07d}.png", samples[:100])
            print(f"step {step}: {args.n} samples of 50 steps are {real.distance(samples):.3f} "
                  "from the real images", flush=True)  # fmt: skip
            pause += time.perf_counter() - now
        if time.perf_counter() - begin > args.stop_after and step < steps:
            print(f"stopped at step {step}: the same command goes on")
            break


def shrunk(recipe: Recipe, args: argparse.Namespace) -> Recipe:
    """The recipe; with --tiny a narrow network, small batches, and nothing compiled."""
    small = {"width": 8, "blocks": 1, "batch": 8, "compile": False, "threads": 1, "T": 50}
    return replace(recipe, **small) if args.tiny else replace(recipe, batch=args.batch)


def images(args: argparse.Namespace) -> list[tuple[Tensor, Tensor]]:
    """CIFAR-10, the training and the test part, or random images of its shape."""
    try:
        if args.tiny:
            raise DataError("tiny")
        return [load_images("cifar10", args.root, train=part) for part in (True, False)]
    except DataError:
        print("no CIFAR-10 here: random images; losses and scores mean nothing")
        draws, n = torch.Generator().manual_seed(0), 200 if args.tiny else 5000
        x = torch.rand(2, n, 3, 32, 32, generator=draws) * 2 - 1
        y = torch.randint(10, (2, n), generator=draws)
        return [(x[0], y[0]), (x[1], y[1])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--root", default="data", help="where torchvision keeps CIFAR-10")
    parser.add_argument("--out", type=Path, default="runs/gpu", help="for samples and checkpoint")
    parser.add_argument("--only", choices=["speed", "training"])
    parser.add_argument("--seconds", type=float, help="of training (1200; 5 with --tiny)")
    parser.add_argument("--stop-after", type=float, default=1e9, help="seconds, to go on later")
    parser.add_argument("--n", type=int, default=5000, help="samples to score")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tiny", action="store_true", help="every line of it, on a CPU")
    args = parser.parse_args()
    args.device, begin = device_named("auto"), time.perf_counter()
    args.each, args.side, fitting = (1, 512, 5) if args.tiny else (5, 8192, 2000)
    args.seconds = args.seconds or (5 if args.tiny else 1200)
    if args.tiny:
        args.n, args.rounds = 20, 1
    train, test = ([part.to(args.device) for part in pair] for pair in images(args))
    if args.only != "training":
        speed(*train, args)
    if args.only != "speed":
        training(train, Real(train, test, fitting, args.device), args)
    print(f"all of it took {(time.perf_counter() - begin) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
