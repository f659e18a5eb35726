"""The weights that ship are what the book says: digits and MNIST, at every label, and no copies."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ddpm_lite import (
    clipped,
    dpmpp_2m,
    frechet_distance,
    from_v,
    guided,
    load_classifier,
    load_images,
    load_pretrained,
    load_run,
    nearest,
    pretrained,
    sample,
)
from ddpm_lite.cli.recipes import ADAPT
from ddpm_lite.cli.recipes import RECIPES as DEFAULTS
from ddpm_lite.cli.run import Run
from pretrain import RECIPES

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def drawn():
    """200 digits, labels in turn, by ten calls of DPM-Solver++; and the labels."""
    net, schedule, recipe = load_pretrained("digits")
    assert recipe["target"] == "v"
    y = torch.arange(200) % 10
    model = clipped(lambda x, t: from_v(net, schedule)(x, t, y), schedule)
    torch.manual_seed(0)
    return sample(model, schedule, torch.randn(200, 1, 8, 8), 10, dpmpp_2m()), y


def test_the_digits_are_digits_of_their_labels(drawn):
    """The classifier reads nine in ten as the label that was asked for."""
    images, y = drawn
    assert images.shape == (200, 1, 8, 8) and images.abs().max() <= 1.01
    guesses = load_classifier("digits").probabilities(images).argmax(1)
    assert (guesses == y).double().mean() > 0.9


def test_the_digits_are_distributed_as_real_ones_and_are_no_copies(drawn, digits):
    """Nearer to the training set, in features, than 200 held-out digits are; none is a copy."""
    classifier, (x, _), held_out = load_classifier(), digits, load_images("digits", train=False)[0]
    ours, real = (
        frechet_distance(classifier.features(images), classifier.features(x))
        for images in (drawn[0], held_out[:200])
    )
    assert ours < real
    near = nearest(drawn[0], x, 2)[0]
    assert not (near[:, 0] < near[:, 1] / 3).any()


def test_the_classifier_reads_held_out_digits():
    x, y = load_images("digits", train=False)
    guesses = load_classifier("digits").probabilities(x).argmax(1)
    assert (guesses == y).double().mean() > 0.99


def test_mnist_digits_are_digits_of_their_labels():
    """50 of 28 x 28 pixels, guided, by ten calls: nine in ten are read as asked, with certainty."""
    net, schedule, recipe = load_pretrained("mnist")
    assert recipe["target"] == "v"
    y = torch.arange(50) % 10
    model = clipped(guided(from_v(net, schedule), y, 0.5), schedule)
    torch.manual_seed(0)
    images = sample(model, schedule, torch.randn(50, 1, 28, 28), 10, dpmpp_2m())
    assert images.shape == (50, 1, 28, 28) and images.abs().max() <= 1.01
    confidence, guess = load_classifier("mnist").probabilities(images).max(1)
    assert (guess == y).double().mean() > 0.9 and confidence.mean() > 0.9


@pytest.mark.parametrize("name", pretrained.NAMES)
def test_what_ships_is_frozen_and_in_evaluation_mode(name):
    for net in (load_pretrained(name)[0], load_classifier(name)):
        assert not net.training and not any(p.requires_grad for p in net.parameters())
        assert all(p.dtype == torch.float32 for p in net.parameters())


def test_it_comes_unfrozen_on_request_and_knows_the_size_of_its_images():
    net, _, recipe = load_pretrained("mnist", frozen=False)
    assert net.training and all(p.requires_grad for p in net.parameters())
    assert recipe["image_size"] == net.image_size == (28, 28)
    with pytest.raises(ValueError, match=r"these weights are for images of size \(28, 28\)"):
        net(torch.randn(2, 1, 8, 8), torch.tensor([1, 9]))


def test_a_run_of_ones_own_is_loaded_with_its_averaged_weights(tmp_path):
    """In a line; in Python as on the command line, a name that ships is no folder."""
    run = Run(replace(DEFAULTS["digits"], width=8, mults=(1,), T=20, steps=2))
    for _ in run.advance(*load_images("digits")):
        pass
    run.save(tmp_path / "checkpoint.pt")
    net, schedule, recipe = load_run(tmp_path)
    average = run.ema.model.state_dict()
    assert all(torch.equal(average[k], v) for k, v in net.state_dict().items())
    assert not net.training and not any(p.requires_grad for p in net.parameters())
    assert schedule.T == recipe["T"] == 20 and recipe["classes"] == tuple("0123456789")
    assert (recipe["channels"], recipe["num_classes"], net.image_size) == (1, 10, (8, 8))
    assert load_run(str(tmp_path), frozen=False)[0].training
    with pytest.raises(FileNotFoundError, match="digits"):
        load_run("digits")


@pytest.mark.parametrize("name", pretrained.NAMES)
def test_what_ships_was_made_by_the_recipe_of_the_script(name):
    """scripts/pretrain.py trains it again: the settings that the file holds are the script's."""
    shipped, recipe = load_pretrained(name)[2], RECIPES[name].values()
    assert shipped == {k: v for k, v in recipe.items() if k in shipped}
    assert set(recipe) - set(shipped) <= {"source", "flip", *ADAPT, "channels_last"}


@pytest.mark.parametrize("load", [load_pretrained, load_classifier])
@pytest.mark.parametrize("name", ["mnits", "../digits", "digits.pt", "digits_classifier", ""])
def test_an_unknown_name_is_answered_with_the_known_ones(name, load):
    answer = f"no weights '{re.escape(name)}'; expected one of digits, mnist$"
    with pytest.raises(ValueError, match=answer):
        load(name)


def test_the_weights_travel_with_the_package_and_stay_small():
    """They are package data; digits below a megabyte a file, MNIST below four in all."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    data = '["py.typed", "weights/*.pt", "weights/*.txt", "weights/README.md"]'
    assert f"ddpm_lite = {data}" in project
    sizes = {path.stem: path.stat().st_size for path in pretrained.FOLDER.glob("*.pt")}
    named = {f"{n}{kind}" for n in pretrained.NAMES for kind in ("", "_classifier")}
    others = {"flow", "latent", "gan", "dit", "text", "sounds", "students", "mnist_student"}
    assert set(sizes) == named | others | {"tokens", "finetune"}
    assert sum(sizes.values()) < 14e6
    assert max(sizes["digits"], sizes["digits_classifier"], sizes["flow"]) < 1e6
    assert sizes["sounds"] < 2.4e6
    assert sizes["mnist"] + sizes["mnist_classifier"] < 4e6
