"""Bugs of plot.py: name: (function, code, what it becomes, the test that must fail)."""

ORDER = "test_the_frames_of_a_film_stand_in_reading_order"

BUGS = {
    "a film that is trimmed": (
        "_picture", "bbox_inches=None", "bbox_inches='tight'",
        "test_a_film_is_a_grid_of_equal_frames"),
    "frames in columns": (
        "animate", "left, bottom = (i % columns / columns, 1 - (i // columns + 1) / rows)",
        "left, bottom = (i // rows / columns, 1 - (i % rows + 1) / rows)", ORDER),
    "figures that stay open": ("_picture", "plt.close(figure)", "None", ORDER),
    "an image with NaN is drawn": (
        "_check_images", "x.isfinite().all()", "True", "test_an_image_with_a_hole_is_not_drawn"),
}  # fmt: skip
