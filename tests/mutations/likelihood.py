"""Bugs of likelihood.py: name: (function, code, what it becomes, the test that must fail).

Many are mistakes that published code really makes.
"""

SUM = "test_the_bins_of_the_decoder_sum_to_1"
ADD = "test_the_terms_of_an_exact_model_add_to_minus_log_p"
BITS = "test_bits_of_a_uniform_density_are_those_of_its_levels"
ROWS = "test_the_rows_of_the_bound_begin_with_the_decoder_and_end_with_the_prior"
HYBRID = "test_the_hybrid_loss_is_the_simple_one_and_the_weighted_bound"
GRADIENT = "test_the_simple_loss_gives_the_variance_no_gradient_and_the_bound_does"
ODE = "test_the_ode_finds_a_mixtures_density"
TRACES = "test_the_traces_agree_and_one_of_them_is_exact"
SNR = "test_with_the_posteriors_variance_a_term_is_the_fall_of_the_snr_times_the_error"

BUGS = {
    "the width of the bins is forgotten": (
        "bits_per_dim", "nats / dims - math.log(width)", "nats / dims", BITS),
    "the width of the bins counts once for all dimensions": (
        "bits_per_dim", "nats / dims - math.log(width)", "(nats - math.log(width)) / dims", BITS),
    "nats for bits": (
        "bits_per_dim", "(nats / dims - math.log(width)) / math.log(2)",
        "nats / dims - math.log(width)", BITS),
    "values spread over twice their bins": (
        "dequantise", "2 / (levels - 1)", "4 / (levels - 1)",
        "test_dequantised_values_fill_their_bins_and_no_other"),
    "values spread upwards only": (
        "dequantise", "torch.rand_like(x0) - 0.5", "torch.rand_like(x0)",
        "test_dequantised_values_fill_their_bins_and_no_other"),
    "bins of twice the width": ("decoder_log_prob", "1 / (levels - 1)", "2 / (levels - 1)", SUM),
    "the first bin is closed": (
        "decoder_log_prob", "torch.where(x0 - half < -1, 0.0, cdf((x0 - half - mean) / std))",
        "cdf((x0 - half - mean) / std)", SUM),
    "the last bin is closed": (
        "decoder_log_prob", "torch.where(x0 + half > 1, 1.0, cdf((x0 + half - mean) / std))",
        "cdf((x0 + half - mean) / std)", SUM),
    "the variance for the deviation, in a bin": (
        "decoder_log_prob", "variance.sqrt()", "variance",
        "test_an_inner_bin_is_the_integral_of_the_density_and_the_edges_are_open"),
    "a density without its constant": (
        "decoder_log_prob", "(2 * math.pi * variance).log()", "variance.log()",
        "test_the_density_is_pytorchs"),
    "the divergence the other way round": (
        "kl_of_gaussians", "variance_1 / variance_2", "variance_2 / variance_1",
        "test_the_divergence_is_pytorchs"),
    "the sign of the logarithm in the divergence": (
        "kl_of_gaussians", "ratio - 1 - ratio.log()", "ratio - 1 + ratio.log()",
        "test_the_divergence_is_pytorchs"),
    "the first entry of the table is 0": (
        "variances", "torch.where(low > 0, low, high)", "low",
        "test_the_variances_are_those_of_the_two_walks"),
    "the variance of the whole way": (
        "variances", "1 - schedule.at(t, xt) / schedule.at(s, xt)", "1 - schedule.at(t, xt)",
        "test_the_variances_are_those_of_the_two_walks"),
    "variances interpolated, not their logarithms": (
        "reverse_step", "low ** (1 - w) * high ** w", "low * (1 - w) + high * w",
        "test_a_step_interpolates_the_logarithms"),
    "the two limits exchanged": (
        "reverse_step", "low ** (1 - w) * high ** w", "low ** w * high ** (1 - w)", ADD),
    "the noise and w exchanged": (
        "learned_variance.reverse", "output.chunk(2, 1)", "output.chunk(2, 1)[::-1]",
        "test_a_constant_w_is_a_fixed_variance"),
    "the mean over pixels for the sum": (
        "bound_term", "torch.where(last, decoder, kl).flatten(1).sum(1)",
        "torch.where(last, decoder, kl).flatten(1).mean(1)", SNR),
    "the decoder's term for all steps": (
        "bound_term", "torch.where(last, decoder, kl)", "decoder", ADD),
    "the divergence for the last step": (
        "bound_term", "torch.where(last, decoder, kl)", "kl", ADD),
    "the sign of the decoder's term": (
        "bound_term", "-decoder_log_prob(x0, mean, variance, levels)",
        "decoder_log_prob(x0, mean, variance, levels)", ADD),
    "the prior is forgotten": ("bound", "torch.stack([prior.flatten(1).sum(1), *terms])",
        "torch.stack(terms)", ROWS),
    "the prior's own variance is the signal's": (
        "bound", "kl_of_gaussians(a.sqrt() * x0, 1 - a, 0.0, a.new_ones(()))",
        "kl_of_gaussians(a.sqrt() * x0, a, 0.0, a.new_ones(()))", ROWS),
    "the rows in the order of the walk": (
        "bound", "torch.stack([prior.flatten(1).sum(1), *terms]).flip(0)",
        "torch.stack([prior.flatten(1).sum(1), *terms])", ROWS),
    "one term taken for the bound": (
        "hybrid_loss",
        "schedule.T * term.mean()", "term.mean()", HYBRID),
    "the variance learns nothing": (
        "hybrid_loss", "F.mse_loss(prediction, eps) + weight * vlb",
        "F.mse_loss(prediction, eps) + 0 * vlb", GRADIENT),
    "the bound disturbs the mean": (
        "hybrid_loss.reverse", "prediction.detach()", "prediction", GRADIENT),
    "t = 1 is never drawn": (
        "hybrid_loss", "torch.randint(1, schedule.T + 1, x0.shape[:1], device=x0.device)",
        "torch.randint(2, schedule.T + 1, x0.shape[:1], device=x0.device)", HYBRID),
    "the sum of all derivatives": (
        "exact_trace", "'ibi->b'", "'ibj->b'", TRACES),
    "signs of 0 and 1": (
        "hutchinson_trace", "torch.randint(0, 2, x.shape).to(x) * 2 - 1",
        "torch.randint(0, 2, x.shape).to(x)", "test_hutchinson_is_exact_for_a_diagonal"),
    "the derivative without its sign": (
        "hutchinson_trace", "slope * sign", "slope", "test_hutchinson_is_exact_for_a_diagonal"),
    "the noise counts in full": (
        "ode_slope", "v_target(schedule, predict_x0(schedule, x, t, eps), t, eps)",
        "v_target(schedule, predict_x0(schedule, x, t, 2 * eps), t, 2 * eps)", ODE),
    "the divergence with the wrong sign": (
        "ode_log_prob", "gained + h * (d + d_next) / 2", "gained - h * (d + d_next) / 2", ODE),
    "Euler's rule for Heun's": (
        "ode_log_prob", "x + h * (v + v_next) / 2", "x + h * v", ODE),
    "always from the data": (
        "ode_log_prob", "angle[t] - angle[s]", "angle[t - times[0]] - angle[s - times[0]]",
        "test_the_ode_counts_from_the_time_it_is_given"),
    "times may fall": (
        "ode_log_prob", "_check_times(times, schedule.T)", "pass",
        "test_bad_input_is_refused_with_a_sentence"),
}  # fmt: skip
