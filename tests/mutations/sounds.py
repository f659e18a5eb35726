"""Bugs of sounds.py: name: (function, code, what it becomes, the test that must fail)."""

BUGS = {
    "hits are faded in all the time": (
        "drum_hits", "(t / 0.001).clamp(max=1)", "t / 0.001",
        "test_hits_begin_at_once_and_die_away"),
    "training sounds are held out": (
        "load_audio", "_held_out(p, speaker) != train", "_held_out(p, speaker) == train",
        "test_recordings_below_five_are_for_testing"),
    "the training drums are for testing, too": (
        "load_audio", "0 if train else 1", "0",
        "test_each_hit_is_another_one_and_a_seed_gives_the_same_ones"),
    "the label is the index": (
        "load_audio", "path.name[0]", "path.stem[-1]",
        "test_recordings_below_five_are_for_testing"),
    "a seed is ignored": (
        "drum_hits", "torch.Generator().manual_seed(seed)", "torch.Generator().manual_seed(0)",
        "test_each_hit_is_another_one_and_a_seed_gives_the_same_ones"),
    "hits click at the end": (
        "drum_hits", "((t[-1] - t) / 0.05).clamp(max=1)", "1.0",
        "test_three_kinds_of_hits_in_turn"),
    "hits aren't scaled": (
        "drum_hits", "x / x.abs().amax(1, keepdim=True)", "x",
        "test_three_kinds_of_hits_in_turn"),
    "all in one batch are scaled alike": (
        "drum_hits", "x.abs().amax(1, keepdim=True)", "x.abs().max()",
        "test_three_kinds_of_hits_in_turn"),
    "the pitch of a kick is constant": (
        "kick", "low * t + fall * time * (1 - torch.exp(-t / time))", "low * t",
        "test_the_pitch_of_a_kick_falls"),
    "a snare without a rattle": (
        "snare", "0.5 * noise", "0.0 * noise",
        "test_a_snare_has_two_tones_and_a_rattle_and_a_hat_has_no_lows"),
    "a hat of white noise": (
        "hat", "noise.diff(n=2)", "noise[:, 2:]",
        "test_a_snare_has_two_tones_and_a_rattle_and_a_hat_has_no_lows"),
    "samples up to 1": (
        "read_wav", "torch.frombuffer(bytearray(data), dtype=torch.int16).float() / 32768",
        "torch.frombuffer(bytearray(data), dtype=torch.int16).float() / 32767",
        "test_a_recording_is_read_as_it_is"),
    "any rate is read": (
        "read_wav", "form != (1, 2, RATE)", "form[:2] != (1, 2)",
        "test_a_recording_at_another_rate_is_refused"),
    "long recordings are cut at the start": (
        "fitted", "int((energy[length:] - energy[:-length]).argmax())", "0",
        "test_a_short_recording_is_in_the_middle_and_a_long_one_keeps_its_loudest_part"),
    "short recordings start at once": (
        "fitted", "(rest // 2, rest - rest // 2)", "(0, rest)",
        "test_a_short_recording_is_in_the_middle_and_a_long_one_keeps_its_loudest_part"),
    "a held-out speaker is trained on": (
        "_held_out", "who == speaker", "who != speaker", "test_a_speaker_can_be_held_out"),
}  # fmt: skip
