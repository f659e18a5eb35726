"""Measure how fast the U-Net of the DDPM paper trains on a GPU, and what it learns in minutes.

    python benchmarks/gpu.py --root data             # everything, on one GPU, about 15 minutes
    python benchmarks/gpu.py --only speed            # only the tables of speed
    python benchmarks/gpu.py --only speed --contestants plain "all together"
    python benchmarks/gpu.py --only kernels          # where the time of a step goes
    python benchmarks/gpu.py --only training --seconds 600 60 60 120
    python benchmarks/gpu.py --tiny                  # a test of all lines on a CPU, within a minute

``--data`` can be an ``.npz`` file with x_train, y_train, x_test and y_test. If CIFAR-10 isn't there
and can't be downloaded, random images replace it. The speed is the same, but losses and scores mean
nothing.

Each contestant takes turns with the plain loop. The columns are

    images/s   images per second in the whole training step: batch, noise, forward, loss, backward,
               clipping, AdamW, average of the weights and reading the loss; median of the rounds
    ratio      images/s divided by those of the plain loop (TF32, fused AdamW, data on the device)
    MFU        model-FLOP utilisation: operations of convolutions and matrix products per second
               (counted by PyTorch, forward and backward), divided by the card's dense bfloat16
               peak in its data sheet, or by the speed of a large matrix product, measured here, if
               the card isn't in the list below
    memory     the most memory that a step needs beyond what was allocated before
    forward    images per second of the network alone, without gradients, and its utilisation

``TRAININGS`` below lists the training runs. Their seconds don't include compiling, drawing and
scoring. The score is the Fréchet distance from 20 random halves of the real images, with the
features of a small classifier that is fitted here. It isn't an FID. The distance between two halves
is printed for comparison.
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
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from ddpm_lite.cli.distributed import device_named
from ddpm_lite.cli.folder import RunFolder
from ddpm_lite.cli.recipes import RECIPES, Recipe
from ddpm_lite.cli.run import Run
from ddpm_lite.pretrained import build

from ddpm_lite import (  # isort: skip
    EMA, DataError, adamw, batches, fit_classifier, frechet_distance, load_images,
    save_images, train, warmup_cosine,
)  # fmt: skip

PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12}  # bfloat16
TIMED = replace(  # what a few minutes allow: larger batches and rate, a shorter average, no dropout
    RECIPES["cifar10"], minutes=None, steps=10**9, batch=256, conditional=True, schedule="cosine",
    target="v", dropout=0.0, lr=5e-4, ema=0.999,
)  # fmt: skip
PLAIN = replace(TIMED, amp=False, channels_last=False, compile=False)
EAGER, ALL = (
    {"amp": True, "channels_last": True},
    {"amp": True, "channels_last": True, "compile": True},
)


# The contestants


class FromHost(Run):
    """Each batch is copied from host memory, as with a data loader."""

    def advance(self, x: Tensor, y: Tensor) -> Iterator[tuple[int, float]]:
        recipe = self.recipe
        stream = batches(x.cpu(), y.cpu(), recipe.batch, recipe.seed)
        moved = ((a.to(self.device), b.to(self.device)) for a, b in stream)
        rest = {"ema": self.ema, "optimizer": self.optimizer}
        rate = warmup_cosine(recipe.lr)
        steps = train(self.net, moved, self.loss, recipe.steps, rate, **rest)
        for self.step, loss in steps:
            yield self.step, loss


class Graphed(Run):
    """Compiled, and then launched as one CUDA graph instead of kernel by kernel."""

    def advance(self, x: Tensor, y: Tensor) -> Iterator[tuple[int, float]]:
        if self.device == "cuda":
            self.net.compile(mode="reduce-overhead")
        yield from super().advance(x, y)


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
            num_class_embeds=recipe.num_classes + 1,
        )  # fmt: skip
        self.no_label = recipe.num_classes

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        y = torch.full_like(t, self.no_label) if y is None else y
        return self.net(x, t - 1, class_labels=y, return_dict=False)[0]


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


CONTESTANTS: dict[
    str, tuple[Callable, dict, bool, bool]
] = {  # made by, of what; TF32; cuDNN's search
    "plain": (Run, {}, True, False),
    "no TF32": (Run, {}, False, False),
    "AdamW not fused": (unfused, {}, True, False),
    "data from the host": (FromHost, {}, True, False),
    "in 2 parts": (Run, {"accumulate": 2}, True, False),
    "cudnn.benchmark": (Run, {}, True, True),
    "channels last": (Run, {"channels_last": True}, True, False),
    "bfloat16": (Run, {"amp": True}, True, False),
    "compiled": (Run, {"compile": True}, True, False),
    "all but compiled": (Run, EAGER, True, True),
    "the same, batch 64": (Run, EAGER | {"batch": 64}, True, True),
    "the same, batch 1024": (Run, EAGER | {"batch": 1024}, True, True),
    "all together": (Run, ALL, True, True),
    "the same, 1024 rows": (Run, ALL | {"batch": 1024}, True, True),
    "as a CUDA graph": (Graphed, EAGER, True, True),
    "graph, 1024 rows": (Graphed, EAGER | {"batch": 1024}, True, True),
    "diffusers, plain": (diffusers, {}, True, False),
    "diffusers, all": (diffusers, ALL, True, True),
}
TRAININGS: dict[str, tuple[Callable, dict, float]] = {  # made by, of what, and for how many seconds
    "ours": (Run, {}, 360),
    "small": (Run, {"width": 32, "lr": 1e-3}, 120),
    "ours-again": (Run, {}, 120),
    "diffusers": (diffusers, {}, 120),
}


# Measuring


def wait(device: str) -> None:
    """Wait until the device has finished."""
    if device == "cuda":
        torch.cuda.synchronize()


def seconds(work: Callable[[], object], device: str) -> float:
    wait(device)
    begin = time.perf_counter()
    work()
    wait(device)
    return time.perf_counter() - begin


def switch(tf32: bool, search: bool) -> None:
    """TF32 in products and convolutions, and cuDNN's search for its fastest kernel."""
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = tf32, search


def flops(recipe: Recipe) -> tuple[float, float]:
    """Operations of one image: forward, and forward with backward. A multiply-add is two."""
    net, _ = build(recipe.values())
    net.to("meta")
    x = torch.empty(2, recipe.channels, *recipe.image_size, device="meta")
    with FlopCounterMode(display=False) as counter:
        out = net(x, torch.ones(2, dtype=torch.int64, device="meta"))
        forward = counter.get_total_flops()
        out.sum().backward()
    return forward / 2, counter.get_total_flops() / 2


def peak(device: str, side: int) -> tuple[float, str]:
    """The peak in operations per second to which MFU refers, and the source of the number."""
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


def contestant(name: str, x: Tensor, y: Tensor, args: argparse.Namespace) -> tuple | None:
    """Run, its steps and the memory of one, after the first steps, which are slow."""
    make, options, *switches = CONTESTANTS[name]
    switch(*switches)
    try:
        run = make(shrunk(replace(PLAIN, **options), args), args.device)
        steps, before = run.advance(x, y), memory_now(args.device, reset=True)
        took = seconds(lambda: [next(steps) for _ in range(3)], args.device)
    except (ImportError, RuntimeError) as error:  # not installed, or too large for this card
        print(f"({name} is left out: {error})")
        return None
    print(f"({name}: the first 3 steps took {took:.0f} s)", flush=True)
    return run, steps, memory_now(args.device) - before


def speed(x: Tensor, y: Tensor, args: argparse.Namespace) -> None:
    """The tables. Each contestant takes turns with the plain loop, and its line comes at once."""
    most, source = peak(args.device, args.side)
    forward, both = flops(shrunk(PLAIN, args))
    row = "{:20} {:>9} {:>7} {:>7} {:>9} {:>9} {:>7}".format
    made = {name: contestant(name, x, y, args) for name in ["plain"]}
    plain = made["plain"][0]
    parameters = sum(p.numel() for p in plain.net.parameters())
    print(f"\n{parameters:,} parameters, batch {plain.recipe.batch}, {both / 1e9:.1f} GFLOP an "
          f"image ({forward / 1e9:.1f} forward), peak {most / 1e12:.1f} TFLOP/s "
          f"({source})")  # fmt: skip
    print(row("", "images/s", "ratio", "MFU", "memory", "forward", "MFU"))
    for name in args.contestants or CONTESTANTS:
        if found := made.get(name) or contestant(name, x, y, args):
            run, _, memory = found
            ours, theirs = turns(name, found, made["plain"], args)
            rate = run.recipe.batch / statistics.median(ours)
            ratio = rate / plain.recipe.batch * statistics.median(theirs)
            alone = forwards(name, run, x, y, args) if name in args.forward else 0.0
            shares = rate * both / most, alone * forward / most
            print(row(name, f"{rate:.0f}", f"{ratio:.2f}", f"{shares[0]:.1%}",
                      f"{memory / 2**30:.1f} GiB", f"{alone:.0f}" if alone else "",
                      f"{shares[1]:.1%}" if alone else ""), flush=True)  # fmt: skip
        del found
    switch(True, True)


def turns(name: str, one: tuple, plain: tuple, args: argparse.Namespace) -> list[list[float]]:
    """Seconds a step of a contestant and of the plain loop, in turn."""
    taken: list[list[float]] = [[], []]
    for _ in range(args.rounds):
        for times, (_, steps, _), who in zip(taken, (one, plain), (name, "plain"), strict=True):
            switch(*CONTESTANTS[who][2:])
            work = lambda steps=steps: [next(steps) for _ in range(args.each)]  # noqa: E731
            times.append(seconds(work, args.device) / args.each)
    return taken


@torch.no_grad()
def forwards(name: str, run: Run, x: Tensor, y: Tensor, args: argparse.Namespace) -> float:
    """Images a second of the network alone."""
    switch(*CONTESTANTS[name][2:])
    run.net.eval()
    n = run.recipe.batch
    t = torch.ones(n, dtype=torch.int64, device=args.device)
    with torch.autocast(args.device, torch.bfloat16, enabled=run.recipe.amp):
        times = [seconds(lambda: [run.net(x[:n], t, y[:n]) for _ in range(args.each)], args.device)
                 for _ in range(args.rounds + 1)]  # fmt: skip
    return n * args.each / statistics.median(times[1:])


def memory_now(device: str, reset: bool = False) -> int:
    """The most memory that was allocated since the last reset."""
    if device != "cuda":
        return 0
    if reset:
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    return torch.cuda.max_memory_allocated()


# Where the time goes

KINDS = {  # of kernels, by words in their names; the first that fits
    "written by the compiler": "triton",
    "copies": "memcpy memset copy nchwtonhwc nhwctonchw",
    "optimizer, average": "multi_tensor fused_adam adamw",
    "attention": "flash attention fmha sdpa softmax",
    "normalisation": "norm rowwise",
    "convolutions, products": "conv gemm nvjet cutlass xmma cudnn sm80 sm90",
    "elementwise": "elementwise reduce add mul silu fill",
}


def kernels(x: Tensor, y: Tensor, args: argparse.Namespace) -> None:
    """The share of the device's kernels in the time of some steps, by kind, and the longest."""
    cuda = args.device == "cuda"
    for name in args.contestants or ["all but compiled", "all together"]:
        if not (found := contestant(name, x, y, args)):
            continue
        run, steps, _ = found
        work = lambda steps=steps: [next(steps) for _ in range(args.each)]  # noqa: E731
        took = min(seconds(work, args.device) for _ in range(3))
        with profile(activities=[getattr(ProfilerActivity, "CUDA" if cuda else "CPU")]) as seen:
            seconds(work, args.device)
        times: dict[str, float] = {}
        for event in seen.key_averages():
            if (event.device_type == DeviceType.CUDA) == cuda:
                spent = event.self_device_time_total if cuda else event.self_cpu_time_total
                times[event.key] = times.get(event.key, 0.0) + spent / 1e6
        shares = dict.fromkeys([*KINDS, "the rest"], 0.0)
        for kernel, spent in times.items():
            words = (k for k, v in KINDS.items() if any(w in kernel.lower() for w in v.split()))
            shares[next(words, "the rest")] += spent / took
        shares["no kernel runs"] = 1 - sum(shares.values())
        print(f"\n{name}: {run.recipe.batch} images, {took / args.each * 1e3:.1f} ms a step")
        for kind, share in shares.items():
            print(f"{share:7.1%}  {kind}")
        for kernel, spent in sorted(times.items(), key=lambda pair: -pair[1])[:12]:
            print(f"{spent / took:7.1%}  {kernel.replace('at::native::', '')[:100]}", flush=True)


# The trainings


class Real:
    """Real images, and the features with which samples are compared to them."""

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
    """One run after the other, each in its folder: log, checkpoint, samples, score."""
    for (name, (make, options, _)), limit in zip(TRAININGS.items(), args.seconds, strict=True):
        if not limit:
            continue
        recipe = shrunk(replace(TIMED, **options), args)
        try:
            trial = make(recipe, args.device).advance(*images)
        except ImportError as error:
            print(f"({name} is left out: {error})")
            continue
        start = seconds(lambda: [next(trial) for _ in range(5)], args.device)  # noqa: B023
        took = seconds(lambda: [next(trial) for _ in range(10)], args.device) / 10  # noqa: B023
        print(f"\n({name}: starting took {start:.0f} s, which its time doesn't include)")
        run = make(replace(recipe, steps=max(4, int(limit / took))), args.device)
        with RunFolder.entered(args.out / name, resume=False) as folder:
            timed(name, run, images, folder, real, args)


def timed(name: str, run: Run, images: list[Tensor], folder: RunFolder, real: Real,
          args: argparse.Namespace) -> None:  # fmt: skip
    """The steps, with a line at every tenth of the way, and a score at the end."""
    steps, batch, losses, begin = run.recipe.steps, run.recipe.batch, [], time.perf_counter()
    parameters = sum(p.numel() for p in run.net.parameters())
    print(f"\n{name}: {parameters:,} parameters, {steps} steps of {batch} images", flush=True)
    for step, loss in run.advance(*images):
        folder.log(run, loss)
        losses.append(loss)
        if 10 * step // steps > 10 * (step - 1) // steps:
            took, mean = time.perf_counter() - begin, statistics.mean(losses)
            print(f"step {step}, {took:.0f} s, {step * batch / 1e6:.2f}M images, loss {mean:.4f}, "
                  f"{step * batch / took:.0f} images/s", flush=True)  # fmt: skip
            losses = []
    folder.save(run)
    for w in (0.0, 1.0):
        samples = run.draw(args.n, w=w)
        save_images(args.out / f"{name}-w{w:.0f}.png", samples[:100])
        right = (real.classifier.probabilities(samples.to(args.device)).argmax(1).cpu()
                 == torch.arange(args.n) % 10).double().mean()  # fmt: skip
        print(f"w = {w:.0f}: {args.n} samples of {run.steps(None)} steps are "
              f"{real.distance(samples):.3f} from the real images, {right:.1%} read as asked",
              flush=True)  # fmt: skip


def shrunk(recipe: Recipe, args: argparse.Namespace) -> Recipe:
    """The recipe; with --tiny a narrow network, small batches, and nothing compiled."""
    small = {"width": 8, "blocks": 1, "batch": 8, "compile": False, "threads": 1, "T": 8}
    return replace(recipe, **small) if args.tiny else recipe


def images(args: argparse.Namespace) -> list[tuple[Tensor, Tensor]]:
    """CIFAR-10, the training and the test part, or random images of its shape."""
    try:
        if args.tiny:
            raise DataError("tiny")
        return [load_images(args.data, args.root, train=part) for part in (True, False)]
    except DataError:
        print("no CIFAR-10 here: random images; losses and scores mean nothing")
        draws, n = torch.Generator().manual_seed(0), 200 if args.tiny else 5000
        x = torch.rand(2, n, 3, 32, 32, generator=draws) * 2 - 1
        y = torch.randint(10, (2, n), generator=draws)
        return [(x[0], y[0]), (x[1], y[1])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--data", default="cifar10", help="cifar10, or an .npz file with both parts"
    )
    parser.add_argument("--root", default="data", help="where torchvision keeps CIFAR-10")
    parser.add_argument(
        "--out", type=Path, default="runs/gpu", help="folder for samples and checkpoints"
    )
    parser.add_argument("--only", choices=["speed", "kernels", "training"])
    parser.add_argument("--contestants", nargs="*", choices=CONTESTANTS, help="measure only these")
    parser.add_argument(
        "--seconds", type=float, nargs="*", help=f"seconds of {', '.join(TRAININGS)}"
    )
    parser.add_argument("--n", type=int, default=2000, help="number of samples to score")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tiny", action="store_true", help="test all lines on a CPU")
    args = parser.parse_args()
    args.device, begin = device_named("auto"), time.perf_counter()
    args.each, args.side, fitting = (1, 512, 5) if args.tiny else (5, 8192, 2000)
    args.seconds = args.seconds or [1 if args.tiny else limit for *_, limit in TRAININGS.values()]
    args.forward = ["plain", "all but compiled"]
    if not args.tiny:
        compiled = "all together|the same, 1024 rows|graph, 1024 rows|diffusers, all"
        args.forward += compiled.split("|")
    if args.tiny:
        args.n, args.rounds = 20, 1
    train, test = ([part.to(args.device) for part in pair] for pair in images(args))
    if args.only in (None, "speed"):
        speed(*train, args)
    if args.only in (None, "kernels"):
        kernels(*train, args)
    if args.only in (None, "training"):
        training(train, Real(train, test, fitting, args.device), args)
    print(f"all of it took {(time.perf_counter() - begin) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
