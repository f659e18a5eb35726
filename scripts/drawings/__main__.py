"""Write the drawings of the book: python -m scripts.drawings [folder]"""

import sys
from pathlib import Path

from . import DRAWINGS

BOOK = Path(__file__).resolve().parents[2] / "book" / "drawings"


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else BOOK
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in DRAWINGS.items():
        (folder / f"{name}.svg").write_text(draw().svg(), encoding="utf-8")


if __name__ == "__main__":
    main()
