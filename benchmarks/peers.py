"""The contestants of the benchmarks: ddpm_lite, and the other libraries that are installed.

Each uses its own network, loss and sampler, as in its documentation. The sizes are chosen so that
the numbers of parameters agree within a tenth. Dropout is 0 everywhere. If a library isn't
installed, a line says so, and it's left out. You don't need to install them into the project's
environment:

    pip install --target /tmp/peers --no-deps denoising-diffusion-pytorch smalldiffusion \\
        accelerate ema-pytorch datasets psutil labml-nn labml labml-helpers
    PYTHONPATH=/tmp/peers python benchmarks/training.py
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ddpm_lite import (
    UNet,
    cosine_schedule,
    ddim_step,
    ddpm_loss,
    from_v,
    sample,
    v_target,
)

warnings.filterwarnings("ignore")


@dataclass
class Contestant:
    """A network with its library's loss and samplers."""

    name: str
    net: nn.Module
    loss: Callable[..., Tensor]  # of (x0, y); y is ignored where labelled is False
    call: Callable[[Tensor, Tensor], Tensor]  # one bare evaluation at times t (B,)
    draw: Callable[..., Tensor]  # (xT, steps, kind, y=None), kind "ddpm" or "ddim"
    labelled: bool = False

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in self.net.parameters())


# Sizes at equal parameters: width of ours, then what the peers need for the same number.
SIZES = {
    "S": {"ours": 16, "diffusers": 16, "lucidrains": 12, "smalldiffusion": (1,), "labml": (1,)},
    "M": {"ours": 32, "diffusers": 32, "lucidrains": 28, "smalldiffusion": (1, 2), "labml": (1, 2)},
}  # S is 0.16M parameters, M 0.65M


def contestants(
    size: str, shape: tuple[int, int, int], classes: int = 0, seed: int = 0, only: str = ""
) -> list[Contestant]:
    """Ours and every installed peer, or ``only`` one. Labels are used by the networks that can."""
    found = []
    for make in (ours, diffusers, lucidrains, smalldiffusion, labml):
        if only not in ("", make.__name__):
            continue
        torch.manual_seed(seed)
        try:
            found.append(make(SIZES[size][make.__name__], shape, classes))
        except ImportError as error:
            print(f"({make.__name__} is left out: {error})")
    return found


def ours(width: int, shape: tuple[int, int, int], classes: int = 0) -> Contestant:
    """v-prediction with a cosine schedule."""
    net, schedule = UNet(shape[0], width, (1, 2), num_classes=classes), cosine_schedule()

    def draw(xT: Tensor, steps: int, kind: str, y: Tensor | None = None) -> Tensor:
        model = from_v(partial(net, y=y) if classes else net, schedule)
        return sample(model, schedule, xT, steps, *([ddim_step] if kind == "ddim" else []))

    def loss(x: Tensor, y: Tensor | None = None) -> Tensor:
        return ddpm_loss(partial(net, y=y) if classes else net, schedule, x, v_target)

    return Contestant("ddpm_lite", net, loss, net, draw, bool(classes))


def diffusers(width: int, shape: tuple[int, int, int], classes: int = 0) -> Contestant:
    """UNet2DModel, noise prediction, linear schedule, the loop of its documentation."""
    from diffusers import DDIMScheduler, DDPMScheduler, UNet2DModel

    kinds = {"down_block_types": ["DownBlock2D"] * 2, "up_block_types": ["UpBlock2D"] * 2}
    net = UNet2DModel(
        sample_size=shape[1], in_channels=shape[0], out_channels=shape[0], layers_per_block=1,
        block_out_channels=(width, 2 * width), norm_num_groups=8, attention_head_dim=None,
        num_class_embeds=classes or None, **kinds,
    )  # fmt: skip
    schedulers = {"ddpm": DDPMScheduler(), "ddim": DDIMScheduler()}

    def loss(x: Tensor, y: Tensor | None = None) -> Tensor:
        noise, t = torch.randn_like(x), torch.randint(0, 1000, x.shape[:1])
        noisy = schedulers["ddpm"].add_noise(x, noise, t)
        return F.mse_loss(net(noisy, t, y if classes else None, return_dict=False)[0], noise)

    def draw(x: Tensor, steps: int, kind: str, y: Tensor | None = None) -> Tensor:
        scheduler = schedulers[kind]
        scheduler.set_timesteps(steps)
        with torch.no_grad():
            for t in scheduler.timesteps:
                noise = net(x, t, y if classes else None, return_dict=False)[0]
                x = scheduler.step(noise, t, x).prev_sample
        return x

    def call(x: Tensor, t: Tensor) -> Tensor:
        return net(x, t, t % classes if classes else None, return_dict=False)[0]

    return Contestant("diffusers", net, loss, call, draw, bool(classes))


def lucidrains(width: int, shape: tuple[int, int, int], classes: int = 0) -> Contestant:
    """denoising-diffusion-pytorch: its Unet and GaussianDiffusion (v, sigmoid schedule)."""
    import denoising_diffusion_pytorch.denoising_diffusion_pytorch as library

    library.tqdm = lambda steps, **_: steps  # no bars
    net = library.Unet(width, dim_mults=(1, 2), channels=shape[0])
    chains = {}

    def chain(steps: int):
        options = {"image_size": shape[1], "auto_normalize": False}
        if steps not in chains:
            count = None if steps == 1000 else steps
            chains[steps] = library.GaussianDiffusion(net, sampling_timesteps=count, **options)
        return chains[steps]

    def draw(xT: Tensor, steps: int, kind: str, y: Tensor | None = None) -> Tensor:
        chain(steps).ddim_sampling_eta = float(kind == "ddpm")
        with torch.no_grad():
            return chain(steps).sample(batch_size=len(xT))

    def loss(x: Tensor, y: Tensor | None = None) -> Tensor:
        return chain(1000)(x)

    return Contestant("lucidrains", net, loss, net, draw)


def smalldiffusion(mults: tuple, shape: tuple[int, int, int], classes: int = 0) -> Contestant:
    """Its Unet (widths are multiples of 32), noise prediction, the schedule of DDPM."""
    import smalldiffusion as library

    net = library.Scaled(library.Unet)(
        shape[1], shape[0], shape[0], ch=32, ch_mult=mults, num_res_blocks=1,
        attn_resolutions=(), dropout=0.0,
    )  # fmt: skip
    schedule, accelerator = library.ScheduleDDPM(), library.diffusion.Accelerator(cpu=True)

    def loss(x: Tensor, y: Tensor | None = None) -> Tensor:
        x0, sigma, eps, _ = library.generate_train_sample(x, schedule)
        return net.get_loss(x0, sigma, eps)

    def draw(xT: Tensor, steps: int, kind: str, y: Tensor | None = None) -> Tensor:
        sigmas, mu = schedule.sample_sigmas(steps), 0.5 if kind == "ddpm" else 0.0
        xt = xT * sigmas[0]
        more = {"mu": mu, "xt": xt, "batchsize": len(xT), "accelerator": accelerator}
        *_, x0 = library.samples(net, sigmas, **more)
        return x0

    def call(x: Tensor, t: Tensor) -> Tensor:
        return net(x, schedule[t[0] - 1])

    return Contestant("smalldiffusion", net, loss, call, draw)


def labml(mults: tuple, shape: tuple[int, int, int], classes: int = 0) -> Contestant:
    """labml_nn's UNet (widths are multiples of 32) and DenoiseDiffusion: noise prediction, linear
    schedule, all 1,000 steps. It has no sampler with fewer."""
    from labml_nn.diffusion.ddpm import DenoiseDiffusion
    from labml_nn.diffusion.ddpm.unet import UNet as Library

    net = Library(shape[0], 32, mults, (False,) * len(mults), 1)
    for layer in net.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    chain = DenoiseDiffusion(net, 1000, torch.device("cpu"))

    def loss(x: Tensor, y: Tensor | None = None) -> Tensor:
        return chain.loss(x)

    def draw(x: Tensor, steps: int, kind: str, y: Tensor | None = None) -> Tensor:
        with torch.no_grad():
            for t in reversed(range(steps)):  # of a benchmark's few steps, only the time counts
                x = chain.p_sample(x, torch.full((len(x),), t))
        return x

    return Contestant("labml", net, loss, net, draw)


# Measuring


def cpu_seconds(work: Callable[[], object]) -> float:
    """Processor time of this process: what an idle machine would take on one thread."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def interleaved(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """The seconds of each task in each round. The tasks take turns, so a busy moment affects all of
    them."""
    for work in works.values():
        work()  # warm
    seconds = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            seconds[name].append(cpu_seconds(work))
    return seconds


def median_ratio(a: list[float], b: list[float]) -> float:
    """The median over the rounds of a / b."""
    return statistics.median(x / y for x, y in zip(a, b, strict=True))
