"""Train the model of chapter 17 on scenes with captions, and the reader that scores it.

    python scripts/train_text.py --out reader.pt --reader --steps 3000 --scenes 20000
    python scripts/train_text.py --out words.pt --reader-file reader.pt
    python scripts/train_text.py --out bag.pt --reader-file reader.pt --positions 0
    python scripts/train_text.py --ship words.pt reader.pt  # writes ddpm_lite/weights/text.pt

The script trains for ``--seconds`` (or ``--steps``), on a GPU if there is one. It writes a file
with the averaged weights in half precision, the sizes and the scores, and prints the scores.
"""

from __future__ import annotations

import argparse
import json
import time
from functools import partial
from pathlib import Path
from random import Random

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ddpm_lite import (
    EMA,
    adamw,
    cosine_schedule,
    ddim_step,
    ddpm_loss,
    drop_labels,
    from_v,
    guided,
    load_checkpoint,
    load_images,
    sample,
    save_checkpoint,
    v_target,
    warmup_cosine,
)
from ddpm_lite.scenes import (
    BIG,
    COLOURS,
    PIECES,
    Reader,
    draw_scenes,
    layouts,
    make_scenes,
    random_caption,
    score_scenes,
)
from ddpm_lite.text import TextUNet
from ddpm_lite.tokenizer import Tokenizer

FILE = Path(__file__).resolve().parents[1] / "ddpm_lite" / "weights" / "text.pt"


def fitted(net: nn.Module, loss_fn, lr: float, seconds: float, steps: int, decay: float) -> EMA:
    """Train until the seconds or the steps are over; the learning rate falls to 0 then."""
    optimizer, ema, rate = adamw(net), EMA(net, decay), warmup_cosine(lr)
    start, step, progress, total = time.time(), 0, 0.0, 0.0
    net.train()
    while progress < 1:
        for group in optimizer.param_groups:
            group["lr"] = rate(progress)
        optimizer.zero_grad()
        loss = loss_fn(net)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        ema.update(net)
        step, total = step + 1, total + loss.item()
        progress = step / steps if steps else (time.time() - start) / seconds
        if step % 200 == 0:
            took = time.time() - start
            print(f"step {step}, loss {total / 200:.4f}, {took:.0f} s", flush=True)
            total = 0.0
    print(f"{step} steps in {time.time() - start:.0f} s", flush=True)
    ema.model.steps = step
    return ema


def text_model(args: argparse.Namespace, device: str) -> dict:
    x, y = load_images("digits")
    tokenizer, schedule = Tokenizer(PIECES), cosine_schedule(1000).to(device)
    images, tokens = scenes_as_bytes(args.scenes, x, y, tokenizer, args.seed, device)
    sizes = {"tokens": len(tokenizer.pieces), "width": args.width, "positions": args.positions}
    batch = args.batch or (64 if device == "cpu" else 256)
    net, none = TextUNet(**sizes).to(device), tokenizer([""]).to(device)
    print(f"{sum(p.numel() for p in net.parameters()):,} parameters on {device}", flush=True)

    def loss_fn(net: nn.Module) -> Tensor:
        rows = torch.randint(len(images), (batch,), device=device)
        x0 = images[rows] / 127.5 - 1
        c = drop_labels(tokens[rows], args.drop, none)
        c = c[:, : int((c != 0).sum(1).max())]  # the padding is never read
        return ddpm_loss(partial(net, y=c), schedule, x0, v_target)

    ema = fitted(net, loss_fn, args.lr, args.seconds, args.steps, args.decay)
    reader = Reader().eval()
    state = load_checkpoint(args.reader_file)
    reader.load_state_dict(state.get("reader") or state["net"])
    save_checkpoint(args.out, sizes=sizes, net=half(ema.model), about="not scored yet")
    scores = {}
    for held_out in (False, True):
        random = Random(1000)
        asked = [random_caption(random, held_out=held_out) for _ in range(400)]
        for w in args.w:
            name = f"{'held out' if held_out else 'seen'}, w = {w:g}"
            made = drawn(ema.model, schedule, tokenizer, asked, w, device)
            scores[name] = score_scenes(reader.read(made.cpu()), asked)
            print(name, {k: round(v, 3) for k, v in scores[name].items()}, flush=True)
    about = {"steps": ema.model.steps, "scores": scores, "args": vars(args)}
    return {"sizes": sizes, "net": half(ema.model), "about": json.dumps(about, default=str)}


def scenes_as_bytes(n: int, x: Tensor, y: Tensor, tokenizer, seed: int, device: str) -> tuple:
    """Images (n, 3, 16, 16) as bytes and tokens (n, L), made in parts to save memory."""
    parts = []
    for part in range(0, n, 10000):
        images, captions = make_scenes(min(10000, n - part), x, y, seed * 1_000_000 + part)
        parts.append(((images * 127.5 + 127.5).round().byte(), tokenizer(captions)))
    return tuple(torch.cat(column).to(device) for column in zip(*parts, strict=True))


def drawn(net, schedule, tokenizer, captions, w: float, device: str) -> Tensor:
    """Images of captions, in 25 steps."""
    torch.manual_seed(0)
    noise, y = torch.randn(len(captions), 3, 16, 16).to(device), tokenizer(captions).to(device)
    parts = zip(noise.split(200), y.split(200), strict=True)
    return torch.cat([
        sample(guided(from_v(net, schedule), c, w), schedule, x, 25, ddim_step) for x, c in parts
    ])  # fmt: skip


def random_layout(random: Random) -> tuple:
    """A layout with random things in random places, to train the reader."""
    n = random.choice([1, 1, 2, 3, 4])
    places = [BIG] if n == 1 and random.random() < 0.4 else random.sample(range(4), n)
    return tuple((p, random.choice([*COLOURS]), random.randrange(10)) for p in places)


def reader_loss(images: Tensor, digits: Tensor, colours: Tensor, net: nn.Module) -> Tensor:
    rows = torch.randint(len(images), (128,), device=images.device)
    x = images[rows]
    x = x + 0.4 * torch.rand(len(x), 1, 1, 1, device=x.device) * torch.randn_like(x)
    logits = net(x)
    return sum(F.cross_entropy(a.flatten(0, 1), b[rows].flatten(), ignore_index=-1)
               for a, b in zip(logits, (digits, colours), strict=True))  # fmt: skip


def tables(many: list) -> tuple[Tensor, Tensor]:
    """The digit (10: nothing) and the colour (-1: nothing) at each place."""
    digits = torch.full((len(many), 5), 10)
    colours = torch.full((len(many), 5), -1)
    for n, layout in enumerate(many):
        for place, colour, digit in layout:
            digits[n, place], colours[n, place] = digit, [*COLOURS].index(colour)
    return digits, colours


def reader_model(args: argparse.Namespace, device: str) -> dict:
    random = Random(args.seed)
    many = [random_layout(random) for _ in range(args.scenes)]
    images = draw_scenes(many, *load_images("digits"), args.seed).to(device)
    digits, colours = (table.to(device) for table in tables(many))
    net = Reader().to(device)
    loss_fn = partial(reader_loss, images, digits, colours)
    reader = fitted(net, loss_fn, args.lr, args.seconds, args.steps, args.decay).model.cpu()
    scores = {}
    for name, part in (("seen handwriting", True), ("new handwriting", False)):
        random = Random(1000)
        asked = [random_caption(random) for _ in range(2000)]
        made = draw_scenes([random.choice(layouts(c)) for c in asked],
                           *load_images("digits", train=part), seed=7)  # fmt: skip
        scores[name] = score_scenes(reader.read(made), asked)
        print(name, {k: round(v, 3) for k, v in scores[name].items()}, flush=True)
    return {"sizes": {}, "net": half(reader), "about": json.dumps({"scores": scores})}


def half(net: nn.Module) -> dict[str, Tensor]:
    return {name: weight.half().cpu() for name, weight in net.state_dict().items()}


def ship(words: str, reader: str) -> None:
    """One file with the model and the reader."""
    model = load_checkpoint(words)
    save_checkpoint(FILE, sizes=model["sizes"], net=model["net"],
                    reader=load_checkpoint(reader)["net"])  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", help="file to write")
    parser.add_argument(
        "--reader", action="store_true", help="train the reader instead of the model"
    )
    parser.add_argument(
        "--reader-file", default=FILE, type=Path, help="file with the trained reader"
    )
    parser.add_argument("--ship", nargs=2, metavar=("WORDS", "READER"))
    parser.add_argument("--seconds", type=float, default=540, help="how long to train")
    parser.add_argument(
        "--steps", type=int, default=0, help="number of training steps, instead of seconds"
    )
    parser.add_argument("--positions", type=float, default=1.0, help="scale of position embeddings")
    parser.add_argument("--width", type=int, default=24)
    parser.add_argument("--batch", type=int, default=0, help="default: 64, or 256 on a GPU")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--decay", type=float, default=0.999, help="decay of the averaged weights")
    parser.add_argument(
        "--drop", type=float, default=0.1, help="share of captions that are dropped"
    )
    parser.add_argument("--scenes", type=int, default=100000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--w", type=float, nargs="*", default=[0, 1], help="guidance scales to score"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    if args.ship:
        ship(*args.ship)
        return
    device = "cuda" if torch.cuda.is_available() else "cpu"
    state = (reader_model if args.reader else text_model)(args, device)
    save_checkpoint(args.out, **state)


if __name__ == "__main__":
    main()
