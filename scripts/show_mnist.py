"""Draw digits with the MNIST weights, and print how long it takes and how a classifier reads them.

    python scripts/show_mnist.py                 # print times, confidence and classes
    python scripts/show_mnist.py --root data     # also draw the two figures of book/results.md

It draws 64 digits with labels 0 to 9 in turn, by 50 steps of DDIM on two threads. The figures show
samples without and with guidance, and samples above their nearest training images.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ddpm_lite import (
    clipped,
    ddim_step,
    from_v,
    guided,
    load_classifier,
    load_images,
    load_pretrained,
    nearest,
    sample,
)

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "book" / "images"
N, LABELS, GUIDANCE = 64, torch.arange(64) % 10, (0.0, 0.5)


def drawn(w: float, seed: int = 0) -> Tensor:
    """64 digits with guidance w."""
    net, schedule, _ = load_pretrained("mnist")
    eps = from_v(net, schedule)
    eps = guided(eps, LABELS, w) if w else partial(eps, y=LABELS)
    torch.manual_seed(seed)
    xT = torch.randn(N, 1, 28, 28)
    return sample(clipped(eps, schedule), schedule, xT, 50, ddim_step)


def judged(x: Tensor) -> str:
    """How the classifier reads the digits."""
    probabilities = load_classifier("mnist").probabilities(x)
    confidence, guess = probabilities.max(1)
    counts = guess.bincount(minlength=10).tolist()
    right = (guess == LABELS).sum()
    read = f"{right} of {N} read as asked; as 0 to 9: {' '.join(map(str, counts))}"
    return f"    mean confidence {confidence.mean():.3f}, {read}"


def grid(images: Tensor, columns: int) -> Tensor:
    """Images (N, 1, 28, 28) as one image (H, W) in [0, 1], with white lines between them."""
    from torchvision.utils import make_grid

    return make_grid((images.clamp(-1, 1) + 1) / 2, nrow=columns, padding=1, pad_value=1.0)[0]


def save(path: Path, pictures: dict[str, Tensor], height: float) -> None:
    """Save images side by side, each under its title."""
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(1, len(pictures), figsize=(8, height), squeeze=False)
    for ax, (title, picture) in zip(axes[0], pictures.items(), strict=True):
        ax.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        ax.set_title(title, fontsize=10)
        ax.axis("off")
    fig.tight_layout(pad=0.3)
    fig.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--root", help="where torchvision keeps MNIST; without it, no figures")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    samples = {}
    for w in GUIDANCE:
        start, busy = time.perf_counter(), time.process_time()
        samples[w] = drawn(w)
        busy, seconds = time.process_time() - busy, time.perf_counter() - start
        print(f"w = {w:g}: {N} digits in {seconds:.1f} s, {busy:.1f} s of the processor")
        print(judged(samples[w]))
    if args.root:
        train, _ = load_images("mnist", args.root)
        titles = {f"w = {w:g}": grid(samples[w][:60], 10) for w in GUIDANCE}
        save(IMAGES / "mnist.png", titles, height=2.8)
        ours = samples[0.0][:20]
        near = train[nearest(ours, train, 3)[1]]  # (20, 3, 1, 28, 28)
        rows = torch.cat([ours[None], near.transpose(0, 1)]).flatten(0, 1)
        save(IMAGES / "mnist_nearest.png", {"": grid(rows, 20)}, height=1.8)


if __name__ == "__main__":
    main()
