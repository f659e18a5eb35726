"""Bugs of nets.py: name: (function, code, what it becomes, the test that must fail)."""

ATTENTION = "F.scaled_dot_product_attention(q, k, v)"
GROUPS = "nn.GroupNorm(math.gcd(min(32, max(1, channels // 4)), channels), channels)"
POSITIONS = 'rearrange(h, "b 1 n c -> b c n").reshape(x.shape)'
COMPOUND = "mults = [math.prod(mults[: i + 1]) for i in range(len(mults))]"
FAULT = "test_faults.py::test_a_fault_is_refused_in_one_sentence[{}]"

BUGS = {
    "E13 t is ignored": (
        "Conditioning.forward", "time_embedding(t, self.width)",
        "time_embedding(t * 0, self.width)", "test_time_changes_the_prediction"),
    "E13 t / T is embedded": (
        "time_embedding", "t[:, None] * frequency", "t[:, None] / 1000 * frequency",
        "test_near_times_have_near_embeddings_and_far_times_far_ones"),
    "E13 cosines before sines": (
        "time_embedding", "[angle.sin(), angle.cos()]", "[angle.cos(), angle.sin()]",
        "test_embeddings_are_sines_and_cosines_of_geometric_frequencies"),
    "E13 frequencies of another library": (
        "time_embedding", "half - 1", "half",
        "test_embeddings_are_sines_and_cosines_of_geometric_frequencies"),
    "E14 softmax over the queries": (
        "Attention.forward", ATTENTION, "(q @ k.mT / q.shape[-1] ** 0.5).softmax(-2) @ v",
        "test_attention_is_its_formula"),
    "E14 rows that do not sum to 1": (
        "Attention.forward", ATTENTION, "(q @ k.mT / q.shape[-1] ** 0.5).softmax(-2) @ v",
        "test_attention_weights_of_a_query_sum_to_1"),
    "E14 no division by sqrt(C)": (
        "Attention.forward", ATTENTION, "(q @ k.mT).softmax(-1) @ v",
        "test_attention_is_its_formula"),
    "E14 height and width exchanged": (
        "Attention.forward", POSITIONS, POSITIONS.replace("x.shape", "x.mT.shape") + ".mT",
        "test_attention_is_its_formula"),
    "E15 multipliers compound": (
        "UNet.__init__", "super().__init__()", f"super().__init__()\n{COMPOUND}",
        "test_multipliers_do_not_compound"),
    "E15 the parameter count of the paper": (
        "UNet.__init__", "super().__init__()", f"super().__init__()\n{COMPOUND}",
        "test_the_cifar10_network_of_ddpm_has_35746307_parameters"),
    "E16 BatchNorm": (
        "group_norm", GROUPS, "nn.BatchNorm2d(channels)",
        "test_a_row_does_not_depend_on_the_other_rows"),
    "E16 BatchNorm without statistics": (
        "group_norm", GROUPS, "nn.BatchNorm2d(channels, track_running_stats=False)",
        "test_a_row_does_not_depend_on_the_other_rows"),
    "the label is ignored": (
        "Conditioning.forward", "self.label(none if y is None else y)",
        "0 * self.label(none if y is None else y)", "test_a_label_changes_the_prediction"),
    "no label is class 0": (
        "Conditioning.forward", "torch.full(t.shape, self.num_classes, device=t.device)",
        "torch.full(t.shape, 0, device=t.device)", "test_no_label_is_the_label_num_classes"),
    "no row for no label": (
        "Conditioning.__init__", "nn.Embedding(num_classes + 1, out)",
        "nn.Embedding(num_classes, out)", "test_no_label_is_the_label_num_classes"),
    "the vector 0 is no condition": (
        "Conditioning.forward", "none.to(y)", "0 * none.to(y)",
        "test_a_vector_is_a_condition_and_nan_is_none"),
    "one NaN hides one entry": (
        "Conditioning.forward", "y.isnan().any(1, keepdim=True)", "y.isnan().all(1, keepdim=True)",
        "test_a_vector_is_a_condition_and_nan_is_none"),
    "a second image is ignored": (
        "UNet.second_image", "return y.masked_fill(y.isnan(), 0)", "return expected",
        "test_a_second_image_is_a_condition_and_nan_is_none"),
    "a second image with NaN": (
        "UNet.second_image", "y.masked_fill(y.isnan(), 0)", "y",
        "test_a_second_image_is_a_condition_and_nan_is_none"),
    "as many channels out as in": (
        "UNet.__init__", "out_channels or channels", "channels",
        "test_a_second_image_is_a_condition_and_nan_is_none"),
    "positions of signals in another order": (
        "Attention.forward", POSITIONS, f"{POSITIONS}.flip(-1)",
        "test_attention_over_signals_and_volumes_is_that_over_the_same_positions_of_an_image"),
    "the condition is not injected": (
        "ResBlock.forward", "h = h + c.reshape(*c.shape, *[1] * (x.ndim - 2))", "",
        "test_the_gradient_reaches_every_parameter"),
    "blocks do not start as the identity": (
        "zero", "nn.init.zeros_(parameter)", "None",
        "test_a_new_unet_predicts_zero_and_its_blocks_are_the_identity"),
    "a residual block without its shortcut": (
        "ResBlock.forward", "self.skip(x) + h", "h",
        "test_a_new_unet_predicts_zero_and_its_blocks_are_the_identity"),
    "dropout that never sleeps": (
        "ResBlock.forward", "self.drop(F.silu(self.norm2(h)))",
        "F.dropout(F.silu(self.norm2(h)), self.drop.p)", "test_dropout_acts_in_training_only"),
    "no dropout": (
        "ResBlock.__init__", "nn.Dropout(dropout)", "nn.Dropout(0.0)",
        "test_dropout_acts_in_training_only"),
    "skips that carry nothing": (
        "UNet.forward", "skips.pop()", "0 * skips.pop()",
        "test_each_block_on_the_way_up_takes_the_latest_state_that_is_left"),
    "points are not checked": (
        "_check_input", "not fits or x.shape[1] != net.channels", "False",
        FAULT.format("points with too many coordinates")),
    "sizes are not checked": (
        "_check_size", "any(side % factor for side in x.shape[2:])", "False",
        FAULT.format("images of odd size")),
    "weights of one size take another": (
        "_check_size", "size and x.shape[2:] != size", "False",
        FAULT.format("images of a size that the weights don't know")),
    "t / T passes": ("_check_time", "t.max() <= 1", "False", FAULT.format("t / T for a network")),
    "one t for all rows of a network": (
        "_check_time", "t.shape != (rows,)", "False",
        FAULT.format("one row of t for a network")),
    "a t on another device": (
        "_check_input", "x.device == t.device == weight.device", "x.device == weight.device",
        FAULT.format("a t on another device")),
    "a mask is a network's time": (
        "_check_time", "t.dtype == torch.bool", "False",
        FAULT.format("a mask for a network's t")),
    "labels of any kind pass": (
        "_check_condition", "_kind(y) != expected", "False",
        FAULT.format("labels that are floats")),
    "attention that isn't there": (
        "_check_unet", "set(attention) <= set(range(len(mults)))", "True",
        FAULT.format("attention at a level that isn't there")),
    "two kinds of condition pass": (
        "_check_unet", "sum(map(bool, kinds)) > 1", "False",
        FAULT.format("two kinds of condition")),
    "times in another precision": (
        "Conditioning.forward", "time_embedding(t, self.width).to(dtype)",
        "time_embedding(t, self.width)",
        "test_a_network_computes_in_the_precision_of_its_weights"),
    "dropout while sampling without a word": (
        "_check_input", "not torch.is_grad_enabled()", "False",
        "test_faults.py::test_what_may_be_meant_is_warned_of[sampling with dropout on]"),
}  # fmt: skip
