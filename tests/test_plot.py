"""The figures and the widgets: drawn without a display, closed, and of the promised size."""

import io
from functools import partial

import pytest
import torch

import ddpm_lite

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402

from ddpm_lite import plot  # noqa: E402

IMAGES, POINTS = torch.rand(8, 1, 6, 6) * 2 - 1, torch.randn(30, 2)


@pytest.fixture(autouse=True)
def figures(monkeypatch):
    """What plt.show() would have shown; nothing is left open."""
    shown = []
    plt.close("all")  # of other tests in this process

    def show():
        shown.append(plt.gcf())
        plt.close()

    monkeypatch.setattr(plt, "show", show)
    yield shown
    assert not plt.get_fignums()


def pixels(picture) -> torch.Tensor:
    return torch.tensor(plt.imread(io.BytesIO(picture.data), format="png"))  # (H, W, 4)


def test_images_become_a_grid_with_white_lines_between(figures):
    """Image i stands in row i // columns, column i % columns; -1 is black, 1 is white."""
    x = torch.arange(5.0).sub(2).div(2)[:, None, None, None].expand(5, 1, 2, 3)
    plot.show_images(x, columns=3, title="five")
    image = torch.as_tensor(figures[0].axes[0].images[0].get_array())
    assert image.shape == (2 * 3 - 1, 3 * 4 - 1)
    for i in range(5):
        top, left = 3 * (i // 3), 4 * (i % 3)
        assert (image[top : top + 2, left : left + 3] == i / 4).all()
    assert (image[2] == 1).all() and (image[:, 3] == 1).all()
    assert figures[0].axes[0].get_title() == "five"


def test_values_outside_are_black_or_white(figures):
    """Clamped to [-1, 1], so one wild pixel does not dim the others."""
    plot.show_images(torch.tensor([-9.0, 0.0, 9.0]).view(1, 1, 1, 3))
    image = torch.as_tensor(figures[0].axes[0].images[0].get_array())
    assert image[0, :3].tolist() == [0, 0.5, 1]


def test_colour_and_gradients_are_no_obstacle(figures):
    """(B, 3, H, W), straight out of a network that is training."""
    plot.show_images(torch.zeros(2, 3, 4, 4, requires_grad=True))
    assert figures[0].axes[0].images[0].get_array().shape == (4, 8 * 5 - 1, 3)


def test_a_strip_has_a_column_for_each_state(figures):
    """Labels stand above, in order."""
    plot.show_strip([IMAGES[:3]] * 4, ["a", "b", "c", "d"])
    assert [ax.get_title() for ax in figures[0].axes] == ["a", "b", "c", "d"]
    assert not figures[0].axes[0].texts
    plot.show_strip([IMAGES[:3]], ["alone"])
    assert [ax.get_title() for ax in figures[1].axes] == ["alone"]


def test_a_strip_has_its_row_labels_beside_the_middle_of_each_row(figures):
    """Images of 6 pixels, with a line between them, have their middles at 2.5 and 9.5."""
    plot.show_strip([IMAGES[:2]] * 3, ["a", "b", "c"], rows=["one", "two"])
    texts = figures[0].axes[0].texts
    assert [text.get_text() for text in texts] == ["one", "two"]
    assert [text.get_position()[1] for text in texts] == [2.5, 9.5]
    assert all(text.get_position()[0] < -0.5 for text in texts)


def test_points_are_drawn_side_by_side_in_their_colours(figures):
    """One panel for each set, one colour or one for each."""
    plot.show_points([POINTS, POINTS], ["data", "noise"], [plot.DATA, plot.NOISE])
    plot.show_points([POINTS], ["data"])
    panels = [ax for figure in figures for ax in figure.axes]
    colours = [matplotlib.colors.to_hex(ax.collections[0].get_facecolor()[0]) for ax in panels]
    assert colours == [c.lower() for c in (plot.DATA, plot.NOISE, plot.DATA)]
    assert torch.equal(torch.as_tensor(panels[0].collections[0].get_offsets()), POINTS.double())


@pytest.mark.parametrize("n, columns, rows", [(8, 4, 2), (12, 3, 4), (6, 6, 1), (4, 4, 1)])
@pytest.mark.parametrize("draw", ["images", "points"])
def test_a_film_is_a_grid_of_equal_frames(draw, n, columns, rows):
    """The page cuts the PNG into rows x columns: its size must be divisible by them."""
    frames = [IMAGES] * n if draw == "images" else [POINTS] * n
    labels = [f"t = {i}" for i in range(n)]
    film = plot.animate(getattr(plot, f"draw_{draw}"), frames, labels, columns, size=1.0)
    height, width, _ = pixels(film).shape
    assert width % columns == 0 and height % rows == 0
    assert width // columns == height // rows


def test_the_frames_of_a_film_stand_in_reading_order():
    """Frame i lies in cell (i // columns, i % columns) and does not reach into the next."""
    before = plt.get_fignums()
    frames = [torch.full((1, 1, 1, 1), 1.0 if i == 2 else -1.0) for i in range(6)]
    draw = partial(plot.draw_images, columns=1)
    picture = pixels(plot.animate(draw, frames, [""] * 6, columns=3, size=1.0))[..., 0]
    h, w = picture.shape[0] // 2, picture.shape[1] // 3
    cells = [picture[i // 3 * h : (i // 3 + 1) * h, i % 3 * w : (i % 3 + 1) * w] for i in range(6)]
    assert [bool(cell[h // 2, w // 2] > 0.5) for cell in cells] == [i == 2 for i in range(6)]
    assert all((cell[0] == 1).all() and (cell[:, 0] == 1).all() for cell in cells)
    assert plt.get_fignums() == before


@pytest.mark.parametrize("shape", [(6, 6), (8, 6, 6), (8, 2, 6, 6), (8, 6, 6, 3), (0, 1, 6, 6)],
                         ids=str)  # fmt: skip
def test_what_is_no_batch_of_images_is_refused(shape):
    """One sentence with the shape that was given and the one that is expected."""
    _, ax = plt.subplots()
    with pytest.raises(ValueError, match=r"expected images \(B, 1 or 3, H, W\)"):
        plot.draw_images(ax, torch.zeros(shape))
    plt.close()


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_an_image_with_a_hole_is_not_drawn(bad):
    """matplotlib would draw NaN as white, like the brightest pixel."""
    _, ax = plt.subplots()
    x = IMAGES.clone()
    x[3, 0, 2, 2] = bad
    with pytest.raises(ValueError, match="NaN or infinite"):
        plot.draw_images(ax, x)
    assert not ax.images
    plt.close()


def test_a_label_for_each_state():
    """One too few is an error, not a state that is silently left out."""
    for show in (plot.show_strip, plot.show_points):
        with pytest.raises(ValueError):
            show([IMAGES, IMAGES] if show is plot.show_strip else [POINTS, POINTS], ["a"])
    plt.close("all")


def test_a_widget_redraws_for_each_state(figures):
    """The slider picks (label, value); each value is drawn under its label."""
    pytest.importorskip("ipywidgets")
    drawn = []
    states = [(0, "first"), (500, "second")]
    box = plot.explore(lambda ax, value: drawn.append(value), states)
    box.update()
    box.children[0].index = 1
    box.update()
    assert {"first", "second"} == set(drawn)
    assert figures[-1].axes[0].get_title() == "t = 500"


def test_the_schedule_widget_draws_what_is_chosen(figures):
    """A curve over t = 1 … T for each chosen schedule; the SNR on a logarithmic axis."""
    pytest.importorskip("ipywidgets")
    schedule = ddpm_lite.linear_schedule(10)
    box = plot.explore_schedules({"linear": schedule, "cosine": ddpm_lite.cosine_schedule(10)})
    box.children[0].value = "snr"
    box.children[1].value = ("linear",)
    box.update()
    ax = figures[-1].axes[0]
    assert ax.get_yscale() == "log" and [line.get_label() for line in ax.lines] == ["linear"]
    assert list(ax.lines[0].get_xdata()) == list(range(1, 11))
    assert ax.lines[0].get_ydata().tolist() == schedule.snr[1:].tolist()


def axes_of(draw, *args, **more):
    """The axes after drawing on them; the figure is closed."""
    _, ax = plt.subplots()
    draw(ax, *args, **more)
    plt.close()
    return ax


def test_each_curve_has_its_name_in_its_colour():
    """At the place that is given, on axes set as asked."""
    curves = {"up": ([1, 2], [3, 4], plot.DATA, (1.5, 3.2)),
              "dots": ([1, 2], [4, 3], plot.MODEL, (1, 3), "o")}  # fmt: skip
    ax = axes_of(plot.draw_curves, curves, xlabel="t", xscale="log")
    assert [line.get_color() for line in ax.lines] == [plot.DATA, plot.MODEL]
    assert [line.get_marker() for line in ax.lines] == ["None", "o"]
    assert [text.get_text() for text in ax.texts] == ["up", "dots"]
    assert ax.texts[0].xy == (1.5, 3.2) and ax.texts[1].get_color() == plot.MODEL
    assert ax.get_xlabel() == "t" and ax.get_xscale() == "log"


def test_a_curve_without_a_place_is_named_at_its_end_and_a_number_is_a_level():
    curves = {"up": ([1, 2], [3, 4], plot.DATA), "floor": ((), torch.tensor(3.5), plot.EXACT),
              "dashed": ((), 2, plot.NOISE, (1.5, 2.1), "--")}  # fmt: skip
    ax = axes_of(plot.draw_curves, curves)
    assert [text.xy for text in ax.texts] == [(2, 4), (0.02, 3.5), (1.5, 2.1)]
    assert [list(line.get_ydata()) for line in ax.lines] == [[3, 4], [3.5] * 2, [2] * 2]
    assert [line.get_linestyle() for line in ax.lines] == ["-", "-", "--"]


def test_panels_share_settings_but_those_that_are_a_list(figures):
    curves = {"up": ([1, 2], [3, 4], plot.DATA)}
    plot.show_curves(curves, curves, title=["left", "right"], xlim=(0, 3), height=2)
    left, right = figures[0].axes
    assert (left.get_title(), right.get_title()) == ("left", "right")
    assert left.get_xlim() == right.get_xlim() == (0, 3)
    assert tuple(figures[0].get_size_inches()) == (8, 2)
    with pytest.raises(ValueError, match=r"xlim is \[0, 3\] for 1 panel.*or a tuple for all"):
        plot.show_curves(curves, xlim=[0, 3])


def test_maps_have_their_names_and_marks(figures):
    maps = {name: torch.rand(3, 4) for name in "abcd"}
    plot.show_maps(maps, [(1, 2)], across=2, cmap="magma", vmin=0)
    axes = figures[0].axes
    assert [ax.get_title() for ax in axes] == list("abcd")
    assert torch.equal(torch.from_numpy(axes[3].images[0].get_array().data), maps["d"])
    assert axes[0].images[0].get_cmap().name == "magma" and axes[0].images[0].get_clim()[0] == 0
    assert [[*line.get_xydata()[0]] for ax in axes for line in ax.lines] == [[2, 1]]


def test_the_last_row_of_panels_needn_t_be_full(figures):
    plot.show_maps({name: torch.rand(3, 4) for name in "abc"}, across=2)
    plot.show_grids({name: IMAGES for name in "abcde"}, 4, across=3)
    for figure, n in zip(figures, (3, 5), strict=True):
        assert [bool(ax.images) for ax in figure.axes] == [True] * n + [False]
        assert not figure.axes[n].axison


def test_runs_are_dashes_around_a_line_through_their_means():
    ax = axes_of(plot.draw_runs, [5, 10], torch.tensor([[1.0, 3.0], [4.0, 6.0]]))
    line, *dashes = ax.lines
    assert line.get_xdata().tolist() == [5, 10] and line.get_ydata().tolist() == [2, 5]
    assert [list(dash.get_ydata()) for dash in dashes] == [[1, 3], [4, 6]]
    assert [list(dash.get_xdata()) for dash in dashes] == [[5, 5], [10, 10]]


def test_a_density_has_area_1_within_its_limits():
    """Four of five numbers are inside, and only these count."""
    x = torch.tensor([[0.1], [0.2], [0.3], [0.9], [7.0]])
    ax = axes_of(plot.draw_density, x, (0, 1), plot.NOISE, 2, ([0, 1], [1, 1]))
    assert [bar.get_height() for bar in ax.patches] == pytest.approx([1.5, 0.5])
    assert ax.lines[0].get_color() == plot.EXACT
    assert not axes_of(plot.draw_density, x, (0, 1)).lines


def test_densities_stand_side_by_side_each_in_its_colour(figures):
    plot.show_densities({"a": POINTS, "b": POINTS}, (-2, 2), [plot.DATA, plot.NOISE], 3, xlabel="x")
    axes = figures[0].axes
    assert [(ax.get_title(), ax.get_xlabel(), len(ax.patches)) for ax in axes] == [
        ("a", "x", 3), ("b", "x", 3)]  # fmt: skip
    colors = [matplotlib.colors.to_hex(ax.patches[0].get_facecolor()).upper() for ax in axes]
    assert colors == [plot.DATA, plot.NOISE]


def test_ticks_are_written_as_they_are():
    ax = axes_of(lambda ax: (ax.loglog([1, 100], [1, 100]), plot.set_ticks(ax, [5, 50], [0.03])))
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["5", "50"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["0.03"]
    assert not len(ax.xaxis.get_minorticklocs())


def test_grids_have_their_names_in_reading_order(figures):
    plot.show_grids({"a": IMAGES, "b": IMAGES[:4], "c": IMAGES, "d": IMAGES}, 4, across=2)
    (figure,) = figures
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["a", "b", "c", "d"]
    assert [ax.images[0].get_array().shape for ax in figure.axes[:2]] == [(13, 27), (6, 27)]
    assert figure.axes[0].get_subplotspec().get_gridspec().get_geometry() == (2, 2)


def test_points_take_a_style(figures):
    plot.show_points([POINTS], ["data"], s=9)
    assert figures[0].axes[0].collections[0].get_sizes() == [9]


def test_a_table_has_means_and_deviations_of_runs(capsys):
    """The standard deviation of a sample, of 1 and 3: the root of 2."""
    rows = {"DDPM": [[1.0, 3.0], 0.5], "v": [torch.tensor([2.0, 2.0, 2.0]), "none"]}
    plot.print_table(rows, ["runs", "one"])
    assert capsys.readouterr().out.splitlines() == [
        "             runs   one",
        "DDPM  2.00 ± 1.41  0.50",
        "v     2.00 ± 0.00  none",
    ]
    assert plot.mean_sd([0.5]) == "0.50"
    plot.print_table({"a": [1], "bc": [torch.tensor(22.26)]}, digits=1)
    assert capsys.readouterr().out.splitlines() == ["a    1.0", "bc  22.3"]


def test_players_hold_the_sounds_and_their_labels():
    """As WAV files of 16 bits; what is too loud is cut off, and labels are escaped."""
    import base64
    import re
    import struct
    import wave

    html = plot.listen(torch.tensor([[0.0, 0.5, -1.0, 2.0]]), ["a <b>"], rate=8000).data
    assert html.count("<audio controls") == 1 and 'aria-label="a &lt;b&gt;"' in html
    data = base64.b64decode(re.search(r'base64,([^"]+)"', html)[1])
    with wave.open(io.BytesIO(data)) as file:
        assert file.getparams()[:4] == (1, 2, 8000, 4)
        assert struct.unpack("<4h", file.readframes(4)) == (0, 16384, -32767, 32767)
    for shape in ((2, 8), (8,), (1, 1, 8)):
        with pytest.raises(ValueError, match=r"1 labels; expected waveforms \(B, L\) and a label"):
            plot.listen(torch.zeros(shape), ["one label"])
