"""Figures, films and widgets in one style (needs matplotlib; widgets also need ipywidgets).

Data are blue, noise is orange, the model is green, and exact results are black. Images are
(B, C, H, W) in [-1, 1], and values outside are shown as black or white. The chapters use these
functions from chapter 0 on.
"""

from __future__ import annotations

import base64
import io
import statistics
import struct
import wave
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

try:
    import matplotlib.pyplot as plt
    from matplotlib.axes import Axes
except ImportError:
    raise ImportError("figures need matplotlib: run `pip install matplotlib`") from None

DATA, NOISE, MODEL, EXACT = "#0072B2", "#E69F00", "#009E73", "#000000"

STYLE = {
    "figure.dpi": 144, "savefig.dpi": 144, "figure.figsize": (8, 3), "figure.facecolor": "white",
    "font.size": 10, "axes.titlesize": 10, "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "grid.color": "#E5E7EB", "axes.axisbelow": True, "legend.frameon": False,
    "lines.linewidth": 1.8, "figure.constrained_layout.use": True,
}  # fmt: skip
"""For ``plt.rcParams.update(STYLE)`` at the top of a notebook."""


def draw_images(ax: Axes, x, columns: int = 8) -> None:
    """Draw images (B, C, H, W) on ``ax`` as a grid with this many columns."""
    _check_images(x)
    b, c, h, w = x.shape
    rows = -(-b // columns)
    grid = x.new_ones(rows * columns, c, h + 1, w + 1)  # a white line between the images
    grid[:b, :, :h, :w] = x.detach().clamp(-1, 1)
    grid = grid.view(rows, columns, c, h + 1, w + 1).permute(0, 3, 1, 4, 2)
    grid = grid.reshape(rows * (h + 1), columns * (w + 1), c)[:-1, :-1].cpu().numpy()
    ax.imshow((grid + 1) / 2, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.set_axis_off()


def draw_points(ax: Axes, x, color: str = DATA, limit: float = 2.5, **style: Any) -> None:
    """Draw points (N, 2) on ``ax``, with both axes from -limit to limit."""
    x = x.detach().cpu().numpy()
    ax.scatter(x[:, 0], x[:, 1], **{"s": 4, "color": color, "alpha": 0.5, "linewidths": 0} | style)
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    ax.grid(False)


def draw_curves(ax: Axes, curves: Mapping[str, Sequence], **settings: Any) -> None:
    """Draw curves on ``ax``. Each has its name next to it, so there's no legend.

    Args:
        curves: (x, y, color) for each name. Two more entries are optional: the place of the name,
            (x, y) in data units (by default at the end of the curve), and the line style, such as
            "o-" or "o". If y is a single number, the curve is a horizontal line, and x isn't used.
        settings: arguments for ``ax.set``, such as labels, limits, scales or a title.
    """
    for name, curve in curves.items():
        _draw_curve(ax, name, *curve)
    ax.set(**settings)


def _draw_curve(ax: Axes, name: str, x, y, color: str, place=None, how: str = "-") -> None:
    level = isinstance(y, (int, float)) or getattr(y, "ndim", 1) == 0
    if level:
        ax.axhline(float(y), color=color, linestyle=how, linewidth=1)
    else:
        ax.plot(x, y, how, color=color)
    end = (0.02, float(y)) if level else (x[-1], y[-1])
    units = ax.get_yaxis_transform() if level and not place else ax.transData
    ax.annotate(name, place or end, (0, 0) if place else (4, 3), units, "offset points",
                color=color, annotation_clip=False)  # fmt: skip


def show_curves(*panels: Mapping[str, Sequence], height: float = 3.4, **settings: Any) -> None:
    """Show one panel or several side by side, each with curves as ``draw_curves`` takes them.

    Args:
        panels: the curves of each panel.
        height: height in inches. The figure is 8 inches wide.
        settings: arguments for ``ax.set`` of all panels. A list has one value per panel, as in
            ``title=["left", "right"]``. So limits are tuples, as in ``xlim=(0, 1)``.
    """
    _check_settings(settings, len(panels))
    _, axes = plt.subplots(1, len(panels), figsize=(8, height), squeeze=False)
    for i, (ax, curves) in enumerate(zip(axes[0], panels, strict=True)):
        own = {name: v[i] if isinstance(v, list) else v for name, v in settings.items()}
        draw_curves(ax, curves, **own)
    plt.show()


def _panels(n: int, across: int, height: float) -> Sequence[Axes]:
    """The axes of n panels, ``across`` of them side by side. What's left of the last row is
    empty."""
    rows = -(-n // across)
    _, axes = plt.subplots(rows, across, figsize=(8, rows * height), squeeze=False)
    for ax in axes.flat[n:]:
        ax.set_axis_off()
    return axes.flat[:n]


def show_maps(maps: Mapping[str, Any], marks: Sequence = (), across: int = 0, height: float = 2.3,
              **style: Any) -> None:  # fmt: skip
    """Show matrices (H, W) as colour maps, each under its name.

    Args:
        maps: the matrices, by name.
        marks: optionally a (row, column) for each map, drawn as a dot.
        across: how many maps are side by side. 0 puts all of them in one row.
        height: height of a row of maps in inches. The figure is 8 inches wide.
        style: arguments for ``imshow``, such as ``cmap``, ``vmin``, ``vmax`` or ``aspect``.
    """
    axes = _panels(len(maps), across or len(maps), height)
    for ax, (name, x) in zip(axes, maps.items(), strict=True):
        ax.imshow(x.detach().cpu().numpy(), **{"cmap": "Blues"} | style)
        ax.set(title=name, xticks=[], yticks=[])
        ax.grid(False)
    for ax, (row, column) in zip(axes, marks, strict=False):
        ax.plot(column, row, "o", color=NOISE)
    plt.show()


def draw_runs(ax: Axes, x: Sequence[float], runs: Sequence, color: str = MODEL) -> None:
    """Draw the results of runs (len(x), seeds) on ``ax``: a line through the means, and a dash for
    each run."""
    ax.plot(x, [statistics.fmean(map(float, run)) for run in runs], "o-", color=color)
    for place, run in zip(x, runs, strict=True):
        ax.plot([place] * len(run), run, "_", color=color)


def draw_density(ax: Axes, x, limits: tuple[float, float], color: str = MODEL, bins: int = 50,
                 exact: Sequence = ()) -> None:  # fmt: skip
    """Draw the numbers in x (any shape) on ``ax`` as a histogram with area 1. ``exact`` can give
    the density that they should have, (grid, density), which is drawn in black."""
    values = x.detach().flatten().cpu().numpy()
    ax.hist(values, bins=bins, range=limits, density=True, color=color, alpha=0.6)
    ax.plot(*exact, color=EXACT)


def show_densities(
    xs: Mapping[str, Any], limits: tuple[float, float], color: str | Sequence[str] = MODEL,
    bins: int = 50, exact: Sequence = (), height: float = 2.9, **settings: Any,
) -> None:  # fmt: skip
    """Show histograms side by side, each under its name. The arguments are those of
    ``draw_density``. ``color`` can be one colour or a list, and ``settings`` goes to ``ax.set`` of
    each panel."""
    colors = [color] * len(xs) if isinstance(color, str) else color
    _, axes = plt.subplots(1, len(xs), figsize=(8, height), squeeze=False, sharey=True)
    for ax, (name, x), c in zip(axes[0], xs.items(), colors, strict=True):
        draw_density(ax, x, limits, c, bins, exact)
        ax.set(title=name, **settings)
    plt.show()


def set_ticks(ax: Axes, x: Sequence[float] = (), y: Sequence[float] = ()) -> None:
    """Put ticks at these numbers on the axes of ``ax``, labelled as plain numbers even on a
    logarithmic scale."""
    ax.minorticks_off()
    for values, place in ((x, ax.set_xticks), (y, ax.set_yticks)):
        if len(values):
            place(values, [f"{value:g}" for value in values])


def show_images(x, columns: int = 8, title: str = "", size: float = 0.6) -> None:
    """Show images (B, C, H, W) as a grid. ``size`` is the width of one image in inches."""
    rows = -(-len(x) // columns)
    _, ax = plt.subplots(figsize=(columns * size, rows * size + 0.3 * bool(title)))
    draw_images(ax, x, columns)
    ax.set_title(title)
    plt.show()


def show_strip(
    xs: Sequence, labels: Sequence[str], size: float = 0.9, rows: Sequence[str] = ()
) -> None:
    """Show states side by side, one column each. A row follows one image through time.

    Args:
        xs: a batch (B, C, H, W) for each column, which has B rows.
        labels: labels above the columns.
        size: width of a column in inches.
        rows: optional labels of the rows.
    """
    b, _, height, _ = xs[0].shape
    margin = 0.09 * max(map(len, rows), default=0)
    inches = len(xs) * size + margin, b * size + 0.3
    axes = plt.subplots(1, len(xs), figsize=inches, squeeze=False)[1][0]
    for ax, x, label in zip(axes, xs, labels, strict=True):
        draw_images(ax, x, columns=1)
        ax.set_title(label)
    for i, row in enumerate(rows):
        axes[0].text(-0.12 * height, (height + 1) * (i + 0.5) - 1, row, ha="right", va="center")
    plt.show()


def show_grids(
    grids: Mapping[str, Any], columns: int, across: int = 1, height: float = 1.0, loc: str = "left"
) -> None:
    """Show several sets of images (B, C, H, W), each as a grid under its name.

    Args:
        grids: the sets of images, by name.
        columns: columns of each grid.
        across: how many grids are side by side.
        height: height of a row of grids in inches. The figure is 8 inches wide.
        loc: position of the names, "left" or "center".
    """
    axes = _panels(len(grids), across, height)
    if across > 1 and (layout := plt.gcf().get_layout_engine()):
        layout.set(wspace=0.08)
    for ax, (name, x) in zip(axes, grids.items(), strict=True):
        draw_images(ax, x, columns)
        ax.set_title(name, loc=loc)
    plt.show()


def show_points(
    xs: Sequence, labels: Sequence[str], color: str | Sequence[str] = DATA, limit: float = 2.5,
    **style: Any,
) -> None:  # fmt: skip
    """Show sets of points (N, 2) side by side, each under its label. ``color`` can be one colour or
    a list, and ``style`` goes to ``draw_points``."""
    colors = [color] * len(xs) if isinstance(color, str) else color
    _, axes = plt.subplots(1, len(xs), figsize=(8, 8 / max(4, len(xs)) + 0.3), squeeze=False)
    for ax, x, label, c in zip(axes[0], xs, labels, colors, strict=True):
        draw_points(ax, x, c, limit, **style)
        ax.set_title(label)
    plt.show()


def mean_sd(values: Sequence, digits: int = 2) -> str:
    """Mean ± standard deviation of some runs, as text. A single run has no deviation."""
    values = [float(value) for value in values]
    spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.{digits}f}{spread}"


def print_table(rows: Mapping[str, Sequence], columns: Sequence[str] = (), digits: int = 2) -> None:
    """Print a table with a line for each name.

    Args:
        rows: the cells of each line, by name. A cell is text, a number, or several runs, which are
            printed as mean ± standard deviation.
        columns: optional column headings.
        digits: digits after the decimal point.
    """

    def text(cell: Any) -> str:
        if isinstance(cell, str):
            return cell
        one = isinstance(cell, (int, float)) or getattr(cell, "ndim", 1) == 0
        return f"{float(cell):.{digits}f}" if one else mean_sd(cell, digits)

    lines = [[name, *map(text, cells)] for name, cells in rows.items()]
    lines = [["", *map(str, columns)], *lines] if len(columns) else lines
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for name, *cells in lines:
        padded = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        print(name.ljust(widths[0]), *padded, sep="  ")


def animate(
    draw: Callable[[Axes, Any], None], frames: Sequence, labels: Sequence[str], columns: int = 4,
    size: float = 2.0,
):  # fmt: skip
    """Make a film: one image with frames of equal size in a grid, in reading order. The book plays
    it.

    Args:
        draw: ``draw(ax, frame)``, such as ``draw_images`` or ``draw_points``.
        frames: what to draw, in order. Their number should fill the grid.
        labels: a label for each frame, drawn above it.
        columns: columns of the grid.
        size: width and height of a frame in inches.

    Returns:
        An image that Jupyter shows. In the book, a cell with the tags ``film`` and ``film-RxC``
        (rows by columns) becomes a player.
    """
    _check_frames(len(frames), len(labels))
    rows = -(-len(frames) // columns)
    figure = plt.figure(figsize=(columns * size, rows * size), layout="none")
    for i, (frame, label) in enumerate(zip(frames, labels, strict=True)):
        left, bottom = i % columns / columns, 1 - (i // columns + 1) / rows
        margin = 0.03 / columns
        place = (left + margin, bottom + 0.03 / rows, 1 / columns - 2 * margin, 0.84 / rows)
        ax = figure.add_axes(place)
        draw(ax, frame)
        figure.text(left + 0.5 / columns, bottom + 0.93 / rows, label, ha="center", va="center")
    return _picture(figure)


def listen(x, labels: Sequence[str], rate: int = 8000):
    """Show a player for each sound, with its label. Give the cell the tag ``sound``.

    Args:
        x: waveforms (B, L). Their loudness isn't changed, and values outside [-1, 1] are clipped.
        labels: a label for each sound, which screen readers also read aloud.
        rate: samples per second.

    Returns:
        HTML that works in Jupyter, Colab and the book.
    """
    from IPython.display import HTML

    _check_sounds(x, len(labels))
    players = [_player(row, escape(label), rate) for row, label in zip(x, labels, strict=True)]
    return HTML('<div style="display:flex;flex-wrap:wrap;gap:.7em">' + "".join(players) + "</div>")


def _player(x, label: str, rate: int) -> str:
    """The HTML of one player. The sound is a 16-bit WAV file inside the page."""
    samples = (x.detach().cpu().float().clamp(-1, 1) * 32767).round().short().tolist()
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", None))
        file.writeframes(struct.pack(f"<{len(samples)}h", *samples))
    source = "data:audio/wav;base64," + base64.b64encode(buffer.getvalue()).decode()
    return (f'<div>{label}<br><audio controls preload="none" style="width:9.5em" '
            f'aria-label="{label}" src="{source}"></audio></div>')  # fmt: skip


def _picture(figure):
    from IPython.display import Image

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches=None)
    plt.close(figure)
    return Image(buffer.getvalue())


# Widgets, which are interactive in Jupyter


def explore(draw: Callable[[Axes, Any], None], states: Sequence[tuple[Any, Any]], name: str = "t"):
    """A slider over states (label, value), which ``draw(ax, value)`` draws.

    Used for the forward process (chapter 1) and trajectories (chapters 2 and 6).
    """
    import ipywidgets

    labels = [label for label, _ in states]
    slider = ipywidgets.SelectionSlider(
        options=[(str(label), i) for i, label in enumerate(labels)],
        description=name,
        continuous_update=False,
    )

    def show(i: int) -> None:
        _, ax = plt.subplots(figsize=(4, 3))
        draw(ax, states[i][1])
        ax.set_title(f"{name} = {labels[i]}")
        plt.show()

    return ipywidgets.interactive(show, i=slider)


def explore_schedules(schedules: Mapping[str, Any]):
    """Plot beta, alpha_bar or the SNR of schedules that the reader selects by name (chapter 1)."""

    import ipywidgets

    def show(what: str, names: tuple[str, ...]) -> None:
        _, ax = plt.subplots(figsize=(6, 3))
        for name in names:
            schedule = schedules[name]
            ax.plot(range(1, schedule.T + 1), getattr(schedule, what)[1:].cpu(), label=name)
        ax.set(xlabel="t", ylabel=what, yscale="log" if what == "snr" else "linear")
        ax.legend()
        plt.show()

    return ipywidgets.interactive(
        show,
        what=ipywidgets.ToggleButtons(options=["beta", "alpha_bar", "snr"], description="show"),
        names=ipywidgets.SelectMultiple(options=list(schedules), value=list(schedules)),
    )


def _check_images(x) -> None:
    if x.ndim != 4 or x.shape[1] not in (1, 3) or not len(x):
        shape = tuple(x.shape)
        raise ValueError(f"x has shape {shape}; expected images (B, 1 or 3, H, W), one at least")
    if not x.isfinite().all():
        raise ValueError("x has NaN or infinite values, so there is no image to draw")
    if 0 <= x.min() and 20 < x.max():
        hint = "expected about -1 … 1: use x / 127.5 - 1"
        raise ValueError(f"x has values {x.min():g} … {x.max():g}; {hint}")


def _check_settings(settings: Mapping[str, Any], panels: int) -> None:
    for name, v in settings.items():
        if isinstance(v, list) and len(v) != panels:
            hint = "expected a list with a value for each, or a tuple for all of them"
            raise ValueError(f"{name} is {v!r:.60} for {panels} panel(s); {hint}")


def _check_sounds(x, labels: int) -> None:
    if x.ndim != 2 or len(x) != labels:
        given = f"x has shape {tuple(x.shape)} and there are {labels} labels"
        raise ValueError(f"{given}; expected waveforms (B, L) and a label for each")


def _check_frames(frames: int, labels: int) -> None:
    if not 0 < frames == labels:
        given = f"there are {frames} frames and {labels} labels"
        raise ValueError(f"{given}; expected a label for each frame")
