"""Train latent diffusion on MNIST, or a diffusion model of its pixels for the same time.

    python scripts/train_latent.py --root data                       # eight minutes of one core
    python scripts/train_latent.py --root data --seconds 300 --vae-seconds 75 --seed 1 --out 1.pt
    python scripts/train_latent.py --root data --seconds 300 --pixels --out pixels.pt
    python scripts/train_latent.py --root data --score pixels.pt --steps 20 --n 200

First, a VAE learns to turn 28 x 28 pixels into latents of 4 x 7 x 7. Then a network learns to
denoise the latents, given labels. With --pixels, there's no VAE, and the network denoises the
images. Seconds are CPU seconds of this process, on one thread. The script writes the averaged
weights in half precision, by default to ddpm_lite/weights/latent.pt. It prints the time of a step
and of a sample, and the scores of 1,000 samples, which --samples saves too. --score scores an
existing file without training.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from ddpm_lite import (  # isort: skip
    EMA, UNet, cosine_schedule, ddim_step, ddpm_loss, drop_labels, from_v, load_classifier,
    load_checkpoint, load_images, sample, save_checkpoint, train, v_target, warmup_cosine,
)  # fmt: skip
from ddpm_lite.metrics import frechet_distance
from ddpm_lite.vae import (
    conv_vae,
    from_latent,
    latent_scale,
    reparameterise,
    vae_loss,
)

FILE = Path(__file__).resolve().parents[1] / "ddpm_lite" / "weights" / "latent.pt"
VAE = {"channels": 1, "latent": 4, "width": 16, "levels": 2}
NETS = {
    "latent": {"channels": 4, "width": 36, "mults": (1,), "blocks": 2, "attention": (0,),
               "num_classes": 10},
    "pixels": {"channels": 1, "width": 24, "mults": (1, 2, 2), "num_classes": 10},
}  # fmt: skip
S, BATCH, BETA = cosine_schedule(1000), 64, 1e-6


def shuffled(n: int) -> Iterator[tuple[Tensor, None]]:
    """Batches of row numbers, without end."""
    while True:
        for rows in torch.randperm(n).split(BATCH):
            yield rows, None


def fitted(net: nn.Module, n: int, loss: Callable[[nn.Module, Tensor], Tensor], seconds: float,
           lr: float, decay: float, say: str) -> nn.Module:  # fmt: skip
    """The average of the weights after so many CPU seconds; ``loss`` gets the rows of a batch."""
    ema, begin, rate = EMA(net, decay), time.process_time(), warmup_cosine(lr)
    clock = lambda _=0: min(1.0, (time.process_time() - begin) / seconds)  # noqa: E731
    losses = []
    for step, value in train(net, shuffled(n), lambda net, rows, _: loss(net, rows), 10**6,
                             lambda p: rate(clock()), ema=ema):  # fmt: skip
        losses.append(value)
        if step % 200 == 0:
            print(f"{say}: step {step}, loss {sum(losses[-200:]) / 200:.4f}", flush=True)
        if clock() == 1:
            break
    print(f"{say}: {step} steps, {1000 * seconds / step:.0f} ms a step", flush=True)
    return ema.model


@torch.no_grad()
def drawn(net: UNet, vae: nn.Module | None, n: int, steps: int) -> tuple[Tensor, Tensor]:
    """Images in so many steps of DDIM, and their labels. Latents aren't clipped, pixels are."""
    y, parts = torch.arange(n) % 10, []
    for labels in y.split(250):
        model = from_v(partial(net, y=labels), S)
        shape, clip = ((1, 28, 28), 1.0) if vae is None else ((4, 7, 7), None)
        z = sample(model, S, torch.randn(len(labels), *shape), steps, ddim_step, clip)
        parts.append(z if vae is None else from_latent(vae, z).clamp(-1, 1))
    return torch.cat(parts), y


def first_stage(x: Tensor, seconds: float, beta: float) -> nn.Module:
    """The trained VAE with its scale."""
    vae = conv_vae(**VAE).to(x.device)
    loss = lambda vae, rows: vae_loss(vae, x[rows], beta) / 784  # noqa: E731
    vae = fitted(vae, len(x), loss, seconds, 3e-3, 0.99, "VAE")
    vae.scale.copy_(latent_scale(vae, x[:5000]))
    with torch.no_grad():
        off = (vae.decoder(vae.posterior(x[:1000])[0]) - x[:1000]).square().mean().sqrt()
    print(f"scale {vae.scale:.3f}, spread {1 / vae.scale:.2f}, reconstruction off by {off:.3f} "
          "(root mean square)", flush=True)  # fmt: skip
    return vae


def loaded(file: Path) -> tuple[UNet, nn.Module | None]:
    """The network and the VAE, or None, of a file that this script wrote."""
    state = load_checkpoint(file)
    net, vae = UNet(**state["sizes"]), conv_vae(**VAE) if "vae" in state else None
    net.load_state_dict(state["net"])
    if vae:
        vae.load_state_dict(state["vae"])
    return net.eval(), vae


@torch.no_grad()
def encoded(vae: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """The means and the log-variances of all images."""
    pairs = [vae.posterior(part) for part in x.split(500)]
    return tuple(torch.cat(part) for part in zip(*pairs, strict=True))


def report(images: Tensor, y: Tensor, x: Tensor, digits: Tensor, taken: float) -> None:
    """Scores of the samples against 10,000 training images, and of others with the same labels."""
    judge = load_classifier("mnist")
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    rest = order[10_000:]
    same = torch.cat([rest[digits[rest] == d][: (y == d).sum()] for d in range(10)])
    real, other = (judge.features(x[rows]) for rows in (order[:10_000], same))
    right = (judge.probabilities(images).argmax(1) == y).double().mean()
    print(f"{len(images)} samples: {1000 * taken / len(images):.2f} ms each, Fréchet distance "
          f"{frechet_distance(judge.features(images), real):.2f}, of as many real images "
          f"{frechet_distance(other, real):.2f}, right labels {right:.1%}", flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--root", default="data", help="where torchvision keeps its files")
    parser.add_argument("--seconds", type=float, default=450, help="CPU seconds of all training")
    parser.add_argument(
        "--vae-seconds", type=float, default=110, help="part of these seconds for the VAE"
    )
    parser.add_argument("--beta", type=float, default=BETA, help="weight of the KL divergence")
    parser.add_argument("--pixels", action="store_true", help="train on pixels, without a VAE")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", help="device for training: cpu, cuda or mps")
    parser.add_argument("--n", type=int, default=1000, help="number of samples to score")
    parser.add_argument("--steps", type=int, default=50, help="DDIM steps per sample")
    parser.add_argument("--score", type=Path, help="score this file instead of training")
    parser.add_argument("--out", type=Path, default=FILE)
    parser.add_argument("--samples", type=Path, help="also save the samples here")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    x, y = load_images("mnist", args.root)
    if args.score:
        return score(*loaded(args.score), x, y, args)
    vae, sizes, seconds = None, NETS["pixels" if args.pixels else "latent"], args.seconds
    S.to(args.device)
    xs, labels = x.to(args.device), y.to(args.device)
    if not args.pixels:
        vae, seconds = first_stage(xs, args.vae_seconds, args.beta), seconds - args.vae_seconds
        mean, logvar = encoded(vae, xs)

    def data(rows: Tensor) -> Tensor:
        return xs[rows] if vae is None else vae.scale * reparameterise(mean[rows], logvar[rows])

    def loss(net: UNet, rows: Tensor) -> Tensor:
        model = partial(net, y=drop_labels(labels[rows], 0.1, 10))
        return ddpm_loss(model, S, data(rows), v_target)

    torch.manual_seed(args.seed)
    net = UNet(**sizes).to(args.device)
    net = fitted(net, len(x), loss, seconds, 2e-3, 0.998, "diffusion").cpu()
    S.cpu(), (vae or S).cpu()
    half = {name: {k: v.half() for k, v in part.state_dict().items()}
            for name, part in {"net": net, "vae": vae}.items() if part}  # fmt: skip
    about = {"vae_sizes": VAE, "sizes": sizes, "T": S.T, "seed": args.seed}
    save_checkpoint(args.out, **about, **half)
    score(net, vae, x, y, args)


def score(net: UNet, vae: nn.Module | None, x: Tensor, y: Tensor, args: argparse.Namespace) -> None:
    """Draw samples and score them."""
    torch.manual_seed(1000 + args.seed)
    begin = time.process_time()
    images, labels = drawn(net, vae, args.n, args.steps)
    taken = time.process_time() - begin
    if args.samples:
        torch.save({"images": images.half(), "y": labels}, args.samples)
    report(images, labels, x, y, taken)


if __name__ == "__main__":
    main()
