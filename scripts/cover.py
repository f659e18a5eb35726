"""Draw the film of the cover from a run: python scripts/cover.py runs/digits book/images/cover.png

The run is made by `python -m ddpm_lite train --out runs/digits`. The film shows 36 digits on their
way from pure noise, in 16 frames of one sampling run of 50 steps.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import torch

from ddpm_lite import trajectory
from ddpm_lite.cli.run import Run
from ddpm_lite.plot import STYLE, animate, draw_images

SEED, ROWS, FRAMES = 0, 6, 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("picture", type=Path)
    args = parser.parse_args()
    run = Run.load(args.run)
    torch.manual_seed(SEED)
    xT = torch.randn(ROWS**2, 1, 8, 8)
    labels = torch.arange(ROWS**2) % 10 if run.recipe.conditional else None
    states = list(trajectory(run.model(labels), run.schedule, xT, 50))
    film = [states[round(i * 50 / (FRAMES - 1))] for i in range(FRAMES)]
    plt.rcParams.update(STYLE)
    picture = animate(
        lambda ax, x: draw_images(ax, x, ROWS), [x for _, x in film], [f"t = {t}" for t, _ in film]
    )
    args.picture.write_bytes(picture.data)
    print("alt text: … Frames: " + "; ".join(f"t = {t}" for t, _ in film) + ".")


if __name__ == "__main__":
    main()
