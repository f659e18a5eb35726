"""A network that reads what a scene shows, and a score of how well scenes follow captions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import torch
from torch import Tensor, nn

from ..diffusion import check_data, expect
from .captions import BIG, COLOURS, RELATIONS, Layout, layouts


class Reader(nn.Module):
    """A classifier that reads scenes: images (B, 3, 16, 16) to logits of digits (B, 5, 11) and of
    colours (B, 5, 6), for the four places and a big digit. The last of the 11 digits means
    "nothing". Explained in chapter 17."""

    def __init__(self, width: int = 32):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1), nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(2 * width, 2 * width, 3, stride=2, padding=1), nn.ReLU(), nn.Dropout(0.2),
            nn.Flatten(), nn.Linear(32 * width, 5 * 17),
        )  # fmt: skip

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        expect(x.shape[1:] == (3, 16, 16), "x", x, "scenes (B, 3, 16, 16)")
        return self.layers(x).view(len(x), 5, 17).split([11, 6], dim=2)

    @torch.no_grad()
    def read(self, x: Tensor) -> list[Layout]:
        """The layout that each image shows. A big digit fills the scene, so nothing else is in its
        layout. The network is in evaluation mode afterwards: call ``train()`` to go on training."""
        check_data(x)
        self.eval()
        digits, colours = (logits.argmax(2).tolist() for logits in self(x))
        found = []
        for ds, cs in zip(digits, colours, strict=True):
            places = [BIG] if ds[BIG] < 10 else [p for p in range(4) if ds[p] < 10]
            found.append(tuple((p, tuple(COLOURS)[cs[p]], ds[p]) for p in places))
        return found


def score_scenes(read: Sequence[Layout], captions: Sequence[str]) -> dict[str, float]:
    """How well scenes follow their captions, as shares from 0 to 1.

    Args:
        read: what each image shows, from ``Reader.read``.
        captions: what it should show.

    Returns:
        A dictionary of shares.

        - ``digits``, ``colours``: share of the things in the captions with the right digit or
          colour at their place.
        - ``relations``: share of the captions with a relation whose things are all in the right
          places, so that no exchange of things would fit the image better.
        - ``scenes``: share of the images in which everything is right.

    Explained in chapter 17.
    """
    expect(len(read) == len(captions) > 0, "read", read, "a layout for each caption, 1 or more")
    rows = [_compare(*pair) for pair in zip(read, captions, strict=True)]
    things, digits, colours, relations, scenes = zip(*rows, strict=True)
    related = [right for right in relations if right is not None]
    return {
        "digits": sum(digits) / sum(things), "colours": sum(colours) / sum(things),
        "relations": sum(related) / len(related) if related else float("nan"),
        "scenes": sum(scenes) / len(scenes),
    }  # fmt: skip


def _compare(read: Layout, caption: str) -> tuple[int, int, int, bool | None, bool]:
    """Compare one image with the allowed layout that fits it best. The result is the number of
    things, how many digits and how many colours are right, whether the relation is right (None if
    there's none), and whether everything is."""
    allowed = layouts(caption)
    expect(allowed, "the caption", caption, "one that can be drawn")
    best = max(allowed, key=lambda layout: _matches(read, layout))
    placed, hits, digits = _matches(read, best)
    orders = permutations(thing[1:] for thing in best)
    others = ([(t[0], *o) for t, o in zip(best, order, strict=True)] for order in orders)
    nearest = hits == max(_matches(read, other)[1] for other in others)
    related = any(relation in caption for relation in RELATIONS)
    relation = (placed and nearest) if related else None
    return len(best), digits, hits - digits, relation, {*read} == {*best}


def _matches(read: Layout, layout: Layout) -> tuple[bool, int, int]:
    """Whether the same places are filled, how many attributes (digits and colours) are right, and
    how many digits are."""
    places, colours, digits = (
        len({(t[0], t[i]) for t in read} & {(t[0], t[i]) for t in layout}) for i in range(3)
    )
    return places == len(read) == len(layout), colours + digits, digits
