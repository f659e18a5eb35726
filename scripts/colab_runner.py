"""Run the cells of a notebook in this environment. `colab.py` starts it in one like Colab's.

    python scripts/colab_runner.py 01_noise.ipynb WHEEL SET_UP TWICE LIMIT

SET_UP (run only the set-up cells) and TWICE (run all cells twice) are 0 or 1. LIMIT is the time
limit of a cell in seconds. The script prints one line of JSON.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import nbformat
from nbclient.exceptions import CellTimeoutError
from nbformat import NotebookNode

from kernels import Client

STATE = """import importlib.metadata as _m, json as _j, sys as _s, numpy, torch
print(_j.dumps({"torch": [torch.__version__, torch.__file__],
  "numpy": [numpy.__version__, numpy.__file__],
  "own": sorted(d.metadata["Name"] for d in _m.distributions(path=[p for p in _s.path
                if p.startswith(_s.prefix)])),
  "package": getattr(_s.modules.get("ddpm_lite"), "__file__", ""), "prefix": _s.prefix}))"""


def with_wheel(book: NotebookNode, wheel: str) -> NotebookNode:
    """Put the wheel in the place of the address from which a cell installs; returns this cell."""
    address, uri = re.compile(r"git\+https://[^\s\"']+"), Path(wheel).as_uri()
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    install = [cell for cell in code if address.search(cell.source)]
    if len(install) != 1:
        raise SystemExit(f"{len(install)} cells install from an address, expected one")
    install[0].source = address.sub(lambda _: uri, install[0].source)
    return install[0]


def timed(client: Client, cell: NotebookNode) -> float:
    """The seconds that a cell takes."""
    start = time.monotonic()
    try:
        client.execute_cell(cell, client.nb.cells.index(cell))
    except CellTimeoutError:
        text = f"the cell {cell.get('id')!r} took longer than {client.timeout} s and was stopped"
        raise SystemExit(text) from None
    return time.monotonic() - start


def main(name: str, wheel: str, set_up: str, twice: str, limit: str) -> None:
    book = nbformat.read(name, as_version=4)
    install = with_wheel(book, wheel)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    code = code[:2] if int(set_up) else code
    state = nbformat.v4.new_code_cell(STATE)
    book.cells.append(state)
    before = json.loads(subprocess.check_output([sys.executable, "-c", STATE], text=True))
    client = Client(book, timeout=int(limit), kernel_name="python3", shutdown_kernel="immediate")
    with client.setup_kernel():
        seconds = [timed(client, cell) for _ in range(1 + int(twice)) for cell in code]
        timed(client, state)
    after = json.loads("".join(o.text for o in state.outputs if o.get("name") == "stdout"))
    said = "".join(o.get("text", "") for o in install.outputs)
    print(json.dumps({"seconds": seconds, "before": before, "after": after, "said": said}))


if __name__ == "__main__":
    main(*sys.argv[1:])
