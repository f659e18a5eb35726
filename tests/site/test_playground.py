"""The page "Denoise in your browser": its JavaScript computes what the package computes."""

import copy
import time
from functools import partial

import live_pages
import numpy as np
import pytest
import test_book
import torch
from PIL import Image

import export_weights
from ddpm_lite import (
    cosine_schedule,
    ddim_step,
    ddpm_step,
    dpmpp_2m,
    from_v,
    from_x0,
    guided,
    load_classifier,
    load_pretrained,
    nets,
    pages,
    q_sample,
    sample,
    spaced,
)
from ddpm_lite.distill import consistency
from ddpm_lite.finetune import add_label, plain
from ddpm_lite.pretrained import load_student

browser, serve = test_book.browser, test_book.serve  # their fixtures
far = live_pages.far
pytestmark = test_book.needs_browser
FILES = [
    f"playground/{name}.js" for name in ("unet", "samplers", "weights", "background", "worker")
]


@pytest.fixture(scope="module")
def js(browser, tmp_path_factory):
    """Evaluate JavaScript after all scripts but the controls."""
    page = live_pages.scripts(
        browser,
        tmp_path_factory.mktemp("js"),
        FILES,
        "() => { window.weights = readWeights(DIGITS) }",
    )
    yield page.evaluate
    page.close()


@pytest.fixture(scope="module")
def rounded_net():
    """The network with the weights that the page has: rounded to two bytes."""
    net = load_pretrained("digits")[0]
    numbers, units = pages.rounded(net.state_dict())
    net.load_state_dict({key: value * units[key] for key, value in numbers.items()})
    return net


def array(image):
    """(C, H, W) as the JavaScript wants it."""
    c, h, w = image.shape
    return {"c": c, "h": h, "w": w, "data": image.flatten().tolist()}


@pytest.fixture
def rounded(rounded_net):
    return copy.deepcopy(rounded_net)  # a test may make it float64


READ = "const x = {...a.x, data: Float64Array.from(a.x.data)};"


@pytest.mark.parametrize("name", ["conv_in", "down.1.conv", "up.4.res.skip", "up.3.res.conv1"])
def test_a_convolution_is_that_of_pytorch(js, rounded, name):
    conv = rounded.get_submodule(name)
    x = torch.randn(conv.in_channels, 8, 8)
    call = f"a => {{ {READ} return [...layer(weights, a.name, x, conv2d, a.stride).data] }}"
    theirs = js(call, {"x": array(x), "name": name, "stride": conv.stride[0]})
    assert far(conv(x[None]), theirs) < 1e-4


@pytest.mark.parametrize(
    "name, call",
    [
        ("up.1.res.norm1", "layer(weights, 'up.1.res.norm1', x, groupNorm)"),
        ("mid.0.attention", "attention(weights, 'mid.0.attention', x)"),
        ("up.2", "stage(weights, 'up.2', x)"),
        ("conv_out.1", "silu(x)"),
    ],
)
def test_a_layer_is_that_of_pytorch(js, rounded, name, call):
    layer = rounded.get_submodule(name)
    x = 2 * torch.randn(48 if "norm" in name else 32, 4, 4) + 1
    theirs = js(f"a => {{ {READ} return [...{call}.data] }}", {"x": array(x)})
    assert far(layer(x[None]), theirs) < 1e-4


def test_attention_stays_finite_with_large_scores(js, rounded):
    """exp(score) alone would overflow, as in a network whose training diverged."""
    layer, x = rounded.get_submodule("mid.0.attention"), torch.randn(32, 4, 4)
    layer.qkv.weight.data *= 300
    call = f"""a => {{ {READ} const large = {{...weights}};
      const {{ shape, data }} = weights["mid.0.attention.qkv.weight"];
      large["mid.0.attention.qkv.weight"] = {{ shape, data: data.map(w => 300 * w) }};
      return [...attention(large, "mid.0.attention", x).data] }}"""
    theirs = js(call, {"x": array(x)})
    assert far(layer.double()(x[None].double()), theirs) < 1e-4


@pytest.mark.parametrize("name", ["down.0", "down.2", "mid.0", "up.1"])
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
    ns = [*range(1, 101), 999, 1000]  # halves are among them: 1000 / 16
    assert js("ns => ns.map(n => spaced(1000, n))", ns) == [spaced(1000, n) for n in ns]


SAMPLERS = {  # on the page: the package's step, eta
    "ddpm": (lambda: ddpm_step, 0),
    "ddim": (lambda: ddim_step, 0),
    "ddim, eta": (lambda: partial(ddim_step, eta=0.7), 0.7),
    "dpm": (dpmpp_2m, 0),
}
RUN = """({x, y, w, sampler, eta, steps, z, drawing, known, fresh}) => {
  const ask = laboratory(DIGITS);
  const ts = spaced(1000, steps);
  let last = null;
  for (let i = 0; i < steps; i++) {
    const [t, s] = [ts[i], ts[i + 1]];
    const keep = drawing && {drawing, known, z: fresh[i]};
    const answer = ask({x, t, s, y, w, sampler, eta, z: z[i], keep, last});
    x = answer.x;
    last = {t, s, x0: answer.x0};
  }
  return x;
}"""


def drawn(net, step, xT, y, w, z):
    """What ``sample`` draws from xT, where the noise of its steps is z, one after the other."""
    schedule = cosine_schedule(1000).to(xT.dtype)
    model = guided(from_v(net, schedule), y, w)
    noise = iter(z.to(xT.dtype))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "randn_like", lambda x: next(noise))
        return sample(model, schedule, xT, len(z), step)


@pytest.fixture
def doubles():
    """PyTorch computes in float64, as JavaScript does."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def run():
    """The noise of a run of 20 steps for two labels at once, as the page takes it."""
    xT, z = torch.randn(2, 1, 8, 8), torch.randn(20, 2, 1, 8, 8)
    return xT, z, {"x": xT.flatten().tolist(), "z": z.flatten(1).tolist(), "steps": 20}


@pytest.mark.parametrize("w", [0, 2])
@pytest.mark.parametrize("name", SAMPLERS)
def test_a_sampler_ends_where_the_package_s_does(js, rounded, run, doubles, name, w):
    """At a thousandth from what the package draws with its own weights, in float32; and at a
    millionth from what it draws in float64 with the weights that the page has."""
    (make, eta), (xT, z, a) = SAMPLERS[name], run
    y = torch.tensor([3, 8])
    a |= {"sampler": name.split(",")[0], "eta": eta, "y": y.tolist(), "w": w}
    theirs = js(RUN, a)
    assert far(drawn(rounded.double(), make(), xT.double(), y, w, z), theirs) < 1e-6
    torch.set_default_dtype(torch.float32)
    assert far(drawn(load_pretrained("digits")[0], make(), xT, y, w, z), theirs) < 1e-3


def test_the_solver_begins_anew_where_it_does_not_go_on(js, doubles):
    schedule, step = cosine_schedule(1000).double(), dpmpp_2m()
    xs, eps = torch.randn(3, 64), torch.randn(3, 64)
    jumps = [(1000, 900), (900, 700), (500, 400)]
    ours = [step(schedule, x, *jump, e) for x, jump, e in zip(xs, jumps, eps, strict=True)]
    call = """([xs, jumps, eps]) => {
      const [schedule, step] = [cosineSchedule(1000), dpmpp2m()];
      return jumps.map(([t, s], i) => step(schedule, xs[i], t, s, eps[i])).flat();
    }"""
    theirs = js(call, [xs.tolist(), jumps, eps.tolist()])
    assert far(torch.stack(ours), theirs) < 1e-6
    assert torch.allclose(ours[2], ddim_step(schedule, xs[2], 500, 400, eps[2]))


def test_known_pixels_are_replaced_in_every_step(js, rounded, run, doubles):
    xT, z, a = run
    drawing, fresh = torch.rand(2, 1, 8, 8) * 2 - 1, torch.randn(20, 2, 1, 8, 8)
    known = (torch.arange(8) < 4).expand(2, 1, 8, 8)  # the left half
    noise = iter(fresh)

    def step(schedule, xt, t, s, eps):
        xs = ddim_step(schedule, xt, t, s, eps)
        return torch.where(known, q_sample(schedule, drawing, s, next(noise)), xs)

    a |= {"sampler": "ddim", "eta": 0, "y": [None, None], "w": 0}
    a |= {"drawing": drawing.flatten().tolist(), "known": known.flatten().tolist()}
    a |= {"fresh": fresh.flatten(1).tolist()}
    ours = drawn(rounded.double(), step, xT.double(), None, 0, z)
    assert far(ours, js(RUN, a)) < 1e-6
    assert (ours - drawing)[known].abs().max() == 0


def test_the_noise_is_normal_and_that_of_another_step_is_another(js):
    draw = "([n, ...from]) => gaussian(n, ...from)"
    z, *others = (
        torch.tensor(js(draw, [10_000, *a]), dtype=torch.float64)
        for a in ((1, 1000), (2, 1000), (1, 999), (1, 1000, 1))
    )
    assert z.mean().abs() < 0.03 and (z.std() - 1).abs() < 0.03
    assert (z**4).mean() == pytest.approx(3, abs=0.25)
    assert (torch.corrcoef(torch.stack([z, *others])) - torch.eye(4)).abs().max() < 0.04
    assert js(draw, [64, 1, 1000]) == z[:64].tolist()


def test_the_files_are_what_the_script_writes():
    text = (export_weights.FOLDER / "weights.js").read_text(encoding="ascii")
    assert text == export_weights.script()
    for name, place, size in export_weights.STUDENTS:
        text = (export_weights.FOLDER / f"{place}.js").read_text(encoding="ascii")
        assert text == export_weights.student(name, place, size)
    still = np.asarray(Image.open(export_weights.FOLDER / "still.png"), dtype=int)
    assert np.abs(still - np.asarray(export_weights.picture(), dtype=int)).max() <= 2


# ---- the page -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return live_pages.without_theme(tmp_path_factory.mktemp("book"), "playground", "playground")


@pytest.fixture
def open_page(browser, site, serve):
    """Open the page from a folder, or over http under a sub-path; it must not complain."""
    pages, complaints = [], []

    def start(http=False, **options):
        page = browser.new_page(viewport={"width": 800, "height": 1400}, **options)
        pages.append(page)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else 0)
        return page, (serve(site) if http else site.as_uri() + "/") + "book/page.html"

    yield start
    for page in pages:
        page.close()
    assert complaints == []


def ready(page, address):
    page.goto(address)
    page.wait_for_selector("#pg-app", state="visible")
    page.select_option("#pg-pace", "0")
    return page


def choose(page, **values):
    """Set controls to values, as a reader would."""
    for name, value in values.items():
        call = "(c, v) => { c.value = v; c.dispatchEvent(new Event('input', {bubbles: true})); }"
        page.locator(f"#pg-{name}").evaluate(call, str(value))


def finished(page):
    page.wait_for_function("document.getElementById('pg-go').textContent === 'Next seed'")


def said(page, text):
    page.wait_for_function("s => document.getElementById('pg-said').textContent === s", arg=text)


def says(page, name, words):
    call = "([name, words]) => document.getElementById('pg-' + name).innerText.includes(words)"
    page.wait_for_function(call, arg=[name, words])


def pixels(page, name, size=8):
    """What a canvas shows, (1, 1, size, size) in [-1, 1]."""
    data = page.locator(f"#pg-{name}").evaluate(
        "(c, n) => [...c.getContext('2d').getImageData(0, 0, n, n).data]"
        ".filter((_, i) => i % 4 === 0)",
        size,
    )
    return torch.tensor(data).reshape(1, 1, size, size) / 127.5 - 1


def read(x):
    return load_classifier("digits").probabilities(x).argmax().item()


@pytest.mark.parametrize("http", [False, True], ids=["file", "http"])
def test_the_page_draws_the_digit_that_was_asked_for(open_page, http):
    page, address = open_page(http)
    sizes = {}
    page.on("requestfinished", lambda r: sizes.update({r.url: len(r.response().body())}))
    ready(page, address)
    choose(page, w=2)
    for label, sampler, steps in ((3, "ddpm", 50), (0, "ddim", 20), (7, "dpm", 10), (4, "dpm", 10)):
        page.check(f"#pg-labels input[value='{label}']", force=True)
        choose(page, sampler=sampler, steps=steps)
        page.get_by_role("button", name="Restart").click()
        finished(page)
        assert read(pixels(page, "x")) == label
        assert page.inner_text("#pg-where") == f"t = 0, step {steps} of {steps}"
        assert f"Finished. {steps} steps took" in page.text_content("#pg-said")
    if http:
        sizes = {name: size for name, size in sizes.items() if name.startswith("http")}
        assert 0.4e6 < sum(sizes.values()) < 0.7e6  # bytes of the page and all that it loads
        assert len(sizes) == 10  # the page, seven scripts, a style, an image


@pytest.mark.parametrize("sampler", ["ddim, eta", "dpm"])
def test_the_page_ends_where_the_package_does_with_its_noise(open_page, js, sampler):
    """Up to a grey level: the seed's noise of t = T begins, that of each later time falls there."""
    page, address = open_page()
    ready(page, address)
    make, eta = SAMPLERS[sampler]
    choose(page, steps=20, w=1, sampler=sampler.split(",")[0], eta=eta)
    page.click("#pg-go")
    finished(page)
    ts = [1000 - 50 * i for i in range(21)]
    noise = torch.tensor(js("ts => ts.map(t => gaussian(64, 1, t))", ts)).reshape(21, 1, 1, 8, 8)
    net = load_pretrained("digits")[0]
    x = drawn(net, make(), noise[0], torch.tensor([3]), 1, noise[1:])
    assert (pixels(page, "x") - x.clamp(-1, 1)).abs().max() < 1.1 / 127.5


def test_nothing_moves_before_it_is_asked_and_the_end_alone_with_reduced_motion(open_page):
    page, address = open_page(reduced_motion="reduce")
    page.goto(address)
    page.wait_for_selector("#pg-app", state="visible")
    assert page.input_value("#pg-pace") == "end" and page.inner_text("#pg-go") == "Start"
    page.wait_for_timeout(200)
    assert page.inner_text("#pg-where") == "t = 1000, step 0 of 50"
    page.click("#pg-go")
    finished(page)


@pytest.mark.parametrize("sampler", ["ddim", "dpm"])
def test_stop_paint_and_go_on(open_page, sampler):
    """A stroke changes prediction and end; without it the way back leads to the same end."""
    page, address = open_page()
    ready(page, address)
    choose(page, sampler=sampler, steps=10)
    for i in range(1, 6):
        page.click("#pg-step")
        said(page, f"t = {1000 - 100 * i}.")
    prediction = pixels(page, "x0")
    page.click("#pg-go")
    finished(page)
    end = pixels(page, "x")
    choose(page, back=5)
    assert page.inner_text("#pg-where") == "t = 500, step 5 of 10"
    assert torch.equal(pixels(page, "x0"), prediction)
    page.click("#pg-go")
    finished(page)
    assert torch.equal(pixels(page, "x"), end)
    assert page.inner_text("#pg-where") == "t = 0, step 10 of 10"  # what came after is forgotten

    choose(page, back=5)
    before = pixels(page, "x")
    box = page.locator("#pg-x").bounding_box()
    y, pixel = box["y"] + box["height"] / 16, box["width"] / 8
    page.mouse.move(box["x"] + 1.5 * pixel, y)
    page.mouse.down()
    page.mouse.move(box["x"] + 6.5 * pixel, y, steps=20)
    page.mouse.up()
    wait = time.monotonic() + 20
    while (pixels(page, "x0") - prediction).abs().max() < 0.1 and time.monotonic() < wait:
        page.wait_for_timeout(50)
    after = pixels(page, "x")
    assert torch.equal(after[..., 1:, :], before[..., 1:, :])  # the first row alone was painted
    assert after[0, 0, 0, 1:7].abs().eq(1).all() and len(after[0, 0, 0, 1:7].unique()) == 1
    assert (pixels(page, "x0") - prediction).abs().max() > 0.1
    page.click("#pg-go")
    finished(page)
    assert (pixels(page, "x") - end).abs().max() > 0.1


def test_finish_a_drawing_that_was_painted_with_the_keyboard(open_page):
    """The kept half ends as it was drawn; the other half is the model's."""
    page, address = open_page()
    ready(page, address)
    page.focus("#pg-drawing")
    for key in ["ArrowRight", "ArrowRight", *["ArrowRight", " "] * 3]:  # columns 3, 4 and 5
        page.keyboard.press(key)
    assert page.text_content("#pg-said") == "Row 1, column 6: white."
    choose(page, steps=20)
    page.click("#pg-finish")
    finished(page)
    x, top = pixels(page, "x")[0, 0], -torch.ones(4, 8)
    top[0, 3:6] = 1
    assert torch.equal(x[:4], top) and (x[4:] > 0).any()
    assert "your drawing kept" in page.inner_text("#pg-where")


HALVES = {
    "left": np.s_[:, :4],
    "right": np.s_[:, 4:],
    "top": np.s_[:4],
    "bottom": np.s_[4:],
}


def test_each_half_can_be_kept_and_the_other_is_hatched(open_page):
    """The drawing is a copy of a digit, which Clear makes black."""
    page, address = open_page()
    ready(page, address)
    choose(page, steps=5)
    page.click("#pg-go")
    finished(page)
    page.click("#pg-copy")
    drawing = pixels(page, "drawing")
    assert torch.equal(drawing, pixels(page, "x")) and len(drawing.unique()) > 10
    page.check("#pg-labels input[value='any']", force=True)
    frame = page.locator("#pg-drawing").bounding_box()
    for seed, (name, kept) in enumerate(HALVES.items(), 5):
        page.select_option("#pg-half", name)
        box = page.locator("#pg-free").bounding_box()
        free = np.zeros((8, 8), dtype=bool)
        left, top = (round(8 * (box[c] - frame[c]) / frame["width"]) for c in "xy")
        right, bottom = (
            first + round(8 * box[side] / frame["width"])
            for first, side in ((left, "width"), (top, "height"))
        )
        free[top:bottom, left:right] = True
        assert free.sum() == 32 and not free[kept].any()
        page.fill("#pg-seed", str(seed))
        page.click("#pg-finish")
        finished(page)
        same = (pixels(page, "x") == drawing)[0, 0].numpy()
        assert same[kept].all() and not same[free].all()
    page.click("#pg-clear")
    assert (pixels(page, "drawing") == -1).all()


def test_a_control_that_does_nothing_says_what_it_needs(open_page):
    page, address = open_page()
    ready(page, address)
    assert page.is_enabled("#pg-w") and not page.is_enabled("#pg-eta")
    assert page.inner_text("#pg-eta-value") == "needs DDIM"
    choose(page, sampler="ddim", eta=0.5)
    page.check("#pg-labels input[value='any']", force=True)
    assert page.is_enabled("#pg-eta") and page.inner_text("#pg-eta-value") == "0.5"
    assert not page.is_enabled("#pg-w") and page.inner_text("#pg-w-value") == "needs a label"


@pytest.mark.parametrize("colour", [1, -1], ids=["white", "black"])
def test_each_brush_paints_its_colour(open_page, colour):
    """On the drawing and on the state, whatever was there."""
    page, address = open_page()
    ready(page, address)
    for name in ("drawing", "x"):
        page.check(f"input[name=pg-brush-{name}][value='{colour}']")
        page.focus(f"#pg-{name}")
        for _ in range(3):
            page.keyboard.press(" ")
            page.keyboard.press("ArrowRight")
        assert (pixels(page, name)[0, 0, 0, :3] == colour).all()


@pytest.mark.parametrize("sampler", ["ddim", "dpm"])
def test_sixteen_at_once_are_those_of_their_seeds(open_page, sampler):
    page, address = open_page()
    ready(page, address)
    choose(page, steps=5, sampler=sampler, w=0)
    page.click("#pg-sixteen")
    page.wait_for_function("document.getElementById('pg-many-said').textContent.includes('Choose')")
    page.locator("#pg-grid canvas").nth(6).evaluate("c => { c.id = 'pg-seventh' }")
    picture = pixels(page, "seventh")
    assert page.locator("#pg-grid button").count() == 16
    page.get_by_role("button", name="The image of seed 7").click()
    finished(page)
    assert torch.equal(pixels(page, "x"), picture) and page.input_value("#pg-seed") == "7"


def by_student(name, noise, label, steps):
    """What the package's student draws from this noise."""
    schedule = cosine_schedule(1000)
    f = consistency(load_student(name), schedule, y=torch.tensor([label]))
    return sample(from_x0(f, schedule), schedule, noise, steps, ddim_step, clip=None)


@pytest.mark.parametrize("http", [False, True], ids=["file", "http"])
def test_one_call_draws_what_the_student_draws(open_page, js, http):
    """Up to a grey level, with "any" for the seed's last digit, and a run goes on afterwards."""
    page, address = open_page(http)
    ready(page, address)
    for label, seed in ((3, 1), ("any", 27)):
        page.check(f"#pg-labels input[value='{label}']", force=True)
        page.fill("#pg-seed", str(seed))
        page.click("#pg-once")
        page.wait_for_function("document.getElementById('pg-said').textContent.includes('1 step ')")
        noise = torch.tensor(js("seed => gaussian(64, seed, 1000)", seed)).reshape(1, 1, 8, 8)
        x = by_student("progressive", noise, 7 if label == "any" else label, 1)
        assert (pixels(page, "x") - x.clamp(-1, 1)).abs().max() < 1.5 / 127.5
        assert page.inner_text("#pg-where") == "t = 0, step 1 of 1"
        page.locator("#pg-said").evaluate("e => { e.textContent = ''; }")
    page.click("#pg-again")
    finished(page)


def test_a_large_digit_is_what_the_student_of_mnist_draws(open_page, js):
    page, address = open_page()
    ready(page, address)
    page.check("#pg-labels input[value='5']", force=True)
    page.click("#pg-draw-mnist")
    page.wait_for_function("document.getElementById('pg-mnist-said').textContent.includes('took')")
    noise = torch.tensor(js("() => gaussian(784, 1, 1000)")).reshape(1, 1, 28, 28)
    x = by_student("mnist", noise, 5, 2)
    assert (pixels(page, "mnist", 28) - x.clamp(-1, 1)).abs().max() < 3 / 127.5
    assert load_classifier("mnist").probabilities(x).argmax().item() == 5
    assert page.get_attribute("#pg-mnist", "aria-label") == "A handwritten 5 of 28 by 28 pixels"


@pytest.mark.parametrize("change, seed", [("-13", 13), ("2.7", 2), ("", 0), ("1e300", None)])
def test_any_seed_becomes_a_whole_number(open_page, change, seed):
    """With "any", the student takes its last digit as the label."""
    page, address = open_page()
    ready(page, address)
    page.check("#pg-labels input[value='any']", force=True)
    page.fill("#pg-seed", change)
    page.click("#pg-once")
    page.wait_for_function("document.getElementById('pg-said').textContent.includes('1 step ')")
    value = int(page.input_value("#pg-seed"))
    assert value == seed or (seed is None and 0 <= value < 1e6)
    assert read(pixels(page, "x")) == value % 10


def open_network(page, text):
    file = {"name": "mine.json", "mimeType": "application/json", "buffer": text.encode()}
    page.set_input_files("#pg-taught", file)


def test_a_network_of_the_reader_draws_and_the_next_takes_its_place(open_page):
    page, address = open_page()
    ready(page, address)
    choose(page, steps=5)
    net, schedule, _ = load_pretrained("digits")
    own = pages.playground_file(net, schedule)
    for _ in range(2):
        add_label(net)
        net = plain(net)
    text = pages.playground_file(net, schedule, ("♥", "♣"))
    open_network(page, text)
    says(page, "taught-said", "Opened. New labels: ♥, ♣.")
    finished(page)
    assert page.locator("#pg-labels input:checked").input_value() == "10"
    assert len(page.workers) == 1
    page.check("#pg-labels input[value='11']", force=True)
    page.click("#pg-once")  # its table has no such row
    says(page, "time", "only the labels")
    page.click("#pg-draw-mnist")
    assert "only the labels 0 to 9" in page.inner_text("#pg-mnist-said")
    open_network(page, own)
    says(page, "taught-said", "Opened. New labels: none.")
    finished(page)
    assert page.locator("#pg-labels input:checked").input_value() == "3"
    assert read(pixels(page, "x")) == 3


def test_a_file_that_is_not_ours_changes_nothing(open_page):
    page, address = open_page()
    ready(page, address)
    before = pixels(page, "x")
    for text in ("", "<b>no</b>", "7", "[]", "null", "{" * 10_000, '{"names": ["♥"]}'):
        page.locator("#pg-taught-said").evaluate("e => { e.textContent = ''; }")
        open_network(page, text)
        says(page, "taught-said", "playground_file")
    assert torch.equal(pixels(page, "x"), before) and page.inner_text("#pg-go") == "Start"


def test_it_is_said_if_a_student_is_not_there(browser, site):
    page = browser.new_page()
    for name in ("student", "mnist"):
        page.route(f"**/{name}.js", lambda route: route.abort())
    ready(page, site.as_uri() + "/book/page.html")
    page.click("#pg-once")
    says(page, "time", "be loaded")
    page.click("#pg-draw-mnist")
    says(page, "mnist-said", "be loaded")
    page.click("#pg-go")
    finished(page)
    page.close()


FAILING = {
    "missing": "delete window.Worker",
    "refused": "window.Worker = class { constructor() { throw new Error('refused') } }",
    "failing": "URL.createObjectURL = () => 'data:text/javascript,throw 1'",
}


@pytest.mark.parametrize("worker", FAILING)
def test_it_draws_without_a_worker(open_page, worker):
    page, address = open_page()
    page.add_init_script(FAILING[worker])
    ready(page, address)
    choose(page, steps=5)
    page.click("#pg-go")
    finished(page)
    assert not page.locator("#pg-still").is_visible()


def test_it_is_a_picture_without_javascript(open_page):
    still, address = open_page(java_script_enabled=False)
    still.goto(address)
    assert still.locator("#pg-still img").is_visible() and not still.locator("#pg-app").is_visible()
