"""Bugs of conventions.py: name: (function, code, what it becomes, the test that must fail).

Many are mistakes that published code really makes.
"""

PAPERS = "test_states_and_predictions_are_those_of_their_papers"

BUGS = {
    "lambda is the whole log SNR": (
        "", "(a / (1 - a)).log() / 2", "(a / (1 - a)).log()",
        "test_levels_are_their_formulas"),
    "the velocity's sign": (
        "", "((r + n) * e - x) / r", "(x - (r + n) * e) / r", PAPERS),
    "the prediction v with its sign turned": ("", "(e - n * x) / r", "(n * x - e) / r", PAPERS),
    "flow's states scaled as EDM's": (
        "", "lambda a: a.sqrt() + (1 - a).sqrt()", "lambda a: a.sqrt()", PAPERS),
    "an angle beyond a quarter": (
        "", "1.5708", "1.6", "test_a_level_beyond_its_convention_is_refused"),
    "small noise is rounded away": (
        "convert_level", "value.double()", "value", "test_small_noise_is_not_rounded_away"),
    "a time beyond T": (
        "time_at", "(1 - 1e-6) * schedule.alpha_bar[-1].item()", "1e-30",
        "test_faults_today.py::test_a_fault_is_refused_in_one_sentence"
        "[the time of more noise than the schedule has, which was T + 4]"),
    "time_at is off by one": (
        "time_at", "k + (y - log[k]) / (log[k + 1] - log[k])",
        "k + 1 + (y - log[k]) / (log[k + 1] - log[k])", "test_a_time_comes_back"),
}  # fmt: skip
