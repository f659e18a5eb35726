"""Convert sound to spectrograms and images, and back (torch, einops).

A waveform (B, L) has L samples in [-1, 1], ``RATE`` of them per second. A spectrogram (B, N, F) has
N frames and F frequencies. The image of a sound (B, 1, MELS, N) is in [-1, 1], with the lowest
frequency in row 0.

Griffin-Lim: Griffin and Lim 1984, doi 10.1109/TASSP.1984.1164317.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from .diffusion import check

RATE = 8000
"""Samples per second."""
N_FFT, HOP, MELS = 512, 160, 32
"""Samples in a frame (64 ms), samples from one frame to the next (20 ms), and frequency bands of an
image."""
LOW, HIGH = -70.0, -10.0
"""The levels in dB that become -1 and 1 in an image. A sine of amplitude 1 has the level 0 dB."""
GAIN = 3.0
"""The factor by which waveforms are multiplied for the network, because sound is quiet most of the
time."""


def frames(x: Tensor, n_fft: int = N_FFT, hop: int = HOP) -> Tensor:
    """Cut waveforms (B, L) into overlapping frames (B, L / hop, n_fft). Frame n is centred on the
    samples n hop … (n + 1) hop.

    Raises:
        ValueError: L isn't a multiple of hop, or n_fft - hop is odd or negative.

    Built in chapter 18.
    """
    _check_wave(x)
    _check_frames(x.shape[-1], n_fft, hop)
    pad = (n_fft - hop) // 2
    return F.pad(x, (pad, pad)).unfold(-1, n_fft, hop)


def overlap_add(pieces: Tensor, hop: int = HOP) -> Tensor:
    """Add overlapping frames (B, N, n_fft) to waveforms (B, N hop). Built in chapter 18."""
    check(pieces.ndim == 3, f"frames have shape {tuple(pieces.shape)}; expected (B, N, n_fft)")
    n, n_fft = pieces.shape[-2:]
    _check_frames(n * hop, n_fft, hop)
    size, pad = (1, (n - 1) * hop + n_fft), (n_fft - hop) // 2
    x = F.fold(pieces.mT, size, (1, n_fft), stride=(1, hop))  # (B, 1, 1, L + 2 pad)
    return x[:, 0, 0, pad : pad + n * hop]


def stft(x: Tensor, n_fft: int = N_FFT, hop: int = HOP) -> Tensor:
    """Short-time Fourier transform: waveforms (B, L) to complex (B, N, n_fft / 2 + 1), scaled so
    that a sine of amplitude 1 has magnitude 1. Built in chapter 18."""
    _check_wave(x)
    window = torch.hann_window(n_fft, dtype=x.dtype, device=x.device)
    X = frames(x, n_fft, hop) * window
    return torch.fft.rfft(X) * (2 / window.sum())


def istft(X: Tensor, n_fft: int = N_FFT, hop: int = HOP) -> Tensor:
    """The waveforms (B, L) whose ``stft`` has the smallest mean squared difference from X (B, N, F)
    (Griffin and Lim 1984, Eq. 6). If X is the ``stft`` of a waveform, the result is that waveform.
    Built in chapter 18.
    """
    window = torch.hann_window(n_fft, dtype=X.real.dtype, device=X.device)
    pieces = torch.fft.irfft(X, n=n_fft) * window * (window.sum() / 2)
    squares = (window**2).expand(1, X.shape[-2], -1)
    return overlap_add(pieces, hop) / overlap_add(squares, hop)


def hz_to_mel(f: Tensor) -> Tensor:
    """Convert frequency in Hz to mel, 2595 log10(1 + f / 700), a scale on which equal steps sound
    about equal (O'Shaughnessy 1987). Built in chapter 18."""
    return 2595 * torch.log10(1 + f / 700)


def mel_to_hz(m: Tensor) -> Tensor:
    """Convert mel to Hz, the inverse of ``hz_to_mel``. Used in chapter 18."""
    return 700 * (10 ** (m / 2595) - 1)


def mel_filters(mels: int = MELS, n_fft: int = N_FFT, rate: int = RATE) -> Tensor:
    """Triangular filters (mels, n_fft / 2 + 1), with centres evenly spaced in mel. Band m rises
    from 0 at the centre of band m - 1 to 1 at its own, and falls to 0 at the centre of band m + 1.

    Raises:
        ValueError: a band has no frequency in it, because there are too many bands for this n_fft.

    Built in chapter 18.
    """
    f = torch.linspace(0, rate / 2, n_fft // 2 + 1)
    top = hz_to_mel(torch.tensor(rate / 2)).item()
    edge = mel_to_hz(torch.linspace(0, top, mels + 2))[:, None]
    rise = (f - edge[:-2]) / (edge[1:-1] - edge[:-2])
    fall = (edge[2:] - f) / (edge[2:] - edge[1:-1])
    _check_bands(torch.minimum(rise, fall))
    return torch.minimum(rise, fall).clamp(min=0)  # (mels, F)


def log_mel(x: Tensor) -> Tensor:
    """Waveforms (B, L) to images (B, 1, MELS, L / HOP) in [-1, 1]. A pixel is the mean magnitude in
    a mel band in dB, scaled so that ``LOW`` … ``HIGH`` becomes -1 … 1. Built in chapter 18."""
    check(x.ndim == 2, f"x has shape {tuple(x.shape)}; expected waveforms (B, L)")
    filters = mel_filters().to(x)
    mean = filters / filters.sum(1, keepdim=True)
    bands = stft(x).abs() @ mean.T  # (B, N, MELS)
    level = 20 * torch.log10(bands.clamp(min=1e-6))
    image = (level - LOW) / (HIGH - LOW) * 2 - 1
    return rearrange(image.clamp(-1, 1), "b n m -> b 1 m n")


def magnitudes(image: Tensor) -> Tensor:
    """Images (B, 1, MELS, N) to magnitudes (B, N, F), an approximate inverse of ``log_mel`` that
    interpolates linearly between the centres of the bands. Built in chapter 18."""
    share = (rearrange(image, "b 1 m n -> b n m") + 1) / 2
    return 10 ** ((share * (HIGH - LOW) + LOW) / 20) @ mel_filters().to(image)


def griffin_lim(
    magnitude: Tensor, steps: int = 32, phase: Tensor | None = None, momentum: float = 0.99
) -> Tensor:
    """Waveforms (B, L) that approximately have the given magnitudes (B, N, F), whose phases aren't
    known.

    Two steps alternate: find the waveform nearest to the spectrogram, then replace the phases of
    the spectrogram by those of this waveform (Griffin and Lim 1984, section III). Momentum makes it
    faster (Perraudin et al. 2013, doi 10.1109/WASPAA.2013.6701851, Algorithm 2).

    Args:
        magnitude: (B, N, F) magnitudes of ``stft``, not in dB and not in mel bands.
        steps: how many times to do both.
        phase: angles (B, N, F) to start from. None draws random ones.
        momentum: from 0 (the original algorithm) to 1.

    Raises:
        ValueError: the magnitudes have the wrong number of frequencies, or are negative.

    Built in chapter 18.
    """
    _check_magnitude(magnitude)
    _check_way(magnitude, steps, phase, momentum)
    if phase is None:
        phase = 2 * torch.pi * torch.rand_like(magnitude)
    turn, before = torch.polar(torch.ones_like(magnitude), phase), 0
    for _ in range(steps):
        now = stft(istft(magnitude * turn))
        ahead = now + momentum * (now - before)
        turn, before = ahead / ahead.abs().clamp(min=1e-9), now
    return istft(magnitude * turn)


def as_blocks(x: Tensor, size: int = 8) -> Tensor:
    """Waveforms (B, L) to signals (B, size, L / size), multiplied by ``GAIN``. The channels of a
    position are ``size`` neighbouring samples.

    Raises:
        ValueError: L isn't a multiple of size.

    Built in chapter 18.
    """
    _check_wave(x)
    check(x.ndim == 2, f"x has shape {tuple(x.shape)}; expected waveforms (B, L)")
    _check_length(x.shape[-1], size)
    return rearrange(GAIN * x, "b (n c) -> b c n", c=size)


def from_blocks(x: Tensor) -> Tensor:
    """The inverse of ``as_blocks``: (B, size, n) to (B, n size). Built in chapter 18."""
    check(x.ndim == 3, f"x has shape {tuple(x.shape)}; expected blocks (B, size, n)")
    return rearrange(x / GAIN, "b c n -> b (n c)")


def to_int16(x: Tensor) -> Tensor:
    """Waveforms in [-1, 1] to 16-bit integers, -32767 … 32767, as in WAV files. They're computed in
    float32, because half precision can't represent 32767. Built in chapter 18."""
    _check_wave(x)
    return (x.float().clamp(-1, 1) * 32767).round().to(torch.int16)


def mu_law(x: Tensor) -> Tensor:
    """Waveforms in [-1, 1] to 8-bit integers, -127 … 127, with smaller steps for smaller values
    (ITU-T G.711 with mu = 255). The recordings of chapter 18 are stored like this."""
    _check_wave(x, 1.001)
    return (x.sign() * torch.log1p(255 * x.abs()) / math.log(256) * 127).round().to(torch.int8)


def from_mu_law(codes: Tensor) -> Tensor:
    """Codes of ``mu_law`` back to waveforms in [-1, 1], up to rounding. Used in chapter 18."""
    check(codes.dtype != torch.uint8, "codes are torch.uint8; expected int8, as mu_law gives")
    x = codes / 127
    return x.sign() * (256 ** x.abs() - 1) / 255


def _check_wave(x: Tensor, most: float = 100.0) -> None:
    """Refuse values that aren't a waveform. Values above 1 are allowed, but not ones as large as
    16-bit integers."""
    well = x.is_floating_point() and x.numel() and (x.abs() <= most).all()
    hint = "floats in [-1, 1] without NaN; for 16 bits, x.float() / 32768"
    check(well, f"x is {x.dtype} with values that aren't a waveform; expected {hint}")


def _check_frames(length: int, n_fft: int, hop: int) -> None:
    whole = type(n_fft) is type(hop) is int and 0 < hop <= n_fft and (n_fft - hop) % 2 == 0
    hint = "expected n_fft - hop to be even and at least 0"
    check(whole, f"n_fft is {n_fft} and hop {hop}; {hint}")
    _check_length(length, hop)


def _check_length(length: int, size: int) -> None:
    well = type(size) is int and size > 0 and length and length % size == 0
    hint = "pad the waveform with zeros, or crop it"
    check(well, f"there are {length} samples; expected a multiple of {size}: {hint}")


def _check_bands(filters: Tensor) -> None:
    if empty := int((filters.amax(1) <= 0).sum()):
        hint = "use fewer bands, or a larger n_fft"
        raise ValueError(f"{empty} of {len(filters)} mel bands have no frequency in them: {hint}")


def _check_magnitude(magnitude: Tensor) -> None:
    fits = magnitude.ndim == 3 and magnitude.shape[-1] == N_FFT // 2 + 1 and magnitude.numel()
    if not fits or magnitude.is_complex() or not (magnitude >= 0).all():
        hint = "magnitudes of stft, not levels in dB or mel bands; see magnitudes"
        real = magnitude.numel() and not magnitude.is_complex()
        least = f"{magnitude.min():g}" if real else "missing"
        given = f"the shape is {tuple(magnitude.shape)}, the smallest value {least}"
        raise ValueError(f"{given}; expected (B, N, {N_FFT // 2 + 1}) {hint}")


def _check_way(magnitude: Tensor, steps: int, phase: Tensor | None, momentum: float) -> None:
    well = type(steps) is int and steps >= 0 and 0 <= momentum <= 1
    check(well, f"steps is {steps}, momentum {momentum}; expected a whole number from 0, and 0 … 1")
    same = phase is None or phase.shape == magnitude.shape
    check(same, f"expected a phase of shape {tuple(magnitude.shape)}: one angle per magnitude")
