"""The two lines of a reader: the comparison with the package, and the verdict on an exercise."""

import sys
import types

import pytest
import torch

import ddpm_lite
from ddpm_lite import audio, control, distill, finetune, gan, likelihood, transformer
from ddpm_lite.exercises import grade, plant, same_as_package
from ddpm_lite.exercises.same import USES, of_package


@pytest.fixture
def chapter(monkeypatch):
    """A chapter 99 whose exercise 1 asks for a function that doubles."""
    module = types.ModuleType("chapter_99")

    def exercise_1(double):
        if double(3) != 6:
            raise ValueError(f"twice 3 is 6, not {double(3)}")

    module.exercise_1 = exercise_1
    monkeypatch.setitem(sys.modules, "ddpm_lite.exercises.chapter_99", module)


def stub(x): ...


def stub_with_docstring(x):
    """What it should do."""


class StubClass:
    def forward(self, x): ...


@pytest.mark.parametrize("answer", [stub, stub_with_docstring, StubClass, None, ...])
def test_an_untouched_stub_is_not_tried_yet(chapter, capsys, answer):
    grade("99.1", answer)
    assert capsys.readouterr().out == "⬜ exercise 99.1: not tried yet.\n"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda x: 2 * x, "✅ exercise 99.1: right.\n"),
        (lambda x: x, "❌ exercise 99.1: not yet. twice 3 is 6, not 3\n"),
        (lambda x: 0, "❌ exercise 99.1: not yet. twice 3 is 6, not 0\n"),
        (lambda x: {}[x], "❌ exercise 99.1: not yet. 3\n"),
        (lambda x: next(iter([])), "❌ exercise 99.1: not yet. StopIteration\n"),
    ],
)
def test_an_answer_gets_its_verdict(chapter, capsys, answer, said):
    grade("99.1", answer)
    assert capsys.readouterr().out == said


@pytest.mark.parametrize("number", ["3.9", "42.1", "3", "loss"])
def test_an_exercise_that_there_is_not_is_named(number):
    with pytest.raises(ValueError, match=f"there's no exercise '{number}'; expected a number such"):
        grade(number, abs)


@pytest.mark.parametrize("name", USES)
def test_the_package_agrees_with_itself_and_not_with_what_is_off_by_a_little(name, capsys):
    """A function or class of that name whose first number is off by a thousandth is refused."""
    theirs = of_package(name)
    with pytest.raises(ValueError, match="is the package's own"):
        same_as_package(theirs)

    def renamed(use):
        use.__name__ = name
        return use

    if isinstance(theirs, type):
        same_as_package(renamed(type(name, (theirs,), {})))
    else:
        same_as_package(renamed(lambda *a, **k: theirs(*a, **k)))
    assert capsys.readouterr().out == f"{name} agrees with ddpm_lite.{name}\n"


def test_a_wrong_function_is_told_by_how_much():
    def q_sample(schedule, x0, t, eps):
        alpha_bar = schedule.at(t, x0)
        return alpha_bar.sqrt() * x0 + (1 - alpha_bar) * eps

    with pytest.raises(ValueError, match=r"q_sample differs from .* by up to 0\.\d"):
        same_as_package(q_sample)


FORGOTTEN = [
    (ddpm_lite.Schedule, "/ (1 - self.alpha_bar)", "/ self.alpha_bar.sqrt()"),
    (ddpm_lite.Schedule, "[1] * (x.ndim - 1)", "[1] * x.ndim"),
    (likelihood.bound, "a.sqrt() * x0", "a * x0"),
    (likelihood.hybrid_loss, "prediction.detach()", "prediction"),
    (gan.discriminator_step, "g(z).detach()", "g(z)"),
    (distill.consistency_loss, "with torch.no_grad():", "if True:"),
    (distill.mean_flow_loss, "* slope).detach()", "* slope)"),
    (distill.mean_flow_loss, "error.detach()", "error"),
    (transformer.TokenAttention, "q.shape[-1] ** 0.5", "q.shape[-1]"),
    (finetune.NewLabel, "table.requires_grad_(False)", "table"),
    (finetune.LoRA, "layer.requires_grad_(False)", "layer"),
    (finetune.add_lora, "net.requires_grad_(False)", "net"),
    (control.Control, "net.requires_grad_(False)", "net"),
    (control.Branch, ".requires_grad_(True)", ""),
    (audio.log_mel, "image.clamp(-1, 1)", "image"),
]


@pytest.mark.parametrize("built, right, wrong", FORGOTTEN)
def test_what_is_forgotten_and_changes_no_output_is_noticed(built, right, wrong):
    """Such as a gradient that flows where it shouldn't, or a layer that isn't frozen."""
    mine = getattr(plant(built, right, wrong), built.__name__)
    with pytest.raises(ValueError, match=f"{built.__name__} (differs from|gives shapes)"):
        same_as_package(mine)


def test_a_wrong_shape_is_named():
    def time_embedding(t, dim):
        return torch.zeros(len(t), dim + 1)

    with pytest.raises(ValueError, match=r"\(4, 17\).*\(4, 16\)"):
        same_as_package(time_embedding)


def test_a_gradient_that_is_switched_off_is_named(capsys):
    def data_gradient(model, schedule, A, y, x, t):
        leaf = x.detach().requires_grad_()
        return torch.autograd.grad(model(leaf, t).sum(), leaf)[0]

    grade("14.2", data_gradient)
    assert "compute yours inside `with torch.enable_grad():`" in capsys.readouterr().out


def test_nothing_random_changes_outside(chapter):
    before = torch.get_rng_state()
    same_as_package(type("EMA", (ddpm_lite.EMA,), {}))
    assert torch.equal(before, torch.get_rng_state())


def test_a_planted_bug_changes_one_line_of_a_copy():
    x0 = torch.zeros(2, 1, 4, 4)
    schedule = ddpm_lite.cosine_schedule(10)
    broken = plant(ddpm_lite.q_sample, "(1 - alpha_bar).sqrt()", "(1 - alpha_bar)")
    right, wrong = (f(schedule, x0, 5, x0 + 1) for f in (ddpm_lite.q_sample, broken.q_sample))
    assert torch.allclose(wrong, right**2) and not torch.allclose(wrong, right)
    assert torch.equal(broken.predict_x0(schedule, right, 5, x0 + 1), x0)
    torch.manual_seed(0)
    assert plant(ddpm_lite.EMA, "self.n += 1", "pass").EMA(torch.nn.Linear(1, 1)).n == 0


@pytest.mark.parametrize(("right", "count"), [("no such code", 0), ("eps", 4)])
def test_code_that_is_not_there_once_is_not_planted(right, count):
    with pytest.raises(ValueError, match=f"is {count} times in q_sample"):
        plant(ddpm_lite.q_sample, right, "")
