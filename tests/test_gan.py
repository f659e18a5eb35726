"""Adversarial networks: the losses and their gradients, who learns in which step, and the norm."""

import math

import pytest
import torch
from torch import nn

from ddpm_lite.gan import (
    Spectral,
    discriminator_loss,
    discriminator_step,
    generator_step,
    minimax_loss,
    nonsaturating_loss,
    small_discriminator,
    small_generator,
    spectral_norm,
)


def test_who_cannot_tell_loses_two_logs_of_two():
    assert discriminator_loss(torch.zeros(4), torch.zeros(4)).item() == pytest.approx(
        2 * math.log(2)
    )


def test_the_two_targets_differ():
    """A discriminator that says "real" to everything doesn't have a small loss."""
    sure = torch.full((4,), 9.0)
    assert discriminator_loss(sure, -sure) < 0.001
    assert discriminator_loss(sure, sure) > 8.9 and discriminator_loss(-sure, -sure) > 8.9


def test_the_losses_are_those_of_the_probabilities():
    """Means over the batch of the logarithms, from logits."""
    real, fake = torch.randn(2, 50)
    d, of_fake = real.sigmoid(), fake.sigmoid()
    expected = -d.log().mean() - (1 - of_fake).log().mean()
    assert discriminator_loss(real, fake).item() == pytest.approx(expected.item(), rel=1e-5)
    expected = (1 - of_fake).log().mean().item()
    assert minimax_loss(fake).item() == pytest.approx(expected, rel=1e-5)
    assert nonsaturating_loss(fake).item() == pytest.approx(-of_fake.log().mean().item(), rel=1e-5)


def test_minimax_saturates_where_the_discriminator_is_sure():
    slopes = []
    for loss in (minimax_loss, nonsaturating_loss):
        logit = torch.tensor([-6.0, 0.0, 6.0], requires_grad=True)
        loss(logit).backward()
        slopes.append(3 * logit.grad)
    assert (torch.stack(slopes) < 0).all()  # both push the logit up
    assert torch.allclose(slopes[0], -torch.tensor([-6.0, 0, 6]).sigmoid(), atol=1e-5)
    assert torch.allclose(slopes[1], -torch.tensor([6.0, 0, -6]).sigmoid(), atol=1e-5)


def test_the_best_discriminator_is_the_share_of_real_images():
    """Its logit is log p - log q; any other has a larger loss."""
    p, q = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.1, 0.3, 0.6])
    real, fake = p.multinomial(200_000, True), q.multinomial(200_000, True)
    best = (p / q).log()
    loss = lambda logit: discriminator_loss(logit[real], logit[fake]).item()  # noqa: E731
    divergence = sum((0.5 * r * (2 * r / (p + q)).log()).sum() for r in (p, q)).item()
    assert loss(best) == pytest.approx(2 * math.log(2) - 2 * divergence, abs=0.01)
    for k in range(3):
        for change in (-0.5, 0.5):
            assert loss(best + change * torch.eye(3)[k]) > loss(best)


def pair():
    torch.manual_seed(0)
    g, d = nn.Linear(2, 3), nn.Sequential(nn.Linear(3, 1), nn.Flatten(0))
    return g, d, [torch.optim.SGD(n.parameters(), 0.1) for n in (g, d)]


def weights(net):
    return torch.cat([w.detach().flatten().clone() for w in net.parameters()])


def test_the_discriminators_step_changes_the_discriminator_alone():
    """And leaves no gradient in the generator."""
    g, d, (_, to_d) = pair()
    x, z = torch.randn(64, 3) + 2, torch.randn(64, 2)
    before, losses = (weights(g), weights(d)), []
    for _ in range(30):
        losses.append(discriminator_step(g, d, to_d, x, z))
    assert torch.equal(weights(g), before[0]) and not torch.equal(weights(d), before[1])
    assert all(w.grad is None for w in g.parameters()) and losses[-1] < 0.7 * losses[0]
    assert losses[0] > losses[1]


def test_the_generators_step_changes_the_generator_alone():
    """The gradient goes through the discriminator, whose weights stay."""
    g, d, (to_g, _) = pair()
    z = torch.randn(64, 2)
    before = weights(g), weights(d)
    losses = [generator_step(g, d, to_g, z) for _ in range(30)]
    assert not torch.equal(weights(g), before[0]) and torch.equal(weights(d), before[1])
    assert losses[-1] < losses[0]
    g, d, (to_g, _) = pair()
    losses = [generator_step(g, d, to_g, z, minimax_loss) for _ in range(30)]
    assert losses[-1] < losses[0] < 0


def test_a_step_starts_from_no_gradient():
    """What the generator's step leaves in the discriminator doesn't move it later."""
    g, d, (to_g, to_d) = pair()
    x, z = torch.randn(8, 3), torch.randn(8, 2)
    alone_g, alone_d, (_, alone) = pair()
    discriminator_step(alone_g, alone_d, alone, x, z)
    with torch.no_grad():
        start = [w.clone() for w in g.parameters()]
    generator_step(g, d, to_g, z)
    with torch.no_grad():
        for w, old in zip(g.parameters(), start, strict=True):
            w.copy_(old)
    discriminator_step(g, d, to_d, x, z)
    assert torch.allclose(weights(d), weights(alone_d))


def test_the_norm_finds_the_largest_singular_value():
    weight = torch.randn(6, 4, 3)
    norm = Spectral(weight)
    for _ in range(200):
        out = norm(weight)
    largest = torch.linalg.matrix_norm(out.flatten(1), 2).item()
    assert largest == pytest.approx(1, abs=1e-3)
    assert torch.allclose(out / out.norm(), weight / weight.norm(), atol=1e-5)


def test_the_norm_has_the_precision_of_its_layer():
    """And so it's on the same device, too: a network on a GPU can get one."""
    out = spectral_norm(nn.Linear(3, 2, dtype=torch.float64))(torch.randn(4, 3).double())
    assert out.dtype == torch.float64


def test_the_norm_follows_in_training_only():
    weight = torch.randn(5, 4)
    norm = Spectral(weight).eval()
    before = norm.u.clone()
    first = norm(weight)
    assert torch.equal(norm(weight), first) and torch.equal(norm.u, before)
    norm.train()(weight)
    assert not torch.equal(norm.u, before)


def test_the_norm_has_the_gradient_of_the_quotient():
    """The vectors are constants: d(W / u'Wv) = dW / σ - W (u'dWv) / σ² (1802.05957, Eq. 12)."""
    weight = torch.randn(3, 2, requires_grad=True)
    norm = Spectral(weight)
    for _ in range(200):
        norm(weight)
    push = torch.randn(3, 2)
    (norm(weight) * push).sum().backward()
    u, s, vh = torch.linalg.svd(weight.detach())
    outer = torch.outer(u[:, 0], vh[0])
    expected = push / s[0] - (push * weight.detach()).sum() / s[0] ** 2 * outer
    assert torch.allclose(weight.grad, expected, atol=1e-3)


def test_a_normed_network_cannot_stretch():
    """No two inputs get further apart than they were, times the slopes of the activations, 1."""
    torch.manual_seed(0)
    net = spectral_norm(nn.Sequential(nn.Linear(6, 40), nn.LeakyReLU(0.2), nn.Linear(40, 5)))
    x = torch.randn(300, 6)
    for _ in range(100):
        net(x)
    with torch.no_grad():
        before, after = (torch.pdist(rows.double()) for rows in (x, net(x)))
    assert (after / before).max() <= 1.001
    assert sum(isinstance(m, Spectral) for m in net.modules()) == 2


def test_an_image_depends_on_its_own_noise_alone():
    """In any batch, in training and in evaluation."""
    g, z = small_generator(8, 8), torch.randn(9, 8)
    with torch.no_grad():
        among = g(z)
        assert torch.allclose(among[:1], g(z[:1]), atol=1e-5)
        assert torch.allclose(among, g.eval()(z), atol=1e-5)
    assert among.shape == (9, 1, 8, 8) and among.abs().max() <= 1


def test_a_discriminator_gives_a_logit_for_each_image():
    for spectral, parts in ((True, 5), (False, 0)):
        d = small_discriminator(8, spectral=spectral)
        assert d(torch.randn(3, 1, 8, 8)).shape == (3,)
        assert sum(isinstance(m, Spectral) for m in d.modules()) == parts


def test_the_shipped_generator_draws_all_digits():
    """Each digit is among 500 samples, and most samples are clear ones."""
    from ddpm_lite import load_classifier
    from ddpm_lite.pretrained import load_gan

    judge = load_classifier("digits")
    images = load_gan()(torch.randn(500, 32))
    assert images.shape == (500, 1, 8, 8)
    chances = judge.probabilities(images)
    assert chances.argmax(1).bincount(minlength=10).min() > 5 and chances.amax(1).median() > 0.6
