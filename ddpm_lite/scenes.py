"""Scenes of coloured digits with captions, and a reader that says what an image shows.

A scene is 16 x 16 pixels in colour: four places of 8 x 8, numbered 0 1 above 2 3, or one big digit,
whose place is BIG. What a caption means is the list of all layouts that it allows. A layout is a
tuple of things, and a thing is (place, colour, digit). Chapter 17.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations, permutations
from random import Random

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from .diffusion import check, check_data

COLOURS = {
    "red": (255, 60, 60), "green": (60, 220, 60), "blue": (70, 120, 255),
    "yellow": (255, 220, 40), "pink": (255, 90, 220), "white": (255, 255, 255),
}  # fmt: skip
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
STEPS = {"above": (1, 0), "below": (-1, 0), "left of": (0, 1), "right of": (0, -1)}
"""From the first thing to the second, in (rows down, columns to the right)."""
PIECES = (*COLOURS, *NUMBERS, "above", "below", "left", "right", "of", "big", "small", "s", "es")
"""The words, and endings of words, of all captions."""
HELD_OUT = frozenset((tuple(COLOURS)[digit % 6], digit) for digit in range(10))
"""Combinations of a colour and a digit that no training caption has, one colour for each digit."""
BIG = 4

Thing = tuple[int, str, int]  # place, colour, digit
Layout = tuple[Thing, ...]


def layouts(caption: str) -> list[Layout]:
    """Every layout that a caption allows. The list is empty if the caption can't be drawn.

    Captions have the form "[big | small] red seven", "two red sevens" (up to four), or "red seven
    above blue two left of green one", with the relations in STEPS.

    Raises:
        ValueError: the caption has another form.

    Explained in chapter 17.
    """
    hint = "expected a text such as 'red seven'"
    check(isinstance(caption, str), f"the caption is {caption!r:.60}; {hint}")
    first, *rest = re.split(f" ({'|'.join(STEPS)}) ", caption)
    if not rest:
        return _alone(first)
    things = [_thing(phrase) for phrase in (first, *rest[1::2])]
    return [
        tuple((place, *thing) for place, thing in zip(places, things, strict=True))
        for places in _chains(rest[::2])
    ]


def _alone(caption: str) -> list[Layout]:
    """The layouts of a caption without a relation."""
    how, _, phrase = caption.partition(" ")
    if how in ("big", "small"):
        places = [BIG] if how == "big" else range(4)
        return [((place, *_thing(phrase)),) for place in places]
    if how in NUMBERS[2:5] and phrase.endswith("s"):
        thing = _thing(re.sub("(?<=six)es$|s$", "", phrase))
        sets = combinations(range(4), NUMBERS.index(how))
        return [tuple((place, *thing) for place in places) for places in sets]
    return [((place, *_thing(caption)),) for place in range(5)]


def _thing(phrase: str) -> tuple[str, int]:
    colour, _, number = phrase.partition(" ")
    if colour not in COLOURS or number not in NUMBERS:
        hint = "expected a colour and a digit, such as 'red seven'"
        raise ValueError(f"a part of the caption is {phrase!r}; {hint}")
    return colour, NUMBERS.index(number)


def _chains(relations: Sequence[str]) -> list[list[int]]:
    """The places of a chain of things, for each way to put it into the 2 x 2 places."""
    path = [(0, 0)]
    for relation in relations:
        path.append(tuple(a + b for a, b in zip(path[-1], STEPS[relation], strict=True)))
    found = [[(r + a, c + b) for r, c in path] for a in range(-1, 2) for b in range(-1, 2)]
    inside = [cells for cells in found if {*cells} <= {(0, 0), (0, 1), (1, 0), (1, 1)}]
    return [[2 * r + c for r, c in cells] for cells in inside if len({*cells}) == len(cells)]


KINDS = {"one": 2, "two": 4, "three": 3, "count": 1}
"""How often each kind of caption occurs."""


def random_caption(random: Random, kind: str | None = None, held_out: bool = False) -> str:
    """A random caption.

    Args:
        random: a ``Random``. The same seed gives the same captions.
        kind: "one", "two", "three" or "count". None draws a kind, with the frequencies in KINDS.
        held_out: if False, the caption has no combination in HELD_OUT. If True, it has at least
            one.

    Explained in chapter 17.
    """
    check(hasattr(random, "choices"), f"random is {random!r:.60}; expected random.Random(0)")
    check(kind in (None, *KINDS), f"kind is {kind!r}; expected one of {', '.join(KINDS)}")
    kind = kind or random.choices([*KINDS], [*KINDS.values()])[0]
    n = {"two": 2, "three": 3}.get(kind, 1)
    things = [_draw(random, False) for _ in range(n)]
    if held_out:
        things[random.randrange(n)] = _draw(random, True)
    names = [f"{colour} {NUMBERS[digit]}" for colour, digit in things]
    if kind == "one":
        return random.choice(["", "", "big ", "small "]) + names[0]
    if kind == "count":
        ending = "es" if names[0].endswith("six") else "s"
        return f"{random.choice(NUMBERS[2:5])} {names[0]}{ending}"
    return _chained(random, names)


def _chained(random: Random, names: Sequence[str]) -> str:
    """Two or three things with relations between them. With three things, one relation is vertical
    and the other horizontal."""
    pairs = [("above", "below"), ("left of", "right of")]
    random.shuffle(pairs)
    rest = zip(pairs, names[1:], strict=False)
    return names[0] + "".join(f" {random.choice(pair)} {name}" for pair, name in rest)


def _draw(random: Random, held_out: bool) -> tuple[str, int]:
    """A random colour and digit, held out or not."""
    every = [(colour, digit) for colour in COLOURS for digit in range(10)]
    return random.choice([thing for thing in every if (thing in HELD_OUT) == held_out])


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
    cells = torch.full((len(many), 5, 3, 8, 8), -1.0)
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
    rgb = torch.tensor([COLOURS[colour] for colour in colours]) / 255
    return (x + 1) * rgb[:, :, None, None] - 1


def make_scenes(
    n: int, x: Tensor, y: Tensor, seed: int = 0, held_out: bool = False
) -> tuple[Tensor, list[str]]:
    """Draw n random scenes (n, 3, 16, 16), and return them with their captions (see ``draw_scenes``
    and ``random_caption``). The same seed gives the same scenes. Used in chapter 17."""
    check(type(n) is int and n > 0, f"n is {n}; expected a whole number of scenes")
    random = Random(seed)
    captions = [random_caption(random, held_out=held_out) for _ in range(n)]
    return draw_scenes([random.choice(layouts(c)) for c in captions], x, y, seed), captions


# A reader, to score images


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
        expected = "expected (B, 3, 16, 16), floats"
        check(x.shape[1:] == (3, 16, 16), f"scenes are {tuple(x.shape)}; {expected}")
        return self.layers(x).view(len(x), 5, 17).split([11, 6], dim=2)

    @torch.no_grad()
    def read(self, x: Tensor) -> list[Layout]:
        """The layout that each image shows. A big digit fills the scene, so nothing else is in its
        layout."""
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
        - ``bag``: share of the images with the right set of digits and the right set of colours,
          whatever their places and combinations.

    Explained in chapter 17.
    """
    _check_captions(read, captions)
    rows = [_compare(*pair) for pair in zip(read, captions, strict=True)]
    things = sum(row["things"] for row in rows)
    related = [row["relation"] for row in rows if row["relation"] is not None]
    mean = {name: sum(row[name] for row in rows) / len(rows) for name in ("scene", "bag")}
    return {
        "digits": sum(row["digits"] for row in rows) / things,
        "colours": sum(row["colours"] for row in rows) / things,
        "relations": sum(related) / len(related) if related else float("nan"),
        "scenes": mean["scene"], "bag": mean["bag"],
    }  # fmt: skip


def _compare(read: Layout, caption: str) -> dict:
    """Compare one image with the allowed layout that fits it best."""
    best = max(layouts(caption), key=lambda layout: _matches(read, layout))
    placed, hits, digits = _matches(read, best)
    order = [thing[1:] for thing in best]
    moved = [_matches(read, tuple((p, *o) for (p, *_), o in zip(best, other, strict=True)))
             for other in permutations(order)]  # fmt: skip
    related = any(relation in caption for relation in STEPS)
    sets = [[sorted(thing[i] for thing in layout) for i in (1, 2)] for layout in (read, best)]
    return {
        "things": len(best), "digits": digits, "colours": hits - digits,
        "relation": (placed and hits == max(m[1] for m in moved)) if related else None,
        "scene": sorted(read) == sorted(best), "bag": sets[0] == sets[1],
    }  # fmt: skip


def _matches(read: Layout, layout: Layout) -> tuple[bool, int, int]:
    """Whether the same places are filled, how many attributes (digits and colours) are right, and
    how many digits are."""
    there = {place: (colour, digit) for place, colour, digit in read}
    colours = sum(there.get(place, (None,))[0] == colour for place, colour, _ in layout)
    digits = sum(there.get(place, (None,))[-1] == digit for place, _, digit in layout)
    return there.keys() == {place for place, *_ in layout}, colours + digits, digits


def _check_digits(x: Tensor, y: Tensor) -> None:
    if x.shape[1:] != (1, 8, 8) or y.shape != x.shape[:1] or y.dtype != torch.int64:
        given = f"x has shape {tuple(x.shape)} and y {tuple(y.shape)}, {y.dtype}"
        raise ValueError(f"{given}; expected digits (M, 1, 8, 8) and labels (M,), int64")
    check_data(x)
    check(x.dtype == torch.float32, f"x is {x.dtype}; expected float32: x.float()")


def _check_layouts(many: Sequence[Layout], known: set[int]) -> None:
    check(any(many), "there is nothing to draw; expected layouts with at least one thing")
    for layout in many:
        things = isinstance(layout, tuple) and all(isinstance(a, tuple) for a in layout)
        well = things and all(
            len(a) == 3 and a[0] in range(5) and a[1] in COLOURS and a[2] in known for a in layout
        )
        hint = "expected a place 0 … 4, a colour and a digit that y has for each thing: see layouts"
        check(well, f"a layout is {layout!r:.60}; {hint}")


def _check_captions(read: Sequence[Layout], captions: Sequence[str]) -> None:
    lists = isinstance(read, (list, tuple)) and isinstance(captions, (list, tuple))
    well = lists and len(read) == len(captions) > 0
    check(well, "expected a list of layouts, from Reader.read, and as many captions, 1 or more")
    for caption in captions:
        check(layouts(caption), f"the caption {caption!r} can't be drawn; expected one that can")
