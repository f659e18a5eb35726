"""Write the training text of chapter 20: sentences from this book, as lower-case ASCII.

    python scripts/make_prose.py            # print how much text there is
    python scripts/make_prose.py --write    # also write ddpm_lite/weights/prose.txt

The file is a snapshot. The networks of chapter 20 were trained on it, so don't update it when a
chapter changes. After a new snapshot, train them again (scripts/train_tokens.py). Sentences with a
formula, with code or with a character outside the alphabet are left out.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import nbformat

from ddpm_lite.tokens import ALPHABET

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "ddpm_lite" / "weights" / "prose.txt"
CHAPTERS = range(15)  # the chapters of parts I to III
BLOCKS = re.compile(r"```.*?```|\$\$.*?\$\$|<summary>.*?</summary>|<[^>]*>", re.S)
LINES = re.compile(r"^(\||#|\[!|\*\*(?:In the package|References)|\*Reading).*$", re.M)
PLAIN = str.maketrans({"’": "'", "‘": "'", "“": "", "”": "", "–": "-", "—": "-", '"': ""})


def paragraphs(text: str) -> list[str]:
    """The paragraphs of a cell, without headings, tables, code, tags and the marks of Markdown."""
    text = LINES.sub("", BLOCKS.sub("\n\n", text))
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)  # a link: its words
    text = re.sub(r"^\s*(> |- |\d+\. )", "\n\n", text, flags=re.M)
    return [re.sub(r"[*_]+", "", " ".join(p.split())) for p in re.split(r"\n\s*\n", text)]


def sentences(paragraph: str) -> list[str]:
    """Complete sentences that use only the alphabet."""
    found = re.split(r"(?<=[.?:]) (?=[A-Z])", paragraph.translate(PLAIN))
    whole = [s for s in found if re.fullmatch(r"[A-Z].{20,}[.?:]", s)]
    return [s.lower() for s in whole if set(s.lower()) <= set(ALPHABET)]


def prose() -> str:
    """All sentences of these chapters, one space apart; each sentence once."""
    kept = {}
    for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        if int(path.stem[:2]) in CHAPTERS:
            cells = nbformat.read(path, 4).cells
            for cell in (cell.source for cell in cells if cell.cell_type == "markdown"):
                kept |= {s: None for part in paragraphs(cell) for s in sentences(part)}
    return " ".join(kept)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write the file")
    text = prose()
    print(f"{len(text):,} characters, {len(set(text))} different ones")
    if parser.parse_args().write:
        FILE.write_text(text + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
