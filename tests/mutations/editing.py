"""Bugs of editing.py: name: (function, code, what it becomes, the test that must fail)."""

STRENGTH = "test_strength_0_returns_the_image_and_a_small_one_takes_a_step"
KEPT = "test_kept_pixels_have_the_noise_of_their_level_and_are_exact_at_the_end"
LATER = "test_noise_added_later_gives_the_level_of_the_later_time"
CALLS = "test_repaint_calls_the_model_at_the_upper_time_once_a_round"
ROUNDS = "test_rounds_bring_repaint_to_the_posterior"
MATRIX = "test_the_matrix_of_a_function_does_what_the_function_does"
SLOPE = "test_dps_moves_against_the_slope_of_the_norm_found_by_finite_differences"
EXACT = "test_pigdm_is_exact_for_gaussian_data"
OTHER = "test_the_spread_of_the_data_makes_it_exact_for_other_gaussians"
CERTAIN = "test_a_certain_prediction_gives_the_likelihood_of_dps"
GRID = "test_the_posterior_of_a_mixture_is_bayes_rule_on_a_grid"
SCORE = "test_the_mixture_model_is_the_score_of_the_noised_mixture"
KEEP = "q_sample(schedule, x0, s, torch.randn_like(x0))"

BUGS = {
    "strength 0 starts from noise": (
        "sdedit", "round(strength * schedule.T)", "round((1 - strength) * schedule.T)", STRENGTH),
    "the steps are rounded away": (
        "sdedit", "max(1, round(strength * n))", "max(1, int(strength * n))", STRENGTH),
    "all steps for a part of the way": (
        "sdedit", "max(1, round(strength * n))", "n", STRENGTH),
    "sdedit keeps its input clean": (
        "sdedit", "q_sample(schedule, x0, t, torch.randn_like(x0))", "x0",
        "test_sdedit_samples_the_data_that_may_have_become_x_t"),
    "kept pixels noised to t": ("replaced.paste", KEEP, KEEP.replace(" s,", " t,"), KEPT),
    "kept pixels without noise": ("replaced.paste", KEEP, "x0", KEPT),
    "the variance for the deviation": (
        "replaced.paste", KEEP,
        "schedule.at(s, x0).sqrt() * x0 + (1 - schedule.at(s, x0)) * torch.randn_like(x0)", KEPT),
    "the mask the other way round": (
        "replaced.paste", "torch.where(mask, kept, step(schedule, xt, t, s, eps))",
        "torch.where(mask, step(schedule, xt, t, s, eps), kept)", KEPT),
    "noise on noise adds too much": (
        "renoised", "(1 - alpha).sqrt()", "(1 - schedule.at(t, xs)).sqrt()", LATER),
    "the signal doesn't shrink": ("renoised", "alpha.sqrt() * xs", "xs", LATER),
    "one round too many": ("repaint.again", "range(rounds - 1)", "range(rounds)", CALLS),
    "asked at the lower time": (
        "repaint.again", "torch.full(xt.shape[:1], t, device=xt.device)",
        "torch.full(xt.shape[:1], s, device=xt.device)", CALLS),
    "rounds without the new noise prediction": (
        "repaint.again", "eps = model(xt, torch.full(xt.shape[:1], t, device=xt.device))", "pass",
        ROUNDS),
    "the matrix is transposed": ("matrix_of", "f(torch.eye(d).reshape(d, *shape)).flatten(1).T",
        "f(torch.eye(d).reshape(d, *shape)).flatten(1)", MATRIX),
    "the residual with the wrong sign": (
        "residual", "y - x0.flatten(1) @ A.T", "y + x0.flatten(1) @ A.T", MATRIX),
    "the gradient doesn't go through the model": (
        "dps.move", "model(leaf, time)", "model(leaf, time).detach()", SLOPE),
    "the norm is squared": (
        "dps.move", "residual(A, y, x0).norm(dim=1).sum()", "residual(A, y, x0).square().sum()",
        SLOPE),
    "one norm for the whole batch": (
        "dps.move", "residual(A, y, x0).norm(dim=1).sum()", "residual(A, y, x0).norm()", SLOPE),
    "dps moves uphill": ("dps.move", "step(schedule, xt, t, s, eps) - scale * grad",
        "step(schedule, xt, t, s, eps) + scale * grad", SLOPE),
    "the noise of the measurement isn't squared": (
        "likelihood.log_p", "sigma**2", "sigma", EXACT),
    "the singular values aren't squared": (
        "likelihood.log_p", "size[seen] ** 2", "size[seen]", EXACT),
    "the likelihood without its half": (
        "likelihood.log_p", "-(r**2 / (spread * size[seen] ** 2 + sigma**2)).sum(1) / 2",
        "-(r**2 / (spread * size[seen] ** 2 + sigma**2)).sum(1)", CERTAIN),
    "the spread of noise for that of the data": (
        "likelihood.log_p", "std**2 * (1 - a) / (a * std**2 + 1 - a)", "1 - a", OTHER),
    "a singular value of 0 is divided by": (
        "likelihood", "size > 0.0001 * size[0]", "size > -1",
        "test_what_a_matrix_does_not_see_does_not_matter"),
    "the shares of clean data": (
        "mixture_model.eps", "-z.square().sum(2) / (2 * variance)",
        "-z.square().sum(2) / (2 * std**2)", SCORE),
    "shares without their half": (
        "mixture_posterior", "-(r @ S.inverse() * r).sum(1) / 2", "-(r @ S.inverse() * r).sum(1)",
        GRID),
    "the posterior covariance of the prior": (
        "mixture_posterior", "torch.eye(A.shape[1]).to(A) - gain @ A", "torch.eye(A.shape[1])",
        GRID),
}  # fmt: skip
