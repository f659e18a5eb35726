"""Write the data of the page "Denoise in your browser".

    python scripts/export_weights.py

These are the weights of `load_pretrained("digits")` and of two students, and the image that the
page shows without JavaScript. Weights are whole numbers of two bytes, in base64, with the name,
shape and unit of each tensor. With a unit for each tensor, they're several times more accurate than
float16.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import torch
from PIL import Image

from ddpm_lite import Schedule, UNet, clipped, from_v, load_pretrained, predict_x0, trajectory
from ddpm_lite.pages import as_int16
from ddpm_lite.pretrained import load_student

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "book" / "live" / "playground"
HEAD = "// The weights of the digits. Written by scripts/export_weights.py: change nothing here.\n"
SEED, LABEL, FRAMES = 1, 3, 11
STUDENTS = (("progressive", "student", 8), ("mnist", "mnist", 28))  # its file, and pixels


def script(name: str = "digits") -> str:
    """The weights of the digits as a script, which a page can also load from a folder."""
    net, schedule, recipe = load_pretrained(name)
    assert (recipe["target"], recipe["schedule"], recipe["data"]) == ("v", "cosine", "digits")
    return f"{HEAD}const DIGITS = {weights(net, schedule, 8)};\n"


def student(name: str, place: str, size: int) -> str:
    """A student's weights as a script. The page loads it when it's needed."""
    _, schedule, _ = load_pretrained("digits")
    return (f"{HEAD}(window.STUDENTS ??= {{}})[{json.dumps(place)}] = "
            f"{weights(load_student(name), schedule, size)};\n")  # fmt: skip


def weights(net: UNet, schedule: Schedule, size: int) -> str:
    file = {"T": schedule.T, "size": size, **as_int16(net.state_dict())}
    return json.dumps(file, separators=(",", ":"))


def picture() -> Image.Image:
    """One run of 50 steps: x_t above, the prediction of x0 below."""
    net, schedule, _ = load_pretrained("digits")
    net = partial(net, y=torch.tensor([LABEL]))
    model = clipped(from_v(net, schedule), schedule)
    torch.manual_seed(SEED)
    states = list(trajectory(model, schedule, torch.randn(1, 1, 8, 8), 50, clip=None))
    still = Image.new("LA", (9 * FRAMES - 1, 17))  # gaps of a pixel, which stay transparent
    for i, (t, x) in enumerate(states[:: 50 // (FRAMES - 1)]):
        x0 = predict_x0(schedule, x, t, model(x, torch.tensor([t]))) if t else x
        for j, image in enumerate((x, x0)):
            grey = ((image[0, 0].clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
            still.paste(Image.fromarray(grey.numpy()).convert("LA"), (9 * i, 9 * j))
    return still.resize((still.width * 8, still.height * 8), Image.Resampling.NEAREST)


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "weights.js").write_text(script(), encoding="ascii")
    for name, place, size in STUDENTS:
        (FOLDER / f"{place}.js").write_text(student(name, place, size), encoding="ascii")
    picture().save(FOLDER / "still.png", optimize=True)


if __name__ == "__main__":
    main()
