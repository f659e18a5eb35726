"""Kill a training run at random moments, resume it, and compare it with a run that never stopped.

    python benchmarks/resume.py [--kills 20] [--steps 150] [--seed 0]

The run saves after every step. Runs are started, killed (-9) and resumed until there have been this
many kills. Every second kill is at a random moment. The others wait from there until a file is
being written. The last line has

    in a write     kills that left an incomplete file (a .part), which the next start removed
    at the start   kills before the first checkpoint, after which the run is started again
    alike          finished runs whose weights, average, optimiser, loss log and samples are equal
                   to those of the run that never stopped, bit for bit; this must be all of them

Each start is a new process, forked from this one after the imports (POSIX only).
"""

from __future__ import annotations

import argparse
import importlib
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import torch

from ddpm_lite import load_checkpoint, load_images
from ddpm_lite.__main__ import main as command

TINY = "--width 8 --mults 1 2 --batch 16 --dropout 0.1 --T 20 --every 0 --device cpu".split()


def start(folder: Path, steps: int) -> int:
    """Start or resume the run in the folder, in a new process. Returns the process id."""
    argv = ["train", "--out", str(folder), *TINY, "--steps", str(steps)]
    if (folder / "checkpoint.pt").exists():
        argv.append("--resume")
    child = os.fork()
    if child:
        return child
    os.setpgid(0, 0)
    with open(folder.with_suffix(".txt"), "a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        os._exit(command(argv))


def ended(child: int, seconds: float, folder: Path | None = None) -> bool:
    """Whether the process ends by itself within so many seconds. If not, it's killed. If a folder
    is given, it's killed only when it is writing a file there."""
    until = time.monotonic() + seconds
    while time.monotonic() < until or folder and not half_written(folder, child):
        if os.waitpid(child, os.WNOHANG)[0]:
            return True
        time.sleep(0.0002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def half_written(folder: Path, child: int) -> bool:
    """Whether there is half of a file of that process."""
    names = os.listdir(folder) if folder.exists() else []
    return any(name.endswith(f".{child}.part") for name in names)


def result(folder: Path) -> list:
    """Everything in a run, to compare it, with tensors as bytes."""
    state = load_checkpoint(folder / "checkpoint.pt")
    files = [(folder / name).read_bytes() for name in ("log.jsonl", "samples.png")]
    return [flat(state[name]) for name in ("recipe", "step", "net", "ema", "optimizer")] + files


def flat(value: object) -> object:
    if isinstance(value, torch.Tensor):
        return value.numpy().tobytes()
    if isinstance(value, dict):
        return {key: flat(part) for key, part in value.items()}
    return [flat(part) for part in value] if isinstance(value, (list, tuple)) else value


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    chance = random.Random(args.seed)
    load_images("digits")
    for module in ("tqdm", "PIL.Image", "torchvision.utils"):  # what a run imports, once
        importlib.import_module(module)
    with tempfile.TemporaryDirectory() as name:
        whole, begin = Path(name, "whole"), time.monotonic()
        assert ended(start(whole, args.steps), 600)
        seconds = time.monotonic() - begin
        kills = in_write = early = runs = alike = 0

        def life() -> float:
            return chance.uniform(0, seconds / 2) if kills < args.kills else 600.0

        while kills < args.kills:
            folder = Path(name, f"killed{runs}")
            while True:
                child = start(folder, args.steps)
                if ended(child, life(), folder if kills % 2 else None):
                    break
                kills += 1
                early += not (folder / "checkpoint.pt").exists()
                in_write += half_written(folder, child)
            runs += 1
            alike += result(folder) == result(whole)
            left = sorted(path.name for path in folder.iterdir())
            assert left == ["checkpoint.pt", "log.jsonl", "samples.png"], left
    struck = f"{kills} kills, {in_write} in a write, {early} at the start"
    print(f"{struck}; {alike} of {runs} runs alike")
    return int(alike != runs)


if __name__ == "__main__":
    sys.exit(main())
