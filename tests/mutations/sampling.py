"""Bugs of sampling.py: name: (function, code, what it becomes, the test that must fail)."""

GUIDED = "(1 + w) * net(x, t, y) - w * net(x, t, null)"
PUSHED = "model(x, t, *args, **kwargs) - scale * (1 - schedule.at(t, x)).sqrt() * grad"
REMEMBER = "last and last[1] == t and s > 0"
ROWS = "test_a_classifier_guides_each_row_of_images_by_its_own_gradient_and_noise_level"
BAYES = "test_scale_1_of_the_exact_classifier_is_bayes_rule"
ALIKE = "test_a_classifier_and_the_difference_of_two_predictions_guide_alike"
ORDER = "test_the_order_is_what_the_name_says"
MIDDLE = "test_2m_aims_at_the_x0_expected_for_the_middle_of_the_step"
UPPER = "test_the_inverse_calls_the_model_at_the_upper_times_without_gradients"

BUGS = {
    # networks as models
    "E21 w = 1 is off": (
        "guided.eps", GUIDED, "w * net(x, t, y) + (1 - w) * net(x, t, null)",
        "test_guidance_0_is_the_plain_conditional_model"),
    "E21 away from the label": (
        "guided.eps", GUIDED, "(1 + w) * net(x, t, null) - w * net(x, t, y)",
        "test_guidance_is_its_formula"),
    "the null label is forgotten": (
        "guided.eps", "net(x, t, null)", "net(x, t, y)", "test_guidance_is_its_formula"),
    "from_v with the wrong sign": (
        "from_v.eps",
        "alpha_bar.sqrt() * net(x, t, *args, **kwargs) + (1 - alpha_bar).sqrt() * x",
        "alpha_bar.sqrt() * net(x, t, *args, **kwargs) - (1 - alpha_bar).sqrt() * x",
        "test_from_v_inverts_v_target"),
    "from_x0 is x0": (
        "from_x0.eps", "predict_eps(schedule, x, t, net(x, t, *args, **kwargs))",
        "net(x, t, *args, **kwargs)", "test_from_x0_is_eq_4_solved_for_eps"),
    "from_x0 loses the label": (
        "from_x0.eps", "net(x, t, *args, **kwargs)", "net(x, t)",
        "test_labels_pass_through_every_wrapper"),
    "from_v loses the label": (
        "from_v.eps", "net(x, t, *args, **kwargs)", "net(x, t)",
        "test_labels_pass_through_every_wrapper"),
    "labels are kept with probability p": (
        "drop_labels", "torch.rand(len(y), device=y.device) < p",
        "torch.rand(len(y), device=y.device) >= p", "test_labels_are_dropped_with_probability_p"),
    "all labels of a batch are dropped or none": (
        "drop_labels", "torch.rand(len(y), device=y.device)", "torch.rand(1).expand(len(y))",
        "test_labels_are_dropped_with_probability_p"),
    "entries are dropped, not rows": (
        "drop_labels", "drop.reshape(-1, *[1] * (y.ndim - 1))", "torch.rand(y.shape) < p",
        "test_a_condition_is_dropped_as_a_whole"),
    "labels dropped for ever": (
        "drop_labels", "return torch.where(drop.reshape(-1, *[1] * (y.ndim - 1)), null, y)",
        "y[drop] = null\nreturn y", "test_dropped_labels_leave_the_data_as_they_are"),
    "guiding away from the label": (
        "classifier_guided.eps", PUSHED, PUSHED.replace("- scale", "+ scale"), BAYES),
    "the variance of the noise for its deviation": (
        "classifier_guided.eps", "(1 - schedule.at(t, x)).sqrt()", "1 - schedule.at(t, x)", BAYES),
    "the size of the signal for that of the noise": (
        "classifier_guided.eps", "(1 - schedule.at(t, x)).sqrt()", "schedule.at(t, x).sqrt()",
        BAYES),
    "the push without the noise level": (
        "classifier_guided.eps", "scale * (1 - schedule.at(t, x)).sqrt()", "scale", ROWS),
    "one noise level for the batch": (
        "classifier_guided.eps", "schedule.at(t, x)", "schedule.at(int(t[0]), x)", ROWS),
    "E21 a classifier whose 0 is off": (
        "classifier_guided.eps", "scale * (1 - schedule.at(t, x)).sqrt()",
        "(1 + scale) * (1 - schedule.at(t, x)).sqrt()", ALIKE),
    "the scale has no say": (
        "classifier_guided.eps", "scale * (1 - schedule.at(t, x)).sqrt()",
        "(1 - schedule.at(t, x)).sqrt()", ALIKE),
    "the mean gradient of the batch": (
        "classifier_guided.eps", "wanted.sum()", "wanted.mean()", BAYES),
    "no gradients in a sampler": (
        "classifier_guided.eps", "torch.enable_grad()", "torch.no_grad()",
        "test_a_classifier_guides_under_no_grad_and_leaves_no_graph_behind"),
    "the model inside the gradient": (
        "classifier_guided.eps", "model(x, t, *args, **kwargs)", "model(leaf, t, *args, **kwargs)",
        "test_guiding_by_a_classifier_trains_nothing"),
    "backward instead of grad": (
        "classifier_guided.eps", "torch.autograd.grad(wanted.sum(), leaf)[0]",
        "(wanted.sum().backward(), leaf.grad)[1]",
        "test_guiding_by_a_classifier_trains_nothing"),
    "the classifier marks the caller's x": (
        "classifier_guided.eps", "x.detach().requires_grad_()", "x.requires_grad_()",
        "test_a_classifier_guides_under_no_grad_and_leaves_no_graph_behind"),
    "the classifier is always told t = 1": (
        "classifier_guided.eps", "log_p(leaf, t)", "log_p(leaf, torch.ones_like(t))",
        "test_the_classifier_sees_the_noisy_x_and_its_time"),
    "a guide loses the label": (
        "classifier_guided.eps", "model(x, t, *args, **kwargs)", "model(x, t)",
        "test_labels_pass_through_a_guide"),
    # samplers of second order
    "Heun averages nothing": (
        "heun.step", "h * (v + _velocity(schedule, xs, s, eps_s)) / 2", "h * v", ORDER),
    "Heun looks with the time of the start": (
        "heun.step", "torch.full(xt.shape[:1], s, device=xt.device)",
        "torch.full(xt.shape[:1], t, device=xt.device)",
        "test_heun_is_the_trapezium_rule_in_the_angle"),
    "Heun takes the second velocity at the start": (
        "heun.step", "_velocity(schedule, xs, s, eps_s)", "_velocity(schedule, xt, t, eps_s)",
        ORDER),
    "Heun calls the model at t = 0": (
        "heun.step", "s == 0", "False", "test_ten_steps_cost_so_many_calls_and_none_at_t_0"),
    "2M remembers nothing": ("dpmpp_2m.step", REMEMBER, "False", ORDER),
    "2M does not ask whose memory it is": (
        "dpmpp_2m.step", REMEMBER, "last and s > 0",
        "test_2m_begins_anew_with_each_walk_and_where_it_does_not_go_on"),
    "2M extrapolates into the last step": (
        "dpmpp_2m.step", REMEMBER, "last and last[1] == t",
        "test_the_last_step_of_2m_is_x0_and_everything_stays_finite"),
    "2M aims at the end of the step": ("dpmpp_2m.step", "2 * h_last", "h_last", ORDER),
    "2M with the quotient upside down": (
        "dpmpp_2m.step", "h / (2 * h_last)", "h_last / (2 * h)", MIDDLE),
    "2M extrapolates backwards": ("dpmpp_2m.step", "x0 - last[2]", "last[2] - x0", ORDER),
    "2M remembers the extrapolated prediction": (
        "dpmpp_2m.step", "last = (t, s, x0)", "last = (t, s, prediction)", ORDER),
    "2M measures its steps by t": (
        "_log_snr", "return s - t", "return torch.tensor(0.0)", MIDDLE),
    "log SNR where half of it belongs": (
        "_log_snr", "schedule.at(time, x).logit() / 2", "schedule.at(time, x).sqrt().log()",
        MIDDLE),
    "the angle is that of the variance": (
        "_angle", "torch.atan2((1 - alpha_bar).sqrt(), alpha_bar.sqrt())",
        "torch.atan2(1 - alpha_bar, alpha_bar)", "test_heun_is_the_trapezium_rule_in_the_angle"),
    "the velocity of another time": (
        "_velocity", "v_target(schedule, predict_x0(schedule, xt, t, eps), t, eps)",
        "v_target(schedule, predict_x0(schedule, xt, t, eps), t - 1, eps)", ORDER),
    # the way back, and mixtures
    "the inverse calls at the lower time": (
        "ddim_invert", "torch.full(xt.shape[:1], t, device=xt.device)",
        "torch.full(xt.shape[:1], s, device=xt.device)", UPPER),
    "each round goes on from the last one": (
        "ddim_invert", "_up(schedule, xs, s, xt, t, eps)", "_up(schedule, xt, s, xt, t, eps)",
        "test_the_inverse_is_exact_with_enough_rounds"),
    "the rounds are not made": (
        "ddim_invert", "range(rounds)", "range(1)", "test_the_inverse_is_exact_with_enough_rounds"),
    "the inverse of Euler's step": (
        "_up", "(xs + delta.sin() * _velocity(schedule, xt, t, eps)) / delta.cos()",
        "xs + delta * _velocity(schedule, xt, t, eps)",
        "test_the_inverse_is_exact_with_enough_rounds"),
    "the inverse keeps gradients": ("ddim_invert", "@torch.no_grad()", "", UPPER),
    "the inverse over rising times": (
        "ddim_invert", "any(t <= s for t, s in pairwise(steps))", "False",
        "test_faults.py::test_a_fault_is_refused_in_one_sentence[inversion over rising times]"),
    "no round of the inverse": (
        "ddim_invert", "rounds > 0", "True",
        "test_faults.py::test_a_fault_is_refused_in_one_sentence"
        "[no round of an inversion, which returned x0]"),
    "E22 slerp is a straight line": (
        "slerp", "((1 - w) * angle).sin() * a + (w * angle).sin() * b",
        "((1 - w) * a + w * b) * angle.sin()",
        "test_slerp_keeps_the_length_and_reaches_both_ends"),
    "slerp with one angle for the whole batch": (
        "slerp", "cosine.acos().reshape(-1, *[1] * (a.ndim - 1))", "cosine.mean().acos()",
        "test_slerp_keeps_the_length_and_reaches_both_ends"),
    "slerp of equal rows divides by 0": (
        "slerp", "torch.where(angle > 1e-3, mix / angle.sin(), torch.lerp(a, b, w))",
        "mix / angle.sin()", "test_slerp_of_equal_rows_is_that_row"),
}  # fmt: skip
