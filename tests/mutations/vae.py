"""Bugs of vae.py: name: (function, code, what it becomes, the test that must fail)."""

BUGS = {
    "the variance taken for the standard deviation": (
        "reparameterise", "0.5 * logvar", "logvar",
        "test_samples_have_the_spread_that_the_encoder_says"),
    "the log-variance taken for the standard deviation": (
        "reparameterise", "(0.5 * logvar).exp()", "logvar",
        "test_samples_have_the_spread_that_the_encoder_says"),
    "a rectified log-variance": (
        "reparameterise", "(0.5 * logvar).exp()", "(0.5 * logvar.relu()).exp()",
        "test_samples_have_the_spread_that_the_encoder_says"),
    "the mean gets the noise, too": (
        "reparameterise", "mean + (0.5 * logvar).exp() * eps",
        "(mean + (0.5 * logvar).exp()) * eps",
        "test_samples_have_the_spread_that_the_encoder_says"),
    "given noise is ignored": (
        "reparameterise", "torch.randn_like(mean) if eps is None else eps",
        "torch.randn_like(mean)", "test_given_noise_is_used_and_gradients_flow"),
    "no gradient through the sample": (
        "reparameterise", "mean + (0.5 * logvar).exp() * eps",
        "(mean + (0.5 * logvar).exp() * eps).detach()",
        "test_given_noise_is_used_and_gradients_flow"),
    "the KL without its half": (
        "kl_to_prior", "0.5 * (mean.square() + logvar.exp() - 1 - logvar)",
        "mean.square() + logvar.exp() - 1 - logvar", "test_the_kl_is_that_of_samples"),
    "the KL of the standard deviation": (
        "kl_to_prior", "logvar.exp()", "(0.5 * logvar).exp()", "test_the_kl_is_that_of_samples"),
    "the KL with the wrong sign of the logarithm": (
        "kl_to_prior", "mean.square() + logvar.exp() - 1 - logvar",
        "mean.square() + logvar.exp() - 1 + logvar", "test_the_kl_is_that_of_samples"),
    "the spread of the pixels squared": (
        "gaussian_nll", "log_std.exp()", "(2 * log_std).exp()", "test_the_pixels_are_normal"),
    "the constant forgotten": (
        "gaussian_nll", "0.5 * math.log(2 * math.pi)", "0.0", "test_the_pixels_are_normal"),
    "the spread always learned": (
        "VAE.__init__", "std is None", "True", "test_the_learned_spread_is_the_error"),
    "reconstruction averaged over pixels": (
        "elbo_terms", "gaussian_nll(x, image, vae.log_std).flatten(1).sum(1)",
        "gaussian_nll(x, image, vae.log_std).flatten(1).mean(1)",
        "test_terms_are_sums_over_dimensions"),
    "the KL averaged over latents": (
        "elbo_terms", "kl_to_prior(mean, logvar).flatten(1).sum(1)",
        "kl_to_prior(mean, logvar).flatten(1).mean(1)",
        "test_the_bound_is_above_the_likelihood_and_meets_it_at_the_posterior"),
    "the mean decoded instead of a sample": (
        "elbo_terms", "vae.decoder(reparameterise(mean, logvar, eps))", "vae.decoder(mean)",
        "test_the_bound_is_above_the_likelihood_and_meets_it_at_the_posterior"),
    "beta on the reconstruction": (
        "vae_loss", "rebuild + beta * kl", "beta * rebuild + kl",
        "test_the_loss_weighs_the_kl_alone"),
    "the logarithm before the mean": (
        "importance_bound", "math.log(k) - torch.stack(weights).logsumexp(0)",
        "-torch.stack(weights).mean(0)", "test_the_importance_bound_tightens"),
    "the mean over k forgotten": (
        "importance_bound", "math.log(k)", "0.0", "test_the_importance_bound_tightens"),
    "the prior forgotten in the ratio": (
        "importance_bound", "z.square() - eps.square() - logvar", "-eps.square() - logvar",
        "test_the_importance_bound_tightens"),
    "the scale upside down": (
        "latent_scale", "1 / reparameterise(*vae.posterior(x)).std()",
        "reparameterise(*vae.posterior(x)).std()",
        "test_scaled_latents_have_a_spread_of_one_and_come_back"),
    "the scale of the means": (
        "latent_scale", "reparameterise(*vae.posterior(x))", "vae.posterior(x)[0]",
        "test_latents_are_samples_and_not_means"),
    "multiplied at decoding": (
        "from_latent", "z / vae.scale", "z * vae.scale",
        "test_scaled_latents_have_a_spread_of_one_and_come_back"),
    "not scaled at encoding": (
        "to_latent", "vae.scale * reparameterise(*vae.posterior(x))",
        "reparameterise(*vae.posterior(x))",
        "test_scaled_latents_have_a_spread_of_one_and_come_back"),
    "an activation on the log-variance": (
        "dense_vae", "nn.Linear(width, 2 * latent)",
        "nn.Sequential(nn.Linear(width, 2 * latent), nn.ReLU())", "test_a_dense_vae_has_a_vector"),
    "one level too many": (
        "conv_vae", "range(levels)", "range(levels + 1)",
        "test_a_convolutional_vae_shrinks_by_its_levels"),
    "images of another size": (
        "gaussian_nll", "_check_image(mean, x)", "", "test_images_that_do_not_fit_are_refused"),
}  # fmt: skip
