"""Each check of an exercise rejects the untouched stub and the usual wrong answers, and accepts the
solution that the chapter prints; and what a chapter builds by hand is what the package has."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import io
import re
from pathlib import Path

import nbformat
import pytest

import ddpm_lite
from ddpm_lite.exercises.same import USES, of_package

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CHAPTERS = [path for path in NOTEBOOKS if path.stem[2] == "_"]  # a Deeper one has no exercises
WRONG = ROOT / "tests" / "wrong_answers"
SOLUTION = re.compile(
    r"(?:\{dropdown\} |<summary>)Solution (\d+)(?:</summary>)?\n"
    r".*?(?:~~~|```)python\n(.*?)(?:~~~|```)",
    re.S,
)


def cells(path: Path, tag: str) -> list[nbformat.NotebookNode]:
    tagged = [c for c in nbformat.read(path, 4).cells if tag in c.metadata.get("tags", [])]
    return [c for c in tagged if c.cell_type == "code"]


def runnable(source: str) -> str:
    """The code of a cell without the commands of Jupyter."""
    return re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.M)


def solutions(path: Path) -> dict[int, str]:
    text = "\n".join(c.source for c in nbformat.read(path, 4).cells if c.cell_type == "markdown")
    return {int(number): code for number, code in SOLUTION.findall(text)}


def wrong_answers(path: Path) -> dict[int, dict[str, str]]:
    spec = importlib.util.spec_from_file_location("wrong", WRONG / f"{path.stem}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.WRONG


def verdict(path: Path, number: int, answer: str) -> str:
    """What the check of exercise ``number`` prints about ``answer``, after the set-up cells and
    the solutions of the exercises before it."""
    space: dict = {}
    before = "\n".join(code for n, code in sorted(solutions(path).items()) if n < number)
    checks = "\n".join(c.source for c in cells(path, "check")[: number - 1])
    with contextlib.redirect_stdout(io.StringIO()):
        for source in [*(c.source for c in cells(path, "setup")), before, checks, answer]:
            exec(compile(runnable(source), path.name, "exec"), space)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(cells(path, "check")[number - 1].source, path.name, "exec"), space)
    return printed.getvalue()


def cases(kind: str) -> list:
    found = []
    for path in CHAPTERS:
        for number, stub in enumerate(cells(path, "exercise"), 1):
            answers = {
                "stub": {"stub": stub.source},
                "solution": {"solution": solutions(path).get(number)},
                "wrong": wrong_answers(path).get(number, {}),
            }[kind]
            for why, answer in answers.items():
                found.append(pytest.param(path, number, answer, id=f"{path.stem}-{number}-{why}"))
    return found


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_every_chapter_has_three_to_five_exercises_each_with_a_check_and_wrong_answers(path):
    n = len(cells(path, "exercise"))
    assert (3 <= n <= 5 or path.stem.startswith("00") and n == 1) and len(cells(path, "check")) == n
    assert sorted(solutions(path)) == sorted(wrong_answers(path)) == list(range(1, n + 1))
    assert all(wrong_answers(path).values())


@pytest.mark.parametrize(("path", "number", "answer"), cases("stub") + cases("wrong"))
def test_the_check_rejects(path, number, answer):
    said = verdict(path, number, answer)
    assert ("❌" in said or "⬜" in said) and "✅" not in said


@pytest.mark.parametrize(("path", "number", "answer"), cases("solution"))
def test_the_check_accepts_the_printed_solution(path, number, answer):
    assert "✅" in verdict(path, number, answer)


class Bare(ast.NodeTransformer):
    """Leave of a definition what it computes: no docstrings, annotations or checks of arguments."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        node.returns = None
        named = node.args.args + node.args.kwonlyargs
        for argument in filter(None, [*named, node.args.vararg, node.args.kwarg]):
            argument.annotation = None
        node.body = node.body or [ast.Pass()]
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.Assign | None:
        return ast.Assign([node.target], node.value) if node.value else None

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        """Leave out a docstring, or a call of a check."""
        called = ast.unparse(node.value.func) if isinstance(node.value, ast.Call) else ""
        checks = called.split(".")[-1].lstrip("_").startswith(("check", "expect"))
        return None if checks or isinstance(node.value, ast.Constant) else node

    def visit_If(self, node: ast.If) -> ast.If | None:
        """Leave out an if that only raises, or only checks."""
        raises = isinstance(node.body[-1], ast.Raise)
        self.generic_visit(node)
        return None if not node.orelse and (raises or not node.body) else node


def definitions(source: str) -> dict[str, str]:
    tree = ast.parse(runnable(source))
    found: dict[str, ast.stmt] = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name in map(ast.unparse, node.bases):
            found[node.name].body += Bare().visit(node).body  # class A(A): the class goes on
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found[node.name] = Bare().visit(node)
    return {name: ast.dump(node) for name, node in found.items()}


def package_definitions() -> dict[str, str]:
    found: dict[str, str] = {}
    package = ROOT / "ddpm_lite"
    for leaf in [*package.glob("*.py"), *(package / "diagnose").glob("*.py")]:
        found |= definitions(leaf.read_text(encoding="utf-8"))
    return {name: code for name, code in found.items() if name in ddpm_lite.__all__ or name in USES}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_what_a_chapter_builds_is_what_the_package_has(path):
    package = package_definitions()
    code = [c.source for c in nbformat.read(path, 4).cells if c.cell_type == "code"]
    built = definitions("\n".join(code))
    differs = [name for name in built if name in package and built[name] != package[name]]
    assert not differs, f"{path.name} builds {differs} unlike the package"


def test_each_function_that_a_docstring_promises_is_built_in_its_chapter():
    """ "Built in chapter n" in a docstring, and the definition is in notebook n, if it exists."""
    built = {}  # with what its Deeper notebook builds
    for path in NOTEBOOKS:
        code = [c.source for c in nbformat.read(path, 4).cells if c.cell_type == "code"]
        built.setdefault(int(path.stem[:2]), {}).update(definitions("\n".join(code)))
    for name in {*ddpm_lite.__all__, *USES}:
        promise = re.search(r"Built in chapter (\d+)", of_package(name).__doc__ or "")
        if promise and int(promise[1]) in built:
            assert name in built[int(promise[1])], f"chapter {promise[1]} does not build {name}"
