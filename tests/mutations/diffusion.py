"""Bugs of diffusion.py: name: (function, code, what it becomes, the test that must fail)."""

VARIANCE = "(1 - alpha_bar_s) / (1 - alpha_bar) * (1 - alpha_bar / alpha_bar_s)"
SIGMA = "posterior_variance(schedule, xt, t, s).sqrt()"
DRAWN = "torch.randint(1, schedule.T + 1, x0.shape[:1], device=x0.device)"
TARGET = "target(schedule, x0, t, eps)"
TOLD = "torch.full(xt.shape[:1], t, device=xt.device)"
MEAN = "alpha_bar_s.sqrt() * (1 - alpha) * x0 + alpha.sqrt() * (1 - alpha_bar_s) * xt"
FAULT = "test_faults.py::test_a_fault_is_refused_in_one_sentence[{}]"

BUGS = {
    "E1 deviation for variance in q_sample": (
        "q_sample", "(1 - alpha_bar).sqrt() * eps", "(1 - alpha_bar) * eps",
        "test_200_small_steps_are_one_big_step_by_simulation"),
    "E1 variance for deviation in the step": (
        "ddpm_step", SIGMA, "posterior_variance(schedule, xt, t, s)",
        "test_ddpm_draws_from_the_posterior_of_the_x0_that_eps_implies"),
    "E2 product up to T": (
        "Schedule.__init__", "(1 - beta).cumprod(0)", "(1 - beta).flip(0).cumprod(0).flip(0)",
        "test_alpha_bar_is_the_product_of_the_alphas_up_to_t_and_no_further"),
    "E2 product one row late": (
        "Schedule.__init__", "(1 - beta).cumprod(0)", "(1 - beta).roll(1).cumprod(0)",
        "test_alpha_bar_is_the_product_of_the_alphas_up_to_t_and_no_further"),
    "E3 uniform noise in the loss": (
        "ddpm_loss", "torch.randn_like(x0)", "torch.rand_like(x0)",
        "test_the_model_sees_q_sample_of_gaussian_noise"),
    "E3 uniform noise of variance 1 in the loss": (
        "ddpm_loss", "torch.randn_like(x0)", "(torch.rand_like(x0) - 0.5) * 12**0.5",
        "test_the_model_sees_q_sample_of_gaussian_noise"),
    "E3 uniform noise in the sampler": (
        "ddpm_step", "torch.randn_like(xt)", "(torch.rand_like(xt) - 0.5) * 12**0.5",
        "test_the_noise_of_a_step_is_gaussian_with_the_posterior_variance"),
    "E5 t drawn from 0 … T - 1": (
        "ddpm_loss", DRAWN, DRAWN.replace("1, schedule.T + 1", "0, schedule.T"),
        "test_the_times_drawn_are_1_to_T_equally_often"),
    "E5 T is never trained": (
        "ddpm_loss", "schedule.T + 1", "schedule.T",
        "test_the_times_drawn_are_1_to_T_equally_often"),
    "E5 t = 0 is trained": (
        "ddpm_loss", DRAWN, DRAWN.replace("randint(1,", "randint(0,"),
        "test_the_times_drawn_are_1_to_T_equally_often"),
    "E5 sampling starts at T - 1": (
        "spaced", "round(T * (i / n) ** power)", "round((T - 1) * (i / n) ** power)",
        "test_a_trajectory_starts_at_T_ends_at_0_and_visits_steps_plus_1_times"),
    "E5 the model is told s": (
        "trajectory", TOLD, TOLD.replace("t,", "s,"),
        "test_a_trajectory_calls_the_model_at_the_times_it_visits"),
    "E6 noise at the last step": (
        "posterior_variance", VARIANCE, f"({VARIANCE}).clamp(min=1e-4)",
        "test_the_last_step_adds_no_noise"),
    "E7 clipping that clips nothing": (
        "clipped.eps", "x0.clamp(-limit, limit)", "x0",
        "test_a_clipped_model_predicts_no_x0_outside_the_data"),
    "E7 clipping after the mean is built": (
        "clipped.eps", "predict_eps(schedule, x, t, x0.clamp(-limit, limit))",
        "(x0.clamp(-limit, limit), model(x, t, *args, **kwargs))[1]",
        "test_clipping_changes_the_step_and_not_only_what_follows_it"),
    "E7 the wrong range": (
        "clipped.eps", "x0.clamp(-limit, limit)", "x0.clamp(-1, 1)",
        "test_a_clipped_model_predicts_no_x0_outside_the_data"),
    "E7 samples are not clipped by default": (
        "sample", "1.0", "None", "test_samples_are_clipped_unless_one_says_otherwise"),
    "E7 trajectories are not clipped": (
        "trajectory", "model if clip is None else clipped(model, schedule, clip)", "model",
        "test_samples_are_clipped_unless_one_says_otherwise"),
    "E7 always clipped to 1": (
        "trajectory", "clipped(model, schedule, clip)", "clipped(model, schedule)",
        "test_samples_are_clipped_unless_one_says_otherwise"),
    "E8 beta for the posterior variance": (
        "ddpm_step", SIGMA, "(1 - alpha).sqrt() * (s > 0)",
        "test_the_posterior_variance_is_exact_when_the_data_are_one_point"),
    "E8 beta of t for a stride": (
        "ddpm_step", "alpha_bar / alpha_bar_s", "schedule.alpha[t]",
        "test_ddpm_draws_from_the_posterior_of_the_x0_that_eps_implies"),
    "E9 a linear schedule that ends too early": (
        "linear_schedule", "0.02", "0.01", "test_almost_nothing_is_left_of_the_data_at_T"),
    "E9 a cosine that is not stretched to T": (
        "cosine_schedule", "t / T + s", "t / 1000 + s",
        "test_almost_nothing_is_left_of_the_data_at_T"),
    "E10 beta of 1 and more": (
        "Schedule.__init__", "beta < 1", "beta < 9",
        "test_a_beta_that_is_no_variance_is_refused"),
    "E10 so many betas that alpha_bar is 0": (
        "Schedule.__init__", "(1 - beta).prod().float() > 0", "True",
        "test_a_beta_that_is_no_variance_is_refused"),
    "E11 the linear schedule squared": (
        "linear_schedule", "torch.linspace(beta_1, beta_T, T, dtype=torch.float64)",
        "torch.linspace(beta_1, beta_T, T, dtype=torch.float64) ** 2",
        "test_almost_nothing_is_left_of_the_data_at_T"),
    "E17 L1 for the squared error": (
        "ddpm_loss", "F.mse_loss", "F.l1_loss",
        "test_a_model_that_always_predicts_zero_has_loss_1"),
    "E24 few steps without strides": (
        "spaced", "round(T * (i / n) ** power)", "i",
        "test_a_trajectory_starts_at_T_ends_at_0_and_visits_steps_plus_1_times"),
    "E24 spaced times that miss T": (
        "spaced", "{round(T * (i / n) ** power) for i in range(n)} | {T}",
        "{round(T * (i / n) ** power) for i in range(n)}",
        "test_sampling.py::"
        "test_spaced_times_fall_from_T_to_0_and_even_ones_are_those_of_trajectory"),
    "times dense at the noisy end": (
        "spaced", "(i / n) ** power", "(i / n) ** (1 / power)",
        "test_sampling.py::"
        "test_spaced_times_fall_from_T_to_0_and_even_ones_are_those_of_trajectory"),
    "spacing is not checked": (
        "spaced", "type(n) is int and 1 <= n <= T", "True",
        "test_sampling.py::test_impossible_spacing_is_refused_in_a_sentence"),
    "one t for the whole batch": (
        "ddpm_loss", DRAWN, "torch.randint(1, schedule.T + 1, (1,)).expand(len(x0))",
        "test_the_times_drawn_are_1_to_T_equally_often"),
    "the t that is given is ignored": (
        "ddpm_loss", f"{DRAWN} if t is None else t", DRAWN,
        "test_the_loss_takes_given_times_and_noise"),
    "t runs over the last axis": (
        "Schedule.at", "self.alpha_bar[t].reshape(-1, *[1] * (x.ndim - 1))",
        "self.alpha_bar[t].reshape(*[1] * (x.ndim - 1), -1)",
        "test_each_row_has_its_own_time"),
    "the loss forgets its target": (
        "ddpm_loss", TARGET, "eps", "test_the_loss_compares_the_prediction_with_its_target"),
    "the loss has new noise for its target": (
        "ddpm_loss", TARGET, TARGET.replace("eps", "torch.randn_like(x0)"),
        "test_the_best_model_of_standard_normal_data_has_the_loss_that_theory_says"),
    "the loss is a sum": (
        "ddpm_loss", f"F.mse_loss(prediction, {TARGET})",
        f"F.mse_loss(prediction, {TARGET}, reduction='sum')",
        "test_a_model_that_always_predicts_zero_has_loss_1"),
    "v with the wrong sign": (
        "v_target", "alpha_bar.sqrt() * eps - (1 - alpha_bar).sqrt() * x0",
        "alpha_bar.sqrt() * eps + (1 - alpha_bar).sqrt() * x0",
        "test_the_three_targets_are_linear_maps_of_one_another"),
    "v with x0 and eps exchanged": (
        "v_target", "alpha_bar.sqrt() * eps - (1 - alpha_bar).sqrt() * x0",
        "alpha_bar.sqrt() * x0 - (1 - alpha_bar).sqrt() * eps",
        "test_sampling.py::test_from_v_inverts_v_target"),
    "x0_target is eps": (
        "x0_target", "return x0", "return eps",
        "test_the_three_targets_are_linear_maps_of_one_another"),
    "predict_x0 without its division": (
        "predict_x0", "(xt - (1 - alpha_bar).sqrt() * eps) / alpha_bar.sqrt()",
        "xt - (1 - alpha_bar).sqrt() * eps",
        "test_the_three_targets_are_linear_maps_of_one_another"),
    "predict_eps divides by the signal": (
        "predict_eps", "(xt - alpha_bar.sqrt() * x0) / (1 - alpha_bar).sqrt()",
        "(xt - alpha_bar.sqrt() * x0) / alpha_bar.sqrt()",
        "test_the_three_targets_are_linear_maps_of_one_another"),
    "posterior with x0 and x_t exchanged": (
        "q_posterior", MEAN,
        "alpha_bar_s.sqrt() * (1 - alpha) * xt + alpha.sqrt() * (1 - alpha_bar_s) * x0",
        "test_the_posterior_is_gaussian_conjugacy"),
    "posterior variance is beta": (
        "posterior_variance", VARIANCE, "1 - alpha_bar / alpha_bar_s",
        "test_the_posterior_is_bayes_rule_on_a_grid"),
    "Algorithm 2 without 1 / sqrt(alpha)": (
        "ddpm_step", "(xt - (1 - alpha) / (1 - alpha_bar).sqrt() * eps) / alpha.sqrt()",
        "xt - (1 - alpha) / (1 - alpha_bar).sqrt() * eps", "test_ddpm_is_ddim_with_eta_1"),
    "DDIM's direction ignores sigma": (
        "ddim_step", "1 - alpha_bar_s - sigma**2", "1 - alpha_bar_s",
        "test_ddpm_is_ddim_with_eta_1"),
    "DDIM's root of a rounded negative": (
        "ddim_step", "(1 - alpha_bar_s - sigma**2).clamp(min=0)", "1 - alpha_bar_s - sigma**2",
        "test_every_jump_is_finite_in_float32"),
    "DDIM stays at t": (
        "ddim_step", "alpha_bar_s.sqrt() * x0", "schedule.at(t, xt).sqrt() * x0",
        "test_with_the_true_noise_one_ddim_jump_lands_on_the_exact_state"),
    "DDIM always draws": (
        "ddim_step", "mean + sigma * torch.randn_like(xt) if eta else mean",
        "mean + sigma * torch.randn_like(xt)", "test_ddim_without_eta_draws_nothing"),
    "eta enters squared": (
        "ddim_step", f"eta * {SIGMA}", f"eta**2 * {SIGMA}",
        "test_diffusers.py::test_ddim_step_is_their_step"),
    "row 0 is not clean": (
        "Schedule.__init__", "torch.cat([beta.new_zeros(1), beta])",
        "torch.cat([beta[:1], beta])", "test_row_0_is_clean_data"),
    "buffers in the wrong place": (
        "Schedule.__init__", 'self.register_buffer("alpha", (1 - beta).float())',
        'setattr(self, "alpha", (1 - beta).float())',
        "test_a_schedule_moves_and_saves_with_the_network"),
    "a trajectory that is a list": (
        "trajectory", "yield times[0], xt",
        "model(xt, torch.ones(len(xt), dtype=torch.int64))\nyield times[0], xt",
        "test_a_trajectory_is_lazy"),
    "gradients of all steps": (
        "trajectory", "@torch.no_grad()", "",
        "test_sampling_records_no_gradients_and_leaves_xT_alone"),
    "sampling in place": (
        "trajectory", "xt = xT", "xt = xT.mul_(1.0001)",
        "test_sampling_records_no_gradients_and_leaves_xT_alone"),
    "times that do not end at 0": (
        "_times", "sorted({*steps, 0}, reverse=True)", "sorted({*steps}, reverse=True)",
        "test_steps_that_lead_nowhere_are_refused"),
    "times that are no whole numbers": (
        "_times", "all(type(t) is int for t in steps)", "True",
        "test_steps_that_lead_nowhere_are_refused"),
    "eta is not checked": (
        "ddim_step", "0 <= eta <= 1", "True", "test_an_eta_outside_0_to_1_is_refused"),
    "noise of one row broadcasts": (
        "_check_like", "getattr(a, 'shape', None) == x.shape", "True",
        FAULT.format("one noise for four images")),
    "t = -1 is the last row": (
        "_check_time", "0 <= low <= high <= T", "high <= T",
        FAULT.format("t is -1, the last row to PyTorch")),
    "a schedule on another device": (
        "_check_time", "x.device == device", "True",
        FAULT.format("a schedule that stayed on the CPU")),
    "data with a gradient warn": (
        "check_data", "x0.detach()", "x0",
        "test_faults.py::test_the_neighbours_of_the_faults_pass_without_a_word"),
    "a mask is a time": (
        "_check_time", "type(t) is int", "isinstance(t, int)", FAULT.format("t is True, a mask")),
    "s after t passes": (
        "posterior_variance", "_check_later(t, s)", "True", FAULT.format("s after t in a step")),
    "a prediction of NaN passes": (
        "trajectory", "eps.isfinite().all()", "True", FAULT.format("the model predicts NaN")),
    "half a step passes": (
        "cosine_schedule", "type(T) is int and T > 0", "T > 0", FAULT.format("half a step")),
    "digits of 0 … 16 pass": (
        "check_data", "1.5 if unscaled else 20", "20", FAULT.format("raw digits are 0 … 16")),
    "images of 0 … 1 pass without a word": (
        "check_data", "x0.ndim > 2 and 0 <= low < high", "False",
        "test_faults.py::test_what_may_be_meant_is_warned_of[images in 0 … 1]"),
}  # fmt: skip
