"""Write the data of the page "Type a caption".

    python scripts/export_prompt.py

These are the weights of `load_text()`, the words that the network knows, and the image that the
page shows without JavaScript. Weights are whole numbers of two bytes, in base64, with the name,
shape and unit of each tensor.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont

from ddpm_lite import ddim_step, from_v, guided, sample
from ddpm_lite.pages import as_int16
from ddpm_lite.pretrained import load_text
from ddpm_lite.scenes import HELD_OUT, NUMBERS

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "book" / "live" / "prompt"
HEAD = "// The network of chapter 17. Written by scripts/export_prompt.py: change nothing here.\n"
CAPTIONS = ("red seven above blue two", "three yellow fives", "big green eight", "pink four")
SEED, STEPS, SIDE = 2, 25, 128


def script() -> str:
    """The weights as a script, which a page can also load from a folder."""
    net, schedule, tokenizer = load_text()
    file = {
        "T": schedule.T,
        "size": 16,
        "channels": net.channels,
        "heads": net.condition.text.layers[0].heads,
        "length": tokenizer.length,
        "pieces": tokenizer.pieces,
        "heldOut": sorted(f"{colour} {NUMBERS[digit]}" for colour, digit in HELD_OUT),
        **as_int16(net.state_dict()),
    }
    return f"{HEAD}const SCENES = {json.dumps(file, separators=(',', ':'))};\n"


def still() -> Image.Image:
    """Four captions and what the network draws."""
    net, schedule, tokenizer = load_text()
    y = tokenizer(CAPTIONS)
    torch.manual_seed(SEED)
    model = guided(from_v(net, schedule), y, 1.0)
    x = sample(model, schedule, torch.randn(len(y), 3, 16, 16), STEPS, ddim_step)
    page = Image.new("RGB", (len(y) * (SIDE + 40) - 8, SIDE + 26), "white")
    write = ImageDraw.Draw(page)
    for i, (image, caption) in enumerate(zip(x, CAPTIONS, strict=True)):
        pixels = ((image.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
        big = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.NEAREST)
        page.paste(big, (i * (SIDE + 40) + 16, 0))
        middle = (i * (SIDE + 40) + 16 + SIDE // 2, SIDE + 14)
        write.text(middle, caption, "black", ImageFont.load_default(13), anchor="mm")
    return page


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "weights.js").write_text(script(), encoding="ascii")
    still().save(FOLDER / "still.png", optimize=True)


if __name__ == "__main__":
    main()
