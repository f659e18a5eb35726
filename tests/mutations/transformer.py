"""Bugs of transformer.py: name: (function, code, what it becomes, the test that must fail)."""

ORDER = "test_a_token_is_a_patch_row_by_row_with_its_channels_last"
BACK = "test_patches_lose_nothing_also_on_images_that_are_not_square"
BUGS = {
    "S11: patches are cut in another order than they are put back": (
        "patchify", '"b c (h p) (w q) -> b (h w) (p q c)"', '"b c (h p) (w q) -> b (h w) (c p q)"',
        ORDER),
    "S11: a patch is transposed": (
        "unpatchify", '"b (h w) (p q c) -> b c (h p) (w q)"',
        '"b (h w) (q p c) -> b c (h p) (w q)"',
        BACK),
    "patches are listed column by column": (
        "patchify", '"b c (h p) (w q) -> b (h w) (p q c)"', '"b c (h p) (w q) -> b (w h) (p q c)"',
        ORDER),
    "the image is taken for a square": (
        "unpatchify", "h=rows", "h=int(tokens.shape[1] ** 0.5)", BACK),
    "S13: rows and columns are swapped": (
        "position_embedding", '"ij"', '"xy"',
        "test_each_place_has_the_sines_of_its_row_and_its_column"),
    "every patch gets the same place": (
        "position_embedding", "k.flatten()", "0 * k.flatten()",
        "test_each_place_has_the_sines_of_its_row_and_its_column"),
    "a scale of 0 erases": (
        "modulate", "1 + scale", "scale", "test_modulate_with_zeros_changes_nothing"),
    "scale and shift are swapped": (
        "modulate", "h * (1 + scale) + shift", "h * (1 + shift) + scale",
        "test_modulate_with_zeros_changes_nothing"),
    "queries and keys aren't scaled": (
        "TokenAttention.weights", "q @ k.mT / q.shape[-1] ** 0.5",
        "q @ k.mT", "test_the_attention_is_pytorchs"),
    "softmax over the queries": (
        "TokenAttention.weights", "dim=-1", "dim=-2",
        "test_each_token_looks_somewhere_with_weights_that_sum_to_one"),
    "heads and their numbers are swapped": (
        "TokenAttention.split", '"b m (n k d) -> n b k m d"', '"b m (n d k) -> n b k m d"',
        "test_the_attention_is_pytorchs"),
    "S12: the condition's layer isn't zeroed": (
        "from_condition", "zero(nn.Linear(dim, n * dim))", "nn.Linear(dim, n * dim)",
        "test_a_block_starts_as_the_identity"),
    "S12: the gated layer is zeroed too": (
        "TokenAttention.__init__", "nn.Linear(dim, dim)", "zero(nn.Linear(dim, dim))",
        "test_the_gradient_passes_the_gates_that_are_zero"),
    "the gate is forgotten": (
        "DiTBlock.forward", "gate1 * self.attention(modulate(self.norm1(h), scale1, shift1))",
        "self.attention(modulate(self.norm1(h), scale1, shift1))",
        "test_a_block_starts_as_the_identity"),
    "the order of the six": (
        "DiTBlock.forward", "(scale1, shift1, gate1, scale2, shift2, gate2)",
        "(shift1, scale1, gate1, shift2, scale2, gate2)", "test_a_block_is_its_formula"),
    "the MLP forgets the residual": (
        "DiTBlock.forward", "h + gate2 * self.mlp(modulate(self.norm2(h), scale2, shift2))",
        "gate2 * self.mlp(modulate(self.norm2(h), scale2, shift2))",
        "test_a_block_starts_as_the_identity"),
    "no places": (
        "DiT.tokens", "self.embed(patchify(x, self.patch)) + places",
        "self.embed(patchify(x, self.patch))", "test_the_network_is_its_parts"),
    "the last norm ignores the condition": (
        "DiT.forward", "modulate(self.norm(h), scale, shift)", "self.norm(h)",
        "test_the_network_is_its_parts"),
    "the last layer isn't zeroed": (
        "DiT.__init__", "zero(nn.Linear(dim, patch**2 * (out_channels or channels)))",
        "nn.Linear(dim, patch**2 * (out_channels or channels))",
        "test_a_block_starts_as_the_identity"),
    "S13: t / T isn't refused": (
        "_check_input", "t.is_floating_point() and (not t.is_cuda) and len(t) and (t.max() <= 1)",
        "False",
        "test_wrong_input_is_refused_with_a_sentence"),
}  # fmt: skip
