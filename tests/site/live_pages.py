"""What the tests of the live pages share: their scripts alone, and the page without the theme."""

import re
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

BOOK = Path(__file__).resolve().parents[2] / "book"
LIVE = BOOK / "live"
HEAD = '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">'


def scripts(browser, folder, files, start=None):
    """A page, opened from a folder, that has loaded these files of book/live and no controls."""
    path = folder / "page.html"
    path.write_text("".join(f'<script src="{(LIVE / file).as_uri()}"></script>' for file in files))
    page = browser.new_page()
    page.goto(path.as_uri())
    if start:
        page.evaluate(start)
    return page


def without_theme(folder, name, *parts):
    """The live page of that name, beside its files as in the book."""
    for part in parts:
        shutil.copytree(LIVE / part, folder / part)
    text = (BOOK / f"{name}.md").read_text(encoding="utf-8")
    body = "".join(re.findall(r"```\{raw\} html\n(.*?)```", text, re.S))
    (folder / "book").mkdir()
    (folder / "book" / "page.html").write_text(HEAD + body, encoding="utf-8")
    return folder


@contextmanager
def opened(browser, address, selector):
    """The page at this address once the selector is visible; it must not complain."""
    page, complaints = browser.new_page(viewport={"width": 800, "height": 1400}), []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else 0)
    page.goto(address)
    page.wait_for_selector(selector, state="visible")
    yield page
    page.close()
    assert complaints == []


@pytest.fixture
def doubles():
    """PyTorch computes in float64, as JavaScript does."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def far(ours, theirs):
    """The largest difference between a tensor and a list of numbers."""
    return (ours.flatten() - torch.tensor(theirs, dtype=ours.dtype).flatten()).abs().max().item()
