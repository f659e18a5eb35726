"""Bugs of diagnose, a table for each file: name: (function, code, what it becomes, the test that
must fail, with the set-up on which it does)."""

BUG = "test_diagnose.py::test_the_first_fault_is_the_one_that_was_planted[{}]"
WELL = "test_diagnose.py::test_what_is_healthy_or_young_is_not_accused[{}]"
TEST = "test_diagnose.py::test_{}"

NETWORK = {
    "the range of data is not looked at": (
        "check_data", "not to_do", "True", BUG.format("bytes")),
    "images in 0 … 1 pass": (
        "_advice", "_unscaled(x, low, high)", "False", BUG.format("E4 images in 0 … 1")),
    "signals in 0 … 1 pass": (
        "_unscaled", "x.ndim > 2 or x.shape[1] >= 16", "x.ndim == 4",
        BUG.format("0 … 1 in signals")),
    "data that were scaled twice pass": (
        "_advice", "high - low < 0.2", "False", BUG.format("scaled twice")),
    "standardised images pass": (
        "_advice", "rms > 2 or (case.sampler is None and _beyond(x))", "rms > 2",
        BUG.format("standardised images")),
    "one image, repeated, passes": (
        "_advice", "(x == x[:1]).all()", "False", BUG.format("one image, repeated")),
    "colours last pass": (
        "check_data", "x.shape[1] in (1, 3)", "True", BUG.format("colours last")),
    "row 0 is not looked at": (
        "check_schedule", "len(alpha_bar) == T + 1 and alpha_bar[0].item() == 1", "True",
        BUG.format("no row for t = 0")),
    "a noisy first step passes": (
        "check_schedule", "first < max(0.1, 8 / T)", "True", BUG.format("beta upside down")),
    "the first step of any short schedule is accused": (
        "check_schedule", "max(0.1, 8 / T)", "0.05", WELL.format("very short schedule")),
    "signal at T passes": (
        "check_schedule", "falls and left < SIGNAL and not blind", "falls and not blind",
        BUG.format("E9 linear beta of 1000 steps, with 200")),
    "eps without signal at T passes": (
        "check_schedule", "left == 0 and case.target == 'eps'", "False",
        BUG.format("eps without any signal at T")),
    "NaN in weights passes": (
        "check_numbers", "weights + predictions == 0", "predictions == 0",
        TEST.format("a_weight_that_is_not_finite_is_counted")),
    "time may not matter": (
        "check_time", "moved > SAME or not first.any()", "True", BUG.format("t is ignored")),
    "labels may not matter": (
        "check_labels", "moved > SAME or not own.any()", "True", BUG.format("y is ignored")),
    "labels of any rows will do": (
        "_check_truth", "share + chance > TRUE", "True", BUG.format("y shuffled")),
    "labels 1 … K pass": (
        "check_labels", "yield from _check_range(case, y)", "", BUG.format("labels 1 … K")),
    "any target fits": (
        "check_target", "not clear or fits[case.target] < FITS * fits[best]", "True",
        BUG.format("v read as eps")),
    "any error passes": (
        "check_errors", "bool((shares < WORSE).all())", "True", BUG.format("the wrong sign")),
    "random weights are accused": (
        "", "WORSE = 3", "WORSE = 1.3", TEST.format("random_weights_are_not_accused")),
    "buffers are not compared": (
        "check_ema", "not differ", "True", BUG.format("E12 averaged buffers")),
    "an average may be far": (
        "check_ema", "behind < BEHIND", "True", BUG.format("E12 never updated")),
    "neighbours in evaluation mode": (
        "check_company", "copy.deepcopy(net).train()", "copy.deepcopy(net)",
        BUG.format("E16 BatchNorm")),
}  # fmt: skip

PROCESS = {
    "t = 0 is a time": (
        "_check_times", "1 <= low <= 1 + slack and T - slack <= high <= T",
        "low <= 1 + slack and T - slack <= high <= T", BUG.format("E5 t = 0 is trained")),
    "T need not be trained": (
        "_check_times", "T - slack <= high <= T", "high <= T",
        BUG.format("E5 T is never trained")),
    "one t for all": (
        "_check_times", "not (t == t[:, :1]).all()", "True", BUG.format("one t for the batch")),
    "t / T passes unseen": (
        "_check_times", "bool((t == t.round()).all())", "True", BUG.format("E13 t / T")),
    "the size of noise is not looked at": (
        "_check_noise", "abs(variance - 1) < MEAN and abs(kurtosis / 3 - 1) < MEAN",
        "abs(kurtosis / 3 - 1) < MEAN", BUG.format("noise of another size")),
    "the shape of noise is not looked at": (
        "_check_noise", "abs(variance - 1) < MEAN and abs(kurtosis / 3 - 1) < MEAN",
        "abs(variance - 1) < MEAN", BUG.format("E3 uniform noise of variance 1")),
    "shared noise passes": (
        "_check_noise", "max(means) < SHARED", "True", BUG.format("one noise for all rows")),
    "a weighted loss passes": (
        "_check_weight", "max(parts) < 1.02 * min(parts)", "True", BUG.format("a min-SNR weight")),
    "errors of any power pass": (
        "_check_weight", "squared = 3.8 < two / one < 4.2", "squared = True",
        BUG.format("E17 absolute error of v")),
    "any loss of 0 passes": (
        "_check_size", "abs(zero / size - 1) < MEAN", "True", BUG.format("E17 absolute error")),
    "the right answer may cost": (
        "_check_size", "yield ('loss of the answer', costs[case.target] < 1e-3 * size, "
        "f'{costs[case.target]:.4f}', '0', to_do)", "", BUG.format("another noise as target")),
    "v has the size 1": (
        "_check_size", "signal + (1 - signal) * size", "1.0", WELL.format("narrow, v")),
    "the loop may begin anywhere": (
        "_check_way", "times[:1] == [case.T]", "True",
        BUG.format("a spacing that starts below T")),
    "too little noise on the way passes": (
        "_check_states", "NOISY[0] < min(sizes) and max(sizes) < NOISY[1]",
        "max(sizes) < NOISY[1]", BUG.format("E1 variance for deviation in the step")),
    "too much noise on the way passes": (
        "_check_states", "NOISY[0] < min(sizes) and max(sizes) < NOISY[1]",
        "NOISY[0] < min(sizes)", BUG.format("E8 beta of one t for a stride")),
    "the other variance of DDPM is accused": (
        "", "NOISY = 0.75, 4", "NOISY = 0.75, 1.5", WELL.format("beta for its tilde")),
    "states may be clamped": (
        "_check_states", "held < 0.001", "True", BUG.format("x_t clamped to 3")),
    "the end is not looked at": (
        "_check_end", "off < GREY", "True", BUG.format("E6 noise at the last step")),
    "points may be clipped": (
        "_check_clip", "not cut", "True", BUG.format("points clipped to 1")),
    "samples may be of any size": (
        "_check_samples", "bool(young) or (reach < REACH and SPREAD[0] < spread < SPREAD[1] and "
        "(shift < 2))", "True", BUG.format("eps on a cosine schedule, unclipped")),
    "a young network must sample well": (
        "_check_samples", "bool(young)", "False",
        WELL.format("points, untouched, unclipped")),
    "a loop that takes v is accused": (
        "check_sampler", "dict.fromkeys(['eps', case.target])", "['eps']",
        WELL.format("a loop that takes v")),
}  # fmt: skip

CASE = {
    "a silent network ignores all": (
        "Case.awake", "weight.ndim > 1 and (not weight.any())", "False",
        WELL.format("a head that is not zero")),
    "the network itself is set to evaluation": (
        "_still", "copy.deepcopy(net).eval()", "net.eval()",
        TEST.format("looking_changes_nothing")),
    "a line is enough": (
        "", "LEARNED = 0.9", "LEARNED = 1.05", WELL.format("signals, eps, untouched")),
    "the line of another variance": (
        "linear_error", "(share * var / (alpha_bar * var + 1 - alpha_bar)).mean()",
        "(share * var / (alpha_bar * var + 1 - alpha_bar)).mean() ** 0.5",
        TEST.format("the_yardstick_is_the_best_line")),
    "a loss that owns its network isn't asked": (
        "Case.loss", "not self.modules", "True", WELL.format("loss_fn: x")),
    "a dict isn't a batch": (
        "_pair", "isinstance(batch, Mapping)", "False", WELL.format("batch: dict")),
    "a dict isn't a loss": (
        "_number", "loss['loss'] if isinstance(loss, Mapping) else loss[0]", "loss[0]",
        WELL.format("loss_fn: dict")),
}  # fmt: skip

REPORT = {
    "an error that wasn't measured is nan": (
        "Report.__str__", "math.isnan(self.ratio)", "False",
        TEST.format("a_report_says_what_was_measured_expected_and_to_do")),
}  # fmt: skip

FILES = {
    "diagnose/__init__.py": REPORT,
    "diagnose/network.py": NETWORK,
    "diagnose/process.py": PROCESS,
    "diagnose/case.py": CASE,
}
