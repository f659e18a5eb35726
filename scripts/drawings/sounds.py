"""Drawings of sounds: a waveform in blocks, and a word on its way to an image and back."""

from __future__ import annotations

import torch
from torch import Tensor

from ddpm_lite.audio import log_mel
from ddpm_lite.pretrained import load_recordings
from ddpm_lite.sounds import load_audio

from .kit import Drawing, drawing


def wave(d: Drawing, x: float, y: float, w: float, h: float, sound: Tensor, kind: str = "data"):
    """A waveform (L,), its zero at y."""
    level = sound / sound.abs().max() * h / 2
    step = w / (len(level) - 1)
    d.line(*((round(x + step * i, 1), round(y - v, 1)) for i, v in enumerate(level.tolist())),
           kind=kind)  # fmt: skip


@drawing(height=292)
def sound_blocks(d: Drawing) -> None:
    """A waveform as blocks.

    Above, 64 samples of a kick drum, cut into eight blocks of eight. Below, each block is a column
    of eight numbers: eight channels at eight positions. The U-Net then works on 400 positions with
    24 channels, on 200 with 48 and on 100 with 48.
    """
    kick = load_audio("drums", n=1)[0][0, 40:104]
    for i in range(8):
        if i % 2 == 0:
            d.lane(8 + 63 * i, 30, 63, 84, "data")
    wave(d, 8, 72, 504, 76, kick)
    d.text(8, 14, "64 of 3,200 samples, in blocks of 8", "bold start")
    d.tile(72, 154, 112, (kick / kick.abs().max()).view(8, 8).T)
    d.text(128, 282, "8 channels × 8 positions")
    d.arrow((128, 118), (128, 152))
    d.text(140, 134, "a block is a column", "muted start")
    d.text(352, 134, "the U-Net", "bold start")
    d.arrow((186, 176), (232, 176), kind="model")
    widths = (272, 168, 104)
    names = ("24 channels × 400", "48 channels × 200", "48 × 100")
    for i, (w, name) in enumerate(zip(widths, names, strict=True)):
        d.box(372 - w / 2, 156 + 46 * i, w, 34, name, kind="model")
    for i in range(2):
        y = 190 + 46 * i
        d.arrow((352, y), (352, y + 12), kind="model", gap=0)
        d.arrow((392, y + 12), (392, y), kind="model", gap=0)


@drawing(height=270)
def word_path(d: Drawing) -> None:
    """A word on its way to an image and back.

    The waveform of a spoken six becomes a spectrogram of 257 frequencies in 32 frames, with
    magnitudes and phases. Its magnitudes in 32 mel bands are the log-mel image, and the phases
    are lost. On the way back, magnitudes for 257 frequencies are estimated from the image, and
    Griffin-Lim finds phases that fit.
    """
    recording = load_recordings()[0][13:14]
    envelope = recording[0].view(128, 40)
    both = torch.stack([envelope.amax(1), envelope.amin(1)], 1).flatten()
    for y in (62, 208):
        d.rect(4, y - 38, 96, 76, "frame")
        wave(d, 8, y, 88, 66, both, "data" if y == 62 else "model")
    d.text(4, 12, "5,120 numbers", "data start")
    d.text(4, 260, "a new sound", "model start")
    d.box(168, 24, 136, 76, "257 frequencies", "× 32 frames", "and phases", kind="data")
    d.box(168, 170, 136, 76, "257 × 32", "magnitudes,", "no phases", kind="model")
    d.tile(408, 81, 108, log_mel(recording)[0, 0].flip(0), 8)
    d.text(462, 62, "32 × 32", "data")
    d.text(462, 208, "log-mel image")
    d.arrow((100, 62), (168, 62), kind="data")
    d.arrow((304, 62), (372, 62), (372, 114), (408, 114), kind="data")
    d.arrow((408, 156), (372, 156), (372, 208), (304, 208), kind="model")
    d.arrow((168, 208), (100, 208), kind="model")
    d.text(134, 46, "`stft`")
    d.text(338, 46, "`log_mel`")
    d.text(352, 230, "`magnitudes`")
    d.text(134, 156, "`griffin_lim`")
