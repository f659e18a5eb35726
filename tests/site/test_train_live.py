"""The page "Train in your browser": its gradients are PyTorch's, its methods the package's."""

import time
from functools import partial

import live_pages
import pytest
import test_book
import torch
from torch import nn

import train_still
from ddpm_lite import clipped, cosine_schedule, ddim_step, eps_target, flow, q_sample, sample

browser, serve = test_book.browser, test_book.serve  # their fixtures
far = live_pages.far
pytestmark = test_book.needs_browser
FILES = ("playground/samplers.js", "playground/background.js", "train/mlp.js", "train/learn.js")
SHAPES = ("moons", "ring", "gaussians", "spiral")
SIZES = [15, 48, 48, 48, 2]
SETTINGS = "{T: 1000, width: 48, size: 96, rate: 0.01, grid: [0, 0]}"
MATRIX = "const M = a => matrix(a.length, a[0].length, Float64Array.from(a.flat()));"
READ = f"""{MATRIX} const layers = a.layers.map(([W, b]) => ({{ W: M(W), b: M([b]) }}));"""
LISTS = "layers => layers.map(({ W, b }) => [[...W.data], [...b.data]])"


@pytest.fixture(autouse=True)
def doubles():
    """PyTorch computes in float64, as JavaScript does."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture(scope="module")
def js(browser, tmp_path_factory):
    """Evaluate JavaScript after all scripts but the controls."""
    page = live_pages.scripts(browser, tmp_path_factory.mktemp("js"), FILES)
    yield page.evaluate
    page.close()


# ---- the network and its gradients ----------------------------------------------------------


def perceptron():
    """The page's network in PyTorch."""
    torch.manual_seed(0)
    pairs = [[nn.Linear(a, b), nn.SiLU()] for a, b in zip(SIZES, SIZES[1:], strict=False)]
    return nn.Sequential(*sum(pairs, [])[:-1])


def weights(net, of=lambda p: p):
    """Weights or gradients of all linear layers, [[W, b], …], as lists."""
    linear = [layer for layer in net if isinstance(layer, nn.Linear)]
    return [[of(layer.weight).tolist(), of(layer.bias).tolist()] for layer in linear]


@pytest.mark.parametrize("rows", [1, 5])
def test_the_backward_pass_of_each_layer_is_pytorch_s(js, rows):
    """Six columns: not a multiple of the four that `dots` takes at a time."""
    X, dY = torch.randn(rows, 7, requires_grad=True), torch.randn(rows, 6)
    layer = nn.Linear(7, 6)
    layer(X).backward(dY)
    call = f"""a => {{ {MATRIX} const layer = {{ W: M(a.W), b: M([a.b]) }};
      const {{ dW, db, dX }} = linearBackward(M(a.X), layer, M(a.dY));
      return [linear(M(a.X), layer), dW, db, dX].map(m => [...m.data]); }}"""
    a = {"X": X, "dY": dY, "W": layer.weight, "b": layer.bias}
    theirs = js(call, {key: value.tolist() for key, value in a.items()})
    for ours, other in zip((layer(X), layer.weight.grad, layer.bias.grad, X.grad), theirs):  # noqa: B905
        assert far(ours, other) < 1e-10

    Z = (3 * torch.randn(rows, 6)).requires_grad_()
    nn.functional.silu(Z).backward(dY)
    call = f"""a => {{ {MATRIX}
      return [silu(M(a.Z)), siluBackward(M(a.Z), M(a.dY))].map(m => [...m.data]); }}"""
    theirs = js(call, {"Z": Z.tolist(), "dY": dY.tolist()})
    assert far(nn.functional.silu(Z), theirs[0]) < 1e-10 and far(Z.grad, theirs[1]) < 1e-10


def test_the_gradients_of_the_network_are_pytorch_s(js):
    net, X, target = perceptron(), torch.randn(20, 15), torch.randn(20, 2)
    loss = nn.functional.mse_loss(net(X), target)
    loss.backward()
    call = f"""a => {{ {READ} const {{ Y, tape }} = forward(layers, M(a.X));
      const {{ L, dY }} = meanSquare(Y, a.target);
      return [[...Y.data], L, ({LISTS})(backward(layers, tape, dY))]; }}"""
    a = {"layers": weights(net), "X": X.tolist(), "target": target.flatten().tolist()}
    Y, L, gradients = js(call, a)
    assert far(net(X), Y) < 1e-10 and abs(loss.item() - L) < 1e-10
    parameters = iter(net.parameters())  # W, b, W, b, …
    for theirs in sum(gradients, []):
        assert far(next(parameters).grad, theirs) < 1e-10


def test_training_steps_with_adam_are_pytorch_s(js):
    """Five steps at a falling rate, from the same weights on the same batch."""
    net, X, target = perceptron(), torch.randn(20, 15), torch.randn(20, 2)
    a = {"layers": weights(net), "X": X.tolist(), "target": target.flatten().tolist()}
    a["rates"] = rates = [0.01, 0.008, 0.006, 0.004, 0.002]
    call = f"""a => {{ {READ} const optimise = adam(layers);
      const losses = a.rates.map(rate => trainStep(layers, optimise, M(a.X), a.target, rate));
      return [losses, ({LISTS})(layers)]; }}"""
    losses, trained = js(call, a)
    optimiser = torch.optim.Adam(net.parameters())
    for rate, theirs in zip(rates, losses, strict=True):
        optimiser.param_groups[0]["lr"] = rate
        loss = nn.functional.mse_loss(net(X), target)
        assert abs(loss.item() - theirs) < 1e-8
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    parameters = iter(net.parameters())
    for theirs in sum(trained, []):
        assert far(next(parameters), theirs) < 1e-8


# ---- the two methods ------------------------------------------------------------------------


def exact_x0(x, points, signal, noise):
    """E[x0 | x] over the data points, by a softmax; signal and noise broadcast with x (B, 2)."""
    far = (x[:, None] - signal[..., None] * points).square().sum(2)  # (B, N)
    return torch.softmax(-far / (2 * noise**2), dim=1) @ points


def exact_eps(points, schedule):
    def model(x, t):
        a, b = (schedule.at(t, x).sqrt(), (1 - schedule.at(t, x)).sqrt())
        a, b = (torch.as_tensor(c).expand(len(x), 1) for c in (a, b))
        return (x - a * exact_x0(x, points, a, b)) / b

    return model


def exact_velocity(points):
    def velocity(x, u):
        u = u[:, None]
        return (x - exact_x0(x, points, 1 - u, u)) / u

    return velocity


def test_mixtures_and_targets_are_the_package_s(js):
    x0, eps, schedule = torch.randn(9, 2), torch.randn(9, 2), cosine_schedule(1000).double()
    t = torch.randint(1, 1001, (9,))
    ours = {
        "ddpm": (q_sample(schedule, x0, t, eps), eps_target(schedule, x0, t, eps)),
        "flow": (flow.interpolate(x0, t / 1000, eps), eps - x0),
    }
    call = """([name, x0, eps, u]) => { const method = methods(1000)[name];
      const mix = x0.map((v, j) => method.mix(u[j >> 1])).map(
        ([signal, noise], j) => signal * x0[j] + noise * eps[j]);
      return [mix, x0.map((v, j) => method.target(v, eps[j]))]; }"""
    for name, pair in ours.items():
        a = [name, x0.flatten().tolist(), eps.flatten().tolist(), (t / 1000).tolist()]
        for mine, theirs in zip(pair, js(call, a), strict=True):
            assert far(mine, theirs) < 1e-6  # the schedule is rounded to float32


def test_a_batch_is_a_mixture_of_data_points_and_noise(js):
    """Its times cover [0, 1]; without its noise, each row is a data point, each equally often."""
    points = torch.tensor([[-0.5, 0.2], [0.7, -0.1]])
    call = """([name, points]) => { const method = methods(1000)[name];
      const { x, u, target } = batch(method, points, 4000, 1, 2);
      return [x, u, target]; }"""
    for name in ("ddpm", "flow"):
        x, u, target = map(torch.tensor, js(call, [name, points.flatten().tolist()]))
        x, target = x.reshape(-1, 2), target.reshape(-1, 2)
        if name == "ddpm":
            assert u.min() >= 0.001 and u.max() == 1
            alpha_bar = cosine_schedule(1000).alpha_bar.double()[(u * 1000).round().long()][:, None]
            x0 = (x - (1 - alpha_bar).sqrt() * target) / alpha_bar.sqrt()
            x0 = x0[u < 0.99]
        else:
            assert 0 <= u.min() < 0.001 and 0.999 < u.max() < 1
            x0 = x - u[:, None] * target
        assert abs(u.mean() - 0.5) < 0.02
        distance = torch.cdist(x0, points)
        assert distance.min(1).values.max() < 1e-4  # each is one of the two points
        assert abs((distance[:, 0] < distance[:, 1]).double().mean() - 0.5) < 0.03


def test_the_exact_fields_are_the_formulas(js):
    points, x = torch.rand(50, 2) * 2 - 1, 1.5 * torch.randn(30, 2)
    call = """([name, points, x, u]) => [...exactPredictor(methods(1000)[name], points)(x, u)]"""
    schedule, t = cosine_schedule(1000).double(), torch.randint(20, 1001, (30,))
    ours = {"ddpm": exact_eps(points, schedule)(x, t), "flow": exact_velocity(points)(x, t / 1000)}
    for name, field in ours.items():
        a = [name, points.flatten().tolist(), x.flatten().tolist(), (t / 1000).tolist()]
        assert far(field, js(call, a)) < 1e-6


@pytest.mark.parametrize("eta", [0, 0.6, 1])
def test_samples_of_the_exact_fields_are_the_package_s(js, eta):
    """From the same noise, with the same noise in each step: all of the way."""
    points, n = torch.rand(20, 2) * 2 - 1, 15
    call = """([name, points, n, eta]) => { const method = methods(1000)[name];
      const way = wayBack(method, exactPredictor(method, points), 40, n, eta, 5);
      return [way.states, [...Array(n).keys()].map(k => gaussian(80, 5, k + 1, 7))]; }"""
    states, z = js(call, ["ddpm", points.flatten().tolist(), n, eta])
    noise = iter(torch.tensor(z).reshape(n, 40, 2))
    schedule = cosine_schedule(1000).double()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "randn_like", lambda x: next(noise))
        xT, step = torch.tensor(states[0]).reshape(40, 2), partial(ddim_step, eta=eta)
        model = clipped(exact_eps(points, schedule), schedule)
        ours = sample(model, schedule, xT, n, step, clip=None)
    assert far(ours, states[-1]) < 1e-4
    states, _ = js(call, ["flow", points.flatten().tolist(), n, eta])
    theirs = flow.euler(exact_velocity(points), torch.tensor(states[0]).reshape(40, 2), n)
    for (_, x), state in zip(theirs, states, strict=True):
        assert far(x, state) < 1e-6


def mmd(a, b, width=0.2):
    """Squared maximum mean discrepancy of points with a Gaussian kernel, unbiased."""
    aa, bb, ab = (
        torch.exp(-(torch.cdist(x, y) ** 2) / (2 * width**2)) for x, y in ((a, a), (b, b), (a, b))
    )
    inner = [(k.sum() - k.trace()) / (len(k) * (len(k) - 1)) for k in (aa, bb)]
    return (inner[0] + inner[1] - 2 * ab.mean()).item()


@pytest.mark.parametrize("name", SHAPES)
def test_a_thousand_steps_learn_a_shape(js, name):
    """By MMD, samples are at least three times as near to fresh data as noise is."""
    call = f"""name => {{ const ask = school({SETTINGS});
      ask({{ begin: {{ points: shape(name, 400, 1), seed: 1 }} }});
      const start = performance.now();
      const {{ losses, floors }} = ask({{ train: 1000, of: 1000 }});
      const seconds = (performance.now() - start) / 1000;
      const ways = ask({{ draw: {{ count: 200, steps: 20, eta: 0 }} }});
      return [ways, floors, losses, shape(name, 400, 2), shape(name, 400, 1), seconds]; }}"""
    ways, floors, losses, fresh, points, seconds = js(call, name)
    fresh, points = (torch.tensor(x).reshape(-1, 2) for x in (fresh, points))
    assert points.abs().max() <= 1
    for method, way in ways.items():
        first, *_, last = (torch.tensor(x).reshape(-1, 2) for x in way["states"])
        found, noise, data = (mmd(x, fresh) for x in (last, first, points))
        print(f"{name}, {method}, {seconds:.1f} s: MMD {found:.4f}; {noise=:.4f}, {data=:.4f}")
        assert found < noise / 3
        assert 0 < floors[method] < losses[method]
        distance = torch.cdist(last, points)
        assert way["near"] == pytest.approx((distance.min(1).values < 0.1).double().mean().item())
        covered = (distance.min(0).values < 0.1).double().mean().item()
        assert way["covered"] == pytest.approx(covered)


def test_a_run_in_pieces_is_the_same_run(js):
    call = f"""pieces => {{ const ask = school({SETTINGS});
      ask({{ begin: {{ points: shape('ring', 50, 1), seed: 3 }} }});
      for (const steps of pieces) ask({{ train: steps, of: 40 }});
      return ask({{ draw: {{ count: 10, steps: 5, eta: 1 }} }}); }}"""
    assert js(call, [40]) == js(call, [10, 10, 20]) != js(call, [30])


# ---- the page -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return train_still.site(tmp_path_factory.mktemp("book"))


@pytest.fixture
def open_page(browser, site, serve):
    """Open the page from a folder, or over http under a sub-path; it must not complain."""
    pages, complaints = [], []

    def start(http=False, script="", **options):
        page = browser.new_page(viewport={"width": 800, "height": 1400}, **options)
        pages.append(page)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else 0)
        page.add_init_script(script)
        sizes = {}
        page.on("requestfinished", lambda r: sizes.update({r.url: len(r.response().body())}))
        page.goto((serve(site.parents[1]) + "book/page.html") if http else site.as_uri())
        return page, sizes

    yield start
    for page in pages:
        page.close()
    assert complaints == []


def shares(page, who="model"):
    """What the page says about its samples, as percentages: DDPM's two, and flow matching's two."""
    texts = [page.inner_text(f"#tr-{name}-{who}-share") for name in ("ddpm", "flow")]
    return [int(word.strip("%,")) for text in texts for word in text.split() if "%" in word]


def train(page, steps=200):
    page.select_option("#tr-of", str(steps))
    page.click("#tr-go")
    page.wait_for_function("document.getElementById('tr-said').innerText.startsWith('Finished')")


def shown(page, who, words="near"):
    """Wait until the page says this about the samples of the flow."""
    arg = [f"tr-flow-{who}-share", words]
    page.wait_for_function(
        "([id, w]) => document.getElementById(id).innerText.includes(w)", arg=arg
    )


def test_the_shape_appears_soon_after_the_button_is_pressed(open_page):
    """Over http; the tests below train from a folder. Prints after how many seconds three quarters
    of samples and data are near each other."""
    page, sizes = open_page(http=True)
    shown(page, "model")
    assert min(shares(page)) < 20  # before the training
    start, seconds = time.monotonic(), None
    page.click("#tr-go")
    while "Finished" not in page.text_content("#tr-said") and time.monotonic() < start + 300:
        if seconds is None and min(shares(page)) > 75:
            seconds = time.monotonic() - start
        page.wait_for_timeout(100)
    assert seconds is not None and min(shares(page)) > 75
    print(f"recognisable after {seconds:.1f} s, {page.inner_text('#tr-where')}")
    assert page.inner_text("#tr-go") == "Train again"
    sizes = {name: size for name, size in sizes.items() if name.startswith("http")}
    print(f"{sum(sizes.values())} bytes in {len(sizes)} requests")
    assert len(sizes) == 8 and sum(sizes.values()) < 120_000


def test_stop_continue_and_begin_again(open_page):
    page, _ = open_page()
    page.click("#tr-go")
    page.wait_for_function("document.getElementById('tr-where').innerText.includes('Step 40 ')")
    page.click("#tr-go")
    page.wait_for_function("document.getElementById('tr-go').innerText === 'Continue'")
    page.select_option("#tr-of", "200")
    page.click("#tr-go")
    page.wait_for_function("document.getElementById('tr-go').innerText === 'Train again'")
    assert "Step 200 of 200" in page.inner_text("#tr-where")
    page.click("#tr-again")
    page.wait_for_function("document.getElementById('tr-go').innerText === 'Train'")
    assert "Step 0 of 200" in page.inner_text("#tr-where")


def test_train_again_and_clear_at_once(open_page):
    """What is cleared isn't trained."""
    page, _ = open_page()
    page.locator("#tr-steps").fill("1")
    train(page)
    page.evaluate("""() => ["go", "clear"].forEach(
      (name) => document.getElementById(`tr-${name}`).click())""")
    page.wait_for_timeout(500)
    assert page.inner_text("#tr-go") == "Train"
    assert page.inner_text("#tr-where") == "Paint some points first."


def test_a_full_page_says_so(open_page):
    page, _ = open_page()
    page.focus("#tr-data")
    page.evaluate("""() => { for (let i = 0; i < 210; i++) document.getElementById("tr-data")
      .dispatchEvent(new KeyboardEvent("keydown", { key: " " })); }""")
    said = "1000 points, the most that this page takes. Step 0 of 1,000"
    assert page.inner_text("#tr-where") == said


def test_paint_with_the_keyboard_and_with_the_pointer(open_page):
    page, _ = open_page()
    shown(page, "model")
    assert page.get_attribute("#tr-data", "role") == "application"  # a screen reader passes keys
    page.click("#tr-clear")
    assert page.input_value("#tr-shape") == "own"
    assert page.inner_text("#tr-where") == "Paint some points first."
    assert page.get_attribute("#tr-go", "aria-disabled") == "true"
    page.click("#tr-go", force=True)
    assert page.inner_text("#tr-go") == "Train"
    page.focus("#tr-data")
    for key in ("ArrowUp", "ArrowRight", " "):
        page.keyboard.press(key)
    assert page.text_content("#tr-said") == "At 0.1, 0.1. 3 points."
    box = page.locator("#tr-data").bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 120, box["y"] + 20, steps=10)
    page.mouse.up()
    count = int(page.inner_text("#tr-where").split()[0])
    assert count > 15 and count % 3 == 0
    shown(page, "exact", "data 100%")
    train(page)
    assert min(shares(page)[1::2]) > 50


def test_nothing_plays_where_motion_is_reduced(open_page):
    page, _ = open_page(reduced_motion="reduce")
    shown(page, "exact")
    train(page)
    assert page.inner_text("#tr-play") == "Play" and page.inner_text("#tr-time-value") == "0.00"
    page.focus("#tr-time")
    page.keyboard.press("Home")
    assert page.get_attribute("#tr-time", "aria-valuetext") == "u = 1.00"
    moving, _ = open_page()
    moving.click("#tr-go")
    assert moving.inner_text("#tr-play") == "Pause"
    moving.wait_for_function("document.getElementById('tr-time-value').innerText === '0.50'")
    moving.click("#tr-play")
    assert moving.inner_text("#tr-play") == "Play"


def test_fewer_steps_and_more_noise_change_the_samples(open_page):
    """One step of the exact flow ends at the mean of the data; eta leaves the flow alone."""
    page, _ = open_page()
    shown(page, "exact")
    call = "(c, v) => { c.value = v; c.dispatchEvent(new Event('input', {bubbles: true})); }"
    before = shares(page, "exact")
    page.locator("#tr-eta").evaluate(call, "1")
    page.wait_for_function(
        "text => document.getElementById('tr-ddpm-exact-share').innerText !== text",
        arg=page.inner_text("#tr-ddpm-exact-share"),
    )
    assert shares(page, "exact")[2:] == before[2:] != shares(page, "exact")[:2]
    page.locator("#tr-steps").evaluate(call, "1")
    shown(page, "exact", "covered 0%")


def test_it_trains_without_a_worker_and_is_a_picture_without_javascript(open_page):
    page, _ = open_page(script="URL.createObjectURL = () => 'data:text/javascript,throw 1'")
    train(page)
    assert not page.locator("#tr-still").is_visible()
    drawn = page.inner_text("#tr-flow-loss-numbers").split()  # for those who can't see the curve
    for number in (drawn[4].strip(","), drawn[-1]):
        assert float(number) > 0 and number in page.text_content("#tr-flow-loss")
    still, _ = open_page(java_script_enabled=False)
    assert still.locator("#tr-still img").is_visible() and not still.locator("#tr-app").is_visible()
