"""Variational autoencoders: the bound is one, on a model whose likelihood is known."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ddpm_lite.vae import (
    VAE,
    conv_vae,
    dense_vae,
    elbo_terms,
    from_latent,
    gaussian_nll,
    importance_bound,
    kl_to_prior,
    latent_scale,
    reparameterise,
    to_latent,
    vae_loss,
)


def linear(std=0.6):
    """A VAE of three numbers with a linear decoder: p(x) = N(b, W W' + std²)."""
    torch.manual_seed(3)
    vae = VAE(nn.Linear(3, 4), nn.Linear(2, 3), std)
    return vae.requires_grad_(False)


def truth(vae, x):
    """-log p(x) of it."""
    weight, off = vae.decoder.weight, x - vae.decoder.bias
    cov = weight @ weight.T + (2 * vae.log_std).exp() * torch.eye(3)
    quadratic = (off @ torch.linalg.inv(cov) * off).sum(1)
    return 0.5 * (quadratic + torch.logdet(cov) + 3 * math.log(2 * math.pi))


def exact_encoder(vae):
    """The posterior of the linear model, as weights of its encoder."""
    weight, std = vae.decoder.weight, vae.log_std.exp()
    precision = torch.eye(2) + weight.T @ weight / std**2
    assert (precision - precision.diag().diag()).abs().max() < 1e-5
    gain = torch.linalg.inv(precision) @ weight.T / std**2
    vae.encoder.weight.copy_(torch.cat([gain, torch.zeros(2, 3)]))
    vae.encoder.bias.copy_(torch.cat([-gain @ vae.decoder.bias, -precision.diag().log()]))


def orthogonal():
    """A linear VAE whose posterior is diagonal, so that an encoder can be exact."""
    vae = linear()
    vae.decoder.weight.copy_(torch.linalg.qr(torch.randn(3, 2))[0] * torch.tensor([1.5, 0.7]))
    exact_encoder(vae)
    return vae


def test_samples_have_the_spread_that_the_encoder_says():
    """The standard deviation is exp(logvar / 2), also below 1."""
    for logvar in (-4.0, 0.0, 1.5):
        mean = torch.full((20_000,), 3.0)
        z = reparameterise(mean, torch.full_like(mean, logvar))
        assert z.std().item() == pytest.approx(math.exp(logvar / 2), rel=0.03)
        assert z.mean().item() == pytest.approx(3, abs=0.05)


def test_given_noise_is_used_and_gradients_flow():
    mean, logvar = torch.zeros(2, 3, requires_grad=True), torch.zeros(2, 3, requires_grad=True)
    z = reparameterise(mean, logvar, torch.full((2, 3), 2.0))
    assert torch.equal(z, torch.full((2, 3), 2.0))
    z.sum().backward()
    assert torch.equal(mean.grad, torch.ones(2, 3)) and torch.equal(logvar.grad, torch.ones(2, 3))


def test_the_kl_is_that_of_samples():
    mean, logvar = torch.tensor(0.7), torch.tensor(-1.2)
    z = reparameterise(mean.expand(400_000), logvar.expand(400_000))
    std = (0.5 * logvar).exp()
    log_q = -0.5 * ((z - mean) / std) ** 2 - std.log()
    kl = (log_q + 0.5 * z**2).mean()
    assert kl_to_prior(mean, logvar).item() == pytest.approx(kl.item(), abs=0.01)
    assert kl_to_prior(torch.zeros(3), torch.zeros(3)).tolist() == [0, 0, 0]


def test_the_pixels_are_normal():
    x, mean, log_std = torch.randn(3, 5)
    normal = torch.distributions.Normal(mean, log_std.exp())
    assert torch.allclose(gaussian_nll(x, mean, log_std), -normal.log_prob(x), atol=1e-5)


def test_the_bound_is_above_the_likelihood_and_meets_it_at_the_posterior():
    x = torch.randn(200, 3)
    for vae, gap in ((orthogonal(), 0.0), (linear(), None)):
        bound = torch.stack([sum(elbo_terms(vae, x)) for _ in range(300)]).mean(0)
        off = (bound - truth(vae, x)).mean().item()
        assert off == pytest.approx(gap, abs=0.02) if gap == 0 else off > 0.05


def test_the_importance_bound_tightens():
    """It falls with k, from the ordinary bound to -log p(x); at the posterior it's exact."""
    x = torch.randn(100, 3)
    vae = linear()
    vae.encoder.weight.mul_(0.3), vae.encoder.bias.zero_()  # wide: few weights aren't near 0
    bound = torch.stack([sum(elbo_terms(vae, x)) for _ in range(200)]).mean().item()
    one, few, many = (
        torch.stack([importance_bound(vae, x, k) for _ in range(200 // k or 1)]).mean().item()
        for k in (1, 10, 1000)
    )
    assert one == pytest.approx(bound, abs=0.2) and one > few > many
    assert many == pytest.approx(truth(vae, x).mean().item(), abs=0.05)
    exact = orthogonal()
    assert torch.allclose(importance_bound(exact, x, 3), truth(exact, x), atol=1e-3)


def test_terms_are_sums_over_dimensions():
    """Twice the pixels, twice the reconstruction: no average hides a beta."""
    small, x = VAE(nn.Linear(4, 4), nn.Linear(2, 4)), torch.randn(5, 4)
    eps = torch.randn(5, 2)
    tiled = VAE(nn.Linear(8, 4), nn.Linear(2, 8))
    with torch.no_grad():
        half = torch.cat([small.encoder.weight / 2] * 2, 1)
        tiled.encoder.weight.copy_(half), tiled.encoder.bias.copy_(small.encoder.bias)
        tiled.decoder.weight.copy_(small.decoder.weight.repeat(2, 1))
        tiled.decoder.bias.copy_(small.decoder.bias.repeat(2))
    once, twice = elbo_terms(small, x, eps), elbo_terms(tiled, x.repeat(1, 2), eps)
    assert torch.allclose(twice[0], 2 * once[0], atol=1e-5)
    assert torch.allclose(twice[1], once[1], atol=1e-5) and once[1].shape == (5,)


def test_the_loss_weighs_the_kl_alone():
    vae, x, eps = linear(), torch.randn(6, 3), torch.randn(6, 2)
    rebuild, kl = elbo_terms(vae, x, eps)
    for beta in (0.0, 1.0, 4.0):
        loss = vae_loss(vae, x, beta, eps)
        assert loss.item() == pytest.approx((rebuild + beta * kl).mean().item(), rel=1e-5)
    assert vae_loss(vae, x, eps=eps).item() == pytest.approx((rebuild + kl).mean().item(), rel=1e-5)


def test_the_learned_spread_is_the_error():
    """At its best, the spread of a pixel is the root mean square error of the decoder."""
    vae = VAE(nn.Linear(3, 4), nn.Linear(2, 3))
    x, eps = torch.randn(400, 3), torch.randn(400, 2)
    optimizer = torch.optim.Adam([vae.log_std], 0.05)
    for _ in range(200):
        optimizer.zero_grad()
        vae_loss(vae, x, eps=eps).backward()
        optimizer.step()
    rms = (vae(x, eps) - x).square().mean().sqrt()
    assert vae.log_std.exp().item() == pytest.approx(rms.item(), rel=0.01)
    fixed = VAE(nn.Linear(3, 4), nn.Linear(2, 3), std=0.5)
    assert not fixed.log_std.requires_grad and fixed.log_std.exp().item() == pytest.approx(0.5)


def test_a_unit_spread_makes_it_half_the_squared_error():
    vae, x, eps = linear(1.0), torch.randn(6, 3), torch.randn(6, 2)
    rebuild, _ = elbo_terms(vae, x, eps)
    half = 0.5 * F.mse_loss(vae(x, eps), x, reduction="none").sum(1)
    assert torch.allclose(rebuild, half + 1.5 * math.log(2 * math.pi), atol=1e-5)


def test_scaled_latents_have_a_spread_of_one_and_come_back():
    """Encode times s, decode divided by s."""
    vae = linear()
    vae.encoder.weight.mul_(5)
    vae.encoder.weight[2:], vae.encoder.bias[2:] = 0.0, -9.0  # nearly no noise
    x = torch.randn(2000, 3)
    before = vae.decoder(vae.posterior(x)[0])
    vae.scale.copy_(latent_scale(vae, x))
    z = to_latent(vae, x)
    assert 0.97 < z.std().item() < 1.03 and not vae.scale.item() == pytest.approx(1, abs=0.2)
    assert (from_latent(vae, z) - before).abs().max() < 0.2
    assert torch.equal(from_latent(vae, 0 * z), vae.decoder(0 * z))


def test_latents_are_samples_and_not_means():
    """The spread of the posterior counts: with means alone, latents that carry noise look small."""
    vae = linear()
    vae.encoder.weight.mul_(0.01)
    vae.encoder.bias.copy_(torch.tensor([0.0, 0, 2, 2]))
    x = torch.randn(5000, 3)
    assert latent_scale(vae, x).item() == pytest.approx(math.exp(-1), rel=0.03)
    assert not torch.equal(to_latent(vae, x), to_latent(vae, x))


@pytest.mark.parametrize("size", [(1, 28, 28), (3, 32, 20)])
def test_a_convolutional_vae_shrinks_by_its_levels(size):
    vae, x = conv_vae(size[0], latent=3, width=8, levels=2), torch.randn(2, *size)
    mean, logvar = vae.posterior(x)
    assert mean.shape == logvar.shape == (2, 3, size[1] // 4, size[2] // 4)
    assert vae(x).shape == x.shape


def test_a_dense_vae_has_a_vector():
    vae = dense_vae((1, 6, 5), latent=4, width=16)
    mean, logvar = vae.posterior(10 * torch.randn(90, 1, 6, 5))
    assert mean.shape == logvar.shape == (90, 4) and (logvar < 0).any() and (mean < 0).any()
    assert vae.decoder(mean).shape == (90, 1, 6, 5)


def test_images_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"gives \(2, 1, 32, 32\) for images \(2, 1, 30, 30\)"):
        vae_loss(conv_vae(width=8), torch.randn(2, 1, 30, 30))


def test_a_vae_learns_the_digits(digits):
    """It uses its latent: another image's latent costs a lot. Averaging collapses it."""
    x, _ = digits
    torch.manual_seed(0)
    vae, lazy = dense_vae(), dense_vae()
    for net, beta in ((vae, 1.0), (lazy, 64.0)):
        optimizer = torch.optim.Adam(net.parameters(), 3e-3)
        for _ in range(400):
            optimizer.zero_grad()
            vae_loss(net, x[torch.randint(len(x), (64,))], beta).backward()
            optimizer.step()
    x0 = x[:300]
    rms = [(net(x0) - x0).square().mean().sqrt().item() for net in (vae, lazy)]
    other = [(net(x0.roll(1, 0)) - x0).square().mean().sqrt().item() for net in (vae, lazy)]
    kl = [kl_to_prior(*net.posterior(x)).sum(1).mean().item() for net in (vae, lazy)]
    assert rms[0] < 0.8 * rms[1] and kl[0] > 5 and kl[1] < 0.5
    assert other[0] > 1.3 * rms[0] and abs(other[1] - rms[1]) < 0.02


def test_the_shipped_latents_have_a_spread_of_one_and_draw_digits():
    """Latent diffusion draws the digits that it's asked for; unscaled or clipped it's worse."""
    from functools import partial

    from ddpm_lite import ddim_step, from_v, load_classifier, sample
    from ddpm_lite.pretrained import load_latent

    vae, net, schedule = load_latent()
    y, judge = torch.arange(60) % 10, load_classifier("mnist")
    z = sample(from_v(partial(net, y=y), schedule), schedule, torch.randn(60, 4, 7, 7), 20,
               ddim_step, clip=None)  # fmt: skip
    images = from_latent(vae, z)
    assert images.shape == (60, 1, 28, 28) and 0.8 < z.std() < 1.2
    assert (judge.probabilities(images).argmax(1) == y).double().mean() > 0.8
    again = to_latent(vae, images)
    assert 0.9 < again.std() < 1.1 and (again.abs() > 1).double().mean() > 0.2
    assert (from_latent(vae, again) - images).square().mean().sqrt() < 0.2
    wrong = judge.probabilities(from_latent(vae, torch.randn(60, 4, 7, 7))).amax(1).mean()
    assert judge.probabilities(images).amax(1).mean() > wrong + 0.1
