"""Bugs of train.py: name: (function, code, what it becomes, the test that must fail)."""

RESUMED = "test_a_resumed_run_is_bit_for_bit_the_run_that_never_stopped"
STOPS = "test_a_loss_that_is_not_finite_stops_before_the_weights_change"
PROGRESS = "test_the_rate_follows_the_progress_of_the_whole_run"
FAULT = "test_faults.py::test_a_fault_is_refused_in_one_sentence[{}]"

BUGS = {
    "E12 no average": ("train", "ema.update(net)", "None", STOPS),
    "E12 buffers are averaged": (
        "EMA.update", "mine.copy_(theirs)", "mine.copy_((mine + theirs) / 2)",
        "test_ema_copies_buffers_and_does_not_average_them"),
    "E12 buffers stay behind": (
        "EMA.update", "mine.copy_(theirs)", "None",
        "test_ema_copies_buffers_and_does_not_average_them"),
    "E12 decay and 1 - decay exchanged": (
        "EMA.update", "1 - decay", "decay",
        "test_ema_is_torchs_averaged_model_with_the_same_decays"),
    "E12 the random start is remembered": (
        "EMA.update", "min(self.decay, (1 + self.n) / (10 + self.n))", "self.decay",
        "test_ema_forgets_the_random_start"),
    "E12 the average is the network": (
        "EMA.__init__", "copy.deepcopy(net)", "net", "test_ema_is_a_copy_that_does_not_train"),
    "E12 the count of updates is not saved": (
        "EMA.load_state_dict", 'state["n"]', "0", RESUMED),
    "gradients pile up": ("train", "optimizer.zero_grad()", "None", RESUMED),
    "the rate starts anew on resuming": (
        "train", "(step - 1) / steps", "(step - 1 - start) / steps", PROGRESS),
    "the rate is never set": (
        "train", 'group["lr"] = lr((step - 1) / steps) if callable(lr) else lr',
        "lr((step - 1) / steps) if callable(lr) else lr", PROGRESS),
    "gradients are not clipped": (
        "train", "nn.utils.clip_grad_norm_(net.parameters(), clip)",
        "nn.utils.clip_grad_norm_(net.parameters(), 1e9)",
        "test_a_long_gradient_is_cut_to_the_length_clip"),
    "NaN is found after the step": (
        "train", "_check_finite(step, loss, norm)",
        "optimizer.step()\n_check_finite(step, loss, norm)", STOPS),
    "infinite gradients pass": (
        "_check_finite", "loss.isfinite() and norm.isfinite()", "loss.isfinite()",
        "test_a_gradient_that_is_not_finite_stops_too"),
    "the network stays in evaluation mode": (
        "train", "net.train()", "None", "test_training_puts_the_network_into_training_mode"),
    "E12 the average is taken before the step": (
        "train", "optimizer.step()\nif ema:\n    ema.update(net)",
        "if ema:\n    ema.update(net)\noptimizer.step()",
        "test_the_average_is_taken_after_the_step"),
    "gradients of parts are thrown away": (
        "train", "loss = loss_fn(net, x, y)", "loss = loss_fn(net, x, y)\noptimizer.zero_grad()",
        "test_a_loss_function_may_add_up_gradients_of_parts_itself"),
    "amp does nothing": (
        "train", "enabled=amp", "enabled=False",
        "test_mixed_precision_computes_in_bfloat16_and_keeps_float32_weights"),
    "steps counts from the start": (
        "train", "range(start + 1, steps + 1)", "range(start + 1, start + steps + 1)", PROGRESS),
    "a list of batches ends the training": (
        "_endless", "n < 0 or batches is iter(batches)", "True",
        "test_batches_begin_again_at_their_end"),
    "a generator that ends is begun again for ever": (
        "_endless", "batches is iter(batches)", "False",
        "test_a_generator_that_ends_too_early_is_refused"),
    "a batch beyond the last step is drawn": (
        "train", "zip(range(start + 1, steps + 1), _endless(batches), strict=False)",
        "((step, batch) for batch, step in zip(_endless(batches), range(start + 1, steps + 1)))",
        "test_a_generator_that_is_long_enough_may_end"),
    "a batch [x] is its first row": (
        "_pair", "isinstance(batch, (tuple, list))", "isinstance(batch, tuple)",
        "test_a_batch_may_come_without_labels"),
    "gradients may be off": (
        "_check_training", "not torch.is_grad_enabled()", "False",
        FAULT.format("training under no_grad")),
    "a frozen network trains": (
        "_check_training", "any(weight.requires_grad for weight in net.parameters())", "True",
        FAULT.format("a frozen network")),
    "a warm-up of 500": (
        "warmup_cosine", "0 <= warmup < 1", "True", FAULT.format("a warm-up in steps")),
    "a loss for each row passes": (
        "_check_scalar", "loss.numel() != 1", "False", FAULT.format("a loss for each row")),
    "a loss that is a number passes": (
        "_check_scalar", "not tensor", "False",
        FAULT.format("a loss that is a number")),
    "a loss without a gradient passes": (
        "_check_scalar", "not loss.requires_grad", "False",
        FAULT.format("a loss without a gradient")),
    "an average on another device": (
        "EMA.update",
        "[(w.shape, w.device) for w in averages] != [(w.shape, w.device) for w in weights]",
        "[w.shape for w in averages] != [w.shape for w in weights]",
        FAULT.format("an average on another device")),
    "a learning rate below 0": (
        "_check_training", "callable(lr) or lr > 0", "True",
        FAULT.format("a learning rate of -1")),
}  # fmt: skip
