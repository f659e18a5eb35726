"""The promises of the package as a whole: its import rule, its size, its manners on import."""

import ast
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import ddpm_lite

PACKAGE = Path(ddpm_lite.__file__).parent
FILES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")}


def unit(path: Path) -> str:
    """A file of the package, or a folder with all its files, by name."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


CORE = {"diffusion", "nets"}
ASSEMBLE = {"__init__", "__main__", "pretrained", "cli", "exercises"}  # these put leaves together
UNITS = {unit(path) for path in FILES}
LEAVES = sorted(UNITS - ASSEMBLE)
each_leaf = pytest.mark.parametrize("leaf", LEAVES)

# What each leaf may import besides the standard library and torch: its row in the design.
EXTRA = {
    "nets": {"einops"},
    "transformer": {"einops"},
    "finetune": {"einops"},
    "tokens": {"einops"},
    "token_net": {"einops"},
    "audio": {"einops"},
    "data": {"sklearn", "torchvision", "PIL", "numpy"},
    "checkpoint": {"torchvision", "numpy"},
    "metrics": {"torchvision"},
    "scenes": {"einops"},
    "text": {"einops"},
    "plot": {"matplotlib", "IPython", "ipywidgets"},
    "interop": {"diffusers", "safetensors"},
}

# The import rule


def imports(path: Path) -> set[str]:
    """What a file imports, as absolute names: ddpm_lite.nets, torch, …"""
    found, inside = set(), path.relative_to(PACKAGE.parent).parts
    for node in ast.walk(FILES[path]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = [*inside[: len(inside) - node.level]] if node.level else []
            module = ".".join(module + ([node.module] if node.module else []))
            found |= {f"{module}.{alias.name}" for alias in node.names}
    return found


def graph() -> dict[str, set[str]]:
    """For each unit, the other units that it imports; "?" stands for the whole package."""
    edges = {}
    for path in sorted(FILES):
        names = {name for name in imports(path) if name.partition(".")[0] == PACKAGE.name}
        units = {name.split(".")[1] if "." in name else "?" for name in names}
        units = {name if name in UNITS else "?" for name in units} - {unit(path)}
        edges.setdefault(unit(path), set()).update(units)
    return edges


def drawing() -> str:
    """The graph as text: a line for each unit."""
    return "\n".join(f"{u:>12} <- {', '.join(sorted(v))}" for u, v in sorted(graph().items()))


def test_leaves_import_the_core_alone():
    """diffusion.py and nets.py import nothing of ours, and every other leaf imports only these."""
    wrong = {leaf: graph()[leaf] - (CORE if leaf not in CORE else set()) for leaf in LEAVES}
    assert {leaf: names for leaf, names in wrong.items() if names} == {}, "\n" + drawing()


@each_leaf
def test_a_leaf_imports_nothing_beyond_its_row(leaf):
    """The standard library, torch, and the packages of its row in EXTRA."""
    names = set().union(*(imports(path) for path in FILES if unit(path) == leaf))
    tops = {name.partition(".")[0] for name in names} - {PACKAGE.name, "torch"}
    assert tops - sys.stdlib_module_names <= EXTRA.get(leaf, set())


# A copy of a leaf and of the core works, in a folder of its own name, without the package

# A piece of real work for each leaf. The folder "mine" has this leaf, diffusion.py and nets.py.
WORK = {
    "diffusion": """
from mine.diffusion import *
schedule = cosine_schedule(50)
assert ddpm_loss(lambda x, t: 0 * x, schedule, torch.randn(500, 2)) > 0.8
assert sample(lambda x, t: x, schedule, torch.randn(3, 2), 5, ddim_step).isfinite().all()
""",
    "nets": """
import torch
from mine.nets import *
x, t = torch.randn(2, 1, 8, 8), torch.tensor([1, 9])
assert UNet(1, 8, (1, 2), attention=(1,), num_classes=3)(x, t).shape == x.shape
assert MLP()(torch.randn(4, 2), torch.arange(1, 5), None).shape == (4, 2)
""",
    "sampling": """
import torch
from mine.diffusion import cosine_schedule, sample
from mine.sampling import *
s = cosine_schedule()
model = guided(from_x0(lambda x, t, y=None: 0.5 + 0 * x, s), torch.zeros(3), 1.0)
for step in heun(model), dpmpp_2m():
    assert (sample(model, s, torch.randn(3, 2), 10, step) - 0.5).abs().max() < 1e-3
assert drop_labels(torch.zeros(9), 1.0, 7).tolist() == [7] * 9
""",
    "flow": """
import torch
from mine.flow import *
x0, x1 = torch.zeros(500, 2), torch.ones(500, 2)
assert flow_loss(lambda x, t: x * 0, x0, x1) == 1
assert sample_flow(lambda x, u: torch.ones_like(x), x1, 4).abs().max() < 1e-6
assert straightness(lambda x, u: torch.ones_like(x), x1) < 1e-9
""",
    "vae": """
import torch
from mine.vae import *
vae, x = conv_vae(width=8), torch.randn(2, 1, 12, 16)
assert vae_loss(vae, x) > 0 and importance_bound(vae, x, 2).shape == (2,)
vae.scale.copy_(latent_scale(vae, x))
assert from_latent(vae, to_latent(vae, x)).shape == x.shape
assert kl_to_prior(*dense_vae().posterior(torch.randn(2, 1, 8, 8))).shape == (2, 8)
""",
    "gan": """
import torch
from mine.gan import *
g, d, z = small_generator(8, 4), small_discriminator(4), torch.randn(9, 8)
to_g, to_d = (torch.optim.Adam(net.parameters(), 1e-3) for net in (g, d))
assert 0 < discriminator_step(g, d, to_d, torch.randn(9, 1, 8, 8), z) < 9
assert generator_step(g, d, to_g, z, minimax_loss) < 0 < generator_step(g, d, to_g, z)
""",
    "transformer": """
import torch
from mine.transformer import *
x, t = torch.randn(2, 3, 4, 8), torch.tensor([1, 9])
assert torch.equal(unpatchify(patchify(x, 2), 2, 2), x)
assert DiT(3, 2, 16, 1, num_classes=3)(x, t, torch.tensor([0, 3])).shape == x.shape
""",
    "finetune": """
import torch
from mine.nets import UNet
from mine.finetune import *
net, x, t = UNet(1, 8, (1, 2), num_classes=3), drawings(HEARTS), torch.arange(1, 11)
assert add_lora(net, ("conv1",), 2) and add_label(net) == 3
assert (plain(net)(x, t) - net(x, t)).abs().max() < 1e-5
""",
    "control": """
import torch
from mine.nets import UNet
from mine.control import *
net, x, t = UNet(1, 8, (1, 2), num_classes=3), torch.rand(2, 1, 8, 8), torch.tensor([1, 9])
assert Control(net)(x, t, None, edges(x)).shape == x.shape
""",
    "pages": """
from mine.diffusion import cosine_schedule
from mine.nets import UNet
from mine.pages import *
file = playground_file(UNet(1, 8, (1, 2), num_classes=11), cosine_schedule(1000), ("♥",))
assert file.startswith('{"T":1000,')
""",
    "tokenizer": """
from mine.tokenizer import *
y = Tokenizer(["red", "seven", "s"], length=6)(["red sevens", ""])
assert y.tolist() == [[1, 2, 3, 4, 0, 0], [1, 0, 0, 0, 0, 0]]
""",
    "text": """
import torch
from mine.text import *
y = torch.tensor([[1, 2, 3, 4, 0, 0], [1, 0, 0, 0, 0, 0]])
net = TextUNet(5, width=8, mults=(1, 2), attention=(1,), dim=8, length=6)
x, t = torch.randn(2, 3, 8, 8), torch.tensor([1, 9])
assert net(x, t, y).shape == x.shape and len(attention_maps(net, x, t, y)) == 4
""",
    "scenes": """
import torch
from mine.scenes import *
x, y = torch.rand(20, 1, 8, 8), torch.arange(20) % 10
images, captions = make_scenes(5, x, y)
assert images.shape == (5, 3, 16, 16)
assert 0 <= score_scenes(Reader().read(images), captions)["digits"] <= 1
""",
    "distill": """
import torch
from mine.diffusion import cosine_schedule
from mine.distill import *
s, x = cosine_schedule(), torch.zeros(50, 2)
f = consistency(lambda x, t: x * 0, s)
assert f(x + 1, torch.zeros(50).long()).eq(1).all()
assert consistency_loss(f, f, s, x, [1000, 500, 0]) >= 0
assert [t for t, _, _ in hops(f, s, x, [1000, 500, 0])] == [1000, 500]
one = lambda x, u, s: torch.ones_like(x)
assert mean_flow_loss(one, x, *mean_flow_times(50), x + 1) < 1e-9
""",
    "token_net": """
import torch
from mine.token_net import *
x = torch.tensor([[0, 2, -1, -1]])
assert TokenNet(3, 4, 16, 1)(x).shape == (1, 4, 3)
assert TokenNet(3, 4, 16, 1, 4, 2, True, True)(x, torch.tensor([1])).isfinite().all()
""",
    "tokens": """
import torch
from mine.tokens import *
net, x = lambda x: torch.zeros(*x.shape, 3), torch.full((5, 4), MASK)
assert masked_loss(net, torch.zeros(64, 4, dtype=torch.long)) > 0.5
*_, filled = unmask(net, x, 2)
assert filled.min() >= 0 and filled.max() <= 2
assert decode(encode("a noisy _ mage")) == "a noisy _ mage"
""",
    "audio": """
import torch
from mine.audio import *
x = torch.sin(torch.arange(3200) / 3)[None]
assert (istft(stft(x)) - x).abs().max() < 1e-4 and log_mel(x).shape == (1, 1, 32, 20)
assert griffin_lim(magnitudes(log_mel(x)), 2).shape == x.shape
assert torch.allclose(from_blocks(as_blocks(x)), x) and to_int16(x).dtype == torch.int16
""",
    "sounds": """
from mine.sounds import *
x, y = load_audio("drums", n=6)
assert x.shape == (6, 3200) and y.tolist() == [0, 1, 2, 0, 1, 2]
""",
    "likelihood": """
import torch
from mine.diffusion import cosine_schedule
from mine.likelihood import *
s, x = cosine_schedule(50), torch.randn(4, 2)
model = lambda x, t: (1 - s.at(t, x)).sqrt() * x
truth = 0.5 * (x**2 + 1.8379).sum(1)
assert (bound(fixed_variance(model, s), s, x).sum(0) - truth).abs().max() < 9
assert (ode_log_prob(model, s, x, range(51)) + truth).abs().max() < 0.01
""",
    "score": """
import torch
from mine.score import *
u = torch.linspace(1, 0.001, 200)
x = reverse(vp(), lambda x, u: -x, torch.randn(2000, 2), u)  # the data are N(0, 1), like the noise
assert abs(x.std() - 1) < 0.1
""",
    "conventions": """
import torch
from mine.conventions import *
assert convert_level(torch.tensor(0.2), "alpha_bar", "edm").sub(2).abs() < 1e-5
""",
    "editing": """
import torch
from mine.diffusion import cosine_schedule, sample
from mine.editing import *
s, x0, mask = cosine_schedule(100), torch.tensor([[1.0, 2.0]] * 3), torch.tensor([True, False])
model = mixture_model(s, torch.tensor([[1.0, 2.0]]), 0.01)
x = sample(model, s, torch.randn(3, 2), 10, repaint(model, 0 * x0, mask, 2), None)
assert x[:, 0].tolist() == [0] * 3 and (x[:, 1] - 2).abs().max() < 0.2
assert (sdedit(model, s, -x0, 1.0, 10, clip=None) - x0).abs().max() < 0.2
A = matrix_of(lambda x: x.sum(1, keepdim=True), (2,))
assert likelihood(model, s, A, torch.ones(3, 1))(x0, torch.tensor([1, 9, 50])).shape == (3,)
""",
    "train": """
import torch
from mine.train import *
net = torch.nn.Linear(1, 1)
ema, data = EMA(net, 0.5), [(torch.ones(4, 1), torch.ones(4, 1))]
losses = [loss for _, loss in train(net, data, lambda n, x, y: (n(x) - y).square().mean(), 60,
                                    warmup_cosine(0.2), ema)]
assert losses[-1] < 0.1 * losses[0]
""",
    "checkpoint": """
import torch
from mine.checkpoint import *
net = torch.nn.Linear(1, 1)
save_checkpoint("a.pt", **net.state_dict())
assert torch.equal(load_checkpoint("a.pt")["weight"], net.weight)
""",
    "checkpoint, images": """
import torch
from mine.checkpoint import save_images
save_images("a.png", torch.zeros(4, 1, 8, 8))
assert open("a.png", "rb").read(4) == b"\\x89PNG"
""",
    "metrics": """
import torch
from mine.metrics import *
x = torch.randn(50, 3)
assert frechet_distance(x, x + 1) > 2.9 and abs(mmd(x, x)) < 1 and precision_recall(x, x) == (1, 1)
assert nearest(x[:5], x)[1][:, 0].tolist() == [0, 1, 2, 3, 4]
""",
    "classifier": """
import torch
from mine.classifier import *
images, labels = torch.rand(20, 1, 8, 8), torch.arange(20) % 2
assert fit_classifier(images, labels, steps=1).features(images).shape == (20, 64)
""",
    "diagnose": """
import torch
from mine.diffusion import cosine_schedule
from mine.diagnose import *
x = torch.rand(64, 2) * 2 - 1
report = diagnose(lambda x, t: x, cosine_schedule(100), x)
assert "time matters" in [finding.name for finding in report.faults]
""",
    "data": """
from mine.data import *
x, y = load_images("digits")
assert len(x) == 1437 and load_points("two_moons", 9).shape == (9, 2)
""",
    "batches": """
import torch
from mine.batches import batches
x, y = torch.rand(40, 1, 8, 8) - 0.5, torch.arange(40)
rows = next(batches(x, y, 32))
assert torch.equal(x[rows[1]], rows[0])
""",
    "interop": """
import torch
from mine.interop import *
net = torch.nn.Linear(1, 1)
try:
    weights, recipe = from_safetensors(to_safetensors(net, {"mults": (1, 2)}))
    assert torch.equal(weights["weight"], net.weight) and recipe == {"mults": (1, 2)}
except ModuleNotFoundError as error:
    assert str(error) == "safetensors isn't installed: pip install safetensors"
""",
    "plot": """
import matplotlib; matplotlib.use("Agg")
import torch
from mine.plot import *
show_images(torch.rand(5, 1, 8, 8), columns=3)
assert animate(draw_points, [torch.randn(5, 2)] * 4, list("abcd"), 2, 1.0).data[:4] == b"\\x89PNG"
seen = []
explore(lambda ax, value: seen.append(value), [(0, "a"), (9, "b")]).update()
assert set(seen) == {"a"}
""",
}
HEAVY = {"data", "plot", "checkpoint, images", "interop"}  # the rest needs no numpy

# One process for each half: importing torch takes longer than the work. In both, the files of
# "mine" may import only what their row allows.
ALONE = """
import builtins, contextlib, io, json, os, sys, traceback
jobs = json.load(sys.stdin)
light = sys.argv[2] == "light"
if light:
    for name in ["numpy", "matplotlib", "sklearn", "torchvision", "IPython", "ipywidgets", "tqdm"]:
        sys.modules[name] = None  # now importing it fails
import torch
torch.set_num_threads(1)
real, results = builtins.__import__, {}

if light:  # no numpy here: a good place to import the package
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

    def guarded(name, globals=None, locals=None, fromlist=(), level=0, job=job):
        top = name.partition(".")[0]
        if globals and globals.get("__name__", "").startswith("mine.") and not level:
            if not (top in sys.stdlib_module_names or top in {"torch", *job["allowed"]}):
                raise ImportError(f"{globals['__name__']} imports {name}")
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
    for name in [name for name in sys.modules if name.partition(".")[0] == "mine"]:
        del sys.modules[name]
print(json.dumps(results))
"""


def copied(leaf: str, folder: Path) -> Path:
    """``folder`` with a copy of the leaf and of the core in its folder "mine"."""
    (folder / "mine").mkdir()
    for path in (PACKAGE / f"{name}{end}" for name in {leaf, *CORE} for end in (".py", "")):
        if path.is_file():
            shutil.copy(path, folder / "mine")
        elif path.is_dir():
            shutil.copytree(path, folder / "mine" / path.name)
    return folder


@pytest.fixture(scope="session")
def alone(tmp_path_factory):
    """What became of each piece of work, "" or a traceback; and of importing the package."""
    results = {}
    for half, names in (("light", WORK.keys() - HEAVY), ("heavy", HEAVY)):
        jobs = []
        for name in sorted(names & {n for n in WORK if n.partition(",")[0] in LEAVES}):
            leaf = name.partition(",")[0]
            folder = copied(leaf, tmp_path_factory.mktemp("alone"))
            allowed = sorted(EXTRA.get(leaf, set()) | EXTRA["nets"])
            jobs.append(dict(name=name, folder=str(folder), code=WORK[name], allowed=allowed))
        empty = tmp_path_factory.mktemp("empty")
        run = subprocess.run(
            [sys.executable, "-B", "-c", ALONE, str(PACKAGE.parent), half],
            env={**os.environ, "HOME": str(empty), "PYTHONPATH": ""},
            cwd=empty,
            input=json.dumps(jobs),
            capture_output=True,
            text=True,
        )
        assert run.returncode == 0, run.stderr
        results |= json.loads(run.stdout)
    return results


@pytest.mark.parametrize("name", sorted({*LEAVES, "checkpoint, images"}))
def test_a_leaf_copied_with_the_core_works_in_a_folder_of_your_own(alone, name):
    """``from mine.sampling import guided``: three files, torch and the packages of its row."""
    assert alone[name] == ""


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
    """Its docstring, or that of its file, names a chapter or a source. An exception needs none,
    and nor does what only puts leaves together."""
    assert thing.__doc__
    if thing.__module__.split(".")[1] in ASSEMBLE:
        return
    files = thing.__module__, ".".join(thing.__module__.split(".")[:2])  # and that of its folder
    text = thing.__doc__ + "".join(sys.modules[f].__doc__.partition("\n")[2] for f in files)
    source = re.search(r"[Cc]hapters? \d|arXiv|et al\.? \d{4}", text)
    assert source or (inspect.isclass(thing) and issubclass(thing, Exception))


UNTYPED = {"target", "step", "schedule", "conv"}  # any function, any object with .at


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
        arguments = set(inspect.signature(method).parameters) - {"self"} - UNTYPED
        assert arguments <= set(hints), name
        assert name == "__init__" or "return" in hints, name


# Size


def code_lines(path: Path) -> set[int]:
    """The numbers of the lines that are neither blank, nor comment, nor docstring."""
    text = path.read_text(encoding="utf-8").splitlines()
    lines = {i for i, line in enumerate(text, 1) if line.strip() and line.strip()[0] != "#"}
    for node in ast.walk(FILES[path]):
        kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
        if isinstance(node, kinds) and ast.get_docstring(node) is not None:
            lines -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return lines


def functions(path: Path) -> dict[str, int]:
    """Lines of code of each function, with its signature."""
    lines, sizes = code_lines(path), {}
    for node in ast.walk(FILES[path]):
        if isinstance(node, ast.FunctionDef):
            span = set(range(node.lineno, node.end_lineno + 1))
            sizes[f"{node.name}:{node.lineno}"] = len(lines & span)
    return sizes


SLIDE = {"__init__": 30}
SLIDE["train"] = 23  # the loop of chapter 5, read as a whole, with ten arguments
PAGES = {"diffusion.py": 156, "__main__.py": 100}  # the first is printed by students
each_file = pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))


@each_file
def test_no_function_outgrows_a_slide(path):
    """At most 15 lines of code with its signature; a constructor may have 30, and a check of an
    exercise 20, since it's a list of cases with their sentences."""
    sizes, most = functions(path), 20 if unit(path) == "exercises" else 15
    assert {f: n for f, n in sizes.items() if n > SLIDE.get(f.partition(":")[0], most)} == {}


@each_file
def test_no_file_outgrows_its_idea(path):
    """At most 250 lines of code."""
    assert len(code_lines(path)) <= PAGES.get(path.name, 250)


@each_file
def test_nothing_is_checked_by_assert(path):
    """python -O removes asserts, and with them the check; an exercise's asserts are its message."""
    if unit(path) != "exercises":
        assert not [n.lineno for n in ast.walk(FILES[path]) if isinstance(n, ast.Assert)]
