"""Draw the cover with the package's weights: python scripts/cover.py

It writes the film of the cover (`book/live/cover/film.png`, with frames of 7 × 3 digits in a
column), the digits at its end (`digits.png` in the same folder, which the README also shows), and
an image of each thing that readers learn to make (`book/images/make_*.png`).
"""

from __future__ import annotations

from functools import partial
from itertools import product
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from ddpm_lite import (
    cosine_schedule,
    ddim_step,
    ddpm_step,
    dpmpp_2m,
    from_v,
    guided,
    load_pretrained,
    q_sample,
    sample,
    slerp,
    trajectory,
)
from ddpm_lite.pretrained import load_sound, load_student, load_text

ROOT = Path(__file__).resolve().parents[1]
COVER = ROOT / "book" / "live" / "cover"
IMAGES = ROOT / "book" / "images"
SEED, COLUMNS, ROWS, STEPS, EVERY, GREYS = 0, 7, 3, 50, 2, 16
LABELS = torch.arange(COLUMNS * ROWS) % 10
CAPTIONS = (
    "red seven above blue two", "big green eight", "three yellow fives", "pink six",
    "white one left of red four", "two blue nines", "green zero", "big pink three",
)  # fmt: skip


def model(name: str, y: Tensor, w: float = 0.0):
    """The shipped model that draws these labels, and its schedule."""
    net, schedule, _ = load_pretrained(name)
    eps = guided(from_v(net, schedule), y, w) if w else partial(from_v(net, schedule), y=y)
    return eps, schedule


def noise(n: int, size: int) -> Tensor:
    torch.manual_seed(SEED)
    return torch.randn(n, 1, size, size)


def film() -> tuple[list[int], Tensor]:
    """The times and the states (frames, N, 1, 28, 28) of one run."""
    eps, schedule = model("mnist", LABELS, 1.0)
    states = list(trajectory(eps, schedule, noise(len(LABELS), 28), STEPS, ddim_step))
    return [t for t, _ in states[::EVERY]], torch.stack([x for _, x in states[::EVERY]])


def finished() -> Tensor:
    """One top half of a digit, completed seven times. At each step, the known pixels are noised to
    its level."""
    eps, schedule = model("digits", torch.tensor([3]))
    known = sample(eps, schedule, noise(1, 8), 50, ddim_step)
    keep = (torch.arange(8) < 4).float()[:, None]
    eps, schedule = model("digits", torch.tensor([3, 2, 7, 8, 9, 3, 2]))
    x = noise(8, 8)[1:]
    for t, s in zip(range(1000, 0, -20), range(980, -1, -20), strict=True):
        x = ddpm_step(schedule, x, t, s, eps(x, torch.full((7,), t)))
        x = keep * q_sample(schedule, known.expand_as(x), s, torch.randn_like(x)) + (1 - keep) * x
    return torch.cat([known * keep + (keep - 1) * 0.5, x])


def between() -> Tensor:
    """What the model draws without a label, from noises on an arc between two noises."""
    net, schedule, _ = load_pretrained("mnist")
    torch.manual_seed(3)
    a, b = torch.randn(2, 1, 1, 28, 28)
    xT = torch.cat([slerp(a, b, w) for w in torch.linspace(0, 1, 8).tolist()])
    return sample(from_v(net, schedule), schedule, xT, STEPS, ddim_step)


def in_two_calls() -> Tensor:
    """The digits 0 to 7 by the student of chapter 19."""
    student = from_v(partial(load_student("mnist"), y=torch.arange(8)), cosine_schedule(1000))
    return sample(student, cosine_schedule(1000), noise(8, 28), 2, ddim_step)


def spoken() -> Tensor:
    """The spectrograms of spoken digits 0 to 7 of chapter 18, low sounds at the bottom."""
    schedule = cosine_schedule(1000)
    eps = guided(from_v(load_sound("spoken"), schedule), torch.arange(8), 1.0)
    return sample(eps, schedule, noise(8, 32), 25, dpmpp_2m()).flip(2)


def told() -> Image.Image:
    """Scenes for captions of chapter 17."""
    net, schedule, tokenizer = load_text()
    torch.manual_seed(SEED)
    eps = guided(from_v(net, schedule), tokenizer(CAPTIONS), 1.0)
    scenes = sample(eps, schedule, torch.randn(8, 3, 16, 16), 25, ddim_step)
    page = Image.new("RGBA", (4 * 17 - 1, 2 * 17 - 1))
    for i, x in enumerate(((scenes.clamp(-1, 1) + 1) * 127.5).round().byte()):
        page.paste(Image.fromarray(x.permute(1, 2, 0).numpy()), (17 * (i % 4), 17 * (i // 4)))
    return page.resize((8 * page.width, 8 * page.height), Image.Resampling.NEAREST)


def coloured() -> Image.Image:
    """Planes, cars, horses and ships of the run on a GPU that book/results.md describes."""
    whole = Image.open(IMAGES / "cifar10.png").convert("RGB")
    page = Image.new("RGBA", (4 * 66 - 2, 2 * 66 - 2))
    for row, column in product((0, 1), range(4)):
        x, y = 66 * (0, 1, 7, 8)[column] + 2, 66 * (4, 5)[row] + 2
        page.paste(whole.crop((x, y, x + 64, y + 64)), (66 * column, 66 * row))
    return page.resize((2 * page.width, 2 * page.height), Image.Resampling.NEAREST)


def grey(x: Tensor) -> Tensor:
    """Images in [-1, 1] as bytes, with 16 grey levels."""
    return ((x.clamp(-1, 1) + 1) / 2 * (GREYS - 1)).round().mul(255 // (GREYS - 1)).to(torch.uint8)


def grid(images: Tensor, columns: int, gap: int = 0, scale: int = 1) -> Image.Image:
    """Images (N, 1, H, W) in rows, with transparent gaps."""
    size, rows = images.shape[-1], -(-len(images) // columns)
    mode = "LA" if gap else "L"
    page = Image.new(mode, ((size + gap) * columns - gap, (size + gap) * rows - gap))
    for i, image in enumerate(grey(images)):
        tile = Image.fromarray(image[0].numpy()).convert(mode)
        page.paste(tile, (i % columns * (size + gap), i // columns * (size + gap)))
    return page.resize((page.width * scale, page.height * scale), Image.Resampling.NEAREST)


def main() -> None:
    torch.set_num_threads(1)
    times, states = film()
    greys = torch.arange(GREYS).mul(255 // (GREYS - 1)).repeat_interleave(3)
    sheet = grid(states.flatten(0, 1), COLUMNS).quantize(
        palette=_palette(greys), dither=Image.Dither.NONE
    )
    COVER.mkdir(parents=True, exist_ok=True)
    sheet.save(COVER / "film.png", optimize=True, bits=4)
    grid(states[-1], COLUMNS, gap=2, scale=3).save(COVER / "digits.png", optimize=True)
    eps, schedule = model("digits", torch.arange(8))
    first = sample(eps, schedule, noise(8, 8), 50)
    grid(first, 4, gap=1, scale=14).save(IMAGES / "make_first.png", optimize=True)
    eps, schedule = model("mnist", torch.full((8,), 5), 2.0)
    asked = sample(eps, schedule, noise(8, 28), 50, ddim_step)
    grid(asked, 4, gap=2, scale=4).save(IMAGES / "make_guided.png", optimize=True)
    eps, schedule = model("mnist", torch.arange(8), 0.5)
    fast = sample(eps, schedule, noise(8, 28), 10, dpmpp_2m())
    grid(fast, 4, gap=2, scale=4).save(IMAGES / "make_fast.png", optimize=True)
    grid(finished(), 4, gap=1, scale=14).save(IMAGES / "make_finished.png", optimize=True)
    grid(between(), 4, gap=2, scale=4).save(IMAGES / "make_between.png", optimize=True)
    grid(in_two_calls(), 4, gap=2, scale=4).save(IMAGES / "make_one_step.png", optimize=True)
    grid(spoken(), 4, gap=2, scale=4).save(IMAGES / "make_sound.png", optimize=True)
    told().save(IMAGES / "make_caption.png", optimize=True)
    coloured().save(IMAGES / "make_coloured.png", optimize=True)
    print("times:", ", ".join(map(str, times)))


def _palette(greys: Tensor) -> Image.Image:
    image = Image.new("P", (1, 1))
    image.putpalette(greys.tolist())
    return image


if __name__ == "__main__":
    main()
