"""The files of networks for the pages that run in a browser."""

import base64
import json
from pathlib import Path

import pytest
import torch
from torch import nn

from ddpm_lite import UNet, load_pretrained
from ddpm_lite.finetune import add_label, add_lora, plain
from ddpm_lite.pages import playground_file


def test_the_file_for_the_page_holds_the_weights_to_two_bytes():
    """Whole numbers of two bytes, the low one first, and their unit; the page reads the same."""
    net, schedule, _ = load_pretrained("digits")
    add_lora(net, ("qkv",))
    add_label(net)
    nn.init.normal_(net.mid[0].attention.qkv.B.weight)
    net = plain(net)
    file = json.loads(playground_file(net, schedule, ("♥",)))
    assert (file["T"], file["size"], file["names"]) == (1000, 8, ["♥"])
    raw = base64.b64decode(file["int16"])
    numbers = torch.tensor(list(raw), dtype=torch.uint8).view(torch.int16)
    state, start = net.state_dict(), 0
    assert list(file["tensors"]) == list(state)
    for key, value in state.items():
        about = file["tensors"][key]
        assert about["shape"] == list(value.shape)
        mine = numbers[start : start + value.numel()].reshape(value.shape) * about["scale"]
        assert (mine - value).abs().max() <= 0.51 * about["scale"]
        start += value.numel()
    assert start == len(numbers)


def test_the_file_is_that_of_the_page_s_own_weights():
    text = (Path(__file__).parents[1] / "book/live/playground/weights.js").read_text("ascii")
    page = json.loads(text[text.index("{") : text.rindex("}") + 1])
    mine = json.loads(playground_file(*load_pretrained("digits")[:2]))
    assert all(mine[key] == value for key, value in page.items())


def test_a_file_needs_a_name_for_each_new_label():
    net, schedule, _ = load_pretrained("digits")
    with pytest.raises(ValueError, match=r"is \(1, 10\); expected 1 grey .* and 1 for names"):
        playground_file(net, schedule, ("♥",))
    with pytest.raises(ValueError, match=r"is \(1, 0\)"):
        playground_file(UNet(1, 8, (1, 2)), schedule)


@pytest.mark.parametrize("name", ["", "  ", "a name of 20 letters"])
def test_a_file_needs_names_that_the_page_shows(name):
    net, schedule, _ = load_pretrained("digits")
    add_label(net)
    assert "a name of 19 letter" in playground_file(plain(net), schedule, ("a name of 19 letter",))
    with pytest.raises(ValueError, match="names is .*; expected 1 to 19 characters"):
        playground_file(plain(net), schedule, (name,))


def test_a_file_needs_ordinary_layers():
    net, schedule, _ = load_pretrained("digits")
    add_lora(net, ("qkv",))
    with pytest.raises(ValueError, match=r"expected plain\(net\)"):
        playground_file(net, schedule)
