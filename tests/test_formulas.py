"""No formula is written twice: each of these patterns is in the one function that it names.

A pattern matches whatever the variables are called, in either order of a sum or a product, with the
root as ``.sqrt()``, ``torch.sqrt`` or ``** 0.5``, and also where parts of it have local names.
"""

import ast
import functools
import itertools
from pathlib import Path

import pytest

import ddpm_lite

PACKAGE = Path(ddpm_lite.__file__).parent
MODULES = {
    path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8")
    for path in PACKAGE.rglob("*.py")
}

# name: (patterns, in which a small letter stands for any expression; the functions that have one)
FORMULAS = {
    "the forward process, and its rotation": (
        ["a.sqrt() * x + (1 - a).sqrt() * e"],
        {"diffusion.py: q_sample", "sampling.py: from_v", "editing.py: renoised"}),  # from s to t
    "x0 from eps": (
        ["(x - (1 - a).sqrt() * e) / a.sqrt()"], {"diffusion.py: predict_x0"}),
    "eps from x0": (
        ["(x - a.sqrt() * y) / (1 - a).sqrt()"], {"diffusion.py: predict_eps"}),
    "v": (
        ["a.sqrt() * e - (1 - a).sqrt() * x"], {"diffusion.py: v_target"}),
    "the variance of the posterior": (
        ["(1 - b) / (1 - a) * (1 - a / b)", "(1 - b) * (1 - a / b) / (1 - a)"],
        {"diffusion.py: posterior_variance"}),
    "the loss": (
        ["F.mse_loss(p, q)", "torch.nn.functional.mse_loss(p, q)", "nn.MSELoss()(p, q)"],
        {"diffusion.py: ddpm_loss", "flow.py: flow_loss", "likelihood.py: hybrid_loss"}),
    "the atomic write": (
        ["os.replace(p, q)", "os.rename(p, q)", "shutil.move(p, q)"],
        {"checkpoint.py: write_atomic"}),
}  # fmt: skip


class Normal(ast.NodeTransformer):
    """Roots as ``.sqrt()``, and local names that are bound once as what they stand for."""

    def __init__(self, local: dict[str, ast.expr]):
        self.local = local

    def visit_Name(self, node):
        return self.visit(self.local[node.id]) if node.id in self.local else node

    def visit_Call(self, node):
        self.generic_visit(node)
        if ast.unparse(node.func) in ("torch.sqrt", "math.sqrt") and len(node.args) == 1:
            return root(node.args[0])
        return node

    def visit_BinOp(self, node):
        self.generic_visit(node)
        half = isinstance(node.op, ast.Pow) and ast.unparse(node.right) == "0.5"
        return root(node.left) if half else node


def root(value: ast.expr) -> ast.expr:
    return ast.Call(ast.Attribute(value, "sqrt", ast.Load()), [], [])


def local_names(function: ast.FunctionDef) -> dict[str, ast.expr]:
    """What is bound once, by itself or as part of a tuple, not by a loop or as an argument."""
    bound, count = {}, {}
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            count[node.id] = count.get(node.id, 0) + 1
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            a, b = node.targets[0], node.value
            tuples = isinstance(a, ast.Tuple) and isinstance(b, ast.Tuple)
            pairs = zip(a.elts, b.elts, strict=True) if tuples else [(a, b)]
            bound |= {name.id: value for name, value in pairs if isinstance(name, ast.Name)}
    arguments = {a.arg for a in [*function.args.args, *function.args.kwonlyargs]}
    own = {n.id for name, v in bound.items() for n in ast.walk(v) if getattr(n, "id", "") == name}
    return {n: v for n, v in bound.items() if count[n] == 1 and n not in arguments | own}


def matches(pattern, node, letters: dict[str, str]) -> bool:
    """Whether the node is an instance of the pattern; ``letters`` receives what each stands for."""
    if isinstance(pattern, ast.Name) and len(pattern.id) == 1 and pattern.id.islower():
        return letters.setdefault(pattern.id, ast.dump(node)) == ast.dump(node)
    if isinstance(pattern, ast.Constant):
        return isinstance(node, ast.Constant) and node.value == pattern.value
    if type(pattern) is not type(node):
        return False
    if isinstance(pattern, ast.BinOp) and isinstance(pattern.op, (ast.Add, ast.Mult)):
        for sides in ((node.left, node.right), (node.right, node.left)):
            trial = dict(letters)
            pairs = zip((pattern.left, pattern.right), sides, strict=True)
            if type(pattern.op) is type(node.op) and all(matches(p, n, trial) for p, n in pairs):
                letters.update(trial)
                return True
        return False
    parts = [[v if isinstance(v, list) else [v] for _, v in ast.iter_fields(x)]
             for x in (pattern, node)]  # fmt: skip
    ours, theirs = (list(itertools.chain(*part)) for part in parts)
    return len(ours) == len(theirs) and all(
        matches(p, n, letters) if isinstance(p, ast.AST) else p == n
        for p, n in zip(ours, theirs, strict=True)
        if not isinstance(p, ast.expr_context)
    )


@functools.cache
def functions(text: str) -> list[tuple[str, list[ast.expr]]]:
    """The outermost functions of a file, each with all its expressions."""
    all_of = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef)]
    inner = {n for f in all_of for n in ast.walk(f) if n is not f}
    normal = [(f.name, Normal(local_names(f)).visit(f)) for f in all_of if f not in inner]
    return [(name, [n for n in ast.walk(f) if isinstance(n, ast.expr)]) for name, f in normal]


def places(patterns: list[str], modules: dict[str, str]) -> set[str]:
    """The outermost functions in which one of the patterns occurs."""
    wanted = [ast.parse(pattern, mode="eval").body for pattern in patterns]
    return {
        f"{file}: {name}"
        for file, text in modules.items()
        for name, nodes in functions(text)
        if any(matches(pattern, node, {}) for pattern in wanted for node in nodes)
    }


@pytest.mark.parametrize("name", FORMULAS)
def test_each_formula_is_written_once(name):
    patterns, expected = FORMULAS[name]
    assert places(patterns, MODULES) == expected


@pytest.mark.parametrize("name, copy", {
    "the forward process, and its rotation": "xt = torch.sqrt(1 - ab) * noise + ab.sqrt() * data",
    "x0 from eps": "s, n = ab[t] ** 0.5, (1 - ab[t]) ** 0.5; x0 = (x - eps * n) / s",
    "eps from x0": "s = ab.sqrt(); return (x.float() - s * net(x)) / (1.0 - ab).sqrt()",
    "v": "return schedule.at(t, x).sqrt() * e - (1 - schedule.at(t, x)).sqrt() * x",
    "the variance of the posterior": "a = g(t); b = g(s); return (1 - a / b) * ((1 - b) / (1 - a))",
    "the loss": "loss = F.mse_loss(net(x, t), eps)",
    "the atomic write": "if done: os.replace(path + '.part', path)",
}.items())  # fmt: skip
def test_a_second_copy_is_seen(name, copy):
    """In other words, in another file, inside a method."""
    body = "".join(f"\n        {line.strip()}" for line in copy.split(";"))
    modules = {"train.py": "", "cli/new.py": f"class A:\n    def again(self):{body}\n"}
    assert places(FORMULAS[name][0], modules) == {"cli/new.py: again"}
    others = [
        places(patterns, modules) for other, (patterns, _) in FORMULAS.items() if other != name
    ]
    assert not any(others)  # and it isn't taken for another one
