"""Rewrite every link to the repository: python scripts/set_repository.py https://github.com/me/book

[project.urls] in pyproject.toml declares the address. All other links must agree with it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DECLARED = re.compile(r'^Repository = "https://github\.com/([\w.-]+)/([\w.-]+)"$', re.MULTILINE)
NAME = r"([\w.-]+)/([\w-]+)"
LINKS = [  # the ways in which this project points at itself
    re.compile(pattern.replace("NAME", NAME), re.MULTILINE)
    for pattern in (
        r"git\+https://github\.com/NAME",
        r"git clone \S*github\.com/NAME",
        r"colab\.research\.google\.com/github/NAME",
        r"^  url: https://github\.com/NAME",
        r'repository-code: "https://github\.com/NAME',
        r"""(?:baseurl:|^url:) "?https://([\w-]+)\.github\.io/([\w-]+)""",
    )
]


def declared(root: Path = ROOT) -> tuple[str, str]:
    """Owner and name that pyproject.toml declares."""
    return DECLARED.search((root / "pyproject.toml").read_text(encoding="utf-8")).groups()


def links(text: str) -> list[tuple[str, str]]:
    """Owner and name of each link of this project to itself."""
    return [match.groups() for pattern in LINKS for match in pattern.finditer(text)]


def files(root: Path = ROOT) -> dict[Path, str]:
    """The text files that git knows or would add, with their text."""
    command = ["git", "-c", "safe.directory=*", "ls-files"]  # the folder may be another user's
    command += ["--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    found = {}
    for path in map(root.joinpath, names.splitlines()):
        try:
            found[path] = path.read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError):
            pass  # a picture, or deleted and not yet committed
    return found


def rewrite(address: str, root: Path = ROOT) -> list[Path]:
    """Replace the declared address by the new one, and return the files that changed."""
    line = f'Repository = "{address.rstrip("/")}"'
    if not DECLARED.fullmatch(line):
        raise ValueError(f"{address!r} is not like https://github.com/OWNER/NAME")
    new, old = DECLARED.fullmatch(line).groups(), declared(root)
    changed = []
    for path, text in files(root).items():
        after = text
        for form in ("{}/{}", "{}.github.io/{}"):
            here = rf"(?<![\w.-]){re.escape(form.format(*old))}(?![\w-])"
            after = re.sub(here, form.format(*new), after)
        if after != text:
            path.write_text(after, encoding="utf-8")
            changed.append(path)
    return changed


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        raise SystemExit(__doc__)
    print(*rewrite(sys.argv[1]), sep="\n")
