"""Compare a VAE, GANs and diffusion on the same digits, with the same CPU seconds on one core.

    python benchmarks/generators.py --seconds 60 --seeds 0 1 2
    python benchmarks/generators.py --seconds 60 --seeds 0 1 2 --jobs 12 --out generators.json

Each model learns the 1,437 training digits without labels for this many seconds of CPU time on one
thread, and draws 1,000 images. The features are those of the package's classifier. The columns are
the Fréchet distance to all training digits, precision and recall, the bound on -log p in bits per
pixel (17 grey values, held-out digits; a GAN has no bound), and the CPU seconds for drawing 1,000
images. A run counts as failed if its distance is above 100, or if less than 1 % of its images are
classified as one of the digits.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import json
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch
from torch import Tensor, nn

from ddpm_lite import (  # isort: skip
    EMA, UNet, batches, cosine_schedule, ddim_step, ddpm_loss, frechet_distance, from_v,
    load_classifier, load_images, precision_recall, sample, save_checkpoint, train, v_target,
    warmup_cosine,
)  # fmt: skip
from ddpm_lite.gan import (
    discriminator_step,
    generator_step,
    minimax_loss,
    nonsaturating_loss,
    small_discriminator,
    small_generator,
)  # fmt: skip
from ddpm_lite.likelihood import bound, decoder_log_prob, fixed_variance
from ddpm_lite.vae import dense_vae, from_latent, kl_to_prior, reparameterise, vae_loss

S, N, LEVELS = cosine_schedule(1000), 1000, 17
VAE_SIZES = {"latent": 8, "width": 128}
GAN_SIZES = {"latent": 32, "width": 24}
UNET_SIZES = {"channels": 1, "width": 16, "mults": (1, 2)}


class Clock:
    """Progress from 0 to 1, in CPU seconds of this process."""

    def __init__(self, seconds: float):
        self.seconds, self.begin = seconds, time.process_time()

    def __call__(self, _: float = 0) -> float:
        return min(1.0, (time.process_time() - self.begin) / self.seconds)


def by_train(net: nn.Module, x: Tensor, loss, lr: float, decay: float, clock: Clock, seed: int):
    """The averaged weights after the clock has run out, and the steps."""
    ema, rate = EMA(net, decay), warmup_cosine(lr)
    steps = train(net, batches(x, None, 64, seed), lambda net, x, _: loss(net, x), 10**6,
                  lambda _: rate(clock()), ema=ema)  # fmt: skip
    done = next(step for step, _ in steps if clock() == 1)
    return ema.model, done


def fit_vae(x: Tensor, clock: Clock, seed: int):
    """Train a VAE, and keep the average with the best bound on every tenth image, which isn't used
    for training. Otherwise it would memorise the training images long before the time is up."""
    rows = torch.arange(len(x)) % 10 > 0
    vae = dense_vae(**VAE_SIZES)
    ema, stream = EMA(vae, 0.998), batches(x[rows], None, 64, seed)
    best, kept, since = float("inf"), None, 0
    loss = lambda net, x, _: vae_loss(net, x)  # noqa: E731
    for step, _ in train(vae, stream, loss, 10**6, lambda _: 2e-3, ema=ema):
        if step % 200 == 0:
            with torch.no_grad():
                eps = torch.randn(20 * len(x[~rows]), 8, generator=torch.Generator().manual_seed(0))
                held = vae_loss(ema.model, x[~rows].repeat(20, 1, 1, 1), eps=eps).item()
            best, kept, since = (held, copy.deepcopy(ema.model), 0) if held < best else (
                best, kept, since + 1)  # fmt: skip
        if clock() == 1 or since == 5:
            return kept, step


def fit_diffusion(x: Tensor, clock: Clock, seed: int):
    loss = lambda net, x: ddpm_loss(net, S, x, v_target)  # noqa: E731
    return by_train(UNet(**UNET_SIZES), x, loss, 4e-3, 0.99, clock, seed)


def fit_gan(x: Tensor, clock: Clock, seed: int, spectral: bool = True, loss=nonsaturating_loss,
            lr: float = 5e-4):  # fmt: skip
    """The averaged generator, and the steps. Each step trains the discriminator once, and then the
    generator. The learning rate falls to 0 in the second half."""
    g, d = small_generator(**GAN_SIZES), small_discriminator(spectral=spectral)
    adam = lambda net: torch.optim.Adam(net.parameters(), lr, betas=(0.0, 0.99), fused=True)  # noqa: E731
    optimizers, ema = (adam(g), adam(d)), EMA(g, 0.999)
    for step, (real, _) in enumerate(batches(x, None, 64, seed), 1):
        for optimizer in optimizers:
            optimizer.param_groups[0]["lr"] = lr * min(1.0, 2 - 2 * clock())
        z = torch.randn(2, len(real), GAN_SIZES["latent"])
        discriminator_step(g, d, optimizers[1], real, z[0])
        generator_step(g, d, optimizers[0], z[1], loss)
        ema.update(g)
        if clock() == 1:
            return ema.model, step


FITS = {
    "diffusion": fit_diffusion,
    "VAE": fit_vae,
    "GAN": fit_gan,
    "GAN, no spectral norm": lambda x, c, s: fit_gan(x, c, s, spectral=False),
    "GAN, minimax": lambda x, c, s: fit_gan(x, c, s, loss=minimax_loss),
}


@torch.no_grad()
def draw(way: str, net: nn.Module, n: int) -> Tensor:
    """Images (n, 1, 8, 8) from a trained network."""
    if way == "diffusion":
        return sample(from_v(net, S), S, torch.randn(n, 1, 8, 8), 50, ddim_step)
    if way == "VAE":
        return from_latent(net, torch.randn(n, VAE_SIZES["latent"])).clamp(-1, 1)
    return net(torch.randn(n, GAN_SIZES["latent"]))


@torch.no_grad()
def bits(way: str, net: nn.Module, x: Tensor) -> float:
    """The bound in bits per pixel, of pixels with 17 grey values."""
    if way == "diffusion":
        nats = bound(fixed_variance(from_v(net, S), S, 0.0), S, x, LEVELS).sum(0)
    elif way == "VAE":
        mean, logvar = net.posterior(x)
        image = net.decoder(reparameterise(mean, logvar))
        pixels = decoder_log_prob(x, image, (2 * net.log_std).exp(), LEVELS)
        nats = kl_to_prior(mean, logvar).sum(1) - pixels.flatten(1).sum(1)
    else:
        return float("nan")
    return nats.mean().item() / 64 / 0.6931


def scores(way: str, seed: int, seconds: float, weights: str | None = None) -> dict:
    """Train one, draw from it and score it."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    net, steps = FITS[way](load_images("digits")[0], Clock(seconds), seed)
    torch.manual_seed(1000 + seed)
    begin = time.process_time()
    images = draw(way, net.eval(), N)
    taken = time.process_time() - begin
    judge = load_classifier("digits")
    real, fake = judge.features(load_images("digits")[0]), judge.features(images)
    shares = judge.probabilities(images).argmax(1).bincount(minlength=10) / N
    precision, recall = precision_recall(real, fake)
    distance = frechet_distance(fake, real)
    if weights:
        half = {k: v.half() for k, v in net.state_dict().items()}
        save_checkpoint(Path(weights) / f"{way.replace(', ', '_')}_{seed}.pt", net=half)
    return {
        "way": way, "seed": seed, "steps": steps, "distance": distance, "precision": precision,
        "recall": recall, "bits": bits(way, net, load_images("digits", train=False)[0]),
        "draw": taken, "rarest": shares.min().item(),
        "failed": distance > 100 or shares.min().item() < 0.01,
    }  # fmt: skip


def table(rows: list[dict]) -> None:
    """The median of the seeds, the distance of each, and the share of runs that failed."""
    print(
        "                       distance  precision  recall  bits  s/1,000  failed  each distance"
    )
    for way in FITS:
        runs = [row for row in rows if row["way"] == way]
        if runs:
            keys = ("distance", "precision", "recall", "bits", "draw")
            m = {key: statistics.median(row[key] for row in runs) for key in keys}
            each = " ".join(f"{row['distance']:.2f}" for row in runs)
            failed = f"{sum(row['failed'] for row in runs)} of {len(runs)}"
            print(f"{way:22} {m['distance']:8.2f} {m['precision']:10.2f} {m['recall']:7.2f} "
                  f"{m['bits']:5.2f} {m['draw']:8.3f} {failed:>8}  ({each})")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--ways", nargs="+", default=list(FITS), choices=FITS)
    parser.add_argument("--jobs", type=int, default=1, help="number of processes, one thread each")
    parser.add_argument(
        "--out", type=Path, help="also write the scores of every run to this file, as JSON"
    )
    parser.add_argument("--weights", help="also write the weights of every run to this folder")
    args = parser.parse_args()
    x, test = (load_images("digits", train=part)[0] for part in (True, False))
    judge = load_classifier("digits")
    floor = frechet_distance(judge.features(test), judge.features(x))
    print(f"test digits from training digits: {floor:.2f}", flush=True)
    tasks = list(itertools.product(args.ways, args.seeds))
    with ProcessPoolExecutor(args.jobs) as pool:
        runs = [pool.submit(scores, *task, args.seconds, args.weights) for task in tasks]
        rows = [run.result() for run in runs]
    for row in rows:
        print(f"{row['way']}, seed {row['seed']}: {row['steps']} steps, rarest digit "
              f"{row['rarest']:.1%}")  # fmt: skip
    table(rows)
    if args.out:
        args.out.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
