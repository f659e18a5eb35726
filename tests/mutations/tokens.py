"""Bugs of tokens.py: name: (function, code, what it becomes, the test that must fail)."""

BUGS = {
    "one draw hides a whole row": (
        "mask_tokens", "torch.rand(x0.shape, device=x0.device)", "torch.rand(len(x0), 1)",
        "test_each_token_is_hidden_on_its_own"),
    "u is the share of what's visible": (
        "mask_tokens", "r < u[:, None]", "r > u[:, None]", "test_each_token_is_hidden_on_its_own"),
    "pixels are taken for tokens": (
        "mask_tokens", "_check_rows(x0)", "", "test_pixels_are_refused"),
    "a mask stays with 1 - s / u": (
        "token_posterior", "s / u * hidden.to(p)", "(1 - s / u) * hidden.to(p)",
        "test_the_posterior_is_that_of_bayes"),
    "visible tokens are predicted again": (
        "token_posterior", "torch.where(hidden, (1 - s / u) * p, visible)", "(1 - s / u) * p",
        "test_T_steps_draw_the_joint_mixed_with_a_Tth_of_its_margins"),
    "loss on visible tokens": (
        "hidden_nats", "nats.masked_fill(xu != MASK, 0)", "nats",
        "test_visible_tokens_cost_nothing"),
    "no weight 1 / u": (
        "masked_loss", "nats.sum(1) / u", "nats.sum(1)",
        "test_the_loss_of_a_uniform_model_is_log_V"),
    "the masked mean, with u instead of the count": (
        "masked_loss", "nats.sum(1) / u", "nats.sum(1)**2 / u",
        "test_the_loss_is_the_bound"),
    "u can be 0": (
        "even_times", "(n - torch.arange(n) - torch.rand(1)) / n",
        "1 - (torch.arange(n) + torch.rand(1)) / n", "test_even_times_are_never_0"),
    "all rows have one time": (
        "even_times", "(n - torch.arange(n) - torch.rand(1)) / n", "torch.rand(1).expand(n)",
        "test_even_times_fill_the_interval"),
    "the bound without its 1 / t": (
        "steps_bound", "(t / T)**n * (1 - t / T)**(L - n) / t", "(t / T)**n * (1 - t / T)**(L - n)",
        "test_with_many_steps_the_bound_is_the_likelihood"),
    "the bound begins a step later": (
        "steps_bound", "torch.arange(1, T + 1, dtype=torch.float64)",
        "torch.arange(2, T + 2, dtype=torch.float64)",
        "test_the_bound_of_T_steps_is_the_entropy_and_a_Tth_of_the_information"),
    "the likeliest token is taken": (
        "gumbel_max", "logits.double() - torch.log(-torch.log(r))", "logits.double()",
        "test_gumbel_max_draws_from_the_softmax"),
    "exponential noise": (
        "gumbel_max", "torch.log(-torch.log(r))", "torch.log(r)",
        "test_gumbel_max_draws_from_the_softmax"),
    "noise in half precision": (
        "gumbel_max", "torch.rand(logits.shape, dtype=torch.float64, device=logits.device)",
        "torch.rand(logits.shape, dtype=torch.float16).double()", "test_rare_tokens_are_drawn"),
    "all at once": (
        "reveal", "min(k, x.shape[1])", "x.shape[1]",
        "test_each_step_reveals_k_masks_and_keeps_what_is_visible"),
    "visible tokens are drawn again by the sampler": (
        "reveal", "first & (x == MASK)", "first",
        "test_each_step_reveals_k_masks_and_keeps_what_is_visible"),
    "the choice ignores what's visible": (
        "reveal", "order(logits, drawn).masked_fill(x != MASK, -torch.inf)", "order(logits, drawn)",
        "test_each_step_reveals_k_masks_and_keeps_what_is_visible"),
    "the least confident first": (
        "by_confidence", "logits.log_softmax(-1)", "(-logits.log_softmax(-1))",
        "test_masks_go_in_random_order_or_the_surest_first"),
    "confidence of the largest logit": (
        "by_confidence", "logits.log_softmax(-1)", "logits",
        "test_masks_go_in_random_order_or_the_surest_first"),
    "nothing is shifted": (
        "shifted", "F.pad(x, (1, -1), value=MASK)", "x",
        "test_a_causal_network_sees_only_what_came_before"),
    "the last token comes round to the front": (
        "shifted", "F.pad(x, (1, -1), value=MASK)", "x.roll(1, 1)",
        "test_left_to_right_is_the_chain_rule"),
    "left to right overwrites what's given": (
        "left_to_right", "torch.where(x[:, i] == MASK, drawn, x[:, i])", "drawn",
        "test_left_to_right_is_the_chain_rule"),
    "left to right writes into its input": (
        "left_to_right", "x.clone()", "x", "test_left_to_right_is_the_chain_rule"),
    "levels are cut off, not rounded": (
        "to_levels", '(images + 1) / 2 * (levels - 1)', '(images + 1) / 2 * (levels - 1) - 0.5',
        "test_levels_and_images"),
    "what is too dark becomes a mask": (
        "to_levels", "images.clamp(-1, 1)", "images", "test_levels_and_images"),
    "a mask is black": (
        "from_levels", "torch.nan", "-1", "test_levels_and_images"),
    "other characters are dropped": (
        "encode", "not other", "(text := text.translate(dict.fromkeys(map(ord, other)))) or True",
        "test_text_and_tokens"),
}  # fmt: skip
