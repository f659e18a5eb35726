"""Run notebooks as Colab does: each by itself, in an environment with torch, without the project.

    python scripts/colab.py notebooks/*.ipynb                   run all cells in order
    python scripts/colab.py --twice notebooks/*.ipynb           run them twice in one kernel
    python scripts/colab.py --set-up notebooks/01_noise.ipynb   run only the two set-up cells

A cell may take 10 minutes and a notebook an hour. After that, it's stopped and reported.

Each notebook gets a new virtual environment that can use the packages of the one that runs this
script, just as Colab has its own torch. The notebook's hidden cell installs the project. Here it
uses a wheel built from the working tree instead of the address on GitHub. A notebook that installs
or changes anything else is reported.
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

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PACKAGE = ("pyproject.toml", "README.md", "LICENSE", "ddpm_lite")
CELL_LIMIT, NOTEBOOK_LIMIT, TOOL_LIMIT = 600, 3600, 300  # seconds


def run(*command: str | int | Path, timeout: int = TOOL_LIMIT, **options) -> str:
    """The output of a command. If it fails, an error quotes its output."""
    command = [str(c) for c in command]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, **options)
    except subprocess.TimeoutExpired:
        raise SystemExit(f"{command[0]} took longer than {timeout} s and was stopped") from None
    if done.returncode:
        said = f"{done.stdout[-3000:]}{done.stderr[-3000:]}"
        raise SystemExit(f"{command[0]} ended with status {done.returncode}:\n{said}")
    return done.stdout


def wheel(folder: Path) -> Path:
    """Build the package from the working tree, without a network, and leave no files behind."""
    source = folder / "source"
    source.mkdir()
    for name in PACKAGE:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    run(*build, "--wheel-dir", folder / "wheels", source)
    return next((folder / "wheels").glob("*.whl"))


def environment(folder: Path) -> Path:
    """Make a virtual environment without the project, and return its Python."""
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
    """Run a copy of the notebook in an empty folder. Returns the seconds and the faults."""
    with tempfile.TemporaryDirectory() as content:
        shutil.copy(path, content)
        env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        env |= {"COLAB_RELEASE_TAG": "stub", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        runner = [python, HERE / "colab_runner.py", path.name, package]
        options = [int(set_up), int(twice), CELL_LIMIT]
        lines = run(*runner, *options, timeout=NOTEBOOK_LIMIT, cwd=content, env=env)
    return json.loads(lines.splitlines()[-1])


def faults(result: dict) -> list[str]:
    """The faults that a reader in Colab would meet."""
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
    if missing := [path for path in args.notebooks if not path.is_file()]:
        parser.error(f"{missing[0]} is not a file. Give notebooks such as 01_noise.ipynb.")
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
