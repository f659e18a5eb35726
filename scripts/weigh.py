"""Measure what a reader's browser loads for each page of the built book, and when it paints.

    python scripts/weigh.py _build/html                 all pages
    python scripts/weigh.py _build/html notebooks/01_noise.html

Sizes are in kilobytes as a compressing server would send them (with gzip, except images and fonts),
with an empty cache. A page's own part is its HTML and its figures. The rest is the theme and
MathJax.
"""

from __future__ import annotations

import argparse
import gzip
import shutil
import sys
import threading
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import urlopen

PACKED = (".png", ".jpg", ".woff", ".woff2")
LIMITS = {"requests": 45, "bytes": 2_000_000, "own": 1_500_000}
PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@cache
def size(url: str) -> int:
    """Bytes as they are sent; the browser has no copy of what it took from its cache."""
    with urlopen(url) as file:
        body = file.read()
    return len(body) if url.endswith(PACKED) else len(gzip.compress(body))


def weigh(page, base: str, name: str) -> dict:
    """Requests, bytes, the heaviest figures, first paint in ms (slow if the cache is empty)."""
    done, sizes = [], {}
    watch = lambda request: done.append(request)  # noqa: E731
    page.on("requestfinished", watch)
    page.goto(base + name, wait_until="load")
    page.evaluate("() => window.MathJax?.startup?.promise")
    page.evaluate("() => window.scrollTo(0, document.body.scrollHeight)")
    page.wait_for_load_state("networkidle")
    page.remove_listener("requestfinished", watch)
    for request in done:
        if request.url.startswith("http") and request.response().ok:
            path = request.url.partition("?")[0]
            sizes[path] = size(path)
    paint = page.evaluate(PAINT)
    page.evaluate("() => window.scrollTo(0, 0)")
    own = {path: size for path, size in sizes.items() if "_images" in path or path.endswith(name)}
    figures = sorted(((s, p.rpartition("/")[2]) for p, s in own.items() if "_images" in p))[::-1]
    return {
        "requests": len(sizes), "bytes": sum(sizes.values()), "own": sum(own.values()),
        "figures": figures, "paint": paint,
    }  # fmt: skip


def too_heavy(result: dict) -> list[str]:
    """The pages that exceed a limit, with their largest figures."""
    heavy = ", ".join(f"{name} {size // 1000} kB" for size, name in result["figures"][:3])
    return [
        f"{result[what]:,} {what}, at most {limit:,}; the heaviest figures: {heavy}"
        for what, limit in LIMITS.items()
        if result[what] > limit
    ]


def main() -> int:
    from playwright.sync_api import sync_playwright

    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("html", type=Path)
    parser.add_argument("pages", nargs="*")
    args = parser.parse_args()
    found = [p for p in args.html.rglob("*.html") if "_static" not in p.parts]
    pages = args.pages or sorted(p.relative_to(args.html).as_posix() for p in found)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(args.html)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base, failed = f"http://127.0.0.1:{server.server_port}/", False
    path = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        print(f"{'page':34} requests  all kB  own kB  paint ms  heaviest figure")
        for name in pages:
            context = browser.new_context(viewport={"width": 1280, "height": 900})
            r = weigh(context.new_page(), base, name)
            context.close()
            first = "{1} {0}".format(*r["figures"][0]) if r["figures"] else ""
            kilo = f"{r['bytes'] / 1000:7.0f} {r['own'] / 1000:7.0f}"
            print(f"{name:34} {r['requests']:8} {kilo} {r['paint']:9.0f}  {first}", flush=True)
            for fault in too_heavy(r):
                print(f"  {fault}")
                failed = True
        browser.close()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
