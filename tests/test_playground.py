"""The page "Denoise in your browser": its JavaScript computes what the package computes."""

from functools import partial

import pytest
import test_book
import torch

import export_weights
from ddpm_lite import (
    clipped,
    cosine_schedule,
    ddim_step,
    ddpm_step,
    dpm_solver,
    from_v,
    guided,
    load_pretrained,
    nets,
    predict_x0,
    q_sample,
    sample,
)

browser, serve = test_book.browser, test_book.serve  # their fixtures
pytestmark = test_book.needs_browser
FILES = ("unet.js", "samplers.js", "weights.js", "worker.js")


@pytest.fixture(scope="module")
def js(browser, tmp_path_factory):
    """A page, opened from a folder, that has loaded all but the controls: evaluate JavaScript."""
    path = tmp_path_factory.mktemp("js") / "page.html"
    scripts = [f'<script src="{(export_weights.FOLDER / name).as_uri()}"></script>' for name in FILES]
    path.write_text("".join(scripts))
    page = browser.new_page()
    page.goto(path.as_uri())
    page.evaluate("() => { window.weights = readWeights(DIGITS) }")
    yield page.evaluate
    page.close()


@pytest.fixture(scope="module")
def rounded():
    """The network with the weights that the page has: rounded to two bytes."""
    net = load_pretrained("digits")[0]
    numbers, units = export_weights.rounded(net.state_dict())
    net.load_state_dict({key: value * units[key] for key, value in numbers.items()})
    return net


def array(image):
    """(C, H, W) as the JavaScript wants it."""
    c, h, w = image.shape
    return {"c": c, "h": h, "w": w, "data": image.flatten().tolist()}


def far(ours, theirs):
    """The largest difference between a tensor and a list of numbers."""
    return (ours.flatten() - torch.tensor(theirs, dtype=ours.dtype)).abs().max().item()


READ = "const x = {...a.x, data: Float64Array.from(a.x.data)};"


@pytest.mark.parametrize("name", ["enter", "down.1.conv", "up.4.res.skip", "up.3.res.conv1"])
def test_a_convolution_is_that_of_pytorch(js, rounded, name):
    conv = rounded.get_submodule(name)
    x = torch.randn(conv.in_channels, 8, 8)
    call = f"a => {{ {READ} return [...layer(weights, a.name, x, conv2d, a.stride).data] }}"
    assert far(conv(x[None]), js(call, {"x": array(x), "name": name, "stride": conv.stride[0]})) < 1e-4


@pytest.mark.parametrize(
    "name, call",
    [
        ("up.1.res.norm1", "layer(weights, 'up.1.res.norm1', x, groupNorm)"),
        ("middle.0.attention", "attention(weights, 'middle.0.attention', x)"),
        ("up.2", "stage(weights, 'up.2', x)"),
        ("leave.1", "silu(x)"),
    ],
)
def test_a_layer_is_that_of_pytorch(js, rounded, name, call):
    layer = rounded.get_submodule(name)
    x = 2 * torch.randn(48 if "norm" in name else 32, 4, 4) + 1
    theirs = js(f"a => {{ {READ} return [...{call}.data] }}", {"x": array(x)})
    assert far(layer(x[None]), theirs) < 1e-4


@pytest.mark.parametrize("name", ["down.0", "down.2", "middle.0", "up.1"])
def test_a_block_is_that_of_pytorch(js, rounded, name):
    """Among them one without a skip convolution, and one with attention."""
    block = rounded.get_submodule(name)
    x, c = torch.randn(block.res.conv1.in_channels, 4, 4), torch.randn(64)
    call = f"a => {{ {READ} return [...stage(weights, a.name, x, a.c).data] }}"
    theirs = js(call, {"x": array(x), "c": c.tolist(), "name": name})
    assert far(block(x[None], c[None]), theirs) < 1e-4


@pytest.mark.parametrize("t", [1, 17, 500, 1000])
def test_time_and_label_are_embedded_alike(js, rounded, t):
    """Up to the rounding of PyTorch's angles, which are float32 and as large as t."""
    time = torch.tensor([t])
    assert far(nets.time_embedding(time, 16), js("t => timeEmbedding(t, 16)", t)) < 1e-4
    for y in (0, 9, None):
        label = None if y is None else torch.tensor([y])
        theirs = js("([t, y]) => conditioning(weights, t, y)", [t, y])
        assert far(rounded.condition(time, label), theirs) < 1e-4


@pytest.mark.parametrize("t, y", [(1, 3), (250, None), (640, 0), (1000, 9)])
def test_the_network_is_the_package_s(js, rounded, t, y):
    x = torch.randn(1, 1, 8, 8)
    label = None if y is None else torch.tensor([y])
    theirs = js("([x, t, y]) => network(weights, 8)(x, t, [y])", [x.flatten().tolist(), t, y])
    assert far(rounded(x, torch.tensor([t]), label), theirs) < 1e-4


def test_rounding_the_weights_hardly_changes_the_network(rounded):
    x, t = torch.randn(100, 1, 8, 8), torch.randint(1, 1001, (100,))
    net, y = load_pretrained("digits")[0], torch.arange(100) % 11
    assert (net(x, t, y) - rounded(x, t, y)).abs().max() < 0.01


def test_the_schedule_is_the_package_s(js):
    assert far(cosine_schedule(1000).alpha_bar, js("() => cosineSchedule(1000).alphaBar")) < 1e-7
    assert js("() => times(1000, 30)") == [1000 * (30 - i) // 30 for i in range(31)]


SAMPLERS = {  # name on the page, the package's step, eta
    "ddpm": (lambda: ddpm_step, 0),
    "ddim": (lambda: ddim_step, 0),
    "ddim, eta": (lambda: partial(ddim_step, eta=0.7), 0.7),
    "dpm": (dpm_solver, 0),
}
RUN = """({x, y, w, sampler, eta, steps, z, known, drawing, fresh}) => {
  const ask = laboratory(DIGITS);
  const ts = times(1000, steps);
  for (let i = 0; i < steps; i++) {
    const keep = known && {known, drawing, z: fresh[i]};
    x = ask({x, t: ts[i], s: ts[i + 1], y, w, sampler, eta, z: z[i], keep}).x;
  }
  return x;
}"""


def drawn(net, step, xT, y, w, steps, z):
    """What ``sample`` draws from xT, where the noise of its steps is z, one after the other."""
    schedule = cosine_schedule(1000)
    model = clipped(guided(from_v(net, schedule), y, w), schedule)
    noise = iter(z)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "randn_like", lambda x: next(noise))
        return sample(model, schedule, xT, steps, step)


@pytest.mark.parametrize("w", [0, 2])
@pytest.mark.parametrize("name", SAMPLERS)
def test_a_sampler_ends_where_the_package_s_does(js, rounded, name, w):
    """From the same noise, for two labels at once, in 20 steps."""
    make, eta = SAMPLERS[name]
    xT, z, y = torch.randn(2, 1, 8, 8), torch.randn(20, 2, 1, 8, 8), torch.tensor([3, 8])
    ours = drawn(rounded, make(), xT, y, w, 20, z)
    run = {"x": xT.flatten().tolist(), "y": y.tolist(), "w": w, "steps": 20, "eta": eta}
    run |= {"z": z.flatten(1).tolist(), "sampler": name.split(",")[0]}
    print(name,w,far(ours, js(RUN, run)), far(drawn(load_pretrained("digits")[0], make(), xT, y, w, 20, z), js(RUN, run)))
    assert far(ours, js(RUN, run)) < 1e-3
