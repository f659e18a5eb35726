"""Bugs of gan.py: name: (function, code, what it becomes, the test that must fail)."""

BUGS = {
    "fakes are called real": (
        "discriminator_loss", "F.softplus(fake).mean()", "F.softplus(-fake).mean()",
        "test_the_two_targets_differ"),
    "the discriminator's targets swapped": (
        "discriminator_loss", "F.softplus(-real).mean() + F.softplus(fake).mean()",
        "F.softplus(real).mean() + F.softplus(-fake).mean()", "test_the_two_targets_differ"),
    "the discriminator's loss averaged over both": (
        "discriminator_loss", "F.softplus(-real).mean() + F.softplus(fake).mean()",
        "(F.softplus(-real).mean() + F.softplus(fake).mean()) / 2",
        "test_who_cannot_tell_loses_two_logs_of_two"),
    "probabilities where logits belong": (
        "discriminator_loss", "F.softplus(fake)", "F.softplus(fake.sigmoid())",
        "test_the_losses_are_those_of_the_probabilities"),
    "the generator helps the discriminator": (
        "minimax_loss", "-F.softplus(fake).mean()", "F.softplus(fake).mean()",
        "test_minimax_saturates_where_the_discriminator_is_sure"),
    "the saturating loss in place of the other": (
        "nonsaturating_loss", "F.softplus(-fake).mean()", "-F.softplus(fake).mean()",
        "test_the_losses_are_those_of_the_probabilities"),
    "fakes aren't detached": (
        "discriminator_step", "g(z).detach()", "g(z)",
        "test_the_discriminators_step_changes_the_discriminator_alone"),
    "fakes are detached in the generator's step": (
        "generator_step", "loss_of(d(g(z)))", "loss_of(d(g(z).detach()))",
        "test_the_generators_step_changes_the_generator_alone"),
    "the generator's loss is always the same": (
        "generator_step", "loss_of(d(g(z)))", "nonsaturating_loss(d(g(z)))",
        "test_the_generators_step_changes_the_generator_alone"),
    "gradients of a duel pile up": (
        "learn", "optimizer.zero_grad()", "", "test_a_step_starts_from_no_gradient"),
    "the norm of all singular values": (
        "Spectral.forward", "u @ matrix @ v", "matrix.norm()",
        "test_the_norm_finds_the_largest_singular_value"),
    "the power method stands still": (
        "Spectral.forward", "self.u.copy_(u)", "",
        "test_the_norm_finds_the_largest_singular_value"),
    "the power method moves in evaluation": (
        "Spectral.forward", "if self.training:\n    self.u.copy_(u)", "self.u.copy_(u)",
        "test_the_norm_follows_in_training_only"),
    "the norm is a constant for the gradient": (
        "Spectral.forward", "weight / (u @ matrix @ v)", "weight / (u @ matrix @ v).detach()",
        "test_the_norm_has_the_gradient_of_the_quotient"),
    "the norm stays on the CPU, in float32": (
        "spectral_norm", "Spectral(layer.weight).to(layer.weight)", "Spectral(layer.weight)",
        "test_the_norm_has_the_precision_of_its_layer"),
    "only linear layers are normed": (
        "spectral_norm", "(nn.Linear, nn.Conv2d)", "(nn.Linear,)",
        "test_a_discriminator_gives_a_logit_for_each_image"),
    "batch norm in the generator": (
        "small_generator", "conv(2 * width, 2 * width)",
        "nn.Sequential(conv(2 * width, 2 * width), nn.BatchNorm2d(2 * width))",
        "test_an_image_depends_on_its_own_noise_alone"),
    "spectral norm always": (
        "small_discriminator", "spectral_norm(net) if spectral else net", "spectral_norm(net)",
        "test_a_discriminator_gives_a_logit_for_each_image"),
}  # fmt: skip
