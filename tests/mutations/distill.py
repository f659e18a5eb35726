"""Bugs of distill.py: name: (function, code, what it becomes, the test that must fail)."""

BUGS = {
    "c_skip without the lowest level": (
        "skip_out", "(sigma - sigma_min) ** 2", "sigma ** 2",
        "test_the_factors_are_one_and_zero_at_the_lowest_level"),
    "c_out without the lowest level": (
        "skip_out", "sigma_data * (sigma - sigma_min)", "sigma_data * sigma",
        "test_the_factors_are_one_and_zero_at_the_lowest_level"),
    "c_out has no root": (
        "skip_out", "(sigma**2 + sigma_data**2) ** 0.5", "(sigma**2 + sigma_data**2)",
        "test_the_factors_are_those_of_the_paper"),
    "the sign of c_out": (
        "consistency.f", "c_out * net(x, t, **condition)", "-c_out * net(x, t, **condition)",
        "test_a_student_is_the_x0_of_v_prediction_and_leaves_clean_data_alone"),
    "x isn't rescaled": (
        "consistency.f", "c_skip * x / alpha_bar.sqrt()", "c_skip * x",
        "test_a_student_is_the_x0_of_v_prediction_and_leaves_clean_data_alone"),
    "a student without its condition": (
        "consistency.f", "net(x, t, **condition)", "net(x, t, y=x[:, 0])",
        "test_a_condition_reaches_the_student"),
    "the ratio upside down": (
        "x0_between", "(1 - alpha_bar_s) / (1 - alpha_bar)", "(1 - alpha_bar) / (1 - alpha_bar_s)",
        "test_the_target_makes_one_step_land_where_asked"),
    "the target is the end": (
        "x0_between", "(xs - r * xt) / (alpha_bar_s.sqrt() - r * alpha_bar.sqrt())", "xs",
        "test_the_target_makes_one_step_land_where_asked"),
    "the second step with the first prediction": (
        "two_steps", "teacher(xm, middle)", "teacher(xt, t)", "test_two_steps_are_two_steps"),
    "the second step starts at x_t": (
        "two_steps", "ddim_step(schedule, xm, middle, s, teacher(xm, middle))",
        "ddim_step(schedule, xt, middle, s, teacher(xm, middle))", "test_two_steps_are_two_steps"),
    "the error of x0": (
        "progressive_loss", "(1 - schedule.alpha_bar[t])", "(2 - 1)",
        "test_the_progressive_error_is_that_of_v"),
    "progressive noise is drawn anew": (
        "progressive_loss", "torch.randn_like(x0) if eps is None else eps", "torch.randn_like(x0)",
        "test_the_progressive_loss_uses_the_given_noise"),
    "the first step is never drawn": (
        "random_step", "torch.randint(len(times) - 1, (n,))",
        "torch.randint(1, len(times) - 1, (n,))", "test_steps_are_drawn_from_the_list"),
    "the target at the higher noise": (
        "consistency_loss", "random_step(times, len(x0))", "random_step(times, len(x0))[::-1]",
        "test_both_ends_of_a_step_have_the_same_image_and_noise_and_the_target_is_below"),
    "the ends of a step have different noise": (
        "consistency_loss", "q_sample(schedule, x0, s, eps)",
        "q_sample(schedule, x0, s, torch.randn_like(x0))",
        "test_both_ends_of_a_step_have_the_same_image_and_noise_and_the_target_is_below"),
    "the image is the target": (
        "consistency_loss", "f_target(xs, s)", "x0", "test_the_exact_student_is_consistent"),
    "the student is its own target": (
        "consistency_loss", "f_target(xs, s)", "f(xs, s)",
        "test_both_ends_of_a_step_have_the_same_image_and_noise_and_the_target_is_below"),
    "the consistency error of x0": (
        "consistency_loss", "(1 - schedule.alpha_bar[t])", "(2 - 1)",
        "test_the_consistency_error_is_that_of_v"),
    "the same noise is added again": (
        "hops", "torch.randn_like(x0)", "xT", "test_hops_keep_the_distribution"),
    "noise for the time before": (
        "hops", "q_sample(schedule, x0, s, torch.randn_like(x0))",
        "q_sample(schedule, x0, t, torch.randn_like(x0))", "test_hops_keep_the_distribution"),
    "a list that stops above 0": (
        "hops", "_check_times(times)", "", "test_times_that_do_not_fall_to_zero_are_refused"),
    "the network is told where it ends": (
        "mean_velocity", "(u - s)[:, None]", "s[:, None]",
        "test_a_network_learns_which_stretch_is_asked_for"),
    "mean flow asks a network at 0": (
        "mean_velocity", "1.001 + 10 * u", "10 * u",
        "test_a_network_learns_which_stretch_is_asked_for"),
    "the network's sines are too fast to differentiate": (
        "mean_velocity", "10 * u", "1000 * u",
        "test_a_network_learns_which_stretch_is_asked_for"),
    "times near the noise": (
        "mean_flow_times", "torch.randn(2, n) - 0.4", "torch.randn(2, n) + 0.4",
        "test_the_times_of_mean_flow"),
    "the stretch runs upwards": (
        "mean_flow_times", "descending=True", "descending=False", "test_the_times_of_mean_flow"),
    "the derivative's sign": (
        "mean_flow_loss", "v - wide(u - s) * slope", "v + wide(u - s) * slope",
        "test_the_best_mean_velocity_is_the_exact_one"),
    "s moves along": (
        "mean_flow_loss", "(v, one, zero)", "(v, one, one)",
        "test_the_best_mean_velocity_is_the_exact_one"),
    "x stays where it is": (
        "mean_flow_loss", "(v, one, zero)", "(zero * v, one, zero)",
        "test_the_best_mean_velocity_is_the_exact_one"),
    "the weight has a gradient": (
        "mean_flow_loss", "error.detach() + 1e-3", "error + 1e-3",
        "test_the_weight_of_mean_flow_gets_no_gradient"),
}  # fmt: skip
