"""Networks for the pages of the book that run in a browser."""

from __future__ import annotations

import base64
import json

import torch
from torch import Tensor

from .diffusion import Schedule, cosine_schedule, expect
from .nets import UNet


def rounded(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, float]]:
    """Weights as whole numbers up to 32767, of two bytes each, and the unit that multiplies the
    numbers of each tensor."""
    units = {key: value.abs().max().item() / 32767 or 1.0 for key, value in state.items()}
    return {key: (value / units[key]).round().short() for key, value in state.items()}, units


def as_int16(state: dict[str, Tensor]) -> dict:
    """The ``rounded`` weights in base64, with the shape and the unit of each tensor."""
    numbers, units = rounded(state)
    row = torch.cat([value.flatten() for value in numbers.values()])
    row = bytes(row.view(torch.uint8).tolist())  # the low byte first
    tensors = {k: {"shape": list(v.shape), "scale": units[k]} for k, v in state.items()}
    return {"tensors": tensors, "int16": base64.b64encode(row).decode()}


def playground_file(net: UNet, schedule: Schedule, names: tuple[str, ...] = ()) -> str:
    """The text of a file with a network of the digits, for the page "Denoise in your browser".

    Args:
        net: a network with the sizes of ``load_pretrained("digits")``, the only one that the page
            supports, and with ordinary layers (see ``finetune.plain``).
        schedule: ``cosine_schedule(1000)``, the only schedule that the page supports.
        names: names of 1 to 19 characters for the labels after 9, such as ("♥",).

    Each weight takes two bytes (see ``as_int16``).

    Raises:
        ValueError: the page can't use this schedule, these names, or this kind of layers. The page
            itself refuses a network of other sizes.

    Used in chapter 21.
    """
    state = {key: value.cpu() for key, value in net.state_dict().items()}
    _check_net(net, state, names)
    _check_schedule(schedule)
    file = {"T": schedule.T, "size": 8, **as_int16(state), "names": list(names)}
    return json.dumps(file, separators=(",", ":"), ensure_ascii=False)


def _check_net(net: UNet, state: dict[str, Tensor], names: tuple[str, ...]) -> None:
    given = net.channels, net.condition.num_classes
    hint = f"1 grey channel, and 10 labels and {len(names)} for names"
    expect(given == (1, 10 + len(names)), "(channels, labels)", given, hint)
    short = all(name.strip() and len(name) < 20 for name in names)
    expect(short, "names", names, "1 to 19 characters for each label")
    adapted = [key for key in state if key.endswith((".layer.weight", ".label.row"))]
    expect(not adapted, "a part of the network", adapted[:1], "plain(net), with ordinary layers")
    finite = all(value.isfinite().all() for value in state.values())
    expect(finite, "a weight", torch.nan, "finite weights")


def _check_schedule(schedule: Schedule) -> None:
    theirs, page = schedule.alpha_bar.cpu().float(), cosine_schedule(1000).alpha_bar
    same = schedule.T == 1000 and torch.allclose(theirs, page, atol=1e-4)
    expect(same, "schedule.T", schedule.T, "cosine_schedule(1000), the only one that the page has")
