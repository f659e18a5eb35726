"""Bugs of flow.py: name: (function, code, what it becomes, the test that must fail)."""

BUGS = {
    "the path runs the other way": (
        "interpolate", "(1 - u) * x0 + u * x1", "u * x0 + (1 - u) * x1",
        "test_paths_lead_from_the_data_to_the_noise"),
    "one time for all paths": (
        "interpolate", "u.reshape(-1, *[1] * (x0.ndim - 1))", "u.mean()",
        "test_paths_lead_from_the_data_to_the_noise"),
    "the velocity of the other direction": (
        "flow_loss", "x1 - x0", "x0 - x1", "test_the_loss_is_the_error_of_the_velocity"),
    "the network sees the end of the path": (
        "flow_loss", "net(xu, 1000 * u)", "net(x1, 1000 * u)",
        "test_the_loss_is_the_error_of_the_velocity"),
    "the network is told u": (
        "flow_loss", "1000 * u", "u", "test_the_loss_is_the_error_of_the_velocity"),
    "a time that networks refuse": (
        "flow_loss", "times(len(x0)).to(x0).clamp(min=1.001e-3)", "times(len(x0)).to(x0)",
        "test_the_loss_is_the_error_of_the_velocity"),
    "pairs are ignored": (
        "flow_loss", "torch.randn_like(x0) if x1 is None else x1", "torch.randn_like(x0)",
        "test_the_loss_is_the_error_of_the_velocity"),
    "Euler goes up": (
        "euler", "s - u", "u - s",
        "test_the_flow_of_a_gaussian_ends_at_its_quantiles_with_an_error_of_order_one"),
    "Euler asks at the end of the step": (
        "euler", "u.expand(len(x)).to(x)", "s.expand(len(x)).to(x)",
        "test_the_times_are_those_asked_for"),
    "the share of the noise's variance": (
        "flow_times", "(1 - schedule.alpha_bar).sqrt()", "1 - schedule.alpha_bar",
        "test_flow_times_are_the_share_of_the_noise"),
    "x_t isn't scaled": (
        "as_flow.velocity", "alpha_bar.sqrt() + (1 - alpha_bar).sqrt()", "1.0",
        "test_a_diffusion_model_has_the_velocity_of_the_flow"),
    "a timestep too low": (
        "as_flow.velocity", "(level[1:, None] - u).abs().argmin(0) + 1",
        "(level[1:, None] - u).abs().argmin(0).clamp(min=1)",
        "test_a_diffusion_model_has_the_velocity_of_the_flow"),
    "the logit isn't shifted": (
        "logit_normal", "mean + std * torch.randn(n)", "std * torch.randn(n)",
        "test_logit_normal_times"),
    "straightness of the wrong length": (
        "straightness", "(a - b) / size", "a - b",
        "test_straight_paths_are_straight_and_bent_ones_are_not"),
    "the condition is lost": (
        "velocity_of", "net(x, (1000 * u).clamp(min=1.001), **condition)",
        "net(x, (1000 * u).clamp(min=1.001), y=x[:, 0])", "test_a_condition_reaches_the_network"),
    "a network is asked at 0": (
        "velocity_of", "(1000 * u).clamp(min=1.001)", "1000 * u",
        "test_a_network_can_be_asked_at_the_data"),
    "times may rise": (
        "euler", "_check_falling(times)", "", "test_times_that_do_not_fall_are_refused"),
}  # fmt: skip
