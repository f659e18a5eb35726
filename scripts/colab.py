"""Run notebooks as Colab does: each alone, in an environment that has torch but not this project.

    python scripts/colab.py notebooks/*.ipynb                   all cells of each, in order
    python scripts/colab.py --twice notebooks/*.ipynb           and once more in the same kernel
    python scripts/colab.py --set-up notebooks/01_noise.ipynb   only the two set-up cells

A new virtual environment sees the packages of the one that runs this script, as Colab's sees its
own torch; the project itself is installed by the notebook's hidden cell, with a wheel that is built
from the working tree in place of the address on GitHub. Nothing else may be installed or changed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ("pyproject.toml", "README.md", "LICENSE", "ddpm_lite")


def run(*command: str | Path, **options) -> str:
    """The output of a command, or an error with what it said."""
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)
    if done.returncode:
        raise SystemExit(f"{command[0]} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


def wheel(folder: Path) -> Path:
    """Build the package from the working tree, without a network and without a trace in it."""
    source = folder / "source"
    source.mkdir()
    for name in PACKAGE:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    run(*build, "--wheel-dir", folder / "wheels", source)
    return next((folder / "wheels").glob("*.whl"))


def environment(folder: Path) -> Path:
    """A virtual environment without the project; returns its Python."""
    run(sys.executable, "-m", "venv", folder)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    own = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (own / "torch_is_there.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    stub = own / "google" / "colab"
    stub.mkdir(parents=True)
    for name in ("__init__", "output"):
        (stub / f"{name}.py").write_text("", encoding="utf-8")
    return python


def execute(path: Path, python: Path, package: Path, set_up: bool, twice: bool) -> dict:
    """Run a copy of the notebook that lies alone in a folder; seconds, and what was wrong."""
    with tempfile.TemporaryDirectory() as content:
        shutil.copy(path, content)
        env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        env |= {"COLAB_RELEASE_TAG": "stub", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        arguments = [path.name, str(package), str(int(set_up)), str(int(twice))]
        program = f"{RUNNER}\nmain(*sys.argv[1:])"
        lines = run(python, "-c", program, *arguments, cwd=content, env=env)
    return json.loads(lines.splitlines()[-1])


RUNNER = '''
import json, re, subprocess, sys, time
import nbformat
from nbclient import NotebookClient

STATE = """import importlib.metadata as _m, json as _j, sys as _s, numpy, torch
print(_j.dumps({"torch": [torch.__version__, torch.__file__],
  "numpy": [numpy.__version__, numpy.__file__],
  "own": sorted(d.metadata["Name"] for d in _m.distributions(path=[p for p in _s.path
                if p.startswith(_s.prefix)])),
  "package": getattr(_s.modules.get("ddpm_lite"), "__file__", ""), "prefix": _s.prefix}))"""


def main(name, wheel, set_up, twice):
    book = nbformat.read(name, as_version=4)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    install = next(cell for cell in code if cell.id == "install")
    install.source, count = re.subn(r"git\\+https://[^\\"]+", wheel, install.source)
    assert count == 1, "the install cell names no address"
    code = code[:2] if int(set_up) else code
    state = nbformat.v4.new_code_cell(STATE)
    client, seconds = NotebookClient(book, timeout=600, kernel_name="python3"), []
    book.cells.append(state)

    def run(cell, index):
        start = time.monotonic()
        client.execute_cell(cell, index)
        return time.monotonic() - start

    def seen():
        state.outputs = []
        run(state, len(book.cells) - 1)
        return json.loads("".join(o.text for o in state.outputs if o.get("name") == "stdout"))

    before = json.loads(subprocess.check_output([sys.executable, "-c", STATE], text=True))
    with client.setup_kernel():
        for again in range(1 + int(twice)):
            seconds += [run(cell, book.cells.index(cell)) for cell in code]
        after = seen()
    said = "".join(o.get("text", "") for o in install.outputs)
    print(json.dumps({"seconds": seconds, "before": before, "after": after, "said": said}))
'''


def faults(result: dict) -> list[str]:
    """What Colab's reader would not want to happen."""
    before, after = result["before"], result["after"]
    found = [f"{k} was changed" for k in ("torch", "numpy") if before[k] != after[k]]
    new = set(after["own"]) - set(before["own"])
    if new != {"ddpm-lite"}:
        found.append(f"installed {sorted(new)}, expected ddpm-lite alone")
    if not after["package"].startswith(after["prefix"]):
        found.append(f"the package came from {after['package']}")
    return found


def main(argv: list[str] | None = None) -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("notebooks", nargs="+", type=Path)
    parser.add_argument("--set-up", action="store_true", help="run only the two set-up cells")
    parser.add_argument("--twice", action="store_true", help="run all cells a second time")
    args = parser.parse_args(argv)
    failed = False
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        package = wheel(folder)
        print("notebook            install  set-up  all cells", flush=True)
        for path in args.notebooks:
            python = environment(folder / path.stem)
            try:
                result = execute(path, python, package, args.set_up, args.twice)
            except SystemExit as error:
                print(f"{path.stem:18}  {error}", flush=True)
                failed = True
                continue
            install, setup = result["seconds"][:2]
            total = sum(result["seconds"])
            print(f"{path.stem:18}  {install:5.1f} s  {setup:4.1f} s  {total:7.1f} s", flush=True)
            for fault in faults(result):
                print(f"{path.stem:18}  {fault}", flush=True)
                failed = True
            shutil.rmtree(folder / path.stem)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
