"""The page "Listen to it emerge": its JavaScript computes what the package computes."""

import live_pages
import numpy as np
import pytest
import test_book
import torch
from PIL import Image

import export_listen
from ddpm_lite import audio as package
from ddpm_lite import cosine_schedule, dpmpp_2m, from_v, from_x0, guided, pages, sample, spaced
from ddpm_lite.pretrained import load_sound, load_sound_classifier

browser, serve = test_book.browser, test_book.serve  # their fixtures
doubles, far = live_pages.doubles, live_pages.far
pytestmark = test_book.needs_browser
FILES = ("playground/unet.js", "playground/samplers.js", "playground/background.js",
         "listen/sound.js", "listen/weights.js", "listen/worker.js")  # fmt: skip
SHAPES = {"drums": (1, 8, 400), "spoken": (1, 1, 32, 32)}


@pytest.fixture(scope="module")
def js(browser, tmp_path_factory):
    """Evaluate JavaScript after all scripts but the controls."""
    page = live_pages.scripts(browser, tmp_path_factory.mktemp("js"), FILES)
    yield page.evaluate
    page.close()


READ = "const x = Float64Array.from(a); const form = SOUNDS.form;"


def test_the_short_time_fourier_transform_is_the_package_s(js, doubles):
    x = torch.randn(1, 1600)
    X = package.stft(x)
    call = f"a => {{ {READ} return stft(x, form).map(f => [[...f.re], [...f.im]]) }}"
    theirs = torch.tensor(js(call, x[0].tolist()))  # (N, 2, F)
    assert far(X.real, theirs[:, 0].tolist()) < 1e-9 and far(X.imag, theirs[:, 1].tolist()) < 1e-9
    there = f"a => {{ {READ} return [...istft(stft(x, form), form)] }}"
    assert far(x, js(there, x[0].tolist())) < 1e-9
    Y = torch.randn_like(X)  # the stft of no waveform
    call = """([re, im]) => [...istft(re.map((row, k) => ({re: Float64Array.from(row),
      im: Float64Array.from(im[k])})), SOUNDS.form)]"""
    assert far(package.istft(Y), js(call, [Y.real[0].tolist(), Y.imag[0].tolist()])) < 1e-9


def test_images_of_sounds_are_the_package_s(js, doubles):
    assert far(package.mel_filters(), js("() => melFilters(SOUNDS.form).map(f => [...f])")) < 1e-9
    x = 0.3 * torch.randn(1, 5120)
    image = package.log_mel(x)
    assert far(image, js(f"a => {{ {READ} return [...logMel(x, form)] }}", x[0].tolist())) < 1e-9
    call = f"a => {{ {READ} return magnitudes(x, form).map(row => [...row]) }}"
    assert far(package.magnitudes(image), js(call, image.flatten().tolist())) < 1e-9


def test_griffin_lim_is_the_package_s(js, doubles):
    magnitude = package.stft(0.3 * torch.randn(1, 1600)).abs()
    phase = 2 * torch.pi * torch.rand_like(magnitude)
    call = """([m, p]) => { const rows = a => a.map(row => Float64Array.from(row));
      return [...griffinLim(rows(m), rows(p), SOUNDS.form, 8)] }"""
    theirs = js(call, [magnitude[0].tolist(), phase[0].tolist()])
    assert far(package.griffin_lim(magnitude, 8, phase), theirs) < 1e-6


def test_blocks_become_a_waveform(js):
    wave = torch.randn(1, 80)
    call = "a => [...fromBlocks(a, 8, SOUNDS.nets.drums.gain)]"
    assert far(wave, js(call, package.as_blocks(wave).flatten().tolist())) < 1e-6


def test_a_sound_is_a_wav_file_of_16_bits(js):
    call = """async a => {
      const file = await fetch(wavAddress(a, 8000));
      return [...new Uint8Array(await file.arrayBuffer())]; }"""
    data = bytes(js(call, [0.0, 1.0, -1.0, 0.5]))
    assert data[:4] == b"RIFF" and data[8:16] == b"WAVEfmt " and data[36:40] == b"data"
    assert int.from_bytes(data[24:28], "little") == 8000 and len(data) == 44 + 8
    assert np.frombuffer(data[44:], "<i2").tolist() == [0, 32767, -32767, 16384]


@pytest.mark.parametrize("n, power", [(25, 2), (20, 2), (15, 1)])
def test_the_times_are_the_package_s(js, n, power):
    assert js("([n, p]) => spaced(1000, n, p)", [n, power]) == spaced(1000, n, power)


def rounded(name):
    """The network with the weights that the page has: rounded to two bytes. In float64."""
    net = load_sound(name)
    numbers, units = pages.rounded(net.state_dict())
    net.load_state_dict({key: value * units[key] for key, value in numbers.items()})
    return net.double()


@pytest.mark.parametrize("t, y", [(1, 2), (640, None)])
@pytest.mark.parametrize("name", SHAPES)
def test_the_networks_are_the_package_s(js, doubles, name, t, y):
    x, label = torch.randn(SHAPES[name]), None if y is None else torch.tensor([y])
    call = """([name, x, t, y]) => {
      const { channels, height, width } = SOUNDS.nets[name];
      const one = image(channels, height, width);
      one.data.set(x);
      return [...unet(readWeights(SOUNDS.nets[name]), one, t, y).data];
    }"""
    theirs = js(call, [name, x.flatten().tolist(), t, y])
    assert far(rounded(name)(x, torch.tensor([t]), label), theirs) < 1e-4


RUN = """({name, x, y, w, steps}) => {
  const ask = studio(SOUNDS);
  const ts = spaced(1000, steps, SOUNDS.nets[name].power);
  for (let i = 0; i < steps; i++) x = ask({name, x, t: ts[i], s: ts[i + 1], y, w}).x;
  return x;
}"""


@pytest.mark.parametrize("name, w", [("drums", 0), ("spoken", 1)])
def test_a_run_ends_where_the_package_s_does(js, name, w):
    schedule, about = cosine_schedule(1000), export_listen.NETS[name]
    xT, y = torch.randn(SHAPES[name]), torch.tensor([2])
    told = from_x0 if about["target"] == "x0" else from_v
    model = guided(told(load_sound(name), schedule), y, w)
    times = spaced(1000, 6, about["power"])
    ours = sample(model, schedule, xT, times, dpmpp_2m(), clip=about["limit"])
    theirs = js(RUN, {"name": name, "x": xT.flatten().tolist(), "y": 2, "w": w, "steps": 6})
    assert far(ours, theirs) < 1e-3 * about["limit"]


def test_the_files_are_what_the_script_writes():
    text = (export_listen.FOLDER / "weights.js").read_text(encoding="ascii")
    assert text == export_listen.script()
    still = np.asarray(Image.open(export_listen.FOLDER / "still.png"), dtype=int)
    assert np.abs(still - np.asarray(export_listen.still(), dtype=int)).max() <= 2


# ---- the page -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return live_pages.without_theme(
        tmp_path_factory.mktemp("book"), "listen", "listen", "playground"
    )


@pytest.fixture(params=[False, True], ids=["file", "http"])
def page(browser, site, serve, request):
    """The page, opened from a folder or over http."""
    address = serve(site) if request.param else site.as_uri() + "/"
    with live_pages.opened(browser, address + "book/page.html", "#ls-app") as page:
        yield page


SOUND = """async () => { const a = document.getElementById("ls-audio");
  return [...new Uint8Array(await (await fetch(a.src)).arrayBuffer())] }"""


def heard(page):
    """The waveform in the page's player, (1, L)."""
    said = "document.getElementById('ls-said').textContent.startsWith('Finished')"
    page.wait_for_function(said, timeout=180_000)
    page.wait_for_function("document.getElementById('ls-audio').src", timeout=60_000)
    data = bytes(page.evaluate(SOUND))
    return torch.from_numpy(np.frombuffer(data[44:], "<i2").copy())[None] / 32767


@pytest.mark.parametrize("name, label", [("drums", 2), ("spoken", 7)])
def test_the_page_makes_the_sound_that_was_asked_for(page, name, label):
    """The classifier of the package reads it from the waveform. By keyboard alone."""
    if page.url.startswith("http") and name == "spoken":
        pytest.skip("slow, and the same as from a folder")
    page.check(f"#ls-kinds input[value={name}]")
    page.select_option("#ls-label", str(label))
    page.focus("#ls-go")
    page.keyboard.press("Enter")
    wave = heard(page)
    assert wave.shape[1] == (3200 if name == "drums" else 5120)
    assert 0.85 < wave.abs().max() <= 0.91
    image = package.log_mel(wave / 3)  # about as loud as the recordings
    assert load_sound_classifier(name).probabilities(image).argmax() == label
    page.locator("#ls-back").fill("0")
    assert page.inner_text("#ls-where").startswith("t = 1000, step 0 of")


def test_a_sound_is_not_played_after_another_has_begun(page):
    """The worker answers in order: when the drum has a step, the word has its waveform."""
    page.check("#ls-kinds input[value=spoken]")
    page.evaluate("""() => {
      document.getElementById("ls-play").click();
      document.querySelector("#ls-kinds input[value=drums]").click();
      document.getElementById("ls-go").click();
    }""")
    page.wait_for_function("/step [1-9]/.test(document.getElementById('ls-where').innerText)")
    page.click("#ls-go")
    assert page.get_attribute("#ls-audio", "src") is None


PREDICTED = """steps => {
  const [ask, ts] = [studio(SOUNDS), spaced(1000, 25, 2)];
  let answer = { x: gaussian(3200, 1, 1000) };
  for (let i = 0; i <= steps; i++) {
    answer = ask({ name: "drums", x: answer.x, t: ts[i], s: ts[i + 1], y: 0, w: 0 });
  }
  return [...fromBlocks(answer.x0, 8, 3)];
}"""


def test_play_plays_the_prediction_of_the_step_that_is_shown(page):
    if page.url.startswith("http"):
        pytest.skip("the same as from a folder")
    page.click("#ls-go")
    end = heard(page)
    page.locator("#ls-back").fill("6")
    before = page.get_attribute("#ls-audio", "src")
    page.click("#ls-play")
    page.wait_for_function("src => document.getElementById('ls-audio').src !== src", arg=before)
    wave, ours = heard(page), torch.tensor(page.evaluate(PREDICTED, 6))
    assert (wave - 0.9 * ours / ours.abs().max()).abs().max() < 1e-3
    assert (wave - end).abs().max() > 0.05
