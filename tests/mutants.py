"""Build ddpm_lite anew, with a line changed, and run a test against it in this process."""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import inspect
import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

TESTS = Path(__file__).resolve().parent
PACKAGE = TESTS.parent / "ddpm_lite"


def change(file: str, where: str, old: str, new: str, text: str | None = None) -> dict[str, str]:
    """The text of ``file`` with one thing changed in the function ``where``, such as "UNet.forward"
    or "" for the whole file. What is compared is code, not text: blanks, comments, docstrings and
    the words of messages don't matter.

    Args:
        old: an expression, statements, a keyword argument, or a decorator such as "@cache"; it must
            occur exactly once.
        new: what it becomes; statements and decorators that become "" are left out.
    """
    text = (PACKAGE / file).read_text(encoding="utf-8") if text is None else text
    tree = ast.parse(text)
    places = [*_places(_find(tree, where), old, new)]
    if len(places) != 1:
        raise LookupError(f"{file}, {where}: has {len(places)} times, not once: {old}")
    places[0]()
    return {file: ast.unparse(tree)}


def _find(tree: ast.AST, where: str) -> ast.AST:
    """The function or class of that dotted name."""
    for name in filter(None, where.split(".")):
        named = [n for n in ast.walk(tree) if getattr(n, "name", None) == name]
        if len(named) != 1:
            raise LookupError(f"there are {len(named)} functions {name!r}")
        tree = named[0]
    return tree


def _places(scope: ast.AST, old: str, new: str) -> Iterator[Callable[[], None]]:
    """For each place where ``old`` is, a function that puts ``new`` there."""
    if old.startswith("@"):
        yield from _decorators(scope, ast.unparse(ast.parse(old[1:])))
        return
    try:
        before, after = (ast.parse(text, mode="eval").body for text in (old, new))
    except SyntaxError:
        yield from [*_statements(scope, old, new)] or _keywords(scope, old, new)
        return
    for node in ast.walk(scope):
        for field, value in ast.iter_fields(node):
            for i, part in enumerate(value if isinstance(value, list) else [value]):
                if isinstance(part, ast.expr) and ast.unparse(part) == ast.unparse(before):
                    if isinstance(value, list):
                        yield partial(value.__setitem__, i, after)
                    else:
                        yield partial(setattr, node, field, after)


def _decorators(scope: ast.AST, old: str) -> Iterator[Callable[[], None]]:
    for decorator in scope.decorator_list:
        if ast.unparse(decorator) == old:
            yield partial(scope.decorator_list.remove, decorator)


def _statements(scope: ast.AST, old: str, new: str) -> Iterator[Callable[[], None]]:
    before = [ast.unparse(statement) for statement in ast.parse(old).body]
    for node in ast.walk(scope):
        for body in (getattr(node, "body", None), getattr(node, "orelse", None)):
            for i in range(len(body) if isinstance(body, list) else 0):
                span = slice(i, i + len(before))
                if [ast.unparse(statement) for statement in body[span]] == before:
                    yield partial(body.__setitem__, span, ast.parse(new or "pass").body)


def _keywords(scope: ast.AST, old: str, new: str) -> Iterator[Callable[[], None]]:
    before, after = (ast.parse(f"f({text})", mode="eval").body.keywords for text in (old, new))
    for node in ast.walk(scope):
        for i, keyword in enumerate(node.keywords if isinstance(node, ast.Call) else []):
            if before and ast.unparse(keyword) == ast.unparse(before[0]):
                yield partial(node.keywords.__setitem__, slice(i, i + 1), after)


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
        package, *parts = fullname.split(".")
        folder = PACKAGE.joinpath(*parts)
        file = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
        name = file.relative_to(PACKAGE).as_posix()
        if package != PACKAGE.name or not (name in self.texts or self.optimize):
            return None
        text = self.texts.get(name) or file.read_text(encoding="utf-8")
        loader = Edited(fullname, str(file), text, self.optimize)
        where = [str(folder)] if folder.is_dir() else None
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
    """Call the test of that name with all its parameters, or as "test[id]" with one row of them;
    raise what it raises.

    A small pytest, which costs a millisecond: ``fixture`` gives the value of a shared fixture.
    """
    name, _, only = name.removesuffix("]").partition("[")
    function = getattr(module, name)
    sets = []  # for each parametrize mark, the arguments that it gives
    for mark in getattr(function, "pytestmark", []):
        if mark.name == "parametrize":
            names = [n.strip() for n in mark.args[0].split(",")]
            rows = [row if len(names) > 1 else [row] for row in mark.args[1]]
            if only:
                ids = mark.kwargs.get("ids", mark.args[1])
                rows = [row for row, id in zip(rows, ids, strict=True) if id == only]
                assert len(rows) == 1, f"{name} has no row {only!r}"
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
