"""Measure what `import ddpm_lite` costs beyond `import torch`.

    python benchmarks/import_time.py [--rounds 5]

Each is imported in a new interpreter, in turns. The times are processor seconds, the median of the
rounds.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CODE = """
import time, torch
begin = time.process_time()
{}
print(time.process_time() - begin)
"""
IMPORTS = ["pass", "import ddpm_lite", "import ddpm_lite.__main__", "import diffusers",
           "from diffusers import UNet2DModel, DDPMScheduler", "import smalldiffusion",
           "import denoising_diffusion_pytorch"]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    seconds = {line: [] for line in IMPORTS}
    for _ in range(parser.parse_args().rounds + 1):  # the first fills the caches
        for line, found in seconds.items():
            found.append(measured(line))
    print(f"{'beyond import torch':50} {'CPU seconds':>12}")
    for line, found in seconds.items():
        known = [s for s in found[1:] if s is not None]
        middle = f"{statistics.median(known):.3f}" if known else "(missing)"
        print(f"{line:50} {middle:>12}")


def measured(line: str) -> float | None:
    """Seconds of the import, or None where it fails."""
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(line)], cwd=ROOT, capture_output=True, text=True
    )
    return None if done.returncode else float(done.stdout.split()[-1])


if __name__ == "__main__":
    main()
