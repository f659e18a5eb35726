"""Scenes of coloured digits with captions, and a reader that says what an image shows.

A scene is 16 x 16 pixels in colour: four places of 8 x 8, numbered 0 1 above 2 3, or one big digit,
whose place is BIG. What a caption means is the list of all layouts that it allows. A layout is a
tuple of things, and a thing is (place, colour, digit). ``captions.py`` defines what captions mean,
and ``reader.py`` has the network that reads scenes. Chapter 17.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from random import Random

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from ..diffusion import check_data, expect
from .captions import BIG, COLOURS, HELD_OUT, NUMBERS, PIECES, Layout, layouts, random_caption
from .reader import Reader, score_scenes

__all__ = [
    "BIG", "COLOURS", "HELD_OUT", "NUMBERS", "PIECES", "Reader", "draw_scenes", "layouts",
    "make_scenes", "random_caption", "score_scenes",
]  # fmt: skip


def draw_scenes(many: Sequence[Layout], x: Tensor, y: Tensor, seed: int = 0) -> Tensor:
    """Draw layouts as images (N, 3, 16, 16) in [-1, 1].

    Args:
        many: the N layouts.
        x: digits (M, 1, 8, 8) in [-1, 1] to draw with, such as those of ``load_images("digits")``.
        y: their labels (M,).
        seed: decides which of the handwritten digits each thing gets.

    Explained in chapter 17.
    """
    _check_digits(x, y)
    _check_layouts(many, {*y.tolist()})
    things = [(n, *thing) for n, layout in enumerate(many) for thing in layout]
    scene, place, colours, digits = zip(*things, strict=True)
    scene, place = torch.tensor(scene), torch.tensor(place)
    cells = x.new_full((len(many), 5, 3, 8, 8), -1.0)
    cells[scene, place] = _tinted(_handwritten(digits, x, y, Random(seed)), colours)
    images = rearrange(cells[:, :4], "n (r c) rgb h w -> n rgb (r h) (c w)", r=2)
    big = scene[place == BIG]
    images[big] = F.interpolate(cells[big, BIG], scale_factor=2, mode="bilinear")
    return images


def _handwritten(digits: Sequence[int], x: Tensor, y: Tensor, random: Random) -> Tensor:
    """A random image of each digit, (N, 1, 8, 8)."""
    rows = [(y == digit).nonzero()[:, 0].tolist() for digit in range(10)]
    return x[torch.tensor([random.choice(rows[digit]) for digit in digits])]


def _tinted(x: Tensor, colours: Sequence[str]) -> Tensor:
    """Grey images (N, 1, 8, 8) in colours, (N, 3, 8, 8); black stays black."""
    rgb = x.new_tensor([COLOURS[colour] for colour in colours]) / 255
    return (x + 1) * rgb[:, :, None, None] - 1


def make_scenes(
    n: int, x: Tensor, y: Tensor, seed: int = 0, held_out: bool = False
) -> tuple[Tensor, list[str]]:
    """Draw n random scenes (n, 3, 16, 16), and return them with their captions (see ``draw_scenes``
    and ``random_caption``). The same seed gives the same scenes. Used in chapter 17."""
    random = Random(seed)
    captions = [random_caption(random, held_out=held_out) for _ in range(n)]
    return draw_scenes([random.choice(layouts(c)) for c in captions], x, y, seed), captions


def _check_digits(x: Tensor, y: Tensor) -> None:
    fits = x.shape[1:] == (1, 8, 8) and y.shape == x.shape[:1]
    expect(fits, "x", x, "digits (M, 1, 8, 8), and y their labels (M,)")
    check_data(x)


def _check_layouts(many: Sequence[Layout], known: set[int]) -> None:
    expect(any(many), "layouts", many, "one with at least one thing to draw")
    things = {*product(range(5), COLOURS, known)}
    hint = "a place 0 … 4, a colour and a digit that y has for each thing: see layouts"
    for layout in many:
        expect({*layout} <= things, "a layout", layout, hint)
