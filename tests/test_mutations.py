"""A test that cannot fail proves nothing: each bug of this table, put into the package, is caught.

E1 … E24 are the mistakes that popular tutorials really make; the book shows them in its chapters.
E22, mixing noises linearly, is a mistake of the user: test_diffusion.py shows what it does.
"""

import sys

import pytest
from mutants import change, load, package, run

DIFFUSION = {  # bug: (the text, what it becomes, a test that must fail)
    "E1 deviation for variance in q_sample": (
        "x0 + (1 - alpha_bar).sqrt() * eps", "x0 + (1 - alpha_bar) * eps",
        "test_200_small_steps_are_one_big_step_by_simulation"),
    "E1 variance for deviation in the step": (
        "sigma = ((1 - alpha_bar_s) / (1 - alpha_bar) * (1 - alpha)).sqrt()",
        "sigma = (1 - alpha_bar_s) / (1 - alpha_bar) * (1 - alpha)",
        "test_ddpm_draws_from_the_posterior_of_the_x0_that_eps_implies"),
    "E2 product up to T": (
        "(1 - beta).cumprod(0)", "(1 - beta).flip(0).cumprod(0).flip(0)",
        "test_alpha_bar_is_the_product_of_the_alphas_up_to_t_and_no_further"),
    "E2 product one row late": (
        "(1 - beta).cumprod(0)", "(1 - beta).roll(1).cumprod(0)",
        "test_alpha_bar_is_the_product_of_the_alphas_up_to_t_and_no_further"),
    "E3 uniform noise in the loss": (
        "torch.randn_like(x0)", "torch.rand_like(x0)",
        "test_the_model_sees_q_sample_of_gaussian_noise"),
    "E3 uniform noise of variance 1 in the loss": (
        "torch.randn_like(x0)", "(torch.rand_like(x0) - 0.5) * 12**0.5",
        "test_the_model_sees_q_sample_of_gaussian_noise"),
    "E3 uniform noise in the sampler": (
        "torch.randn_like(xt)\n", "(torch.rand_like(xt) - 0.5) * 12**0.5\n",
        "test_the_noise_of_a_step_is_gaussian_with_the_posterior_variance"),
    "E5 t drawn from 0 … T - 1": (
        "randint(1, schedule.T + 1", "randint(0, schedule.T",
        "test_the_times_drawn_are_1_to_T_equally_often"),
    "E5 T is never trained": (
        "randint(1, schedule.T + 1", "randint(1, schedule.T",
        "test_the_times_drawn_are_1_to_T_equally_often"),
    "E5 t = 0 is trained": (
        "randint(1, schedule.T + 1", "randint(0, schedule.T + 1",
        "test_the_times_drawn_are_1_to_T_equally_often"),
    "E5 sampling starts at T - 1": (
        "T * (steps - i) // steps", "(T - (i == 0)) * (steps - i) // steps",
        "test_a_trajectory_starts_at_T_ends_at_0_and_visits_steps_plus_1_times"),
    "E5 the model is told s": (
        "torch.full(xt.shape[:1], t,", "torch.full(xt.shape[:1], s,",
        "test_a_trajectory_asks_the_model_for_the_times_it_visits"),
    "E6 noise at the last step": (
        "(1 - alpha)).sqrt()\n", "(1 - alpha)).sqrt().clamp(min=0.01)\n",
        "test_the_last_step_adds_no_noise"),
    "E8 beta for the posterior variance": (
        "sigma = ((1 - alpha_bar_s) / (1 - alpha_bar) * (1 - alpha)).sqrt()",
        "sigma = (1 - alpha).sqrt() * (s > 0)",
        "test_the_posterior_variance_is_exact_when_the_data_are_one_point"),
    "E8 beta of t for a stride": (
        "    alpha = alpha_bar / alpha_bar_s\n    mean", "    alpha = schedule.alpha[t]\n    mean",
        "test_ddpm_draws_from_the_posterior_of_the_x0_that_eps_implies"),
    "E9 a linear schedule that ends too early": (
        "beta_T: float = 0.02", "beta_T: float = 0.01",
        "test_almost_nothing_is_left_of_the_data_at_T"),
    "E9 a cosine that is not stretched to T": (
        "(t / T + s)", "(t / 1000 + s)", "test_almost_nothing_is_left_of_the_data_at_T"),
    "E10 beta of 1 and more": (
        "(beta < 1)", "(beta < 9)", "test_a_linear_schedule_rescaled_to_few_steps_is_refused"),
    "E11 the linear schedule squared": (
        "T, dtype=torch.float64))", "T, dtype=torch.float64) ** 2)",
        "test_almost_nothing_is_left_of_the_data_at_T"),
    "E17 L1 for the squared error": (
        "F.mse_loss", "F.l1_loss", "test_a_model_that_always_answers_zero_has_loss_1"),
    "E24 few steps without strides": (
        "T * (steps - i) // steps", "steps - i",
        "test_a_trajectory_starts_at_T_ends_at_0_and_visits_steps_plus_1_times"),
    "one t for the whole batch": (
        "randint(1, schedule.T + 1, x0.shape[:1], device=x0.device)",
        "randint(1, schedule.T + 1, (1,)).expand(len(x0))",
        "test_the_times_drawn_are_1_to_T_equally_often"),
    "t runs over the last axis": (
        ".reshape(-1, *[1] * (x.ndim - 1))", ".reshape(*[1] * (x.ndim - 1), -1)",
        "test_each_row_has_its_own_time"),
    "the loss forgets its target": (
        "target(schedule, x0, t, eps))", "eps)",
        "test_the_loss_compares_the_guess_with_its_target"),
    "the loss has new noise for its target": (
        "target(schedule, x0, t, eps))", "target(schedule, x0, t, torch.randn_like(x0)))",
        "test_the_best_model_of_standard_normal_data_has_the_loss_that_theory_says"),
    "the loss is a sum": (
        "target(schedule, x0, t, eps))", "target(schedule, x0, t, eps), reduction='sum')",
        "test_a_model_that_always_answers_zero_has_loss_1"),
    "v with the wrong sign": (
        "eps - (1 - alpha_bar).sqrt() * x0", "eps + (1 - alpha_bar).sqrt() * x0",
        "test_the_three_targets_are_linear_maps_of_one_another"),
    "v with x0 and eps exchanged": (
        "alpha_bar.sqrt() * eps - (1 - alpha_bar).sqrt() * x0",
        "alpha_bar.sqrt() * x0 - (1 - alpha_bar).sqrt() * eps",
        "test_wrapped_networks_guess_the_exact_noise"),
    "x0_target is eps": (
        'Built in chapter 3."""\n    return x0', 'Built in chapter 3."""\n    return eps',
        "test_the_three_targets_are_linear_maps_of_one_another"),
    "predict_x0 without its division": (
        "eps) / alpha_bar.sqrt()", "eps)", "test_the_three_targets_are_linear_maps_of_one_another"),
    "predict_eps divides by the signal": (
        "x0) / (1 - alpha_bar).sqrt()", "x0) / alpha_bar.sqrt()",
        "test_the_three_targets_are_linear_maps_of_one_another"),
    "posterior with x0 and x_t exchanged": (
        "beta * x0 + alpha.sqrt() * (1 - alpha_bar_s) * xt",
        "beta * xt + alpha.sqrt() * (1 - alpha_bar_s) * x0",
        "test_the_posterior_is_gaussian_conjugacy"),
    "posterior variance is beta": (
        "(1 - alpha_bar_s) / (1 - alpha_bar) * beta", "beta",
        "test_the_posterior_is_bayes_rule_on_a_grid"),
    "Algorithm 2 without 1 / sqrt(alpha)": (
        "* eps) / alpha.sqrt()", "* eps)", "test_ddpm_is_ddim_with_eta_1"),
    "DDIM's direction ignores sigma": (
        "(1 - alpha_bar_s - sigma**2)", "(1 - alpha_bar_s)", "test_ddpm_is_ddim_with_eta_1"),
    "DDIM's root of a rounded negative": (
        ".clamp(min=0).sqrt()", ".sqrt()", "test_every_jump_is_finite_in_float32"),
    "DDIM stays at t": (
        "mean = alpha_bar_s.sqrt() * x0", "mean = alpha_bar.sqrt() * x0",
        "test_with_the_true_noise_one_ddim_jump_lands_on_the_exact_state"),
    "DDIM always draws": (
        "torch.randn_like(xt) if eta else mean", "torch.randn_like(xt)",
        "test_ddim_without_eta_draws_nothing"),
    "eta enters squared": (
        "sigma = eta * (", "sigma = eta**2 * (", "test_diffusers.py::test_ddim_step_is_their_step"),
    "row 0 is not clean": (
        "torch.cat([beta.new_zeros(1), beta])", "torch.cat([beta[:1], beta])",
        "test_row_0_is_clean_data"),
    "buffers in the wrong place": (
        'self.register_buffer("alpha", (1 - beta).float())', "self.alpha = (1 - beta).float()",
        "test_a_schedule_moves_and_saves_with_the_network"),
    "a trajectory that is a list": (
        "    yield times[0], xt\n", "    model(xt, torch.ones(len(xt)))\n    yield times[0], xt\n",
        "test_a_trajectory_is_lazy"),
    "gradients of all steps": (
        "@torch.no_grad()\n", "", "test_sampling_records_no_gradients_and_leaves_xT_alone"),
    "sampling in place": (
        "    xt = xT\n", "    xt = xT.mul_(1.0001)\n",
        "test_sampling_records_no_gradients_and_leaves_xT_alone"),
    "times that do not end at 0": (
        "or times[-1] != 0 ", "", "test_steps_that_lead_nowhere_are_refused"),
    "eta is not checked": (
        "if not 0 <= eta <= 1", "if False", "test_an_eta_outside_0_to_1_is_refused"),
}  # fmt: skip

NETS = {
    "E13 t is ignored": (
        "time_embedding(t, self.width)", "time_embedding(t * 0, self.width)",
        "test_time_changes_the_answer"),
    "E13 t / T is embedded": (
        "angle = t[:, None] * frequency", "angle = t[:, None] / 1000 * frequency",
        "test_near_times_have_near_embeddings_and_far_times_far_ones"),
    "E13 frequencies of another library": (
        "/ (half - 1)", "/ half",
        "test_embeddings_are_sines_and_cosines_of_geometric_frequencies"),
    "E14 softmax over the queries": (
        "F.scaled_dot_product_attention(q, k, v)",
        "(q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-2) @ v",
        "test_attention_is_its_formula"),
    "E14 rows that do not sum to 1": (
        "F.scaled_dot_product_attention(q, k, v)",
        "(q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-2) @ v",
        "test_attention_weights_of_a_query_sum_to_1"),
    "E14 no division by sqrt(C)": (
        "F.scaled_dot_product_attention(q, k, v)", "(q @ k.transpose(-1, -2)).softmax(-1) @ v",
        "test_attention_is_its_formula"),
    "E14 height and width exchanged": (
        "b 1 (h w) c -> b c h w", "b 1 (w h) c -> b c h w", "test_attention_is_its_formula"),
    "E15 multipliers compound": (
        "        self.channels, self.factor",
        "        mults = [math.prod(mults[: i + 1]) for i in range(len(mults))]\n"
        "        self.channels, self.factor",
        "test_multipliers_do_not_compound"),
    "E15 the parameter count of the paper": (
        "        self.channels, self.factor",
        "        mults = [math.prod(mults[: i + 1]) for i in range(len(mults))]\n"
        "        self.channels, self.factor",
        "test_the_cifar10_network_of_ddpm_has_35746307_parameters"),
    "E16 BatchNorm": (
        "return nn.GroupNorm(math.gcd(min(32, max(1, channels // 4)), channels), channels)",
        "return nn.BatchNorm2d(channels)", "test_a_row_does_not_depend_on_the_other_rows"),
    "E16 BatchNorm without statistics": (
        "return nn.GroupNorm(math.gcd(min(32, max(1, channels // 4)), channels), channels)",
        "return nn.BatchNorm2d(channels, track_running_stats=False)",
        "test_a_row_does_not_depend_on_the_other_rows"),
    "the label is ignored": (
        "return c + self.label(", "return c + 0 * self.label(", "test_a_label_changes_the_answer"),
    "no label is class 0": (
        "torch.full_like(t, self.num_classes)", "torch.full_like(t, 0)",
        "test_no_label_is_the_label_num_classes"),
    "no row for no label": (
        "nn.Embedding(num_classes + 1, out)", "nn.Embedding(num_classes, out)",
        "test_no_label_is_the_label_num_classes"),
    "the condition is not injected": (
        "h = h + self.inject(F.silu(c))[:, :, None, None]", "h = h",
        "test_the_gradient_reaches_every_parameter"),
    "blocks do not start as the identity": (
        "nn.init.zeros_(parameter)", "pass",
        "test_a_new_unet_answers_zero_and_its_blocks_are_the_identity"),
    "a residual block without its shortcut": (
        "return self.skip(x) + h", "return h",
        "test_a_new_unet_answers_zero_and_its_blocks_are_the_identity"),
    "dropout that never sleeps": (
        "self.drop(F.silu(self.norm2(h)))", "F.dropout(F.silu(self.norm2(h)), self.drop.p)",
        "test_dropout_acts_in_training_only"),
    "no dropout": (
        "nn.Dropout(dropout)", "nn.Dropout(0.0)", "test_dropout_acts_in_training_only"),
    "skips that carry nothing": (
        "skips.pop()], dim=1)", "0 * skips.pop()], dim=1)",
        "test_each_block_on_the_way_up_takes_the_latest_state_that_is_left"),
    "points are not checked": (
        "if x.ndim != 2 or", "if", "test_points_that_do_not_fit_are_refused"),
    "sizes are not checked": (
        "    if x.shape[2] % factor or x.shape[3] % factor:", "    if False:",
        "test_an_image_that_does_not_fit_is_refused_in_one_sentence"),
}  # fmt: skip

SOLVERS = {
    "E24 spaced times that miss T": (
        "for i in range(n)} | {T}", "for i in range(n)}",
        "test_spaced_times_fall_from_T_to_0_and_even_ones_are_those_of_trajectory"),
    "leading times": (
        "round(T * (i / n) ** power) for", "round(T * (i / n) ** power) + (0 < i) for",
        "test_spaced_times_fall_from_T_to_0_and_even_ones_are_those_of_trajectory"),
    "times dense at the noisy end": (
        "(i / n) ** power", "(i / n) ** (1 / power)",
        "test_spaced_times_fall_from_T_to_0_and_even_ones_are_those_of_trajectory"),
    "spacing is not checked": (
        "    if not (isinstance(n, int) and 1 <= n <= T and power > 0):", "    if False:",
        "test_impossible_spacing_is_refused_in_a_sentence"),
    "Heun averages nothing": (
        "(v + _velocity(schedule, xs, s, eps_s)) / 2", "v",
        "test_the_order_is_what_the_name_says"),
    "Heun looks with the time of the start": (
        "torch.full(xt.shape[:1], s,", "torch.full(xt.shape[:1], t,",
        "test_heun_is_the_trapezium_rule_in_the_angle"),
    "Heun takes the second velocity at the start": (
        "_velocity(schedule, xs, s, eps_s)", "_velocity(schedule, xt, t, eps_s)",
        "test_the_order_is_what_the_name_says"),
    "Heun asks the model at t = 0": (
        "        if s == 0:  # there the model has nothing to say\n", "        if False:\n",
        "test_ten_steps_cost_so_many_calls_and_none_at_t_0"),
    "2M remembers nothing": (
        "if last and last[1] == t and s > 0:", "if False:",
        "test_the_order_is_what_the_name_says"),
    "2M does not ask whose memory it is": (
        "if last and last[1] == t and s > 0:", "if last and s > 0:",
        "test_2m_begins_anew_with_each_walk_and_where_it_does_not_go_on"),
    "2M extrapolates into the last step": (
        "if last and last[1] == t and s > 0:", "if last and last[1] == t:",
        "test_the_last_step_of_2m_is_x0_and_everything_stays_finite"),
    "2M aims at the end of the step": (
        "h / (2 * h_last)", "h / h_last", "test_the_order_is_what_the_name_says"),
    "2M with the quotient upside down": (
        "h / (2 * h_last)", "h_last / (2 * h)",
        "test_2m_aims_at_the_x0_expected_for_the_middle_of_the_step"),
    "2M extrapolates backwards": (
        "(x0 - last[2])", "(last[2] - x0)", "test_the_order_is_what_the_name_says"),
    "2M remembers the extrapolated guess": (
        "last = t, s, x0\n", "last = t, s, guess\n", "test_the_order_is_what_the_name_says"),
    "2M measures its steps by t": (
        "        guess = x0 = _x0", "        _log_snr = lambda _, a, b, x: a - b\n"
        "        guess = x0 = _x0",
        "test_2m_aims_at_the_x0_expected_for_the_middle_of_the_step"),
    "log SNR where half of it belongs": (
        ".logit() / 2 for time", ".sqrt().log() for time",
        "test_2m_aims_at_the_x0_expected_for_the_middle_of_the_step"),
    "the angle is that of the variance": (
        "torch.atan2((1 - alpha_bar).sqrt(), alpha_bar.sqrt())",
        "torch.atan2(1 - alpha_bar, alpha_bar)",
        "test_heun_is_the_trapezium_rule_in_the_angle"),
    "the velocity of another sign": (
        "alpha_bar.sqrt() * eps - (1 - alpha_bar).sqrt() * _x0",
        "alpha_bar.sqrt() * eps + (1 - alpha_bar).sqrt() * _x0",
        "test_the_order_is_what_the_name_says"),
    "the inverse asks at the lower time": (
        "torch.full(xt.shape[:1], t, device=xt.device))\n            xt = _up",
        "torch.full(xt.shape[:1], s, device=xt.device))\n            xt = _up",
        "test_the_inverse_asks_rounds_times_for_each_step_at_the_upper_time_without_gradients"),
    "each round goes on from the last one": (
        "_up(schedule, xs, s, xt, t, eps)", "_up(schedule, xt, s, xt, t, eps)",
        "test_the_inverse_is_exact_with_enough_rounds"),
    "the rounds are not made": (
        "for _ in range(rounds):", "for _ in range(1):",
        "test_the_inverse_is_exact_with_enough_rounds"),
    "the inverse of Euler's step": (
        "(xs + delta.sin() * _velocity(schedule, xt, t, eps)) / delta.cos()",
        "xs + delta * _velocity(schedule, xt, t, eps)",
        "test_the_inverse_is_exact_with_enough_rounds"),
    "the inverse keeps gradients": (
        "@torch.no_grad()\ndef invert", "def invert",
        "test_the_inverse_asks_rounds_times_for_each_step_at_the_upper_time_without_gradients"),
    "E22 slerp is a straight line": (
        "mix = ((1 - w) * angle).sin() * a + (w * angle).sin() * b",
        "mix = ((1 - w) * a + w * b) * angle.sin()",
        "test_slerp_keeps_the_length_and_reaches_both_ends"),
    "slerp with one angle for the whole batch": (
        "angle = cosine.acos().reshape(-1, *[1] * (a.ndim - 1))",
        "angle = cosine.mean().acos()",
        "test_slerp_keeps_the_length_and_reaches_both_ends"),
}  # fmt: skip

WRAPPERS = {
    "E7 clipping that clips nothing": (
        "x0.clamp(low, high)", "x0", "test_a_clipped_model_guesses_no_x0_outside_the_data"),
    "E7 clipping after the mean is built": (
        "return (x - alpha_bar.sqrt() * x0.clamp(low, high)) / (1 - alpha_bar).sqrt()",
        "x0.clamp(low, high)\n        return guess",
        "test_clipping_changes_the_step_and_not_only_what_follows_it"),
    "E7 the wrong range": (
        "x0.clamp(low, high)", "x0.clamp(-1, 1)",
        "test_a_clipped_model_guesses_no_x0_outside_the_data"),
    "E21 w = 1 is off": (
        "(1 + w) * net(x, t, y) - w * net(x, t, null)",
        "w * net(x, t, y) + (1 - w) * net(x, t, null)",
        "test_guidance_0_is_the_plain_conditional_model"),
    "E21 away from the label": (
        "(1 + w) * net(x, t, y) - w * net(x, t, null)",
        "(1 + w) * net(x, t, null) - w * net(x, t, y)", "test_guidance_is_its_formula"),
    "the null label is forgotten": (
        "w * net(x, t, null)", "w * net(x, t, y)", "test_guidance_is_its_formula"),
    "from_v with the wrong sign": (
        "net(x, t, *args, **kwargs) + (1 - alpha_bar)",
        "net(x, t, *args, **kwargs) - (1 - alpha_bar)", "test_from_v_inverts_v_target"),
    "from_x0 does not divide": (
        "net(x, t, *args, **kwargs)) / (1 - alpha_bar).sqrt()", "net(x, t, *args, **kwargs))",
        "test_from_x0_is_eq_4_solved_for_eps"),
    "a wrapper loses the label": (
        "guess = model(x, t, *args, **kwargs)", "guess = model(x, t)",
        "test_labels_pass_through_every_wrapper"),
    "labels are kept with probability p": (
        "< p, null, y)", "< p, y, null)", "test_labels_are_dropped_with_probability_p"),
    "all labels of a batch are dropped or none": (
        "torch.rand(y.shape, device=y.device)", "torch.rand(1)",
        "test_labels_are_dropped_with_probability_p"),
    "guiding away from the label": (
        "(x, t, *args, **kwargs) - scale", "(x, t, *args, **kwargs) + scale",
        "test_scale_1_of_the_exact_classifier_is_bayes_rule"),
    "the variance of the noise for its deviation": (
        "(1 - schedule.at(t, x)).sqrt() * grad", "(1 - schedule.at(t, x)) * grad",
        "test_scale_1_of_the_exact_classifier_is_bayes_rule"),
    "the size of the signal for that of the noise": (
        "(1 - schedule.at(t, x)).sqrt() * grad", "schedule.at(t, x).sqrt() * grad",
        "test_scale_1_of_the_exact_classifier_is_bayes_rule"),
    "the push without the noise level": (
        "- scale * (1 - schedule.at(t, x)).sqrt() * grad", "- scale * grad",
        "test_a_classifier_guides_each_row_of_images_by_its_own_gradient_and_noise_level"),
    "one noise level for the batch": (
        "(1 - schedule.at(t, x)).sqrt() * grad", "(1 - schedule.at(t[:1], x)).sqrt() * grad",
        "test_a_classifier_guides_each_row_of_images_by_its_own_gradient_and_noise_level"),
    "E21 a classifier whose 0 is off": (
        "- scale * (1", "- (1 + scale) * (1",
        "test_a_classifier_and_the_difference_of_two_guesses_are_the_same_guidance"),
    "the scale has no say": (
        "- scale * (1", "- (1",
        "test_a_classifier_and_the_difference_of_two_guesses_are_the_same_guidance"),
    "the mean gradient of the batch": (
        "log_p(leaf, t).sum()", "log_p(leaf, t).mean()",
        "test_scale_1_of_the_exact_classifier_is_bayes_rule"),
    "no gradients in a sampler": (
        "with torch.enable_grad():", "if True:",
        "test_a_classifier_guides_under_no_grad_and_leaves_no_graph_behind"),
    "the model inside the gradient": (
        "        return model(x, t, *args, **kwargs) - scale",
        "            guess = model(leaf, t, *args, **kwargs)\n        return guess - scale",
        "test_guiding_by_a_classifier_trains_nothing"),
    "backward instead of grad": (
        "torch.autograd.grad(log_p(leaf, t).sum(), leaf)[0]",
        "(log_p(leaf, t).sum().backward(), leaf.grad)[1]",
        "test_guiding_by_a_classifier_trains_nothing"),
    "the classifier marks the caller's x": (
        "leaf = x.detach().requires_grad_()", "leaf = x.requires_grad_()",
        "test_a_classifier_guides_under_no_grad_and_leaves_no_graph_behind"),
    "the classifier is always told t = 1": (
        "log_p(leaf, t)", "log_p(leaf, torch.ones_like(t))",
        "test_the_classifier_sees_the_noisy_x_and_its_time"),
    "a guide loses the label": (
        "return model(x, t, *args, **kwargs) - scale", "return model(x, t) - scale",
        "test_labels_pass_through_a_guide"),
    "labels dropped for ever": (
        "return torch.where(torch.rand(y.shape, device=y.device) < p, null, y)",
        "y[torch.rand(y.shape, device=y.device) < p] = null\n    return y",
        "test_dropped_labels_leave_the_data_as_they_are"),
}  # fmt: skip

TRAIN = {
    "E12 no average": (
        "            ema.update(net)\n", "            pass\n",
        "test_a_loss_that_is_not_finite_stops_before_the_weights_change"),
    "E12 buffers are averaged": (
        "mine.copy_(theirs)", "mine.copy_((mine + theirs) / 2)",
        "test_ema_copies_buffers_and_does_not_average_them"),
    "E12 buffers stay behind": (
        "mine.copy_(theirs)", "pass", "test_ema_copies_buffers_and_does_not_average_them"),
    "E12 decay and 1 - decay exchanged": (
        "weights, 1 - decay)", "weights, decay)",
        "test_ema_is_torchs_averaged_model_with_the_same_decays"),
    "E12 the random start is remembered": (
        "min(self.decay, (1 + self.n) / (10 + self.n))", "self.decay",
        "test_ema_forgets_the_random_start"),
    "E12 the average is the network": (
        "copy.deepcopy(net).eval()", "net.eval()", "test_ema_is_a_copy_that_does_not_train"),
    "E12 the count of updates is not saved": (
        'state["decay"], state["n"]', 'state["decay"], 0',
        "test_a_resumed_run_is_bit_for_bit_the_run_that_never_stopped"),
    "gradients pile up": (
        "        optimizer.zero_grad()\n", "",
        "test_a_resumed_run_is_bit_for_bit_the_run_that_never_stopped"),
    "the rate starts anew on resuming": (
        "(step - 1) / steps", "(step - 1 - start) / steps",
        "test_the_rate_follows_the_progress_of_the_whole_run"),
    "the rate is never set": (
        'group["lr"] = ', '_ = ', "test_the_rate_follows_the_progress_of_the_whole_run"),
    "gradients are not clipped": (
        "nn.utils.clip_grad_norm_(net.parameters(), clip)",
        "nn.utils.clip_grad_norm_(net.parameters(), 1e9)",
        "test_a_long_gradient_is_cut_to_the_length_clip"),
    "NaN is found after the step": (
        "        _check_finite(step, loss, ",
        "        optimizer.step()\n        _check_finite(step, loss, ",
        "test_a_loss_that_is_not_finite_stops_before_the_weights_change"),
    "infinite gradients pass": (
        "loss.isfinite() and norm.isfinite()", "loss.isfinite()",
        "test_a_gradient_that_is_not_finite_stops_too"),
    "the network stays in evaluation mode": (
        "    net.train()\n", "", "test_training_puts_the_network_into_training_mode"),
    "E12 the average is taken before the step": (
        "        optimizer.step()\n        if ema:\n            ema.update(net)\n",
        "        if ema:\n            ema.update(net)\n        optimizer.step()\n",
        "test_the_average_is_taken_after_the_step"),
    "gradients of parts are thrown away": (
        "            loss = loss_fn(net, x, y)\n",
        "            loss = loss_fn(net, x, y)\n        optimizer.zero_grad()\n",
        "test_a_loss_function_may_add_up_gradients_of_parts_itself"),
    "what cannot be loaded is saved": (
        '    _check_state(state, "the state")\n', "",
        "test_what_could_not_be_loaded_is_not_saved"),
    "a device that is not there is blamed on the file": (
        "    _check_device(device)\n", "",
        "test_a_device_that_is_not_there_is_not_the_fault_of_the_file"),
    "a packed checkpoint is unpacked": (
        "    _check_size(path, blob)\n", "",
        "test_a_small_file_that_unpacks_to_a_large_one_is_refused"),
    "amp does nothing": (
        "enabled=amp", "enabled=False",
        "test_mixed_precision_computes_in_bfloat16_and_keeps_float32_weights"),
    "steps counts from the start": (
        "range(start + 1, steps + 1)", "range(start + 1, start + steps + 1)",
        "test_the_rate_follows_the_progress_of_the_whole_run"),
    "a checkpoint that is written in place": (
        'part = path.with_name(f"{path.name}.{os.getpid()}.part")', "part = path",
        "test_a_failed_write_leaves_the_old_checkpoint_and_no_litter"),
    "a process killed while it writes in place": (
        'part = path.with_name(f"{path.name}.{os.getpid()}.part")', "part = path",
        "test_a_process_killed_while_it_writes_leaves_the_old_checkpoint"),
    "litter after a failed write": (
        "part.unlink(missing_ok=True)", "pass",
        "test_a_failed_write_leaves_the_old_checkpoint_and_no_litter"),
    "the checksum is not looked at": (
        "if hashlib.sha256(blob[:-32]).digest() != blob[-32:]:", "if False:",
        "test_a_checkpoint_with_one_wrong_bit_is_refused"),
    "code in a checkpoint runs": (
        "weights_only=True", "weights_only=False",
        "test_a_malicious_checkpoint_is_never_executed"),
    "the unpickler's own errors come out": (
        "except Exception as error:  # a forged", "except RuntimeError as error:  # a forged",
        "test_a_forged_checksum_lets_nothing_but_a_checkpoint_error_out"),
    "a folder is opened": (
        "if not path.is_file():", "if False:", "test_a_missing_file_and_a_folder_are_named"),
}  # fmt: skip

DATA = {
    "E4 digits in 0 … 1": (
        ".float() / 8 - 1", ".float() / 16", "test_digits_lie_in_minus_one_to_one"),
    "E4 images in 0 … 1": (
        "return x.float() / 127.5 - 1", "return x.float() / 255",
        "test_mnist_files_are_read_as_they_lie_there"),
    "colours last": (
        "x.permute(0, 3, 1, 2)", "x.permute(0, 3, 2, 1)",
        "test_cifar10_files_are_read_as_they_lie_there"),
    "the two parts overlap": (
        "order[1437:]", "order[1400:]",
        "test_the_two_parts_of_the_digits_are_disjoint_and_complete"),
    "labels of other rows": (
        "y[part].long()", "y[part.flip(0)].long()",
        "test_the_two_parts_of_the_digits_are_disjoint_and_complete"),
    "rows with replacement": (
        "torch.randperm(len(x), generator=generator)",
        "torch.randint(len(x), (len(x),), generator=generator)",
        "test_an_epoch_has_every_row_once"),
    "every epoch in the same order": (
        "seed * 1_000_003 + epoch", "seed * 1_000_003", "test_an_epoch_has_every_row_once"),
    "start goes back to the beginning of its epoch": (
        "[skip:]", "", "test_start_goes_on_where_the_stream_was"),
    "labels are not those of the rows": (
        "None if y is None else y[rows]", "None if y is None else y[: len(rows)]",
        "test_rows_and_labels_stay_together"),
    "a download that fails is not explained": (
        "except (RuntimeError, OSError)", "except ZeroDivisionError",
        "test_without_a_network_one_sentence_says_what_to_do"),
}  # fmt: skip

METRICS = {
    "half the cross term": (
        "- 2 * cross", "- cross", "test_frechet_distance_of_gaussians_with_known_statistics"),
    "the distance of the means is not squared": (
        "(mean_a - mean_b).square().sum()", "(mean_a - mean_b).norm()",
        "test_frechet_distance_in_one_dimension_is_a_sum_of_two_squares"),
    "the root of A times the root of B": (
        "_sqrt(root @ cov_b @ root).trace()", "(root @ _sqrt(cov_b)).trace()",
        "test_frechet_distance_of_gaussians_with_known_statistics"),
    "one feature": (
        "torch.atleast_2d(x.T.cov())", "x.T.cov()",
        "test_frechet_distance_in_one_dimension_is_a_sum_of_two_squares"),
    "statistics in float32": (
        "a, b = a.double(), b.double()\n    cov_a", "cov_a",
        "test_frechet_distance_to_itself_is_zero"),
    "features in training mode": (
        "        self.eval()\n", "        self.train()\n",
        "test_features_and_probabilities_belong_together"),
    "biased mmd": (
        "(k.sum() - k.trace()) / (len(k) * (len(k) - 1))", "k.mean()", "test_mmd_is_unbiased"),
    "another kernel": (
        "(a @ b.T / a.shape[1] + 1) ** 3", "(a @ b.T + 1) ** 3", "test_mmd_by_hand"),
    "precision and recall exchanged": (
        "return _covered(fake, real, k), _covered(real, fake, k)",
        "return _covered(real, fake, k), _covered(fake, real, k)",
        "test_samples_of_one_mode_are_precise_and_not_complete"),
    "the row is its own neighbour": (
        "kthvalue(k + 1)", "kthvalue(k)", "test_the_manifold_reaches_to_the_kth_neighbour"),
    "the farthest": ("largest=False", "largest=True", "test_nearest_finds_copies"),
    "rounded distances": (
        ', compute_mode="donot_use_mm_for_euclid_dist"',
        ', compute_mode="use_mm_for_euclid_dist"', "test_nearest_finds_copies"),
    "the root of A is forgotten": (
        "root = _sqrt(cov_a)", "root = cov_a",
        "test_gaussians_with_common_axes_are_one_dimensional_cases_side_by_side"),
    "the root of each entry": (
        "_sqrt(root @ cov_b @ root)", "(root @ cov_b @ root).clamp(min=0).sqrt()",
        "test_turning_both_gaussians_or_exchanging_them_changes_nothing"),
    "the trace of B is counted as A": (
        "cov_a.trace() + cov_b.trace()", "2 * cov_a.trace()",
        "test_the_distance_of_gaussians_is_the_cost_of_carrying_one_onto_the_other"),
    "roots of rounding errors": (
        "values.clamp(min=0).sqrt()", "values.sqrt()",
        "test_frechet_distance_to_itself_is_zero"),
    "covariances divided by N": (
        "x.T.cov()", "x.T.cov(correction=0)",
        "test_frechet_distance_of_gaussians_with_known_statistics"),
    "the cross term of mmd once": (
        "- 2 * ab.mean()", "- ab.mean()", "test_mmd_by_hand"),
    "the square, not the cube": (
        "+ 1) ** 3", "+ 1) ** 2", "test_mmd_by_hand"),
    "inside of all balls": (
        ".any(1)", ".all(1)",
        "test_precision_and_recall_are_exact_where_the_samples_are_real_points"),
    "balls around the guests": (
        "torch.cdist(data, data)", "torch.cdist(x, x)",
        "test_the_manifold_reaches_to_the_kth_neighbour"),
    "open balls": ("<= radius", "< radius", "test_the_edge_of_a_ball_belongs_to_it"),
    "a seed that is lost": (
        "torch.manual_seed(seed)", "pass",
        "test_fitting_depends_on_its_seed_alone_and_leaves_the_generator"),
}  # fmt: skip

PLOT = {
    "a film that is trimmed": (
        "bbox_inches=None", 'bbox_inches="tight"', "test_a_film_is_a_grid_of_equal_frames"),
    "frames in columns": (
        "i % columns / columns, 1 - (i // columns + 1) / rows",
        "i // rows / columns, 1 - (i % rows + 1) / rows",
        "test_the_frames_of_a_film_stand_in_reading_order"),
    "figures that stay open": (
        "    plt.close(figure)\n", "", "test_the_frames_of_a_film_stand_in_reading_order"),
}  # fmt: skip

RESUME, PARALLEL = "test_resume.py::test_", "test_parallel.py::test_"
COMMAND = {
    "noise of its own in each process": (
        "torch.manual_seed(seed * 1_000_003 + step)",
        "torch.manual_seed(seed * 1_000_003 + step + rank())",
        PARALLEL + "a_run_goes_on_with_another_number_of_processes"),
    "the loss of process 0 alone": (
        "yield self.step, averaged(loss)", "yield self.step, loss",
        PARALLEL + "a_run_goes_on_with_another_number_of_processes"),
    "gradients are not averaged": (
        "DistributedDataParallel(self.net) if world() > 1 else self.net", "self.net",
        PARALLEL + "a_run_goes_on_with_another_number_of_processes"),
    "all processes take the same rows": (
        "chunk(world())[rank()]", "chunk(world())[0]",
        PARALLEL + "a_run_goes_on_with_another_number_of_processes"),
    "every process writes the checkpoint": (
        "if not rank():\n            self.log.flush()", "if True:\n            self.log.flush()",
        PARALLEL + "a_run_goes_on_with_another_number_of_processes"),
    "the same units are dropped in each process": (
        "            if rank():\n", "            if False:\n",
        PARALLEL + "dropout_differs_from_process_to_process"),
    "a signal stops one process only": (
        "if averaged(len(caught)):", "if caught:",
        PARALLEL + "a_signal_to_any_process_stops_all_after_the_same_step"),
    "shares that are not equal": (
        "if recipe.batch % (world() * recipe.accumulate):", "if False:",
        PARALLEL + "a_batch_that_cannot_be_shared_is_refused_once"),
    "the sum of the parts for their mean": (
        "self.error(net, *part) / n", "self.error(net, *part)",
        PARALLEL + "what_makes_a_gpu_fast_gives_the_same_losses"),
    "channels last in name only": (
        "self.net.to(memory_format=torch.channels_last)", "pass",
        PARALLEL + "what_makes_a_gpu_fast_gives_the_same_losses"),
    "mixed precision in name only": (
        '"amp": recipe.amp', '"amp": False',
        PARALLEL + "what_makes_a_gpu_fast_gives_the_same_losses"),
    "a batch is mirrored as a whole": (
        "torch.rand(len(x), 1, 1, 1, device", "torch.rand(1, device",
        PARALLEL + "every_other_image_is_mirrored"),
    "images are turned upside down": (
        "x, x.flip(3))", "x, x.flip(2))", PARALLEL + "every_other_image_is_mirrored"),
    "each process has a clock of its own": (
        "return averaged(time.perf_counter())", "return time.perf_counter()",
        PARALLEL + "processes_share_one_clock"),
    "all parts but the last are lost": (
        "            loss.backward()\n", "            pass\n",
        PARALLEL + "what_makes_a_gpu_fast_gives_the_same_losses"),
    "the loss of the last part alone is logged": (
        "            done += loss.detach()\n", "",
        PARALLEL + "what_makes_a_gpu_fast_gives_the_same_losses"),
    "every process speaks": (
        "    if not rank():\n        print(text, flush=True)", "    print(text, flush=True)",
        PARALLEL + "two_processes_train_the_run_of_one"),
    "a resumed run has an optimiser without memory": (
        'run.step, run.about = state["step"], state["about"]',
        'run.step, run.about, run.optimizer = state["step"], state["about"], adamw(run.net)',
        PARALLEL + "a_resumed_fast_run_is_the_uninterrupted_one_bit_for_bit"),
    "a resumed run has the average of random weights": (
        'for name in ("net", "ema", "optimizer"):\n                getattr',
        'for name in ("net", "optimizer"):\n                getattr',
        PARALLEL + "a_resumed_fast_run_is_the_uninterrupted_one_bit_for_bit"),
    "a resumed run sees the images from the start again": (
        "batches(x, y, recipe.batch, recipe.seed, start)",
        "batches(x, y, recipe.batch, recipe.seed)",
        PARALLEL + "a_resumed_fast_run_is_the_uninterrupted_one_bit_for_bit"),
    "a resumed run draws the noise of step 1 again": (
        "for step, batch in enumerate(stream, start + 1):",
        "for step, batch in enumerate(stream, 1):",
        PARALLEL + "a_resumed_fast_run_is_the_uninterrupted_one_bit_for_bit"),
    "the log is not cut": (
        "if m and int(m[1]) <= self.start", "if m",
        RESUME + "lines_of_steps_that_are_made_once_more_are_cut_off"),
    "the log is behind its checkpoint": (
        "            self.log.flush()\n", "",
        RESUME + "a_log_is_never_behind_its_checkpoint"),
    "the lock is ignored": (
        "flock(file, LOCK_EX | LOCK_NB)", "pass",
        RESUME + "a_folder_in_use_is_refused_by_name"),
    "the lock of a dead process is respected": (
        'open(path, "a+", encoding="utf-8")', 'open(path, "x+", encoding="utf-8")',
        RESUME + "the_lock_of_a_killed_process_is_taken_over"),
    "halves of files stay": (
        "                    tidy(folder)\n", "",
        RESUME + "what_a_killed_process_left_is_removed_and_nothing_else"),
    "files of others are removed": (
        r'r"(checkpoint\.pt|log\.jsonl|samples.*\.png)\.\d+\.part"', 'r".*"',
        RESUME + "what_a_killed_process_left_is_removed_and_nothing_else"),
    "the first save comes late": (
        "+ every if run.step else 0.0", "+ every", RESUME + "the_first_step_is_saved"),
    "pictures on the way change the run": (
        "        torch.manual_seed(seed * 1_000_003 + step)\n",
        "", RESUME + "pictures_on_the_way_change_nothing"),
}  # fmt: skip

DIAGNOSE = {
    "the range of data is not asked": (
        "well = low < high and 0.2 < rms < 2", "well = True", "test_broken_data_are_named"),
    "images in 0 … 1 pass": ("low < -0.5 and", "True and", "test_broken_data_are_named"),
    "standardised images pass": (
        "max(-low, high) < 1.01", "True", "test_broken_data_are_named"),
    "points must be images": (
        "    if images:\n        well = well", "    if True:\n        well = well and rms > 0.6",
        "test_what_is_young_is_not_accused"),
    "colours last pass": (
        'yield "data shape", x.shape[1] in (1, 3)', 'yield "data shape", True',
        "test_broken_data_are_named"),
    "row 0 is not asked": (
        "len(alpha_bar) == T + 1 and alpha_bar[0].item() == 1", "True",
        "test_broken_schedules_are_named"),
    "a noisy first step passes": (
        "first < max(0.1, 8 / T)", "first < 1", "test_broken_schedules_are_named"),
    "a first step of any short schedule is accused": (
        "max(0.1, 8 / T)", "0.05", "test_what_is_young_is_not_accused"),
    "signal at T passes": ("left < SIGNAL,", "left < 1,", "test_broken_schedules_are_named"),
    "Stable Diffusion is accused": (
        "SIGNAL = 0.1 ", "SIGNAL = 0.01 ", "test_what_is_young_is_not_accused"),
    "NaN in weights passes": (
        "sum(not weight.isfinite().all() for weight in weights)", "0",
        "test_a_weight_that_is_not_finite_is_counted"),
    "time is not asked": (
        '"time matters", apart > SAME', '"time matters", True', "test_broken_networks_are_named"),
    "labels are not asked": (
        '"labels matter", apart > SAME', '"labels matter", True', "test_broken_networks_are_named"),
    "labels of any rows will do": (
        "chosen > CHOSEN, measured", "True, measured", "test_broken_networks_are_named"),
    "a silent network ignores all": (
        "        if weight.ndim > 1 and not weight.any():", "        if False:",
        "test_what_is_young_is_not_accused"),
    "chance passes": (
        '"repeatable", apart < SAME', '"repeatable", True', "test_chance_and_company_are_named"),
    "neighbours in evaluation mode": (
        "copy.deepcopy(net).train()", "copy.deepcopy(net)", "test_chance_and_company_are_named"),
    "the network itself is set to training": (
        "copy.deepcopy(net).eval() if", "net.eval() if", "test_looking_changes_nothing"),
    "the dice are left rolled": (
        "torch.random.fork_rng()", "torch.enable_grad()", "test_looking_changes_nothing"),
    "any target fits": (
        'yield "target", well', 'yield "target", True', "test_wrong_guesses_are_named"),
    "the sign of v": (
        "alpha_bar.sqrt() * eps - (1 - alpha_bar)", "alpha_bar.sqrt() * eps + (1 - alpha_bar)",
        "test_the_told_network_answers_what_q_sample_added"),
    "any error passes": (
        "bool((shares < WORSE).all())", "True", "test_wrong_guesses_are_named"),
    "buffers are not compared": (
        '"EMA buffers", not differ', '"EMA buffers", True', "test_broken_averages_are_named"),
    "an average may be far": (
        '"EMA is near", behind < BEHIND', '"EMA is near", True', "test_broken_averages_are_named"),
    "0 is a time": ("well = 1 <= low <= 1 + slack and", "well =", "test_broken_losses_are_named"),
    "T need not be trained": (
        "T - slack <= high <= T", "high <= T", "test_broken_losses_are_named"),
    "one t for all": (
        "not (drawn == drawn[:, :1]).all()", "True", "test_broken_losses_are_named"),
    "t / T passes": (
        "and not first.is_floating_point()", "", "test_broken_losses_are_named"),
    "the size of noise is not asked": (
        "abs(variance - 1) < MEAN and", "", "test_broken_losses_are_named"),
    "its shape is not asked": (
        "and abs(kurtosis / 3 - 1) < MEAN", "", "test_broken_losses_are_named"),
    "any loss of 0 passes": (
        '"loss of 0", abs(mean / size - 1) < MEAN', '"loss of 0", True',
        "test_broken_losses_are_named"),
    "the right answer may cost": (
        "right < 1e-3 * size", "True", "test_broken_losses_are_named"),
    "v has the size 1": (
        "signal + (1 - signal) * size", "1.0", "test_what_is_young_is_not_accused"),
    "the loop may begin anywhere": (
        "times[0] == T and", "", "test_broken_samplers_are_named"),
    "too little noise on the way passes": (
        "NOISY[0] < min(sizes) and", "", "test_broken_samplers_are_named"),
    "too much noise on the way passes": (
        "and max(sizes) < NOISY[1]", "", "test_broken_samplers_are_named"),
    "the other variance of DDPM is accused": (
        "NOISY = 0.75, 4", "NOISY = 0.75, 1.5", "test_what_is_trained_is_healthy"),
    "shared noise passes": (
        "max(means) < SHARED", "True", "test_broken_losses_are_named"),
    "random weights are accused": (
        "WORSE = 3 ", "WORSE = 1.3 ", "test_what_is_young_is_not_accused"),
    "a residual network is accused": (
        "and case.ratio(best) < LEARNED", "", "test_what_is_young_is_not_accused"),
    "one label is none": (
        "or case.y.unique().numel() == 1", "", "test_a_batch_of_one_class_says_nothing_of_labels"),
    "the end is not asked": (
        "rms < GREY, f", "True, f", "test_broken_samplers_are_named"),
    "a line is enough": (
        "LEARNED = 0.9", "LEARNED = 1.05", "test_a_line_is_healthy_but_knows_no_pictures"),
    "the line of another variance": (
        "(signal / (signal + noise)).mean()", "(signal / (signal + noise)).mean() ** 0.5",
        "test_the_yardstick_is_the_best_line"),
    "a small batch meets little noise": (
        "math.ceil(times)", "1", "test_what_is_young_is_not_accused"),
}  # fmt: skip

FILES = {
    "diffusion": DIFFUSION, "nets": NETS, "solvers": SOLVERS, "wrappers": WRAPPERS, "train": TRAIN,
    "data": DATA, "metrics": METRICS, "plot": PLOT,
    "diagnose": DIAGNOSE,
    "__main__": COMMAND,
}  # fmt: skip
MUTANTS = {
    bug: (f"{leaf}.py", old, new, test if "::" in test else f"test_{leaf}.py::{test}")
    for leaf, table in FILES.items()
    for bug, (old, new, test) in table.items()
}
pytestmark = [
    pytest.mark.mutation,
    pytest.mark.filterwarnings("ignore:Detected pickle protocol"),  # of forged checkpoints
]


@pytest.fixture
def shared(request, tmp_path_factory):
    """The value of a fixture by name; a new folder each time, and what the mutant makes itself."""

    def value(name):
        import ddpm_lite  # the mutant, where this is called

        if name == "tmp_path":
            return tmp_path_factory.mktemp("again")
        if name == "classifier":
            return ddpm_lite.Classifier()
        return (
            ddpm_lite.load_images("digits") if name == "digits" else request.getfixturevalue(name)
        )

    yield value
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


def test_each_bug_has_a_name_of_its_own():
    """Else a row of the table would hide another."""
    assert len(MUTANTS) == sum(map(len, FILES.values()))


@pytest.mark.parametrize("file, old, new, test", MUTANTS.values(), ids=MUTANTS)
def test_this_bug_is_caught(file, old, new, test, shared):
    """The package with this one line changed fails the named test."""
    of, name = test.split("::")
    with package(change(file, old, new)):
        tests = load(of)
        with pytest.raises((Exception, pytest.fail.Exception)) as failure:
            run(tests, name, shared)
    assert not isinstance(failure.value, NameError)  # that would be a bug of the table


@pytest.mark.parametrize("file", sorted({test.split("::")[0] for *_, test in MUTANTS.values()}))
def test_the_package_as_it_is_passes(file, shared):
    """The control: run in the same way, without a bug, the same tests pass."""
    with package({}):
        tests = load(file)
        for name in sorted({test.split("::")[1] for *_, test in MUTANTS.values() if file in test}):
            run(tests, name, shared)
