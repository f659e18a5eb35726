"""Compare streaming a folder of images with loading it into memory: speed and memory.

    python benchmarks/streaming.py [--images 20000] [--size 64] [--folder PATH]

It writes a folder of synthetic JPEG files (blurred noise, ten classes) and reads one epoch of it in
three ways, each in a new process: from memory, as a stream, and as a stream with two workers.
Nothing is trained. The columns are

    open         CPU-seconds until the first batch, after the imports
    images/s     images per second over the rest of the epoch, in batches of 64
    per CPU-s    images per second of CPU time, over all processes
    half, end    memory in MB halfway through the epoch and at its end, including what the workers
                 don't share with the process
    sum          a checksum of all batches in order, which must be the same in all rows
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

ROWS = {"memory": None, "stream": 0, "stream, 2 workers": 2}
SIZE = 64  # of a batch


def write_folder(folder: Path, n: int, size: int) -> None:
    """n JPEG files in ten sub-folders."""
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(0)
    for k in range(10):
        (folder / f"class{k}").mkdir(parents=True, exist_ok=True)
    for i in range(n):
        small = Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        image = small.resize((size, size), Image.Resampling.BICUBIC)
        image.save(folder / f"class{i % 10}" / f"{i:06d}.jpg", quality=90)


def children() -> list[str]:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


def megabytes() -> float:
    """Of this process, and of its children's own pages (Linux)."""

    def field(pid: str, name: str) -> int:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith(name))

    return (field("self", "Rss:") + sum(field(pid, "Private") for pid in children())) / 1024


def cpu() -> float:
    """Seconds that this process and its children computed (Linux)."""
    fields = [Path(f"/proc/{pid}/stat").read_text().split()[13:15] for pid in ["self", *children()]]
    return sum(int(ticks) for pair in fields for ticks in pair) / os.sysconf("SC_CLK_TCK")


def measure(folder: str, size: int, workers: int | None) -> dict:
    """One epoch."""
    import torch
    import torchvision  # noqa: F401

    from ddpm_lite import batches, image_folder, load_images

    torch.set_num_threads(1)
    begin = cpu()
    if workers is None:
        data = load_images(folder, size=size)
        stream, n = batches(*data, size=SIZE), len(data[0])
    else:
        data = image_folder(folder, size)
        stream, n = batches(data, size=SIZE, workers=workers), len(data)
    next(stream)
    row, count, checksum = {"open": cpu() - begin}, n // SIZE, 0.0
    wall, begin = time.perf_counter(), cpu()
    for i in range(1, count):
        x, y = next(stream)
        checksum += i * (x.mean().item() + y.float().mean().item())
        if i == count // 2:
            row["half"] = megabytes()
    images = (count - 1) * SIZE
    row |= {"images/s": images / (time.perf_counter() - wall)}
    row |= {"per CPU-s": images / (cpu() - begin)}
    return row | {"end": megabytes(), "sum": checksum}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--folder", help="measure this folder instead")
    parser.add_argument("--row", choices=ROWS, help="measure only this row, printed as JSON")
    args = parser.parse_args()
    if args.row:
        print(json.dumps(measure(args.folder, args.size, ROWS[args.row])))
        return 0
    with tempfile.TemporaryDirectory() as name:
        if not args.folder:
            write_folder(Path(name), args.images, args.size)
        options = ["--folder", args.folder or name, "--size", str(args.size)]
        names = ["open", "images/s", "per CPU-s", "half", "end"]
        print(f"{'':18}" + "".join(f"{name:>10}" for name in names) + f"{'sum':>14}")
        for row in ROWS:
            command = [sys.executable, __file__, "--row", row, *options]
            run = subprocess.run(command, capture_output=True, text=True, check=True)
            found = json.loads(run.stdout)
            numbers = "".join(f"{found[name]:10,.0f}" for name in names)
            print(f"{row:18}{numbers}{found['sum']:14.3f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
