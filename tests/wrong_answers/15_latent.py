"""Usual wrong answers to the exercises of chapter 15; the checks must reject each."""

WRONG = {
    1: {
        "upside down": """
def hidden_beta(pixels, latents, kl_mean):
    return latents / pixels if kl_mean else 1 / pixels
""",
        "the average of the KL forgotten": """
def hidden_beta(pixels, latents, kl_mean):
    return pixels
""",
        "the factor of the KL alone": """
def hidden_beta(pixels, latents, kl_mean):
    return 1 / latents if kl_mean else 1
""",
        "the two cases swapped": """
def hidden_beta(pixels, latents, kl_mean):
    return pixels if kl_mean else pixels / latents
""",
        "multiplied by the latents": """
def hidden_beta(pixels, latents, kl_mean):
    return pixels * latents if kl_mean else pixels
""",
    },
    2: {
        "each image is clamped": """
def free_bits(kl, floor):
    return kl.clamp(min=floor).mean(0).sum()
""",
        "the sum is clamped": """
def free_bits(kl, floor):
    return kl.sum(1).mean().clamp(min=floor)
""",
        "the floor is subtracted": """
def free_bits(kl, floor):
    return (kl.mean(0) - floor).clamp(min=0).sum()
""",
        "clamped from above": """
def free_bits(kl, floor):
    return kl.mean(0).clamp(max=floor).sum()
""",
        "not summed": """
def free_bits(kl, floor):
    return kl.mean(0).clamp(min=floor)
""",
        "the sum over the batch": """
def free_bits(kl, floor):
    return kl.sum(0).clamp(min=floor).sum()
""",
        "the mean over the numbers": """
def free_bits(kl, floor):
    return kl.mean(0).clamp(min=floor).mean()
""",
    },
    3: {
        "the divergence of Kullback and Leibler": """
def best_discriminator_loss(p, q):
    return (p * (p / q).log()).sum()
""",
        "the real images alone": """
def best_discriminator_loss(p, q):
    return -(p * (p / (p + q)).log()).sum()
""",
        "averaged over both": """
def best_discriminator_loss(p, q):
    d = p / (p + q)
    return -(p * d.log() + q * (1 - d).log()).sum() / 2
""",
        "the mean over outcomes": """
def best_discriminator_loss(p, q):
    d = p / (p + q)
    return -(d.log() + (1 - d).log()).mean()
""",
        "the divergence of Jensen and Shannon": """
def best_discriminator_loss(p, q):
    m = (p + q) / 2
    return 0.5 * (p * (p / m).log() + q * (q / m).log()).sum()
""",
        "the wrong sign": """
def best_discriminator_loss(p, q):
    d = p / (p + q)
    return (p * d.log() + q * (1 - d).log()).sum()
""",
    },
    4: {
        "the KL in closed form beside the samples": """
import math, torch
from ddpm_lite.vae import gaussian_nll, kl_to_prior, reparameterise
def tighter(vae, x, k):
    mean, logvar = vae.posterior(x)
    kl = kl_to_prior(mean, logvar).flatten(1).sum(1)
    logs = []
    for _ in range(k):
        z = reparameterise(mean, logvar)
        logs.append(-gaussian_nll(x, vae.decoder(z), vae.log_std).flatten(1).sum(1) - kl)
    return math.log(k) - torch.stack(logs).logsumexp(0)
""",
        "the ordinary bound, k times": """
import math, torch
from ddpm_lite.vae import elbo_terms
def tighter(vae, x, k):
    return torch.stack([sum(elbo_terms(vae, x)) for _ in range(k)]).mean(0)
""",
        "the k forgotten": """
import math, torch
from ddpm_lite.vae import gaussian_nll, reparameterise
def tighter(vae, x, k):
    mean, logvar = vae.posterior(x)
    logs = []
    for _ in range(k):
        eps = torch.randn_like(mean)
        z = reparameterise(mean, logvar, eps)
        nll = gaussian_nll(x, vae.decoder(z), vae.log_std).flatten(1).sum(1)
        logs.append(-nll - 0.5 * (z**2 - eps**2 - logvar).flatten(1).sum(1))
    return -torch.stack(logs).logsumexp(0)
""",
        "no weights": """
import math, torch
from ddpm_lite.vae import gaussian_nll, reparameterise
def tighter(vae, x, k):
    mean, logvar = vae.posterior(x)
    logs = []
    for _ in range(k):
        z = reparameterise(mean, logvar)
        logs.append(-gaussian_nll(x, vae.decoder(z), vae.log_std).flatten(1).sum(1))
    return math.log(k) - torch.stack(logs).logsumexp(0)
""",
        "the log-variance forgotten": """
import math, torch
from ddpm_lite.vae import gaussian_nll, reparameterise
def tighter(vae, x, k):
    mean, logvar = vae.posterior(x)
    logs = []
    for _ in range(k):
        eps = torch.randn_like(mean)
        z = reparameterise(mean, logvar, eps)
        nll = gaussian_nll(x, vae.decoder(z), vae.log_std).flatten(1).sum(1)
        logs.append(-nll - 0.5 * (z**2 - eps**2).flatten(1).sum(1))
    return math.log(k) - torch.stack(logs).logsumexp(0)
""",
        "the mean of all images": """
import math, torch
from ddpm_lite.vae import gaussian_nll, reparameterise
def tighter(vae, x, k):
    mean, logvar = vae.posterior(x)
    logs = []
    for _ in range(k):
        eps = torch.randn_like(mean)
        z = reparameterise(mean, logvar, eps)
        nll = gaussian_nll(x, vae.decoder(z), vae.log_std).flatten(1).sum(1)
        logs.append(-nll - 0.5 * (z**2 - eps**2 - logvar).flatten(1).sum(1))
    return (math.log(k) - torch.stack(logs).logsumexp(0)).mean()
""",
    },
}
