"""Train the students of chapter 19: networks that sample in one to four calls.

    python scripts/train_distill.py                      # write both files of weights, half an hour
    python scripts/train_distill.py consistency --seed 1 --seconds 180 --out student.pt

Every student has the size of its teacher, `load_pretrained("digits")` or "mnist", and all except
mean flow start from the teacher's weights. `mnist` needs no images, because the teacher draws them.
With a method, the script trains it and writes the averaged weights in half precision, unless the
file exists. Without a method, it combines such files in ddpm_lite/weights/students.pt and
mnist_student.pt.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import partial
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from ddpm_lite import (
    EMA,
    UNet,
    from_v,
    guided,
    load_checkpoint,
    load_images,
    load_pretrained,
    save_checkpoint,
    spaced,
    warmup_cosine,
)
from ddpm_lite.distill import (
    consistency,
    consistency_loss,
    mean_flow_loss,
    mean_flow_times,
    mean_velocity,
    progressive_loss,
    row_error,
    two_steps,
    x0_between,
)

FOLDER = Path(__file__).resolve().parents[1] / "ddpm_lite" / "weights"
SIZES = {"channels": 1, "width": 16, "mults": (1, 2)}
BATCH = 64
MNIST_BATCH = 32

Loss = Callable[[nn.Module, Tensor, Tensor, float], Tensor]  # net, x, y, progress from 0 to 1


def fitted(net: nn.Module, loss: Loss, stream: Iterator, seconds: float, lr: float,
           ema: float = 0.99) -> nn.Module:  # fmt: skip
    """The average of the weights after so many seconds of this process."""
    average, rate = EMA(net, ema), warmup_cosine(lr)
    optimizer = torch.optim.AdamW(net.parameters(), betas=(0.9, 0.99))
    begin, step, mean = time.process_time(), 0, 0.0
    while (progress := (time.process_time() - begin) / seconds) < 1:
        optimizer.param_groups[0]["lr"] = rate(progress)
        value = loss(net, *next(stream), progress)
        optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        average.update(net)
        step += 1
        mean += (value.item() - mean) / min(step, 100)
        if step % 1000 == 0:
            print(f"step {step}, {100 * progress:.0f} %, loss {mean:.4f}", flush=True)
    print(f"{step} steps, loss {mean:.4f}", flush=True)
    return average.model.eval().requires_grad_(False)


def trainable(net: UNet) -> UNet:
    return deepcopy(net).requires_grad_(True).train()


def digits() -> Iterator[tuple[Tensor, Tensor]]:
    """Random batches of the training digits, without end."""
    x, y = load_images("digits")
    while True:
        rows = torch.randint(len(x), (BATCH,))
        yield x[rows], y[rows]


def progressive(seconds: float) -> dict[str, UNet]:
    """Students with 8, 4, 2 and 1 steps, each distilled from the one before, and the first from the
    teacher's 16."""
    net, schedule, _ = load_pretrained("digits")
    students = {}
    for steps, share in ((8, 0.15), (4, 0.2), (2, 0.25), (1, 0.4)):
        times, teacher = spaced(schedule.T, steps), net

        def loss(net, x, y, progress, times=times, teacher=teacher):
            model = from_v(partial(teacher, y=y), schedule)
            return progressive_loss(consistency(net, schedule, y=y), model, schedule, x, times)

        net = fitted(trainable(net), loss, digits(), share * seconds, 2e-3)
        students[f"progressive_{steps}"] = net
    return students


def consistent(seconds: float, distil: bool) -> dict[str, UNet]:
    """Consistency distillation or training. The number of steps doubles several times."""
    net, schedule, _ = load_pretrained("digits")

    def loss(student, x, y, progress):
        times = spaced(schedule.T, 10 if distil else 4 * 2 ** int(4 * progress))
        f = consistency(student, schedule, y=y)
        teacher = from_v(partial(net, y=y), schedule) if distil else None
        return consistency_loss(f, f, schedule, x, times, teacher)

    name = "consistency" if distil else "training"
    return {name: fitted(trainable(net), loss, digits(), seconds, 2e-3)}


def mean_flow(seconds: float) -> dict[str, UNet]:
    """Mean flow, from random weights and without a teacher."""
    net = UNet(**SIZES, cond_dim=11)

    def loss(net, x, y, progress):
        return mean_flow_loss(mean_velocity(net, torch.eye(10)[y]), x, *mean_flow_times(len(x)))

    return {"mean_flow": fitted(net, loss, digits(), seconds, 4e-3, 0.995)}


def states(model: Callable, schedule, times: list[int]) -> Iterator[tuple[Tensor, ...]]:
    """Batches (x_t, t, y, target), without end and without images: samples of a teacher
    ``model(y)`` from noise, where each step of the student stands for two of the teacher's."""
    n = MNIST_BATCH // (len(times) - 1)
    while True:
        y, x, rows = torch.randint(10, (n,)), torch.randn(n, 1, 28, 28), []
        with torch.no_grad():
            for ends in pairwise(times):
                t, s = (torch.full((n,), end) for end in ends)
                xs = two_steps(model(y), schedule, x, t, s)
                rows.append((x, t, y, x0_between(schedule, x, t, xs, s)))
                x = xs
        yield tuple(map(torch.cat, zip(*rows, strict=True)))


def mnist(seconds: float, rounds=((4, 0.5), (2, 0.5)), w: float = 0.5) -> dict[str, UNet]:
    """Progressive distillation of the guided teacher, whose two calls a step become one."""
    net, schedule, _ = load_pretrained("mnist")
    students = {}
    for steps, share in rounds:
        teacher = partial(lambda net, y, w: guided(from_v(net, schedule), y, w), net, w=w)
        pairs = states(teacher, schedule, spaced(schedule.T, steps))

        def loss(net, x, t, y, target, progress):
            error = row_error(consistency(net, schedule, y=y)(x, t), target)
            return (error / (1 - schedule.alpha_bar[t])).mean()

        net, w = fitted(trainable(net), loss, pairs, share * seconds, 5e-4), 0.0
        students[f"mnist_{steps}"] = net
    return students


METHODS = {
    "progressive": progressive,
    "consistency": partial(consistent, distil=True),
    "training": partial(consistent, distil=False),
    "mean_flow": mean_flow,
    "mnist": mnist,
}


SHIPPED = {  # the file of weights, and which student of which method it has
    "students.pt": {"progressive": "progressive_1", "consistency": "consistency"},
    "mnist_student.pt": {"mnist": "mnist_2"},
}


def save(path: Path, students: dict[str, dict[str, Tensor]]) -> None:
    half = {name: {k: v.half() for k, v in weights.items()} for name, weights in students.items()}
    save_checkpoint(path, **half)


def trained(method: str, path: Path, seconds: float, seed: int) -> dict:
    """The students of a method, from the file if there is one."""
    if not path.is_file():
        torch.manual_seed(seed)
        students = METHODS[method](seconds)
        path.parent.mkdir(parents=True, exist_ok=True)
        save(path, {name: net.state_dict() for name, net in students.items()})
    return load_checkpoint(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("method", nargs="?", choices=METHODS)
    parser.add_argument("--seconds", type=float, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--out", type=Path, help="file to write (default: runs/distill/METHOD_SEED.pt)"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    place = lambda method: args.out or Path("runs/distill", f"{method}_{args.seed}.pt")  # noqa: E731
    if args.method:
        trained(args.method, place(args.method), args.seconds, args.seed)
        return
    for file, wanted in SHIPPED.items():
        students = {name: trained(name, place(name), args.seconds, args.seed)[key]
                    for name, key in wanted.items()}  # fmt: skip
        save(FOLDER / file, students)


if __name__ == "__main__":
    main()
