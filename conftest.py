"""Make every way of calling pytest find the package and the output rules."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent

# Notebook kernels are child processes: pytest's `pythonpath` does not reach them.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))


def pytest_configure(config):
    """Name the sanitizer by its absolute path: `cd notebooks && pytest --nbval` works too."""
    config.option.nbval_sanitize_with = str(ROOT / "tests" / "nbval-sanitize.cfg")
