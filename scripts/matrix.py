"""Run the notebooks under conditions that differ between machines, and compare outputs strictly.

    python scripts/matrix.py                          # all rows on all notebooks, about 2 hours
    python scripts/matrix.py --rows avx2 offline      # some rows
    python scripts/matrix.py --rows jitter --seeds 20 notebooks/05_training.ipynb
    python scripts/matrix.py --python other/bin/python --rows plain   # another Python or PyTorch

Each row changes one condition:

    plain       nothing is changed
    threads-N   N threads, although a notebook asks for one
    default     an older kind of processor (ATEN_CPU_CAPABILITY)
    avx2        another older kind
    jitter      every weight that an optimizer gets is multiplied by 1 + 1e-6 u, which imitates
                other processors
    locale      the encoding isn't UTF-8
    homeless    the home folder can't be written
    read-only   the project folder can't be written (needs Linux's unshare)
    offline     there's no network (needs Linux's unshare)
    path        the name of the folder has a space and an umlaut
    umask       only their owner can read new files
    changed     one digit of one output of each notebook is changed, and nbval must notice it

For each row, the script prints how many notebooks passed, how many cells differ, and the largest
memory of a process so far.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("ddpm_lite", "notebooks", "tests/nbval-sanitize.cfg", "conftest.py", "pyproject.toml")
OFFLINE = ["unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
MOUNT = 'mount --bind . . && mount -o remount,ro,bind . && cd "$PWD" && exec "$@"'
READ_ONLY = ["unshare", "-rm", "sh", "-c", MOUNT, "sh"]
THREADS = """
import torch
torch.set_num_threads({n})
torch.set_num_threads = lambda n: None
"""
JITTER = """
import torch
draws, add = torch.Generator().manual_seed({seed}), torch.optim.Optimizer.add_param_group
def jittered(self, group):
    add(self, group)
    with torch.no_grad():
        for weight in self.param_groups[-1]["params"]:
            noise = torch.rand(weight.shape, generator=draws).to(weight)
            weight.mul_(1 + 1e-6 * noise)
torch.optim.Optimizer.add_param_group = jittered
"""
ROWS: dict[str, dict] = {  # variables, code that each kernel runs first, how the command begins
    "plain": {},
    "threads-2": {"start": THREADS.format(n=2)},
    "threads-4": {"start": THREADS.format(n=4)},
    "default": {"env": {"ATEN_CPU_CAPABILITY": "default"}},
    "avx2": {"env": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}},
    "jitter": {"start": JITTER},
    "locale": {"env": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}},
    "homeless": {"env": {"HOME": "/proc/nohome"}},
    "offline": {"before": OFFLINE},
    "read-only": {"before": READ_ONLY},
    "path": {"folder": "ein Büchlein"},
    "umask": {"umask": 0o077},
    "changed": {"changed": True},
}


def copied(folder: Path, notebooks: list[Path], changed: bool) -> Path:
    """A copy of the project in another folder, with only these notebooks."""
    folder.mkdir(parents=True)
    for part in PARTS:
        whole = shutil.copytree if (ROOT / part).is_dir() else shutil.copy2
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        whole(ROOT / part, folder / part)
    for path in (folder / "notebooks").glob("*.ipynb"):
        if path.name not in {notebook.name for notebook in notebooks}:
            path.unlink()
        elif changed:
            change(path)
    return folder


def change(path: Path) -> None:
    """Change the last digit that a cell printed, or the last letter where there is no digit."""
    notebook = nbformat.read(path, as_version=4)
    cells = [c for c in notebook.cells if "nbval-ignore-output" not in c.metadata.get("tags", [])]
    outputs = [output for cell in cells for output in cell.get("outputs", []) if "text" in output]
    for kind in (r"\d", r"\w"):
        found = [(o, m) for o in outputs for m in re.finditer(kind, o.text.partition("took")[0])]
        if found:
            break
    output, match = found[-1]
    other = str((int(match[0]) + 1) % 10) if match[0].isdigit() else "x" * (match[0] != "x") or "y"
    output.text = output.text[: match.start()] + other + output.text[match.end() :]
    nbformat.write(notebook, path)


def tried(name: str, row: dict, notebooks: list[Path], python: str, seed: int) -> bool:
    """Run the notebooks under one row's conditions, print its line, and say whether it is good."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        folder = copied(place / row.get("folder", "book"), notebooks, row.get("changed", False))
        start = place / "ipython" / "profile_default" / "startup"
        start.mkdir(parents=True)
        code = row.get("start", "").replace("{seed}", str(seed))
        (start / "00.py").write_text(code, encoding="utf-8")
        own = {"IPYTHONDIR": "ipython", "MPLCONFIGDIR": "mpl", "JUPYTER_RUNTIME_DIR": "run"}
        env = os.environ | {name: str(place / path) for name, path in own.items()}
        env |= {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"} | row.get("env", {})
        subprocess.run([python, "-c", "import matplotlib.font_manager"], env=env, check=True,
                       capture_output=True)  # fmt: skip
        command = [python, "-m", "pytest", "--nbval", "-q", "-p", "no:cacheprovider", "notebooks"]
        done = subprocess.run([*row.get("before", []), *command], cwd=folder, env=env, text=True,
                              capture_output=True, umask=row.get("umask", -1))  # fmt: skip
    failed = re.findall(r"^FAILED notebooks/(\S+?)::Cell (\d+)", done.stdout, re.M)
    bad, n = {file for file, _ in failed}, len(notebooks)
    good = len(bad) == n if row.get("changed") else done.returncode == 0
    passed = n - len(bad) if bad or done.returncode == 0 else 0  # else nothing ran
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    note = " (as it should)" if good and bad else ""
    print(f"{name:12} {passed:3} of {n} notebooks passed, {len(failed)} cells differ, "
          f"{memory:.1f} GB{note}", flush=True)  # fmt: skip
    if not good:
        print(*(f"    {file}: cell {cell}" for file, cell in failed), sep="\n")
        print(*([] if failed else [done.stdout[-2000:], done.stderr[-2000:]]), sep="\n")
    return good


def program(name: str) -> str:
    """An argument type: the absolute path of a program, because its runs begin in other folders."""
    if not (found := shutil.which(name)):
        raise argparse.ArgumentTypeError(f"there is no program {name}")
    return os.path.abspath(found)


def main() -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("notebooks", nargs="*", type=Path)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds of jitter")
    parser.add_argument("--python", type=program, default=sys.executable)
    args = parser.parse_args()
    notebooks = args.notebooks or sorted((ROOT / "notebooks").glob("*.ipynb"))
    good = True
    for name in args.rows:
        for seed in range(args.seeds if name == "jitter" else 1):
            line = f"jitter {seed}" if name == "jitter" else name
            good &= tried(line, ROWS[name], notebooks, args.python, seed)
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
