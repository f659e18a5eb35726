"""The meaning of captions, and random captions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations, pairwise, permutations, product
from random import Random

from ..diffusion import expect

COLOURS = {
    "red": (255, 60, 60), "green": (60, 220, 60), "blue": (70, 120, 255),
    "yellow": (255, 220, 40), "pink": (255, 90, 220), "white": (255, 255, 255),
}  # fmt: skip
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
PLURALS = tuple(f"{number}es" if number == "six" else f"{number}s" for number in NUMBERS)
RELATIONS = {
    "above": {(0, 2), (1, 3)}, "below": {(2, 0), (3, 1)},
    "left of": {(0, 1), (2, 3)}, "right of": {(1, 0), (3, 2)},
}  # fmt: skip
"""The places that the first and the second thing can have."""
PIECES = (*COLOURS, *NUMBERS, "above", "below", "left", "right", "of", "big", "small", "s", "es")
"""The words, and endings of words, of all captions."""
HELD_OUT = frozenset((tuple(COLOURS)[digit % 6], digit) for digit in range(10))
"""Combinations of a colour and a digit that no training caption has, one colour for each digit."""
BIG = 4
PLACES = {"big": [(BIG,)]} | {
    word: [*combinations(range(4), n)] for n, word in enumerate(("small", *NUMBERS[2:5]), 1)
}
"""The places that equal things can have, for each word before them."""

Thing = tuple[int, str, int]  # place, colour, digit
Layout = tuple[Thing, ...]


def layouts(caption: str) -> list[Layout]:
    """Every layout that a caption allows. The list is empty if the caption can't be drawn.

    Captions have the form "[big | small] red seven", "two red sevens" (up to four), or "red seven
    above blue two left of green one", with the four RELATIONS.

    Raises:
        ValueError: the caption has another form.

    Explained in chapter 17.
    """
    expect(isinstance(caption, str), "the caption", caption, "a text such as 'red seven'")
    first, *rest = re.split(f" ({'|'.join(RELATIONS)}) ", caption)
    if not rest:
        return _alone(first)
    things = [_thing(phrase) for phrase in (first, *rest[1::2])]
    return [
        tuple((place, *thing) for place, thing in zip(places, things, strict=True))
        for places in _chains(rest[::2])
    ]


def _alone(caption: str) -> list[Layout]:
    """The layouts of a caption without a relation."""
    word, _, phrase = caption.partition(" ")
    if word in PLACES:
        thing = _thing(phrase, PLURALS if word in NUMBERS else NUMBERS)
        ways = PLACES[word]
    else:
        thing, ways = _thing(caption), PLACES["small"] + PLACES["big"]
    return [tuple((place, *thing) for place in places) for places in ways]


def _thing(phrase: str, numbers: Sequence[str] = NUMBERS) -> tuple[str, int]:
    colour, _, number = phrase.partition(" ")
    hint = f"a colour and a digit, such as 'red {numbers[7]}'"
    expect(colour in COLOURS and number in numbers, "a part of the caption", phrase, hint)
    return colour, numbers.index(number)


def _chains(relations: Sequence[str]) -> list[tuple[int, ...]]:
    """The places of a chain of things, for each way to put it into the 2 x 2 places."""
    return [
        places
        for places in permutations(range(4), len(relations) + 1)
        if all(pair in RELATIONS[r] for r, pair in zip(relations, pairwise(places), strict=True))
    ]


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
    expect(isinstance(random, Random), "random", random, "random.Random(0)")
    expect(kind in (None, *KINDS), "kind", kind, f"one of {', '.join(KINDS)}")
    kind = kind or random.choices([*KINDS], [*KINDS.values()])[0]
    n = {"two": 2, "three": 3}.get(kind, 1)
    things = [_draw(random, False) for _ in range(n)]
    if held_out:
        things[random.randrange(n)] = _draw(random, True)
    names = [f"{colour} {NUMBERS[digit]}" for colour, digit in things]
    if kind == "one":
        return random.choice(["", "", "big ", "small "]) + names[0]
    if kind == "count":
        (colour, digit), n = things[0], random.choice(NUMBERS[2:5])
        return f"{n} {colour} {PLURALS[digit]}"
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
    every = product(COLOURS, range(10))
    return random.choice([thing for thing in every if (thing in HELD_OUT) == held_out])
