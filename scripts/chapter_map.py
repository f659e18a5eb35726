"""Draw the map of the chapters on the cover: which builds on which, and how long each takes.

    python scripts/chapter_map.py      rewrites the map in book/index.md

The script reads titles, minutes and prerequisites from the first cells of the chapters. Only the
positions of the boxes are defined here. Arrows connect neighbours, and a box names any prerequisite
that's further away. Prerequisites that follow from others are left out.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import nbformat

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "book" / "index.md"
MAP = re.compile(r"```\{raw\} html\n<svg class=\"chapter-map\".*?</svg>\n```\n", re.S)
WIDTH, HEIGHT, COLUMN, ROW = 184, 46, 208, 68
PLACES = {  # number of the chapter: column, row
    0: (1, 0), 1: (0, 0), 2: (0, 1), 3: (0, 2), 4: (0, 3), 5: (0, 4), 22: (1, 4), 6: (0, 5),
    7: (0, 6), 10: (1, 6), 8: (0, 7), 9: (1, 7),
    11: (0, 8), 12: (1, 8), 13: (0, 9), 14: (1, 9),
    15: (0, 10), 16: (1, 10), 17: (0, 11), 18: (1, 11), 19: (0, 12), 20: (1, 12), 21: (0, 13),
}  # fmt: skip


class Chapter(NamedTuple):
    """What the first cell of a chapter says about it."""

    name: str
    title: str
    minutes: int
    needs: set[int]

    @property
    def number(self) -> int:
        return int(self.name[:2])


def read(path: Path) -> Chapter:
    """One chapter, from the title and the line "Reading: … You need: …" of its first cell."""
    text = nbformat.read(path, as_version=4).cells[0].source
    title = re.search(r"^# \d+\. ([^:,\n]+)", text, re.M)
    minutes = re.search(r"Reading: (\d+) minutes", text)
    if not title or not minutes:
        raise ValueError(f"{path.name} has no '# N. Title' or no 'Reading: N minutes'")
    needs = text.partition("You need:")[2]
    numbers = {int(n) for n in re.findall(r"(?:\{doc\}`(?:[^`<]*<)?|\]\()(\d\d)_", needs)}
    return Chapter(path.stem, title[1].strip(), int(minutes[1]), numbers)


def chapters() -> dict[int, Chapter]:
    """All chapters by number. A Deeper notebook, such as 04d, is part of its chapter."""
    found = map(read, sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")))
    return {chapter.number: chapter for chapter in found}


def arrows(needs: dict[int, set[int]]) -> list[tuple[int, int]]:
    """The prerequisites that don't follow from others, as pairs (from, to)."""

    def behind(number: int) -> set[int]:
        return needs[number].union(*map(behind, needs[number]))

    return [
        (a, b) for b in needs for a in sorted(needs[b])
        if not any(a in behind(other) for other in needs[b] - {a})
    ]  # fmt: skip


def corner(number: int) -> tuple[int, int]:
    column, row = PLACES[number]
    return column * COLUMN + 4, row * ROW + 4


def near(a: int, b: int) -> bool:
    """Whether a and b are neighbours. A longer arrow would cross a box."""
    (xa, ya), (xb, yb) = PLACES[a], PLACES[b]
    return xb - xa in (0, 1) and yb - ya in (0, 1)


def line(a: int, b: int) -> str:
    """An arrow from the box of a to the box of b, straight, or across between the rows."""
    (xa, ya), (xb, yb) = corner(a), corner(b)
    if ya == yb:
        start, end = (xa + WIDTH, ya + HEIGHT / 2), f"H{xb - 3}"
    elif xa == xb:
        start, end = (xa + WIDTH / 2, ya + HEIGHT), f"V{yb - 3}"
    else:
        start = (xa + WIDTH / 2, ya + HEIGHT)
        end = f"V{ya + HEIGHT + 8}H{xb + WIDTH / 2:g}V{yb - 3}"
    return f'<path d="M{start[0]:g} {start[1]:g}{end}"/>'


def box(chapter: Chapter, after: list[int]) -> str:
    """A link with the number, the title and the minutes of a chapter, and what it comes after."""
    x, y = corner(chapter.number)
    names = " and ".join(map(str, after))
    minutes = f"{chapter.minutes} min" + (f", after {names}" if names else "")
    return (
        f'<a href="../notebooks/{chapter.name}.html">'
        f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="8"/>'
        f'<text x="{x + 12}" y="{y + 20}">{chapter.number}. {chapter.title}</text>'
        f'<text class="minutes" x="{x + 12}" y="{y + 37}">{minutes}</text></a>'
    )


def drawing() -> str:
    """The map as a block of the page."""
    found = chapters()
    pairs = arrows({number: chapter.needs for number, chapter in found.items()})
    words = "; ".join(f"{b} needs {a}" for a, b in pairs)
    high = (max(row for _, row in PLACES.values()) + 1) * ROW
    parts = [
        f'<svg class="chapter-map" viewBox="0 0 {2 * COLUMN} {high - ROW + HEIGHT + 8}" '
        'role="group" aria-labelledby="map-title map-words">',
        '<title id="map-title">Map of the chapters</title>',
        f'<desc id="map-words">Which chapter needs which: {words}.</desc>',
        '<defs><marker id="map-tip" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>',
        *(line(*pair) for pair in pairs if near(*pair)),
        *(box(found[n], [a for a, b in pairs if b == n and not near(a, b)]) for n in found),
        "</svg>",
    ]
    return "```{raw} html\n" + "\n".join(parts) + "\n```\n"


def main() -> None:
    text, count = MAP.subn(lambda match: drawing(), PAGE.read_text(encoding="utf-8"))
    if count != 1:
        raise SystemExit(f"{PAGE.name} has {count} maps; expected one to rewrite")
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
