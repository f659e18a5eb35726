"""A network that a reader taught in chapter 21 opens in the page "Denoise in your browser"."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from torch import nn

from ddpm_lite import load_pretrained
from ddpm_lite.finetune import add_label, add_lora, plain
from ddpm_lite.pages import playground_file

FOLDER = Path(__file__).resolve().parents[2] / "book" / "live" / "playground"
NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(not NODE, reason="needs node")


@pytest.fixture(scope="module")
def taught():
    """The digits' network with a LoRA that has moved and a new label, and its file."""
    torch.manual_seed(0)
    net, schedule, _ = load_pretrained("digits")
    for name in add_lora(net, ("conv1", "qkv")):
        nn.init.normal_(net.get_submodule(name).B.weight, std=0.02)
    add_label(net)
    nn.init.normal_(net.condition.label.row)
    return net, playground_file(plain(net), schedule, ("♥",))


def run(code, **values):
    """What JavaScript gives with the files of the page and these values."""
    files = [(FOLDER / name).read_text("utf-8") for name in ("unet.js", "weights.js", "taught.js")]
    start = "const document = {getElementById: () => null};\n"
    given = f"const a = JSON.parse({json.dumps(json.dumps(values))});\n"
    text = start + "\n".join(files) + f"\n{given}console.log(JSON.stringify({code}));"
    done = subprocess.run([NODE], input=text, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("t, y", [(1, 10), (400, 10), (640, 3), (1000, None)])
def test_the_page_computes_what_the_taught_network_does(taught, t, y):
    """Also for the new label, and for "no label", which is the last row."""
    net, text = taught
    x = torch.randn(1, 1, 8, 8)
    call = "network(readWeights(readTaught(a.text, DIGITS)), 8)(a.x, a.t, [a.y])"
    theirs = run(call, text=text, x=x.flatten().tolist(), t=t, y=y)
    label = None if y is None else torch.tensor([y])
    with torch.no_grad():
        ours = plain(net)(x, torch.tensor([t]), label).flatten()
    assert (ours - torch.tensor(theirs)).abs().max() < 0.01


def changed(file, **values):
    """With these values for its first convolution."""
    about = file["tensors"]["conv_in.weight"] | values
    return file | {"tensors": file["tensors"] | {"conv_in.weight": about}}


@pytest.mark.parametrize("change", [
    lambda file: file | {"names": []},
    lambda file: file | {"names": ["♥", "♣"]},
    lambda file: file | {"int16": file["int16"][:-8]},
    lambda file: file | {"size": 28},
    lambda file: file | {"tensors": dict([*file["tensors"].items()][1:])},
    lambda file: file | {"tensors": dict([*file["tensors"].items()][::-1])},
    lambda file: file | {"tensors": file["tensors"] | {"more": {"shape": 7}}},
    lambda file: None,
    lambda file: file | {"names": [""]},
    lambda file: file | {"names": ["a name that's too long"]},
    lambda file: file | {"int16": "!" * len(file["int16"])},
    lambda file: file | {"int16": file["int16"][:-4] + "===="},
    lambda file: changed(file, shape="16,1,3,3"),
    lambda file: changed(file, shape=[["16,1,3,3"]]),
    lambda file: changed(file, scale=1e305),
    lambda file: changed(file, scale=None),
])  # fmt: skip
def test_other_files_are_refused_with_a_sentence(taught, change):
    text = json.dumps(change(json.loads(taught[1])))
    code = "(() => { try { readTaught(a.text, DIGITS) } catch (e) { return e.message } })()"
    assert run(code, text=text).endswith(".")
    assert run(code, text="{").endswith(".")
