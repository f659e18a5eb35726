"""The promises of the package as a whole: the copy rule, its size, its manners on import."""

import ast
import inspect
import json
import os
import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import ddpm_lite

PACKAGE = Path(ddpm_lite.__file__).parent
ASSEMBLE = ("__init__", "__main__", "pretrained")  # these put leaves together
LEAVES = sorted(p.stem for p in PACKAGE.glob("*.py") if p.stem not in ASSEMBLE)
TREES = {p.stem: ast.parse(p.read_text(encoding="utf-8")) for p in PACKAGE.glob("*.py")}
each_leaf = pytest.mark.parametrize("leaf", LEAVES)

# What each leaf may import besides the standard library and torch: its row in the design.
EXTRA = {"nets": {"einops"}, "data": {"sklearn", "torchvision"}}
EXTRA |= {"plot": {"matplotlib", "IPython"}, "widgets": {"matplotlib", "ipywidgets"}}

# A piece of real work for each leaf, run in a folder where it lies alone.
WORK = {
    "diffusion": """
from diffusion import *
schedule = cosine_schedule(50)
assert ddpm_loss(lambda x, t: 0 * x, schedule, torch.randn(500, 2)) > 0.8
assert sample(lambda x, t: x, schedule, torch.randn(3, 2), 5, ddim_step).isfinite().all()
""",
    "wrappers": """
import torch
from wrappers import *
class Half:
    def at(self, t, x): return torch.tensor(0.5)
eps = clipped(from_v(lambda x, t, y=None: x, Half()), Half())
assert (eps(torch.ones(2, 2), 1) - 2**0.5).abs().max() < 1e-6
assert drop_labels(torch.zeros(9), 1.0, 7).tolist() == [7] * 9
""",
    "solvers": """
import torch
from solvers import *
class Cosine:  # of one data point at 0.5: the noise is known
    def at(self, t, x): return (torch.as_tensor(t, dtype=torch.float64) / 10 * 1.57).cos() ** 2
def eps(x, t): return (x - Cosine().at(t[0], x).sqrt() * 0.5) / (1 - Cosine().at(t[0], x)).sqrt()
for step in heun(eps), dpmpp_2m():
    x = torch.randn(3, 2, dtype=torch.float64)
    for t, s in zip(spaced(10, 5), spaced(10, 5)[1:]):
        x = step(Cosine(), x, t, s, eps(x, torch.full((3,), t)))
    assert (x - 0.5).abs().max() < 1e-3
""",
    "diagnose": """
import torch
from diagnose import *
class Cosine:  # of a hundred steps
    T, alpha_bar = 100, (torch.arange(101) / 100 * 1.57).cos() ** 2
    def at(self, t, x): return self.alpha_bar[t].reshape(-1, *[1] * (x.ndim - 1))
x = torch.rand(64, 2) * 2 - 1
assert [f.name for f in diagnose(lambda x, t: x, Cosine(), x).faults][0] == "time matters"
assert diagnose(told(x, Cosine()), Cosine(), x[:1].repeat(64, 1) * 0).faults[0].name == "data range"
""",
    "train": """
import torch
from train import *
net = torch.nn.Linear(1, 1)
ema, data = EMA(net, 0.5), [(torch.ones(4, 1), torch.ones(4, 1))] * 60
losses = [loss for _, loss in train(net, data, lambda n, x, y: (n(x) - y).square().mean(), 60,
                                    warmup_cosine(0.2), ema)]
assert losses[-1] < 0.1 * losses[0]
save_checkpoint("a.pt", **net.state_dict())
assert torch.equal(load_checkpoint("a.pt")["weight"], net.weight)
""",
    "metrics": """
import torch
from metrics import *
x = torch.randn(50, 3)
assert frechet_distance(x, x + 1) > 2.9 and abs(mmd(x, x)) < 1 and precision_recall(x, x) == (1, 1)
assert nearest(x[:5], x)[1][:, 0].tolist() == [0, 1, 2, 3, 4]
images, labels = torch.rand(20, 1, 8, 8), torch.arange(20) % 2
assert fit_classifier(images, labels, steps=1).features(images).shape == (20, 64)
""",
    "exercises": """
from exercises import grade
@grade
def right(): assert 1 + 1 == 2
assert right is True
""",
    "nets": """
import torch
from nets import *
x, t = torch.randn(2, 1, 8, 8), torch.tensor([1, 9])
assert UNet(1, 8, (1, 2), attention=(1,), num_classes=3)(x, t).shape == x.shape
assert MLP()(torch.randn(4, 2), torch.arange(1, 5), None).shape == (4, 2)
""",
    "data": """
from data import *
x, y = load_images("digits")
assert len(x) == 1437 and load_points("two_moons", 9).shape == (9, 2)
assert next(batches(x, y, 32))[0].shape == (32, 1, 8, 8)
""",
    "plot": """
import matplotlib; matplotlib.use("Agg")
import torch
from plot import *
show_images(torch.rand(5, 1, 8, 8), columns=3)
assert animate(draw_points, [torch.randn(5, 2)] * 4, list("abcd"), 2, 1.0).data[:4] == b"\\x89PNG"
""",
    "widgets": """
import matplotlib; matplotlib.use("Agg")
import matplotlib.pyplot as plt
from widgets import *
seen = []
explore(lambda ax, value: seen.append(value), [(0, "a"), (9, "b")]).update()
assert set(seen) == {"a"}
""",
}

# One process for the core, in which numpy and the like cannot be imported, and one for the rest:
# importing torch takes longer than the work. In both, a leaf may import only what its row allows.
CORE = ["diffusion", "solvers", "wrappers", "train", "metrics", "exercises", "nets", "diagnose"]
CORE += ["diffusion+nets"]
REST = ["data", "plot", "widgets"]

ALONE = """
import builtins, contextlib, io, json, os, sys, traceback
jobs = json.load(sys.stdin)
if all(set(job["allowed"]) <= {"einops"} for job in jobs):
    for name in ["numpy", "matplotlib", "sklearn", "torchvision", "IPython", "ipywidgets", "tqdm"]:
        sys.modules[name] = None  # now importing it fails
import torch
torch.set_num_threads(1)
real, results = builtins.__import__, {}

if "numpy" in sys.modules:  # it cannot be imported here: a good place to import the package
    state, known = torch.get_rng_state(), set(sys.modules)
    with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.redirect_stderr(said):
        sys.path.append(sys.argv[1])
        import ddpm_lite
        sys.path.pop()
    new = {name.partition(".")[0] for name in set(sys.modules) - known}
    results["import"] = {
        "generator": torch.equal(state, torch.get_rng_state()),
        "threads": torch.get_num_threads() == 1,
        "grad": torch.is_grad_enabled() and torch.get_default_dtype() == torch.float32,
        "cuda": torch.cuda.is_initialized(),
        "new": sorted(new), "said": said.getvalue(), "files": os.listdir(),
    }
for name in [name for name in sys.modules if name.startswith("ddpm_lite")]:
    del sys.modules[name]
sys.modules["ddpm_lite"] = None
for job in jobs:
    os.chdir(job["folder"])
    sys.path[0] = job["folder"]
    ours = {os.path.splitext(file)[0] for file in os.listdir()}

    def guarded(name, globals=None, locals=None, fromlist=(), level=0, ours=ours, job=job):
        top = name.partition(".")[0]
        if globals and globals.get("__name__") in ours:  # a leaf imports
            if level or not (top in sys.stdlib_module_names or top in {"torch", *job["allowed"]}):
                raise ImportError(f"{globals['__name__']} imports {'.' * level}{name}")
        return real(name, globals, locals, fromlist, level)

    builtins.__import__ = guarded
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            torch.manual_seed(0)
            exec(job["code"], {"__name__": "student"})
        results[job["name"]] = ""
    except BaseException:
        results[job["name"]] = traceback.format_exc()
    builtins.__import__ = real
    for name in ours:
        sys.modules.pop(name, None)
print(json.dumps(results))
"""

WORK["diffusion+nets"] = """
import torch
from diffusion import *
from nets import *
torch.manual_seed(0)
data = torch.tensor([[-0.8, 0.0], [0.8, 0.3]]).repeat(64, 1)
net, schedule = MLP(2, 64, 2), cosine_schedule()
optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
for _ in range(150):
    loss = ddpm_loss(net, schedule, data)
    optimizer.zero_grad(); loss.backward(); optimizer.step()
x0 = sample(net, schedule, torch.randn(64, 2), 50)
assert torch.cdist(x0, data[:2]).amin(1).median() < 0.25 and 10 < (x0[:, 0] > 0).sum() < 54
"""


@pytest.fixture(scope="session")
def alone(tmp_path_factory):
    """What became of each leaf's work, "" or a traceback; and of importing the package."""
    results = {}
    for names in (CORE, REST):
        jobs = []
        for name in names:
            folder = tmp_path_factory.mktemp("alone")
            for leaf in name.split("+"):
                (folder / f"{leaf}.py").write_bytes((PACKAGE / f"{leaf}.py").read_bytes())
            allowed = set().union(*(EXTRA.get(leaf, set()) for leaf in name.split("+")))
            job = {"name": name, "folder": str(folder), "code": WORK[name]}
            jobs.append({**job, "allowed": sorted(allowed)})
        empty = tmp_path_factory.mktemp("empty")
        run = subprocess.run(
            [sys.executable, "-B", "-c", ALONE, str(PACKAGE.parent)],
            env={**os.environ, "HOME": str(empty), "PYTHONPATH": ""},
            cwd=empty,
            input=json.dumps(jobs),
            capture_output=True,
            text=True,
        )
        assert run.returncode == 0, run.stderr
        results |= json.loads(run.stdout)
    return results


@pytest.mark.parametrize("name", [*LEAVES, "diffusion+nets"])
def test_a_file_copied_into_an_empty_folder_works_there(alone, name):
    """The copy rule: torch and its own row of packages are enough, and two files are a DDPM."""
    assert alone[name] == ""


@each_leaf
def test_a_leaf_imports_no_sibling_and_nothing_beyond_its_row(leaf):
    """The same by reading it: relative imports, and names outside the standard library."""
    for node in ast.walk(TREES[leaf]):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names = [node.module]
        for top in {name.partition(".")[0] for name in names}:
            assert top in sys.stdlib_module_names or top in {"torch"} | EXTRA.get(leaf, set()), top


# Manners


def test_importing_the_package_changes_nothing(alone):
    """No seed, no thread, no file, no output, no warning, no package but einops: not even numpy."""
    found = alone["import"]
    assert found["generator"] and found["threads"] and found["grad"] and not found["cuda"]
    assert set(found["new"]) - set(sys.stdlib_module_names) == {"ddpm_lite", "einops"}
    assert found["said"] == "" and found["files"] == []


def test_all_names_what_is_exported():
    """__all__ is every public name of the leaves that the book builds, sorted, and nothing else."""
    exported = [
        name
        for name, value in vars(ddpm_lite).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    ]
    assert sorted(ddpm_lite.__all__) == sorted(exported)
    assert len(set(ddpm_lite.__all__)) == len(ddpm_lite.__all__)


PUBLIC = [getattr(ddpm_lite, name) for name in ddpm_lite.__all__]
FUNCTIONS = [f for f in PUBLIC if inspect.isfunction(f)]
CLASSES = [c for c in PUBLIC if inspect.isclass(c)]
name_of = pytest.mark.parametrize("thing", FUNCTIONS + CLASSES, ids=lambda thing: thing.__name__)


@name_of
def test_a_public_thing_says_where_it_is_built_or_who_wrote_it_down(thing):
    """Its docstring, or that of its file, names a chapter or a source; an exception needs none."""
    assert thing.__doc__
    text = thing.__doc__ + sys.modules[thing.__module__].__doc__.partition("\n")[2]
    source = re.search(r"[Cc]hapters? \d|arXiv|et al\.? \d{4}", text)
    assert source or (inspect.isclass(thing) and issubclass(thing, Exception))


UNTYPED = {"target", "step", "schedule"}  # any function, any object with .at: named, not typed


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_public_functions_have_type_hints(function):
    """Each argument but those that take any callable, and the result."""
    hints = typing.get_type_hints(function)
    arguments = set(inspect.signature(function).parameters)
    assert arguments - UNTYPED <= set(hints) and "return" in hints


@pytest.mark.parametrize("kind", CLASSES, ids=lambda c: c.__name__)
def test_public_classes_have_type_hints(kind):
    """Each argument of each public method, and what it returns unless it is the constructor."""
    for name, method in vars(kind).items():
        method = method.fget if isinstance(method, property) else inspect.unwrap(method)
        if not inspect.isfunction(method) or name.startswith("_") and name != "__init__":
            continue
        hints = typing.get_type_hints(method)
        assert set(inspect.signature(method).parameters) - {"self"} <= set(hints), name
        assert name == "__init__" or "return" in hints, name


# Size


def code_lines(leaf: str) -> set[int]:
    """The numbers of the lines that are neither blank, nor comment, nor docstring."""
    text = (PACKAGE / f"{leaf}.py").read_text(encoding="utf-8").splitlines()
    lines = {i for i, line in enumerate(text, 1) if line.strip() and line.strip()[0] != "#"}
    for node in ast.walk(TREES[leaf]):
        kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
        if isinstance(node, kinds) and ast.get_docstring(node) is not None:
            lines -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return lines


def functions(leaf: str) -> dict[str, int]:
    """Lines of code of each function without its signature and its docstring."""
    lines, sizes = code_lines(leaf), {}
    for node in ast.walk(TREES[leaf]):
        if isinstance(node, ast.FunctionDef):
            start = node.body[0].lineno
            sizes[f"{node.name}:{node.lineno}"] = len(
                lines & set(range(start, node.end_lineno + 1))
            )
    return sizes


LIMITS = {"__init__": 30, "train": 16}  # the loop of chapter 5 is one line over


@each_leaf
def test_no_function_outgrows_a_slide(leaf):
    """At most 15 lines of code below the signature; a constructor may have 30."""
    sizes = functions(leaf)
    assert {f: n for f, n in sizes.items() if n > LIMITS.get(f.partition(":")[0], 15)} == {}


def test_the_core_fits_on_two_pages():
    """diffusion.py, which a student prints, has at most 130 lines of code."""
    assert len(code_lines("diffusion")) <= 130


@pytest.mark.parametrize("leaf", TREES)
def test_nothing_is_checked_by_assert(leaf):
    """python -O removes asserts, and with them the check."""
    assert not [n.lineno for n in ast.walk(TREES[leaf]) if isinstance(n, ast.Assert)]
