"""Compare digits drawn in few network calls: samplers of the teacher, and distilled students.

    python benchmarks/distill.py --folder runs/distill      # about 40 minutes of one core

It trains each student of `scripts/train_distill.py` with three seeds, unless its file is already in
the folder. It draws 1,000 images in 1, 2, 4 and 8 calls, and in 50 calls with the teacher. The
columns are the Fréchet distance to all training digits, with the features of the package's
classifier, as mean ± standard deviation over three seeds, and the mean recall. The teacher and the
reflow network of chapter 13 come with the package, so only the noise differs between their seeds.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ddpm_lite import (  # isort: skip
    UNet, ddim_step, dpmpp_2m, frechet_distance, from_v, from_x0, load_checkpoint, load_classifier,
    load_images, load_pretrained, precision_recall, sample, spaced,
)  # fmt: skip
from ddpm_lite.distill import consistency, hops, mean_velocity
from ddpm_lite.flow import sample_flow, velocity_of
from ddpm_lite.pretrained import load_flow

TRAIN = Path(__file__).resolve().parents[1] / "scripts" / "train_distill.py"
STUDENTS = ("progressive", "consistency", "training", "mean_flow")
N, CALLS = 1000, (1, 2, 4, 8, 50)
Y = torch.arange(N) % 10
SIZES = {"channels": 1, "width": 16, "mults": (1, 2)}
NET, SCHEDULE, _ = load_pretrained("digits")


def network(weights: dict[str, Tensor]) -> UNet:
    """The student of these weights, of either kind."""
    labels = "condition.label.weight" in weights
    net = UNet(**SIZES, num_classes=10) if labels else UNet(**SIZES, cond_dim=11)
    net.load_state_dict(weights)
    return net.eval().requires_grad_(False)


def progressive(state: dict, x: Tensor, calls: int) -> Tensor | None:
    if f"progressive_{calls}" not in state:
        return None
    f = consistency(network(state[f"progressive_{calls}"]), SCHEDULE, y=Y)
    return sample(from_x0(f, SCHEDULE), SCHEDULE, x, calls, ddim_step, clip=None)


def consistent(state: dict, x: Tensor, calls: int, name: str) -> Tensor:
    f = consistency(network(state[name]), SCHEDULE, y=Y)
    *_, (_, _, x0) = hops(f, SCHEDULE, x, spaced(SCHEDULE.T, calls))
    return x0


def mean_flow(state: dict, x: Tensor, calls: int) -> Tensor:
    mean, times = mean_velocity(network(state["mean_flow"]), torch.eye(10)[Y]), 1 / calls
    step = lambda x, u: mean(x, u, (u - times).clamp(min=0))  # noqa: E731
    return sample_flow(step, x, calls)


def of_teacher(x: Tensor, calls: int, step) -> Tensor:
    return sample(from_v(partial(NET, y=Y), SCHEDULE), SCHEDULE, x, calls, step(), clip=None)


SAMPLERS = {  # which student it needs, and how it draws from noise in so many calls
    "DDIM": (None, lambda state, x, calls: of_teacher(x, calls, lambda: ddim_step)),
    "dpmpp_2m": (None, lambda state, x, calls: of_teacher(x, calls, dpmpp_2m)),
    "progressive distillation": ("progressive", progressive),
    "consistency distillation": ("consistency", partial(consistent, name="consistency")),
    "consistency training": ("training", partial(consistent, name="training")),
    "mean flow": ("mean_flow", mean_flow),
    "reflow": (None, lambda state, x, calls: sample_flow(velocity_of(load_flow("reflow"), y=Y), x,
                                                         calls)),
}  # fmt: skip


def student(folder: Path, method: str, seed: int, seconds: float) -> dict:
    """The weights of a student. It's trained now if the folder doesn't have them."""
    path = folder / f"{method}_{seed}.pt"
    if not path.is_file():
        options = ["--seconds", str(seconds), "--seed", str(seed), "--out", str(path)]
        subprocess.run([sys.executable, str(TRAIN), method, *options], check=True)
    return load_checkpoint(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("runs/distill"))
    parser.add_argument("--seconds", type=float, default=150, help="training time of each student")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", default=list(SAMPLERS), choices=SAMPLERS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.folder.mkdir(parents=True, exist_ok=True)
    judge = load_classifier("digits")
    real, test = (judge.features(load_images("digits", train=part)[0]) for part in (True, False))
    print(f"test digits from training digits: {frechet_distance(test, real):.2f}, "
          f"recall {precision_recall(real, test)[1]:.2f}")  # fmt: skip
    print(f"{'Fréchet distance, recall':25}", *(f"{calls:>19}" for calls in CALLS))
    for name in args.methods:
        needs, draw = SAMPLERS[name]
        states = [needs and student(args.folder, needs, seed, args.seconds) for seed in args.seeds]
        cells = []
        for calls in CALLS:
            rows = []
            if calls == 50 and "DDIM" not in name and "2m" not in name:
                continue
            for seed, state in zip(args.seeds, states, strict=True):
                torch.manual_seed(1000 + seed)
                x = draw(state, torch.randn(N, 1, 8, 8), calls)
                if x is not None:
                    look = judge.features(x.clamp(-1, 1))
                    rows.append((frechet_distance(look, real), precision_recall(real, look)[1]))
            cells.append(shown(rows))
        print(f"{name:25}", *(f"{cell:>19}" for cell in cells), flush=True)


def shown(rows: list[tuple[float, float]]) -> str:
    """Mean ± standard deviation of the distance, and the mean recall."""
    if not rows:
        return "-"
    distance, recall = torch.tensor(rows).double().unbind(1)
    spread = distance.std().item() if len(rows) > 1 else 0.0
    return f"{distance.mean():.2f} ± {spread:.2f}, {recall.mean():.2f}"


if __name__ == "__main__":
    main()
