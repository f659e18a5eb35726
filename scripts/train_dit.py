"""Train the diffusion transformer of chapter 16 on the digits.

    python scripts/train_dit.py            # about seven minutes of one CPU core

It writes the averaged weights in half precision to ddpm_lite/weights/dit.pt.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from ddpm_lite import (  # isort: skip
    EMA, batches, cosine_schedule, ddim_step, ddpm_loss, drop_labels, frechet_distance, from_v,
    guided, load_classifier, load_images, sample, save_checkpoint, train, v_target, warmup_cosine,
)  # fmt: skip
from ddpm_lite.transformer import DiT

FILE = Path(__file__).resolve().parents[1] / "ddpm_lite" / "weights" / "dit.pt"
SIZES = {"channels": 1, "patch": 2, "dim": 48, "depth": 4, "heads": 4, "num_classes": 10}
BATCH, DROP, EMA_DECAY = 64, 0.1, 0.995
SCHEDULE = cosine_schedule(1000)


def loss(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """v-prediction; a tenth of the labels is dropped, for guidance."""
    return ddpm_loss(partial(net, y=drop_labels(y, DROP, 10)), SCHEDULE, x, v_target)


def scores(net: nn.Module, x: Tensor, judge: nn.Module, n: int = 1000) -> str:
    """The Fréchet distance of n images to the training images, at two guidance scales."""
    texts, real = [], torch.cat([judge.features(part) for part in x[:5000].split(500)])
    for w in (0.0, 0.5):
        torch.manual_seed(1)
        images = torch.cat([
            sample(guided(from_v(net, SCHEDULE), torch.arange(100) % 10, w), SCHEDULE,
                   torch.randn(100, *x.shape[1:]), 50, ddim_step) for _ in range(n // 100)
        ])  # fmt: skip
        texts.append(f"w = {w}: {frechet_distance(judge.features(images), real):.2f}")
    return "distance with 50 DDIM steps, " + ", ".join(texts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=8500)
    parser.add_argument("--lr", type=float, default=6e-3)
    parser.add_argument("--data", choices=("digits", "mnist"), default="digits")
    parser.add_argument("--root", default="data", help="folder with MNIST")
    parser.add_argument("--patch", type=int, default=SIZES["patch"])
    parser.add_argument("--dim", type=int, default=SIZES["dim"])
    parser.add_argument("--depth", type=int, default=SIZES["depth"])
    parser.add_argument("--out", type=Path, default=FILE)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    x, y = load_images(args.data, **({} if args.data == "digits" else {"root": args.root}))
    sizes = SIZES | {"patch": args.patch, "dim": args.dim, "depth": args.depth}
    net = DiT(**sizes)
    ema = EMA(net, EMA_DECAY)
    stream, rate = batches(x, y, BATCH), warmup_cosine(args.lr)
    for step, value in train(net, stream, loss, args.steps, rate, ema=ema):
        if step % 500 == 0 or step == args.steps:
            print(f"step {step} of {args.steps}, loss {value:.3f}", flush=True)
    half = {name: weight.half() for name, weight in ema.model.state_dict().items()}
    save_checkpoint(args.out, sizes=sizes, net=half)
    print(scores(ema.model, x, load_classifier(args.data), 1000 if x.shape[2] < 9 else 500))


if __name__ == "__main__":
    main()
