"""The page "Type a caption": its JavaScript computes what the package computes."""

import copy

import live_pages
import numpy as np
import pytest
import test_book
import torch
from PIL import Image

import export_prompt
from ddpm_lite import cosine_schedule, ddim_step, from_v, guided, pages, sample
from ddpm_lite.pretrained import load_text
from ddpm_lite.scenes import HELD_OUT, PIECES
from ddpm_lite.text import attention_maps, attention_weights

browser, serve = test_book.browser, test_book.serve  # their fixtures
far = live_pages.far
pytestmark = test_book.needs_browser
FILES = ("playground/unet.js", "playground/samplers.js", "playground/background.js",
         "prompt/text.js", "prompt/weights.js", "prompt/worker.js")  # fmt: skip
CAPTIONS = ("red seven above blue two", "three yellow sixes", "big green eight")
READ = "const x = {...a.x, data: Float64Array.from(a.x.data)};"
WORDS = "const words = {rows: a.words.map(r => Float64Array.from(r)), heads: 4, maps: []};"


@pytest.fixture(scope="module")
def js(browser, tmp_path_factory):
    """Evaluate JavaScript after all scripts but the controls."""
    page = live_pages.scripts(
        browser,
        tmp_path_factory.mktemp("js"),
        FILES,
        "() => { window.weights = readWeights(SCENES) }",
    )
    yield page.evaluate
    page.close()


@pytest.fixture(scope="module")
def rounded_net():
    """The network with the weights that the page has: rounded to two bytes. In float64."""
    net, _, tokenizer = load_text()
    numbers, units = pages.rounded(net.state_dict())
    net.load_state_dict({key: value * units[key] for key, value in numbers.items()})
    return net.double(), tokenizer


@pytest.fixture
def rounded(rounded_net):
    """In float64, in which JavaScript computes, too."""
    torch.set_default_dtype(torch.float64)
    yield copy.deepcopy(rounded_net)
    torch.set_default_dtype(torch.float32)


def tokens_of(tokenizer, caption):
    """Without the padding, which the page doesn't have."""
    row = tokenizer([caption])[0]
    return row[row != 0].tolist()


def test_captions_become_the_same_tokens(js, rounded):
    tokenizer = rounded[1]
    call = "caption => tokenize(SCENES.pieces, caption)"
    others = ("two red sevens", "", "  Blue  ONE left of white zero ", "four sixes")
    for caption in (*CAPTIONS, *others):
        assert js(call, caption) == tokens_of(tokenizer, caption)
    wrong = "c => { try { tokenize(SCENES.pieces, c) } catch (e) { return e.message } }"
    assert js(wrong, "red dog") == "dog"
    assert tuple(js("() => SCENES.pieces"))[2:] == PIECES


@pytest.mark.parametrize("caption", ["", *CAPTIONS])
def test_the_text_encoder_is_the_package_s(js, rounded, caption):
    net, tokenizer = rounded
    call = "tokens => encodeText(weights, tokens, 4).map(row => [...row])"
    theirs = js(call, tokens_of(tokenizer, caption))
    y = torch.tensor([tokens_of(tokenizer, caption)])
    assert far(net.condition.text(y), theirs) < 1e-6
    padded = net.condition.text(tokenizer([caption]))[:, : y.shape[1]]  # padding is never read
    assert far(padded, theirs) < 1e-6


@pytest.mark.parametrize("name", ["down.2", "mid.0", "up.3"])
def test_pixels_read_the_words_alike(js, rounded, name):
    layer = rounded[0].get_submodule(f"{name}.cross")
    x, words = torch.randn(1, 48, 4, 4).double(), torch.randn(1, 6, 64).double()
    mask = torch.ones(1, 6, dtype=torch.bool)
    call = f"""a => {{ {READ} {WORDS}
      const y = crossAttention(weights, a.name, x, words);
      return [[...y.data], words.maps[0].rows] }}"""
    image = {"c": 48, "h": 4, "w": 4, "data": x.flatten().tolist()}
    y, maps = js(call, {"x": image, "words": words[0].tolist(), "name": f"{name}.cross"})
    assert far(layer(x, words, mask), y) < 1e-6
    q, k, _ = layer.parts(x, words)
    assert far(attention_weights(q, k, mask).mean(1), maps) < 1e-6


@pytest.mark.parametrize("t, caption", [(1, CAPTIONS[0]), (640, CAPTIONS[1]), (1000, None)])
def test_the_network_is_the_package_s(js, rounded, t, caption):
    net, tokenizer = rounded
    x = torch.randn(1, 3, 16, 16).double()
    tokens = None if caption is None else tokens_of(tokenizer, caption)
    call = "([x, t, y]) => textNetwork(weights, SCENES)(x, t, [y])"
    y = None if tokens is None else torch.tensor([tokens])
    assert far(net(x, torch.tensor([t]), y), js(call, [x.flatten().tolist(), t, tokens])) < 1e-4


def test_the_maps_are_the_mean_of_the_fine_layers(js, rounded):
    net, tokenizer = rounded
    x, tokens = torch.randn(1, 3, 16, 16).double(), tokens_of(tokenizer, CAPTIONS[0])
    maps = attention_maps(net, x, torch.tensor([500]), torch.tensor([tokens]))
    fine = [map for map in maps if map.shape[1] == 8]
    call = """([x, y]) => { const maps = [];
      textNetwork(weights, SCENES)(x, 500, [y], maps); return wordMaps(maps, 8) }"""
    theirs = js(call, [x.flatten().tolist(), tokens])
    assert far(sum(fine)[0].flatten(0, 1).T / len(fine), theirs) < 1e-4
    assert len(fine) > 1


RUN = """({x, tokens, w, steps}) => {
  const ask = scenes(SCENES);
  const ts = spaced(1000, steps);
  for (let i = 0; i < steps; i++) x = ask({x, t: ts[i], s: ts[i + 1], tokens, w}).x;
  return x;
}"""


@pytest.mark.parametrize("w", [0, 1])
def test_a_run_ends_where_the_package_s_does(js, rounded, w):
    (net, tokenizer), schedule = rounded, cosine_schedule(1000)
    xT, y = torch.randn(1, 3, 16, 16), tokenizer([CAPTIONS[0]])
    model = guided(from_v(net, schedule), y, w)
    ours = sample(model, schedule, xT, 20, ddim_step)
    request = {"tokens": tokens_of(tokenizer, CAPTIONS[0]), "w": w, "steps": 20}
    assert far(ours, js(RUN, request | {"x": xT.flatten().tolist()})) < 1e-3


def test_the_files_are_what_the_script_writes():
    text = (export_prompt.FOLDER / "weights.js").read_text(encoding="ascii")
    assert text == export_prompt.script()
    still = np.asarray(Image.open(export_prompt.FOLDER / "still.png"), dtype=int)
    assert np.abs(still - np.asarray(export_prompt.still(), dtype=int)).max() <= 2


# ---- the page -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return live_pages.without_theme(
        tmp_path_factory.mktemp("book"), "prompt", "prompt", "playground"
    )


@pytest.fixture(params=[False, True], ids=["file", "http"])
def page(browser, site, serve, request):
    """The page, opened from a folder or over http."""
    address = serve(site) if request.param else site.as_uri() + "/"
    with live_pages.opened(browser, address + "book/page.html", "#pr-app") as page:
        yield page


def finished(page):
    said = "document.getElementById('pr-said').textContent.startsWith('Finished')"
    page.wait_for_function(said, timeout=120_000)


def pixels(page, name):
    """What a canvas shows, (1, 3, 16, 16) in [-1, 1]."""
    data = page.locator(f"#pr-{name}").evaluate(
        "c => [...c.getContext('2d').getImageData(0, 0, 16, 16).data]"
    )
    return torch.tensor(data).reshape(1, 16, 16, 4)[..., :3].permute(0, 3, 1, 2) / 127.5 - 1


def test_the_page_draws_what_the_package_draws(page, js):
    """Up to a grey level, from the noise of its seed."""
    page.fill("#pr-caption", CAPTIONS[0])
    page.keyboard.press("Enter")
    finished(page)
    noise = torch.tensor(js("() => gaussian(768, 1, 1000)")).reshape(1, 3, 16, 16)
    net, schedule, tokenizer = load_text()
    model = guided(from_v(net, schedule), tokenizer([CAPTIONS[0]]), 1.0)
    ours = sample(model, schedule, noise, 25, ddim_step).clamp(-1, 1)
    assert (pixels(page, "x") - ours).abs().max() < 2.1 / 255
    assert page.locator("#pr-words figure").count() == 6
    page.locator("#pr-back").fill("0")
    assert page.inner_text("#pr-where") == "t = 1000, step 0 of 25"
    assert (pixels(page, "x") - noise.clamp(-1, 1)).abs().max() < 2.1 / 255


def test_what_the_network_cannot_read_is_said(page):
    page.fill("#pr-caption", "red dog")
    assert "doesn't know the word “dog”" in page.inner_text("#pr-problem")
    page.fill("#pr-caption", " ".join(["red seven above"] * 6))
    assert "at most 16" in page.inner_text("#pr-problem")
    page.fill("#pr-caption", min(" ".join(thing) for thing in [
        (colour, "one") for colour, digit in HELD_OUT if digit == 1]))  # fmt: skip
    assert "No training image showed a" in page.inner_text("#pr-problem")


def test_an_example_draws_at_once_and_another_seed_another_scene(page):
    page.locator("#pr-steps").fill("5")
    page.locator("#pr-examples button").nth(2).click()
    finished(page)
    first = pixels(page, "x")
    page.get_by_role("button", name="Another seed").click()
    page.wait_for_function("document.getElementById('pr-seed').value === '2'")
    done = "document.getElementById('pr-go').textContent === 'Draw'"
    page.wait_for_function(done, timeout=120_000)
    assert (pixels(page, "x") - first).abs().max() > 0.1


def test_a_run_keeps_its_caption_and_its_steps_whatever_one_does_meanwhile(page):
    page.locator("#pr-steps").fill("5")
    page.fill("#pr-caption", CAPTIONS[0])
    for _ in range(2):
        page.evaluate("""caption => {
          const [form, back, text] = ["form", "back", "caption"].map(
            (name) => document.getElementById(`pr-${name}`));
          document.getElementById("pr-said").textContent = "";
          form.requestSubmit();
          back.value = 3;
          back.dispatchEvent(new Event("input"));
          text.value = caption;
        }""", CAPTIONS[2])  # fmt: skip
        finished(page)
        assert page.inner_text("#pr-where") == "t = 0, step 5 of 5"
        assert f"Finished: {CAPTIONS[0]}. 5 steps took" in page.inner_text("#pr-said")
        page.fill("#pr-caption", CAPTIONS[0])
