"""Bugs of token_net.py: name: (function, code, what it becomes, the test that must fail)."""

BUGS = {
    "a block that's always causal": (
        "TokenBlock.forward", "is_causal=self.causal", "is_causal=True",
        "test_a_block_mixes_places_and_keeps_its_shape"),
    "a block that's never causal": (
        "TokenBlock.forward", "is_causal=self.causal", "is_causal=False",
        "test_tokens.py::test_a_causal_network_sees_only_what_came_before"),
    "a stretched pair instead of a turned one": (
        "rotated", "a * cos - b * sin", "a * cos + b * sin",
        "test_rotated_products_know_distances_alone"),
    "turned rows are always in float32": (
        "rotated", "(angle.cos().to(x), angle.sin().to(x))", "(angle.cos(), angle.sin())",
        "test_a_rotary_block_runs_in_half_precision"),
    "places turn too slowly": (
        "rotated", "torch.logspace(0, -2.5, x.shape[-1] // 2, device=x.device)",
        "torch.logspace(0, -3.5, x.shape[-1] // 2, device=x.device)",
        "test_places_are_turned_by_one_radian_and_less"),
    "attention is subtracted": (
        "TokenBlock.forward", "x + self.out(rearrange(h, 'b h l c -> b l (h c)'))",
        "x - self.out(rearrange(h, 'b h l c -> b l (h c)'))",
        "test_what_a_layer_computes_is_added"),
    "places are subtracted": (
        "TokenNet.forward", "self.token(x % (self.vocab + 1)) + self.place[:x.shape[1]]",
        "self.token(x % (self.vocab + 1)) - self.place[:x.shape[1]]",
        "test_what_a_layer_computes_is_added"),
    "nothing is turned": (
        "TokenBlock.forward", "(rotated(q), rotated(k)) if self.rotary else (q, k)", "(q, k)",
        "test_a_rotary_block_knows_places"),
    "the mask has the last token's embedding": (
        "TokenNet.forward", "x % (self.vocab + 1)", "x % self.vocab",
        "test_the_mask_has_an_entry_of_its_own_and_is_never_predicted"),
    "no places for tokens": (
        "TokenNet.forward", "self.token(x % (self.vocab + 1)) + self.place[:x.shape[1]]",
        "self.token(x % (self.vocab + 1))", "test_a_network_with_masks_sees_both_sides"),
    "the label is lost": (
        "TokenNet.forward", "h + self.label(y)[:, None]", "h",
        "test_a_label_reaches_the_network_and_wrong_input_is_refused"),
}  # fmt: skip
