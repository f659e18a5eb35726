"""Write the still of the page "Train in your browser": its panels after training, in Chromium.

    python scripts/train_still.py      half a minute

Readers see this image if they have no JavaScript, or read the page in print.
"""

from __future__ import annotations

import io
import re
import shutil
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "book" / "live" / "train"
HEAD = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Train</title>
<link rel="icon" href="data:,"><body class="bd-article" style="font-family: sans-serif">"""


def site(folder: Path) -> Path:
    """Write the page without the theme, in a folder with its files, and return its path."""
    for name in ("train", "playground"):
        shutil.copytree(FOLDER.parent / name, folder / name)
    text = (ROOT / "book" / "train_live.md").read_text(encoding="utf-8")
    page = folder / "book" / "page.html"
    page.parent.mkdir()
    page.write_text(HEAD + re.search(r"```\{raw\} html\n(.*?)```", text, re.S)[1], "utf-8")
    return page


def picture(page) -> Image.Image:
    """The panels of the page after training, at u = 0."""
    page.click("#tr-go")
    page.wait_for_function("document.getElementById('tr-said').innerText.startsWith('Finished')")
    page.locator("#tr-time").press("End")
    boxes = [page.locator(".tr-method").nth(i).bounding_box() for i in (0, 1)]
    height = boxes[1]["y"] + boxes[1]["height"] - boxes[0]["y"]
    shot = page.screenshot(clip=boxes[0] | {"height": height})
    return Image.open(io.BytesIO(shot)).convert("RGB").quantize(32, dither=Image.Dither.NONE)


def main() -> None:
    from playwright.sync_api import sync_playwright

    browser = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        size = {"width": 800, "height": 1400}
        page = chromium.new_page(viewport=size, reduced_motion="reduce")
        page.goto(site(Path(folder)).as_uri())
        picture(page).save(FOLDER / "still.png", optimize=True)
        chromium.close()


if __name__ == "__main__":
    main()
