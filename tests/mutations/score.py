"""Bugs of score.py: name: (function, code, what it becomes, the test that must fail).

Many are mistakes that published code really makes.
"""

SLOPE = "test_the_score_of_a_mixture_is_the_slope_of_its_log_density"
ETA = "test_every_eta_ends_at_the_variance_of_the_data"
PARTS = "test_an_sde_is_the_derivative_of_its_signal_and_noise"
LANGEVIN = "test_langevin_on_a_gaussian_has_the_variance_of_its_recursion"
ONES = "test_preconditioning_gives_input_and_target_the_variance_1"
HEUN = "test_heun_gains_a_factor_four_from_halved_steps"
SHARES = "test_langevin_keeps_the_shares_it_starts_with_and_annealed_langevin_finds_them"
ZERO = "test_zero_terminal_snr_keeps_the_first_rows_and_ends_at_0"
PULL = "(1 + eta**2) / 2 * sde.g2(u) * score(x, u.expand(len(x)))"

BUGS = {
    # scores
    "a score without its minus": (
        "mixture_score", "torch.as_tensor(signal)[..., None] * means - x[:, None]",
        "x[:, None] - torch.as_tensor(signal)[..., None] * means", SLOPE),
    "the data's width isn't scaled": (
        "mixture_score", "(signal * std) ** 2 + noise**2", "std**2 + noise**2", SLOPE),
    "a model's score without its minus": (
        "as_score", "-model(x, t)", "model(x, t)",
        "test_a_score_is_minus_the_noise_over_its_size"),
    "the variance of the noise for its size": (
        "as_score", "(1 - schedule.at(t, x)).sqrt()", "(1 - schedule.at(t, x))",
        "test_a_score_is_minus_the_noise_over_its_size"),
    "score matching with the noise's sign turned": (
        "dsm_loss", "s * score(x0 + s * eps, sigma) + eps",
        "s * score(x0 + s * eps, sigma) - eps",
        "test_denoising_score_matching_differs_from_the_true_loss_by_a_constant"),
    "Langevin without its root of 2": (
        "langevin", "(2 * step) ** 0.5", "step ** 0.5", LANGEVIN),
    "annealed steps of one size": (
        "annealed_langevin", "step * (s / sigmas[-1]) ** 2", "step * (s / s) ** 2", SHARES),
    "a correction as long as snr squared": (
        "correct", "2 * snr**2 * x[0].numel()", "2 * snr**4 * x[0].numel()",
        "test_a_correction_moves_by_the_ratio_it_was_given"),
    # differential equations
    "an ODE without the half": (
        "sde_step", PULL, PULL.replace("(1 + eta**2) / 2", "1"), ETA),
    "noise without more pull": (
        "sde_step", PULL, PULL.replace("(1 + eta**2) / 2", "1 / 2"), ETA),
    "the pull turned": (
        "sde_step", "sde.f(u) * x - pull", "sde.f(u) * x + pull", ETA),
    "g2 short of a factor 2": (
        "ve", "2 * rate * noise(u) ** 2", "rate * noise(u) ** 2", PARTS),
    "f is -beta": ("vp", "-beta(u) / 2", "-beta(u)", PARTS),
    "the integral of beta is beta u": (
        "vp", "(-u * (beta_0 + beta(u)) / 4).exp()", "(-u * beta(u) / 2).exp()", PARTS),
    "beta of one step, not of one unit of time": (
        "vp", "beta_0 + u * (beta_1 - beta_0)", "(beta_0 + u * (beta_1 - beta_0)) / 1000",
        "test_vp_is_the_limit_of_the_chain"),
    "the last prediction isn't scaled": (
        "reverse", "clean / sde.signal(s)", "clean * 1.2", ETA),
    # EDM
    "the input is scaled by sigma alone": (
        "edm_coefficients", "1 / total", "1 / sigma", ONES),
    "c_skip is its root": (
        "edm_coefficients", "data_std**2 / total**2", "data_std / total", ONES),
    "the second slope at the old level": (
        "edm_heun", "(new - denoise(new, end.expand(len(x)))) / end",
        "(new - denoise(new, sigma.expand(len(x)))) / sigma", HEUN),
    "the second slope at the old point": (
        "edm_heun", "(new - denoise(new, end.expand(len(x)))) / end",
        "(x - denoise(x, end.expand(len(x)))) / end", HEUN),
    "the grid doesn't end at 0": (
        "edm_sigmas", "grid.new_zeros(1)", "grid[-1:] / 2", "test_the_grid_is_that_of_the_paper"),
    # the end of the schedule, weights
    "zero terminal SNR scales alpha_bar, not its root": (
        "zero_terminal_snr", "alpha_bar.double().sqrt()", "alpha_bar.double()", ZERO),
    "row 0 is shifted as well": (
        "zero_terminal_snr", "torch.cat([root[:1], new[1:]])", "new", ZERO),
    "min-SNR of eps for v": (
        "min_snr_weight", "snr + 1", "snr", "test_min_snr_is_one_loss_in_three_forms"),
    "0 / 0 where nothing but noise is left": (
        "min_snr_weight", "(gamma / snr).clamp(max=1)", "snr.clamp(max=gamma) / snr",
        "test_min_snr_is_one_loss_in_three_forms"),
}  # fmt: skip
