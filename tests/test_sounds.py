"""sounds.py: the drum hits are what their names say, and recordings are read as they are."""

import re
import wave

import pytest
import torch

from ddpm_lite.sounds import (
    LENGTH,
    RATE,
    SPEAKERS,
    SoundError,
    drum_hits,
    fitted,
    hat,
    kick,
    load_audio,
    read_wav,
    snare,
)


def write(path, samples, rate=RATE, channels=1, width=2):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples)


@pytest.fixture
def recordings(tmp_path):
    """Recordings of two digits by two speakers, indices 3 to 6; the value tells which."""
    folder = tmp_path / "spoken_digits" / "recordings"
    folder.mkdir(parents=True)
    for digit in (2, 7):
        for i, who in enumerate(("theo", "george")):
            for index in range(3, 7):
                samples = torch.tensor([100, -200 - 10 * i - index], dtype=torch.int16)
                write(folder / f"{digit}_{who}_{index}.wav", samples.numpy().tobytes())
    return tmp_path


def spectrum(x):
    return torch.fft.rfft(x).abs() ** 2


def share_above(x, f):
    energy = spectrum(x)
    return (energy[:, int(f * x.shape[1] / RATE) :].sum(1) / energy.sum(1)).mean().item()


def test_three_kinds_of_hits_in_turn():
    x, y = drum_hits(30)
    assert x.shape == (30, 3200) and y.tolist() == [0, 1, 2] * 10
    assert torch.allclose(x.abs().amax(1), torch.ones(30))
    assert share_above(x[y == 0], 400) < 0.05  # a kick is low,
    assert 0.1 < share_above(x[y == 1], 400) < 0.9  # a snare has both,
    assert share_above(x[y == 2], 2000) > 0.7  # and a hat is high
    assert (x[:, -1] == 0).all() and x[:, -200:].abs().max() < 0.1  # no click at the end
    assert x[:, 0].abs().max() < 0.01


def test_hits_begin_at_once_and_die_away():
    """The root mean squares of the first 10 ms, 10 to 50, 50 to 150, and the rest."""
    x, y = drum_hits(300)
    for kind, truth in enumerate((
        (0.66, 0.49, 0.22, 0.04), (0.39, 0.24, 0.08, 0.01), (0.37, 0.21, 0.05, 0.005),
    )):  # fmt: skip
        parts = x[y == kind].split([80, 320, 800, 2000], dim=1)
        for part, size in zip(parts, truth, strict=True):
            assert part.square().mean().sqrt().item() == pytest.approx(size, abs=0.02)


def test_each_hit_is_another_one_and_a_seed_gives_the_same_ones():
    x, _ = drum_hits(12, seed=3)
    apart = torch.cdist(x, x) + 9 * torch.eye(12)
    assert apart.min() > 0.5
    assert torch.equal(x, drum_hits(12, seed=3)[0])
    train, test = load_audio("drums", n=6)[0], load_audio("drums", train=False, n=6)[0]
    assert (train - test).abs().max() > 0.1


def test_the_pitch_of_a_kick_falls():
    t = torch.arange(LENGTH["drums"]) / RATE
    x = kick(20, t, torch.Generator().manual_seed(0))
    turns = (x[:, 1:] * x[:, :-1] < 0).double()  # zero crossings: two a cycle
    early, late = turns[:, :240].sum(1) / 0.03, turns[:, 1200:2400].sum(1) / 0.15
    assert (early > 1.3 * late).all() and ((late > 72) & (late < 160)).all()


def test_a_snare_has_two_tones_and_a_rattle_and_a_hat_has_no_lows():
    t = torch.arange(LENGTH["drums"]) / RATE
    draw = torch.Generator().manual_seed(0)
    x, h = snare(200, t, draw), hat(200, t, draw)
    energy = spectrum(x).mean(0)
    assert energy[60:100].mean() > 3 * energy[400:800].mean()  # 150 to 250 Hz against 1 to 2 kHz
    assert energy[1200:1500].mean() > 0.001 * energy[60:100].mean()  # white noise, up to 3.7 kHz
    assert spectrum(h).mean(0)[10:100].sum() < 0.001 * spectrum(h).mean(0).sum()
    assert h[:, 2400:].abs().mean() < 0.05 * h[:, :200].abs().mean()


def test_a_recording_is_read_as_it_is(tmp_path):
    samples = torch.tensor([0, 16384, -32768, 32767], dtype=torch.int16)
    write(tmp_path / "a.wav", samples.numpy().tobytes())
    assert read_wav(tmp_path / "a.wav").tolist() == [0, 0.5, -1, 32767 / 32768]


def test_a_recording_at_another_rate_is_refused(tmp_path):
    """Else it would be played too fast or too slow, without an error."""
    for rate, channels, width in ((16000, 1, 2), (8000, 2, 2), (8000, 1, 1)):
        write(tmp_path / "a.wav", bytes(8), rate, channels, width)
        with pytest.raises(SoundError, match=rf"{channels} channel.*{8 * width} bits and {rate}"):
            read_wav(tmp_path / "a.wav")


def test_a_short_recording_is_in_the_middle_and_a_long_one_keeps_its_loudest_part():
    x = fitted(torch.tensor([0.1, -0.2, 0.1]), 8)
    assert torch.allclose(x, torch.tensor([0, 0, 0.5, -1, 0.5, 0, 0, 0]))
    x = fitted(torch.tensor([0.2, 0, 0.2, 0.4, -0.4, 0, 0.1]), 3)
    assert torch.allclose(x, torch.tensor([0.5, 1, -1]))
    assert fitted(torch.zeros(4), 6).tolist() == [0] * 6


def test_recordings_below_five_are_for_testing(recordings):
    x, y = load_audio("spoken_digits", recordings)
    assert x.shape == (8, 5120) and y.tolist() == [2] * 4 + [7] * 4  # 5 and 6 of each
    test, labels = load_audio("spoken_digits", recordings, train=False)
    assert test.shape == (8, 5120) and labels.tolist() == [2] * 4 + [7] * 4
    small = sorted({round(v, 4) for v in x.abs().sort(1).values[:, -2].tolist()})
    assert small == sorted({round(100 / (200 + 10 * i + k), 4) for i in (0, 1) for k in (5, 6)})


def test_a_speaker_can_be_held_out(recordings):
    x, _ = load_audio("spoken_digits", recordings, train=False, speaker="george")
    small = sorted({round(v, 4) for v in x.abs().sort(1).values[:, -2].tolist()})
    assert small == sorted({round(100 / (210 + k), 4) for k in range(3, 7)})
    assert len(load_audio("spoken_digits", recordings, True, "george")[0]) == 8
    with pytest.raises(ValueError, match="no speaker 'x'; expected one of " + SPEAKERS[0]):
        load_audio("spoken_digits", recordings, speaker="x")


def test_missing_recordings_are_answered_with_where_to_get_them(tmp_path):
    with pytest.raises(SoundError, match="Download https://github.com/Jakobovski") as error:
        load_audio("spoken_digits", tmp_path)
    assert re.search("recordings into .*spoken_digits", str(error.value))
    with pytest.raises(ValueError, match="no sounds 'bass'; expected one of drums, spoken_digits"):
        load_audio("bass")
