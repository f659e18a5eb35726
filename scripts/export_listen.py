"""Write the data of the page "Listen to it emerge".

    python scripts/export_listen.py

These are the weights of `load_sound()`, the constants of the transforms, and the image that the
page shows without JavaScript. Weights are whole numbers of two bytes, in base64, with the name,
shape and unit of each tensor.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from PIL import Image

from ddpm_lite import clipped, cosine_schedule, dpmpp_2m, from_v, guided, predict_x0, trajectory
from ddpm_lite.audio import GAIN, HIGH, HOP, LOW, MELS, N_FFT, RATE
from ddpm_lite.pages import as_int16
from ddpm_lite.pretrained import load_sound

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "book" / "live" / "listen"
HEAD = "// The networks of chapter 18. Written by scripts/export_listen.py: change nothing here.\n"
FORM = {"n": N_FFT, "hop": HOP, "mels": MELS, "low": LOW, "high": HIGH, "rate": RATE}
NETS = {
    "drums": {"channels": 8, "height": 1, "width": 400, "limit": GAIN, "gain": GAIN, "columns": 20,
              "target": "x0", "power": 2, "steps": 25, "w": 0},
    "spoken": {"channels": 1, "height": 32, "width": 32, "limit": 1, "target": "v", "power": 1,
               "steps": 15, "w": 1},
}  # fmt: skip
SEED, LABEL, STEPS, FRAMES = 1, 7, 15, 5


def script() -> str:
    """All data as a script, which a page can also load from a folder."""
    nets = {name: about | as_int16(load_sound(name).state_dict()) for name, about in NETS.items()}
    file = {"T": 1000, "form": FORM, "nets": nets}
    return f"{HEAD}const SOUNDS = {json.dumps(file, separators=(',', ':'))};\n"


def still() -> Image.Image:
    """The prediction of a spoken digit in five steps."""
    schedule = cosine_schedule(1000)
    model = guided(from_v(load_sound("spoken"), schedule), torch.tensor([LABEL]), 1.0)
    model = clipped(model, schedule)
    torch.manual_seed(SEED)
    states = list(trajectory(model, schedule, torch.randn(1, 1, 32, 32), STEPS, dpmpp_2m(), None))
    page = Image.new("LA", (34 * FRAMES - 2, 32))  # gaps stay transparent
    for i, (t, x) in enumerate(states[k] for k in (0, 4, 7, 10, 15)):
        x0 = predict_x0(schedule, x, t, model(x, torch.tensor([t]))) if t else x
        grey = ((x0[0, 0].flip(0).clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
        page.paste(Image.fromarray(grey.numpy()).convert("LA"), (34 * i, 0))
    return page.resize((page.width * 4, page.height * 4), Image.Resampling.NEAREST)


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "weights.js").write_text(script(), encoding="ascii")
    still().save(FOLDER / "still.png", optimize=True)


if __name__ == "__main__":
    main()
