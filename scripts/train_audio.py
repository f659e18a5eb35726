"""Train the networks of chapter 18: two that generate sounds, and the classifiers that judge them.

    python scripts/train_audio.py drums --seconds 500 --out drums.pt
    python scripts/train_audio.py spoken --seconds 500 --out spoken.pt --data FOLDER
    python scripts/train_audio.py judges --seconds 300 --out judges.pt --data FOLDER
    python scripts/train_audio.py join drums.pt spoken.pt judges.pt --data FOLDER

FOLDER contains spoken_digits/recordings, the Free Spoken Digit Dataset. Each of the first three
commands writes the averaged weights of one part. ``--start`` continues from such a file. ``join``
combines the three files in ddpm_lite/weights/sounds.pt, in half precision and with twenty
recordings for the chapter.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from ddpm_lite import (
    EMA,
    UNet,
    cosine_schedule,
    ddpm_loss,
    drop_labels,
    fit_classifier,
    from_v,
    from_x0,
    guided,
    load_checkpoint,
    sample,
    save_checkpoint,
    spaced,
    train,
    v_target,
    warmup_cosine,
    x0_target,
)
from ddpm_lite.audio import GAIN, as_blocks, from_blocks, log_mel, mu_law
from ddpm_lite.pretrained import SOUNDS as SIZES
from ddpm_lite.sampling import dpmpp_2m
from ddpm_lite.sounds import SPEAKERS, load_audio

FILE = Path(__file__).resolve().parents[1] / "ddpm_lite" / "weights" / "sounds.pt"
S = cosine_schedule(1000)


def sounds(part: str, root: Path, train: bool = True) -> tuple[Tensor, Tensor]:
    """The data that the network of this name learns, with labels."""
    if part == "drums":
        x, y = load_audio("drums", train=train, n=6000 if train else 900)
        return as_blocks(x), y
    x, y = load_audio("spoken_digits", root, train)
    return log_mel(x), y


def stream(x: Tensor, y: Tensor, size: int):
    """Batches without end, a tenth of the labels dropped."""
    while True:
        for rows in torch.randperm(len(x)).split(size):
            yield x[rows], drop_labels(y[rows], 0.1, int(y.max()) + 1)


def loss(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Drums: the waveform itself, since silence is then easy to predict. Words: v."""
    return ddpm_loss(partial(net, y=y), S, x, x0_target if x.ndim == 3 else v_target)


def fitted(net: UNet, x: Tensor, y: Tensor, args: argparse.Namespace) -> UNet:
    """The average of the weights after about so many seconds."""
    net, x, y = (part.to(args.device) for part in (net, x, y))
    S.to(args.device)
    steps = args.steps or int(args.seconds / seconds_a_step(x, y, args))
    ema, rate = EMA(net, args.ema), warmup_cosine(args.lr)
    for step, value in train(net, stream(x, y, args.batch), loss, steps, rate, ema=ema):
        if step % max(1, steps // 20) == 0:
            print(f"step {step} of {steps}, loss {value:.3f}", flush=True)
            save_checkpoint(args.out, **{args.part: ema.model.state_dict()})
    S.to("cpu")
    return ema.model.cpu()


def seconds_a_step(x: Tensor, y: Tensor, args: argparse.Namespace) -> float:
    """Measured on a network that is thrown away."""
    net, begin = UNet(**SIZES[args.part]).to(args.device), 0.0
    for step, _ in train(net, stream(x, y, args.batch), loss, 24, 1e-4):
        begin = time.perf_counter() if step == 4 else begin
    return (time.perf_counter() - begin) / 20


@torch.no_grad()
def drawn(part: str, net: nn.Module, y: Tensor, w: float, seed: int = 0) -> Tensor:
    """Samples in 25 network calls (50 with guidance), as the chapter draws them."""
    torch.manual_seed(seed)
    shape = (8, 400) if part == "drums" else (1, 32, 32)
    noise = torch.randn(len(y), *shape)
    steps = spaced(1000, 25, 2 if part == "drums" else 1)
    clip = GAIN if part == "drums" else 1.0
    eps = (from_x0 if part == "drums" else from_v)(net, S)
    model = [guided(eps, labels, w) for labels in y.split(100)]
    parts = zip(model, noise.split(100), strict=True)
    return torch.cat([sample(m, S, xT, steps, dpmpp_2m(), clip) for m, xT in parts])


def image(part: str, x: Tensor) -> Tensor:
    """The log-mel images of samples, which the classifiers read."""
    return log_mel(from_blocks(x)) if part == "drums" else x


def judged(part: str, net: nn.Module, judge: nn.Module, n: int = 300) -> str:
    """The share of n samples that a classifier reads as their label, for several guidance
    scales."""
    y = torch.arange(n) % SIZES[part]["num_classes"]
    shares = {
        w: (judge.probabilities(image(part, drawn(part, net, y, w))).argmax(1) == y)
        for w in (0.0, 0.5, 1.0, 2.0)
    }
    return ", ".join(f"w = {w}: {right.double().mean():.3f}" for w, right in shares.items())


def judges(args: argparse.Namespace) -> dict[str, dict]:
    """The two classifiers for the package, and the accuracy of a third one on a speaker that it
    wasn't trained on."""
    found = {}
    for part in SIZES:
        x, y = (image(part, x) if x.ndim == 3 else x for x in sounds(part, args.data))
        steps = (args.steps or 400) // (4 if part == "drums" else 1)
        judge = fit_classifier(x, y, steps, args.seed, dim=32)
        test, labels = sounds(part, args.data, train=False)
        right = judge.probabilities(image(part, test)).argmax(1) == labels
        print(f"{part}: {right.double().mean():.4f} of {len(test)} held-out sounds", flush=True)
        found[f"{part}_judge"] = judge.state_dict()
    for speaker in SPEAKERS if args.speakers else ():
        (x, y), (test, labels) = (
            load_audio("spoken_digits", args.data, train, speaker) for train in (True, False)
        )
        judge = fit_classifier(log_mel(x), y, args.steps or 600, args.seed, dim=32)
        right = judge.probabilities(log_mel(test)).argmax(1) == labels
        print(f"without {speaker}: {right.double().mean():.4f}", flush=True)
    return found


def examples(root: Path) -> dict[str, Tensor]:
    """Two held-out recordings of each digit, in 8 bits."""
    x, y = load_audio("spoken_digits", root, train=False)
    rows = [int(i) for d in range(10) for i in (y == d).nonzero()[[7, 22], 0]]  # two speakers
    x, y = x[rows], y[rows]
    return {"recordings": mu_law(x), "labels": y}


def half(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: w.half() if w.is_floating_point() else w for name, w in weights.items()}


def main() -> None:
    raw = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("part", choices=[*SIZES, "judges", "join"])
    parser.add_argument("files", nargs="*", type=Path, help="the files to join")
    parser.add_argument("--out", type=Path, default=FILE, help="the file to write")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder with spoken_digits")
    parser.add_argument("--seconds", type=float, default=500, help="about how long to train")
    parser.add_argument("--steps", type=int, help="number of training steps, instead of seconds")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=3e-3, help="the largest learning rate")
    parser.add_argument("--ema", type=float, default=0.995)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="device for training: cpu, cuda or mps")
    parser.add_argument("--start", type=Path, help="continue from the weights of this file")
    parser.add_argument("--judges", type=Path, help="file of classifiers, to score samples")
    parser.add_argument("--speakers", action="store_true", help="also test on unknown speakers")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    if args.part == "join":
        parts = {k: v for file in args.files for k, v in load_checkpoint(file).items()}
        weights = {k: half(v) for k, v in parts.items() if isinstance(v, dict)}
        save_checkpoint(args.out, **weights, **examples(args.data))
    elif args.part == "judges":
        save_checkpoint(args.out, **judges(args))
    else:
        net = UNet(**SIZES[args.part])
        if args.start:
            net.load_state_dict(load_checkpoint(args.start)[args.part])
        net = fitted(net, *sounds(args.part, args.data), args)
        save_checkpoint(args.out, **{args.part: net.state_dict()})
        if args.judges:
            from ddpm_lite import Classifier

            judge = Classifier(1, SIZES[args.part]["num_classes"], 32)
            judge.load_state_dict(load_checkpoint(args.judges)[f"{args.part}_judge"])
            print(args.part, judged(args.part, net, judge), flush=True)


if __name__ == "__main__":
    main()
