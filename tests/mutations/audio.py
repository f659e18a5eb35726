"""Bugs of audio.py: name: (function, code, what it becomes, the test that must fail)."""

BUGS = {
    "frames start at their hop": (
        "frames", "(pad, pad)", "(0, 2 * pad)", "test_a_frame_is_centred_on_its_hop"),
    "frames don't overlap": (
        "frames", "F.pad(x, (pad, pad)).unfold(-1, n_fft, hop)",
        "F.pad(x, (pad, pad)).unfold(-1, n_fft, n_fft)", "test_a_frame_is_centred_on_its_hop"),
    "the padding stays": (
        "overlap_add", "x[:, 0, 0, pad : pad + n * hop]", "x[:, 0, 0, : n * hop]",
        "test_adding_frames_counts_each_sample_as_often_as_it_occurs"),
    "no window": (
        "stft", "frames(x, n_fft, hop) * window", "frames(x, n_fft, hop)",
        "test_a_sine_of_amplitude_one_has_magnitude_one"),
    "the spectrum isn't scaled": (
        "stft", "2 / window.sum()", "1.0", "test_a_sine_of_amplitude_one_has_magnitude_one"),
    "overlaps aren't averaged": (
        "istft", "overlap_add(pieces, hop) / overlap_add(squares, hop)",
        "overlap_add(pieces, hop)",
        "test_the_inverse_gives_back_the_waveform"),
    "no window on the way back": (
        "istft", "torch.fft.irfft(X, n=n_fft) * window * (window.sum() / 2)",
        "torch.fft.irfft(X, n=n_fft) * (window.sum() / 2)",
        "test_the_inverse_gives_back_the_waveform"),
    "averaged with the window, not its square": (
        "istft", "window**2", "window", "test_the_inverse_gives_back_the_waveform"),
    "the natural logarithm of mel": (
        "hz_to_mel", "torch.log10(1 + f / 700)", "torch.log(1 + f / 700)",
        "test_equal_steps_in_mel"),
    "bands evenly spaced in Hz": (
        "mel_filters", "mel_to_hz(torch.linspace(0, top, mels + 2))",
        "torch.linspace(0, rate / 2, mels + 2)", "test_a_tone_lights_up_its_own_band"),
    "bands don't overlap": (
        "mel_filters", "edge[2:] - f", "edge[1:-1] - f",
        "test_bands_are_triangles_that_add_up_to_one"),
    "empty bands": (
        "mel_filters", "_check_bands(torch.minimum(rise, fall))", "",
        "test_what_makes_no_sense_is_refused"),
    "bands are summed": (
        "log_mel", "filters / filters.sum(1, keepdim=True)", "filters",
        "test_noise_has_the_level_of_its_mean_magnitude"),
    "decibels of a power": (
        "log_mel", "20 * torch.log10(bands.clamp(min=1e-6))",
        "10 * torch.log10(bands.clamp(min=1e-6))", "test_a_tone_lights_up_its_own_band"),
    "images aren't clipped": (
        "log_mel", "image.clamp(-1, 1)", "image",
        "test_noise_has_the_level_of_its_mean_magnitude"),
    "time runs up": (
        "log_mel", "'b n m -> b 1 m n'", "'b n m -> b 1 n m'",
        "test_a_tone_lights_up_its_own_band"),
    "magnitudes in dB": (
        "magnitudes", "10 ** ((share * (HIGH - LOW) + LOW) / 20)",
        "share * (HIGH - LOW) + LOW", "test_the_image_of_a_sound_comes_back"),
    "magnitudes of powers": (
        "magnitudes", "(share * (HIGH - LOW) + LOW) / 20", "(share * (HIGH - LOW) + LOW) / 10",
        "test_the_image_of_a_sound_comes_back"),
    "the phase never changes": (
        "griffin_lim", "turn, before = ahead / ahead.abs().clamp(min=1e-9), now",
        "before = now", "test_griffin_lim_finds_a_waveform_with_these_magnitudes"),
    "no momentum": (
        "griffin_lim", "now + momentum * (now - before)", "now",
        "test_griffin_lim_finds_a_waveform_with_these_magnitudes"),
    "the given phase is ignored": (
        "griffin_lim", "phase is None", "True", "test_the_right_phase_is_a_fixed_point"),
    "always the same phase": (
        "griffin_lim", "torch.rand_like(magnitude)", "torch.zeros_like(magnitude)",
        "test_each_run_of_griffin_lim_finds_another_waveform"),
    "magnitudes aren't checked": (
        "griffin_lim", "_check_magnitude(magnitude)", "", "test_what_makes_no_sense_is_refused"),
    "a channel has distant samples": (
        "as_blocks", "'b (n c) -> b c n'", "'b (c n) -> b c n'",
        "test_blocks_are_neighbouring_samples"),
    "16 bits from half precision": (
        "to_int16", "x.float()", "x", "test_sixteen_bits_are_exact_and_do_not_wrap"),
    "silence becomes NaN": (
        "griffin_lim", "ahead.abs().clamp(min=1e-9)", "ahead.abs()",
        "test_silence_stays_silent"),
    "16 bits wrap": (
        "to_int16", "x.float().clamp(-1, 1)", "x.float()",
        "test_sixteen_bits_are_exact_and_do_not_wrap"),
    "8 bits on an even scale": (
        "mu_law", "x.sign() * torch.log1p(255 * x.abs()) / math.log(256)", "x",
        "test_eight_bits_on_a_logarithmic_scale"),
    "8 bits come back without a sign": (
        "from_mu_law", "x.sign() * (256 ** x.abs() - 1)", "256 ** x.abs() - 1",
        "test_eight_bits_on_a_logarithmic_scale"),
}  # fmt: skip
