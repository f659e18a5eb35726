"""Train the three networks of chapter 20: grey levels of the digits, and the prose in two ways.

    python scripts/train_tokens.py digits text causal --seconds 500 --out tokens

Each network trains for so many seconds, and goes to tokens_digits.pt and so on. "text" and "causal"
are the same network, trained on masks and from left to right. Each keeps the averaged weights that
were best on held-out rows. This makes ddpm_lite/weights/tokens.pt of them, in half precision:

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

from ddpm_lite.tokens import (  # isort: skip
    ALPHABET, MASK, TokenNet, decode, encode, from_levels, left_to_right, masked_loss,
    next_token_loss, to_levels, unmask,
)  # fmt: skip

FILE = Path(__file__).resolve().parents[1] / "ddpm_lite" / "weights" / "tokens.pt"
SIZES = {
    "digits": {"vocab": 17, "length": 64, "width": 64, "num_classes": 10},
    "text": {"vocab": len(ALPHABET), "length": 128, "width": 64, "rotary": True},
    "causal": {"vocab": len(ALPHABET), "length": 128, "width": 64, "causal": True, "rotary": True},
}
ROW = 125  # characters of a held-out row: eight of them make a piece


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
def bits(name: str, net: TokenNet, x: Tensor, y: Tensor | None, draws: int = 4) -> float:
    """Bits a token: of the bound, always with the same masks, or exact from left to right."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        told = net if y is None else partial(net, y=y)
        if name == "causal":
            return next_token_loss(told, x).item() / math.log(2)
        return sum(masked_loss(told, x).item() for _ in range(draws)) / draws / math.log(2)


def fitted(name: str, args: argparse.Namespace) -> TokenNet:
    """The average of the weights that was best on held-out rows."""
    torch.manual_seed(0)
    net = TokenNet(**SIZES[name]).to(args.device)
    ema, loss = EMA(net, 0.99), next_token_loss if name == "causal" else masked_loss
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=0.1, betas=(0.9, 0.99))
    begin, rate, least, best = time.perf_counter(), warmup_cosine(args.lr), math.inf, net
    check, test = 0.0, held_out(name, args.device)
    for step, (x, y) in enumerate(rows(name, args.batch, args.device), 1):
        part = (time.perf_counter() - begin) / args.seconds
        for group in optimizer.param_groups:
            group["lr"] = rate(min(part, 1.0))
        value = loss(net if y is None else partial(net, y=y), x)
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
            print(f"{name}: {bits(name, best, *test, 50):.3f} bits a token held out", flush=True)
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
    start = encode("the network predicts the " + "_" * 40 + " because it can't see the noise. ")
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
    parser.add_argument("--seconds", type=float, default=500, help="of training, for each network")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--device", default="cpu", help='"auto": cuda where there is one')
    parser.add_argument("--out", required=True, help="how the names of the files begin")
    parser.add_argument("--join", action="store_true", help="make the file of the package")
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
