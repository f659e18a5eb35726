"""Compare a transformer with the U-Net: the same images, batches, objective and CPU seconds.

    python benchmarks/transformer.py --data digits --seconds 60 --seeds 0 1 2
    python benchmarks/transformer.py --data mnist --root data --seconds 480 --nets unet dit-4

It trains each network on one thread with v-prediction and labels, and draws 1,000 images (500 for
MNIST) with 50 steps of DDPM. "dit-2" is a DiT with patches of 2 x 2 pixels. "dit-2-flat" has no
position embedding, "dit-2-open" starts with all gates at 1, and "dit-2-xavier" starts with the
initial weights of DiT's code. The columns are the number of parameters, millions of FLOPs for one
image in one call, training steps, and Fréchet distances to the training images (5,000 for MNIST),
with the features of the package's classifier: the median over the seeds, and each of them. With
--out, the rows are also written to a file.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ddpm_lite import (  # isort: skip
    EMA, UNet, batches, cosine_schedule, ddpm_loss, frechet_distance, from_v, load_classifier,
    load_images, sample, train, v_target, warmup_cosine,
)  # fmt: skip
from ddpm_lite.transformer import DiT

SCHEDULE = cosine_schedule(1000)
LR = {"unet": 4e-3, "dit": 6e-3}  # of 1e-3 to 8e-3, the DiT did best at 4e-3 and 8e-3 in short runs


class FlatDiT(DiT):
    """A DiT that gives all patches the position of the first one, so it can't know their order."""

    def tokens(self, x: Tensor) -> Tensor:
        places = super().tokens(x) - super().tokens(torch.zeros_like(x))
        return places + self.embed.bias


class XavierDiT(DiT):
    """The initial weights of DiT's code, up to three times as large in variance as PyTorch's."""

    def __init__(self, **sizes):
        super().__init__(**sizes)
        for layer in self.modules():
            if isinstance(layer, nn.Linear) and layer.weight.any():
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)


class OpenDiT(DiT):
    """Every gate starts at 1 instead of 0: adaLN without its zero."""

    def __init__(self, **sizes):
        super().__init__(**sizes)
        for block in self.blocks:
            gates = block.modulation[1].bias.view(6, -1)[[2, 5]]
            block.modulation[1].bias.data.view(6, -1)[[2, 5]] = torch.ones_like(gates)


def network(name: str, data: str) -> nn.Module:
    """A network by its name; those of one data set have about the same number of parameters."""
    kind, *rest = name.split("-")
    if kind == "unet":
        mults = (1, 2) if data == "digits" else (1, 2, 2)
        return UNet(1, width=16, mults=mults, num_classes=10)
    make = {"flat": FlatDiT, "open": OpenDiT, "xavier": XavierDiT}.get(rest[-1], DiT)
    dim = 48 if data == "digits" else 56
    return make(channels=1, patch=int(rest[0]), dim=dim, depth=4, heads=4, num_classes=10)


def flops(net: nn.Module, x: Tensor) -> float:
    """For one image, forward. A multiply-add counts as two. Without numbers ("meta"), since PyTorch
    doesn't count attention on a CPU."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        copy.deepcopy(net).to("meta")(torch.zeros(1, *x.shape[1:]), torch.ones(1).long())
    return counter.get_total_flops()


def trained(net: nn.Module, lr: float, x: Tensor, y: Tensor, seconds: float, seed: int):
    """The averaged weights after so many seconds of this process, and the steps."""
    ema, rate = EMA(net, 0.99), warmup_cosine(lr)
    objective: Callable = lambda net, x, y: ddpm_loss(partial(net, y=y), SCHEDULE, x, v_target)  # noqa: E731
    begin = time.process_time()
    spent = lambda: (time.process_time() - begin) / seconds  # noqa: E731
    steps = train(net, batches(x, y, 64, seed), objective, 10**6,
                  lambda _: rate(min(1.0, spent())), ema=ema)  # fmt: skip
    return ema.model, next(step for step, _ in steps if spent() > 1)


def drawn(net: nn.Module, n: int, shape: tuple[int, ...], seed: int) -> Tensor:
    """Images of all ten digits in turn."""
    torch.manual_seed(1000 + seed)
    parts = [(torch.randn(100, *shape), torch.arange(100) % 10) for _ in range(n // 100)]
    return torch.cat([
        sample(from_v(partial(net, y=y), SCHEDULE), SCHEDULE, xT, 50) for xT, y in parts
    ])  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", choices=("digits", "mnist"), default="digits")
    parser.add_argument("--root", default="data", help="folder with MNIST")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--nets", nargs="+", default=["unet", "dit-1", "dit-2", "dit-4"])
    parser.add_argument("--lr", type=float, help="learning rate of all networks")
    parser.add_argument("--keep", type=int, help="train on only this many images")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    where = {} if args.data == "digits" else {"root": args.root}
    x, y = load_images(args.data, **where)
    judge, real = load_classifier(args.data), x[:5000]
    features = torch.cat([judge.features(part) for part in real.split(500)])
    x, y, rows = x[: args.keep], y[: args.keep], []
    for seed, name in itertools.product(args.seeds, args.nets):
        torch.manual_seed(seed)
        net = network(name, args.data)
        lr = args.lr or LR[name.split("-")[0]]
        ema, steps = trained(net, lr, x, y, args.seconds, seed)
        images = drawn(ema, 1000 if args.data == "digits" else 500, x.shape[1:], seed)
        score = frechet_distance(judge.features(images), features)
        size = sum(weight.numel() for weight in net.parameters())
        rows.append({"net": name, "data": args.data, "images": len(x), "seconds": args.seconds,
                     "seed": seed, "lr": lr, "steps": steps, "parameters": size,
                     "mflops": flops(net, x) / 1e6, "distance": score})  # fmt: skip
        print(rows[-1], flush=True)
        if args.out:
            args.out.write_text(json.dumps(rows))
    table(rows)


def table(rows: list[dict]) -> None:
    """A line for each network."""
    for name in dict.fromkeys(row["net"] for row in rows):
        mine = [row for row in rows if row["net"] == name]
        each = [row["distance"] for row in mine]
        steps, middle = (statistics.median(v) for v in ([row["steps"] for row in mine], each))
        print(f"{name:12} {mine[0]['parameters']:9,} {mine[0]['mflops']:7.1f} MFLOPs {steps:7.0f} "
              f"steps {middle:6.2f}   ({' '.join(f'{d:.2f}' for d in each)})")  # fmt: skip


if __name__ == "__main__":
    main()
