"""audio.py: a spectrogram and its inverse, mel bands, and phases found by Griffin and Lim."""

import math

import pytest
import torch

from ddpm_lite.audio import (
    GAIN,
    HIGH,
    HOP,
    LOW,
    MELS,
    N_FFT,
    RATE,
    as_blocks,
    frames,
    from_blocks,
    from_mu_law,
    griffin_lim,
    hz_to_mel,
    istft,
    log_mel,
    magnitudes,
    mel_filters,
    mel_to_hz,
    mu_law,
    overlap_add,
    stft,
    to_int16,
)

L = 20 * HOP


def sine(f, amplitude=1.0, length=L):
    return amplitude * torch.sin(2 * math.pi * f * torch.arange(length) / RATE)[None]


def test_a_frame_is_centred_on_its_hop():
    """Frame n has the samples n hop - pad … n hop - pad + n_fft, with zeros outside."""
    x = torch.arange(1.0, 25.0)[None]
    pieces = frames(x, 8, 4)
    assert pieces.shape == (1, 6, 8)
    assert pieces[0, 0].tolist() == [0, 0, 1, 2, 3, 4, 5, 6]
    assert pieces[0, 1].tolist() == [3, 4, 5, 6, 7, 8, 9, 10]
    assert pieces[0, 5].tolist() == [19, 20, 21, 22, 23, 24, 0, 0]


def test_adding_frames_counts_each_sample_as_often_as_it_occurs():
    x = torch.randn(2, 24)
    twice = overlap_add(frames(x, 8, 4), 4)
    assert torch.allclose(twice[:, 2:-2], 2 * x[:, 2:-2])  # n_fft = 2 hop: each is in two frames
    assert torch.allclose(twice[:, :2], x[:, :2]) and torch.allclose(twice[:, -2:], x[:, -2:])
    assert torch.allclose(overlap_add(frames(x, 4, 4), 4), x)
    once = overlap_add(torch.stack([torch.ones(6), 10 * torch.ones(6)])[None], 4)
    assert once[0].tolist() == [1, 1, 1, 11, 11, 10, 10, 10]


def test_a_sine_of_amplitude_one_has_magnitude_one():
    """At its own frequency: a bin is RATE / N_FFT wide."""
    X = stft(sine(64 * RATE / N_FFT, 0.5))[0, 10].abs()
    assert X.argmax() == 64 and X.max().item() == pytest.approx(0.5, rel=1e-4)
    assert X[:60].max() < 1e-4 and X[69:].max() < 1e-4  # the window keeps it there


def test_the_inverse_gives_back_the_waveform():
    x = torch.randn(3, L, dtype=torch.float64)
    assert (istft(stft(x)) - x).abs().max() < 1e-10
    assert (istft(stft(x, 64, 16), 64, 16) - x).abs().max() < 1e-10


def test_the_inverse_is_the_nearest_waveform():
    """Of a spectrogram that no waveform has: any other waveform's is farther away."""
    X = torch.randn(1, 20, N_FFT // 2 + 1, dtype=torch.complex128)
    X[..., [0, -1]] = X[..., [0, -1]].real.to(X)  # rfft's ends are real
    weight = torch.full((N_FFT // 2 + 1,), 2.0, dtype=torch.float64)  # the other half of the bins
    weight[[0, -1]] = 1.0
    far = lambda x: ((stft(x) - X).abs() ** 2 * weight).sum()  # noqa: E731
    best = istft(X)
    for _ in range(10):
        assert far(best) < far(best + 0.01 * torch.randn_like(best))


def test_equal_steps_in_mel():
    assert hz_to_mel(torch.tensor(1000.0)).item() == pytest.approx(1000, abs=0.1)
    f = torch.tensor([0.0, 440.0, 4000.0])
    assert torch.allclose(mel_to_hz(hz_to_mel(f)), f, atol=1e-3)


def test_bands_are_triangles_that_add_up_to_one():
    """Between the first and the last centre. So a spectrum that is equal everywhere comes back."""
    filters = mel_filters()
    assert filters.shape == (MELS, N_FFT // 2 + 1) and filters.min() == 0
    edge = mel_to_hz(torch.linspace(0, hz_to_mel(torch.tensor(4000.0)).item(), MELS + 2))
    f = torch.linspace(0, 4000, N_FFT // 2 + 1)
    inside = (f >= edge[1]) & (f <= edge[-2])
    assert torch.allclose(filters.sum(0)[inside], torch.ones(int(inside.sum())), atol=1e-4)
    for m in (0, 10, 31):
        peak = f[filters[m].argmax()]
        assert (peak - edge[m + 1]).abs() <= RATE / N_FFT
        assert (filters[m][(f < edge[m]) | (f > edge[m + 2])] == 0).all()


def test_a_tone_lights_up_its_own_band():
    """And its level is linear in dB: half the amplitude is 6 dB less."""
    band = 18
    edge = mel_to_hz(torch.linspace(0, hz_to_mel(torch.tensor(4000.0)).item(), MELS + 2))
    images = log_mel(torch.cat([sine(edge[band + 1].item(), a) for a in (0.1, 0.05)]))
    assert images.shape == (2, 1, MELS, 20)
    assert images[0, 0, :, 10].argmax() == band
    levels = (images[:, 0, band, 10] + 1) / 2 * (HIGH - LOW) + LOW
    assert (levels[0] - levels[1]).item() == pytest.approx(20 * math.log10(2), abs=0.01)


def test_noise_has_the_level_of_its_mean_magnitude():
    """Unlike with a sum, a wide band of white noise isn't louder than a narrow one."""
    torch.manual_seed(0)
    image = log_mel(0.1 * torch.randn(40, L))[..., 2:-2].mean((0, 1, 3))
    assert (image[4:] - image[4:].mean()).abs().max() < 0.05
    assert (log_mel(torch.zeros(1, L)) == -1).all() and log_mel(sine(100, 50.0)).max() == 1


def test_the_image_of_a_sound_comes_back():
    """Image to magnitudes and to the image again, where the curve over frequency is smooth."""
    m, n = torch.meshgrid(torch.arange(MELS), torch.arange(20), indexing="ij")
    image = (0.7 * torch.sin(m / 6 + 0.2) * torch.cos(n / 5))[None, None]
    filters = mel_filters()
    bands = magnitudes(image) @ (filters / filters.sum(1, keepdim=True)).T
    level = 20 * torch.log10(bands)[0].T
    again = (level - LOW) / (HIGH - LOW) * 2 - 1
    assert (again - image[0, 0]).abs()[1:-1].max() < 0.06
    assert magnitudes(image).shape == (1, 20, N_FFT // 2 + 1)


def test_griffin_lim_finds_a_waveform_with_these_magnitudes():
    """More steps come nearer, and momentum nearer still. Of a sound, the image comes back."""
    torch.manual_seed(0)
    t = torch.arange(L) / RATE
    x = (torch.sin(2 * math.pi * (300 + 400 * t) * t) * torch.exp(-3 * t))[None]
    target = stft(x).abs()
    phase = 2 * math.pi * torch.rand_like(target)

    def far(steps, momentum):
        found = griffin_lim(target, steps, phase, momentum)
        return ((stft(found).abs() - target).norm() / target.norm()).item()

    assert far(30, 0.0) < 0.7 * far(1, 0.0)
    assert far(30, 0.99) < 0.8 * far(30, 0.0)
    back = log_mel(griffin_lim(target, 60, phase))
    assert (back - log_mel(x)).abs()[..., 1:-1].mean() < 0.05


def test_without_momentum_no_round_makes_the_error_larger():
    """The error over all 512 frequencies, of magnitudes that no waveform has."""
    torch.manual_seed(0)
    target = torch.rand(1, 12, N_FFT // 2 + 1, dtype=torch.float64)
    phase = 2 * math.pi * torch.rand_like(target)
    weight = torch.full((N_FFT // 2 + 1,), 2.0, dtype=torch.float64)
    weight[[0, -1]] = 1.0
    found = [griffin_lim(target, steps, phase, 0.0) for steps in range(8)]
    errors = [((stft(x).abs() - target) ** 2 * weight).sum().item() for x in found]
    assert all(b < a for a, b in zip(errors, errors[1:], strict=False))


def test_the_right_phase_is_a_fixed_point():
    x = torch.randn(2, L)
    X = stft(x)
    assert (griffin_lim(X.abs(), 3, X.angle()) - x).abs().max() < 1e-3


def test_silence_stays_silent():
    assert griffin_lim(torch.zeros(1, 10, 257), 3).abs().max() == 0


def test_each_run_of_griffin_lim_finds_another_waveform():
    """The magnitudes don't say which: sound and its negative have the same ones."""
    magnitude = stft(sine(440)).abs()
    torch.manual_seed(0)
    a, b = griffin_lim(magnitude), griffin_lim(magnitude)
    assert (a - b).abs().max() > 0.1


def test_blocks_are_neighbouring_samples():
    x = torch.arange(16.0)[None]
    blocks = as_blocks(x, 4)
    assert blocks.shape == (1, 4, 4)
    assert (blocks[0, :, 1] / GAIN).tolist() == [4, 5, 6, 7]
    assert torch.allclose(from_blocks(blocks), x)


def test_sixteen_bits_are_exact_and_do_not_wrap():
    x = torch.tensor([[-2.0, -1.0, 0.0, 0.5, 1.0, 1.5]])
    assert to_int16(x).tolist() == [[-32767, -32767, 0, 16384, 32767, 32767]]
    assert to_int16(x.half()).max() == 32767 and to_int16(x.half()).dtype == torch.int16


def test_eight_bits_on_a_logarithmic_scale():
    """Silence and the loudest sample are exact, and the error is relative: at most 3 %."""
    x = torch.tensor([-1.0, -0.5, -0.01, 0.0, 0.001, 0.03, 0.3, 1.0])
    codes = mu_law(x)
    assert codes.dtype == torch.int8 and codes[[0, 3, 7]].tolist() == [-127, 0, 127]
    assert codes[1].item() == -round(127 * math.log(1 + 255 * 0.5) / math.log(256))
    assert ((from_mu_law(codes) - x).abs() <= 0.03 * x.abs() + 1e-4).all()


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: frames(torch.zeros(1, 100), 512, 160), "100 samples; expected a multiple of 160"),
        (lambda: frames(torch.zeros(1, 160), 512, 161), "n_fft is 512 and hop 161"),
        (lambda: frames(torch.zeros(1, 160), 8, 16), "n_fft is 8 and hop 16"),
        (lambda: as_blocks(torch.zeros(1, 12)), "12 samples; expected a multiple of 8"),
        (lambda: mel_filters(128, 256), "mel bands have no frequency in them"),
        (lambda: griffin_lim(torch.zeros(1, 20, MELS)), r"\(1, 20, 32\).*not levels in dB"),
        (lambda: griffin_lim(torch.full((1, 20, 257), -20.0)), "smallest value -20"),
    ],
)
def test_what_makes_no_sense_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_shipped_networks_make_the_sounds_that_are_asked_for():
    """The classifiers read nearly all of them as asked, and nearly all of the real ones."""
    from functools import partial

    from ddpm_lite import cosine_schedule, from_v, from_x0, guided, sample, spaced
    from ddpm_lite.pretrained import load_recordings, load_sound, load_sound_classifier
    from ddpm_lite.sampling import dpmpp_2m
    from ddpm_lite.sounds import drum_hits

    torch.manual_seed(0)
    schedule = cosine_schedule(1000)

    def read(name, image):
        return load_sound_classifier(name).probabilities(image).argmax(1)

    x, y = load_recordings()
    assert x.shape == (20, 5120) and x.abs().max() <= 1
    assert (read("spoken", log_mel(x)) == y).sum() >= 19
    y = torch.arange(20) % 10
    model = guided(from_v(load_sound("spoken"), schedule), y, 1.0)
    words = sample(model, schedule, torch.randn(20, 1, 32, 32), 12, dpmpp_2m())
    assert (read("spoken", words) == y).sum() >= 17
    real, y = drum_hits(12, seed=9)
    assert (read("drums", log_mel(real)) == y).all()
    model = partial(from_x0(load_sound("drums"), schedule), y=y)
    steps = spaced(1000, 15, 2)
    hits = sample(model, schedule, torch.randn(12, 8, 400), steps, dpmpp_2m(), clip=GAIN)
    assert (read("drums", log_mel(from_blocks(hits))) == y).sum() >= 11
    with pytest.raises(ValueError, match="no weights 'x'; expected one of drums, spoken"):
        load_sound("x")
    with pytest.raises(ValueError, match="no weights 'x'; expected one of drums, spoken"):
        load_sound_classifier("x")


def test_images_of_sounds_have_their_precision():
    x = 0.1 * torch.randn(1, 1600, dtype=torch.float64)
    assert log_mel(x).dtype == magnitudes(log_mel(x)).dtype == torch.float64
