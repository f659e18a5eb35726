"""What the CPU computes, a GPU computes too. Skipped where there is none: `pytest -m cuda`."""

import os
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from ddpm_lite.cli.recipes import RECIPES
from ddpm_lite.cli.run import Run

from ddpm_lite import (  # isort: skip
    cosine_schedule, ddim_step, ddpm_loss, diagnose, fit_classifier, from_v, guided, load_images,
    load_pretrained, predict_eps, predict_x0, q_posterior, q_sample, sample, train, v_target,
)  # fmt: skip

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"),
]
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # for deterministic products
SMALL = replace(RECIPES["digits"], minutes=None, steps=20)


@pytest.fixture(autouse=True)
def exact():
    """Products in full float32, and the algorithms that always give the same bits."""
    precision = torch.get_float32_matmul_precision()
    torch.use_deterministic_algorithms(True)
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    with sdpa_kernel(SDPBackend.MATH):
        yield
    torch.use_deterministic_algorithms(False)
    torch.set_float32_matmul_precision(precision)
    torch.backends.cudnn.allow_tf32 = True


def test_the_formulas_give_the_same_numbers():
    schedule = cosine_schedule()
    x, eps, t = torch.randn(64, 3, 8, 8), torch.randn(64, 3, 8, 8), torch.randint(2, 900, (64,))

    def numbers(device):
        s, a, b, n = (thing.to(device) for thing in (schedule, x, eps, t))
        mean, var = q_posterior(s, a, b, n, n - 1)
        parts = (q_sample(s, a, n, b), predict_x0(s, a, n, b), predict_eps(s, a, n, b), mean, var)
        return [part.cpu() for part in parts]

    for mine, theirs in zip(numbers("cuda"), numbers("cpu"), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name, side", [("digits", 8), ("mnist", 28)])
@pytest.mark.parametrize("w", [0.0, 1.0])
def test_the_same_noise_becomes_the_same_images(name, side, w):
    """Fifty steps of DDIM, with and without guidance; at most 1e-3 apart."""
    net, schedule, _ = load_pretrained(name)
    xT, y = torch.randn(20, 1, side, side), torch.arange(20) % 10
    images = {}
    for device in ("cpu", "cuda"):
        eps = from_v(net.to(device), schedule.to(device))
        model = guided(eps, y.to(device), w) if w else partial(eps, y=y.to(device))
        images[device] = sample(model, schedule.to(device), xT.to(device), 50, ddim_step).cpu()
    off = (images["cuda"] - images["cpu"]).abs().max()
    print(f"{name}, w = {w}: at most {off:.1e} apart")
    assert off < 1e-3


def test_a_classifier_is_fitted_where_the_images_are():
    x, y = (part[:200].cuda() for part in load_images("digits"))
    assert fit_classifier(x, y, steps=2).probabilities(x).is_cuda


def losses(recipe, run=None, to=None):
    """Of a run on the GPU, up to step ``to`` or to the end."""
    run, found = run or Run(recipe, "cuda"), []
    for step, loss in run.advance(*load_images(recipe.data)):
        found.append(loss)
        if step == to:
            break
    return found, run


def test_a_resumed_run_is_the_same_run_bit_for_bit(tmp_path):
    whole, run = losses(SMALL)
    first, half = losses(SMALL, to=10)
    half.save(tmp_path / "checkpoint.pt")
    second, resumed = losses(SMALL, Run.load(tmp_path, "cuda"))
    assert first + second == whole
    weights = zip(run.net.parameters(), resumed.net.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in weights)


@pytest.mark.parametrize("faster, tolerance", [("amp", 0.02), ("channels_last", 0.005)])
def test_what_makes_it_faster_learns_the_same(faster, tolerance):
    """The mean loss of steps 100 to 200, against float32 in the usual layout."""
    recipe = replace(SMALL, steps=200, lr=1e-3)
    plain, _ = losses(recipe)
    other, _ = losses(replace(recipe, **{faster: True}))
    a, b = (sum(values[100:]) / 100 for values in (plain, other))
    print(f"{faster}: mean loss {b:.4f}, plain {a:.4f}")
    assert plain != other and abs(b / a - 1) < tolerance


def test_training_learns_there():
    x, y = (part.cuda() for part in load_images("digits"))
    _, run = losses(replace(SMALL, steps=1))
    schedule, net = cosine_schedule().to("cuda"), run.net
    loss = lambda net, x, y: ddpm_loss(partial(net, y=y), schedule, x, v_target)  # noqa: E731
    rows = [torch.randint(len(x), (64,)) for _ in range(150)]
    values = [v for _, v in train(net, [(x[r], y[r]) for r in rows], loss, 150, lr=4e-3)]
    assert sum(values[-30:]) < 0.7 * sum(values[:30])


def test_a_network_there_converts_as_one_on_the_cpu():
    """To diffusers, and back."""
    pytest.importorskip("diffusers")
    from ddpm_lite.interop import from_diffusers, to_diffusers

    net = load_pretrained("digits")[0]
    here, all_labels = to_diffusers(net, 3), to_diffusers(net)
    there = to_diffusers(net.cuda(), 3)
    for a, b in zip(here.parameters(), there.parameters(), strict=True):
        assert torch.equal(a, b)
    for a, b in zip(net.parameters(), from_diffusers(all_labels.cuda()).parameters(), strict=True):
        torch.testing.assert_close(a.cpu(), b, rtol=1e-5, atol=1e-5)


def test_diagnose_finds_nothing_wrong_with_shipped_weights_there():
    net, schedule, _ = load_pretrained("digits")
    net, schedule, x = net.cuda(), schedule.to("cuda"), load_images("digits")[0].cuda()
    report = str(diagnose(net, schedule, x, target="v"))
    assert "✗" not in report and "bug" not in report.lower(), report
