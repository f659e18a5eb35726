"""The checks of the exercises of chapter 15."""

import math

import torch

from ddpm_lite.vae import dense_vae, elbo_terms


def exercise_1(hidden_beta):
    """The factor of the KL after the loss is scaled so that the reconstruction is a sum."""
    for pixels, latents in ((784, 20), (64, 8), (12, 12)):
        for kl_mean in (False, True):
            mine = hidden_beta(pixels, latents, kl_mean)
            if mine is None:
                raise ValueError("it returns nothing")
            right = pixels / latents if kl_mean else pixels
            if not abs(float(mine) - right) < 1e-6 * right:
                kind = "averaged" if kl_mean else "summed"
                raise ValueError(f"{pixels} pixels, {latents} latents, KL {kind}: your β is "
                                 f"{float(mine):.4g}, but the loop minimises reconstruction + "
                                 f"{right:.4g} KL")  # fmt: skip


def exercise_2(free_bits):
    """Check numbers for which the order of mean, clamp and sum matters."""
    kl = torch.tensor([[0.0, 0.2, 3.0], [0.6, 0.2, 1.0]], dtype=torch.float64)
    for floor, right in ((0.0, 2.5), (0.5, 3.0), (0.25, 2.55), (5.0, 15.0)):
        mine = _number(free_bits(kl, floor))
        if not abs(mine - right) < 1e-6:
            raise ValueError(f"three numbers with mean KLs 0.3, 0.2 and 2 and a floor of {floor} "
                             f"should cost {right} nats; you return {mine:.4g}")  # fmt: skip


def exercise_3(best_discriminator_loss):
    """Compare with the loss of a trained discriminator, for data with few outcomes."""
    cases = (
        ([0.25, 0.75], [0.25, 0.75]),
        ([0.7, 0.2, 0.1], [0.1, 0.3, 0.6]),
        ([0.9, 0.1], [0.1, 0.9]),
    )
    for p, q in cases:
        p, q = torch.tensor(p, dtype=torch.float64), torch.tensor(q, dtype=torch.float64)
        right = _by_descent(p, q)
        mine = _number(best_discriminator_loss(p, q))
        if not abs(mine - right) < 1e-3:
            raise ValueError(f"for p = {_list(p)} and q = {_list(q)} it gives {mine:.3f}, "
                             f"but a trained discriminator reaches {right:.3f}")  # fmt: skip


def _number(mine):
    """The answer as a float, if it's a single number."""
    if mine is None:
        raise ValueError("it returns nothing")
    if torch.as_tensor(mine).numel() != 1:
        raise ValueError(f"it should return one number; yours has the shape {tuple(mine.shape)}")
    return float(mine)


def _by_descent(p, q):
    """The smallest loss, by Newton's method on the logit of each outcome."""
    logit = torch.zeros_like(p)
    for _ in range(50):
        d = logit.sigmoid()
        logit = logit - ((p + q) * d - p) / ((p + q) * d * (1 - d))
    softplus = torch.nn.functional.softplus
    return (p * softplus(-logit) + q * softplus(logit)).sum().item()


def _list(p):
    return "(" + ", ".join(f"{float(value):g}" for value in p) + ")"


def exercise_4(tighter):
    """The bound at k = 1, and its limit for large k, the known likelihood of a linear decoder."""
    torch.manual_seed(0)
    vae, x = _linear(), torch.randn(40, 3)
    first = tighter(vae, x, 1)
    if first is None:
        raise ValueError("it returns nothing")
    if first.shape != (40,):
        raise ValueError(f"for 40 images it has the shape {tuple(first.shape)}; expected (40,)")
    bound = sum(elbo_terms(vae, x.repeat(400, 1))).mean()
    one = torch.stack([tighter(vae, x, 1) for _ in range(400)]).mean()
    many, truth = tighter(vae, x, 400).mean(), _truth(vae, x).mean()
    if not abs(one - bound) < 0.3:
        raise ValueError(f"with k = 1 it should be the ordinary bound, {bound:.2f} nats on "
                         f"average; yours is {one:.2f}")  # fmt: skip
    if not abs(many - truth) < 0.1:
        raise ValueError(f"with k = 400 it should be near -log p(x), {truth:.2f} nats on "
                         f"average; yours is {many:.2f}")  # fmt: skip


def _linear():
    """A VAE with a linear decoder, whose likelihood is known, and with a poor encoder."""
    vae = dense_vae((3,), latent=2, width=4, std=0.6)
    vae.encoder = torch.nn.Linear(3, 4)
    vae.decoder = torch.nn.Linear(2, 3)
    with torch.no_grad():
        vae.encoder.weight.mul_(0.3)
        vae.encoder.bias.copy_(torch.tensor([0.6, 0.6, 0.5, 0.5]))
    return vae.requires_grad_(False)


def _truth(vae, x):
    """-log N(x; b, W W' + std²)."""
    weight, bias = vae.decoder.weight, vae.decoder.bias
    cov = weight @ weight.T + (2 * vae.log_std).exp() * torch.eye(3)
    off = x - bias
    quadratic = (off @ torch.linalg.inv(cov) * off).sum(1)
    return 0.5 * (quadratic + torch.logdet(cov) + 3 * math.log(2 * math.pi))
