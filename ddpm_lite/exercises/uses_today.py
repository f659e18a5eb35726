"""How ``same_as_package`` calls the functions of part IV, on today's systems."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

import ddpm_lite
from ddpm_lite import vae
from ddpm_lite.text import TextEncoder, TextUNet

from .uses import (
    FALLING,
    S,
    T,
    Y,
    mean,
    model,
    network,
    pulled,
    trainable,
    x,
)


def unet() -> torch.nn.Module:
    """A small U-Net with three labels, in which no layer is zero."""
    return shaken(ddpm_lite.UNet(1, 8, (1, 2), num_classes=3))


def shaken(net: Any) -> Any:
    """The same network with random weights everywhere."""
    for weight in net.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    return net


def relabelled(label: Any) -> list[Tensor]:
    """The output and the table of a ``NewLabel``, at the start and after its row has changed."""
    start = label(torch.arange(5)).clone()
    torch.nn.init.normal_(label.row)
    return [start, label(torch.arange(5)), label.weight, trainable(label)]


def adapted(lora: Any) -> Iterator[Tensor]:
    """The output of a layer with LoRA, at the start and after A and B have changed."""
    batch = x()
    yield from (lora(batch), trainable(lora))
    for part in (lora.A, lora.B):
        torch.nn.init.normal_(part.weight)
    yield from (lora(batch), lora.weight)


def small_vae(VAE: Any = None, std: float | None = None) -> Any:
    """A VAE of rows of three numbers with two latents, the same each time."""
    torch.manual_seed(0)
    made = (VAE or vae.VAE)(torch.nn.Linear(3, 4), torch.nn.Linear(2, 3), std)
    made.scale.fill_(0.5)
    return made


def rows_of(make: Callable) -> Iterator[Tensor]:
    """What a VAE computes for some rows, with its own noise and with given noise."""
    for std in (None, 0.5):
        made = small_vae(make, std)
        yield from (*made.posterior(x(4, 3)), made(x(4, 3)), made(x(4, 3), x(4, 2)), made.log_std)


def duel(step: Callable) -> Iterator[Tensor]:
    """The loss of one step of a GAN, and the weights after it."""
    torch.manual_seed(0)
    g, d = torch.nn.Linear(2, 3), torch.nn.Sequential(torch.nn.Linear(3, 1), torch.nn.Flatten(0))
    first = step.__name__ == "discriminator_step"
    optimizer = torch.optim.SGD((d if first else g).parameters(), 0.5)
    with torch.enable_grad():
        yield step(g, d, optimizer, *([x(4, 3)] if first else []), x(4, 2))
    yield from (*g.parameters(), *d.parameters())
    yield sum(weight.grad is not None for weight in g.parameters())  # fakes are detached


def fitted(learn: Callable) -> Iterator[Tensor]:
    """The losses of two steps, and the weight after them."""
    weight = torch.nn.Parameter(x(3))
    with torch.enable_grad():
        optimizer = torch.optim.SGD([weight], 0.1)
        yield from [learn(optimizer, weight.square().sum()) for _ in range(2)]
    yield weight


def attending(TokenAttention: Callable) -> Iterator[Tensor]:
    """The output and the weights of attention between tokens."""
    yield from network(partial(TokenAttention, 16, 4), x(4, 9, 16))
    torch.manual_seed(0)
    yield TokenAttention(16, 4).weights(x(4, 9, 16))


def normed(Spectral: Any) -> Iterator[Tensor]:
    """A weight after some calls in training, and one in evaluation."""
    norm, weight = Spectral(x(4, 3, 2)), x(4, 3, 2)
    yield from [norm(weight) for _ in range(3)]
    yield norm.eval()(weight)


def hidden(n: int) -> Tensor:
    """Tokens (4, n) from 0 to 4, some of them hidden."""
    return torch.randint(-1, 5, (4, n), generator=torch.Generator().manual_seed(n))


def filler(x: Tensor, y: Tensor | None = None) -> Tensor:
    """Arbitrary logits (B, L, 5) that depend on neighbouring tokens."""
    return torch.stack([(x * (k + 1)).cumsum(1).double().sin() for k in range(5)], -1)


TOKENS = torch.tensor([[1, 2, 3, 0], [1, 8, 0, 0], [1, 3, 2, 0], [1, 4, 4, 4]])
MASK = TOKENS != 0


def reading(make: Any) -> Any:
    """A small U-Net for captions, with random weights everywhere."""
    torch.manual_seed(0)
    net = make(9, 1, 8, (1, 2), attention=(1,), dim=8, length=5)
    for weight in net.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    return net.eval()


USES_TODAY: dict[str, Callable[[Any], Any]] = {
    "reparameterise": lambda f: [f(x(), x()), f(x(), x(), x())],
    "kl_to_prior": lambda f: f(x(), x()),
    "gaussian_nll": lambda f: f(x(), x(), x(1)[0]),
    "VAE": rows_of,
    "elbo_terms": lambda f: [f(small_vae(), x(4, 3)), f(small_vae(), x(4, 3), x(4, 2))],
    "vae_loss": lambda f: [f(small_vae(), x(4, 3)), f(small_vae(), x(4, 3), 0.3, x(4, 2))],
    "importance_bound": lambda f: f(small_vae(), x(4, 3), 5),
    "latent_scale": lambda f: f(small_vae(), x(40, 3)),
    "to_latent": lambda f: f(small_vae(), x(4, 3)),
    "from_latent": lambda f: f(small_vae(), x(4, 2)),
    "dense_vae": lambda f: network(partial(f, (1, 4, 4), 3, 8), x(4, 1, 4, 4)),
    "conv_vae": lambda f: network(partial(f, 1, 2, 4), x(4, 1, 8, 8)),
    "discriminator_loss": lambda f: f(x(5), x(5)),
    "minimax_loss": lambda f: f(x(5)),
    "nonsaturating_loss": lambda f: f(x(5)),
    "Spectral": normed,
    "spectral_norm": lambda f: network(lambda: f(torch.nn.Linear(3, 2)), x(4, 3)),
    "learn": fitted,
    "discriminator_step": duel,
    "generator_step": duel,
    "small_generator": lambda f: network(partial(f, 8, 4), x(4, 8)),
    "small_discriminator": lambda f: network(partial(f, 4), x(4, 1, 8, 8)),
    "patchify": lambda f: [f(x(), 2), f(x(2, 3, 4, 6), 2), f(x(2, 3, 4, 8), 4)],
    "unpatchify": lambda f: [f(x(2, 6, 12), 2, 2), f(x(2, 6, 4), 2, 3)],
    "position_embedding": lambda f: [f(4, 4, 16), f(2, 3, 8)],
    "layer_norm": lambda f: f(16)(x(4, 9, 16)),
    "from_condition": lambda f: network(partial(f, 16, 2), x(4, 16)),
    "modulate": lambda f: f(x(4, 9, 16), x(4, 1, 16), x(4, 1, 16)),
    "TokenAttention": attending,
    "DiTBlock": lambda f: network(partial(f, 16, 4), x(4, 9, 16), x(4, 16)),
    "DiT": lambda f: [
        network(partial(f, 1, 2, 16, 2, 4, num_classes=4), x(), T, Y),
        network(partial(f, 2, 1, 16, 1, 2, out_channels=4), x(4, 2, 4, 6), T),
    ],
    "drawings": lambda f: f("#. .+\n.. #.\n\n++ ##\n.. ##"),
    "NewLabel": lambda f: relabelled(f(torch.nn.Embedding(4, 3))),
    "add_label": lambda f: [f(net := unet()), net(x(), T, Y), net(x(), T, Y.clamp(max=2))],
    "LoRA": lambda f: [
        *adapted(f(torch.nn.Linear(8, 5), 2, 6.0)),
        *adapted(f(torch.nn.Conv2d(1, 3, 3, stride=2, padding=1))),
    ],
    "add_lora": lambda f: [
        len(f(net := unet(), ("conv1", "inject"), 2)), trainable(net), shaken(net)(x(), T)
    ],
    "plain": lambda f: f(unet())(x(), T, Y.clamp(max=2)),
    "without_lora": lambda f: f(unet())(x(), T, Y.clamp(max=2)),
    "prior_loss": lambda f: f(model, S, (x(), Y), (x(), Y + 1), 0.5),
    "edges": lambda f: f(x()),
    "skip_widths": lambda f: f(unet()),
    "Branch": lambda f: [
        trainable(net := f(unet().requires_grad_(False))),
        shaken(net)(x(), torch.randn(4, 32), x()),
    ],
    "Control": lambda f: [trainable(net := f(unet())), shaken(net)(x(), T, Y.clamp(max=2), x())],
    "playground_file": lambda f: len(f(*ddpm_lite.load_pretrained("digits")[:2])),
    "Tokenizer": lambda f: f(("red", "seven", "s", "six", "es"), 6)(["red sevens", "", "sixes"]),
    "attention_weights": lambda f: f(x(4, 2, 5, 3), x(4, 2, 4, 3), MASK),
    "CrossAttention": lambda f: network(partial(f, 8, 6), x(4, 8, 6, 5), x(4, 4, 6), MASK),
    "TextLayer": lambda f: network(partial(f, 8), x(4, 4, 8), MASK),
    "TextEncoder": lambda f: network(partial(f, 9, 8, 5), TOKENS),
    "TextCondition": lambda f: network(lambda: f(8, 16, TextEncoder(9, 8, 5)), T, TOKENS),
    "TextBlock": lambda f: network(
        partial(f, 8, 16, 12, 6, 4, True), x(4, 8, 6, 6), (x(4, 12), x(4, 4, 6), MASK)
    ),
    "TextUNet": lambda f: [reading(f)(x(), T, TOKENS), reading(f)(x(), T)],
    "attention_maps": lambda f: f(reading(TextUNet), x(), T, TOKENS),
    "skip_out": lambda f: [f(FALLING), f(FALLING, 0.002, 0.5)],
    "consistency": lambda f: [f(model, S)(x(), T), f(model, S, y=Y)(x(), T * 0)],
    "row_error": lambda f: f(x(), x()),
    "random_step": lambda f: f([100, 60, 20, 0], 50),
    "x0_between": lambda f: [f(S, x(), T, x(), T - 1), f(S, x(), 50, x(), 20)],
    "two_steps": lambda f: f(model, S, x(), T.clamp(min=3), T // 3),
    "progressive_loss": lambda f: [
        f(model, model, S, x(), [100, 60, 20, 0]),
        f(model, model, S, x(), [100, 60, 20, 0], x()),
    ],
    "consistency_loss": lambda f: [
        pulled(lambda net, *rest: f(net, net, *rest), model, S, x(), [100, 60, 20, 0], *more)
        for more in ((), (model,))
    ],
    "hops": lambda f: list(f(model, S, x(), [100, 60, 20, 0])),
    "mean_velocity": lambda f: f(lambda x, t, y: (x + t[:, None]) * y.sum(1, True), x(4, 2))(
        x(4, 3), torch.rand(4), torch.rand(4)
    ),
    "mean_flow_times": lambda f: [*f(50), *f(50, 0.1)],
    "mean_flow_loss": lambda f: [
        pulled(f, mean, x(), *ends, *more)
        for ends in [(torch.tensor([1.0, 0.8, 0.5, 0.2]), torch.tensor([0.0, 0.5, 0.5, 0.1]))]
        for more in ((), (x(), 0.0))
    ],
    "encode": lambda f: f("a mask_ and 3"),
    "decode": lambda f: [ord(c) for c in f(hidden(3).clamp(max=1)[0])],
    "to_levels": lambda f: f(x().clamp(-1, 1)),
    "from_levels": lambda f: f(hidden(64)),
    "mask_tokens": lambda f: [
        f(hidden(9).clamp(min=0), torch.rand(4)),
        f(hidden(9).clamp(min=0), torch.rand(4), torch.rand(4, 9)),
    ],
    "token_posterior": lambda f: f(x(4, 9, 5).softmax(-1), hidden(9), 0.7, 0.2),
    "hidden_nats": lambda f: f(filler, hidden(9).clamp(min=0), hidden(9)),
    "steps_bound": lambda f: [f(filler, hidden(3).clamp(min=0), T) for T in (1, 5)],
    "even_times": lambda f: f(6),
    "masked_loss": lambda f: f(filler, hidden(9).clamp(min=0)),
    "gumbel_max": lambda f: f(x(4, 9, 5)),
    "at_random": lambda f: f(x(4, 9, 5), hidden(9)),
    "by_confidence": lambda f: f(x(4, 9, 5), hidden(9).clamp(min=0)),
    "reveal": lambda f: [f(filler, hidden(9)), f(filler, hidden(9), 3, lambda p, x: -x.double())],
    "unmask": lambda f: [f(filler, hidden(9), 2), f(filler, hidden(9), 3, lambda p, x: p[..., 0])],
    "shifted": lambda f: f(hidden(9)),
    "next_token_loss": lambda f: f(filler, hidden(9).clamp(min=0)),
    "left_to_right": lambda f: f(filler, hidden(9)),
    "rotated": lambda f: f(x(4, 2, 9, 6)),
    "TokenBlock": lambda f: [
        network(partial(f, 8, 2, causal, rotary), x(4, 9, 8))
        for causal, rotary in ((False, False), (True, True))
    ],
    "TokenNet": lambda f: [
        network(partial(f, 5, 9, 8, 2, 2), hidden(9)),
        network(partial(f, 5, 9, 8, 1, 2, 4, True, True), hidden(9), Y),
    ],
    "frames": lambda f: [f(x(2, 1600)), f(x(2, 24), 8, 4)],
    "overlap_add": lambda f: [f(x(2, 10, 512)), f(x(2, 5, 8), 4)],
    "stft": lambda f: [torch.view_as_real(f(x(2, 1600))), torch.view_as_real(f(x(1, 24), 8, 4))],
    "istft": lambda f: f(torch.complex(x(2, 10, 257), x(2, 10, 257))),
    "hz_to_mel": lambda f: f(100 * FALLING),
    "mel_to_hz": lambda f: f(100 * FALLING),
    "mel_filters": lambda f: [f(), f(10, 256, 16000)],
    "log_mel": lambda f: [f(size * x(2, 1600)) for size in (0, 0.1, 10)],
    "magnitudes": lambda f: f(x(2, 1, 32, 10).tanh()),
    "griffin_lim": lambda f: [
        f(x(2, 10, 257).abs(), 3),
        f(x(2, 10, 257).abs(), 3, x(2, 10, 257), 0.0),
        f(torch.zeros(1, 10, 257), 1),  # silence
    ],
    "as_blocks": lambda f: [f(x(2, 32)), f(x(2, 32), 4)],
    "from_blocks": lambda f: f(x(2, 8, 4)),
    "to_int16": lambda f: [f(x(9)), f(x(9).half())],
    "mu_law": lambda f: f(x(9).tanh()),
    "from_mu_law": lambda f: f(torch.arange(-127, 128)),
}
