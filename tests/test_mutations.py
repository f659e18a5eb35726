"""A test that cannot fail proves nothing: each bug of the tables in mutations/, put into the
package, is caught.

A row is keyed by a function and a piece of its code, not by lines of text: reformatting, comments
and the words of messages don't matter. E1 … E24 are the mistakes that popular tutorials really
make; the book shows them in its chapters.
"""

import ast
import importlib
import sys
from pathlib import Path

import pytest
from mutants import PACKAGE, change, load, package, run

TABLES = {}  # file of the package: its bugs
for path in sorted(Path(__file__).with_name("mutations").glob("*.py")):
    table = importlib.import_module(f"mutations.{path.stem}")
    TABLES |= getattr(table, "FILES", {f"{path.stem}.py": getattr(table, "BUGS", {})})
MUTANTS = {
    bug: (file, where, old, new, test if "::" in test else f"test_{Path(file).stem}.py::{test}")
    for file, table in TABLES.items()
    for bug, (where, old, new, test) in table.items()
}
pytestmark = [
    pytest.mark.mutation,
    pytest.mark.filterwarnings("ignore:Detected pickle protocol"),  # of forged checkpoints
]


@pytest.fixture
def shared(request, tmp_path_factory):
    """The value of a fixture by name; a new folder each time, and what the mutant makes itself."""

    def value(name):
        import ddpm_lite  # the mutant, where this is called

        if name == "tmp_path":
            return tmp_path_factory.mktemp("again")
        if name == "classifier":
            return ddpm_lite.Classifier()
        return (
            ddpm_lite.load_images("digits") if name == "digits" else request.getfixturevalue(name)
        )

    yield value
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


def test_each_bug_has_a_name_of_its_own():
    """Else a row of one table would hide a row of another."""
    assert len(MUTANTS) == sum(map(len, TABLES.values()))


@pytest.mark.parametrize("file, where, old, new, test", MUTANTS.values(), ids=MUTANTS)
def test_this_bug_is_caught(file, where, old, new, test, shared):
    """The package with this one change fails the named test."""
    of, name = test.split("::")
    with package(change(file, where, old, new)):
        tests = load(of)
        with pytest.raises((Exception, pytest.fail.Exception)) as failure:
            run(tests, name, shared)
    assert not isinstance(failure.value, NameError)  # that would be a bug of the table


@pytest.mark.parametrize("file", sorted({test.split("::")[0] for *_, test in MUTANTS.values()}))
def test_the_package_as_it_is_passes(file, shared):
    """The control: run in the same way, without a bug, the same tests pass."""
    names = {t.split("::")[1] for *_, t in MUTANTS.values() if t.split("::")[0] == file}
    with package({}):
        tests = load(file)
        for name in sorted(names):
            run(tests, name, shared)


class Reworded(ast.NodeTransformer):
    """The same code with other words: no docstrings, and the same sentence for every message."""

    def visit_JoinedStr(self, node):
        return ast.Constant("another sentence")

    def visit_Expr(self, node):
        return ast.Pass() if isinstance(node.value, ast.Constant) else self.generic_visit(node)


@pytest.mark.parametrize("file", sorted({file for file, *_ in MUTANTS.values()}))
def test_rewording_and_reformatting_break_no_row(file):
    """Each row finds its place in the file without comments, docstrings, messages and layout."""
    tree = Reworded().visit(ast.parse((PACKAGE / file).read_text(encoding="utf-8")))
    text = ast.unparse(ast.fix_missing_locations(tree)).replace("    ", "\t")
    for of, where, old, new, _ in MUTANTS.values():
        if of == file and "f'" not in old and 'f"' not in old:
            assert change(file, where, old, new, text)[file] != text
