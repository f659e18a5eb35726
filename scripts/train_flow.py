"""Train the two networks of chapter 13 on the digits, by flow matching and by reflow.

    python scripts/train_flow.py            # about six minutes of one CPU core

It writes the averaged weights of both in half precision to ddpm_lite/weights/flow.pt.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ddpm_lite import (
    EMA,
    UNet,
    frechet_distance,
    load_classifier,
    load_images,
    save_checkpoint,
    train,
    warmup_cosine,
)
from ddpm_lite.flow import flow_loss, sample_flow, straightness, velocity_of

FILE = Path(__file__).resolve().parents[1] / "ddpm_lite" / "weights" / "flow.pt"
SIZES = {"channels": 1, "width": 16, "mults": (1, 2), "num_classes": 10}
STEPS, PAIRS, BATCH, LR = 4000, 8000, 64, 4e-3


def fitted(net: UNet, x0: Tensor, y: Tensor, x1: Tensor | None, steps: int, lr: float) -> UNet:
    """The average of the weights after so many steps; ``x1`` fixes where each path ends."""
    ema, rows = EMA(net, 0.995), torch.arange(len(x0))
    loss = lambda net, i, _: flow_loss(  # noqa: E731
        partial(net, y=y[i]), x0[i], None if x1 is None else x1[i]
    )
    stream = ((order, None) for order in shuffled(rows))
    for step, value in train(net, stream, loss, steps, warmup_cosine(lr), ema=ema):
        if step % 500 == 0:
            print(f"step {step} of {steps}, loss {value:.3f}", flush=True)
    return ema.model


def shuffled(rows: Tensor):
    """Batches of row numbers, without end."""
    while True:
        yield from rows[torch.randperm(len(rows))].split(BATCH)


def drawn(net: UNet, n: int, steps: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Images, their noise and their labels."""
    torch.manual_seed(seed)
    x1, y = torch.randn(n, 1, 8, 8), torch.arange(n) % 10
    parts = zip(x1.split(1000), y.split(1000), strict=True)
    return torch.cat([sample_flow(velocity_of(net, y=b), a, steps) for a, b in parts]), x1, y


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    x, y = load_images("digits")
    first = fitted(UNet(**SIZES), x, y, None, STEPS, LR)
    images, noise, labels = drawn(first, PAIRS, 50, seed=1)
    second = UNet(**SIZES)
    second.load_state_dict(first.state_dict())
    second = fitted(second.requires_grad_(True), images, labels, noise, STEPS, LR / 2)
    judge = load_classifier("digits")
    for name, net in {"flow": first, "reflow": second}.items():
        bent = straightness(velocity_of(net, y=labels[:200]), noise[:200])
        scores = [frechet_distance(judge.features(drawn(net, 1000, n, 2)[0]), judge.features(x))
                  for n in (1, 2, 4, 8, 50)]  # fmt: skip
        print(name, f"straightness {bent:.4f}, distance at 1, 2, 4, 8, 50 steps:",
              " ".join(f"{score:.2f}" for score in scores), flush=True)  # fmt: skip
    half = {name: {k: v.half() for k, v in net.state_dict().items()}
            for name, net in {"flow": first, "reflow": second}.items()}  # fmt: skip
    save_checkpoint(FILE, sizes=SIZES, **half)


if __name__ == "__main__":
    main()
