"""Bugs of text.py: name: (function, code, what it becomes, the test that must fail)."""

BUGS = {
    "scores aren't scaled": (
        "attention_weights", "q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])",
        "q @ k.transpose(-1, -2)", "test_the_weights_are_those_of_pytorch"),
    "padding is read": (
        "attention_weights", "score.masked_fill(~mask[:, None, None, :], -math.inf)", "score",
        "test_padding_is_never_read"),
    "only padding is read": (
        "attention_weights", "~mask[:, None, None, :]", "mask[:, None, None, :]",
        "test_the_weights_are_those_of_pytorch"),
    "the softmax runs over the queries": (
        "attention_weights", "score.masked_fill(~mask[:, None, None, :], -math.inf).softmax(-1)",
        "score.masked_fill(~mask[:, None, None, :], -math.inf).softmax(-2)",
        "test_the_weights_are_those_of_pytorch"),
    "keys and values are exchanged": (
        "CrossAttention.forward", "q, k, v = self.parts(x, words)",
        "q, v, k = self.parts(x, words)",
        "test_a_pixel_reads_a_weighted_sum_of_values"),
    "cross-attention replaces the image": (
        "CrossAttention.forward", "x + rearrange(h, 'b (h w) c -> b c h w', h=x.shape[2])",
        "rearrange(h, 'b (h w) c -> b c h w', h=x.shape[2])",
        "test_cross_attention_starts_as_the_identity_and_then_reads_the_words"),
    "cross-attention starts with noise": (
        "CrossAttention.__init__", "zero(nn.Linear(channels, channels))",
        "nn.Linear(channels, channels)",
        "test_cross_attention_starts_as_the_identity_and_then_reads_the_words"),
    "rows and columns are exchanged": (
        "CrossAttention.forward", "rearrange(h, 'b (h w) c -> b c h w', h=x.shape[2])",
        "rearrange(h, 'b (w h) c -> b c h w', h=x.shape[2])", "test_pixels_keep_their_places"),
    "heads and channels are exchanged on the way out": (
        "CrossAttention.forward", "rearrange(h, 'b heads n c -> b n (heads c)')",
        "rearrange(h, 'b heads n c -> b n (c heads)')", "test_each_head_reads_on_its_own"),
    "the words' heads are mixed up": (
        "TextLayer.forward", "'b l (n heads c) -> n b heads l c'",
        "'b l (heads n c) -> n b l heads c'",
        "test_a_layer_without_positions_only_permutes"),
    "a word forgets itself": (
        "TextLayer.forward", "h + self.out(rearrange(read, 'b heads l c -> b l (heads c)'))",
        "self.out(rearrange(read, 'b heads l c -> b l (heads c)'))",
        "test_a_layer_adds_to_what_it_gets"),
    "the encoder has no positions": (
        "TextEncoder.forward", "self.embed(y) + self.positions[:y.shape[1]]", "self.embed(y)",
        "test_without_positions_the_encoder_sees_a_bag_of_words"),
    "a bag of words learns positions": (
        "TextEncoder.__init__", "nn.Parameter(start, requires_grad=positions > 0)",
        "nn.Parameter(start)", "test_without_positions_the_encoder_sees_a_bag_of_words"),
    "positions of one size": (
        "TextEncoder.__init__", "positions * torch.randn(length, dim)", "torch.randn(length, dim)",
        "test_the_size_of_the_positions_is_what_was_asked_for"),
    "the encoder reads padding": (
        "TextEncoder.forward", "y != PAD", "y > -1", "test_padding_is_never_read"),
    "no caption is nothing but padding": (
        "TextCondition.forward", "torch.full((len(t), 1), START, device=t.device)",
        "torch.full((len(t), 1), START + 1, device=t.device)",
        "test_no_caption_is_the_empty_caption"),
    "the mask is upside down": (
        "TextCondition.forward", "y != PAD", "y == PAD",
        "test_the_condition_is_the_timestep_the_words_and_the_mask"),
    "the timestep is lost": (
        "TextBlock.forward", "super().forward(x, time)", "super().forward(x, 0 * time)",
        "test_blocks_without_attention_do_not_read"),
    "every block reads": (
        "TextBlock.__init__", "CrossAttention(c_out, dim, heads) if attention else None",
        "CrossAttention(c_out, dim, heads)", "test_blocks_without_attention_do_not_read"),
    "hooks stay": (
        "attention_maps", "hooks.enter_context(layer.register_forward_hook(keep))",
        "layer.register_forward_hook(keep)", "test_the_maps_are_the_weights_of_each_layer"),
    "maps are a sum over the heads": (
        "attention_maps.keep", "attention_weights(q, k, mask).mean(1)",
        "attention_weights(q, k, mask).sum(1)",
        "test_the_maps_are_the_weights_of_each_layer"),
    "only padding isn't refused": (
        "_check_mask", "mask.is_cuda or mask.any(1).all()", "True",
        "test_tokens_that_are_none_are_refused"),
}  # fmt: skip
