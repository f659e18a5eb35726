"""Measure how often real and generated sounds are recognised as what they should be.

    python benchmarks/audio.py --data FOLDER         # FOLDER has spoken_digits/recordings
    python benchmarks/audio.py drums                 # needs no data

The rows are real sounds, real sounds after Griffin-Lim, and generated sounds, each with the same
number of sounds per word. The classifiers come with the package. The recogniser, pocketsphinx with
its own English model and a grammar of ten words, had no part in the training. It's optional: run
`pip install pocketsphinx`, or `pip install --target DIR pocketsphinx` and add DIR to PYTHONPATH. It
expects 16,000 samples per second, so the sounds are resampled. It also expects some background
noise, so a little noise is added.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ddpm_lite import (
    cosine_schedule,
    frechet_distance,
    from_v,
    from_x0,
    guided,
    nearest,
    sample,
    spaced,
)
from ddpm_lite.audio import from_blocks, griffin_lim, log_mel, magnitudes, stft, to_int16
from ddpm_lite.pretrained import load_sound, load_sound_classifier
from ddpm_lite.sampling import dpmpp_2m
from ddpm_lite.sounds import WORDS, load_audio

S = cosine_schedule(1000)


def drums(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Generated hits, n of each kind."""
    torch.manual_seed(seed)
    net, y = from_x0(load_sound("drums"), S), torch.arange(3 * n) % 3
    parts = [
        sample(partial(net, y=rows), S, torch.randn(len(rows), 8, 400), spaced(1000, 25, 2),
               dpmpp_2m(), clip=3.0)
        for rows in y.split(150)
    ]  # fmt: skip
    return from_blocks(torch.cat(parts)), y


def words(n: int, w: float, seed: int) -> tuple[Tensor, Tensor]:
    """Generated log-mel images, n of each word."""
    torch.manual_seed(seed)
    net, y = from_v(load_sound("spoken"), S), torch.arange(10 * n) % 10
    models = [(guided(net, r, w) if w else partial(net, y=r), len(r)) for r in y.split(150)]
    parts = [sample(m, S, torch.randn(k, 1, 32, 32), 25, dpmpp_2m()) for m, k in models]
    return torch.cat(parts), y


def sound(images: Tensor, seed: int = 0) -> Tensor:
    """Waveforms by Griffin-Lim."""
    torch.manual_seed(seed)
    return torch.cat([griffin_lim(magnitudes(part)) for part in images.split(100)])


def share(said: Tensor, y: Tensor) -> str:
    """The share that is recognised as its label, and the standard error."""
    p = (said == y).double().mean().item()
    return f"{100 * p:.1f} ± {100 * (p * (1 - p) / len(y)) ** 0.5:.1f} %"


def recogniser():
    """A function from waveforms to words, -1 for none; None if pocketsphinx isn't installed."""
    try:
        from pocketsphinx import Decoder
    except ImportError:
        print("pocketsphinx isn't installed, so its column is empty")
        return None
    decoder = Decoder(samprate=16000, lm=None, loglevel="FATAL")
    grammar = f"#JSGF V1.0; grammar digits; public <digit> = {' | '.join(WORDS)};"
    decoder.add_jsgf_string("digits", grammar)
    decoder.activate_search("digits")
    noise = torch.Generator().manual_seed(0)

    def heard(x: Tensor) -> int:
        y = resampled(0.6 * x / x.abs().max().clamp(min=1e-6))
        y = torch.nn.functional.pad(y, (3200, 3200))  # 0.2 s of a quiet room on both sides
        y = y + 1e-3 * torch.randn(len(y), generator=noise)
        decoder.start_utt()
        decoder.process_raw(to_int16(y).numpy().tobytes(), full_utt=True)
        decoder.end_utt()
        found = decoder.hyp()
        return WORDS.index(found.hypstr) if found and found.hypstr in WORDS else -1

    return lambda x: torch.tensor([heard(row) for row in x])


def resampled(x: Tensor) -> Tensor:
    """(L,) at 8,000 samples a second to (2 L,) at 16,000, without frequencies above 4,000 Hz."""
    X = torch.fft.rfft(x)
    return 2 * torch.fft.irfft(torch.nn.functional.pad(X, (0, len(x) // 2)), n=2 * len(x))


def copies(made: Tensor, train: Tensor, test: Tensor) -> str:
    """The distance to the nearest training image, compared with that of held-out recordings."""
    near, usual = nearest(made, train, 2)[0], nearest(test, train)[0]
    copied = int((near[:, 0] < near[:, 1] / 3).sum())
    return (f"nearest training image at {near[:, 0].mean():.1f} (held-out recordings: "
            f"{usual.mean():.1f}), copies: {copied}")  # fmt: skip


def drums_table(args: argparse.Namespace) -> None:
    judge, (x, _) = load_sound_classifier("drums"), load_audio("drums")
    real, y = load_audio("drums", train=False, n=3 * args.n)
    reference = judge.features(log_mel(x))
    rows = {"real, held out": (real, y)}
    rows |= {f"generated, seed {s}": drums(args.n, s) for s in range(args.seeds)}
    print(f"{3 * args.n} drum hits a row: classifier, Fréchet distance, level of the last 0.1 s")
    for name, (sounds, labels) in rows.items():
        said = judge.probabilities(log_mel(sounds)).argmax(1)
        d = frechet_distance(judge.features(log_mel(sounds)), reference)
        end = 20 * torch.log10(sounds[:, -800:].square().mean().sqrt()).item()
        print(f"{name:22} {share(said, labels):>14} {d:8.2f} {end:8.0f} dB", flush=True)


def words_table(args: argparse.Namespace) -> None:
    judge, hear = load_sound_classifier("spoken"), recogniser()
    x, _ = load_audio("spoken_digits", args.data)
    real, y = load_audio("spoken_digits", args.data, train=False)
    train, test = log_mel(x), log_mel(real)
    through = sound(test)
    exact = torch.cat([griffin_lim(stft(part).abs()) for part in real.split(100)])
    rows = {"real, held out": (test, real, y), "… spectrogram, G-L": (log_mel(exact), exact, y),
            "… image, G-L": (log_mel(through), through, y)}  # fmt: skip
    reference = judge.features(train)
    print("words: classifier, Fréchet distance, the classifier on the waveform, the recogniser")
    for w in args.scales:
        for s in range(args.seeds):
            images, labels = words(args.n, w, s)
            rows[f"w = {w:g}, seed {s}"] = (images, sound(images), labels)
    for name, (images, sounds, labels) in rows.items():
        said = judge.probabilities(images).argmax(1)
        again = judge.probabilities(log_mel(sounds)).argmax(1)
        d = frechet_distance(judge.features(images), reference)
        heard = share(hear(sounds), labels) if hear else ""
        shares = f"{share(said, labels):>14} {d:6.2f} {share(again, labels):>14} {heard:>14}"
        print(f"{name:22} {shares}", flush=True)
        if name.startswith("w ="):
            print(" " * 22, copies(images, train, test), flush=True)


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("tables", nargs="*", default=["drums", "words"])
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder with spoken_digits")
    parser.add_argument("--n", type=int, default=30, help="number of generated sounds per class")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--scales", type=float, nargs="+", default=[0.0, 1.0])
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name in args.tables:
        {"drums": drums_table, "words": words_table}[name](args)


if __name__ == "__main__":
    main()
