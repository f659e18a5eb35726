"""Train the networks of chapter 21, and compare ways to teach a network a new symbol.

    python scripts/train_finetune.py judge     # the classifier that knows the heart
    python scripts/train_finetune.py control   # the control branch, from edges to digits
    python scripts/train_finetune.py adapter   # the LoRA that has learned the heart
    python scripts/train_finetune.py pack      # combine them in ddpm_lite/weights/finetune.pt
    python scripts/train_finetune.py compare --seed 0

Each of the first three takes some minutes on one CPU core and writes the file --out. pack reads
these files (--judge, --control, --adapter) and writes their weights in half precision. compare
needs the packed file, prints a line for each way to fine-tune, and writes a file only with --out.
--steps and --lr override the defaults.
"""

from __future__ import annotations

import argparse
import math
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ddpm_lite import (
    EMA,
    Classifier,
    ddim_step,
    ddpm_loss,
    fit_classifier,
    from_v,
    load_images,
    load_pretrained,
    sample,
    save_checkpoint,
    train,
    v_target,
    warmup_cosine,
)
from ddpm_lite.control import Control, edges
from ddpm_lite.finetune import HEARTS, add_label, add_lora, drawings, prior_loss
from ddpm_lite.pretrained import LORA, load_heart_classifier

FILE = Path(__file__).resolve().parents[1] / "ddpm_lite" / "weights" / "finetune.pt"
JUDGE = {"channels": 1, "classes": 11, "dim": 16}

WAYS = {  # name: (trains, learning rate, weight of the old digits)
    "embedding": ("row", 3e-2, 0.0),
    "full": ("full", 1e-3, 0.0),
    "full + prior": ("full", 1e-3, 2.0),
    "LoRA": ("lora", 1e-2, 0.0),
    "LoRA + prior": ("lora", 1e-2, 2.0),
}


def hearts(n: int, seed: int) -> Tensor:
    """n random hearts (n, 1, 8, 8), drawn by a formula and not by hand: the outline of a curve on
    32 by 32 pixels with random size, place, tilt, stroke and ink, counted in blocks of 4 by 4, as
    the digits were. None of the ten drawings is among them."""
    generator = torch.Generator().manual_seed(seed)
    between = lambda a, b: a + (b - a) * torch.rand(n, 1, 1, generator=generator)  # noqa: E731
    width, height, tilt = between(2.5, 3.4), between(2.6, 3.6), between(-0.2, 0.2)
    axis = torch.linspace(-3.875, 3.875, 32)
    x, y = axis - between(-0.6, 0.6), axis[:, None] - between(-0.5, 0.5)
    x, y = x * tilt.cos() + y * tilt.sin(), x * tilt.sin() - y * tilt.cos()
    s = torch.linspace(0, 2 * math.pi, 200)
    curve = 13 * s.cos() - 5 * (2 * s).cos() - 2 * (3 * s).cos() - (4 * s).cos()
    middle, half = (curve.max() + curve.min()) / 2, (curve.max() - curve.min()) / 2
    to = (x[..., None] - width[..., None] * s.sin() ** 3).square()
    to = to + (y[..., None] - height[..., None] * (curve - middle) / half).square()
    ink = (to.amin(-1).sqrt() < between(0.35, 0.75)).float()[:, None]
    return (F.avg_pool2d(ink, 4) * between(2, 3.2)[:, None] - 1).clamp(-1, 1)


def judge() -> Classifier:
    """Fitted on the 1,437 digits and 600 hearts by formula."""
    x, y = load_images("digits")
    x, y = torch.cat([x, hearts(600, 1)]), torch.cat([y, torch.full((600,), 10)])
    net = fit_classifier(x, y, dim=JUDGE["dim"])
    test, labels = load_images("digits", train=False)
    for name, images, label in (
        ("360 held-out digits", test, labels),
        ("500 fresh hearts", hearts(500, 2), 10),
        ("the ten drawings", drawings(HEARTS), 10),
    ):
        right = (net.probabilities(images).argmax(1) == label).double().mean()
        print(f"{name}: {right:.2%} recognised", flush=True)
    return net


def control(steps: int, lr: float) -> Control:
    """The branch, trained on the digits with the edges of each; the average of the weights."""
    torch.manual_seed(0)
    base, schedule, _ = load_pretrained("digits")
    net, (x, y) = Control(base), load_images("digits")
    ema = EMA(net, 0.998)

    def loss(net: nn.Module, i: Tensor, _: Tensor | None) -> Tensor:
        none = torch.where(torch.rand(len(i)) < 0.5, 10, y[i])  # half of them without a label
        return ddpm_loss(partial(net, y=none, hint=edges(x[i])), schedule, x[i], v_target)

    rows = ((i, None) for i in shuffled(len(x), 64))
    for step, value in train(net, rows, loss, steps, warmup_cosine(lr), ema=ema):
        if step % 100 == 0:
            print(f"step {step} of {steps}, loss {value:.3f}", flush=True)
    report(ema.model, schedule)
    return ema.model


def report(net: Control, schedule) -> None:
    """How well the edges of samples agree with the hints of unseen digits."""
    x, y = load_images("digits", train=False)
    hint = edges(x)
    torch.manual_seed(1)
    noise = torch.randn_like(x)
    for name, given in (("with the hint", hint), ("without", None)):
        model = from_v(partial(net, y=y, hint=given), schedule)
        drawn = edges(sample(model, schedule, noise, 25, ddim_step))
        agree = ((drawn > 0.5) == (hint > 0.5)).double().mean()
        print(f"{name}: {agree:.3f} of the edge pixels agree", flush=True)


def shuffled(n: int, batch: int):
    """Batches of row numbers, without end."""
    while True:
        yield from torch.randperm(n).split(batch)


def draw(net: nn.Module, schedule, y: Tensor, steps: int = 25) -> Tensor:
    model = from_v(partial(net, y=y), schedule)
    return sample(model, schedule, torch.randn(len(y), 1, 8, 8), steps, ddim_step)


def taught(trains: str, lr: float, weight: float, steps: int, seed: int, rank: int) -> nn.Module:
    """The digits' network after a lesson on the ten drawings."""
    torch.manual_seed(seed)
    base, schedule, _ = load_pretrained("digits")
    labels = torch.arange(300) % 10
    old = draw(base, schedule, labels) if weight else None
    net, _, _ = load_pretrained("digits", frozen=False)
    if trains == "lora":
        add_lora(net, LORA, rank, rank)
    heart = add_label(net.requires_grad_(trains == "full") if trains != "lora" else net)
    images = drawings(HEARTS)

    def loss(net: nn.Module, i: Tensor, _: Tensor | None) -> Tensor:
        new = images[i % 10], torch.full_like(i, heart)
        if old is None:
            return ddpm_loss(partial(net, y=new[1]), schedule, new[0], v_target)
        return prior_loss(net, schedule, new, (old[i], labels[i]), weight)

    rows = ((torch.randint(300, (16,)), None) for _ in iter(int, 1))
    for _ in train(net, rows, loss, steps, warmup_cosine(lr)):
        pass
    return net.eval()


def compare(seed: int, steps: int, only: str | None, lr: float | None, rank: int) -> list[str]:
    """Print a line for each way: how many of 500 old digits and 200 hearts are recognised."""
    net, lines = load_heart_classifier(), []
    schedule = load_pretrained("digits")[1]
    for name, (trains, rate, weight) in {"before": (None, 0.0, 0.0), **WAYS}.items():
        if only and name not in only.split(","):
            continue
        if trains is None:
            pupil = load_pretrained("digits")[0]
        else:
            pupil = taught(trains, lr or rate, weight, steps, seed, rank)
        torch.manual_seed(100)
        y = torch.arange(500) % 10
        old = (net.probabilities(draw(pupil, schedule, y)).argmax(1) == y).double().mean()
        new = torch.zeros(())
        if trains:
            images = draw(pupil, schedule, torch.full((200,), 10))
            new = (net.probabilities(images).argmax(1) == 10).double().mean()
        lines.append(f"{name:14} seed {seed} steps {steps} digits {old:.3f} hearts {new:.3f}")
        print(lines[-1], flush=True)
    return lines


def halved(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k: v.half() if v.is_floating_point() else v for k, v in state.items()}


def main() -> None:
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("judge", "control", "adapter", "pack", "compare"))
    parser.add_argument("--out", type=Path, help="the file to write")
    parser.add_argument("--judge", type=Path, default=Path("judge.pt"))
    parser.add_argument("--control", type=Path, default=Path("control.pt"))
    parser.add_argument("--adapter", type=Path, default=Path("adapter.pt"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, help="training steps")
    parser.add_argument("--lr", type=float, help="peak learning rate")
    parser.add_argument("--rank", type=int, default=4, help="rank of LoRA")
    parser.add_argument("--only", help="ways to compare, separated by commas")
    args = parser.parse_args()
    if args.what == "judge":
        torch.save(judge().state_dict(), args.out or args.judge)
    elif args.what == "control":
        net = control(args.steps or 5000, args.lr or 2e-3)
        mine = {k: v for k, v in net.state_dict().items() if not k.startswith("net.")}
        torch.save(mine, args.out or args.control)
    elif args.what == "adapter":
        net = taught("lora", 1e-2, 1.0, args.steps or 200, args.seed, args.rank)
        mine = {name: weight for name, weight in net.named_parameters() if weight.requires_grad}
        torch.save(mine, args.out or args.adapter)
    elif args.what == "pack":
        files = {"judge": args.judge, "control": args.control, "adapter": args.adapter}
        half = {name: halved(torch.load(file)) for name, file in files.items()}
        save_checkpoint(args.out or FILE, sizes=JUDGE, **half)
    else:
        lines = compare(args.seed, args.steps or 200, args.only, args.lr, args.rank)
        if args.out:
            args.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
