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


@pytest.fixture
def address(serve, tmp_path):
    html = re.search(r"<figure class=\"cover\".*?</figure>", PAGE, re.S)[0]
    (tmp_path / "book").mkdir()
    (tmp_path / "cover").symlink_to(cover.COVER)
    script = '<script defer src="../cover/cover.js"></script>'
    (tmp_path / "book" / "index.html").write_text(html + script)
    return serve(tmp_path) + "book/index.html"


@test_book.needs_browser
@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_the_film_plays_once_and_waits_where_motion_is_reduced(browser, address, motion):
    page = browser.new_page(reduced_motion=motion)
    page.goto(address)
    canvas, label = page.locator("canvas"), page.locator("output")
    if motion == "reduce":
        page.wait_for_timeout(1000)
        assert not canvas.is_visible() and page.locator("img").is_visible()
        page.get_by_role("button", name="Play").click()
    page.get_by_role("button", name="Stop").wait_for()
    assert label.get_attribute("aria-live") == "off"  # it isn't read out frame by frame
    page.get_by_role("button", name="Play again").wait_for()
    assert canvas.is_visible() and label.inner_text() == "t = 0"
    page.wait_for_timeout(500)
    assert label.inner_text() == "t = 0"  # it doesn't start again by itself
    page.close()


@test_book.needs_browser
def test_a_film_that_comes_late_or_never_leaves_the_image(browser, address):
    """Impatient clicks don't start two films, of which one would never end."""
    page, complaints, held = browser.new_page(reduced_motion="reduce"), [], []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.route("**/film.png", lambda route: held.append(route))
    page.goto(address, wait_until="domcontentloaded")
    button = page.locator("button")
    button.evaluate("b => { b.click(); b.click(); }")
    page.wait_for_timeout(200)
    assert page.locator("img").is_visible() and not button.is_visible()
    held[0].continue_()
    for _ in range(2):  # it plays, and plays again
        button.click()
        page.wait_for_function("document.querySelector('button').innerText === 'Stop'")
        page.wait_for_timeout(400)
        assert page.inner_text("output") != "t = 0"
        page.get_by_role("button", name="Play again").wait_for()
    page.unroute_all()
    page.route("**/film.png", lambda route: route.abort())
    page.goto(address)
    assert page.locator("img").is_visible() and not button.is_visible() and complaints == []
    page.close()
