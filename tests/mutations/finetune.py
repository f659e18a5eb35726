"""Bugs of finetune.py: name: (function, code, what it becomes, the test that must fail). S18 to S21
are mistakes that published code really made."""

BUGS = {
    "S18: the scale is alpha": (
        "LoRA.__init__", "alpha / rank", "alpha", "test_the_scale_is_alpha_over_the_rank"),
    "S18: the merged scale is forgotten": (
        "LoRA.weight", "self.scale * delta", "delta",
        "test_a_merged_layer_is_the_unmerged_one"),
    "an adapter is always in float32": (
        "LoRA.__init__", "self.to(layer.weight)", "",
        "test_an_adapter_has_the_precision_of_its_layer"),
    "S19: both matrices are random": (
        "LoRA.__init__", "zero(self.B)", "",
        "test_at_the_start_lora_changes_nothing_and_then_both_matrices_move"),
    "S19: both matrices are zero": (
        "LoRA.__init__", "zero(self.B)", "zero(zero(self.A) and self.B)",
        "test_at_the_start_lora_changes_nothing_and_then_both_matrices_move"),
    "W learns beside the adapter": (
        "LoRA.__init__", "layer.requires_grad_(False)", "layer", "test_lora_freezes_its_layer"),
    "the rest of the network learns": (
        "add_lora", "net.requires_grad_(False)", "", "test_only_the_adapters_learn"),
    "S20: an adapter that isn't wired in": (
        "add_lora", "net.set_submodule(name, lora)", "lora",
        "test_lora_is_wired_in_at_each_layer_of_the_name_and_nowhere_else"),
    "S20: names that don't occur are ignored": (
        "add_lora", "_check_names(net, names)", "",
        "test_names_that_do_not_occur_are_refused"),
    "S20: taken out by subtraction": (
        "without_lora", "net.set_submodule(name, part.layer)",
        "part.layer.weight.data = part.weight - (part.weight - part.layer.weight)\n"
        "net.set_submodule(name, part.layer)",
        "test_taking_an_adapter_out_gives_the_same_bits_back"),
    "merging changes the original": (
        "plain", "copy.deepcopy(net)", "net", "test_a_merged_layer_is_the_unmerged_one"),
    "no label keeps its number": (
        "NewLabel.weight", "torch.cat([old[:-1], self.row, old[-1:]])",
        "torch.cat([old, self.row])", "test_the_row_is_the_one_that_is_looked_up"),
    "the new row starts as the first one": (
        "NewLabel.__init__", "table.weight[-1:]", "table.weight[:1]",
        "test_a_new_label_leaves_the_old_ones_as_they_were"),
    "the old rows learn": (
        "NewLabel.__init__", "table.requires_grad_(False)", "table",
        "test_the_old_rows_are_frozen"),
    "the number of labels stays": (
        "add_label", "condition.num_classes += 1", "condition.num_classes += 0",
        "test_a_new_label_leaves_the_old_ones_as_they_were"),
    "the label is the number of no label": (
        "add_label", "condition.num_classes - 1", "condition.num_classes",
        "test_a_new_label_leaves_the_old_ones_as_they_were"),
    "S21: the old images have the label of the new": (
        "prior_loss", "(new, old)", "(new, (old[0], new[1][: len(old[0])]))",
        "test_the_prior_s_loss_is_the_sum_of_two_with_their_own_labels"),
    "the weight of the prior is forgotten": (
        "prior_loss", "subject + weight * prior", "subject + prior",
        "test_the_prior_s_loss_is_the_sum_of_two_with_their_own_labels"),
    "drawings are read upside down": (
        "drawings", "zip(*strip, strict=True)", "zip(*strip[::-1], strict=True)",
        "test_drawings_are_read_from_text"),
    "an empty line has no blanks": (
        "drawings", r"re.split(r'\n\s*\n', text.strip())", r"text.strip().split('\n\n')",
        "test_drawings_are_read_from_text"),
}  # fmt: skip
