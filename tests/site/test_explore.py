"""The page "Explore": its sliders show the numbers and the pictures of the package."""

import base64
import json

import live_pages
import numpy as np
import pytest
import test_book
import torch
from PIL import Image

import export_frames
from ddpm_lite import cosine_schedule, linear_schedule, q_sample

browser, serve = test_book.browser, test_book.serve  # their fixtures
FOLDER, ROOT = export_frames.FOLDER, export_frames.ROOT
FRAMES = json.loads((FOLDER / "frames.js").read_text("ascii").partition("FRAMES = ")[2][:-2])
MAKERS = {"cosine": cosine_schedule, "linear": linear_schedule}


def images(text):
    """Pictures of bytes in base64, (N, 1, 8, 8)."""
    data = np.frombuffer(base64.b64decode(text), dtype=np.uint8)
    return torch.from_numpy(data.astype(int)).reshape(-1, 1, 8, 8)


def test_the_pictures_are_what_the_model_draws():
    """Up to a grey level: the digits, the way back, and two settings of the many."""
    assert torch.equal(images(FRAMES["digits"]), export_frames.grey(export_frames.digits()))
    times, states, guesses = export_frames.way()
    assert times == FRAMES["way"]["times"] and times[0] == 1000 and times[-1] == 0
    for ours, name in ((states, "x"), (guesses, "x0")):
        far = images(FRAMES["way"][name]) - export_frames.grey(ours.flatten(0, 1))
        assert far.abs().max() <= 2
    for sampler, w, steps in (("ddpm", 0.5, 2), ("ddim", 8, 5)):
        i, j = FRAMES["guidance"].index(w), FRAMES["steps"].index(steps)
        theirs, x = FRAMES["cells"][sampler][i][j], export_frames.drawn(sampler, w, steps)
        far = images(theirs["pictures"]) - export_frames.grey(x[: export_frames.SHOWN])
        assert far.abs().max() <= 2
        ours = export_frames.measured(x)
        assert abs(ours["right"] - theirs["right"]) <= 1
        assert ours["spread"] == pytest.approx(theirs["spread"], abs=0.011)


def test_the_still_is_what_the_script_draws():
    still = np.asarray(Image.open(FOLDER / "still.png"), dtype=int)
    assert np.abs(still - np.asarray(export_frames.picture(), dtype=int)).max() <= 2


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return live_pages.without_theme(
        tmp_path_factory.mktemp("book"), "explore", "explore", "playground"
    )


@pytest.fixture
def page(browser, site):
    address = (site / "book" / "page.html").as_uri()
    with live_pages.opened(browser, address, "#ex-forward") as page:
        yield page


def choose(page, **values):
    call = "(c, v) => { c.value = v; c.dispatchEvent(new Event('input', {bubbles: true})); }"
    for name, value in values.items():
        page.locator(f"#ex-{name}").evaluate(call, str(value))


def number(page, name):
    text = page.inner_text(f"#ex-n-{name}").replace("−", "-")
    return float("inf") if text == "∞" else float(text)


def greys(page, name):
    """What a canvas shows, from 0 to 255, as rows of pixels."""
    return torch.tensor(
        page.locator(f"#ex-{name}").evaluate(
            """c => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
            return Array.from({length: c.height}, (_, i) => Array.from({length: c.width},
              (_, j) => d[4 * (i * c.width + j)])); }"""
        )
    )


@test_book.needs_browser
@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize(("T", "t"), [(1000, 0), (1000, 1), (1000, 640), (1000, 1000), (50, 30)])
def test_the_numbers_and_the_noised_digit_are_the_package_s(page, name, T, t):
    """Three digits of alpha_bar, its roots and the SNR; and x_t, up to a grey level."""
    choose(page, schedule=name, T=T, t=t, digit=7)
    schedule = MAKERS[name](T)
    alpha_bar = schedule.alpha_bar[t].item()
    assert number(page, "alpha-bar") == pytest.approx(alpha_bar, rel=6e-3)
    assert number(page, "signal") == pytest.approx(alpha_bar**0.5, rel=6e-3)
    assert number(page, "noise") == pytest.approx((1 - alpha_bar) ** 0.5, rel=6e-3, abs=1e-9)
    assert number(page, "snr") == pytest.approx(schedule.snr[t].item(), rel=6e-3)
    assert number(page, "left") == pytest.approx(schedule.alpha_bar[T].item() ** 0.5, rel=6e-3)
    eps = torch.tensor(page.evaluate("() => gaussian(64, 1, 1000)")).reshape(1, 1, 8, 8)
    xt = q_sample(schedule, export_frames.digits()[7:8], t, eps)
    assert (greys(page, "xt") - export_frames.grey(xt)[0, 0].int()).abs().max() <= 1


@test_book.needs_browser
def test_both_schedules_are_the_package_s_at_all_times(page):
    for name, call in (("cosine", "cosineSchedule"), ("linear", "linearSchedule")):
        for T in (10, 1000):
            theirs = page.evaluate(f"() => {call}({T}).alphaBar")
            far = MAKERS[name](T).alpha_bar.double() - torch.tensor(theirs, dtype=torch.float64)
            assert far.abs().max() < 1e-7


@test_book.needs_browser
def test_the_way_back_and_the_settings_answer_the_arrow_keys(page):
    page.focus("#ex-way")
    page.keyboard.press("End")
    assert page.inner_text("#ex-way-value") == "0"
    last = images(FRAMES["way"]["x"])[-10:]
    assert torch.equal(greys(page, "states")[:8, :8], last[0, 0])
    assert torch.equal(greys(page, "guesses")[9:, 36:], last[9, 0])
    page.click("#ex-play")  # from the beginning
    page.wait_for_function("document.getElementById('ex-way-value').textContent === '880'")
    page.click("#ex-play")
    choose(page, sampler="ddim")
    page.focus("#ex-w")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    cell = FRAMES["cells"]["ddim"][3][4]
    assert (page.inner_text("#ex-w-value"), page.inner_text("#ex-steps-value")) == ("2", "50")
    assert number(page, "right") == cell["right"] and number(page, "spread") == cell["spread"]
    assert torch.equal(greys(page, "drawn")[:8, 9:17], images(cell["pictures"])[1, 0])


@test_book.needs_browser
def test_without_javascript_there_is_a_picture(browser, site):
    page = browser.new_page(java_script_enabled=False)
    page.goto((site / "book" / "page.html").as_uri())
    assert page.locator(".ex-still img").is_visible() and not page.locator("#ex-way").is_visible()
    page.close()
