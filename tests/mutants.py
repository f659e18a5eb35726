"""Build ddpm_lite anew, with a line changed, and run a test against it in this process."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import inspect
import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

TESTS = Path(__file__).resolve().parent
PACKAGE = TESTS.parent / "ddpm_lite"


def change(file: str, old: str, new: str) -> dict[str, str]:
    """The text of ``file`` with ``old``, which must stand there exactly once, replaced."""
    text = (PACKAGE / file).read_text(encoding="utf-8")
    if text.count(old) != 1:
        raise LookupError(f"{file} has {text.count(old)} times, not once: {old}")
    return {file: text.replace(old, new)}


class Edited(importlib.machinery.SourceFileLoader):
    """Compiles other text than the file has, or the same text as ``python -O`` would."""

    def __init__(self, name: str, path: str, text: str, optimize: int):
        super().__init__(name, path)
        self.text, self.optimize = text, optimize

    def get_code(self, fullname: str):
        return compile(self.text, self.path, "exec", dont_inherit=True, optimize=self.optimize)


class Finder:
    """Finds the files of the package, edited ones edited."""

    def __init__(self, texts: dict[str, str], optimize: int):
        self.texts, self.optimize = texts, optimize

    def find_spec(self, fullname: str, path=None, target=None):
        package, _, leaf = fullname.partition(".")
        file = PACKAGE / f"{leaf or '__init__'}.py"
        if package != PACKAGE.name or not (file.name in self.texts or self.optimize):
            return None
        text = self.texts.get(file.name) or file.read_text(encoding="utf-8")
        loader = Edited(fullname, str(file), text, self.optimize)
        where = None if leaf else [str(PACKAGE)]
        return importlib.util.spec_from_file_location(
            fullname, file, loader=loader, submodule_search_locations=where
        )


@contextmanager
def package(texts: dict[str, str], optimize: int = 0) -> Iterator[None]:
    """Inside, ``import ddpm_lite`` builds the package from these texts."""
    ours = [name for name in sys.modules if name.partition(".")[0] == PACKAGE.name]
    before = {name: sys.modules.pop(name) for name in ours}
    finder = Finder(texts, optimize)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE.name]:
            del sys.modules[name]
        sys.modules.update(before)


def load(file: str) -> ModuleType:
    """The tests of a file, imported anew, so that they use the package of now."""
    spec = importlib.util.spec_from_file_location(f"again_{Path(file).stem}", TESTS / file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(module: ModuleType, name: str, fixture: Callable[[str], Any]) -> None:
    """Call the test of that name with all its parameters; raise what it raises.

    A small pytest, which costs a millisecond: ``fixture`` gives the value of a shared fixture.
    """
    function = getattr(module, name)
    sets = []  # for each parametrize mark, the arguments that it gives
    for mark in getattr(function, "pytestmark", []):
        if mark.name == "parametrize":
            names = [n.strip() for n in mark.args[0].split(",")]
            rows = [row if len(names) > 1 else [row] for row in mark.args[1]]
            sets.append([dict(zip(names, row, strict=True)) for row in rows])

    def value(name: str) -> Any:
        if name not in vars(module):
            return fixture(name)
        source = inspect.unwrap(vars(module)[name])
        return source(*map(value, inspect.signature(source).parameters))

    for chosen in itertools.product(*sets):
        arguments = {name: x for part in chosen for name, x in part.items()}
        torch.manual_seed(0)
        for name in inspect.signature(function).parameters:
            if name not in arguments:
                arguments[name] = value(name)
        try:
            function(**arguments)
        finally:
            if "monkeypatch" in arguments:
                arguments["monkeypatch"].undo()
