"""Train the three networks of chapter 20: one for grey levels of digits, and two for text.

    python scripts/train_tokens.py digits --seconds 150 --batch 256 --device auto --out tokens
    python scripts/train_tokens.py text --seconds 300 --batch 16 --out tokens
    python scripts/train_tokens.py causal --seconds 140 --batch 16 --out tokens

Each network trains for this many seconds and is written to a file such as tokens_digits.pt. "text"
and "causal" have the same sizes, but "text" is trained with masks, and "causal" from left to right.
Each file has the averaged weights that were best on held-out rows. Training with masks starts with
few of them, because it's easier to learn one letter from its neighbours: u is at most 0.3 at first,
and reaches 1 after 70 % of the time. To combine the files in ddpm_lite/weights/tokens.pt, in half
precision:

    python scripts/train_tokens.py digits text causal --join --out tokens
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ddpm_lite import (  # isort: skip
    EMA, frechet_distance, load_checkpoint, load_classifier, load_images, save_checkpoint,
    warmup_cosine,
)  # fmt: skip
from ddpm_lite.pretrained import load_prose
from ddpm_lite.token_net import TokenNet

from ddpm_lite.tokens import (  # isort: skip
    ALPHABET, MASK, decode, encode, even_times, from_levels, left_to_right, masked_loss,
    next_token_loss, to_levels, unmask,
)  # fmt: skip

FILE = Path(__file__).resolve().parents[1] / "ddpm_lite" / "weights" / "tokens.pt"
SIZES = {
    "digits": {"vocab": 17, "length": 64, "width": 64, "num_classes": 10},
    "text": {"vocab": len(ALPHABET), "length": 64, "depth": 3, "rotary": True},
    "causal": {"vocab": len(ALPHABET), "length": 64, "depth": 3, "rotary": True, "causal": True},
}
ROW = 50  # characters of a held-out row: twenty of them make a piece


def rows(name: str, batch: int, device: str) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Batches without end: digits with labels, or rows cut out anywhere in the text."""
    if name == "digits":
        x, y = load_images("digits")
        x, y = to_levels(x).to(device), y.to(device)
        while True:
            pick = torch.randint(len(x), (batch,), device=device)
            yield x[pick], y[pick]
    text, length = load_prose().to(device), SIZES[name]["length"]
    while True:
        piece = torch.randint(len(text), (batch, 1), device=device)
        start = torch.randint(text.shape[1] - length + 1, (batch, 1), device=device)
        yield text[piece, start + torch.arange(length, device=device)], None


def held_out(name: str, device: str) -> tuple[Tensor, Tensor | None]:
    if name == "digits":
        x, y = load_images("digits", train=False)
        return to_levels(x).to(device), y.to(device)
    return load_prose(train=False).unfold(1, ROW, ROW).flatten(0, 1).to(device), None


@torch.no_grad()
def bits(name: str, net: TokenNet, x: Tensor, y: Tensor | None, draws: int = 2) -> float:
    """Bits per token: of the bound, always with the same masks, or exactly, from left to right."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        told = net if y is None else partial(net, y=y)
        if name == "causal":
            return next_token_loss(told, x).item() / math.log(2)
        return sum(masked_loss(told, x).item() for _ in range(draws)) / draws / math.log(2)


def loss_of(name: str, net: Callable, x: Tensor, part: float) -> Tensor:
    """The loss after this part of the training."""
    if name == "causal":
        return next_token_loss(net, x)
    top = min(1.0, 0.3 + part) if name == "text" else 1.0
    return masked_loss(net, x, lambda n: top * even_times(n))


def fitted(name: str, args: argparse.Namespace) -> TokenNet:
    """The average of the weights that was best on held-out rows."""
    torch.manual_seed(0)
    net = TokenNet(**SIZES[name]).to(args.device)
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=0.1, betas=(0.9, 0.99))
    ema, rate, least, best = EMA(net, 0.99), warmup_cosine(args.lr), math.inf, net
    check, test, begin = 0.0, held_out(name, args.device), time.process_time()
    for step, (x, y) in enumerate(rows(name, args.batch, args.device), 1):
        part = (time.process_time() - begin) / args.seconds
        for group in optimizer.param_groups:
            group["lr"] = rate(min(part, 1.0))
        value = loss_of(name, net if y is None else partial(net, y=y), x, part)
        optimizer.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        ema.update(net)
        if part >= check:
            now, check = bits(name, ema.model, *test), check + 0.05
            print(f"{name} {part:4.0%}, step {step}, loss {value.item():.3f}, held-out bits "
                  f"{now:.3f}", flush=True)  # fmt: skip
            if now < least:
                least, best = now, copy.deepcopy(ema.model)
                save_checkpoint(f"{args.out}_{name}.pt", net=best.state_dict())
        if part >= 1:
            print(f"{name}: {bits(name, best, *test, 10):.3f} bits a token held out", flush=True)
            return best.cpu()


def show(name: str, net: Callable) -> None:
    """Samples, and for the digits their Fréchet distance with 64, 16, 4 and 1 tokens a step."""
    torch.manual_seed(2)
    if name == "digits":
        judge, y = load_classifier("digits"), torch.arange(1000) % 10
        real = judge.features(load_images("digits")[0])
        for k in (64, 16, 4, 1):
            *_, x = unmask(partial(net, y=y), torch.full((1000, 64), MASK), k)
            score = frechet_distance(judge.features(from_levels(x)), real)
            print(f"{k} tokens a step: distance {score:.2f}", flush=True)
        return
    start = encode("the network predicts the " + "_" * 20 + " of the image.")
    x = start.repeat(8, 1)
    x = left_to_right(net, x) if name == "causal" else list(unmask(net, x))[-1]
    print("\n".join(map(decode, x)), flush=True)


def joined(names: list[str], stem: str) -> None:
    nets = {name: load_checkpoint(f"{stem}_{name}.pt")["net"] for name in names}
    half = {name: {k: v.half() for k, v in net.items()} for name, net in nets.items()}
    save_checkpoint(FILE, sizes={name: SIZES[name] for name in names}, **half)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="+", choices=SIZES)
    parser.add_argument("--seconds", type=float, default=500, help="training time of each network")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--device", default="cpu", help='"auto" uses cuda if there is one')
    parser.add_argument("--out", required=True, help="prefix of the files to write")
    parser.add_argument("--join", action="store_true", help="combine the files for the package")
    args = parser.parse_args()
    if args.device == "auto":
        args.device = "cuda" if torch.cuda.is_available() else "cpu"
    if args.join:
        return joined(args.names, args.out)
    torch.set_num_threads(1)
    for name in args.names:
        net = fitted(name, args).eval().requires_grad_(False)
        show(name, net)


if __name__ == "__main__":
    main()
