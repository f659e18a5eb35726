"""The classifier whose features are compared."""

import torch

from ddpm_lite import Classifier, fit_classifier, frechet_distance, load_images
from ddpm_lite.classifier import random_features


def test_the_classifier_reads_digits_that_it_has_not_seen(classifier):
    """At least 98.5 % of the 360 held-out digits."""
    x, y = load_images("digits", train=False)
    assert (classifier.probabilities(x).argmax(1) == y).double().mean() >= 0.985


def test_features_and_probabilities_belong_together(classifier):
    """The head of the features, normalised; rows alone and in a batch, however it was left."""
    x = load_images("digits", train=False)[0][:600:7]
    classifier.train()
    features, p = classifier.features(x), classifier.probabilities(x)
    assert features.shape == (len(x), 64) and not features.requires_grad
    assert torch.allclose(p, classifier.head(features).softmax(1))
    assert torch.allclose(p.sum(1), torch.ones(len(x)))
    assert torch.allclose(classifier.features(x[:1]), features[:1], atol=1e-5)


def test_two_halves_of_the_digits_are_nearer_than_noise_is(classifier, digits):
    """The scale of the score: real against real is small, noise and a missing class are not."""
    x, y = digits
    features = classifier.features(x)
    a, b = features[::2], features[1::2]
    noise = classifier.features(torch.rand(700, 1, 8, 8) * 2 - 1)
    control = frechet_distance(a, b)
    assert control < 0.5 * frechet_distance(a, features[y != 3])
    assert frechet_distance(a, noise) > 20 * control


def test_fitting_depends_on_its_seed_alone_and_leaves_the_generator(digits):
    """fork_rng: the same weights whatever was drawn before, and no draw is lost after."""
    x, y = digits[0][:200], digits[1][:200]
    before = torch.get_rng_state()
    a = fit_classifier(x, y, steps=2)
    assert torch.equal(before, torch.get_rng_state())
    torch.rand(3)
    b, c = fit_classifier(x, y, steps=2), fit_classifier(x, y, steps=2, seed=1)
    same = [torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True)]
    assert all(same) and not torch.equal(a.head.weight, c.head.weight)


def test_fitting_leaves_the_generators_of_gpus(digits, monkeypatch):
    """Else the noise after it would be the noise of its seed. ``torch.manual_seed`` sets theirs."""
    seeded = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    fit_classifier(digits[0][:20], digits[1][:20], steps=1)
    random_features(1)
    assert seeded == []


def test_other_sizes_fit():
    """Colour, other class counts, other feature counts, images that are not 8 x 8."""
    net = Classifier(channels=3, classes=4, dim=16)
    assert net.probabilities(torch.randn(2, 3, 28, 28)).shape == (2, 4)
    assert net.features(torch.randn(2, 3, 9, 12)).shape == (2, 16)
