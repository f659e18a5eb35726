"""Load sounds: waveforms (N, L) in [-1, 1] at 8,000 samples per second (needs torch).

Drum hits are synthesised, so they need no download. Spoken digits are the recordings of the Free
Spoken Digit Dataset (Jakobovski and contributors, CC BY-SA 4.0).
"""

from __future__ import annotations

import math
import wave
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from .diffusion import check

SOUNDS = ("drums", "spoken_digits")
DRUMS = ("kick", "snare", "hat")
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
RATE = 8000
LENGTH = {"drums": 3200, "spoken_digits": 5120}
"""Samples in a sound, which is 0.4 s or 0.64 s long."""
SOURCE = "https://github.com/Jakobovski/free-spoken-digit-dataset"


class SoundError(ValueError):
    """The recordings are missing or damaged, or have another format."""


def load_audio(name: str, root: str | Path = "data", train: bool = True, speaker: str | None = None,
               n: int = 3000) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Sounds (N, L), each with a largest amplitude of 1, and their labels (N,).

    Args:
        name: "drums" are synthesised kicks, snares and hats (labels 0, 1 and 2) with L = 3200.
            "spoken_digits" are the words "zero" to "nine" (labels 0 to 9) with L = 5120, from files
            in ``root``.
        root: the folder that has spoken_digits/recordings, or the files themselves.
        train: True for the training part, False for the held-out part. The held-out spoken digits
            are recordings 0 to 4 of each digit and speaker.
        speaker: hold out this speaker instead, and use all the recordings of the others to train.
        n: how many drum hits.

    Raises:
        ValueError: there is no such set or speaker.
        SoundError: the recordings are missing, or have another rate. A SoundError is also a
            ValueError.

    Used in chapter 18.
    """
    _check_choice(name, train, speaker)
    if name == "drums":
        return drum_hits(n, seed=0 if train else 1)
    paths = [p for p in _recordings(root) if _held_out(p, speaker) != train]
    check(paths, f"{root} has no recordings of this part; expected digit_speaker_index.wav, from "
           f"{SOURCE}", SoundError)  # fmt: skip
    sounds = [fitted(read_wav(path), LENGTH[name]) for path in paths]
    return torch.stack(sounds), torch.tensor([int(path.name[0]) for path in paths])


def drum_hits(n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Synthesise kicks, snares and hats in turn (n, 3200), each with its own random pitch, decay
    and noise, and return them with their labels (n,). Used in chapter 18."""
    check(type(n) is int and n > 0, f"n is {n}; expected a whole number of sounds")
    draw = torch.Generator().manual_seed(seed)
    y, t = torch.arange(n) % 3, torch.arange(LENGTH["drums"]) / RATE
    x = torch.stack([kick(n, t, draw), snare(n, t, draw), hat(n, t, draw)])[y, torch.arange(n)]
    x = x * (t / 0.001).clamp(max=1) * ((t[-1] - t) / 0.05).clamp(max=1)  # fade in and out
    return x / x.abs().amax(1, keepdim=True), y


def kick(n: int, t: Tensor, draw: torch.Generator) -> Tensor:
    """n kick drums (n, L): sines whose pitch falls within a few hundredths of a second."""
    low, fall, time, decay = _between(n, draw, (40, 70), (80, 250), (0.01, 0.04), (0.05, 0.1))
    cycles = low * t + fall * time * (1 - torch.exp(-t / time))
    return torch.sin(2 * math.pi * cycles) * torch.exp(-t / decay)


def snare(n: int, t: Tensor, draw: torch.Generator) -> Tensor:
    """n snare drums (n, L): two short tones, and noise that lasts longer."""
    f, ratio, decay, loud, rattle = _between(
        n, draw, (160, 240), (1.5, 1.9), (0.02, 0.05), (0.4, 1), (0.03, 0.08)
    )
    tone = torch.sin(2 * math.pi * f * t) + 0.6 * torch.sin(2 * math.pi * f * ratio * t)
    noise = torch.randn(n, len(t), generator=draw)
    return loud * tone * torch.exp(-t / decay) + 0.5 * noise * torch.exp(-t / rattle)


def hat(n: int, t: Tensor, draw: torch.Generator) -> Tensor:
    """n hats (n, L): bursts of noise without low frequencies, with different lengths."""
    (decay,) = _between(n, draw, (0.008, 0.06))
    noise = torch.randn(n, len(t) + 2, generator=draw)
    return noise.diff(n=2) * torch.exp(-t / decay)


def read_wav(path: str | Path) -> Tensor:
    """Read a WAV file, mono with 16 bits and 8,000 samples per second, as a waveform (L,) in [-1,
    1).

    Raises:
        SoundError: the file has another format, or it's damaged.
    """
    try:
        with wave.open(str(path)) as file:
            form = file.getnchannels(), file.getsampwidth(), file.getframerate()
            n, data = file.getnframes(), file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        hint = "download it again, or save it as WAV"
        raise SoundError(f"{path} isn't an intact WAV file ({error}): {hint}") from None
    if form != (1, 2, RATE):
        given = f"{form[0]} channel(s), {8 * form[1]} bits and {form[2]} samples a second"
        raise SoundError(f"{path} has {given}; expected one channel, 16 bits, {RATE}: resample it")
    whole = len(data) == 2 * n > 0
    check(whole, f"{path} is empty or cut short: download it again", SoundError)
    return torch.frombuffer(bytearray(data), dtype=torch.int16).float() / 32768


def fitted(x: Tensor, length: int) -> Tensor:
    """Scale a recording (L,) to a largest amplitude of 1 and fit it to ``length`` samples. A longer
    recording is cut to its loudest stretch, and a shorter one gets silence on both sides."""
    well = x.ndim == 1 and x.is_floating_point() and x.isfinite().all() and len(x) and length > 0
    check(well, f"x is {x.dtype} {tuple(x.shape)}; expected floats (L,) without NaN, L and length "
           "1 or more")  # fmt: skip
    x = x / x.abs().max().clamp(min=1e-6)
    if len(x) > length:
        energy = F.pad(x.double().square().cumsum(0), (1, 0))
        start = int((energy[length:] - energy[:-length]).argmax())
        x = x[start : start + length]
    rest = length - len(x)
    return F.pad(x, (rest // 2, rest - rest // 2))


def _between(n: int, draw: torch.Generator, *ranges: tuple[float, float]) -> list[Tensor]:
    """Random numbers (n, 1) from each range."""
    return [low + (high - low) * torch.rand(n, 1, generator=draw) for low, high in ranges]


def _recordings(root: str | Path) -> list[Path]:
    root = Path(root).expanduser()
    for folder in (root / "spoken_digits" / "recordings", root / "recordings", root):
        if paths := sorted(folder.glob("[0-9]_*_*.wav")):
            return paths
    raise SoundError(f"there are no spoken digits in {root}. Download {SOURCE}, and put its folder "
                     f"recordings into {root / 'spoken_digits'}.")  # fmt: skip


def _held_out(path: Path, speaker: str | None) -> bool:
    """Whether the recording digit_speaker_index.wav is held out."""
    parts = path.stem.split("_")
    named = len(parts) == 3 and parts[2].isdecimal()
    check(named, f"{path.name} isn't called digit_speaker_index.wav: move it away", SoundError)
    _, who, index = parts
    return int(index) < 5 if speaker is None else who == speaker


def _check_choice(name: str, train: bool, speaker: str | None) -> None:
    check(name in SOUNDS, f"there are no sounds {name!r}; expected one of {', '.join(SOUNDS)}")
    check(type(train) is bool, f"train is {train!r}; expected True or False")
    known = speaker is None or speaker in SPEAKERS
    check(known, f"there is no speaker {speaker!r}; expected one of {', '.join(SPEAKERS)}")
