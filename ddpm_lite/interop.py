"""Convert networks to diffusers and safetensors, and back (torch; both are imported when used).

Our U-Net and the UNet2DModel of diffusers are the same network (Ho et al. 2020, arXiv 2006.11239),
so you can convert the weights from one to the other, and the output stays the same. Three things
differ:

- Their timestep is k = t - 1. The sines and cosines of k + 1 are a rotation of those of k, so the
  conversion changes the first layer of the time embedding.
- Their pipelines pass no label. A fixed label adds a fixed vector, so the conversion adds it to a
  bias.
- All their group norms have the same number of groups, while our narrow ones have groups of 4
  channels. ``NarrowUNet2DModel`` is their network with our groups, for networks in which this
  matters.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from .diffusion import Schedule
from .nets import Attention, Block, Downsample, UNet, group_norm

TARGETS = {"eps": "epsilon", "x0": "sample", "v": "v_prediction"}


def to_diffusers(net: UNet, label: int | None = None) -> Any:
    """Convert a ``UNet`` on any device to a UNet2DModel on the CPU with the same output,
    ``model(x, t - 1, class_labels=y).sample``.

    Args:
        net: a ``UNet`` for images, with labels or without a condition.
        label: one label for all images, or num_classes for no label. Then the model takes no
            ``class_labels``, as the pipelines of diffusers expect. None keeps the labels.

    Raises:
        ModuleNotFoundError: diffusers isn't installed.
        ValueError: no UNet2DModel has the same output.
    """
    _check_net(net, label)
    model = _their_model(net, label is None)
    with torch.no_grad():
        for ours, theirs in _twins(net, model):
            for name, weight in ours.named_parameters():
                for layer, part in zip(theirs, weight.chunk(len(theirs)), strict=True):
                    twin = getattr(layer, name)
                    twin.copy_(part.reshape_as(twin))
        first = model.time_embedding.linear_1.weight
        first.copy_(net.condition.time[0].weight.cpu().double() @ _rotation(net.condition.width))
        if label is not None:
            model.time_embedding.linear_2.bias += net.condition.label.weight[label].cpu()
    return model.train(net.training)


def from_diffusers(model: Any) -> UNet:
    """Convert a UNet2DModel on any device to a ``UNet`` on the CPU with the same output:
    ``net(x, t, y)`` equals ``model(x, t - 1, y).sample``. The last label of the model becomes "no
    label".

    Raises:
        ModuleNotFoundError: diffusers isn't installed.
        ValueError: no ``UNet`` has the same output. You can still sample from the model, with
            ``lambda x, t: model(x, t - 1).sample``.
    """
    if not isinstance(model, _package("diffusers").UNet2DModel):
        raise ValueError(f"model is a {type(model).__name__}; expected a UNet2DModel of diffusers")
    net = _untrained(model.config)
    _check_same(model, to_diffusers(net))
    with torch.no_grad():
        for ours, theirs in _twins(net, model):
            for name, weight in ours.named_parameters():
                parts = torch.cat([getattr(layer, name) for layer in theirs])
                weight.copy_(parts.reshape_as(weight))
        first = net.condition.time[0].weight
        first.copy_(first.double() @ _rotation(net.condition.width).T)
    return net.train(model.training)


def to_scheduler(schedule: Schedule, target: str = "eps", kind: str = "DDPMScheduler") -> Any:
    """A scheduler of diffusers, such as "DDIMScheduler", with the noise levels of ``schedule``.
    ``target`` is what the network predicts: "eps", "x0" or "v".

    Raises:
        ModuleNotFoundError: diffusers isn't installed.
        ValueError: there is no such target, or diffusers has no such scheduler.
    """
    if target not in TARGETS:
        raise ValueError(f"target is {target!r}; expected one of {', '.join(TARGETS)}")
    if not hasattr(_package("diffusers"), kind):
        raise ValueError(f"kind is {kind!r}; expected a scheduler of diffusers: DDIMScheduler")
    return getattr(_package("diffusers"), kind)(
        num_train_timesteps=schedule.T, trained_betas=schedule.beta[1:].tolist(),
        prediction_type=TARGETS[target], timestep_spacing="trailing",
    )  # fmt: skip


def to_safetensors(net: nn.Module, recipe: dict[str, Any]) -> bytes:
    """The bytes of a safetensors file with the weights of ``net``, and the recipe as text."""
    weights = {name: weight.contiguous() for name, weight in net.state_dict().items()}
    return _package("safetensors.torch").save(weights, {"recipe": json.dumps(recipe)})


def from_safetensors(data: bytes) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The weights and the recipe from the bytes that ``to_safetensors`` returned.
    ``pretrained.build(recipe)`` makes the network that can load them.

    Raises:
        ValueError: the bytes aren't such a file.
    """
    load = _package("safetensors.torch").load
    try:
        weights = load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        recipe = json.loads(header["__metadata__"]["recipe"])
        recipe = {k: tuple(v) if isinstance(v, list) else v for k, v in recipe.items()}
    except Exception:  # foreign or damaged bytes can fail anywhere
        raise ValueError("these bytes aren't a safetensors file with a recipe in it") from None
    return weights, recipe


def __getattr__(name: str) -> Any:
    """Import ``NarrowUNet2DModel`` only when it's used, because it needs diffusers. diffusers also
    looks for its base class in this module."""
    if name in ("NarrowUNet2DModel", "ModelMixin"):
        return _narrow() if name == "NarrowUNet2DModel" else _package("diffusers").ModelMixin
    raise AttributeError(f"module {__name__} has no attribute {name}")


@functools.cache
def _narrow() -> Any:
    parent = _package("diffusers").UNet2DModel

    class NarrowUNet2DModel(parent):
        """The UNet2DModel of diffusers with the groups of ``nets.group_norm``. In its config,
        ``norm_num_groups`` is None, a value that UNet2DModel refuses."""

        @functools.wraps(parent.__init__)
        def __init__(self, *args: Any, **config: Any):
            super().__init__(*args, **config | {"norm_num_groups": 1})
            self.register_to_config(norm_num_groups=None)
            for module in self.modules():
                if isinstance(module, nn.GroupNorm):
                    module.num_groups = group_norm(module.num_channels).num_groups

    return NarrowUNet2DModel


def _their_model(net: UNet, labels: bool) -> Any:
    """An untrained UNet2DModel with the sizes of ``net``, and with its labels if ``labels`` is
    True."""
    groups = {m.num_groups for m in net.modules() if isinstance(m, nn.GroupNorm)}
    classes = _labels(net) if labels else None
    if len(groups) > 1:
        return _narrow()(**_config(net), norm_num_groups=None, num_class_embeds=classes)
    unet = _package("diffusers").UNet2DModel
    return unet(**_config(net), norm_num_groups=groups.pop(), num_class_embeds=classes)


def _config(net: UNet) -> dict[str, Any]:
    """The arguments of the UNet2DModel, except those for groups and labels."""
    levels: list[list[Block]] = [[]]
    for layer in net.down:
        levels.append([]) if isinstance(layer, Downsample) else levels[-1].append(layer)
    attention = [isinstance(blocks[0].attention, Attention) for blocks in levels]
    return dict(
        sample_size=net.image_size, in_channels=net.channels,
        out_channels=net.conv_out[2].out_channels, layers_per_block=len(levels[0]),
        block_out_channels=tuple(blocks[0].res.conv1.out_channels for blocks in levels),
        down_block_types=tuple("Attn" * a + "DownBlock2D" for a in attention),
        up_block_types=tuple("Attn" * a + "UpBlock2D" for a in attention[::-1]),
        dropout=net.dropout, attention_head_dim=None, flip_sin_to_cos=False, freq_shift=1,
    )  # fmt: skip


def _untrained(c: Any) -> UNet:
    """An untrained ``UNet`` with the sizes in the config of a UNet2DModel."""
    widths, size = c.block_out_channels, c.sample_size
    net = UNet(
        c.in_channels, widths[0], tuple(w // widths[0] for w in widths), c.layers_per_block,
        tuple(i for i, kind in enumerate(c.down_block_types) if kind.startswith("Attn")),
        (c.num_class_embeds or 1) - 1, c.dropout, out_channels=c.out_channels,
    )  # fmt: skip
    net.image_size = (size, size) if isinstance(size, int) else size and tuple(size)
    return net


def _rotation(width: int) -> Tensor:
    """The matrix that turns the time embedding of k into that of k + 1."""
    half = width // 2
    w = torch.exp(-math.log(10000) * torch.arange(half).double() / (half - 1))
    c, s = w.cos().diag(), w.sin().diag()
    return torch.cat([torch.cat([c, s], 1), torch.cat([-s, c], 1)])


def _labels(net: UNet) -> int | None:
    return net.condition.num_classes + 1 if net.condition.num_classes else None


def _twins(net: UNet, model: Any) -> Iterator[tuple[nn.Module, list[nn.Module]]]:
    """Yield each layer of ``net`` with its counterparts in ``model``: three for our layer of q, k
    and v, one for any other layer."""
    yield net.conv_in, [model.conv_in]
    yield net.condition.time[0], [model.time_embedding.linear_1]
    yield net.condition.time[2], [model.time_embedding.linear_2]
    if model.class_embedding is not None:
        yield net.condition.label, [model.class_embedding]
    ours = [part for layer in [*net.down, *net.mid, *net.up] for part in _ours(layer)]
    blocks = [*model.down_blocks, model.mid_block, *model.up_blocks]
    theirs = [part for block in blocks for part in _theirs(block)]
    yield from zip(ours, theirs, strict=True)
    yield net.conv_out[0], [model.conv_norm_out]
    yield net.conv_out[2], [model.conv_out]


def _ours(layer: nn.Module) -> list[nn.Module]:
    """The layers with weights in one of our blocks."""
    if not isinstance(layer, Block):
        return [layer.conv]
    a, b = layer.res, layer.attention
    parts = [a.norm1, a.conv1, a.inject, a.norm2, a.conv2]
    parts += [] if isinstance(a.skip, nn.Identity) else [a.skip]
    return parts + ([b.norm, b.qkv, b.out] if isinstance(b, Attention) else [])


def _theirs(block: Any) -> Iterator[list[nn.Module]]:
    """The same for one of their blocks, which is a whole level."""
    attentions = list(getattr(block, "attentions", []))
    for i, a in enumerate(block.resnets):
        for part in (a.norm1, a.conv1, a.time_emb_proj, a.norm2, a.conv2, a.conv_shortcut):
            if part is not None:
                yield [part]
        for b in attentions[i : i + 1]:
            yield from ([b.group_norm], [b.to_q, b.to_k, b.to_v], [b.to_out[0]])
    for name in "downsamplers", "upsamplers":
        for part in getattr(block, name, None) or []:
            yield [part.conv]


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        top = str(error.name).partition(".")[0]
        raise ModuleNotFoundError(f"{top} isn't installed: pip install {top}") from None


def _check_net(net: UNet, label: int | None) -> None:
    if not isinstance(net, UNet):
        raise ValueError(f"net is a {type(net).__name__}; expected a UNet")
    if net.conv_in.weight.ndim != 4 or net.cond_channels or net.condition.cond_dim:
        raise ValueError("expected a network for images, with labels or without a condition")
    if net.conv_in.out_channels != net.conv_out[2].in_channels:
        first = net.conv_out[2].in_channels // net.conv_in.out_channels
        raise ValueError(f"mults begins with {first}; a UNet2DModel needs 1 there")
    if label is not None and not 0 <= label < (_labels(net) or 0):
        expected = f"0 … {_labels(net) - 1}" if _labels(net) else "None: there are no labels"
        raise ValueError(f"label is {label}; expected {expected}")


def _check_same(model: Any, twin: Any) -> None:
    """Compare the config of a model with that of a converted ``UNet`` of the same sizes. If they
    differ, no ``UNet`` has the same output."""
    ours, theirs = ({k: v for k, v in m.config.items() if k[0] != "_"} for m in (twin, model))
    for name, expected in ours.items():
        given = theirs.get(name)
        given = tuple(given) if isinstance(given, list) else given
        if name == "norm_num_groups" and expected is None and given is not None:
            expected = "groups of 4 channels at these widths"
        if name != "sample_size" and given != expected:
            raise ValueError(f"{name} of the model is {given}; a UNet has {expected}")
