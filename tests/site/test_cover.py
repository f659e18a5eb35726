"""The film of the cover: it starts as noise, ends on digits that can be read, plays once, rests."""

import re

import numpy as np
import pytest
import test_book
import torch
from PIL import Image

import cover
from ddpm_lite import UNet, load_classifier, load_pretrained
from ddpm_lite.cli.recipes import RECIPES
from ddpm_lite.cli.run import Run

PAGE = (test_book.ROOT / "book" / "index.md").read_text(encoding="utf-8")
TIMES = [int(t) for t in re.search(r'data-times="([\d ]+)"', PAGE)[1].split()]
browser, serve = test_book.browser, test_book.serve  # its fixtures


def frames():
    """The film as (frames, N, 1, 28, 28) in [-1, 1]."""
    sheet = torch.tensor(np.asarray(Image.open(cover.COVER / "film.png").convert("L")))
    tiles = sheet.unflatten(1, (cover.COLUMNS, 28)).unflatten(0, (-1, cover.ROWS, 28))
    return tiles.permute(0, 1, 3, 2, 4).flatten(1, 2)[:, :, None] / 127.5 - 1


def test_the_film_leads_from_noise_to_the_digits_asked_for():
    film, judge = frames(), load_classifier("mnist")
    assert len(film) == len(TIMES) and TIMES[0] == 1000 and TIMES[-1] == 0
    assert film[0].std() > 0.6 and film[0].mean().abs() < 0.05
    read = judge.probabilities(film[-1]).argmax(1)
    assert (read == cover.LABELS).sum() >= len(cover.LABELS) - 1
    assert (judge.probabilities(film[0]).argmax(1) == cover.LABELS).sum() < len(cover.LABELS) / 2


def test_the_still_is_the_last_frame():
    still = cover.grid(frames()[-1], cover.COLUMNS, gap=2, scale=3)
    assert np.array_equal(still, Image.open(cover.COVER / "digits.png"))


def test_the_script_draws_what_the_page_expects():
    script = (cover.COVER / "cover.js").read_text(encoding="utf-8")
    assert f"COLUMNS = {cover.COLUMNS}, ROWS = {cover.ROWS}" in script
    steps = 1000 // cover.STEPS * cover.EVERY
    assert TIMES == list(range(1000, -1, -steps))


def test_the_cover_counts_the_parameters():
    for net in (Run(RECIPES["digits"]).net, load_pretrained("mnist")[0]):
        assert isinstance(net, UNet)
        assert f"{sum(p.numel() for p in net.parameters()):,} parameters" in PAGE


@test_book.needs_browser
@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_the_film_plays_once_and_waits_where_motion_is_reduced(browser, serve, tmp_path, motion):
    html = re.search(r"<figure class=\"cover\".*?</figure>", PAGE, re.S)[0]
    (tmp_path / "book").mkdir()
    (tmp_path / "cover").symlink_to(cover.COVER)
    script = '<script defer src="../cover/cover.js"></script>'
    (tmp_path / "book" / "index.html").write_text(html + script)
    page = browser.new_page(reduced_motion=motion)
    page.goto(serve(tmp_path) + "book/index.html")
    canvas, label = page.locator("canvas"), page.locator("output")
    if motion == "reduce":
        page.wait_for_timeout(1000)
        assert not canvas.is_visible() and page.locator("img").is_visible()
        page.get_by_role("button", name="Play").click()
    page.get_by_role("button", name="Stop").wait_for()
    page.get_by_role("button", name="Play again").wait_for()
    assert canvas.is_visible() and label.inner_text() == "t = 0"
    page.wait_for_timeout(500)
    assert label.inner_text() == "t = 0"  # it doesn't start again by itself
    page.close()
