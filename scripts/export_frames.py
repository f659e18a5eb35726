"""Write the data of the page "Explore": images that the model of the digits drew, and a still.

    python scripts/export_frames.py      about a minute on a free core

Pixels are bytes, 0 for -1 and 255 for 1, in base64, so the page needs no server. The package
computes the images with `load_pretrained("digits")`.
"""

from __future__ import annotations

import base64
import json
from functools import partial
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from ddpm_lite import (
    clipped,
    cosine_schedule,
    ddim_step,
    ddpm_step,
    from_v,
    guided,
    linear_schedule,
    load_classifier,
    load_images,
    load_pretrained,
    predict_x0,
    q_sample,
    sample,
    trajectory,
)

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "book" / "live" / "explore"
HEAD = "// The pictures of Explore. Written by scripts/export_frames.py: change nothing here.\n"
SAMPLERS = {"ddpm": ddpm_step, "ddim": ddim_step}
GUIDANCE, STEPS = (0, 0.5, 1, 2, 4, 8), (2, 5, 10, 20, 50, 100)
SEED, DRAWN, SHOWN, EVERY = 0, 100, 20, 2


def grey(x: Tensor) -> Tensor:
    """Images in [-1, 1] as bytes."""
    return ((x.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


def text(x: Tensor) -> str:
    return base64.b64encode(grey(x).numpy().tobytes()).decode()


def digits() -> Tensor:
    """One held-out scan of each digit, (10, 1, 8, 8)."""
    x, y = load_images("digits", train=False)
    return torch.stack([x[y == label][0] for label in range(10)])


def model(labels: Tensor, w: float = 0.0):
    """The trained model that draws these labels, clipped, and its schedule."""
    net, schedule, _ = load_pretrained("digits")
    net = from_v(net, schedule)
    eps = guided(net, labels, w) if w else partial(net, y=labels)
    return clipped(eps, schedule), schedule


def way() -> tuple[list[int], Tensor, Tensor]:
    """Ten digits during sampling: times, states and predictions, (times, 10, 1, 8, 8)."""
    eps, schedule = model(torch.arange(10))
    torch.manual_seed(SEED)
    xT = torch.randn(10, 1, 8, 8)
    states = list(trajectory(eps, schedule, xT, 50, clip=None))[::EVERY]
    predictions = [
        predict_x0(schedule, x, t, eps(x, torch.full((10,), t))) if t else x for t, x in states
    ]
    return [t for t, _ in states], torch.stack([x for _, x in states]), torch.stack(predictions)


def drawn(sampler: str, w: float, steps: int) -> Tensor:
    """A hundred digits, ten of each, from the same noise for every setting."""
    eps, schedule = model(torch.arange(DRAWN) % 10, w)
    torch.manual_seed(SEED)
    xT = torch.randn(DRAWN, 1, 8, 8)
    return sample(eps, schedule, xT, steps, SAMPLERS[sampler], clip=None)


def measured(x: Tensor) -> dict:
    """How many images a classifier reads as their label, and how much the images of a label
    differ."""
    read = load_classifier("digits").probabilities(x).argmax(1)
    spread = x.clamp(-1, 1).unflatten(0, (-1, 10)).std(0).mean().item()
    return {"right": int((read == torch.arange(len(x)) % 10).sum()), "spread": round(spread, 2)}


def cell(sampler: str, w: float, steps: int) -> dict:
    """What the page shows for one setting."""
    x = drawn(sampler, w, steps)
    return {"pictures": text(x[:SHOWN]), **measured(x)}


def script() -> str:
    """All data as a script, which a page can also load from a folder."""
    times, states, predictions = way()
    file = {
        "digits": text(digits()),
        "way": {"times": times, "x": text(states), "x0": text(predictions)},
        "guidance": GUIDANCE,
        "steps": STEPS,
        "cells": {
            name: [[cell(name, w, n) for n in STEPS] for w in GUIDANCE] for name in SAMPLERS
        },
    }  # fmt: skip
    return f"{HEAD}const FRAMES = {json.dumps(file, separators=(',', ':'))};\n"


def picture() -> Image.Image:
    """Four rows: a digit noised by each schedule, then sampling, and its predictions."""
    x0 = digits()[3:4]
    eps = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(SEED))
    rows = [
        [q_sample(schedule, x0, t, eps) for t in range(0, 1001, 100)]
        for schedule in (cosine_schedule(), linear_schedule())
    ]
    _, states, predictions = way()
    some = [round(i * (len(states) - 1) / 10) for i in range(11)]
    rows += [[states[i][3:4] for i in some], [predictions[i][3:4] for i in some]]
    still = Image.new("LA", (9 * 11 - 1, 9 * 4 - 1))  # gaps of a pixel, which stay transparent
    for j, row in enumerate(rows):
        for i, image in enumerate(row):
            pixels = Image.fromarray(grey(image[0, 0]).numpy()).convert("LA")
            still.paste(pixels, (9 * i, 9 * j))
    return still.resize((still.width * 8, still.height * 8), Image.Resampling.NEAREST)


def main() -> None:
    torch.set_num_threads(1)
    FOLDER.mkdir(parents=True, exist_ok=True)
    picture().save(FOLDER / "still.png", optimize=True)
    (FOLDER / "frames.js").write_text(script(), encoding="ascii")


if __name__ == "__main__":
    main()
