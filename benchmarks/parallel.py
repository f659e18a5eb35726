"""Compare training in one process and in several, with the same global batch: losses and speed.

    python benchmarks/parallel.py [--steps 50] [--processes 1 2 4] [--device cpu]

It runs ``torchrun --nproc-per-node=N -m ddpm_lite train`` with the recipe "digits" for each N, and
also with accumulation. The columns are

    apart      the largest difference between the losses of a step and those of one process. It
               comes from rounding only, and must be below 1e-5 over 50 steps
    weights    the largest difference between weights at the end. This can be large, because Adam
               divides a gradient by its size, which amplifies rounding errors of small gradients
    steps/s    steps per second of wall-clock time in the last nine tenths. On a CPU, the processes
               share its cores, so this is meaningful only on GPUs
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ddpm_lite import load_checkpoint

ROOT = Path(__file__).resolve().parents[1]


def train(folder: Path, processes: int, steps: int, device: str, *more: str) -> float:
    """Train; the steps per second."""
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={processes}"]
    command += ["--standalone", "-m", "ddpm_lite", "train", "--out", str(folder), *more]
    command += ["--steps", str(steps), "--device", device]
    environment, times = os.environ | {"OMP_NUM_THREADS": "1"}, []
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, env=environment, **pipes) as process:
        said = []
        for line in process.stderr:  # a line at every tenth of the way
            said.append(line)
            times += [time.perf_counter()] if line.startswith("step ") else []
    if process.returncode:
        sys.exit("".join(said))
    return 0.9 * steps / (times[-1] - times[0])


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "log.jsonl").read_text().splitlines()]


def apart(a: Path, b: Path) -> float:
    """The largest difference of a weight."""
    a, b = (load_checkpoint(folder / "checkpoint.pt")["net"] for folder in (a, b))
    return max((a[k] - b[k]).abs().max().item() for k in a)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    row = "{:>9} {:>10} {:>10} {:>10} {:>9}".format
    print(row("processes", "accumulate", "apart", "weights", "steps/s"))
    with tempfile.TemporaryDirectory() as name:
        one = Path(name, "one")
        train(one, 1, args.steps, args.device)
        cases = [(n, 1) for n in args.processes] + [(1, 4), (2, 4)]
        for n, parts in cases:
            folder = Path(name, f"{n}-{parts}")
            more = ["--accumulate", str(parts)]
            speed = train(folder, n, args.steps, args.device, *more)
            differences = zip(losses(one), losses(folder), strict=True)
            far = max(abs(x - y) for x, y in differences)
            weights = apart(one, folder)
            print(row(n, parts, f"{far:.1e}", f"{weights:.1e}", f"{speed:.1f}"), flush=True)


if __name__ == "__main__":
    main()
