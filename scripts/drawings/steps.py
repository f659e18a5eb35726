"""Drawings of the forward steps: what a step does to the variance, and how steps are numbered."""

from __future__ import annotations

from .kit import Drawing, drawing


@drawing(height=236)
def variance_pull(d: Drawing) -> None:
    """What one step does to a variance.

    Three pairs of bars over a dashed line at 1, with beta 0.4. Before the step the variances are
    0.3, 1 and 1.7. The step shrinks each to six tenths and puts 0.4 of noise on top, which gives
    0.58, 1 and 1.42. So 1 stays, and the others move towards it.
    """
    floor, unit, beta = 206, 104, 0.4
    d.line((40, floor), (516, floor))
    for k, v in enumerate((0.3, 1.0, 1.7)):
        x, old, kept = 62 + 156 * k, unit * v, unit * v * (1 - beta)
        d.rect(x, floor - old, 52, old, "data")
        d.rect(x + 70, floor - kept, 52, kept, "data")
        d.rect(x + 70, floor - kept - unit * beta, 52, unit * beta, "noise")
        d.text(x + 96, floor - kept - unit * beta / 2, "$β$", "noise")
        d.text(x + 26, floor + 18, "before", "muted")
        d.text(x + 96, floor + 18, "after", "muted")
    d.line((40, floor - unit), (516, floor - unit), kind="exact dash")
    d.text(24, floor - unit, "1")
    d.text(24, floor, "0")
    d.text(400, floor - 40, "$v$", "data")
    d.text(470, floor - 40, "$c^2v$", "data")


@drawing(height=266)
def noise_layers(d: Drawing) -> None:
    """Three steps and one jump.

    Five bars of height 1, the variance of x_0, x_1, x_2, x_3 and of one jump. A step shrinks what
    is there and adds a new layer of noise. After three steps the image has alpha 1 times alpha 2
    times alpha 3, and three layers of noise fill the rest. In the jump, one layer fills the rest.
    """
    floor, unit, alpha = 234, 200, 0.7
    names = (("1",), ("α_1", "β_1"), ("α_1α_2", "α_2β_1", "β_2"),
             ("α_1α_2α_3", "α_3α_2β_1", "α_3β_2", "β_3"), ("ᾱ_3", "1 − ᾱ_3"))  # fmt: skip
    for k, layers in enumerate(names):
        steps, x, top = min(k, 3), 4 + 106 * k, floor
        sizes = [alpha**steps] + [alpha ** (steps - i) * (1 - alpha) for i in range(1, steps + 1)]
        for i, (size, name) in enumerate(zip([sizes[0], 1 - sizes[0]] if k == 4 else sizes, layers,
                                             strict=False)):  # fmt: skip
            top -= round(unit * size, 1)
            d.rect(x, round(top, 1), 88, round(unit * size, 1), "noise" if i else "data")
            d.text(x + 44, round(top + unit * size / 2, 1), f"${name}$", "noise" if i else "data")
        d.text(x + 44, floor + 17, f"$x_{steps}$" if k < 4 else "$x_3$")
    for k in range(3):
        d.text(101 + 106 * k, 16, "step")
    d.text(472, 16, "one jump", "bold")


@drawing(height=236)
def index_rows(d: Drawing) -> None:
    """Two ways to store the betas.

    Above, a Python list without an extra entry: index 0 has beta 1, index t has beta t plus 1, and
    the last index is T minus 1. Below, the table of this book: index 0 has 0, for clean data,
    index t has beta t, and the last index is T.
    """
    index = ("0", "1", "…", "t", "…", "T − 1", "T")
    rows = ((46, "betas", ("β_1", "β_2", "…", "β_{t+1}", "…", "β_T", ""), "noise"),
            (160, "beta", ("0", "β_1", "…", "β_t", "…", "β_{T−1}", "β_T"), "model"))  # fmt: skip
    for top, name, entries, kind in rows:
        d.text(4, top + 22, name, "start")
        d.text(4, top - 16, "index", "muted start")
        for k, (number, entry) in enumerate(zip(index, entries, strict=True)):
            x = 74 + 64 * k
            if not entry:
                continue
            d.text(x + 29, top - 16, f"${number}$", "bold" if number == "t" else "muted")
            if entry == "…":
                d.text(x + 29, top + 22, "…")
            else:
                d.box(x, top, 58, 44, f"${entry}$", kind=kind if number == "t" else "")
    d.text(295, 108, "$t + 1$: off by one", "noise")
    d.text(295, 222, "the paper’s $t$", "model")
