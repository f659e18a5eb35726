"""The few shapes that every drawing is made of.

The only ids in an SVG are those of its title and description, so that several fit on one page.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

from torch import Tensor

from .style import SIZE, STYLE, WIDTH

LINE, GAP = 20, 3  # between lines of text, and between an arrow and what it leads to
Point = tuple[float, float]

DRAWINGS: dict[str, Callable[[], Drawing]] = {}


@dataclass
class Box:
    """A rectangle, with the points where arrows begin and end."""

    x: float
    y: float
    w: float
    h: float

    @property
    def left(self) -> Point:
        return self.x, self.y + self.h / 2

    @property
    def right(self) -> Point:
        return self.x + self.w, self.y + self.h / 2

    @property
    def top(self) -> Point:
        return self.x + self.w / 2, self.y

    @property
    def bottom(self) -> Point:
        return self.x + self.w / 2, self.y + self.h


def spans(text: str) -> str:
    """SVG of a line of text: $…$ is mathematics, with _ and ^ as in TeX, and `…` is code."""
    out, shift = "", 0.0
    for part in re.split(r"(\$[^$]*\$|`[^`]*`)", text):
        math = part.startswith("$")
        for piece in MATH.findall(part) if math else filter(None, [part.strip("`")]):
            moved = {"_": 4.5, "^": -6}.get(piece[0], 0) if math else 0
            word = piece[1:].strip("{}") if moved else piece
            kind = _math_class(word, bool(moved)) if math else "c" * part.startswith("`")
            classes = f' class="{kind}"' if kind else ""
            dy = f' dy="{moved - shift:g}"' if moved != shift else ""
            word = escape(word, quote=False)
            out += f"<tspan{classes}{dy}>{word}</tspan>" if classes or dy else word
            shift = moved
    return out


MATH = re.compile(r"[_^](?:\{[^}]*\}|.)|(?:[^\W\d_][\u0300-\u036f]?)+|[^_^\W\d]|[^_^\w$]+|\d+")


def _math_class(word: str, small: bool) -> str:
    return "m" + " i" * any(c.isalpha() and c not in "∇Σ" for c in word) + " s" * small


def text_width(text: str) -> float:
    """A safe estimate of the width of a line, since nobody knows the reader's font."""
    plain = re.sub(r"[$_^{}`\u0300-\u036f]", "", text)
    wide = {**dict.fromkeys("iljtfrI.,:;'|()[] ·", 0.34), **dict.fromkeys("mwMW→←", 0.9)}
    return SIZE * sum(wide.get(c, 0.7 if c.isupper() else 0.57) for c in plain)


def drawing(height: float) -> Callable:
    """Make ``DRAWINGS[name]`` of a function that draws. Its docstring is the title and, after an
    empty line, the description for readers who don't see the drawing."""

    def register(draw: Callable[[Drawing], None]) -> Callable:
        def make() -> Drawing:
            title, desc = inspect.getdoc(draw).split("\n\n")
            made = Drawing(draw.__name__, title.rstrip("."), " ".join(desc.split()), height)
            draw(made)
            return made

        DRAWINGS[draw.__name__] = make
        return draw

    return register


class Drawing:
    """Collects shapes; ``svg()`` is the file."""

    def __init__(self, name: str, title: str, desc: str, height: float):
        self.name, self.title, self.desc, self.height = name, title, desc, height
        self.parts: list[str] = []

    def rect(self, x: float, y: float, w: float, h: float, kind: str, rx: float = 0) -> Box:
        self.parts.append(f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{w:g}" '
                          f'height="{h:g}" rx="{rx:g}"/>')  # fmt: skip
        return Box(x, y, w, h)

    def box(self, x: float, y: float, w: float, h: float, *lines: str, kind: str = "") -> Box:
        """A rounded box with lines of text in its middle."""
        for line in lines:
            if text_width(line) > w - 4 or LINE * len(lines) > h:
                raise ValueError(f"{line!r} does not fit into {w} x {h} of {self.name}")
        self.parts.append('<g class="box">')
        box = self.rect(x, y, w, h, kind, 7)
        for i, line in enumerate(lines):
            self.text(x + w / 2, y + h / 2 + (i - (len(lines) - 1) / 2) * LINE, line)
        self.parts.append("</g>")
        return box

    def chapter(self, x: float, y: float, w: float, h: float, number: str, *lines: str,
                kind: str = "") -> Box:  # fmt: skip
        """A box with the number of a chapter on its upper edge."""
        box, wide = self.box(x, y, w, h, *lines, kind=kind), 12 + 10 * len(number)
        self.rect(x - 4, y - 16, wide, 24, "number", 12)
        self.text(x - 4 + wide / 2, y - 4, number, "number bold")
        return box

    def lane(self, x: float, y: float, w: float, h: float, kind: str = "") -> None:
        """A tinted area behind what follows."""
        self.rect(x, y, w, h, f"lane {kind}".strip(), 12)

    def text(self, x: float, y: float, line: str, kind: str = "") -> None:
        """A line of text, its middle at (x, y); kind: a colour, muted, bold, start, end."""
        kind = f' class="{kind}"' if kind else ""
        self.parts.append(f'<text{kind} x="{x:g}" y="{y + 0.35 * SIZE:g}">{spans(line)}</text>')

    def line(self, *points: Point, kind: str = "") -> None:
        path = "L".join(f"{x:g} {y:g}" for x, y in points)
        self.parts.append(f'<path class="{kind}" d="M{path}"/>')

    def arrow(self, *points: Point, kind: str = "", gap: float = GAP) -> None:
        """A line through the points with a head at the last, a gap away from both ends."""
        first = _towards(points[0], points[1], gap)
        tip = _towards(points[-1], points[-2], gap)
        self.line(first, *points[1:-1], _towards(tip, points[-2], 6), kind=kind)
        self.head(tip, points[-2], kind)

    def curve(self, start: Point, c1: Point, c2: Point, end: Point, kind: str = "") -> None:
        """A Bézier curve with a head at its end."""
        points = (*start, *c1, *c2, *_towards(end, c2, 6))
        path = "M{:g} {:g}C{:g} {:g} {:g} {:g} {:g} {:g}".format(*points)
        self.parts.append(f'<path class="{kind}" d="{path}"/>')
        self.head(end, c2, kind)

    def arc(self, start: Point, end: Point, r: float, kind: str = "") -> None:
        """Part of a circle, clockwise, without a head."""
        path = "M{:.1f} {:.1f}A{r} {r} 0 0 1 {:.1f} {:.1f}".format(*start, *end, r=r)
        self.parts.append(f'<path class="{kind}" d="{path}"/>')

    def head(self, tip: Point, back: Point, kind: str) -> None:
        angle = math.atan2(tip[1] - back[1], tip[0] - back[0])
        wings = [(tip[0] - 11 * math.cos(angle + a), tip[1] - 11 * math.sin(angle + a))
                 for a in (0.46, -0.46)]  # fmt: skip
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in [tip, *wings])
        kind = f"head {kind}".replace(" dash", "")
        self.parts.append(f'<path class="{kind}" d="M{path}Z"/>')

    def dot(self, x: float, y: float, kind: str = "", r: float = 5) -> None:
        self.parts.append(f'<circle class="dot {kind}" cx="{x:g}" cy="{y:g}" r="{r:g}"/>')

    def node(self, x: float, y: float, sign: str, kind: str = "", r: float = 13) -> Box:
        """A circle with a sign in it, such as + for a sum."""
        self.parts.append(f'<circle class="{kind}" cx="{x:g}" cy="{y:g}" r="{r:g}"/>')
        self.text(x, y, sign)
        return Box(x - r, y - r, 2 * r, 2 * r)

    def stack(self, x: float, y: float, side: float, n: int, kind: str = "") -> None:
        """n feature maps, one behind the other; (x, y) is the corner of the front one."""
        for i in reversed(range(n)):
            self.rect(x + 5 * i, y - 5 * i, side, side, kind, 3)

    def tile(self, x: float, y: float, side: float, image: Tensor, levels: int = 12) -> Box:
        """A square image (H, H) in [-1, 1], drawn from its pixels in a few grey levels."""
        grey = ((image.clamp(-1, 1) + 1) / 2 * (levels - 1)).round().int().tolist()
        self.parts.append(f'<g class="tile" transform="translate({x:g} {y:g}) '
                          f'scale({side / len(grey):g})">')  # fmt: skip
        for level in range(levels):
            shade = f"{round(255 * level / (levels - 1)):02x}" * 3
            path = _pixels(grey, level) if level else "M0 0h{0}v{0}h-{0}z".format(len(grey))
            self.parts.append(f'<path style="fill:#{shade}" d="{path}"/>')
        self.parts.append("</g>")
        return self.rect(x, y, side, side, "frame")

    def svg(self) -> str:
        ids = f"{self.name}-title {self.name}-desc"
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" class="drawing" width="{WIDTH}" '
            f'height="{self.height:g}" viewBox="0 0 {WIDTH} {self.height:g}" role="img" '
            f'aria-labelledby="{ids}">',
            f'<title id="{self.name}-title">{escape(self.title, quote=False)}</title>',
            f'<desc id="{self.name}-desc">{escape(self.desc, quote=False)}</desc>',
            f"<style>{STYLE}</style>", *self.parts, "</svg>\n",
        ]).replace(' class=""', "").replace(' rx="0"', "")  # fmt: skip


def _towards(a: Point, b: Point, by: float) -> Point:
    """The point that is ``by`` nearer to b than a is."""
    length = math.dist(a, b) or 1
    return tuple(round(p + (q - p) * by / length, 1) for p, q in zip(a, b, strict=True))


def _pixels(grey: list[list[int]], level: int) -> str:
    """The path of all pixels of one level, neighbours in a row as one rectangle."""
    path, x0, y0 = "", 0, 0
    for y, row in enumerate(grey):
        for run in re.finditer("1+", "".join("01"[g == level] for g in row)):
            path += f"m{run.start() - x0} {y - y0}h{len(run[0])}v1h-{len(run[0])}z"
            x0, y0 = run.start(), y
    return path
